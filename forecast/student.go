package forecast

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// StudentT returns the quantiles at Probabilities of Student's t with nu degrees of
// freedom, scaled to unit variance: sqrt((nu-2)/nu) times those of the t. It panics
// unless nu is above 2.
func StudentT(nu float64) (q Quantiles) {
	if !(nu > 2) {
		panic(fmt.Sprintf("forecast: a t with %v degrees of freedom has no variance", nu))
	}
	t := distuv.StudentsT{Sigma: math.Sqrt((nu - 2) / nu), Nu: nu}
	for i := range Levels / 2 { // symmetric: the middle is 0
		q[i] = t.Quantile(Probabilities[i])
		q[Levels-1-i] = -q[i]
	}
	return q
}
