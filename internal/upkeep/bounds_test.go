package upkeep

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// endless is a store in which there is always something left to do, and that looks at no context.
type endless struct {
	Store
	limits []int // of the steps, in order
	took   time.Duration
	now    *time.Time
}

func (e *endless) step(limit int) (int, error) {
	e.limits = append(e.limits, limit)
	*e.now = e.now.Add(e.took)
	return limit, nil
}

func (e *endless) RollUp(_ context.Context, _ market.SeriesID, limit int) (int, error) {
	return e.step(limit)
}
func (e *endless) DeleteBars(_ context.Context, _ market.SeriesID, _ market.Time, limit int) (int, error) {
	return e.step(limit)
}
func (e *endless) DeleteTicks(_ context.Context, _ market.SeriesID, _ market.Time, limit int) (int, error) {
	return e.step(limit)
}

// Each step of upkeep is bounded in rows, others have their share of the time after it, and a
// context that is done is seen before the next one.
func TestStepsAreBounded(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int
		rests time.Duration // times as long as the step took
		run   func(*Upkeep, context.Context, store.SeriesRecord, []store.SeriesRecord) error
	}{
		{"roll up", 20_000, 1, func(u *Upkeep, ctx context.Context, s store.SeriesRecord, _ []store.SeriesRecord) error {
			return u.rollUp(ctx, s.ID())
		}},
		{"bars", 500, 3, (*Upkeep).retain},
		{"ticks", 5000, 3, func(u *Upkeep, ctx context.Context, s store.SeriesRecord, _ []store.SeriesRecord) error {
			return u.retainTicks(ctx, s)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, "1m=2d,ticks=2d")
			r.hours("A", 0, 500)
			r.hours("C", 490, 500)
			now := time.Unix(1_700_000_000, 0)
			e := &endless{Store: r.s, took: 7 * time.Millisecond, now: &now}
			ctx, cancel := context.WithCancel(t.Context())
			var rests []time.Duration
			r.u.cfg.Store, r.u.cfg.Now = e, func() time.Time { return now }
			r.u.cfg.Pause = func(_ context.Context, d time.Duration) {
				if rests = append(rests, d); len(rests) == 4 {
					cancel()
				}
			}
			all, err := r.s.Series(t.Context())
			must(t, err)
			i := slices.IndexFunc(all, func(s store.SeriesRecord) bool { return s.ID() == r.ids["A"] })
			if err := c.run(r.u, ctx, all[i], all); !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with %v", err)
			}
			rest := c.rests * e.took
			if !slices.Equal(e.limits, []int{c.limit, c.limit, c.limit, c.limit}) || !slices.Equal(rests, []time.Duration{rest, rest, rest, rest}) {
				t.Errorf("steps of %v rows, rests of %v; want four of %d and %v", e.limits, rests, c.limit, rest)
			}
		})
	}
}
