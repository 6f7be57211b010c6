package modelfile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/nlpodyssey/gopickle/types"
)

// maxScaler bounds the file of a scaler.
const maxScaler = 4 << 20

// ReadScaler reads a scikit-learn StandardScaler: a pickle, as joblib.dump or pickle.dump
// writes it (protocols 2 to 5, not compressed), or JSON {"mean": [...], "scale": [...]}. The
// error wraps ErrFormat.
func ReadScaler(data []byte) (s Scaler, err error) {
	defer rescue(&err, "the scaler")
	const save = `save it with joblib.dump(scaler, path), or as JSON {"mean": scaler.mean_.tolist(), "scale": scaler.scale_.tolist()}`
	if len(data) > maxScaler {
		return s, fmt.Errorf("%w: %d bytes are too many for a scaler; at most %d MiB are read", ErrFormat, len(data), maxScaler>>20)
	}
	if b := bytes.TrimSpace(data); len(b) > 0 && b[0] == '{' {
		var j struct {
			Mean  []float64 `json:"mean"`
			Scale []float64 `json:"scale"`
		}
		if err := json.Unmarshal(b, &j); err != nil {
			return s, fmt.Errorf(`%w: the scaler is not JSON of the form {"mean": [...], "scale": [...]}: %w`, ErrFormat, err)
		}
		return Scaler{j.Mean, j.Scale}.check()
	}
	for _, magic := range []string{"\x78", "\x1f\x8b", "BZh", "\xfd7zXZ", "\x5d\x00", "\x04\x22\x4d\x18"} { // those of joblib.dump(..., compress=...)
		if bytes.HasPrefix(data, []byte(magic)) {
			return s, fmt.Errorf("%w: the scaler is compressed, which is not read; %s", ErrFormat, save)
		}
	}
	if len(data) < 2 || data[0] != 0x80 || data[1] < 2 || data[1] > 5 {
		return s, fmt.Errorf("%w: the scaler is neither JSON nor an uncompressed pickle of protocol 2 to 5; %s", ErrFormat, save)
	}
	g := &guard{data: data}
	v, err := unpickle(g, func(module, name string) (any, error) { return findScaler(g, module, name) }, nil)
	if err != nil {
		return s, fmt.Errorf("%w: the scaler's pickle: %w; %s", ErrFormat, err, save)
	}
	o, ok := v.(*scalerObject)
	if !ok {
		return s, fmt.Errorf("%w: the pickle holds no StandardScaler; %s", ErrFormat, save)
	}
	if s, err = o.scaler(); err != nil {
		return s, fmt.Errorf("%w: the scaler's pickle: %w; %s", ErrFormat, err, save)
	}
	return s.check()
}

// findScaler knows the types of a pickled StandardScaler.
func findScaler(g *guard, module, name string) (any, error) {
	switch module + "." + name {
	case "sklearn.preprocessing._data.StandardScaler", "sklearn.preprocessing.data.StandardScaler":
		return maker(func() any { return &scalerObject{fields: map[string]any{}} }), nil
	case "joblib.numpy_pickle.NumpyArrayWrapper":
		return maker(func() any { return &wrapped{stream: g} }), nil
	case "numpy.ndarray":
		return maker(func() any { return &array{} }), nil
	case "numpy.dtype":
		return call(newDtype), nil
	case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct":
		return call(func(...any) (any, error) { return &array{}, nil }), nil
	case "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar":
		return call(func(...any) (any, error) { return nil, nil }), nil // a count: not needed
	case "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer":
		return call(fromBuffer), nil
	case "_codecs.encode":
		return call(encode), nil
	}
	return nil, refused(module, name)
}

// maker is a class whose instances begin empty.
type maker func() any

// PyNew makes an instance, without looking at the arguments.
func (m maker) PyNew(...any) (any, error) { return m(), nil }

// Call does the same.
func (m maker) Call(...any) (any, error) { return m(), nil }

// call is a function.
type call func(args ...any) (any, error)

// Call calls it.
func (c call) Call(args ...any) (any, error) { return c(args...) }

// encode is _codecs.encode(text, 'latin1'): bytes as protocol 2 writes them.
func encode(args ...any) (any, error) {
	text, ok := "", len(args) >= 1
	if ok {
		text, ok = args[0].(string)
	}
	if !ok || len(args) > 1 && args[1] != "latin1" {
		return nil, errors.New("bytes in an unknown encoding")
	}
	out := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 255 {
			return nil, errors.New("bytes with a character above 255")
		}
		out = append(out, byte(r))
	}
	return out, nil
}

// scalerObject is the StandardScaler itself: its attributes.
type scalerObject struct {
	opaque
	fields map[string]any
}

// PySetState takes the attributes.
func (o *scalerObject) PySetState(state any) error { return fields(state, o.fields) }

// fields copies a dictionary with text keys.
func fields(state any, to map[string]any) error {
	d, ok := state.(*types.Dict)
	if !ok {
		return errors.New("a state that is no dictionary")
	}
	for _, e := range *d {
		if name, ok := e.Key.(string); ok {
			to[name] = e.Value
		}
	}
	return nil
}

// scaler is what the attributes say.
func (o *scalerObject) scaler() (s Scaler, err error) {
	column := func(name string) []float64 {
		var v []float64
		switch x := o.fields[name].(type) {
		case *wrapped:
			v = x.values
		case *array:
			v = x.values
		}
		if v == nil && err == nil {
			err = fmt.Errorf("it has no array %s: was it fitted?", name)
		}
		return v
	}
	with := func(name string) bool { v, ok := o.fields[name].(bool); return !ok || v }
	mean, std := with("with_mean"), with("with_std")
	if mean {
		s.Mean = column("mean_")
	}
	if std {
		s.Scale = column("scale_")
	}
	if err != nil {
		return s, err
	}
	n := max(len(s.Mean), len(s.Scale))
	if !mean {
		s.Mean = make([]float64, n)
	}
	if !std {
		s.Scale = make([]float64, n)
		for i := range s.Scale {
			s.Scale[i] = 1
		}
	}
	return s, nil
}

// dtype is a numpy.dtype: its kind, such as f8, and its byte order.
type dtype struct {
	kind string
	big  bool
}

func newDtype(args ...any) (any, error) {
	if len(args) < 1 {
		return nil, errors.New("a dtype without a name")
	}
	name, ok := args[0].(string)
	if !ok || len(name) > 8 {
		return nil, errors.New("a dtype without a name")
	}
	return &dtype{kind: name}, nil
}

// PySetState takes (version, byte order, ...).
func (d *dtype) PySetState(state any) error {
	t, ok := state.(*types.Tuple)
	if !ok || t.Len() < 2 {
		return errors.New("a dtype without a byte order")
	}
	d.big = t.Get(1) == ">"
	return nil
}

// size is that of a number in bytes, 0 for a kind that is not read.
func (d *dtype) size() int {
	switch d.kind {
	case "f8", "i8":
		return 8
	case "f4", "i4":
		return 4
	}
	return 0
}

// at decodes a number.
func (d *dtype) at(b []byte) float64 {
	switch d.kind {
	case "f8":
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case "f4":
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case "i8":
		return float64(int64(binary.LittleEndian.Uint64(b)))
	default:
		return float64(int32(binary.LittleEndian.Uint32(b)))
	}
}

// values decodes the bytes of an array.
func values(shape []int, of any, b []byte) ([]float64, error) {
	d, ok := of.(*dtype)
	if !ok || d.big {
		return nil, errors.New("an array that is not of little-endian numbers")
	}
	size := d.size()
	if size == 0 {
		return nil, fmt.Errorf("an array of the type %.20q; f8, f4, i8 and i4 are read", d.kind)
	}
	n, err := elements(shape)
	if err != nil {
		return nil, err
	}
	if n*size != len(b) {
		return nil, fmt.Errorf("an array of the shape %v, %d numbers, has %d bytes", shape, n, len(b))
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = d.at(b[i*size:])
	}
	return out, nil
}

// array is a numpy.ndarray in a plain pickle.
type array struct {
	opaque
	values []float64
}

// PySetState takes (version, shape, dtype, Fortran order, bytes).
func (a *array) PySetState(state any) error {
	t, ok := state.(*types.Tuple)
	if !ok || t.Len() != 5 {
		return errors.New("an array without a state")
	}
	shape, err := ints(t.Get(1))
	if err != nil {
		return err
	}
	b, ok := buffer(t.Get(4))
	if !ok {
		return errors.New("an array without bytes")
	}
	a.values, err = values(shape, t.Get(2), b)
	return err
}

// fromBuffer is numpy's _frombuffer(bytes, dtype, shape, order), the array of protocol 5.
func fromBuffer(args ...any) (any, error) {
	if len(args) < 3 {
		return nil, errors.New("an array without a state")
	}
	b, ok := buffer(args[0])
	if !ok {
		return nil, errors.New("an array without bytes")
	}
	shape, err := ints(args[2])
	if err != nil {
		return nil, err
	}
	v, err := values(shape, args[1], b)
	return &array{values: v}, err
}

// buffer is the bytes of an array: text in a pickle of Python 2, changeable in protocol 5.
func buffer(v any) ([]byte, bool) {
	switch x := v.(type) {
	case []byte:
		return x, true
	case *types.ByteArray:
		return *x, true
	case string:
		return []byte(x), true
	}
	return nil, false
}

// wrapped is a joblib.numpy_pickle.NumpyArrayWrapper: the bytes of its array follow in the
// stream, after so much padding as a first byte says where the wrapper has an alignment.
type wrapped struct {
	opaque
	stream *guard
	values []float64
}

// PySetState takes the description and then the array.
func (w *wrapped) PySetState(state any) error {
	f := map[string]any{}
	if err := fields(state, f); err != nil {
		return err
	}
	shape, err := ints(f["shape"])
	if err != nil {
		return err
	}
	d, ok := f["dtype"].(*dtype)
	if !ok {
		return errors.New("an array without a type")
	}
	n, err := elements(shape)
	if err != nil {
		return err
	}
	if align, ok := f["numpy_array_alignment_bytes"].(int); ok && align > 0 {
		b, err := w.stream.raw(1)
		if err != nil {
			return err
		}
		if _, err := w.stream.raw(int(b[0])); err != nil {
			return err
		}
	}
	b, err := w.stream.raw(n * d.size())
	if err != nil {
		return err
	}
	w.values, err = values(shape, d, b)
	return err
}
