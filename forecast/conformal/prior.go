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

func (p Prior) valid() bool { return math.Abs(p.Spread) <= 1 && math.Abs(p.Tilt) <= 1 }

// factor is that of the distances at relative volatility x, 1 without a prior.
func (p Prior) factor(x float64) float64 {
	if p == (Prior{}) {
		return 1
	}
	return math.Exp(p.Spread + float64(p.Tilt*x))
}
