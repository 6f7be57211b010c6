package modelfile

import (
	"bytes"
	"encoding/binary"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tensors draws weights of any names and shapes.
var tensors = rapid.Custom(func(t *rapid.T) Tensors {
	all := Tensors{}
	for _, name := range rapid.SliceOfNDistinct(rapid.String().Filter(func(s string) bool { return s != "__metadata__" }), 0, 5, rapid.ID[string]).Draw(t, "names") {
		shape := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(t, "shape")
		n, err := elements(shape)
		if err != nil {
			t.Fatal(err)
		}
		finite := rapid.Float32().Filter(func(v float32) bool { return v-v == 0 })
		all[name] = Tensor{shape, rapid.SliceOfN(finite, n, n).Draw(t, "data")}
	}
	return all
})

// What is written is read again to the last bit, and the same input gives the same bytes.
func TestSafetensorsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := tensors.Draw(t, "tensors")
		meta := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "metadata")
		b, err := WriteSafetensors(want, meta)
		if err != nil {
			t.Fatal(err)
		}
		again, err := WriteSafetensors(want, meta)
		if err != nil || !bytes.Equal(b, again) {
			t.Fatalf("written twice it differs (%v)", err)
		}
		got, m, err := ReadSafetensors(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(m) != len(meta) || len(meta) > 0 && !reflect.DeepEqual(m, meta) {
			t.Fatalf("metadata %q, want %q", m, meta)
		}
		if len(got) != len(want) {
			t.Fatalf("%d tensors, want %d", len(got), len(want))
		}
		for name, w := range want {
			g, ok := got[name]
			if !ok || !reflect.DeepEqual(g.Shape, w.Shape) || len(g.Data) != len(w.Data) {
				t.Fatalf("%q is %v, want %v", name, g, w)
			}
			for i := range w.Data {
				if math.Float32bits(g.Data[i]) != math.Float32bits(w.Data[i]) {
					t.Fatalf("number %d of %q is %v, want %v", i, name, g.Data[i], w.Data[i])
				}
			}
		}
	})
}

func TestWriteSafetensorsRefuses(t *testing.T) {
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		tensors  Tensors
		metadata map[string]string
		words    string
	}{
		"name of the metadata": {Tensors{"__metadata__": {[]int{1}, []float32{1}}}, nil, "can be called"},
		"name that is no text": {Tensors{"a\xff": {[]int{1}, []float32{1}}}, nil, "can be called"},
		"shape":                {Tensors{"a": {[]int{2}, []float32{1}}}, nil, "its shape [2] asks for 2"},
		"negative shape":       {Tensors{"a": {[]int{-1, -1}, []float32{1}}}, nil, "its shape"},
		"NaN":                  {Tensors{"a": {[]int{1}, []float32{nan}}}, nil, "finite"},
		"long metadata":        {nil, map[string]string{"a": strings.Repeat("b", maxHeader)}, "too long"},
	} {
		_, err := WriteSafetensors(c.tensors, c.metadata)
		refuses(t, name, err, c.words)
	}
}

// file is a safetensors file of a header and numbers.
func file(header string, data ...byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

func TestReadSafetensors(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		want float32
	}{
		"F32":  {file(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, floats(1.5)...), 1.5},
		"F64":  {file(`{"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}}`, binary.LittleEndian.AppendUint64(nil, math.Float64bits(0.1))...), 0.1},
		"F16":  {file(`{"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}`, 0x01, 0x80), -0x1p-24},
		"BF16": {file(`{"w":{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}}`, 0x80, 0x3f), 1},
		"pad":  {file(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}      `, floats(1.5)...), 1.5},
	} {
		got, _, err := ReadSafetensors(c.data)
		if err != nil || len(got) != 1 || got["w"].Data[0] != c.want {
			t.Errorf("%s: %v, %v, want %v", name, got, err, c.want)
		}
	}
}

func TestReadSafetensorsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		data  []byte
		words []string
	}{
		"empty":            {nil, []string{"no safetensors file"}},
		"HTML":             {[]byte("<!DOCTYPE html><html></html>"), []string{"no safetensors file"}},
		"header of 2^63":   {append(binary.LittleEndian.AppendUint64(nil, 1<<63), "{}"...), []string{"announces a header", "at most 8 MiB"}},
		"header of 2^64-1": {append(binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "{}"...), []string{"announces a header"}},
		"header beyond":    {append(binary.LittleEndian.AppendUint64(nil, 100), "{}"...), []string{"invalid header length"}},
		"header of a list": {file(`[]`), []string{"no safetensors file"}},
		"header of null":   {file(`{"w":null}`), []string{"no safetensors file"}},
		"metadata":         {file(`{"__metadata__":{"a":1}}`), []string{"expected string"}},
		"integers":         {file(`{"w":{"dtype":"I32","shape":[1],"data_offsets":[0,4]}}`, 1, 2, 3, 4), []string{`tensor "w" is of I32`, "F32, F64, F16 and BF16 are read"}},
		"unknown type":     {file(`{"w":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}}`, 1), []string{"F8_E4M3"}},
		"no shape":         {file(`{"w":{"dtype":"F32","data_offsets":[0,4]}}`, 1, 2, 3, 4), []string{"3 keys"}},
		"negative shape":   {file(`{"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}`, 1, 2, 3, 4), []string{"natural numbers"}},
		"fraction":         {file(`{"w":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}`, 1, 2, 3, 4), []string{"natural numbers"}},
		"shape overflows":  {file(`{"w":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}`), []string{"overflow"}},
		"empty, but huge":  {file(`{"w":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}}`), []string{"has the shape"}},
		"nine dimensions":  {file(`{"w":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}`, 1, 2, 3, 4), []string{"9 dimensions"}},
		"shape and bytes":  {file(`{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}`, 1, 2, 3, 4), []string{"mismatch"}},
		"overlap":          {file(`{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, 1, 2, 3, 4, 5, 6), []string{"invalid metadata offset"}},
		"the same bytes":   {file(`{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1, 2, 3, 4), []string{"invalid metadata offset"}},
		"hole":             {file(`{"v":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 1, 2, 3, 4, 5, 6, 7, 8), []string{"invalid metadata offset"}},
		"backwards":        {file(`{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,-4]}}`), []string{"natural numbers"}},
		"beyond the file":  {file(`{"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 1, 2, 3, 4), []string{"incomplete"}},
		"something after":  {file(`{"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 1, 2, 3, 4, 5), []string{"incomplete"}},
		"NaN":              {file(`{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, floats(float32(math.NaN()))...), []string{`"w" holds NaN`}},
		"infinite half":    {file(`{"w":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}`, 0x00, 0x7c), []string{`"w" holds +Inf`}},
	} {
		got, _, err := ReadSafetensors(c.data)
		refuses(t, name, err, c.words...)
		if got != nil {
			t.Errorf("%s: with the error come %v", name, got)
		}
	}
}
