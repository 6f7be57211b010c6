// Package rangevol forecasts volatility by a regression of the log scale on what the
// ranges of past bars tell, with Student-t likelihood and a prior that was estimated
// on many markets.
//
// With y the return over the next h bars (x 100, season removed) and x the features
// at its origin,
//
//	y = s z,  ln s² = x'b,  z a Student t of unit variance with nu degrees of freedom
//
// The features ([numFeatures] of them) are logs of exponentially weighted means of
// range-based variances (package rangevar) with half-lives of 1, 4, 16, 64 and 250
// bars, relative to that of 16: a heterogeneous autoregression in the sense of Corsi
// (2009); the same of squared returns, half-life 12; and the signed and absolute size
// of the newest standardised returns, alone and averaged (falls raise volatility more
// than rises do).
//
// b maximises the penalised likelihood of the newest 2,000 realised pairs by Fisher
// scoring; the penalty pulls it towards the prior b0 of the horizon with the weight of
// about 500 pairs. b0 and its data are in prior.json. nu is chosen from a grid.
//
// Regressions are fitted directly at the anchor horizons 1, 2, 5, 10 and 20. Between
// two of them ln(s²/h) is interpolated linearly in ln h; beyond 20 it stays.
//
// The quantiles of unit scale are those of the fitted t, or of the realised residuals
// of the horizon (filtered historical simulation), or of these weighted by how much
// their origin's volatility resembled today's: see [Residuals].
//
// It is good wherever bars have an honest open, high and low: a bar's range tells its
// variance some five times as precisely as its close, and the prior keeps a short
// history from being believed too much. It is bad where ranges are wrong, and gains
// little where only closes are known.
package rangevol

import (
	"context"
	"fmt"

	"github.com/foretick/foretick/forecast"
)

// Residuals says which quantiles of unit scale are multiplied by the volatility.
type Residuals int

const (
	// StudentT takes those of the fitted t.
	StudentT Residuals = iota
	// Historical takes those of the newest 1,000 realised residuals.
	Historical
	// Local takes those of the newest 2,000, each weighted by how near the rank of
	// the volatility at its origin is to today's: exp(-((rank-rank')/0.25)²/2) + 0.1.
	Local
	numResiduals
)

func (r Residuals) String() string { return [...]string{"t", "historical", "local"}[r] }

// Model is the forecaster. The zero value is not valid: start from New.
type Model struct {
	Residuals Residuals // of Predict
	Many      bool      // the state answers with all of Residuals: PredictMany may be called
	Pairs     int       // newest pairs that are regressed on
	Least     int       // with fewer returns it abstains
	Prior     *Prior
}

// New returns the model with the prior of prior.json and historical residuals.
func New() Model {
	return Model{Residuals: Historical, Pairs: 2000, Least: 60, Prior: DefaultPrior()}
}

// Name is "rangevol".
func (Model) Name() string { return "rangevol" }

// Fit estimates the parameters on w. It needs Least returns, else the error wraps
// forecast.ErrTooShort; it wraps forecast.ErrDegenerate when the price does not move.
// It panics when an option is out of range.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	return forecast.FitFollower(ctx, m, w)
}

// Follow returns the state of a series, a *State, which is a forecast.Many. It panics when an option is out of
// range.
func (m Model) Follow(s forecast.Setting) forecast.State {
	if m.Least < 30 || m.Pairs < m.Least || m.Residuals < StudentT || m.Residuals >= numResiduals || m.Prior == nil {
		panic(fmt.Sprintf("rangevol: options %+v are out of range", m))
	}
	return newState(m, s)
}

// few is the number of residuals below which the fitted t is used.
const few = 100

// Predict answers for one of the horizons of the setting.
func (s *State) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	all, err := s.predict(w, horizon, s.model.Residuals)
	if err != nil {
		return p, err
	}
	return all[s.model.Residuals], nil
}

// PredictMany answers with the quantiles of each of Residuals, in their order. It
// panics unless Model.Many is set.
func (s *State) PredictMany(dst []forecast.Prediction, w forecast.Window, horizon int) ([]forecast.Prediction, error) {
	if !s.model.Many {
		panic("rangevol: PredictMany of a model that answers once")
	}
	all, err := s.predict(w, horizon, -1)
	return append(dst, all[:]...), err
}

// predict answers with those of only, or all when it is negative.
func (s *State) predict(w forecast.Window, horizon int, only Residuals) (all [numResiduals]forecast.Prediction, err error) {
	i := s.place(horizon)
	if err := s.ready(w); err != nil {
		return all, err
	}
	scale := s.scales[i]
	if !(scale < 70) { // 100 x log return: the quantiles stay below e^7 times the price
		return all, fmt.Errorf("rangevol: %w: the volatility %g %% over %d bars is beyond what prices can hold", forecast.ErrDegenerate, scale, horizon)
	}
	for k := range all {
		if only >= 0 && Residuals(k) != only {
			continue
		}
		var q forecast.Quantiles
		switch {
		case Residuals(k) == StudentT || s.pools[i].Len() < few:
			q = s.student(horizon)
		case Residuals(k) == Historical:
			q = s.pools[i].Quantiles()
		default:
			q = s.locals[i].Quantiles(s.similar)
		}
		for n := range q {
			all[k].Quantiles[n] = scale * q[n] / 100
		}
	}
	return all, nil
}
