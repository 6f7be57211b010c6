package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/foretick/foretick/forecast"
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
		return fmt.Errorf("engine: %w", err)
	}
	e.known = all
	if err := e.readSplits(ctx); err != nil {
		return err
	}
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
		return task{track: t, after: t.consumed}, nil
	}
	record, err := e.record(ctx, id)
	if err != nil {
		return task{}, err
	}
	head, cursor, err := e.cfg.Store.Head(ctx, id)
	if err != nil {
		return task{}, fmt.Errorf("engine: restore %s: %w", id, err)
	}
	models := e.cfg.Models()
	t, err := track.New(track.Config{
		Series: record.Series, Mode: record.Mode, Calendar: e.cfg.Calendars(record.Series),
		Horizons: e.cfg.Horizons, Models: models, LateAfter: e.cfg.LateAfter,
	})
	if err != nil {
		return task{}, &restoreError{err}
	}
	splits := inputs{splits: &e.splits, instrument: record.Instrument.Key()}
	if cursor.BarSeq > 0 {
		err := e.restore(ctx, t, &splits, head, cursor)
		if errors.Is(err, errStale) {
			return e.track(ctx, id) // there is no snapshot now
		}
		if err != nil {
			return task{}, err
		}
	}
	f := &follower{Track: t, metrics: e.metrics.series(id, models), inputs: splits, live: record.Mode == ledger.Live, consumed: cursor.BarSeq}
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
			return store.SeriesRecord{}, fmt.Errorf("engine: %w", err)
		}
	}
	return store.SeriesRecord{}, fmt.Errorf("engine: series %s: %w", id, store.ErrNotFound)
}

// restore takes a track back to the cursor: its models to the last snapshot, and from
// there through the log.
func (e *Engine) restore(ctx context.Context, t *track.Track, splits *inputs, head ledger.Head, cursor store.Cursor) error {
	id := t.ID()
	past := track.Past{Head: head, Inputs: cursor.Inputs}
	after, err := e.snapshot(ctx, id, &past)
	if err != nil {
		return err
	}
	if after > 0 {
		past.Bars, err = e.consumed(ctx, id, after, t.RestoreBars())
	}
	if err == nil {
		past.Since, err = e.since(ctx, id, splits, after, cursor.BarSeq)
	}
	if err != nil {
		return fmt.Errorf("engine: restore %s: %w", id, err)
	}
	if head.Seq > 0 {
		from := uint64(1)
		if n := uint64(t.RestoreEntries()); head.Seq > n {
			from = head.Seq - n + 1
		}
		past.Entries, err = e.cfg.Store.Entries(ctx, id, store.EntryQuery{From: from, Times: store.Range{Limit: t.RestoreEntries()}})
		if err != nil {
			return fmt.Errorf("engine: restore %s: %w", id, err)
		}
	}
	err = t.Restore(ctx, past)
	if errors.Is(err, forecast.ErrArchive) {
		// Models or horizons were changed since: begin to learn anew.
		e.cfg.Log.Warn("what models had learnt does not fit the models of now; they learn again from the stored bars", "series", id, "err", err)
		if err := e.cfg.Store.DeleteDocument(ctx, snapshotKind, string(id)); err != nil {
			return fmt.Errorf("engine: snapshot of %s: %w", id, err)
		}
		return errStale
	}
	if err != nil && ctx.Err() == nil {
		return &restoreError{err}
	}
	return err
}

// errStale says that a track must be restored again, without its snapshot.
var errStale = errors.New("engine: stale snapshot")

// snapshot reads the last snapshot of a series into past and returns the event number
// of the last bar that it knows; 0 when there is none.
func (e *Engine) snapshot(ctx context.Context, id market.SeriesID, past *track.Past) (after uint64, err error) {
	d, err := e.cfg.Store.Document(ctx, snapshotKind, string(id))
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("engine: snapshot of %s: %w", id, err)
	}
	if len(d.Body) < 8 {
		return 0, nil
	}
	past.Snapshot = d.Body[8:]
	return binary.BigEndian.Uint64(d.Body), nil
}

// relearnBars bounds what a track without a snapshot learns again.
const relearnBars = 4096

// since reads what was logged after event after up to event last.
func (e *Engine) since(ctx context.Context, id market.SeriesID, splits *inputs, after, last uint64) (list []track.Input, err error) {
	for after < last {
		recs, err := e.cfg.Store.BarLog(ctx, id, after, batchBars)
		if err != nil || len(recs) == 0 {
			return list, err
		}
		for i := range recs {
			if after = recs[i].Seq; after > last {
				break
			}
			list = append(list, splits.of(&recs[i]))
		}
		if len(list) > 2*relearnBars {
			list = list[:copy(list, list[len(list)-relearnBars:])]
		}
	}
	return list, nil
}

// consumed returns the newest bars that had been stepped when the log was read up to event
// seq, oldest first, in the revisions of then.
func (e *Engine) consumed(ctx context.Context, id market.SeriesID, seq uint64, most int) ([]market.Bar, error) {
	bars, err := e.cfg.Store.Bars(ctx, id, store.Range{Limit: most, Newest: true, AsOf: seq})
	slices.Reverse(bars)
	return bars, err
}

// Consumed is the number of the event up to which no restart reads the bar log of a series
// again: the last snapshot of its models stands there or later, and what they had learnt
// before is in it.
func (e *Engine) Consumed(ctx context.Context, id market.SeriesID) (uint64, error) {
	_, cursor, err := e.cfg.Store.Head(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("engine: head of %s: %w", id, err)
	}
	var past track.Past
	after, err := e.snapshot(ctx, id, &past)
	if err != nil || after == 0 {
		return cursor.BarSeq, err // models learn from the newest bars, however many there are
	}
	return min(after, cursor.BarSeq), nil
}
