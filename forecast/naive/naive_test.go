package naive_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func TestConformance(t *testing.T) {
	forecasttest.Exercise(t, forecasttest.Case{
		Model:   naive.New(),
		Series:  forecasttest.ReadAll(t, testdata.ForModels(t)...),
		Least:   21,
		Version: "naive/1 returns=250 least=20",
		OutOfRange: map[string]forecast.Forecaster{
			"zero": naive.Model{},
		},
		Others: map[string]forecast.Forecaster{
			"fewer returns": forecasttest.With(naive.New(), func(m *naive.Model) { m.Returns = 100 }),
		},
	})
}

// 100 bars make 99 one-step returns of 1 % to 99 %, in an order that does not
// matter: type 7 puts the median on the 50th and the 5 % quantile at 1 + 98 x 0.05
// = 5.9.
func TestQuantiles(t *testing.T) {
	closes := []float64{1}
	for i := range 99 {
		r := float64((i*37)%99+1) / 100
		closes = append(closes, closes[i]*math.Exp(r))
	}
	p := predict(t, naive.New(), forecasttest.Bars(closes...), 1)
	if p.Point != 0 {
		t.Errorf("the point is %v, want 0", p.Point)
	}
	for i, want := range map[int]float64{0: 0.0198, forecast.Q05: 0.059, forecast.Q50: 0.5, forecast.Q95: 0.941} {
		if got := p.Quantiles[i]; math.Abs(got-want) > 1e-13 {
			t.Errorf("quantile %v is %v, want %v", forecast.Probabilities[i], got, want)
		}
	}
}

// Only the last 250 returns over h bars count, which reach back 250+h closes.
func TestReach(t *testing.T) {
	for _, h := range []int{1, 5} {
		bars := forecasttest.Walk(4, 600)
		want := predict(t, naive.New(), bars, h)
		change := func(i int) bool {
			b := slices.Clone(bars)
			b[i].Close *= 1.5
			got := predict(t, naive.New(), b, h)
			return got != want
		}
		if change(600 - 250 - h - 1) {
			t.Errorf("horizon %d: the close %d bars back counts", h, 250+h+1)
		}
		if !change(600 - 250 - h) {
			t.Errorf("horizon %d: the close %d bars back does not count", h, 250+h)
		}
	}
}

// A horizon needs its own 20 returns.
func TestHorizonNeedsMore(t *testing.T) {
	bars := forecasttest.Walk(5, 24)
	f := fit(t, naive.New(), bars)
	w := forecast.NewWindow(market.Day, bars)
	if _, err := f.Predict(w, 4); err != nil {
		t.Errorf("24 bars, horizon 4: %v", err)
	}
	if _, err := f.Predict(w, 5); !errors.Is(err, forecast.ErrTooShort) {
		t.Errorf("24 bars, horizon 5: got %v, want ErrTooShort", err)
	}
}

func fit(t *testing.T, m naive.Model, bars []market.Bar) forecast.Fitted {
	t.Helper()
	f, err := m.Fit(t.Context(), forecast.NewWindow(market.Day, bars))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func predict(t *testing.T, m naive.Model, bars []market.Bar, h int) forecast.Prediction {
	t.Helper()
	p, err := fit(t, m, bars).Predict(forecast.NewWindow(market.Day, bars), h)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
