package backtest_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/startstop"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
)

// A backtest that a stop interrupts has failed in words, one whose models panic as well, and one
// that is done has the report of a walk that nobody disturbed.
func TestStartStop(t *testing.T) {
	in := backtest.Input{Series: market.Series{Instrument: market.Instrument{Symbol: "W", Venue: "test"}, Interval: market.Day}, Bars: forecasttest.Walk(1, 140)}
	spec := backtest.Spec{BurnIn: 30, Horizons: []int{1}}
	opt := backtest.Options{Jobs: 1, Lead: "ewma", Now: func() time.Time { return noon },
		Forecasters: func(string) []forecast.Forecaster { return []forecast.Forecaster{naive.New(), ewma.New()} }}
	want := run(t, spec, opt, in)
	startstop.Exercise(t, (*backtest.Desk).Run, func(t *testing.T, w *startstop.Watch) startstop.Subject[*backtest.Desk] {
		st := open(t, t.TempDir())
		watched := storetest.Watched(st, w.Call)
		opt := opt
		opt.Forecasters = func(file string) []forecast.Forecaster {
			w.Call("Forecasters")
			return []forecast.Forecaster{naive.New(), ewma.New()}
		}
		var last *backtest.Desk
		return startstop.Subject[*backtest.Desk]{
			New: func() *backtest.Desk {
				d, err := backtest.NewDesk(t.Context(), backtest.DeskConfig{Store: watched, Now: time.Now,
					Check: func(context.Context, *backtest.Order) error { return nil },
					Prepare: func(context.Context, *backtest.Order) ([]backtest.Input, backtest.Options, error) {
						w.Call("Prepare")
						return []backtest.Input{in}, opt, nil
					}})
				if err != nil {
					t.Fatal(err)
				}
				last = d
				return d
			},
			Busy: func(ctx context.Context, d *backtest.Desk) {
				_, _ = d.Submit(ctx, backtest.Order{Series: []market.SeriesID{in.Series.ID()}, Spec: spec})
				for busy := true; busy && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
					busy = slices.ContainsFunc(d.Jobs(), func(j backtest.Job) bool { return j.State == desk.Queued || j.State == desk.Running })
				}
			},
			Look: func(d *backtest.Desk) {
				if all := d.Jobs(); len(all) > 0 {
					_, _ = d.Report(context.Background(), all[0].ID) // it may have none yet
				}
			},
			Check: func() {
				done := 0
				for _, j := range last.Jobs() {
					switch {
					case j.State == desk.Done:
						done++
						r, err := last.Report(t.Context(), j.ID)
						if err != nil || r.Protocol.Digest != want.Protocol.Digest || !cmp.Equal(r.Results[1].CRPS, want.Results[1].CRPS) {
							t.Errorf("%s: the report is not that of an undisturbed walk (%v)", j.ID, err)
						}
					case j.State == desk.Failed && (strings.Contains(j.Error, "stopped") || strings.Contains(j.Error, "panicked")):
					default:
						t.Errorf("%+v", j)
					}
				}
				if done == 0 {
					t.Error("no backtest was done")
				}
			},
		}
	})
}
