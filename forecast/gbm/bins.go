package gbm

import (
	"slices"

	"github.com/foretick/foretick/forecast/feature"
)

// mostBins is how many values a column may take at most after binning.
const mostBins = 32

// bins cuts each column into at most mostBins bins of about equally many rows. Bin k
// holds values above cuts[k-1] and up to cuts[k].
type bins struct {
	cuts [feature.Columns][]float64 // ascending, one fewer than there are bins
}

// newBins places the cuts half way between two values that occur in rows, so that
// rounding does not move a row across one.
func newBins(rows []feature.Row) *bins {
	b := &bins{}
	sorted := make([]float64, len(rows))
	for j := range b.cuts {
		for i := range rows {
			sorted[i] = rows[i][j]
		}
		slices.Sort(sorted)
		for k := 1; k < mostBins; k++ {
			i := k * len(sorted) / mostBins
			for i > 0 && i < len(sorted) && sorted[i]-sorted[i-1] <= 1e-9 { // the same but for rounding
				i++
			}
			if i == 0 || i >= len(sorted) {
				continue
			}
			cut := sorted[i-1] + (sorted[i]-sorted[i-1])/2
			if n := len(b.cuts[j]); n == 0 || cut > b.cuts[j][n-1] {
				b.cuts[j] = append(b.cuts[j], cut)
			}
		}
	}
	return b
}

// codes are the bins that a row falls in.
type codes [feature.Columns]uint8

func (b *bins) codes(row *feature.Row) (c codes) {
	for j, x := range row {
		k, _ := slices.BinarySearch(b.cuts[j], x)
		c[j] = uint8(k)
	}
	return c
}
