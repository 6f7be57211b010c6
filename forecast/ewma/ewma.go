// Package ewma forecasts volatility by an exponentially weighted moving average,
// the way of RiskMetrics.
//
// The variance of the next one-step log return is
//
//	s² = sum of w(i) r(t-i)²,  w(i) = λ^i / sum of λ^j,  i = 0 ... n-1
//
// and the log return over h bars is normal with mean 0 and standard deviation
// s sqrt(h); the point is "no change". λ = 0.94 and the zero mean are those of J.P.
// Morgan/Reuters, RiskMetrics Technical Document (4th ed., 1996), section 5.2 (its
// value for daily data; used here at every interval).
//
// The sum runs over the last 300 returns, or all of a shorter window. There is no
// starting value to choose, because the weights are scaled to sum to 1. Run as the
// recursion s² := λ s² + (1-λ) r² over a whole history it gives the same, from any
// start, to within the weight λ^300 = 1e-8 of what lies further back. (Section 5.3
// of the document cuts the sum off in the same way, much sooner.)
//
// It is good at following volatility: a few bars after a market turns wild or calm
// the interval has changed width. It is bad in the tails, where a normal
// distribution is too thin at 1 % and 99 %; one large move widens the interval for
// some 30 bars; and volatility is forecast to stay where it is at every horizon,
// though it tends to return to its average.
package ewma

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
)

// Model is the volatility forecaster. The zero value is not valid: start from New.
type Model struct {
	Lambda  float64 // weight of a return against that of the next one, above 0 and below 1
	Returns int     // one-step returns that are looked at, at most
	Least   int     // with fewer it abstains
	// Historical takes the quantiles of the standardised residuals of the window in place
	// of the normal ones (filtered historical simulation, Barone-Adesi, Giannopoulos &
	// Vosper 1999): the returns over h bars from each of its origins, from bar 50 on,
	// divided by the volatility that was forecast there. With fewer than 100 it is normal.
	Historical bool
}

// New returns RiskMetrics: λ 0.94 over 300 returns, at least 20.
func New() Model { return Model{Lambda: 0.94, Returns: 300, Least: 20} }

// Name is "ewma".
func (Model) Name() string { return "ewma" }

// Fit checks that w can be forecast; λ is given, not estimated. The errors are
// those of Predict. It panics when an option is out of range.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if !(m.Lambda > 0 && m.Lambda < 1) || m.Least < 2 || m.Returns < m.Least {
		panic(fmt.Sprintf("ewma: options %+v are out of range", m))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f := fitted{m}
	if _, err := f.Predict(w, 1); err != nil {
		return nil, err
	}
	return f, nil
}

type fitted struct{ m Model }

// Predict needs Least returns, else the error wraps forecast.ErrTooShort. It wraps
// forecast.ErrDegenerate when a close among them is not positive or when the price
// has not moved. It panics when horizon is below 1.
func (f fitted) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	if horizon < 1 {
		panic(fmt.Sprintf("ewma: horizon %d must be at least 1", horizon))
	}
	var room [320]float64
	r, err := forecast.Returns(room[:], w, 1, f.m.Least, f.m.Returns)
	if err != nil {
		return p, fmt.Errorf("ewma: %w", err)
	}
	sd := math.Sqrt(meanSquare(r, f.m.Lambda))
	if sd == 0 {
		return p, fmt.Errorf("ewma: %w: the price has not moved in %d bars", forecast.ErrDegenerate, len(r))
	}
	sd *= math.Sqrt(float64(horizon))
	if f.m.Historical {
		if z := f.m.residuals(w, horizon); len(z) >= 100 {
			slices.Sort(z)
			p.Quantiles = forecast.Empirical(z)
			for i := range p.Quantiles {
				p.Quantiles[i] *= sd
			}
			return p, nil
		}
	}
	p.Quantiles = forecast.Normal(0, sd)
	return p, nil
}

// residuals are the standardised returns over h bars of the window, nil where its closes
// are not all positive.
func (m *Model) residuals(w forecast.Window, h int) (z []float64) {
	r, err := forecast.Returns(nil, w, 1, 2, w.Len())
	if err != nil {
		return nil
	}
	const first = 50
	var square, weight, ahead float64 // ahead: the sum of the h returns after origin i
	for _, x := range r[:min(h-1, len(r))] {
		ahead += x
	}
	for i := 0; i+h <= len(r); i++ {
		// The origin is the bar before return i.
		ahead += r[i+h-1]
		if i >= first && square > 0 {
			if v := ahead / math.Sqrt(square/weight*float64(h)); v-v == 0 {
				z = append(z, v)
			}
		}
		ahead -= r[i]
		square = float64(m.Lambda*square) + float64(r[i]*r[i])
		weight = float64(m.Lambda*weight) + 1
	}
	return z
}

// meanSquare is the mean of r², oldest first, each weighing λ times the next. Two
// sums, one over every other value, run side by side: one alone would wait for
// itself at each step.
func meanSquare(r []float64, lambda float64) float64 {
	n, both := len(r), float64(lambda*lambda)
	var a, b float64 // b takes the newest value
	if n%2 == 1 {
		b = float64(r[0] * r[0])
		r = r[1:]
	}
	for i := 1; i < len(r); i += 2 {
		u, v := r[i-1], r[i]
		a = float64(both*a) + float64(u*u)
		b = float64(both*b) + float64(v*v)
	}
	weights := (1 - math.Pow(lambda, float64(n))) / (1 - lambda)
	return (float64(lambda*a) + b) / weights
}

// Encode returns the options in words, which decide every answer.
func (f fitted) Encode() ([]byte, error) {
	return fmt.Appendf(nil, "ewma/1 lambda=%v returns=%d least=%d historical=%t", f.m.Lambda, f.m.Returns, f.m.Least, f.m.Historical), nil
}
