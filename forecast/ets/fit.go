package ets

import "math"

// The bounds that R's ets sets.
const (
	leastAlpha, mostAlpha = 0.0001, 0.9999
	leastBeta             = 0.0001 // at most alpha
	leastPhi, mostPhi     = 0.8, 0.98
)

// estimate is a model fitted to n values.
type estimate struct {
	kind Kind
	p    params
	filtered
	n int
}

// free is the number of parameters and initial states.
func (e *estimate) free() int { return [...]int{Simple: 2, Holt: 4, Damped: 5}[e.kind] }

// logLikelihood leaves out the constants, as R's ets does.
func (e *estimate) logLikelihood() float64 { return -0.5 * float64(e.n) * math.Log(e.sum) }

func (e *estimate) aicc() float64 {
	n, k := float64(e.n), float64(e.free()+1)
	return -2*e.logLikelihood() + 2*k + 2*k*(k+1)/(n-k-1)
}

// variance of an innovation, its divisor less what was estimated.
func (e *estimate) variance() float64 { return e.sum / float64(e.n-e.free()) }

func (e *estimate) innovations(y []float64) []float64 { return e.p.run(e.start, y) }

// point is where the search stands: alpha, the place of beta between its bounds (0 to
// 1), phi. Its box has no corner that depends on another coordinate.
type point [3]float64

var lower, upper = point{leastAlpha, 0, leastPhi}, point{mostAlpha, 1, mostPhi}

func (x point) params(k Kind) params {
	switch k {
	case Simple:
		return params{x[0], 0, 1}
	case Holt:
		return params{x[0], leastBeta + float64(x[1]*(x[0]-leastBeta)), 1}
	default:
		return params{x[0], leastBeta + float64(x[1]*(x[0]-leastBeta)), x[2]}
	}
}

// maximise finds the most likely parameters for y, of at least 11 values: it descends
// from every place of a grid and takes the lowest end, for the likelihood has several
// maxima.
func maximise(k Kind, y []float64) estimate {
	alphas, betas, phis := []float64{0.05, 0.4, 0.95}, []float64{0.5}, []float64{0.9}
	if k != Simple {
		betas = []float64{0.0005, 0.02, 0.3}
	}
	if k == Damped {
		phis = []float64{0.82, 0.96}
	}
	out := estimate{kind: k, n: len(y)}
	out.sum = math.Inf(1)
	for _, alpha := range alphas {
		for _, beta := range betas {
			for _, phi := range phis {
				if x, f := descend(k, y, point{alpha, beta, phi}); f.sum < out.sum {
					out.p, out.filtered = x.params(k), f
				}
			}
		}
	}
	return out
}

// descend minimises the sum of squares from x by Levenberg-Marquardt steps inside the
// box: a coordinate on its bound that wants to leave it stays there. Initial states are
// solved for at every point, and their part of the derivatives is projected out
// (Golub & Pereyra 1973, Kaufman 1975: variable projection).
func descend(k Kind, y []float64, x point) (point, filtered) {
	dim := [...]int{Simple: 1, Holt: 2, Damped: 3}[k]
	f := x.params(k).filter(k, y)
	damp := 1e-3
	for range 200 {
		a, g := derivatives(k, y, x, f.start)
		var free [3]bool
		open := false
		for i := range dim {
			free[i] = a[i][i] > 0 && !(x[i] <= lower[i] && g[i] > 0) && !(x[i] >= upper[i] && g[i] < 0)
			open = open || free[i]
		}
		if !open {
			break
		}
		improved, gain := false, 0.0
		for range 30 {
			next := x
			step := solve(&a, &g, &free, damp)
			for i := range dim {
				next[i] = min(max(x[i]-step[i], lower[i]), upper[i])
			}
			if next == x {
				break
			}
			if h := next.params(k).filter(k, y); h.sum < f.sum {
				gain = 1 - h.sum/f.sum
				x, f, improved = next, h, true
				damp = max(damp/10, 1e-12)
				break
			}
			damp *= 10
		}
		if !improved || gain < 1e-13 {
			break
		}
	}
	return x, f
}

// solve returns the damped Gauss-Newton step of the free coordinates, 0 for the
// others, by elimination without pivots: the damped matrix is positive definite.
func solve(a *[3][3]float64, g *point, free *[3]bool, damp float64) (step point) {
	var m [3][3]float64
	for i := range m {
		for j := range m {
			if free[i] && free[j] {
				m[i][j] = a[i][j]
			}
		}
		if free[i] {
			m[i][i] *= 1 + damp
			step[i] = g[i]
		} else {
			m[i][i] = 1
		}
	}
	for i := range m {
		for j := i + 1; j < 3; j++ {
			c := m[j][i] / m[i][i]
			for l := i; l < 3; l++ {
				m[j][l] -= float64(c * m[i][l])
			}
			step[j] -= float64(c * step[i])
		}
	}
	for i := 2; i >= 0; i-- {
		for j := i + 1; j < 3; j++ {
			step[i] -= float64(m[i][j] * step[j])
		}
		step[i] /= m[i][i]
		if step[i]-step[i] != 0 {
			return point{}
		}
	}
	return step
}

// derivatives returns J'J and J'e of the innovations e by the coordinates of x, the
// initial state projected out. start must be the best initial state at x.
func derivatives(k Kind, y []float64, x point, start state) (a [3][3]float64, g point) {
	p := x.params(k)
	s := start
	// The derivatives of the state by alpha, beta, phi and the initial level and
	// trend, and those of the innovation.
	var d [5]state
	d[3].l = 1
	if k != Simple {
		d[4].b = 1
	}
	var m [5][5]float64
	var r [5]float64
	var c [5]float64
	for _, v := range y {
		t := s.l + float64(p.phi*s.b)
		e := v - t
		for i := range d {
			c[i] = -(d[i].l + float64(p.phi*d[i].b))
		}
		c[2] -= s.b
		for i := range d {
			b := float64(p.phi*d[i].b) + float64(p.beta*c[i])
			d[i].l = float64(p.alpha*c[i]) - c[i]
			d[i].b = b
		}
		d[0].l += e
		d[1].b += e
		d[2].b += s.b
		s.l, s.b = t+float64(p.alpha*e), float64(p.phi*s.b)+float64(p.beta*e)
		if math.Abs(d[3].l)+math.Abs(d[3].b)+math.Abs(d[4].l)+math.Abs(d[4].b) < gone {
			d[3], d[4] = state{}, state{}
		}
		for i := range c {
			for j := i; j < 5; j++ {
				m[i][j] += float64(c[i] * c[j])
			}
			r[i] += float64(c[i] * e)
		}
	}
	// Out with the initial states.
	for _, i := range [...]int{4, 3} {
		if !(m[i][i] > 0) {
			continue
		}
		for j := range i {
			f := m[j][i] / m[i][i]
			for l := j; l < i; l++ {
				m[j][l] -= float64(f * m[l][i])
			}
			r[j] -= float64(f * r[i])
		}
	}
	// From alpha and beta to alpha and the place of beta.
	place, span := x[1], x[0]-leastBeta
	if k == Simple {
		place, span = 0, 0
	}
	to := [3][3]float64{{1, 0, 0}, {place, span, 0}, {0, 0, 1}} // by column: coordinates
	for i := range 3 {
		for j := range 3 {
			for u := range 3 {
				for v := range 3 {
					a[i][j] += float64(float64(to[u][i]*to[v][j]) * m[min(u, v)][max(u, v)])
				}
			}
			g[i] += float64(to[j][i] * r[j])
		}
	}
	return a, g
}
