package ingest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/ingest"
	"github.com/foretick/foretick/internal/startstop"
	"github.com/foretick/foretick/market"
)

// told is a bus that reports what it is told.
type told struct {
	bus.Bus
	w *startstop.Watch
}

func (b told) Publish(n bus.Notice) {
	b.w.Call("Publish")
	b.Bus.Publish(n)
}

// TestStartStop stops ingest at any call of its store, its bus and its clock: each bar that the
// source has is stored once, and so is each coarser one, as if nothing had been stopped.
func TestStartStop(t *testing.T) {
	for name, info := range map[string]feed.Info{"live": live(), "replay": replay()} {
		t.Run(name, func(t *testing.T) {
			startstop.Exercise(t, (*ingest.Ingest).Run, func(t *testing.T, w *startstop.Watch) startstop.Subject[*ingest.Ingest] {
				st := newMemory()
				st.setFail(func(op string) error {
					w.Call(op)
					return nil
				})
				time.Sleep(time.Until(at(1e4).Std())) // so that no bar is from the future
				var until atomic.Int64                // the source has the bars before
				more := make(chan struct{}, 1)
				src := &script{info, func(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error {
					next := 0
					if last, ok := resume(minute); ok {
						next = int((last-m0)/60e6) + 1
					}
					for {
						for next < int(until.Load()) {
							m := bars(bar(next, 10+float64(next%7)))
							if info.Replay {
								m.Clock = m.Bars[0].End
							}
							if !send(ctx, out, m) {
								return nil
							}
							next++
						}
						select {
						case <-more:
						case <-ctx.Done():
							return nil
						}
					}
				}}
				stored := func() int {
					st.mu.Lock()
					defer st.mu.Unlock()
					return len(st.bars[minute])
				}
				notices := told{&notices{t: t, store: st}, w}
				return startstop.Subject[*ingest.Ingest]{
					New: func() *ingest.Ingest {
						in, err := ingest.New(ingest.Config{Sources: []feed.Source{src}, Store: st, Bus: notices, Rollups: []market.Interval{market.FiveMin}, Grace: time.Second, Metrics: prometheus.NewRegistry(),
							Rand: func() float64 { return 1 },
							Now: func() time.Time {
								w.Call("Now")
								return time.Now()
							},
							AfterCommit: func(context.Context, uint64) error {
								w.Call("AfterCommit")
								return nil
							}})
						if err != nil {
							t.Fatal(err)
						}
						return in
					},
					Busy: func(ctx context.Context, _ *ingest.Ingest) {
						until.Add(7)
						select {
						case more <- struct{}{}:
						default:
						}
						for stored() < int(until.Load()) && ctx.Err() == nil {
							time.Sleep(100 * time.Millisecond)
						}
					},
					Look: func(in *ingest.Ingest) {
						if h := in.Health(); len(h) != 1 || h[0].Name != "test" {
							t.Errorf("%+v", h)
						}
					},
					Check: func() {
						whole := newMemory()
						var all []feed.Message
						for i := range int(until.Load()) {
							all = append(all, bars(bar(i, 10+float64(i%7))))
						}
						newRig(t, whole, nil, plays(replay(), all...)).runs(t, t.Context())
						n := len(whole.bars[five]) - 1 // the last one may still be open
						if d := cmp.Diff(whole.bars[minute], st.bars[minute]); d != "" {
							t.Errorf("(-want +got):\n%s", d)
						}
						if d := cmp.Diff(whole.bars[five][:n], st.bars[five][:n]); d != "" {
							t.Errorf("(-want +got):\n%s", d)
						}
						if len(st.rejects) > 0 {
							t.Errorf("rejected: %+v", st.rejects)
						}
					},
				}
			})
		})
	}
}
