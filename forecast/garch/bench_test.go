package garch_test

import (
	"context"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/garch"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// BenchmarkRefit is one scheduled estimation, 20 bars after the last one.
func BenchmarkRefit(b *testing.B) { bench(b, true) }

// BenchmarkUpdate is what one bar costs between two estimations.
func BenchmarkUpdate(b *testing.B) { bench(b, false) }

func bench(b *testing.B, refit bool) {
	bars := forecasttest.ReadBars(b, testdata.Market(b, "daily/STOCK.csv"))
	for _, m := range []garch.Model{garch.New(), garch.NewGJR(), garch.NewGJRX()} {
		b.Run(m.Name(), func(b *testing.B) {
			b.ReportAllocs()
			s := m.Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1, 5}})
			i := 0
			step := func() {
				i = i%(len(bars)-1) + 1
				s.Update(forecast.NewWindow(market.Day, bars[i-1:i+1]))
			}
			for range 1100 {
				step()
			}
			if err := s.Refit(context.Background()); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if !refit {
					step()
					continue
				}
				b.StopTimer()
				for range 20 {
					step()
				}
				b.StartTimer()
				if err := s.Refit(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
