package catalog_test

import (
	"errors"
	"math"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/auto"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func TestAutoConforms(t *testing.T) {
	forecasttest.Exercise(t, forecasttest.Case{
		Model:   catalog.NewAuto(nil),
		Series:  forecasttest.ReadAll(t, testdata.Market(t, "daily/STOCK.csv")),
		Least:   61,
		Version: "auto/1 ",
		Speaker: "rangevol", // its first expert
	})
}

// A trained network serves as an expert of the combination, under the layer that corrects
// intervals, like any other model.
func TestNetworkUnderTheAdaptiveLayer(t *testing.T) {
	bars := forecasttest.ReadBars(t, testdata.Market(t, "daily/STOCK.csv"))
	samples := neural.NewSamples(market.Day)
	if err := samples.Add(t.Context(), "STOCK", bars[:1500], nil); err != nil {
		t.Fatal(err)
	}
	o := neural.Defaults()
	o.Units, o.Epochs, o.Restarts, o.Ensemble, o.Steps, o.Warm = 4, 3, 1, 1, 24, 8
	trainer, err := neural.NewTrainer(samples, o)
	if err != nil {
		t.Fatal(err)
	}
	for !trainer.Done() {
		if _, err := trainer.Epoch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	v, err := trainer.Trained(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	var versions neural.Versions
	versions.Add(v)
	pool := auto.New(auto.Expert{Model: neural.New("lstm", &versions), Names: []string{"lstm"}, Weights: []float64{1}})
	s := pool.Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1}})
	inside, n := 0, 0
	for i := 1500; i+1 < len(bars); i++ {
		w := forecast.NewWindow(market.Day, bars[i-1023:i+1])
		s.Update(w)
		if i%50 == 0 {
			if err := s.Refit(t.Context()); err != nil && !errors.Is(err, forecast.ErrTooShort) {
				t.Fatal(err)
			}
		}
		p, err := s.Predict(w, 1)
		if err != nil {
			continue // it abstains until it has seen enough
		}
		if err := p.Quantiles.Validate(); err != nil {
			t.Fatal(err)
		}
		r := math.Log(bars[i+1].Close / bars[i].Close)
		n++
		if r >= p.Quantiles[2] && r <= p.Quantiles[20] {
			inside++
		}
	}
	if share := float64(inside) / float64(n); n < 1000 || share < 0.86 || share > 0.94 {
		t.Errorf("%d forecasts, of which the 90 %% interval covers %.3f", n, share)
	}
}
