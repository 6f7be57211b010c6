package app_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// TestLaw4NoLookAhead: whatever happens after a cutoff, the forecasts made at it stay the same.
func TestLaw4NoLookAhead(t *testing.T) {
	t.Parallel()
	for _, name := range []string{days, minutes} {
		t.Run("later bars of "+filepath.Base(name), func(t *testing.T) { laterBars(t, read(t, name)) })
	}
	if r := real(t, realMinutes); r != nil {
		t.Run("later real bars", func(t *testing.T) { laterBars(t, r) })
	}
	t.Run("later splits", laterSplits)
	t.Run("networks", networksForecastWhatTheyHaveNotSeen)
}

// laterBars changes the bars of r from some bar on. Entries up to there must not change, those
// after it must.
func laterBars(t *testing.T, r *recording) {
	n := len(r.Bars)
	for _, cut := range []int{1, 30, n - 50, n - 7} {
		bars := slices.Clone(r.Bars[:min(n, cut+20)])
		for i := cut; i < len(bars); i++ {
			b := &bars[i]
			b.Open, b.High, b.Low, b.Close, b.Volume = 3*b.Open, 5*b.High, b.Low/7, 2*b.Close, b.Volume+1e6
		}
		changed := r.with(bars).walked(t)
		for id, want := range r.walked(t) {
			got, known := changed[id].chain, r.Bars[cut-1].End
			before, made := 0, map[string]int{}
			for _, e := range decoded(t, want.chain) {
				if e.At > known {
					break
				}
				before++
				if e.Issue == nil {
					continue
				}
				for _, f := range e.Issue.Forecasts {
					made[f.Model]++
				}
			}
			sameStart(t, fmt.Sprintf("%s, bars changed from %s on", id, r.Bars[cut].Start), got, want.chain, before)
			if len(got) <= before+1 || got[before+1].Hash == want.chain[before+1].Hash {
				t.Errorf("%s: the change reached no entry after %d: nothing was tested", id, before)
			}
			if cut < n-50 || id != r.Series.ID() {
				continue // too early for some models, or too coarse
			}
			for _, m := range modelsOf(t, r) {
				if name := m.New().Name(); made[name] == 0 {
					t.Errorf("%s: %s made no forecast before bar %d: nothing was tested", id, name, cut)
				}
			}
		}
	}
}

// sameStart compares the first n entries of two chains.
func sameStart(t *testing.T, how string, got, want []ledger.Sealed, n int) {
	t.Helper()
	for i := range n {
		if i == len(got) || got[i].Hash != want[i].Hash {
			t.Fatalf("%s: entry %d of %d differs: %s", how, i+1, len(got), show(want[i]))
		}
	}
}

func modelsOf(t *testing.T, r *recording) []catalog.Model {
	t.Helper()
	list, err := app.SelectModels([]string{race(r.File)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// laterSplits announces a split that is to come, and one that never does. No forecast knows of it
// before the share is split.
func laterSplits(t *testing.T) {
	all, err := app.ReadFiles(t.Context(), []string{testdata.Market(t, "daily/SPLIT.csv")}, app.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const split = 610
	f := *all[0]
	f.Bars = f.Bars[split-100 : split+20]
	g := f
	g.Actions = []market.Action{
		{Ex: f.Bars[100].Start, Kind: market.Split, Ratio: 4},
		{Ex: f.Bars[115].Start, Kind: market.Split, Ratio: 10},
	}
	id := f.Series.ID()
	want, got := of(&f).walked(t)[id].chain, of(&g).walked(t)[id].chain
	before := 0
	for _, e := range decoded(t, want) {
		if e.At < f.Bars[100].Start {
			before++
		}
	}
	sameStart(t, "a split to come", got, want, before)
	if before < 100 || got[len(got)-1].Hash == want[len(want)-1].Hash {
		t.Errorf("%d entries before the split, and it changed nothing: nothing was tested", before)
	}
}

// networksForecastWhatTheyHaveNotSeen trains a network in the middle of a series and walks all of
// it: the network takes part only where every bar that it has learnt from is past.
func networksForecastWhatTheyHaveNotSeen(t *testing.T) {
	r := read(t, days)
	learnt := len(r.Bars) * 2 / 3
	samples := neural.NewSamples(r.Series.Interval)
	if err := samples.Add(t.Context(), string(r.Series.ID()), r.Bars[:learnt], nil); err != nil {
		t.Fatal(err)
	}
	o := neural.Defaults()
	o.Units, o.Epochs, o.Restarts, o.Ensemble, o.Steps, o.Warm = 2, 1, 1, 1, 12, 4
	trainer, err := neural.NewTrainer(samples, o)
	if err != nil {
		t.Fatal(err)
	}
	for !trainer.Done() {
		if _, err := trainer.Epoch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	version, err := trainer.Trained(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var versions neural.Versions
	versions.Add(version)
	models, err := app.SelectModels([]string{"naive", "lstm"}, []catalog.Model{{New: func() forecast.Forecaster { return neural.New("lstm", &versions) }}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := drive(r.File, 1, nil, models)
	if err != nil {
		t.Fatal(err)
	}
	seen := r.Bars[learnt-1].End
	made, refused := 0, 0
	for _, e := range decoded(t, out[r.Series.ID()].chain) {
		if e.Issue == nil {
			continue
		}
		for _, f := range e.Issue.Forecasts {
			if f.Model != "lstm" {
				continue
			}
			made++
			if e.Issue.Cutoff < seen {
				t.Errorf("with the cutoff %s a network forecasts that has seen bars up to %s", e.Issue.Cutoff, seen)
			}
		}
		for _, a := range e.Issue.Abstentions {
			if a.Model == "lstm" {
				refused++
			}
		}
	}
	if made < 50 || refused < 100 {
		t.Errorf("the network forecast at %d cutoffs and abstained at %d: nothing was tested", made, refused)
	}
}
