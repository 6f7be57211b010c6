package ridge

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/feature"
)

// linear is a fitted regression: b0 + x'b, kept within what it was on the rows that it
// was fitted on.
type linear struct {
	Intercept    float64
	Slopes       feature.Row
	Lambda       float64
	Freedom      float64 // degrees of freedom, 1 of them the intercept
	Lowest, Most float64
}

func (l *linear) raw(row *feature.Row) float64 {
	y := l.Intercept
	for j, b := range l.Slopes {
		y += float64(b * row[j])
	}
	return y
}

func (l *linear) at(row *feature.Row) float64 { return max(l.Lowest, min(l.Most, l.raw(row))) }

// heaviest is the largest penalty tried.
const heaviest = 1e4

// penalties are what cross-validation chooses from: 1e-4 to heaviest, in quarter
// decades.
var penalties = func() (p [33]float64) {
	for i := range p {
		p[i] = math.Pow(10, float64(i-16)/4)
	}
	return p
}()

// solver holds the decomposition that all penalties and targets share.
type solver struct {
	rows   []feature.Row
	mean   feature.Row // of the columns
	h      int
	values [feature.Columns]float64 // eigenvalues of x'x/n
	base   mat.Dense                // eigenvectors, one a column
}

// newSolver decomposes the rows, whose targets reach h bars ahead.
func newSolver(rows []feature.Row, h int) (*solver, error) {
	s := &solver{rows: rows, h: h}
	n := float64(len(rows))
	for i := range rows {
		for j, x := range rows[i] {
			s.mean[j] += x
		}
	}
	for j := range s.mean {
		s.mean[j] /= n
	}
	var a [feature.Columns][feature.Columns]float64
	for i := range rows {
		var x feature.Row
		for j := range x {
			x[j] = rows[i][j] - s.mean[j]
		}
		for j := range x {
			for k := range j + 1 {
				a[j][k] += float64(x[j] * x[k])
			}
		}
	}
	sym := mat.NewSymDense(feature.Columns, nil)
	for j := range a {
		for k := range j + 1 {
			sym.SetSym(j, k, a[j][k]/n)
		}
	}
	var e mat.EigenSym
	if !e.Factorize(sym, true) {
		return nil, fmt.Errorf("%w: the features have no eigenvalues", forecast.ErrDegenerate)
	}
	e.Values(s.values[:])
	e.VectorsTo(&s.base)
	for j, d := range s.values {
		s.values[j] = max(d, 0) // rounding
	}
	return s, nil
}

// solve regresses y, choosing the penalty by generalised cross-validation.
func (s *solver) solve(y []float64) (l linear) {
	n := float64(len(y))
	var mean, square float64
	for _, v := range y {
		mean += v
	}
	mean /= n
	var c feature.Row // x'y/n
	for i, v := range y {
		v -= mean
		square += float64(v * v)
		for j, x := range s.rows[i] {
			c[j] += float64((x - s.mean[j]) * v)
		}
	}
	square /= n
	var g feature.Row // in the base of eigenvectors
	for j := range g {
		for k := range c {
			g[j] += float64(s.base.At(k, j) * c[k] / n)
		}
	}
	best := math.Inf(1)
	l.Lambda = heaviest
	for _, lambda := range penalties {
		if v := s.gcv(&g, square, lambda, n); v < best*(1-1e-9) {
			best, l.Lambda = v, lambda
		}
	}
	return s.with(l.Lambda, mean, &g)
}

// gcv is the generalised cross-validation of the penalty lambda, infinite where the
// model has as many degrees of freedom as there are targets that do not overlap.
func (s *solver) gcv(g *feature.Row, square, lambda, n float64) float64 {
	rss, df := square, 1.0
	for j, d := range s.values {
		b := g[j] / (d + lambda)
		rss += float64(b * (float64(d*b) - 2*g[j]))
		df += d / (d + lambda)
	}
	left := 1 - df*float64(s.h)/n
	if left <= 0 {
		return math.Inf(1)
	}
	return max(rss, 0) / (left * left)
}

// with is the regression for the penalty lambda of a target with the given mean and
// its products g with the eigenvectors.
func (s *solver) with(lambda, mean float64, g *feature.Row) linear {
	l := linear{Lambda: lambda, Freedom: 1, Intercept: mean, Lowest: math.Inf(1), Most: math.Inf(-1)}
	for k := range l.Slopes {
		for j, d := range s.values {
			l.Slopes[k] += float64(s.base.At(k, j) * g[j] / (d + lambda))
		}
		l.Intercept -= float64(l.Slopes[k] * s.mean[k])
	}
	for _, d := range s.values {
		l.Freedom += d / (d + lambda)
	}
	for i := range s.rows {
		y := l.raw(&s.rows[i])
		l.Lowest, l.Most = min(l.Lowest, y), max(l.Most, y)
	}
	return l
}
