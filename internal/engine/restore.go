package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// restoreError says that a series cannot be followed: waiting will not help.
type restoreError struct{ err error }

func (r *restoreError) Error() string { return r.err.Error() }
func (r *restoreError) Unwrap() error { return r.err }

// restoreAll restores every track and finds the place in the bar log from which
// all of them have something to do.
func (e *Engine) restoreAll(ctx context.Context) error {
	all, err := e.cfg.Store.Series(ctx)
	if err != nil {
		return fmt.Errorf("engine: list series: %w", err)
	}
	e.known = all
	pos := ^uint64(0)
	for _, s := range all {
		t, err := e.track(ctx, s.ID())
		if err != nil {
			return err
		}
		pos = min(pos, t.after)
	}
	if len(all) == 0 {
		pos = 0
	}
	e.advance(pos)
	return nil
}

// track returns the track of a series, restored from the store when it is not in
// memory, with the place in the log up to which it had consumed.
func (e *Engine) track(ctx context.Context, id market.SeriesID) (task, error) {
	if t := e.tracks[id]; t != nil {
		return task{track: t}, nil
	}
	record, err := e.record(ctx, id)
	if err != nil {
		return task{}, err
	}
	head, cursor, err := e.cfg.Store.Head(ctx, id)
	if err != nil {
		return task{}, fmt.Errorf("engine: head of %s: %w", id, err)
	}
	t, err := track.New(track.Config{
		Series: record.Series, Mode: record.Mode, Calendar: e.cfg.Calendars(record.Series),
		Horizons: e.cfg.Horizons, Models: e.cfg.Models, LateAfter: e.cfg.LateAfter,
	})
	if err != nil {
		return task{}, &restoreError{err}
	}
	if cursor.BarSeq > 0 {
		if err := e.restore(ctx, t, head, cursor); err != nil {
			return task{}, err
		}
	}
	f := &follower{Track: t, metrics: e.metrics.series(id, e.names), live: record.Mode == ledger.Live}
	e.tracks[id] = f
	return task{track: f, after: cursor.BarSeq}, nil
}

// record finds a series among those known, or asks the store: it may be new.
func (e *Engine) record(ctx context.Context, id market.SeriesID) (store.SeriesRecord, error) {
	for range 2 {
		i, ok := slices.BinarySearchFunc(e.known, id, func(s store.SeriesRecord, id market.SeriesID) int {
			return strings.Compare(string(s.ID()), string(id))
		})
		if ok {
			return e.known[i], nil
		}
		var err error
		if e.known, err = e.cfg.Store.Series(ctx); err != nil {
			return store.SeriesRecord{}, fmt.Errorf("engine: list series: %w", err)
		}
	}
	return store.SeriesRecord{}, fmt.Errorf("engine: series %s: %w", id, store.ErrNotFound)
}

func (e *Engine) restore(ctx context.Context, t *track.Track, head ledger.Head, cursor store.Cursor) error {
	id := t.ID()
	bars, err := e.consumed(ctx, id, cursor.BarSeq)
	if err != nil {
		return fmt.Errorf("engine: bars of %s: %w", id, err)
	}
	var entries []ledger.Sealed
	if head.Seq > 0 {
		from := uint64(1)
		if n := uint64(t.RestoreEntries()); head.Seq > n {
			from = head.Seq - n + 1
		}
		entries, err = e.cfg.Store.Entries(ctx, id, store.EntryQuery{From: from, Times: store.Range{Limit: t.RestoreEntries()}})
		if err != nil {
			return fmt.Errorf("engine: ledger of %s: %w", id, err)
		}
	}
	if err := t.Restore(bars, head, cursor.Inputs, entries); err != nil {
		return &restoreError{err}
	}
	return t.Fit(ctx)
}

// consumed returns the newest bars that had been stepped when the log was read up
// to event seq, oldest first. More may be committed meanwhile: what is fresh is asked
// again after the bars have been read, so that none of them is taken for consumed (64
// at most are read in vain).
func (e *Engine) consumed(ctx context.Context, id market.SeriesID, seq uint64) ([]market.Bar, error) {
	fresh, err := e.fresh(ctx, id, seq)
	if err != nil {
		return nil, err
	}
	bars, err := e.cfg.Store.Bars(ctx, id, store.Range{Limit: track.DefaultWindow + len(fresh) + 64, Newest: true})
	if err != nil {
		return nil, err
	}
	if fresh, err = e.fresh(ctx, id, seq); err != nil {
		return nil, err
	}
	bars = slices.DeleteFunc(bars, func(b market.Bar) bool { return fresh[b.Start] })
	slices.Reverse(bars)
	return bars, nil
}

// fresh returns the starts of the bars that were logged after event seq for the first
// time.
func (e *Engine) fresh(ctx context.Context, id market.SeriesID, seq uint64) (map[market.Time]bool, error) {
	out := map[market.Time]bool{}
	for {
		recs, err := e.cfg.Store.BarLog(ctx, id, seq, batchBars)
		if err != nil || len(recs) == 0 {
			return out, err
		}
		for _, r := range recs {
			if r.Revision == 0 {
				out[r.Start] = true
			}
			seq = r.Seq
		}
	}
}
