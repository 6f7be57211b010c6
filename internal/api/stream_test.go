package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
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
