package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

func reject(i int) feed.Reject {
	return feed.Reject{Source: "file.csv", Instrument: "file:AMZN", Line: i + 1, Raw: fmt.Sprintf("row %d \xff", i), Reason: "price -1 is not positive"}
}

var quarantineCases = []testCase{
	{"newest first, in pages", func(t *testing.T, s store.Store) {
		at := time.Date(2024, 3, 1, 0, 0, 0, 123456000, time.UTC)
		for i := range 10 {
			check(t, s.Quarantine(t.Context(), at.Add(time.Duration(i)*time.Second), []feed.Reject{reject(2 * i), reject(2*i + 1)}))
		}
		var got []store.QuarantineRecord
		for before := uint64(0); ; {
			page, err := s.Quarantined(t.Context(), before, 3)
			check(t, err)
			if len(page) == 0 {
				break
			}
			got = append(got, page...)
			before = page[len(page)-1].Num
		}
		var want []store.QuarantineRecord
		for i := 19; i >= 0; i-- {
			want = append(want, store.QuarantineRecord{Num: got[19-i].Num, At: market.TimeOf(at) + market.Time(i/2)*second, Reject: reject(i)})
		}
		equal(t, "rejects", got, want)
		for i := 1; i < len(got); i++ {
			if got[i].Num >= got[i-1].Num {
				t.Fatalf("number %d stands after %d", got[i].Num, got[i-1].Num)
			}
		}
	}},
	{"the same reject is kept once", func(t *testing.T, s store.Store) {
		at := time.Unix(1_700_000_000, 0)
		a := reject(1)
		b, c, d, e := a, a, a, a
		b.Line, c.Raw, d.Reason, e.Source = 7, "other", "other", "other"
		check(t, s.Quarantine(t.Context(), at, []feed.Reject{a, b, a, c}))
		check(t, s.Quarantine(t.Context(), at.Add(time.Hour), []feed.Reject{a, d, e}))
		n, err := s.QuarantineCount(t.Context())
		check(t, err)
		equal(t, "rejects kept", n, 5)
		list, err := s.Quarantined(t.Context(), 0, 100)
		check(t, err)
		equal(t, "time of the first", list[len(list)-1].At, market.TimeOf(at))
	}},
	{"none", func(t *testing.T, s store.Store) {
		check(t, s.Quarantine(t.Context(), time.Unix(0, 0), nil))
		n, err := s.QuarantineCount(t.Context())
		check(t, err)
		equal(t, "rejects kept", n, 0)
	}},
}

var eventCases = []testCase{
	{"an empty store has none", func(t *testing.T, s store.Store) {
		for name, f := range map[string]func(context.Context) (uint64, error){"last": s.LastEvent, "first": s.FirstEvent} {
			n, err := f(t.Context())
			check(t, err)
			equal(t, name, n, 0)
		}
		equal(t, "events", len(eventsOf(t, s, 0)), 0)
		if s.Epoch() == "" {
			t.Fatal("the epoch is empty")
		}
	}},
	{"bars and entries in the order of commits", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A", "B")
		c := newChain(ids[1])
		commitBars(t, s, Bar(ids[0], 0, 0), Bar(ids[1], 0, 0))
		commitStep(t, s, store.Step{Series: ids[1], Entries: []ledger.Sealed{c.Genesis(), c.Issue(0, 1, 1)}})
		check(t, s.Quarantine(t.Context(), time.Unix(0, 0), []feed.Reject{reject(0)}))
		check(t, s.Ping(t.Context()))
		commitBars(t, s, Bar(ids[0], 0, 1))
		want := []store.Event{
			{Seq: 1, Series: ids[0], Kind: store.BarEvent, Key: int64(start0)},
			{Seq: 2, Series: ids[1], Kind: store.BarEvent, Key: int64(start0)},
			{Seq: 3, Series: ids[1], Kind: store.EntryEvent + store.EventKind(ledger.Genesis), Key: 1},
			{Seq: 4, Series: ids[1], Kind: store.EntryEvent + store.EventKind(ledger.Issue), Key: 2},
			{Seq: 5, Series: ids[0], Kind: store.BarEvent, Key: int64(start0)},
		}
		equal(t, "events", eventsOf(t, s, 0), want)
		equal(t, "events after 3", eventsOf(t, s, 3), want[3:])
		page, err := s.EventsAfter(t.Context(), 1, 2)
		check(t, err)
		equal(t, "page", page, want[1:3])
		first, err := s.FirstEvent(t.Context())
		check(t, err)
		equal(t, "first", first, 1)
		last, err := s.LastEvent(t.Context())
		check(t, err)
		equal(t, "last", last, 5)
	}},
}

var concurrencyCases = []testCase{
	{"readers see a batch wholly or not at all", func(t *testing.T, s store.Store) {
		const batches, size = 30, 40
		ids := register(t, s, "A", "B")
		done := make(chan struct{})
		var g errgroup.Group
		g.Go(func() error {
			defer close(done)
			c := newChain(ids[0])
			for i := range batches {
				if _, _, err := s.CommitBars(t.Context(), Bars(ids[0], i*size, (i+1)*size)); err != nil {
					return err
				}
				step := store.Step{Series: ids[0], Scores: Scores(i, 0, 3, 5), Cursor: store.Cursor{BarSeq: uint64(i + 1)}}
				if i == 0 {
					step.Entries = append(step.Entries, c.Genesis())
				}
				step.Entries = append(step.Entries, c.Issue(i, 1, 1), c.Outcome(i+1, 0))
				if _, err := s.CommitStep(t.Context(), step); err != nil {
					return err
				}
			}
			return nil
		})
		for range 3 {
			g.Go(func() error {
				for {
					bars, err := s.Bars(t.Context(), ids[0], store.Range{Limit: batches * size})
					if err != nil {
						return err
					}
					if len(bars)%size != 0 {
						return fmt.Errorf("%d bars are visible, batches have %d", len(bars), size)
					}
					h, at, err := s.Head(t.Context(), ids[0])
					if err != nil {
						return err
					}
					if want := 2*at.BarSeq + min(at.BarSeq, 1); h.Seq != want {
						return fmt.Errorf("cursor %d with head %d, want %d", at.BarSeq, h.Seq, want)
					}
					if n := len(scoresOf(t, s, ids[0], store.ScoreQuery{})); n%15 != 0 {
						return fmt.Errorf("%d scores are visible, steps have 15", n)
					}
					select {
					case <-done:
						return nil
					default:
					}
				}
			})
		}
		check(t, g.Wait())
	}},
	{"concurrent steps each get their own answer", func(t *testing.T, s store.Store) {
		const n, rounds = 24, 4
		var symbols []string
		for i := range n {
			symbols = append(symbols, fmt.Sprintf("S%02d", i))
		}
		ids := register(t, s, symbols...)
		var mu sync.Mutex
		won := map[market.SeriesID]int{}
		var g errgroup.Group
		for _, id := range ids {
			for range 2 { // rivals for the same chain
				g.Go(func() error {
					c := newChain(id)
					for i := range rounds {
						next := c.Genesis
						if i > 0 {
							next = func() ledger.Sealed { return c.Issue(i, 1, 1) }
						}
						_, err := s.CommitStep(t.Context(), store.Step{Series: id, Entries: []ledger.Sealed{next()}})
						switch {
						case err == nil:
							mu.Lock()
							won[id]++
							mu.Unlock()
						case !isConflict(err):
							return err
						}
					}
					return nil
				})
			}
		}
		check(t, g.Wait())
		for _, id := range ids {
			h, _, err := s.Head(t.Context(), id)
			check(t, err)
			if won[id] != rounds || h.Seq != rounds {
				t.Errorf("%s: %d steps won, head %d; want %d", id, won[id], h.Seq, rounds)
			}
		}
		equal(t, "events", len(eventsOf(t, s, 0)), n*rounds)
	}},
	{"a batch that fails does not fail the ones that wait with it", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A", "B")
		commitBars(t, s, Bar(ids[0], 0, 1))
		var g errgroup.Group
		for i := range 20 {
			g.Go(func() error {
				_, _, err := s.CommitBars(t.Context(), Bars(ids[1], i*10, i*10+10))
				return err
			})
			g.Go(func() error {
				// The first bar is new, the second conflicts: nothing may stay.
				_, _, err := s.CommitBars(t.Context(), []store.BarRecord{Bar(ids[0], 100+i, 0), Bar(ids[0], 0, 0)})
				if !isConflict(err) {
					return fmt.Errorf("error %w, want a conflict", err)
				}
				return nil
			})
		}
		check(t, g.Wait())
		for i, want := range []int{1, 200} {
			bars, err := s.Bars(t.Context(), ids[i], store.Range{})
			check(t, err)
			equal(t, "bars of "+string(ids[i]), len(bars), want)
		}
		for i, e := range eventsOf(t, s, 0) {
			if e.Seq != uint64(i+1) {
				t.Fatalf("event %d stands at place %d", e.Seq, i+1)
			}
		}
	}},
	{"callers that give up are told so and do not disturb the others", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		var g errgroup.Group
		var mu sync.Mutex
		kept := 0
		for i := range 40 {
			g.Go(func() error {
				ctx, cancel := context.WithCancel(t.Context())
				if i%2 == 0 {
					go cancel()
				}
				defer cancel()
				_, _, err := s.CommitBars(ctx, []store.BarRecord{Bar(id, i, 0)})
				if err == nil {
					mu.Lock()
					kept++
					mu.Unlock()
				} else if i%2 != 0 || ctx.Err() == nil {
					return err
				}
				return nil
			})
		}
		check(t, g.Wait())
		bars, err := s.Bars(t.Context(), id, store.Range{})
		check(t, err)
		equal(t, "bars", len(bars), kept)
	}},
}
