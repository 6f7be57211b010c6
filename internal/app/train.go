package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/registry"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/training"
	"github.com/foretick/foretick/market"
)

// Samples collects what networks learn from: the bars of inputs, all of one interval, that
// end by until (0: all).
func Samples(ctx context.Context, inputs []backtest.Input, until market.Time) (*neural.Samples, error) {
	var s *neural.Samples
	for _, in := range inputs {
		switch {
		case s == nil:
			s = neural.NewSamples(in.Series.Interval)
		case in.Series.Interval != s.Interval():
			return nil, fmt.Errorf("%s has bars of %s, %s of %s; networks learn from bars of one interval", inputs[0].Series.ID(), s.Interval(), in.Series.ID(), in.Series.Interval)
		}
		bars := in.Bars
		if until > 0 {
			n, _ := slices.BinarySearchFunc(bars, until, func(b market.Bar, t market.Time) int {
				if b.End <= t {
					return -1
				}
				return 1
			})
			bars = bars[:n]
		}
		if err := s.Add(ctx, string(in.Series.ID()), bars, in.Calendar); err != nil {
			return nil, err
		}
	}
	if s == nil {
		return nil, errors.New("there is no series to learn from")
	}
	return s, nil
}

// TrainedOn says in words where a version comes from.
func TrainedOn(v *neural.Trained) string {
	about := v.About()
	names := about.Series
	text := ""
	for i, n := range names[:min(3, len(names))] {
		if i > 0 {
			text += ", "
		}
		text += n
	}
	if n := len(names); n > 3 {
		text += fmt.Sprintf(" and %d more series", n-3)
	}
	return "trained on " + text
}

// nameable reports a name that a model of a kind cannot have. The error wraps
// registry.ErrName.
func nameable(r *registry.Registry, name, kind string) error {
	if err := r.CheckName(name); err != nil {
		return err
	}
	if v, err := r.Version(name, ""); err == nil && registry.Kind(v.Artifact) != kind {
		return fmt.Errorf("%w %q: it belongs to a model of kind %s, this one is of kind %s; choose another", registry.ErrName, name, registry.Kind(v.Artifact), kind)
	}
	return nil
}

// NamedVersions checks that a model of a kind may be called so in a data folder, and lists
// the versions that it has there, before work is put into another. Without a database there
// are none. The error wraps registry.ErrName.
func NamedVersions(ctx context.Context, at Place, name, kind string) ([]*registry.Version, error) {
	r, closed, err := ReadRegistry(ctx, at)
	if err != nil {
		return nil, err
	}
	defer closed()
	if r == nil {
		if r, err = openRegistry(ctx, noDocuments{}, Deps{Now: time.Now}, nil); err != nil {
			return nil, err
		}
	}
	if err := nameable(r, name, kind); err != nil {
		return nil, InWords(err)
	}
	var list []*registry.Version
	for _, v := range r.Versions() {
		if v.Name == name {
			list = append(list, v)
		}
	}
	return list, nil
}

// noDocuments is what a data folder without a database holds.
type noDocuments struct{ store.DocumentStore }

func (noDocuments) Documents(context.Context, string) ([]store.DocumentRecord, error) {
	return nil, nil
}

// newTrainings is what trains networks in the background.
func (a *App) newTrainings(ctx context.Context) (err error) {
	check := func(ctx context.Context, o *training.Plan) error {
		if err := nameable(a.registry, o.Name, registry.KindDistribution); err != nil {
			return fmt.Errorf("%w: %w", training.ErrOrder, err)
		}
		known, err := a.store.Series(ctx)
		if err != nil {
			return err
		}
		var interval market.Interval
		for i, id := range o.Series {
			k := slices.IndexFunc(known, func(s store.SeriesRecord) bool { return s.ID() == id })
			switch {
			case k < 0:
				return fmt.Errorf("%w: there is no series %.100q", training.ErrOrder, id)
			case i > 0 && known[k].Interval != interval:
				return fmt.Errorf("%w: %s has bars of %s, %s of %s; choose series of one interval", training.ErrOrder, o.Series[0], interval, id, known[k].Interval)
			}
			interval = known[k].Interval
		}
		return nil
	}
	read := func(ctx context.Context, o *training.Plan) (*neural.Samples, error) {
		var inputs []backtest.Input
		for _, id := range o.Series {
			in, err := BacktestSeries(ctx, a.store, id)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, in)
		}
		return Samples(ctx, inputs, o.Until)
	}
	put := func(ctx context.Context, o *training.Plan, v *neural.Trained) error {
		_, first, err := a.registry.Put(ctx, o.Name, v, TrainedOn(v))
		if err != nil {
			return err
		}
		a.deps.Log.Info("a model version has been trained", "model", o.Name, "version", v.ID(), "loss", v.About().Loss)
		if first {
			return a.newRace()
		}
		return nil
	}
	a.trainings, err = training.NewDesk(ctx, training.Config{Store: a.store, Check: check, Read: read, Put: put, Now: a.deps.Now, Log: a.deps.Log})
	return err
}
