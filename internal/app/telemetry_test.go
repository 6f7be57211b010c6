package app_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/market"
)

// collector is an OpenTelemetry collector that remembers what it was sent.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	spans   map[string]*spanpb.Span // by id
	metrics map[string]bool         // by name
	service map[string]string       // attributes of the resource
	news    chan struct{}           // something came
}

func newCollector(t *testing.T) *collector {
	c := &collector{spans: map[string]*spanpb.Span{}, metrics: map[string]bool{}, service: map[string]string{}, news: make(chan struct{}, 1)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := c.take(r); err != nil {
			t.Error(err)
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) take(r *http.Request) error {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			return err
		}
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	if ct := r.Header.Get("Content-Type"); ct != "application/x-protobuf" {
		return fmt.Errorf("content type %q", ct)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch r.URL.Path {
	case "/v1/traces":
		var req tracepb.ExportTraceServiceRequest
		if err := proto.Unmarshal(b, &req); err != nil {
			return err
		}
		for _, rs := range req.ResourceSpans {
			for k, v := range attributes(rs.Resource.Attributes) {
				c.service[k] = v
			}
			for _, ss := range rs.ScopeSpans {
				for _, s := range ss.Spans {
					c.spans[string(s.SpanId)] = s
				}
			}
		}
	case "/v1/metrics":
		var req metricspb.ExportMetricsServiceRequest
		if err := proto.Unmarshal(b, &req); err != nil {
			return err
		}
		for _, rm := range req.ResourceMetrics {
			for _, sm := range rm.ScopeMetrics {
				for _, m := range sm.Metrics {
					c.metrics[m.Name] = true
				}
			}
		}
	default:
		return fmt.Errorf("path %s", r.URL.Path)
	}
	select {
	case c.news <- struct{}{}:
	default:
	}
	return nil
}

func attributes(list []*commonpb.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		out[kv.Key] = fmt.Sprint(kv.Value)
	}
	return out
}

// find waits until there is a span that is wanted.
func (c *collector) find(t *testing.T, what string, want func(s, parent *spanpb.Span) bool) *spanpb.Span {
	t.Helper()
	for {
		c.mu.Lock()
		for _, s := range c.spans {
			if want(s, c.spans[string(s.ParentSpanId)]) {
				c.mu.Unlock()
				return s
			}
		}
		names := map[string]int{}
		for _, s := range c.spans {
			names[s.Name]++
		}
		c.mu.Unlock()
		select {
		case <-c.news:
		case <-time.After(time.Minute):
			t.Fatalf("no span: %s; there are %v", what, names)
		}
	}
}

// TestTraceOfABar follows one bar from its commit to a browser, and requests.
func TestTraceOfABar(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=uat")
	c := newCollector(t)
	src := newManual(1)
	cfg := app.Config{Addr: "127.0.0.1:0", Data: t.TempDir(), Feed: "sim", Horizons: 2, Models: []string{"naive"}, Log: "error", Grace: time.Second,
		Telemetry: app.Telemetry{OTLP: c.URL, OTLPRatio: 1}}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	a, err := app.New(ctx, cfg, app.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Stderr: io.Discard, Source: src})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	end := market.TimeOf(time.Now())
	src.closed <- end // history
	r, err := http.Get(a.URL() + "/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	src.closed <- end + 1_000_000
	req, err := http.NewRequest(http.MethodGet, a.URL()+"/v1/status?secret=PLANTED", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer PLANTED")
	req.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()

	named := func(s *spanpb.Span, name string) bool { return s != nil && s.Name == name }
	stream := c.find(t, "stream of a step", func(s, parent *spanpb.Span) bool { return named(s, "stream") && named(parent, "step") })
	step := c.find(t, "its step", func(s, _ *spanpb.Span) bool { return bytes.Equal(s.SpanId, stream.ParentSpanId) })
	bars := c.find(t, "its bars", func(s, _ *spanpb.Span) bool { return bytes.Equal(s.SpanId, step.ParentSpanId) })
	if bars.Name != "bars" || len(bars.ParentSpanId) != 0 {
		t.Errorf("the trace begins with %q below %x", bars.Name, bars.ParentSpanId)
	}
	below := func(parent *spanpb.Span, name string) *spanpb.Span {
		return c.find(t, name, func(s, _ *spanpb.Span) bool {
			return s.Name == name && bytes.Equal(s.ParentSpanId, parent.SpanId)
		})
	}
	series := below(step, "settle, learn, issue")
	for _, s := range []*spanpb.Span{stream, step, series, below(bars, "store bars"), below(step, "store step")} {
		if !bytes.Equal(s.TraceId, bars.TraceId) {
			t.Errorf("%s is of another trace", s.Name)
		}
	}
	if got := attributes(series.Attributes)["foretick.series"]; !strings.Contains(got, string(src.series[0].ID())) {
		t.Errorf("series %s", got)
	}
	request := c.find(t, "request", func(s, _ *spanpb.Span) bool { return s.Name == "GET /v1/status" })
	if fmt.Sprintf("%x", request.TraceId) != "0af7651916cd43dd8448eb211c80319c" || fmt.Sprintf("%x", request.ParentSpanId) != "b7ad6b7169203331" {
		t.Errorf("the request is of trace %x below %x, not of its client's", request.TraceId, request.ParentSpanId)
	}
	if code := attributes(request.Attributes)["http.response.status_code"]; !strings.Contains(code, fmt.Sprint(answer.StatusCode)) {
		t.Errorf("code %s, want %d", code, answer.StatusCode)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range []string{"foretick_bars_total", "foretick_forecasts_total", "foretick_otlp_spans_total", "go_goroutines"} {
		if !c.metrics[name] {
			t.Errorf("metric %s was not sent; there are %v", name, slices.Sorted(maps.Keys(c.metrics)))
		}
	}
	for k, want := range map[string]string{"service.name": "foretick", "deployment.environment.name": "uat"} {
		if !strings.Contains(c.service[k], want) {
			t.Errorf("resource: %s is %q, want %q", k, c.service[k], want)
		}
	}
	for _, s := range c.spans {
		if text := s.String(); strings.Contains(text, "PLANTED") {
			t.Errorf("a span tells a secret: %s", text)
		}
	}
}

// TestCollectorThatFails compares the ledger of a replay with tracing off with those of
// replays whose collector is not there, refuses, or never answers.
func TestCollectorThatFails(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }))
	t.Cleanup(refuses.Close)
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(hangs.Close)

	path := filepath.Join(t.TempDir(), "bars.csv")
	rng := rand.New(rand.NewPCG(1, 1))
	var list []market.Bar
	price := 100.0
	for i := range market.Time(80) {
		next := price * (1 + 0.001*rng.NormFloat64())
		list = append(list, market.Bar{Start: i * 60e6, End: (i + 1) * 60e6, Open: price, High: max(price, next), Low: min(price, next), Close: next, Volume: 1})
		price = next
	}
	writeBars(t, path, list)
	replay := func(url string) (map[market.SeriesID]*run, string) {
		cfg := app.Config{Addr: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "data"), Feed: "replay", File: []string{path}, Speed: "max",
			Interval: "1m", Models: []string{"naive", "ewma"}, Horizons: 2, Log: "error", Telemetry: app.Telemetry{OTLP: url, OTLPRatio: 1}}
		var log lockedBuffer
		finishLogged(t, cfg, slog.New(slog.NewTextHandler(&log, nil)))
		return stored(t, cfg.Data), log.String()
	}
	want, _ := replay("")
	if len(want) != 1 {
		t.Fatalf("%d series", len(want))
	}
	for name, url := range map[string]string{"not there": "http://" + gone.Addr().String(), "refuses": refuses.URL, "never answers": hangs.URL} {
		t.Run(name, func(t *testing.T) {
			got, log := replay(url)
			same(t, name, got, want)
			if n := strings.Count(log, "level=WARN"); n != 1 || !strings.Contains(log, "the OpenTelemetry collector does not take") {
				t.Errorf("%d warnings, want 1:\n%s", n, log)
			}
		})
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestTelemetrySettings(t *testing.T) {
	for name, tc := range map[string]struct {
		given app.Telemetry
		env   map[string]string
		url   string
		wrong bool
	}{
		"off":              {},
		"flag":             {given: app.Telemetry{OTLP: "http://a:4318"}, env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://b:4318"}, url: "http://a:4318"},
		"environment":      {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://b:4318"}, url: "http://b:4318"},
		"disabled":         {given: app.Telemetry{OTLP: "http://a:4318"}, env: map[string]string{"OTEL_SDK_DISABLED": "true"}},
		"no scheme":        {given: app.Telemetry{OTLP: "collector:4318"}, wrong: true},
		"password":         {given: app.Telemetry{OTLP: "http://u:planted@a:4318"}, wrong: true},
		"query":            {given: app.Telemetry{OTLP: "http://a:4318?key=planted"}, wrong: true},
		"ratio too large":  {given: app.Telemetry{OTLPRatio: 2}, wrong: true},
		"ratio no number":  {given: app.Telemetry{OTLPRatio: nan()}, wrong: true},
		"not an address":   {given: app.Telemetry{OTLP: "http://pl anted:%zz"}, wrong: true},
		"everything given": {given: app.Telemetry{OTLP: "https://a/otlp/", OTLPRatio: 1}, url: "https://a/otlp/"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := app.Config{Addr: "127.0.0.1:0", Feed: "sim", Speed: "1", Horizons: 1, Telemetry: tc.given}
			err := cfg.Finish(func(k string) string { return tc.env[k] })
			if (err != nil) != tc.wrong || err == nil && cfg.OTLP != tc.url {
				t.Errorf("%q, %v", cfg.OTLP, err)
			}
			if err != nil && strings.Contains(err.Error(), "planted") {
				t.Errorf("the error quotes a secret: %v", err)
			}
		})
	}
}

func nan() float64 { z := 0.0; return z / z }
