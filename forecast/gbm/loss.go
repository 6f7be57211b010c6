package gbm

import (
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
)

// loss is what boosting makes small. All slices have one element a row; f is what the
// trees say so far.
type loss interface {
	// start is the constant to start from, for the given targets.
	start(y []float64) float64
	// gradient writes the negative gradient at f into g and the curvature into h.
	gradient(y, f, g, h []float64)
	// leaf is the best step for the given rows.
	leaf(y, f, g, h []float64, rows []int32) float64
	// at is the loss of one row.
	at(y, f float64) float64
}

// pinball is the loss of the p-quantile. f is the quantile.
type pinball struct {
	p    float64
	room []float64
}

func (l *pinball) start(y []float64) float64 {
	l.room = append(l.room[:0], y...)
	slices.Sort(l.room)
	return forecast.Quantile7(l.room, l.p)
}

func (l *pinball) gradient(y, f, g, h []float64) {
	for i := range y {
		g[i], h[i] = l.p, 1
		if y[i] < f[i] {
			g[i] = l.p - 1
		}
	}
}

// leaf is the p-quantile of what is left of the rows.
func (l *pinball) leaf(y, f, _, _ []float64, rows []int32) float64 {
	l.room = l.room[:0]
	for _, i := range rows {
		l.room = append(l.room, y[i]-f[i])
	}
	slices.Sort(l.room)
	return forecast.Quantile7(l.room, l.p)
}

func (l *pinball) at(y, f float64) float64 {
	e := y - f
	return max(l.p*e, (l.p-1)*e)
}

// scale is the mean pinball loss over the 19 levels from 0.05 to 0.95 of quantiles that
// are exp(f) times those of all targets: half the CRPS of the forecast. f is the log of
// a scale.
type scale struct {
	unit   [inner]float64     // quantiles of all targets, ascending
	above  [inner + 1]float64 // sum of unit[k:]
	levels float64            // sum of the levels
	tilt   float64            // sum of the levels times unit
	curve  float64            // of the loss at f = 0
	weight float64
}

// inner is the number of levels from 0.05 to 0.95.
const inner = forecast.Q95 - forecast.Q05 + 1

func (l *scale) start(y []float64) float64 {
	sorted := slices.Clone(y)
	slices.Sort(sorted)
	for k := range l.unit {
		l.unit[k] = forecast.Quantile7(sorted, forecast.Probabilities[forecast.Q05+k])
	}
	l.levels, l.tilt = 0, 0
	for k := inner - 1; k >= 0; k-- {
		p := forecast.Probabilities[forecast.Q05+k]
		l.above[k] = l.above[k+1] + l.unit[k]
		l.levels += p
		l.tilt += float64(p * l.unit[k])
	}
	// The loss bends where rows lie; take its bend over ±0.3.
	var low, mid, high float64
	for _, v := range y {
		low += l.at(v, -0.3)
		mid += l.at(v, 0)
		high += l.at(v, 0.3)
	}
	l.curve = max((low+high-2*mid)/(0.09*float64(len(y))), 1e-3*mid/float64(len(y)), 1e-12)
	return 0
}

// below is how many of unit are at most z.
func (l *scale) below(z float64) int {
	n, step := 0, 16
	for ; step > 0; step /= 2 {
		if n+step <= inner && l.unit[n+step-1] <= z {
			n += step
		}
	}
	return n
}

func (l *scale) gradient(y, f, g, h []float64) {
	for i := range y {
		s := math.Exp(f[i])
		g[i] = (l.tilt - l.above[l.below(y[i]/s)]) * s / inner
		h[i] = l.curve * s
	}
}

// leaf is Newton's step.
func (l *scale) leaf(_, _, g, h []float64, rows []int32) float64 {
	var a, b float64
	for _, i := range rows {
		a += g[i]
		b += h[i]
	}
	return a / (b + l.weight*l.curve)
}

// at is the mean over the levels p of e (p - 1[e < 0]), e = y - exp(f) unit.
func (l *scale) at(y, f float64) float64 {
	s := math.Exp(f)
	n := l.below(y / s)
	over := float64(y*float64(inner-n)) - float64(s*l.above[n]) // sum of the e below 0
	return (float64(y*l.levels) - float64(s*l.tilt) - over) / inner
}
