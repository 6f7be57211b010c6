package garch

import (
	"math"

	"gonum.org/v1/gonum/optimize"
)

// free are the parameters that the search moves, without bounds:
//
//	mu    = m sd
//	omega = var exp(w)
//	alpha, gamma/2, delta, beta = P share, P = 0.9999/(1+exp(-p)), shares by softmax
//	nu    = 2.05 + exp(v), at most 200
//
// so that variances stay positive and the process stationary. sd and var are those
// of the sample: the search is the same for prices in any unit.
type free [numParams]float64

// Slots of free; the shares are relative to beta's.
const (
	fMu = iota
	fOmega
	fPersistence
	fAlpha
	fGamma
	fDelta
	fNu
)

const (
	mostPersistent = 0.9999
	leastNu        = 2.05
	mostNu         = 200
)

// natural turns f into parameters. m says which of them the model has.
func (f *free) natural(m *Model, sd float64) (p params) {
	if m.Mean {
		p[iMu] = f[fMu] * sd
	}
	p[iOmega] = sd * sd * math.Exp(f[fOmega])
	sum := mostPersistent / (1 + math.Exp(-f[fPersistence]))
	a, g, d := math.Exp(f[fAlpha]), 0.0, 0.0
	if m.Leverage {
		g = math.Exp(f[fGamma])
	}
	if m.Range {
		d = math.Exp(f[fDelta])
	}
	z := sum / (1 + a + g + d)
	p[iAlpha], p[iGamma], p[iDelta], p[iBeta] = a*z, 2*g*z, d*z, z
	p[iNu] = math.Min(leastNu+math.Exp(f[fNu]), mostNu)
	return p
}

// gradient is the gradient by f, from the one by the natural parameters.
func (f *free) gradient(m *Model, sd float64, p, by *params) (g free) {
	if m.Mean {
		g[fMu] = by[iMu] * sd
	}
	g[fOmega] = by[iOmega] * p[iOmega]
	sum := p.persistence()
	total := by[iAlpha]*p[iAlpha] + by[iGamma]*p[iGamma] + by[iDelta]*p[iDelta] + by[iBeta]*p[iBeta]
	g[fPersistence] = total * (1 - sum/mostPersistent)
	g[fAlpha] = p[iAlpha] * (by[iAlpha] - total/sum)
	if m.Leverage {
		g[fGamma] = p[iGamma] * (by[iGamma] - total/(2*sum))
	}
	if m.Range {
		g[fDelta] = p[iDelta] * (by[iDelta] - total/sum)
	}
	if p[iNu] < mostNu {
		g[fNu] = by[iNu] * (p[iNu] - leastNu)
	}
	return g
}

// starts are where searches begin that do not go on from an earlier estimate: the
// likelihood often has two maxima, one of slow and one of quick volatility.
var starts = [...]struct{ persistence, last float64 }{{0.97, 0.1}, {0.8, 0.3}, {0.99, 0.03}}

// start is the free parameters of one of starts, with 6 degrees of freedom.
func start(i int) (f free) {
	p := starts[i].persistence
	f[fOmega] = math.Log(1 - p)
	f[fPersistence] = math.Log(p / (mostPersistent - p))
	f[fAlpha], f[fGamma], f[fDelta] = math.Log(starts[i].last), math.Log(starts[i].last/2), math.Log(1.5*starts[i].last)
	f[fNu] = math.Log(4)
	return f
}

// search finds the highest of the maxima that searches from all starts lead to, and
// from f as well when there is an earlier estimate.
func (m *Model) search(s *sample, sd float64, f free, known bool) (best free, ok bool) {
	lowest := math.Inf(1)
	try := func(f free) {
		if g, nll, found := m.estimate(s, sd, f); found && nll < lowest {
			best, lowest, ok = g, nll, true
		}
	}
	if known {
		try(f)
	}
	for i := range starts {
		try(start(i))
	}
	return best, ok
}

// bounds keep the search where exponentials mean something.
const furthest = 12

// estimate searches the maximum of the likelihood from f on. It reports false when
// none was found; f is then the best point seen.
func (m *Model) estimate(s *sample, sd float64, f free) (free, float64, bool) {
	slots := m.slots()
	x := make([]float64, len(slots))
	for i, k := range slots {
		x[i] = f[k]
	}
	point := func(x []float64) (f free) {
		for i, k := range slots {
			f[k] = math.Max(-furthest, math.Min(furthest, x[i]))
		}
		return f
	}
	// Value and gradient come from one pass: remember the last point.
	var at, g free
	value, known := 0.0, false
	eval := func(x []float64) {
		f := point(x)
		if known && f == at {
			return
		}
		p := f.natural(m, sd)
		var by params
		value, _ = s.negLogLik(&p, &by)
		at, known = f, true
		g = f.gradient(m, sd, &p, &by)
	}
	problem := optimize.Problem{
		Func: func(x []float64) float64 { eval(x); return value },
		Grad: func(grad, x []float64) {
			eval(x)
			for i, k := range slots {
				grad[i] = g[k]
				if math.Abs(x[i]) > furthest {
					grad[i] = 0
				}
			}
		},
	}
	r, err := optimize.Minimize(problem, x, &optimize.Settings{
		GradientThreshold: m.Tolerance, MajorIterations: 60, FuncEvaluations: 200,
		Converger: &optimize.FunctionConverge{Absolute: 1e-10, Iterations: 3},
	}, &optimize.BFGS{})
	if r == nil || math.IsInf(r.F, 0) || math.IsNaN(r.F) {
		return f, 0, false
	}
	// A line search that cannot improve any more has found the place: err is not
	// consulted where the value is no worse than at the start.
	_ = err
	return point(r.X), r.F, true
}

// slots lists the free parameters that the model has.
func (m *Model) slots() []int {
	s := []int{fOmega, fPersistence, fAlpha, fNu}
	if m.Mean {
		s = append(s, fMu)
	}
	if m.Leverage {
		s = append(s, fGamma)
	}
	if m.Range {
		s = append(s, fDelta)
	}
	return s
}
