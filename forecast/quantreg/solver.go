package quantreg

import (
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/feature"
)

// size is the number of coefficients: the intercept, then the slopes.
const size = feature.Columns + 1

// line is b0 and the slopes.
type line [size]float64

func (l *line) at(row *feature.Row) float64 {
	y := l[0]
	for j, x := range row {
		y += float64(l[j+1] * x)
	}
	return y
}

// solver finds the lines of one set of rows.
type solver struct {
	rows  []feature.Row
	y     []float64
	left  []float64 // residuals of the current line
	moves []float64 // what they change by along the current step
}

func newSolver(rows []feature.Row, y []float64) *solver {
	n := len(y)
	room := make([]float64, 2*n)
	return &solver{rows, y, room[:n:n], room[n:]}
}

// all finds the lines h bars ahead at all probabilities, the median first, each starting from its
// neighbour moved to where its share of the rows lies below.
func (s *solver) all(m *Model, h int) (all lines) {
	const middle = forecast.Q50
	lambda := m.Penalty * math.Sqrt(float64(h))
	find := func(i int, start line) {
		p := forecast.Probabilities[i]
		s.solve(&start, p, m.width(p, len(s.y)), lambda)
		all[i] = start
	}
	find(middle, line{})
	for i := middle + 1; i < forecast.Levels; i++ {
		find(i, all[i-1])
	}
	for i := middle - 1; i >= 0; i-- {
		find(i, all[i+1])
	}
	return all
}

const (
	mostSteps  = 60
	mostSearch = 60
	// flat is how small every component of the gradient must be.
	flat = 1e-11
)

// solve improves b until it minimises the mean smoothed pinball loss at probability p,
// with a kernel of half width d, plus lambda/2 times the squared slopes. It is Newton's
// method; steps that overshoot are shortened.
func (s *solver) solve(b *line, p, d, lambda float64) {
	for i := range s.rows {
		s.left[i] = s.y[i] - b.at(&s.rows[i])
	}
	// Put the share p of the rows below the line.
	shift := s.share(p)
	b[0] += shift
	for i := range s.left {
		s.left[i] -= shift
	}
	for range mostSteps {
		var g line
		var hess [size][size]float64
		within := s.derivatives(&g, &hess, p, d)
		for j := 1; j < size; j++ {
			g[j] += float64(lambda * b[j])
			hess[j][j] += lambda
		}
		steepest := 0.0
		for _, v := range g {
			steepest = max(steepest, math.Abs(v))
		}
		if steepest < flat {
			return
		}
		// Where few residuals lie within the kernel the curvature is that of too few
		// rows; a little more keeps steps short.
		extra := 1e-9
		if within < size {
			extra += 0.005
		}
		for j := range hess {
			hess[j][j] += extra
		}
		step, ok := solve(&hess, &g)
		if !ok {
			return
		}
		slope := 0.0
		for j := range step {
			step[j] = -step[j]
			slope += float64(step[j] * g[j])
		}
		for i := range s.rows {
			s.moves[i] = step.at(&s.rows[i])
		}
		t := s.search(b, &step, slope, p, d, lambda)
		for j := range b {
			b[j] += float64(t * step[j])
		}
		for i, v := range s.moves {
			s.left[i] -= float64(t * v)
		}
	}
}

// share is the p-quantile of the residuals.
func (s *solver) share(p float64) float64 {
	copy(s.moves, s.left)
	slices.Sort(s.moves)
	return forecast.Quantile7(s.moves, p)
}

// search is how far to go along step, where the loss has the slope `from` at first: to
// where the slope is less than half as steep, doubling the step as long as it is
// steeper, and looking between when it has risen past that. The slope rises all the way
// (the loss is convex), so no loss need be computed, which near the minimum rounding
// would decide.
func (s *solver) search(b, step *line, from, p, d, lambda float64) float64 {
	low, high := 0.0, 1.0
	atLow, atHigh := from, s.slope(b, step, 1, p, d, lambda)
	for range mostSearch {
		switch {
		case math.Abs(atHigh) <= -0.5*from:
			return high
		case atHigh < 0:
			low, atLow = high, atHigh
			high *= 2
			atHigh = s.slope(b, step, high, p, d, lambda)
			continue
		}
		t := low + (high-low)*min(max(atLow/(atLow-atHigh), 0.1), 0.9)
		at := s.slope(b, step, t, p, d, lambda)
		if at < 0.5*from {
			low, atLow = t, at
			continue
		}
		high, atHigh = t, at
	}
	return high
}

// slope is that of the penalised loss along step after a share t of it.
func (s *solver) slope(b, step *line, t, p, d, lambda float64) float64 {
	var sum, all float64
	per := 1 / (2 * d)
	for i, e := range s.left {
		a := s.moves[i]
		sum += float64(max(-0.5, min(0.5, (e-float64(t*a))*per)) * a)
		all += a
	}
	pull := 0.0
	for j := 1; j < size; j++ {
		pull += float64((b[j] + float64(t*step[j])) * step[j])
	}
	return float64(lambda*pull) - (sum+float64((p-0.5)*all))/float64(len(s.left))
}

// derivatives adds up the gradient and, in the lower half of h, the curvature of the
// mean loss. It returns how many residuals lie within the kernel.
func (s *solver) derivatives(g *line, h *[size][size]float64, p, d float64) (within int) {
	per := 1 / float64(len(s.left))
	curve := per / (2 * d)
	for i, e := range s.left {
		row := &s.rows[i]
		bent := 0.5
		if e <= -d {
			bent = -0.5
		} else if e < d {
			bent = e / (2 * d)
			within++
			h[0][0] += curve
			for j, x := range row {
				x *= curve
				to := &h[j+1]
				to[0] += x
				for k := range j + 1 {
					to[k+1] += float64(x * row[k])
				}
			}
		}
		f := (p - 0.5 + bent) * per
		g[0] -= f
		for j, x := range row {
			g[j+1] -= float64(f * x)
		}
	}
	return within
}

// solve solves a x = b for symmetric positive definite a, whose lower half is given and
// overwritten, by Cholesky's decomposition. It reports false when a is not.
func solve(a *[size][size]float64, b *line) (x line, ok bool) {
	for j := range size {
		for k := range j + 1 {
			v := a[j][k]
			for i := range k {
				v -= float64(a[j][i] * a[k][i])
			}
			if k < j {
				a[j][k] = v / a[k][k]
				continue
			}
			if !(v > 0) {
				return x, false
			}
			a[j][j] = math.Sqrt(v)
		}
	}
	for j := range size {
		v := b[j]
		for k := range j {
			v -= float64(a[j][k] * x[k])
		}
		x[j] = v / a[j][j]
	}
	for j := size - 1; j >= 0; j-- {
		v := x[j]
		for k := j + 1; k < size; k++ {
			v -= float64(a[k][j] * x[k])
		}
		x[j] = v / a[j][j]
	}
	return x, true
}
