package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// grace and lateAfter are how long a bar waits for late ticks in a stage's program, and how long
// after its target opened a forecast may be sealed without being late.
const (
	grace     = 500 * time.Millisecond
	lateAfter = grace + 250*time.Millisecond
)

// stage is a program that follows a live venue which sends what the test says, when the test
// says so: its clock stands still otherwise.
type stage struct {
	*testing.T
	app   *app.App
	venue venue
	now   atomic.Int64
	steps bus.Subscription
	stop  func()
}

// script is what a stage plays.
type script struct {
	series   market.Series
	calendar market.Calendar // nil: around the clock
	data     string          // folder; empty: a new one
	store    store.Store     // nil: opened in data
	bus      bus.Bus         // nil: a new one
	models   []string
	more     []catalog.Model
	horizons int
	rollups  []string
	begin    market.Time
}

// play starts a program on a stage.
func play(t *testing.T, s script) *stage {
	t.Helper()
	if s.data == "" {
		s.data = t.TempDir()
	}
	if s.bus == nil {
		s.bus = inproc.New()
	}
	st := &stage{T: t, venue: venue{series: s.series, calendar: s.calendar, say: make(chan feed.Message)}, steps: s.bus.Subscribe(1024)}
	st.now.Store(int64(s.begin))
	cfg := app.Config{Addr: "127.0.0.1:0", Data: s.data, Feed: "live", Models: s.models, Horizons: s.horizons, Rollup: s.rollups, Grace: grace, Log: "error"}
	ctx, cancel := context.WithCancel(t.Context())
	a, err := app.New(ctx, cfg, app.Deps{Now: st.clock, Log: slog.New(slog.DiscardHandler), Stderr: io.Discard,
		Source: st.venue, Store: s.store, Bus: s.bus, Models: s.more})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	st.app = a
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	st.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		st.steps.Close()
	})
	t.Cleanup(st.stop)
	return st
}

func (s *stage) clock() time.Time { return market.Time(s.now.Load()).Std() }

// at sets the clock, which never goes back.
func (s *stage) at(t market.Time) { s.now.Store(max(s.now.Load(), int64(t))) }

// tell lets the venue send m.
func (s *stage) tell(m feed.Message) {
	s.Helper()
	m.Instrument = s.venue.series.Instrument.Key()
	select {
	case s.venue.say <- m:
	case <-s.limit():
		s.Fatalf("the program does not take what the venue sends; the feed is %+v", s.app.Feeds()[0])
	}
}

// limit bounds a wait for something that must happen.
func (s *stage) limit() <-chan time.Time { return time.After(time.Minute) }

// history lets the venue send bars of the past and waits until they are stored.
func (s *stage) history(bars []market.Bar) {
	s.Helper()
	s.tell(feed.Message{Bars: bars, Backfill: true})
	s.until("bar")
}

// bar lets the venue send a bar some time after its end, and waits until its forecasts are
// committed.
func (s *stage) bar(b market.Bar, after time.Duration) {
	s.Helper()
	s.at(b.End.Add(after))
	s.tell(feed.Message{Bars: []market.Bar{b}})
	s.until("step")
}

// until waits for a notice of a kind.
func (s *stage) until(kind string) {
	s.Helper()
	limit := s.limit()
	for {
		select {
		case n := <-s.steps.C():
			if n.Kind == kind {
				return
			}
		case <-limit:
			ready, reason := s.ready()
			s.Fatalf("no %s was committed within a minute; ready: %t, %s", kind, ready, reason)
		}
	}
}

func (s *stage) ready() (bool, string) {
	var out struct {
		Ready  bool
		Reason string
	}
	s.ask("/readyz", &out)
	return out.Ready, out.Reason
}

// ask reads an answer of the API.
func (s *stage) ask(path string, into any) {
	s.Helper()
	answer(s.T, s.app.URL()+path, into)
}

func answer(t *testing.T, url string, into any) {
	t.Helper()
	if err := fetch(url, into); err != nil {
		t.Fatal(err)
	}
}

// fetch reads an answer in JSON.
func fetch(url string, into any) error {
	client := http.Client{Timeout: time.Minute}
	r, err := client.Get(url)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = errors.New(string(b))
	}
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		return fmt.Errorf("%s: %s: %w", url, r.Status, err)
	}
	return nil
}

// coin is a series of minutes that trades around the clock.
var coin = market.Series{Interval: market.Minute,
	Instrument: market.Instrument{Symbol: "BTC/USD", Venue: "venue", Class: market.Crypto, Currency: "USD", PriceScale: 2, Calendar: "24x7"}}

// noon is when the bars of coin begin. It is later than the clock of any machine: the program
// sets deadlines for connections by the clock that it is given.
var noon = market.TimeOf(time.Date(2100, 3, 1, 12, 0, 0, 0, time.UTC))

// coinBars are bars from..to-1 of coin, counted from noon.
func coinBars(from, to int) (list []market.Bar) {
	for k := from; k < to; k++ {
		start := noon + market.Time(k)*60e6
		list = append(list, market.Bar{Start: start, End: start + 60e6, Open: 100, High: 101 + float64(k&3), Low: 99, Close: 99 + float64(k*k*7&127)/64, Volume: 1})
	}
	return list
}
