// Package upkeep does what becomes due in a store with time: it makes the candles
// of charts that are missing, as after a migration that wants them made anew, and deletes old
// bars where the operator said how long they are to be kept (a [Policy]).
//
// Ticks, where they are kept, are deleted by their age alone. Of all else only bars are ever deleted, by whole days, a few hundred at a time with pauses in which
// others write. Their candles stay, and so do the ledger and its scores: chains verify as
// before, and charts reach back as far. Kept in any case, whatever their age, are the bars
// that are still needed:
//
//   - the newest of a series ([Config.Newest]), which a track without a snapshot learns from
//     again;
//   - those that the engine has not consumed, or would consume again after a restart;
//   - those of the last bar of a coarser series that is rolled up from them.
//
// Age counts back from the newest bar of the series, not from the clock: a recording that
// is years old is not deleted because of that, nor is what was followed until last year.
package upkeep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// Store is what upkeep needs of a store.
type Store interface {
	store.SeriesStore
	store.BarReader
	store.Keeper
	DeleteTicks(ctx context.Context, id market.SeriesID, before market.Time, limit int) (deleted int, err error)
}

// Config says what is kept up, and how. Metrics and Log may be nil.
type Config struct {
	Store  Store
	Policy Policy
	// Consumed returns the number of the event up to which the log of a series is not read
	// again, not even by a restart.
	Consumed func(context.Context, market.SeriesID) (uint64, error)
	// Newest is the number of newest bars of a series that are kept whatever their age; 0
	// means 16,384.
	Newest int
	// Pause waits for d or until ctx is done; nil means just that.
	Pause   func(ctx context.Context, d time.Duration)
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

const (
	// every is how often bars that have become too old are looked for: by whole days, so
	// that an hour more does not matter.
	every = time.Hour
	// deleteBars and rollBars are the bars of one step, a few milliseconds of the writer's
	// time and about 20.
	deleteBars = 500
	rollBars   = 20_000
	// backlog is the number of bars that may wait to be consumed where bars are deleted.
	backlog = 4096

	defaultNewest = 16_384
)

// Upkeep does the work. Create it with New and start it with Run.
type Upkeep struct {
	cfg     Config
	running atomic.Bool
	deleted prometheus.Counter
	rolled  prometheus.Counter
}

// New returns an Upkeep that has not begun.
func New(cfg Config) (*Upkeep, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Metrics == nil {
		cfg.Metrics = prometheus.NewRegistry()
	}
	if cfg.Pause == nil {
		cfg.Pause = pause
	}
	if cfg.Newest == 0 {
		cfg.Newest = defaultNewest
	}
	u := &Upkeep{
		cfg: cfg,
		deleted: prometheus.NewCounter(prometheus.CounterOpts{Name: "foretick_retention_deleted_bars_total",
			Help: "Bars that were deleted because they had become too old."}),
		rolled: prometheus.NewCounter(prometheus.CounterOpts{Name: "foretick_rollup_caught_up_bars_total",
			Help: "Bars whose candles for charts were missing and were made."}),
	}
	if err := errors.Join(cfg.Metrics.Register(u.deleted), cfg.Metrics.Register(u.rolled)); err != nil {
		return nil, fmt.Errorf("upkeep: %w", err)
	}
	return u, nil
}

// Run works until ctx is done, and returns nil. What fails is logged and tried again later. It
// fails only when it runs already.
func (u *Upkeep) Run(ctx context.Context) error {
	if !u.running.CompareAndSwap(false, true) {
		return errors.New("upkeep: it runs already")
	}
	defer u.running.Store(false)
	for ctx.Err() == nil {
		if err := u.Pass(ctx); err != nil && ctx.Err() == nil {
			u.cfg.Log.Error("upkeep of the store is held up", "err", err)
		}
		u.cfg.Pause(ctx, every)
	}
	return nil
}

// Pass does once what is due.
func (u *Upkeep) Pass(ctx context.Context) error {
	all, err := u.cfg.Store.Series(ctx)
	if err != nil {
		return fmt.Errorf("upkeep: list series: %w", err)
	}
	var errs []error
	for _, s := range all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		errs = append(errs, u.rollUp(ctx, s.ID()))
	}
	for _, s := range all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		errs = append(errs, u.retain(ctx, s, all), u.retainTicks(ctx, s))
	}
	return errors.Join(errs...)
}

// repeat does a step, each a short transaction, until there is nothing left of its kind or ctx is
// done. After each it rests so many times as long as the step took: others write meanwhile. It
// returns the sum of what the steps did.
func (u *Upkeep) repeat(ctx context.Context, rests int, step func(total int) (int, error)) (total int, err error) {
	for {
		if ctx.Err() != nil {
			return total, ctx.Err()
		}
		began := u.cfg.Now()
		n, err := step(total)
		if err != nil {
			return total, fmt.Errorf("upkeep: %w", err)
		}
		if n == 0 {
			return total, nil
		}
		total += n
		u.cfg.Pause(ctx, time.Duration(rests)*u.cfg.Now().Sub(began))
	}
}

// rollUp takes what is missing into the candles of a series.
func (u *Upkeep) rollUp(ctx context.Context, id market.SeriesID) error {
	total, err := u.repeat(ctx, 1, func(before int) (int, error) {
		n, err := u.cfg.Store.RollUp(ctx, id, rollBars)
		if before == 0 && n > 0 {
			u.cfg.Log.Info("making the missing candles of charts; until then wide charts are slow", "series", id)
		}
		u.rolled.Add(float64(n))
		return n, err
	})
	if err == nil && total > 0 {
		u.cfg.Log.Info("the missing candles of charts are made", "series", id, "bars", total)
	}
	return err
}

// retain deletes the bars of a series that have become too old.
func (u *Upkeep) retain(ctx context.Context, s store.SeriesRecord, all []store.SeriesRecord) error {
	age, limited := u.cfg.Policy[s.Interval]
	if !limited {
		return nil
	}
	before, err := u.before(ctx, s, age, all)
	if err != nil || before == market.MinTime {
		return err
	}
	total, err := u.repeat(ctx, 3, func(int) (int, error) { // the others have three quarters of the time
		n, err := u.cfg.Store.DeleteBars(ctx, s.ID(), before, deleteBars)
		u.deleted.Add(float64(n))
		return n, err
	})
	if err == nil && total > 0 {
		u.cfg.Log.Info("old bars were deleted; their candles are kept", "series", s.ID(), "bars", total, "before", market.Day.Floor(before))
	}
	return err
}

// deleteTicks are the ticks of one step, some milliseconds of the writer's time.
const deleteTicks = 5000

// retainTicks deletes the ticks of a series that are older, before its newest bar, than the policy
// has it.
func (u *Upkeep) retainTicks(ctx context.Context, s store.SeriesRecord) error {
	age, limited := u.cfg.Policy[Ticks]
	if !limited || !s.Base {
		return nil
	}
	newest, err := u.bar(ctx, s.ID(), 1)
	if err != nil || newest == nil {
		return err
	}
	total, err := u.repeat(ctx, 3, func(int) (int, error) {
		return u.cfg.Store.DeleteTicks(ctx, s.ID(), newest.Start.Add(-age), deleteTicks)
	})
	if err == nil && total > 0 {
		u.cfg.Log.Info("old ticks were deleted", "series", s.ID(), "ticks", total)
	}
	return err
}

// before is the time before which the bars of s need not be kept, MinTime when it cannot be
// told now.
func (u *Upkeep) before(ctx context.Context, s store.SeriesRecord, age time.Duration, all []store.SeriesRecord) (market.Time, error) {
	newest, err := u.bar(ctx, s.ID(), 1)
	if err != nil || newest == nil {
		return market.MinTime, err
	}
	before := newest.Start.Add(-age)
	kept, err := u.cfg.Store.KeptFrom(ctx, s.ID())
	if err != nil {
		return market.MinTime, fmt.Errorf("upkeep: %w", err)
	}
	if market.Day.Floor(before) <= kept {
		return kept, nil // nothing more; but a deletion may not have come to its end
	}
	last, err := u.bar(ctx, s.ID(), u.cfg.Newest)
	if err != nil || last == nil {
		return market.MinTime, err
	}
	before = min(before, last.Start)
	for _, c := range all {
		if c.Base || c.Instrument.Key() != s.Instrument.Key() || c.Source != s.Source || !c.Interval.Nests(s.Interval) {
			continue
		}
		coarse, err := u.bar(ctx, c.ID(), 1)
		if err != nil || coarse == nil {
			return market.MinTime, err
		}
		before = min(before, coarse.Start)
	}
	seq, err := u.cfg.Consumed(ctx, s.ID())
	if err != nil {
		return market.MinTime, err
	}
	recs, err := u.cfg.Store.BarLog(ctx, s.ID(), seq, backlog)
	if err != nil || len(recs) == backlog { // too far behind: later
		return market.MinTime, err
	}
	for i := range recs {
		before = min(before, recs[i].Start)
	}
	return before, nil
}

// bar returns the n-th bar of a series from its end, nil when it has not that many.
func (u *Upkeep) bar(ctx context.Context, id market.SeriesID, n int) (*market.Bar, error) {
	bars, err := u.cfg.Store.Bars(ctx, id, store.Range{Newest: true, Limit: n})
	if err != nil || len(bars) < n {
		return nil, err
	}
	return &bars[n-1], nil
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
