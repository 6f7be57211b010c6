package feature

import (
	"fmt"
	"math"

	"github.com/foretick/foretick/market"
)

// Range says how the variance of a bar is estimated from its open, high, low and
// close. With H, L and C the logs of high, low and close over the open, and g the log
// of the open over the previous close (the overnight gap), each is g² plus an estimate
// of the variance from open to close, in units of the squared log return.
type Range uint8

const (
	// MeanRange is the mean of the next three.
	MeanRange Range = iota
	// Parkinson is (H-L)² / (4 ln 2): Parkinson (1980), "The extreme value method for
	// estimating the variance of the rate of return", Journal of Business 53(1). No
	// drift; ignores the close.
	Parkinson
	// GarmanKlass is (H-L)²/2 - (2 ln 2 - 1) C²: Garman & Klass (1980), "On the
	// estimation of security price volatilities from historical data", Journal of
	// Business 53(1). No drift; the most efficient of the three.
	GarmanKlass
	// RogersSatchell is H(H-C) + L(L-C): Rogers & Satchell (1991), "Estimating
	// variance from high, low and closing prices", Annals of Applied Probability 1(4).
	// Right with any drift.
	RogersSatchell
	// Squared is the squared log return from close to close; the range is not used.
	Squared
)

var rangeNames = [...]string{"mean", "parkinson", "garman-klass", "rogers-satchell", "squared"}

// Valid reports whether e is one of the estimators.
func (e Range) Valid() bool { return int(e) < len(rangeNames) }

// String is the estimator's name.
func (e Range) String() string {
	if e.Valid() {
		return rangeNames[e]
	}
	return fmt.Sprintf("range(%d)", uint8(e))
}

// Variance is the estimate for the bar b whose previous close was prev; both closes
// must be positive. It is never negative and always finite. For a bar that is all
// close (open, high and low are the same) every estimator gives the squared return
// from close to close. So it does where open, high or low is not a positive number.
func (e Range) Variance(b *market.Bar, prev float64) float64 {
	r := LogRatio(b.Close, prev)
	if e == Squared || !(b.Open > 0 && b.Low > 0 && b.High >= b.Low && b.High <= math.MaxFloat64 && b.Open <= math.MaxFloat64) {
		return r * r
	}
	gap := LogRatio(b.Open, prev)
	h, l, c := LogRatio(b.High, b.Open), LogRatio(b.Low, b.Open), r-gap
	span := (h - l) * (h - l)
	var v float64
	if e == Parkinson || e == MeanRange {
		v = span / (4 * math.Ln2)
	}
	if e == GarmanKlass || e == MeanRange {
		v += max(float64(0.5*span)-float64((2*math.Ln2-1)*float64(c*c)), 0)
	}
	if e == RogersSatchell || e == MeanRange {
		v += max(float64(h*(h-c))+float64(l*(l-c)), 0)
	}
	if e == MeanRange {
		v /= 3
	}
	return float64(gap*gap) + v
}
