package gbm

import "github.com/foretick/foretick/forecast/feature"

// node is a split, or a leaf when Column is -1.
type node struct {
	Column      int32
	Left, Right int32   // places of the children
	Cut         float64 // rows up to here go left
	Value       float64 // of a leaf
}

// tree is its nodes, the root first.
type tree []node

func (t tree) at(row *feature.Row) float64 {
	k := int32(0)
	for t[k].Column >= 0 {
		if row[t[k].Column] <= t[k].Cut {
			k = t[k].Left
		} else {
			k = t[k].Right
		}
	}
	return t[k].Value
}

// sums are what a histogram keeps of a bin: negative gradients, curvatures, rows.
type sums struct{ g, h, n float64 }

type histogram [feature.Columns][mostBins]sums

// grower grows trees on one set of rows.
type grower struct {
	depth  int
	least  float64 // rows in a leaf
	weight float64 // added to the curvature of a leaf
	bins   *bins
	codes  []codes
	g, h   []float64
	leaf   func(rows []int32) float64
	room   []int32
	spare  []histogram // one a level and child
}

// grow returns the tree that splits the given rows where the gain
//
//	GL²/(HL + w) + GR²/(HR + w) - G²/(H + w)
//
// is largest, level by level. rows are put into another order.
func (w *grower) grow(rows []int32) tree {
	if w.spare == nil {
		w.spare = make([]histogram, 2*w.depth+1)
		w.room = make([]int32, len(w.codes))
	}
	var t tree
	h := &w.spare[2*w.depth]
	w.fill(h, rows)
	w.split(&t, rows, h, w.depth)
	return t
}

// fill adds rows up.
func (w *grower) fill(h *histogram, rows []int32) {
	*h = histogram{}
	for _, i := range rows {
		g, c := w.g[i], w.h[i]
		for j, k := range w.codes[i] {
			s := &h[j][k&(mostBins-1)]
			s.g += g
			s.h += c
			s.n++
		}
	}
}

// split appends the node of rows, whose histogram is h, and what is below it.
func (w *grower) split(t *tree, rows []int32, h *histogram, depth int) int32 {
	at := int32(len(*t))
	*t = append(*t, node{Column: -1})
	column, cut := -1, 0
	if depth > 0 {
		column, cut = w.best(h)
	}
	if column < 0 {
		(*t)[at].Value = w.leaf(rows)
		return at
	}
	// Left rows first, both in the order they had.
	n, rest := 0, w.room[:0]
	for _, i := range rows {
		if int(w.codes[i][column]) <= cut {
			rows[n] = i
			n++
		} else {
			rest = append(rest, i)
		}
	}
	copy(rows[n:], rest)
	left, right := &w.spare[2*depth-2], &w.spare[2*depth-1]
	if depth > 1 {
		// The larger child is what the smaller leaves.
		small, large, part := left, right, rows[:n]
		if n > len(rows)-n {
			small, large, part = right, left, rows[n:]
		}
		w.fill(small, part)
		for j := range h {
			for k := range h[j] {
				a, b := &h[j][k], &small[j][k]
				large[j][k] = sums{a.g - b.g, a.h - b.h, a.n - b.n}
			}
		}
	}
	l := w.split(t, rows[:n], left, depth-1)
	r := w.split(t, rows[n:], right, depth-1)
	(*t)[at] = node{Column: int32(column), Left: l, Right: r, Cut: w.bins.cuts[column][cut]}
	return at
}

// best is the column and the last bin on the left of the best split, -1 when none
// gains. Of two that gain the same but for rounding it is the first.
func (w *grower) best(h *histogram) (column, cut int) {
	column = -1
	var gain float64
	for j := range h {
		var all, left sums
		for _, s := range h[j] {
			all.g += s.g
			all.h += s.h
			all.n += s.n
		}
		whole := all.g * all.g / (all.h + w.weight)
		for k := range w.bins.cuts[j] {
			s := &h[j][k]
			left.g += s.g
			left.h += s.h
			left.n += s.n
			if left.n < w.least {
				continue
			}
			if all.n-left.n < w.least {
				break
			}
			right := all.g - left.g
			v := left.g*left.g/(left.h+w.weight) + right*right/(all.h-left.h+w.weight) - whole
			if v > gain*(1+1e-9)+1e-12 {
				gain, column, cut = v, j, k
			}
		}
	}
	return column, cut
}
