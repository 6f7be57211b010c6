package app_test

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// venue is a source that sends what it is told to.
type venue struct {
	series   market.Series
	calendar market.Calendar // nil: around the clock
	say      chan feed.Message
}

func (v venue) Info() feed.Info {
	info := feed.Info{Name: "venue", Series: []market.Series{v.series}}
	if v.calendar != nil {
		info.Calendars = map[string]market.Calendar{v.series.Instrument.Key(): v.calendar}
	}
	return info
}

func (v venue) Run(ctx context.Context, _ feed.Resume, out chan<- feed.Message) error {
	m := feed.Message{State: feed.Running}
	for {
		select {
		case out <- m:
		case <-ctx.Done():
			return nil
		}
		select {
		case m = <-v.say:
		case <-ctx.Done():
			return nil
		}
	}
}

// machine is one whose clock is off.
type machine struct {
	*testing.T
	app  *app.App
	off  atomic.Int64
	stop func()
}

// boot starts the program on a machine whose clock is off from what now says. source may be nil: the
// simulated market then.
func boot(t *testing.T, at app.Place, source feed.Source, now func() time.Time, off time.Duration) *machine {
	t.Helper()
	m := &machine{T: t}
	m.off.Store(int64(off))
	cfg := app.Config{Addr: "127.0.0.1:0", Data: at.Data, Store: at.Store, Feed: "live", Models: []string{"naive", "ewma"}, Horizons: 2, Grace: 500 * time.Millisecond, Log: "error"}
	if source == nil {
		cfg.Feed, cfg.Sim = "sim", "realistic"
	}
	ctx, stop := context.WithCancel(t.Context())
	deps := app.Deps{Now: func() time.Time { return now().Add(time.Duration(m.off.Load())) }, Log: slog.New(slog.DiscardHandler), Stderr: io.Discard, Source: source}
	var err error
	if m.app, err = app.New(ctx, cfg, deps); err != nil {
		stop()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- m.app.Run(ctx) }()
	m.stop = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(m.stop)
	return m
}

// until waits for something to become true of the feed.
func (m *machine) until(what string, f func(feed.Health) bool) {
	m.Helper()
	for deadline := time.Now().Add(60 * time.Second); !f(m.app.Feeds()[0]); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			m.Fatalf("%s: not within a minute; the feed is %+v", what, m.app.Feeds()[0])
		}
	}
}

// chainAt is the chain of a series in a store, which must verify: without holes, its time not running
// backwards, every cutoff before its issue.
func chainAt(t *testing.T, at app.Place, id market.SeriesID) []ledger.Sealed {
	t.Helper()
	r := storedAt(t, at)[id]
	if r == nil {
		t.Fatalf("%s is not stored", id)
	}
	var v ledger.Verifier
	for _, e := range r.chain {
		if err := v.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	return r.chain
}

// issues counts, among entries, the cutoffs for which there are forecasts, and those for which it was too late
// for all.
func issues(t *testing.T, chain []ledger.Sealed) (forecast, missed int) {
	t.Helper()
	for _, s := range chain {
		e, err := ledger.Decode(s.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if e.Issue == nil {
			continue
		}
		if e.Issue.Cutoff > e.At {
			t.Errorf("entry %d: issued at %s, before its cutoff %s", e.Seq, e.At, e.Issue.Cutoff)
		}
		if len(e.Issue.Forecasts) > 0 {
			forecast++
			continue
		}
		missed++
		for _, a := range e.Issue.Abstentions {
			if a.Model == "naive" && !strings.HasPrefix(a.Reason, "missed: the target had ended") {
				t.Errorf("entry %d: %s abstains: %s", e.Seq, a.Model, a.Reason)
			}
		}
	}
	return forecast, missed
}

// TestClocksOfTwoMachines lets a second machine, whose clock is an hour off, go on on the database of the
// first, and then one that is right again: what it cannot do it refuses in words, nothing is lost, chains verify.
func TestClocksOfTwoMachines(t *testing.T) {
	testdata.SkipRaced(t, "the loop that TestVenueIsFollowedAndHealed watches")
	type phase struct {
		off              time.Duration
		from, to         int // bars that the venue sends
		refused          int // of them, as being from the future
		forecast, missed int // cutoffs
	}
	for name, phases := range map[string][]phase{
		"an hour behind": {
			{0, 0, 20, 0, 20, 0},
			{-time.Hour, 20, 30, 10, 0, 0}, // bars from the future are not believed
			{0, 20, 40, 0, 12, 8},          // but are there, when the venue is asked again; too late for most forecasts that were due
		},
		"an hour ahead": {
			{0, 0, 20, 0, 20, 0},
			{time.Hour, 20, 30, 0, 0, 10},
			{0, 30, 100, 0, 12, 58}, // until the last time that was sealed has passed
		},
		"two minutes behind": {
			{0, 0, 20, 0, 20, 0},
			{-2 * time.Minute, 20, 30, 0, 10, 0}, // the time of the data counts
			{0, 30, 40, 0, 10, 0},
		},
	} {
		t.Run(name, func(t *testing.T) {
			at := app.Place{Data: t.TempDir(), Store: pgtest.Open(t)}
			v := venue{say: make(chan feed.Message), series: coin}
			id := v.series.ID()
			var now atomic.Int64
			now.Store(int64(noon))
			clock := func() time.Time { return market.Time(now.Load()).Std() }
			tell := func(m feed.Message) {
				m.Instrument = v.series.Instrument.Key()
				select {
				case v.say <- m:
				case <-t.Context().Done():
				}
			}
			seen := 0
			var sent []market.Bar
			for i, ph := range phases {
				m := boot(t, at, v, clock, ph.off)
				m.until("it runs", func(h feed.Health) bool { return h.State == feed.Running })
				told := uint64(0)
				if i == 0 { // what models learn from
					const history = 40
					sent = coinBars(-history, 0)
					tell(feed.Message{Bars: slices.Clone(sent), Backfill: true})
					told = history
				}
				for _, b := range coinBars(ph.from, ph.to) {
					now.Store(max(now.Load(), int64(b.End.Add(100*time.Millisecond))))
					tell(feed.Message{Bars: []market.Bar{b}})
					told++
					m.until("the bar has been taken", func(h feed.Health) bool { return h.Bars+h.Rejected >= told })
					if ph.refused == 0 {
						sent = append(sent, b)
					}
					if err := m.app.Settle(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				m.stop()
				chain := chainAt(t, at, id)
				if ph.refused > 0 && len(chain) != seen {
					t.Errorf("phase %d: %d entries were sealed while all bars were refused", i, len(chain)-seen)
				}
				forecast, missed := issues(t, chain[seen:])
				if seen = len(chain); forecast != ph.forecast || missed != ph.missed {
					t.Errorf("phase %d: %d cutoffs were forecast and %d missed, want %d and %d", i, forecast, missed, ph.forecast, ph.missed)
				}
				if got := bars(t, at, id); !slices.Equal(got, sent) {
					t.Errorf("phase %d: %d bars are stored, want %d", i, len(got), len(sent))
				}
				refusals(t, at, ph.refused, i)
			}
		})
	}
}

// refusals looks for n inputs in quarantine as being from the future, if n is not 0.
func refusals(t *testing.T, at app.Place, n, phase int) {
	t.Helper()
	st, err := at.OpenReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	list, err := st.Quarantined(t.Context(), 0, 1000)
	if err != nil || n > 0 && len(list) != n {
		t.Errorf("phase %d: %d inputs in quarantine, want %d, %v", phase, len(list), n, err)
	}
	for _, q := range list {
		if !strings.Contains(q.Reason, "ahead of this machine's clock") {
			t.Errorf("phase %d: refused: %s", phase, q.Reason)
		}
	}
}

// TestSimulatedMarketWaitsForTheClock lets a second machine whose clock is an hour behind go on with the
// simulated market: it says that it waits, seals nothing, and goes on when the clock is right.
func TestSimulatedMarketWaitsForTheClock(t *testing.T) {
	at := app.Place{Data: t.TempDir(), Store: pgtest.Open(t)}
	first := boot(t, at, nil, time.Now, 0)
	id := market.SeriesID("sim:AMZN@1s")
	first.until("bars are stored", func(h feed.Health) bool { return h.Bars > 2 })
	first.stop()
	before := chainAt(t, at, id)
	second := boot(t, at, nil, time.Now, -time.Hour)
	second.until("it says that it waits", func(h feed.Health) bool {
		return h.State == feed.Stalled && strings.Contains(h.Detail, "behind the data") && h.Bars == 0
	})
	second.off.Store(0)
	second.until("it goes on", func(h feed.Health) bool { return h.State == feed.Running && h.Bars > 2 })
	second.stop()
	if after := chainAt(t, at, id); len(after) <= len(before) || !slices.EqualFunc(after[:len(before)], before, func(a, b ledger.Sealed) bool { return a.Hash == b.Hash }) {
		t.Errorf("%d entries before, %d after", len(before), len(after))
	}
}
