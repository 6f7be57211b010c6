package ar

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/foretick/foretick/forecast"
)

// choose returns the order and whether there is a mean, by the criterion on the returns
// that all orders have in common. On a tie the smaller model wins.
func (m Model) choose(r []float64) (order int, mean bool) {
	most := min(m.Lags, len(r)/10)
	n := len(r) - most
	least := math.Inf(1)
	for p := range most + 1 {
		for _, c := range []bool{false, true} {
			e, ok := regress(r, p, most, c)
			if !ok {
				continue
			}
			k := float64(e.terms() + 1)
			penalty := 2 * k
			if m.Criterion == BIC {
				penalty = k * math.Log(float64(n))
			}
			// The variance keeps off 0, where everything fits; prove refuses that.
			if v := -2*logLikelihood(max(e.sum, 1e-300), n) + penalty; v < least {
				least, order, mean = v, p, c
			}
		}
	}
	return order, mean
}

// logLikelihood of n normal errors with the sum of squares s, at its maximum.
func logLikelihood(s float64, n int) float64 {
	m := float64(n)
	return -m / 2 * (math.Log(2*math.Pi*s/m) + 1)
}

// prove fits the order that was chosen and takes away lags, then the mean, until those
// that are left are stationary and significant under heteroskedasticity and
// autocorrelation.
func (m Model) prove(r []float64, order int, mean bool) (estimate, error) {
	t := math.Inf(-1)
	if m.Level < 1 {
		t = distuv.UnitNormal.Quantile(1 - m.Level/2)
	}
	for p := order; p >= 0; p-- {
		e, ok := regress(r, p, p, mean)
		if !ok || !stationary(e.coef[1:]) {
			continue
		}
		if !(e.variance() > 1e-18*square(r)/float64(len(r))) {
			return e, fmt.Errorf("ar: %w: returns follow from the %d before without error, so there is nothing to tell their spread by", forecast.ErrDegenerate, p)
		}
		if m.Level < 1 && (p > 0 || mean) {
			cov := e.hac(r, bandwidth(len(r)-p))
			if p > 0 && (math.Abs(e.coef[p]) < t*math.Sqrt(cov.at(p, p)) || !m.together(&e, cov)) {
				continue
			}
			if mean && math.Abs(e.coef[0]) < t*math.Sqrt(cov.at(0, 0)) {
				return m.prove(r, p, false)
			}
		}
		return e, nil
	}
	return estimate{}, fmt.Errorf("ar: %w: the returns do not vary", forecast.ErrDegenerate)
}

// together tells whether all lags together differ from 0, by Wald's test.
func (m Model) together(e *estimate, cov matrix) bool {
	p := e.lags()
	v := newMatrix(p)
	for i := range p {
		for j := range p {
			v.set(i, j, cov.at(i+1, j+1))
		}
	}
	x, ok := v.solve(e.coef[1:])
	if !ok {
		return false
	}
	wald := 0.0
	for i, c := range e.coef[1:] {
		wald += float64(c * x[i])
	}
	return wald >= distuv.ChiSquared{K: float64(p)}.Quantile(1-m.Level)
}

// bandwidth is that of Newey & West (1994) for n errors.
func bandwidth(n int) int { return int(4 * math.Pow(float64(n)/100, 2.0/9)) }

// stationary tells whether the weights of past errors die out: all partial
// autocorrelations that the Levinson recursion, run downwards, finds in the coefficients
// lie within (-1, 1).
func stationary(coef []float64) bool {
	var a, b [mostLags]float64
	copy(a[:], coef)
	for p := len(coef); p > 0; p-- {
		k := a[p-1]
		if !(math.Abs(k) < 1-1e-9) {
			return false
		}
		for i := range p - 1 {
			b[i] = (a[i] + float64(k*a[p-2-i])) / (1 - float64(k*k))
		}
		a = b
	}
	return true
}
