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

// passTime bounds a pass in time: when it has gone by, no further bar is begun, and what has
// been stepped is committed. However far behind the engine is, and however slow its models are,
// that much work is lost at most, and nobody waits longer to see what has been done.
const passTime = 250 * time.Millisecond

// saveAtOnce bounds the snapshots that are kept in one go. Series that began together are due
// together; between two goes the engine looks for new bars.
const saveAtOnce = 64

// stopLimit is how long Run goes on when its context is done, where the store takes that long
// to commit what has been stepped.
const stopLimit = 2 * time.Second

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
	running atomic.Bool
	renew   atomic.Bool // the models have changed

	mu      sync.Mutex
	pos     uint64        // every bar with Seq <= pos has been stepped and committed
	moved   chan struct{} // closed and replaced when pos grows
	failure error         // the store's last error, nil when it works

	tracks map[market.SeriesID]*follower // owned by Run
	due    []*follower                   // whose snapshots are to be kept; owned by Run
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
	due      bool   // among Engine.due
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
// series that appears later is picked up. When ctx is done it commits what has been
// stepped and returns nil; it returns an error only when a track cannot be restored, or when it
// runs already. A store that fails for a while is waited for.
func (e *Engine) Run(ctx context.Context) error {
	if !e.running.CompareAndSwap(false, true) {
		return errors.New("engine: it runs already")
	}
	defer e.running.Store(false)
	hard, release := outlive(ctx, stopLimit)
	defer release()
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
		more, err := e.pass(ctx, hard)
		e.setFailure(err)
		if ctx.Err() != nil {
			e.saveAll(hard)
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
		case len(e.due) > 0:
			e.saveDue(hard)
			continue
		}
		select {
		case <-ctx.Done():
			e.saveAll(hard)
			return nil
		case <-sub.C():
		case <-poll.C:
		}
	}
}

// outlive returns a context that is done d after ctx is, or when it is released.
func outlive(ctx context.Context, d time.Duration) (hard context.Context, release func()) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	free := context.AfterFunc(ctx, func() {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			cancel()
		case <-hard.Done():
		}
	})
	return hard, func() {
		free()
		cancel()
	}
}

// save keeps what the models of the tracks have learnt. A failure is no harm: a
// restart then learns more again.
func (e *Engine) save(ctx context.Context, tracks []*follower) {
	docs := make([]store.Document, len(tracks))
	for i, t := range tracks {
		body := binary.BigEndian.AppendUint64(nil, t.consumed)
		docs[i] = store.Document{Kind: snapshotKind, Name: string(t.ID()), At: market.TimeOf(e.cfg.Now()), Body: append(body, t.Snapshot()...)}
		t.unsaved, t.due = 0, false
	}
	if err := e.cfg.Store.PutDocuments(ctx, docs...); err != nil {
		e.cfg.Log.Warn("what models have learnt could not be kept; a restart learns it again", "series", len(tracks), "err", err)
	}
}

// saveDue keeps the snapshots that have waited longest.
func (e *Engine) saveDue(ctx context.Context) {
	n := min(len(e.due), saveAtOnce)
	if n == 0 {
		return
	}
	e.save(ctx, e.due[:n])
	if e.due = e.due[n:]; len(e.due) == 0 {
		e.due = nil
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
	for part := range slices.Chunk(tracks, saveAtOnce) { // bounds the memory of a commit
		if ctx.Err() != nil {
			return
		}
		e.save(ctx, part)
	}
	e.due = nil
}

// forget drops all tracks: they are restored from what is stored.
func (e *Engine) forget() {
	e.tracks, e.due = map[market.SeriesID]*follower{}, nil
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

// pass steps one batch of logged bars, as many as passTime allows, and at least one. It reports
// whether there may be more. What has been stepped is committed by hard, which outlives ctx.
func (e *Engine) pass(ctx, hard context.Context) (more bool, err error) {
	if e.renew.CompareAndSwap(true, false) {
		e.saveAll(hard)
		e.forget()
	}
	until := e.cfg.Now().Add(passTime)
	recs, err := e.cfg.Store.BarLog(ctx, "", e.pos, batchBars)
	if err != nil || len(recs) == 0 {
		return false, err
	}
	if err := e.readSplits(ctx); err != nil {
		return false, err
	}
	work, read, err := e.group(ctx, recs, until)
	if err != nil {
		return false, err
	}
	ctx, span := e.trace(ctx, read, work)
	defer func() {
		span.Fail(err)
		span.End()
	}()
	started := e.cfg.Now()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range work {
		g.Go(func() error { return e.stepTraced(ctx, i, &work[i], until) })
	}
	if err := g.Wait(); err != nil {
		e.forget() // half-stepped
		return false, err
	}
	e.metrics.stepSeconds.Observe(e.cfg.Now().Sub(started).Seconds())
	pos := read[len(read)-1].Seq
	var steps []store.Step
	var warnings []store.Warning
	for i := range work {
		w := &work[i]
		if w.done < len(w.recs) {
			pos = min(pos, w.recs[w.done].Seq-1)
		}
		if w.done > 0 {
			steps, warnings = append(steps, w.step), append(warnings, w.warnings...)
		}
	}
	// Warnings first: after a crash between the two they are made again, and kept once.
	if len(warnings) > 0 {
		if err := store.PutWarnings(hard, e.cfg.Store, warnings...); err != nil {
			e.forget()
			return false, fmt.Errorf("engine: keep data warnings: %w", err)
		}
	}
	var last uint64
	if len(steps) > 0 {
		if last, err = e.commit(ctx, hard, span, steps); err != nil {
			e.forget()
			return false, fmt.Errorf("engine: commit forecasts: %w", err)
		}
	}
	e.committed(work)
	e.saveDue(hard)
	e.advance(pos)
	if last > 0 {
		e.cfg.Bus.Publish(bus.Notice{Epoch: e.cfg.Store.Epoch(), Seq: last, Kind: "step"})
	}
	return true, nil // a read may give less than there is
}

// task is the bars of one series in a batch, and what became of them.
type task struct {
	track *follower
	after uint64 // bars up to here were consumed before
	recs  []store.BarRecord

	done     int // of recs
	step     store.Step
	warnings []store.Warning
	broken   bool // the track stands somewhere between two bars
}

// group sorts the records by series, restoring tracks that are not in memory. That takes its
// time, so when until has come it stops before the next such record: read are those that it has
// sorted.
func (e *Engine) group(ctx context.Context, recs []store.BarRecord, until time.Time) (work []task, read []store.BarRecord, err error) {
	index := map[market.SeriesID]int{}
	for n, r := range recs {
		i, ok := index[r.Series]
		if !ok {
			if n > 0 && e.tracks[r.Series] == nil && !e.cfg.Now().Before(until) {
				recs = recs[:n]
				break
			}
			t, err := e.track(ctx, r.Series)
			if err != nil {
				return nil, nil, err
			}
			i = len(work)
			index[r.Series] = i
			work = append(work, t)
		}
		if r.Seq > work[i].after {
			work[i].recs = append(work[i].recs, r)
		}
	}
	return slices.DeleteFunc(work, func(t task) bool { return len(t.recs) == 0 }), recs, nil
}

// stepTask takes a track through its bars, until the time has come or ctx is done. The first
// bar of the first task is stepped in any case, so that every pass gets on.
func (e *Engine) stepTask(ctx context.Context, first bool, w *task, until time.Time) error {
	s := &w.step
	s.Series = w.track.ID()
	for i := range w.recs {
		now := e.cfg.Now()
		if ctx.Err() != nil || !(first && i == 0) && !now.Before(until) {
			return nil
		}
		rec := &w.recs[i]
		r, err := w.track.Advance(ctx, w.track.inputs.of(rec), market.TimeOf(now))
		if err != nil && ctx.Err() != nil {
			w.broken = true // in the middle of this bar; those before stand
			return nil
		}
		if err != nil {
			return fmt.Errorf("engine: %s at %s: %w", s.Series, rec.Start, err)
		}
		w.track.metrics.count(&r)
		if r.Break != nil {
			w.warnings = append(w.warnings, e.warn(s.Series, r.Break))
		}
		s.Entries = append(s.Entries, r.Entries...)
		s.Scores = append(s.Scores, r.Scores...)
		s.Cursor = store.Cursor{BarSeq: rec.Seq, Inputs: w.track.Inputs()}
		w.track.consumed = rec.Seq
		w.track.unsaved++
		w.done++
	}
	return nil
}

// committed observes how long live forecasts took from the end of their last bar, and notes whose
// snapshots have become due.
func (e *Engine) committed(work []task) {
	now := market.TimeOf(e.cfg.Now())
	for i := range work {
		w := &work[i]
		if w.broken {
			delete(e.tracks, w.track.ID())
		}
		if w.done == 0 {
			continue
		}
		last := w.recs[w.done-1]
		if w.track.live && !last.Backfill && last.Revision == 0 {
			e.metrics.latency.Observe(now.Sub(last.End).Seconds())
		}
		if w.broken {
			continue
		}
		w.track.metrics.height.Set(float64(w.track.Head().Seq))
		if w.track.unsaved >= SnapshotEvery && !w.track.due {
			w.track.due = true
			e.due = append(e.due, w.track)
		}
	}
}
