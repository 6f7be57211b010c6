// Package naive is the forecast that every other must beat: the price stays where
// it is, give or take what it has recently done.
//
// The point is the last close (a log return of exactly 0), the forecast of a
// random walk without drift. The spread is historical simulation: to forecast h
// bars ahead, take the last 250 returns over h bars that have been realised, one
// ending at every bar and so overlapping, and read off their type-7 quantiles
// (Hyndman & Fan 1996). Nothing is estimated and nothing is assumed about the shape
// of the distribution; fat tails and a drift that the last 250 bars had are in it.
//
// It is good as a benchmark: hard to beat for the point, fair for the interval in
// the long run. It is bad where volatility moves, because a calm and a wild day
// among the 250 count alike: its 90 % interval covers too much in calm markets and
// too little in wild ones. Quantiles in the far tails rest on a handful of values.
package naive

import (
	"context"
	"fmt"

	"github.com/foretick/foretick/forecast"
)

// Model is the naive forecaster. The zero value is not valid: start from New.
type Model struct {
	Returns int // realised h-step returns that are looked at, at most
	Least   int // with fewer it abstains
}

// New returns the model of the benchmark: 250 returns, and at least 20 so that the
// first forecast does not take long.
func New() Model { return Model{Returns: 250, Least: 20} }

// Name is "naive".
func (Model) Name() string { return "naive" }

// Fit checks that w can be forecast one bar ahead; there is nothing to estimate.
// The errors are those of Predict. It panics when an option is below 2 or Least is
// above Returns.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if m.Least < 2 || m.Returns < m.Least {
		panic(fmt.Sprintf("naive: options %+v are out of range", m))
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

// Predict needs Least returns over horizon bars, else the error wraps
// forecast.ErrTooShort. It wraps forecast.ErrDegenerate when a close among them is
// not positive or when all the returns are the same: a price that does not move has
// no spread to tell of. It panics when horizon is below 1.
func (f fitted) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	var room [256]float64
	r, err := forecast.Returns(room[:], w, horizon, f.m.Least, f.m.Returns)
	if err != nil {
		return p, fmt.Errorf("naive: %w", err)
	}
	sortReturns(r)
	if r[0] == r[len(r)-1] {
		return p, fmt.Errorf("naive: %w: the last %d returns over %d bars are all the same", forecast.ErrDegenerate, len(r), horizon)
	}
	p.Quantiles = forecast.Empirical(r)
	return p, nil
}

// Encode returns the options in words, which decide every answer.
func (f fitted) Encode() ([]byte, error) {
	return fmt.Appendf(nil, "naive/1 returns=%d least=%d", f.m.Returns, f.m.Least), nil
}
