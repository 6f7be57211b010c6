package forecast

import (
	"fmt"
	"math"
)

// Quantile7 is the p-quantile of the sample sorted, by linear interpolation of the
// empirical distribution function: definition 7 of Hyndman & Fan (1996), "Sample
// quantiles in statistical packages", The American Statistician 50(4), which is
// also what R and NumPy do unless told otherwise. With m = (n-1)p and j the whole
// part of m it is x[j] + (m-j)(x[j+1]-x[j]), counting from 0.
//
// sorted must ascend and hold no NaN; p must lie in [0, 1]. It panics when sorted
// is empty or p lies outside. For fixed sorted it never decreases as p grows, also
// after rounding.
func Quantile7(sorted []float64, p float64) float64 {
	if len(sorted) == 0 || !(p >= 0 && p <= 1) {
		panic(fmt.Sprintf("forecast: quantile %v of %d values does not exist", p, len(sorted)))
	}
	m := float64(len(sorted)-1) * p
	j := int(m)
	if j+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return between(sorted[j], sorted[j+1], m-float64(j))
}

// between interpolates from a to b >= a by the share f in [0, 1). It never
// decreases in f and never leaves [a, b].
func between(a, b, f float64) float64 {
	d := b - a
	if math.IsInf(d, 0) { // halves cannot overflow
		return min(2*(a/2+float64(f*(b/2-a/2))), b)
	}
	return min(a+float64(f*d), b)
}

// Empirical returns the type-7 quantiles (see Quantile7) of sorted at
// Probabilities. It panics when sorted is empty.
func Empirical(sorted []float64) (q Quantiles) {
	for i, p := range Probabilities {
		q[i] = Quantile7(sorted, p)
	}
	return q
}

// normal holds the quantiles of the standard normal distribution at Probabilities,
// correctly rounded, so that no library function decides a sealed number.
var normal = [Levels]float64{
	-2.326347874040841, -1.9599639845400543,
	-1.6448536269514726, -1.2815515655446004, -1.0364333894937896, -0.8416212335729142,
	-0.6744897501960817, -0.5244005127080408, -0.3853204664075676, -0.2533471031357998,
	-0.12566134685507405, 0, 0.12566134685507405,
	0.2533471031357998, 0.3853204664075676, 0.5244005127080408, 0.6744897501960817,
	0.8416212335729142, 1.0364333894937896, 1.2815515655446004, 1.6448536269514726,
	1.9599639845400543, 2.326347874040841,
}

// Normal returns the quantiles at Probabilities of a normal distribution. sd must
// not be negative.
func Normal(mean, sd float64) (q Quantiles) {
	for i, z := range normal {
		q[i] = mean + float64(sd*z)
	}
	return q
}
