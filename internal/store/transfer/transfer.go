// Package transfer makes one store the copy of another: the same events with the same
// numbers, the same sealed bytes, scores, documents, candles, times of commit. Whoever goes
// on with the copy gets what the original would have given, to the last bit.
//
// A copy has an epoch of its own. Its original may go on too, and from then on the same
// number means two things; so who followed the stream of one is told to begin anew by the
// other.
//
// What is copied is done part by part, in the order of the events. A copy that was broken off
// carries a document that says so and whose copy it is; it is taken up again where it was, and is
// good for nothing else until it is whole.
package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// page is the number of rows that are read and written at a time.
const page = 2000

// documentBytes bounds the bodies of documents that are written at a time.
const documentBytes = 4 << 20

// Errors of Copy, wrapped with details.
var (
	// ErrNotEmpty says that the target holds something else than an unfinished copy.
	ErrNotEmpty = errors.New("the target is not empty")
	// ErrChanged says that the source has gone on since the copy was begun.
	ErrChanged = errors.New("the source has gone on since the copy was begun")
	// ErrDiffers says that the copy, read back, is not what the source holds.
	ErrDiffers = errors.New("the copy differs from the source")
	// ErrUnfinished says that a store is a copy that was broken off.
	ErrUnfinished = errors.New("the database is a copy that was broken off")
)

// The document that marks an unfinished copy.
const (
	markKind = "copy"
	markName = "unfinished"
)

type mark struct {
	Epoch     string `json:"epoch"`      // of the source
	LastEvent uint64 `json:"last_event"` // of the source
}

// Whole reports whether st is no unfinished copy: the error wraps ErrUnfinished when it is
// one.
func Whole(ctx context.Context, st store.DocumentStore) error {
	_, err := st.Document(ctx, markKind, markName)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err == nil:
		return fmt.Errorf("%w; run the same foretick db copy again, which goes on where it was", ErrUnfinished)
	}
	return err
}

// Watch is told how a copy goes on; both functions may be nil.
type Watch struct {
	// Begin is called before each part of the work with its size, 0 when it is not known.
	Begin func(what string, total int64)
	// Add is called when n more of the part are done.
	Add func(n int64)
}

func (w Watch) begin(what string, total int64) {
	if w.Begin != nil {
		w.Begin(what, total)
	}
}

func (w Watch) add(n int) {
	if w.Add != nil {
		w.Add(int64(n))
	}
}

// Copy makes to, which is empty or an unfinished copy of from, a copy of from, and reads it
// back. Both must be held by this process alone. resumed tells whether a copy was taken up again.
// The counts are those of what was compared. A copy that failed can be taken up again,
// except after ErrDiffers.
func Copy(ctx context.Context, from, to store.Store, w Watch) (counts store.Counts, resumed bool, err error) {
	last, err := from.LastEvent(ctx)
	if err != nil {
		return counts, false, err
	}
	resumed, err = begin(ctx, to, mark{from.Epoch(), last})
	if err != nil {
		return counts, resumed, err
	}
	c := &copier{from: from, to: to, watch: w}
	all, err := from.Series(ctx)
	if err != nil {
		return counts, resumed, err
	}
	for _, rec := range all {
		if err := to.PutSeries(ctx, rec); err != nil {
			return counts, resumed, err
		}
	}
	// The clock comes before the events: a store that has events and no clock begins one
	// when it is opened.
	for _, part := range []func(context.Context) error{c.stamps, c.events, c.actions, c.rejects, c.documents} {
		if err := part(ctx); err != nil {
			return counts, resumed, err
		}
	}
	for _, rec := range all {
		if err := c.series(ctx, rec.ID()); err != nil {
			return counts, resumed, fmt.Errorf("%s: %w", rec.ID(), err)
		}
	}
	if counts, err = c.compare(ctx, all); err != nil {
		return counts, resumed, err
	}
	return counts, resumed, to.DeleteDocument(ctx, markKind, markName)
}

// begin marks an empty target, or finds that it may be gone on with.
func begin(ctx context.Context, to store.Store, want mark) (resumed bool, err error) {
	doc, err := to.Document(ctx, markKind, markName)
	if err == nil {
		var have mark
		if err := json.Unmarshal(doc.Body, &have); err != nil {
			return false, fmt.Errorf("%w: the mark of the copy: %w", store.ErrCorrupt, err)
		}
		switch {
		case have.Epoch != want.Epoch:
			return false, fmt.Errorf("%w: it is an unfinished copy of another database", ErrNotEmpty)
		case have.LastEvent != want.LastEvent:
			return false, fmt.Errorf("%w, from event %d to %d: begin again with an empty target", ErrChanged, have.LastEvent, want.LastEvent)
		}
		return true, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	if err := empty(ctx, to); err != nil {
		return false, err
	}
	body, err := json.Marshal(want)
	if err != nil {
		return false, err
	}
	return false, to.PutDocuments(ctx, store.Document{Kind: markKind, Name: markName, Body: body})
}

func empty(ctx context.Context, to store.Store) error {
	all, err1 := to.Series(ctx)
	last, err2 := to.LastEvent(ctx)
	kinds, err3 := to.DocumentKinds(ctx)
	rejects, err4 := to.QuarantineCount(ctx)
	actions, err5 := to.ActionLog(ctx, 0, 1)
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return err
	}
	if len(all) > 0 || last > 0 || len(kinds) > 0 || rejects > 0 || len(actions) > 0 {
		return fmt.Errorf("%w: it holds %d series, %d events, documents of %d kinds, %d rejects; choose another", ErrNotEmpty, len(all), last, len(kinds), rejects)
	}
	return nil
}

type copier struct {
	from, to store.Store
	watch    Watch
}

func (c *copier) stamps(ctx context.Context) error {
	after := market.MinTime
	for t, err := range stamps(ctx, c.to, after) { // those that are there
		if err != nil {
			return err
		}
		after = t.At
	}
	c.watch.begin("copying the clock", 0)
	return pages(stamps(ctx, c.from, after), func(list []store.Stamp) error {
		c.watch.add(len(list))
		return c.to.Receive(ctx, store.Batch{Stamps: list})
	})
}

func (c *copier) events(ctx context.Context) error {
	have, err := c.to.LastEvent(ctx)
	if err != nil {
		return err
	}
	last, err := c.from.LastEvent(ctx)
	if err != nil {
		return err
	}
	c.watch.begin("copying events", int64(last))
	c.watch.add(int(have))
	return pages(events(ctx, c.from, have), func(list []store.Item) error {
		err := c.to.Receive(ctx, store.Batch{Events: list})
		now := list[len(list)-1].Seq
		c.watch.add(int(now - have))
		have = now
		return err
	})
}

func (c *copier) actions(ctx context.Context) error {
	var after uint64
	for a, err := range actions(ctx, c.to, 0) {
		if err != nil {
			return err
		}
		after = a.Num
	}
	return pages(actions(ctx, c.from, after), func(list []store.ActionRecord) error {
		return c.to.Receive(ctx, store.Batch{Actions: list})
	})
}

// rejects are read, and so copied, newest first.
func (c *copier) rejects(ctx context.Context) error {
	var before uint64
	for r, err := range rejects(ctx, c.to, 0) {
		if err != nil {
			return err
		}
		before = r.Num
	}
	n, err := c.from.QuarantineCount(ctx)
	if err != nil {
		return err
	}
	c.watch.begin("copying the quarantine", int64(n))
	return pages(rejects(ctx, c.from, before), func(list []store.QuarantineRecord) error {
		c.watch.add(len(list))
		return c.to.Receive(ctx, store.Batch{Rejects: list})
	})
}

func (c *copier) documents(ctx context.Context) error {
	c.watch.begin("copying documents", 0)
	var list []store.Document
	size := 0
	put := func() error {
		c.watch.add(len(list))
		err := c.to.PutDocuments(ctx, list...)
		list, size = list[:0], 0
		return err
	}
	for d, err := range documents(ctx, c.from) {
		if err != nil {
			return err
		}
		list = append(list, d)
		if size += len(d.Body); size > documentBytes {
			if err := put(); err != nil {
				return err
			}
		}
	}
	return put()
}

// ticks copies the ticks of a series. Those that an earlier attempt left are taken back: not all have
// a number by which they are told apart.
func (c *copier) ticks(ctx context.Context, id market.SeriesID) error {
	for n := page; n > 0; {
		var err error
		if n, err = c.to.DeleteTicks(ctx, id, market.MaxTime, page); err != nil {
			return err
		}
	}
	c.watch.begin("copying the ticks of "+string(id), 0)
	return pages(ticks(ctx, c.from, id), func(list []market.Tick) error {
		c.watch.add(len(list))
		_, _, err := c.to.CommitTicks(ctx, []store.Ticks{{Series: id, Ticks: list}}, nil)
		return err
	})
}

// series copies what belongs to a series beside its events.
func (c *copier) series(ctx context.Context, id market.SeriesID) error {
	_, cursor, err := c.from.Head(ctx, id)
	if err != nil {
		return err
	}
	// Scores are in order of their targets: those of the newest target may not all be there.
	var from market.Time
	for s, err := range scores(ctx, c.to, id, 0) {
		if err != nil {
			return err
		}
		from = s.Target
	}
	c.watch.begin("copying the scores of "+string(id), 0)
	err = pages(scores(ctx, c.from, id, from), func(list []score.Score) error {
		c.watch.add(len(list))
		_, err := c.to.CommitStep(ctx, store.Step{Series: id, Scores: list, Cursor: cursor})
		return err
	})
	if err != nil {
		return err
	}
	if err := c.ticks(ctx, id); err != nil {
		return err
	}
	state := store.SeriesState{Series: id, Cursor: cursor}
	if state.ScoreRevision, err = c.from.ScoreRevision(ctx, id); err != nil {
		return err
	}
	if _, state.Roll, err = c.from.Candles(ctx, id, store.Candle{}, 1); err != nil {
		return err
	}
	c.watch.begin("copying the candles of "+string(id), 0)
	err = pages(candles(ctx, c.from, id), func(list []store.Candle) error {
		c.watch.add(len(list))
		return c.to.Receive(ctx, store.Batch{Candles: list, State: &store.SeriesState{Series: id, Cursor: cursor, ScoreRevision: state.ScoreRevision}})
	})
	if err != nil {
		return err
	}
	return c.to.Receive(ctx, store.Batch{State: &state})
}
