package rangevar

import "github.com/foretick/foretick/forecast"

// Mean is an exponentially weighted mean, bias-corrected at the start. The zero value
// has seen nothing.
type Mean struct{ sum, weight float64 }

// Add takes x; decay is the weight of what came before, 2^(-1/h) for a half-life of h.
func (m *Mean) Add(x, decay float64) {
	m.sum = float64(decay*m.sum) + x
	m.weight = float64(decay*m.weight) + 1
}

// Shift adds x to everything that was added.
func (m *Mean) Shift(x float64) { m.sum += float64(m.weight * x) }

// Value is the mean; NaN when nothing was added.
func (m *Mean) Value() float64 { return m.sum / m.weight }

// Persist carries the mean to and from a.
func (m *Mean) Persist(a *forecast.Archive) { a.Float(&m.sum, &m.weight) }
