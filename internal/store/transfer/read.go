package transfer

import (
	"context"
	"fmt"
	"iter"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// pages calls f for what list yields, page rows at a time; f may keep none of them.
func pages[T any](list iter.Seq2[T, error], f func([]T) error) error {
	var rows []T
	for row, err := range list {
		if err != nil {
			return err
		}
		if rows = append(rows, row); len(rows) == page {
			if err := f(rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return f(rows)
}

// paged yields what read returns, page after page; next says from where the page after one
// that ends with a row is read.
func paged[T, K any](from K, read func(K) ([]T, error), next func(*T) K) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			list, err := read(from)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for i := range list {
				if !yield(list[i], nil) {
					return
				}
			}
			if len(list) < page {
				return
			}
			from = next(&list[len(list)-1])
		}
	}
}

func ticks(ctx context.Context, st store.TickReader, id market.SeriesID) iter.Seq2[market.Tick, error] {
	return func(yield func(market.Tick, error) bool) {
		stopped := false
		err := st.EachTick(ctx, id, 0, 0, func(t market.Tick) bool {
			stopped = !yield(t, nil)
			return !stopped
		})
		if err != nil && !stopped {
			yield(market.Tick{}, err)
		}
	}
}

func stamps(ctx context.Context, st store.Copier, after market.Time) iter.Seq2[store.Stamp, error] {
	return paged(after, func(after market.Time) ([]store.Stamp, error) { return st.Stamps(ctx, after, page) }, func(t *store.Stamp) market.Time { return t.At })
}

func actions(ctx context.Context, st store.ActionStore, after uint64) iter.Seq2[store.ActionRecord, error] {
	return paged(after, func(after uint64) ([]store.ActionRecord, error) { return st.ActionLog(ctx, after, page) }, func(a *store.ActionRecord) uint64 { return a.Num })
}

func rejects(ctx context.Context, st store.QuarantineStore, before uint64) iter.Seq2[store.QuarantineRecord, error] {
	return paged(before, func(before uint64) ([]store.QuarantineRecord, error) { return st.Quarantined(ctx, before, page) }, func(r *store.QuarantineRecord) uint64 { return r.Num })
}

func candles(ctx context.Context, st store.Copier, id market.SeriesID) iter.Seq2[store.Candle, error] {
	return paged(store.Candle{Start: -1 << 62}, func(after store.Candle) ([]store.Candle, error) {
		list, _, err := st.Candles(ctx, id, after, page)
		return list, err
	}, func(k *store.Candle) store.Candle { return *k })
}

// documents yields all documents but the mark of a copy.
func documents(ctx context.Context, st store.Store) iter.Seq2[store.Document, error] {
	return func(yield func(store.Document, error) bool) {
		kinds, err := st.DocumentKinds(ctx)
		for i := 0; i < len(kinds) && err == nil; i++ {
			if kinds[i] == markKind {
				continue
			}
			var list []store.DocumentRecord
			list, err = st.Documents(ctx, kinds[i])
			for k := 0; k < len(list) && err == nil; k++ {
				var d store.Document
				if d, err = st.Document(ctx, kinds[i], list[k].Name); err == nil && !yield(d, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(store.Document{}, err)
		}
	}
}

// scores yields the scores of targets from from on.
func scores(ctx context.Context, st store.ScoreReader, id market.SeriesID, from market.Time) iter.Seq2[score.Score, error] {
	return func(yield func(score.Score, error) bool) {
		more := true
		err := st.EachScore(ctx, id, store.ScoreQuery{From: from}, func(s *score.Score) bool {
			more = yield(*s, nil)
			return more
		})
		if err != nil && more {
			yield(score.Score{}, err)
		}
	}
}

// events yields bars and entries of all series in the order in which they were committed,
// after an event.
func events(ctx context.Context, st store.Store, after uint64) iter.Seq2[store.Item, error] {
	return paged(after, func(after uint64) ([]store.Item, error) {
		list, err := st.EventsAfter(ctx, after, page)
		if err != nil || len(list) == 0 {
			return nil, err
		}
		items := make([]store.Item, len(list))
		at := map[uint64]int{} // index by number of bars
		ends := map[market.SeriesID][2]int64{}
		for i, e := range list {
			items[i].Event = e
			if e.Kind == store.BarEvent {
				at[e.Seq] = i
				continue
			}
			if span, ok := ends[e.Series]; ok {
				ends[e.Series] = [2]int64{span[0], e.Key}
			} else {
				ends[e.Series] = [2]int64{e.Key, e.Key}
			}
		}
		if err := addBars(ctx, st, items, at, after); err != nil {
			return nil, err
		}
		return items, addEntries(ctx, st, items, ends)
	}, func(e *store.Item) uint64 { return e.Seq })
}

// addBars adds to items the bars that at leads to.
func addBars(ctx context.Context, st store.BarReader, items []store.Item, at map[uint64]int, after uint64) error {
	for len(at) > 0 {
		bars, err := st.BarLog(ctx, "", after, len(at))
		if err != nil {
			return err
		}
		for k := range bars {
			i, ok := at[bars[k].Seq]
			if !ok {
				return fmt.Errorf("%w: the log has a bar of event %d, the events do not", store.ErrCorrupt, bars[k].Seq)
			}
			items[i].Bar = &bars[k]
			delete(at, bars[k].Seq)
			after = bars[k].Seq
		}
		if len(bars) == 0 {
			return fmt.Errorf("%w: the log lacks bars after event %d", store.ErrCorrupt, after)
		}
	}
	return nil
}

// addEntries adds to items the entries of each series, whose numbers follow one another.
func addEntries(ctx context.Context, st store.LedgerReader, items []store.Item, ends map[market.SeriesID][2]int64) error {
	list := map[market.SeriesID][]ledger.Sealed{}
	for id, span := range ends {
		n := int(span[1] - span[0] + 1)
		entries, err := st.Entries(ctx, id, store.EntryQuery{From: uint64(span[0]), To: uint64(span[1]) + 1, Times: store.Range{Limit: n}})
		if err != nil {
			return err
		}
		if len(entries) != n {
			return fmt.Errorf("%w: %s has %d of the entries %d to %d", store.ErrCorrupt, id, len(entries), span[0], span[1])
		}
		list[id] = entries
	}
	for i := range items {
		e := &items[i]
		if e.Kind == store.BarEvent {
			continue
		}
		e.Entry = &list[e.Series][e.Key-ends[e.Series][0]]
	}
	return nil
}
