// Package catalog lists everything that Foretick can be assembled from: the one
// place that knows all adapters. A new model, feed or store is its own folder and a
// line here.
package catalog

import (
	"context"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/drift"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
)

// Model is a forecasting model that can join the race.
type Model struct {
	New         func() forecast.Forecaster
	Description string // one sentence for people
}

// Models are all models, in the order in which they are shown. naive comes first:
// every other is compared with it.
var Models = []Model{
	{New: func() forecast.Forecaster { return naive.New() }, Description: "The price stays where it is; spread as the last 250 returns were. Every model is judged against it."},
	{New: func() forecast.Forecaster { return drift.New() }, Description: "The price goes on by the mean return of the last 250 bars."},
	{New: func() forecast.Forecaster { return ewma.New() }, Description: "The price stays; the spread follows recent volatility (RiskMetrics 1996, decay 0.94, normal)."},
}

// Forecasters returns a new forecaster of every model.
func Forecasters() []forecast.Forecaster {
	all := make([]forecast.Forecaster, len(Models))
	for i, m := range Models {
		all[i] = m.New()
	}
	return all
}

// Champion is the name of the model whose forecasts lead the page.
const Champion = "ewma"

// Stores opens stores by the scheme of their address.
var Stores = map[string]func(ctx context.Context, dir string, readOnly bool) (store.Store, error){
	"sqlite": func(ctx context.Context, dir string, readOnly bool) (store.Store, error) {
		open := sqlite.Open
		if readOnly {
			open = sqlite.OpenReader
		}
		s, err := open(ctx, dir, sqlite.Options{})
		if err != nil {
			return nil, err // not s: a nil pointer is no nil store
		}
		return s, nil
	},
}
