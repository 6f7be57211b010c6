package modelfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/nlpodyssey/gopickle/types"
)

// ReadTorch reads a PyTorch state_dict, as torch.save(model.state_dict(), path) writes it
// since torch 1.6: a zip of a pickle and of the storages that it names. Numbers of the types
// float32, float64, float16 and bfloat16 become float32. The error wraps ErrFormat.
func ReadTorch(data []byte) (t Tensors, err error) {
	defer rescue(&err, "the PyTorch file")
	if err := tooLarge(data); err != nil {
		return nil, err
	}
	const save = "save it with torch.save(model.state_dict(), path)"
	if bytes.HasPrefix(data, []byte{0x80, 2, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19}) {
		return nil, fmt.Errorf("%w: it is in the format of torch before 1.6; load it with a current torch and %s", ErrFormat, save)
	}
	if n := bytes.Count(data, []byte("PK\x01\x02")); n > maxEntries {
		return nil, fmt.Errorf("%w: its zip has %d entries; at most %d are read", ErrFormat, n, maxEntries)
	}
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("%w: it is no PyTorch file: %w; %s", ErrFormat, err, save)
	}
	a := &archive{left: MaxSize, numbers: MaxSize / 4}
	if err := a.index(z); err != nil {
		return nil, fmt.Errorf("%w: it is no PyTorch file: %w; %s", ErrFormat, err, save)
	}
	b, err := a.read(a.pickle, maxPickle)
	if err != nil {
		return nil, fmt.Errorf("%w: it is no PyTorch file: %w; %s", ErrFormat, err, save)
	}
	v, err := unpickle(&guard{data: b}, findTorch, a.storage)
	if err != nil {
		return nil, fmt.Errorf("%w: its pickle: %w; only state_dicts are read: %s", ErrFormat, err, save)
	}
	t = Tensors{}
	put := func(key, value any) error {
		name, ok := key.(string)
		x, ok2 := value.(*rebuilt)
		if !ok {
			return fmt.Errorf("%w: it holds an entry without a name; %s", ErrFormat, save)
		}
		if !ok2 {
			return fmt.Errorf("%w: %.60q is no tensor; %s", ErrFormat, name, save)
		}
		if _, twice := t[name]; twice {
			return fmt.Errorf("%w: two tensors are called %.60q", ErrFormat, name)
		}
		data, err := x.contiguous(&a.numbers)
		if err != nil {
			return fmt.Errorf("%w: tensor %.60q: %w", ErrFormat, name, err)
		}
		t[name], err = newTensor(name, x.shape, data)
		return err
	}
	switch d := v.(type) {
	case *types.OrderedDict:
		for e := d.List.Front(); e != nil; e = e.Next() {
			entry := e.Value.(*types.OrderedDictEntry)
			if err := put(entry.Key, entry.Value); err != nil {
				return nil, err
			}
		}
	case *types.Dict:
		for _, entry := range *d {
			if err := put(entry.Key, entry.Value); err != nil {
				return nil, err
			}
		}
	default:
		return nil, fmt.Errorf("%w: it holds no dictionary of tensors; %s", ErrFormat, save)
	}
	if len(t) == 0 {
		return nil, fmt.Errorf("%w: it holds no tensor", ErrFormat)
	}
	return t, nil
}

// Bounds of the zip.
const (
	maxPickle  = 4 << 20 // bytes, without the arrays
	maxEntries = 100_000
)

// archive is the zip of a PyTorch file.
type archive struct {
	pickle *zip.File
	data   map[string]*zip.File // storages by key
	stored map[string]*stored   // those that have been read
	left   int64                // bytes that may still be unpacked
	// numbers may still be given out: many tensors may show the same storage.
	numbers int
}

// index finds the parts.
func (a *archive) index(z *zip.Reader) error {
	a.data, a.stored = map[string]*zip.File{}, map[string]*stored{}
	prefix := ""
	for _, f := range z.File {
		if p, ok := strings.CutSuffix(f.Name, "data.pkl"); ok && strings.Count(p, "/") <= 1 {
			if a.pickle != nil {
				return errors.New("its zip has two data.pkl")
			}
			a.pickle, prefix = f, p
		}
	}
	if a.pickle == nil {
		return errors.New("its zip has no data.pkl")
	}
	for _, f := range z.File {
		key, ok := strings.CutPrefix(f.Name, prefix+"data/")
		if ok && a.data[key] != nil {
			return fmt.Errorf("its zip has two entries %.80q", f.Name)
		}
		if ok {
			a.data[key] = f
		}
		if f.Name == prefix+"byteorder" {
			b, err := a.read(f, 64)
			if err != nil {
				return err
			}
			if s := strings.TrimSpace(string(b)); s != "little" {
				return fmt.Errorf("its byte order is %.20q; only little is read", s)
			}
		}
	}
	return nil
}

// read unpacks an entry of at most so many bytes.
func (a *archive) read(f *zip.File, most int64) ([]byte, error) {
	most = min(most, a.left)
	if f.UncompressedSize64 > uint64(most) {
		return nil, fmt.Errorf("entry %.80q unpacks to %d bytes, at most %d are read", f.Name, f.UncompressedSize64, most)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("entry %.80q: %w", f.Name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("entry %.80q: %w", f.Name, err)
	}
	if int64(len(b)) > most {
		return nil, fmt.Errorf("entry %.80q unpacks to more than %d bytes", f.Name, most)
	}
	a.left -= int64(len(b))
	return b, nil
}

// storageType is a torch.XStorage.
type storageType struct {
	name string
	size int
	at   func(b []byte) float64
}

// storages are the types of numbers that are read.
var storages = map[string]storageType{
	"FloatStorage":  {"FloatStorage", 4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }},
	"DoubleStorage": {"DoubleStorage", 8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }},
	"HalfStorage":   {"HalfStorage", 2, func(b []byte) float64 { return half(binary.LittleEndian.Uint16(b)) }},
	"BFloat16Storage": {"BFloat16Storage", 2, func(b []byte) float64 {
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16))
	}},
}

// half is an IEEE 754 binary16.
func half(h uint16) float64 {
	sign, exp, frac := 1.0, int(h>>10&31), float64(h&1023)
	if h&0x8000 != 0 {
		sign = -1
	}
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}

// stored is a storage that was read.
type stored struct {
	opaque
	kind storageType
	data []byte
}

// storage answers a persistent id: ('storage', type, key, place, numbers).
func (a *archive) storage(id any) (any, error) {
	t, ok := id.(*types.Tuple)
	if !ok || t.Len() != 5 || t.Get(0) != "storage" {
		return nil, errors.New("it refers to something that is no storage")
	}
	kind, ok := t.Get(1).(storageType)
	key, ok2 := t.Get(2).(string)
	n, ok3 := t.Get(4).(int)
	if !ok || !ok2 || !ok3 || n < 0 || n > MaxSize {
		return nil, errors.New("it refers to a storage without type, key or size")
	}
	if s := a.stored[key]; s != nil {
		if s.kind.name != kind.name {
			return nil, fmt.Errorf("storage %.40q is used as %s and as %s", key, s.kind.name, kind.name)
		}
		return s, nil
	}
	f := a.data[key]
	if f == nil {
		return nil, fmt.Errorf("storage %.40q is missing", key)
	}
	b, err := a.read(f, MaxSize)
	if err != nil {
		return nil, err
	}
	if int64(len(b)) != int64(n)*int64(kind.size) {
		return nil, fmt.Errorf("storage %.40q has %d bytes, %d numbers of %s have %d", key, len(b), n, kind.name, int64(n)*int64(kind.size))
	}
	a.stored[key] = &stored{kind: kind, data: b}
	return a.stored[key], nil
}

// findTorch knows the types of a state_dict; collections.OrderedDict is known already.
func findTorch(module, name string) (any, error) {
	if s, ok := storages[name]; ok && module == "torch" {
		return s, nil
	}
	if module == "torch" && strings.HasSuffix(name, "Storage") {
		return nil, fmt.Errorf("its numbers are of torch.%.40s; float32, float64, float16 and bfloat16 are read", name)
	}
	if module == "torch._utils" && (name == "_rebuild_tensor_v2" || name == "_rebuild_parameter") {
		return rebuild{parameter: name == "_rebuild_parameter"}, nil
	}
	return nil, refused(module, name)
}

// rebuild is torch._utils._rebuild_tensor_v2, or _rebuild_parameter.
type rebuild struct{ parameter bool }

// rebuilt is a tensor: a view of a storage.
type rebuilt struct {
	opaque
	storage *stored
	offset  int
	shape   []int
	strides []int
}

// Call takes (storage, offset, size, stride, ...), or (tensor, ...) for a parameter.
func (r rebuild) Call(args ...any) (any, error) {
	if r.parameter {
		if len(args) < 1 {
			return nil, errors.New("a parameter without data")
		}
		if t, ok := args[0].(*rebuilt); ok {
			return t, nil
		}
		return nil, errors.New("a parameter that is no tensor")
	}
	if len(args) < 4 {
		return nil, fmt.Errorf("a tensor of %d arguments", len(args))
	}
	s, ok := args[0].(*stored)
	offset, ok2 := args[1].(int)
	shape, err := ints(args[2])
	strides, err2 := ints(args[3])
	if !ok || !ok2 || offset < 0 || err != nil || err2 != nil || len(shape) != len(strides) {
		return nil, errors.New("a tensor without storage, offset, size or stride")
	}
	return &rebuilt{storage: s, offset: offset, shape: shape, strides: strides}, nil
}

func ints(v any) ([]int, error) {
	t, ok := v.(*types.Tuple)
	if !ok || t.Len() > maxDims {
		return nil, errors.New("no tuple of numbers")
	}
	out := make([]int, t.Len())
	for i := range out {
		if out[i], ok = t.Get(i).(int); !ok || out[i] < 0 || out[i] > MaxSize {
			return nil, errors.New("no tuple of numbers")
		}
	}
	return out, nil
}

// contiguous returns the numbers by rows and takes them off those that are left: views
// may repeat a storage, but not make more of it than is read.
func (t *rebuilt) contiguous(left *int) ([]float32, error) {
	n, err := elements(t.shape)
	if err != nil || n == 0 {
		return nil, err
	}
	if n > *left {
		return nil, fmt.Errorf("with it the tensors are beyond what is read (%d MiB)", MaxSize>>20)
	}
	*left -= n
	size := t.storage.kind.size
	last, has := t.offset, len(t.storage.data)/size
	for i, d := range t.shape {
		if last >= has || t.strides[i] > 0 && d-1 > has/t.strides[i] {
			return nil, fmt.Errorf("it leaves its storage of %d numbers", has)
		}
		last += (d - 1) * t.strides[i]
	}
	if last >= has {
		return nil, fmt.Errorf("it leaves its storage of %d numbers", has)
	}
	out := make([]float32, 0, n)
	index := make([]int, len(t.shape))
	for range n {
		at := t.offset
		for i, k := range index {
			at += k * t.strides[i]
		}
		out = append(out, float32(t.storage.kind.at(t.storage.data[at*size:])))
		for i := len(index) - 1; i >= 0; i-- {
			if index[i]++; index[i] < t.shape[i] {
				break
			}
			index[i] = 0
		}
	}
	return out, nil
}
