package feature

import (
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

const (
	levelHalf  = 22   // half-life of the level that estimates are compared with
	capAfter   = 60   // bars from which estimates are capped
	floorShare = 0.05 // of the level: no bar's variance counts as less
)

// Input follows one series bar by bar and tells of each bar its return and variance,
// with the season and single bad prints taken out. Create it with NewInput or Frozen.
type Input struct {
	estimator Range
	season    *Season
	frozen    bool // the season is only read

	n             int // returns seen
	prev          float64
	end           market.Time
	level, weight float64 // decayed sums of Variance

	// What the newest bar said. Valid after Update returned true.

	Raw      float64 // log return, close to close
	Factor   float64 // the season's factor of the bar's variance
	Return   float64 // Raw / sqrt(Factor)
	Variance float64 // estimate / Factor, capped
	// Floored is Variance, but at least 5 % of its level; 0 only while every bar
	// so far had no variance.
	Floored float64
}

// NewInput returns the input of a series with bars of interval i, learning its season.
// It panics when e is not a Range.
func NewInput(i market.Interval, e Range) Input {
	if !e.Valid() {
		panic(fmt.Sprintf("feature: %s is not an estimator", e))
	}
	return Input{estimator: e, season: NewSeason(i)}
}

// Frozen returns an input that uses s as it stands.
func Frozen(s *Season, e Range) Input { return Input{estimator: e, season: s, frozen: true} }

// Season is what Factor comes from.
func (in *Input) Season() *Season { return in.season }

// Seen is the number of returns seen.
func (in *Input) Seen() int { return in.n }

var decayLevel = math.Exp2(-1.0 / levelHalf)

// Update takes the next bar, whose close must be positive, and reports whether it gave
// a return: the first gives none.
//
// A variance above 64 times the level of its time, or above both 12 times the level
// and 1.5 times the squared return, is cut down to that: one bad print or a split must
// not rule the volatility of a month.
func (in *Input) Update(b *market.Bar) bool {
	prev := in.prev
	gap := in.end != 0 && b.Start > in.end
	in.prev, in.end = b.Close, b.End
	if prev == 0 {
		return false
	}
	r := LogRatio(b.Close, prev)
	v := in.estimator.Variance(b, prev)
	f := in.season.Factor(b.Start, gap)
	if !in.frozen {
		in.season.learn(b.Start, gap, v)
	}
	in.Raw, in.Factor, in.Return = r, f, r
	if f != 1 {
		v /= f
		in.Return = r / math.Sqrt(f)
	}
	if in.n >= capAfter && in.level > 0 { // no level where the price has never moved
		level := in.level / in.weight
		v = min(v, min(max(1.5*float64(in.Return*in.Return), 12*level), 64*level))
	}
	in.n++
	in.level = float64(decayLevel*in.level) + v
	in.weight = float64(decayLevel*in.weight) + 1
	in.Variance, in.Floored = v, max(v, floorShare*in.level/in.weight)
	return true
}

// Usable returns the place in w of the first bar from which on all closes are positive
// finite numbers, and at least the last `most` bars' place. The error wraps
// forecast.ErrTooShort when there are fewer than least such bars in a window that
// holds fewer than least, and forecast.ErrDegenerate when bad closes are why.
func Usable(w forecast.Window, least, most int) (int, error) {
	n := w.Len()
	if n < least {
		return 0, fmt.Errorf("%w: %d bars, at least %d are needed", forecast.ErrTooShort, n, least)
	}
	first := max(0, n-most)
	for i := n - 1; i >= first; i-- {
		if c := w.Close(i); !(c > 0 && c <= math.MaxFloat64) {
			if n-1-i >= least {
				return i + 1, nil
			}
			return 0, fmt.Errorf("%w: the close %v of the bar at %s is not a positive number, and only %d bars have come since",
				forecast.ErrDegenerate, c, w.Bar(i).Start, n-1-i)
		}
	}
	return first, nil
}
