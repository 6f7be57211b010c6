package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// page is the number of rows that are read from a store at a time.
const page = 10_000

// Source is what an export reads.
type Source interface {
	store.SeriesStore
	store.BarReader
	store.LedgerReader
	store.ScoreReader
	store.TickReader
	LastEvent(ctx context.Context) (uint64, error)
}

// Export writes what a store holds to files.
type Export struct {
	Store     Source
	Format    Format
	CreatedBy string
	// From and To select bars by their start, entries by their subject, scores by their
	// target, ticks by their time: From <= t < To. Zero means no bound.
	From, To market.Time
	// Latest leaves out revisions of bars that a later one replaced.
	Latest bool
	// Progress, when not nil, is told how much of total is done; total is 0 where it is not
	// known.
	Progress func(done, total int64)
}

func (e *Export) tell(done, total int64) {
	if e.Progress != nil {
		e.Progress(done, total)
	}
}

// Write writes one table of a series to w. What it returns lacks name, size and sum.
func (e *Export) Write(ctx context.Context, w io.Writer, s store.SeriesRecord, k Kind) (*Entry, error) {
	entry := &Entry{Format: e.Format, Meta: Meta{Schema: Schema, Kind: k, Series: s, CreatedBy: e.CreatedBy, From: e.From, To: e.To}}
	head, cursor, err := e.Store.Head(ctx, s.ID())
	if err != nil {
		return nil, err
	}
	m := &entry.Meta
	m.HeadSeq, m.HeadHash = head.Seq, head.Hash
	if k == Ledger && cursor.BarSeq > 0 {
		last, err := e.Store.BarLog(ctx, s.ID(), cursor.BarSeq-1, 1)
		if err != nil {
			return nil, err
		}
		if len(last) == 1 && last[0].Seq == cursor.BarSeq {
			m.Inputs, m.InputBar, m.InputRevision = cursor.Inputs, last[0].Start, last[0].Revision
		}
	}
	switch k {
	case Bars:
		m.Latest = e.Latest
		entry.Rows, err = e.bars(ctx, w, m)
	case Ledger:
		err = e.ledger(ctx, w, entry)
	case Scores:
		entry.Rows, err = e.scores(ctx, w, m)
	case Ticks:
		entry.Rows, err = e.ticks(ctx, w, m)
	default:
		err = fmt.Errorf("archive: there is no kind %.20q", k)
	}
	if err != nil {
		return nil, fmt.Errorf("export %s of %s: %w", k, s.ID(), err)
	}
	return entry, nil
}

// within reports whether t is selected.
func (e *Export) within(t market.Time) bool {
	return (e.From == 0 || t >= e.From) && (e.To == 0 || t < e.To)
}

// eachBar calls f for the pages of the log of a series up to event last.
func (e *Export) eachBar(ctx context.Context, id market.SeriesID, last uint64, f func([]store.BarRecord) error) error {
	for after := uint64(0); after < last; {
		recs, err := e.Store.BarLog(ctx, id, after, page)
		if err != nil || len(recs) == 0 {
			return err
		}
		after = recs[len(recs)-1].Seq
		for len(recs) > 0 && recs[len(recs)-1].Seq > last {
			recs = recs[:len(recs)-1]
		}
		if err := f(recs); err != nil {
			return err
		}
	}
	return nil
}

func (e *Export) bars(ctx context.Context, w io.Writer, m *Meta) (int64, error) {
	id := m.Series.ID()
	last, err := e.Store.LastEvent(ctx)
	if err != nil {
		return 0, err
	}
	newest := map[market.Time]int{} // of bars that have more than one revision
	if e.Latest {
		err := e.eachBar(ctx, id, last, func(recs []store.BarRecord) error {
			for i := range recs {
				if r := &recs[i]; r.Revision > 0 && e.within(r.Start) {
					newest[r.Start] = max(newest[r.Start], r.Revision)
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	out, err := NewWriter[BarRow](w, e.Format, m)
	if err != nil {
		return 0, err
	}
	rows := make([]BarRow, 0, page)
	err = e.eachBar(ctx, id, last, func(recs []store.BarRecord) error {
		rows = rows[:0]
		for i := range recs {
			if r := &recs[i]; e.within(r.Start) && r.Revision >= newest[r.Start] {
				rows = append(rows, barRow(r))
			}
		}
		if len(recs) > 0 {
			e.tell(int64(recs[len(recs)-1].Seq), int64(last))
		}
		return out.Write(rows)
	})
	if err != nil {
		return 0, err
	}
	e.tell(int64(last), int64(last))
	return out.rows, out.Close()
}

// entriesPage is the number of entries that are read at a time: they are long.
const entriesPage = 500

func (e *Export) ledger(ctx context.Context, w io.Writer, entry *Entry) error {
	id, head := entry.Series.ID(), entry.HeadSeq
	out, err := NewEntryWriter(w, e.Format, &entry.Meta)
	if err != nil {
		return err
	}
	for from := uint64(1); from <= head; {
		list, err := e.Store.Entries(ctx, id, store.EntryQuery{From: from, To: head + 1, Times: store.Range{From: e.From, To: e.To, Limit: entriesPage}})
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		for i := range list {
			if err := out.Write(list[i]); err != nil {
				return err
			}
		}
		from = list[len(list)-1].Seq + 1
		e.tell(int64(from-1), int64(head))
	}
	e.tell(int64(head), int64(head))
	entry.Rows, entry.Entries = out.Rows(), out.n
	return out.Close()
}

func (e *Export) scores(ctx context.Context, w io.Writer, m *Meta) (int64, error) {
	out, err := NewWriter[ScoreRow](w, e.Format, m)
	if err != nil {
		return 0, err
	}
	id := m.Series.ID()
	rows := make([]ScoreRow, 0, page)
	var bad error
	flush := func() bool {
		bad = out.Write(rows)
		e.tell(out.rows, 0)
		rows = rows[:0]
		return bad == nil
	}
	err = e.Store.EachScore(ctx, id, store.ScoreQuery{From: e.From, To: e.To}, func(s *score.Score) bool {
		rows = append(rows, scoreRow(id, s))
		return len(rows) < page || flush()
	})
	if err = errors.Join(err, bad); err != nil {
		return 0, err
	}
	if !flush() {
		return 0, bad
	}
	return out.rows, out.Close()
}

func (e *Export) ticks(ctx context.Context, w io.Writer, m *Meta) (int64, error) {
	out, err := NewWriter[TickRow](w, e.Format, m)
	if err != nil {
		return 0, err
	}
	id := m.Series.ID()
	rows := make([]TickRow, 0, page)
	var bad error
	flush := func() bool {
		bad = out.Write(rows)
		e.tell(out.rows, 0)
		rows = rows[:0]
		return bad == nil
	}
	err = e.Store.EachTick(ctx, id, e.From, e.To, func(t market.Tick) bool {
		rows = append(rows, TickRow{Series: string(id), Time: t.Time, Price: t.Price, Size: t.Size, Seq: t.Seq})
		return len(rows) < page || flush()
	})
	if err = errors.Join(err, bad); err != nil {
		return 0, err
	}
	if !flush() {
		return 0, bad
	}
	return out.rows, out.Close()
}

// ToFile writes one table to path and its manifest beside it.
func (e *Export) ToFile(ctx context.Context, path string, s store.SeriesRecord, k Kind) (*Entry, error) {
	entry, err := e.file(ctx, path, s, k)
	if err != nil {
		return nil, err
	}
	return entry, WriteManifest(path+ManifestSuffix, &Manifest{Schema: Schema, CreatedBy: e.CreatedBy, Files: []Entry{*entry}})
}

func (e *Export) file(ctx context.Context, path string, s store.SeriesRecord, k Kind) (entry *Entry, err error) {
	size, sum, err := WriteFile(path, func(w io.Writer) error {
		entry, err = e.Write(ctx, w, s, k)
		return err
	})
	if err != nil {
		return nil, err
	}
	entry.Name, entry.Bytes, entry.SHA256 = filepath.Base(path), size, sum
	return entry, nil
}

// ToFolder writes the tables of kinds of several series to a folder, which is made when it is
// missing, and a manifest of them last. Tables without rows are left out.
func (e *Export) ToFolder(ctx context.Context, dir string, series []store.SeriesRecord, kinds []Kind, wrote func(*Entry)) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// A manifest that stays while files are replaced would say what is no longer so.
	if err := os.Remove(filepath.Join(dir, ManifestName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	m := &Manifest{Schema: Schema, CreatedBy: e.CreatedBy, Files: []Entry{}}
	taken := map[string]bool{}
	for _, s := range series {
		for _, k := range kinds {
			name := FileName(s.ID(), k, e.Format)
			for i := 2; taken[strings.ToLower(name)]; i++ {
				name = fmt.Sprintf("%d-%s", i, FileName(s.ID(), k, e.Format))
			}
			taken[strings.ToLower(name)] = true
			entry, err := e.file(ctx, filepath.Join(dir, name), s, k)
			if err != nil {
				return err
			}
			if entry.Rows == 0 {
				if err := os.Remove(filepath.Join(dir, name)); err != nil {
					return err
				}
				continue
			}
			m.Files = append(m.Files, *entry)
			if wrote != nil {
				wrote(entry)
			}
		}
	}
	return WriteManifest(filepath.Join(dir, ManifestName), m)
}

// chainOf reports whether the export of a ledger is a whole chain.
func (m *Meta) chainOf(head ledger.Head) bool { return m.HeadSeq > 0 && m.Head() == head }
