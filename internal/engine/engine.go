// Package engine runs tracks live: it takes the bars that ingest committed, steps
// the track of each series, commits what came out, and only then tells the bus.
//
// It reads bars back from the store instead of being handed them, so that a notice
// which is lost, a restart or a crash between the two commits costs nothing: every
// bar in the log is stepped once, in the order of the log.
package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/tracing"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// Store is what the engine needs of a store.
type Store interface {
	store.SeriesStore
	store.BarReader
	store.LedgerReader
	store.StepWriter
	store.DocumentStore
	// ActionLog is store.ActionStore's.
	ActionLog(ctx context.Context, after uint64, limit int) ([]store.ActionRecord, error)
	Epoch() string
}

// Config says what the engine works with. Only Metrics, Tracer and Log may be nil.
type Config struct {
	Store Store
	Bus   bus.Bus
	// Models returns new forecasters for a track. It may return others after Renew.
	Models    func() []forecast.Forecaster
	Horizons  []int
	Calendars func(market.Series) market.Calendar
	LateAfter time.Duration
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	// Tracer goes on with the traces of bars; nil: it is off.
	Tracer *tracing.Tracer
}

// batchBars bounds the bars of one pass, and so the memory and the length of the
// transaction that commits what they produced: at 15 forecasts a bar about 14 MB.
const batchBars = 4096

// SnapshotEvery is the number of bars of a series after which what its models have
// learnt is kept: a restart learns at most as many again.
const SnapshotEvery = 512

// snapshotKind is the kind of the documents that hold snapshots.
const snapshotKind = "models"

// retryPause is how long the engine waits after the store failed.
const retryPause = 500 * time.Millisecond

// Engine drives the tracks. Create it with New and start it with Run.
type Engine struct {
	cfg     Config
	metrics *metrics
	renew   atomic.Bool // the models have changed

	mu      sync.Mutex
	pos     uint64        // every bar with Seq <= pos has been stepped and committed
	moved   chan struct{} // closed and replaced when pos grows
	failure error         // the store's last error, nil when it works

	tracks map[market.SeriesID]*follower // owned by Run
	known  []store.SeriesRecord          // by ID; owned by Run
	splits splits
}

// follower is a track with its metrics.
type follower struct {
	*track.Track
	metrics  *seriesMetrics
	inputs   inputs
	live     bool
	consumed uint64 // event number of the last bar
	unsaved  int    // bars since the last snapshot
}

// New returns an engine. It fails when the models break the rules of track.Config.
func New(cfg Config) (*Engine, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Metrics == nil {
		cfg.Metrics = prometheus.NewRegistry()
	}
	m, err := newMetrics(cfg.Metrics)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return &Engine{cfg: cfg, metrics: m, moved: make(chan struct{}), tracks: map[market.SeriesID]*follower{},
		splits: splits{records: map[string][]store.ActionRecord{}}}, nil
}

// Run restores the tracks of all series in the store, steps the bars that were
// committed but not stepped, and goes on with each notice until ctx is done. A
// series that appears later is picked up. It returns nil when ctx is done, and an
// error only when a track cannot be restored. A store that fails for a while is
// waited for.
func (e *Engine) Run(ctx context.Context) error {
	sub := e.cfg.Bus.Subscribe(1) // one is enough: a notice only says "look"
	defer sub.Close()
	if err := e.restoreAll(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	poll := time.NewTicker(time.Second) // notices may be lost
	defer poll.Stop()
	for {
		more, err := e.pass(ctx)
		e.setFailure(err)
		if ctx.Err() != nil {
			e.saveAll(context.WithoutCancel(ctx))
			return nil
		}
		var stuck *restoreError
		switch {
		case errors.As(err, &stuck):
			return err
		case err != nil:
			e.cfg.Log.Error("forecasting is held up", "err", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(retryPause):
			}
			continue
		case more:
			continue
		}
		select {
		case <-ctx.Done():
			e.saveAll(context.WithoutCancel(ctx))
			return nil
		case <-sub.C():
		case <-poll.C:
		}
	}
}

// save keeps what the models of the tracks have learnt. A failure is no harm: a
// restart then learns more again.
func (e *Engine) save(ctx context.Context, tracks []*follower) {
	if len(tracks) == 0 {
		return
	}
	docs := make([]store.Document, len(tracks))
	for i, t := range tracks {
		body := binary.BigEndian.AppendUint64(nil, t.consumed)
		docs[i] = store.Document{Kind: snapshotKind, Name: string(t.ID()), At: market.TimeOf(e.cfg.Now()), Body: append(body, t.Snapshot()...)}
		t.unsaved = 0
	}
	if err := e.cfg.Store.PutDocuments(ctx, docs...); err != nil {
		e.cfg.Log.Warn("what models have learnt could not be kept; a restart learns it again", "series", len(tracks), "err", err)
	}
}

// saveAll keeps what is not kept yet when the engine stops.
func (e *Engine) saveAll(ctx context.Context) {
	var tracks []*follower
	for _, t := range e.tracks {
		if t.unsaved > 0 {
			tracks = append(tracks, t)
		}
	}
	slices.SortFunc(tracks, func(a, b *follower) int { return strings.Compare(string(a.ID()), string(b.ID())) })
	for part := range slices.Chunk(tracks, 64) { // bounds the memory of a commit
		e.save(ctx, part)
	}
}

// Sync waits until every bar up to event seq has been stepped and committed, or
// ctx is done.
func (e *Engine) Sync(ctx context.Context, seq uint64) error {
	for {
		e.mu.Lock()
		done, moved := e.pos >= seq, e.moved
		e.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-moved:
		}
	}
}

// Err is the reason why the engine is held up, nil when it is not.
func (e *Engine) Err() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failure
}

func (e *Engine) setFailure(err error) {
	e.mu.Lock()
	e.failure = err
	e.mu.Unlock()
}

func (e *Engine) advance(pos uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if pos > e.pos {
		e.pos = pos
		close(e.moved)
		e.moved = make(chan struct{})
	}
}

// Renew lets every track take up what Config.Models returns now, from its next bar on.
// Models that were in the race go on as if nothing had been; those that join learn from the
// stored bars first.
func (e *Engine) Renew() { e.renew.Store(true) }

// pass steps one batch of logged bars. It reports whether there may be more.
func (e *Engine) pass(ctx context.Context) (more bool, err error) {
	if e.renew.CompareAndSwap(true, false) {
		e.saveAll(ctx)
		e.tracks = map[market.SeriesID]*follower{}
	}
	recs, err := e.cfg.Store.BarLog(ctx, "", e.pos, batchBars)
	if err != nil || len(recs) == 0 {
		return false, err
	}
	if err := e.readSplits(ctx); err != nil {
		return false, err
	}
	work, err := e.group(ctx, recs)
	if err != nil {
		return false, err
	}
	ctx, span := e.trace(ctx, recs, work)
	defer func() {
		span.Fail(err)
		span.End()
	}()
	steps, warnings := make([]store.Step, len(work)), make([][]store.Warning, len(work))
	started := e.cfg.Now()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, w := range work {
		g.Go(func() (err error) {
			steps[i], warnings[i], err = e.stepTraced(ctx, i, w)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		e.tracks = map[market.SeriesID]*follower{} // half-stepped: restore
		return false, err
	}
	e.metrics.stepSeconds.Observe(e.cfg.Now().Sub(started).Seconds())
	// Warnings first: after a crash between the two they are made again, and kept once.
	if all := slices.Concat(warnings...); len(all) > 0 {
		if err := store.PutWarnings(ctx, e.cfg.Store, all...); err != nil {
			e.tracks = map[market.SeriesID]*follower{}
			return false, fmt.Errorf("engine: keep data warnings: %w", err)
		}
	}
	last, err := e.commit(ctx, span, steps)
	if err != nil {
		e.tracks = map[market.SeriesID]*follower{}
		return false, fmt.Errorf("engine: commit forecasts: %w", err)
	}
	e.committed(work)
	var due []*follower
	for _, w := range work {
		if w.track.unsaved >= SnapshotEvery {
			due = append(due, w.track)
		}
	}
	e.save(ctx, due)
	e.advance(recs[len(recs)-1].Seq)
	if last > 0 {
		e.cfg.Bus.Publish(bus.Notice{Epoch: e.cfg.Store.Epoch(), Seq: last, Kind: "step"})
	}
	return true, nil // a read may give less than there is
}

// task is the bars of one series in a batch.
type task struct {
	track *follower
	after uint64 // bars up to here were consumed before
	recs  []store.BarRecord
}

// group sorts the records by series, restoring tracks that are not in memory.
func (e *Engine) group(ctx context.Context, recs []store.BarRecord) ([]task, error) {
	index := map[market.SeriesID]int{}
	var work []task
	for _, r := range recs {
		i, ok := index[r.Series]
		if !ok {
			t, err := e.track(ctx, r.Series)
			if err != nil {
				return nil, err
			}
			i = len(work)
			index[r.Series] = i
			work = append(work, t)
		}
		if r.Seq > work[i].after {
			work[i].recs = append(work[i].recs, r)
		}
	}
	return slices.DeleteFunc(work, func(t task) bool { return len(t.recs) == 0 }), nil
}

// step takes a track through its bars.
func (e *Engine) step(ctx context.Context, w task) (s store.Step, warnings []store.Warning, err error) {
	s.Series = w.track.ID()
	for i := range w.recs {
		rec := &w.recs[i]
		r, err := w.track.Advance(ctx, w.track.inputs.of(rec), market.TimeOf(e.cfg.Now()))
		if err != nil {
			return s, warnings, fmt.Errorf("engine: %s at %s: %w", s.Series, rec.Start, err)
		}
		w.track.metrics.count(&r)
		if r.Break != nil {
			warnings = append(warnings, e.warn(s.Series, r.Break))
		}
		s.Entries = append(s.Entries, r.Entries...)
		s.Scores = append(s.Scores, r.Scores...)
		s.Cursor.BarSeq = rec.Seq
		w.track.consumed = rec.Seq
		w.track.unsaved++
	}
	s.Cursor.Inputs = w.track.Inputs()
	return s, warnings, nil
}

// committed observes how long live forecasts took from the end of their last bar.
func (e *Engine) committed(work []task) {
	now := market.TimeOf(e.cfg.Now())
	for _, w := range work {
		w.track.metrics.height.Set(float64(w.track.Head().Seq))
		if last := w.recs[len(w.recs)-1]; w.track.live && !last.Backfill && last.Revision == 0 {
			e.metrics.latency.Observe(now.Sub(last.End).Seconds())
		}
	}
}
