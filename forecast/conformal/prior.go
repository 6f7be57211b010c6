package conformal

import "math"

// Prior is how far the forecasts of a model are known to be off in the same way in
// every series, from other series. The distance of each quantile from the median is
// multiplied by
//
//	exp(Spread + Tilt x)
//
// where x, from -1 to 1, is the logarithm of the volatility at the origin over its
// geometric mean so far, drawn to 0 while that mean is of few: by n/(n+100) at the
// n-th origin.
type Prior struct {
	Spread, Tilt float64 // from -1 to 1
}

// Daily is what the pool of package auto needs on daily bars. A mean of the quantiles
// of experts that differ tends to be wider than the truth (Gneiting & Ranjan 2013,
// "Combining predictive distributions", prove it for means of probabilities), and
// this one is widest after wild weeks. No series alone can show it: 0.6 points of
// coverage are less than chance does to 2,000 outcomes. Over 45 series t is 7.5
// for the width and 3.9 for the tilt at horizon 1, outcomes counted as independent,
// which those of one market are not. [Measure] gives (-0.030, -0.037) at horizon 1
// and (-0.019, -0.072) at horizon 5, and this lies between. Other intervals and
// longer horizons were not measured.
func Daily() Prior { return Prior{Spread: -0.02, Tilt: -0.06} }

func (p Prior) valid() bool { return math.Abs(p.Spread) <= 1 && math.Abs(p.Tilt) <= 1 }

// factor is that of the distances at relative volatility x, 1 without a prior.
func (p Prior) factor(x float64) float64 {
	if p == (Prior{}) {
		return 1
	}
	return math.Exp(p.Spread + float64(p.Tilt*x))
}
