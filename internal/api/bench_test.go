package api

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
)

// discard is a response that nobody reads.
type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkPredict is one answer of POST /predict_next_price through the whole
// handler, without the network and with a model that costs nothing.
func BenchmarkPredict(b *testing.B) {
	srv, err := New(newConfig(quietStore{}, inproc.New()))
	must(b, err)
	h := srv.Handler()
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "http://localhost/predict_next_price", strings.NewReader(seven))
		w := &discard{http.Header{}}
		h.ServeHTTP(w, r)
	}
}

// BenchmarkQuestion is the part of it that reads the body.
func BenchmarkQuestion(b *testing.B) {
	b.ReportAllocs()
	m := &room{body: []byte(seven)}
	for b.Loop() {
		if _, err := m.parse(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBars is a page of bars through the handler, out of SQLite.
func BenchmarkBars(b *testing.B) {
	for _, n := range []int{1, 500, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b)
			_, _, err := w.store.CommitBars(context.Background(), storetest.Bars(amzn, 0, 5000))
			must(b, err)
			h := w.srv.Handler()
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(&discard{http.Header{}}, httptest.NewRequest("GET", "http://localhost"+of(amzn, fmt.Sprint("/bars?limit=", n)), nil))
			}
		})
	}
}

// BenchmarkFanOut commits one bar and waits until every one of n clients in this
// process has its frame: what the hub costs, without sockets.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{1000, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			// A commit from memory, so that the store's fsync is not measured.
			st := &lastBar{}
			notices := inproc.New()
			srv, err := New(newConfig(st, notices))
			must(b, err)
			ctx, stop := context.WithCancel(context.Background())
			var group, got sync.WaitGroup
			group.Go(func() { _ = srv.Run(ctx) })
			for range n {
				c := &client{frames: make(chan []byte, 64), cut: make(chan struct{})}
				if _, ok := srv.hub.add(ctx, c); !ok {
					b.Fatal("a client was refused")
				}
				group.Go(func() {
					for {
						select {
						case f := <-c.frames:
							if f[0] == 'i' { // with an id: a bar, not a status
								got.Done()
							}
						case <-c.cut:
							return
						}
					}
				})
			}
			b.ReportAllocs()
			for b.Loop() {
				got.Add(n)
				notices.Publish(bus.Notice{Seq: st.commit()})
				got.Wait()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/client")
			stop()
			group.Wait()
		})
	}
}

// BenchmarkEncode writes the frames of the stream.
func BenchmarkEncode(b *testing.B) {
	srv, err := New(newConfig(quietStore{}, inproc.New()))
	must(b, err)
	bar := storetest.Bar(amzn, 7, 0)
	chain := storetest.Chain{ID: amzn, Mode: 1}
	chain.Genesis()
	issue := chain.Issue(7, 3, 5)
	e, err := decode(issue)
	must(b, err)
	b.Run("bar", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			srv.frame(7, "bar", encodeBar(&bar))
		}
	})
	b.Run("forecast", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			srv.frame(7, "forecast", encodeIssue(&issue, e))
		}
	})
}

// lastBar is a store of which only the newest bar is ever asked for.
type lastBar struct {
	Store
	mu  sync.Mutex
	seq uint64
}

func (s *lastBar) commit() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	return s.seq
}

func (s *lastBar) LastEvent(context.Context) (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seq, nil
}

func (s *lastBar) EventsAfter(_ context.Context, after uint64, _ int) ([]store.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seq <= after {
		return nil, nil
	}
	return []store.Event{{Seq: after + 1, Series: amzn}}, nil
}

func (s *lastBar) BarLog(_ context.Context, _ market.SeriesID, after uint64, _ int) ([]store.BarRecord, error) {
	r := storetest.Bar(amzn, 7, 0)
	r.Seq = after + 1
	return []store.BarRecord{r}, nil
}

func (s *lastBar) Epoch() string { return "e" }
