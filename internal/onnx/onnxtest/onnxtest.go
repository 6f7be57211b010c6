// Package onnxtest writes small .onnx files for tests: graphs whose answers can be worked
// out by hand. A file is a ModelProto of onnx.proto3, IR version 8, operator set 13.
package onnxtest

import (
	"encoding/binary"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/foretick/foretick/forecast"
)

// Types of elements.
const (
	Float32 = 1
	Int64   = 7
	Float64 = 11
)

// Graph is what goes into a file.
type Graph struct {
	Name            string // metadata foretick.name
	Inputs, Outputs []Port
	Nodes           []Node
	Weights         []Tensor
}

// Port is an input or output. A dimension below 0 is dynamic.
type Port struct {
	Name string
	Type int // 0: Float32
	Dims []int64
	Bare bool // without a shape
}

// Node is one operator.
type Node struct {
	Op      string
	In, Out []string
	Attrs   []Attr
}

// Attr is an attribute of an operator: its one field that is set counts.
type Attr struct {
	Name   string
	Int    int64
	Ints   []int64
	Tensor *Tensor
	Graph  *Graph
}

// Tensor is a constant.
type Tensor struct {
	Name     string
	Dims     []int64
	Floats   []float32
	Ints     []int64 // when there are no Floats
	External string  // file that is to hold the values
}

type message []byte

func (m *message) number(field protowire.Number, v int64) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) bytes(field protowire.Number, v []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

func (m *message) text(field protowire.Number, v string) { m.bytes(field, []byte(v)) }

// Bytes is the file.
func (g Graph) Bytes() []byte {
	var m, opset, entry message
	m.number(1, 8)
	m.text(2, "foretick tests")
	m.bytes(7, g.graph())
	opset.text(1, "")
	opset.number(2, 13)
	m.bytes(8, opset)
	if g.Name != "" {
		entry.text(1, "foretick.name")
		entry.text(2, g.Name)
		m.bytes(14, entry)
	}
	return m
}

func (g Graph) graph() (m message) {
	for _, n := range g.Nodes {
		m.bytes(1, n.bytes())
	}
	m.text(2, "graph")
	for _, w := range g.Weights {
		m.bytes(5, w.bytes())
	}
	for _, p := range g.Inputs {
		m.bytes(11, p.bytes())
	}
	for _, p := range g.Outputs {
		m.bytes(12, p.bytes())
	}
	return m
}

func (n Node) bytes() (m message) {
	for _, s := range n.In {
		m.text(1, s)
	}
	for _, s := range n.Out {
		m.text(2, s)
	}
	m.text(4, n.Op)
	for _, a := range n.Attrs {
		m.bytes(5, a.bytes())
	}
	return m
}

func (a Attr) bytes() (m message) {
	m.text(1, a.Name)
	switch {
	case a.Tensor != nil:
		m.bytes(5, a.Tensor.bytes())
		m.number(20, 4)
	case a.Graph != nil:
		m.bytes(6, a.Graph.graph())
		m.number(20, 5)
	case a.Ints != nil:
		for _, i := range a.Ints {
			m.number(8, i)
		}
		m.number(20, 7)
	default:
		m.number(3, a.Int)
		m.number(20, 2)
	}
	return m
}

func (t Tensor) bytes() (m message) {
	for _, d := range t.Dims {
		m.number(1, d)
	}
	var raw []byte
	kind := int64(Int64)
	for _, v := range t.Ints {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(v))
	}
	if t.Floats != nil || t.Ints == nil {
		kind = Float32
		for _, v := range t.Floats {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		}
	}
	m.number(2, kind)
	m.text(8, t.Name)
	if t.External != "" {
		var entry message
		entry.text(1, "location")
		entry.text(2, t.External)
		m.bytes(13, entry)
		m.number(14, 1)
		return m
	}
	m.bytes(9, raw)
	return m
}

func (p Port) bytes() (m message) {
	var kind, tensor, shape message
	tensor.number(1, int64(max(p.Type, Float32)))
	for _, d := range p.Dims {
		var dim message
		if d < 0 {
			dim.text(2, "n")
		} else {
			dim.number(1, d)
		}
		shape.bytes(1, dim)
	}
	if !p.Bare {
		tensor.bytes(2, shape)
	}
	kind.bytes(1, tensor)
	m.text(1, p.Name)
	m.bytes(2, kind)
	return m
}

// Linear reads bars returns and gives the points 1 to horizons bars ahead: the h-th is the
// sum of weight(i, h) times return i, 0 being the oldest. The batch is dynamic.
func Linear(name string, bars, horizons int, weight func(i, h int) float32) Graph {
	w := Tensor{Name: "w", Dims: []int64{int64(bars), int64(horizons)}}
	for i := range bars {
		for h := range horizons {
			w.Floats = append(w.Floats, weight(i, h+1))
		}
	}
	g := Graph{Name: name, Weights: []Tensor{w},
		Inputs:  []Port{{Name: "x", Dims: []int64{-1, int64(bars)}}},
		Outputs: []Port{{Name: "y", Dims: []int64{-1, int64(horizons), 1}}},
		Nodes:   []Node{{Op: "MatMul", In: []string{"x", "w"}, Out: []string{"product"}}}}
	g.Weights = append(g.Weights, Tensor{Name: "axes", Dims: []int64{1}, Ints: []int64{2}})
	g.Nodes = append(g.Nodes, Node{Op: "Unsqueeze", In: []string{"product", "axes"}, Out: []string{"y"}})
	return g
}

// Spread reads bars of 5 inputs and gives the quantiles 1 to horizons bars ahead: the mean
// of the absolute inputs times factor(h, k), k counting forecast.Probabilities.
func Spread(name string, bars, horizons int, factor func(h, k int) float32) Graph {
	w := Tensor{Name: "w", Dims: []int64{1, int64(horizons), forecast.Levels}}
	for h := range horizons {
		for k := range forecast.Levels {
			w.Floats = append(w.Floats, factor(h+1, k))
		}
	}
	return Graph{Name: name, Weights: []Tensor{w},
		Inputs:  []Port{{Name: "x", Dims: []int64{1, int64(bars), 5}}},
		Outputs: []Port{{Name: "y", Dims: []int64{1, int64(horizons), forecast.Levels}}},
		Nodes: []Node{
			{Op: "Abs", In: []string{"x"}, Out: []string{"size"}},
			{Op: "ReduceMean", In: []string{"size"}, Out: []string{"mean"}, Attrs: []Attr{{Name: "axes", Ints: []int64{1, 2}}, {Name: "keepdims", Int: 1}}},
			{Op: "Mul", In: []string{"mean", "w"}, Out: []string{"y"}},
		}}
}
