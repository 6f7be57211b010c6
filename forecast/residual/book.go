package residual

import "github.com/foretick/foretick/forecast"

// Book remembers what scale was forecast at each origin until the return has been
// realised.
type Book struct {
	horizons []int
	sums     forecast.Recent   // cumulated returns, one an origin
	scales   []forecast.Recent // per horizon, one an origin; 0: none was forecast
}

// NewBook returns a book for the given horizons, ascending.
func NewBook(horizons []int) *Book {
	b := &Book{horizons: horizons}
	most := horizons[len(horizons)-1] + 1
	b.sums = forecast.NewRecent(most)
	for _, h := range horizons {
		b.scales = append(b.scales, forecast.NewRecent(h+1))
	}
	return b
}

// Realise takes the newest return and calls f for each horizon (its place in the
// list) whose origin is now realised, with the return since then and the scale that
// was forecast.
func (b *Book) Realise(r float64, f func(i int, y, scale float64)) {
	last := 0.0
	if b.sums.Len() > 0 {
		last = b.sums.Back(0)
	}
	b.sums.Push(last + r)
	for i, h := range b.horizons {
		s := &b.scales[i]
		if s.Len() < h {
			continue
		}
		if scale := s.Back(h - 1); scale > 0 {
			f(i, b.sums.Back(0)-b.sums.Back(h), scale)
		}
	}
}

// Note records the scale forecast at the newest origin for horizon i; it is called
// once an origin for every horizon, after Realise; 0 when there is none.
func (b *Book) Note(i int, scale float64) { b.scales[i].Push(scale) }

// Break forgets all origins: the returns after it do not follow those before.
func (b *Book) Break() {
	most := b.horizons[len(b.horizons)-1] + 1
	b.sums = forecast.NewRecent(most)
	for i, h := range b.horizons {
		b.scales[i] = forecast.NewRecent(h + 1)
	}
}

// Persist carries the book to and from a.
func (b *Book) Persist(a *forecast.Archive) {
	b.sums.Persist(a)
	for i := range b.scales {
		b.scales[i].Persist(a)
	}
}
