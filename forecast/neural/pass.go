package neural

import (
	"fmt"

	"github.com/foretick/foretick/forecast/neural/kernel"
)

// Pass is the room that a network needs to read sequences, several at once: the values
// of every layer at every step. It is made for one shape, number of steps and number
// of sequences, and used again and again; it is not safe for concurrent use.
//
// Rows are ordered by step, then by sequence: row t*batch+b is step t of sequence b.
type Pass struct {
	shape        Shape
	at           layout
	steps, batch int
	layers       []values
	out          []float32 // rows of at.out; those of the steps that were asked for
	zero         []float32 // the state before the first step

	// Room of backward, made when it is first needed: derivatives by out, by the hidden
	// rows of a layer and of the one below, by the cell, and by zh.
	dout []float32
	dh   [2][]float32
	dc   []float32
	dzh  []float32
}

// values are what a layer computed, padded rows.
type values struct {
	in     []float32 // of the layer: that of the pass, or hidden of the layer below
	sums   []float32 // gates x width a row, become the gates
	cell   []float32 // LSTM
	squash []float32 // LSTM: tanh of cell
	zh     []float32 // GRU: the sums of the hidden state
	hidden []float32
}

// NewPass returns the room for batch sequences of steps rows. It panics unless both are
// at least 1 and the shape is valid.
func NewPass(s Shape, steps, batch int) *Pass {
	if err := s.Validate(); err != nil || steps < 1 || batch < 1 {
		panic(fmt.Sprintf("neural: a pass of %d sequences of %d steps: %v", batch, steps, err))
	}
	at := s.layout()
	p := &Pass{shape: s, at: at, steps: steps, batch: batch, zero: make([]float32, batch*at.width), out: make([]float32, steps*batch*at.out)}
	rows := steps * batch
	in := make([]float32, rows*kernel.Pad(s.Inputs))
	for range s.Layers {
		v := values{in: in, sums: make([]float32, rows*at.sums), hidden: make([]float32, rows*at.width)}
		if s.Cell == LSTM {
			v.cell, v.squash = make([]float32, rows*at.width), make([]float32, rows*at.width)
		} else {
			v.zh = make([]float32, rows*at.sums)
		}
		p.layers = append(p.layers, v)
		in = v.hidden
	}
	return p
}

// Input is where step t of sequence b goes: Shape.Inputs numbers, to be set before
// Forward, which leaves them as they are.
func (p *Pass) Input(t, b int) []float32 {
	stride := kernel.Pad(p.shape.Inputs)
	at := (t*p.batch + b) * stride
	return p.layers[0].in[at : at+p.shape.Inputs]
}

// Output is what the head said at step t of sequence b: Shape.Outputs numbers, valid
// after a Forward that reached back to t.
func (p *Pass) Output(t, b int) []float32 {
	at := (t*p.batch + b) * p.at.out
	return p.out[at : at+p.shape.Outputs]
}

// Forward reads the inputs of p and computes the outputs of the steps from on (counted
// from 0; the last step only is p's steps less 1). It allocates nothing. It panics when p
// was made for another shape.
func (n *Network) Forward(p *Pass, from int) {
	if p.shape != n.shape {
		panic(fmt.Sprintf("neural: a pass of %v for a network of %v", p.shape, n.shape))
	}
	w, rows := n.params, p.steps*p.batch
	at, width := &n.at, n.at.width
	for l := range p.layers {
		v, pl := &p.layers[l], &at.layers[l]
		if n.shape.Cell == LSTM {
			n.biases(v.sums, rows, pl)
		} else {
			repeat(v.sums, rows, w[pl.bx:pl.bx+at.sums])
		}
		n.loops.Gemm(rows, at.sums, pl.inputs, v.in, pl.stride, 1, w[pl.wx:], at.sums, v.sums, at.sums)
		for t := range p.steps {
			row, one := t*p.batch*width, p.batch*width
			hidden, before := v.hidden[row:row+one], p.zero
			if t > 0 {
				before = v.hidden[row-one : row]
			}
			z := v.sums[t*p.batch*at.sums : (t+1)*p.batch*at.sums]
			if n.shape.Cell == GRU {
				zh := v.zh[t*p.batch*at.sums : (t+1)*p.batch*at.sums]
				repeat(zh, p.batch, w[pl.bh:pl.bh+at.sums])
				n.loops.Gemm(p.batch, at.sums, n.shape.Units, before, width, 1, w[pl.wh:], at.sums, zh, at.sums)
				n.loops.GRU(p.batch, width, z, zh, before, hidden)
				continue
			}
			cell := p.zero
			if t > 0 {
				n.loops.Gemm(p.batch, at.sums, n.shape.Units, before, width, 1, w[pl.wh:], at.sums, z, at.sums)
				cell = v.cell[row-one : row]
			}
			n.loops.LSTM(p.batch, width, z, cell, v.cell[row:row+one], v.squash[row:row+one], hidden)
		}
	}
	n.head(p, from)
}

// Infer is Forward for one sequence, faster by what only backward needs. It panics when p is
// of several.
func (n *Network) Infer(p *Pass, from int) {
	if n.shape.Cell != LSTM {
		n.Forward(p, from)
		return
	}
	if p.shape != n.shape || p.batch != 1 {
		panic(fmt.Sprintf("neural: a pass of %d x %v for a network of %v", p.batch, p.shape, n.shape))
	}
	w, at, width := n.params, &n.at, n.at.width
	for l := range p.layers {
		v, pl := &p.layers[l], &at.layers[l]
		n.biases(v.sums, p.steps, pl)
		n.loops.Gemm(p.steps, at.sums, pl.inputs, v.in, pl.stride, 1, w[pl.wx:], at.sums, v.sums, at.sums)
		cell := v.cell[:width]
		clear(cell)
		n.loops.Steps(p.steps, n.shape.Units, width, v.sums, w[pl.wh:], cell, v.hidden)
	}
	n.head(p, from)
}

// head computes the outputs of the steps from on.
func (n *Network) head(p *Pass, from int) {
	at, rows, first := &n.at, p.steps*p.batch, from*p.batch
	top := p.layers[len(p.layers)-1].hidden
	out := p.out[first*at.out : rows*at.out]
	repeat(out, rows-first, n.params[at.head.bx:at.head.bx+at.out])
	n.loops.Gemm(rows-first, at.out, n.shape.Units, top[first*at.width:], at.width, 1, n.params[at.head.wx:], at.out, out, at.out)
}

// repeat writes row rows times.
func repeat(dst []float32, rows int, row []float32) {
	for i := range rows {
		copy(dst[i*len(row):(i+1)*len(row)], row)
	}
}

// biases writes the sum of both biases of a layer rows times.
func (n *Network) biases(dst []float32, rows int, pl *place) {
	x, h, first := n.params[pl.bx:], n.params[pl.bh:], dst[:n.at.sums]
	for j := range first {
		first[j] = x[j] + h[j]
	}
	repeat(dst[n.at.sums:], rows-1, first)
}
