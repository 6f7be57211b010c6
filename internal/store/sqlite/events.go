package sqlite

import (
	"cmp"
	"context"
	"math"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

func lastEvent(conn *conn) (uint64, error) { return number(conn, sqlLastEvent) }

// number reads one number; NULL is 0.
func number(conn *conn, query string) (n uint64, err error) {
	err = each(conn, query, func(r *sqlite.Stmt) bool { n = uint64(r.ColumnInt64(0)); return true })
	return n, err
}

// LastEvent is the number of the newest event, 0 when there is none.
func (s *Store) LastEvent(ctx context.Context) (n uint64, err error) {
	err = s.read(ctx, "read the last event", func(conn *conn) (err error) {
		n, err = lastEvent(conn)
		return err
	})
	return n, err
}

// FirstEvent is the number from which on every event is kept, 0 when there is none.
func (s *Store) FirstEvent(ctx context.Context) (n uint64, err error) {
	err = s.read(ctx, "read the first event", func(conn *conn) (err error) {
		bar, err := number(conn, sqlFirstBar)
		if err != nil {
			return err
		}
		n, err = number(conn, sqlFirstEntry)
		if n == 0 || bar != 0 && bar < n {
			n = bar
		}
		if err != nil || n == 0 {
			return err
		}
		trimmed, err := number(conn, sqlTrimmed)
		n = max(n, trimmed+1)
		return err
	})
	return n, err
}

// EventsAfter returns up to limit events with Seq > after, ascending.
func (s *Store) EventsAfter(ctx context.Context, after uint64, limit int) (events []store.Event, err error) {
	if after > math.MaxInt64 || limit <= 0 {
		return nil, ctx.Err()
	}
	err = s.read(ctx, "read events", func(conn *conn) error {
		names := map[int64]market.SeriesID{}
		var bad error
		for _, from := range []struct {
			query string
			kind  store.EventKind
		}{{sqlBarEvents, store.BarEvent}, {sqlEntryEvents, store.EntryEvent}} {
			err := each(conn, from.query, func(r *sqlite.Stmt) bool {
				e := store.Event{Seq: uint64(r.ColumnInt64(0)), Kind: from.kind + store.EventKind(r.ColumnInt(2)), Key: r.ColumnInt64(3)}
				e.Series, bad = seriesName(conn, names, r.ColumnInt64(1))
				events = append(events, e)
				return bad == nil
			}, int64(after), limit)
			if err == nil {
				err = bad
			}
			if err != nil {
				return err
			}
		}
		slices.SortFunc(events, func(a, b store.Event) int { return cmp.Compare(a.Seq, b.Seq) })
		events = events[:min(limit, len(events))]
		return nil
	})
	return events, err
}
