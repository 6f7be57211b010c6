package score

import (
	"math"

	"github.com/foretick/foretick/market"
)

// Test weighs the evidence that a model is better or worse than naive, score by score,
// and stays valid however often it is looked at.
//
// It is a bet against the claim "the expected gain over naive is never above 0",
// whatever the past (the strong null of Choe & Ramdas 2023, "Comparing sequential
// forecasters", in the betting form of Waudby-Smith & Ramdas 2023, "Estimating means
// of bounded random variables by betting"). The gain of score t is d(t) = naive's CRPS
// - the model's. Before the outcome is known it is bounded: d(t) >= -L(t), because both
// forecasts are sealed (Score.GainLow). Starting with a wealth of 1, stake the share
// k(t) and win
//
//	W(t) = W(t-1) (1 + k(t) d(t)),  k(t) = clip(sum d / (sum d² + 25 L(1)²), 0, 1/(2 L(t)))
//
// with sums over the scores before t. If the claim is true, W is a supermartingale:
// the chance that it ever reaches 1/a is at most a (Ville 1939). The mirrored bet W' is
// against "the expected loss to naive is never above 0". The evidence of either is E =
// (W + W')/2, and min(1, 1/max E) is a p-value at any time.
//
// Each target is weighed once, in order, on the outcome that its first Score has: a
// score of a target that was weighed, or of an earlier one, is passed over. So is one
// whose cutoff lies before the last target that was weighed has ended, because its stake
// would know an outcome that its forecast did not: of forecasts at horizon h, whose
// targets overlap, one in h counts. Nothing else decides which scores count, least of
// all their outcomes.
//
// The zero value is ready.
type Test struct {
	n             int
	free          market.Time // the first cutoff that does not overlap the last target
	sum, square   float64     // of d
	first, mirror float64     // L(1), U(1)
	better, worse float64     // ln W, ln W'
	// The highest ln E while W was the larger, and while W' was.
	mostBetter, mostWorse float64
	weak                  mixture
}

const (
	// prudence is how many times the square of the first bound is added to the sum of
	// squares: the more, the smaller the first stakes.
	prudence = 25
	// negligible is a bound on a gain, in 100 x log return, below which forecasts are
	// the same but for rounding. Nothing is staked on that.
	negligible = 1e-9
)

// Add takes the next score, in order of target. Scores without naive's beside them and
// those of naive itself are passed over, too. It does not allocate.
func (t *Test) Add(s *Score) {
	d := s.NaiveCRPS - s.CRPS
	if math.IsNaN(d) || math.IsNaN(s.GainLow) || math.IsNaN(s.GainHigh) || s.Model == Naive {
		return
	}
	if t.n > 0 && (s.Cutoff < t.free || s.Target < t.free) {
		return
	}
	// The bar before the target ends when the target starts, or earlier; the first
	// cutoff after that is the end of the target.
	t.free = s.Target + 1
	// Rounding must not let an outcome gain more than was thought possible.
	low, high := math.Max(-s.GainLow, -d), math.Max(s.GainHigh, d)
	t.n++
	if t.n == 1 {
		t.first, t.mirror = low, high
	}
	t.better += bet(d, stake(t.sum, t.square, t.first, low))
	t.worse += bet(-d, stake(-t.sum, t.square, t.mirror, high))
	t.sum += d
	t.square += float64(d * d)
	if e := t.logE(); t.better >= t.worse {
		t.mostBetter = math.Max(t.mostBetter, e)
	} else {
		t.mostWorse = math.Max(t.mostWorse, e)
	}
	t.weak.add(d, math.Max(low, high))
}

// stake is the share that is bet: what has paid so far, with bounds.
func stake(sum, square, first, bound float64) float64 {
	if !(bound > negligible) || sum <= 0 {
		return 0
	}
	return math.Min(sum/(square+float64(prudence*first*first)), 0.5/bound)
}

// bet is the growth of the logarithm of the wealth.
func bet(d, stake float64) float64 { return math.Log1p(stake * d) }

// logE is ln((W + W')/2).
func (t *Test) logE() float64 {
	a, b := math.Max(t.better, t.worse), math.Min(t.better, t.worse)
	return a + math.Log1p(math.Exp(b-a)) - math.Ln2
}

// Evidence is what a Test has found so far. Its e-values are capped at 1e300.
type Evidence struct {
	N int `json:"n" doc:"Scores that were weighed: targets do not overlap."`
	// EValue is E now. Below 1 nothing speaks for a difference.
	EValue float64 `json:"e_value" doc:"Evidence now that the model differs from naive; 1 is none, 20 is what a verdict needs."`
	// Peak is the highest E so far, and P = min(1, 1/Peak).
	Peak float64 `json:"peak" doc:"The highest evidence so far."`
	// PeakBetter and PeakWorse are the highest E while the bet on better had won more,
	// and while the bet on worse had.
	PeakBetter float64 `json:"peak_better" doc:"The highest evidence so far while it spoke for better."`
	PeakWorse  float64 `json:"peak_worse" doc:"The highest evidence so far while it spoke for worse."`

	P      float64 `json:"p" doc:"p-value that is valid at any time: min(1, 1/peak)."`
	Better float64 `json:"better" doc:"Wealth of the bet that the model is better than naive."`
	Worse  float64 `json:"worse" doc:"Wealth of the bet that it is worse."`
	// Weak is the evidence against the weak null, that the mean of the gains expected so
	// far is 0, each gain measured in the largest that was possible then. A model may have
	// been better now and worse then. It is half the sum of both directions, and needs
	// more data than E.
	Weak float64 `json:"weak" doc:"Evidence about the mean gain alone, a weaker claim that needs more data."`
	Mean float64 `json:"mean_gain" doc:"Mean gain in CRPS over naive, in 100 x log return."`
}

// Evidence returns what has been found so far.
func (t *Test) Evidence() Evidence {
	e := Evidence{N: t.n, EValue: 1, Peak: 1, PeakBetter: 1, PeakWorse: 1, P: 1, Better: 1, Worse: 1, Weak: 1}
	if t.n == 0 {
		return e
	}
	e.EValue, e.Better, e.Worse = expCapped(t.logE()), expCapped(t.better), expCapped(t.worse)
	e.PeakBetter, e.PeakWorse = expCapped(t.mostBetter), expCapped(t.mostWorse)
	e.Peak = math.Max(e.PeakBetter, e.PeakWorse)
	e.P = 1 / e.Peak
	e.Weak = t.weak.evidence()
	e.Mean = t.sum / float64(t.n)
	return e
}

func expCapped(ln float64) float64 { return math.Min(math.Exp(ln), 1e300) }

// mixture is the sub-exponential e-process for the weak null, that the mean of the
// conditional expectations so far is not above 0 (Choe & Ramdas 2023, theorem 2, after
// Howard et al. 2021): with u = d/c in [-1, 1], c known beforehand, g the mean of the
// past u, S the sum of u and V that of (u-g)²,
//
//	exp(l S - psi(l) V),  psi(l) = (-ln(1-2l) - 2l)/4
//
// is averaged over l = 0.49 x 2^-j, j = 0 ... 9.
type mixture struct {
	n    int
	s, v float64
}

const mixed = 10

func (m *mixture) add(d, c float64) {
	u := 0.0
	if c > 0 {
		u = d / c
	}
	g := 0.0
	if m.n > 0 {
		g = m.s / float64(m.n)
	}
	m.n++
	m.s += u
	m.v += float64((u - g) * (u - g))
}

// evidence is the mean of the two directions.
func (m *mixture) evidence() float64 {
	return 0.5*m.toward(m.s) + 0.5*m.toward(-m.s)
}

func (m *mixture) toward(s float64) float64 {
	most, logs := math.Inf(-1), [mixed]float64{}
	l := 0.49
	for j := range logs {
		psi := (-math.Log1p(-2*l) - 2*l) / 4
		logs[j] = l*s - float64(psi*m.v)
		most = math.Max(most, logs[j])
		l /= 2
	}
	total := 0.0
	for _, x := range logs {
		total += math.Exp(x - most)
	}
	return expCapped(most + math.Log(total/mixed))
}
