package har

import (
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
)

// freedoms is the grid of degrees of freedom.
var freedoms = [...]float64{2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 10, 12, 15, 20, 30, 50}

// quantiles of unit scale for the standardised residuals z, whose mean square is about
// 1. z is sorted.
func (r Residuals) quantiles(z []float64) forecast.Quantiles {
	switch r {
	case StudentT:
		return forecast.StudentT(likeliest(z))
	case Normal:
		return forecast.Normal(0, 1)
	}
	slices.Sort(z)
	return forecast.Empirical(z)
}

// likeliest is the member of freedoms that makes z, as draws of a t of unit variance,
// most likely.
func likeliest(z []float64) float64 {
	best, at := math.Inf(-1), freedoms[0]
	for _, nu := range freedoms {
		a, _ := math.Lgamma((nu + 1) / 2)
		b, _ := math.Lgamma(nu / 2)
		l := float64(len(z)) * (a - b - 0.5*math.Log(math.Pi*(nu-2)))
		for _, v := range z {
			l -= (nu + 1) / 2 * math.Log1p(v*v/(nu-2))
		}
		if l > best {
			best, at = l, nu
		}
	}
	return at
}
