package upkeep

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/startstop"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
)

// A deletion that is stopped anywhere is taken up again, and no more is deleted than may be.
func TestStartStop(t *testing.T) {
	startstop.Exercise(t, (*Upkeep).Run, func(t *testing.T, w *startstop.Watch) startstop.Subject[*Upkeep] {
		r := newRig(t, "1m=2d,ticks=1d")
		r.hours("C", 0, 1)
		cfg := r.u.cfg
		cfg.Store = storetest.Watched(r.s, w.Call)
		cfg.Consumed = func(context.Context, market.SeriesID) (uint64, error) {
			w.Call("Consumed")
			return r.consumed, nil
		}
		passed := make(chan struct{}, 1)
		cfg.Pause = func(ctx context.Context, d time.Duration) {
			w.Call("Pause")
			if d == every {
				select {
				case passed <- struct{}{}:
				default:
				}
			}
			pause(ctx, d)
		}
		until := 0
		return startstop.Subject[*Upkeep]{
			New: func() *Upkeep {
				cfg.Metrics = prometheus.NewRegistry()
				u, err := New(cfg)
				must(t, err)
				return u
			},
			// Five days more, and a pass that sees them all.
			Busy: func(ctx context.Context, _ *Upkeep) {
				select {
				case <-passed: // of a pass before
				default:
				}
				r.hours("A", until, until+120)
				until += 120
				r.hours("C", until-1, until)
				for range 2 {
					select {
					case <-passed:
					case <-ctx.Done():
						return
					}
				}
			},
			Check: func() {
				bars, err := r.s.Bars(t.Context(), r.ids["A"], store.Range{Limit: 1 << 20})
				must(t, err)
				first := market.Day.Floor(noon + market.Time(until-1-48)*hour)
				if n := int((noon + market.Time(until)*hour - first) / hour); len(bars) != n || bars[0].Start != first {
					t.Errorf("%d bars from %s are left, want %d from %s", len(bars), bars[0].Start, n, first)
				}
			},
		}
	})
}
