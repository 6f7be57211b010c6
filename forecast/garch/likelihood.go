package garch

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// The natural parameters, in the order of their derivatives.
const (
	iMu    = iota // mean return
	iOmega        // constant of the variance
	iAlpha        // weight of the last squared residual
	iGamma        // additional weight when it was negative
	iDelta        // weight of the last range-based variance
	iBeta         // weight of the last variance
	iNu           // degrees of freedom
	numParams
)

type params [numParams]float64

// next is the variance after a residual e and a range-based variance v.
func (p *params) next(s2, e, v float64) float64 {
	a := p[iAlpha]
	if e < 0 {
		a += p[iGamma]
	}
	return p[iOmega] + float64(a*float64(e*e)) + float64(p[iDelta]*v) + float64(p[iBeta]*s2)
}

// persistence is the weight of the last variance in the expected next one, when
// residuals are symmetric and range-based variances unbiased.
func (p *params) persistence() float64 {
	return p[iAlpha] + p[iGamma]/2 + p[iDelta] + p[iBeta]
}

// sample is what a likelihood is taken over: returns, oldest first, and their
// range-based variances (nil when the model does not use them).
type sample struct {
	r, v []float64
}

// batch is the number of terms whose product is taken before its logarithm.
const batch = 8

// negLogLik is minus the mean log likelihood of p, and its gradient by the natural
// parameters. The first variance is the mean squared residual. last is the variance
// after the newest return. It is +Inf where a variance leaves the range of numbers. The race
// detector has nothing to find here, and would make it some twenty times slower.
//
//go:norace
func (s *sample) negLogLik(p, grad *params) (nll, last float64) {
	mu, alpha, gamma, delta, beta, nu := p[iMu], p[iAlpha], p[iGamma], p[iDelta], p[iBeta], p[iNu]
	n := float64(len(s.r))
	var m1, m2 float64
	for _, r := range s.r {
		m1 += r
		m2 += float64(r * r)
	}
	m1 /= n
	s2 := m2/n - float64(2*mu*m1) + float64(mu*mu)
	dMu, dOmega, dAlpha, dGamma, dDelta, dBeta := 2*(mu-m1), 0.0, 0.0, 0.0, 0.0, 0.0
	var gMu, gOmega, gAlpha, gGamma, gDelta, gBeta float64

	// u = z²/(nu-2+z²) and k = 1/(nu-2+z²), with z² = e²/s2.
	var logS, logQ, sumK float64
	prodS, prodQ := 1.0, 1.0
	for i, r := range s.r {
		e := r - mu
		e2 := e * e
		inv := 1 / s2
		q := nu - 2 + float64(e2*inv)
		k := 1 / q
		sumK += k
		prodS *= s2
		prodQ *= q
		if i%batch == batch-1 {
			logS += math.Log(prodS)
			logQ += math.Log(prodQ)
			prodS, prodQ = 1, 1
		}
		// The derivative by s2 is (1 - (nu+1) u) / (2 s2).
		kz := float64((nu+1)*k) * inv
		c := 0.5 * float64(inv*(1-float64(kz*e2)))
		gMu += float64(c*dMu) - float64(kz*e)
		gOmega += float64(c * dOmega)
		gAlpha += float64(c * dAlpha)
		gGamma += float64(c * dGamma)
		gDelta += float64(c * dDelta)
		gBeta += float64(c * dBeta)

		a, neg := alpha, 0.0
		if e < 0 {
			a, neg = alpha+gamma, e2
		}
		v := 0.0
		if s.v != nil {
			v = s.v[i]
		}
		dMu = float64(beta*dMu) - float64(2*a*e)
		dOmega = float64(beta*dOmega) + 1
		dAlpha = float64(beta*dAlpha) + e2
		dGamma = float64(beta*dGamma) + neg
		dDelta = float64(beta*dDelta) + v
		dBeta = float64(beta*dBeta) + s2
		s2 = p[iOmega] + float64(a*e2) + float64(delta*v) + float64(beta*s2)
	}
	logS = (logS + math.Log(prodS)) / n
	logQ = (logQ + math.Log(prodQ)) / n

	// The log density of a t with unit variance is
	//   lnΓ((nu+1)/2) - lnΓ(nu/2) - ln(π (nu-2))/2 - ln(s2)/2 - (nu+1)/2 ln(1 + z²/(nu-2)).
	half := (nu + 1) / 2
	a, _ := math.Lgamma(half)
	b, _ := math.Lgamma(nu / 2)
	ln2 := math.Log(nu - 2)
	nll = 0.5*logS + half*(logQ-ln2) + 0.5*(math.Log(math.Pi)+ln2) + b - a
	if math.IsNaN(nll) || !(s2 < math.MaxFloat64) {
		return math.Inf(1), 0
	}
	gNu := 0.5*(logQ-ln2) + half*(sumK/n-1/(nu-2)) + 0.5/(nu-2) + 0.5*(mathext.Digamma(nu/2)-mathext.Digamma(half))
	*grad = params{gMu / n, gOmega / n, gAlpha / n, gGamma / n, gDelta / n, gBeta / n, gNu}
	return nll, s2
}
