// Package ar is autoregression of log returns, with lags that have to prove themselves.
//
// With r the log return of a bar and e independent errors of variance s²,
//
//	r(t) = c + φ(1) r(t-1) + ... + φ(p) r(t-p) + e(t)
//
// is fitted by ordinary least squares, which is maximum likelihood given the first p
// returns. Order and mean (c, or none) are chosen in two steps.
//
// First, of p = 0 ... P, each with and without c, the least information criterion, AIC
// (Akaike 1974) or BIC (Schwarz 1978), on the returns that all orders have in common:
//
//	AIC = m ln(2π S/m) + m + 2k,  BIC = m ln(2π S/m) + m + k ln m
//
// with m returns, S the sum of squared errors and k parameters, s² among them.
//
// Then the chosen lags are tested as if nothing were known of the variance of e. Returns
// are heteroskedastic: one wild week makes ordinary standard errors far too small and lets
// a criterion find lags in noise. The covariance of the estimates is that of Newey & West
// (1987), "A simple, positive semi-definite, heteroskedasticity and autocorrelation
// consistent covariance matrix", Econometrica 55, with Bartlett's kernel,
//
//	(X'X)⁻¹ (G(0) + sum over j = 1 ... L of (1 - j/(L+1)) (G(j) + G(j)')) (X'X)⁻¹ n/(n-k)
//
// G(j) being the sum of x(t) e(t) e(t-j) x(t-j)', and L = 4 (n/100)^(2/9), rounded down,
// the order that Newey & West (1994), "Automatic lag selection in covariance matrix
// estimation", Review of Economic Studies 61, give for it. The highest lag must differ
// from 0 by its t-value, all lags together by Wald's test, and the process must be
// stationary; else it is fitted again with a lag less, down to none. At last c must pass
// the same t-test or is left out. What remains on most windows of most markets is the
// random walk.
//
// The return over h bars is the sum of the next h; its mean is the sum of the recursion's
// values, its variance s² times the sum over j < h of (ψ(0) + ... + ψ(j))², with ψ the
// weights of past errors, ψ(0) = 1 and ψ(j) = sum of φ(i) ψ(j-i). s² has the divisor
// m - k, k without s².
//
// Quantiles are by default those of the newest 250 errors, spread in proportion to the root
// of that variance (Residuals), otherwise normal.
//
// It is good where returns are autocorrelated: bounces between bid and ask on minutes,
// stale prices of indices, volatility indices that revert. It is bad at width: s² counts
// as constant.
package ar

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
)

// Criterion chooses the order.
type Criterion uint8

const (
	AIC Criterion = iota
	BIC
)

// String is AIC or BIC.
func (c Criterion) String() string { return [...]string{"AIC", "BIC"}[c] }

// mostLags bounds Model.Lags.
const mostLags = 30

// Model is the forecaster. The zero value is not valid: start from New.
type Model struct {
	Lags      int // the highest order tried, 0 to 30; never more than a tenth of the returns
	Criterion Criterion
	// Level is the significance that lags and mean must reach, above 0; 1 asks
	// for none.
	Level   float64
	Returns int // one-bar returns that are looked at, at most
	Least   int // with fewer it abstains, at least 10
	// Residuals is how many of the newest errors of the window that was fitted
	// the quantiles are read off, at every horizon in proportion to the standard
	// deviation; 0 makes them normal. All are taken where there are fewer.
	Residuals int
}

// New returns up to 10 lags chosen by BIC at a significance of 1 %, over at most 1,000
// returns and at least 20, with quantiles of the newest 250 errors.
func New() Model {
	return Model{Lags: 10, Criterion: BIC, Level: 0.01, Returns: 1000, Least: 20, Residuals: 250}
}

// Name is "ar".
func (Model) Name() string { return "ar" }

// Fit chooses and estimates the autoregression on w. It wraps forecast.ErrTooShort when
// there are too few returns, and forecast.ErrDegenerate when a close is not positive,
// the price has not moved, or returns follow from each other without error. It panics
// when an option is out of range.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if m.Lags < 0 || m.Lags > mostLags || m.Criterion > BIC || !(m.Level > 0 && m.Level <= 1) || m.Residuals < 0 || m.Least < 10 || m.Returns < m.Least {
		panic(fmt.Sprintf("ar: options %+v are out of range", m))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	r, err := forecast.Returns(nil, w, 1, m.Least, m.Returns)
	if err != nil {
		return nil, fmt.Errorf("ar: %w", err)
	}
	unit := 0.0
	for _, v := range r {
		unit = max(unit, math.Abs(v))
	}
	if unit == 0 {
		return nil, still(len(r))
	}
	// In units of the largest return nothing can overflow.
	for i := range r {
		r[i] /= unit
	}
	p, mean := m.choose(r)
	e, err := m.prove(r, p, mean)
	if err != nil {
		return nil, err
	}
	f := fitted{m: m, coef: e.coef[1:], sd: math.Sqrt(e.variance()) * unit, unit: forecast.Normal(0, 1)}
	if e.mean {
		f.constant = e.coef[0] * unit
	}
	if m.Residuals > 0 {
		z := e.errors(r)
		z = z[max(0, len(z)-m.Residuals):]
		for i := range z {
			z[i] /= math.Sqrt(e.variance())
		}
		slices.Sort(z)
		f.unit = forecast.Empirical(z)
	}
	return f, nil
}

func still(n int) error {
	return fmt.Errorf("ar: %w: the price has not moved in %d bars", forecast.ErrDegenerate, n)
}

type fitted struct {
	m        Model
	constant float64
	coef     []float64          // coef[i] is that of the return i+1 bars back
	sd       float64            // of an error
	unit     forecast.Quantiles // of the newest errors over sd
}

// Predict goes on from the last returns of w, of which it looks at 250. It wraps
// forecast.ErrTooShort when w holds fewer than the options ask for, and
// forecast.ErrDegenerate when a close among them is not positive or the price has not
// moved. It panics when horizon is below 1.
func (f fitted) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	if horizon < 1 {
		panic(fmt.Sprintf("ar: horizon %d must be at least 1", horizon))
	}
	least := max(f.m.Least, len(f.coef))
	var room [256]float64
	r, err := forecast.Returns(room[:], w, 1, least, max(least, 250))
	if err != nil {
		return p, fmt.Errorf("ar: %w", err)
	}
	if !slices.ContainsFunc(r, func(v float64) bool { return v != 0 }) {
		return p, still(len(r))
	}
	mean, scale := f.ahead(r, horizon)
	p.Point = mean
	for i, z := range f.unit {
		p.Quantiles[i] = mean + float64(float64(f.sd*scale)*z)
	}
	return p, nil
}

// ahead is the mean of the sum of the h returns after r, and the root of its variance
// over that of an error.
func (f *fitted) ahead(r []float64, h int) (mean, scale float64) {
	lags := len(f.coef)
	// past[i] is the return i+1 bars before the one that comes, weight[i] the weight
	// psi at as many steps before.
	var past, weight [mostLags]float64
	for i := range lags {
		past[i] = r[len(r)-1-i]
	}
	psi, sum, variance := 1.0, 0.0, 0.0
	for range h {
		next := f.constant
		for i, c := range f.coef {
			next += float64(c * past[i])
		}
		mean += next
		sum += psi
		variance += float64(sum * sum)
		if lags == 0 {
			psi = 0
			continue
		}
		copy(past[1:lags], past[:lags-1])
		past[0] = next
		copy(weight[1:lags], weight[:lags-1])
		weight[0] = psi
		psi = 0
		for i, c := range f.coef {
			psi += float64(c * weight[i])
		}
	}
	return mean, math.Sqrt(variance)
}

// Encode returns the options, the parameters and the shape in words, which decide
// every answer.
func (f fitted) Encode() ([]byte, error) {
	b := fmt.Appendf(nil, "ar/1 constant=%v lags=%v sd=%v least=%d shape=", f.constant, f.coef, f.sd, f.m.Least)
	if f.m.Residuals == 0 {
		return append(b, "normal"...), nil
	}
	return fmt.Appendf(b, "%v", f.unit), nil
}
