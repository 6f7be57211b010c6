package ewma_test

import (
	"math"
	"slices"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func TestConformance(t *testing.T) {
	forecasttest.Exercise(t, forecasttest.Case{
		Model:   ewma.New(),
		Series:  forecasttest.ReadAll(t, testdata.ForModels(t)...),
		Least:   21,
		Version: "ewma/1 lambda=0.94 returns=300 least=20 historical=false",
		OutOfRange: map[string]forecast.Forecaster{
			"zero": ewma.Model{},
		},
		Variants: map[string]forecast.Forecaster{
			"historical": forecasttest.With(ewma.New(), func(m *ewma.Model) { m.Historical = true }),
		},
	})
}

// The recursion of RiskMetrics over the whole history, started with the first
// squared return, gives the same.
func TestRecursion(t *testing.T) {
	bars := forecasttest.Walk(8, 1000)
	var s2 float64
	for i := 1; i < len(bars); i++ {
		r := math.Log(bars[i].Close) - math.Log(bars[i-1].Close)
		if i == 1 {
			s2 = r * r
		}
		s2 = 0.94*s2 + 0.06*r*r
	}
	for _, h := range []int{1, 5} {
		p := predict(t, ewma.New(), bars, h)
		if p.Point != 0 || p.Quantiles[forecast.Q50] != 0 {
			t.Errorf("horizon %d: point %v, median %v, want 0", h, p.Point, p.Quantiles[forecast.Q50])
		}
		want := 1.6448536269514726 * math.Sqrt(s2*float64(h))
		if got := p.Quantiles[forecast.Q95]; math.Abs(got/want-1) > 2e-8 {
			t.Errorf("horizon %d: 95 %% quantile %v, want %v", h, got, want)
		}
	}
}

// In a short window the weights are scaled to sum to 1, for odd and even numbers of
// returns.
func TestShortWindow(t *testing.T) {
	for n := 22; n <= 23; n++ {
		bars := forecasttest.Walk(9, n)
		var sum, weights float64
		for i := 1; i < n; i++ {
			r := math.Log(bars[i].Close / bars[i-1].Close)
			w := math.Pow(0.94, float64(n-1-i))
			sum += w * r * r
			weights += w
		}
		want := 1.6448536269514726 * math.Sqrt(sum/weights)
		if got := predict(t, ewma.New(), bars, 1).Quantiles[forecast.Q95]; math.Abs(got/want-1) > 1e-13 {
			t.Errorf("%d bars: 95 %% quantile %v, want %v", n, got, want)
		}
	}
}

func fit(t *testing.T, m ewma.Model, bars []market.Bar) forecast.Fitted {
	t.Helper()
	f, err := m.Fit(t.Context(), forecast.NewWindow(market.Day, bars))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func predict(t *testing.T, m ewma.Model, bars []market.Bar, h int) forecast.Prediction {
	t.Helper()
	p, err := fit(t, m, bars).Predict(forecast.NewWindow(market.Day, bars), h)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The residuals by their definition, the long way.
func TestHistoricalByDefinition(t *testing.T) {
	bars := forecasttest.ReadBars(t, testdata.Market(t, "daily/STOCK.csv"))[:400]
	w := forecast.NewWindow(market.Day, bars)
	m := ewma.New()
	m.Historical = true
	f, err := m.Fit(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := ewma.New().Fit(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []int{1, 5} {
		var z []float64
		for at := 50; at+h < len(bars); at++ {
			var square, weight float64
			for k := 1; k <= at; k++ {
				r := math.Log(bars[k].Close / bars[k-1].Close)
				u := math.Pow(0.94, float64(at-k))
				square += u * r * r
				weight += u
			}
			z = append(z, math.Log(bars[at+h].Close/bars[at].Close)/math.Sqrt(square/weight*float64(h)))
		}
		slices.Sort(z)
		got, err := f.Predict(w, h)
		if err != nil {
			t.Fatal(err)
		}
		normal, err := plain.Predict(w, h)
		if err != nil {
			t.Fatal(err)
		}
		sd := normal.Quantiles[forecast.Q95] / 1.6448536269514726
		for i, p := range forecast.Probabilities {
			if want := sd * forecast.Quantile7(z, p); math.Abs(got.Quantiles[i]-want) > 1e-12 {
				t.Errorf("horizon %d, quantile %v: %v, want %v", h, p, got.Quantiles[i], want)
			}
		}
	}
}
