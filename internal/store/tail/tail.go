// Package tail keeps what was committed last in memory, in front of a store.
//
// The engine reads each bar right after it was committed, and the stream hub each
// bar, entry and score. With a thousand series a second, reading them back from the
// database costs more than everything else together. A Tail remembers them when the
// commit has succeeded, never before, and answers those reads; what it does not hold
// is read from the store behind it, so it can only be faster, not different.
package tail

import (
	"context"
	"sync"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Tail is a store.Store with its newest events in memory. It may be used from several
// goroutines at once.
type Tail struct {
	store.Store

	mu    sync.RWMutex
	ring  []store.Item // item of event n at n % len, if its Seq is n
	bytes int          // of the entries in the ring
	limit int
}

// New returns s with up to n of its newest events in memory, as long as their entries
// take no more than limit bytes.
func New(s store.Store, n, limit int) *Tail {
	return &Tail{Store: s, ring: make([]store.Item, n), limit: limit}
}

// CommitBars is store.BarWriter's.
func (t *Tail) CommitBars(ctx context.Context, bars []store.BarRecord) (kept int, last uint64, err error) {
	return t.CommitTicks(ctx, nil, bars)
}

// CommitTicks is store.TickWriter's.
func (t *Tail) CommitTicks(ctx context.Context, ticks []store.Ticks, bars []store.BarRecord) (kept int, last uint64, err error) {
	if ticks == nil {
		kept, last, err = t.Store.CommitBars(ctx, bars)
	} else {
		kept, last, err = t.Store.CommitTicks(ctx, ticks, bars)
	}
	if err != nil || kept != len(bars) {
		return kept, last, err // it is not known here which were skipped
	}
	own := make([]store.BarRecord, len(bars))
	copy(own, bars)
	items := make([]store.Item, len(own))
	for i := range own {
		own[i].Seq = last - uint64(len(own)-1-i)
		items[i] = store.Item{Event: store.Event{Seq: own[i].Seq, Series: own[i].Series, Kind: store.BarEvent, Key: int64(own[i].Start)}, Bar: &own[i]}
	}
	t.keep(items)
	return kept, last, nil
}

// CommitStep is store.StepWriter's.
func (t *Tail) CommitStep(ctx context.Context, steps ...store.Step) (last uint64, err error) {
	last, err = t.Store.CommitStep(ctx, steps...)
	if err != nil || last == 0 {
		return last, err // some may have failed: it is not known here which
	}
	var items []store.Item
	for s := range steps {
		step := &steps[s]
		for i := range step.Entries {
			e := &step.Entries[i]
			item := store.Item{Event: store.Event{Series: step.Series, Kind: store.EntryEvent + store.EventKind(e.Kind), Key: int64(e.Seq)}, Entry: e}
			if e.Kind == ledger.Outcome {
				item.Scores = scoresOf(e, step.Scores)
			}
			items = append(items, item)
		}
	}
	for i := range items {
		items[i].Seq = last - uint64(len(items)-1-i)
	}
	t.keep(items)
	return last, nil
}

// scoresOf returns the scores of an outcome's target, which stand together.
func scoresOf(s *ledger.Sealed, scores []score.Score) []score.Score {
	e, err := ledger.Decode(s.Bytes)
	if err != nil {
		return nil // it was sealed a moment ago: cannot happen
	}
	from := 0
	for from < len(scores) && (scores[from].Target != e.Outcome.Bar.Start || scores[from].Revision != e.Outcome.Revision) {
		from++
	}
	to := from
	for to < len(scores) && scores[to].Target == e.Outcome.Bar.Start && scores[to].Revision == e.Outcome.Revision {
		to++
	}
	return scores[from:to]
}

// keep remembers items, in place of the oldest.
func (t *Tail) keep(items []store.Item) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(items) > len(t.ring) {
		items = items[len(items)-len(t.ring):]
	}
	for _, item := range items {
		place := &t.ring[item.Seq%uint64(len(t.ring))]
		if place.Entry != nil {
			t.bytes -= len(place.Entry.Bytes)
		}
		if item.Entry != nil {
			t.bytes += len(item.Entry.Bytes)
		}
		*place = item
	}
	if t.bytes > t.limit { // a burst, such as a replay at full speed: start over
		clear(t.ring)
		t.bytes = 0
	}
}

// Items is store.Recent's.
func (t *Tail) Items(dst []store.Item, after uint64, limit int) []store.Item {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for seq := after + 1; limit > 0; seq, limit = seq+1, limit-1 {
		item := &t.ring[seq%uint64(len(t.ring))]
		if item.Seq != seq {
			break
		}
		dst = append(dst, *item)
	}
	return dst
}

// BarLog is store.BarReader's. A read of all series that begins in memory is answered
// from there, with what follows without a hole; the rest comes with the next call.
func (t *Tail) BarLog(ctx context.Context, id market.SeriesID, after uint64, limit int) ([]store.BarRecord, error) {
	if id == "" {
		if bars := t.bars(after, limit); len(bars) > 0 {
			return bars, nil
		}
	}
	return t.Store.BarLog(ctx, id, after, limit)
}

func (t *Tail) bars(after uint64, limit int) (bars []store.BarRecord) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for seq := after + 1; len(bars) < limit; seq++ {
		item := &t.ring[seq%uint64(len(t.ring))]
		if item.Seq != seq {
			break
		}
		if item.Bar != nil {
			bars = append(bars, *item.Bar)
		}
	}
	return bars
}
