package backtest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/market"
)

// asked counts what it is asked, and does something at the n-th time.
type asked struct {
	name   string
	n      int64
	do     func()
	number *atomic.Int64
}

func (a asked) Name() string { return a.name }

func (a asked) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	f, err := naive.New().Fit(ctx, w)
	return asking{f, a}, err
}

type asking struct {
	forecast.Fitted
	a asked
}

func (f asking) Predict(w forecast.Window, h int) (forecast.Prediction, error) {
	if f.a.number.Add(1) == f.a.n {
		f.a.do()
	}
	return f.Fitted.Predict(w, h)
}

// A walk sees that its context is done before the next bar, while it only learns and while it
// forecasts, and before it judges.
func TestStepsAreBounded(t *testing.T) {
	in := backtest.Input{Series: market.Series{Instrument: market.Instrument{Symbol: "W", Venue: "test"}, Interval: market.Day}, Bars: forecasttest.Walk(1, 2000)}
	walk := func(ask int64, progress func(cancel func(), done, total int64)) (number, done int64, err error) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var count atomic.Int64
		opt := options(1)
		opt.Forecasters = func(string) []forecast.Forecaster {
			return []forecast.Forecaster{naive.New(), asked{"asked", ask, cancel, &count}}
		}
		opt.Progress = func(d, total int64) {
			done = d
			progress(cancel, d, total)
		}
		_, err = backtest.Run(ctx, backtest.Spec{BurnIn: 1500, Horizons: []int{1}}, []backtest.Input{in}, opt)
		return count.Load(), done, err
	}
	for _, c := range []struct {
		name         string
		ask          int64
		progress     func(cancel func(), done, total int64)
		number, done int64 // at most
	}{
		{"learning", -1, func(cancel func(), _, _ int64) { cancel() }, 0, 64},
		{"forecasting", 100, func(func(), int64, int64) {}, 100, 1600},
		{"judging", -1, func(cancel func(), done, total int64) {
			if done == total {
				cancel()
			}
		}, 500, 2000},
	} {
		number, done, err := walk(c.ask, c.progress)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: it ended with %v", c.name, err)
		}
		if number > c.number || done > c.done {
			t.Errorf("%s: %d forecasts were asked for and %d bars walked, want at most %d and %d", c.name, number, done, c.number, c.done)
		}
	}
	if number, done, err := walk(-1, func(func(), int64, int64) {}); err != nil || number != 500 || done != 2000 {
		t.Errorf("undisturbed: %d forecasts, %d bars, %v", number, done, err)
	}
}

// A walk that panics is an error that names its series; others may be walked as before.
func TestPanicIsAnError(t *testing.T) {
	in := backtest.Input{Series: market.Series{Instrument: market.Instrument{Symbol: "W", Venue: "test"}, Interval: market.Day}, Bars: forecasttest.Walk(1, 700)}
	opt := options(2)
	opt.Forecasters = func(string) []forecast.Forecaster { panic("no such model") }
	_, err := backtest.Run(t.Context(), backtest.Spec{}, []backtest.Input{in}, opt)
	var p *backtest.Panic
	if !errors.As(err, &p) || p.Series != in.Series.ID() || p.Value != "no such model" || len(p.Stack) == 0 {
		t.Errorf("%v", err)
	}
}
