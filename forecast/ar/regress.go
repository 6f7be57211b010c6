package ar

import "math"

// estimate is an autoregression fitted by least squares.
type estimate struct {
	coef  []float64 // the constant (0 without mean), then the lags
	mean  bool
	from  int     // the first return that was explained
	n     int     // how many were
	sum   float64 // of squared errors
	gram  matrix  // X'X, with the constant's row and column left out without mean
	first int     // place of the first term in coef: 0 with mean, else 1
}

func (e *estimate) lags() int { return len(e.coef) - 1 }

// terms is the number of coefficients that were estimated.
func (e *estimate) terms() int { return len(e.coef) - e.first }

func (e *estimate) variance() float64 { return e.sum / float64(e.n-e.terms()) }

// regress fits p lags, with or without mean, to the returns from the given place on.
// It is false when the terms cannot be told apart.
func regress(r []float64, p, from int, mean bool) (estimate, bool) {
	e := estimate{coef: make([]float64, p+1), mean: mean, from: from, n: len(r) - from}
	if !mean {
		e.first = 1
	}
	k := e.terms()
	if e.n <= k {
		return e, false
	}
	e.gram = newMatrix(k)
	right := make([]float64, k)
	y := r[from:]
	for i := range k {
		for j := i; j < k; j++ {
			v := e.inner(r, i, j)
			e.gram.set(i, j, v)
			e.gram.set(j, i, v)
		}
		right[i] = e.inner(r, i, -1)
	}
	b, ok := e.gram.solve(right)
	if !ok {
		return e, false
	}
	copy(e.coef[e.first:], b)
	for i := range y {
		d := e.err(r, from+i)
		e.sum += float64(d * d)
	}
	return e, true
}

// inner is the inner product of terms i and j, -1 being what is explained.
func (e *estimate) inner(r []float64, i, j int) float64 {
	column := func(i int) []float64 {
		lag := 0
		if i >= 0 {
			if lag = i + e.first; lag == 0 {
				return nil // the constant
			}
		}
		return r[e.from-lag : len(r)-lag]
	}
	a, b := column(i), column(j)
	if a == nil {
		a, b = b, a
	}
	switch {
	case a == nil:
		return float64(e.n)
	case b == nil:
		s := 0.0
		for _, v := range a {
			s += v
		}
		return s
	}
	return dot(a, b)
}

// dot sums in four parts, so that none waits for itself.
func dot(a, b []float64) float64 {
	var s [4]float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s[0] += float64(a[i] * b[i])
		s[1] += float64(a[i+1] * b[i+1])
		s[2] += float64(a[i+2] * b[i+2])
		s[3] += float64(a[i+3] * b[i+3])
	}
	for ; i < len(a); i++ {
		s[0] += float64(a[i] * b[i])
	}
	return s[0] + s[1] + (s[2] + s[3])
}

func square(r []float64) float64 { return dot(r, r) }

// err is the error at return t.
func (e *estimate) err(r []float64, t int) float64 {
	d := r[t] - e.coef[0]
	for i, c := range e.coef[1:] {
		d -= float64(c * r[t-1-i])
	}
	return d
}

func (e *estimate) errors(r []float64) []float64 {
	out := make([]float64, e.n)
	for i := range out {
		out[i] = e.err(r, e.from+i)
	}
	return out
}

// hac is the covariance of coef by Newey & West (1987) with Bartlett's kernel over the
// given number of lags; the row of a constant that is not there is 0.
func (e *estimate) hac(r []float64, lags int) matrix {
	k := e.terms()
	// scores[i] are those of term i, one after the other.
	scores := make([][]float64, k)
	errs := e.errors(r)
	for i := range k {
		s := make([]float64, e.n)
		for t := range s {
			x := 1.0
			if lag := i + e.first; lag > 0 {
				x = r[e.from+t-lag]
			}
			s[t] = x * errs[t]
		}
		scores[i] = s
	}
	meat := newMatrix(k)
	for i := range k {
		for j := range k {
			v := dot(scores[i], scores[j])
			for l := 1; l <= min(lags, e.n-1); l++ {
				w := 1 - float64(l)/float64(lags+1)
				v += float64(w * (dot(scores[i][l:], scores[j][:e.n-l]) + dot(scores[j][l:], scores[i][:e.n-l])))
			}
			meat.set(i, j, v)
		}
	}
	// X'X⁻¹ meat X'X⁻¹ by columns: solve twice.
	half, cov := newMatrix(k), newMatrix(len(e.coef))
	for j := range k {
		x, _ := e.gram.solve(meat.column(j))
		for i := range k {
			half.set(j, i, x[i]) // transposed
		}
	}
	small := float64(e.n) / float64(e.n-k)
	for j := range k {
		x, _ := e.gram.solve(half.column(j))
		for i := range k {
			cov.set(i+e.first, j+e.first, x[i]*small)
		}
	}
	return cov
}

// matrix is a square matrix, row after row.
type matrix struct {
	n int
	v []float64
}

func newMatrix(n int) matrix { return matrix{n, make([]float64, n*n)} }

func (m matrix) at(i, j int) float64     { return m.v[i*m.n+j] }
func (m matrix) set(i, j int, v float64) { m.v[i*m.n+j] = v }

func (m matrix) column(j int) []float64 {
	c := make([]float64, m.n)
	for i := range c {
		c[i] = m.at(i, j)
	}
	return c
}

// solve returns x with m x = b by Cholesky's decomposition. It is false when m, which
// must be symmetric, is not clearly positive definite.
func (m matrix) solve(b []float64) ([]float64, bool) {
	n := m.n
	l := newMatrix(n)
	for i := range n {
		for j := range i + 1 {
			s := m.at(i, j)
			for k := range j {
				s -= float64(l.at(i, k) * l.at(j, k))
			}
			if i != j {
				l.set(i, j, s/l.at(j, j))
				continue
			}
			if !(s > 1e-12*m.at(i, i)) {
				return nil, false
			}
			l.set(i, i, math.Sqrt(s))
		}
	}
	x := make([]float64, n)
	for i := range n {
		s := b[i]
		for k := range i {
			s -= float64(l.at(i, k) * x[k])
		}
		x[i] = s / l.at(i, i)
	}
	for i := n - 1; i >= 0; i-- {
		s := x[i]
		for k := i + 1; k < n; k++ {
			s -= float64(l.at(k, i) * x[k])
		}
		x[i] = s / l.at(i, i)
	}
	return x, true
}
