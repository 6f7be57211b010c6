package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/foretick/foretick/internal/api"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/registry"
	"github.com/foretick/foretick/internal/store"
)

// SelectModels are the models that names ask for, of the catalog and of those that are
// stored: "default" and no name at all are the default race.
func SelectModels(names []string, stored []catalog.Model) ([]catalog.Model, error) {
	names = slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == "default" || n == "" })
	models, err := catalog.Select(stored, names...)
	if err != nil {
		return nil, fmt.Errorf("--models: %w", err)
	}
	return models, nil
}

// ErrModels says that a model is asked for that there is not.
var ErrModels = errors.New("unknown model")

// unknown is an ErrModels that speaks for itself.
type unknown struct{ error }

func (unknown) Is(target error) bool { return target == ErrModels } //nolint:errorlint // what errors.Is asks

// openRegistry reads the stored model versions of st.
func openRegistry(ctx context.Context, st store.DocumentStore, deps Deps) (*registry.Registry, error) {
	return registry.Open(ctx, registry.Config{Store: st, Now: deps.Now, Log: deps.Log, Reserved: catalog.Names()})
}

// stored are the registry's models as the race takes them; whether they are in the default
// race is for the caller to say.
func stored(r *registry.Registry, race bool) []catalog.Model {
	var list []catalog.Model
	for _, m := range r.Models() {
		about := "Networks trained on past bars: the distribution of the next returns. Versions and learning curves are under Models."
		if m.Kind == registry.KindPrice {
			about = "An imported network for the price level: it saturates above the prices that it was trained on and leans on the oldest price of its window."
		}
		list = append(list, catalog.Model{New: m.Forecaster, Description: about, Default: race})
	}
	return list
}

// StoredModels are the models that are stored in a data folder, for commands that work
// beside a running Foretick. A folder without a database has none.
func StoredModels(ctx context.Context, dir string) ([]catalog.Model, error) {
	r, closed, err := ReadRegistry(ctx, dir)
	if err != nil || r == nil {
		return nil, err
	}
	defer closed()
	return stored(r, false), nil
}

// ReadRegistry opens the registry of a data folder for reading. Without a database it
// returns nil. The second value releases the store.
func ReadRegistry(ctx context.Context, dir string) (*registry.Registry, func(), error) {
	if _, err := os.Stat(filepath.Join(dir, DatabaseFile)); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, func() {}, nil
		}
		return nil, nil, err
	}
	st, err := OpenStoreReadOnly(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	r, err := openRegistry(ctx, st, Deps{Now: time.Now})
	if err != nil {
		_ = st.Close() // the first error says more
		return nil, nil, err
	}
	return r, func() { _ = st.Close() }, nil
}

// WriteRegistry opens the registry of a data folder, creating it when it is missing, for
// this process alone.
func WriteRegistry(ctx context.Context, dir string) (*registry.Registry, func() error, error) {
	st, err := OpenStore(ctx, dir)
	if err != nil {
		return nil, nil, err
	}
	r, err := openRegistry(ctx, st, Deps{Now: time.Now})
	if err != nil {
		_ = st.Close() // the first error says more
		return nil, nil, err
	}
	return r, st.Close, nil
}

// newRace finds the models of the race anew, and lets the engine take them up.
func (a *App) newRace() error {
	models, err := SelectModels(a.cfg.Models, append(stored(a.registry, true), a.brought...))
	if err != nil {
		return unknown{err}
	}
	answering, err := lead(predictors(a.registry.Models()), cmp.Or(a.cfg.PredictModel, UsualPredictor))
	if err != nil {
		return unknown{fmt.Errorf("--predict-model: %w", err)}
	}
	a.models.Store(&models)
	a.answering.Store(&answering)
	if a.engine != nil {
		a.engine.Renew()
	}
	return nil
}

// race is the models in the live race now.
func (a *App) race() []catalog.Model { return *a.models.Load() }

// walkable are the models that a backtest can walk.
func (a *App) walkable() []catalog.Model {
	return slices.Concat(catalog.Models, stored(a.registry, false), a.brought)
}

// describe is what the API says of models.
func describe(models []catalog.Model) []api.Model {
	list := make([]api.Model, len(models))
	for i, m := range models {
		name := m.New().Name()
		list[i] = api.Model{Name: name, Description: m.Description, Champion: name == catalog.Champion}
	}
	return list
}
