package app

import (
	"context"
	"fmt"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// newSource makes the feed that cfg asks for, and says on stderr what it found.
func newSource(ctx context.Context, cfg Config, deps Deps, lastClose func(market.SeriesID) (float64, bool)) (feed.Source, error) {
	interval, err := cfg.interval()
	if err != nil {
		return nil, err
	}
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
	files, err := ReadFiles(ctx, cfg.File, FileOptions{Instrument: cfg.Instrument, Interval: interval, Timezone: cfg.Timezone})
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
