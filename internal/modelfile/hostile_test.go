package modelfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Operations of pickles, to write hostile ones.

func text(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func number(n int) string { return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }

func global(module, name string) string { return "c" + module + "\n" + name + "\n" }

func tuple(items ...string) string { return "(" + strings.Join(items, "") + "t" }

func shape(n ...int) string {
	var s []string
	for _, v := range n {
		s = append(s, number(v))
	}
	return tuple(s...)
}

func storageID(kind, key string, n int) string {
	return tuple(text("storage"), global("torch", kind), text(key), text("cpu"), number(n)) + "Q"
}

func tensor(storage, offset, size, stride string) string {
	return global("torch._utils", "_rebuild_tensor_v2") + tuple(storage, offset, size, stride, "\x89", global("collections", "OrderedDict")+")R") + "R"
}

// state is a state_dict of one tensor.
func state(tensor string) string { return "\x80\x02}" + text("w") + tensor + "s." }

// entry is a part of a zip.
type entry struct {
	name string
	data []byte
}

// pack is a PyTorch file of a pickle and other parts.
func pack(t testing.TB, pickle string, parts ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, p := range append([]entry{{"m/data.pkl", []byte(pickle)}}, parts...) {
		w, err := z.CreateHeader(&zip.FileHeader{Name: p.name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(p.data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// floats are the bytes of float32 numbers.
func floats(v ...float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// refuses checks that an error wraps ErrFormat, says what it should, and is no longer than
// anybody would read.
func refuses(t *testing.T, name string, err error, words ...string) {
	t.Helper()
	if !errors.Is(err, ErrFormat) {
		t.Errorf("%s: %v", name, err)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: %q does not say %q", name, err, w)
		}
	}
	if len(err.Error()) > 900 {
		t.Errorf("%s: an error of %d bytes: %.200s", name, len(err.Error()), err)
	}
}

var four = entry{"m/data/0", floats(1, 2, 3, 4)}

func TestReadTorchRefuses(t *testing.T) {
	const save = "save it with torch.save(model.state_dict(), path)"
	whole := storageID("FloatStorage", "0", 4)
	view := func(offset int, size, stride string) []byte {
		return pack(t, state(tensor(whole, number(offset), size, stride)), four)
	}
	if _, err := ReadTorch(view(0, shape(2, 2), shape(2, 1))); err != nil {
		t.Fatalf("the file that the others differ from: %v", err)
	}
	for _, c := range []struct {
		name  string
		data  []byte
		words []string
	}{
		{"empty", nil, []string{"no PyTorch file", save}},
		{"HTML", []byte("<!DOCTYPE html><html><body>404</body></html>"), []string{"no PyTorch file", save}},
		{"torch 1.5", read(t, "testdata", "bad_legacy.pth"), []string{"before 1.6", save}},
		{"another zip", pack(t, ".", four)[1:], []string{"no PyTorch file", save}},
		{"module", read(t, "testdata", "bad_module.pth"), []string{"torch.nn.modules.linear.Linear", save}},
		{"checkpoint", read(t, "testdata", "bad_checkpoint.pth"), []string{`"epoch" is no tensor`, save}},
		{"tensor alone", read(t, "testdata", "bad_tensor.pth"), []string{"no dictionary", save}},
		{"int64", read(t, "testdata", "bad_int64.pth"), []string{"LongStorage", "float32"}},
		{"NaN", read(t, "testdata", "bad_nan.pth"), []string{`"w" holds NaN`, "finite"}},
		{"beyond float32", read(t, "testdata", "bad_overflow.pth"), []string{`"w" holds +Inf`, "finite"}},
		{"infinity", pack(t, state(tensor(whole, number(0), shape(4), shape(1))), entry{"m/data/0", floats(1, 2, 3, float32(math.Inf(-1)))}), []string{"-Inf"}},
		{"os.system", pack(t, "\x80\x02"+global("os", "system")+tuple(text("true"))+"R."), []string{`"os.system"`, "not among the types", save}},
		{"posix.system", pack(t, "\x80\x02"+global("posix", "system")+tuple(text("true"))+"R."), []string{`"posix.system"`}},
		{"eval", pack(t, "\x80\x02"+global("builtins", "eval")+tuple(text("1"))+"R."), []string{`"builtins.eval"`}},
		{"eval by the stack", pack(t, "\x80\x04\x8c\x08builtins\x8c\x04eval\x93"+tuple(text("1"))+"R."), []string{`"builtins.eval"`}},
		{"__import__", pack(t, "\x80\x02"+global("__builtin__", "__import__")+"."), []string{`"__builtin__.__import__"`}},
		{"attribute of a module", pack(t, "\x80\x02"+global("torch", "load")+"."), []string{`"torch.load"`}},
		{"newline in a name", pack(t, "\x80\x04"+text("os\nx")+text("system")+"\x93."), []string{`"os\nx.system"`}},
		{"INST", pack(t, "\x80\x02(ios\nsystem\n."), []string{"operation 0x69"}},
		{"OBJ", pack(t, "\x80\x02(o."), []string{"operation 0x6f"}},
		{"EXT1", pack(t, "\x80\x02\x82\x01."), []string{"operation 0x82"}},
		{"PERSID", pack(t, "\x80\x02Pstorage\n."), []string{"operation 0x50"}},
		{"NEXT_BUFFER", pack(t, "\x80\x05\x97."), []string{"operation 0x97"}},
		{"last operation", pack(t, "\x80\x02\xff"), []string{"operation 0xff"}},
		{"protocol", pack(t, "\x80\x09}."), []string{"protocol"}},
		{"long text", pack(t, "\x80\x02X\xff\xff\xff\x7fabc"), []string{"announces 2147483647 bytes where 3 are left"}},
		{"longer text", pack(t, "\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc"), []string{"announces 18446744073709551615 bytes where 3 are left"}},
		{"short text", pack(t, "\x80\x04\x8c\xffX\xff\xff\xff\x7f"), []string{"announces 255 bytes where 5 are left"}},
		{"short bytes", pack(t, "\x80\x04C\x80B\xff\xff\xff\x7f"), []string{"announces 128 bytes where 5 are left"}},
		{"integer", pack(t, "\x80\x02\x8a\x10\x01"), []string{"announces 16 bytes where 1 are left"}},
		{"empty stack", pack(t, "\x80\x02."), []string{"stack is empty", save}},
		{"no mark", pack(t, "\x80\x02t."), []string{"stack is empty"}},
		{"odd items", pack(t, "\x80\x02}(Nu."), []string{"cannot be read"}},
		{"unknown memo", pack(t, "\x80\x02h\x07."), []string{"no dictionary"}},
		{"list", pack(t, "\x80\x02]."), []string{"no dictionary"}},
		{"no tensors", pack(t, "\x80\x02}."), []string{"no tensor"}},
		{"key without a name", pack(t, "\x80\x02}"+number(3)+number(4)+"s."), []string{"without a name", save}},
		{"key that has no hash", pack(t, "\x80\x02"+global("collections", "OrderedDict")+")RC\x01aNs."), []string{"cannot be read"}},
		{"two of a name", pack(t, "\x80\x02}"+strings.Repeat(text("w")+tensor(whole, number(0), shape(4), shape(1))+"s", 2)+".", four), []string{`two tensors are called "w"`}},
		{"offset", view(1, shape(4), shape(1)), []string{`tensor "w"`, "leaves its storage of 4 numbers"}},
		{"offset at the end", view(4, shape(1), shape(1)), []string{"leaves its storage"}},
		{"offset of 2^62", pack(t, state(tensor(whole, "\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x40", shape(4), shape(1))), four), []string{"leaves its storage"}},
		{"negative offset", view(-1, shape(4), shape(1)), []string{"without storage, offset, size or stride"}},
		{"strides", view(0, shape(2, 2), shape(3, 1)), []string{"leaves its storage"}},
		{"large strides", view(0, shape(3, 3, 3, 3), shape(1<<27, 1<<27, 1<<27, 1<<27)), []string{"leaves its storage"}},
		{"negative stride", view(3, shape(4), shape(-1)), []string{"without storage, offset, size or stride"}},
		{"negative shape", view(0, shape(-2, -2), shape(1, 1)), []string{"without storage, offset, size or stride"}},
		{"shape and strides", view(0, shape(2, 2), shape(1)), []string{"without storage, offset, size or stride"}},
		{"nine dimensions", view(0, shape(1, 1, 1, 1, 1, 1, 1, 1, 1), shape(1, 1, 1, 1, 1, 1, 1, 1, 1)), []string{"without storage, offset, size or stride"}},
		{"huge view", view(0, shape(1<<20, 1<<20), shape(0, 0)), []string{"beyond what is read (256 MiB)"}},
		{"huge views together", pack(t, "\x80\x02}"+text("a")+tensor(whole, number(0), shape(4), shape(1))+"s"+text("b")+tensor(whole, number(0), shape(1<<26), shape(0))+"s.", four),
			[]string{`tensor "b"`, "with it the tensors are beyond what is read (256 MiB)"}},
		{"no storage", pack(t, state(tensor("N", number(0), shape(4), shape(1))), four), []string{"without storage"}},
		{"missing storage", pack(t, state(tensor(whole, number(0), shape(4), shape(1)))), []string{`storage "0" is missing`}},
		{"short storage", pack(t, state(tensor(whole, number(0), shape(4), shape(1))), entry{"m/data/0", floats(1, 2, 3)}), []string{"has 12 bytes, 4 numbers of FloatStorage have 16"}},
		{"storage of two types", pack(t, "\x80\x02}"+text("a")+tensor(whole, number(0), shape(4), shape(1))+"s"+
			text("b")+tensor(storageID("HalfStorage", "0", 8), number(0), shape(8), shape(1))+"s.", four), []string{"used as FloatStorage and as HalfStorage"}},
		{"other reference", pack(t, "\x80\x02"+tuple(text("module"))+"Q."), []string{"no storage"}},
		{"storage without a size", pack(t, "\x80\x02"+tuple(text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), text("4"))+"Q.", four), []string{"without type, key or size"}},
		{"negative storage", pack(t, "\x80\x02"+storageID("FloatStorage", "0", -1)+".", four), []string{"without type, key or size"}},
		{"parameter", pack(t, "\x80\x02}"+text("w")+global("torch._utils", "_rebuild_parameter")+tuple("N", "\x88", "N")+"Rs."), []string{"a parameter that is no tensor"}},
		{"few arguments", pack(t, "\x80\x02"+global("torch._utils", "_rebuild_tensor_v2")+tuple(whole)+"R.", four), []string{"a tensor of 1 arguments"}},
		{"no data.pkl", pack(t, "")[:0], []string{"no PyTorch file"}},
		{"two data.pkl", pack(t, "\x80\x02}.", entry{"other/data.pkl", []byte("\x80\x02}.")}), []string{"two data.pkl"}},
		{"two storages", pack(t, "\x80\x02}.", four, four), []string{"two entries"}},
		{"big-endian", pack(t, "\x80\x02}.", entry{"m/byteorder", []byte("big")}), []string{`byte order is "big"`}},
		{"long byte order", pack(t, "\x80\x02}.", entry{"m/byteorder", bytes.Repeat([]byte("little "), 100)}), []string{"at most 64 are read"}},
		{"many entries", bytes.Repeat([]byte("PK\x01\x02"), maxEntries+1), []string{"100001 entries"}},
	} {
		tensors, err := ReadTorch(c.data)
		refuses(t, c.name, err, c.words...)
		if len(tensors) > 0 {
			t.Errorf("%s: with the error come %d tensors", c.name, len(tensors))
		}
	}
	if _, err := ReadTorch(pack(t, state(tensor(whole, number(0), shape(4), shape(1))), four, entry{"m/byteorder", []byte("little\n")})); err != nil {
		t.Errorf("little-endian: %v", err)
	}
}

// A zip whose entries are not what it says of them.
func TestZipsThatLie(t *testing.T) {
	pickle := []byte(state(tensor(storageID("FloatStorage", "0", 4), number(0), shape(4), shape(1))))
	build := func(change func(h *zip.FileHeader)) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, p := range []entry{{"m/data.pkl", pickle}, four} {
			h := &zip.FileHeader{Name: p.name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(p.data),
				CompressedSize64: uint64(len(p.data)), UncompressedSize64: uint64(len(p.data))}
			if p.name == four.name {
				change(h)
			}
			w, err := z.CreateRaw(h)
			if err == nil {
				_, err = w.Write(p.data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	if _, err := ReadTorch(build(func(*zip.FileHeader) {})); err != nil {
		t.Fatalf("without a lie: %v", err)
	}
	for name, c := range map[string]struct {
		change func(h *zip.FileHeader)
		words  string
	}{
		"larger than all":  {func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 40 }, "unpacks to 1099511627776 bytes"},
		"larger than said": {func(h *zip.FileHeader) { h.UncompressedSize64 = 8 }, "data/0"},
		"smaller":          {func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 20 }, "data/0"},
		"beyond the file":  {func(h *zip.FileHeader) { h.CompressedSize64, h.UncompressedSize64 = 1<<20, 1<<20 }, "data/0"},
		"checksum":         {func(h *zip.FileHeader) { h.CRC32++ }, "checksum"},
		"method":           {func(h *zip.FileHeader) { h.Method = 99 }, "unsupported compression"},
		"not deflated":     {func(h *zip.FileHeader) { h.Method = zip.Deflate }, "data/0"},
	} {
		_, err := ReadTorch(build(c.change))
		refuses(t, name, err, c.words)
	}
	// All entries together are bounded, too.
	z, err := zip.NewReader(bytes.NewReader(pack(t, "", four, entry{"m/data/1", make([]byte, 90)})), int64(len(pack(t, "", four, entry{"m/data/1", make([]byte, 90)}))))
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{left: 100}
	if _, err := a.read(z.File[1], MaxSize); err != nil {
		t.Fatal(err)
	}
	if _, err := a.read(z.File[2], MaxSize); err == nil || !strings.Contains(err.Error(), "at most 84 are read") {
		t.Errorf("the second entry: %v", err)
	}
}

// allocated is how many bytes f asks for.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A few bytes that ask for much are refused before they get it.
func TestBombs(t *testing.T) {
	const most = 160 << 20
	zeros := []entry{{"m/data/0", make([]byte, 16<<20)}}
	memo := func(n int, use string) string {
		return "\x80\x02" + text(strings.Repeat("a", 100_000)) + "q\x00(" + strings.Repeat("h\x00", n) + "t" + use
	}
	entries := strings.Repeat("U\x01aN", 10_000)
	for _, c := range []struct{ name, pickle, words string }{
		{"a storage in a message", "\x80\x02" + storageID("FloatStorage", "0", 4<<20) + ")R.", "requires a Callable"},
		{"a storage as a key", "\x80\x02}" + storageID("FloatStorage", "0", 4<<20) + "Ns.", "without a name"},
		{"texts in a message", memo(1_000_000, ")R."), "repeats long texts"},
		{"few texts in a message", memo(100, ")R."), "requires a Callable"},
		{"texts as keys", "\x80\x02" + global("collections", "OrderedDict") + ")Rq\x01" + text(strings.Repeat("a", 100_000)) + "q\x000" + strings.Repeat("h\x00Ns", 500_000) + ".", "repeats long texts"},
		{"text as a name", "\x80\x04" + text(strings.Repeat("a", 1_000_000)) + text(strings.Repeat("b", 1_000_000)) + "\x93.", "not among the types"},
		{"marks", "\x80\x02" + strings.Repeat("(", 500_000), "objects"},
		{"tuples", "\x80\x02" + strings.Repeat("(t", 500_000), "objects"},
		{"tuples in tuples", "\x80\x02)" + strings.Repeat("\x85", 1_100_000), "operations"},
		{"dictionaries", "\x80\x02" + strings.Repeat("}", 1_000_000), "objects"},
		{"lists", "\x80\x02" + strings.Repeat("]", 1_000_000), "objects"},
		{"calls", "\x80\x02" + global("collections", "OrderedDict") + "q\x00" + strings.Repeat("h\x00)R", 500_000), "objects"},
		{"memo", "\x80\x04N" + strings.Repeat("\x94", 1_100_000), "operations"},
		{"numbers", "\x80\x02" + strings.Repeat("M\xff\xff", 1_100_000), "operations"},
		{"states", "\x80\x02}(" + entries + "uq\x00" + global("collections", "OrderedDict") + ")R" + strings.Repeat("h\x00b", 1000), "more than 64 objects a state"},
	} {
		parts := zeros
		if !strings.Contains(c.pickle, "Storage") {
			parts = nil
		}
		data := pack(t, c.pickle, parts...)
		var err error
		n := allocated(func() { _, err = ReadTorch(data) })
		refuses(t, c.name, err, c.words)
		if n > most {
			t.Errorf("%s: %d bytes took %d MiB", c.name, len(data), n>>20)
		}
	}
	// A pickle is bounded, however well it is packed.
	_, err := ReadTorch(pack(t, strings.Repeat("N", maxPickle+1)))
	refuses(t, "a large pickle", err, "data.pkl", "at most 4194304 are read")

	for _, c := range []struct{ name, data, words string }{
		{"many columns", `{"mean": [` + strings.Repeat("0,", 1_000_000) + `0], "scale": [1]}`, "1 to 65536"},
		{"large", strings.Repeat(" ", maxScaler+1), "too many for a scaler"},
		{"array", "\x80\x03" + global("joblib.numpy_pickle", "NumpyArrayWrapper") + ")\x81}(" + text("shape") + tuple(number(1<<25)) +
			text("dtype") + global("numpy", "dtype") + tuple(text("f8"), number(0), number(1)) + "Rub.", "an array of 268435456 bytes follows, 1 are left"},
		{"arrays", "\x80\x03" + global("joblib.numpy_pickle", "NumpyArrayWrapper") + ")\x81}(" + text("shape") + tuple(number(1<<27), number(1<<27)) +
			text("dtype") + global("numpy", "dtype") + tuple(text("f8"), number(0), number(1)) + "Rub.", "beyond what is read"},
	} {
		n := allocated(func() { _, err = ReadScaler([]byte(c.data)) })
		refuses(t, c.name, err, c.words)
		if n > most {
			t.Errorf("%s: %d bytes took %d MiB", c.name, len(c.data), n>>20)
		}
	}

	for name, header := range map[string]string{
		"shape":    `{"w":{"dtype":"F32","shape":[` + strings.Repeat("0,", 500_000) + `0],"data_offsets":[0,0]}}`,
		"texts":    `{"w":{"dtype":"F32","shape":[` + strings.Repeat(`"",`, 500_000) + `0],"data_offsets":[0,0]}}`,
		"entries":  "{" + strings.Repeat(`"a":{},`, 100_000) + `"b":{}}`,
		"brackets": strings.Repeat("[", 1_000_000),
	} {
		data := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
		n := allocated(func() { _, _, err = ReadSafetensors(data) })
		refuses(t, name, err)
		if n > most {
			t.Errorf("%s: %d bytes took %d MiB", name, len(data), n>>20)
		}
	}
}

func TestReadScalerRefuses(t *testing.T) {
	const save = "save it with joblib.dump(scaler, path), or as JSON"
	array := func(size, kind, order, data string) string {
		return global("numpy.core.multiarray", "_reconstruct") + tuple(global("numpy", "ndarray"), shape(0), text("b")) + "R" +
			tuple(number(1), size, global("numpy", "dtype")+tuple(text(kind), number(0), number(1))+"R"+tuple(number(3), text(order), "N", "N", "N")+"b", "\x89", "C"+string(rune(len(data)))+data) + "b"
	}
	scaler := func(attributes ...string) []byte {
		return []byte("\x80\x03" + global("sklearn.preprocessing._data", "StandardScaler") + ")\x81}(" + strings.Join(attributes, "") + "ub.")
	}
	double := func(v float64) string { return string(binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))) }
	one := func(v float64) string { return array(shape(1), "f8", "<", double(v)) }
	good := scaler(text("mean_"), one(1), text("scale_"), one(2))
	if s, err := ReadScaler(good); err != nil || s.Mean[0] != 1 || s.Scale[0] != 2 {
		t.Fatalf("the file that the others differ from: %v, %v", s, err)
	}
	for _, c := range []struct {
		name  string
		data  []byte
		words []string
	}{
		{"empty", nil, []string{"neither JSON nor", save}},
		{"HTML", []byte("<html></html>"), []string{"neither JSON nor", save}},
		{"zlib", []byte("\x78\x9c\x63\x60"), []string{"is compressed", save}},
		{"gzip", []byte("\x1f\x8b\x08\x00"), []string{"is compressed", save}},
		{"bzip2", []byte("BZh9"), []string{"is compressed"}},
		{"xz", []byte("\xfd7zXZ\x00"), []string{"is compressed"}},
		{"lz4", []byte("\x04\x22\x4d\x18"), []string{"is compressed"}},
		{"protocol 0", []byte("ccopy_reg\n_reconstructor\n."), []string{"protocol 2 to 5", save}},
		{"protocol 9", []byte("\x80\x09N."), []string{"protocol 2 to 5", save}},
		{"unfitted", read(t, "testdata", "bad_scaler_unfitted.pkl"), []string{"no array mean_", "fitted", save}},
		{"big-endian", read(t, "testdata", "bad_scaler_big_endian.pkl"), []string{"little-endian", save}},
		{"text", read(t, "testdata", "bad_scaler_text.pkl"), []string{`type "U1"`, save}},
		{"dictionary", read(t, "testdata", "bad_scaler_dict.pkl"), []string{"no StandardScaler", save}},
		{"another scaler", []byte("\x80\x02" + global("sklearn.preprocessing._data", "MinMaxScaler") + ")\x81."), []string{`"sklearn.preprocessing._data.MinMaxScaler"`, save}},
		{"os.system", []byte("\x80\x02" + global("os", "system") + tuple(text("true")) + "R."), []string{`"os.system"`, save}},
		{"nt.system by the stack", []byte("\x80\x04\x8c\x02nt\x8c\x06system\x93."), []string{`"nt.system"`}},
		{"numpy.load", []byte("\x80\x02" + global("numpy", "load") + "."), []string{`"numpy.load"`}},
		{"storage", []byte("\x80\x02" + tuple(text("storage")) + "Q."), []string{"persistent ID"}},
		{"no state", []byte("\x80\x03" + global("sklearn.preprocessing._data", "StandardScaler") + ")\x81Nb."), []string{"no dictionary"}},
		{"no scale", scaler(text("mean_"), one(1)), []string{"no array scale_"}},
		{"scale is a number", scaler(text("mean_"), one(1), text("scale_"), number(1)), []string{"no array scale_"}},
		{"scale of zero", scaler(text("mean_"), one(1), text("scale_"), one(0)), []string{"column 1", "no scale of 0"}},
		{"scale is not a number", scaler(text("mean_"), one(1), text("scale_"), one(math.NaN())), []string{"scale NaN", "finite"}},
		{"infinite mean", scaler(text("mean_"), one(math.Inf(1)), text("scale_"), one(1)), []string{"mean +Inf", "finite"}},
		{"two means, one scale", scaler(text("mean_"), array(shape(2), "f8", "<", double(1)+double(2)), text("scale_"), one(1)), []string{"2 means and 1 scales"}},
		{"no columns", scaler(text("mean_"), array(shape(0), "f8", "<", ""), text("scale_"), array(shape(0), "f8", "<", "")), []string{"0 means"}},
		{"neither", scaler(text("with_mean"), "\x89", text("with_std"), "\x89"), []string{"0 means"}},
		{"big-endian dtype", scaler(text("mean_"), array(shape(1), "f8", ">", double(1))), []string{"little-endian"}},
		{"half numbers", scaler(text("mean_"), array(shape(4), "f2", "<", double(1))), []string{`type "f2"`}},
		{"shape", scaler(text("mean_"), array(shape(2), "f8", "<", double(1))), []string{"shape [2], 2 numbers, has 8 bytes"}},
		{"negative shape", scaler(text("mean_"), array(shape(-1), "f8", "<", double(1))), []string{"no tuple of numbers"}},
		{"no bytes", scaler(text("mean_"), global("numpy.core.multiarray", "_reconstruct")+")R"+tuple(number(1), shape(1), "N", "N", "N")+"b"), []string{"without bytes"}},
		{"no array", scaler(text("mean_"), global("numpy.core.multiarray", "_reconstruct")+")RNb"), []string{"without a state"}},
		{"no dtype", scaler(text("mean_"), global("numpy.core.numeric", "_frombuffer")+tuple("C\x00", "N", shape(0))+"R"), []string{"little-endian"}},
		{"encoding", scaler(text("mean_"), global("_codecs", "encode")+tuple(text("a"), text("utf7"))+"R"), []string{"unknown encoding"}},
		{"character", scaler(text("mean_"), global("_codecs", "encode")+tuple(text("€"), text("latin1"))+"R"), []string{"above 255"}},
		{"JSON without scale", []byte(`{"mean": [1]}`), []string{"1 means and 0 scales"}},
		{"JSON of words", []byte(`{"mean": ["a"], "scale": [1]}`), []string{`of the form {"mean"`}},
		{"JSON scale of zero", []byte(`{"mean": [1, 1], "scale": [1, 0]}`), []string{"column 2"}},
		{"JSON beyond float64", []byte(`{"mean": [1e999], "scale": [1]}`), []string{`of the form {"mean"`}},
		{"JSON twice", []byte(`{"mean": [1], "scale": [1]}{}`), []string{`of the form {"mean"`}},
		{"JSON of many columns", []byte(`{"mean": [` + strings.Repeat("0,", 1<<16) + `0], "scale": [` + strings.Repeat("1,", 1<<16) + `1]}`), []string{"65537 means", "1 to 65536"}},
	} {
		_, err := ReadScaler(c.data)
		refuses(t, c.name, err, c.words...)
	}
}

func TestReadHyperRefuses(t *testing.T) {
	const form = `of the form {"input_size": 1, "hidden_size": 10, "num_stacked_layers": 10}`
	for name, c := range map[string]struct{ data, words string }{
		"empty":         {"", form},
		"HTML":          {"<html>", form},
		"list":          {"[1, 10, 10]", form},
		"words":         {`{"input_size": "one"}`, form},
		"fraction":      {`{"input_size": 1.5, "hidden_size": 10, "num_stacked_layers": 10}`, form},
		"unknown":       {`{"input_size": 1, "hidden_size": 10, "num_stacked_layers": 10, "dropout": 1}`, "dropout"},
		"two":           {`{"input_size": 1, "hidden_size": 10, "num_stacked_layers": 10}{}`, "something follows"},
		"tail":          {`{"input_size": 1, "hidden_size": 10, "num_stacked_layers": 10}]`, "something follows"},
		"long tail":     {`{"input_size": 1, "hidden_size": 10, "num_stacked_layers": 10}` + strings.Repeat(" ", 1<<16), "something follows"},
		"missing":       {`{"input_size": 1, "hidden_size": 10}`, "num_stacked_layers 0"},
		"negative":      {`{"input_size": -1, "hidden_size": 10, "num_stacked_layers": 10}`, "input_size -1"},
		"huge":          {`{"input_size": 1, "hidden_size": 1000000, "num_stacked_layers": 10}`, "hidden_size 1000000"},
		"beyond an int": {`{"input_size": 1, "hidden_size": 1e30, "num_stacked_layers": 10}`, form},
	} {
		_, err := ReadHyper([]byte(c.data))
		refuses(t, name, err, c.words)
	}
	if h, err := ReadHyper([]byte(" {\"num_stacked_layers\": 3, \"input_size\": 1, \"hidden_size\": 2}\n\n")); err != nil || h != (Hyper{1, 2, 3}) {
		t.Errorf("%+v, %v", h, err)
	}
}

// goods are files of testdata that can be read.
func goods(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	list, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(list) == 0 {
		t.Fatalf("no files %s (%v)", pattern, err)
	}
	files := map[string][]byte{}
	for _, path := range list {
		if name := filepath.Base(path); !strings.HasPrefix(name, "bad_") {
			files[name] = read(t, path)
		}
	}
	return files
}

// A file that ends anywhere before its end is refused.
func TestTruncated(t *testing.T) {
	cut := func(name string, data []byte, step int, read func([]byte) error) {
		if err := read(data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for n := 0; n < len(data); n += step {
			if err := read(data[:n]); !errors.Is(err, ErrFormat) {
				t.Errorf("%s: the first %d bytes of %d: %v", name, n, len(data), err)
			}
		}
	}
	torch := func(b []byte) error { _, err := ReadTorch(b); return err }
	scaler := func(b []byte) error { _, err := ReadScaler(b); return err }
	for name, data := range goods(t, "*.pth") {
		cut(name, data, 7, torch)
		// And with the pickle alone cut, in a whole zip.
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		var pickle []byte
		var parts []entry
		for _, f := range z.File {
			b, err := (&archive{left: MaxSize}).read(f, MaxSize)
			if err != nil {
				t.Fatal(err)
			}
			_, rest, _ := strings.Cut(f.Name, "/")
			if rest == "data.pkl" {
				pickle = b
			} else {
				parts = append(parts, entry{"m/" + rest, b})
			}
		}
		cut(name+", its pickle", pickle, 3, func(b []byte) error { return torch(pack(t, string(b), parts...)) })
	}
	cut("a price network", golden(t, "lstm_model.pth"), 997, torch)
	for name, data := range goods(t, "*.pkl") {
		cut(name, data, 1, scaler)
	}
	cut("its scaler", golden(t, "X_scaler.pkl"), 1, scaler)
	cut("JSON", []byte(`{"mean": [1, 2.5], "scale": [1, 3]}`), 1, scaler)
	cut("hyper-parameters", golden(t, "lstm_model_hyper_param.json"), 1, func(b []byte) error { _, err := ReadHyper(b); return err })
	b, err := WriteSafetensors(Tensors{"a": {[]int{2}, []float32{1, 2}}, "b": {[]int{}, []float32{3}}}, map[string]string{"format": "pt"})
	if err != nil {
		t.Fatal(err)
	}
	cut("safetensors", b, 1, func(b []byte) error { _, _, err := ReadSafetensors(b); return err })
}

// A file beyond the bound is refused unread.
func TestTooLarge(t *testing.T) {
	data := make([]byte, MaxSize+1) // never touched: only address space
	_, err := ReadTorch(data)
	refuses(t, "torch", err, "256 MiB")
	_, _, err = ReadSafetensors(data)
	refuses(t, "safetensors", err, "256 MiB")
}

// The files of testdata are those of its script.
func TestFilesAreDocumented(t *testing.T) {
	script := string(read(t, "testdata", "make.py"))
	list, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		name, ext, _ := strings.Cut(f.Name(), ".")
		if stem := strings.TrimRight(name, "2345"); ext != "py" && !f.IsDir() && !strings.Contains(script, stem) {
			t.Errorf("make.py does not write %s", f.Name())
		}
	}
}
