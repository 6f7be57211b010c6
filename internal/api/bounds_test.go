package api

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// backlog is a store that is always ahead of the hub: there are bars without an end, and a read
// takes a second.
type backlog struct {
	Store
	most  int
	reads int
	then  func(reads int)
}

func (b *backlog) Epoch() string                             { return "e" }
func (b *backlog) LastEvent(context.Context) (uint64, error) { return 0, nil }

func (b *backlog) EventsAfter(_ context.Context, after uint64, limit int) ([]store.Event, error) {
	b.most = max(b.most, limit)
	b.reads++
	time.Sleep(time.Second)
	if b.then != nil {
		b.then(b.reads)
	}
	events := make([]store.Event, min(limit, 3))
	for i := range events {
		events[i] = store.Event{Seq: after + 1 + uint64(i), Series: amzn, Kind: store.BarEvent, Key: int64(i)}
	}
	return events, nil
}

func (b *backlog) BarLog(_ context.Context, _ market.SeriesID, after uint64, limit int) ([]store.BarRecord, error) {
	recs := make([]store.BarRecord, limit)
	for i := range recs {
		recs[i] = store.BarRecord{Series: amzn, Seq: after + 1 + uint64(i)}
	}
	return recs, nil
}

func behind(t *testing.T, b *backlog, streams int) (*Server, []*client) {
	m, err := newMetrics(prometheus.NewRegistry(), "")
	must(t, err)
	s := &Server{metrics: m, cfg: newConfig(b, inproc.New())}
	s.cfg.Feeds = func() []feed.Health { return nil }
	s.cfg.MaxStream = 1 << 20
	s.hub = newHub(s)
	close(s.hub.ready)
	var list []*client
	for range streams {
		c := &client{frames: make(chan []byte, 1000), cut: make(chan struct{})}
		if _, ok := s.hub.add(t.Context(), c); !ok {
			t.Fatal("a stream was refused")
		}
		list = append(list, c)
	}
	s.hub.ready = make(chan struct{})
	return s, list
}

// A step of the hub hands out so many frames in all: with many streams it takes fewer events.
func TestHubStepIsBounded(t *testing.T) {
	for streams, most := range map[int]int{1: 2048, 128: 2048, 1000: 262, 5000: 52} {
		synctest.Test(t, func(t *testing.T) {
			b := &backlog{}
			s, _ := behind(t, b, streams)
			if more, err := s.hub.pump(t.Context()); err != nil || !more || b.most != most {
				t.Errorf("%d streams: up to %d events, want %d; more %t, %v", streams, b.most, most, more, err)
			}
		})
	}
}

// A backlog that does not end hides neither the state of feeds nor the end of the context.
func TestHubLooksUpBetweenSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b := &backlog{then: func(reads int) {
			if reads == 31 {
				cancel()
			}
		}}
		s, streams := behind(t, b, 1)
		must(t, s.Run(ctx))
		if b.reads != 31 {
			t.Errorf("%d reads; it was stopped in the 31st", b.reads)
		}
		status := 0
		for len(streams[0].frames) > 0 {
			if strings.HasPrefix(string(<-streams[0].frames), "event: status") {
				status++
			}
		}
		if status != 7 { // at once, and every five seconds
			t.Errorf("the state of the feeds was told %d times in 31 seconds, want 7", status)
		}
	})
}
