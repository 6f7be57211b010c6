package naive_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func TestConformance(t *testing.T) {
	series := [][]market.Bar{
		forecasttest.ReadBars(t, testdata.Market(t, "daily/STOCK.csv")),
		forecasttest.ReadBars(t, testdata.Market(t, "daily/FX.csv")),
	}
	if testdata.Wide(t) {
		series = append(series, forecasttest.ReadBars(t, testdata.Real(t, "daily/AMZN.csv")))
	}
	forecasttest.Exercise(t, naive.New(), series...)
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

func TestRefuses(t *testing.T) {
	walk := forecasttest.Walk(3, 100)
	still := forecasttest.Bars(slices.Repeat([]float64{50}, 100)...)
	oil := slices.Clone(walk)
	oil[90].Close = -37.63
	cases := []struct {
		name string
		bars []market.Bar
		want error
	}{
		{"20 bars", walk[:20], forecast.ErrTooShort},
		{"21 bars", walk[:21], nil},
		{"a price that does not move", still, forecast.ErrDegenerate},
		{"a price below zero", oil, forecast.ErrDegenerate},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := naive.New().Fit(t.Context(), forecast.NewWindow(market.Day, c.bars))
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "naive: forecast: ") {
				t.Errorf("%q does not say who refused", err)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := naive.New().Fit(ctx, forecast.NewWindow(market.Day, forecasttest.Walk(3, 100))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the zero Model was accepted")
		}
	}()
	_, _ = naive.Model{}.Fit(t.Context(), forecast.NewWindow(market.Day, nil))
}

// A version is named after these bytes: change them when the answers change.
func TestEncode(t *testing.T) {
	f := fit(t, naive.New(), forecasttest.Walk(3, 100))
	b, err := f.(forecast.Encoder).Encode()
	if want := "naive/1 returns=250 least=20"; err != nil || string(b) != want {
		t.Errorf("got %q, %v, want %q", b, err, want)
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
