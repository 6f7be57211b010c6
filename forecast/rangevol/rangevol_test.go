package rangevol_test

import (
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/rangevol"
	"github.com/foretick/foretick/internal/testdata"
)

func TestConformance(t *testing.T) {
	with := func(change func(*rangevol.Model)) forecast.Forecaster {
		return forecasttest.With(rangevol.New(), change)
	}
	prior := *rangevol.DefaultPrior()
	prior.Data = "the same, by another name"
	forecasttest.Exercise(t, forecasttest.Case{
		Model:   rangevol.New(),
		Series:  forecasttest.ReadAll(t, testdata.ForModels(t)...),
		Least:   61,
		Version: "rangevol/1 historical 2000 60 ",
		Variants: map[string]forecast.Forecaster{
			"the t": with(func(m *rangevol.Model) { m.Residuals = rangevol.StudentT }),
			"local": with(func(m *rangevol.Model) { m.Residuals = rangevol.Local }),
		},
		Others: map[string]forecast.Forecaster{
			"fewer pairs":   with(func(m *rangevol.Model) { m.Pairs = 200 }),
			"another least": with(func(m *rangevol.Model) { m.Least = 50 }),
			"another prior": with(func(m *rangevol.Model) { m.Prior = &prior }),
		},
		OutOfRange: map[string]forecast.Forecaster{
			"zero":                   rangevol.Model{},
			"too few returns to it":  with(func(m *rangevol.Model) { m.Least = 29 }),
			"fewer pairs than least": with(func(m *rangevol.Model) { m.Pairs = 59 }),
			"no such residual":       with(func(m *rangevol.Model) { m.Residuals = rangevol.Local + 1 }),
			"no prior":               with(func(m *rangevol.Model) { m.Prior = nil }),
		},
	})
}
