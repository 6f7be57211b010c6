package sqlite

import (
	"context"
	"fmt"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// stamp is the newest row of table clock.
type stamp struct {
	at  int64
	seq uint64
}

func lastStamp(conn *conn) (s stamp, err error) {
	s.at = math.MinInt64
	err = each(conn, sqlLastStamp, func(r *sqlite.Stmt) bool {
		s = stamp{r.ColumnInt64(0), uint64(r.ColumnInt64(1))}
		return true
	})
	return s, err
}

// stamp notes when the events of this transaction are committed.
func (w *writer) stamp() (err error) {
	if w.lastEvent == 0 {
		return nil // none was added since the writer began
	}
	if !w.stampKnown {
		if w.stamped, err = lastStamp(w.conn); err != nil {
			return err
		}
		w.stampKnown = true
	}
	if w.stamped.seq == w.lastEvent {
		return nil
	}
	w.stamped = stamp{max(int64(market.TimeOf(w.now())), w.stamped.at+1), w.lastEvent}
	return exec(w.conn, sqlStamp, w.stamped.at, int64(w.stamped.seq))
}

// SeqAt is the number of the last event committed at or before at. See store.Clock.
func (s *Store) SeqAt(ctx context.Context, at market.Time) (seq uint64, err error) {
	err = s.read(ctx, "tell what was known at "+at.String(), func(conn *conn) (err error) {
		if err := each(conn, sqlSeqAt, func(r *sqlite.Stmt) bool { seq = uint64(r.ColumnInt64(0)); return true }, int64(at)); err != nil || seq > 0 {
			return err
		}
		early := &store.TooEarly{}
		err = each(conn, sqlClockFrom, func(r *sqlite.Stmt) bool { early.From = market.Time(r.ColumnInt64(0)); return true })
		if err == nil {
			err = early
		}
		return err
	})
	return seq, err
}

// newestThen bounds the starts of the bars of a series that were known at event asOf: none
// is at or above the result.
func newestThen(conn *conn, series int64, asOf uint64) (int64, error) {
	bound := int64(math.MinInt64)
	err := each(conn, sqlNewestThen, func(r *sqlite.Stmt) bool { bound = r.ColumnInt64(0); return true }, series, int64(asOf))
	if err != nil {
		return bound, err
	}
	// The rest stands in the row of places in which asOf falls.
	err = eachBarPlaces(conn, series, asOf, func(list []place) (bool, error) {
		for _, p := range list[:upTo(list, asOf)] {
			bound = max(bound, p.time)
		}
		return false, nil
	})
	if bound == math.MaxInt64 || bound == math.MinInt64 {
		return bound, err
	}
	return bound + 1, err
}

// entriesThen is the number of the newest entry of a series at event asOf, 0 when there was
// none: the order of entries is that of their events.
func entriesThen(conn *conn, c *chain, asOf uint64) (uint64, error) {
	list, err := readPlaces(nil, c.entryTail.body)
	if err != nil {
		return 0, err
	}
	filed := c.head.Seq - uint64(len(list))
	if n := upTo(list, asOf); n > 0 {
		return filed + uint64(n), nil
	}
	var buf []byte
	lo, hi := uint64(0), filed // up to lo all were there, above hi none
	for lo < hi {
		var last uint64
		mid := lo + (hi-lo+1)/2
		err := each(conn, sqlEntryPlaceOf, func(r *sqlite.Stmt) bool {
			last, buf = uint64(r.ColumnInt64(0)), column(r, 1, buf)
			return true
		}, c.series, int64(mid))
		if err == nil {
			list, err = readPlaces(list[:0], buf)
		}
		if err != nil {
			return 0, err
		}
		if last < mid || len(list) == 0 {
			return 0, fmt.Errorf("%w: the place of entry %d is missing", store.ErrCorrupt, mid)
		}
		switch n := upTo(list, asOf); n {
		case 0:
			hi = last - uint64(len(list))
		case len(list):
			lo = last
		default:
			return last - uint64(len(list)-n), nil
		}
	}
	return lo, nil
}

// upTo counts the places up to event asOf.
func upTo(list []place, asOf uint64) (n int) {
	for n < len(list) && list[n].seq <= asOf {
		n++
	}
	return n
}
