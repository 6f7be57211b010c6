// Package seasonal is the seasonal naive method for bars: what the market did at this
// point of its cycle before, it may do again.
//
// A price has no season that would survive its traders, so repeating the value of a
// cycle ago, as the method does for electricity or sales, would be absurd. What has a
// cycle is how prices move: mornings and closes are wilder than noon, Mondays carry a
// weekend. So the log return over the next h bars is forecast to be distributed as the
// h-bar log returns that began in the same slot of the cycle:
//
//	point       mean of them (the price stays, plus what the slot has moved on average)
//	quantiles   their type-7 quantiles (historical simulation within the slot)
//
// The cycle of daily bars is the week, with a slot for each day of it. That of shorter
// bars is the day, with a slot for each bar of it; that of monthly bars is the year. A
// slot with n such returns, fewer than 120, is mixed with all h-bar returns: mean and
// quantiles are those of the slot weighing n/120 and those of all the rest (quantiles are
// averaged level by level, as in Vincent 1912).
//
// The slot of the next bar is inferred from the starts of the bars that are known: it is
// the slot in which the bar after one in the slot of the last has most often begun, of the
// newest 9 such, on a tie the most recent of them. So after Friday comes Monday where weekends are closed and
// Saturday where they are not, and after the last bar of a session the first of the
// next, without a calendar. A holiday is not foreseen. Slots are in UTC: when a
// session moves by an hour because clocks changed, the next slot is inferred wrongly for
// some five days, and the new first slot counts little until it has filled.
//
// It abstains where there is no cycle to be seen: fewer than 8 of them in the window,
// all bars in one slot, or weekly bars.
//
// It is good at intraday intervals with a fixed session, where the spread of returns
// differs by several times over the day. It is bad on days: weekdays hardly differ, the
// window must be long to have enough of each and so knows little of the volatility of
// now, and means of 100 returns are chance. See Hyndman & Athanasopoulos, Forecasting:
// Principles and Practice (3rd ed., 2021), section 5.2, for the original.
package seasonal

import (
	"context"
	"fmt"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// Model is the seasonal naive method. The zero value is not valid: start from New.
type Model struct {
	Returns int // returns that are looked at, at most
	Cycles  int // with fewer cycles in them it abstains, at least 2
	Slot    int // a slot with fewer returns is mixed with all, at least 1
}

// New returns the method over 500 returns in at least 8 cycles, slots of fewer than 120
// mixed.
func New() Model { return Model{Returns: 500, Cycles: 8, Slot: 120} }

// Name is "seasonal".
func (Model) Name() string { return "seasonal" }

// least is how many returns there must be whatever the cycle.
const least = 20

// Fit checks that w can be forecast; nothing is estimated that Predict does not read off
// its own window. The errors are those of Predict. It panics when an option is out of
// range.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if m.Cycles < 2 || m.Slot < 1 || m.Returns < least {
		panic(fmt.Sprintf("seasonal: options %+v are out of range", m))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f := fitted{m}
	if _, err := f.Predict(w, 1); err != nil {
		return nil, err
	}
	return f, nil
}

type fitted struct{ m Model }

// Predict wraps forecast.ErrTooShort when w holds fewer than 20 returns over horizon bars
// or too few cycles, and forecast.ErrDegenerate when no cycle can be seen however many
// bars there are, a close is not positive, or the price has not moved. It panics when
// horizon is below 1.
func (f fitted) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	if horizon < 1 {
		panic(fmt.Sprintf("seasonal: horizon %d must be at least 1", horizon))
	}
	var room [2048]float64
	r, err := forecast.Returns(room[:1024:1024], w, horizon, least, f.m.Returns)
	if err != nil {
		return p, fmt.Errorf("seasonal: %w", err)
	}
	// The return r[i] goes on from bar first+i and begins in the slot of the next.
	first := w.Len() - len(r) - horizon
	c, err := f.m.cycle(w, first)
	if err != nil {
		return p, fmt.Errorf("seasonal: %w", err)
	}
	same := room[1024:1024]
	if slot, known := c.next(w, first); known {
		for i, v := range r {
			if c.slot(w.Bar(first+i+1).Start) == slot {
				same = append(same, v)
			}
		}
	}
	share := min(1, float64(len(same))/float64(f.m.Slot))
	if len(same) > 0 {
		add(&p, same, share)
	}
	if share < 1 {
		add(&p, r, 1-share)
	}
	if p.Quantiles[0] == p.Quantiles[forecast.Levels-1] {
		return p, fmt.Errorf("seasonal: %w: the returns over %d bars that began in this slot do not vary", forecast.ErrDegenerate, horizon)
	}
	return p, nil
}

// add adds the mean and the quantiles of r, weighed. It sorts r.
func add(p *forecast.Prediction, r []float64, weight float64) {
	sum := 0.0
	for _, v := range r {
		sum += v
	}
	p.Point += float64(weight * (sum / float64(len(r))))
	slices.Sort(r)
	for i, v := range forecast.Empirical(r) {
		p.Quantiles[i] += float64(weight * v)
	}
}

// Encode returns the options in words, which decide every answer.
func (f fitted) Encode() ([]byte, error) {
	return fmt.Appendf(nil, "seasonal/1 returns=%d cycles=%d slot=%d", f.m.Returns, f.m.Cycles, f.m.Slot), nil
}

// at is the start of bar i.
func at(w forecast.Window, i int) market.Time { return w.Bar(i).Start }
