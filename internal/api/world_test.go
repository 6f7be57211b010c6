package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.uber.org/goleak"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/internal/store/tail"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	amzn    = market.SeriesID("sim:AMZN@1s")
	slashed = market.SeriesID("sim:BTC/USD@1s")
	absent  = 20 // the bar of amzn in which nobody traded
)

// world is a server over a real store, with everything that the outside provides
// under the test's control.
type world struct {
	t     testing.TB
	store store.Store
	bus   *inproc.Bus
	cfg   Config
	srv   *Server
	http  *httptest.Server
	logs  *logBuffer
	chain storetest.Chain
	bars  int // bars of amzn that were committed

	mu    sync.Mutex
	feeds []feed.Health
	ready string // reason why not ready, empty when ready
}

// logBuffer keeps what was logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newWorld starts a server with two series and no data. change adjusts the Config.
func newWorld(t testing.TB, change ...func(*Config)) *world {
	t.Helper()
	return newWorldOn(t, newStore(t), nil, change...)
}

func newStore(t testing.TB) store.Store {
	t.Helper()
	st, err := sqlite.Open(context.Background(), t.TempDir(), sqlite.Options{})
	must(t, err)
	return st
}

// inMemory starts a server whose store has its n newest events in memory too, as
// foretick serve has.
func inMemory(t testing.TB, n int) *world {
	t.Helper()
	st := tail.New(newStore(t), n, 1<<20)
	return newWorldOn(t, st, st)
}

// onBoth runs a test with and without the newest events in memory. 37 of them are few
// enough that readers fall off the end.
func onBoth(t *testing.T, test func(*testing.T, *world)) {
	t.Run("store", func(t *testing.T) { test(t, newWorld(t)) })
	t.Run("memory", func(t *testing.T) { test(t, inMemory(t, 1<<14)) })
	t.Run("little memory", func(t *testing.T) { test(t, inMemory(t, 37)) })
}

func newWorldOn(t testing.TB, st store.Store, recent store.Recent, change ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, store: st, bus: inproc.New(), logs: &logBuffer{}, chain: storetest.Chain{ID: amzn, Mode: ledger.Live}}
	t.Cleanup(func() { must(t, st.Close()) })
	for _, s := range []string{"AMZN", "BTC/USD"} {
		must(t, st.PutSeries(context.Background(), storetest.Series(s)))
	}
	w.feeds = []feed.Health{{Name: "sim", Series: []market.SeriesID{amzn, slashed}, Simulated: true, State: feed.Running}}
	w.cfg = Config{
		Store: st, Recent: recent, Bus: w.bus, Feeds: w.health, Default: amzn, Horizons: 5,
		Models: func() []Model {
			return []Model{{Name: "naive", Description: "no change"}, {Name: "drift"}, {Name: "ewma", Champion: true}}
		},
		Predictors: predictors(func(_ context.Context, p []float64) (float64, error) { return p[len(p)-1] + 0.123456789, nil }),
		Ready:      w.isReady, Now: time.Now, Metrics: prometheus.NewRegistry(), Version: "v1.2.3",
		Log: slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&w.cfg)
	}
	srv, err := New(w.cfg)
	must(t, err)
	w.srv = srv
	w.serve()
	return w
}

// serve starts the hub and a listener on loopback; both stop with the test.
func (w *world) serve() {
	w.http = httptest.NewUnstartedServer(nil)
	w.http.Config = w.srv.HTTPServer()
	w.http.Start()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.srv.Run(ctx) }()
	w.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
		w.http.Client().CloseIdleConnections()
		w.http.Close()
	})
}

func (w *world) health() []feed.Health {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]feed.Health(nil), w.feeds...)
}

func (w *world) isReady() (bool, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ready == "", w.ready
}

// tick commits the next bar of amzn and then the step that it causes, and tells the
// bus of neither when quiet.
func (w *world) tick(quiet bool) {
	w.t.Helper()
	i := w.bars
	w.bars++
	if i == absent {
		return
	}
	_, last, err := w.store.CommitBars(context.Background(), []store.BarRecord{storetest.Bar(amzn, i, 0)})
	must(w.t, err)
	w.tell(quiet, last)
	last, err = w.store.CommitStep(context.Background(), w.step(i))
	must(w.t, err)
	w.tell(quiet, last)
}

// step is what bar i causes.
func (w *world) step(i int) store.Step {
	step := store.Step{Series: amzn}
	if w.chain.Head.Seq == 0 {
		step.Entries = append(step.Entries, w.chain.Genesis())
	}
	if i == absent+1 {
		start := storetest.Bar(amzn, absent, 0).Start
		step.Entries = append(step.Entries, w.chain.Seal(ledger.Entry{At: start + 2_000_000, Void: &ledger.VoidBody{Targets: []market.Time{start}, Reason: "absent"}}))
	}
	if i >= 5 {
		step.Entries = append(step.Entries, w.chain.Outcome(i, 0))
		step.Scores = storetest.Scores(i, 0, 3, 5)
	}
	step.Entries = append(step.Entries, w.chain.Issue(i, 3, 5))
	return step
}

// history commits n bars and their steps at once, for tests that only read.
func (w *world) history(n int) *world {
	w.t.Helper()
	var bars []store.BarRecord
	all := store.Step{Series: amzn}
	for ; n > 0; n-- {
		if i := w.bars; i != absent {
			bars = append(bars, storetest.Bar(amzn, i, 0))
			s := w.step(i)
			all.Entries, all.Scores = append(all.Entries, s.Entries...), append(all.Scores, s.Scores...)
		}
		w.bars++
	}
	_, _, err := w.store.CommitBars(context.Background(), bars)
	must(w.t, err)
	last, err := w.store.CommitStep(context.Background(), all)
	must(w.t, err)
	w.tell(false, last)
	return w
}

func (w *world) tell(quiet bool, seq uint64) {
	if !quiet {
		w.bus.Publish(bus.Notice{Epoch: w.store.Epoch(), Seq: seq, Kind: "step", Key: string(amzn)})
	}
}

// fill commits n bars.
func (w *world) fill(n int) *world {
	w.t.Helper()
	for range n {
		w.tick(false)
	}
	return w
}

// answer is a response that was read.
type answer struct {
	*http.Response
	body []byte
}

// do sends a request; headers are pairs of name and value. Host sets the host.
func (w *world) do(method, path, body string, headers ...string) answer {
	w.t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, w.http.URL+path, in)
	must(w.t, err)
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.http.Client().Transport.RoundTrip(req) // redirects are seen, not followed
	must(w.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return answer{resp, b}
}

// get asks for JSON and decodes it.
func get200[T any](w *world, path string, headers ...string) T {
	w.t.Helper()
	var v T
	a := w.do("GET", path, "", headers...)
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "application/json" {
		w.t.Fatalf("GET %s: %d %s: %.300s", path, a.StatusCode, a.Header.Get("Content-Type"), a.body)
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		w.t.Fatalf("GET %s: %v in %.300s", path, err, a.body)
	}
	return v
}

// of is the path of something about a series.
func of(id market.SeriesID, rest string) string {
	return "/v1/series/" + url.PathEscape(string(id)) + rest
}

// wantProblem checks an error answer: its form, its status, and that it explains
// itself without repeating what was sent.
func wantProblem(t testing.TB, a answer, status int, detail string) problem {
	t.Helper()
	var p problem
	if a.StatusCode != status || a.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("answer %d %q, want %d application/problem+json: %.300s", a.StatusCode, a.Header.Get("Content-Type"), status, a.body)
	}
	dec := json.NewDecoder(bytes.NewReader(a.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("%v in %.300s", err, a.body)
	}
	if p.Status != status || p.Title != http.StatusText(status) || !strings.Contains(p.Detail, detail) || p.Detail == "" {
		t.Fatalf("problem %+v, want status %d and a detail with %q", p, status, detail)
	}
	return p
}

// value reads a gauge or a counter.
func value(m prometheus.Metric) float64 {
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		panic(err)
	}
	return d.GetGauge().GetValue() + d.GetCounter().GetValue()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// badStore fails, or panics, in place of the store.
type badStore struct {
	Store
	err   error
	panic any
}

func (b *badStore) Series(ctx context.Context) ([]store.SeriesRecord, error) {
	if b.panic != nil {
		panic(b.panic)
	}
	if b.err != nil {
		return nil, b.err
	}
	return b.Store.Series(ctx)
}

// newConfig is the least that a server needs.
func newConfig(s Store, b bus.Bus) Config {
	return Config{
		Store: s, Bus: b, Feeds: func() []feed.Health { return nil }, Default: amzn, Horizons: 5,
		Models:     func() []Model { return []Model{{Name: "naive"}} },
		Predictors: predictors(func(_ context.Context, p []float64) (float64, error) { return p[len(p)-1], nil }),
		Ready:      func() (bool, string) { return true, "" }, Now: time.Now, Metrics: prometheus.NewRegistry(), Version: "v1.2.3",
	}
}

var errDisk = errors.New("disk /secret/path sector 7 is unreadable")

// predictors are a default that answers as it is told and "first", which takes two prices
// and answers with the first.
func predictors(answer func(context.Context, []float64) (float64, error)) func() []Predictor {
	list := []Predictor{{"usual", Lookback, answer}, {"first", 2, func(_ context.Context, p []float64) (float64, error) { return p[0], nil }}}
	return func() []Predictor { return list }
}
