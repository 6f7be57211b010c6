// Package inputs holds what the ledger says against the bars that are stored: it recomputes the
// digest of inputs that every issue entry seals, and reads back the window of bars that a
// forecast was made from.
//
// The chain of the ledger proves that its entries were not changed; it says nothing of the bars
// beside it. The digests do: each covers every bar that the series had consumed at that cutoff,
// revisions included, in the order of the log. A bar that was changed, removed or slipped in
// afterwards gives another digest.
package inputs

import (
	"context"
	"fmt"
	"slices"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// Store is what is read of a store.
type Store interface {
	Bars(ctx context.Context, id market.SeriesID, r store.Range) ([]market.Bar, error)
	BarLog(ctx context.Context, id market.SeriesID, after uint64, limit int) ([]store.BarRecord, error)
	KeptFrom(ctx context.Context, id market.SeriesID) (market.Time, error)
	Series(ctx context.Context) ([]store.SeriesRecord, error)
	ActionLog(ctx context.Context, after uint64, limit int) ([]store.ActionRecord, error)
	store.LedgerReader
}

// Report says what was compared and agrees.
type Report struct {
	Bars     int // of the log whose digest was recomputed, revisions included
	Cutoffs  int // issue entries whose digest was found again
	Unproven int // issue entries that could not be compared: older bars are not kept any more
	// From is the first entry whose digest was found again, 0 when there is none. Where others
	// came before it that could not be compared, it stands on the digest that the last of them
	// seals.
	From uint64
	// Oldest is the start of the first bar of the log, 0 when there is none.
	Oldest market.Time
}

// Mismatch says that the stored bars are not those that a forecast was made from.
type Mismatch struct {
	Series market.SeriesID
	Entry  uint64      // that does not agree; those before it do
	Cutoff market.Time // of the entry, 0 when it is about what came after Entry
	Reason string
}

func (m *Mismatch) Error() string {
	if m.Cutoff == 0 {
		return fmt.Sprintf("%s after entry %d: %s", m.Series, m.Entry, m.Reason)
	}
	return fmt.Sprintf("%s entry %d, cutoff %s: %s", m.Series, m.Entry, m.Cutoff, m.Reason)
}

// Verify recomputes the digests of all issue entries of a series and compares them with what
// was sealed. The error is a *Mismatch at the first that differs. done, if not nil, is told the
// number of the entry that was reached.
//
// Bars are kept for a limited time where the operator says so. The entries from before the
// oldest bar cannot be compared then, and the report counts them.
func Verify(ctx context.Context, st Store, id market.SeriesID, done func(entry uint64)) (Report, error) {
	w, err := newWalk(ctx, st, id)
	if err != nil {
		return Report{}, err
	}
	err = w.run(func(p *place) bool {
		if done != nil {
			done(p.entry)
		}
		return true
	})
	return w.report, err
}

// Seen is what a forecast was made from.
type Seen struct {
	Issue *ledger.IssueBody
	At    market.Time // when it was issued, as the entry says
	// Event is that of the bar at the cutoff: the window is the bars as of it.
	Event    uint64
	Consumed int  // bars of the log up to there, revisions included
	Proven   bool // their digest is the one sealed; false: older bars are gone, it cannot be told
	// Bars is the window, oldest first, as traded: at most as many as were asked for.
	Bars []market.Bar
	// Splits are those announced of the instrument that were known then. Models saw the bars
	// before one in the unit of those after it.
	Splits []market.Action
}

// Window reads back the n bars that the forecasts of an issue entry were made from. The error
// wraps store.ErrNotFound when there is no such entry or its bars are not kept any more, and is
// a *Mismatch when the stored bars are not those that the entry, or one before it, seals.
func Window(ctx context.Context, st Store, id market.SeriesID, entry uint64, n int, done func(entry uint64)) (*Seen, error) {
	w, err := newWalk(ctx, st, id)
	if err != nil {
		return nil, err
	}
	list, err := st.Entries(ctx, id, store.EntryQuery{From: entry, To: entry + 1, Kinds: []ledger.Kind{ledger.Issue}})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w: entry %d of %s seals no forecasts; foretick ledger show lists entries", store.ErrNotFound, entry, id)
	}
	e, err := ledger.Decode(list[0].Bytes)
	if err != nil {
		return nil, err
	}
	seen := &Seen{Issue: e.Issue, At: e.At}
	err = w.run(func(p *place) bool {
		if done != nil {
			done(p.entry)
		}
		if p.entry == entry {
			seen.Event, seen.Consumed, seen.Proven = p.bar.Seq, w.report.Bars, p.agrees
		}
		return p.entry < entry
	})
	if err != nil {
		return nil, err
	}
	if seen.Event == 0 {
		return nil, fmt.Errorf("%w: the bars that entry %d of %s was made from are not kept any more; the oldest that is starts at %s", store.ErrNotFound, entry, id, w.report.Oldest)
	}
	if seen.Bars, err = st.Bars(ctx, id, store.Range{Newest: true, Limit: n, AsOf: seen.Event}); err != nil {
		return nil, err
	}
	slices.Reverse(seen.Bars)
	seen.Splits, err = splits(ctx, st, id, seen.Event)
	return seen, err
}

// splits are those of the instrument of a series that were known when an event was logged.
func splits(ctx context.Context, st Store, id market.SeriesID, event uint64) ([]market.Action, error) {
	all, err := st.Series(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(s store.SeriesRecord) bool { return s.ID() == id })
	var own []store.ActionRecord
	for num := uint64(0); i >= 0; {
		list, err := st.ActionLog(ctx, num, page)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			break
		}
		for _, r := range list {
			if num = r.Num; r.Kind == market.Split && r.Instrument == all[i].Instrument.Key() {
				own = append(own, r)
			}
		}
	}
	return store.StandingActions(own, event), nil
}
