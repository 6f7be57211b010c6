package modelfile

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/nlpodyssey/safetensors"
)

// ReadSafetensors reads weights in the safetensors format
// (https://github.com/huggingface/safetensors) with its metadata. Numbers of the types F32,
// F64, F16 and BF16 become float32. The error wraps ErrFormat.
func ReadSafetensors(data []byte) (t Tensors, metadata map[string]string, err error) {
	defer rescue(&err, "the safetensors file")
	if err := tooLarge(data); err != nil {
		return nil, nil, err
	}
	_, header, err := safetensors.ReadMetadata(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: it is no safetensors file: %w", ErrFormat, err)
	}
	st, err := safetensors.Deserialize(data)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: it is no safetensors file: %w", ErrFormat, err)
	}
	kinds := map[safetensors.DType]storageType{safetensors.F32: storages["FloatStorage"], safetensors.F64: storages["DoubleStorage"],
		safetensors.F16: storages["HalfStorage"], safetensors.BF16: storages["BFloat16Storage"]}
	t = Tensors{}
	for _, v := range st.Tensors() {
		kind, ok := kinds[v.TensorView.DType()]
		if !ok {
			return nil, nil, fmt.Errorf("%w: tensor %.60q is of %v; F32, F64, F16 and BF16 are read", ErrFormat, v.Name, v.TensorView.DType())
		}
		if _, twice := t[v.Name]; twice {
			return nil, nil, fmt.Errorf("%w: two tensors are called %.60q", ErrFormat, v.Name)
		}
		var shape []int
		for _, d := range v.TensorView.Shape() {
			if d > MaxSize {
				return nil, nil, fmt.Errorf("%w: tensor %.60q has the shape %v", ErrFormat, v.Name, v.TensorView.Shape())
			}
			shape = append(shape, int(d))
		}
		b := v.TensorView.Data()
		out := make([]float32, len(b)/kind.size)
		for i := range out {
			out[i] = float32(kind.at(b[i*kind.size:]))
		}
		if t[v.Name], err = newTensor(v.Name, shape, out); err != nil {
			return nil, nil, err
		}
	}
	return t, header.Metadata(), nil
}

// WriteSafetensors encodes weights as F32 in the order of their names, with metadata. The
// same input gives the same bytes.
func WriteSafetensors(t Tensors, metadata map[string]string) ([]byte, error) {
	views := map[string]safetensors.TensorView{}
	for name, x := range t {
		b := make([]byte, 0, 4*len(x.Data))
		for _, v := range x.Data {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		shape := make([]uint64, len(x.Shape))
		for i, d := range x.Shape {
			shape[i] = uint64(d)
		}
		v, err := safetensors.NewTensorView(safetensors.F32, shape, b)
		if err != nil {
			return nil, fmt.Errorf("tensor %.60q: %w", name, err)
		}
		views[name] = v
	}
	return safetensors.Serialize(views, metadata)
}
