package neural

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/foretick/foretick/forecast/neural/kernel"
)

// native is the fastest set of loops that this processor runs.
var native = kernel.Best()

// Network is a stack of recurrent layers with a linear head, in float32. It is
// immutable, and may be used from several goroutines at once.
type Network struct {
	shape  Shape
	at     layout
	params []float32 // laid out by at
	loops  kernel.Set
}

// layout says where in one slice the parameters of a shape are. Matrices have a row an
// input and a padded block of columns a gate.
type layout struct {
	width  int // units, padded
	sums   int // gates x width
	out    int // outputs, padded
	layers []place
	head   place // wx and bx only
	size   int
}

// place is where the parameters of a layer begin: wx (inputs x sums), wh (units x sums), bx
// and bh (sums).
type place struct{ inputs, stride, wx, wh, bx, bh int }

func (s Shape) layout() layout {
	l := layout{width: kernel.Pad(s.Units), out: kernel.Pad(s.Outputs)}
	l.sums = s.Cell.gates() * l.width
	take := func(n int) int {
		at := l.size
		l.size += n
		return at
	}
	in, stride := s.Inputs, kernel.Pad(s.Inputs)
	for range s.Layers {
		l.layers = append(l.layers, place{inputs: in, stride: stride,
			wx: take(in * l.sums), wh: take(s.Units * l.sums), bx: take(l.sums), bh: take(l.sums)})
		in, stride = s.Units, l.width
	}
	l.head = place{inputs: s.Units, stride: l.width, wx: take(s.Units * l.out), bx: take(l.out)}
	return l
}

// newNetwork has all parameters 0.
func newNetwork(s Shape) *Network {
	at := s.layout()
	return &Network{shape: s, at: at, params: make([]float32, at.size), loops: native}
}

// NewNetwork returns a network whose parameters are drawn as PyTorch draws them, evenly
// from -1/sqrt(units) to 1/sqrt(units), by the seed. The error wraps ErrShape.
func NewNetwork(s Shape, seed uint64) (*Network, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	n := newNetwork(s)
	r := rand.New(rand.NewPCG(seed, 0x6e657572616c))
	bound := 1 / math.Sqrt(float64(s.Units))
	n.each(func(_ string, _ []int, at func(i int) *float32, size int) {
		for i := range size {
			*at(i) = float32((2*r.Float64() - 1) * bound)
		}
	})
	return n, nil
}

// Shape is what the network is made of.
func (n *Network) Shape() Shape { return n.shape }

// Tensor is an array of numbers, stored by rows.
type Tensor struct {
	Shape []int
	Data  []float32
}

// each visits the parameters as the tensors of PyTorch's state_dict, in its order: at(i)
// is where number i of the tensor is.
func (n *Network) each(visit func(name string, shape []int, at func(i int) *float32, size int)) {
	h, g := n.shape.Units, n.shape.Cell.gates()
	column := func(row int) int { return row/h*n.at.width + row%h } // of row of G·H
	matrix := func(name string, from, inputs int) {
		visit(name, []int{g * h, inputs}, func(i int) *float32 {
			return &n.params[from+i%inputs*n.at.sums+column(i/inputs)]
		}, g*h*inputs)
	}
	vector := func(name string, from int) {
		visit(name, []int{g * h}, func(i int) *float32 { return &n.params[from+column(i)] }, g*h)
	}
	for l, p := range n.at.layers {
		end := fmt.Sprintf("_l%d", l)
		matrix("weight_ih"+end, p.wx, p.inputs)
		matrix("weight_hh"+end, p.wh, h)
		vector("bias_ih"+end, p.bx)
		vector("bias_hh"+end, p.bh)
	}
	visit("head.weight", []int{n.shape.Outputs, h}, func(i int) *float32 { return &n.params[n.at.head.wx+i%h*n.at.out+i/h] }, n.shape.Outputs*h)
	visit("head.bias", []int{n.shape.Outputs}, func(i int) *float32 { return &n.params[n.at.head.bx+i] }, n.shape.Outputs)
}

// Tensors returns a copy of the parameters, named and laid out as PyTorch does:
// weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0 ..., and head.weight, head.bias.
func (n *Network) Tensors() map[string]Tensor {
	m := map[string]Tensor{}
	n.each(func(name string, shape []int, at func(i int) *float32, size int) {
		t := Tensor{Shape: shape, Data: make([]float32, size)}
		for i := range t.Data {
			t.Data[i] = *at(i)
		}
		m[name] = t
	})
	return m
}

// FromTensors returns the network of the shape whose parameters are in tensors, which
// are named as [Network.Tensors] does. The error wraps ErrShape, and names the tensor that is
// missing, has another shape, holds a number that is not finite, or belongs to nothing.
func FromTensors(s Shape, tensors map[string]Tensor) (*Network, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	n := newNetwork(s)
	var err error
	used := 0
	n.each(func(name string, shape []int, at func(i int) *float32, size int) {
		t, ok := tensors[name]
		switch {
		case err != nil:
			return
		case !ok:
			err = fmt.Errorf("%w: there is no tensor %q, which %v needs", ErrShape, name, s)
		case fmt.Sprint(t.Shape) != fmt.Sprint(shape) || len(t.Data) != size:
			err = fmt.Errorf("%w: tensor %q has the shape %v with %d numbers, %v needs %v", ErrShape, name, t.Shape, len(t.Data), s, shape)
		default:
			used++
			for i, v := range t.Data {
				if v-v != 0 {
					err = fmt.Errorf("%w: tensor %q holds %v", ErrShape, name, v)
					return
				}
				*at(i) = v
			}
		}
	})
	if err == nil && used < len(tensors) {
		known := n.Tensors()
		for name := range tensors {
			if _, ok := known[name]; !ok {
				return nil, fmt.Errorf("%w: tensor %.60q belongs to no layer of %v", ErrShape, name, s)
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}
