package tracing

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

// collector takes what is sent, or, while it is told to, does not answer.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	hangs   bool
	arrived chan struct{}
}

func newCollector(t *testing.T) *collector {
	c := &collector{arrived: make(chan struct{}, 100)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		c.arrived <- struct{}{}
		c.mu.Lock()
		hangs := c.hangs
		c.mu.Unlock()
		if hangs {
			<-r.Context().Done()
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) hang(yes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangs = yes
}

func opened(t *testing.T, url string) *Exporter {
	t.Helper()
	reg := prometheus.NewRegistry()
	e, err := Open(t.Context(), Config{URL: url, Ratio: 1, Gatherer: reg, Registerer: reg, Log: slog.New(slog.DiscardHandler), Now: time.Now, Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// An exporter is opened and closed again and again, while spans are begun and ended from several
// goroutines, and closed twice: no goroutine is left, and a collector that hangs holds nobody up
// once the context of Close is done.
func TestStartStop(t *testing.T) {
	c := newCollector(t)
	before := goleak.IgnoreCurrent()
	for i := range 12 {
		hangs := i%2 == 1
		c.hang(hangs)
		e := opened(t, c.URL)
		limit, cancel := context.WithCancel(t.Context())
		var spans sync.WaitGroup
		for range 3 {
			spans.Go(func() {
				for range 200 {
					ctx, s := e.Tracer().Start(context.Background(), "work")
					_, child := e.Tracer().Child(ctx, "part")
					child.End()
					s.End()
					runtime.Gosched()
				}
			})
		}
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			e.Close(limit)
		}()
		if hangs {
			<-c.arrived // it is asked, and will not answer
			cancel()
		}
		<-closed
		e.Close(limit)
		cancel()
		spans.Wait()
		for len(c.arrived) > 0 {
			<-c.arrived
		}
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	c.Close()
	goleak.VerifyNone(t, before)
}

// Closed when its limit has passed already, an exporter stops all the same.
func TestClosedTooLate(t *testing.T) {
	c := newCollector(t)
	before := goleak.IgnoreCurrent()
	e := opened(t, c.URL)
	late, cancel := context.WithCancel(t.Context())
	cancel()
	e.Close(late)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	goleak.VerifyNone(t, before)
}
