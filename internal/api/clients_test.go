package api

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/store"
)

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
func (p *patient) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.got.String()
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
