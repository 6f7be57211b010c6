// Package score judges forecasts: errors in the terms of the original accuracy
// table, and the measures of the forecasting literature beside them.
package score

import (
	"math"

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
}

// Of judges f, issued with close last at cutoff, against the outcome actual.
// naiveCRPS is left NaN for the caller to fill in.
func Of(f *forecast.Forecast, cutoff market.Time, last, scale, actual float64, revision int) Score {
	return Score{
		Model: f.Model, Version: f.Version, Horizon: f.Horizon,
		Cutoff: cutoff, Target: f.Target.Start, Revision: revision, Late: f.Late,
		Last: last, Predicted: f.Point, Actual: actual,
		Lower: f.Quantiles[forecast.Q05], Upper: f.Quantiles[forecast.Q95],
		Scale: scale, CRPS: CRPS(&f.Quantiles, last, actual), NaiveCRPS: math.NaN(),
	}
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
	y := 100 * math.Log(actual/last)
	var sum float64
	for i := forecast.Q05; i <= forecast.Q95; i++ {
		d := y - float64(100*math.Log(q[i]/last))
		tau := forecast.Probabilities[i]
		sum += math.Max(tau*d, (tau-1)*d)
	}
	crps := 2 * sum / float64(forecast.Q95-forecast.Q05+1)
	if math.IsInf(crps, 0) { // the logarithm of 0
		return math.NaN()
	}
	return crps
}
