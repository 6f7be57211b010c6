package neural

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// tail is the shape of the distribution at one anchor: the degrees of freedom of its
// Student's t, leastNu + softplus(theta), kept out of the network so that the gamma functions
// are computed once a batch.
type tail struct {
	nu     float64
	log    float64 // the part of the log density that depends on nu only
	slope  float64 // its derivative by nu
	dTheta float64 // of nu by theta
}

// leastNu is a bound: at 2 the variance is infinite.
const leastNu = 2.1

func newTail(theta float64) tail {
	soft := math.Log1p(math.Exp(-math.Abs(theta))) + math.Max(theta, 0)
	t := tailOf(leastNu + soft)
	t.dTheta = 1 / (1 + math.Exp(-theta))
	return t
}

// tailOf is the shape with nu degrees of freedom.
func tailOf(nu float64) (t tail) {
	t.nu = nu
	a, _ := math.Lgamma((t.nu + 1) / 2)
	b, _ := math.Lgamma(t.nu / 2)
	t.log = a - b - 0.5*math.Log(t.nu*math.Pi)
	t.slope = 0.5 * (mathext.Digamma((t.nu+1)/2) - mathext.Digamma(t.nu/2) - 1/t.nu)
	return t
}

// loss is the negative log likelihood of y under Student's t with location m and scale
// exp(l), with its derivatives by m, l and nu:
//
//	-log p = l - log c(nu) + (nu+1)/2 log(1 + u²/nu),  u = (y - m) exp(-l)
//
// Lange, Little & Taylor (1989), "Robust statistical modeling using the t distribution".
func (t *tail) loss(y, m, l float64) (loss, dm, dl, dnu float64) {
	inverse := math.Exp(-l)
	u := (y - m) * inverse
	q := u * u / t.nu
	log := math.Log1p(q)
	loss = l - t.log + 0.5*(t.nu+1)*log
	w := (t.nu + 1) / (t.nu + u*u)
	return loss, -w * u * inverse, 1 - w*u*u, -t.slope + 0.5*log - 0.5*(t.nu+1)*q/(t.nu*(1+q))
}

// bounded keeps a log scale where no float overflows; the derivative of what lies
// outside is 0.
func bounded(l float32) (x float64, inside bool) {
	if l < -6 || l > 6 || l != l {
		return clip(float64(l), 6), false
	}
	return float64(l), true
}
