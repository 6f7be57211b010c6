package app_test

import (
	"context"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/auto"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// TestLaw6IntervalsMeanWhatTheySay: coverage stands beside every interval, overall and by regime, as
// the ledger gives it; the adaptive layer corrects intervals that have drifted, and no others; and
// the champion keeps its promise over the long run.
func TestLaw6IntervalsMeanWhatTheySay(t *testing.T) {
	t.Parallel()
	t.Run("coverage is shown as the ledger gives it", coverageIsTheLedgers)
	t.Run("drift is corrected", driftIsCorrected)
	t.Run("the champion over the long run", championKeepsItsPromise)
}

// hits counts how often the central interval of a level held the outcome, and how often it was
// not at one of its ends. Where it is, only the 90 % interval counts as having held it for sure.
type hits struct{ inside, within, n int }

func (h *hits) count(inside, within bool) {
	h.n++
	if inside {
		h.inside++
	}
	if within {
		h.within++
	}
}

func (h hits) share() float64 { return float64(h.inside) / float64(h.n) }

// recount counts from a chain alone, for one model and horizon: by level, and the 90 % interval by
// regime.
func recount(t *testing.T, chain []ledger.Sealed, model string, horizon int) (levels []hits, regimes map[string]hits) {
	t.Helper()
	levels, regimes = make([]hits, forecast.Levels/2), map[string]hits{}
	type open struct {
		forecast.Forecast
		forecast.Regime
	}
	waiting := map[market.Time]open{}
	for _, e := range decoded(t, chain) {
		switch {
		case e.Issue != nil:
			for _, f := range e.Issue.Forecasts {
				if f.Model == model && f.Horizon == horizon {
					waiting[f.Target.Start] = open{f, e.Issue.Regime}
				}
			}
		case e.Outcome != nil:
			f, ok := waiting[e.Outcome.Bar.Start]
			if !ok {
				continue
			}
			delete(waiting, e.Outcome.Bar.Start)
			for i := range levels {
				low, high := f.Quantiles[i], f.Quantiles[forecast.Levels-1-i]
				inside, within := low <= e.Outcome.Close && e.Outcome.Close <= high, low < e.Outcome.Close && e.Outcome.Close < high
				if i == forecast.Q05 {
					within = inside
				}
				levels[i].count(inside, within)
				if i == forecast.Q05 {
					r := regimes[f.Regime.String()]
					r.count(inside, within)
					regimes[f.Regime.String()] = r
				}
			}
		}
	}
	return levels, regimes
}

// shown is a coverage as the API shows it.
type shown struct {
	Name  string
	N     int
	Level float64
	Share *float64
	Low   *float64
	High  *float64
}

// is reports whether the share is the one that was counted, with what chance explains around it.
func (s shown) is(h hits) bool {
	if s.Share == nil || s.Low == nil || s.High == nil {
		return false
	}
	n := *s.Share * float64(h.n)
	return float64(h.within)-1e-6 < n && n < float64(h.inside)+1e-6 && *s.Low <= *s.Share && *s.Share <= *s.High
}

// coverageIsTheLedgers compares what the API shows with a count over the ledger.
func coverageIsTheLedgers(t *testing.T) {
	r := read(t, minutes)
	a, stop := replayed(t, settings(t, r, "max", app.Place{Data: filepath.Join(t.TempDir(), "data")}), slog.New(slog.DiscardHandler))
	defer stop()
	series := a.URL() + "/v1/series/" + url.PathEscape(string(r.Series.ID()))
	chain := r.walked(t)[r.Series.ID()].chain
	var accuracy struct {
		Models []struct {
			Model   string
			Windows []struct {
				Window     string
				N          int
				Coverage90 *float64
				Width90    *float64
			}
		}
	}
	answer(t, series+"/accuracy", &accuracy)
	for _, m := range accuracy.Models {
		levels, regimes := recount(t, chain, m.Model, 1)
		for _, w := range m.Windows {
			if w.N == 0 || w.Width90 == nil || w.Coverage90 == nil {
				t.Errorf("%s, %s: an interval without its coverage over %d forecasts: %v, %v", m.Model, w.Window, w.N, w.Width90, w.Coverage90)
			} else if all := levels[forecast.Q05]; w.Window == "all" && (w.N != all.n || math.Abs(*w.Coverage90-all.share()) > 1e-12) {
				t.Errorf("%s: coverage of %d forecasts is shown as %v, by the ledger it is %+v", m.Model, w.N, *w.Coverage90, all)
			}
		}
		var c struct {
			N       int
			Levels  []shown
			Regimes []shown
		}
		answer(t, series+"/calibration?model="+m.Model, &c)
		if c.N != levels[0].n || len(c.Levels) != len(levels) {
			t.Errorf("%s: %d forecasts and %d intervals, by the ledger %d and %d", m.Model, c.N, len(c.Levels), levels[0].n, len(levels))
			continue
		}
		for i, l := range c.Levels {
			if promised := 1 - 2*forecast.Probabilities[i]; math.Abs(l.Level-promised) > 1e-12 || !l.is(levels[i]) {
				t.Errorf("%s: the interval of %.3f is shown as %+v, by the ledger it is %+v", m.Model, promised, l, levels[i])
			}
		}
		for _, name := range []string{"low", "middle", "high"} {
			i := slices.IndexFunc(c.Regimes, func(s shown) bool { return s.Name == name })
			if i < 0 || c.Regimes[i].N != regimes[name].n || regimes[name].n == 0 || !c.Regimes[i].is(regimes[name]) {
				t.Errorf("%s where volatility was %s: shown are %+v, by the ledger it is %+v", m.Model, name, c.Regimes, regimes[name])
			}
		}
	}
}

// fixed is a model that always says the same.
type fixed struct {
	name string
	q    forecast.Quantiles
}

func (f fixed) Name() string { return f.name }
func (f fixed) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	return forecast.FitFollower(ctx, f, w)
}
func (f fixed) Follow(forecast.Setting) forecast.State { return &fixedState{f} }

type fixedState struct{ fixed }

func (s *fixedState) Update(forecast.Window)      {}
func (s *fixedState) Refit(context.Context) error { return nil }
func (s *fixedState) Encode() ([]byte, error)     { return []byte(s.name), nil }
func (s *fixedState) Adopt(forecast.State)        {}
func (s *fixedState) Persist(*forecast.Archive)   {}
func (s *fixedState) Predict(forecast.Window, int) (forecast.Prediction, error) {
	return forecast.Prediction{Quantiles: s.q}, nil
}

// driftIsCorrected walks a market whose returns have a spread of 1 %, with an expert that says so
// and with one that says 0.6 %, each alone and under the adaptive layer.
func driftIsCorrected(t *testing.T) {
	const spread, n, settled = 0.01, 1500, 500
	rng := rand.New(rand.NewPCG(6, 6))
	price := 100.0
	bars := make([]market.Bar, n)
	for i := range bars {
		start, open := noon+market.Time(i)*60e6, price
		price *= math.Exp(spread * rng.NormFloat64())
		bars[i] = market.Bar{Start: start, End: start + 60e6, Open: open, High: max(open, price), Low: min(open, price), Close: price}
	}
	walk := func(sd float64) []ledger.Sealed {
		expert := fixed{"expert", forecast.Normal(0, sd)}
		corrected := auto.New(auto.Expert{Model: expert, Names: []string{"expert"}, Weights: []float64{1}})
		tr, err := track.New(track.Config{Series: coin, Mode: ledger.Replay, Horizons: []int{1}, Models: []forecast.Forecaster{naive.New(), expert, corrected}})
		if err != nil {
			t.Fatal(err)
		}
		var chain []ledger.Sealed
		for _, b := range bars {
			r, err := tr.Advance(t.Context(), track.Input{Bar: b}, 0)
			if err != nil {
				t.Fatal(err)
			}
			chain = append(chain, r.Entries...)
		}
		return chain
	}
	coverage := func(chain []ledger.Sealed, model string) float64 {
		levels, _ := recount(t, chain[2*settled:], model, 1) // an issue and an outcome a bar
		return levels[forecast.Q05].share()
	}
	narrow := walk(0.6 * spread)
	if before, after := coverage(narrow, "expert"), coverage(narrow, "auto"); before > 0.75 || math.Abs(after-0.9) > 0.03 {
		t.Errorf("the interval of 90 %% held %.3f of the outcomes uncorrected and %.3f corrected", before, after)
	}
	for _, e := range decoded(t, walk(spread)) {
		if e.Issue == nil || len(e.Issue.Forecasts) != 3 {
			continue
		}
		if f := e.Issue.Forecasts; f[1].Quantiles != f[2].Quantiles {
			t.Fatalf("at %s a forecast was corrected, and nothing had drifted: %v, %v", e.Issue.Cutoff, f[1], f[2])
		}
	}
}

// championKeepsItsPromise walks ten years of days and counts.
func championKeepsItsPromise(t *testing.T) {
	if testdata.Race {
		t.Skip("walks ten years; TestLaw3OneEngine runs the same code under the race detector")
	}
	files, err := app.ReadFiles(t.Context(), []string{testdata.Market(t, days)}, app.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	models, err := app.SelectModels([]string{catalog.Champion}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := drive(files[0], 1, nil, models)
	if err != nil {
		t.Fatal(err)
	}
	levels, regimes := recount(t, out[files[0].Series.ID()].chain, catalog.Champion, 1)
	for i, l := range levels {
		promised := 1 - 2*forecast.Probabilities[i]
		if l.n < 2000 || math.Abs(l.share()-promised) > 0.03 {
			t.Errorf("the interval of %.2f held %.3f of %d outcomes", promised, l.share(), l.n)
		}
	}
	for name, r := range regimes {
		if name != "unknown" && (r.n < 500 || math.Abs(r.share()-0.9) > 0.04) {
			t.Errorf("where volatility was %s the interval of 0.90 held %.3f of %d outcomes", name, r.share(), r.n)
		}
	}
	t.Logf("90 %%: %.3f of %d; by regime %v", levels[forecast.Q05].share(), levels[forecast.Q05].n, regimes)
}
