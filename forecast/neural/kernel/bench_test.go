package kernel_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/foretick/foretick/forecast/neural/kernel"
)

// noise is n floats in [-1, 1).
func noise(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = 2*rng.Float32() - 1
	}
	return x
}

// each runs a benchmark for every implementation.
func each(b *testing.B, run func(b *testing.B, k kernel.Set)) {
	for _, k := range kernel.All() {
		b.Run(k.Name, func(b *testing.B) {
			b.ReportAllocs()
			run(b, k)
		})
	}
}

func BenchmarkGemm(b *testing.B) {
	for _, s := range []struct {
		name       string
		m, n, k    int
		transposed bool // A is k x m
	}{
		{"step 10 units", 1, 64, 10, false},
		{"inputs 10 units", 7, 64, 10, false},
		{"step 32 units", 1, 128, 32, false},
		{"inputs 32 units", 64, 128, 32, false},
		{"inputs 8 features", 64, 128, 8, false},
		{"train step", 32, 128, 32, false},
		{"train inputs", 4096, 128, 32, false},
		{"train inputs 8 features", 4096, 128, 8, false},
		{"train dX", 4096, 32, 128, false},
		{"train step dX", 32, 32, 128, false},
		{"train dW", 32, 128, 4096, true},
		{"train dW 8 features", 8, 128, 4096, true},
		{"train step dW", 32, 128, 32, true},
	} {
		b.Run(s.name, func(b *testing.B) {
			each(b, func(b *testing.B, k kernel.Set) {
				rng := rand.New(rand.NewPCG(1, 2))
				x, y, z := noise(rng, s.m*s.k), noise(rng, s.k*s.n), noise(rng, s.m*s.n)
				rs, cs := s.k, 1
				if s.transposed {
					rs, cs = 1, s.m
				}
				for b.Loop() {
					k.Gemm(s.m, s.n, s.k, x, rs, cs, y, s.n, z, s.n)
				}
				b.ReportMetric(2*float64(s.m*s.n*s.k)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
			})
		})
	}
}

func BenchmarkLSTM(b *testing.B) {
	for _, rows := range []int{1, 32} {
		for _, width := range []int{16, 32} {
			b.Run(fmt.Sprintf("%d rows of %d", rows, width), func(b *testing.B) {
				each(b, func(b *testing.B, k kernel.Set) {
					rng := rand.New(rand.NewPCG(1, 2))
					z, cell := noise(rng, 4*rows*width), noise(rng, rows*width)
					next, squash, hidden := make([]float32, rows*width), make([]float32, rows*width), make([]float32, rows*width)
					for b.Loop() {
						k.LSTM(rows, width, z, cell, next, squash, hidden)
					}
				})
			})
		}
	}
}

// BenchmarkForward is a whole network of LSTM layers over one window: for each layer the
// inputs of all steps at once, then step by step, or all of those in one call.
func BenchmarkForward(b *testing.B) {
	for _, s := range []struct {
		name                         string
		layers, units, inputs, steps int
	}{
		{"10 x 10 over 7", 10, 10, 1, 7},
		{"2 x 32 over 64", 2, 32, 8, 64},
	} {
		b.Run(s.name, func(b *testing.B) {
			each(b, func(b *testing.B, k kernel.Set) {
				n := newNetwork(s.layers, s.units, s.inputs, s.steps)
				for b.Loop() {
					n.forward(k)
				}
			})
		})
		b.Run(s.name+" by Steps", func(b *testing.B) {
			each(b, func(b *testing.B, k kernel.Set) {
				n := newNetwork(s.layers, s.units, s.inputs, s.steps)
				for b.Loop() {
					n.forwardBySteps(k)
				}
			})
		})
	}
}

type network struct {
	layers, units, width, inputs, steps int
	wx, wh                              [][]float32
	bias, x, z, cell, squash            []float32
	hidden                              [2][]float32
}

func newNetwork(layers, units, inputs, steps int) *network {
	rng := rand.New(rand.NewPCG(1, 2))
	w := kernel.Pad(units)
	n := &network{layers: layers, units: units, width: w, inputs: inputs, steps: steps,
		bias: noise(rng, 4*w), x: noise(rng, steps*inputs), z: make([]float32, steps*4*w), cell: make([]float32, w), squash: make([]float32, w)}
	for l := range layers {
		in := units
		if l == 0 {
			in = inputs
		}
		n.wx, n.wh = append(n.wx, noise(rng, in*4*w)), append(n.wh, noise(rng, units*4*w))
	}
	for i := range n.hidden {
		n.hidden[i] = make([]float32, steps*w)
	}
	return n
}

// inputsOf is z of layer l before its recurrence: bias and inputs.
func (n *network) inputsOf(k kernel.Set, l int) []float32 {
	w := 4 * n.width
	for t := range n.steps {
		copy(n.z[t*w:(t+1)*w], n.bias)
	}
	in, of, stride := n.x, n.inputs, n.inputs
	if l > 0 {
		in, of, stride = n.hidden[(l-1)%2], n.units, n.width
	}
	k.Gemm(n.steps, w, of, in, stride, 1, n.wx[l], w, n.z, w)
	clear(n.cell)
	return n.z
}

func (n *network) forward(k kernel.Set) []float32 {
	w := 4 * n.width
	for l := range n.layers {
		n.inputsOf(k, l)
		hidden := n.hidden[l%2]
		for t := range n.steps {
			z := n.z[t*w : (t+1)*w]
			if t > 0 {
				k.Gemm(1, w, n.units, hidden[(t-1)*n.width:], n.width, 1, n.wh[l], w, z, w)
			}
			k.LSTM(1, n.width, z, n.cell, n.cell, n.squash, hidden[t*n.width:(t+1)*n.width])
		}
	}
	return n.hidden[(n.layers-1)%2]
}

func (n *network) forwardBySteps(k kernel.Set) []float32 {
	for l := range n.layers {
		k.Steps(n.steps, n.units, n.width, n.inputsOf(k, l), n.wh[l], n.cell, n.hidden[l%2])
	}
	return n.hidden[(n.layers-1)%2]
}

func BenchmarkBack(b *testing.B) {
	const rows, width, n = 32, 32, 32 * 32
	for _, s := range []struct {
		name string
		run  func(k kernel.Set, s [][]float32)
	}{
		{"LSTMBack", func(k kernel.Set, s [][]float32) { k.LSTMBack(rows, width, s[0], s[1], s[2], s[3], s[4], s[5]) }},
		{"GRU", func(k kernel.Set, s [][]float32) { k.GRU(rows, width, s[0], s[1], s[2], s[3]) }},
		{"GRUBack", func(k kernel.Set, s [][]float32) { k.GRUBack(rows, width, s[0], s[1], s[2], s[3], s[4], s[5]) }},
	} {
		b.Run(s.name+" 32 rows of 32", func(b *testing.B) {
			each(b, func(b *testing.B, k kernel.Set) {
				rng := rand.New(rand.NewPCG(1, 2))
				m := make([][]float32, 6)
				for i := range m {
					m[i] = noise(rng, 4*n)
				}
				for b.Loop() {
					copy(m[4], m[3][:n]) // else what is taken back each time goes to 0
					s.run(k, m)
				}
			})
		})
	}
}

func BenchmarkAdam(b *testing.B) {
	const n = 14_000 // about the weights of two layers of 32
	each(b, func(b *testing.B, k kernel.Set) {
		rng := rand.New(rand.NewPCG(1, 2))
		w, g, m, v := noise(rng, n), noise(rng, n), noise(rng, n), noise(rng, n)
		for i := range v {
			v[i] *= v[i]
		}
		p := kernel.Adam{Beta1: 0.9, Beta2: 0.999, Keep: 1, Rate: 1e-3, Root: 1, Epsilon: 1e-8}
		for b.Loop() {
			k.Adam(p, w, g, m, v)
		}
	})
}
