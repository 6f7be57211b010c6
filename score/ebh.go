package score

import (
	"cmp"
	"slices"
)

// EBH returns the places of the e-values that are discoveries at false discovery rate
// alpha, ascending: the e-BH procedure of Wang & Ramdas (2022), "False discovery rate
// control with e-values", valid whatever the dependence. With n e-values, the k largest
// are discoveries for the greatest k whose k-th largest is at least n/(k alpha). NaN
// counts among the n and is never one.
func EBH(e []float64, alpha float64) []int {
	order := make([]int, 0, len(e))
	for i, v := range e {
		if v == v {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(e[b], e[a]) })
	k := len(order)
	for k > 0 && !(float64(k)*alpha*e[order[k-1]] >= float64(len(e))) {
		k--
	}
	found := order[:k]
	slices.Sort(found)
	return found
}
