package backtest_test

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/market"
)

func walked(bars []market.Bar) backtest.Input {
	return backtest.Input{Series: market.Series{Instrument: market.Instrument{Symbol: "W", Venue: "test"}, Interval: market.Day}, File: "w.csv", Bars: bars}
}

func changed(bars []market.Bar, f func(i int, b *market.Bar)) []market.Bar {
	out := slices.Clone(bars)
	for i := range out {
		f(i, &out[i])
	}
	return out
}

// rows returns the rows of a report by model.
func rows(r *backtest.Report) map[string]*backtest.Result {
	m := map[string]*backtest.Result{}
	for i := range r.Results {
		m[r.Results[i].Model] = &r.Results[i]
	}
	return m
}

// whole checks what holds for the report of any walk: it is JSON, its page is a page, and where
// nothing was judged there is no figure.
func whole(t *testing.T, r *backtest.Report) {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again backtest.Report
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	page := render(t, r)
	read(t, page)
	if render(t, &again) != page {
		t.Error("the page of the stored report is another")
	}
	for i := range r.Results {
		x := &r.Results[i]
		if finite := !math.IsNaN(float64(x.CRPS + x.MAE + x.Coverage90)); x.N == 0 && finite {
			t.Errorf("figures of nothing: %+v", x)
		}
		if c := x.Coverage90; c < 0 || c > 1 {
			t.Errorf("coverage %v", c)
		}
	}
}

var justOne = backtest.Spec{Horizons: []int{1}}

// A price that does not move cannot be forecast: every model says so, and nothing is judged.
func TestConstantPrice(t *testing.T) {
	flat := changed(forecasttest.Walk(1, 700), func(_ int, b *market.Bar) { b.Open, b.High, b.Low, b.Close = 5, 5, 5, 5 })
	r := run(t, justOne, options(1), walked(flat))
	whole(t, r)
	for _, x := range r.Results {
		if x.N != 0 || x.Abstained != 200 || x.Verdict != "not_judged_yet" || !strings.Contains(x.Detail.Reason, "degenerate data") {
			t.Errorf("%+v, reason %q", x, x.Detail.Reason)
		}
	}
	for _, p := range r.Pooled {
		if p.Series != 0 || p.N != 0 || p.ConfidenceSet || p.Discoveries != 0 {
			t.Errorf("%+v", p)
		}
	}
}

// A price that stands still for a while is forecast again when it moves: what was not is said.
func TestFlatStretch(t *testing.T) {
	bars := changed(forecasttest.Walk(1, 1200), func(i int, b *market.Bar) {
		if i >= 500 && i < 900 {
			b.Open, b.High, b.Low, b.Close = 100, 100, 100, 100
		}
	})
	r := run(t, justOne, options(1), walked(bars))
	whole(t, r)
	for model, x := range rows(r) {
		// The last bar is an origin, too, but its target is not there.
		if x.N == 0 || x.Abstained == 0 || x.N+x.Abstained != 699 && x.N+x.Abstained != 700 || x.Detail.Reason == "" {
			t.Errorf("%s: %d judged, %d abstentions, %q", model, x.N, x.Abstained, x.Detail.Reason)
		}
	}
}

// The fewest bars that can be walked are one more than those that cannot; one bar after the
// history is none to judge.
func TestTooShort(t *testing.T) {
	bars := forecasttest.Walk(1, 700)
	for n, want := range map[int]string{
		0:   "0 bars leave 0 origins to judge after the burn-in, at least 100 are needed",
		500: "500 bars leave 0 origins to judge after the burn-in, at least 100 are needed",
		501: "501 bars leave 0 origins to judge after the burn-in, at least 100 are needed",
		502: "502 bars leave 1 origins to judge after the burn-in, at least 100 are needed",
		600: "600 bars leave 99 origins to judge after the burn-in, at least 100 are needed",
	} {
		_, err := backtest.Run(t.Context(), justOne, []backtest.Input{walked(bars[:n])}, options(1))
		if !errors.Is(err, backtest.ErrNothing) || !strings.HasSuffix(err.Error(), ": test:W@1d: "+want) {
			t.Errorf("%d bars: %v", n, err)
		}
	}
	r := run(t, justOne, options(1), walked(bars[:601]))
	whole(t, r)
	if x := rows(r)["naive"]; x.N != 100 {
		t.Errorf("601 bars: %d origins are judged", x.N)
	}
	if _, err := backtest.Run(t.Context(), justOne, nil, options(1)); !errors.Is(err, backtest.ErrNothing) || !strings.HasSuffix(err.Error(), ": none was given") {
		t.Errorf("without a series: %v", err)
	}
	// A series that is too short does not keep another from being walked, wherever it stands.
	for _, in := range [][]backtest.Input{{walked(bars[:600]), walked(bars)}, {walked(bars), walked(bars[:600])}} {
		r := run(t, justOne, options(2), in...)
		whole(t, r)
		if len(r.Series) != 2 || len(r.Results) != 3 || (r.Series[0].Skipped == "") == (r.Series[1].Skipped == "") {
			t.Errorf("%+v", r.Series)
		}
	}
}

// Bars that are missing are never judged on others: what was forecast for them is void.
func TestGaps(t *testing.T) {
	full := forecasttest.Walk(1, 700)
	bars := slices.Concat(full[:600], full[620:640], full[641:])
	spec := backtest.Spec{Horizons: []int{1, 3}}
	r := run(t, spec, options(1), walked(bars))
	whole(t, r)
	there := map[market.Time]bool{}
	for _, b := range bars {
		there[b.Start] = true
	}
	for _, x := range r.Results {
		want := 0
		for _, b := range bars[500:] {
			if there[b.Start+market.Time(x.Horizon)*dayLong] {
				want++
			}
		}
		if x.N != want || x.Abstained != 0 {
			t.Errorf("%s at %d: %d judged, %d abstentions, want %d: the targets that came", x.Model, x.Horizon, x.N, x.Abstained, want)
		}
	}
	if w := len(r.Series[0].Warnings); w != 0 {
		t.Errorf("%d warnings", w)
	}
}

// A split that was announced is no move; one that was not is named, and not judged; with raw prices
// both are moves, and cost what they cost.
func TestSplits(t *testing.T) {
	spec := backtest.Spec{BurnIn: 400, Horizons: []int{1}}
	announced := run(t, spec, options(1), own(t, "daily/SPLIT.csv", "daily/SPLIT_actions.csv"))
	silent := run(t, spec, options(1), own(t, "daily/SPLIT.csv", ""))
	spec.Raw = true
	raw := run(t, spec, options(1), own(t, "daily/SPLIT.csv", "daily/SPLIT_actions.csv"))
	for _, r := range []*backtest.Report{announced, silent, raw} {
		whole(t, r)
	}
	for _, c := range []struct {
		name string
		r    *backtest.Report
		n    int
		want []string
	}{
		{"announced", announced, 1197, []string{"looks like an unannounced split 7:1"}},
		{"not announced", silent, 1197, []string{"looks like an unannounced split 4:1", "looks like an unannounced split 7:1"}},
		{"raw", raw, 1199, nil},
	} {
		warnings := c.r.Series[0].Warnings
		if len(warnings) != len(c.want) {
			t.Fatalf("%s: %q", c.name, warnings)
		}
		for i, w := range c.want {
			if !strings.Contains(warnings[i], w) {
				t.Errorf("%s: %q does not say %q", c.name, warnings[i], w)
			}
		}
		if x := rows(c.r)["naive"]; x.N != c.n { // two breaks are two targets that nobody is judged on
			t.Errorf("%s: %d are judged, want %d", c.name, x.N, c.n)
		}
	}
	if a, b := rows(announced)["naive"].CRPS, rows(raw)["naive"].CRPS; !(b > 1.2*a) {
		t.Errorf("raw prices give a CRPS of %v, without the splits it is %v", b, a)
	}
	if rows(raw)["garch"].Skill >= 0 || rows(announced)["garch"].Skill <= 0 {
		t.Errorf("garch: skill %v raw, %v without the splits", rows(raw)["garch"].Skill, rows(announced)["garch"].Skill)
	}
}

// An outcome below zero has no logarithm: no mean can be said of what is counted in logarithms, but
// all else is, and the evidence rests on the other origins.
func TestPriceBelowZero(t *testing.T) {
	in := own(t, "close_only/OIL.csv", "")
	below := 0
	for _, b := range in.Bars {
		if b.Close < 0 {
			below++
		}
	}
	if below == 0 {
		t.Fatal("no price is below zero")
	}
	r := run(t, justOne, options(1), in)
	whole(t, r)
	for model, x := range rows(r) {
		if x.N < 1500 || x.Abstained == 0 || x.Abstained > 320 || !strings.Contains(x.Detail.Reason, "not positive") && !strings.Contains(x.Detail.Reason, "naive abstains") {
			t.Errorf("%s: %d judged, %d abstentions, %q", model, x.N, x.Abstained, x.Detail.Reason)
		}
		if c := float64(x.CRPS); c == c {
			t.Errorf("%s: a CRPS of %v", model, c)
		}
		if math.IsNaN(float64(x.MAE)) || !(x.Coverage90 > 0.8 && x.Coverage90 < 0.95) {
			t.Errorf("%s: MAE %v, coverage %v", model, x.MAE, x.Coverage90)
		}
	}
	if x := rows(r)["garch"]; !(x.EValue > 20) || x.Verdict != "better_than_naive" {
		t.Errorf("garch: e-value %v, %s", x.EValue, x.Verdict)
	}
}

// Prices of a billionth are prices: what is counted in logarithms does not depend on the unit, what
// is counted in prices does.
func TestUnitOfThePrice(t *testing.T) {
	bars := forecasttest.Walk(5, 900)
	a := rows(run(t, justOne, options(1), walked(bars)))
	const unit = 1.0 / (1 << 30) // about a billionth; a power of two leaves all digits as they are
	b := rows(run(t, justOne, options(1), walked(changed(bars, func(_ int, b *market.Bar) {
		b.Open, b.High, b.Low, b.Close = b.Open*unit, b.High*unit, b.Low*unit, b.Close*unit
	}))))
	for model, x := range a {
		y := b[model]
		if x.N != y.N || math.Abs(float64(x.CRPS-y.CRPS)) > 1e-9 || x.Coverage90 != y.Coverage90 || math.Abs(float64(x.MAE)*unit-float64(y.MAE)) > 1e-9*unit || math.Abs(float64(x.MASE-y.MASE)) > 1e-9 {
			t.Errorf("%s: %+v and %+v", model, x, y)
		}
	}
}
