package quantreg

import (
	"context"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/feature"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func TestConformance(t *testing.T) {
	forecasttest.Exercise(t, forecasttest.Case{
		Model:   New(),
		Series:  forecasttest.ReadAll(t, testdata.ForModels(t)...),
		Least:   301,
		Version: "quantile/1 range=mean penalty=0.5 smooth=1 least=250 season=[",
		Others:  map[string]forecast.Forecaster{"less penalised": forecasttest.With(New(), func(m *Model) { m.Penalty = 0.3 })},
		OutOfRange: map[string]forecast.Forecaster{
			"zero":               Model{},
			"no such range":      forecasttest.With(New(), func(m *Model) { m.Range = 77 }),
			"too few rows":       forecasttest.With(New(), func(m *Model) { m.Least = 20 }),
			"a negative penalty": forecasttest.With(New(), func(m *Model) { m.Penalty = -1 }),
			"no width":           forecasttest.With(New(), func(m *Model) { m.Smooth = 0 }),
			"width NaN":          forecasttest.With(New(), func(m *Model) { m.Smooth = math.NaN() }),
		},
	})
}

// TestReference compares with statsmodels' QuantReg: testdata/reference.py made
// testdata/reference.csv and reference_real.csv. Without a penalty and with a kernel that is
// narrowed to 0.001 % the coefficients agree to 0.01, about a tenth of their standard
// errors (between two corners of the loss any coefficients are as good), and the loss,
// which is what is minimised, is no more than 1e-5 above.
func TestReference(t *testing.T) { compare(t, "testdata/reference.csv", testdata.Market) }

func TestReferenceOfRealSeries(t *testing.T) {
	testdata.Shared(t)
	compare(t, "testdata/reference_real.csv", testdata.Real)
}

func compare(t *testing.T, with string, path func(testing.TB, string) string) {
	for _, row := range testdata.Table(t, with) {
		bars := forecasttest.ReadBars(t, path(t, row["series"]))
		bars = bars[len(bars)-1003:]
		r := make([]float64, len(bars)-1)
		for i := range r {
			r[i] = 100 * math.Log(bars[i+1].Close/bars[i].Close)
		}
		var rows []feature.Row
		for i := 2; i < len(r); i++ {
			rows = append(rows, feature.Row{r[i-1], math.Abs(r[i-1]), r[i-2]})
		}
		y := r[2:]
		p := row.Number(t, "p")
		var b line
		s := newSolver(rows, y)
		for d := 1.0; d >= 0.001; d /= 2 {
			s.solve(&b, p, d, 0)
		}
		for j, column := range []string{"intercept", "before", "size", "earlier"} {
			if want := row.Number(t, column); !(math.Abs(b[j]-want) <= 0.01) {
				t.Errorf("%s, %v, %s: %v, want %v", row["series"], p, column, b[j], want)
			}
		}
		if got, want := pinball(rows, y, &b, p), row.Number(t, "loss"); !(got <= want+1e-5) {
			t.Errorf("%s, %v: loss %.8f, want %.8f", row["series"], p, got, want)
		}
	}
}

func pinball(rows []feature.Row, y []float64, b *line, p float64) (mean float64) {
	for i := range rows {
		e := y[i] - b.at(&rows[i])
		mean += max(p*e, (p-1)*e) / float64(len(y))
	}
	return mean
}

// Whatever the rows, the solution has no slope left: the gradient of the smoothed and
// penalised loss, computed from its definition, is zero.
func TestMinimum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64Range(1, 1<<40).Draw(t, "seed")
		next := func() float64 { // xorshift
			seed ^= seed << 13
			seed ^= seed >> 7
			seed ^= seed << 17
			return float64(seed>>11)/(1<<53)*2 - 1
		}
		n := rapid.IntRange(70, 500).Draw(t, "rows")
		p := rapid.SampledFrom(forecast.Probabilities[:]).Draw(t, "probability")
		d := rapid.Float64Range(0.05, 1).Draw(t, "width")
		lambda := rapid.Float64Range(0.01, 2).Draw(t, "penalty")
		rows, y := make([]feature.Row, n), make([]float64, n)
		for i := range rows {
			for j := range rows[i] {
				rows[i][j] = next()
			}
			y[i] = (1 + rows[i][3]) * math.Tan(1.4*next())
		}
		var b line
		newSolver(rows, y).solve(&b, p, d, lambda)
		var g line
		for j := range b[1:] {
			g[1+j] = lambda * b[1+j]
		}
		for i := range rows {
			e := y[i] - b.at(&rows[i])
			f := (p - 0.5 + max(-0.5, min(0.5, e/(2*d)))) / float64(n)
			g[0] -= f
			for j, x := range rows[i] {
				g[1+j] -= f * x
			}
		}
		for j, v := range g {
			if math.Abs(v) > 1e-9 {
				t.Fatalf("component %d of the gradient is %v", j, v)
			}
		}
	})
}

// Lines that cross are put in order.
func TestRearranged(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l lines
		for i := range l {
			for j := range l[i] {
				l[i][j] = rapid.Float64Range(-1, 1).Draw(t, "coefficient")
			}
		}
		var row feature.Row
		for j := range row {
			row[j] = rapid.Float64Range(-6, 6).Draw(t, "x")
		}
		q := l.at(&row)
		if err := q.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

// Where the spread of y grows with a feature, so does that of the quantiles.
func TestLearnsSpread(t *testing.T) {
	rows, y := make([]feature.Row, 2000), make([]float64, 2000)
	seed := uint64(42)
	next := func() float64 {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		return float64(seed>>11)/(1<<53)*2 - 1
	}
	for i := range rows {
		rows[i][feature.Vol4] = 2 * next()
		y[i] = (3 + rows[i][feature.Vol4]) * next() // uniform between ±(3 + x)
	}
	m := New()
	m.Penalty = 0
	l := newSolver(rows, y).all(&m, 1)
	for _, x := range []float64{-2, 0, 2} {
		row := feature.Row{feature.Vol4: x}
		q := l.at(&row)
		for i, p := range forecast.Probabilities {
			if want := (3 + x) * (2*p - 1); math.Abs(q[i]-want) > 0.4 {
				t.Errorf("x = %v: quantile %v is %v, want %v", x, p, q[i], want)
			}
		}
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
	bars := forecasttest.Walk(1, 2500)
	for _, n := range []struct {
		name string
		bars int
	}{{"400", 400}, {"1024", 1024}, {"2500", 2500}} {
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
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Predict(w, 1); err != nil {
			b.Fatal(err)
		}
	}
}
