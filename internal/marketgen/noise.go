package main

import (
	"math"
	"math/rand/v2"
)

// noise is a source of random numbers that are the same on every processor. A compiler may
// fuse a product with the sum after it, which rounds differently; float64(a*b) forbids that.
// exp and ln are written out below, as those of package math are in assembly on some
// processors.
type noise struct{ *rand.Rand }

func newNoise(seed uint64) noise { return noise{rand.New(rand.NewPCG(seed, 0x666f72657469636b))} }

// normal draws from the standard normal distribution, by Marsaglia's polar method.
func (n noise) normal() float64 {
	for {
		a, b := float64(2*n.Float64())-1, float64(2*n.Float64())-1
		if s := float64(a*a) + float64(b*b); s > 0 && s < 1 {
			return float64(a * math.Sqrt(-2*ln(s)/s))
		}
	}
}

// stretch draws what a normal variable is multiplied by to be Student's t with the given
// degrees of freedom, at least 3, scaled to variance 1. A path of normal steps that is
// stretched as a whole ends t-distributed, and its high and low fit its end.
func (n noise) stretch(freedom int) float64 {
	chi2 := 0.0
	for range freedom / 2 {
		chi2 -= float64(2 * ln(1-n.Float64()))
	}
	if freedom%2 == 1 {
		z := n.normal()
		chi2 += float64(z * z)
	}
	return math.Sqrt(float64(freedom-2) / chi2)
}

// chance is true with probability p.
func (n noise) chance(p float64) bool { return n.Float64() < p }

const (
	ln2High = 6.93147180369123816490e-01 // its last bits are 0, so that products with small integers are exact
	ln2Low  = 1.90821492927058770002e-10
)

// exp is e to the x, for |x| < 700.
func exp(x float64) float64 {
	k := math.Floor(x/math.Ln2 + 0.5)
	r := x - float64(k*ln2High) - float64(k*ln2Low)
	sum := 1.0
	for i := 16; i > 0; i-- {
		sum = 1 + float64(float64(r*sum)/float64(i))
	}
	return math.Ldexp(sum, int(k))
}

// ln is the natural logarithm of a positive x.
func ln(x float64) float64 {
	m, k := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, k = 2*m, k-1
	}
	s := (m - 1) / (m + 1)
	sum, square := 0.0, float64(s*s)
	for i := 25; i > 0; i -= 2 {
		sum = float64(square*sum) + 1/float64(i)
	}
	return float64(2*s*sum) + float64(float64(k)*math.Ln2)
}
