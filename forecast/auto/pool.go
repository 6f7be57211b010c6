package auto

import (
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/conformal"
)

// The levels that weights are learnt from: those of the CRPS.
const (
	firstLevel = forecast.Q05
	levels     = forecast.Q95 - forecast.Q05 + 1
)

// pool learns the weights of one horizon.
type pool struct {
	horizon int
	prior   []float64
	learn   int
	regret  []float64 // R
	square  []float64 // S
	known   int       // outcomes
	weights []float64 // now
	// What was said at the newest origins, oldest first: horizon of them at most.
	said []said
	// What is stated now: the pool, corrected where its coverage has drifted.
	stated forecast.Quantiles
	layer  *conformal.Layer
}

// said is what the pool and its experts said at one origin, in 100 x log return.
type said struct {
	pool    forecast.Quantiles
	experts []forecast.Quantiles
	present []bool // per expert
	spread  float64
	ok      bool
	sum     float64 // cumulated returns at the origin
}

func newPool(horizon, learn int, prior []float64, layer *conformal.Layer) *pool {
	return &pool{layer: layer, horizon: horizon, prior: prior, learn: learn, regret: make([]float64, len(prior)),
		square: make([]float64, len(prior)), weights: slices.Clone(prior)}
}

// combine pools the answers of the experts that are present; false when none is.
func (p *pool) combine(s *said) bool {
	total := 0.0
	s.pool = forecast.Quantiles{}
	for k := range s.experts {
		if !s.present[k] {
			continue
		}
		w := p.weights[k]
		total += w
		for l, q := range &s.experts[k] {
			s.pool[l] += float64(w * q)
		}
	}
	if !(total > 0) {
		return false
	}
	for l := range s.pool {
		s.pool[l] /= total
		if l > 0 { // rounding
			s.pool[l] = math.Max(s.pool[l], s.pool[l-1])
		}
	}
	// The interval of 90 % of a normal distribution is 3.29 standard deviations wide.
	s.spread = (s.pool[forecast.Q95] - s.pool[forecast.Q05]) / 3.29
	s.ok = s.spread > 0
	return true
}

// outcome learns that the return since s was y.
func (p *pool) outcome(s *said, y float64) {
	p.known++
	for k := range p.regret {
		if !s.present[k] {
			continue
		}
		var sum, square float64
		for l := firstLevel; l < firstLevel+levels; l++ {
			g := -forecast.Probabilities[l]
			if y < s.pool[l] {
				g++
			}
			rho := math.Max(-1, math.Min(1, float64(g*(s.pool[l]-s.experts[k][l]))/s.spread))
			sum += rho
			square += float64(rho * rho)
		}
		p.regret[k] += sum / levels
		p.square[k] += square / levels
	}
	if p.known >= p.learn {
		p.weigh()
	}
}

// weigh sets the weights from what has been learnt.
func (p *pool) weigh() {
	lnK := math.Log(float64(len(p.prior)))
	most := math.Inf(-1)
	for k := range p.weights {
		eta := 1.0
		if p.square[k] > 0 {
			eta = math.Min(1, math.Sqrt(lnK/p.square[k]))
		}
		p.weights[k] = math.Log(p.prior[k]) + float64(eta*p.regret[k]) - float64(eta*eta*p.square[k])
		most = math.Max(most, p.weights[k])
	}
	total := 0.0
	for k := range p.weights {
		p.weights[k] = math.Exp(p.weights[k] - most)
		total += p.weights[k]
	}
	for k := range p.weights {
		p.weights[k] /= total
	}
}

// correct states the pool of the newest origin, corrected; ok false when there is none.
func (p *pool) correct(o *said, ok bool, volatility float64) {
	if !ok {
		p.layer.Pass()
		return
	}
	p.stated = o.pool
	p.layer.Adjust(&p.stated, volatility)
}

// silence is why there is no forecast at the newest origin; nil when there is one, or no
// origin.
func (p *pool) silence() error {
	if n := len(p.said); n == 0 || slices.Contains(p.said[n-1].present, true) {
		return nil
	}
	return fmt.Errorf("auto: %w: no expert has a forecast", forecast.ErrTooShort)
}

func (p *pool) persist(a *forecast.Archive) {
	p.layer.Persist(a)
	a.Array(p.stated[:])
	a.Array(p.regret)
	a.Array(p.square)
	a.Array(p.weights)
	a.Int(&p.known)
	n := len(p.said)
	a.Int(&n)
	if a.Reading() {
		p.said = make([]said, max(0, min(n, p.horizon)))
	}
	for i := range p.said {
		s := &p.said[i]
		if a.Reading() {
			s.experts = make([]forecast.Quantiles, len(p.prior))
			s.present = make([]bool, len(p.prior))
		}
		a.Array(s.pool[:])
		for k := range s.experts {
			a.Bool(&s.present[k])
			a.Array(s.experts[k][:])
		}
		a.Float(&s.spread, &s.sum)
		a.Bool(&s.ok)
	}
}
