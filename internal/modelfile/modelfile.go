// Package modelfile reads model files that people bring: the weights of a PyTorch network
// ([ReadTorch]), weights as safetensors ([ReadSafetensors]), the scaling of a scikit-learn
// StandardScaler ([ReadScaler]) and the original's hyper-parameters ([ReadHyper]).
//
// Such files come from anywhere, and pickles are programs: a loader that obeys them runs
// whatever they say. Here they are only data. A pickle may name the few types that weights
// and scalers need, and is refused with the name of any other; it may use the few operations
// that those need; no length in it is believed before that many bytes are there. Memory and
// time are bounded by the size of the file, and that by [MaxSize].
package modelfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// MaxSize bounds a file, and the numbers that it unpacks to, in bytes.
const MaxSize = 256 << 20

// ErrFormat says that a file is not what it is read as; it is wrapped with what is wrong
// and what to do.
var ErrFormat = errors.New("model file")

// Tensor is an array of numbers, stored by rows.
type Tensor struct {
	Shape []int
	Data  []float32
}

// Tensors are arrays by name.
type Tensors map[string]Tensor

// newTensor checks that a shape fits its numbers and that all are finite.
func newTensor(name string, shape []int, data []float32) (Tensor, error) {
	n, err := elements(shape)
	if err != nil {
		return Tensor{}, fmt.Errorf("%w: tensor %.60q: %w", ErrFormat, name, err)
	}
	if n != len(data) {
		return Tensor{}, fmt.Errorf("%w: tensor %.60q has %d numbers, its shape %v asks for %d", ErrFormat, name, len(data), shape, n)
	}
	for _, v := range data {
		if v-v != 0 {
			return Tensor{}, fmt.Errorf("%w: tensor %.60q holds %v; weights are finite numbers", ErrFormat, name, v)
		}
	}
	return Tensor{Shape: shape, Data: data}, nil
}

// maxDims bounds the dimensions of a tensor.
const maxDims = 8

// elements is the product of a shape.
func elements(shape []int) (int, error) {
	n := 1
	if len(shape) > maxDims {
		return 0, fmt.Errorf("it has %d dimensions, at most %d are read", len(shape), maxDims)
	}
	for _, d := range shape {
		if d < 0 || d > 0 && n > MaxSize/4/d {
			return 0, fmt.Errorf("its shape %v is beyond what is read (%d MiB)", shape, MaxSize>>20)
		}
		n *= d
	}
	return n, nil
}

// tooLarge reports a file that is beyond MaxSize.
func tooLarge(data []byte) error {
	if len(data) > MaxSize {
		return fmt.Errorf("%w: %d bytes are more than %d MiB", ErrFormat, len(data), MaxSize>>20)
	}
	return nil
}

// rescue turns a panic of a reader of hostile data into an error.
func rescue(err *error, what string) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: %s cannot be read: %.300s", ErrFormat, what, fmt.Sprint(p))
	}
}

// Hyper are the hyper-parameters that the original stores beside its weights.
type Hyper struct {
	Input  int `json:"input_size"`
	Hidden int `json:"hidden_size"`
	Layers int `json:"num_stacked_layers"`
}

// maxHyper bounds the file of hyper-parameters.
const maxHyper = 64 << 10

// ReadHyper reads the original's JSON: input_size, hidden_size and num_stacked_layers. The
// error wraps ErrFormat.
func ReadHyper(data []byte) (h Hyper, err error) {
	const form = `it is not JSON of the form {"input_size": 1, "hidden_size": 10, "num_stacked_layers": 10}`
	d := json.NewDecoder(bytes.NewReader(data[:min(len(data), maxHyper)]))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return h, fmt.Errorf(`%w: %s: %w`, ErrFormat, form, short(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) || len(data) > maxHyper {
		return h, fmt.Errorf("%w: %s: something follows", ErrFormat, form)
	}
	if h.Input < 1 || h.Input > 4096 || h.Hidden < 1 || h.Hidden > 4096 || h.Layers < 1 || h.Layers > 256 {
		return h, fmt.Errorf("%w: input_size %d, hidden_size %d, num_stacked_layers %d: need 1 to 4096, 1 to 4096 and 1 to 256", ErrFormat, h.Input, h.Hidden, h.Layers)
	}
	return h, nil
}

// Scaler is the scaling of a StandardScaler: column i becomes (x - Mean[i]) / Scale[i].
type Scaler struct {
	Mean  []float64
	Scale []float64
}

// maxColumns bounds a scaler.
const maxColumns = 1 << 16

// check reports a scaler that cannot scale.
func (s Scaler) check() (Scaler, error) {
	if len(s.Mean) == 0 || len(s.Mean) != len(s.Scale) || len(s.Mean) > maxColumns {
		return s, fmt.Errorf("%w: the scaler has %d means and %d scales; need as many of both, 1 to %d", ErrFormat, len(s.Mean), len(s.Scale), maxColumns)
	}
	for i := range s.Mean {
		if s.Mean[i]-s.Mean[i] != 0 || s.Scale[i]-s.Scale[i] != 0 || !(math.Abs(s.Scale[i]) > 0) {
			return s, fmt.Errorf("%w: column %d of the scaler has the mean %v and the scale %v; need finite numbers, and no scale of 0", ErrFormat, i+1, s.Mean[i], s.Scale[i])
		}
	}
	return s, nil
}
