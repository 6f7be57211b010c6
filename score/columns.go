package score

import (
	"cmp"
	"math"
	"slices"

	"github.com/foretick/foretick/market"
)

// row is what is kept of a score: everything that a Summary needs.
type row struct {
	target     market.Time
	err        float64
	percent    float64 // NaN when the prediction is 0
	scaled     float64 // |err| / Scale, NaN without one
	width      float64
	crps       float64 // NaN when not known
	naiveCRPS  float64 // NaN when not known
	naiveError float64
	pit        float64
	interval   float64 // score of the 90 % interval, NaN without one
	spread     float64 // its width in 100 x log return
	flags      uint8
}

// The bits of row.flags.
const (
	hit   = 1 << iota // inside the 90 % interval
	late              // issued after the target had opened
	call              // predicted a direction
	right             // and it was the right one

	regimeShift = iota // above it stands the regime
)

func rowOf(s *Score) row {
	r := row{
		target: s.Target, err: s.Error(), percent: s.PercentError(), scaled: math.NaN(),
		width: s.Upper - s.Lower, crps: s.CRPS, naiveCRPS: s.NaiveCRPS, naiveError: s.Actual - s.Last,
		pit: s.PIT, flags: uint8(s.Regime&3) << regimeShift,
	}
	r.interval, r.spread = intervalScore(s)
	if r.percent-r.percent != 0 { // the prediction is 0, or as good as
		r.percent = math.NaN()
	}
	if s.Scale > 0 {
		r.scaled = math.Abs(r.err) / s.Scale
	}
	if s.Hit() {
		r.flags |= hit
	}
	if s.Late {
		r.flags |= late
	}
	if s.Predicted != s.Last {
		r.flags |= call
		if s.Predicted > s.Last && s.Actual > s.Last || s.Predicted < s.Last && s.Actual < s.Last {
			r.flags |= right
		}
	}
	return r
}

// columns are rows ordered by target, each field in a slice of its own: 89 bytes a
// row, and what a sum or a median reads lies together.
type columns struct {
	target     []market.Time
	err        []float64
	percent    []float64
	scaled     []float64
	width      []float64
	crps       []float64
	naiveCRPS  []float64
	naiveError []float64
	pit        []float64
	interval   []float64
	spread     []float64
	flags      []uint8
}

func (c *columns) len() int { return len(c.target) }

func (c *columns) at(i int) row {
	return row{c.target[i], c.err[i], c.percent[i], c.scaled[i], c.width[i], c.crps[i], c.naiveCRPS[i], c.naiveError[i], c.pit[i], c.interval[i], c.spread[i], c.flags[i]}
}

func (c *columns) set(i int, r row) {
	c.target[i], c.err[i], c.percent[i], c.scaled[i], c.width[i] = r.target, r.err, r.percent, r.scaled, r.width
	c.crps[i], c.naiveCRPS[i], c.naiveError[i], c.flags[i] = r.crps, r.naiveCRPS, r.naiveError, r.flags
	c.pit[i], c.interval[i], c.spread[i] = r.pit, r.interval, r.spread
}

// insert puts r before row i.
func (c *columns) insert(i int, r row) {
	c.target = slices.Insert(c.target, i, r.target)
	c.err = slices.Insert(c.err, i, r.err)
	c.percent = slices.Insert(c.percent, i, r.percent)
	c.scaled = slices.Insert(c.scaled, i, r.scaled)
	c.width = slices.Insert(c.width, i, r.width)
	c.crps = slices.Insert(c.crps, i, r.crps)
	c.naiveCRPS = slices.Insert(c.naiveCRPS, i, r.naiveCRPS)
	c.naiveError = slices.Insert(c.naiveError, i, r.naiveError)
	c.pit = slices.Insert(c.pit, i, r.pit)
	c.interval = slices.Insert(c.interval, i, r.interval)
	c.spread = slices.Insert(c.spread, i, r.spread)
	c.flags = slices.Insert(c.flags, i, r.flags)
}

// drop removes the first n rows and keeps the room.
func (c *columns) drop(n int) {
	c.target = slices.Delete(c.target, 0, n)
	c.err = slices.Delete(c.err, 0, n)
	c.percent = slices.Delete(c.percent, 0, n)
	c.scaled = slices.Delete(c.scaled, 0, n)
	c.width = slices.Delete(c.width, 0, n)
	c.crps = slices.Delete(c.crps, 0, n)
	c.naiveCRPS = slices.Delete(c.naiveCRPS, 0, n)
	c.naiveError = slices.Delete(c.naiveError, 0, n)
	c.pit = slices.Delete(c.pit, 0, n)
	c.interval = slices.Delete(c.interval, 0, n)
	c.spread = slices.Delete(c.spread, 0, n)
	c.flags = slices.Delete(c.flags, 0, n)
}

// byTarget returns the order of scores by target; those of one target stay in the
// order they have.
func byTarget(scores []Score) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[a].Target, scores[b].Target) })
	return order
}
