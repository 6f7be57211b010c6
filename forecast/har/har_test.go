package har

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
		Least:   187,
		Version: "har/1 range=mean spans=[1 5 22 66] residuals=historical newest=1000 leverage=true robust=false least=100 season=[",
		Others: map[string]forecast.Forecaster{
			"normal": forecasttest.With(New(), func(m *Model) { m.Residuals = Normal }),
		},
		OutOfRange: map[string]forecast.Forecaster{
			"zero":             Model{},
			"no such range":    forecasttest.With(New(), func(m *Model) { m.Range = 77 }),
			"no such residual": forecasttest.With(New(), func(m *Model) { m.Residuals = 77 }),
			"too few rows":     forecasttest.With(New(), func(m *Model) { m.Least = 5 }),
			"no span":          forecasttest.With(New(), func(m *Model) { m.Spans = [mostSpans]int{} }),
			"a span too long":  forecasttest.With(New(), func(m *Model) { m.Spans[3] = 201 }),
			"spans descend":    forecasttest.With(New(), func(m *Model) { m.Spans = [mostSpans]int{5, 1, 22, 66} }),
			"no residuals":     forecasttest.With(New(), func(m *Model) { m.Newest = 0 }),
		},
		Variants: map[string]forecast.Forecaster{
			"robust on squares with t": forecasttest.With(New(), func(m *Model) { m.Range, m.Robust, m.Residuals = feature.Squared, true, StudentT }),
		},
	})
}

// TestReference compares with what testdata/reference.py computed from the definitions,
// with NumPy's least squares: testdata/reference.csv and reference_real.csv. All
// agrees to 1e-6.
func TestReference(t *testing.T) { compare(t, "testdata/reference.csv", testdata.Market) }

func TestReferenceOfRealSeries(t *testing.T) {
	testdata.Shared(t)
	compare(t, "testdata/reference_real.csv", testdata.Real)
}

func compare(t *testing.T, with string, path func(testing.TB, string) string) {
	fits := map[string]*fitted{}
	windows := map[string]forecast.Window{}
	for _, row := range testdata.Table(t, with) {
		series, h := row["series"], int(row.Number(t, "h"))
		if fits[series] == nil {
			bars := forecasttest.ReadBars(t, path(t, series))
			windows[series] = forecast.NewWindow(market.Day, bars[len(bars)-1024:])
			fits[series] = fit(t, New(), windows[series])
		}
		f, w := fits[series], windows[series]
		d := &f.at[slices.Index(feature.Anchors[:], h)]
		near := func(what string, got float64, column string, tolerance float64) {
			t.Helper()
			if want := row.Number(t, column); !(math.Abs(got/want-1) <= tolerance) {
				t.Errorf("%s, horizon %d, %s: %v, want %v", series, h, what, got, want)
			}
		}
		for j, column := range [terms]string{"intercept", "1", "5", "22", "66", "leverage"} {
			if want := row.Number(t, column); !(math.Abs(d.coef[j]-want) <= 1e-6) {
				t.Errorf("%s, horizon %d, coefficient %s: %v, want %v", series, h, column, d.coef[j], want)
			}
		}
		p := predict(t, f, w, h)
		near("scale", d.scale, "scale", 1e-6)
		near("5 % quantile", p.Quantiles[forecast.Q05], "q05", 1e-6)
		near("95 % quantile", p.Quantiles[forecast.Q95], "q95", 1e-6)
		near("standard deviation", p.Quantiles[forecast.Q95]/d.unit[forecast.Q95], "sd", 1e-6)
	}
}

// Between two anchors the variance a bar lies between theirs, and the quantiles' shape.
func TestBetweenAnchors(t *testing.T) {
	w := forecast.NewWindow(market.Day, read(t, "daily/STOCK.csv")[:1024])
	f := fit(t, New(), w)
	for _, c := range [][3]int{{1, 3, 5}, {5, 6, 20}, {5, 19, 20}} {
		a, m, b := predict(t, f, w, c[0]), predict(t, f, w, c[1]), predict(t, f, w, c[2])
		per := func(p *forecast.Prediction, h int) float64 {
			return p.Quantiles[forecast.Q95] / math.Sqrt(f.season.Ahead(w, h))
		}
		lo, hi := per(&a, c[0]), per(&b, c[2])
		if lo > hi {
			lo, hi = hi, lo
		}
		if x := per(&m, c[1]); x < lo*(1-1e-3) || x > hi*(1+1e-3) {
			t.Errorf("horizon %d: %v a bar, not between %v and %v", c[1], x, lo, hi)
		}
	}
	a, b := predict(t, f, w, 20), predict(t, f, w, 80)
	if r := b.Quantiles[forecast.Q95] / a.Quantiles[forecast.Q95]; math.Abs(r-2) > 0.1 {
		t.Errorf("80 bars spread %v times 20 bars, want about 2", r)
	}
}

// After a month of moves three times as large the forecast is wider by far.
func TestFollowsVolatility(t *testing.T) {
	bars := read(t, "daily/STOCK.csv")[:1024]
	loud := slices.Clone(bars)
	for i := 1000; i < len(loud); i++ {
		open := loud[i-1].Close
		b := &loud[i]
		by := func(p float64) float64 { return open * math.Pow(p/bars[i-1].Close, 3) }
		b.Open, b.High, b.Low, b.Close = by(b.Open), by(b.High), by(b.Low), by(b.Close)
	}
	f := fit(t, New(), forecast.NewWindow(market.Day, bars))
	calm := predict(t, f, forecast.NewWindow(market.Day, bars), 1)
	wild := predict(t, f, forecast.NewWindow(market.Day, loud), 1)
	if r := wild.Quantiles[forecast.Q95] / calm.Quantiles[forecast.Q95]; r < 1.5 || r > 3.5 {
		t.Errorf("%v times as wide, want about 2 to 3", r)
	}
}

// Coefficients known beforehand are found, by both ways of fitting; a few absurd rows
// move only least squares.
func TestSolve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		coef := [terms]float64{}
		for j := range coef {
			coef[j] = rapid.Float64Range(-2, 2).Draw(t, "coefficient")
		}
		seed := rapid.Uint64Range(1, 1<<40).Draw(t, "seed")
		next := func() float64 { // xorshift
			seed ^= seed << 13
			seed ^= seed >> 7
			seed ^= seed << 17
			return float64(seed>>11)/(1<<53) - 0.5
		}
		rows, target := make([][terms]float64, 300), make([]float64, 300)
		for i := range rows {
			rows[i] = [terms]float64{1, next(), next(), next(), next(), next()}
			target[i] = dot(&coef, &rows[i])
		}
		robust := New()
		robust.Robust = true
		plain := New()
		for _, m := range []Model{plain, robust} {
			if m.Robust {
				target[17], target[170] = 100, -100
				for i := range target {
					target[i] += 1e-3 * next()
				}
			}
			got, err := m.solve(rows, target)
			if err != nil {
				t.Fatal(err)
			}
			for j := range coef {
				if math.Abs(got[j]-coef[j]) > 2e-3 {
					t.Fatalf("robust %t, coefficient %d: %v, want %v", m.Robust, j, got[j], coef[j])
				}
			}
		}
	})
}

// The t with the most likely degrees of freedom among the grid.
func TestLikeliest(t *testing.T) {
	for _, nu := range []float64{3, 6, 15} {
		q := make([]float64, 2000)
		z := forecast.StudentT(nu)
		for i := range q { // a sample from the quantile function, by interpolation
			q[i] = forecast.Quantile7(z[:], (float64(i)+0.5)/2000)
		}
		q[0], q[1999] = 2*z[0], 2*z[22]
		got := likeliest(q)
		if got < 2.5 || got > 50 {
			t.Errorf("%v degrees of freedom, outside the grid", got)
		}
	}
	heavy := []float64{-8, -0.2, -0.1, -0.1, 0, 0, 0.1, 0.1, 0.2, 8}
	light := []float64{-1.2, -1, -0.9, -0.8, -1, 1, 0.8, 0.9, 1, 1.2}
	if h, l := likeliest(heavy), likeliest(light); h != freedoms[0] || l != freedoms[len(freedoms)-1] {
		t.Errorf("heavy tails %v, light tails %v", h, l)
	}
}

func fit(t testing.TB, m Model, w forecast.Window) *fitted {
	t.Helper()
	f, err := m.Fit(context.Background(), w)
	if err != nil {
		t.Fatal(err)
	}
	return f.(*fitted)
}

func predict(t testing.TB, f *fitted, w forecast.Window, h int) forecast.Prediction {
	t.Helper()
	p, err := f.Predict(w, h)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func BenchmarkFit(b *testing.B) {
	bars := forecasttest.Walk(1, 2500)
	for _, n := range []struct {
		name string
		bars int
	}{{"300", 300}, {"1024", 1024}, {"2500", 2500}} {
		b.Run(n.name, func(b *testing.B) {
			w := forecast.NewWindow(market.Day, bars[:n.bars])
			b.ReportAllocs()
			for b.Loop() {
				fit(b, New(), w)
			}
		})
	}
}

func BenchmarkPredict(b *testing.B) {
	w := forecast.NewWindow(market.Day, forecasttest.Walk(1, 1024))
	f := fit(b, New(), w)
	for name, h := range map[string]int{"1": 1, "20": 20} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				predict(b, f, w, h)
			}
		})
	}
}
