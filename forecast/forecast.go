// Package forecast holds what every forecasting model shares: the view of the past
// that a model may see, the distribution that it answers with, and the interfaces
// between a model and the engine that drives it. Each family of models lives in a
// sub-package and passes the suite in forecasttest.
//
// A model works on log returns: it is asked how ln(close at the target) - ln(close
// at the cutoff) is distributed, and answers with a point and the quantiles at
// [Probabilities]. The engine turns that into prices ([Prediction.Price]), which is
// what the ledger seals.
package forecast

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/foretick/foretick/market"
)

// Levels is the number of fixed probabilities.
const Levels = 23

// Probabilities are the levels at which every forecast states its quantiles.
var Probabilities = [Levels]float64{
	0.01, 0.025,
	0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50,
	0.55, 0.60, 0.65, 0.70, 0.75, 0.80, 0.85, 0.90, 0.95,
	0.975, 0.99,
}

// Indices into Probabilities of the levels that are shown most.
const (
	Q05 = 2
	Q25 = 6
	Q50 = 11
	Q75 = 16
	Q95 = 20
)

// Quantiles are values at Probabilities, in the same order. They never decrease.
type Quantiles [Levels]float64

// Validate reports a value that is not finite or a pair that crosses.
func (q *Quantiles) Validate() error {
	for i, v := range q {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("forecast: quantile %v is %v", Probabilities[i], v)
		}
		if i > 0 && v < q[i-1] {
			return fmt.Errorf("forecast: quantiles cross: %v at %v is below %v at %v", v, Probabilities[i], q[i-1], Probabilities[i-1])
		}
	}
	return nil
}

// Prediction is a model's answer for one horizon: a point and quantiles of the log
// return from the close at the cutoff to the close of the target.
type Prediction struct {
	Point     float64
	Quantiles Quantiles
}

// Price turns p into prices from the close at the cutoff.
func (p *Prediction) Price(last float64) (point float64, q Quantiles) {
	for i, v := range p.Quantiles {
		q[i] = last * math.Exp(v)
	}
	return last * math.Exp(p.Point), q
}

// Errors that say why a model abstains. They are wrapped with details.
var (
	// ErrTooShort says that the window holds too few bars.
	ErrTooShort = errors.New("forecast: too few bars")
	// ErrDegenerate says that the window cannot be modelled: constant or
	// non-positive prices, a singular system.
	ErrDegenerate = errors.New("forecast: degenerate data")
)

// Forecaster is a forecasting algorithm with its options. It holds no state, so it
// may be used from several goroutines at once.
type Forecaster interface {
	// Name is the model's name: lower case, unique in the catalog.
	Name() string
	// Fit estimates the model on w. Data problems are errors that wrap
	// ErrTooShort or ErrDegenerate. It keeps no reference to w.
	Fit(ctx context.Context, w Window) (Fitted, error)
}

// Fitted is a model with its parameters estimated. It is immutable and may be used
// from several goroutines at once.
type Fitted interface {
	// Predict forecasts the close horizon bars (at least 1) after the last bar of
	// w. The same w gives the same answer to the last bit. Data problems are
	// errors, as for Fit.
	Predict(w Window, horizon int) (Prediction, error)
}

// Window is a read-only view of the bars that had closed at a cutoff, oldest
// first. It is the only way for a model to reach data, so no model can see past
// the cutoff. It is valid only during the call it is passed to.
type Window struct {
	interval market.Interval
	bars     []market.Bar
	ahead    []market.Span
	factor   float64 // of a break at the newest bar; 0: none
}

// NewWindow returns the view of bars, oldest first, that all belong to one series
// of interval i. The window refers to bars; it does not copy them.
func NewWindow(i market.Interval, bars []market.Bar) Window { return Window{interval: i, bars: bars} }

// WithAhead returns w with what the trading calendar says of the bars after the
// cutoff: ahead[0] is the next one. Their times are known beforehand; their prices
// are not.
func (w Window) WithAhead(ahead []market.Span) Window {
	w.ahead = ahead
	return w
}

// Target is the bar that comes horizon (at least 1) bars after the cutoff, by the
// trading calendar as far as the window was told, and then by the clock. It panics
// on an empty window.
func (w Window) Target(horizon int) market.Span {
	if horizon <= len(w.ahead) {
		return w.ahead[horizon-1]
	}
	last, known := w.bars[len(w.bars)-1].Span(), len(w.ahead)
	if known > 0 {
		last = w.ahead[known-1]
	}
	for range horizon - known {
		last.Start = w.interval.Next(last.Start, market.Always)
		last.End = w.interval.End(last.Start)
	}
	return last
}

// to is the window of the oldest n bars: what was known when the last of them had
// closed.
func (w Window) to(n int) Window {
	return Window{interval: w.interval, bars: w.bars[:n]}
}

// Interval is the length of the bars.
func (w Window) Interval() market.Interval { return w.interval }

// Len is the number of bars.
func (w Window) Len() int { return len(w.bars) }

// Bar returns bar i, 0 being the oldest. It panics when i is out of range.
func (w Window) Bar(i int) market.Bar { return w.bars[i] }

// Close returns the close of bar i, 0 being the oldest. It panics when i is out of
// range.
func (w Window) Close(i int) float64 { return w.bars[i].Close }

// Last returns the close at the cutoff. It panics on an empty window.
func (w Window) Last() float64 { return w.bars[len(w.bars)-1].Close }

// Cutoff is the end of the last bar. It panics on an empty window.
func (w Window) Cutoff() market.Time { return w.bars[len(w.bars)-1].End }

// Forecast is what one model version says about one target, in prices.
type Forecast struct {
	Model     string      // the model's name
	Version   string      // the fitted artifact's name
	Horizon   int         // bars ahead of the cutoff, 1 is the next bar
	Target    market.Span // the bar that is forecast
	Point     float64     // price
	Quantiles Quantiles   // prices at Probabilities
	// Late is true when it was issued later after the target opened than the
	// rules of finality alone explain.
	Late bool
	// Shares are the experts that a combined forecast was made of, nil for others.
	Shares []Share
}

// Share is the part that one expert had in a combined forecast.
type Share struct {
	Expert string  `json:"expert"`
	Weight float64 `json:"weight"` // from 0 to 1; those of a forecast sum to 1
}

// Abstention records that a model gave no forecast, and why.
type Abstention struct {
	Model   string
	Version string
	Horizon int // 0: all horizons
	Reason  string
}

// Encoder is implemented by a Fitted that can be kept as an artifact. The bytes
// hold everything that decides its answers: two Fitted with equal bytes predict
// the same, and a version is named after their hash.
type Encoder interface {
	Encode() ([]byte, error)
}
