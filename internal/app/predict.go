package app

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/api"
	"github.com/foretick/foretick/internal/registry"
	"github.com/foretick/foretick/market"
)

// ErrPrices says that prices cannot be forecast from; it is wrapped with what is
// wrong.
var ErrPrices = errors.New("bad prices")

// leastPrices is the number of prices that PredictNext needs.
const leastPrices = 3

// PredictNext returns what ewma, content with a handful of returns, says about the price
// that follows prices, oldest first: the point of its forecast for the next bar. A window
// of one repeated price is answered with that price, as every model here would. The error
// wraps ErrPrices.
func PredictNext(ctx context.Context, prices []float64) (float64, error) {
	if len(prices) < leastPrices {
		return 0, fmt.Errorf("%w: %d given, at least %d are needed", ErrPrices, len(prices), leastPrices)
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
	m := ewma.New()
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

// UsualPredictor is the name of the predictor that needs no import.
const UsualPredictor = "ewma"

// predictors are the models that forecast from nothing but prices: ewma, and the imported
// price models as they are now.
func predictors(models []registry.Model) []api.Predictor {
	list := []api.Predictor{{Name: UsualPredictor, Lookback: api.Lookback, Predict: PredictNext}}
	for _, m := range models {
		if m.Price == nil {
			continue
		}
		list = append(list, api.Predictor{Name: m.Name, Lookback: m.Price.Lookback(), Predict: func(_ context.Context, prices []float64) (float64, error) {
			p, err := m.Price.Predict(prices)
			if err != nil {
				return 0, fmt.Errorf("%w: %s", ErrPrices, strings.TrimPrefix(err.Error(), neural.ErrPrices.Error()+": "))
			}
			return p, nil
		}})
	}
	return list
}

// lead puts the predictor of a name first: it answers where none is named.
func lead(list []api.Predictor, name string) ([]api.Predictor, error) {
	i := slices.IndexFunc(list, func(p api.Predictor) bool { return p.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("there is no model %.40q that forecasts from prices alone; choose from %s, or import one with foretick models import", name, predictorNames(list))
	}
	return slices.Concat(list[i:i+1], list[:i], list[i+1:]), nil
}

func predictorNames(list []api.Predictor) string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

// Predict forecasts the price that follows prices with a model of the data folder: ewma,
// which takes any number of prices from three on, or an imported price model. The error
// wraps ErrPrices, or ErrSetting when there is no such model.
func Predict(ctx context.Context, at Place, model string, prices []float64) (float64, error) {
	if model == UsualPredictor {
		return PredictNext(ctx, prices)
	}
	r, closed, err := ReadRegistry(ctx, at)
	if err != nil {
		return 0, err
	}
	defer closed()
	var stored []registry.Model
	if r != nil {
		stored = r.Models()
	}
	list, err := lead(predictors(stored), model)
	if err != nil {
		return 0, setting{fmt.Errorf("%w (the models of %s are meant)", err, at)}
	}
	return list[0].Predict(ctx, prices)
}
