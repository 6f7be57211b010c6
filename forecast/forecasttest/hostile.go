package forecasttest

import (
	"math"
	"slices"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// hostile asks with windows that no model has an answer to, or need not have.
func (c *Case) hostile(t *testing.T, f forecast.Forecaster) {
	walk := Walk(2, enough)
	change := func(fn func(i int, b *market.Bar)) []market.Bar {
		bars := slices.Clone(walk)
		for i := range bars {
			fn(i, &bars[i])
		}
		return bars
	}
	flat := func(p float64) []market.Bar {
		return change(func(_ int, b *market.Bar) { b.Open, b.High, b.Low, b.Close = p, p, p, p })
	}
	still := "error"
	if c.Priced {
		still = "either"
	}
	cases := []struct {
		name string
		bars []market.Bar
		want string // "error" or "either"
	}{
		{"constant", flat(100), still},
		{"constant tiny", flat(1e-9), still},
		{"zero", flat(0), "error"},
		{"negative", change(func(_ int, b *market.Bar) { b.Open, b.High, b.Low, b.Close = -b.Open, -b.Low, -b.High, -b.Close }), "error"},
		{"last close zero", change(func(i int, b *market.Bar) {
			if i == enough-1 {
				b.Low, b.Close = 0, 0
			}
		}), "error"},
		{"negative once, long ago", change(func(i int, b *market.Bar) {
			if i == 3 {
				b.Low, b.Close = -37.63, -37.63
			}
		}), "either"},
		{"constant but for the last bar", change(func(i int, b *market.Bar) {
			b.Open, b.High, b.Low, b.Close = 100, 100, 100, 100
			if i == enough-1 {
				b.High, b.Close = 101, 101
			}
		}), "either"},
		{"constant but for one jump long ago", change(func(i int, b *market.Bar) {
			p := 100.0
			if i > 5 {
				p = 1
			}
			b.Open, b.High, b.Low, b.Close = p, p, p, p
		}), "either"},
		{"two prices in turn", change(func(i int, b *market.Bar) {
			p := 100 + float64(i%2)
			b.Open, b.High, b.Low, b.Close = p, p, p, p
		}), "either"},
		{"growth without noise", change(func(i int, b *market.Bar) {
			p := 100 * math.Exp(float64(i)*1e-3)
			b.Open, b.High, b.Low, b.Close = p, p, p, p
		}), "either"},
		{"largest and smallest numbers in turn", change(func(i int, b *market.Bar) {
			p := math.MaxFloat64
			if i%2 == 0 {
				p = math.SmallestNonzeroFloat64
			}
			b.Open, b.High, b.Low, b.Close = p, p, p, p
		}), "either"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := try(f, window(c.bars))
			switch {
			case err != nil && !isData(err):
				t.Error(err)
			case err == nil && c.want == "error":
				t.Error("got an answer, want an error")
			}
		})
	}
}
