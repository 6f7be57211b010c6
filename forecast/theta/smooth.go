package theta

import "math"

// smoothed is what simple exponential smoothing over a series gives.
type smoothed struct {
	start float64 // level before the first value: the one that makes the sum least
	end   float64 // level after the last value
	sum   float64 // of squared one-step errors
}

// gone is when the share of the initial level in an error is neglected.
const gone = 1e-60

// smooth runs l := l + alpha (y - l) over y. Errors are linear in the initial level,
// e(t) = e0(t) - l (1-alpha)^t, so the best one is found in the same run.
func smooth(alpha float64, y []float64) (s smoothed) {
	keep := 1 - alpha
	var l, ee, ep, pp float64
	p, i := 1.0, 0
	for ; i < len(y) && p > gone; i++ {
		e := y[i] - l
		l += float64(alpha * e)
		ee += float64(e * e)
		ep += float64(e * p)
		pp += float64(p * p)
		p *= keep
	}
	if p <= gone {
		p = 0
	}
	for ; i < len(y); i++ {
		e := y[i] - l
		l += float64(alpha * e)
		ee += float64(e * e)
	}
	s.start = ep / pp
	s.end = l + float64(s.start*p)
	s.sum = max(0, ee-float64(s.start*ep))
	return s
}

// minimise finds the smoothing constant with the least sum of squares for y: the best
// place of a grid, then golden sections between its neighbours.
func minimise(y []float64) float64 {
	grid := [...]float64{leastAlpha, 0.02, 0.06, 0.13, 0.22, 0.33, 0.45, 0.57, 0.68, 0.78, 0.87, 0.94, 0.98, mostAlpha}
	least, at := math.Inf(1), 0
	for i, a := range grid {
		if s := smooth(a, y).sum; s < least {
			least, at = s, i
		}
	}
	best := grid[at]
	lo, hi := grid[max(at-1, 0)], grid[min(at+1, len(grid)-1)]
	const section = 0.6180339887498949
	a, b := hi-section*(hi-lo), lo+section*(hi-lo)
	fa, fb := smooth(a, y).sum, smooth(b, y).sum
	for hi-lo > 1e-9 {
		if fa < fb {
			if fa < least {
				least, best = fa, a
			}
			hi, b, fb = b, a, fa
			a = hi - section*(hi-lo)
			fa = smooth(a, y).sum
		} else {
			if fb < least {
				least, best = fb, b
			}
			lo, a, fa = a, b, fb
			b = lo + section*(hi-lo)
			fb = smooth(b, y).sum
		}
	}
	return best
}
