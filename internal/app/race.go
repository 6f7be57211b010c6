package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// distinct reports two models of one name: one is stored, the other brought along.
func distinct(stored, brought []catalog.Model) error {
	for _, b := range brought {
		name := b.New().Name()
		if slices.ContainsFunc(stored, func(s catalog.Model) bool { return s.New().Name() == name }) {
			return fmt.Errorf("--onnx: the name %q belongs to a stored model; rename the file, set its metadata \"foretick.name\", or delete the stored one with foretick models delete", name)
		}
	}
	return nil
}

// ErrSetting says that a setting asks for what there is not.
var ErrSetting = errors.New("bad setting")

// setting is an ErrSetting that speaks for itself.
type setting struct{ error }

func (setting) Is(target error) bool { return target == ErrSetting } //nolint:errorlint // what errors.Is asks

// openRegistry reads the stored model versions of st. Nothing that is stored from now on may
// have the name of a model of the catalog, or of one that was brought along.
func openRegistry(ctx context.Context, st store.DocumentStore, deps Deps, brought []catalog.Model) (*registry.Registry, error) {
	reserved := catalog.Names()
	for _, m := range brought {
		reserved = append(reserved, m.New().Name())
	}
	return registry.Open(ctx, registry.Config{Store: st, Now: deps.Now, Log: deps.Log, Reserved: reserved})
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

// MoreModels are the models beside those of the catalog, for commands that work beside a
// running Foretick: those that are stored in a data folder, and those that are brought along.
// A folder without a database has none. The second value releases them.
func MoreModels(ctx context.Context, at Place, brought BroughtModels) ([]catalog.Model, func() error, error) {
	r, closed, err := ReadRegistry(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	defer closed()
	var kept []catalog.Model
	if r != nil {
		kept = stored(r, false)
	}
	more, release, err := brought.Open()
	if err != nil {
		return nil, nil, err
	}
	if err := distinct(kept, more); err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return append(kept, more...), release, nil
}

// ReadRegistry opens the registry of a data folder for reading. Without a database it
// returns nil. The second value releases the store.
func ReadRegistry(ctx context.Context, at Place) (*registry.Registry, func(), error) {
	if there, err := at.Exists(); err != nil || !there {
		return nil, func() {}, err
	}
	st, err := at.OpenReadOnly(ctx)
	if err != nil {
		return nil, nil, err
	}
	r, err := openRegistry(ctx, st, Deps{Now: time.Now}, nil)
	if err != nil {
		_ = st.Close() // the first error says more
		return nil, nil, err
	}
	return r, func() { _ = st.Close() }, nil
}

// WriteRegistry opens the registry of a data folder, creating it when it is missing, for
// this process alone.
func WriteRegistry(ctx context.Context, at Place) (*registry.Registry, func() error, error) {
	st, err := at.Open(ctx)
	if err != nil {
		return nil, nil, err
	}
	r, err := openRegistry(ctx, st, Deps{Now: time.Now}, nil)
	if err != nil {
		_ = st.Close() // the first error says more
		return nil, nil, err
	}
	return r, st.Close, nil
}

// newRace finds the models of the race anew, and lets the engine take them up.
func (a *App) newRace() error {
	kept := stored(a.registry, true)
	if err := distinct(kept, a.brought); err != nil {
		return setting{err}
	}
	models, err := SelectModels(a.cfg.Models, append(kept, a.brought...))
	if err != nil {
		return setting{err}
	}
	answering, err := lead(predictors(a.registry.Models()), cmp.Or(a.cfg.PredictModel, UsualPredictor))
	if err != nil {
		return setting{fmt.Errorf("--predict-model: %w", err)}
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
