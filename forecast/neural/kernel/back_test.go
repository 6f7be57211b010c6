package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast/neural/kernel"
)

// drawUnit draws a slice of values of a gate: between 0 and 1, or -1 and 1, with the ends.
func drawUnit(t *rapid.T, rng *rand.Rand, n int) fenced {
	f := drawFenced(t, rng, n, 1)
	for i := range f.used {
		if rng.IntN(10) == 0 {
			f.used[i] = float32(rng.IntN(3) - 1)
		}
	}
	return f
}

func TestLSTMBackAgreesWithPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, width, _ := drawGates(t)
		rng, n := drawRand(t), rows*width
		s := []fenced{drawUnit(t, rng, 4*n), drawFenced(t, rng, n, 3), drawUnit(t, rng, n), drawFenced(t, rng, n, 2), drawFenced(t, rng, n, 2), drawFenced(t, rng, 4*n, 0)}
		agree(t, 1e-5, s, func(k kernel.Set, s [][]float32) { k.LSTMBack(rows, width, s[0], s[1], s[2], s[3], s[4], s[5]) })
		agree(t, 1e-5, s, func(k kernel.Set, s [][]float32) { k.LSTMBack(rows, width, s[0], s[1], s[2], s[3], s[4], s[0]) })
	})
}

func TestGRUAgreesWithPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, width, scale := drawGates(t)
		scale = min(scale, 1e38) // the sum of two must not be Inf - Inf
		rng, n := drawRand(t), rows*width
		s := []fenced{drawFenced(t, rng, 3*n, scale), drawFenced(t, rng, 3*n, scale), drawUnit(t, rng, n), drawFenced(t, rng, n, 0)}
		// Where r is a little off and the sum large, n = tanh(zx + r zh) is off by as much
		// as the tangent is steep.
		distance := 2e-6 * float64(max(1, min(scale, 60)))
		if scale > 100 {
			s[1] = drawFenced(t, rng, 3*n, 0)
		}
		agree(t, distance, s, func(k kernel.Set, s [][]float32) { k.GRU(rows, width, s[0], s[1], s[2], s[3]) })
		agree(t, distance, s, func(k kernel.Set, s [][]float32) { k.GRU(rows, width, s[0], s[1], s[2], s[2]) })
	})
}

func TestGRUBackAgreesWithPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, width, _ := drawGates(t)
		rng, n := drawRand(t), rows*width
		s := []fenced{drawUnit(t, rng, 3*n), drawFenced(t, rng, 3*n, 3), drawUnit(t, rng, n), drawFenced(t, rng, n, 2), drawFenced(t, rng, 3*n, 0), drawFenced(t, rng, 3*n, 0)}
		agree(t, 1e-5, s, func(k kernel.Set, s [][]float32) { k.GRUBack(rows, width, s[0], s[1], s[2], s[3], s[4], s[5]) })
	})
}

var adam = kernel.Adam{Beta1: 0.9, Beta2: 0.999, Keep: 1 - 1e-5, Rate: 1e-2, Root: 1.5, Epsilon: 1e-8}

func TestAdamAgreesWithPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng, n := drawRand(t), rapid.IntRange(0, 100).Draw(t, "n")
		more := rapid.IntRange(0, 3).Draw(t, "longer")
		v := drawFenced(t, rng, n+more, 1)
		for i := range v.used {
			v.used[i] *= v.used[i]
		}
		s := []fenced{drawFenced(t, rng, n, 1), drawFenced(t, rng, n+more, 1), drawFenced(t, rng, n+more, 1), v}
		p := adam
		p.Beta1, p.Beta2 = rng.Float32(), rng.Float32()
		agree(t, 1e-5, s, func(k kernel.Set, s [][]float32) { k.Adam(p, s[0], s[1], s[2], s[3]) })
	})
}

// TestAdamAtZero has no gradient and no moments yet: nothing moves but by decay.
func TestAdamAtZero(t *testing.T) {
	for _, k := range kernel.All() {
		w, zero := []float32{1, -2, 0, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, make([]float32, 17)
		want := append([]float32(nil), w...)
		for i := range want {
			want[i] *= adam.Keep
		}
		k.Adam(adam, w, zero, append([]float32(nil), zero...), append([]float32(nil), zero...))
		if !near(w, want, 0) {
			t.Errorf("%s: %v", k.Name, w)
		}
	}
}

// TestDerivatives takes the derivative of a random sum of the outputs by differences of
// LSTM and GRU themselves, in steps that float32 can stand.
func TestDerivatives(t *testing.T) {
	const width, step, tolerance = 16, 1.0 / 64, 2e-3
	for _, k := range kernel.All() {
		t.Run(k.Name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 4))
			weight := noise(rng, width)
			check := func(name string, at, derivative []float32, loss func() float64) {
				t.Helper()
				for i := range at {
					x := at[i]
					at[i] = x + step
					up := loss()
					at[i] = x - step
					down := loss()
					at[i] = x
					if want := (up - down) / (2 * step); math.Abs(want-float64(derivative[i])) > tolerance {
						t.Errorf("%s %d: derivative %g, by differences %g", name, i, derivative[i], want)
					}
				}
			}
			sum := func(y []float32) (s float64) {
				for i := range y {
					s += float64(y[i]) * float64(weight[i])
				}
				return s
			}

			z, cell := noise(rng, 4*width), noise(rng, width)
			gates, next, squash, hidden := make([]float32, 4*width), make([]float32, width), make([]float32, width), make([]float32, width)
			lstm := func() float64 {
				copy(gates, z)
				k.LSTM(1, width, gates, cell, next, squash, hidden)
				return sum(hidden) + sum(next)
			}
			lstm()
			dz, dnext := make([]float32, 4*width), append([]float32(nil), weight...)
			k.LSTMBack(1, width, gates, cell, squash, weight, dnext, dz)
			check("LSTM sum", z, dz, lstm)
			check("LSTM cell", cell, dnext, lstm)

			zx, zh, before := noise(rng, 3*width), noise(rng, 3*width), noise(rng, width)
			gru := func() float64 {
				copy(gates, zx)
				k.GRU(1, width, gates, zh, before, hidden)
				return sum(hidden)
			}
			gru()
			dzx, dzh := make([]float32, 3*width), make([]float32, 3*width)
			copy(dnext, weight)
			k.GRUBack(1, width, gates, zh, before, dnext, dzx, dzh)
			check("GRU sum of inputs", zx, dzx, gru)
			check("GRU sum of hidden", zh, dzh, gru)
			check("GRU hidden", before, dnext, gru)
		})
	}
}

// TestLoopsPanicBeyondTheirSlices shortens each slice of each loop by one float.
func TestLoopsPanicBeyondTheirSlices(t *testing.T) {
	const rows, width, n = 3, 16, 48
	for _, test := range []struct {
		name    string
		lengths []int
		run     func(k kernel.Set, s [][]float32)
	}{
		{"LSTM", []int{4 * n, n, n, n, n}, func(k kernel.Set, s [][]float32) { k.LSTM(rows, width, s[0], s[1], s[2], s[3], s[4]) }},
		{"Steps", []int{4 * n, 10 * 4 * width, width, n}, func(k kernel.Set, s [][]float32) { k.Steps(rows, 10, width, s[0], s[1], s[2], s[3]) }},
		{"LSTMBack", []int{4 * n, n, n, n, n, 4 * n}, func(k kernel.Set, s [][]float32) { k.LSTMBack(rows, width, s[0], s[1], s[2], s[3], s[4], s[5]) }},
		{"GRU", []int{3 * n, 3 * n, n, n}, func(k kernel.Set, s [][]float32) { k.GRU(rows, width, s[0], s[1], s[2], s[3]) }},
		{"GRUBack", []int{3 * n, 3 * n, n, n, 3 * n, 3 * n}, func(k kernel.Set, s [][]float32) { k.GRUBack(rows, width, s[0], s[1], s[2], s[3], s[4], s[5]) }},
		{"Adam", []int{0, n, n, n} /* as many as weights */, func(k kernel.Set, s [][]float32) { k.Adam(adam, matrices[0][:n], s[1], s[2], s[3]) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, k := range kernel.All() {
				for short, length := range test.lengths {
					s := make([][]float32, len(test.lengths))
					for i := range s {
						s[i] = make([]float32, test.lengths[i])
					}
					if length == 0 {
						continue
					}
					s[short] = s[short][:length-1]
					if !panics(func() { test.run(k, s) }) {
						t.Errorf("%s does not panic when slice %d is short", k.Name, short)
					}
				}
				withoutAllocation(t, k.Name, func() { test.run(k, matrices) })
			}
		})
	}
}

// matrices are long enough for any loop of the test above.
var matrices = func() [][]float32 {
	s := make([][]float32, 6)
	for i := range s {
		s[i] = make([]float32, 10*4*16)
	}
	return s
}()

func TestSizesThatMakeNoSensePanic(t *testing.T) {
	s := matrices
	for _, k := range kernel.All() {
		for _, size := range [][2]int{{-1, 16}, {1, -16}, {1, 8}, {1 << 40, 16}, {1, 1 << 40}} {
			for name, run := range map[string]func(){
				"LSTM":     func() { k.LSTM(size[0], size[1], s[0], s[1], s[2], s[3], s[4]) },
				"Steps":    func() { k.Steps(size[0], 10, size[1], s[0], s[1], s[2], s[3]) },
				"LSTMBack": func() { k.LSTMBack(size[0], size[1], s[0], s[1], s[2], s[3], s[4], s[5]) },
				"GRU":      func() { k.GRU(size[0], size[1], s[0], s[1], s[2], s[3]) },
				"GRUBack":  func() { k.GRUBack(size[0], size[1], s[0], s[1], s[2], s[3], s[4], s[5]) },
			} {
				if !panics(run) {
					t.Errorf("%s %s with %d rows of %d does not panic", k.Name, name, size[0], size[1])
				}
			}
		}
	}
}

func TestStepsPanicsOnUnitsThatMakeNoSense(t *testing.T) {
	for _, k := range kernel.All() {
		for _, units := range []int{-1, 17} {
			if !panics(func() { k.Steps(2, units, 16, matrices[0], make([]float32, 4096), matrices[1], matrices[2]) }) {
				t.Errorf("%s does not panic with %d units in a width of 16", k.Name, units)
			}
		}
	}
}
