package onnx

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/market"
)

func window(bars []market.Bar) forecast.Window { return forecast.NewWindow(market.Day, bars) }

// Closes that grow by e^0.01, e^-0.02 and e^0.03; volumes e, e^2 and none.
func TestFill(t *testing.T) {
	closes := []float64{50, 100}
	for _, r := range []float64{0.01, -0.02, 0.03} {
		closes = append(closes, closes[len(closes)-1]*math.Exp(r))
	}
	bars := forecasttest.Bars(closes...)
	for i, v := range []float64{7, 7, math.E, math.Exp(2), 0} {
		b := &bars[i]
		b.Volume = v
		if i > 0 {
			p := bars[i-1].Close
			b.Open, b.High, b.Low = p*math.Exp(0.001), p*math.Exp(0.05), p*math.Exp(-0.04)
		}
	}
	got := make([]float32, 3)
	if err := fill(got, window(bars), Shape{Bars: 3, Inputs: 1}); err != nil {
		t.Fatal(err)
	}
	near(t, "returns", got, []float64{1, -2, 3})
	got = make([]float32, 15)
	if err := fill(got, window(bars), Shape{Bars: 3, Inputs: 5, Channels: true}); err != nil {
		t.Fatal(err)
	}
	near(t, "bars", got, []float64{0.1, 5, -4, 1, -0.5, 0.1, 5, -4, -2, 0.5, 0.1, 5, -4, 3, 0})
}

func near(t *testing.T, what string, got []float32, want []float64) {
	t.Helper()
	for i := range want {
		if math.Abs(float64(got[i])-want[i]) > 1e-6 {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}

func TestFillRefuses(t *testing.T) {
	walk := forecasttest.Walk(3, 20)
	with := func(i int, change func(b *market.Bar)) []market.Bar {
		bars := slices.Clone(walk)
		change(&bars[i])
		return bars
	}
	flat := forecasttest.Bars(5, 5, 5, 5, 5, 5)
	cases := []struct {
		name   string
		inputs int
		bars   []market.Bar
		want   error
	}{
		{"no bars", 1, nil, forecast.ErrTooShort},
		{"as many bars as it reads", 1, walk[:4], forecast.ErrTooShort},
		{"one more", 1, walk[:5], nil},
		{"a close of zero", 1, with(17, func(b *market.Bar) { b.Close = 0 }), forecast.ErrDegenerate},
		{"a close of zero just before", 1, with(15, func(b *market.Bar) { b.Close = 0 }), forecast.ErrDegenerate},
		{"a close of zero long before", 1, with(14, func(b *market.Bar) { b.Close = 0 }), nil},
		{"an infinite close", 1, with(19, func(b *market.Bar) { b.Close = math.Inf(1) }), forecast.ErrDegenerate},
		{"a low that it does not read", 1, with(18, func(b *market.Bar) { b.Low = -1 }), nil},
		{"a low that it reads", 5, with(18, func(b *market.Bar) { b.Low = -1 }), forecast.ErrDegenerate},
		{"an open that is not a number", 5, with(18, func(b *market.Bar) { b.Open = math.NaN() }), forecast.ErrDegenerate},
		{"volumes that are no numbers", 5, with(18, func(b *market.Bar) { b.Volume = math.NaN() }), nil},
		{"constant", 1, flat, forecast.ErrDegenerate},
		{"constant of late", 1, append(forecasttest.Bars(4), flat...), nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dst := make([]float32, 4*c.inputs)
			if err := fill(dst, window(c.bars), Shape{Bars: 4, Inputs: c.inputs}); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// The volumes that a network sees sum to nothing, whatever their unit, and are finite.
func TestVolumes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bars := forecasttest.Walk(rapid.Uint64().Draw(t, "seed"), 9)
		unit := math.Pow(10, rapid.Float64Range(-9, 9).Draw(t, "log10 of the unit"))
		for i := range bars {
			bars[i].Volume = unit * rapid.SampledFrom([]float64{0, 0.001, 1, 7, 1e9}).Draw(t, "volume")
		}
		dst := make([]float32, 40)
		if err := fill(dst, window(bars), Shape{Bars: 8, Inputs: 5}); err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for i := range 8 {
			v := float64(dst[5*i+4])
			if bars[i+1].Volume == 0 && v != 0 {
				t.Fatalf("a bar without volume gives %v", v)
			}
			sum += v
		}
		if !(math.Abs(sum) < 1e-4) {
			t.Fatalf("the volumes %v sum to %v", dst, sum)
		}
	})
}
