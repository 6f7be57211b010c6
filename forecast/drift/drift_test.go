package drift_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/drift"
	"github.com/foretick/foretick/forecast/forecasttest"
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
	forecasttest.Exercise(t, drift.New(), series...)
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
			_, err := drift.New().Fit(t.Context(), forecast.NewWindow(market.Day, c.bars))
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "drift: forecast: ") {
				t.Errorf("%q does not say who refused", err)
			}
		})
	}
}

func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := drift.New().Fit(ctx, forecast.NewWindow(market.Day, forecasttest.Walk(3, 100))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the zero Model was accepted")
		}
	}()
	_, _ = drift.Model{}.Fit(t.Context(), forecast.NewWindow(market.Day, nil))
}

// A version is named after these bytes: change them when the answers change.
func TestEncode(t *testing.T) {
	f := fit(t, drift.New(), forecasttest.Walk(3, 100))
	b, err := f.(forecast.Encoder).Encode()
	if want := "drift/1 returns=250 least=20"; err != nil || string(b) != want {
		t.Errorf("got %q, %v, want %q", b, err, want)
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
