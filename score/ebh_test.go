package score

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestEBH(t *testing.T) {
	for _, c := range []struct {
		name string
		e    []float64
		want []int
	}{
		{"none", nil, []int{}},
		{"one is enough for itself", []float64{20}, []int{0}},
		{"one is not enough among two", []float64{20, 1}, []int{}},
		{"two carry each other", []float64{20, 1, 41, 0, 20, 15, 25}, []int{}},
		{"with more evidence", []float64{50, 1, 141, 0, 60, 15, 65}, []int{0, 2, 4, 6}},
		{"NaN counts among them", []float64{math.NaN(), 39.9}, []int{}},
		{"and may be outweighed", []float64{math.NaN(), 40}, []int{1}},
	} {
		if got := EBH(c.e, 0.05); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// The share of false discoveries stays below the level, also when all depend on each
// other.
func TestEBHControlsFalseDiscoveries(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const runs = 2000
	var fdp float64
	for range runs {
		e := make([]float64, 20)
		common := -math.Log(1 - rng.Float64()) // mean 1
		for i := range e {
			switch {
			case i < 5:
				e[i] = 500 // true effects
			case i%2 == 0:
				e[i] = common
			default:
				e[i] = 1 / (0.01 + 100*rng.Float64()) // heavy: mean below 1
			}
		}
		found, wrong := EBH(e, 0.1), 0
		for _, i := range found {
			if i >= 5 {
				wrong++
			}
		}
		if len(found) < 5 {
			t.Fatalf("true effects were missed: %v", found)
		}
		fdp += float64(wrong) / float64(len(found))
	}
	if fdp/runs > 0.1 {
		t.Errorf("%.3f of discoveries are false", fdp/runs)
	}
}
