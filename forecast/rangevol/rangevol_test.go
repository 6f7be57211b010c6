package rangevol_test

import (
	"path/filepath"
	"testing"

	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/rangevol"
	"github.com/foretick/foretick/internal/testdata"
)

func TestConformance(t *testing.T) {
	dir := filepath.Join(testdata.Shared(t), "data")
	amzn := forecasttest.ReadBars(t, filepath.Join(dir, "daily", "AMZN.csv"))
	spy := forecasttest.ReadBars(t, filepath.Join(dir, "intraday", "SPY_1h.csv.gz"))
	for _, r := range []rangevol.Residuals{rangevol.StudentT, rangevol.Historical, rangevol.Local} {
		t.Run(r.String(), func(t *testing.T) {
			m := rangevol.New()
			m.Residuals = r
			if r == rangevol.Historical { // the others go through the same code
				forecasttest.Exercise(t, m, amzn, spy)
			}
			forecasttest.Follow(t, m, amzn)
		})
	}
}
