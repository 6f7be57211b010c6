package conformal

import (
	"math"

	"github.com/foretick/foretick/forecast"
)

// cutLevels are the levels that tell places apart, as indices into
// forecast.Probabilities: the quartiles and those outside.
var cutLevels = [...]int{0, 1, 2, 3, 4, 5, forecast.Q25, forecast.Q75, 17, 18, 19, 20, 21, 22}

// sizes are the drifts of a tail that are told apart, in logarithms of factors.
var sizes = [...]float64{-0.8, -0.7, -0.6, -0.5, -0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}

// The tails that a drift is of.
const (
	both = iota
	lower
	upper
	tails
)

// regimes is the number of places where a drift can be: everywhere, or in one regime.
const regimes = int(forecast.HighVolatility) + 1

// A kind of drift is where it is, its size, and the tails that it is of. Evidence
// holds R of each.
type evidence [regimes][len(sizes)][tails]float64

// share is w(k): half is of both tails, and 7 parts of 10 are of all regimes.
func share(regime, tail int) float64 {
	w := 1 / float64(len(sizes))
	if tail == both {
		w *= 0.5
	} else {
		w *= 0.25
	}
	if regime == int(forecast.UnknownRegime) {
		return 0.7 * w
	}
	return 0.1 * w
}

// side is one tail of a forecast: the distances from the median of the levels that
// have less and less outside, from 0 on.
type side [forecast.Q50 + 1]float64

// outside are logarithms of the probabilities outside the levels of a side, correctly
// rounded, so that no library function decides them.
var outside = side{-0.6931471805599453, -0.7985076962177716, -0.916290731874155, -1.0498221244986778,
	-1.203972804325936, -1.3862943611198906, -1.6094379124341003, -1.8971199848858813, -2.302585092994046,
	-2.995732273553991, -3.6888794541139363, -4.605170185988091}

// beyond is the probability of an outcome that is further than d from the median:
// log-linear between the levels, and on beyond the last.
func (s *side) beyond(d float64) float64 {
	i := 1
	for i < len(s)-1 && s[i] < d {
		i++
	}
	width := s[i] - s[i-1]
	if !(width > 0) {
		return math.Exp(outside[i])
	}
	return math.Exp(outside[i-1] + float64((outside[i]-outside[i-1])*((d-s[i-1])/width)))
}

// edge is one end of the places that an outcome fell into.
type edge struct {
	stated  float64             // probability of an outcome under it
	drifted [len(sizes)]float64 // the same when the tail that it lies in has drifted
	tail    int                 // that tail; both: there is none, it is the end of the line
}

// edgeAt is the edge at the level of q.
func (l *Layer) edgeAt(q *forecast.Quantiles, level int) (e edge) {
	e.stated = forecast.Probabilities[level]
	var s side
	m := q[forecast.Q50]
	e.tail = lower
	at := forecast.Q50 - level
	if level > forecast.Q50 {
		e.tail, at = upper, -at
		for i := range s {
			s[i] = q[forecast.Q50+i] - m
		}
	} else {
		for i := range s {
			s[i] = m - q[forecast.Q50-i]
		}
	}
	for i := range sizes {
		p := s.beyond(float64(s[at] * l.shrunk[i]))
		if e.tail == upper {
			p = 1 - p
		}
		e.drifted[i] = p
	}
	return e
}

// under is the probability of an outcome under e when the given tails have drifted.
func (e *edge) under(size, tail int) float64 {
	if e.tail != both && (tail == both || tail == e.tail) {
		return e.drifted[size]
	}
	return e.stated
}

// learn adds what the outcome y of o says for and against each kind.
func (l *Layer) learn(o *origin, y float64) {
	q := &o.stated
	if m := q[forecast.Q50]; !(q[forecast.Q25] < m && m < q[forecast.Q75]) || math.IsInf(q[len(q)-1]-q[0], 0) {
		return // the scale of a tail cannot be told
	}
	// y lies in the places between two cuts, several when it is equal to some.
	first := 0
	for first < len(cutLevels) && q[cutLevels[first]] < y {
		first++
	}
	last := first
	for last < len(cutLevels) && q[cutLevels[last]] <= y {
		last++
	}
	from, to := edge{stated: 0}, edge{stated: 1}
	if first > 0 {
		from = l.edgeAt(q, cutLevels[first-1])
	}
	if last < len(cutLevels) {
		to = l.edgeAt(q, cutLevels[last])
	}

	var ratio [len(sizes)][tails]float64
	for s := range sizes {
		for t := range tails {
			r := (to.under(s, t) - from.under(s, t)) / (to.stated - from.stated)
			if l.horizon > 1 && r != 1 {
				r = math.Pow(r, 1/float64(l.horizon))
			}
			ratio[s][t] = r
		}
	}
	var sums [tails]float64
	for r := range l.odds {
		here := r == int(forecast.UnknownRegime) || r == int(o.regime)
		odds, share := &l.odds[r], &l.share[r]
		for s := range odds {
			for t := range odds[s] {
				v := odds[s][t] + share[t]
				if here {
					v *= ratio[s][t]
				}
				odds[s][t] = v
				sums[t] += v
			}
		}
	}
	l.total = sums[both] + sums[lower] + sums[upper]
	if bound := most * l.alarm; l.total > bound {
		l.each(func(v *float64) { *v *= bound / l.total })
		l.total = bound
	}
}

// each calls f for the evidence of every kind.
func (l *Layer) each(f func(v *float64)) {
	for r := range l.odds {
		for s := range sizes {
			for t := range tails {
				f(&l.odds[r][s][t])
			}
		}
	}
}

// correction is the factors of the tails at the newest origin: 1 and 1 while no
// drift has been found.
func (l *Layer) correction() (lowerFactor, upperFactor float64) {
	if !l.Acting() {
		return 1, 1
	}
	var lo, up float64
	for r := range l.odds {
		if r != int(forecast.UnknownRegime) && r != int(l.regime) {
			continue
		}
		for s, d := range sizes {
			v := &l.odds[r][s]
			lo += float64(d * (v[both] + v[lower]))
			up += float64(d * (v[both] + v[upper]))
		}
	}
	return math.Exp(lo / (l.total + l.alarm)), math.Exp(up / (l.total + l.alarm))
}
