package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"github.com/foretick/foretick/internal/api"
	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/tracing"
	"github.com/foretick/foretick/web"
)

// Roles of a process, --role.
const (
	RoleReader  = "reader"
	RoleStandby = "standby"
)

// takeoverEvery is how often a standby looks whether the writer has gone, and a reader whether
// a writer has begun.
const takeoverEvery = time.Second

// Serve runs what cfg asks for until ctx is done, and returns nil then, however far it had come
// with starting. started is told the address and what is served there; a standby tells it again
// when it has taken over.
func Serve(ctx context.Context, cfg Config, deps Deps, started func(url, about string)) error {
	err := serve(ctx, cfg, deps, started)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // stopped while it started
	}
	return err
}

func serve(ctx context.Context, cfg Config, deps Deps, started func(url, about string)) error {
	switch cfg.Role {
	case RoleReader:
		r, err := NewReader(ctx, cfg, deps)
		if err != nil {
			return err
		}
		started(r.URL(), "reading "+cfg.Place().String())
		return r.Run(ctx)
	case RoleStandby:
		st, err := standBy(ctx, &cfg, deps, started)
		if err != nil || st == nil {
			return err
		}
		deps.Log.Info("the writer has gone: this process takes over")
		deps.Store = st
	}
	a, err := New(ctx, cfg, deps)
	if err != nil {
		return err
	}
	started(a.URL(), a.About())
	return a.Run(ctx)
}

// standBy serves as a reader until the store can be opened for writing, and returns it. It returns
// nil when ctx is done before.
func standBy(ctx context.Context, cfg *Config, deps Deps, started func(url, about string)) (store.Store, error) {
	st, err := cfg.Place().Open(ctx)
	if err == nil {
		return st, nil // there is no writer: nothing to wait for
	}
	if !errors.Is(err, store.ErrLocked) {
		return nil, err
	}
	r, err := NewReader(ctx, *cfg, deps)
	if err != nil {
		return nil, err
	}
	cfg.Addr = r.listener.Addr().String() // a port that the system chose is kept
	started(r.URL(), "reading "+cfg.Place().String()+", ready to take over")
	reading, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(reading) }()
	look := time.NewTicker(takeoverEvery)
	defer look.Stop()
	for {
		select {
		case err := <-ended: // ctx is done, or reading has failed
			return nil, err
		case <-look.C:
		}
		st, err := cfg.Place().Open(ctx)
		if err != nil {
			if !errors.Is(err, store.ErrLocked) && ctx.Err() == nil {
				deps.Log.Warn("it cannot be seen whether the writer has gone", "err", err)
			}
			continue
		}
		stop() // streams resume from the same numbers
		if err := <-ended; err != nil {
			return nil, errors.Join(err, st.Close())
		}
		return st, nil
	}
}

// Reader serves page, API and streams from a store that another process writes to. It follows no
// feed and forecasts nothing; it looks for new events every second. Create it with NewReader, run
// it with Run, once.
type Reader struct {
	deps     Deps
	listener net.Listener
	store    store.Store
	api      *api.Server
	server   *http.Server

	telemetry *tracing.Exporter // nil: nothing is sent

	ran atomic.Bool
}

// NewReader listens, opens the store for reading and waits until a writer has begun to fill it.
// The Config must have passed Finish.
func NewReader(ctx context.Context, cfg Config, deps Deps) (*Reader, error) {
	r := &Reader{deps: deps}
	whole := false
	defer func() {
		if !whole {
			r.close()
		}
	}()
	if err := r.assemble(ctx, cfg); err != nil {
		return nil, err
	}
	whole = true
	return r, nil
}

func (r *Reader) assemble(ctx context.Context, cfg Config) (err error) {
	if r.listener, err = net.Listen("tcp", cfg.Addr); err != nil {
		return fmt.Errorf("%w; stop what uses the address, or choose another with --addr", err)
	}
	if r.store, err = cfg.Place().OpenReadOnly(ctx); err != nil {
		return fmt.Errorf("%w; a reader needs a store that a writer has made", err)
	}
	all, err := r.awaitSeries(ctx)
	if err != nil {
		return err
	}
	first := all[0]
	for _, s := range all {
		if s.Base {
			first = s
			break
		}
	}
	keys, err := api.ParseKeys(cfg.APIKeys)
	if err != nil {
		return fmt.Errorf("FORETICK_API_KEYS: %w", err)
	}
	reg, err := openRegistry(ctx, r.store, r.deps, nil)
	if err != nil {
		return err
	}
	models, err := SelectModels(cfg.Models, stored(reg, true))
	if err != nil {
		return setting{err}
	}
	answering, err := lead(predictors(reg.Models()), cfg.PredictModel)
	if err != nil {
		return setting{fmt.Errorf("--predict-model: %w", err)}
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if r.telemetry, err = cfg.Telemetry.open(ctx, metrics, r.deps.Log); err != nil {
		return err
	}
	var dist fs.FS
	if web.Built() {
		dist = web.Dist()
	}
	r.api, err = api.New(api.Config{
		Store: r.store, Bus: inproc.New(), ReadOnly: true, // nobody tells of commits here: the hub looks for itself
		Feeds: func() []feed.Health { return nil }, Models: func() []api.Model { return describe(models) }, Default: first.ID(), Horizons: cfg.Horizons,
		AllModels: func() []api.Model {
			return describe(append(catalog.Models[:len(catalog.Models):len(catalog.Models)], stored(reg, false)...))
		},
		Predictors: func() []api.Predictor { return answering }, PredictURL: cfg.PredictAPIURL, Keys: keys, Public: cfg.InsecurePublic, Profiling: cfg.Profiling,
		Ready: r.ready, Now: r.deps.Now, Log: r.deps.Log, Metrics: metrics, Tracer: r.telemetry.Tracer(), Dist: dist, Version: Version(),
	})
	if err != nil {
		return err
	}
	r.server = r.api.HTTPServer()
	return nil
}

// awaitSeries waits until the store has a series.
func (r *Reader) awaitSeries(ctx context.Context) ([]store.SeriesRecord, error) {
	look := time.NewTicker(takeoverEvery)
	defer look.Stop()
	for told := false; ; told = true {
		all, err := r.store.Series(ctx)
		if err != nil || len(all) > 0 {
			return all, err
		}
		if !told {
			r.deps.Log.Info("nothing is stored yet: waiting for a writer")
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-look.C:
		}
	}
}

// URL is where a browser on this machine finds the page.
func (r *Reader) URL() string { return urlOf(r.listener) }

// Run serves until ctx is done or serving fails for good, then ends streams and closes what was
// opened. A second call is refused.
func (r *Reader) Run(ctx context.Context) error {
	if !r.ran.CompareAndSwap(false, true) {
		return errRan
	}
	defer r.close()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return caught(r.deps.Log, "stream", func() error { return r.api.Run(ctx) })
	})
	g.Go(func() error {
		if err := r.server.Serve(r.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
		defer cancel()
		defer flush(limit, r.telemetry)
		if err := r.server.Shutdown(limit); err != nil {
			return r.server.Close()
		}
		return nil
	})
	return g.Wait()
}

// ready reports whether the store answers.
func (r *Reader) ready() (bool, string) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if _, err := r.store.LastEvent(ctx); err != nil {
		return false, err.Error()
	}
	return true, ""
}

func (r *Reader) close() {
	if r.listener != nil {
		_ = r.listener.Close() // already closed when it was served
	}
	drop(r.telemetry)
	if r.store != nil {
		if err := r.store.Close(); err != nil {
			r.deps.Log.Error("the store did not close cleanly", "err", err)
		}
	}
}
