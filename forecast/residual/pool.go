// Package residual keeps standardised residuals of a volatility model, and reads
// quantiles off them: filtered historical simulation (Barone-Adesi, Giannopoulos &
// Vosper 1999, "VaR without correlations for portfolios of derivative securities").
//
// A residual is z = y / s, with y the return over h bars from an origin and s the
// scale that the model had forecast there. Only residuals whose return has been
// realised are kept, with the scales as they were forecast at the time: what they
// spread too little or too much is in them, so the quantiles of the next forecast
// correct it.
package residual

import (
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
)

// Pool keeps the newest residuals in order of size.
type Pool struct {
	order  forecast.Recent // as they came
	sorted []float64
	square float64 // sum of min(z², 25)
	most   int
}

// NewPool keeps at most the given number.
func NewPool(most int) *Pool { return &Pool{order: forecast.NewRecent(most), most: most} }

// Len is how many residuals there are.
func (p *Pool) Len() int { return len(p.sorted) }

// Sorted returns the residuals, smallest first. They are valid until the next Add.
func (p *Pool) Sorted() []float64 { return p.sorted }

// Add takes z, which must be finite; the oldest leaves when the pool is full.
func (p *Pool) Add(z float64) {
	if p.order.Len() == p.most {
		old := p.order.Back(p.most - 1)
		i, _ := slices.BinarySearch(p.sorted, old)
		k, _ := slices.BinarySearch(p.sorted, z)
		p.square -= math.Min(old*old, 25)
		// Shift only what lies between the two places.
		if k > i {
			k--
			copy(p.sorted[i:k], p.sorted[i+1:k+1])
		} else {
			copy(p.sorted[k+1:i+1], p.sorted[k:i])
		}
		p.sorted[k] = z
	} else {
		k, _ := slices.BinarySearch(p.sorted, z)
		p.sorted = slices.Insert(p.sorted, k, z)
	}
	p.square += math.Min(z*z, 25)
	p.order.Push(z)
}

// Quantiles are the type-7 quantiles of the residuals. It panics when there are
// none.
func (p *Pool) Quantiles() forecast.Quantiles { return forecast.Empirical(p.sorted) }

// RootMeanSquare is the root of the mean of min(z², 25). It is NaN for an empty
// pool.
func (p *Pool) RootMeanSquare() float64 {
	return math.Sqrt(math.Max(p.square, 0) / float64(len(p.sorted)))
}

// Persist carries the pool to and from a.
func (p *Pool) Persist(a *forecast.Archive) {
	p.order.Persist(a)
	a.Float(&p.square)
	if a.Reading() {
		p.sorted = slices.Clone(p.order.All())
		slices.Sort(p.sorted)
	}
}
