package garch_test

import (
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/garch"
	"github.com/foretick/foretick/internal/testdata"
)

func TestConformance(t *testing.T) {
	for _, m := range []garch.Model{garch.New(), garch.NewGJR(), garch.NewGJRX()} {
		with := func(change func(*garch.Model)) forecast.Forecaster { return forecasttest.With(m, change) }
		c := forecasttest.Case{
			Model:   m,
			Series:  forecasttest.ReadAll(t, testdata.ForModels(t)...),
			Least:   101,
			Version: "garch/1 {ID:" + m.Name() + " ",
			OutOfRange: map[string]forecast.Forecaster{
				"zero":                     garch.Model{},
				"no name":                  with(func(m *garch.Model) { m.ID = "" }),
				"too few returns to it":    with(func(m *garch.Model) { m.Least = 19 }),
				"fewer returns than least": with(func(m *garch.Model) { m.Returns = 99 }),
				"no residuals":             with(func(m *garch.Model) { m.Pool = 0 }),
				"no tolerance":             with(func(m *garch.Model) { m.Tolerance = 0 }),
				"no such residual":         with(func(m *garch.Model) { m.Residuals = garch.Mixture + 1 }),
			},
		}
		if m.Name() == "garch" { // options and residuals of the others go through the same code
			c.Variants = map[string]forecast.Forecaster{"historical": with(func(m *garch.Model) { m.Residuals = garch.Historical })}
			c.Others = map[string]forecast.Forecaster{
				"fewer returns":   with(func(m *garch.Model) { m.Returns = 500 }),
				"fewer residuals": with(func(m *garch.Model) { m.Pool = 500 }),
				"another least":   with(func(m *garch.Model) { m.Least = 50 }),
			}
		}
		t.Run(m.Name(), func(t *testing.T) { forecasttest.Exercise(t, c) })
	}
}
