package modelfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/nlpodyssey/safetensors"
)

// maxHeader bounds the JSON at the head of a safetensors file, which takes many times its
// size to read.
const maxHeader = 8 << 20

// ReadSafetensors reads weights in the safetensors format
// (https://github.com/huggingface/safetensors) with its metadata. Numbers of the types F32,
// F64, F16 and BF16 become float32. The error wraps ErrFormat.
func ReadSafetensors(data []byte) (t Tensors, metadata map[string]string, err error) {
	defer rescue(&err, "the safetensors file")
	if err := tooLarge(data); err != nil {
		return nil, nil, err
	}
	if len(data) >= 8 {
		if n := binary.LittleEndian.Uint64(data); n > maxHeader {
			return nil, nil, fmt.Errorf("%w: it is no safetensors file: it announces a header of %d bytes; at most %d MiB are read", ErrFormat, n, maxHeader>>20)
		}
	}
	n, header, err := safetensors.ReadMetadata(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: it is no safetensors file: %w", ErrFormat, short(err))
	}
	kinds := map[safetensors.DType]storageType{safetensors.F32: storages["FloatStorage"], safetensors.F64: storages["DoubleStorage"],
		safetensors.F16: storages["HalfStorage"], safetensors.BF16: storages["BFloat16Storage"]}
	body, infos := data[8+n:], header.Tensors()
	t = Tensors{}
	for _, name := range slices.Sorted(maps.Keys(infos)) {
		info := infos[name]
		kind, ok := kinds[info.DType]
		if !ok {
			return nil, nil, fmt.Errorf("%w: tensor %.60q is of %v; F32, F64, F16 and BF16 are read", ErrFormat, name, info.DType)
		}
		if len(info.Shape) > maxDims {
			return nil, nil, fmt.Errorf("%w: tensor %.60q has %d dimensions; at most %d are read", ErrFormat, name, len(info.Shape), maxDims)
		}
		shape := make([]int, len(info.Shape))
		for i, d := range info.Shape {
			if d > MaxSize {
				return nil, nil, fmt.Errorf("%w: tensor %.60q has the shape %v", ErrFormat, name, info.Shape)
			}
			shape[i] = int(d)
		}
		b := body[info.DataOffsets[0]:info.DataOffsets[1]]
		out := make([]float32, len(b)/kind.size)
		for i := range out {
			out[i] = float32(kind.at(b[i*kind.size:]))
		}
		if t[name], err = newTensor(name, shape, out); err != nil {
			return nil, nil, err
		}
	}
	return t, header.Metadata(), nil
}

// WriteSafetensors encodes weights as F32 in the order of their names, with metadata, for
// ReadSafetensors to read. The same input gives the same bytes. The error wraps ErrFormat
// when ReadSafetensors would refuse them.
func WriteSafetensors(t Tensors, metadata map[string]string) ([]byte, error) {
	views := map[string]view{}
	for name, x := range t {
		if name == "__metadata__" || !utf8.ValidString(name) {
			return nil, fmt.Errorf("%w: no tensor can be called %.60q", ErrFormat, name)
		}
		if _, err := newTensor(name, x.Shape, x.Data); err != nil {
			return nil, err
		}
		views[name] = view{x}
	}
	b, err := safetensors.Serialize(views, metadata)
	switch {
	case err != nil:
		return nil, err
	case binary.LittleEndian.Uint64(b) > maxHeader:
		err = errors.New("its names and metadata are too long")
	case len(b) > MaxSize:
		err = fmt.Errorf("%d bytes are more than %d MiB", len(b), MaxSize>>20)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be written: %w", ErrFormat, err)
	}
	return b, nil
}

// view is a tensor as it is written.
type view struct{ tensor Tensor }

// DType is the type of the numbers.
func (v view) DType() safetensors.DType { return safetensors.F32 }

// Shape is never nil: a single number has the shape [].
func (v view) Shape() []uint64 {
	shape := make([]uint64, len(v.tensor.Shape))
	for i, d := range v.tensor.Shape {
		shape[i] = uint64(d)
	}
	return shape
}

// Data is the numbers, little-endian.
func (v view) Data() []byte {
	b := make([]byte, 0, v.DataLen())
	for _, x := range v.tensor.Data {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// DataLen is the length of Data.
func (v view) DataLen() uint64 { return 4 * uint64(len(v.tensor.Data)) }
