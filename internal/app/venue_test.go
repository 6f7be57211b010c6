package app_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/kraken/krakentest"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// quick is how many times as fast as the wall clock these tests run.
const quick = 120

// scene is a fake Kraken and a program that follows it, by a clock that runs fast.
type scene struct {
	t      *testing.T
	now    func() time.Time
	market *venuetest.Market
	cfg    app.Config
}

func newScene(t *testing.T) *scene {
	begin, began := time.Date(2024, 5, 6, 12, 0, 7, 0, time.UTC), time.Now()
	s := &scene{t: t, now: func() time.Time { return begin.Add(quick * time.Since(began)) }}
	s.market = venuetest.NewMarket(market.TimeOf(begin.Add(-3*time.Hour).Truncate(time.Hour)), time.Second)
	server := venuetest.NewServer(krakentest.New(s.market), s.market, venuetest.Misdeed{}, s.now, quick)
	t.Cleanup(server.Close)
	web := httptest.NewServer(server)
	t.Cleanup(web.CloseClientConnections)
	dir := t.TempDir()
	s.cfg = app.Config{Addr: "127.0.0.1:0", Data: filepath.Join(dir, "data"), Instrument: []string{"kraken:BTC/USD@1m"}, Rollup: []string{"5m"}, Horizons: 2, Speed: "1", Log: "error",
		LiveConfig: app.LiveConfig{History: "3h", Endpoint: []string{"kraken=" + web.URL}, Record: filepath.Join(dir, "recordings")}}
	if err := s.cfg.Finish(func(string) string { return "" }); err != nil {
		t.Fatal(err)
	}
	return s
}

// follow runs the program for so many minutes of its time.
func (s *scene) follow(minutes int) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	defer stop()
	a, err := app.New(ctx, s.cfg, app.Deps{Now: s.now, Pace: quick, Log: slog.New(slog.DiscardHandler), Stderr: io.Discard})
	if err != nil {
		s.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	until := s.now().Add(time.Duration(minutes) * time.Minute)
	for s.now().Before(until) {
		select {
		case err := <-done:
			s.t.Fatalf("serve ended: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	if h := a.Feeds()[0]; h.State != feed.Running || h.Link == nil || h.Link.Frames == 0 {
		s.t.Errorf("the feed is %+v", h)
	}
	stop()
	if err := <-done; err != nil {
		s.t.Fatal(err)
	}
}

// bars are the stored bars of a series.
func bars(t *testing.T, at app.Place, id market.SeriesID) []market.Bar {
	t.Helper()
	st, err := at.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	list, err := st.Bars(t.Context(), id, store.Range{Limit: 5000})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

const btc = market.SeriesID("kraken:BTC/USD@1m")

// A venue is followed from history to forecasts, and what was missed while the program was off is
// fetched when it starts again: no bar is missing, none differs from the venue's.
func TestVenueIsFollowedAndHealed(t *testing.T) {
	s := newScene(t)
	s.follow(4)
	for off := s.now().Add(6 * time.Minute); s.now().Before(off); {
		<-time.After(20 * time.Millisecond)
	}
	s.follow(4)
	got := bars(t, s.cfg.Place(), btc)
	if len(got) < 120 {
		t.Fatalf("%d bars", len(got))
	}
	want := s.market.Bars(market.Minute, got[0].Start, got[len(got)-1].End, market.MaxTime-1)
	if len(want) != len(got) {
		t.Errorf("%d bars, the venue had %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		g := got[i]
		g.Revision = 0
		if g != want[i] {
			t.Fatalf("bar %d is %+v, the venue had %+v", i, g, want[i])
		}
	}
	run := stored(t, s.cfg.Data)[btc]
	issued := 0
	for _, e := range run.chain {
		d, err := ledger.Decode(e.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if d.Issue != nil {
			issued += len(d.Issue.Forecasts)
		}
	}
	if issued == 0 || len(run.scores) == 0 {
		t.Errorf("%d forecasts and %d scores", issued, len(run.scores))
	}
}

// What was recorded plays back to the same bars, forecasts and scores.
func TestRecordingOfVenueReplays(t *testing.T) {
	s := newScene(t)
	s.follow(6)
	files, err := filepath.Glob(filepath.Join(s.cfg.Record, "*.frames.gz"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	again := app.Config{Addr: "127.0.0.1:0", Data: t.TempDir(), Feed: "replay", File: files, Speed: "max", Rollup: []string{"5m"}, Horizons: 2, Log: "error"}
	if err := again.Finish(func(string) string { return "" }); err != nil {
		t.Fatal(err)
	}
	finish(t, again)
	live, replayed := stored(t, s.cfg.Data), stored(t, again.Data)
	for _, id := range []market.SeriesID{btc, "kraken:BTC/USD@5m"} {
		a, b := said(t, live[id]), said(t, replayed[id])
		if len(a) == 0 {
			t.Fatalf("%s: only %d forecasts", id, len(a))
		}
		// By a clock that runs fast a minute is half a second. A machine that is busy for longer closes
		// a coarse bar before its last minute has come, and revises it: the replay, which knows no haste,
		// has other bars from there on.
		until := firstRevision(t, s.cfg.Place(), id)
		for key, want := range a {
			if got, ok := b[key]; ok && got != want && key < until.String() {
				t.Errorf("%s: %s was %s, replayed it is %s", id, key, want, got)
			}
		}
		if len(b) < len(a)-20 {
			t.Errorf("%s: %d forecasts live, %d replayed", id, len(a), len(b))
		}
	}
	one, two := bars(t, s.cfg.Place(), btc), bars(t, again.Place(), btc)
	for i := range min(len(one), len(two)) {
		if one[i] != two[i] {
			t.Fatalf("bar %d was %+v, replayed it is %+v", i, one[i], two[i])
		}
	}
	if len(two) < len(one)-1 {
		t.Errorf("%d bars live, %d replayed", len(one), len(two))
	}
}

// firstRevision is the end of the first bar of a series that was revised, a time after all others
// when there is none.
func firstRevision(t *testing.T, at app.Place, id market.SeriesID) market.Time {
	t.Helper()
	for _, b := range bars(t, at, id) {
		if b.Revision > 0 {
			t.Logf("%s: the bar that ends at %s was revised", id, b.End)
			return b.End
		}
	}
	return market.TimeOf(time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC))
}

// said are the forecasts of a run, and their scores, by what they are about.
func said(t *testing.T, r *run) map[string]string {
	t.Helper()
	out := map[string]string{}
	if r == nil {
		return out
	}
	for _, e := range r.chain {
		d, err := ledger.Decode(e.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if d.Issue == nil {
			continue
		}
		for _, f := range d.Issue.Forecasts {
			out[fmt.Sprint(d.Issue.Cutoff, " ", f.Model, f.Horizon)] = fmt.Sprint(f.Point, f.Quantiles)
		}
	}
	for _, x := range r.scores {
		out[fmt.Sprint(x.Cutoff, " score ", x.Model, x.Horizon)] = fmt.Sprint(x.CRPS, x.Actual)
	}
	return out
}
