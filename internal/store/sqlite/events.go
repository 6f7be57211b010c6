package sqlite

import (
	"context"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// event appends one event and returns its number.
func (w *writer) event(series int64, kind store.EventKind, key int64) (uint64, error) {
	seq, err := w.nextEvent()
	if err != nil {
		return 0, err
	}
	return seq, exec(w.conn, sqlAddEvent, int64(seq), series, int(kind), key)
}

func lastEvent(conn *sqlite.Conn) (uint64, error) { return number(conn, sqlLastEvent) }

// number reads one number; NULL is 0.
func number(conn *sqlite.Conn, query string) (n uint64, err error) {
	err = each(conn, query, func(r *sqlite.Stmt) bool { n = uint64(r.ColumnInt64(0)); return true })
	return n, err
}

// LastEvent is the number of the newest event, 0 when there is none.
func (s *Store) LastEvent(ctx context.Context) (n uint64, err error) {
	err = s.read(ctx, "read the last event", func(conn *sqlite.Conn) (err error) {
		n, err = lastEvent(conn)
		return err
	})
	return n, err
}

// FirstEvent is the number of the oldest event, 0 when there is none.
func (s *Store) FirstEvent(ctx context.Context) (n uint64, err error) {
	err = s.read(ctx, "read the first event", func(conn *sqlite.Conn) (err error) {
		n, err = number(conn, sqlFirstEvent)
		return err
	})
	return n, err
}

// EventsAfter returns up to limit events with Seq > after, ascending.
func (s *Store) EventsAfter(ctx context.Context, after uint64, limit int) (events []store.Event, err error) {
	if after > math.MaxInt64 || limit <= 0 {
		return nil, ctx.Err()
	}
	err = s.read(ctx, "read events", func(conn *sqlite.Conn) error {
		return each(conn, sqlEvents, func(r *sqlite.Stmt) bool {
			events = append(events, store.Event{
				Seq: uint64(r.ColumnInt64(0)), Series: market.SeriesID(r.ColumnText(1)),
				Kind: store.EventKind(r.ColumnInt(2)), Key: r.ColumnInt64(3),
			})
			return true
		}, int64(after), limit)
	})
	return events, err
}
