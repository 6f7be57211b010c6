package catalog_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/market"
)

// FuzzModels feeds every model of the catalog with bars of any numbers, good or bad: it
// answers validly or with a data error, and never panics. Each 4 bytes are a close, and
// how the other prices of the bar lie beside it.
func FuzzModels(f *testing.F) {
	encode := func(bars []market.Bar) (b []byte) {
		for _, x := range bars {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(x.Close)))
		}
		return b
	}
	f.Add(encode(forecasttest.Walk(1, 140)))
	f.Add(encode(forecasttest.Bars(1, 2, 0, -37.63, 3, 1e-9, 1e12, math.NaN(), math.Inf(1), 5)))
	f.Add(make([]byte, 600))
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 160
		var bars []market.Bar
		for i := 0; i+4 <= len(data) && len(bars) < most; i += 4 {
			u := binary.LittleEndian.Uint32(data[i:])
			c := float64(math.Float32frombits(u))
			wide := c * float64(u%7) / 100
			b := market.Bar{Start: market.Time(len(bars)) * 86_400_000_000, Open: c + wide/2, High: c + wide, Low: c - wide, Close: c, Volume: float64(u % 1000)}
			b.End = b.Start + 86_400_000_000
			bars = append(bars, b)
		}
		set := forecast.Setting{Interval: market.Day, Horizons: []int{1, 5}}
		for _, m := range catalog.Models {
			model := m.New()
			follower, ok := model.(forecast.Follower)
			if !ok {
				follower = forecast.Windowed(model, 1024, 0)
			}
			s := follower.Follow(set)
			for i := range bars {
				w := forecast.NewWindow(market.Day, bars[:i+1])
				s.Update(w)
				if i%40 == 39 {
					if err := s.Refit(context.Background()); err != nil && !aboutData(err) {
						t.Fatalf("%s: Refit at bar %d: %v", model.Name(), i, err)
					}
				}
				for _, h := range set.Horizons {
					p, err := s.Predict(w, h)
					if err == nil {
						err = p.Quantiles.Validate()
						if err == nil && p.Point-p.Point != 0 {
							t.Fatalf("%s: bar %d, horizon %d: the point is %v", model.Name(), i, h, p.Point)
						}
					}
					if err != nil && !aboutData(err) {
						t.Fatalf("%s: bar %d, horizon %d: %v", model.Name(), i, h, err)
					}
				}
			}
		}
	})
}

// aboutData reports whether err says that the data cannot be forecast from.
func aboutData(err error) bool {
	return errors.Is(err, forecast.ErrTooShort) || errors.Is(err, forecast.ErrDegenerate)
}
