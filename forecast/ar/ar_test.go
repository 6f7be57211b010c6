package ar

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
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
		Least:   21,
		Version: "ar/1 constant=",
		OutOfRange: map[string]forecast.Forecaster{
			"too many lags":            forecasttest.With(New(), func(m *Model) { m.Lags = 31 }),
			"fewer lags than none":     forecasttest.With(New(), func(m *Model) { m.Lags = -1 }),
			"no such criterion":        forecasttest.With(New(), func(m *Model) { m.Criterion = 2 }),
			"level 0":                  forecasttest.With(New(), func(m *Model) { m.Level = 0 }),
			"level NaN":                forecasttest.With(New(), func(m *Model) { m.Level = math.NaN() }),
			"too few returns to it":    forecasttest.With(New(), func(m *Model) { m.Least = 9 }),
			"fewer returns than least": forecasttest.With(New(), func(m *Model) { m.Returns = 19 }),
		},
		Variants: map[string]forecast.Forecaster{
			"unproven, normal": forecasttest.With(New(), func(m *Model) { m.Level, m.Residuals = 1, 0 }),
		},
	})
}

// TestReference compares with statsmodels 0.13.5 on the last 1,024 closes of each
// series: testdata/reference.py made testdata/reference.jsonl and reference_real.jsonl.
// Coefficients, the HAC covariance, AIC and BIC, and mean and deviation of the sum of the
// next 1 to 20 returns agree to 1e-8 of themselves.
func TestReference(t *testing.T) { compare(t, "testdata/reference.jsonl", testdata.Market, 4) }

func TestReferenceOfRealSeries(t *testing.T) {
	testdata.Shared(t)
	compare(t, "testdata/reference_real.jsonl", testdata.Real, 5)
}

func compare(t *testing.T, with string, path func(testing.TB, string) string, series int) {
	file, err := os.Open(with)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	type reference struct {
		Series   string
		AIC, BIC []float64 // orders 0 to 10, without and with mean in turn
		Fits     []struct {
			Lags        int
			Mean        bool
			Params      []float64
			Scale       float64
			HAC         [][]float64
			Points, SDs []float64
		}
	}
	seen := 0
	for d := json.NewDecoder(file); d.More(); seen++ {
		var ref reference
		if err := d.Decode(&ref); err != nil {
			t.Fatal(err)
		}
		bars := forecasttest.ReadBars(t, path(t, ref.Series))
		w := forecast.NewWindow(market.Day, bars[len(bars)-1024:])
		r, err := forecast.Returns(nil, w, 1, 20, 2000)
		if err != nil {
			t.Fatal(err)
		}
		near := func(what string, got, want, size float64) {
			t.Helper()
			if !(math.Abs(got-want) <= 1e-8*size) {
				t.Errorf("%s, %s: %.12g, statsmodels has %.12g", ref.Series, what, got, want)
			}
		}
		aic, bic := [2]float64{math.Inf(1)}, [2]float64{math.Inf(1)} // least, and its place
		for i := range ref.AIC {
			e, ok := regress(r, i/2, 10, i%2 == 1)
			if !ok {
				t.Fatal("terms cannot be told apart")
			}
			n, k := len(r)-10, float64(e.terms()+1)
			a, b := -2*logLikelihood(e.sum, n)+2*k, -2*logLikelihood(e.sum, n)+k*math.Log(float64(n))
			near(fmt.Sprintf("AIC %d", i), a, ref.AIC[i], math.Abs(a))
			near(fmt.Sprintf("BIC %d", i), b, ref.BIC[i], math.Abs(b))
			if ref.AIC[i] < aic[0] {
				aic = [2]float64{ref.AIC[i], float64(i)}
			}
			if ref.BIC[i] < bic[0] {
				bic = [2]float64{ref.BIC[i], float64(i)}
			}
		}
		for _, c := range []Criterion{AIC, BIC} {
			m := New()
			m.Criterion = c
			p, mean := m.choose(r)
			want := int([]float64{aic[1], bic[1]}[c])
			if p != want/2 || mean != (want%2 == 1) {
				t.Errorf("%s: %v chooses %d lags, mean %t, want %d, %t", ref.Series, c, p, mean, want/2, want%2 == 1)
			}
		}
		for _, f := range ref.Fits {
			e, ok := regress(r, f.Lags, f.Lags, f.Mean)
			if !ok {
				t.Fatal("terms cannot be told apart")
			}
			what := fmt.Sprintf("%d lags, mean %t", f.Lags, f.Mean)
			near(what+", variance", e.variance(), f.Scale, f.Scale)
			cov := e.hac(r, bandwidth(e.n))
			for i, want := range f.Params {
				se := math.Sqrt(f.HAC[i][i])
				near(fmt.Sprintf("%s, coefficient %d", what, i), e.coef[i+e.first], want, se)
				for j, want := range f.HAC[i] {
					near(fmt.Sprintf("%s, covariance %d %d", what, i, j), cov.at(i+e.first, j+e.first), want, se*math.Sqrt(f.HAC[j][j]))
				}
			}
			ours := fitted{constant: e.coef[0], coef: e.coef[1:]}
			for h := 1; h <= 20; h++ {
				mean, scale := ours.ahead(r, h)
				near(fmt.Sprintf("%s, point %d", what, h), mean, f.Points[h-1], f.SDs[h-1])
				near(fmt.Sprintf("%s, deviation %d", what, h), scale*math.Sqrt(e.variance()), f.SDs[h-1], f.SDs[h-1])
			}
		}
	}
	if seen != series {
		t.Errorf("%d series in the reference, want %d", seen, series)
	}
}

// noise draws returns that cannot be forecast: their volatility wanders as in a GARCH
// process whose fourth moment hardly exists, or stays.
func noise(seed uint64, n int, clusters bool) []float64 {
	g := rand.New(rand.NewPCG(seed, 1))
	r := make([]float64, n)
	v := 1.0
	for i := range r {
		r[i] = math.Sqrt(v) * g.NormFloat64()
		if clusters {
			v = 0.03 + 0.17*r[i]*r[i] + 0.80*v
		}
	}
	return r
}

// Where there is nothing to find, criteria alone find lags all the time, and the more so
// when volatility clusters; under robust errors few survive. Where there is something, it
// stays.
func TestHonest(t *testing.T) {
	const n, draws = 500, 120
	share := func(m Model, make func(seed uint64) []float64) float64 {
		found := 0
		for seed := range uint64(draws) {
			r := make(seed)
			p, mean := m.choose(r)
			e, err := m.prove(r, p, mean)
			if err != nil {
				t.Fatal(err)
			}
			if e.lags() > 0 {
				found++
			}
		}
		return float64(found) / draws
	}
	steady := func(seed uint64) []float64 { return noise(seed, n, false) }
	clustered := func(seed uint64) []float64 { return noise(seed, n, true) }
	real := func(seed uint64) []float64 {
		r := noise(seed, n, true)
		for i := 1; i < n; i++ {
			r[i] -= 0.3 * r[i-1]
		}
		return r
	}
	for _, c := range []struct {
		name        string
		make        func(uint64) []float64
		criterion   Criterion
		level       float64
		least, most float64
	}{
		{"steady noise, AIC alone", steady, AIC, 1, 0.2, 0.5},
		{"clustered noise, AIC alone", clustered, AIC, 1, 0.5, 1},
		{"clustered noise, BIC alone", clustered, BIC, 1, 0.05, 1},
		{"steady noise", steady, AIC, 0.01, 0, 0.06},
		{"clustered noise", clustered, AIC, 0.01, 0, 0.10},
		{"a bounce of -0.3", real, AIC, 0.01, 0.85, 1},
	} {
		m := New()
		m.Criterion, m.Level = c.criterion, c.level
		got := share(m, c.make)
		t.Logf("%s: lags in %.3f of %d draws", c.name, got, draws)
		if got < c.least || got > c.most {
			t.Errorf("%s: lags in %.3f of the draws, want %v to %v", c.name, got, c.least, c.most)
		}
	}
}

// The stationary region of two lags is a triangle; the partial autocorrelations of any
// stationary process are taken.
func TestStationary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(-2.5, 2.5).Draw(t, "first"), rapid.Float64Range(-1.5, 1.5).Draw(t, "second")
		inside := min(1-b-a, 1-b+a, 1+b)
		if math.Abs(inside) > 1e-6 && stationary([]float64{a, b}) != (inside > 0) {
			t.Fatalf("coefficients %v and %v: stationary %t", a, b, inside <= 0)
		}
		// From partial autocorrelations to coefficients, by Levinson's recursion.
		var coef []float64
		for range rapid.IntRange(0, mostLags).Draw(t, "order") {
			k := rapid.Float64Range(-0.9, 0.9).Draw(t, "partial autocorrelation")
			next := make([]float64, len(coef)+1)
			for i, c := range coef {
				next[i] = c - k*coef[len(coef)-1-i]
			}
			next[len(coef)] = k
			coef = next
		}
		if len(coef) < 8 && !stationary(coef) {
			t.Fatalf("%v is stationary", coef)
		}
	})
}

// The variance of a sum of returns is what simulation gives.
func TestVarianceOfSum(t *testing.T) {
	f := fitted{coef: []float64{-0.4, 0.2}, constant: 0.05}
	const h, draws = 6, 40000
	r := []float64{0.3, -1.2, 0.7}
	mean, scale := f.ahead(r, h)
	g := rand.New(rand.NewPCG(5, 0))
	var sum, squares float64
	for range draws {
		x := slices.Clone(r)
		total := 0.0
		for range h {
			n := len(x)
			x = append(x, 0.05-0.4*x[n-1]+0.2*x[n-2]+g.NormFloat64())
			total += x[n]
		}
		sum += total
		squares += total * total
	}
	m := sum / draws
	sd := math.Sqrt(squares/draws - m*m)
	if math.Abs(m-mean) > 0.06 || math.Abs(sd/scale-1) > 0.02 {
		t.Errorf("mean %v and deviation %v, simulated %v and %v", mean, scale, m, sd)
	}
}

func BenchmarkFit(b *testing.B) {
	bars := read(b, "daily/STOCK.csv")
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := New().Fit(context.Background(), forecast.NewWindow(market.Day, bars[i:i+1024])); err != nil {
			b.Fatal(err)
		}
		i = (i + 1) % (len(bars) - 1024)
	}
}

func BenchmarkPredict(b *testing.B) {
	bars := read(b, "daily/STOCK.csv")
	m := New()
	m.Level = 1
	f, err := m.Fit(context.Background(), forecast.NewWindow(market.Day, bars[:1024]))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := f.Predict(forecast.NewWindow(market.Day, bars[i:i+1024]), 5); err != nil {
			b.Fatal(err)
		}
		i = (i + 1) % (len(bars) - 1024)
	}
}
