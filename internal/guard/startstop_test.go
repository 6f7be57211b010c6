package guard_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/guard"
	"github.com/foretick/foretick/internal/startstop"
	"github.com/foretick/foretick/internal/store/storetest"
)

// A guard that is stopped anywhere in a chain finds nothing wrong with it, then or later.
func TestStartStop(t *testing.T) {
	startstop.Exercise(t, (*guard.Guard).Run, func(t *testing.T, watch *startstop.Watch) startstop.Subject[*guard.Guard] {
		w := newWorld(t)
		watched := storetest.Watched(w.store, watch.Call)
		return startstop.Subject[*guard.Guard]{
			New: func() *guard.Guard {
				w.reg = prometheus.NewRegistry()
				g, err := guard.New(guard.Config{Store: watched, Folder: w.dir, Now: time.Now, Log: slog.New(slog.DiscardHandler), Metrics: w.reg})
				if err != nil {
					t.Fatal(err)
				}
				return g
			},
			// Two rounds, and entries that come between them.
			Busy: func(ctx context.Context, _ *guard.Guard) {
				for range 2 {
					w.add(2)
					for w.gauge("foretick_ledger_verified_height") != float64(w.chain.Head.Seq) {
						select {
						case <-ctx.Done():
							return
						case <-time.After(10 * time.Second):
						}
					}
				}
			},
			Check: func() {
				if b := w.gauge("foretick_ledger_broken"); b != 0 {
					t.Errorf("broken: %v", b)
				}
			},
		}
	})
}
