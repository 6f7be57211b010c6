// Package drift is the random walk with drift: the price goes on moving by what it
// has moved on average.
//
// With n one-step log returns r of mean m and standard deviation s (divisor n-1),
// the log return over h bars is forecast as normal with
//
//	mean h m,  standard deviation s sqrt(h (1 + h/n)).
//
// The second term under the root is the error of m itself, which counts h times.
// This is the drift method of Hyndman & Athanasopoulos, Forecasting: Principles and
// Practice (3rd ed., 2021), sections 5.2 and 5.5, applied to log prices; their T
// observations are our n+1 closes, so that their 1 + h/(T-1) is the same. R's
// forecast::rwf(drift = TRUE) adds up the same two terms; versions of it differ in
// the divisor of s.
//
// It is good where prices really trend within 250 bars, which is rare: the drift of
// a price is far smaller than what 250 returns can tell from chance, so the point
// is usually a little worse than that of naive. Tails are normal and so too thin,
// and volatility counts as constant.
package drift

import (
	"context"
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
)

// Model is the random walk with drift. The zero value is not valid: start from New.
type Model struct {
	Returns int // one-step returns that are looked at, at most
	Least   int // with fewer it abstains
}

// New returns the model over 250 returns, at least 20.
func New() Model { return Model{Returns: 250, Least: 20} }

// Name is "drift".
func (Model) Name() string { return "drift" }

// Fit checks that w can be forecast. Mean and spread are those of the window that
// Predict is given, so a fitted model does not age. The errors are those of
// Predict. It panics when an option is below 2 or Least is above Returns.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if m.Least < 2 || m.Returns < m.Least {
		panic(fmt.Sprintf("drift: options %+v are out of range", m))
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
// forecast.ErrDegenerate when a close among them is not positive or when the
// returns do not vary. It panics when horizon is below 1.
func (f fitted) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	if horizon < 1 {
		panic(fmt.Sprintf("drift: horizon %d must be at least 1", horizon))
	}
	var room [256]float64
	r, err := forecast.Returns(room[:], w, 1, f.m.Least, f.m.Returns)
	if err != nil {
		return p, fmt.Errorf("drift: %w", err)
	}
	n, h := float64(len(r)), float64(horizon)
	mean, sd := moments(r)
	if sd == 0 {
		return p, fmt.Errorf("drift: %w: the last %d returns do not vary", forecast.ErrDegenerate, len(r))
	}
	p.Point = h * mean
	p.Quantiles = forecast.Normal(p.Point, sd*math.Sqrt(h*(1+h/n)))
	return p, nil
}

// moments returns the mean of r and its standard deviation with divisor n-1. Two
// sums, one over every other value, run side by side: one alone would wait for
// itself at each step.
func moments(r []float64) (mean, sd float64) {
	n := float64(len(r))
	var a, b float64
	for i := 1; i < len(r); i += 2 {
		a += r[i-1]
		b += r[i]
	}
	if len(r)%2 == 1 {
		a += r[len(r)-1]
	}
	mean = (a + b) / n
	a, b = 0, 0
	for i := 1; i < len(r); i += 2 {
		u, v := r[i-1]-mean, r[i]-mean
		a += float64(u * u)
		b += float64(v * v)
	}
	if len(r)%2 == 1 {
		u := r[len(r)-1] - mean
		a += float64(u * u)
	}
	return mean, math.Sqrt((a + b) / (n - 1))
}

// Encode returns the options in words, which decide every answer.
func (f fitted) Encode() ([]byte, error) {
	return fmt.Appendf(nil, "drift/1 returns=%d least=%d", f.m.Returns, f.m.Least), nil
}
