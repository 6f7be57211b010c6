package score

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Reference: R 4.2.2, forecast 8.20,
//
//	i <- 1:200; a <- 1+sin(i/9)+0.3*sin(i*1.3); b <- 1.1+0.8*sin(i/9+0.3)+0.25*cos(i*0.9)
//	dm.test(a, b, h=h, power=1, varestimator="acf")
func TestDieboldMarianoReference(t *testing.T) {
	var a, b []float64
	for k := 1; k <= 200; k++ {
		i := float64(k)
		a = append(a, 1+math.Sin(i/9)+0.3*math.Sin(i*1.3))
		b = append(b, 1.1+0.8*math.Sin(i/9+0.3)+0.25*math.Cos(i*0.9))
	}
	// R takes absolute values: power 1 of errors.
	abs := func(x []float64) []float64 {
		y := slices.Clone(x)
		for i := range y {
			y[i] = math.Abs(y[i])
		}
		return y
	}
	for _, c := range []struct {
		h       int
		stat, p float64
	}{{1, -1.96348515654, 0.0509828001986}, {3, -1.25362412972, 0.211449431163}, {5, -1.16228717821, 0.246510848297}} {
		got, err := DieboldMariano(abs(a), abs(b), c.h)
		if err != nil || math.Abs(got.Stat-c.stat) > 1e-9 || math.Abs(got.P-c.p) > 1e-9 || got.N != 200 {
			t.Errorf("horizon %d: %+v, %v; R has %v, %v", c.h, got, err, c.stat, c.p)
		}
	}
}

func TestDieboldMariano(t *testing.T) {
	if d, err := DieboldMariano([]float64{1, 2, 3}, []float64{1, 2, 3}, 1); err != nil || d.P != 1 || d.Stat != 0 {
		t.Errorf("equal losses: %+v, %v", d, err)
	}
	if d, err := DieboldMariano([]float64{1, 2, 3}, []float64{2, 3, 4}, 1); err != nil || d.P != 0 || !math.IsInf(d.Stat, -1) {
		t.Errorf("always better by 1: %+v, %v", d, err)
	}
	for name, a := range map[string][]float64{"too few": {1, 2}, "not finite": {1, math.NaN(), 2, 3}} {
		if _, err := DieboldMariano(a, make([]float64, len(a)), 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n, h := rapid.IntRange(12, 40).Draw(t, "n"), rapid.IntRange(1, 10).Draw(t, "h")
		a := rapid.SliceOfN(rapid.Float64Range(0, 9), n, n).Draw(t, "a")
		b := rapid.SliceOfN(rapid.Float64Range(0, 9), n, n).Draw(t, "b")
		x, err := DieboldMariano(a, b, h)
		y, err2 := DieboldMariano(b, a, h)
		if err != nil || err2 != nil || !(x.P >= 0 && x.P <= 1) || x.Stat != -y.Stat || x.P != y.P {
			t.Fatalf("%+v %v, turned round %+v %v", x, err, y, err2)
		}
	})
}

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

// Models whose losses differ only by noise stay; one that is worse by much more than
// the noise leaves; and the best is never left out.
func TestConfidenceSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const n = 1000
	losses := make([][]float64, 4)
	for i := range n {
		common := 1 + 0.5*math.Sin(float64(i)/30)
		for m := range losses {
			if i == 0 {
				losses[m] = make([]float64, n)
			}
			losses[m][i] = common + 0.2*rng.NormFloat64()
		}
		losses[2][i] += 0.1 // six standard errors and more
	}
	c, err := ConfidenceSet(losses, 0.1, 10, 1000, rand.New(rand.NewPCG(1, 2)))
	if err != nil || !slices.Equal(c.Members, []int{0, 1, 3}) || c.P[2] >= 0.1 {
		t.Errorf("%+v, %v", c, err)
	}
	again, err := ConfidenceSet(losses, 0.1, 10, 1000, rand.New(rand.NewPCG(1, 2)))
	if err != nil || !slices.Equal(again.P, c.P) {
		t.Errorf("the same seed gave %+v, %v", again, err)
	}
	same, err := ConfidenceSet([][]float64{losses[0], losses[0]}, 0.1, 10, 100, rand.New(rand.NewPCG(1, 2)))
	if err != nil || len(same.Members) != 2 {
		t.Errorf("equal models: %+v, %v", same, err)
	}
	for name, l := range map[string][][]float64{"one model": losses[:1], "too short": {losses[0][:50], losses[1][:50]}, "NaN": {append(slices.Clone(losses[0][:999]), math.NaN()), losses[1]}} {
		if _, err := ConfidenceSet(l, 0.1, 10, 100, rng); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Over many draws the truly best model is in the set at least as often as promised.
func TestConfidenceSetCoverage(t *testing.T) {
	const runs, n = 200, 200
	in := 0
	for run := range runs {
		rng := rand.New(rand.NewPCG(uint64(run), 9))
		losses := make([][]float64, 3)
		for m := range losses {
			losses[m] = make([]float64, n)
			for i := range losses[m] {
				losses[m][i] = rng.NormFloat64() + 0.05*float64(m)
			}
		}
		c, err := ConfidenceSet(losses, 0.1, 5, 200, rng)
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(c.Members, 0) {
			in++
		}
	}
	if share := float64(in) / runs; share < 0.9-3*math.Sqrt(0.09/runs) {
		t.Errorf("the best model is in %.3f of the sets, want 0.9", share)
	}
}
