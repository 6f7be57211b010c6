package forecasttest

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/foretick/foretick/market"
)

// Walk returns n daily bars of a random walk from 100 with normal steps of 1 %,
// the same for the same seed.
func Walk(seed uint64, n int) []market.Bar { return Bars(walk(seed, n, 0.01, 0)...) }

// Bars returns daily bars with the given closes. Each opens at the close before;
// high and low lie a little outside, volume is positive.
func Bars(closes ...float64) []market.Bar {
	bars := make([]market.Bar, len(closes))
	start := market.TimeOf(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))
	for i, c := range closes {
		open := c
		if i > 0 {
			open = closes[i-1]
		}
		bars[i] = market.Bar{
			Start: start, End: market.Day.End(start), Volume: 1000, Trades: 10,
			Open: open, High: max(open, c) * 1.001, Low: min(open, c) * 0.999, Close: c,
		}
		start = bars[i].End
	}
	return bars
}

// walk draws n prices whose log takes normal steps of standard deviation step; a
// share still of the steps is 0.
func walk(seed uint64, n int, step, still float64) []float64 {
	r := rand.New(rand.NewPCG(seed, 0))
	closes := make([]float64, n)
	p := 100.0
	for i := range closes {
		if r.Float64() >= still {
			p *= math.Exp(max(-1, min(1, step*r.NormFloat64())))
		}
		closes[i] = p
	}
	return closes
}
