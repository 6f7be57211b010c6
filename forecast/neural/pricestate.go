package neural

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/residual"
)

// PriceForecaster lets a PriceModel join the race. Its point for the next bar is the model's
// answer to the newest closes, and further ahead the answer to its own answers. The model
// knows no spread, so its quantiles lie around the point as far, in logs and to both sides
// alike, as its newest 500 forecasts of the horizon were wrong. They are as wide as the model
// is bad.
//
// It works on price levels: in other units it gives other returns, and where prices leave
// the range that it was trained on it saturates.
type PriceForecaster struct {
	name  string
	model *PriceModel
}

// NewPriceForecaster returns the forecaster of the given name.
func NewPriceForecaster(name string, m *PriceModel) *PriceForecaster {
	return &PriceForecaster{name, m}
}

// Name is the name that was given to NewPriceForecaster.
func (f *PriceForecaster) Name() string { return f.name }

// priceErrors is the number of errors that the spread is read off, fewErrors how many it
// takes to tell.
const (
	priceErrors = 500
	fewErrors   = 30
)

// Fit takes a state through w. The error wraps forecast.ErrTooShort with fewer than two bars.
func (f *PriceForecaster) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	return forecast.FitFollower(ctx, f, w)
}

// Follow returns the state of a series.
func (f *PriceForecaster) Follow(s forecast.Setting) forecast.State {
	if len(s.Horizons) == 0 || s.Horizons[0] < 1 || !slices.IsSorted(s.Horizons) {
		panic(fmt.Sprintf("neural: horizons %v must ascend from at least 1", s.Horizons))
	}
	st := &priceState{f: f, horizons: s.Horizons, closes: forecast.NewRecent(f.model.Lookback())}
	for _, h := range s.Horizons {
		st.points = append(st.points, forecast.NewRecent(h))
		st.errors = append(st.errors, residual.NewPool(priceErrors))
	}
	return st
}

// priceState follows one series.
type priceState struct {
	f        *PriceForecaster
	horizons []int
	closes   forecast.Recent   // newest, without a break
	points   []forecast.Recent // log prices forecast at the newest bars, by horizon; NaN: none
	errors   []*residual.Pool  // sizes of the errors, in logs
	why      string            // why there is no forecast at the newest bar
	ready    bool              // Refit found enough errors
}

// Update learns from the newest bar.
func (s *priceState) Update(w forecast.Window) {
	c := w.Last()
	if k := w.Break(); k != 1 {
		s.closes.Scale(k)
		for i := range s.points {
			s.points[i].Shift(math.Log(k))
		}
	}
	if !(c > 0) || c > math.MaxFloat64 {
		s.closes = forecast.NewRecent(s.f.model.Lookback())
		for i, h := range s.horizons {
			s.points[i] = forecast.NewRecent(h)
		}
		s.why = fmt.Sprintf("the newest close is %v", c)
		return
	}
	for i, h := range s.horizons {
		if s.points[i].Len() == h {
			if e := math.Log(c) - s.points[i].Back(h-1); e == e {
				s.errors[i].Add(math.Abs(e))
			}
		}
	}
	s.closes.Push(c)
	s.forecast()
}

// forecast notes the log price of each horizon.
func (s *priceState) forecast() {
	n, at := s.f.model.Lookback(), 0
	s.why = ""
	prices := slices.Clone(s.closes.All())
	if len(prices) < n {
		s.why = fmt.Sprintf("%d closes without a break, the network reads %d", len(prices), n)
	}
	point := math.NaN()
	for i, h := range s.horizons {
		for ; at < h && s.why == ""; at++ {
			next, err := s.f.model.Predict(prices[len(prices)-n:])
			if err != nil {
				s.why, point = err.Error(), math.NaN()
				break
			}
			point = math.Log(next)
			prices = append(prices, next)
		}
		s.points[i].Push(point)
	}
}

// Refit only checks that there is something to tell the spread by: the parameters are the
// model's.
func (s *priceState) Refit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n := s.errors[0].Len(); n < fewErrors {
		return fmt.Errorf("%s: %w: %d of its forecasts have an outcome, %d are needed to tell its spread", s.f.name, forecast.ErrTooShort, n, fewErrors)
	}
	s.ready = true
	return nil
}

// Predict answers for one of the horizons of the setting.
func (s *priceState) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	i := slices.Index(s.horizons, horizon)
	if i < 0 {
		panic(fmt.Sprintf("neural: horizon %d is not among %v", horizon, s.horizons))
	}
	if s.why != "" {
		return p, fmt.Errorf("%s: %w: %s", s.f.name, forecast.ErrDegenerate, s.why)
	}
	if n := s.errors[i].Len(); !s.ready || n < fewErrors {
		return p, fmt.Errorf("%s: %w: %d of its forecasts %d bars ahead have an outcome, %d are needed to tell its spread", s.f.name, forecast.ErrTooShort, n, horizon, fewErrors)
	}
	p.Point = s.points[i].Back(0) - math.Log(w.Last())
	sizes := s.errors[i].Sorted()
	if !(math.Abs(p.Point)+sizes[len(sizes)-1] < 300) {
		return p, fmt.Errorf("%s: %w: the point and the errors, %g and %g in logs, are beyond what prices can hold", s.f.name, forecast.ErrDegenerate, p.Point, sizes[len(sizes)-1])
	}
	for k := range forecast.Levels / 2 {
		e := forecast.Quantile7(sizes, 1-2*forecast.Probabilities[k])
		p.Quantiles[k], p.Quantiles[forecast.Levels-1-k] = p.Point-e, p.Point+e
	}
	p.Quantiles[forecast.Q50] = p.Point
	return p, nil
}

// Encode names the model.
func (s *priceState) Encode() ([]byte, error) { return []byte("price/1 " + s.f.model.ID()), nil }

// Adopt takes over that from is ready: the parameters are the model's.
func (s *priceState) Adopt(from forecast.State) { s.ready = from.(*priceState).ready }

// Persist carries everything but the weights.
func (s *priceState) Persist(a *forecast.Archive) {
	id := []byte(s.f.model.ID())
	a.Blob(&id)
	if string(id) != s.f.model.ID() {
		a.Fail("it is of version %.32q of %s, not %s", id, s.f.name, s.f.model.ID())
		return
	}
	s.closes.Persist(a)
	for i := range s.points {
		s.points[i].Persist(a)
		s.errors[i].Persist(a)
	}
	why := []byte(s.why)
	a.Blob(&why)
	s.why = string(why)
	a.Bool(&s.ready)
}
