package app

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/rangevol"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// recorded returns the bars of a file, built from its ticks if need be, and the
// calendar that they show.
func recorded(f *csv.File) ([]market.Bar, market.Calendar) {
	if f.Kind == csv.Ticks {
		b := market.NewBuilder(f.Series.Interval, market.BuildOptions{})
		bars, _ := b.Add(f.Ticks, nil, nil)
		return b.Advance(market.MaxTime, bars), market.Always // the recording ends: so does its last bar
	}
	return f.Bars, calendarOf(f.Series.Interval, f.Bars)
}

func calendarOf(i market.Interval, bars []market.Bar) market.Calendar {
	starts := make([]market.Time, len(bars))
	for k := range bars {
		starts[k] = bars[k].Start
	}
	return market.Recorded(i, starts)
}

// BacktestFiles makes recorded files ready to be walked.
func BacktestFiles(files []*csv.File) []backtest.Input {
	inputs := make([]backtest.Input, len(files))
	for i, f := range files {
		bars, calendar := recorded(f)
		inputs[i] = backtest.Input{Series: f.Series, File: filepath.Base(f.Name), Bars: bars, Calendar: calendar, Splits: f.Actions}
	}
	return inputs
}

// BacktestSeries makes a stored series ready to be walked. The error wraps
// store.ErrNotFound when there is no such series.
func BacktestSeries(ctx context.Context, st store.Store, id market.SeriesID) (in backtest.Input, err error) {
	all, err := st.Series(ctx)
	if err != nil {
		return in, err
	}
	for _, s := range all {
		if s.ID() != id {
			continue
		}
		in.Series = s.Series
		r := store.Range{Limit: 10_000}
		for {
			bars, err := st.Bars(ctx, id, r)
			if err != nil {
				return in, err
			}
			in.Bars = append(in.Bars, bars...)
			if len(bars) < r.Limit {
				break
			}
			r.From = bars[len(bars)-1].Start + 1
		}
		in.Calendar = calendarOf(s.Interval, in.Bars)
		in.Splits, err = st.Actions(ctx, s.Instrument.Key())
		return in, err
	}
	return in, fmt.Errorf("series %s: %w", id, store.ErrNotFound)
}

// BacktestOptions are those of the models named in spec, of the catalog and of more. prior,
// unless nil, gives the prior of rangevol for a file.
func BacktestOptions(spec *backtest.Spec, more []catalog.Model, prior func(file string) *rangevol.Prior) (opt backtest.Options, err error) {
	models, err := SelectModels(spec.Models, more)
	if err != nil {
		return opt, err
	}
	spec.Models = nil
	for _, m := range models {
		spec.Models = append(spec.Models, m.New().Name())
	}
	opt = backtest.Options{Jobs: 1, Now: time.Now, Version: Version(), Lead: spec.Models[len(spec.Models)-1]}
	for _, name := range spec.Models {
		if name == catalog.Champion {
			opt.Lead = name
		}
	}
	opt.Forecasters = func(file string) []forecast.Forecaster {
		list := catalog.Forecasters(models)
		if prior == nil {
			return list
		}
		if p := prior(file); p != nil {
			for i, m := range list {
				list[i] = catalog.WithPrior(m, p)
			}
		}
		return list
	}
	return opt, nil
}

// newDesk is what runs the backtests of the dashboard, over stored series.
func (a *App) newDesk(ctx context.Context) (err error) {
	prepare := func(ctx context.Context, o *backtest.Order) (inputs []backtest.Input, opt backtest.Options, err error) {
		if opt, err = BacktestOptions(&o.Spec, append(stored(a.registry, false), a.brought...), nil); err != nil {
			return nil, opt, fmt.Errorf("%w: %w", backtest.ErrOrder, err)
		}
		for _, id := range o.Series {
			in, err := BacktestSeries(ctx, a.store, id)
			if err != nil {
				return nil, opt, err
			}
			inputs = append(inputs, in)
		}
		return inputs, opt, nil
	}
	check := func(ctx context.Context, o *backtest.Order) error {
		if _, err := BacktestOptions(&o.Spec, append(stored(a.registry, false), a.brought...), nil); err != nil {
			return fmt.Errorf("%w: %w", backtest.ErrOrder, err)
		}
		known, err := a.store.Series(ctx)
		if err != nil {
			return err
		}
		for _, id := range o.Series {
			if !slices.ContainsFunc(known, func(s store.SeriesRecord) bool { return s.ID() == id }) {
				return fmt.Errorf("%w: there is no series %.100q", backtest.ErrOrder, id)
			}
		}
		return nil
	}
	a.desk, err = backtest.NewDesk(ctx, backtest.DeskConfig{Store: a.store, Prepare: prepare, Check: check, Now: a.deps.Now, Log: a.deps.Log})
	return err
}
