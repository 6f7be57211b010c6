// Package app puts Foretick together: it reads the configuration, opens the store,
// starts feed, engine and server in order, and stops them in the opposite one.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/api"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/engine"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/guard"
	"github.com/foretick/foretick/internal/ingest"
	"github.com/foretick/foretick/internal/registry"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/tail"
	"github.com/foretick/foretick/internal/tracing"
	"github.com/foretick/foretick/internal/training"
	"github.com/foretick/foretick/internal/upkeep"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// drainLimit is how long stopping may take in all.
const drainLimit = 5 * time.Second

// tailEvents and tailBytes bound what is kept in memory of the newest commits: some
// seconds of a thousand series, and no more than a browser's stream may be behind.
const (
	tailEvents = 16_384
	tailBytes  = 24 << 20
)

// lateMargin is added to the grace period: a live forecast issued later than both
// after its target opened is marked late.
const lateMargin = 250 * time.Millisecond

// Deps are what the world provides.
type Deps struct {
	Now    func() time.Time
	Log    *slog.Logger
	Stderr io.Writer // for a person: the address, progress
	// Progress, when not nil, is told how far the history of a series has been fetched.
	Progress func(p venue.Progress)
	// Pace is how many times as fast as the wall clock Now runs; 0 means 1.
	Pace float64
	// Source, when not nil, takes the place of the feed that the Config names.
	Source feed.Source
	// Store, when not nil, is opened already and takes the place of the one that the Config
	// names. The App closes it.
	Store store.Store
	// Bus, when not nil, takes the place of one within this process.
	Bus bus.Bus
	// Models join those of the catalog and those that are stored.
	Models []catalog.Model
}

// App is Foretick, assembled. Create it with New, run it with Run, once.
type App struct {
	cfg      Config
	deps     Deps
	listener net.Listener
	store    *tail.Tail
	ingest   *ingest.Ingest
	engine   *engine.Engine
	guard    *guard.Guard
	api      *api.Server
	desk     *backtest.Desk
	upkeep   *upkeep.Upkeep
	server   *http.Server
	base     []market.Series
	last     atomic.Uint64 // the newest event that ingest committed

	registry  *registry.Registry
	trainings *training.Desk
	models    atomic.Pointer[[]catalog.Model] // in the race
	answering atomic.Pointer[[]api.Predictor] // the original contract
	telemetry *tracing.Exporter               // nil: nothing is sent
	recorder  *Recorder                       // of what venues send; nil: nothing is recorded
	brought   []catalog.Model                 // along by the command line
	release   func() error                    // what brought holds

	ran atomic.Bool
}

// New listens, opens the store and assembles everything; nothing runs yet. The
// Config must have passed Finish. When New fails it has closed what it opened.
func New(ctx context.Context, cfg Config, deps Deps) (*App, error) {
	a := &App{cfg: cfg, deps: deps}
	whole := false
	defer func() {
		if !whole {
			a.close()
		}
	}()
	if err := a.assemble(ctx); err != nil {
		return nil, err
	}
	whole = true
	return a, nil
}

func (a *App) assemble(ctx context.Context) (err error) {
	cfg, deps := a.cfg, a.deps
	if deps.Store != nil {
		a.store = tail.New(deps.Store, tailEvents, tailBytes) // first: whatever fails, it is closed
	}
	var sources []feed.Source
	if deps.Source != nil {
		sources = []feed.Source{deps.Source}
	} else if sources, err = a.newSources(ctx); err != nil {
		return err
	}
	var infos []feed.Info
	for _, s := range sources {
		infos = append(infos, s.Info())
		a.base = append(a.base, s.Info().Series...)
	}
	if a.listener, err = net.Listen("tcp", cfg.Addr); err != nil {
		return fmt.Errorf("%w; stop what uses the address, or choose another with --addr", err)
	}
	if a.store == nil {
		st, err := cfg.Place().Open(ctx)
		if err != nil {
			return err
		}
		a.store = tail.New(st, tailEvents, tailBytes)
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if a.telemetry, err = cfg.Telemetry.open(ctx, metrics, deps.Log); err != nil {
		return err
	}
	notices := deps.Bus
	if notices == nil {
		notices = inproc.New()
	}
	rollups, err := cfg.rollups()
	if err != nil {
		return err
	}
	a.ingest, err = ingest.New(ingest.Config{
		Sources: sources, Store: a.store, Bus: notices, Rollups: coarser(rollups, a.base), Grace: cfg.Grace, KeepTicks: cfg.KeepTicks,
		Now: deps.Now, Log: deps.Log, Metrics: metrics, Tracer: a.telemetry.Tracer(), AfterCommit: a.afterCommit(infos[0].Replay && cfg.Speed == "max"),
	})
	if err != nil {
		return err
	}
	if a.brought, a.release, err = cfg.BroughtModels.Open(); err != nil {
		return setting{err}
	}
	a.brought = slices.Concat(a.brought, deps.Models)
	if a.registry, err = openRegistry(ctx, a.store, deps, a.brought); err != nil {
		return err
	}
	if err := a.newRace(); err != nil {
		return err
	}
	a.engine, err = engine.New(engine.Config{
		Store: a.store, Bus: notices, Models: func() []forecast.Forecaster { return catalog.Forecasters(a.race()) }, Horizons: track.UpTo(cfg.Horizons), Calendars: calendars(infos),
		LateAfter: cfg.Grace + lateMargin, Now: deps.Now, Log: deps.Log, Metrics: metrics, Tracer: a.telemetry.Tracer(),
	})
	if err != nil {
		return err
	}
	policy, err := cfg.Retention.Policy()
	if err != nil {
		return err
	}
	a.upkeep, err = upkeep.New(upkeep.Config{Store: a.store, Policy: policy, Consumed: a.engine.Consumed, Now: deps.Now, Log: deps.Log, Metrics: metrics})
	if err != nil {
		return err
	}
	folder := cfg.Data
	if cfg.Store != "" {
		folder = "" // the disk is another machine's
	}
	if a.guard, err = guard.New(guard.Config{Store: a.store, Folder: folder, Now: deps.Now, Log: deps.Log, Metrics: metrics}); err != nil {
		return err
	}
	if err := a.newDesk(ctx); err != nil {
		return err
	}
	if err := a.newTrainings(ctx); err != nil {
		return err
	}
	return a.newAPI(notices, metrics)
}

// Addr is the address that Run serves on.
func (a *App) Addr() net.Addr { return a.listener.Addr() }

// URL is where a browser on this machine finds the page.
func (a *App) URL() string { return urlOf(a.listener) }

func urlOf(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "http://" + l.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// Run serves until ctx is done or a part fails for good, then stops everything in
// order and returns the reason, nil when it was ctx. A part that panics has failed for good.
// A second call is refused.
func (a *App) Run(ctx context.Context) error {
	if !a.ran.CompareAndSwap(false, true) {
		return errRan
	}
	defer a.close()
	// Each part has its own context so that they can be stopped one by one.
	ingestCtx, stopIngest := context.WithCancel(context.WithoutCancel(ctx))
	engineCtx, stopEngine := context.WithCancel(context.WithoutCancel(ctx))
	apiCtx, stopAPI := context.WithCancel(context.WithoutCancel(ctx))
	deskCtx, stopDesk := context.WithCancel(context.WithoutCancel(ctx))
	defer stopDesk()
	defer stopAPI()
	defer stopEngine()
	defer stopIngest()

	failed := make(chan error, 8) // one place a part: nobody waits to report
	var ingesting, forecasting, walking, serving errgroup.Group
	part := func(g *errgroup.Group, name string, run func() error) {
		g.Go(func() error {
			err := caught(a.deps.Log, name, run)
			if err != nil {
				err = fmt.Errorf("%s: %w", name, err)
				failed <- err
			}
			return err
		})
	}
	part(&forecasting, "engine", func() error { return a.engine.Run(engineCtx) })
	part(&ingesting, "ingest", func() error { return a.ingest.Run(ingestCtx) })
	part(&walking, "backtests", func() error { return a.desk.Run(deskCtx) })
	part(&walking, "guard", func() error { return a.guard.Run(deskCtx) })
	part(&walking, "trainings", func() error { return a.trainings.Run(deskCtx) })
	part(&walking, "upkeep", func() error { return a.upkeep.Run(deskCtx) })
	part(&serving, "stream", func() error { return a.api.Run(apiCtx) })
	part(&serving, "server", func() error {
		if err := a.server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})

	var reason error
	select {
	case <-ctx.Done():
		a.deps.Log.Info("stopping")
	case reason = <-failed:
		a.deps.Log.Error("stopping", "err", reason)
	}
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
	defer cancel()
	stopDesk()
	stopIngest()
	err := ingesting.Wait()
	if reason == nil {
		reason = err
		// What was committed last is still forecast and judged.
		if err := a.Settle(limit); err != nil {
			a.deps.Log.Warn("the last bars are forecast at the next start", "err", err)
		}
	}
	stopEngine()
	reason = errors.Join(reason, ignore(reason, walking.Wait()))
	reason = errors.Join(reason, ignore(reason, forecasting.Wait()))
	stopAPI()
	if err := a.server.Shutdown(limit); err != nil {
		reason = errors.Join(reason, a.server.Close())
	}
	reason = errors.Join(reason, ignore(reason, serving.Wait()))
	flush(limit, a.telemetry)
	return reason
}

// errRan says that Run was called before: what it needs is closed.
var errRan = errors.New("app: it has been run already")

// caught runs a part of the program. A panic in one part is an error, so that the others are
// stopped in order, and what they have received is stored.
func caught(log *slog.Logger, name string, run func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			log.Error("a part of the program panicked", "part", name, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("panicked: %v", r)
		}
	}()
	return run()
}

// ignore drops err when it is the known reason.
func ignore(reason, err error) error {
	if errors.Is(reason, err) {
		return nil
	}
	return err
}

// close releases what New opened.
func (a *App) close() {
	if a.listener != nil {
		_ = a.listener.Close() // already closed when it was served
	}
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			a.deps.Log.Error("the store did not close cleanly", "err", err)
		}
	}
	drop(a.telemetry)
	if a.recorder != nil {
		if err := a.recorder.Close(); err != nil {
			a.deps.Log.Error("recording", "err", err)
		}
	}
	if a.release != nil {
		if err := a.release(); err != nil {
			a.deps.Log.Error("a model that was brought along did not close cleanly", "err", err)
		}
	}
}

// afterCommit notes what was committed and, in lockstep, waits until it has been
// forecast, so that a replay at full speed cannot run ahead of its forecasts.
func (a *App) afterCommit(lockstep bool) func(context.Context, uint64) error {
	return func(ctx context.Context, seq uint64) error {
		a.last.Store(max(a.last.Load(), seq))
		if !lockstep {
			return nil
		}
		return a.engine.Sync(ctx, seq)
	}
}

// lastClose is the newest stored close of a series.
func (a *App) lastClose(id market.SeriesID) (float64, bool) {
	if a.store == nil {
		return 0, false
	}
	bars, err := a.store.Bars(context.Background(), id, store.Range{Limit: 1, Newest: true})
	if err != nil || len(bars) == 0 {
		return 0, false
	}
	return bars[0].Close, true
}

// ready reports whether forecasts are being made, and why not.
func (a *App) ready() (bool, string) {
	if err := a.engine.Err(); err != nil {
		return false, err.Error()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if err := a.store.Ping(ctx); errors.Is(err, context.DeadlineExceeded) {
		return false, "the database does not answer: " + err.Error()
	} else if err != nil {
		return false, err.Error()
	}
	for _, h := range a.ingest.Health() {
		if h.State == feed.Failed || h.State == feed.Stalled {
			return false, fmt.Sprintf("feed %s is %s: %s", h.Name, h.State, h.Detail)
		}
	}
	return true, ""
}

// coarser drops the roll-ups into which no base interval fits.
func coarser(rollups []market.Interval, base []market.Series) []market.Interval {
	var out []market.Interval
	for _, r := range rollups {
		for _, s := range base {
			if r.Nests(s.Interval) {
				out = append(out, r)
				break
			}
		}
	}
	return out
}

// calendars finds the calendar of a series by its instrument.
func calendars(infos []feed.Info) func(market.Series) market.Calendar {
	return func(s market.Series) market.Calendar {
		for _, info := range infos {
			if c, ok := info.Calendars[s.Instrument.Key()]; ok {
				return c
			}
		}
		return market.Always
	}
}

// Feeds is the condition of every feed.
func (a *App) Feeds() []feed.Health { return a.ingest.Health() }

// Settle waits until everything that was committed has been forecast and judged.
func (a *App) Settle(ctx context.Context) error { return a.engine.Sync(ctx, a.last.Load()) }

// About says in a few words what is being watched.
func (a *App) About() string {
	names := ""
	for i, s := range a.base {
		switch {
		case i == 3:
			return fmt.Sprintf("%s and %d more, data in %s", names, len(a.base)-3, a.cfg.Place())
		case i > 0:
			names += ", "
		}
		names += string(s.ID())
	}
	if a.cfg.Feed == "sim" {
		names += ", simulated prices"
	}
	return names + ", data in " + a.cfg.Place().String()
}
