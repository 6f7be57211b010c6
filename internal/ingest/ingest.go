// Package ingest takes what sources deliver, builds bars from ticks and coarser bars
// from bars, commits them, and only then tells the bus.
//
// Each source has its own pipeline: a goroutine that runs the source, a bounded
// channel, and one loop that owns all state of the source's series. Pipelines share
// nothing but the store, which commits their writes together.
//
// What ingest promises:
//
//   - Stored, then seen. A notice goes out after the bars are committed.
//   - Where ticks are kept, no bar is stored before the ticks that it was built from.
//   - Nothing is lost in silence. What cannot be used goes to quarantine with the
//     reason and is counted. When the store fails, ingest tries again for as long as
//     it takes and meanwhile takes nothing more from the source.
//   - One bar, one identity. A bar is known by its start. The same values again are
//     skipped; other values become the next revision.
//   - Splits and dividends that a source tells of are stored where they came: before the
//     bars that come after them.
//   - Holes are told apart. Where nobody traded a bar is absent. Where Foretick or
//     its feed was down the next bar carries AfterGap.
//
// In a replay time is the time of the data, and the wall clock decides nothing: the
// same recording makes the same bars at every speed.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/tracing"
	"github.com/foretick/foretick/market"
)

// Store is what ingest needs of a store.
type Store interface {
	store.SeriesStore
	store.BarWriter
	store.TickWriter
	store.BarReader
	store.QuarantineStore
	// PutActions is store.ActionStore's.
	PutActions(ctx context.Context, instrument string, at market.Time, actions ...market.Action) (kept int, err error)
	Epoch() string
}

// Config says what ingest works with. Log, Metrics, Tracer, Rand and AfterCommit may be nil.
type Config struct {
	Sources []feed.Source
	Store   Store
	Bus     bus.Bus
	// Rollups are the coarser intervals that every series is rolled up to. Those
	// that are not coarser than a series are left out for it.
	Rollups []market.Interval
	// KeepTicks stores the ticks that bars are built from, with or before their bars.
	KeepTicks bool
	// Grace is how long after its end a live bar waits for late ticks.
	Grace   time.Duration
	Now     func() time.Time
	Log     *slog.Logger
	Metrics prometheus.Registerer
	// Tracer follows bars from here on; nil: it is off.
	Tracer *tracing.Tracer
	// Rand returns a number in [0, 1) that spreads retries.
	Rand func() float64
	// AfterCommit is called after each commit with the number of its last event.
	// Until it returns nothing more is taken from the source: a driver lets the
	// engine catch up in it. An error other than the end of ctx ends Run.
	AfterCommit func(ctx context.Context, lastEvent uint64) error
}

// shutdownLimit is how long Run goes on trying to store what it has received after
// its context is done.
const shutdownLimit = 4 * time.Second

// Ingest runs the pipelines. Create it with New and start it with Run, once.
type Ingest struct {
	cfg       Config
	pipelines []*pipeline
	ran       atomic.Bool
}

// New returns an Ingest. It reports series that are not valid or delivered twice,
// roll-ups that do not fit, and metrics that are registered already.
func New(cfg Config) (*Ingest, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Metrics == nil {
		cfg.Metrics = prometheus.NewRegistry()
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Float64
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	in := &Ingest{cfg: cfg}
	seen := map[market.SeriesID]bool{}
	for _, src := range cfg.Sources {
		p, err := newPipeline(&in.cfg, src, m)
		if err != nil {
			return nil, err
		}
		for _, b := range p.bases {
			for _, s := range b.all() {
				if seen[s.id] {
					return nil, fmt.Errorf("ingest: series %s is delivered twice", s.id)
				}
				seen[s.id] = true
			}
		}
		in.pipelines = append(in.pipelines, p)
	}
	return in, nil
}

// Run runs all sources until ctx is done, or until all have finished, and returns
// nil in both cases. A source that fails is started again. After ctx is done Run
// stores what it has received and returns within five seconds, with an error when
// something received could not be stored. What panics in one pipeline ends Run with an error,
// when the others have stored what they received. A second call is refused.
func (in *Ingest) Run(ctx context.Context) error {
	if !in.ran.CompareAndSwap(false, true) {
		return errors.New("ingest: it has been run already")
	}
	g, ctx := errgroup.WithContext(ctx)
	// hard outlives ctx, so that what was received can still be stored.
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	for _, p := range in.pipelines {
		g.Go(func() error { return p.run(ctx, hard) })
	}
	ended := make(chan struct{})
	var limit errgroup.Group
	limit.Go(func() error {
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
		}
		t := time.NewTimer(shutdownLimit)
		defer t.Stop()
		select {
		case <-ended:
		case <-t.C:
			cancel()
		}
		return nil
	})
	err := g.Wait()
	close(ended)
	return errors.Join(err, limit.Wait())
}

// Health reports the condition of every source, in the order of Config.Sources. It
// is safe for concurrent use.
func (in *Ingest) Health() []feed.Health {
	out := make([]feed.Health, len(in.pipelines))
	for i, p := range in.pipelines {
		out[i] = p.health.snapshot()
	}
	return out
}
