package residual_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/residual"
)

// A pool holds the newest residuals in order of size, whatever came, and is the same
// after it was written and read.
func TestPool(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 12).Draw(t, "most")
		all := rapid.SliceOf(rapid.SampledFrom([]float64{-7, -1, -0.5, 0, 0.25, 0.5, 1, 2, 6})).Draw(t, "residuals")
		p := residual.NewPool(most)
		for i, z := range all {
			if i == len(all)/2 {
				w := forecast.NewArchive()
				p.Persist(w)
				p = residual.NewPool(most)
				p.Persist(forecast.ReadArchive(w.Bytes()))
			}
			p.Add(z)
			want := slices.Clone(all[max(0, i+1-most) : i+1])
			square := 0.0
			for _, z := range want {
				square += math.Min(z*z, 25)
			}
			slices.Sort(want)
			if !slices.Equal(p.Sorted(), want) || p.Len() != len(want) {
				t.Fatalf("after %v it holds %v, want %v", all[:i+1], p.Sorted(), want)
			}
			if got := p.RootMeanSquare(); math.Abs(got-math.Sqrt(square/float64(len(want)))) > 1e-9 {
				t.Fatalf("root mean square %v of %v", got, want)
			}
			if got := p.Quantiles(); got != forecast.Empirical(want) {
				t.Fatalf("quantiles %v", got)
			}
		}
	})
}

// A book gives back the return over each horizon with the scale of its origin.
func TestBook(t *testing.T) {
	type realised struct {
		horizon  int
		y, scale float64
	}
	horizons := []int{1, 2, 4}
	b := residual.NewBook(horizons)
	var returns []float64
	var got []realised
	step := func(k int) {
		r := float64(int(1) << k)
		returns = append(returns, r)
		b.Realise(r, func(i int, y, scale float64) { got = append(got, realised{horizons[i], y, scale}) })
		for i, h := range horizons {
			scale := float64(100*h + k)
			if k == 3 && h == 2 {
				scale = 0 // none was forecast there
			}
			b.Note(i, scale)
		}
	}
	for k := range 8 {
		if k == 4 {
			w := forecast.NewArchive()
			b.Persist(w)
			b = residual.NewBook(horizons)
			b.Persist(forecast.ReadArchive(w.Bytes()))
		}
		got = got[:0]
		step(k)
		var want []realised
		for _, h := range horizons {
			origin := k - h
			if origin < 0 || origin == 3 && h == 2 {
				continue
			}
			y := 0.0
			for _, r := range returns[origin+1 : k+1] {
				y += r
			}
			want = append(want, realised{h, y, float64(100*h + origin)})
		}
		if !slices.Equal(got, want) {
			t.Fatalf("at bar %d: %v, want %v", k, got, want)
		}
	}
	b.Break()
	got = got[:0]
	step(8)
	if len(got) != 0 {
		t.Errorf("after a break it realises %v", got)
	}
}
