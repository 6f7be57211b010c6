package forecast

import (
	"fmt"
	"math"
)

// Returns writes the last most overlapping h-step log returns of w into dst,
// oldest first, and returns the part of dst it filled: ln(close of bar i+h) -
// ln(close of bar i), the last of them ending at the cutoff. A window that holds
// fewer gives what it has. dst is reused when it has room for most values;
// otherwise a new slice is allocated.
//
// It returns an error that wraps ErrTooShort when there are fewer than least, and
// one that wraps ErrDegenerate when a close it needs is not a positive finite
// number. It panics when h or most is below 1.
func Returns(dst []float64, w Window, h, least, most int) ([]float64, error) {
	if h < 1 || most < 1 {
		panic(fmt.Sprintf("forecast: horizon %d and number of returns %d must be at least 1", h, most))
	}
	n := min(len(w.bars)-h, most)
	if n < max(least, 1) {
		return nil, fmt.Errorf("%w: %d bars hold %d returns over %d bars, at least %d are needed",
			ErrTooShort, len(w.bars), max(n, 0), h, max(least, 1))
	}
	if cap(dst) < n {
		dst = make([]float64, n)
	}
	dst = dst[:n]
	from := w.bars[len(w.bars)-h-n:]
	for i := range from {
		if c := from[i].Close; !(c > 0) || c > math.MaxFloat64 {
			return nil, fmt.Errorf("%w: the close %v of the bar at %s is not a positive number, so log returns do not exist",
				ErrDegenerate, c, from[i].Start)
		}
	}
	for i := range dst {
		// ln(a/b) by the series 2 artanh(u) = 2 (u + u³/3 + u⁵/5 ...) with
		// u = (a-b)/(a+b) where prices are within 4 % of each other, which is nearly
		// always: faster than math.Log and, since a-b is exact there, no digit is
		// lost when they are almost equal. Terms to u¹¹ leave a relative error below
		// 1e-18. The explicit conversions keep compilers from fusing multiplication
		// and addition, so that every machine computes the same bits.
		a, b := from[i+h].Close, from[i].Close
		d, s := a-b, a+b
		if math.Abs(d) > 0.02*s || s > math.MaxFloat64 {
			dst[i] = logRatio(a, b)
			continue
		}
		u := d / s
		v := u * u
		p := 1.0/9 + float64(v*(1.0/11))
		p = 1.0/7 + float64(v*p)
		p = 1.0/5 + float64(v*p)
		p = 1.0/3 + float64(v*p)
		u += u
		dst[i] = u + float64(u*float64(v*p))
	}
	return dst, nil
}

// logRatio is ln(a/b) of two positive finite numbers that lie far apart.
func logRatio(a, b float64) float64 {
	if r := a / b; r > 0x1p-1000 && r < 0x1p1000 {
		return math.Log(r)
	}
	return math.Log(a) - math.Log(b)
}
