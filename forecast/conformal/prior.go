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

// Daily is what the pool of package auto needs on daily bars. A mean of quantiles is
// wider than the truth when the experts differ (as Gneiting & Ranjan 2013, "Combining
// predictive distributions", show for means of probabilities), and widest after wild weeks. Each
// series alone cannot show it: it is a third of what chance does to 2,000 outcomes.
// Over 45 series it is beyond doubt (t = 7.5 and 3.9 at horizon 1); the best values there were
// (-0.030, -0.037) at horizon 1 and (-0.019, -0.072) at horizon 5, and these are
// rounded towards none. Other intervals and longer horizons were not measured.
func Daily() Prior { return Prior{Spread: -0.02, Tilt: -0.05} }

func (p Prior) valid() bool { return math.Abs(p.Spread) <= 1 && math.Abs(p.Tilt) <= 1 }

// factor is that of the distances at relative volatility x, 1 without a prior.
func (p Prior) factor(x float64) float64 {
	if p == (Prior{}) {
		return 1
	}
	return math.Exp(p.Spread + float64(p.Tilt*x))
}
