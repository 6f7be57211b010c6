package kernel_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast/neural/kernel"
)

// fence is what lies before and behind every slice of these tests.
const fence = float32(-123456.75)

// fenced is a slice of n floats with a fence on both sides, at any alignment.
type fenced struct{ whole, used []float32 }

func newFenced(before, n int) fenced {
	whole := make([]float32, before+n+2*kernel.Lanes)
	for i := range whole {
		whole[i] = fence
	}
	return fenced{whole, whole[before : before+n : before+n]}
}

// drawFenced draws the place of a slice of values in [-scale, scale).
func drawFenced(t *rapid.T, rng *rand.Rand, n int, scale float32) fenced {
	f := newFenced(kernel.Lanes+rapid.IntRange(0, 17).Draw(t, "before"), n)
	for i := range f.used {
		f.used[i] = scale * (2*rng.Float32() - 1)
	}
	return f
}

// drawRand draws the seed of the values: shapes shrink, values need not.
func drawRand(t *rapid.T) *rand.Rand {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
}

func (f fenced) copy() fenced {
	whole := append([]float32(nil), f.whole...)
	at := cap(f.whole) - cap(f.whole[beforeOf(f):])
	return fenced{whole, whole[at : at+len(f.used) : at+len(f.used)]}
}

func beforeOf(f fenced) int { return len(f.whole) - len(f.used) - 2*kernel.Lanes }

// broken reports whether something was written outside the slice.
func (f fenced) broken() bool {
	at := beforeOf(f)
	for i, x := range f.whole {
		if (i < at || i >= at+len(f.used)) && x != fence {
			return true
		}
	}
	return false
}

// same compares bits, so that NaN is NaN.
func same(a, b []float32) bool {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return len(a) == len(b)
}

// near compares to within a distance, both NaN or both the same Inf being near.
func near(a, b []float32, distance float64) bool {
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		if x != y && !(math.IsNaN(x) && math.IsNaN(y)) && !(math.Abs(x-y) <= distance) {
			return false
		}
	}
	return len(a) == len(b)
}

// panics reports whether f does.
func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}

// agree runs one loop with every implementation on copies of the same slices, some of
// which it writes. All of them must be near Plain, keep to their slices and give the same
// bits again; those with vectors must agree to the last bit.
func agree(t *rapid.T, distance float64, slices []fenced, run func(k kernel.Set, s [][]float32)) {
	t.Helper()
	do := func(k kernel.Set) []fenced {
		copies := make([]fenced, len(slices))
		used := make([][]float32, len(slices))
		for i, s := range slices {
			copies[i] = s.copy()
			used[i] = copies[i].used
		}
		run(k, used)
		return copies
	}
	var plain, vector []fenced
	for _, k := range kernel.All() {
		got, again := do(k), do(k)
		for i := range got {
			if got[i].broken() {
				t.Fatalf("%s wrote outside slice %d", k.Name, i)
			}
			if !same(got[i].used, again[i].used) {
				t.Fatalf("%s: slice %d differs the second time", k.Name, i)
			}
			if plain != nil && !near(got[i].used, plain[i].used, distance) {
				t.Fatalf("%s: slice %d is\n%v, not\n%v", k.Name, i, got[i].used, plain[i].used)
			}
			if vector != nil && !same(got[i].used, vector[i].used) {
				t.Fatalf("%s: slice %d differs from that of other vectors", k.Name, i)
			}
		}
		if plain == nil {
			plain = got
		} else {
			vector = got
		}
	}
}

// withoutAllocation fails when f allocates.
func withoutAllocation(t *testing.T, name string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(20, f); n != 0 {
		t.Errorf("%s allocates %v times", name, n)
	}
}
