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
	layers  []referenceLayer // the same weights, so that no name is looked up a million times
}

type referenceLayer struct{ wx, bx, wh, bh []float64 }

func newReference(n *Network) *reference {
	r := &reference{shape: n.shape, tensors: map[string][]float64{}}
	for name, t := range n.Tensors() {
		for _, v := range t.Data {
			r.tensors[name] = append(r.tensors[name], float64(v))
		}
	}
	for l := range n.shape.Layers {
		of := func(name string) []float64 { return r.tensors[fmt.Sprintf("%s_l%d", name, l)] }
		r.layers = append(r.layers, referenceLayer{of("weight_ih"), of("bias_ih"), of("weight_hh"), of("bias_hh")})
	}
	return r
}

// sums is W x + b for the rows of all gates.
func sums(w, b, x []float64) []float64 {
	out := make([]float64, len(b))
	for i, sum := range b {
		for j, v := range w[i*len(x) : (i+1)*len(x)] {
			sum += v * x[j]
		}
		out[i] = sum
	}
	return out
}

func logistic(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// forward returns the outputs of every step.
func (r *reference) forward(x [][]float64) (out [][]float64) {
	n := r.shape.Units
	for _, l := range r.layers {
		h, c := make([]float64, n), make([]float64, n)
		var hidden [][]float64
		for _, row := range x {
			a, b := sums(l.wx, l.bx, row), sums(l.wh, l.bh, h)
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
		out = append(out, sums(r.tensors["head.weight"], r.tensors["head.bias"], row))
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
	t.Parallel()
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
	t.Parallel()
	for _, s := range []Shape{{LSTM, 3, 4, 1, 2}, {LSTM, 2, 5, 3, 1}, {GRU, 3, 4, 1, 2}, {GRU, 2, 5, 3, 1}, {LSTM, 1, 17, 2, 17}, {GRU, 17, 3, 2, 3}} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			const steps, batch, from = 5, 3, 2
			n, err := NewNetwork(s, 7)
			if err != nil {
				t.Fatal(err)
			}
			// The loss is a sum of the outputs with weights, and half their squares.
			weight := func(k, b, j int) float64 { return math.Sin(float64(1 + k + 10*b + 100*j)) }
			x := fill(NewPass(s, steps, batch), steps, batch, 5)
			want := differences(newReference(n), x, from, weight)
			for _, loops := range kernel.All() {
				n.loops = loops
				p := NewPass(s, steps, batch)
				fill(p, steps, batch, 5)
				n.Forward(p, from)
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

				got := (&Network{shape: s, at: n.at, params: grad}).Tensors()
				for name, of := range want {
					for i, want := range of {
						if d := float64(got[name].Data[i]); !(math.Abs(d-want) <= 2e-5*(1+math.Abs(want))) {
							t.Errorf("%s: the derivative by %s[%d] is %v, want %v", loops.Name, name, i, d, want)
						}
					}
				}
				// Nothing leaks into the padding.
				sum := 0.0
				for _, v := range grad {
					sum += math.Abs(float64(v))
				}
				for _, g := range got {
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

// differences are the derivatives of the loss by parameters of r, up to 40 of each tensor and
// all of the small ones, by tensor and index. x is by sequence and step; the loss counts the
// steps from from on.
func differences(r *reference, x [][][]float64, from int, weight func(k, b, j int) float64) map[string]map[int]float64 {
	loss := func() (sum float64) {
		for b := range x {
			for k, row := range r.forward(x[b]) {
				for j, v := range row {
					if k >= from {
						sum += weight(k, b, j)*v + v*v/2
					}
				}
			}
		}
		return sum
	}
	d := map[string]map[int]float64{}
	for name, values := range r.tensors {
		d[name] = map[int]float64{}
		for i := 0; i < len(values); i += 1 + len(values)/40 {
			const h = 1e-5
			was := values[i]
			values[i] = was + h
			up := loss()
			values[i] = was - h
			down := loss()
			values[i] = was
			d[name][i] = (up - down) / (2 * h)
		}
	}
	return d
}

// What Tensors gives, FromTensors takes; what does not fit is refused in words.
func TestTensors(t *testing.T) {
	t.Parallel()
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
