package app

import (
	"context"
	"fmt"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

// newSources makes the feeds that cfg asks for, and says on stderr what it found.
func (a *App) newSources(ctx context.Context) ([]feed.Source, error) {
	interval, err := a.cfg.interval()
	if err != nil {
		return nil, err
	}
	switch {
	case a.cfg.Feed == "live":
		return a.newVenues(interval)
	case a.cfg.Feed == "replay" && isRecording(a.cfg.File[0]):
		return a.newRecordings()
	}
	s, err := newSource(ctx, a.cfg, a.deps, interval, a.lastClose)
	if err != nil {
		return nil, err
	}
	return []feed.Source{s}, nil
}

// newVenues makes the feeds of real venues.
func (a *App) newVenues(interval market.Interval) ([]feed.Source, error) {
	var want []Wanted
	for _, i := range a.cfg.Instrument {
		w, err := ParseWanted(i, interval)
		if err != nil {
			return nil, setting{fmt.Errorf("--instrument %w", err)}
		}
		want = append(want, w)
	}
	opt := venue.Options{Now: a.deps.Now, Pace: a.deps.Pace, Progress: a.deps.Progress}
	if a.cfg.Record != "" {
		var err error
		if a.recorder, err = NewRecorder(a.cfg.Record, a.deps.Now); err != nil {
			return nil, setting{fmt.Errorf("--record: %w", err)}
		}
		opt.Record = a.recorder.Tap
	}
	list, err := VenueSources(&a.cfg.LiveConfig, want, opt)
	if err != nil {
		return nil, setting{err}
	}
	return asSources(list), nil
}

// newRecordings makes the feeds that were recorded.
func (a *App) newRecordings() ([]feed.Source, error) {
	speed, err := a.cfg.speed()
	if err != nil {
		return nil, err
	}
	var out []feed.Source
	for _, path := range a.cfg.File {
		if !isRecording(path) {
			return nil, setting{fmt.Errorf("--file: %s is no recording of a feed, %s is; replay them one after another", path, a.cfg.File[0])}
		}
		r, err := openRecording(path, speed, a.cfg.Grace, a.deps.Now)
		if err != nil {
			return nil, fmt.Errorf("--file: %w", err)
		}
		out = append(out, r)
	}
	return out, nil
}

func newSource(ctx context.Context, cfg Config, deps Deps, interval market.Interval, lastClose func(market.SeriesID) (float64, bool)) (feed.Source, error) {
	if cfg.Feed == "sim" {
		if cfg.Interval != "" && interval != market.Second {
			return nil, fmt.Errorf("--interval %s: the simulated market trades in 1s bars; use --rollup %s to have them built", cfg.Interval, cfg.Interval)
		}
		s, err := catalog.NewSim(catalog.SimOptions{Mode: cfg.Sim, Seed: cfg.Seed, Symbols: cfg.Instrument, Now: deps.Now, LastClose: lastClose})
		if err != nil {
			return nil, fmt.Errorf("--feed sim: %w", err)
		}
		return s, nil
	}
	files, err := ReadFiles(ctx, cfg.File, FileOptions{Instrument: cfg.Instrument, Interval: interval, Timezone: cfg.Timezone, Actions: cfg.Actions})
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		fmt.Fprintln(deps.Stderr, Describe(f))
	}
	speed, err := cfg.speed()
	if err != nil {
		return nil, err
	}
	start, err := cfg.start()
	if err != nil {
		return nil, err
	}
	s, err := catalog.NewReplay(files, speed, start, deps.Now)
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}
	return s, nil
}
