package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// step is a store.Step made ready outside the writer.
type step struct {
	*store.Step
	facts  []facts
	scores []*score.Score // sorted, each once
	body   []byte         // scores as a row of score_recent holds them
	err    error          // why it cannot be kept
}

// facts are what the columns of an entry repeat.
type facts struct {
	prev     ledger.Hash
	mode     ledger.Mode
	subject  market.Time // that entries are selected by
	at       market.Time
	firstEnd market.Time // of the targets of an issue, 0 when it has none
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
	ready := prepareAll(steps)
	var failed []error
	err = s.write(ctx, op, func(w *writer) error {
		last, failed = 0, nil
		for i := range ready {
			seq, err := w.putStep(&ready[i])
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

// prepareAll prepares steps on all processors.
func prepareAll(steps []store.Step) []step {
	ready := make([]step, len(steps))
	const share = 32 // as many are not worth a goroutine
	var wg sync.WaitGroup
	var next atomic.Int64
	work := func() {
		for {
			from := int(next.Add(share)) - share
			if from >= len(steps) {
				return
			}
			for i := from; i < min(from+share, len(steps)); i++ {
				ready[i] = prepare(&steps[i])
			}
		}
	}
	for range min(runtime.GOMAXPROCS(0), (len(steps)-1)/share+1) - 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
	return ready
}

// prepare reads the sealed entries and checks that they are consecutive.
func prepare(s *store.Step) step {
	r := step{Step: s, facts: make([]facts, len(s.Entries))}
	for i := range s.Entries {
		sealed := &s.Entries[i]
		e, err := ledger.Decode(sealed.Bytes)
		switch {
		case err != nil:
			r.err = fmt.Errorf("entry %d: %w", sealed.Seq, err)
		case e.Series != s.Series || e.Seq != sealed.Seq:
			r.err = fmt.Errorf("entry %d of %s is sealed as entry %d of %s", sealed.Seq, s.Series, e.Seq, e.Series)
		case i > 0 && (e.Seq != s.Entries[i-1].Seq+1 || e.Prev != s.Entries[i-1].Hash):
			r.err = fmt.Errorf("%w: entry %d does not follow entry %d", store.ErrConflict, e.Seq, s.Entries[i-1].Seq)
		default:
			r.facts[i] = factsOf(e)
			continue
		}
		return r
	}
	r.scores = sortedScores(s.Scores)
	if len(r.scores) <= maxRecentScores {
		r.body = appendSegment(make([]byte, 0, 64+64*len(r.scores)), r.scores)
	}
	return r
}

func factsOf(e *ledger.Entry) facts {
	f := facts{prev: e.Prev, mode: e.Mode, subject: e.At, at: e.At}
	switch {
	case e.Issue != nil:
		f.subject = e.Issue.Cutoff
		for i := range e.Issue.Forecasts {
			if end := e.Issue.Forecasts[i].Target.End; i == 0 || end < f.firstEnd {
				f.firstEnd = end
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
func (w *writer) putStep(s *step) (last uint64, err error) {
	id, err := w.id(s.Series)
	if errors.Is(err, store.ErrNotFound) {
		return 0, refusal{err}
	}
	if err != nil {
		return 0, err
	}
	c, err := w.chain(id)
	if err != nil {
		return 0, err
	}
	if s.err != nil {
		return 0, refusal{s.err}
	}
	if len(s.Entries) > 0 && (s.Entries[0].Seq != c.head.Seq+1 || s.facts[0].prev != c.head.Hash) {
		return 0, refusal{fmt.Errorf("%w: entry %d (after %x) does not follow the head, entry %d (%x)",
			store.ErrConflict, s.Entries[0].Seq, s.facts[0].prev[:4], c.head.Seq, c.head.Hash[:4])}
	}
	w.move(c)
	c.cursor = s.Cursor
	for i := range s.Entries {
		if last, err = w.putEntry(c, &s.Entries[i], &s.facts[i]); err != nil {
			return 0, err
		}
	}
	return last, w.putScores(c, s)
}

func (w *writer) putEntry(c *chain, s *ledger.Sealed, f *facts) (uint64, error) {
	seq, err := w.nextEvent()
	if err != nil {
		return 0, err
	}
	stmt, err := w.conn.prepare(sqlAddEntry)
	if err != nil {
		return 0, err
	}
	stmt.BindInt64(1, int64(seq))
	stmt.BindInt64(2, c.series)
	stmt.BindInt64(3, int64(s.Seq))
	stmt.BindInt64(4, int64(s.Kind))
	stmt.BindInt64(5, int64(f.mode))
	stmt.BindInt64(6, int64(f.subject))
	stmt.BindInt64(7, int64(f.at))
	if f.firstEnd != 0 {
		stmt.BindInt64(8, int64(f.firstEnd))
	} else {
		stmt.BindNull(8)
	}
	stmt.BindBytes(9, s.Hash[:])
	stmt.BindBytes(10, s.Bytes)
	if err := run(stmt); err != nil {
		return 0, err
	}
	w.logged += len(s.Bytes)
	c.head = ledger.Head{Seq: s.Seq, Hash: s.Hash}
	return seq, c.addEntry(w.conn, place{seq: seq, kind: uint8(s.Kind), time: int64(f.subject)})
}

// Entries returns the entries selected by q. An unknown series has none.
func (s *Store) Entries(ctx context.Context, key market.SeriesID, q store.EntryQuery) (list []ledger.Sealed, err error) {
	err = s.read(ctx, "read the ledger of "+string(key), func(conn *conn) error {
		id, err := seriesID(conn, key)
		if err != nil || id == 0 {
			return err
		}
		_, _, limit := bounds(q.Times)
		return eachEntryPlace(conn, id, q, func(num uint64, p place) (bool, error) {
			e := ledger.Sealed{Seq: num, Kind: ledger.Kind(p.kind)}
			err := each(conn, sqlEntry, func(r *sqlite.Stmt) bool {
				r.ColumnBytes(0, e.Hash[:])
				e.Bytes = column(r, 1, nil)
				return true
			}, int64(p.seq))
			if err == nil && e.Bytes == nil {
				err = fmt.Errorf("%w: entry %d is missing", store.ErrCorrupt, num)
			}
			list = append(list, e)
			return len(list) < limit, err
		})
	})
	return list, err
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
