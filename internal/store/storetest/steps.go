package storetest

import (
	"slices"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

func newChain(id market.SeriesID) *Chain { return &Chain{ID: id, Mode: ledger.Live} }

// longChain commits a genesis and n times an outcome and an issue, with a void and
// a gap now and then, a step each.
func longChain(t *testing.T, s store.Store, id market.SeriesID, n int) (all []ledger.Sealed) {
	t.Helper()
	c := newChain(id)
	for i := range n {
		var e []ledger.Sealed
		if i == 0 {
			e = append(e, c.Genesis())
		} else {
			e = append(e, c.Outcome(i, 0))
		}
		at := Bar(id, i, 0).End
		if i%40 == 7 {
			e = append(e, c.Seal(ledger.Entry{At: at + 950, Void: &ledger.VoidBody{Targets: []market.Time{at}, Reason: "absent"}}))
		}
		if i%50 == 20 {
			e = append(e, c.Seal(ledger.Entry{At: at + 960, Gap: &ledger.GapBody{Span: market.Span{Start: at - 5*second, End: at}, Bars: 5, Reason: "down"}}))
		}
		e = append(e, c.Issue(i, 1, 2))
		commitStep(t, s, store.Step{Series: id, Entries: e, Cursor: store.Cursor{BarSeq: uint64(i + 1)}})
		all = append(all, e...)
	}
	return all
}

var stepCases = []testCase{
	{"the head of an empty chain is zero", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		h, c, err := s.Head(t.Context(), id)
		check(t, err)
		equal(t, "head", h, ledger.Head{})
		equal(t, "cursor", c, store.Cursor{})
		_, _, err = s.Head(t.Context(), "sim:NO@1s")
		wantError(t, err, store.ErrNotFound)
	}},
	{"a step moves the head and the cursor and can be read back", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		c := newChain(id)
		entries := []ledger.Sealed{c.Genesis(), c.Issue(0, 3, 5)}
		cursor := store.Cursor{BarSeq: 77, Inputs: ledger.Hash{1, 2, 3}}
		if last := commitStep(t, s, store.Step{Series: id, Entries: entries, Cursor: cursor}); last != 2 {
			t.Fatalf("last event %d, want 2", last)
		}
		h, at, err := s.Head(t.Context(), id)
		check(t, err)
		equal(t, "head", h, c.Head)
		equal(t, "cursor", at, cursor)
		got, err := s.Entries(t.Context(), id, store.EntryQuery{})
		check(t, err)
		equal(t, "entries", got, entries)
	}},
	{"a step without entries moves the cursor only", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		c := newChain(id)
		commitStep(t, s, store.Step{Series: id, Entries: []ledger.Sealed{c.Genesis()}, Cursor: store.Cursor{BarSeq: 1}})
		cursor := store.Cursor{BarSeq: 9, Inputs: ledger.Hash{9}}
		if last := commitStep(t, s, store.Step{Series: id, Cursor: cursor}); last != 0 {
			t.Fatalf("last event %d, want none", last)
		}
		h, at, err := s.Head(t.Context(), id)
		check(t, err)
		equal(t, "head", h, c.Head)
		equal(t, "cursor", at, cursor)
	}},
	{"what does not follow the head is a conflict and leaves no trace", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		c := newChain(id)
		genesis := c.Genesis()
		fork := *c
		commitStep(t, s, store.Step{Series: id, Entries: []ledger.Sealed{genesis, c.Issue(0, 1, 1)}, Scores: Scores(0, 0, 1, 1)})
		other := fork
		skipped := fork
		skipped.Head.Seq = 7
		wrong := *c
		wrong.Head.Hash[0] ^= 1
		ahead := *c
		first := ahead.Outcome(1, 0)
		ahead.Outcome(2, 0) // left out
		for name, entries := range map[string][]ledger.Sealed{
			"genesis again":          {genesis},
			"another second entry":   {other.Outcome(0, 0)},
			"a number too high":      {skipped.Outcome(1, 0)},
			"wrong hash":             {wrong.Outcome(1, 0)},
			"a hole within the step": {first, ahead.Outcome(3, 0)},
		} {
			_, err := s.CommitStep(t.Context(), store.Step{Series: id, Entries: entries, Scores: Scores(1, 0, 1, 1), Cursor: store.Cursor{BarSeq: 99}})
			if err == nil || !strings.Contains(err.Error(), string(id)) {
				t.Fatalf("%s: error %v does not name the series", name, err)
			}
			wantError(t, err, store.ErrConflict)
		}
		h, at, err := s.Head(t.Context(), id)
		check(t, err)
		equal(t, "head", h, c.Head)
		equal(t, "cursor", at, store.Cursor{})
		equal(t, "scores", len(scoresOf(t, s, id, store.ScoreQuery{})), 1)
		equal(t, "events", len(eventsOf(t, s, 0)), 2)
		commitStep(t, s, store.Step{Series: id, Entries: []ledger.Sealed{c.Outcome(1, 0)}})
	}},
	{"steps are independent", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A", "B", "C")
		var steps []store.Step
		for _, id := range ids {
			c := newChain(id)
			steps = append(steps, store.Step{Series: id, Entries: []ledger.Sealed{c.Genesis(), c.Issue(0, 1, 1)}, Scores: Scores(0, 0, 1, 1)})
		}
		commitStep(t, s, steps[1])
		steps = append(steps, store.Step{Series: "sim:NO@1s", Entries: steps[0].Entries})
		last, err := s.CommitStep(t.Context(), steps...)
		wantError(t, err, store.ErrConflict)
		wantError(t, err, store.ErrNotFound)
		for _, id := range []market.SeriesID{ids[1], "sim:NO@1s"} {
			if !strings.Contains(err.Error(), string(id)) {
				t.Errorf("error %v does not name %s", err, id)
			}
		}
		equal(t, "last event", last, 6)
		for _, id := range ids {
			h, _, err := s.Head(t.Context(), id)
			check(t, err)
			equal(t, "head of "+string(id), h.Seq, 2)
		}
	}},
	{"two steps of one series in one call follow each other", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		c := newChain(id)
		a := store.Step{Series: id, Entries: []ledger.Sealed{c.Genesis()}, Cursor: store.Cursor{BarSeq: 1}}
		b := store.Step{Series: id, Entries: []ledger.Sealed{c.Issue(0, 1, 1)}, Cursor: store.Cursor{BarSeq: 2}}
		commitStep(t, s, a, b)
		h, at, err := s.Head(t.Context(), id)
		check(t, err)
		equal(t, "head", h, c.Head)
		equal(t, "cursor", at.BarSeq, 2)
	}},
	{"bytes that are no entry, or another's, are refused", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A", "B")
		c, other := newChain(ids[0]), newChain(ids[1])
		g := c.Genesis()
		cut := g
		cut.Bytes = cut.Bytes[:len(cut.Bytes)-1]
		for name, e := range map[string]ledger.Sealed{"cut": cut, "another series": other.Genesis(), "empty": {Seq: 1, Kind: ledger.Genesis}} {
			if _, err := s.CommitStep(t.Context(), store.Step{Series: ids[0], Entries: []ledger.Sealed{e}}); err == nil {
				t.Errorf("%s: kept", name)
			}
		}
		equal(t, "events", len(eventsOf(t, s, 0)), 0)
	}},
	{"entries are selected by number, kind and time", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A", "B")
		all := longChain(t, s, ids[0], 110)
		decoded := make([]*ledger.Entry, len(all))
		for i := range all {
			d, err := ledger.Decode(all[i].Bytes)
			check(t, err)
			decoded[i] = d
		}
		longChain(t, s, ids[1], 20)
		type pick func(e *ledger.Sealed, d *ledger.Entry, subject market.Time) bool
		at := func(i int) market.Time { return start0 + market.Time(i)*second }
		for _, c := range []struct {
			name string
			q    store.EntryQuery
			want pick
		}{
			{"all", store.EntryQuery{}, func(*ledger.Sealed, *ledger.Entry, market.Time) bool { return true }},
			{"numbers", store.EntryQuery{From: 50, To: 60}, func(e *ledger.Sealed, _ *ledger.Entry, _ market.Time) bool { return e.Seq >= 50 && e.Seq < 60 }},
			{"from", store.EntryQuery{From: 170}, func(e *ledger.Sealed, _ *ledger.Entry, _ market.Time) bool { return e.Seq >= 170 }},
			{"beyond the head", store.EntryQuery{From: 1 << 40}, func(*ledger.Sealed, *ledger.Entry, market.Time) bool { return false }},
			{"first", store.EntryQuery{To: 2}, func(e *ledger.Sealed, _ *ledger.Entry, _ market.Time) bool { return e.Seq == 1 }},
			{"issues", store.EntryQuery{Kinds: []ledger.Kind{ledger.Issue}}, func(e *ledger.Sealed, _ *ledger.Entry, _ market.Time) bool { return e.Kind == ledger.Issue }},
			{"rare kinds", store.EntryQuery{Kinds: []ledger.Kind{ledger.Gap, ledger.Void}}, func(e *ledger.Sealed, _ *ledger.Entry, _ market.Time) bool {
				return e.Kind == ledger.Gap || e.Kind == ledger.Void
			}},
			{"genesis", store.EntryQuery{Kinds: []ledger.Kind{ledger.Genesis}}, func(e *ledger.Sealed, _ *ledger.Entry, _ market.Time) bool { return e.Seq == 1 }},
			{"times", store.EntryQuery{Times: store.Range{From: at(30), To: at(40)}}, func(_ *ledger.Sealed, _ *ledger.Entry, t market.Time) bool { return t >= at(30) && t < at(40) }},
			{"cutoffs", store.EntryQuery{Kinds: []ledger.Kind{ledger.Issue}, Times: store.Range{From: at(100)}}, func(e *ledger.Sealed, _ *ledger.Entry, t market.Time) bool {
				return e.Kind == ledger.Issue && t >= at(100)
			}},
			{"outcome of one bar", store.EntryQuery{Kinds: []ledger.Kind{ledger.Outcome}, Times: store.Range{From: at(3), To: at(3) + 1}}, func(e *ledger.Sealed, d *ledger.Entry, _ market.Time) bool {
				return d.Outcome != nil && d.Outcome.Bar.Start == at(3)
			}},
		} {
			for _, limit := range []int{1, 9, 1 << 20} {
				for _, newest := range []bool{false, true} {
					var want []ledger.Sealed
					for i := range all {
						if d := decoded[i]; c.want(&all[i], d, subject(d)) {
							want = append(want, all[i])
						}
					}
					if newest {
						slices.Reverse(want)
					}
					want = want[:min(len(want), limit)]
					q := c.q
					q.Times.Limit, q.Times.Newest = limit, newest
					got, err := s.Entries(t.Context(), ids[0], q)
					check(t, err)
					equalLists(t, c.name, got, want, sameEntry)
				}
			}
		}
	}},
	{"the chain verifies as stored", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		longChain(t, s, id, 60)
		all, err := s.Entries(t.Context(), id, store.EntryQuery{})
		check(t, err)
		var v ledger.Verifier
		for _, e := range all {
			check(t, v.Add(e))
		}
		h, _, err := s.Head(t.Context(), id)
		check(t, err)
		equal(t, "head", v.Head(), h)
	}},
	{"an unknown series has no entries", func(t *testing.T, s store.Store) {
		got, err := s.Entries(t.Context(), "sim:NO@1s", store.EntryQuery{})
		check(t, err)
		equal(t, "entries", len(got), 0)
	}},
	{"no steps", func(t *testing.T, s store.Store) { equal(t, "last event", commitStep(t, s), 0) }},
}

// subject is the time that EntryQuery.Times selects by.
func subject(e *ledger.Entry) market.Time {
	switch {
	case e.Issue != nil:
		return e.Issue.Cutoff
	case e.Outcome != nil:
		return e.Outcome.Bar.Start
	}
	return e.At
}

var scoreCases = []testCase{
	{"scores come back to the last bit, by target, then cutoff", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A", "B")
		var want []score.Score
		for i := range 90 {
			want = append(want, Scores(i, 0, 3, 5)...)
			commitStep(t, s, store.Step{Series: ids[0], Scores: Scores(i, 0, 3, 5)}, store.Step{Series: ids[1], Scores: Scores(i+1, 0, 1, 1)})
		}
		sortScores(want)
		got := scoresOf(t, s, ids[0], store.ScoreQuery{})
		ordered(t, got)
		sortScores(got)
		equalLists(t, "scores", got, want, sameScore)
		at := func(i int) market.Time { return start0 + market.Time(i)*second }
		for _, c := range []struct {
			name string
			q    store.ScoreQuery
		}{
			{"model and horizon", store.ScoreQuery{Model: "drift", Horizon: 3}},
			{"model", store.ScoreQuery{Model: "ewma"}},
			{"horizon", store.ScoreQuery{Horizon: 2}},
			{"unknown model", store.ScoreQuery{Model: "no", Horizon: 1}},
			{"times", store.ScoreQuery{From: at(33), To: at(67)}},
			{"all of it", store.ScoreQuery{Model: "naive", Horizon: 1, From: at(10), To: at(85)}},
			{"newest", store.ScoreQuery{Model: "naive", Horizon: 1, From: at(89)}},
		} {
			got := scoresOf(t, s, ids[0], c.q)
			ordered(t, got)
			sortScores(got)
			equalLists(t, c.name, got, selectScores(want, c.q), sameScore)
		}
		equal(t, "unknown series", len(scoresOf(t, s, "sim:NO@1s", store.ScoreQuery{})), 0)
	}},
	{"reading stops when it is told to", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		commitStep(t, s, store.Step{Series: id, Scores: Scores(1, 0, 3, 5)})
		n := 0
		check(t, s.EachScore(t.Context(), id, store.ScoreQuery{}, func(*score.Score) bool { n++; return n < 4 }))
		equal(t, "scores read", n, 4)
	}},
	{"a later revision replaces and is noticed", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		for i := range 50 {
			commitStep(t, s, store.Step{Series: id, Scores: Scores(i, 0, 2, 2)})
		}
		before, err := s.ScoreRevision(t.Context(), id)
		check(t, err)
		commitStep(t, s, store.Step{Series: id, Scores: Scores(50, 0, 2, 2)})
		if n, err := s.ScoreRevision(t.Context(), id); err != nil || n != before {
			t.Fatalf("revision %d, %v after a new score; want %d", n, err, before)
		}
		for _, i := range []int{3, 49} {
			commitStep(t, s, store.Step{Series: id, Scores: Scores(i, 1, 2, 2)})
			after, err := s.ScoreRevision(t.Context(), id)
			check(t, err)
			if after == before {
				t.Fatalf("the replacement of target %d was not noticed", i)
			}
			before = after
		}
		got := scoresOf(t, s, id, store.ScoreQuery{})
		equal(t, "scores", len(got), 51*4)
		var want []score.Score
		for i := range 51 {
			revision := 0
			if i == 3 || i == 49 {
				revision = 1
			}
			want = append(want, Scores(i, revision, 2, 2)...)
		}
		sortScores(want)
		sortScores(got)
		equalLists(t, "scores", got, want, sameScore)
		n, err := s.ScoreRevision(t.Context(), "sim:NO@1s")
		equal(t, "revision of an unknown series", n, 0)
		check(t, err)
	}},
	{"versions and cutoffs of one target stand side by side", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		a := Scores(5, 0, 1, 1)[0]
		b, c, d := a, a, a
		b.Version, c.Cutoff, d.Version, d.Predicted = "naive-2", a.Cutoff-second, "naive-2", 1
		commitStep(t, s, store.Step{Series: id, Scores: []score.Score{a, b, c}})
		commitStep(t, s, store.Step{Series: id, Scores: []score.Score{d}})
		got := scoresOf(t, s, id, store.ScoreQuery{})
		ordered(t, got)
		sortScores(got)
		want := []score.Score{a, c, d}
		sortScores(want)
		equalLists(t, "scores", got, want, sameScore)
	}},
	{"many targets in one step, old ones too", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		var want, first, second []score.Score
		for i := range 400 {
			sc := Scores(i, 0, 2, 3)
			want = append(want, sc...)
			if i%3 == 0 || i > 300 {
				second = append(second, sc...)
			} else {
				first = append(first, sc...)
			}
		}
		commitStep(t, s, store.Step{Series: id, Scores: first})
		slices.Reverse(second)
		commitStep(t, s, store.Step{Series: id, Scores: second})
		got := scoresOf(t, s, id, store.ScoreQuery{})
		ordered(t, got)
		sortScores(got)
		sortScores(want)
		equalLists(t, "scores", got, want, sameScore)
	}},
}

func sortScores(list []score.Score) { slices.SortFunc(list, compareScores) }

// ordered checks the order that EachScore promises.
func ordered(t fataler, list []score.Score) {
	t.Helper()
	for i := 1; i < len(list); i++ {
		a, b := &list[i-1], &list[i]
		if a.Target > b.Target || a.Target == b.Target && a.Cutoff > b.Cutoff {
			t.Fatalf("score %d (target %s, cutoff %s) stands before (%s, %s)", i-1, a.Target, a.Cutoff, b.Target, b.Cutoff)
		}
	}
}

func selectScores(list []score.Score, q store.ScoreQuery) (out []score.Score) {
	for _, s := range list {
		if (q.Model == "" || s.Model == q.Model) && (q.Horizon == 0 || s.Horizon == q.Horizon) &&
			(q.From == 0 || s.Target >= q.From) && (q.To == 0 || s.Target < q.To) {
			out = append(out, s)
		}
	}
	return out
}
