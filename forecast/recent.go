package forecast

// Recent keeps the newest numbers of a stream, oldest first and in one piece. The
// zero value keeps none: use NewRecent.
type Recent struct {
	buf  []float64
	most int
}

// NewRecent keeps at most the given number, which must be at least 1.
func NewRecent(most int) Recent { return Recent{most: most} }

// Push adds x as the newest.
func (r *Recent) Push(x float64) {
	if len(r.buf) >= 2*r.most {
		r.buf = r.buf[:copy(r.buf, r.buf[len(r.buf)-r.most+1:])]
	}
	r.buf = append(r.buf, x)
}

// All returns the numbers, oldest first. They are valid until the next Push.
func (r *Recent) All() []float64 { return r.buf[max(0, len(r.buf)-r.most):] }

// Len is how many there are.
func (r *Recent) Len() int { return min(len(r.buf), r.most) }

// Back returns the number that came i before the newest. It panics when there is
// none.
func (r *Recent) Back(i int) float64 { return r.All()[r.Len()-1-i] }

// Scale multiplies the numbers by x.
func (r *Recent) Scale(x float64) {
	for i := range r.buf {
		r.buf[i] *= x
	}
}

// Shift adds x to the numbers.
func (r *Recent) Shift(x float64) {
	for i := range r.buf {
		r.buf[i] += x
	}
}

// Persist carries the numbers to and from a.
func (r *Recent) Persist(a *Archive) {
	kept := r.All()
	a.Floats(&kept)
	if a.Reading() {
		r.buf = kept
	}
}
