package feature

import "math"

// Scaler puts rows on one footing: each column less its mean, divided by its standard
// deviation. A column that does not vary becomes 0.
type Scaler struct {
	Mean, Per Row // Per is 1 / standard deviation, or 0
}

// NewScaler measures the columns of rows, of which there must be at least one.
func NewScaler(rows []Row) (s Scaler) {
	n := float64(len(rows))
	for i := range rows {
		for j, x := range rows[i] {
			s.Mean[j] += x
		}
	}
	for j := range s.Mean {
		s.Mean[j] /= n
	}
	var square Row
	for i := range rows {
		for j, x := range rows[i] {
			d := x - s.Mean[j]
			square[j] += float64(d * d)
		}
	}
	for j := range square {
		if sd := math.Sqrt(square[j] / n); sd > 1e-9 {
			s.Per[j] = 1 / sd
		}
	}
	return s
}

// mostScaled is how many standard deviations a column counts at most: what is further out
// than anything learnt from must not be extrapolated to.
const mostScaled = 6

// Apply returns row scaled, every column within ±6.
func (s *Scaler) Apply(row *Row) (scaled Row) {
	for j, x := range row {
		scaled[j] = clip((x-s.Mean[j])*s.Per[j], mostScaled)
	}
	return scaled
}
