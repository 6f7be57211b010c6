// Package garch forecasts volatility by generalised autoregressive conditional
// heteroscedasticity with Student's t: GARCH(1,1) of Bollerslev (1986, 1987), its
// asymmetric form of Glosten, Jagannathan & Runkle (1993), and the latter with the
// range-based variance of the bar as a further input (a GARCH-X; compare Engle &
// Gallo 2006, and Shephard & Sheppard 2010).
//
// With r the one-bar log return x 100, e = r - mu, V the variance that the range of
// the bar tells (package rangevar) and z a Student t of unit variance with nu degrees
// of freedom,
//
//	r(t) = mu + s(t) z,  s²(t+1) = omega + (alpha + gamma 1[e(t)<0]) e²(t) + delta V(t) + beta s²(t)
//
// garch has gamma = delta = 0, gjr delta = 0, gjrx all, and mu = 0 in gjrx. The
// parameters maximise the likelihood of the newest 1,000 returns, found by BFGS with
// the analytic gradient; the first variance is the mean squared residual. They are
// kept positive and alpha + gamma/2 + delta + beta below 1.
//
// The variance over h bars is the sum of the expected one-bar variances (aggregated
// variance): they return to their mean by the factor alpha + gamma/2 + delta + beta a
// bar. The return over h bars is h mu plus the root of that variance times a quantile
// of unit scale: see [Residuals].
//
// Where a season of volatility is seen (package rangevar: the time of day, the day of
// the week), returns are divided by its factor before and forecasts multiplied by it.
// The plain garch of daily bars leaves it out, to be what other programs call GARCH.
//
// It is good at what everyone knows of volatility: it clusters and returns to a mean.
// It is bad after a single wild bar, whose square it believes for weeks, and after a
// lasting change of level, which the likelihood of four years outvotes.
package garch

import (
	"context"
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
)

// Residuals says which quantiles of unit scale are multiplied by the volatility.
type Residuals int

const (
	// StudentT takes those of the fitted t, at every horizon.
	StudentT Residuals = iota
	// Historical takes those of the newest 1,000 realised standardised residuals of
	// the horizon (filtered historical simulation).
	Historical
	// Mixture is the mean of both, the t scaled to the spread of the residuals.
	Mixture
)

func (r Residuals) String() string { return [...]string{"t", "historical", "mixture"}[r] }

// Model is the forecaster. The zero value is not valid: start from New, NewGJR or
// NewGJRX.
type Model struct {
	ID        string // its name
	Mean      bool   // mu is estimated, else 0
	Leverage  bool   // gamma is estimated, else 0
	Range     bool   // delta is estimated, else 0
	Season    bool   // also the day of the week counts, not only the time of day
	Residuals Residuals
	Returns   int     // newest returns that parameters are estimated on
	Least     int     // with fewer it abstains
	Pool      int     // standardised residuals that are kept
	Tolerance float64 // of the gradient of the mean log likelihood
}

// New returns GARCH(1,1) with Student's t and a mean.
func New() Model {
	return Model{ID: "garch", Mean: true, Returns: 1000, Least: 100, Pool: 1000, Tolerance: 1e-6}
}

// NewGJR returns the asymmetric form.
func NewGJR() Model {
	m := New()
	m.ID, m.Leverage = "gjr", true
	return m
}

// NewGJRX returns the asymmetric form with the range of the bars, the season of the
// week and mixed residuals.
func NewGJRX() Model {
	m := NewGJR()
	m.ID, m.Mean, m.Range, m.Season, m.Residuals = "gjrx", false, true, true, Mixture
	return m
}

// Name is the model's name, such as "garch".
func (m Model) Name() string { return m.ID }

// Fit estimates the parameters on w. It needs Least returns, else the error wraps
// forecast.ErrTooShort; it wraps forecast.ErrDegenerate when the price does not move
// or the likelihood has no maximum. It panics when an option is out of range.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	return forecast.FitFollower(ctx, m, w)
}

// Follow returns the state of a series. It panics when an option is out of range.
func (m Model) Follow(s forecast.Setting) forecast.State {
	if m.ID == "" || m.Least < 20 || m.Returns < m.Least || m.Pool < 1 || !(m.Tolerance > 0) || m.Residuals < StudentT || m.Residuals > Mixture {
		panic(fmt.Sprintf("garch: options %+v are out of range", m))
	}
	return newState(m, s)
}

// few is the number of residuals below which the fitted t is used alone.
const few = 100

// quantiles of unit scale for the horizon at place i.
func (s *state) quantiles(i int) forecast.Quantiles {
	m, q := &s.model, s.t
	if m.Residuals == StudentT || s.pools[i].Len() < few {
		return q
	}
	e := s.pools[i].Quantiles()
	if m.Residuals == Historical {
		return e
	}
	scale := s.pools[i].RootMeanSquare()
	for k := range q {
		q[k] = 0.5*e[k] + 0.5*float64(scale*q[k])
	}
	return q
}

// Predict answers for one of the horizons of the setting.
func (s *state) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	i := s.place(horizon)
	if err := s.ready(w); err != nil {
		return p, err
	}
	scale := s.scale(w, horizon)
	mean := s.params[iMu] * float64(horizon)
	p.Point = mean / 100
	q := s.quantiles(i)
	for k := range q {
		p.Quantiles[k] = (mean + float64(scale*q[k])) / 100
	}
	if !(math.Abs(p.Quantiles[0]) < 700 && math.Abs(p.Quantiles[forecast.Levels-1]) < 700) {
		return p, fmt.Errorf("%s: %w: the volatility %g %% over %d bars is beyond what prices can hold", s.model.ID, forecast.ErrDegenerate, scale, horizon)
	}
	return p, nil
}
