package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// CommitStep appends what tracks did. See store.StepWriter.
func (s *Store) CommitStep(ctx context.Context, steps ...store.Step) (last uint64, err error) {
	if len(steps) == 0 {
		return 0, ctx.Err()
	}
	op := fmt.Sprintf("commit a step of %s", steps[0].Series)
	if len(steps) > 1 {
		op = fmt.Sprintf("commit steps of %d series", len(steps))
	}
	decoded := make([][]*ledger.Entry, len(steps))
	bad := make([]error, len(steps))
	for i := range steps {
		decoded[i], bad[i] = decode(&steps[i])
	}
	var failed []error
	err = s.write(ctx, op, func(w *writer) error {
		last, failed = 0, nil
		for i := range steps {
			_, err := w.id(steps[i].Series)
			if err == nil {
				err = bad[i]
			}
			if err == nil {
				err = w.follows(&steps[i], decoded[i])
			}
			if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || bad[i] != nil {
				failed = append(failed, fmt.Errorf("step of %s: %w", steps[i].Series, err))
				continue
			}
			if err != nil {
				return err
			}
			seq, err := w.putStep(&steps[i], decoded[i])
			if err != nil {
				return fmt.Errorf("step of %s: %w", steps[i].Series, err)
			}
			last = max(last, seq)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if len(failed) > 0 {
		return last, fmt.Errorf("%s: %w", op, errors.Join(failed...))
	}
	return last, nil
}

// decode reads the sealed entries for what the columns repeat, and checks that they
// are consecutive. The hash of each stands in the one after it, so a step whose
// bytes do not fit together is found here.
func decode(s *store.Step) ([]*ledger.Entry, error) {
	entries := make([]*ledger.Entry, len(s.Entries))
	for i, sealed := range s.Entries {
		e, err := ledger.Decode(sealed.Bytes)
		switch {
		case err != nil:
			return nil, fmt.Errorf("entry %d: %w", sealed.Seq, err)
		case e.Series != s.Series || e.Seq != sealed.Seq:
			return nil, fmt.Errorf("entry %d of %s is sealed as entry %d of %s", sealed.Seq, s.Series, e.Seq, e.Series)
		case i > 0 && (e.Seq != s.Entries[i-1].Seq+1 || e.Prev != s.Entries[i-1].Hash):
			return nil, fmt.Errorf("%w: entry %d does not follow entry %d", store.ErrConflict, e.Seq, s.Entries[i-1].Seq)
		}
		entries[i] = e
	}
	return entries, nil
}

// follows checks that the first entry follows the head.
func (w *writer) follows(s *store.Step, entries []*ledger.Entry) error {
	id, err := w.id(s.Series)
	if err != nil {
		return err
	}
	c, err := w.chain(id)
	if err != nil || len(entries) == 0 {
		return err
	}
	if e := entries[0]; e.Seq != c.head.Seq+1 || e.Prev != c.head.Hash {
		return fmt.Errorf("%w: entry %d (after %x) does not follow the head, entry %d (%x)", store.ErrConflict, e.Seq, e.Prev[:4], c.head.Seq, c.head.Hash[:4])
	}
	return nil
}

func (w *writer) putStep(s *store.Step, entries []*ledger.Entry) (last uint64, err error) {
	id, err := w.id(s.Series)
	if err != nil {
		return 0, err
	}
	c, err := w.chain(id)
	if err != nil {
		return 0, err
	}
	w.move(c)
	c.cursor = s.Cursor
	for i := range entries {
		if last, err = w.putEntry(id, &s.Entries[i], entries[i]); err != nil {
			return 0, err
		}
		c.head = ledger.Head{Seq: s.Entries[i].Seq, Hash: s.Entries[i].Hash}
	}
	return last, w.putScores(c, s.Scores)
}

func (w *writer) putEntry(id int64, s *ledger.Sealed, e *ledger.Entry) (uint64, error) {
	seq, err := w.event(id, store.EntryEvent+store.EventKind(s.Kind), int64(s.Seq))
	if err != nil {
		return 0, err
	}
	stmt, err := w.conn.Prepare(sqlAddEntry)
	if err != nil {
		return 0, err
	}
	subject, firstEnd := subject(e)
	stmt.BindInt64(1, int64(seq))
	stmt.BindInt64(2, id)
	stmt.BindInt64(3, int64(s.Seq))
	stmt.BindInt64(4, int64(s.Kind))
	stmt.BindInt64(5, int64(e.Mode))
	stmt.BindInt64(6, int64(subject))
	stmt.BindInt64(7, int64(e.At))
	if firstEnd != 0 {
		stmt.BindInt64(8, int64(firstEnd))
	} else {
		stmt.BindNull(8)
	}
	stmt.BindBytes(9, s.Hash[:])
	stmt.BindBytes(10, s.Bytes)
	return seq, run(stmt)
}

// subject is the time that entries are selected by, and for an issue the earliest
// end of its targets, 0 when it has none.
func subject(e *ledger.Entry) (t, firstEnd market.Time) {
	switch {
	case e.Issue != nil:
		for i := range e.Issue.Forecasts {
			if end := e.Issue.Forecasts[i].Target.End; i == 0 || end < firstEnd {
				firstEnd = end
			}
		}
		return e.Issue.Cutoff, firstEnd
	case e.Outcome != nil:
		return e.Outcome.Bar.Start, 0
	default:
		return e.At, 0
	}
}

func readChain(conn *sqlite.Conn, id int64) (*chain, error) {
	c := &chain{series: id}
	err := each(conn, sqlChain, func(r *sqlite.Stmt) bool {
		c.head.Seq = uint64(r.ColumnInt64(0))
		r.ColumnBytes(1, c.head.Hash[:])
		c.cursor.BarSeq = uint64(r.ColumnInt64(2))
		r.ColumnBytes(3, c.cursor.Inputs[:])
		c.scoreRevision = uint64(r.ColumnInt64(4))
		return true
	}, id)
	return c, err
}

// Head returns the last entry's number and hash and the cursor stored with it.
func (s *Store) Head(ctx context.Context, key market.SeriesID) (h ledger.Head, at store.Cursor, err error) {
	err = s.readSeries(ctx, "read the head of "+string(key), key, func(conn *sqlite.Conn, id int64) error {
		c, err := readChain(conn, id)
		h, at = c.head, c.cursor
		return err
	})
	return h, at, err
}

// readSeries is read for a series that must be registered.
func (s *Store) readSeries(ctx context.Context, op string, key market.SeriesID, f func(*sqlite.Conn, int64) error) error {
	return s.read(ctx, op, func(conn *sqlite.Conn) error {
		id, err := seriesID(conn, key)
		if err != nil {
			return err
		}
		if id == 0 {
			return fmt.Errorf("%w: the series is not registered", store.ErrNotFound)
		}
		return f(conn, id)
	})
}

// Entries returns the entries selected by q. An unknown series has none.
func (s *Store) Entries(ctx context.Context, key market.SeriesID, q store.EntryQuery) (list []ledger.Sealed, err error) {
	err = s.read(ctx, "read the ledger of "+string(key), func(conn *sqlite.Conn) error {
		id, err := seriesID(conn, key)
		if err != nil || id == 0 {
			return err
		}
		query := sqlEntries
		if q.Times.Newest {
			query = sqlEntriesNew
		}
		from, to, limit := bounds(q.Times)
		first, end, ok := numbers(q)
		if !ok {
			return nil
		}
		return each(conn, query, func(r *sqlite.Stmt) bool {
			e := ledger.Sealed{Seq: uint64(r.ColumnInt64(0)), Kind: ledger.Kind(r.ColumnInt(1)), Bytes: make([]byte, r.ColumnLen(2))}
			r.ColumnBytes(2, e.Bytes)
			r.ColumnBytes(3, e.Hash[:])
			list = append(list, e)
			return true
		}, id, first, end, kindMask(q.Kinds), from, to, limit)
	})
	return list, err
}

// numbers turns the bounds of q into what the statements compare with; ok is false
// when no number can lie between them.
func numbers(q store.EntryQuery) (from, to int64, ok bool) {
	to = math.MaxInt64
	if q.To != 0 && q.To < math.MaxInt64 {
		to = int64(q.To)
	}
	if q.From > math.MaxInt64 {
		return 0, 0, false
	}
	return int64(q.From), to, true
}

// kindMask has bit k set for kind k; none selected means all.
func kindMask(kinds []ledger.Kind) int64 {
	if len(kinds) == 0 {
		return -1
	}
	var m int64
	for _, k := range kinds {
		if k < 63 {
			m |= 1 << k
		}
	}
	return m
}
