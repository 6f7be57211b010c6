package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// model is the store as slices: what the contract says, written as plainly as it
// can be.
type model struct {
	t      *rapid.T
	s      store.Store
	ids    []market.SeriesID
	chains map[market.SeriesID]*Chain
	log    []store.BarRecord
	bars   map[market.SeriesID][]market.Bar // latest revisions, by start
	ledger map[market.SeriesID][]ledger.Sealed
	sealed map[market.SeriesID][]uint64 // the events of ledger
	scores map[market.SeriesID][]score.Score
	cursor map[market.SeriesID]store.Cursor
	events []store.Event
	clock  *Clock
	stamps []stamp
	round  int
}

func compareScores(a, b score.Score) int {
	return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Cutoff, b.Cutoff),
		cmp.Compare(a.Model, b.Model), cmp.Compare(a.Horizon, b.Horizon), cmp.Compare(a.Version, b.Version))
}

// exerciseModel runs random writes against a store and the model and compares all
// that can be read. All runs share one store, with series of their own.
func exerciseModel(t *testing.T, open func(t *testing.T, now func() time.Time) store.Store) {
	clock := &Clock{}
	s := open(t, clock.Now)
	var stamps []stamp
	run := 0
	var events []store.Event
	var log []store.BarRecord
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := &model{
			t: rt, s: s, clock: clock, stamps: stamps, sealed: map[market.SeriesID][]uint64{}, events: events, log: log, chains: map[market.SeriesID]*Chain{}, bars: map[market.SeriesID][]market.Bar{},
			ledger: map[market.SeriesID][]ledger.Sealed{}, scores: map[market.SeriesID][]score.Score{}, cursor: map[market.SeriesID]store.Cursor{},
		}
		for i := range 3 {
			rec := Series(fmt.Sprintf("R%d-%d", run, i))
			check(rt, s.PutSeries(context.Background(), rec))
			m.ids = append(m.ids, rec.ID())
			m.chains[rec.ID()] = newChain(rec.ID())
		}
		// What was committed stays, whether or not this run fails.
		defer func() { events, log, stamps = m.events, m.log, m.stamps }()
		m.commitBars(rt)
		m.commitSteps(rt)
		for _, do := range rapid.SliceOfN(rapid.SampledFrom([]string{
			"bars", "steps", "steps", "steps", "bar range", "bar log", "entries", "scores", "events", "heads", "clock", "time passes",
		}), 0, 14).Draw(rt, "actions") {
			map[string]func(*rapid.T){
				"bars": m.commitBars, "steps": m.commitSteps, "bar range": m.readBars, "bar log": m.readLog,
				"entries": m.readEntries, "scores": m.readScores, "events": m.readEvents, "heads": m.readHeads,
				"clock": m.readClock, "time passes": m.pass,
			}[do](rt)
		}
		m.readScores(rt)
		m.readBars(rt)
		m.readEntries(rt)
		m.readHeads(rt)
	})
}

func (m *model) id(t *rapid.T) market.SeriesID { return rapid.SampledFrom(m.ids).Draw(t, "series") }

func (m *model) event(id market.SeriesID, kind store.EventKind, key int64) uint64 {
	seq := uint64(len(m.events) + 1)
	m.events = append(m.events, store.Event{Seq: seq, Series: id, Kind: kind, Key: key})
	return seq
}

func (m *model) putBar(id market.SeriesID, b market.Bar) {
	i, found := slices.BinarySearchFunc(m.bars[id], b.Start, func(b market.Bar, t market.Time) int { return cmp.Compare(b.Start, t) })
	if found {
		m.bars[id][i] = b
	} else {
		m.bars[id] = slices.Insert(m.bars[id], i, b)
	}
}

func (m *model) commitBars(t *rapid.T) {
	type key struct {
		id    market.SeriesID
		start market.Time
	}
	now := map[key]market.Bar{}
	for _, id := range m.ids {
		for _, b := range m.bars[id] {
			now[key{id, b.Start}] = b
		}
	}
	var recs, kept []store.BarRecord
	var want error
	for range rapid.IntRange(1, 40).Draw(t, "bars") {
		id := m.id(t)
		b := Bar(id, rapid.IntRange(0, 80).Draw(t, "bar"), rapid.SampledFrom([]int{0, 0, 0, 0, 1, 1, 2}).Draw(t, "revision"))
		b.Backfill, b.AfterGap = rapid.Bool().Draw(t, "backfill"), rapid.Bool().Draw(t, "after gap")
		old, ok := now[key{id, b.Start}]
		if ok && old.Revision > b.Revision && rapid.IntRange(0, 9).Draw(t, "keep the conflict") > 0 {
			continue
		}
		recs = append(recs, b)
		switch {
		case ok && old == b.Bar:
			continue
		case ok && old.Revision >= b.Revision:
			want = store.ErrConflict
		}
		now[key{id, b.Start}] = b.Bar
		kept = append(kept, b)
	}
	n, last, err := m.s.CommitBars(context.Background(), recs)
	if want != nil {
		if !errors.Is(err, want) || n != 0 || last != 0 {
			t.Fatalf("kept %d, last %d, error %v; want %v", n, last, err, want)
		}
		return
	}
	check(t, err)
	var seq uint64
	for _, b := range kept {
		b.Seq = m.event(b.Series, store.BarEvent, int64(b.Start))
		seq = b.Seq
		m.log = append(m.log, b)
		m.putBar(b.Series, b.Bar)
	}
	m.stamped()
	if n != len(kept) || last != seq {
		t.Fatalf("kept %d, last event %d; want %d and %d", n, last, len(kept), seq)
	}
}

func (m *model) commitSteps(t *rapid.T) {
	var steps []store.Step
	conflicts := 0
	last := uint64(0)
	for range rapid.IntRange(1, 12).Draw(t, "steps") {
		id := m.id(t)
		c := *m.chains[id]
		step := store.Step{Series: id, Cursor: store.Cursor{BarSeq: rapid.Uint64Range(0, 1<<60).Draw(t, "cursor")}}
		bad := rapid.IntRange(0, 7).Draw(t, "conflict") == 0
		if bad {
			c.Head.Hash[5]++
			c.Head.Seq++
		}
		for range rapid.IntRange(0, 5).Draw(t, "entries") {
			m.round++
			switch {
			case c.Head.Seq == 0:
				step.Entries = append(step.Entries, c.Genesis())
			case m.round%3 == 0:
				step.Entries = append(step.Entries, c.Issue(m.round, 1, 2))
			default:
				step.Entries = append(step.Entries, c.Outcome(m.round, m.round%2))
			}
		}
		for range rapid.SampledFrom([]int{0, 1, 1, 1, 3}).Draw(t, "targets") {
			i := m.round // mostly the next bar
			if rapid.IntRange(0, 15).Draw(t, "old target") == 0 {
				i = rapid.IntRange(0, 200).Draw(t, "target")
			}
			m.round++
			sc := Scores(i, rapid.IntRange(0, 1).Draw(t, "revision"), 2, 3)
			step.Scores = append(step.Scores, sc[:rapid.IntRange(0, len(sc)).Draw(t, "scores")]...)
		}
		steps = append(steps, step)
		if bad && len(step.Entries) > 0 {
			conflicts++
			continue
		}
		if bad {
			c = *m.chains[id]
		}
		*m.chains[id] = c
		m.cursor[id] = step.Cursor
		for _, e := range step.Entries {
			last = m.event(id, store.EntryEvent+store.EventKind(e.Kind), int64(e.Seq))
			m.sealed[id] = append(m.sealed[id], last)
		}
		m.ledger[id] = append(m.ledger[id], step.Entries...)
		for _, sc := range step.Scores {
			i, found := slices.BinarySearchFunc(m.scores[id], sc, compareScores)
			if found {
				m.scores[id][i] = sc
			} else {
				m.scores[id] = slices.Insert(m.scores[id], i, sc)
			}
		}
	}
	got, err := m.s.CommitStep(context.Background(), steps...)
	m.stamped()
	if conflicts == 0 {
		check(t, err)
	} else if !errors.Is(err, store.ErrConflict) {
		t.Fatalf("error %v, want a conflict", err)
	}
	equal(t, "last event", got, last)
}

func (m *model) drawRange(t *rapid.T) store.Range {
	edge := func(name string) market.Time {
		if i := rapid.IntRange(-5, 160).Draw(t, name); i >= 0 {
			return start0 + market.Time(i)*second
		}
		return 0
	}
	return store.Range{From: edge("from"), To: edge("to"), Limit: rapid.IntRange(0, 90).Draw(t, "limit"), Newest: rapid.Bool().Draw(t, "newest"), AsOf: m.drawAsOf(t)}
}

func within(r store.Range, at market.Time) bool {
	return (r.From == 0 || at >= r.From) && (r.To == 0 || at < r.To)
}

// cut applies order and limit of r.
func cut[T any](r store.Range, list []T) []T {
	if r.Newest {
		slices.Reverse(list)
	}
	if r.Limit == 0 {
		r.Limit = 1000
	}
	return list[:min(r.Limit, len(list))]
}

func (m *model) readBars(t *rapid.T) {
	id, r := m.id(t), m.drawRange(t)
	want := cut(r, slices.DeleteFunc(m.barsThen(id, r.AsOf), func(b market.Bar) bool { return !within(r, b.Start) }))
	got, err := m.s.Bars(context.Background(), id, r)
	check(t, err)
	equalLists(t, "bars", got, want, identical)
}

func (m *model) readLog(t *rapid.T) {
	var id market.SeriesID
	if rapid.Bool().Draw(t, "one series") {
		id = m.id(t)
	}
	after := uint64(rapid.IntRange(max(0, len(m.events)-400), len(m.events)+1).Draw(t, "after"))
	limit := rapid.IntRange(1, 300).Draw(t, "limit")
	var want []store.BarRecord
	for _, r := range m.log {
		if r.Seq > after && (id == "" || r.Series == id) && len(want) < limit {
			want = append(want, r)
		}
	}
	got, err := m.s.BarLog(context.Background(), id, after, limit)
	check(t, err)
	equalLists(t, "bar log", got, want, identical)
}

func (m *model) readEntries(t *rapid.T) {
	id := m.id(t)
	q := store.EntryQuery{
		From: rapid.Uint64Range(0, 60).Draw(t, "first"), To: rapid.Uint64Range(0, 200).Draw(t, "end"),
		Kinds: rapid.SampledFrom([][]ledger.Kind{nil, {ledger.Issue}, {ledger.Outcome}, {ledger.Genesis, ledger.Issue}}).Draw(t, "kinds"),
		Times: m.drawRange(t),
	}
	var want []ledger.Sealed
	for i, e := range m.ledger[id] {
		if q.Times.AsOf != 0 && m.sealed[id][i] > q.Times.AsOf {
			break
		}
		d, err := ledger.Decode(e.Bytes)
		check(t, err)
		if e.Seq >= q.From && (q.To == 0 || e.Seq < q.To) && (len(q.Kinds) == 0 || slices.Contains(q.Kinds, e.Kind)) && within(q.Times, subject(d)) {
			want = append(want, e)
		}
	}
	want = cut(q.Times, want)
	got, err := m.s.Entries(context.Background(), id, q)
	check(t, err)
	equalLists(t, "entries", got, want, sameEntry)
}

func (m *model) readScores(t *rapid.T) {
	id, r := m.id(t), m.drawRange(t)
	q := store.ScoreQuery{
		Model: rapid.SampledFrom([]string{"", "naive", "drift", "ewma"}).Draw(t, "model"), Horizon: rapid.IntRange(0, 3).Draw(t, "horizon"),
		From: r.From, To: r.To,
	}
	got := scoresOf(t, m.s, id, q)
	ordered(t, got)
	sortScores(got)
	equalLists(t, "scores", got, selectScores(m.scores[id], q), sameScore)
}

func (m *model) readEvents(t *rapid.T) {
	after := rapid.IntRange(max(0, len(m.events)-200), len(m.events)).Draw(t, "after")
	limit := rapid.IntRange(1, 300).Draw(t, "limit")
	got, err := m.s.EventsAfter(context.Background(), uint64(after), limit)
	check(t, err)
	equalLists(t, "events", got, m.events[after:min(after+limit, len(m.events))], identical)
	n, err := m.s.LastEvent(context.Background())
	check(t, err)
	equal(t, "last event", n, uint64(len(m.events)))
}

func (m *model) readHeads(t *rapid.T) {
	for _, id := range m.ids {
		h, at, err := m.s.Head(context.Background(), id)
		check(t, err)
		equal(t, "head", h, m.chains[id].Head)
		equal(t, "cursor", at, m.cursor[id])
	}
}
