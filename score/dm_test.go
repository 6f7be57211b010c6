package score

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/testdata"
)

// testdata/dm.csv is what R 4.2.2, forecast 8.20, dm.test gave in testdata/dm.R.
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
	for _, row := range testdata.Table(t, "testdata/dm.csv") {
		got, err := DieboldMariano(abs(a), abs(b), int(row.Number(t, "h")))
		if err != nil || !(math.Abs(got.Stat-row.Number(t, "stat")) <= 1e-9) || !(math.Abs(got.P-row.Number(t, "p")) <= 1e-9) || got.N != 200 {
			t.Errorf("%+v, %v; R has %v", got, err, row)
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

// Losses that swing back and forth have a negative variance at horizon 2; then the
// variance of horizon 1 counts, with the correction for horizon 2 (the benchmark's
// protocol; R's dm.test falls back to horizon 1 altogether).
func TestDieboldMarianoNegativeVariance(t *testing.T) {
	var a []float64
	for i := range 20 {
		a = append(a, 0.1+math.Cos(math.Pi*float64(i)))
	}
	got, err := DieboldMariano(a, make([]float64, 20), 2)
	want := 0.1 / math.Sqrt(1.0/20) * math.Sqrt((20+1-4+2.0/20)/20)
	if err != nil || math.Abs(got.Stat-want) > 1e-12 {
		t.Errorf("%+v, %v; want %v", got, err, want)
	}
}
