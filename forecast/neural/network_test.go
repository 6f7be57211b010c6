package neural

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast/neural/kernel"
)

// reference is the network in float64, written down as in the package comment: no
// padding, no transposed matrix, no shared code.
type reference struct {
	shape   Shape
	tensors map[string][]float64
}

func newReference(n *Network) *reference {
	r := &reference{n.shape, map[string][]float64{}}
	for name, t := range n.Tensors() {
		for _, v := range t.Data {
			r.tensors[name] = append(r.tensors[name], float64(v))
		}
	}
	return r
}

// sums is W x + b for the rows of all gates.
func (r *reference) sums(w, b string, x []float64) []float64 {
	out := append([]float64(nil), r.tensors[b]...)
	for i := range out {
		for j, v := range x {
			out[i] += r.tensors[w][i*len(x)+j] * v
		}
	}
	return out
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// forward returns the outputs of every step.
func (r *reference) forward(x [][]float64) (out [][]float64) {
	n := r.shape.Units
	for l := range r.shape.Layers {
		h, c := make([]float64, n), make([]float64, n)
		var hidden [][]float64
		for _, row := range x {
			a := r.sums(fmt.Sprintf("weight_ih_l%d", l), fmt.Sprintf("bias_ih_l%d", l), row)
			b := r.sums(fmt.Sprintf("weight_hh_l%d", l), fmt.Sprintf("bias_hh_l%d", l), h)
			next := make([]float64, n)
			for j := range n {
				if r.shape.Cell == LSTM {
					i, f := logistic(a[j]+b[j]), logistic(a[n+j]+b[n+j])
					g, o := math.Tanh(a[2*n+j]+b[2*n+j]), logistic(a[3*n+j]+b[3*n+j])
					c[j] = f*c[j] + i*g
					next[j] = o * math.Tanh(c[j])
				} else {
					rr, z := logistic(a[j]+b[j]), logistic(a[n+j]+b[n+j])
					next[j] = (1-z)*math.Tanh(a[2*n+j]+rr*b[2*n+j]) + z*h[j]
				}
			}
			h = next
			hidden = append(hidden, h)
		}
		x = hidden
	}
	for _, row := range x {
		out = append(out, r.sums("head.weight", "head.bias", row))
	}
	return out
}

// drawShape draws a small shape, odd sizes included.
func drawShape(t *rapid.T) Shape {
	return Shape{Cell: rapid.SampledFrom([]Cell{LSTM, GRU}).Draw(t, "cell"), Inputs: rapid.IntRange(1, 19).Draw(t, "inputs"),
		Units: rapid.IntRange(1, 37).Draw(t, "units"), Layers: rapid.IntRange(1, 3).Draw(t, "layers"), Outputs: rapid.IntRange(1, 18).Draw(t, "outputs")}
}

// Every implementation of the loops computes the equations of the package comment, for
// every sequence of a batch and at every step.
func TestForwardIsTheEquations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawShape(t)
		steps, batch := rapid.IntRange(1, 9).Draw(t, "steps"), rapid.IntRange(1, 4).Draw(t, "batch")
		n, err := NewNetwork(s, rapid.Uint64().Draw(t, "seed"))
		if err != nil {
			t.Fatal(err)
		}
		ref := newReference(n)
		for _, loops := range kernel.All() {
			n.loops = loops
			p := NewPass(s, steps, batch)
			x := fill(p, steps, batch, 3)
			from := rapid.IntRange(0, steps-1).Draw(t, "from")
			if batch == 1 {
				n.Infer(p, from)
			} else {
				n.Forward(p, from)
			}
			for b := range batch {
				want := ref.forward(x[b])
				for k := from; k < steps; k++ {
					for j, got := range p.Output(k, b) {
						if math.Abs(float64(got)-want[k][j]) > 2e-5 {
							t.Fatalf("%s, %v: output %d of step %d of sequence %d is %v, want %v", loops.Name, s, j, k, b, got, want[k][j])
						}
					}
				}
			}
		}
	})
}

// fill draws the inputs of a pass and returns them by sequence and step.
func fill(p *Pass, steps, batch int, seed uint64) [][][]float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([][][]float64, batch)
	for b := range batch {
		for k := range steps {
			row := p.Input(k, b)
			wide := make([]float64, len(row))
			for j := range row {
				row[j] = float32(r.NormFloat64())
				wide[j] = float64(row[j])
			}
			x[b] = append(x[b], wide)
		}
	}
	return x
}

// The derivatives by every parameter are those of central differences of the reference,
// in float64.
func TestBackwardIsFiniteDifferences(t *testing.T) {
	for _, s := range []Shape{{LSTM, 3, 4, 1, 2}, {LSTM, 2, 5, 3, 1}, {GRU, 3, 4, 1, 2}, {GRU, 2, 5, 3, 1}, {LSTM, 1, 17, 2, 17}, {GRU, 17, 3, 2, 3}} {
		t.Run(s.String(), func(t *testing.T) {
			const steps, batch, from = 5, 3, 2
			n, err := NewNetwork(s, 7)
			if err != nil {
				t.Fatal(err)
			}
			for _, loops := range kernel.All() {
				n.loops = loops
				p := NewPass(s, steps, batch)
				x := fill(p, steps, batch, 5)
				n.Forward(p, from)
				// The loss is a sum of the outputs with weights, and half their squares.
				weight := func(k, b, j int) float64 { return math.Sin(float64(1 + k + 10*b + 100*j)) }
				for k := from; k < steps; k++ {
					for b := range batch {
						d := p.dOutput(k, b)
						for j, v := range p.Output(k, b) {
							d[j] = float32(weight(k, b, j)) + v
						}
					}
				}
				var turned transposed
				n.transpose(&turned)
				grad := make([]float32, len(n.params))
				n.backward(p, from, &turned, grad)

				ref := newReference(n)
				loss := func() (sum float64) {
					for b := range batch {
						out := ref.forward(x[b])
						for k := from; k < steps; k++ {
							for j, v := range out[k] {
								sum += weight(k, b, j)*v + v*v/2
							}
						}
					}
					return sum
				}
				got := &Network{shape: s, at: n.at, params: grad}
				for name, g := range got.Tensors() {
					for i := 0; i < len(g.Data); i += 1 + len(g.Data)/40 {
						const h = 1e-5
						at := &ref.tensors[name][i]
						was := *at
						*at = was + h
						up := loss()
						*at = was - h
						down := loss()
						*at = was
						want := (up - down) / (2 * h)
						if math.Abs(float64(g.Data[i])-want) > 2e-5*(1+math.Abs(want)) {
							t.Errorf("%s: the derivative by %s[%d] is %v, want %v", loops.Name, name, i, g.Data[i], want)
						}
					}
				}
				// Nothing leaks into the padding.
				sum := 0.0
				for _, v := range grad {
					sum += math.Abs(float64(v))
				}
				for _, g := range got.Tensors() {
					for _, v := range g.Data {
						sum -= math.Abs(float64(v))
					}
				}
				if math.Abs(sum) > 1e-3 {
					t.Errorf("%s: the padding has derivatives of %v", loops.Name, sum)
				}
			}
		})
	}
}

// What Tensors gives, FromTensors takes; what does not fit is refused in words.
func TestTensors(t *testing.T) {
	s := Shape{GRU, 3, 5, 2, 2}
	n, err := NewNetwork(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, err := FromTensors(s, n.Tensors())
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(again.params) != fmt.Sprint(n.params) {
		t.Error("the parameters changed on the way")
	}
	for name, spoil := range map[string]func(m map[string]Tensor){
		"missing":  func(m map[string]Tensor) { delete(m, "bias_hh_l1") },
		"too many": func(m map[string]Tensor) { m["weight_ih_l2"] = m["weight_ih_l1"] },
		"shape":    func(m map[string]Tensor) { m["head.bias"] = Tensor{[]int{3}, make([]float32, 3)} },
		"short":    func(m map[string]Tensor) { m["head.bias"] = Tensor{[]int{2}, make([]float32, 1)} },
		"NaN":      func(m map[string]Tensor) { m["head.bias"].Data[0] = float32(math.NaN()) },
	} {
		m := n.Tensors()
		spoil(m)
		if _, err := FromTensors(s, m); err == nil {
			t.Errorf("%s: it is taken", name)
		} else {
			t.Log(err)
		}
	}
	for _, s := range []Shape{{}, {LSTM, 0, 1, 1, 1}, {LSTM, 1, 5000, 1, 1}, {"rnn", 1, 1, 1, 1}, {LSTM, 4096, 1024, 64, 1}} {
		if _, err := NewNetwork(s, 1); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}
