package app

import (
	"context"
	"fmt"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
	"github.com/foretick/foretick/track"
)

// Drive takes a recorded file through the tracks of its series and of the coarser
// ones, in memory, as fast as it goes. The same file served by replay gives the same
// ledger, to the last hash (law 3). each is called for every step's result; progress,
// which may be nil, with the number of bars done.
func Drive(ctx context.Context, f *csv.File, rollups []market.Interval, horizons int, models []catalog.Model, each func(market.SeriesID, track.Result) error, progress func(done int)) (map[market.SeriesID]ledger.Head, error) {
	bars, calendar := recorded(f)
	lanes, err := newLanes(f.Series, calendar, rollups, horizons, models)
	if err != nil {
		return nil, err
	}
	for i := range bars {
		for _, l := range lanes {
			if err := l.take(ctx, &bars[i], f.Actions, each); err != nil {
				return nil, err
			}
		}
		if progress != nil {
			progress(i + 1)
		}
	}
	heads := map[market.SeriesID]ledger.Head{}
	for _, l := range lanes {
		heads[l.track.ID()] = l.track.Head()
	}
	return heads, nil
}

// lane is one series of Drive: the track and, for a coarser interval, what builds
// its bars.
type lane struct {
	track  *track.Track
	rollup *market.Rollup // nil for the base series
	ready  []market.Bar
}

func newLanes(s market.Series, calendar market.Calendar, rollups []market.Interval, horizons int, models []catalog.Model) ([]*lane, error) {
	var lanes []*lane
	add := func(i market.Interval, r *market.Rollup) error {
		t, err := track.New(track.Config{Series: market.Series{Instrument: s.Instrument, Interval: i}, Mode: ledger.Replay,
			Calendar: calendar, Horizons: track.UpTo(horizons), Models: catalog.Forecasters(models)})
		if err == nil {
			lanes = append(lanes, &lane{track: t, rollup: r})
		}
		return err
	}
	if err := add(s.Interval, nil); err != nil {
		return nil, err
	}
	for _, i := range rollups {
		if i.Duration() <= s.Interval.Duration() {
			continue
		}
		r, err := market.NewRollup(s.Interval, i, market.BuildOptions{})
		if err != nil {
			return nil, fmt.Errorf("--rollup: %w", err)
		}
		if err := add(i, r); err != nil {
			return nil, err
		}
	}
	return lanes, nil
}

func (l *lane) take(ctx context.Context, b *market.Bar, actions []market.Action, each func(market.SeriesID, track.Result) error) error {
	l.ready = append(l.ready[:0], *b)
	if l.rollup != nil {
		var err error
		if l.ready, err = l.rollup.Add(*b, l.ready[:0]); err != nil {
			return err
		}
	}
	for _, b := range l.ready {
		r, err := l.track.Advance(ctx, track.Input{Bar: b, Splits: actions}, b.End)
		if err != nil {
			return err
		}
		if err := each(l.track.ID(), r); err != nil {
			return err
		}
	}
	return nil
}

// Tally gathers scores by series, model and horizon.
type Tally map[TallyKey][]score.Score

// TallyKey names what scores are gathered by.
type TallyKey struct {
	Series  market.SeriesID
	Model   string
	Horizon int
}

// Add gathers the scores of a step.
func (t Tally) Add(id market.SeriesID, r track.Result) error {
	for _, s := range r.Scores {
		k := TallyKey{id, s.Model, s.Horizon}
		t[k] = append(t[k], s)
	}
	return nil
}
