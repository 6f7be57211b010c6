package score

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// DM is the result of a Diebold-Mariano test.
type DM struct {
	Stat float64 // negative: a had the lower losses
	P    float64 // two-sided
	N    int     // pairs
}

// DieboldMariano tests whether the losses a and b of two forecasters of horizon h,
// pair by pair in order of time, have the same mean (Diebold & Mariano 1995), with the
// small-sample correction of Harvey, Leybourne & Newbold (1997). With d = a - b of n
// pairs, mean m, autocovariances g(k) (divided by n),
//
//	V = g(0) + 2 sum of g(k), 0 < k < h        (g(0) alone where that is not above 0)
//	stat = m / sqrt(V/n) sqrt((n + 1 - 2h + h(h-1)/n) / n)
//
// and P is that of Student's t with n-1 degrees of freedom. It is valid only when n
// was fixed beforehand: looked at again and again it cries wolf. There are no two
// opinions about losses that never differ: Stat is 0 and P is 1.
//
// The lengths of a and b must be equal, else it panics. It returns an error when there
// are fewer than max(h+1, 3) pairs or a loss is not finite.
func DieboldMariano(a, b []float64, h int) (DM, error) {
	if len(a) != len(b) || h < 1 {
		panic(fmt.Sprintf("score: Diebold-Mariano test of %d and %d losses at horizon %d", len(a), len(b), h))
	}
	n := len(a)
	if n < max(h+1, 3) {
		return DM{}, fmt.Errorf("score: %d pairs of losses are too few for a Diebold-Mariano test at horizon %d", n, h)
	}
	d := make([]float64, n)
	var mean sum
	for i := range d {
		d[i] = a[i] - b[i]
		if math.IsNaN(d[i]) || math.IsInf(d[i], 0) {
			return DM{}, fmt.Errorf("score: losses %v and %v of pair %d cannot be compared", a[i], b[i], i)
		}
		mean.add(d[i])
	}
	m := mean.over(n)
	cov := func(k int) float64 {
		var s sum
		for i := k; i < n; i++ {
			s.add((d[i] - m) * (d[i-k] - m))
		}
		return s.over(n)
	}
	g0 := cov(0)
	v := g0
	for k := 1; k < h; k++ {
		v += 2 * cov(k)
	}
	if v <= 0 {
		v = g0
	}
	r := DM{P: 1, N: n}
	if v <= 0 {
		if m != 0 { // one is better by the same every time
			r.Stat, r.P = math.Copysign(math.Inf(1), m), 0
		}
		return r, nil
	}
	x, nf, hf := math.Sqrt(v/float64(n)), float64(n), float64(h)
	r.Stat = m / x * math.Sqrt((nf+1-2*hf+hf*(hf-1)/nf)/nf)
	r.P = 2 * distuv.StudentsT{Sigma: 1, Nu: nf - 1}.Survival(math.Abs(r.Stat))
	return r, nil
}
