package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// entryColumns are the columns of ledger, in the order in which rows of COPY have them.
var entryColumns = []string{"seq", "series", "num", "kind", "mode", "time", "at", "first_end", "hash", "body"}

// facts are what the columns of an entry repeat.
type facts struct {
	prev     ledger.Hash
	mode     ledger.Mode
	subject  market.Time // that entries are selected by
	at       market.Time
	firstEnd *int64 // of the targets of an issue
}

// CommitStep appends what tracks did. See store.StepWriter.
func (s *Store) CommitStep(ctx context.Context, steps ...store.Step) (last uint64, err error) {
	if len(steps) == 0 {
		return 0, ctx.Err()
	}
	op := fmt.Sprintf("commit a step of %s", steps[0].Series)
	if len(steps) > 1 {
		op = fmt.Sprintf("commit steps of %d series", len(steps))
	}
	all := make([][]facts, len(steps))
	bad := make([]error, len(steps))
	for i := range steps {
		all[i], bad[i] = prepare(&steps[i])
	}
	var failed []error
	err = s.write(ctx, op, func(ctx context.Context, w *writer) error {
		last, failed = 0, nil
		for i := range steps {
			seq, err := w.putStep(ctx, &steps[i], all[i], bad[i])
			var r refusal
			switch {
			case errors.As(err, &r):
				failed = append(failed, fmt.Errorf("step of %s: %w", steps[i].Series, r.error))
			case err != nil:
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

// prepare reads the sealed entries and checks that they are consecutive.
func prepare(s *store.Step) ([]facts, error) {
	list := make([]facts, len(s.Entries))
	for i := range s.Entries {
		sealed := &s.Entries[i]
		e, err := ledger.Decode(sealed.Bytes)
		switch {
		case err != nil:
			return nil, fmt.Errorf("entry %d: %w", sealed.Seq, err)
		case e.Series != s.Series || e.Seq != sealed.Seq:
			return nil, fmt.Errorf("entry %d of %s is sealed as entry %d of %s", sealed.Seq, s.Series, e.Seq, e.Series)
		case i > 0 && (e.Seq != s.Entries[i-1].Seq+1 || e.Prev != s.Entries[i-1].Hash):
			return nil, fmt.Errorf("%w: entry %d does not follow entry %d", store.ErrConflict, e.Seq, s.Entries[i-1].Seq)
		}
		list[i] = factsOf(e)
	}
	return list, nil
}

func factsOf(e *ledger.Entry) facts {
	f := facts{prev: e.Prev, mode: e.Mode, subject: e.At, at: e.At}
	switch {
	case e.Issue != nil:
		f.subject = e.Issue.Cutoff
		for i := range e.Issue.Forecasts {
			if end := int64(e.Issue.Forecasts[i].Target.End); f.firstEnd == nil || end < *f.firstEnd {
				f.firstEnd = &end
			}
		}
	case e.Outcome != nil:
		f.subject = e.Outcome.Bar.Start
	}
	return f
}

// refusal is the error of a step that was left out before anything was written.
type refusal struct{ error }

// putStep keeps one step, or refuses it.
func (w *writer) putStep(ctx context.Context, s *store.Step, list []facts, bad error) (last uint64, err error) {
	c, err := w.chain(ctx, s.Series)
	if errors.Is(err, store.ErrNotFound) {
		return 0, refusal{err}
	}
	if err != nil {
		return 0, err
	}
	if bad != nil {
		return 0, refusal{bad}
	}
	if len(s.Entries) > 0 && (s.Entries[0].Seq != c.head.Seq+1 || list[0].prev != c.head.Hash) {
		return 0, refusal{fmt.Errorf("%w: entry %d (after %x) does not follow the head, entry %d (%x)",
			store.ErrConflict, s.Entries[0].Seq, list[0].prev[:4], c.head.Seq, c.head.Hash[:4])}
	}
	w.move(c)
	c.cursor = s.Cursor
	for i := range s.Entries {
		e, f := &s.Entries[i], &list[i]
		last = w.nextEvent()
		w.entries = append(w.entries, []any{int64(last), c.series, int64(e.Seq), int16(e.Kind), int16(f.mode), int64(f.subject), int64(f.at), f.firstEnd, e.Hash[:], e.Bytes})
		c.head = ledger.Head{Seq: e.Seq, Hash: e.Hash}
	}
	return last, w.putScores(ctx, c, s.Scores)
}

// Head returns the last entry's number and hash and the cursor stored with it.
func (s *Store) Head(ctx context.Context, key market.SeriesID) (h ledger.Head, at store.Cursor, err error) {
	err = s.read(ctx, "read the head of "+string(key), func(tx pgx.Tx) error {
		var id int32
		err := tx.QueryRow(ctx, "SELECT id FROM series WHERE key = $1", string(key)).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("%w: the series is not registered", store.ErrNotFound)
		}
		if err != nil {
			return err
		}
		c, err := readChain(ctx, tx, id)
		if err != nil {
			return err
		}
		h, at = c.head, c.cursor
		return nil
	})
	return h, at, err
}

// Entries returns the entries selected by q. An unknown series has none.
func (s *Store) Entries(ctx context.Context, key market.SeriesID, q store.EntryQuery) (list []ledger.Sealed, err error) {
	from, to, limit := bounds(q.Times)
	if limit < 0 {
		return nil, ctx.Err()
	}
	order := "ASC"
	if q.Times.Newest {
		order = "DESC"
	}
	first, end := int64(min(q.From, 1<<62)), int64(1<<62)
	if q.To != 0 {
		end = int64(min(q.To, 1<<62))
	}
	kinds := make([]int16, len(q.Kinds))
	for i, k := range q.Kinds {
		kinds[i] = int16(k)
	}
	err = s.read(ctx, "read the ledger of "+string(key), func(tx pgx.Tx) error {
		if q.Times.AsOf != 0 { // the order of entries is that of their events
			var then int64
			err := tx.QueryRow(ctx, "SELECT num FROM ledger WHERE series = (SELECT id FROM series WHERE key = $1) AND seq <= $2 ORDER BY seq DESC LIMIT 1",
				string(key), int64(min(q.Times.AsOf, math.MaxInt64))).Scan(&then)
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return err
			}
			end = min(end, then+1)
		}
		rows, err := tx.Query(ctx, "SELECT num, kind, hash, body FROM ledger WHERE series = (SELECT id FROM series WHERE key = $1) AND num >= $2 AND num < $3 AND time >= $4 AND time < $5 AND (cardinality($6::smallint[]) = 0 OR kind = ANY($6)) ORDER BY num "+order+" LIMIT $7",
			string(key), first, end, from, to, kinds, limit)
		if err != nil {
			return err
		}
		var num int64
		var kind int16
		var hash, body []byte
		_, err = pgx.ForEachRow(rows, []any{&num, &kind, &hash, &body}, func() error {
			e := ledger.Sealed{Seq: uint64(num), Kind: ledger.Kind(kind), Bytes: append([]byte(nil), body...)}
			copy(e.Hash[:], hash)
			list = append(list, e)
			return nil
		})
		return err
	})
	return list, err
}
