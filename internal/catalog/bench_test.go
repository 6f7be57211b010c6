package catalog_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// BenchmarkUpdate is what one new bar costs the whole default race: every model's
// state, and its forecasts at the given number of horizons. Estimations are not in it.
func BenchmarkUpdate(b *testing.B) {
	bars := forecasttest.ReadBars(b, testdata.Market(b, "daily/STOCK.csv"))
	for _, horizons := range []int{1, 5, 20} {
		b.Run(fmt.Sprintf("horizons=%d", horizons), func(b *testing.B) {
			r := newRace(b, horizons)
			i := 0
			next := func(ask bool) {
				if i = i + 1; i+1 >= len(bars) {
					i = 1024
				}
				r.update(b, forecast.NewWindow(market.Day, bars[max(0, i-1023):i+1]), ask)
			}
			for i < 2600 {
				next(false)
			}
			r.refit(b, forecast.NewWindow(market.Day, bars[i-1023:i+1]))
			b.ReportAllocs()
			for b.Loop() {
				next(true)
			}
		})
	}
}

// BenchmarkRefit is one scheduled estimation of the whole default race, every 20 bars.
func BenchmarkRefit(b *testing.B) {
	bars := forecasttest.ReadBars(b, testdata.Market(b, "daily/STOCK.csv"))
	r := newRace(b, 5)
	i := 0
	next := func(ask bool) {
		if i = i + 1; i+1 >= len(bars) {
			i = 1024
		}
		r.update(b, forecast.NewWindow(market.Day, bars[max(0, i-1023):i+1]), ask)
	}
	for i < 2600 {
		next(false)
	}
	r.refit(b, forecast.NewWindow(market.Day, bars[i-1023:i+1]))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for range 20 {
			next(false)
		}
		b.StartTimer()
		r.refit(b, forecast.NewWindow(market.Day, bars[max(0, i-1023):i+1]))
	}
}

// BenchmarkWalk is a step of a walk-forward backtest of the default race at horizons 1
// and 5 through the track, sealing, judging and an estimation every 20 bars included:
// a thousand of it are what the budget of 0.25 s is about.
func BenchmarkWalk(b *testing.B) {
	bars := forecasttest.ReadBars(b, testdata.Market(b, "daily/STOCK.csv"))
	models, err := catalog.Select(nil)
	if err != nil {
		b.Fatal(err)
	}
	var tr *track.Track
	i := len(bars)
	step := func() {
		if i == len(bars) {
			i = 0
			tr, err = track.New(track.Config{Series: market.Series{Instrument: market.Instrument{Symbol: "STOCK", Venue: "file"}, Interval: market.Day},
				Mode: ledger.Replay, Horizons: []int{1, 5}, Models: catalog.Forecasters(models)})
			if err != nil {
				b.Fatal(err)
			}
		}
		if _, err := tr.Advance(context.Background(), track.Input{Bar: bars[i], Backfill: i < 500}, 0); err != nil {
			b.Fatal(err)
		}
		i++
	}
	for range 1000 {
		step()
	}
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

// race is the default race on one series.
type race struct {
	horizons []int
	states   []forecast.State
	plain    []forecast.Forecaster
	fitted   []forecast.Fitted
}

func newRace(b *testing.B, horizons int) *race {
	models, err := catalog.Select(nil)
	if err != nil {
		b.Fatal(err)
	}
	r := &race{horizons: track.UpTo(horizons)}
	for _, m := range catalog.Forecasters(models) {
		if f, ok := m.(forecast.Follower); ok {
			r.states = append(r.states, f.Follow(forecast.Setting{Interval: market.Day, Horizons: r.horizons}))
			continue
		}
		r.plain = append(r.plain, m)
	}
	return r
}

func (r *race) refit(b *testing.B, w forecast.Window) {
	for _, s := range r.states {
		if err := s.Refit(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	r.fitted = r.fitted[:0]
	for _, m := range r.plain {
		f, err := m.Fit(context.Background(), w)
		if err != nil {
			b.Fatal(err)
		}
		r.fitted = append(r.fitted, f)
	}
}

func (r *race) update(b *testing.B, w forecast.Window, ask bool) {
	for _, s := range r.states {
		s.Update(w)
	}
	if !ask {
		return
	}
	for _, h := range r.horizons {
		for _, s := range r.states {
			if _, err := s.Predict(w, h); err != nil {
				b.Fatal(err)
			}
		}
		for _, f := range r.fitted {
			if _, err := f.Predict(w, h); err != nil {
				b.Fatal(err)
			}
		}
	}
}
