package drift_test

import (
	"math"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/drift"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func TestConformance(t *testing.T) {
	forecasttest.Exercise(t, forecasttest.Case{
		Model:   drift.New(),
		Series:  forecasttest.ReadAll(t, testdata.ForModels(t)...),
		Least:   21,
		Version: "drift/1 returns=250 least=20",
		OutOfRange: map[string]forecast.Forecaster{
			"zero": drift.Model{},
		},
		Others: map[string]forecast.Forecaster{
			"fewer returns": forecasttest.With(drift.New(), func(m *drift.Model) { m.Returns = 100 }),
		},
	})
}

// The formula of the package comment, computed the plain way.
func TestFormula(t *testing.T) {
	bars := forecasttest.Walk(6, 400)
	for _, h := range []int{1, 5, 20} {
		var r []float64
		for i := 400 - 250; i < 400; i++ {
			r = append(r, math.Log(bars[i].Close)-math.Log(bars[i-1].Close))
		}
		var mean, ss float64
		for _, v := range r {
			mean += v / 250
		}
		for _, v := range r {
			ss += (v - mean) * (v - mean)
		}
		n, hh := 250.0, float64(h)
		point, sd := hh*mean, math.Sqrt(ss/249*hh*(1+hh/n))
		p := predict(t, drift.New(), bars, h)
		if math.Abs(p.Point-point) > 1e-12 || p.Quantiles[forecast.Q50] != p.Point {
			t.Errorf("horizon %d: point %v, median %v, want %v", h, p.Point, p.Quantiles[forecast.Q50], point)
		}
		if got, want := p.Quantiles[forecast.Q95]-p.Point, 1.6448536269514726*sd; math.Abs(got-want) > 1e-12 {
			t.Errorf("horizon %d: 95 %% quantile is %v above the point, want %v", h, got, want)
		}
	}
}

// An odd number of returns takes another way through the sums.
func TestOddAndEven(t *testing.T) {
	for n := 22; n <= 23; n++ {
		bars := forecasttest.Walk(7, n)
		want := math.Log(bars[n-1].Close/bars[0].Close) / float64(n-1)
		if p := predict(t, drift.New(), bars, 1); math.Abs(p.Point-want) > 1e-15 {
			t.Errorf("%d bars: point %v, want %v", n, p.Point, want)
		}
	}
}

func fit(t *testing.T, m drift.Model, bars []market.Bar) forecast.Fitted {
	t.Helper()
	f, err := m.Fit(t.Context(), forecast.NewWindow(market.Day, bars))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func predict(t *testing.T, m drift.Model, bars []market.Bar, h int) forecast.Prediction {
	t.Helper()
	p, err := fit(t, m, bars).Predict(forecast.NewWindow(market.Day, bars), h)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
