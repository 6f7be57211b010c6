package kernel_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast/neural/kernel"
)

// scales of the sums that go into gates: usual ones, and those that saturate.
var scales = []float32{0.01, 1, 5, 60, 1e4, 3e38}

func drawGates(t *rapid.T) (rows, width int, scale float32) {
	return rapid.IntRange(0, 9).Draw(t, "rows"), kernel.Lanes * rapid.IntRange(0, 4).Draw(t, "width/16"), rapid.SampledFrom(scales).Draw(t, "scale")
}

func TestLSTMAgreesWithPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows, width, scale := drawGates(t)
		rng, n := drawRand(t), rows*width
		s := []fenced{drawFenced(t, rng, 4*n, scale), drawFenced(t, rng, n, 2), drawFenced(t, rng, n, 0), drawFenced(t, rng, n, 0), drawFenced(t, rng, n, 0)}
		agree(t, 2e-6, s, func(k kernel.Set, s [][]float32) { k.LSTM(rows, width, s[0], s[1], s[2], s[3], s[4]) })
		agree(t, 2e-6, s, func(k kernel.Set, s [][]float32) { k.LSTM(rows, width, s[0], s[1], s[1], s[2], s[2]) })
	})
}

func TestStepsAgreeWithPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		steps, width := rapid.IntRange(0, 9).Draw(t, "steps"), kernel.Lanes*rapid.IntRange(0, 5).Draw(t, "width/16")
		units := rapid.IntRange(0, width).Draw(t, "units")
		rng := drawRand(t)
		s := []fenced{drawFenced(t, rng, 4*steps*width, 2), drawFenced(t, rng, 4*units*width, 0.3), drawFenced(t, rng, width, 1), drawFenced(t, rng, steps*width, 0)}
		agree(t, 2e-5, s, func(k kernel.Set, s [][]float32) {
			k.Steps(steps, units, width, s[0], s[1], s[2], s[3])
			clear(s[0]) // has no meaning any more
		})
	})
}

// TestStepsIsGemmAndLSTM compares the bits with those of the loops it is made of.
func TestStepsIsGemmAndLSTM(t *testing.T) {
	for _, k := range kernel.All() {
		for _, s := range []struct{ steps, units int }{{7, 10}, {64, 32}, {5, 33}, {3, 70}, {4, 0}, {1, 16}} {
			one, other := newNetwork(3, s.units, 2, s.steps), newNetwork(3, s.units, 2, s.steps)
			if want, got := one.forward(k), other.forwardBySteps(k); !same(got, want) {
				t.Errorf("%s: %d units over %d steps give %v, not %v", k.Name, s.units, s.steps, got, want)
			}
			if !same(one.cell, other.cell) {
				t.Errorf("%s: %d units over %d steps leave cell %v, not %v", k.Name, s.units, s.steps, other.cell, one.cell)
			}
		}
	}
}

// activations computes sigmoid and tanh of a multiple of Lanes values, by way of gates.
func activations(k kernel.Set, x []float32) (sigmoid, tanh []float32) {
	n := len(x)
	z := make([]float32, 4*n)
	for b := range 4 {
		copy(z[b*n:(b+1)*n], x)
	}
	rest := make([]float32, 3*n)
	k.LSTM(1, n, z, rest[:n], rest[:n], rest[n:2*n], rest[2*n:])
	return z[:n], z[2*n : 3*n]
}

// stride is how many floats the sweep steps over; 1 takes all of them.
const stride = 9973

// TestActivationsAreAccurate sweeps the floats of either sign and compares with float64.
func TestActivationsAreAccurate(t *testing.T) {
	worst := map[string]float64{"plain sigmoid": 0.501, "plain tanh": 0.501, "sigmoid": 2.45, "tanh": 1.38}
	for _, k := range kernel.All() {
		found := map[string]float64{}
		note := func(name string, x, got float32, want float64) {
			name = k.Name + " " + name
			e := ulps(got, want)
			found[name] = max(found[name], e)
			limit := worst[name[len(k.Name)+1:]]
			if k.Name == "plain" {
				limit = worst[name]
			}
			if !(e <= limit) {
				t.Fatalf("%s of %g is %g, not %g: off by %.2f ulp", name, x, got, want, e)
			}
		}
		x := make([]float32, 4096)
		for bits := uint64(0); bits < math.MaxUint32; {
			for i := range x {
				x[i] = math.Float32frombits(uint32(min(bits, math.MaxUint32)))
				if x[i] != x[i] {
					x[i] = 0
				}
				bits += stride
			}
			sigmoid, tanh := activations(k, x)
			for i, v := range x {
				note("tanh", v, tanh[i], math.Tanh(float64(v)))
				if want := 1 / (1 + math.Exp(-float64(v))); want > 1.2e-38 || k.Name == "plain" {
					note("sigmoid", v, sigmoid[i], want)
				} else if sigmoid[i] < 0 || sigmoid[i] > 1.2e-38 {
					t.Fatalf("%s sigmoid of %g is %g", k.Name, v, sigmoid[i])
				}
			}
		}
		t.Log("worst errors in ulp:", found)
	}
}

// ulps is the distance between got and want in units in the last place of want as float32.
func ulps(got float32, want float64) float64 {
	_, exp := math.Frexp(want)
	return math.Abs(float64(got)-want) / math.Ldexp(1, max(exp-24, -149))
}

func TestActivationsAtTheEnds(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	negative := math.Float32frombits(1 << 31)
	for _, test := range []struct {
		name             string
		x, sigmoid, tanh float32
	}{
		{"inf", inf, 1, 1},
		{"-inf", -inf, 0, -1},
		{"largest", math.MaxFloat32, 1, 1},
		{"-largest", -math.MaxFloat32, 0, -1},
		{"0", 0, 0.5, 0},
		{"-0", negative, 0.5, negative},
		{"smallest", math.SmallestNonzeroFloat32, 0.5, math.SmallestNonzeroFloat32},
		{"NaN", nan, nan, nan},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, k := range kernel.All() {
				x := make([]float32, kernel.Lanes)
				x[3] = test.x
				sigmoid, tanh := activations(k, x)
				if !near(sigmoid[3:4], []float32{test.sigmoid}, 1.2e-38) || !near(tanh[3:4], []float32{test.tanh}, 0) || math.Signbit(float64(tanh[3])) != math.Signbit(float64(test.tanh)) {
					t.Errorf("%s: sigmoid %g, tanh %g; want %g, %g", k.Name, sigmoid[3], tanh[3], test.sigmoid, test.tanh)
				}
				if sigmoid[2] != 0.5 || tanh[2] != 0 {
					t.Errorf("%s: the lane beside it has %g and %g", k.Name, sigmoid[2], tanh[2])
				}
			}
		})
	}
}
