package storetest

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// Clock is the clock of a store under test; it goes where it is set.
type Clock struct {
	mu sync.Mutex
	at market.Time
}

// Now is the time that was set, start0 at first.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return (start0 + c.at).Std()
}

// add moves the clock, back too.
func (c *Clock) add(d market.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at += d
}

func (c *Clock) now() market.Time { return market.TimeOf(c.Now()) }

func seqAt(t fataler, s store.Clock, at market.Time) uint64 {
	t.Helper()
	n, err := s.SeqAt(context.Background(), at)
	check(t, err)
	return n
}

// clockCases are those of "time as it was known".
var clockCases = []struct {
	name string
	run  func(*testing.T, store.Store, *Clock)
}{
	{"a time is turned into the last event committed by then", func(t *testing.T, s store.Store, c *Clock) {
		ids := register(t, s, "A", "B")
		_, err := s.SeqAt(t.Context(), c.now())
		wantError(t, err, store.ErrTooEarly)
		first := c.now()
		commitBars(t, s, Bars(ids[0], 0, 3)...)
		c.add(10)
		chain := newChain(ids[1])
		commitStep(t, s, store.Step{Series: ids[1], Entries: []ledger.Sealed{chain.Genesis()}})
		_, err = s.SeqAt(t.Context(), first-1)
		wantError(t, err, store.ErrTooEarly)
		if !strings.Contains(err.Error(), first.String()) {
			t.Errorf("%q does not say from when on it is known", err)
		}
		for _, x := range []struct {
			at   market.Time
			want uint64
		}{{first, 3}, {first + 9, 3}, {first + 10, 4}, {first + 11, 4}, {math.MaxInt64, 4}} {
			equal(t, x.at.String(), seqAt(t, s, x.at), x.want)
		}
	}},
	{"what adds no event does not move it", func(t *testing.T, s store.Store, c *Clock) {
		id := register(t, s, "A")[0]
		commitBars(t, s, Bar(id, 0, 0))
		c.add(10)
		check(t, s.Ping(t.Context()))
		_, _, err := s.CommitBars(t.Context(), Bars(id, 0, 1))
		check(t, err)
		check(t, s.PutDocuments(t.Context(), store.Document{Kind: "k", Name: "n"}))
		commitStep(t, s, store.Step{Series: id, Scores: Scores(0, 0, 1, 1)})
		commitBars(t, s, Bar(id, 1, 0))
		equal(t, "before the second", seqAt(t, s, c.now()-1), 1)
		equal(t, "at the second", seqAt(t, s, c.now()), 2)
	}},
	{"a clock that stands still or is set back does not mix up commits", func(t *testing.T, s store.Store, c *Clock) {
		id := register(t, s, "A")[0]
		began := c.now()
		for i := range 5 {
			commitBars(t, s, Bar(id, i, 0))
			if i == 2 {
				c.add(-3600 * second)
			}
		}
		for i := range market.Time(5) {
			equal(t, "event", seqAt(t, s, began+i), uint64(i)+1)
		}
	}},
	{"bars as they were", func(t *testing.T, s store.Store, c *Clock) {
		ids := register(t, s, "A", "B")
		id := ids[0]
		last := []uint64{commitBars(t, s, Bars(id, 0, 4)...)}
		for _, recs := range [][]store.BarRecord{
			{Bar(id, 1, 1), Bar(id, 9, 0)}, {Bar(id, 1, 2), Bar(ids[1], 2, 0)}, {Bar(id, 6, 0)}, {Bar(id, 9, 3), Bar(id, 0, 5)},
		} {
			last = append(last, commitBars(t, s, recs...))
		}
		for k, want := range [][]market.Bar{
			plain(Bars(id, 0, 4)),
			{Bar(id, 0, 0).Bar, Bar(id, 1, 1).Bar, Bar(id, 2, 0).Bar, Bar(id, 3, 0).Bar, Bar(id, 9, 0).Bar},
			{Bar(id, 0, 0).Bar, Bar(id, 1, 2).Bar, Bar(id, 2, 0).Bar, Bar(id, 3, 0).Bar, Bar(id, 9, 0).Bar},
			{Bar(id, 0, 0).Bar, Bar(id, 1, 2).Bar, Bar(id, 2, 0).Bar, Bar(id, 3, 0).Bar, Bar(id, 6, 0).Bar, Bar(id, 9, 0).Bar},
			{Bar(id, 0, 5).Bar, Bar(id, 1, 2).Bar, Bar(id, 2, 0).Bar, Bar(id, 3, 0).Bar, Bar(id, 6, 0).Bar, Bar(id, 9, 3).Bar},
		} {
			got, err := s.Bars(t.Context(), id, store.Range{AsOf: last[k]})
			check(t, err)
			equal(t, "bars", got, want)
			got, err = s.Bars(t.Context(), id, store.Range{AsOf: last[k], Newest: true, Limit: 2})
			check(t, err)
			slices.Reverse(want)
			equal(t, "newest bars", got, want[:2])
		}
		got, err := s.Bars(t.Context(), ids[1], store.Range{AsOf: last[1]})
		check(t, err)
		equal(t, "bars of a series that had none", len(got), 0)
		got, err = s.Bars(t.Context(), id, store.Range{AsOf: math.MaxUint64})
		check(t, err)
		equal(t, "bars as of the end of time", len(got), 6)
	}},
	{"the newest bars of then, history that came after them too", func(t *testing.T, s store.Store, c *Clock) {
		id := register(t, s, "A")[0]
		commitBars(t, s, Bars(id, 100, 200)...)
		commitBars(t, s, Bars(id, 0, 100)...)
		then := commitBars(t, s, Bar(id, 300, 0))
		commitBars(t, s, Bars(id, 200, 300)...)
		for _, x := range []struct {
			asOf   uint64
			newest int
		}{{50, 149}, {150, 199}, {190, 199}, {then - 1, 199}, {then, 300}, {then + 1, 300}} {
			got, err := s.Bars(t.Context(), id, store.Range{Newest: true, Limit: 1, AsOf: x.asOf})
			check(t, err)
			equal(t, "newest bar", got, plain(Bars(id, x.newest, x.newest+1)))
		}
	}},
	{"entries as they were, many of them", func(t *testing.T, s store.Store, c *Clock) {
		ids := register(t, s, "A", "B")
		a, b := newChain(ids[0]), newChain(ids[1])
		commitStep(t, s, store.Step{Series: ids[1], Entries: []ledger.Sealed{b.Genesis()}}, store.Step{Series: ids[0], Entries: []ledger.Sealed{a.Genesis()}})
		seqs := []uint64{2}
		for i := range 40 {
			var steps []store.Step
			for k := range 5 {
				steps = append(steps, store.Step{Series: ids[1], Entries: []ledger.Sealed{b.Outcome(5*i+k, 0)}}, store.Step{Series: ids[0], Entries: []ledger.Sealed{a.Outcome(5*i+k, 0)}})
			}
			last := commitStep(t, s, steps...)
			seqs = append(seqs, last-8, last-6, last-4, last-2, last)
		}
		for i, seq := range seqs {
			for off := range uint64(2) { // the other series' entry comes after
				got, err := s.Entries(t.Context(), ids[0], store.EntryQuery{Times: store.Range{Newest: true, Limit: 1, AsOf: seq + off}})
				check(t, err)
				if len(got) != 1 || got[0].Seq != uint64(i)+1 {
					t.Fatalf("newest entry as of event %d: %v, want number %d", seq+off, got, i+1)
				}
			}
			got, err := s.Entries(t.Context(), ids[0], store.EntryQuery{From: uint64(i) + 1, Times: store.Range{AsOf: seq - 1}})
			check(t, err)
			equal(t, "entries that were not there yet", len(got), 0)
		}
	}},
}

// stamp is a commit in the model: the time that it has, and its last event.
type stamp struct {
	at  market.Time
	seq uint64
}

// stamped notes a commit that may have added events.
func (m *model) stamped() {
	seq := uint64(len(m.events))
	before := stamp{at: math.MinInt64}
	if n := len(m.stamps); n > 0 {
		before = m.stamps[n-1]
	}
	if seq != before.seq {
		m.stamps = append(m.stamps, stamp{max(m.clock.now(), before.at+1), seq})
	}
}

// pass lets time pass, or sets the clock back.
func (m *model) pass(t *rapid.T) {
	m.clock.add(rapid.SampledFrom([]market.Time{0, 1, 2, 1_000_000, -5}).Draw(t, "passes"))
}

func (m *model) readClock(t *rapid.T) {
	at := m.clock.now() + market.Time(rapid.IntRange(-50, 5).Draw(t, "at"))
	if rapid.Bool().Draw(t, "at a commit") {
		at = rapid.SampledFrom(m.stamps).Draw(t, "commit").at + market.Time(rapid.IntRange(-1, 1).Draw(t, "off"))
	}
	var want uint64
	for _, x := range m.stamps {
		if x.at <= at {
			want = x.seq
		}
	}
	got, err := m.s.SeqAt(context.Background(), at)
	if want == 0 {
		if !errors.Is(err, store.ErrTooEarly) {
			t.Fatalf("%d, %v at %s; want ErrTooEarly", got, err, at)
		}
		return
	}
	check(t, err)
	equal(t, "event at "+at.String(), got, want)
}

// drawAsOf is an event as of which is asked, often 0 and sometimes one to come.
func (m *model) drawAsOf(t *rapid.T) uint64 {
	if rapid.Bool().Draw(t, "now") {
		return 0
	}
	return uint64(rapid.IntRange(max(1, len(m.events)-400), len(m.events)+2).Draw(t, "as of"))
}

// barsThen are the bars of a series as of an event.
func (m *model) barsThen(id market.SeriesID, asOf uint64) []market.Bar {
	if asOf == 0 {
		return slices.Clone(m.bars[id])
	}
	then := map[market.Time]market.Bar{}
	for _, r := range m.log {
		if r.Series == id && r.Seq <= asOf {
			then[r.Start] = r.Bar
		}
	}
	list := []market.Bar{}
	for _, b := range then {
		list = append(list, b)
	}
	slices.SortFunc(list, func(a, b market.Bar) int { return cmp.Compare(a.Start, b.Start) })
	return list
}
