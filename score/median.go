package score

import (
	"math"
	"slices"
)

// median is the middle value of x, the mean of the two middle ones when their
// number is even, NaN when there is none. It reorders x, which must hold no NaN.
func median(x []float64) float64 {
	n := len(x)
	if n == 0 {
		return math.NaN()
	}
	high := nth(x, n/2)
	if n%2 == 1 {
		return high
	}
	low := slices.Max(x[:n/2]) // nth has put the smaller half there
	return low/2 + high/2
}

// nth reorders x so that x[k] is what it would be if x were sorted, with nothing
// larger before it and nothing smaller after it, and returns x[k]. It is
// quickselect with the median of three as pivot; when that goes badly it sorts.
func nth(x []float64, k int) float64 {
	lo, hi := 0, len(x)-1
	for tries := 0; hi-lo > 16; tries++ {
		if tries == 64 {
			break
		}
		mid := lo + (hi-lo)/2
		if x[mid] < x[lo] {
			x[mid], x[lo] = x[lo], x[mid]
		}
		if x[hi] < x[lo] {
			x[hi], x[lo] = x[lo], x[hi]
		}
		if x[hi] < x[mid] {
			x[hi], x[mid] = x[mid], x[hi]
		}
		pivot := x[mid]
		i, j := lo, hi
		for i <= j {
			for x[i] < pivot {
				i++
			}
			for x[j] > pivot {
				j--
			}
			if i <= j {
				x[i], x[j] = x[j], x[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return x[k] // between j and i all equal the pivot
		}
	}
	slices.Sort(x[lo : hi+1])
	return x[k]
}
