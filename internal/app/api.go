package app

import (
	"fmt"
	"io/fs"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/api"
	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/web"
)

// newAPI assembles the HTTP face.
func (a *App) newAPI(notices bus.Bus, metrics *prometheus.Registry) (err error) {
	keys, err := api.ParseKeys(a.cfg.APIKeys)
	if err != nil {
		return fmt.Errorf("FORETICK_API_KEYS: %w", err)
	}
	var dist fs.FS
	if web.Built() {
		dist = web.Dist()
	}
	a.api, err = api.New(api.Config{
		Store: a.store, Recent: a.store, Bus: notices, Feeds: a.ingest.Health, Models: func() []api.Model { return describe(a.race()) }, Default: a.base[0].ID(), Horizons: a.cfg.Horizons, AllModels: func() []api.Model { return describe(a.walkable()) },
		Backtests: a.desk, Versions: versions{a.registry, a}, Trainings: a.trainings,
		Predictors: func() []api.Predictor { return *a.answering.Load() }, PredictURL: a.cfg.PredictAPIURL, Keys: keys, Public: a.cfg.InsecurePublic, Profiling: a.cfg.Profiling,
		Ready: a.ready, Now: a.deps.Now, Log: a.deps.Log, Metrics: metrics, Tracer: a.telemetry.Tracer(), Dist: dist, Version: Version(),
	})
	if err != nil {
		return err
	}
	a.server = a.api.HTTPServer()
	return nil
}
