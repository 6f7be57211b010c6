// Package score judges forecasts: errors in the terms of the original accuracy
// table, and the measures of the forecasting literature beside them.
//
// One forecast against one outcome is a Score (Of). It is a plain record that every
// measure can be derived from, and it always has the naive forecast's loss beside the
// model's. From there three questions are asked, each by a type that takes one score at
// a time:
//
//   - How wrong was it? A Summary, over windows: mean and median errors, MASE, coverage,
//     CRPS and skill. Windows makes them from a list, an Accumulator as scores arrive.
//   - Does it mean what it says? A Calibration, from a Tally: how often each interval
//     held the outcome, overall, by regime of volatility and by time of day; the
//     histogram of the PIT (Diebold, Gunther & Tay 1998); the interval score (Gneiting &
//     Raftery 2007).
//   - Is it better than naive, or lucky? Evidence, from a Test, and the Verdict that
//     Judge puts it into. The Test is an e-process (Choe & Ramdas 2023), a bet against
//     luck: its error stays below 5 % however often it is looked at, which is what a live
//     page needs.
//
// A finished backtest is looked at once. For that there are DieboldMariano, which is
// sharper than the Test but errs on 40 % and more of equal pairs when it is looked at
// after every score; ConfidenceSet, for which of several models may be the best; and
// EBH, for how many of many series show a difference when all of them are looked at.
package score

import (
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// Score is one forecast judged against its outcome. It holds what every measure
// can be derived from.
type Score struct {
	Model    string
	Version  string
	Horizon  int
	Cutoff   market.Time // end of the last bar the forecast used
	Target   market.Time // start of the target bar
	Revision int         // revision of the target bar that it was judged on
	Late     bool

	Last      float64 // close at the cutoff: what naive predicts
	Predicted float64 // the forecast's point
	Actual    float64 // close of the target bar
	Lower     float64 // 5 % quantile
	Upper     float64 // 95 % quantile
	// Scale is the mean absolute one-bar change of the close over the bars before
	// the cutoff, the yardstick of MASE; 0 when it is not known.
	Scale     float64
	CRPS      float64 // in 100 x log return
	NaiveCRPS float64 // the naive forecast's, same cutoff and horizon; NaN when naive abstained
	// GainLow and GainHigh bound NaiveCRPS - CRPS whatever the outcome: they were
	// known when both forecasts were sealed. NaN when NaiveCRPS is.
	GainLow, GainHigh float64
	PIT               float64 // where the outcome fell in the forecast distribution, see PIT
	Volatility        float64 // as in Basis
	Regime            forecast.Regime
}

// Basis is what was known at a cutoff, whatever model forecast from there.
type Basis struct {
	Cutoff market.Time
	Last   float64 // close at the cutoff
	Scale  float64 // mean absolute one-bar change before the cutoff, 0 when unknown
	// Volatility is the standard deviation of the 20 newest one-bar log returns, x
	// 100; 0 when unknown. Regime is its tercile among the bars up to the cutoff.
	Volatility float64
	Regime     forecast.Regime
}

// Outcome is what a forecast is judged on.
type Outcome struct {
	Close    float64 // of the target bar
	Revision int
}

// Of judges f, issued at basis b, against the outcome o. naive is the naive
// forecast of the same cutoff and horizon, nil when it abstained.
func Of(f, naive *forecast.Forecast, b *Basis, o Outcome) Score {
	s := Score{
		Model: f.Model, Version: f.Version, Horizon: f.Horizon,
		Cutoff: b.Cutoff, Target: f.Target.Start, Revision: o.Revision, Late: f.Late,
		Last: b.Last, Predicted: f.Point, Actual: o.Close,
		Lower: f.Quantiles[forecast.Q05], Upper: f.Quantiles[forecast.Q95],
		Scale: b.Scale, Volatility: b.Volatility, Regime: b.Regime,
		NaiveCRPS: math.NaN(), GainLow: math.NaN(), GainHigh: math.NaN(),
		PIT: PIT(&f.Quantiles, o.Close),
	}
	y := 100 * math.Log(o.Close/b.Last)
	mine := logs(&f.Quantiles, b.Last)
	s.CRPS = crps(&mine, y)
	if naive == nil {
		return s
	}
	theirs := logs(&naive.Quantiles, b.Last)
	s.NaiveCRPS = crps(&theirs, y)
	s.GainLow, s.GainHigh = gainBounds(&theirs, &mine)
	return s
}

// Error is actual minus predicted, in price units.
func (s *Score) Error() float64 { return s.Actual - s.Predicted }

// PercentError is Error as a percentage of the prediction.
func (s *Score) PercentError() float64 { return s.Error() / s.Predicted * 100 }

// Hit reports whether the outcome fell inside the 90 % interval, ends included.
func (s *Score) Hit() bool { return s.Lower <= s.Actual && s.Actual <= s.Upper }

// CRPS is the continuous ranked probability score of quantiles q (prices) for the
// outcome actual, in units of 100 x log return from last: twice the mean pinball
// loss over the 19 levels 0.05 to 0.95. It is an approximation: the exact CRPS is
// the integral over all levels (Gneiting & Raftery 2007, eq. 20-22; Laio & Tamea
// 2007). It is NaN when a price is not positive.
func CRPS(q *forecast.Quantiles, last, actual float64) float64 {
	x := logs(q, last)
	return crps(&x, 100*math.Log(actual/last))
}

// levels is the number of probabilities that enter the CRPS.
const levels = forecast.Q95 - forecast.Q05 + 1

// logs are the quantiles at 0.05 to 0.95 in 100 x log return from last.
func logs(q *forecast.Quantiles, last float64) (x [levels]float64) {
	for i := range x {
		x[i] = 100 * math.Log(q[forecast.Q05+i]/last)
	}
	return x
}

func crps(x *[levels]float64, y float64) float64 {
	var sum float64
	for i, q := range x {
		d := y - q
		tau := forecast.Probabilities[forecast.Q05+i]
		if d < 0 {
			tau--
		}
		sum += float64(tau * d)
	}
	crps := 2 * sum / levels
	if math.IsInf(crps, 0) { // the logarithm of 0
		return math.NaN()
	}
	return crps
}

// gainBounds are the least and the greatest of crps(a, y) - crps(b, y) over every
// outcome y. The difference is piecewise linear in y with corners at the quantiles
// and constant beyond them: its slope grows by 2/19 at each quantile of a and falls
// by as much at each of b. Both must ascend. NaN when a quantile is not finite.
func gainBounds(a, b *[levels]float64) (low, high float64) {
	var d float64 // below all quantiles
	for i := range a {
		d += (1 - forecast.Probabilities[forecast.Q05+i]) * (a[i] - b[i])
	}
	d *= 2.0 / levels
	if math.IsNaN(d) || math.IsInf(d, 0) {
		return math.NaN(), math.NaN()
	}
	low, high = d, d
	slope, i, k := 0, 0, 0
	at := min(a[0], b[0])
	for i < levels || k < levels {
		var next float64
		up := k == levels || i < levels && a[i] <= b[k]
		if up {
			next = a[i]
			i++
		} else {
			next = b[k]
			k++
		}
		d += 2.0 / levels * float64(slope) * (next - at)
		low, high, at = min(low, d), max(high, d), next
		if up {
			slope++
		} else {
			slope--
		}
	}
	return low, high
}

// PIT is the probability integral transform of the outcome: the probability that q
// gave to prices up to actual (Dawid 1984; Diebold, Gunther & Tay 1998, "Evaluating
// density forecasts"). It is linear between the quantiles; where several quantiles
// equal actual, the middle of their levels; 0.005 and 0.995 outside the outermost.
// Forecasts that mean what they say have outcomes whose PIT is uniform.
func PIT(q *forecast.Quantiles, actual float64) float64 {
	n := len(q)
	if !(actual >= q[0]) {
		return forecast.Probabilities[0] / 2
	}
	if actual > q[n-1] {
		return (1 + forecast.Probabilities[n-1]) / 2
	}
	first, _ := slices.BinarySearch(q[:], actual) // q[first] >= actual
	if q[first] > actual {
		p, below := forecast.Probabilities[first-1], q[first-1]
		if u := p + (forecast.Probabilities[first]-p)*((actual-below)/(q[first]-below)); u == u {
			return u
		}
		return p // the quantiles lie further apart than numbers go
	}
	last := first
	for last+1 < n && q[last+1] == actual {
		last++
	}
	return (forecast.Probabilities[first] + forecast.Probabilities[last]) / 2
}
