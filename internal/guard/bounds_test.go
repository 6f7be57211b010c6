package guard_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/guard"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// slow is a store of one long chain whose pages take half a second each.
type slow struct {
	store.Store
	chain []ledger.Sealed
	pages []int       // entries of each
	at    []time.Time // when it was asked for
	first int         // after so many pages
	then  func()      // this is called
}

func (s *slow) Series(context.Context) ([]store.SeriesRecord, error) {
	return []store.SeriesRecord{storetest.Series("A")}, nil
}

func (s *slow) Head(context.Context, market.SeriesID) (ledger.Head, store.Cursor, error) {
	last := s.chain[len(s.chain)-1]
	return ledger.Head{Seq: last.Seq, Hash: last.Hash}, store.Cursor{}, nil
}

func (s *slow) Entries(_ context.Context, _ market.SeriesID, q store.EntryQuery) ([]ledger.Sealed, error) {
	s.at = append(s.at, time.Now())
	time.Sleep(500 * time.Millisecond)
	page := s.chain[q.From-1 : min(int(q.To)-1, len(s.chain))]
	if s.pages = append(s.pages, len(page)); len(s.pages) == s.first {
		s.then()
	}
	return page, nil
}

// The guard reads 500 entries at a time, leaves others as long again after each page, and sees
// that its context is done before the next one.
func TestPagesAreBounded(t *testing.T) {
	chain := storetest.Chain{ID: storetest.Series("A").ID(), Mode: ledger.Live}
	s := &slow{chain: []ledger.Sealed{chain.Genesis()}}
	for n := 1; len(s.chain) < 2200; n++ {
		s.chain = append(s.chain, chain.Outcome(n, 0))
	}
	guarded := func(t *testing.T) *guard.Guard {
		g, err := guard.New(guard.Config{Store: s, Now: time.Now, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	synctest.Test(t, func(t *testing.T) {
		if err := guarded(t).Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(s.pages, []int{500, 500, 500, 500, 200}) {
			t.Errorf("pages of %v entries", s.pages)
		}
		for i := range len(s.at) - 1 {
			if d := s.at[i+1].Sub(s.at[i]); d != time.Second {
				t.Errorf("page %d came %s after the one before, want a second: half of it is for others", i+2, d)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s.pages, s.first, s.then = nil, 2, cancel
		done := make(chan error, 1)
		g := guarded(t)
		go func() { done <- g.Run(ctx) }()
		if err := <-done; err != nil || len(s.pages) != 2 {
			t.Errorf("%v, after %d pages; it was stopped in the second", err, len(s.pages))
		}
	})
}
