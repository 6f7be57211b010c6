package feedtest

import (
	"context"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/startstop"
)

// flow is a source with its receiver.
type flow struct {
	src feed.Source
	out chan feed.Message
}

func (f *flow) run(ctx context.Context) error { return f.src.Run(ctx, Nothing, f.out) }

// StartStop stops a source at many calls of its clock and at many messages, and lets its clock
// panic: the suite of startstop. It is a part of Exercise.
func StartStop(t *testing.T, newSource Make) {
	startstop.Exercise(t, (*flow).run, func(t *testing.T, w *startstop.Watch) startstop.Subject[*flow] {
		return startstop.Subject[*flow]{
			New: func() *flow {
				return &flow{out: make(chan feed.Message), src: newSource(t, func() time.Time {
					w.Call("the clock")
					return time.Now()
				})}
			},
			// What comes in a few seconds is taken; then nobody takes anything any more.
			Busy: func(ctx context.Context, f *flow) {
				enough := time.NewTimer(5 * time.Second)
				defer enough.Stop()
				for range 200 {
					select {
					case <-f.out:
						w.Call("a message")
					case <-enough.C:
						return
					case <-ctx.Done():
						return
					}
				}
			},
			Ends:  true,
			Alone: true,
		}
	})
}
