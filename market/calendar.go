package market

import (
	"slices"
	"sort"
)

// Calendar says when a market has bars. It carries no prices, so knowing it ahead
// of time is not look-ahead: exchanges publish their hours.
type Calendar interface {
	// Name is the calendar's short name, such as "24x7".
	Name() string
	// NextBar returns the start of the bar of interval i that follows the bar
	// starting at start. It is always later than start.
	NextBar(i Interval, start Time) Time
}

// Always is the calendar of a market that never closes: every bar is followed by
// the next one on the clock. It implements Sessions, with one session from MinTime
// to MaxTime.
var Always Calendar = always{}

type always struct{}

func (always) Name() string                        { return "24x7" }
func (always) NextBar(i Interval, start Time) Time { return i.End(start) }
func (always) Session(Time) (open, close Time, ok bool) {
	return MinTime, MaxTime, true
}

// Recorded returns the calendar of a recorded stretch of bars: the bar after one
// of them is the next one that was recorded. Before and after the recording it is
// the clock, like Always. base is the interval of the recorded bars; coarser
// intervals follow the recorded bars that they are rolled up from. starts is
// copied and may be in any order.
//
// A recording of real sessions tells when the exchange was open, which was public
// beforehand. It does not tell prices.
func Recorded(base Interval, starts []Time) Calendar {
	s := slices.Clone(starts)
	slices.Sort(s)
	return recorded{base, slices.Compact(s)}
}

type recorded struct {
	base   Interval
	starts []Time
}

func (recorded) Name() string { return "recorded" }

func (r recorded) NextBar(i Interval, start Time) Time {
	end := i.End(start)
	n := sort.Search(len(r.starts), func(k int) bool { return r.starts[k] >= end })
	if n == len(r.starts) {
		return end
	}
	if i == r.base {
		return r.starts[n]
	}
	return max(i.Floor(r.starts[n]), end)
}
