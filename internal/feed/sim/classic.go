package sim

import (
	"math"
	"math/rand/v2"

	"github.com/foretick/foretick/market"
)

// Parameters of the classic walk, in hundredths.
const (
	classicStart = 100.0
	classicDown  = 500 // largest step down
	classicUp    = 600 // largest step up
	classicWick  = 200 // largest distance of high and low from the body
)

// classic is the walk of the original demonstration. Each second is one bar:
//
//	open  = the previous close
//	close = open + uniform(-5, 6)
//	high  = max(open, close) + uniform(0, 2)
//	low   = min(open, close) - uniform(0, 2)
//
// in steps of 0.01 with both ends of each range possible. There is no volume. The
// original says nothing of high and low; the ranges are ours. A close that would not
// be positive is taken as a step up of the same size, and a low is at least 0.01.
type classic struct {
	rng   *rand.Rand
	price int64 // last close in hundredths
}

func newClassic(rng *rand.Rand, price float64) *classic {
	return &classic{rng, max(1, int64(math.Round(price*100)))}
}

func (c *classic) next(start market.Time, to *second) {
	open := c.price
	step := c.rng.Int64N(classicDown+classicUp+1) - classicDown
	if open+step < 1 {
		step = -step
	}
	c.price = open + step
	high := max(open, c.price) + c.rng.Int64N(classicWick+1)
	low := max(1, min(open, c.price)-c.rng.Int64N(classicWick+1))
	to.bars = append(to.bars, market.Bar{
		Start: start, End: market.Second.End(start),
		Open: float64(open) / 100, High: float64(high) / 100, Low: float64(low) / 100, Close: float64(c.price) / 100,
	})
}
