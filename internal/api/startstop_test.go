package api

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/startstop"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
)

// TestStartStop stops the hub at any call of its store. A stream gets what was committed while
// it stood, in order and once, or is cut; it never waits for a hub that has ended.
func TestStartStop(t *testing.T) {
	startstop.Exercise(t, (*Server).Run, func(t *testing.T, watch *startstop.Watch) startstop.Subject[*Server] {
		st := newStore(t)
		t.Cleanup(func() { must(t, st.Close()) })
		must(t, st.PutSeries(t.Context(), storetest.Series("AMZN")))
		w := &world{t: t, store: st, bus: inproc.New(), chain: storetest.Chain{ID: amzn, Mode: ledger.Live}}
		cfg := newConfig(storetest.Watched(st, watch.Call), w.bus)
		cfg.MaxStream, cfg.Log = 10, slog.New(slog.DiscardHandler)
		cfg.Feeds = func() []feed.Health {
			watch.Call("Feeds")
			return nil
		}
		return startstop.Subject[*Server]{
			New: func() *Server {
				m, err := newMetrics(prometheus.NewRegistry(), "")
				must(t, err)
				s := &Server{cfg: cfg, metrics: m} // New describes all of the API, which takes a while
				s.hub = newHub(s)
				return s
			},
			Busy: func(ctx context.Context, s *Server) {
				c := &client{frames: make(chan []byte, 100), cut: make(chan struct{})}
				pos, ok := s.hub.add(ctx, c)
				if !ok {
					return
				}
				defer s.hub.remove(c)
				for range 3 {
					w.tick(false)
				}
				last, err := st.LastEvent(t.Context())
				must(t, err)
				for pos < last {
					select {
					case f := <-c.frames:
						id, _, _ := strings.Cut(strings.TrimPrefix(string(f), "id: "+st.Epoch()+"-"), "\n")
						if strings.HasPrefix(id, "event: status") {
							continue
						}
						if pos++; id != strconv.FormatUint(pos, 10) && !(pos == 2 && id == "3") { // the genesis entry is not news
							t.Errorf("event %s came, want %d", id, pos)
							return
						}
						if id == "3" {
							pos = 3
						}
					case <-c.cut:
						return
					}
				}
			},
			Look: func(s *Server) {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				c := &client{frames: make(chan []byte, 1), cut: make(chan struct{})}
				if _, ok := s.hub.add(ctx, c); ok {
					s.hub.remove(c)
				}
				w.bus.Publish(bus.Notice{})
			},
		}
	})
}
