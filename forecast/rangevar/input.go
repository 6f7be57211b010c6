// Package rangevar turns bars into what models of volatility work on: a return, an
// estimate of its variance from the whole range of the bar, and a season factor for
// the day of the week or the time of day.
//
// The close alone says little about how volatile a bar was: a price that ran up
// 3 % and came back has a return of 0. The range says far more. With the logs x 100
// of high H, low L and close C relative to the open, and the gap g = 100 ln(open /
// previous close),
//
//	Parkinson (1980)          (H-L)² / (4 ln 2)
//	Garman & Klass (1980)     (H-L)²/2 - (2 ln 2 - 1) C²
//	Rogers & Satchell (1991)  H(H-C) + L(L-C)
//
// each estimate the variance from open to close, under different assumptions about
// the drift; [Input] takes g² plus their mean. An estimate is capped against the
// recent ones and against its own squared return, so that one bad print does not
// rule the volatility of a month. It is scaled to the units of squared returns: where
// a price moves in ticks or trades thinly its range is too small for its returns.
//
// Volatility has a season: Mondays differ from Fridays, and the open of a session
// differs much from noon. Each bucket of the season has a factor: the mean of its
// variances relative to the level of the time, shrunk towards 1 by 60 bars' worth of
// 1. Models work on returns and variances divided by the factor, and multiply by that
// of the target.
package rangevar

import (
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// The constants of Input.
const (
	capAfter     = 60  // bars from which estimates are capped
	levelHalf    = 22  // half-life of the level that caps compare with
	scaleHalf    = 500 // half-life of the scale between variances and squared returns
	seasonPrior  = 60  // bars' worth of a factor of 1
	mostDaily    = 12  // a variance counts in the season at most this many times its level
	mostIntraday = 200
	holidayPrior = 20
	cycles       = 20 // cycles that must have been seen before the season counts
)

// Input follows one series. Create it with New. All returns are x 100 and all
// variances in their square.
type Input struct {
	season season

	n          int         // returns seen
	prev       float64     // last close, 0 when there is none
	start, end market.Time // of the last bar
	capLevel   float64     // EWMA of the capped variance, for the caps
	capWeight  float64
	rr, vv, ww float64 // decayed sums of r², V and 1, for the scale
	rc, vc     float64 // the same, clipped

	ahead []float64 // sums of the factors of the bars after the newest one, as far as asked

	// What the newest bar said. Valid after Update returned true.

	Return   float64 // 100 ln(close / previous close)
	Factor   float64 // the season's factor of the bar, of its variance
	Adjusted float64 // Return / sqrt(Factor)
	Variance float64 // capped, scaled and divided by Factor
}

// New returns the input of a series with bars of interval i.
func New(i market.Interval) *Input { return &Input{season: newSeason(i)} }

var (
	decayLevel = math.Exp2(-1.0 / levelHalf)
	decayScale = math.Exp2(-1.0 / scaleHalf)
)

// Update takes the newest bar of w and reports whether it gave a return. The first
// bar gives none, nor does one whose close is not positive or the one after it.
func (in *Input) Update(w forecast.Window) bool {
	b := w.Bar(w.Len() - 1)
	prev := in.prev * w.Break()
	end := in.end
	in.end, in.start = b.End, b.Start
	in.ahead = in.ahead[:0]
	if !(b.Close > 0) || b.Close > math.MaxFloat64 {
		in.prev = 0
		return false
	}
	in.prev = b.Close
	if prev == 0 {
		return false
	}
	r := 100 * logRatio(b.Close, prev)
	v := variance(&b, prev, r)
	r2 := r * r

	// One bad print must not rule: compare with the level of the time. Where the price has
	// never moved there is none.
	if in.n >= capAfter && in.capLevel > 0 {
		level := in.capLevel / in.capWeight
		v = math.Min(v, math.Min(math.Max(1.5*r2, 12*level), 64*level))
	}
	in.capLevel = float64(decayLevel*in.capLevel) + v
	in.capWeight = float64(decayLevel*in.capWeight) + 1

	// The scale between the two.
	in.ww = float64(decayScale*in.ww) + 1
	in.rr = float64(decayScale*in.rr) + r2
	in.vv = float64(decayScale*in.vv) + v
	in.rc = float64(decayScale*in.rc) + math.Min(r2, 25*in.rr/in.ww)
	in.vc = float64(decayScale*in.vc) + math.Min(v, 25*in.vv/in.ww)
	if in.vc > 0 && in.rc > 0 {
		v *= in.rc / in.vc
	}

	f := in.season.update(b.Start, end, v)
	in.n++
	in.Return, in.Factor = r, f
	in.Adjusted, in.Variance = r/math.Sqrt(f), v/f
	return true
}

// Seen is the number of returns seen.
func (in *Input) Seen() int { return in.n }

// End is the end of the newest bar.
func (in *Input) End() market.Time { return in.end }

// Ahead is the mean of the season's factors of the horizon bars after the newest
// bar of w.
func (in *Input) Ahead(w forecast.Window, horizon int) float64 {
	if !in.season.on() {
		return 1
	}
	n := len(in.ahead)
	if n < horizon {
		sum, start, end := 0.0, in.start, in.end
		if n > 0 {
			last := w.Target(n)
			sum, start, end = in.ahead[n-1], last.Start, last.End
		}
		for h := n + 1; h <= horizon; h++ {
			t := w.Target(h)
			sum += in.season.factor(t.Start, in.season.after(t.Start, start, end))
			start, end = t.Start, t.End
			in.ahead = append(in.ahead, sum)
		}
	}
	return in.ahead[horizon-1] / float64(horizon)
}

// Persist carries everything to and from a.
func (in *Input) Persist(a *forecast.Archive) {
	start, end := uint64(in.start), uint64(in.end)
	a.Int(&in.n)
	a.Uint(&start)
	a.Uint(&end)
	in.start, in.end = market.Time(start), market.Time(end)
	a.Float(&in.prev, &in.capLevel, &in.capWeight, &in.rr, &in.vv, &in.ww, &in.rc, &in.vc,
		&in.Return, &in.Factor, &in.Adjusted, &in.Variance)
	in.season.persist(a)
}

// variance is what the whole of b says about its variance; r² where the bar has no
// usable range.
func variance(b *market.Bar, prev, r float64) float64 {
	if !(b.Open > 0 && b.High > 0 && b.Low > 0) || b.High == b.Low && b.Open == prev {
		return r * r
	}
	gap := 100 * logRatio(b.Open, prev)
	h, l, c := 100*logRatio(b.High, b.Open), 100*logRatio(b.Low, b.Open), 100*logRatio(b.Close, b.Open)
	hl2 := (h - l) * (h - l)
	pk := hl2 / (4 * math.Ln2)
	gk := math.Max(0.5*hl2-float64((2*math.Ln2-1)*(c*c)), 0)
	rs := math.Max(float64(h*(h-c))+float64(l*(l-c)), 0)
	v := float64(gap*gap) + (pk+gk+rs)/3
	if !(v <= math.MaxFloat64) {
		return r * r
	}
	return v
}

// logRatio is ln(a/b) of two positive finite numbers, also where a/b is none.
func logRatio(a, b float64) float64 {
	if r := a / b; r > 0x1p-1000 && r < 0x1p1000 {
		return math.Log(r)
	}
	return math.Log(a) - math.Log(b)
}
