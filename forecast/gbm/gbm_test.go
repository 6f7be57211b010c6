package gbm

import (
	"context"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/feature"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// read reads one of the repository's own series.
func read(t testing.TB, name string) []market.Bar {
	return forecasttest.ReadBars(t, testdata.Market(t, name))
}

func TestConformance(t *testing.T) {
	forecasttest.Exercise(t, forecasttest.Case{
		Model:   New(),
		Series:  forecasttest.ReadAll(t, testdata.ForModels(t)...),
		Least:   301,
		Version: "gbm/1 {Range:mean Learn:scale Trees:100 Depth:1 Leaf:40 Rate:0.1 Weight:100 Validate:0.2 Patience:15 Newest:1000 Least:250} season=[",
		Others:  map[string]forecast.Forecaster{"faster": forecasttest.With(New(), func(m *Model) { m.Rate = 0.2 })},
		OutOfRange: map[string]forecast.Forecaster{
			"zero":               Model{},
			"no such range":      forecasttest.With(New(), func(m *Model) { m.Range = 77 }),
			"nothing to learn":   forecasttest.With(New(), func(m *Model) { m.Learn = 77 }),
			"no trees":           forecasttest.With(New(), func(m *Model) { m.Trees = 0 }),
			"too deep":           forecasttest.With(New(), func(m *Model) { m.Depth = 7 }),
			"empty leaves":       forecasttest.With(New(), func(m *Model) { m.Leaf = 0 }),
			"no rate":            forecasttest.With(New(), func(m *Model) { m.Rate = math.NaN() }),
			"a negative weight":  forecasttest.With(New(), func(m *Model) { m.Weight = -1 }),
			"all is validation":  forecasttest.With(New(), func(m *Model) { m.Validate = 1 }),
			"no patience":        forecasttest.With(New(), func(m *Model) { m.Patience = 0 }),
			"too few residuals":  forecasttest.With(New(), func(m *Model) { m.Newest = 20 }),
			"too few rows to it": forecasttest.With(New(), func(m *Model) { m.Least = 20 }),
		},
		Variants: map[string]forecast.Forecaster{
			"quantiles": forecasttest.With(New(), func(m *Model) { m.Learn, m.Depth, m.Trees = Quantiles, 3, 4 }),
		},
	})
}

// source draws numbers between -1 and 1, the same for the same seed (xorshift).
type source uint64

func (s *source) next() float64 {
	*s ^= *s << 13
	*s ^= *s >> 7
	*s ^= *s << 17
	return float64(*s>>11)/(1<<53)*2 - 1
}

func draw(seed uint64, n int) []feature.Row {
	s := source(seed)
	rows := make([]feature.Row, n)
	for i := range rows {
		for j := range rows[i] {
			rows[i][j] = s.next()
		}
	}
	return rows
}

func code(b *bins, rows []feature.Row) []codes {
	c := make([]codes, len(rows))
	for i := range rows {
		c[i] = b.codes(&rows[i])
	}
	return c
}

// A row lies in bin k when it is above cut k-1 and up to cut k; bins are about equally
// full; equal values share a bin.
func TestBins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 400).Draw(t, "rows")
		rows := draw(rapid.Uint64Range(1, 1<<40).Draw(t, "seed"), n)
		steps := rapid.Float64Range(1, 200).Draw(t, "steps")
		for i := range rows {
			rows[i][0] = math.Round(rows[i][0] * steps)
			rows[i][1] = 7
		}
		b := newBins(rows)
		if len(b.cuts[1]) != 0 {
			t.Fatal("a constant column was cut")
		}
		count := [mostBins]int{}
		for i := range rows {
			for j, k := range b.codes(&rows[i]) {
				x, cuts := rows[i][j], b.cuts[j]
				if int(k) > len(cuts) || k > 0 && x <= cuts[k-1] || int(k) < len(cuts) && x > cuts[k] {
					t.Fatalf("%v is in bin %d of %v", x, k, cuts)
				}
				if j == 2 {
					count[k]++
				}
			}
		}
		if most := slices.Max(count[:]); most > n/mostBins+2 {
			t.Fatalf("%d of %d rows in one bin", most, n)
		}
	})
}

// The best split of a histogram is the best of all splits tried one by one, and its
// leaves are the means.
func TestSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(20, 200).Draw(t, "rows")
		seed := rapid.Uint64Range(1, 1<<40).Draw(t, "seed")
		rows := draw(seed, n)
		s := source(seed + 1)
		g, h := make([]float64, n), make([]float64, n)
		order := make([]int32, n)
		for i := range g {
			g[i], h[i], order[i] = s.next(), 1, int32(i)
			if rows[i][4] > 0.3 {
				g[i] += 2
			}
		}
		b := newBins(rows)
		w := grower{depth: 1, least: 5, bins: b, codes: code(b, rows), g: g, h: h, leaf: func(rows []int32) (v float64) {
			for _, i := range rows {
				v += g[i] / float64(len(rows))
			}
			return v
		}}
		tree := w.grow(order)
		gain := func(j int, cut float64) float64 {
			var l, r, nl, nr float64
			for i := range rows {
				if rows[i][j] <= cut {
					l, nl = l+g[i], nl+1
				} else {
					r, nr = r+g[i], nr+1
				}
			}
			if nl < 5 || nr < 5 {
				return 0
			}
			return l*l/nl + r*r/nr - (l+r)*(l+r)/(nl+nr)
		}
		best := 0.0
		for j, cuts := range b.cuts {
			for _, c := range cuts {
				best = max(best, gain(j, c))
			}
		}
		if got := gain(int(tree[0].Column), tree[0].Cut); math.Abs(got-best) > 1e-6*best {
			t.Fatalf("gain %v, the best is %v", got, best)
		}
		for i := range rows {
			var sum, count float64
			for k := range rows {
				if (rows[k][tree[0].Column] <= tree[0].Cut) == (rows[i][tree[0].Column] <= tree[0].Cut) {
					sum, count = sum+g[k], count+1
				}
			}
			if got := tree.at(&rows[i]); math.Abs(got-sum/count) > 1e-12 {
				t.Fatalf("leaf %v, want %v", got, sum/count)
			}
		}
	})
}

// A deep tree keeps its promises: no leaf below the least, every row reaches one, none
// further down than the depth.
func TestTreeIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 300).Draw(t, "rows")
		depth := rapid.IntRange(1, 6).Draw(t, "depth")
		least := rapid.IntRange(1, 40).Draw(t, "least")
		seed := rapid.Uint64Range(1, 1<<40).Draw(t, "seed")
		rows := draw(seed, n)
		s := source(seed + 1)
		g, h, order := make([]float64, n), make([]float64, n), make([]int32, n)
		for i := range g {
			g[i], h[i], order[i] = s.next(), 1, int32(i)
		}
		b := newBins(rows)
		total := 0
		w := grower{depth: depth, least: float64(least), bins: b, codes: code(b, rows), g: g, h: h, leaf: func(rows []int32) float64 {
			if total += len(rows); len(rows) < least && len(rows) < n {
				t.Fatalf("a leaf of %d rows", len(rows))
			}
			return 1
		}}
		tree := w.grow(order)
		if len(tree) > 1<<(depth+1)-1 || total != n {
			t.Fatalf("%d nodes, %d rows in leaves, want at most %d and %d", len(tree), total, 1<<(depth+1)-1, n)
		}
		if slices.Sort(order); order[0] != 0 || int(order[n-1]) != n-1 {
			t.Fatal("rows were lost")
		}
	})
}

// The gradient is the slope of the loss, and pinball's leaf is the best step.
func TestLosses(t *testing.T) {
	s := source(5)
	y := make([]float64, 400)
	rows := make([]int32, len(y))
	for i := range y {
		y[i], rows[i] = math.Tan(1.4*s.next()), int32(i)
	}
	f, g, h := make([]float64, len(y)), make([]float64, len(y)), make([]float64, len(y))
	for i := range f {
		f[i] = 0.5 * s.next()
	}
	for name, l := range map[string]loss{"pinball": &pinball{p: 0.25}, "scale": &scale{weight: 1}} {
		t.Run(name, func(t *testing.T) {
			l.start(y)
			l.gradient(y, f, g, h)
			for i := range y {
				const d = 1e-7
				if slope := (l.at(y[i], f[i]+d) - l.at(y[i], f[i]-d)) / (2 * d); math.Abs(slope+g[i]) > 1e-5 {
					t.Errorf("y = %v, f = %v: gradient %v, want %v", y[i], f[i], g[i], -slope)
				}
			}
			at := func(step float64) (sum float64) {
				for i := range y {
					sum += l.at(y[i], f[i]+step)
				}
				return sum
			}
			step := l.leaf(y, f, g, h, rows)
			if at(step) > at(0)+1e-9 {
				t.Errorf("the step %v makes it worse: %v, before %v", step, at(step), at(0))
			}
			if name == "pinball" && (at(step) > at(step+0.05) || at(step) > at(step-0.05)) {
				t.Errorf("%v is not the best step", step)
			}
		})
	}
}

// The loss of a scale is the mean of the 19 pinball losses.
func TestScaleLoss(t *testing.T) {
	s := source(6)
	y := make([]float64, 300)
	for i := range y {
		y[i] = math.Tan(1.4 * s.next())
	}
	l := &scale{}
	l.start(y)
	for range 200 {
		at, f := 5*s.next(), s.next()
		var want float64
		for k, u := range l.unit {
			p := pinball{p: forecast.Probabilities[forecast.Q05+k]}
			want += p.at(at, math.Exp(f)*u) / inner
		}
		if got := l.at(at, f); math.Abs(got-want) > 1e-12 {
			t.Errorf("y = %v, f = %v: %v, want %v", at, f, got, want)
		}
	}
}

// A scale that depends on a step of one feature, which no line follows, is found; with
// nothing to find hardly a tree is kept.
func TestLearns(t *testing.T) {
	rows := draw(3, 3000)
	s := source(9)
	step, nothing := make([]float64, len(rows)), make([]float64, len(rows))
	for i := range rows {
		z := s.next() + s.next() + s.next()
		nothing[i] = z
		step[i] = z
		if math.Abs(rows[i][6]) < 0.3 {
			step[i] = 3 * z
		}
	}
	for _, learn := range []Learn{Scale, Quantiles} {
		t.Run(learn.String(), func(t *testing.T) {
			m := New()
			m.Learn = learn
			b := newBins(rows)
			d := m.direct(b, rows, code(b, rows), step, 1)
			var loud, calm float64
			in, out := feature.Row{6: 0.1}, feature.Row{6: 0.8}
			q := d.at(&in)
			loud = q[forecast.Q95] - q[forecast.Q05]
			q = d.at(&out)
			calm = q[forecast.Q95] - q[forecast.Q05]
			if loud < 2*calm || loud > 4*calm {
				t.Errorf("%v times as wide, want about 3", loud/calm)
			}
			d = m.direct(b, rows, code(b, rows), nothing, 1)
			q = d.at(&in)
			loud = q[forecast.Q95] - q[forecast.Q05]
			q = d.at(&out)
			if calm = q[forecast.Q95] - q[forecast.Q05]; loud > 1.15*calm || calm > 1.15*loud {
				t.Errorf("from noise widths %v and %v", loud, calm)
			}
		})
	}
}

func fit(t testing.TB, m Model, w forecast.Window) forecast.Fitted {
	t.Helper()
	f, err := m.Fit(context.Background(), w)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func BenchmarkFit(b *testing.B) {
	bars := read(b, "daily/STOCK.csv")
	for _, n := range []struct {
		name string
		bars int
	}{{"400", 400}, {"1024", 1024}, {"2500", 2500}} {
		b.Run(n.name, func(b *testing.B) {
			w := forecast.NewWindow(market.Day, bars[len(bars)-n.bars:])
			b.ReportAllocs()
			for b.Loop() {
				fit(b, New(), w)
			}
		})
	}
}

func BenchmarkPredict(b *testing.B) {
	bars := read(b, "daily/STOCK.csv")
	w := forecast.NewWindow(market.Day, bars[len(bars)-1024:])
	f := fit(b, New(), w)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Predict(w, 1); err != nil {
			b.Fatal(err)
		}
	}
}
