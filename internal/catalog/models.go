package catalog

import (
	"fmt"
	"slices"
	"strings"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/ar"
	"github.com/foretick/foretick/forecast/auto"
	"github.com/foretick/foretick/forecast/conformal"
	"github.com/foretick/foretick/forecast/drift"
	"github.com/foretick/foretick/forecast/ets"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/garch"
	"github.com/foretick/foretick/forecast/gbm"
	"github.com/foretick/foretick/forecast/har"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/forecast/quantreg"
	"github.com/foretick/foretick/forecast/rangevol"
	"github.com/foretick/foretick/forecast/ridge"
	"github.com/foretick/foretick/forecast/seasonal"
	"github.com/foretick/foretick/forecast/theta"
)

// Model is a forecasting model that can join the race.
type Model struct {
	New         func() forecast.Forecaster
	Description string // one sentence for people
	Default     bool   // it is in the race unless models are named
}

// Models are all models, in the order in which they are shown. naive comes first:
// every other is compared with it.
var Models = []Model{
	{New: func() forecast.Forecaster { return naive.New() }, Default: true,
		Description: "The price stays where it is; spread as the last 250 returns were. Every model is judged against it."},
	{New: func() forecast.Forecaster { return drift.New() },
		Description: "The price goes on by the mean return of the last 250 bars."},
	{New: func() forecast.Forecaster { return ewma.New() }, Default: true,
		Description: "The price stays; the spread follows recent volatility (RiskMetrics 1996, decay 0.94, normal)."},
	{New: func() forecast.Forecaster { return seasonal.New() },
		Description: "As returns were in the same slot of the week, day or year before."},
	{New: func() forecast.Forecaster { return ar.New() },
		Description: "Autoregression of the returns; only lags that a robust test finds significant count."},
	{New: func() forecast.Forecaster { return ets.New() },
		Description: "Exponential smoothing of the log price: level, trend or damped trend, chosen by AICc (Hyndman et al. 2008)."},
	{New: func() forecast.Forecaster { return theta.New() },
		Description: "The Theta method on the log price (Assimakopoulos & Nikolopoulos 2000)."},
	{New: func() forecast.Forecaster { return garch.New() }, Default: true,
		Description: "Volatility clusters and returns to its mean: GARCH(1,1) with Student's t (Bollerslev 1987)."},
	{New: func() forecast.Forecaster { return garch.NewGJR() },
		Description: "GARCH in which falls raise volatility more than rises (Glosten, Jagannathan & Runkle 1993)."},
	{New: func() forecast.Forecaster { return garch.NewGJRX() },
		Description: "The same with the range of each bar as a further input."},
	{New: func() forecast.Forecaster { return rangevol.New() }, Default: true,
		Description: "Volatility from the high, low, open and close of past bars, regressed on a log scale with a prior from many markets."},
	{New: func() forecast.Forecaster { return har.New() },
		Description: "Volatility of the last day, week and month, regressed on a log scale (heterogeneous autoregression, Corsi 2009)."},
	{New: func() forecast.Forecaster { return ridge.New() },
		Description: "The next return by a penalised regression on recent returns and volatility. Do not expect skill in the point."},
	{New: func() forecast.Forecaster { return quantreg.New() },
		Description: "A linear regression for every quantile (Koenker & Bassett 1978)."},
	{New: func() forecast.Forecaster { return gbm.New() },
		Description: "Gradient-boosted trees for the scale of the next move."},
	{New: func() forecast.Forecaster { return NewAuto(nil) }, Default: true,
		Description: "The champion: combines rangevol, har and ridge by how well each has done, and corrects its intervals when coverage has drifted."},
}

// windowBars is the number of bars that models see.
const windowBars = 1024

// expertAge is how many bars the slower experts of auto keep their parameters: with 20,
// every time, CRPS is the same to four digits.
const expertAge = 40

// Champion is the name of the model whose forecasts lead the page.
const Champion = "auto"

// NewAuto returns the champion: its experts and their first weights. prior is that of
// rangevol, nil for its own.
func NewAuto(prior *rangevol.Prior) auto.Model {
	scale := rangevol.New()
	scale.Many = true
	if prior != nil {
		scale.Prior = prior
	}
	pool := auto.New(
		auto.Expert{Model: scale, Names: []string{"rangevol-t", "rangevol-historical", "rangevol-local"}, Weights: []float64{0.2, 0.2, 0.3}},
		auto.Expert{Model: forecast.Windowed(har.New(), windowBars, expertAge), Names: []string{"har"}, Weights: []float64{0.3}},
		auto.Expert{Model: forecast.Windowed(ridge.New(), windowBars, expertAge), Names: []string{"ridge"}, Weights: []float64{0.3}},
	)
	// A mean of quantiles of experts that differ tends to be wider than the truth (Gneiting &
	// Ranjan 2013, "Combining predictive distributions", prove it for means of
	// probabilities), and this one is widest after wild weeks. No series alone can show it:
	// half a point of coverage is less than chance does to 2,000 outcomes. The values suit
	// horizons 1 and 5 of the 45 daily series of docs/forecasting.md; other intervals were
	// not measured.
	pool.Daily = conformal.Prior{Spread: -0.01, Tilt: -0.05}
	return pool
}

// Names are the names of Models.
func Names() []string {
	var list []string
	for _, m := range Models {
		list = append(list, m.New().Name())
	}
	return list
}

// Select returns the models with the given names, of Models and then of more, in their
// order, naive always among them; those of the default race when there is no name, all when
// one is "all". A name that is unknown is an error that lists those there are.
func Select(more []Model, names ...string) ([]Model, error) {
	var list []Model
	var spelt []string
	for _, m := range slices.Concat(Models, more) {
		name := m.New().Name()
		spelt = append(spelt, name)
		named := slices.Contains(names, name) || slices.Contains(names, "all") || name == "naive"
		if named || len(names) == 0 && m.Default {
			list = append(list, m)
		}
	}
	for _, n := range names {
		if n != "all" && !slices.Contains(spelt, n) {
			return nil, fmt.Errorf("there is no model %q; choose from %s, or all", n, strings.Join(spelt, ", "))
		}
	}
	return list, nil
}

// Forecasters returns a new forecaster of each model.
func Forecasters(models []Model) []forecast.Forecaster {
	list := make([]forecast.Forecaster, len(models))
	for i, m := range models {
		list[i] = m.New()
	}
	return list
}

// WithPrior returns m with another prior of rangevol where it uses one, else m.
func WithPrior(m forecast.Forecaster, p *rangevol.Prior) forecast.Forecaster {
	switch v := m.(type) {
	case rangevol.Model:
		v.Prior = p
		return v
	case auto.Model:
		return NewAuto(p)
	}
	return m
}
