package conformal

import (
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
)

const (
	remembered = 1000 // origins that volatility is ranked among, at most
	enough     = 100  // with fewer there is no regime
)

// gauge says how volatile an origin is beside those before it.
type gauge struct {
	recent forecast.Recent // volatilities
	sorted []float64       // the same
	count  int
	mean   float64 // of their logarithms, of all since the start
}

func newGauge() gauge {
	return gauge{recent: forecast.NewRecent(remembered), sorted: make([]float64, 0, remembered)}
}

// known reports whether v is a volatility.
func known(v float64) bool { return v > 0 && v <= math.MaxFloat64 }

// relative takes in the volatility v and returns the logarithm of v over its
// geometric mean so far, v included: from -1 to 1, and drawn to 0 while the mean is
// of few. It is 0 when v is not known.
func (g *gauge) relative(v float64) float64 {
	if !known(v) {
		return 0
	}
	if g.recent.Len() == remembered {
		i, _ := slices.BinarySearch(g.sorted, g.recent.All()[0])
		g.sorted = g.sorted[:i+copy(g.sorted[i:], g.sorted[i+1:])]
	}
	g.recent.Push(v)
	i, _ := slices.BinarySearch(g.sorted, v)
	g.sorted = g.sorted[:len(g.sorted)+1]
	copy(g.sorted[i+1:], g.sorted[i:])
	g.sorted[i] = v

	log, n := math.Log(v), float64(g.count+1)
	g.count++
	g.mean += (log - g.mean) / n
	return math.Max(-1, math.Min(1, log-g.mean)) * (n / (n + enough))
}

// regime is the tercile of v, which relative has taken in.
func (g *gauge) regime(v float64) forecast.Regime {
	n := len(g.sorted)
	if !known(v) || n < enough {
		return forecast.UnknownRegime
	}
	below, _ := slices.BinarySearch(g.sorted, v)
	equal := below
	for equal < n && g.sorted[equal] == v {
		equal++
	}
	switch twice := below + equal; { // of the rank, ties in the middle
	case 3*twice < 2*n:
		return forecast.LowVolatility
	case 3*twice < 4*n:
		return forecast.MiddleVolatility
	}
	return forecast.HighVolatility
}

func (g *gauge) persist(a *forecast.Archive) {
	g.recent.Persist(a)
	a.Int(&g.count)
	a.Float(&g.mean)
	if !a.Reading() {
		return
	}
	kept := g.recent.All()
	bad := slices.ContainsFunc(kept, func(v float64) bool { return !known(v) })
	if !bad && len(kept) <= remembered && g.count >= len(kept) && math.Abs(g.mean) <= 1000 {
		g.sorted = append(g.sorted[:0], kept...)
		slices.Sort(g.sorted)
		return
	}
	a.Fail("volatilities of a layer")
	*g = newGauge()
}
