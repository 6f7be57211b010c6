package gbm

import (
	"math"

	"github.com/foretick/foretick/forecast/feature"
)

// ensemble is a boosted function: a constant plus trees.
type ensemble struct {
	Start float64
	Trees []tree // leaves already shrunk
}

func (e *ensemble) at(row *feature.Row) float64 {
	f := e.Start
	for _, t := range e.Trees {
		f += t.at(row)
	}
	return f
}

// boost fits an ensemble to y, oldest first: trees are grown on the rows before the
// newest share of Validate, with h rows between them whose targets reach into it, until
// the loss on those newest has not fallen for Patience trees; the trees after the best
// are dropped.
func (m *Model) boost(l loss, b *bins, rows []feature.Row, code []codes, y []float64, h int) ensemble {
	n := len(y)
	from := n - int(m.Validate*float64(n)) // of the validation
	train := from - h
	e := ensemble{Start: l.start(y[:train])}
	room := make([]float64, n+2*train)
	f, g, c := room[:n], room[n:n+train], room[n+train:]
	for i := range f {
		f[i] = e.Start
	}
	order := make([]int32, train)
	grower := grower{depth: m.Depth, least: float64(m.Leaf), weight: m.Weight, bins: b, codes: code[:train], g: g, h: c,
		leaf: func(rows []int32) float64 { return m.Rate * l.leaf(y[:train], f[:train], g, c, rows) }}
	valid := func() (sum float64) {
		for i := from; i < n; i++ {
			sum += l.at(y[i], f[i])
		}
		return sum
	}
	best, kept := valid(), 0
	for len(e.Trees) < m.Trees && len(e.Trees)-kept < m.Patience {
		l.gradient(y[:train], f[:train], g, c)
		for i := range order {
			order[i] = int32(i)
		}
		t := grower.grow(order)
		if len(t) == 1 && math.Abs(t[0].Value) < 1e-12 {
			break
		}
		e.Trees = append(e.Trees, t)
		for i := range rows {
			f[i] += t.at(&rows[i])
		}
		if v := valid(); v < best*(1-1e-9) {
			best, kept = v, len(e.Trees)
		}
	}
	e.Trees = e.Trees[:kept]
	return e
}
