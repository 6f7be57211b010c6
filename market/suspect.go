package market

import "math"

// The rule of SuspectSplit.
const (
	// SuspectBars is how many bars before the move tell what is usual, leastSuspectBars
	// how many of them there must be.
	SuspectBars      = 61
	leastSuspectBars = 21
	// suspectTimes is how many times larger than the largest one-bar move of late it is.
	suspectTimes = 4
	// Its log is this near to that of the ratio: what a share price moves overnight. Real
	// moves by about a half or a third do happen, those by more do not.
	nearSmall, nearLarge = 0.035, 0.05
)

// suspects are the whole ratios of splits that are looked for, both ways.
var suspects = [...]float64{2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100}

// SuspectSplit reports whether the step from the last of before to the open of b looks
// like a split that nobody announced, and of how many new shares for an old one. before
// are the newest bars of the series, oldest first, in one unit (the last SuspectBars
// count; with fewer than 21 nothing is suspected).
//
// Three things must come together. The open lies at the close before it divided by a
// whole number that splits are made of (or times one, for a reverse split): within 3.5 %
// for 2 and 3, within 5 % for the others, for a split happens between bars and the price
// moves a little meanwhile. The step is at least four times as large, in logs, as any
// one-bar move among the bars before: a crash has others around it. And the bar closes
// near where it opened, by half of the step, so that one bad print is no split.
func SuspectSplit(before []Bar, b *Bar) (ratio float64, ok bool) {
	before = before[max(0, len(before)-SuspectBars):]
	if len(before) < leastSuspectBars {
		return 0, false
	}
	last := before[len(before)-1].Close
	if !FarApart(last, b.Open) || !(b.Close > 0 && b.Close <= math.MaxFloat64) {
		return 0, false
	}
	step := math.Log(b.Open) - math.Log(last)
	size := math.Abs(step)
	if math.Abs(math.Log(b.Close)-math.Log(b.Open)) > size/2 {
		return 0, false
	}
	for _, n := range suspects {
		near := nearLarge
		if n <= 3 {
			near = nearSmall
		}
		if math.Abs(size-math.Log(n)) <= near {
			ratio = n
		}
	}
	if ratio == 0 {
		return 0, false
	}
	for i := 1; i < len(before); i++ {
		x, y := before[i-1].Close, before[i].Close
		if !(x > 0 && y > 0) || suspectTimes*math.Abs(math.Log(y)-math.Log(x)) > size {
			return 0, false
		}
	}
	if step > 0 {
		ratio = 1 / ratio
	}
	return ratio, true
}

// FarApart reports whether two prices lie so far apart that SuspectSplit looks closer.
func FarApart(before, open float64) bool {
	usable := before > 0 && open > 0 && before <= math.MaxFloat64 && open <= math.MaxFloat64
	return usable && (open > 1.8*before || before > 1.8*open)
}

// Explains reports whether split a is what lies between the bar before and b: b is the
// first bar that it affects, give or take twelve hours in which its price is not used yet
// (trade before the session opens, days that begin at midnight of another place), and the
// step from close to open is nearer to the split than to none. A series whose prices were
// rescaled for it by whoever delivers them has no such step.
func (a *Action) Explains(before, b *Bar) bool {
	const slack = Time(12 * 3600 * 1e6)
	if a.Kind != Split || b.End <= a.Ex || before.End > a.Ex+slack || !(a.Ratio > 0) || a.Ratio == 1 {
		return false
	}
	if !(before.Close > 0 && b.Open > 0 && before.Close <= math.MaxFloat64 && b.Open <= math.MaxFloat64) {
		return false
	}
	step := math.Log(b.Open) - math.Log(before.Close)
	return math.Abs(step+math.Log(a.Ratio)) < math.Abs(step)
}
