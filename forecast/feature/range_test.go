package feature_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast/feature"
	"github.com/foretick/foretick/market"
)

// The wanted numbers are the formulas computed by NumPy 1.24.2 with float64:
//
//	g,H,L,C = log(o/p), log(h/o), log(l/o), log(c/o)
//	g*g + (H-L)**2/(4*log(2));  g*g + .5*(H-L)**2-(2*log(2)-1)*C*C
//	g*g + H*(H-C)+L*(L-C);      log(c/p)**2
func TestRangeReference(t *testing.T) {
	bar := market.Bar{Open: 101, High: 104.5, Low: 99.25, Close: 103}
	cases := []struct {
		e    feature.Range
		want float64
	}{
		{feature.Parkinson, 0.0010572841634910639},
		{feature.GarmanKlass, 0.0012789332735535874},
		{feature.RogersSatchell, 0.0012397761006822986},
		{feature.MeanRange, 0.0011919978459089832},
		{feature.Squared, 0.00087372278995473179},
	}
	for _, c := range cases {
		t.Run(c.e.String(), func(t *testing.T) {
			if got := c.e.Variance(&bar, 100); math.Abs(got/c.want-1) > 1e-13 {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestRangeOfOddBars(t *testing.T) {
	r := math.Log(103.0 / 100)
	cases := []struct {
		name string
		bar  market.Bar
		want float64
	}{
		{"close only", market.Bar{Open: 103, High: 103, Low: 103, Close: 103}, r * r},
		{"a low below zero", market.Bar{Open: 101, High: 104, Low: -2, Close: 103}, r * r},
		{"no open", market.Bar{High: 104, Low: 99, Close: 103}, r * r},
		{"an infinite high", market.Bar{Open: 101, High: math.Inf(1), Low: 99, Close: 103}, r * r},
		{"no movement", market.Bar{Open: 100, High: 100, Low: 100, Close: 100}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for e := feature.MeanRange; e.Valid(); e++ {
				if got := e.Variance(&c.bar, 100); math.Abs(got-c.want) > 1e-17 {
					t.Errorf("%s: got %v, want %v", e, got, c.want)
				}
			}
		})
	}
}

// Any bar with a positive close has a variance that is finite and not negative.
func TestRangeIsNeverNegative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		price := rapid.Custom(func(t *rapid.T) float64 {
			return math.Pow(10, rapid.Float64Range(-12, 12).Draw(t, "log10 of a price"))
		})
		o, c, p := price.Draw(t, "open"), price.Draw(t, "close"), price.Draw(t, "previous close")
		bar := market.Bar{
			Open: o, Close: c,
			High: math.Max(o, c) * rapid.Float64Range(1, 3).Draw(t, "high"),
			Low:  math.Min(o, c) * rapid.Float64Range(0.1, 1).Draw(t, "low"),
		}
		for e := feature.MeanRange; e.Valid(); e++ {
			if v := e.Variance(&bar, p); !(v >= 0) || math.IsInf(v, 0) {
				t.Fatalf("%s: %v", e, v)
			}
		}
	})
}

func TestLogRatio(t *testing.T) {
	cases := []struct {
		name      string
		by        float64 // log10 of the ratio, at most
		tolerance float64 // relative
	}{
		{"neighbours", 1e-9, 1e-15},
		{"near", 0.015, 1e-15},
		{"far", 3, 1e-12},
		{"no quotient", 600, 1e-13},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				a := math.Pow(10, rapid.Float64Range(-c.by/2, c.by/2).Draw(t, "log10 of a"))
				b := math.Pow(10, rapid.Float64Range(-c.by/2, c.by/2).Draw(t, "log10 of b"))
				want := math.Log1p((a - b) / b)
				if c.by > 100 {
					want = math.Log(a) - math.Log(b)
				}
				if got := feature.LogRatio(a, b); math.Abs(got-want) > c.tolerance*math.Abs(want) {
					t.Fatalf("ln(%v/%v): got %v, want %v", a, b, got, want)
				}
				if feature.LogRatio(a, a) != 0 {
					t.Fatal("ln 1 is not 0")
				}
			})
		})
	}
}
