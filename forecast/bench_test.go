package forecast_test

import (
	"context"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/drift"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/market"
)

// BenchmarkDefaultSet is what one new bar costs: naive, drift and ewma at horizons
// 1 to 5 on a window of 1,024 bars. The window moves on at each turn, so that
// branch predictors cannot learn the data by heart.
func BenchmarkDefaultSet(b *testing.B) {
	benchmark(b, 5, naive.New(), drift.New(), ewma.New())
}

func BenchmarkNaive(b *testing.B) { benchmark(b, 1, naive.New()) }
func BenchmarkDrift(b *testing.B) { benchmark(b, 1, drift.New()) }
func BenchmarkEWMA(b *testing.B)  { benchmark(b, 1, ewma.New()) }

func benchmark(b *testing.B, horizons int, models ...forecast.Forecaster) {
	const window, turns = 1024, 4096
	bars := forecasttest.Walk(1, window+turns)
	fitted := make([]forecast.Fitted, len(models))
	for i, m := range models {
		var err error
		if fitted[i], err = m.Fit(context.Background(), forecast.NewWindow(market.Day, bars[:window])); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		w := forecast.NewWindow(market.Day, bars[i:i+window])
		i = (i + 1) % turns
		for _, f := range fitted {
			for h := 1; h <= horizons; h++ {
				if _, err := f.Predict(w, h); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
}
