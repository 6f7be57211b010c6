package garch_test

import (
	"path/filepath"
	"testing"

	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/garch"
	"github.com/foretick/foretick/internal/testdata"
)

func TestConformance(t *testing.T) {
	dir := filepath.Join(testdata.Shared(t), "data")
	amzn := forecasttest.ReadBars(t, filepath.Join(dir, "daily", "AMZN.csv"))
	spy := forecasttest.ReadBars(t, filepath.Join(dir, "intraday", "SPY_1h.csv.gz"))
	historical := garch.New()
	historical.ID, historical.Residuals = "garch-historical", garch.Historical
	for _, m := range []garch.Model{garch.New(), garch.NewGJR(), garch.NewGJRX(), historical} {
		t.Run(m.Name(), func(t *testing.T) { forecasttest.Exercise(t, m, amzn, spy) })
		t.Run(m.Name()+" follows", func(t *testing.T) { forecasttest.Follow(t, m, amzn) })
	}
}
