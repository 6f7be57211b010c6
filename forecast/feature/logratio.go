package feature

import "math"

// LogRatio is ln(a/b) of two positive finite numbers, also where a/b is none. Close to
// each other, as prices nearly always are, it is the series 2 artanh(u) = 2 (u + u³/3 +
// u⁵/5 ...), u = (a-b)/(a+b), to u¹¹: several times as fast as a logarithm, exact to
// the last digit or two, and 0 exactly when a and b are equal.
func LogRatio(a, b float64) float64 {
	d, s := a-b, a+b
	if math.Abs(d) > 0.02*s || s > math.MaxFloat64 {
		if r := a / b; r > 0x1p-1000 && r < 0x1p1000 {
			return math.Log(r)
		}
		return math.Log(a) - math.Log(b)
	}
	u := d / s
	v := u * u
	p := 1.0/9 + float64(v*(1.0/11))
	p = 1.0/7 + float64(v*p)
	p = 1.0/5 + float64(v*p)
	p = 1.0/3 + float64(v*p)
	u += u
	return u + float64(u*float64(v*p))
}
