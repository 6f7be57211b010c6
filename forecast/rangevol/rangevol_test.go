package rangevol_test

import (
	"testing"

	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/rangevol"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func TestConformance(t *testing.T) {
	daily := forecasttest.ReadBars(t, testdata.Market(t, "daily/STOCK.csv"))
	series := [][]market.Bar{daily, forecasttest.ReadBars(t, testdata.Market(t, "intraday/STOCK_1h.csv"))}
	if testdata.Wide(t) {
		series = append(series, forecasttest.ReadBars(t, testdata.Real(t, "intraday/SPY_1h.csv.gz")))
	}
	for _, r := range []rangevol.Residuals{rangevol.StudentT, rangevol.Historical, rangevol.Local} {
		t.Run(r.String(), func(t *testing.T) {
			m := rangevol.New()
			m.Residuals = r
			if r == rangevol.Historical { // the others go through the same code
				forecasttest.Exercise(t, m, series...)
			}
			forecasttest.Follow(t, m, daily)
		})
	}
}
