package engine_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/engine"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// ledgered is a store that notes what is committed at once.
type ledgered struct {
	*sqlite.Store
	bars, series []int // of each commit
}

func (l *ledgered) CommitStep(ctx context.Context, steps ...store.Step) (uint64, error) {
	bars := 0
	for _, s := range steps {
		for _, e := range s.Entries {
			if e.Kind == ledger.Issue {
				bars++
			}
		}
	}
	l.bars, l.series = append(l.bars, bars), append(l.series, len(steps))
	return l.Store.CommitStep(ctx, steps...)
}

// behind is an engine whose store has n bars of m series that it has not stepped.
type behind struct {
	store  *ledgered
	engine *engine.Engine
	series []market.Series
	last   uint64
}

func newBehind(t *testing.T, m, n int, models func() []forecast.Forecaster, now func() time.Time) *behind {
	t.Helper()
	s, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	b := &behind{store: &ledgered{Store: s}}
	for i := range m {
		x := market.Series{Instrument: market.Instrument{Symbol: fmt.Sprintf("S%02d", i), Venue: "test"}, Interval: market.Second}
		b.series = append(b.series, x)
		if err := s.PutSeries(t.Context(), store.SeriesRecord{Series: x, Mode: ledger.Replay, Source: "test", Base: true}); err != nil {
			t.Fatal(err)
		}
	}
	var recs []store.BarRecord
	for i := range n {
		for k, x := range b.series {
			recs = append(recs, store.BarRecord{Series: x.ID(), Bar: barOf(k, i)})
		}
	}
	if _, b.last, err = s.CommitBars(t.Context(), recs); err != nil {
		t.Fatal(err)
	}
	b.engine, err = engine.New(engine.Config{Store: b.store, Bus: inproc.New(), Models: models, Horizons: track.UpTo(3),
		Calendars: func(market.Series) market.Calendar { return market.Always }, Now: now, Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// catchUp runs the engine until it has stepped everything.
func (b *behind) catchUp(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.engine.Run(ctx) }()
	if err := b.engine.Sync(t.Context(), b.last); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func (b *behind) check(t *testing.T, models func() []forecast.Forecaster, bars int) {
	t.Helper()
	for k, s := range b.series {
		tr, err := track.New(track.Config{Series: s, Mode: ledger.Replay, Horizons: track.UpTo(3), Models: models()})
		if err != nil {
			t.Fatal(err)
		}
		for i := range bars {
			if _, err := tr.Advance(t.Context(), track.Input{Bar: barOf(k, i)}, 0); err != nil {
				t.Fatal(err)
			}
		}
		if head, _, err := b.store.Head(t.Context(), s.ID()); err != nil || head != tr.Head() {
			t.Errorf("%s: head %v (%v), want %v", s.ID(), head, err, tr.Head())
		}
	}
}

// A pass ends when 250 ms have gone by on the clock, wherever it is: what has been stepped is
// committed, and the chain is the same as if it had been stepped in one go.
func TestPassIsBoundedInTime(t *testing.T) {
	for _, c := range []struct {
		name         string
		series, bars int
		each         time.Duration // what goes by between two looks at the clock
		most, least  int           // bars in one commit
	}{
		{"no time goes by", 3, 40, 0, 120, 120},
		{"a bar takes 50 ms", 1, 40, 50 * time.Millisecond, 5, 2},
		{"a bar takes longer than a pass may", 1, 20, time.Second, 1, 1},
		{"many series", 20, 3, 50 * time.Millisecond, 5, 1},
		{"many slow series", 20, 2, time.Second, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var clock atomic.Int64
			only := func() []forecast.Forecaster { return []forecast.Forecaster{naive.New()} }
			b := newBehind(t, c.series, c.bars, only, func() time.Time { return time.Unix(0, clock.Add(int64(c.each))) })
			b.catchUp(t)
			b.check(t, only, c.bars)
			total := 0
			for i, n := range b.store.bars {
				total += n
				if n > c.most || n < c.least && total < c.series*c.bars {
					t.Errorf("commit %d of %d holds %d bars of %d series, want %d to %d", i+1, len(b.store.bars), n, b.store.series[i], c.least, c.most)
				}
			}
			if total != c.series*c.bars {
				t.Errorf("%d bars were committed, want %d", total, c.series*c.bars)
			}
		})
	}
}

// meddler is a model that does something when it is asked for its n-th forecast.
type meddler struct {
	asked *atomic.Int64
	n     int64
	do    func()
}

func (meddler) Name() string { return "meddler" }

func (m meddler) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	f, err := naive.New().Fit(ctx, w)
	return meddling{f, m}, err
}

type meddling struct {
	forecast.Fitted
	m meddler
}

func (f meddling) Predict(w forecast.Window, h int) (forecast.Prediction, error) {
	if f.m.asked.Add(1) == f.m.n {
		f.m.do()
	}
	return f.Fitted.Predict(w, h)
}

// A context that ends while a bar is stepped is seen before the next one; what was stepped until
// then is committed before Run returns.
func TestCancelledWithinOneBar(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	var asked atomic.Int64
	models := func() []forecast.Forecaster {
		return []forecast.Forecaster{naive.New(), meddler{asked: &asked, n: 3*30 + 1, do: stop}}
	}
	b := newBehind(t, 1, 200, models, func() time.Time { return time.Unix(1_800_000_000, 0) })
	if err := b.engine.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if n := b.store.bars; len(n) != 1 || n[0] < 50 || n[0] > 55 { // no model forecasts the first twenty or so
		t.Fatalf("commits of %v bars, want one of about 52", n)
	}
	if n := asked.Load(); n > 3*31 {
		t.Errorf("%d forecasts were made, 91 when it was stopped", n)
	}
	asked.Store(1 << 40) // nobody meddles any more
	b.check(t, models, b.store.bars[0])
}
