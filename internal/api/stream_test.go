package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// event is a server-sent event as a browser would see it.
type event struct{ id, name, data string }

func (e event) seq() uint64 {
	n, err := strconv.ParseUint(e.id[strings.LastIndexByte(e.id, '-')+1:], 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// stream is an open event stream.
type stream struct {
	t    testing.TB
	resp *http.Response
	r    *bufio.Reader
	head string // comments and fields that are no event: retry
}

// open opens a stream that closes with the test.
func (w *world) open(query string, lastID string) *stream {
	w.t.Helper()
	req, err := http.NewRequest("GET", w.http.URL+"/v1/stream"+query, nil)
	must(w.t, err)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := w.http.Client().Do(req)
	must(w.t, err)
	w.t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		w.t.Fatalf("stream: %d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	return &stream{t: w.t, resp: resp, r: bufio.NewReader(resp.Body)}
}

// next returns the next event, status events included.
func (s *stream) next() (e event, err error) {
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			if e.name != "" && line == "\n" {
				return e, nil
			}
			s.head += line
		default:
			s.head += line
		}
	}
}

// want returns the next event that is not a status.
func (s *stream) want() event {
	s.t.Helper()
	for {
		e, err := s.next()
		must(s.t, err)
		if e.name != "status" {
			return e
		}
	}
}

// joined waits until n streams are registered.
func (w *world) joined(n int) {
	w.t.Helper()
	for value(w.srv.metrics.streams) != float64(n) {
		select {
		case <-w.t.(interface{ Context() context.Context }).Context().Done():
			w.t.Fatal("streams did not join")
		case <-time.After(time.Millisecond):
		}
	}
}

// handedOut waits until the hub has handed out everything that is stored.
func (w *world) handedOut() {
	w.t.Helper()
	last, err := w.store.LastEvent(context.Background())
	must(w.t, err)
	for {
		w.srv.hub.mu.Lock()
		pos := w.srv.hub.pos
		w.srv.hub.mu.Unlock()
		if pos >= last {
			return
		}
		<-time.After(time.Millisecond)
	}
}

func TestStreamEvents(t *testing.T) { onBoth(t, checkStreamEvents) }

func checkStreamEvents(t *testing.T, w *world) {
	w.fill(absent)
	s := w.open("", "")
	first, err := s.next()
	must(t, err)
	var st struct {
		Feeds []map[string]any
		Ready bool
	}
	must(t, json.Unmarshal([]byte(first.data), &st))
	if first.name != "status" || first.id != "" || !st.Ready || len(st.Feeds) != 1 || st.Feeds[0]["name"] != "sim" || s.head != "retry: 2000\n\n" {
		t.Fatalf("first %+v after %q", first, s.head)
	}
	if h := s.resp.Header; h.Get("Cache-Control") != "no-store" || h.Get("Content-Encoding") != "" {
		t.Fatalf("headers %v", h)
	}
	w.fill(2)
	var names []string
	events := map[string]event{}
	for range 4 {
		e := s.want()
		names, events[e.name] = append(names, e.name), e
	}
	if !slices.Equal(names, []string{"bar", "void", "score", "forecast"}) {
		t.Fatalf("events %v", names)
	}
	if e := events["bar"]; !strings.HasPrefix(e.id, w.store.Epoch()+"-") {
		t.Errorf("id %s", e.id)
	}

	// The stream says what REST says.
	var bar struct {
		Series market.SeriesID
		Bar    market.Bar
	}
	must(t, json.Unmarshal([]byte(events["bar"].data), &bar))
	if want := storetest.Bar(amzn, absent+1, 0).Bar; bar.Bar != want || bar.Series != amzn {
		t.Errorf("bar %+v, want %+v", bar.Bar, want)
	}
	var issue struct {
		Entry       uint64
		Forecasts   []map[string]any
		Abstentions []any
	}
	must(t, json.Unmarshal([]byte(events["forecast"].data), &issue))
	rest := get200[struct{ Items []map[string]any }](w, of(amzn, "/forecasts?limit=1")).Items
	if len(issue.Forecasts) != len(rest) || issue.Entry != w.chain.Head.Seq || issue.Abstentions == nil {
		t.Fatalf("forecast %s", events["forecast"].data)
	}
	for i, f := range issue.Forecasts {
		for k, v := range f {
			if a, b := fmt.Sprint(v), fmt.Sprint(rest[i][k]); a != b {
				t.Errorf("forecast %d %s: %s on the stream, %s over REST", i, k, a, b)
			}
		}
	}
	var sc struct {
		Target   market.Time
		Close    float64
		Revision int
		Scores   []map[string]any
	}
	must(t, json.Unmarshal([]byte(events["score"].data), &sc))
	rows := get200[struct{ Items []map[string]any }](w, of(amzn, "/scores?order=asc&limit=15&from="+sc.Target.String())).Items
	if len(sc.Scores) != 15 || len(rows) != 15 {
		t.Fatalf("%d scores on the stream, %d over REST", len(sc.Scores), len(rows))
	}
	row := map[string]map[string]any{}
	for _, r := range rows {
		row[fmt.Sprint(r["model"], r["horizon"])] = r
	}
	nulls := 0
	for i, f := range sc.Scores { // in no promised order
		for k, v := range f {
			if a, b := fmt.Sprint(v), fmt.Sprint(row[fmt.Sprint(f["model"], f["horizon"])][k]); a != b {
				t.Errorf("score %d %s: %s on the stream, %s over REST", i, k, a, b)
			}
		}
		if f["naive_crps"] == nil {
			nulls++
		}
	}
	if nulls != 3 {
		t.Errorf("%d unknown numbers are null, want 3", nulls)
	}
	if e := events["void"]; e.data != fmt.Sprintf(`{"series":"sim:AMZN@1s","entry":%d,"targets":["2024-03-01T14:30:20Z"],"reason":"absent"}`, w.chain.Head.Seq-2) {
		t.Errorf("void %s", e.data)
	}
}

func TestStreamOfChosenSeries(t *testing.T) {
	w := newWorld(t)
	s := w.open("?series="+url.QueryEscape(string(slashed)), "")
	both := w.open("?series="+url.QueryEscape(string(slashed))+"&series="+url.QueryEscape(string(amzn)), "")
	w.joined(2)
	w.fill(1)
	_, last, err := w.store.CommitBars(t.Context(), []store.BarRecord{storetest.Bar(slashed, 0, 0)})
	must(t, err)
	w.tell(false, last)
	if e := s.want(); e.name != "bar" || e.seq() != last || !strings.Contains(e.data, string(slashed)) {
		t.Fatalf("event %+v", e)
	}
	for _, want := range []string{"bar", "forecast", "bar"} {
		if e := both.want(); e.name != want {
			t.Fatalf("event %+v, want a %s", e, want)
		}
	}
}

// A lost notice costs a delay, never an event.
func TestStreamWithoutNotices(t *testing.T) {
	w := newWorld(t)
	s := w.open("", "")
	w.joined(1)
	w.tick(true)
	if e := s.want(); e.name != "bar" {
		t.Fatalf("event %+v", e)
	}
}

func TestStreamTellsThatAFeedChanged(t *testing.T) {
	w := newWorld(t)
	s := w.open("", "")
	w.mu.Lock()
	w.feeds[0].State = feed.Stalled
	w.mu.Unlock()
	for {
		e, err := s.next()
		must(t, err)
		if strings.Contains(e.data, `"state":"stalled"`) {
			return
		}
	}
}

// Resuming from any event gives exactly what came after it.
func TestResumeFromEveryEvent(t *testing.T) { onBoth(t, checkResumeFromEveryEvent) }

func checkResumeFromEveryEvent(t *testing.T, w *world) {
	w.fill(12)
	last, err := w.store.LastEvent(t.Context())
	must(t, err)
	for after := uint64(0); after < last; after++ {
		s := w.open("", fmt.Sprintf("%s-%d", w.store.Epoch(), after))
		for seq := after + 1; seq <= last; seq++ {
			if seq == 2 { // the genesis entry is not news
				continue
			}
			if e := s.want(); e.seq() != seq {
				t.Fatalf("after %d came %d, want %d", after, e.seq(), seq)
			}
		}
		must(t, s.resp.Body.Close())
	}
}

// Clients that come and go while bars, forecasts and scores are committed get every
// event once, in order.
func TestResumeWhileCommitting(t *testing.T) { onBoth(t, checkResumeWhileCommitting) }

func checkResumeWhileCommitting(t *testing.T, w *world) {
	w.fill(3)
	start, err := w.store.LastEvent(t.Context())
	must(t, err)
	const ticks, clients = 120, 6
	end := start
	for i := range ticks {
		end += uint64(newsOf(w.bars + i))
	}
	var group sync.WaitGroup
	group.Go(func() {
		for i := range ticks {
			w.tick(i%3 == 0)
		}
	})
	for c := range clients {
		group.Go(func() {
			seen := []uint64{start}
			for id := start; id < end; {
				s := w.open("", fmt.Sprintf("%s-%d", w.store.Epoch(), id))
				// Leave after some events, each time at another place.
				for n := 1 + (c*5+len(seen))%23; n > 0 && id < end; n-- {
					id = s.want().seq()
					seen = append(seen, id)
				}
				_ = s.resp.Body.Close()
			}
			for i, seq := range seen {
				if want := start + uint64(i); seq != want {
					t.Errorf("client %d: event %d is %d, want %d", c, i, seq, want)
					return
				}
			}
		})
	}
	group.Wait()
	if last, err := w.store.LastEvent(t.Context()); err != nil || last != end {
		t.Fatalf("last event %d, %v; want %d", last, err, end)
	}
}

// newsOf is the number of events that tick causes for bar i.
func newsOf(i int) int {
	switch {
	case i == absent:
		return 0
	case i == 0 || i == absent+1:
		return 3 + i/absent // with the genesis entry; with an outcome and a void
	case i < 5:
		return 2
	}
	return 3
}

func TestResetWhenResumingIsImpossible(t *testing.T) {
	w := newWorld(t).fill(4)
	for _, c := range []struct{ name, id, reason string }{
		{"another store", "0000-3", "another store"},
		{"no id of ours", "hello", "not one of"},
		{"no number", w.store.Epoch() + "-x", "another store"},
		{"past the end", w.store.Epoch() + "-99999", "newer than everything"},
	} {
		for _, how := range []string{"header", "query"} {
			t.Run(c.name+" by "+how, func(t *testing.T) {
				var s *stream
				if how == "header" {
					s = w.open("", c.id)
				} else {
					s = w.open("?last_event_id="+url.QueryEscape(c.id), "")
				}
				e := s.want()
				if e.name != "reset" || e.id != "" || !strings.Contains(e.data, c.reason) {
					t.Fatalf("event %+v", e)
				}
				w.fill(1)
				w.handedOut()
				if e := s.want(); e.name != "bar" {
					t.Fatalf("after the reset came %+v", e)
				}
			})
		}
	}
}

// Commits of which a part was stored already are not in memory: a stream that is read
// half from there and half from the store misses nothing.
func TestResumeAcrossAHoleInMemory(t *testing.T) { onBoth(t, checkResumeAcrossAHoleInMemory) }

func checkResumeAcrossAHoleInMemory(t *testing.T, w *world) {
	bar := storetest.Bar
	for _, bars := range [][]store.BarRecord{
		{bar(amzn, 0, 0), bar(slashed, 0, 0)},
		{bar(amzn, 0, 0), bar(amzn, 1, 0), bar(slashed, 1, 0)}, // the first is known
		{bar(amzn, 2, 0), bar(slashed, 2, 0)},
	} {
		_, last, err := w.store.CommitBars(t.Context(), bars)
		must(t, err)
		w.tell(false, last)
	}
	w.handedOut()
	for after := range uint64(6) {
		s := w.open("", fmt.Sprintf("%s-%d", w.store.Epoch(), after))
		w.joined(1)
		_, last, err := w.store.CommitBars(t.Context(), []store.BarRecord{bar(amzn, 10+int(after), 0)}) // so that something comes in any case
		must(t, err)
		w.tell(false, last)
		for seq := after + 1; seq <= last; seq++ {
			if e := s.want(); e.seq() != seq {
				t.Fatalf("after %d came %d, want %d", after, e.seq(), seq)
			}
		}
		must(t, s.resp.Body.Close())
		w.joined(0)
	}
}

// pruned is a store that has forgotten its first events.
type pruned struct {
	Store
	first uint64
}

func (p *pruned) FirstEvent(context.Context) (uint64, error) { return p.first, nil }

func TestResetWhenEventsAreGone(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Store = &pruned{c.Store, 5} })
	w.fill(4)
	if e := w.open("", w.store.Epoch()+"-3").want(); e.name != "reset" || !strings.Contains(e.data, "not kept") {
		t.Fatalf("event %+v", e)
	}
	if e := w.open("", w.store.Epoch()+"-4").want(); e.seq() != 5 {
		t.Fatalf("event %+v", e)
	}
}

// A revised outcome does not change what the first one is said to have been.
func TestResumeAcrossARevision(t *testing.T) { onBoth(t, checkResumeAcrossARevision) }

func checkResumeAcrossARevision(t *testing.T, w *world) {
	w.fill(8)
	before, err := w.store.LastEvent(t.Context())
	must(t, err)
	w.fill(1)
	_, _, err = w.store.CommitBars(t.Context(), []store.BarRecord{storetest.Bar(amzn, 8, 1)})
	must(t, err)
	o := w.chain.Outcome(8, 1)
	last, err := w.store.CommitStep(t.Context(), store.Step{Series: amzn, Entries: []ledger.Sealed{o}, Scores: storetest.Scores(8, 1, 3, 5)})
	must(t, err)
	s := w.open("", fmt.Sprintf("%s-%d", w.store.Epoch(), before))
	for {
		e := s.want()
		if e.name == "score" {
			var sc struct {
				Close    float64
				Revision int
				Scores   []struct{ Actual float64 }
			}
			must(t, json.Unmarshal([]byte(e.data), &sc))
			for _, row := range sc.Scores {
				if want := storetest.Scores(8, sc.Revision, 1, 1)[0].Actual; row.Actual != want {
					t.Fatalf("the outcome of revision %d is scored on another: %s", sc.Revision, e.data)
				}
			}
			if sc.Revision == 1 && len(sc.Scores) != 15 {
				t.Fatalf("revision 1 has %d scores", len(sc.Scores))
			}
		}
		if e.seq() == last {
			return
		}
	}
}

// A client that does not read is cut; the others do not notice, and it can resume.
func TestSlowClientIsCut(t *testing.T) {
	w := newWorld(t)
	slow := &client{frames: make(chan []byte, 4), cut: make(chan struct{})}
	_, ok := w.srv.hub.add(t.Context(), slow)
	if !ok {
		t.Fatal("not added")
	}
	quick := w.open("", "")
	w.joined(2)
	w.fill(10)
	for i := range 20 {
		e := quick.want()
		if want := []string{"bar", "forecast"}; i < 2 && e.name != want[i] {
			t.Fatalf("event %d is %+v", i, e)
		}
	}
	<-slow.cut
	if n := value(w.srv.metrics.cut); n != 1 {
		t.Errorf("foretick_stream_cut_total is %v", n)
	}
	if len(slow.frames) != 4 {
		t.Errorf("%d frames wait", len(slow.frames))
	}
	w.joined(1)
}

func TestTooManyStreams(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.MaxStream = 2 })
	a, _ := w.open("", ""), w.open("", "")
	w.joined(2)
	refused := w.do("GET", "/v1/stream", "")
	wantProblem(t, refused, 503, "too many streams")
	if refused.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	must(t, a.resp.Body.Close())
	w.joined(1)
	w.open("", "")
}

func TestStoppingEndsStreams(t *testing.T) {
	w := newWorld(t)
	s := w.open("", "")
	w.srv.hub.end()
	for {
		if _, err := s.next(); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatalf("the stream ends with %v, want a clean end", err)
			}
			break
		}
	}
	wantProblem(t, w.do("GET", "/v1/stream", ""), 503, "stopping")
}

// The limit on the time to read a request does not end a stream.
func TestStreamOutlivesReadTimeout(t *testing.T) {
	w := newWorld(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	srv := w.srv.HTTPServer()
	srv.ReadTimeout = 50 * time.Millisecond
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		must(t, srv.Close())
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	w.http.URL = "http://" + l.Addr().String()
	s := w.open("", "")
	for range 2 { // at once, and after up to a second: far past the limit
		w.tick(true)
		if e := s.want(); e.name != "bar" {
			t.Fatalf("event %+v", e)
		}
		for e := s.want(); e.name != "forecast"; e = s.want() {
		}
	}
}

// patient is a client that accepts everything at once.
type patient struct {
	head http.Header
	mu   sync.Mutex
	got  strings.Builder
}

func (p *patient) Header() http.Header { return p.head }
func (p *patient) WriteHeader(int)     {}
func (p *patient) Flush()              {}
func (p *patient) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got.Write(b)
}
func (p *patient) SetWriteDeadline(time.Time) error { return nil }
func (p *patient) SetReadDeadline(time.Time) error  { return nil }

// quietStore never has anything new.
type quietStore struct{ Store }

func (quietStore) LastEvent(context.Context) (uint64, error) { return 0, nil }
func (quietStore) EventsAfter(context.Context, uint64, int) ([]store.Event, error) {
	return nil, nil
}
func (quietStore) Epoch() string { return "e" }

// In a minute without data a stream carries 4 heartbeats and a status every 5 to 6
// seconds.
func TestHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := newConfig(quietStore{}, inproc.New())
		srv, err := New(cfg)
		must(t, err)
		ctx, stop := context.WithCancel(t.Context())
		var group sync.WaitGroup
		group.Go(func() { _ = srv.Run(ctx) })
		p := &patient{head: http.Header{}}
		req, err := http.NewRequestWithContext(ctx, "GET", "http://localhost/v1/stream", nil)
		must(t, err)
		group.Go(func() { srv.Handler().ServeHTTP(p, req) })
		time.Sleep(time.Minute + time.Second/2) // of the bubble: takes no time
		stop()
		group.Wait()
		beats, states := strings.Count(p.got.String(), ": still here"), strings.Count(p.got.String(), "event: status")
		if beats != 4 || states < 11 || states > 15 {
			t.Errorf("%d heartbeats and %d states in a minute", beats, states)
		}
	})
}
