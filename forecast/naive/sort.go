package naive

import (
	"math"
	"slices"
)

// buckets is how many equal steps the middle of the data is cut into: about one a
// value at the default of 250 values.
const buckets = 256

// maxBucketed is the largest sample that sortReturns cuts into buckets.
const maxBucketed = 256

// sortReturns sorts x, which must be finite, ascending. Sorting is nearly all that
// this model costs, and a comparison sort of 250 unordered values is mostly
// mispredicted branches. So it first deals the values into buckets in one pass, then
// mends the little that is out of order by insertion, about three times as fast as
// slices.Sort. Buckets span three mean absolute deviations on either side of the
// mean, and the outermost take the tails. Where many values share a bucket
// (identical prices, one huge jump) slices.Sort orders that bucket.
func sortReturns(x []float64) {
	var sum, dev float64
	for _, v := range x {
		sum += v
	}
	n := len(x)
	mean := sum / float64(n)
	for _, v := range x {
		dev += math.Abs(v - mean)
	}
	perStep := float64(n) * (buckets / 6) / dev
	if n > maxBucketed || !(perStep < math.MaxFloat64) {
		slices.Sort(x)
		return
	}
	var in [maxBucketed]uint8
	var size, next [buckets]uint16
	for i, v := range x {
		// Bounded before the conversion, which is not defined outside.
		b := uint8(max(0, min(buckets-1, float64((v-mean)*perStep)+buckets/2)))
		in[i] = b
		size[b]++
	}
	at := uint16(0)
	for b := range size {
		next[b] = at
		at += size[b]
	}
	var out [maxBucketed]float64
	for i, v := range x {
		b := in[i]
		out[next[b]] = v
		next[b]++
	}
	for b, k := range size {
		if k > 16 {
			slices.Sort(out[next[b]-k : next[b]])
		}
	}
	copy(x, out[:n])
	for i := 1; i < n; i++ {
		v, j := x[i], i
		for ; j > 0 && x[j-1] > v; j-- {
			x[j] = x[j-1]
		}
		x[j] = v
	}
}
