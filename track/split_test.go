package track_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/har"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/forecast/rangevol"
	"github.com/foretick/foretick/forecast/ridge"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// traded are n days of a random walk of 1 % a day, split ratio for one at day at: from there
// on prices are as people traded them.
func traded(n, at int, ratio float64) []track.Input {
	var in []track.Input
	for i, b := range forecasttest.Walk(7, n) {
		if i >= at {
			b.Open, b.High, b.Low, b.Close, b.Volume = b.Open/ratio, b.High/ratio, b.Low/ratio, b.Close/ratio, b.Volume*ratio
		}
		in = append(in, track.Input{Bar: b})
	}
	return in
}

func daily(models ...forecast.Forecaster) track.Config {
	c := config(ledger.Replay, models...)
	c.Series.Interval, c.Horizons = market.Day, track.UpTo(5)
	return c
}

func announced(in []track.Input, at int, ratio float64) []market.Action {
	return []market.Action{{Ex: in[at].Start, Kind: market.Split, Ratio: ratio, Source: "test"}}
}

// TestSplit judges no forecast across a split, says why, and learns no return from it.
func TestSplit(t *testing.T) {
	const n, at = 120, 90
	for _, c := range []struct {
		name     string
		ratio    float64
		announce bool
		adjusted bool   // the prices have no step
		reason   string // "": no break
	}{
		{"7:1 unannounced", 7, false, false, "looks like an unannounced split 7:1"},
		{"1:10 unannounced", 0.1, false, false, "looks like an unannounced split 1:10"},
		{"7:1", 7, true, false, "split 7:1"},
		{"3:2, too small to be told by the price", 1.5, true, false, "split 3:2"},
		{"3:2 unannounced is a crash", 1.5, false, false, ""},
		{"prices that are adjusted have no break", 7, true, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := traded(n, at, c.ratio)
			if c.adjusted {
				in = traded(n, n, 1)
			}
			if c.announce {
				for i := range in {
					in[i].Splits = announced(in, at, c.ratio)
				}
			}
			tr := newTrack(t, daily())
			for i := range in {
				r, err := tr.Advance(context.Background(), in[i], 0)
				if err != nil {
					t.Fatal(err)
				}
				if i != at || c.reason == "" {
					if r.Break != nil {
						t.Fatalf("a break at bar %d: %+v", i, r.Break)
					}
					if i > at+5 && len(r.Scores) != 5 {
						t.Fatalf("%d scores at bar %d", len(r.Scores), i)
					}
					continue
				}
				want := &track.Break{Bar: in[at].Span(), Close: in[at-1].Close, Open: in[at].Open, Ratio: c.ratio, Announced: c.announce, Voided: 15}
				if d := cmp.Diff(want, r.Break); d != "" {
					t.Fatalf("break (-want +got):\n%s", d)
				}
				if len(r.Voided) != 15 || len(r.Scores) != 0 || len(r.Forecasts) != 5 {
					t.Fatalf("%d void, %d scores, %d forecasts", len(r.Voided), len(r.Scores), len(r.Forecasts))
				}
				e, err := ledger.Decode(r.Entries[0].Bytes)
				if err != nil || e.Void == nil || len(r.Entries) != 2 {
					t.Fatalf("%d entries, %+v, %v", len(r.Entries), e, err)
				}
				var targets []market.Time
				for k := range 5 {
					targets = append(targets, in[at+k].Start)
				}
				if d := cmp.Diff(&ledger.VoidBody{Targets: targets, Reason: c.reason}, e.Void); d != "" {
					t.Fatal(d)
				}
				if f := r.Forecasts[0]; math.Abs(f.Point/in[at].Close-1) > 1e-9 {
					t.Errorf("forecast %v from a price of %v", f.Point, in[at].Close)
				}
			}
		})
	}
}

// TestSplitIsNotLearnt compares a series with a split with the same without: an announced
// split leaves forecasts, as ratios to the price, and the regime as they are. Where it was
// not announced only what the price did overnight is missing.
// Raw prices have no breaks, whatever is announced and however they look.
func TestRaw(t *testing.T) {
	const n, at = 120, 80
	in := traded(n, at, 7)
	for i := range in {
		in[i].Splits = announced(in, at, 7)
	}
	cfg := daily()
	cfg.Raw = true
	tr := newTrack(t, cfg)
	for i := range in {
		r, err := tr.Advance(context.Background(), in[i], 0)
		if err != nil {
			t.Fatal(err)
		}
		if r.Break != nil || len(r.Voided) > 0 {
			t.Fatalf("bar %d: %+v, %d void", i, r.Break, len(r.Voided))
		}
		if i >= at && len(r.Scores) != 5*len(cfg.Models) {
			t.Fatalf("bar %d: %d scores", i, len(r.Scores))
		}
	}
}

func TestSplitIsNotLearnt(t *testing.T) {
	const n, at = 700, 500
	models := func() []forecast.Forecaster {
		return []forecast.Forecaster{naive.New(), rangevol.New(), ridge.New()}
	}
	for _, c := range []struct {
		name     string
		announce bool
		within   float64
	}{{"announced", true, 1e-6}, {"unannounced", false, 2e-3}} {
		t.Run(c.name, func(t *testing.T) {
			with, without := newTrack(t, daily(models()...)), newTrack(t, daily(models()...))
			plain, in := traded(n, n, 1), traded(n, at, 7)
			for i := range in {
				if i < 400 {
					in[i].Backfill, plain[i].Backfill = true, true
				}
				if c.announce {
					in[i].Splits = announced(in, at, 7)
				}
				a, err := with.Advance(context.Background(), in[i], 0)
				b, err2 := without.Advance(context.Background(), plain[i], 0)
				if err != nil || err2 != nil {
					t.Fatal(err, err2)
				}
				if len(a.Forecasts) != len(b.Forecasts) {
					t.Fatalf("bar %d: %d forecasts, want %d: %v", i, len(a.Forecasts), len(b.Forecasts), a.Abstentions)
				}
				for k := range a.Forecasts {
					f, g := &a.Forecasts[k], &b.Forecasts[k]
					for q := range f.Quantiles {
						if d := f.Quantiles[q]/in[i].Close - g.Quantiles[q]/plain[i].Close; math.Abs(d) > c.within {
							t.Fatalf("bar %d: %s, horizon %d: quantile %v of the price moves by %v", i, f.Model, f.Horizon, forecast.Probabilities[q], d)
						}
					}
				}
				if i > at+5 {
					for k := range a.Scores {
						if x, y := a.Scores[k], b.Scores[k]; x.Regime != y.Regime || math.Abs(x.Scale/in[i].Close-y.Scale/plain[i].Close) > c.within {
							t.Fatalf("bar %d: regime %v, scale %v; want %v, %v", i, x.Regime, x.Scale, y.Regime, y.Scale)
						}
					}
				}
			}
		})
	}
}

// TestRestoreAcrossSplits stops before and after splits: the chain must not show it.
func TestRestoreAcrossSplits(t *testing.T) {
	in := traded(520, 455, 4) // unannounced
	for i := range in {
		if i >= 470 { // and 3:2, announced
			b := &in[i].Bar
			b.Open, b.High, b.Low, b.Close = b.Open/1.5, b.High/1.5, b.Low/1.5, b.Close/1.5
		}
		in[i].Splits = announced(in, 470, 1.5)
		in[i].Backfill = i < 420
	}
	cfg := daily(naive.New(), rangevol.New(), ridge.New(), forecast.Windowed(har.New(), 300, 20))
	cfg.Window = 400
	ctx := context.Background()
	step := func(tr *track.Track, in track.Input) track.Result {
		r, err := tr.Advance(ctx, in, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	var chain []ledger.Sealed
	var seen []market.Bar
	var past track.Past
	a := newTrack(t, cfg)
	breaks := 0
	for n, i := range in {
		r := step(a, i)
		chain = append(chain, r.Entries...)
		if r.Break != nil {
			breaks++
		}
		seen = append(seen, i.Bar)
		past.Since = append(past.Since, i)
		if n == 430 || n > 450 && n%9 == 0 {
			past = track.Past{Snapshot: a.Snapshot(), Bars: slices.Clone(seen)}
		}
		if n < 452 || n > 480 {
			continue
		}
		b := newTrack(t, cfg)
		p := past
		p.Head, p.Inputs = a.Head(), a.Inputs()
		p.Entries = chain[max(0, len(chain)-b.RestoreEntries()):]
		if err := b.Restore(ctx, p); err != nil {
			t.Fatal(err)
		}
		// On with both, on a copy of the one that goes on.
		c := newTrack(t, cfg)
		for _, i := range in[:n+1] {
			step(c, i)
		}
		for _, i := range in[n+1 : min(len(in), n+25)] {
			if rb, rc := step(b, i), step(c, i); b.Head() != c.Head() || !slices.Equal(rb.Scores, rc.Scores) {
				t.Fatalf("stopped after bar %d, at %s: %s", n, i.Start, cmp.Diff(rc, rb))
			}
		}
		if n%9 == 4 {
			// Without a snapshot the breaks are found again.
			d := newTrack(t, cfg)
			if err := d.Restore(ctx, track.Past{Since: in[:n+1], Head: a.Head(), Inputs: a.Inputs(), Entries: p.Entries}); err != nil {
				t.Fatal(err)
			}
			if r := step(d, in[n+1]); len(r.Forecasts) != 20 {
				t.Fatal(r.Abstentions)
			}
		}
	}
	if breaks != 2 {
		t.Errorf("%d breaks", breaks)
	}
}
