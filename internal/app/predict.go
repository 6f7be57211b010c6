package app

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/market"
)

// Lookback is the number of prices that the original service takes.
const Lookback = 7

// ErrPrices says that prices cannot be forecast from; it is wrapped with what is
// wrong.
var ErrPrices = errors.New("bad prices")

// PredictNext returns what the champion says about the price that follows prices,
// oldest first: the point of its forecast for the next bar. It is the answer of the
// original service's contract. A window of one repeated price is answered with that
// price, as every model here would.
func PredictNext(ctx context.Context, prices []float64) (float64, error) {
	if len(prices) < 3 {
		return 0, fmt.Errorf("%w: %d given, at least 3 are needed", ErrPrices, len(prices))
	}
	bars := make([]market.Bar, len(prices))
	constant := true
	for i, p := range prices {
		if math.IsNaN(p) || math.IsInf(p, 0) || p <= 0 {
			return 0, fmt.Errorf("%w: price %d is %v; prices are finite numbers above zero", ErrPrices, i+1, p)
		}
		constant = constant && p == prices[0]
		start := market.Time(i) * 1_000_000
		bars[i] = market.Bar{Start: start, End: start + 1_000_000, Open: p, High: p, Low: p, Close: p}
	}
	if constant {
		return prices[0], nil
	}
	w := forecast.NewWindow(market.Second, bars)
	m := ewma.New() // the champion, content with a handful of returns: only its point is asked for
	m.Least = min(m.Least, len(prices)-1)
	f, err := m.Fit(ctx, w)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrPrices, err)
	}
	p, err := f.Predict(w, 1)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrPrices, err)
	}
	point, _ := p.Price(w.Last())
	return point, nil
}
