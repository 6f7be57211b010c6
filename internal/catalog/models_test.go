package catalog_test

import (
	"path/filepath"
	"testing"

	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/testdata"
)

func TestAutoConforms(t *testing.T) {
	dir := filepath.Join(testdata.Shared(t), "data")
	amzn := forecasttest.ReadBars(t, filepath.Join(dir, "daily", "AMZN.csv"))
	forecasttest.Exercise(t, catalog.NewAuto(nil), amzn)
	forecasttest.Follow(t, catalog.NewAuto(nil), amzn)
}
