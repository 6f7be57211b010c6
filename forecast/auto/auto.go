// Package auto combines experts online, and is the default champion.
//
// The pooled quantile at each level is the weighted mean of the experts' quantiles
// (Vincentisation), with one weight an expert for all levels, learnt for each horizon
// by Bernstein online aggregation of pinball losses (Wintenberger 2017, "Optimal
// learning with Bernstein online aggregation"; as CRPS learning: Berrisch & Ziel
// 2023). When the outcome y of an origin is known, with q(l) the pooled quantile at
// probability p(l), q(k,l) that of expert k, g(l) = 1[y < q(l)] - p(l) the gradient of
// the pinball loss, and s the spread of the pool, the regret of having used the pool
// instead of expert k is
//
//	rho(k) = mean over l of clip(g(l) (q(l) - q(k,l)) / s, -1, 1)
//
// With R(k) the sum of rho over the past and S(k) that of the mean of the squares,
//
//	eta(k) = min(1, sqrt(ln K / S(k))),  w(k) ~ w0(k) exp(eta(k) R(k) - eta(k)² S(k))
//
// The prior weights w0 are used alone until 50 outcomes are known. Regrets are linear
// in the pool, which is what makes the weights learn to combine, not only to choose.
//
// What is stated is the pool, except where the coverage of its tails has measurably
// drifted: then package conformal corrects them. Weights are learnt from the pool itself.
//
// It is good because its experts err in different ways: it has been at least as good
// as each of them nearly everywhere. It is bad where all of them are.
package auto

import (
	"context"
	"fmt"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/conformal"
)

// Expert is a model in the pool.
type Expert struct {
	Model forecast.Follower
	// Names and Weights are of its answers: one, or as many as its state gives
	// (forecast.Many). Weights are prior and relative to those of all experts.
	Names   []string
	Weights []float64
}

// Model is the combination. The zero value is not valid: start from New.
type Model struct {
	ID      string
	Experts []Expert
	Learn   int // outcomes that must be known before weights move
	// Daily is how far the pool is known to be off on daily bars, from other series;
	// the zero value is not at all.
	Daily conformal.Prior
}

// New returns the pool of experts.
func New(experts ...Expert) Model { return Model{ID: "auto", Experts: experts, Learn: 50} }

// Name is "auto".
func (m Model) Name() string { return m.ID }

// Fit estimates every expert on w. The errors are the experts', when none of them
// can be fitted. It panics when an option is out of range.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	return forecast.FitFollower(ctx, m, w)
}

// Follow returns the state of a series. It panics when an option is out of range.
func (m Model) Follow(s forecast.Setting) forecast.State {
	for _, e := range m.Experts {
		if e.Model == nil || len(e.Names) == 0 || len(e.Names) != len(e.Weights) {
			panic(fmt.Sprintf("auto: expert %+v needs a model and as many names as weights", e))
		}
	}
	if m.ID == "" || len(m.Experts) == 0 || m.Learn < 0 {
		panic(fmt.Sprintf("auto: options %+v are out of range", m))
	}
	return newState(m, s)
}
