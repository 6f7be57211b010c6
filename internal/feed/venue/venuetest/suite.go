// Package venuetest tests the feeds of venues against fake venues that speak the real protocol
// and misbehave as real ones do. A venue's test brings a [Speaker]; [Exercise] does the rest: over
// TLS, in bubbles of testing/synctest, where an hour takes no time and nothing depends on the
// machine's speed, and once more over real sockets.
package venuetest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/feedtest"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

// Kit is a venue as the suite needs it.
type Kit struct {
	New      func(venue.Setup) venue.Adapter
	Keys     map[string]string
	Symbol   string
	Interval market.Interval
	// Speaker returns the venue's side of a market that trades Symbol.
	Speaker func(m *Market) Speaker
	// Every is the time between trades; 0 means 250 ms.
	Every time.Duration
	// Depth is the history that sources ask for, in bars; 0 means 40.
	Depth int
	// NoHistory is true when REST knows no bars of Interval.
	NoHistory bool
	// Unnumbered is true when trades have no numbers: nobody can tell one that comes twice.
	Unnumbered bool
	// Counted is true when the venue says every second what the number of the newest trade is.
	Counted bool
	// Polled is true when nothing is streamed.
	Polled bool
	// Silent is true when the venue's frames do not tell its time.
	Silent bool
	// NoVolume is true when the venue's bars have none.
	NoVolume bool
	// Calendar, when not nil, says when the market trades; nil: always.
	Calendar market.Sessions
	// Begin is when the test begins, in bubbles: 2000-01-03T16:00:00Z, a Monday, unless set.
	Begin time.Time
}

func (k *Kit) every() time.Duration {
	if k.Every == 0 {
		return 250 * time.Millisecond
	}
	return k.Every
}

func (k *Kit) setup() venue.Setup {
	return venue.Setup{Endpoint: "https://example.com", Key: func(n string) string { return k.Keys[n] }}
}

func (k *Kit) series(a venue.Adapter, t testing.TB) []market.Series {
	i, err := a.Instrument(k.Symbol)
	if err != nil {
		t.Fatal(err)
	}
	return []market.Series{{Instrument: i, Interval: k.Interval}}
}

// scene is one fake venue with a source that follows it.
type scene struct {
	t      *testing.T
	kit    *Kit
	market *Market
	server *Server
	src    *venue.Source
	inputs []venue.Input
}

// depth is the history that sources ask for.
func (k *Kit) depth() time.Duration {
	return time.Duration(cmp.Or(k.Depth, 40)) * k.Interval.Duration()
}

// newScene makes a scene within a bubble.
func newScene(t *testing.T, k *Kit, d Misdeed, shift time.Duration) *scene {
	return newSceneAt(t, k, d, shift, time.Now)
}

// newSceneAt makes a scene whose source has a clock of its own.
func newSceneAt(t *testing.T, k *Kit, d Misdeed, shift time.Duration, now func() time.Time) *scene {
	begin := k.Begin
	if begin.IsZero() {
		begin = time.Date(2000, 1, 3, 16, 0, 0, 0, time.UTC)
	}
	time.Sleep(time.Until(begin.Add(17 * time.Second))) // somewhere within a bar
	m := NewMarket(market.TimeOf(time.Now().Add(-3*k.depth())).Add(-time.Hour), k.every())
	m.Begin = market.Time(int64(m.Begin) / 1e6 * 1e6)
	m.Shift, m.Calendar = shift, k.Calendar
	s := &scene{t: t, kit: k, market: m, server: NewServer(k.Speaker(m), m, d, time.Now, 1)}
	dial, trust := s.server.inBubble()
	s.src = s.source(venue.Options{Now: now, Dial: dial, TLS: trust})
	t.Cleanup(s.server.Close)
	return s
}

// source returns a source of the scene.
func (s *scene) source(o venue.Options) *venue.Source {
	a := s.kit.New(s.kit.setup())
	o.History = s.kit.depth()
	o.Rand = func() float64 { return 0.5 }
	o.Tap = func(in venue.Input) { s.inputs = append(s.inputs, in) }
	src, err := venue.New(a, s.kit.series(a, s.t), o)
	if err != nil {
		s.t.Fatal(err)
	}
	return src
}

// outcome is what a source said.
type outcome struct {
	begin, end market.Time
	messages   []feed.Message
	at         []market.Time // when each came
	link       feed.Link
	rejects    []feed.Reject
	states     []string
	err        error
	bars       map[market.Time]market.Bar // as they are in the end
}

// span is how long a source is followed.
func (s *scene) span() time.Duration { return max(4*time.Minute, 6*s.kit.Interval.Duration()) }

// follow runs the source for d.
func (s *scene) follow(src feed.Source, resume feed.Resume, d time.Duration) *outcome {
	s.t.Helper()
	o := &outcome{begin: market.TimeOf(time.Now())}
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	out := make(chan feed.Message)
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, resume, out) }()
	for running := true; running; {
		select {
		case m := <-out:
			o.messages, o.at = append(o.messages, m), append(o.at, market.TimeOf(time.Now()))
			o.rejects = append(o.rejects, m.Rejects...)
			if m.Link != nil {
				o.link = *m.Link
			}
			if m.State != "" {
				o.states = append(o.states, string(m.State)+": "+m.Detail)
			}
		case o.err = <-ended:
			running = false
		}
	}
	o.end = market.TimeOf(time.Now())
	o.assemble(s.kit.Interval)
	return o
}

// assemble builds the bars that the messages make in the end: ticks through a builder, what
// is said of a bar later counts.
func (o *outcome) assemble(i market.Interval) {
	o.bars = map[market.Time]market.Bar{}
	b := market.NewBuilder(i, market.BuildOptions{Grace: 50 * time.Millisecond})
	put := func(bars []market.Bar) {
		for _, x := range bars {
			x.Revision = 0
			o.bars[x.Start] = x
		}
	}
	for n, m := range o.messages {
		put(b.Advance(o.at[n], nil))
		bars, _ := b.Add(m.Ticks, nil, nil)
		put(bars)
		put(m.Bars)
		for _, x := range m.Bars {
			b.Skip(x.End)
		}
	}
	put(b.Advance(o.end, nil))
}

// same fails unless the bars in [from, to) are those of the market.
func (o *outcome) same(t *testing.T, s *scene, from, to market.Time) {
	t.Helper()
	want := map[market.Time]market.Bar{}
	for _, b := range s.market.Bars(s.kit.Interval, from, to, market.MaxTime-1) {
		if s.kit.NoVolume {
			b.Volume = 0
		}
		want[b.Start] = b
	}
	if len(want) == 0 {
		t.Fatal("there is nothing to compare")
	}
	plain := func(b market.Bar) string {
		return fmt.Sprintf("%s %v %v %v %v %v", b.Start, b.Open, b.High, b.Low, b.Close, b.Volume)
	}
	wrong := 0
	for _, at := range slices.Sorted(maps.Keys(want)) {
		got, ok := o.bars[at]
		if ok && plain(got) == plain(want[at]) {
			continue
		}
		if wrong++; wrong <= 3 {
			t.Errorf("bar of %s: got %v %s, want %s", at, ok, plain(got), plain(want[at]))
		}
	}
	for at := range o.bars {
		if _, ok := want[at]; !ok && at >= from && at < to {
			wrong++
			t.Errorf("there is a bar of %s that the market has not", at)
		}
	}
	if wrong > 0 {
		t.Errorf("%d bars of %d are wrong; states:\n%s\nlink %+v", wrong, len(want), strings.Join(o.states, "\n"), o.link)
	}
}

// compared is the stretch of which all bars must be there: history on first start, but not what
// had not been settled in the end.
func (s *scene) compared(o *outcome) (from, to market.Time) {
	from = s.kit.Interval.End(s.kit.Interval.Floor(o.begin.Add(s.market.Shift)))
	if !s.kit.NoHistory {
		from = s.kit.Interval.Floor(o.begin.Add(s.market.Shift - s.kit.depth() + 2*s.kit.Interval.Duration()))
	}
	return from, s.kit.Interval.Floor(o.end.Add(s.market.Shift - s.kit.Interval.Duration()/2 - 20*time.Second))
}

// Exercise runs the suite.
func Exercise(t *testing.T, k Kit) {
	certificate() // outside of the bubbles
	bubble := func(name string, d Misdeed, check func(t *testing.T, s *scene, o *outcome)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, &k, d, 0)
				o := s.follow(s.src, feedtest.Nothing, s.span())
				check(t, s, o)
			})
		})
	}
	whole := func(t *testing.T, s *scene, o *outcome) {
		t.Helper()
		if o.err != nil {
			t.Errorf("Run returned %v", o.err)
		}
		from, to := s.compared(o)
		o.same(t, s, from, to)
	}
	t.Run("conformance", func(t *testing.T) {
		feedtest.Exercise(t, func(tb testing.TB, now func() time.Time) feed.Source {
			return newSceneAt(tb.(*testing.T), &k, Misdeed{}, 0, now).src
		})
	})
	bubble("undisturbed", Misdeed{}, func(t *testing.T, s *scene, o *outcome) {
		whole(t, s, o)
		if o.link.Reconnects+o.link.GapsLost+o.link.Unknown > 0 && !k.NoHistory || len(o.rejects) > 0 || o.link.Duplicates > 0 {
			t.Errorf("something was wrong where nothing was: %+v, %d rejects, %.3v", o.link, len(o.rejects), o.rejects[:min(3, len(o.rejects))])
		}
	})
	if !k.Polled {
		streams(t, &k, bubble, whole)
	}
	requests(t, &k, bubble, whole)
	t.Run("restart", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { restart(t, &k) }) })
	for _, shift := range []time.Duration{time.Hour, -time.Hour} {
		t.Run("clock off by "+shift.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, &k, Misdeed{}, shift)
				o := s.follow(s.src, feedtest.Nothing, s.span())
				if !k.Silent && math.Abs(o.link.Offset-shift.Seconds()) > 1 {
					t.Errorf("the clock is off by %s, said is %v s", shift, o.link.Offset)
				}
				if !k.Silent {
					whole(t, s, o)
				}
			})
		})
		if !k.Counted || k.NoHistory {
			continue
		}
		t.Run("trades stop and the clock is off by "+shift.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, &k, Misdeed{After: 100, Stream: func(int, [][]byte) [][]byte { return nil }}, shift)
				o := s.follow(s.src, feedtest.Nothing, s.span())
				whole(t, s, o)
				if o.link.GapsHealed < 2 || o.link.GapsOpen > 1 || o.link.Reconnects > 0 {
					t.Errorf("trades that the venue counts and does not send: %+v", o.link)
				}
			})
		})
	}
	t.Run("recording", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { recording(t, &k) }) })
	t.Run("real sockets", func(t *testing.T) { sockets(t, &k) })
}

// StartStopRecording runs the suite of startstop over a recording of the venue. That is the same
// for all venues, so one of them does it.
func StartStopRecording(t *testing.T, k Kit) {
	var file []byte
	synctest.Test(t, func(t *testing.T) { file = recording(t, &k) })
	feedtest.StartStop(t, func(t testing.TB, now func() time.Time) feed.Source {
		r, err := venue.ReadRecording(bytes.NewReader(file), func(string) (venue.Adapter, error) { return k.New(k.setup()), nil }, 10, 50*time.Millisecond, now)
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}

type bubbled func(name string, d Misdeed, check func(t *testing.T, s *scene, o *outcome))

// streams are the misdeeds of a stream.
func streams(t *testing.T, k *Kit, bubble bubbled, whole func(*testing.T, *scene, *outcome)) {
	again := func(t *testing.T, s *scene, o *outcome) {
		t.Helper()
		if o.link.Reconnects == 0 || o.link.Reason == "" {
			t.Errorf("the connection was not made anew: %+v", o.link)
		}
		if k.NoHistory {
			if o.link.GapsLost == 0 && o.link.Lost == "" {
				t.Errorf("nothing says that data was lost: %+v", o.link)
			}
			return
		}
		whole(t, s, o)
	}
	bubble("stall", Misdeed{After: 200, Stall: true}, again)
	bubble("close", Misdeed{After: 200, Close: websocket.StatusGoingAway}, again)
	bubble("cut in the middle of a frame", Misdeed{After: 200, Cut: true}, again)
	bubble("oversized frame", Misdeed{After: 200, Stream: func(n int, f [][]byte) [][]byte {
		if n == 200 {
			return append(f, bytes.Repeat([]byte{' '}, 5<<20))
		}
		return f
	}}, again)
	bubble("every connection ends", Misdeed{After: 100, Close: websocket.StatusInternalError, Always: true}, again)
	if !k.Unnumbered {
		bubble("duplicates", Misdeed{Stream: func(_ int, f [][]byte) [][]byte { return append(f, f...) }}, whole)
	}
	var held [][]byte
	bubble("reordered", Misdeed{After: 20, Stream: func(n int, f [][]byte) [][]byte {
		if n%10 == 0 {
			held = f
			return nil
		}
		f, held = append(slices.Clone(f), held...), nil
		return f
	}}, func(t *testing.T, s *scene, o *outcome) {
		// A venue's bars are as they were said last; trades find their place.
		if a := s.kit.New(s.kit.setup()); s.kit.delivers(a) == venue.Trades {
			whole(t, s, o)
		} else if o.err != nil {
			t.Error(o.err)
		}
	})
	bubble("missed trades", Misdeed{After: 100, Stream: func(n int, f [][]byte) [][]byte {
		if n < 130 {
			return nil
		}
		return f
	}}, func(t *testing.T, s *scene, o *outcome) {
		a := s.kit.New(s.kit.setup())
		if k.NoHistory || s.kit.delivers(a) == venue.Trades && !a.About().Sequential {
			return // nobody can know
		}
		whole(t, s, o)
		if s.kit.delivers(a) == venue.Trades && o.link.GapsHealed == 0 {
			t.Errorf("no gap was healed: %+v", o.link)
		}
		if o.link.GapsOpen > 0 {
			t.Errorf("gaps are still open: %+v", o.link)
		}
	})
	bubble("malformed", Misdeed{After: 50, Stream: func(n int, f [][]byte) [][]byte {
		return append(f, []byte(`{"broken`), []byte("\x00\xff"), []byte(`<html>`))
	}}, func(t *testing.T, s *scene, o *outcome) {
		whole(t, s, o)
		if len(o.rejects) == 0 {
			t.Error("nothing is in quarantine")
		}
	})
	bubble("unknown types", Misdeed{After: 50, Stream: func(n int, f [][]byte) [][]byte {
		return append(f, []byte(`{"type":"novelty","channel":"novelty","event":"novelty","e":"novelty"}`), []byte(`[{"T":"novelty"}]`), []byte(`{}`), []byte(`[]`))
	}}, whole)
	bubble("not available here", Misdeed{Handshake: http.StatusUnavailableForLegalReasons}, func(t *testing.T, s *scene, o *outcome) {
		if !errors.Is(o.err, feed.ErrFinal) || !strings.Contains(o.err.Error(), "451") {
			t.Errorf("Run returned %v", o.err)
		}
	})
	bubble("too many connections", Misdeed{Handshake: http.StatusTooManyRequests}, func(t *testing.T, s *scene, o *outcome) {
		if o.err != nil || o.link.Reconnects < 3 || o.link.Reconnects > 30 || !strings.Contains(o.link.Reason, "429") {
			t.Errorf("%v, %+v", o.err, o.link)
		}
	})
}

func (k *Kit) delivers(a venue.Adapter) venue.Delivery {
	d, err := a.Delivers(k.Interval)
	if err != nil {
		panic(err) // the kit is wrong
	}
	return d
}

// requests are the misdeeds of REST hosts.
func requests(t *testing.T, k *Kit, bubble bubbled, whole func(*testing.T, *scene, *outcome)) {
	if k.NoHistory {
		return
	}
	first := func(n int, answer http.HandlerFunc) Misdeed {
		return Misdeed{REST: func(i int, w http.ResponseWriter, r *http.Request) bool {
			if i < n {
				answer(w, r)
			}
			return i < n
		}}
	}
	status := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"code":1,"msg":"refused"}`)
		}
	}
	for name, d := range map[string]Misdeed{
		"a page instead of data": first(2, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<!doctype html><title>Prove that you are human</title>")
		}),
		"half an answer":       first(2, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, `{"error":[],"result":{"X`) }),
		"nothing":              first(2, func(w http.ResponseWriter, r *http.Request) {}),
		"faults":               first(3, status(http.StatusBadGateway)),
		"429 with Retry-After": first(2, status(http.StatusTooManyRequests, "Retry-After", "7")),
		"429 without":          first(1, status(http.StatusTooManyRequests)),
		"a ban":                first(1, status(http.StatusTeapot, "Retry-After", "30")),
		"an answer that drips": first(1, func(w http.ResponseWriter, r *http.Request) {
			for range 600 {
				if _, err := w.Write([]byte(" ")); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(time.Second):
				}
			}
		}),
	} {
		bubble(name, d, whole)
	}
	bubble("REST not available here", first(1<<30, status(http.StatusUnavailableForLegalReasons)), func(t *testing.T, s *scene, o *outcome) {
		s.server.mu.Lock()
		n := s.server.requests
		s.server.mu.Unlock()
		if n != 1 {
			t.Errorf("it was asked %d times", n)
		}
		if k.Polled {
			if !errors.Is(o.err, feed.ErrFinal) || !strings.Contains(o.err.Error(), "451") {
				t.Errorf("Run returned %v", o.err)
			}
			return
		}
		if o.err != nil || !strings.Contains(o.link.Lost, "451") || len(o.bars) == 0 {
			t.Errorf("%v, %+v, %d bars", o.err, o.link, len(o.bars))
		}
	})
}

// restart stops a source and starts another, which knows what was stored.
func restart(t *testing.T, k *Kit) {
	s := newScene(t, k, Misdeed{}, 0)
	one := s.follow(s.src, feedtest.Nothing, s.span())
	stored := slices.Max(slices.Collect(maps.Keys(one.bars)))
	// What was not closed when it ended is not stored.
	for k.Interval.End(stored) > one.end.Add(-k.Interval.Duration()/2) {
		delete(one.bars, stored)
		stored = slices.Max(slices.Collect(maps.Keys(one.bars)))
	}
	time.Sleep(10*k.Interval.Duration() + 13*time.Second)
	two := s.follow(s.src, func(market.SeriesID) (market.Time, bool) { return stored, true }, s.span())
	for _, m := range two.messages {
		for _, b := range m.Bars {
			if b.Start <= stored {
				t.Fatalf("the bar of %s was stored", b.Start)
			}
		}
	}
	if k.NoHistory {
		if two.link.GapsLost == 0 {
			t.Error("nothing says that data was lost")
		}
		return
	}
	for at, b := range two.bars {
		one.bars[at] = b
	}
	from, _ := s.compared(one)
	_, to := s.compared(two)
	one.same(t, s, from, to)
}

// recording plays back what a source was told: the same data comes out. It returns the file.
func recording(t *testing.T, k *Kit) []byte {
	s := newScene(t, k, Misdeed{After: 100, Close: websocket.StatusGoingAway}, 0)
	live := s.follow(s.src, feedtest.Nothing, s.span())
	var file bytes.Buffer
	rec := venue.NewRecorder(&file)
	for _, in := range s.inputs {
		rec.Put(in)
	}
	if err := rec.Flush(); err != nil {
		t.Fatal(err)
	}
	for name, secret := range k.Keys {
		if secret != "" && bytes.Contains(file.Bytes(), []byte(secret)) {
			t.Errorf("the recording holds %s", name)
		}
	}
	r, err := venue.ReadRecording(bytes.NewReader(file.Bytes()), func(name string) (venue.Adapter, error) { return k.New(k.setup()), nil }, 0, 50*time.Millisecond, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	again := s.follow(r, feedtest.Nothing, time.Hour)
	if again.err != nil {
		t.Fatal(again.err)
	}
	data := func(o *outcome) (list []string) {
		for _, m := range o.messages {
			for _, b := range m.Bars {
				list = append(list, fmt.Sprint(m.Instrument, m.Backfill, b))
			}
			for _, x := range m.Ticks {
				list = append(list, fmt.Sprint(m.Instrument, m.Backfill, x))
			}
		}
		return list
	}
	if a, b := data(live), data(again); !slices.Equal(a, b) {
		t.Errorf("played back it says %d things, live it said %d", len(b), len(a))
	}
	return file.Bytes()
}

// sockets runs a source over real sockets, at a hundred times the pace, through a connection that
// breaks, and meets a certificate that has expired.
func sockets(t *testing.T, k *Kit) {
	const pace = 60
	begin := k.Begin
	if begin.IsZero() {
		begin = time.Date(2000, 1, 3, 16, 0, 0, 0, time.UTC)
	}
	began := time.Now()
	now := func() time.Time { return begin.Add(17*time.Second + pace*time.Since(began)) }
	m := NewMarket(market.Time(int64(market.TimeOf(now().Add(-3*k.depth())).Add(-time.Hour))/1e6*1e6), k.every())
	m.Calendar = k.Calendar
	s := &scene{t: t, kit: k, market: m, server: NewServer(k.Speaker(m), m, Misdeed{After: 100, Cut: true}, now, pace)}
	t.Cleanup(s.server.Close)
	cert, trust := certificate()
	address := s.server.onSocket(t, cert)
	a := k.New(venue.Setup{Endpoint: address, Key: func(n string) string { return k.Keys[n] }})
	src, err := venue.New(a, k.series(a, t), venue.Options{Now: now, Pace: pace, TLS: trust, History: k.depth()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := make(chan feed.Message)
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, feedtest.Nothing, out) }()
	o := &outcome{begin: market.TimeOf(now())}
	until := o.begin.Add(max(3*time.Minute, min(5*k.Interval.Duration(), 6*time.Minute)))
	for limit := time.After(time.Minute); market.TimeOf(now()) < until; {
		select {
		case msg := <-out:
			o.messages, o.at = append(o.messages, msg), append(o.at, market.TimeOf(now()))
			if msg.Link != nil {
				o.link = *msg.Link
			}
		case err := <-ended:
			t.Fatalf("Run returned %v", err)
		case <-time.After(100 * time.Millisecond): // nothing is said where little happens
		case <-limit:
			t.Fatal("it takes too long")
		}
	}
	cancel()
	for running := true; running; {
		select {
		case <-out:
		case err := <-ended:
			running = false
			if err != nil {
				t.Errorf("Run returned %v", err)
			}
		}
	}
	o.end = market.TimeOf(now())
	o.assemble(k.Interval)
	if len(o.bars) == 0 {
		t.Errorf("no bar came; %+v", o.link)
	}
	expired(t, k, trust)
}

// expired meets a venue whose certificate has expired: it is said, and tried again.
func expired(t *testing.T, k *Kit, trust *tls.Config) {
	cert, _ := certificate()
	m := NewMarket(market.TimeOf(time.Now().Add(-time.Hour)), k.every())
	server := NewServer(k.Speaker(m), m, Misdeed{}, time.Now, 1)
	defer server.Close()
	a := k.New(venue.Setup{Endpoint: server.onSocket(t, cert), Key: func(n string) string { return k.Keys[n] }})
	late := trust.Clone()
	late.Time = func() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }
	src, err := venue.New(a, k.series(a, t), venue.Options{Now: time.Now, TLS: late, First: time.Millisecond, Longest: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := make(chan feed.Message)
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, feedtest.Nothing, out) }()
	for {
		select {
		case m := <-out:
			if m.State == feed.Stalled && strings.Contains(m.Detail, "certificate has expired") {
				return
			}
		case err := <-ended:
			t.Fatalf("Run returned %v", err)
		case <-time.After(30 * time.Second):
			t.Fatal("nothing says that the certificate has expired")
		}
	}
}
