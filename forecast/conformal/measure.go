package conformal

import (
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
)

// Measure estimates a Prior from forecasts and outcomes of many series: by one step
// of Newton's method from no prior on the CRPS over the levels from 5 % to 95 %, as a
// function of Spread and Tilt. With z(l) the distance of the quantile at level l from
// the median, in units of the width of the forecast, f(l) the density that is stated there and x
// the relative volatility, the derivative and the expected curvature at an origin are
//
//	g = sum over l of (1[y < q(l)] - p(l)) z(l),  c = sum over l of f(l) z(l)²
//
// and (Spread, Tilt) solves the normal equations of -g/c on (1, x) with weights c. The
// zero value has seen nothing.
type Measure struct {
	g, gx, c, cx, cxx float64
	gauge             gauge
	started           bool
}

// Series begins a new series: volatility is compared within one only.
func (m *Measure) Series() {
	m.gauge = newGauge()
	m.started = true
}

// Add takes in a forecast that validates, the volatility at its origin as for
// Layer.Adjust, and its outcome. Forecasts without width and outcomes that are not
// finite are left out.
func (m *Measure) Add(q *forecast.Quantiles, volatility, y float64) {
	if !m.started {
		m.Series()
	}
	x := m.gauge.relative(volatility)
	middle, width := q[forecast.Q50], q[forecast.Q95]-q[forecast.Q05]
	if !(width > 0) || width > math.MaxFloat64 || math.IsNaN(y) || math.IsInf(y, 0) {
		return
	}
	var g, c float64
	for l := forecast.Q05; l <= forecast.Q95; l++ {
		z := (q[l] - middle) / width
		e := -forecast.Probabilities[l]
		if y < q[l] {
			e++
		}
		g += float64(e * z)
		if apart := (q[l+1] - q[l-1]) / width; apart > 0 {
			c += float64((forecast.Probabilities[l+1] - forecast.Probabilities[l-1]) / apart * float64(z*z))
		}
	}
	m.g += g
	m.gx += float64(g * x)
	m.c += c
	m.cx += float64(c * x)
	m.cxx += float64(float64(c*x) * x)
}

// Prior is the estimate. The error wraps forecast.ErrTooShort or
// forecast.ErrDegenerate when there is none.
func (m *Measure) Prior() (Prior, error) {
	if m.c == 0 {
		return Prior{}, fmt.Errorf("conformal: %w: no forecast with an outcome", forecast.ErrTooShort)
	}
	det := float64(m.c*m.cxx) - float64(m.cx*m.cx)
	if !(det > 1e-9*m.c*m.c) {
		return Prior{}, fmt.Errorf("conformal: %w: volatility does not vary", forecast.ErrDegenerate)
	}
	p := Prior{
		Spread: (float64(m.gx*m.cx) - float64(m.g*m.cxx)) / det,
		Tilt:   (float64(m.g*m.cx) - float64(m.gx*m.c)) / det,
	}
	if !p.valid() {
		return Prior{}, fmt.Errorf("conformal: %w: a prior of %+v is not believable", forecast.ErrDegenerate, p)
	}
	return p, nil
}
