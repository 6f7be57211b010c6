// Package forecasttest holds the suite that every forecasting model passes, and
// readers of recorded bars to feed it with.
//
//	func TestConformance(t *testing.T) {
//		forecasttest.Exercise(t, forecasttest.Case{
//			Model:      drift.New(),
//			Series:     forecasttest.ReadAll(t, testdata.ForModels(t)...),
//			Least:      21,
//			Version:    "drift/1 returns=250 least=20",
//			OutOfRange: map[string]forecast.Forecaster{"zero": drift.Model{}},
//		})
//	}
//
// What it demands, for horizons 1 to 20:
//
//   - an answer is finite and its quantiles never cross; otherwise there is an error
//     that wraps forecast.ErrTooShort or forecast.ErrDegenerate and names the model, never
//     a panic;
//   - the same window gives the same answer to the last bit, again, from another
//     fit, and from many goroutines at once (run the tests with -race);
//   - no bar after the window changes anything, and the window itself is not changed;
//   - prices in other units give the same log returns, but for what rounding does to the
//     search for parameters;
//   - windows that are empty, short, constant, not positive, tiny or huge, and bars
//     without volume, are dealt with;
//   - what markets do now and then is answered while it lasts and afterwards: volatility that
//     triples or dies, prices that stand, jump, trend or turn at every bar, halts, splits that
//     nobody announced, bad prints;
//   - options out of range and horizons below 1 panic, a context that is cancelled ends Fit;
//   - versions are named ([forecast.Encoder]): the same fit has the same bytes, and fits that
//     answer differently have different ones;
//   - docs/forecasting.md has a section on the model.
//
// Of a model that follows a series bar by bar ([forecast.Follower]), it demands of the state:
//
//   - a state that was written and read back goes on as if nothing had been, to the last
//     bit, and refuses bytes that are cut off, prolonged or of another model;
//   - it abstains before its first estimation, and after a bad bar until it knows better,
//     with a data error, and answers validly again;
//   - it learns nothing from a break;
//   - an estimation that fails or is cancelled leaves the version as it was;
//   - Adopt takes over the parameters and leaves from alone.
package forecasttest

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// Horizons is how far ahead the suite asks for.
const Horizons = 20

// enough is a window that every model must be able to work with.
const enough = 1024

// Case is a model, and what is special about it.
type Case struct {
	Model forecast.Forecaster
	// Series are recorded ones, each of at least 1,500 bars with positive closes. There must
	// be one; the first is of days.
	Series [][]market.Bar
	// Least is the number of daily bars that can just be fitted.
	Least int
	// Version is what the bytes of a version begin with. A version is named after them, so
	// they must change when the answers do.
	Version string
	// Docs is where the model is described when that is not the section of docs/forecasting.md
	// whose heading has its name: a file of the repository, # and a heading.
	Docs string

	// Variants are the model with options that make it take other ways: they must keep the
	// rules too, and have other versions.
	Variants map[string]forecast.Forecaster
	// Others are the model with any other options: they must have other versions.
	Others map[string]forecast.Forecaster
	// OutOfRange are models with options that make no sense: Fit panics.
	OutOfRange map[string]forecast.Forecaster
	// Refuses are windows that this model in particular cannot be fitted on, or just can.
	Refuses []Refusal

	// Trained says that the parameters were estimated elsewhere: a state's estimation leaves
	// the version as it is.
	Trained bool
	// Priced says that answers depend on the unit of prices, which only a model of prices has
	// an excuse for: it need not mind breaks, may answer where the price stands still, and may
	// call a window that is too short degenerate.
	Priced bool
	// Speaker is whose name errors of Fit begin with, where that is not the model's own.
	Speaker string
}

// Exercise runs the suite on c. Where the race detector watches it runs what cancels the model and
// what asks it from several goroutines at once, unless FORETICK_TEST_LONG is set.
func Exercise(t *testing.T, c Case) {
	t.Helper()
	if c.Model.Name() == "" || len(c.Series) == 0 || c.Least < 2 || c.Version == "" {
		t.Fatalf("forecasttest: a case needs a model with a name, series, Least and Version: %q, %d, %d, %q", c.Model.Name(), len(c.Series), c.Least, c.Version)
	}
	if intervalOf(c.Series[0]) != market.Day {
		t.Fatal("forecasttest: the first series must be of days")
	}
	if raced && os.Getenv("FORETICK_TEST_LONG") == "" { // what is left out computes in one goroutine
		t.Run("cancelled", func(t *testing.T) { cancelled(t, &c) })
		t.Run("concurrent", func(t *testing.T) { concurrent(t, c.Model, window(c.Series[0][:enough])) })
		return
	}
	t.Run("documented", func(t *testing.T) { documented(t, &c) })
	t.Run("options", func(t *testing.T) { options(t, &c) })
	t.Run("refuses", func(t *testing.T) { refuses(t, &c) })
	t.Run("cancelled", func(t *testing.T) { cancelled(t, &c) })
	t.Run("versions", func(t *testing.T) { versions(t, &c) })
	c.rules(t, c.Model, c.Series)
	for _, name := range slices.Sorted(maps.Keys(c.Variants)) {
		t.Run(name, func(t *testing.T) {
			// What makes a Fitted of a state is the same for all: the state is what differs.
			if f, ok := c.Variants[name].(forecast.Follower); ok {
				c.follows(t, f, c.Series[0])
				return
			}
			c.rules(t, c.Variants[name], c.Series[:1])
		})
	}
}

// rules are those of every model with any options.
func (c *Case) rules(t *testing.T, f forecast.Forecaster, series [][]market.Bar) {
	follower, follows := f.(forecast.Follower)
	t.Run("answers", func(t *testing.T) {
		for _, bars := range append(slices.Clone(series), Walk(1, 1500)) {
			answers(t, f, window(bars[1500-enough:1500]))
		}
	})
	t.Run("no look-ahead", func(t *testing.T) { lookAhead(t, f, series[0]) })
	t.Run("concurrent", func(t *testing.T) { concurrent(t, f, window(series[0][:enough])) })
	if !c.Priced {
		t.Run("units", func(t *testing.T) { units(t, f, series[0][:enough]) })
	}
	t.Run("short", func(t *testing.T) { c.short(t, f, series[0]) })
	t.Run("hostile", func(t *testing.T) { c.hostile(t, f) })
	if follows {
		c.follows(t, follower, series[0])
		return
	}
	t.Run("scenes", func(t *testing.T) { staged(t, f) })
	t.Run("random paths", func(t *testing.T) { random(t, f) })
	if _, ok := mustFit(t, f, window(series[0][:enough])).(forecast.Tracer); ok {
		t.Run("traced", func(t *testing.T) { c.follows(t, forecast.Windowed(f, enough, 1), series[0]) })
	}
}
