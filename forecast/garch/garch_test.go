package garch_test

import (
	"testing"

	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/garch"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func TestConformance(t *testing.T) {
	daily := forecasttest.ReadBars(t, testdata.Market(t, "daily/STOCK.csv"))
	series := [][]market.Bar{daily, forecasttest.ReadBars(t, testdata.Market(t, "intraday/STOCK_1h.csv"))}
	if testdata.Wide(t) {
		series = append(series, forecasttest.ReadBars(t, testdata.Real(t, "intraday/SPY_1h.csv.gz")))
	}
	historical := garch.New()
	historical.ID, historical.Residuals = "garch-historical", garch.Historical
	for _, m := range []garch.Model{garch.New(), garch.NewGJR(), garch.NewGJRX(), historical} {
		t.Run(m.Name(), func(t *testing.T) { forecasttest.Exercise(t, m, series...) })
		t.Run(m.Name()+" follows", func(t *testing.T) { forecasttest.Follow(t, m, daily) })
	}
}
