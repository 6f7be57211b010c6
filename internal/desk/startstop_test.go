package desk_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/startstop"
	"github.com/foretick/foretick/internal/store/storetest"
)

// Whatever interrupts a desk, all that was ordered is done in the end, by the desk of a later
// process where it must be, or has failed in words.
func TestStartStop(t *testing.T) {
	startstop.Exercise(t, (*desk.Desk[job, *job]).Run, func(t *testing.T, w *startstop.Watch) startstop.Subject[*desk.Desk[job, *job]] {
		st := openStore(t, t.TempDir())
		watched := storetest.Watched(st, w.Call)
		var last *desk.Desk[job, *job]
		cfg := desk.Config[job]{Name: "job", Prefix: "j", Store: watched, Resume: true, Now: time.Now,
			Work: func(ctx context.Context, j job, update func(func(*job))) error {
				for range j.To {
					w.Call("Work")
					if ctx.Err() != nil {
						return ctx.Err()
					}
					update(func(j *job) { j.Count++ })
				}
				return nil
			}}
		return startstop.Subject[*desk.Desk[job, *job]]{
			New: func() *desk.Desk[job, *job] {
				d, err := desk.New[job, *job](t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				last = d
				return d
			},
			// Three jobs are ordered, and one of them is cancelled.
			Busy: func(ctx context.Context, d *desk.Desk[job, *job]) {
				var id string
				for n := range 3 {
					if j, err := d.Submit(ctx, job{To: n + 1}); err == nil {
						id = j.ID
					}
				}
				_ = d.Delete(ctx, id) // it may be done already
				for busy := true; busy && ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
					busy = slices.ContainsFunc(d.Jobs(), func(j job) bool { return j.State == desk.Queued || j.State == desk.Running })
				}
			},
			Look: func(d *desk.Desk[job, *job]) {
				for _, j := range d.Jobs() {
					_, _ = d.Job(j.ID) // another may be forgotten meanwhile
				}
			},
			Check: func() {
				done := 0
				for _, j := range last.Jobs() {
					switch {
					case j.State == desk.Done:
						done++
					case j.State == desk.Cancelled, j.State == desk.Failed && strings.HasPrefix(j.Error, "it panicked"):
					default:
						t.Errorf("%+v", j)
					}
				}
				if done == 0 {
					t.Error("no job was done")
				}
			},
		}
	})
}
