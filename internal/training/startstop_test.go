package training_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/startstop"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/internal/training"
	"github.com/foretick/foretick/market"
)

// A training that is stopped at any call of its store or its clock goes on in the next process,
// and learns what it would have learnt without.
func TestStartStop(t *testing.T) {
	startstop.Exercise(t, (*training.Desk).Run, func(t *testing.T, w *startstop.Watch) startstop.Subject[*training.Desk] {
		st := openStore(t, t.TempDir())
		watched := storetest.Watched(st, w.Call)
		learn := func(ctx context.Context) (*neural.Samples, error) {
			s := neural.NewSamples(market.Day)
			return s, s.Add(ctx, "sim:X@1d", forecasttest.Walk(1, 400), nil)
		}
		plan := training.Plan{Name: "mine", Series: []market.SeriesID{"sim:X@1d"}, Options: small()}
		plan.Options.Restarts, plan.Options.Epochs, plan.Options.Ensemble = 1, 3, 1
		var last *training.Desk
		var clock atomic.Int64
		return startstop.Subject[*training.Desk]{
			New: func() *training.Desk {
				d, err := training.NewDesk(t.Context(), training.Config{Store: watched,
					Check: func(context.Context, *training.Plan) error { return nil },
					Read: func(ctx context.Context, _ *training.Plan) (*neural.Samples, error) {
						w.Call("Read")
						return learn(ctx)
					},
					Put: func(context.Context, *training.Plan, *neural.Trained) error {
						w.Call("Put")
						return nil
					},
					Now: func() time.Time {
						w.Call("Now")
						return time.Unix(clock.Add(4), 0) // an epoch takes its time: every third one is kept
					}})
				if err != nil {
					t.Fatal(err)
				}
				last = d
				return d
			},
			Busy: func(ctx context.Context, d *training.Desk) {
				j, err := d.Submit(ctx, plan)
				for err == nil && ctx.Err() == nil && (j.State == desk.Queued || j.State == desk.Running) {
					time.Sleep(time.Second)
					j, err = d.Job(j.ID)
				}
			},
			Look: func(d *training.Desk) { d.Jobs() },
			Check: func() {
				s, err := learn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				tr, err := neural.NewTrainer(s, plan.Options)
				if err != nil {
					t.Fatal(err)
				}
				want := learnt(t, tr).ID()
				done := 0
				for _, j := range last.Jobs() {
					if j.State == desk.Done {
						if done++; j.Version != want {
							t.Errorf("%s gave version %s, want %s", j.ID, j.Version, want)
						}
					} else if j.State != desk.Failed {
						t.Errorf("%+v", j)
					}
				}
				if done == 0 {
					t.Error("no training was done")
				}
			},
		}
	})
}
