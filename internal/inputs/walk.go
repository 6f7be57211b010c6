package inputs

import (
	"context"
	"fmt"
	"math"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// page is the number of records read at a time.
const page = 1000

// place is where a walk stands when it has met the cutoff of an issue entry.
type place struct {
	entry  uint64
	issue  *ledger.IssueBody
	bar    *store.BarRecord // the one that ends at the cutoff
	agrees bool             // false: it cannot be told, for older bars are gone
}

// walk is the way through the bar log of a series and its ledger, side by side. A track
// consumes every record of the log, and seals an issue entry at each bar that is newer than all
// before it and no history.
//
// Where the oldest bars are gone the digest is not known at first. It is taken from an entry
// then, on trust, and the next is compared. Revisions of bars that are gone are gone, too, so
// one of the next may not agree either; it is taken on trust as well as long as a revision is
// common (track.Revisable bars).
type walk struct {
	ctx    context.Context
	st     Store
	id     market.SeriesID
	issues issues
	end    store.Cursor

	cut    bool // older bars are gone
	met    int  // entries whose bar is there
	agreed bool // an entry was compared, and is right

	digest ledger.Hash
	newest market.Time
	first  uint64 // event of the first bar after the entry before
	bars   int    // after the entry before
	report Report
}

func newWalk(ctx context.Context, st Store, id market.SeriesID) (*walk, error) {
	w := &walk{ctx: ctx, st: st, id: id, newest: math.MinInt64}
	head, end, err := st.Head(ctx, id)
	if err != nil {
		return nil, err
	}
	kept, err := st.KeptFrom(ctx, id)
	w.end, w.cut = end, kept != market.MinTime
	w.issues = issues{ctx: ctx, st: st, id: id, next: 1, end: head.Seq + 1}
	return w, err
}

// run takes the walk up to the cursor of the track. met is called for every issue entry whose
// cutoff bar is there, until it returns false.
func (w *walk) run(met func(*place) bool) error {
	for after := uint64(0); after < w.end.BarSeq; {
		recs, err := w.st.BarLog(w.ctx, w.id, after, page)
		if err != nil {
			return err
		}
		for i := 0; i < len(recs) && recs[i].Seq <= w.end.BarSeq; i++ {
			if more, err := w.take(&recs[i], met); err != nil || !more {
				return err
			}
		}
		if len(recs) == 0 {
			break
		}
		after = recs[len(recs)-1].Seq
	}
	return w.finish()
}

// take goes on by one record of the log.
func (w *walk) take(r *store.BarRecord, met func(*place) bool) (more bool, err error) {
	before := w.report.Oldest
	if w.report.Bars == 0 {
		w.report.Oldest, before = r.Start, math.MaxInt64
	}
	w.report.Oldest = min(w.report.Oldest, r.Start)
	if w.bars == 0 {
		w.first = r.Seq
	}
	w.report.Bars++
	w.bars++
	w.digest = ledger.DigestBar(w.digest, &r.Bar)
	fresh := r.Start > w.newest
	w.newest = max(w.newest, r.Start)
	if !fresh || r.Backfill {
		return true, nil
	}
	issue, err := w.issues.read()
	for ; err == nil && issue != nil && issue.Cutoff < r.End && issue.Cutoff <= before; issue, err = w.issues.read() {
		w.cut = true // its bar and all that are older are gone
		w.report.Unproven++
	}
	switch {
	case err != nil:
		return false, err
	case issue == nil:
		return false, w.wrong(nil, fmt.Sprintf("the bar that starts at %s, event %d, is stored, and nothing was forecast at its end: it was put in afterwards", r.Start, r.Seq))
	case issue.Cutoff < r.End:
		return false, w.wrong(issue, fmt.Sprintf("the bar that ends at its cutoff is not stored; the next one ends at %s", r.End))
	case issue.Cutoff > r.End:
		return false, w.wrong(issue, fmt.Sprintf("before it the bar that starts at %s, event %d, is stored, and nothing was forecast at its end: it was put in afterwards, or is not stored as it was", r.Start, r.Seq))
	}
	w.met++
	p := &place{entry: w.issues.entry, issue: issue, bar: r, agrees: w.digest == issue.Inputs}
	switch {
	case p.agrees:
		w.report.Cutoffs++
		if !w.agreed {
			w.agreed, w.report.From = true, p.entry
		}
	case w.cut && w.met <= track.Revisable:
		w.digest = issue.Inputs
		w.report.Unproven++
	default:
		return false, w.wrong(issue, w.differs(issue, r))
	}
	w.bars = 0
	return met(p), nil
}

// differs says what is wrong with the bars before an entry.
func (w *walk) differs(issue *ledger.IssueBody, r *store.BarRecord) string {
	if w.cut {
		return fmt.Sprintf("of the bars consumed since the entry before, events %d to %d, one is not stored as it was, or is missing; if the one that is missing is a late revision of a bar from before %s, it was deleted with it, and nothing is wrong", w.first, r.Seq, w.report.Oldest)
	}
	switch {
	case r.Close != issue.Last:
		return fmt.Sprintf("the bar that starts at %s, event %d, closed at %v when it was forecast from, and is stored with %v", r.Start, r.Seq, issue.Last, r.Close)
	case w.bars == 1:
		return fmt.Sprintf("the bar that starts at %s, event %d, revision %d, is not stored as it was consumed", r.Start, r.Seq, r.Revision)
	}
	return fmt.Sprintf("of the %d bars consumed since the entry before, events %d to %d, one is not stored as it was, or is missing", w.bars, w.first, r.Seq)
}

// wrong is the error about an issue entry, or with nil about what came after the last.
func (w *walk) wrong(issue *ledger.IssueBody, reason string) error {
	m := &Mismatch{Series: w.id, Entry: w.issues.entry, Reason: reason}
	if issue != nil {
		m.Cutoff = issue.Cutoff
	}
	return m
}

// finish looks at what is left when the log has ended.
func (w *walk) finish() error {
	issue, err := w.issues.read()
	if err != nil {
		return err
	}
	if issue != nil && (w.agreed || !w.cut && w.report.Bars > 0) {
		return w.wrong(issue, "the bar that ends at its cutoff is not stored")
	}
	for ; issue != nil && err == nil; issue, err = w.issues.read() {
		w.report.Unproven++
	}
	if err == nil && (w.agreed || !w.cut) && w.report.Bars > 0 && w.digest != w.end.Inputs {
		return w.wrong(nil, fmt.Sprintf("of the %d bars consumed since, up to event %d, one is not stored as it was, or is missing", w.bars, w.end.BarSeq))
	}
	return err
}

// issues reads the issue entries of a chain in order.
type issues struct {
	ctx       context.Context
	st        Store
	id        market.SeriesID
	next, end uint64
	list      []ledger.Sealed
	entry     uint64 // that was read last
}

// read returns the next, nil at the end.
func (i *issues) read() (*ledger.IssueBody, error) {
	if len(i.list) == 0 && i.next < i.end {
		list, err := i.st.Entries(i.ctx, i.id, store.EntryQuery{From: i.next, To: i.end, Kinds: []ledger.Kind{ledger.Issue}, Times: store.Range{Limit: page}})
		if err != nil {
			return nil, err
		}
		i.list = list
		if len(list) < page {
			i.next = i.end
		} else {
			i.next = list[len(list)-1].Seq + 1
		}
	}
	if len(i.list) == 0 {
		return nil, nil
	}
	s := i.list[0]
	i.list, i.entry = i.list[1:], s.Seq
	e, err := ledger.Decode(s.Bytes)
	if err != nil {
		return nil, fmt.Errorf("entry %d of %s: %w", s.Seq, i.id, err)
	}
	return e.Issue, nil
}
