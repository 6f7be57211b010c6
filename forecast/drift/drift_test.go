package drift_test

import (
	"path/filepath"
	"testing"

	"github.com/foretick/foretick/forecast/drift"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
)

func TestConformance(t *testing.T) {
	dir := filepath.Join(testdata.Shared(t), "data", "daily")
	forecasttest.Exercise(t, drift.New(),
		forecasttest.ReadBars(t, filepath.Join(dir, "AMZN.csv")),
		forecasttest.ReadBars(t, filepath.Join(dir, "EURUSD.csv")))
}
