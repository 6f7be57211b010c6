// Package audit looks for what is wrong in a store: below the roles, by what the store
// itself can tell (store.Checker), and by what the roles say. Chains are verified to
// their recorded heads, every score must be of a bar whose outcome is sealed, the log of
// bars must ascend and hold the bar at which the track stands, and the candles must be
// what their bars make.
//
// It reads beside a process that writes; what is committed meanwhile is not looked at.
package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// page is the number of rows that are read at a time.
const page = 2000

const advice = "restore the last backup with foretick restore, or put what is still good into a new store with foretick db copy"

// Series is what was found in a series that is as it should be, or was.
type Series struct {
	ID     market.SeriesID
	Head   ledger.Head // of the verified chain
	Bars   int64       // in the log, revisions included
	Scores int64
}

// Watch is told how a check goes on; both functions may be nil.
type Watch struct {
	// Begin is called before each part of the work with its size, 0 when it is not known.
	Begin func(what string, total int64)
	// Add is called when n more of the part are done.
	Add func(n int64)
}

func (w Watch) begin(what string, total int64) {
	if w.Begin != nil {
		w.Begin(what, total)
	}
}

func (w Watch) add(n int64) {
	if w.Add != nil {
		w.Add(n)
	}
}

// Run checks a store and calls report for each fault. The error says why it could not go
// on looking. The series that could be read through are returned.
func Run(ctx context.Context, st store.Store, report func(store.Fault), w Watch) ([]Series, error) {
	w.begin("looking for damage", 0)
	damaged := false
	if err := st.CheckStorage(ctx, func(f store.Fault) { damaged = true; report(f) }); err != nil {
		return nil, err
	}
	all, err := st.Series(ctx)
	if err != nil {
		return nil, err
	}
	var done []Series
	for _, rec := range all {
		a := auditor{st: st, id: rec.ID(), watch: w, report: report}
		if err := a.run(ctx, rec.Interval); err != nil {
			if damaged && errors.Is(err, store.ErrCorrupt) { // it was said in more detail
				continue
			}
			if !errors.Is(err, store.ErrCorrupt) {
				return done, err
			}
			a.say("%v", err)
		}
		done = append(done, a.found)
	}
	return done, nil
}

type auditor struct {
	st     store.Store
	id     market.SeriesID
	watch  Watch
	report func(store.Fault)

	found    Series
	outcomes []market.Time // starts of bars that were judged
}

func (a *auditor) say(format string, args ...any) {
	a.report(store.Fault{Where: string(a.id), What: fmt.Sprintf(format, args...), Advice: advice})
}

func (a *auditor) run(ctx context.Context, base market.Interval) error {
	a.found.ID = a.id
	head, cursor, err := a.st.Head(ctx, a.id)
	if err != nil {
		return err
	}
	if whole, err := a.chain(ctx, head); err != nil || !whole {
		return err
	}
	if err := a.scores(ctx); err != nil {
		return err
	}
	if err := a.bars(ctx, cursor); err != nil {
		return err
	}
	return a.candles(ctx, base)
}

// chain verifies the entries up to head and, of a chain that goes on meanwhile, those
// after it. whole is false when a fault was found.
func (a *auditor) chain(ctx context.Context, head ledger.Head) (whole bool, err error) {
	a.watch.begin("verifying "+string(a.id), int64(head.Seq))
	var v ledger.Verifier
	for more := true; more; {
		list, err := a.st.Entries(ctx, a.id, store.EntryQuery{From: v.Head().Seq + 1, Times: store.Range{Limit: page}})
		if err != nil {
			return false, err
		}
		for i := range list {
			var bad *ledger.BadEntry
			if err := v.Add(list[i]); errors.As(err, &bad) {
				a.say("entry %d: %s", bad.Seq, bad.Reason)
				return false, nil
			} else if err != nil {
				return false, err
			}
			if v.Head().Seq == head.Seq && v.Head() != head {
				a.say("entry %d has hash %s, the recorded head %s", head.Seq, v.Head().Hash, head.Hash)
				return false, nil
			}
			if list[i].Kind == ledger.Outcome {
				e, err := ledger.Decode(list[i].Bytes)
				if err != nil {
					return false, err
				}
				a.outcomes = append(a.outcomes, e.Outcome.Bar.Start)
			}
		}
		a.watch.add(int64(len(list)))
		more = len(list) == page
	}
	a.found.Head = v.Head()
	switch {
	case v.Head().Seq < head.Seq:
		a.say("the chain ends at entry %d, its recorded head is entry %d", v.Head().Seq, head.Seq)
	case v.Head().Seq > 0 && v.Series() != a.id:
		a.say("its chain belongs to series %s", v.Series())
	default:
		return true, nil
	}
	return false, nil
}

// scores reads all scores: each is of a bar whose outcome is sealed.
func (a *auditor) scores(ctx context.Context) error {
	a.watch.begin("reading the scores of "+string(a.id), 0)
	slices.Sort(a.outcomes)
	left := a.outcomes
	var stray market.Time
	err := a.st.EachScore(ctx, a.id, store.ScoreQuery{}, func(s *score.Score) bool {
		a.found.Scores++
		a.watch.add(1)
		for len(left) > 0 && left[0] < s.Target {
			left = left[1:]
		}
		if len(left) == 0 || left[0] != s.Target {
			stray = s.Target
			return false
		}
		return true
	})
	if err != nil || stray == 0 {
		return err
	}
	// It may have come since the chain was read.
	if head, _, err := a.st.Head(ctx, a.id); err != nil || head != a.found.Head {
		return err
	}
	a.say("there are scores of bar %s, but no outcome of it in the ledger", stray)
	return nil
}

// bars reads the log of a series: its numbers ascend, and the track stands at one of them.
func (a *auditor) bars(ctx context.Context, cursor store.Cursor) error {
	a.watch.begin("reading the bars of "+string(a.id), 0)
	var after uint64
	reached := cursor.BarSeq == 0
	for {
		list, err := a.st.BarLog(ctx, a.id, after, page)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			break
		}
		for i := range list {
			if list[i].Seq <= after {
				a.say("event %d follows event %d in the log of bars", list[i].Seq, after)
				return nil
			}
			after = list[i].Seq
			reached = reached || after == cursor.BarSeq
		}
		a.found.Bars += int64(len(list))
		a.watch.add(int64(len(list)))
	}
	if !reached {
		a.say("its track stands at event %d, which is no bar of it", cursor.BarSeq)
	}
	return nil
}
