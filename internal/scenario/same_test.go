package scenario_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/engine"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// same lets something else live through what has happened so far: its ledger must be the
// same, to the last hash.
func (w *world) same(args []string) error {
	ways := map[string]func() ([]ledger.Sealed, error){"uninterrupted": w.uninterrupted, "engine": w.throughEngine}
	if len(args) != 1 || ways[args[0]] == nil {
		return fmt.Errorf("same: want one of %s", names(ways))
	}
	got, err := ways[args[0]]()
	if err != nil {
		return fmt.Errorf("same %s: %w", args[0], err)
	}
	for i := range min(len(got), len(w.entries)) {
		if got[i].Hash == w.entries[i].Hash && bytes.Equal(got[i].Bytes, w.entries[i].Bytes) {
			continue
		}
		mine, err1 := ledger.Decode(w.entries[i].Bytes)
		other, err2 := ledger.Decode(got[i].Bytes)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		return fmt.Errorf("expected the same ledger, found that %s writes entry %d otherwise:\n%snot\n%s", args[0], i+1, w.words(other), w.words(mine))
	}
	if len(got) != len(w.entries) {
		return fmt.Errorf("expected the same ledger of %d entries, found that %s writes %d", len(w.entries), args[0], len(got))
	}
	return nil
}

// uninterrupted is a track that takes the same bars and never stops.
func (w *world) uninterrupted() (chain []ledger.Sealed, err error) {
	if w.mixed {
		return nil, errors.New("models have joined or left: it would need them from the start")
	}
	t, err := w.fresh()
	if err != nil {
		return nil, err
	}
	for _, e := range w.events {
		if e.bar == nil {
			continue
		}
		r, err := t.Advance(context.Background(), *e.bar, e.now)
		if err != nil {
			return nil, err
		}
		chain = append(chain, r.Entries...)
	}
	return chain, nil
}

// throughEngine commits the same bars to a store, as ingest does, and lets the engine that
// serves live make its ledger of them. It starts anew where the scenario does.
func (w *world) throughEngine() (chain []ledger.Sealed, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "scenario")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	id := w.cfg.Series.ID()
	if err := s.PutSeries(ctx, store.SeriesRecord{Series: w.cfg.Series, Mode: w.cfg.Mode, Source: "scenario", Base: true}); err != nil {
		return nil, err
	}
	l := live{world: w, store: s, bus: inproc.New(), models: w.first}
	if err := l.start(); err != nil {
		return nil, err
	}
	for i, e := range w.events {
		if err := l.tell(ctx, id, e); err != nil {
			return nil, errors.Join(err, l.stop())
		}
		// Only a live series must see each bar at its time.
		if last := i == len(w.events)-1; last || w.cfg.Mode == ledger.Live || w.events[i+1].bar == nil {
			if err := l.commit(ctx); err != nil {
				return nil, errors.Join(err, l.stop())
			}
		}
	}
	if err := l.stop(); err != nil {
		return nil, err
	}
	return s.Entries(ctx, id, store.EntryQuery{Times: store.Range{Limit: len(w.entries) + 1}})
}

// live is an engine at work on a store.
type live struct {
	world  *world
	store  *sqlite.Store
	bus    bus.Bus
	models []catalog.Model
	now    atomic.Int64
	bars   []store.BarRecord // told and not committed
	engine *engine.Engine
	stop   func() error
}

func (l *live) start() (err error) {
	models, cfg := l.models, &l.world.cfg
	l.engine, err = engine.New(engine.Config{
		Store: l.store, Bus: l.bus, Horizons: cfg.Horizons, LateAfter: cfg.LateAfter,
		Models:    func() []forecast.Forecaster { return catalog.Forecasters(models) },
		Calendars: func(market.Series) market.Calendar { return cfg.Calendar },
		Now:       func() time.Time { return time.UnixMicro(l.now.Load()) },
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.engine.Run(ctx) }()
	l.stop = func() error {
		cancel()
		return <-done
	}
	return nil
}

func (l *live) tell(ctx context.Context, id market.SeriesID, e event) error {
	switch {
	case e.split != nil:
		_, err := l.store.PutActions(ctx, l.world.cfg.Series.Instrument.Key(), e.split.Ex, *e.split)
		return err
	case e.bar == nil: // a restart, or other models
		if e.models != nil {
			l.models = e.models
		}
		if err := l.stop(); err != nil {
			return err
		}
		return l.start()
	}
	l.now.Store(int64(e.now))
	l.bars = append(l.bars, store.BarRecord{Series: id, Bar: e.bar.Bar, Backfill: e.bar.Backfill, AfterGap: e.bar.AfterGap})
	return nil
}

// commit stores the bars that were told and waits until the engine has stepped them.
func (l *live) commit(ctx context.Context) error {
	if len(l.bars) == 0 {
		return nil
	}
	_, seq, err := l.store.CommitBars(ctx, l.bars)
	if err != nil {
		return err
	}
	l.bars = nil
	l.bus.Publish(bus.Notice{Seq: seq, Kind: "bar"})
	return l.engine.Sync(ctx, seq)
}
