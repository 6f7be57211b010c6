// Package conformal keeps the quantiles of a forecaster honest online: it widens or
// narrows a tail when the outcomes have shown that its coverage drifted, and leaves
// the forecast as it is, to the last bit, as long as they have not.
//
// # Why not a tracker
//
// Adaptive conformal inference (Gibbs & Candes 2021, "Adaptive conformal inference
// under distribution shift"), its aggregated form (Gibbs & Candes 2024, "Conformal
// inference for online prediction with arbitrary distribution shifts") and conformal
// PID control (Angelopoulos, Candes & Tibshirani 2023) correct after every outcome.
// That buys a coverage that is right on average whatever happens, and costs a noise
// that never ends: on forecasts that were calibrated to begin with they only make
// them worse. docs/forecasting.md has the table. This layer asks first whether there
// is anything to correct.
//
// # The filter
//
// A kind of drift is a pair of factors: the lower tail of the outcomes reaches a
// times as far from the median as forecast, the upper one b times. Kinds are both
// tails alike, the lower alone and the upper alone, each by 16 factors from exp(-0.8)
// to exp(0.8), each in all volatility regimes or in one of the three.
// For every kind k the outcome has a likelihood ratio L(k) against "no drift": it
// falls between two of the stated quantiles; the ratio is the probability of that
// place when the stated distribution is stretched by the drift, over the probability
// that was stated. Probabilities outside a level are log-linear between levels and
// beyond the last. Places between the quartiles count as one, because what happens
// there says little about tails (prices that stand still, medians a little off).
// The evidence that a drift of kind k began at some time and lasts is
//
//	R(k) = (R(k) + w(k)) L(k)
//
// with prior shares w that sum to 1: the Shiryaev-Roberts statistic of change
// detection, and the "fixed share" of Herbster & Warmuth (1998). Without drift,
// L has mean 1, so R = sum of R(k) grows by 1 an outcome on average, and by Doob's
// inequality the chance that it reaches c within n outcomes is at most n/c: it is
// an e-detector (Shin, Ramdas & Rinaldo 2023, "E-detectors: a nonparametric framework
// for sequential change detection"), here of the stated probabilities themselves as in
// Arnold, Henzi & Ziegel (2023, "Sequentially valid tests for forecast calibration").
// So looking after every outcome fools nobody.
//
// While R < c nothing is done. From R = c on, the distance of each quantile from the
// median is multiplied by exp(d) of its tail,
//
//	d(tail) = sum of R(k) d(k, tail) / (R + c)
//
// over the kinds that act in the regime of the origin: the mean of the kinds, shrunk
// towards none by as much as the evidence still leaves room for none. R is held at
// 100 c at most, so that a drift that has ended is unlearnt as it was learnt.
//
// Outcomes at horizon h overlap. Their ratios count to the power of 1/h, and
// w(k)/h begins at each: the product of h interleaved series of ratios, each without
// overlap and of mean 1, has when each is taken to the power of 1/h a mean of at most
// 1 (Hölder's inequality). Looking after every outcome is not covered by that, so
// c comes from simulation there.
//
// # What is promised
//
// Of calibrated forecasts, at least 95 in 100 series stay untouched for
// [Options].Origins origins (measured 96 to 97; for horizon 1 the proof gives 93).
// A drift that lasts, within factors of 0.45 to 2.2, is found, and coverage comes back
// on average over the long run, to the coarseness of the kinds: within a point in the
// tests here. Nothing more is promised: not the coverage of any one forecast, nor
// that of tails off by less than some 5 %, which 2,000 outcomes cannot tell from
// chance, nor medians that are off.
//
// # The regimes, and the prior
//
// An origin belongs to the low, middle or high regime by the rank of its volatility
// among that of the last 1,000 origins. A [Prior] corrects what is known from other
// series to be off in the same way everywhere: it is not learnt here, and without
// one it does nothing.
package conformal

import (
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
)

// Options of a layer. The zero value is good: no prior, 2,000 origins.
type Options struct {
	// Prior is applied to every forecast before anything is learnt.
	Prior Prior
	// Origins is how long a calibrated series shall stay untouched in 95 of 100
	// cases; 0 means 2000. More makes the layer slower to act, by the logarithm.
	Origins int
}

// usualOrigins is the default of Options.Origins, for which the thresholds hold.
const usualOrigins = 2000

// most bounds the evidence, in thresholds.
const most = 100

// Layer corrects the quantiles of one series at one horizon. It is not for use by
// several goroutines at once.
type Layer struct {
	horizon int
	options Options
	alarm   float64                 // c
	share   [regimes][tails]float64 // w(k) / horizon
	shrunk  [len(sizes)]float64     // exp(-size)

	odds     evidence
	total    float64 // R
	gauge    gauge
	regime   forecast.Regime // of the newest origin
	waiting  []origin        // those whose outcome is not known, oldest first
	recently tally
}

// origin is what was stated, before the correction.
type origin struct {
	stated forecast.Quantiles
	regime forecast.Regime
	ok     bool // there was a forecast
}

// New returns the layer for forecasts of the bar that comes horizon bars after the
// origin. It panics when horizon is below 1 or an option is out of range.
func New(horizon int, o Options) *Layer {
	if o.Origins == 0 {
		o.Origins = usualOrigins
	}
	if horizon < 1 || o.Origins < 1 || !o.Prior.valid() {
		panic(fmt.Sprintf("conformal: horizon %d, options %+v are out of range", horizon, o))
	}
	l := &Layer{horizon: horizon, options: o, alarm: threshold(horizon, o.Origins),
		waiting: make([]origin, 0, horizon), recently: newTally(), gauge: newGauge()}
	for r := range l.share {
		for t := range l.share[r] {
			l.share[r][t] = share(r, t) / float64(horizon)
		}
	}
	for i, d := range sizes {
		l.shrunk[i] = math.Exp(-d)
	}
	return l
}

// threshold is c. For calibrated forecasts with independent steps, 5 % of 400
// simulated series of 2,000 origins reached 20466, 1794, 844, 432, 253 and 118 at
// horizons 1, 2, 3, 5, 10 and 20; this is a little above.
func threshold(horizon, origins int) float64 {
	h := float64(horizon)
	return math.Max(30000/(h*h*h*h), 2800/h) * float64(origins) / usualOrigins
}

// Adjust corrects q, the forecast at a new origin in any unit. volatility is that of
// the series as known at the origin, in any unit that stays the same: only its size
// beside that of other origins counts; 0 or NaN when it is not known. Quantiles
// never cross and stay finite; the median stays where it is. A q that does not
// validate is left alone and not learnt from.
//
// It panics when horizon origins wait for their outcome already: Realise or Forget
// comes first.
func (l *Layer) Adjust(q *forecast.Quantiles, volatility float64) {
	o := l.push()
	x := l.gauge.relative(volatility)
	l.regime = l.gauge.regime(volatility)
	if q.Validate() != nil {
		return
	}
	if f := l.options.Prior.factor(x); f != 1 {
		scale(q, f, f)
	}
	o.ok, o.regime, o.stated = true, l.regime, *q
	if lower, upper := l.correction(); lower != 1 || upper != 1 {
		scale(q, lower, upper)
	}
}

// Pass notes an origin without a forecast. It panics as Adjust does.
func (l *Layer) Pass() { l.push() }

func (l *Layer) push() *origin {
	if len(l.waiting) == l.horizon {
		panic(fmt.Sprintf("conformal: %d origins wait for their outcome at horizon %[1]d", l.horizon))
	}
	l.waiting = append(l.waiting, origin{})
	return &l.waiting[len(l.waiting)-1]
}

// Waiting is the number of origins whose outcome is not known.
func (l *Layer) Waiting() int { return len(l.waiting) }

// Realise learns that the outcome of the oldest origin that waits was y, in the unit
// of its quantiles. Nothing is learnt when there was no forecast or y is not finite.
// It panics when no origin waits.
func (l *Layer) Realise(y float64) {
	if len(l.waiting) == 0 {
		panic("conformal: no origin waits for an outcome")
	}
	o := l.waiting[0]
	l.waiting = l.waiting[:copy(l.waiting, l.waiting[1:])]
	if !o.ok || math.IsNaN(y) || math.IsInf(y, 0) {
		return
	}
	l.learn(&o, y)
	l.recently.add(y < o.stated[forecast.Q05], y > o.stated[forecast.Q95])
}

// Forget drops the origins that wait: their outcomes will never be known.
func (l *Layer) Forget() { l.waiting = l.waiting[:0] }

// scale multiplies the distances from the median, unless that overflows.
func scale(q *forecast.Quantiles, lower, upper float64) {
	m := q[forecast.Q50]
	p := *q
	for i := range forecast.Q50 {
		p[i] = m - float64(lower*(m-p[i]))
	}
	for i := forecast.Q50 + 1; i < len(p); i++ {
		p[i] = m + float64(upper*(p[i]-m))
	}
	if p.Validate() == nil {
		*q = p
	}
}

// Persist carries everything that decides the answers to and from a, which must be
// of a layer of the same horizon and options.
func (l *Layer) Persist(a *forecast.Archive) {
	h := l.horizon
	a.Int(&h)
	if h != l.horizon {
		a.Fail("a layer of horizon %d in place of %d", h, l.horizon)
	}
	a.Float(&l.total)
	sum := 0.0
	l.each(func(v *float64) {
		a.Float(v)
		if !(*v >= 0) {
			a.Fail("evidence of %v", *v)
		}
		sum += *v
	})
	if !(math.Abs(l.total-sum) <= 1e-9*sum) {
		a.Fail("evidence of %v in all", l.total)
	}
	n, r := len(l.waiting), int(l.regime)
	a.Int(&n)
	a.Int(&r)
	if n < 0 || n > l.horizon || r < 0 || r > int(forecast.HighVolatility) {
		a.Fail("%d origins in regime %d", n, r)
		n, r = 0, 0
	}
	l.regime = forecast.Regime(r)
	l.waiting = l.waiting[:n]
	for i := range l.waiting {
		l.waiting[i].persist(a)
	}
	l.gauge.persist(a)
	l.recently.persist(a)
}

func (o *origin) persist(a *forecast.Archive) {
	a.Array(o.stated[:])
	a.Bool(&o.ok)
	if o.ok && o.stated.Validate() != nil {
		a.Fail("quantiles of an origin")
	}
	r := int(o.regime)
	a.Int(&r)
	if r < 0 || r > int(forecast.HighVolatility) {
		a.Fail("volatility regime %d", r)
		r = 0
	}
	o.regime = forecast.Regime(r)
}
