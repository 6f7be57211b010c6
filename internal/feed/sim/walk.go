package sim

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/foretick/foretick/market"
)

// Parameters of the realistic market. The numbers are chosen, not fitted: they give
// one-second bars whose statistics look like those of a liquid stock, and the shapes
// come from the papers named.
const (
	startPrice = 180.0
	grid       = 0.01 // the smallest step of a price

	// sigma is the typical standard deviation of a second's log return. A year of 252
	// days of 6.5 hours has 5.9 million seconds, so this is 35 % a year, what AMZN has.
	sigma = 1.44e-4

	// The log of volatility is the sum of two Ornstein-Uhlenbeck factors, as in
	// Chernov, Gallant, Ghysels and Tauchen, "Alternative models for stock price
	// dynamics", J. of Econometrics 116 (2003): one persistent, one that comes and goes.
	// sd is the standard deviation of the factor, half its half-life in seconds.
	slowSD, slowHalf = 0.35, 3600.0
	fastSD, fastHalf = 0.35, 60.0

	// Jumps, as in Merton, "Option pricing when underlying stock returns are
	// discontinuous", J. of Financial Economics 3 (1976): about three in two hours, of
	// a normal size of jumpSD.
	jumpRate = 1.0 / 2400
	jumpSD   = 10 * sigma

	// Trades in a second follow an integer GARCH(1,1), as in Ferland, Latour and
	// Oraichi, "Integer-valued GARCH process", J. of Time Series Analysis 27 (2006):
	// mean h = (1-a-b) base activity + a n + b h.
	tradesBase    = 7.0
	tradesA       = 0.30
	tradesB       = 0.40
	tradesPerVol  = 0.5 // how activity follows the log of volatility
	tradesLimit   = 200
	breathPeriod  = 1800.0  // seconds of one breath of the activity
	breathDepth   = 0.35    // of its log
	sessionPeriod = 23400.0 // 6.5 hours: busy at both ends, see Wood, McInish and Ord (1985)
	sessionDepth  = 0.20

	// A trade's size is log-normal around sizeMedian shares, larger when volatile.
	sizeMedian, sizeSD, sizePerVol = 40.0, 1.1, 0.4

	// Trades are at the bid or at the ask, half a grid step from the price between
	// them: the bounce of Roll, "A simple implicit measure of the effective bid-ask
	// spread", J. of Finance 39 (1984).
	halfSpread = 0.5 * grid

	// No trade falls into the last 50 ms of a second, so that on a busy machine too
	// all trades of a bar are known before it becomes final.
	trading = 0.95
)

// walk is the realistic market of one instrument.
//
// With x and y the two factors and e a standardized Student t(5), the log return of a
// second is
//
//	r = sigma exp(x + y - v) e + jump,  v = var(x + y), so that E[exp(2(x+y-v))] = 1
//
// Trades within the second lie at uniformly distributed times on a Brownian bridge
// from the old to the new price.
type walk struct {
	rng        *rand.Rand
	price      float64 // between bid and ask, not on the grid
	slow, fast float64
	mean, last float64 // of the number of trades; the last number
	age        float64 // seconds since the start, plus a random phase
	at         []float64
	path       []float64
}

func newWalk(rng *rand.Rand, price float64) *walk {
	w := &walk{rng: rng, price: price, mean: tradesBase, last: tradesBase}
	w.slow, w.fast = slowSD*rng.NormFloat64(), fastSD*rng.NormFloat64()
	w.age = math.Floor(rng.Float64() * sessionPeriod)
	return w
}

// ou moves a factor on by a second. The step keeps its standard deviation at sd.
func ou(x, sd, half, z float64) float64 {
	keep := math.Exp2(-1 / half)
	return keep*x + sd*math.Sqrt(1-keep*keep)*z
}

func (w *walk) next(start market.Time, to *second) {
	r := w.rng
	w.slow = ou(w.slow, slowSD, slowHalf, r.NormFloat64())
	w.fast = ou(w.fast, fastSD, fastHalf, r.NormFloat64())
	state := w.slow + w.fast
	const variance = slowSD*slowSD + fastSD*fastSD
	vol := sigma * math.Exp(state-variance)
	ret := vol * student5(r)
	if r.Float64() < jumpRate {
		ret += jumpSD * r.NormFloat64()
	}
	from := math.Log(w.price)
	w.price = max(math.Exp(from+ret), 2*grid)

	n := w.trades(state)
	w.age++
	w.at, w.path = w.at[:0], w.path[:0]
	for range n {
		w.at = append(w.at, trading*r.Float64())
	}
	slices.Sort(w.at)
	// A Brownian motion at the times of the trades and at 1, bent to end at ret.
	sum, before := 0.0, 0.0
	for _, u := range w.at {
		sum += vol * math.Sqrt(u-before) * r.NormFloat64()
		before = u
		w.path = append(w.path, sum)
	}
	sum += vol * math.Sqrt(1-before) * r.NormFloat64()
	size := math.Log(sizeMedian) + sizePerVol*state
	for i, u := range w.at {
		mid := math.Exp(from + w.path[i] + u*(ret-sum))
		side := halfSpread
		if r.Uint64()&1 == 0 {
			side = -halfSpread
		}
		to.ticks = append(to.ticks, market.Tick{
			Time:  start + market.Time(u*1e6),
			Price: onGrid(mid + side),
			Size:  max(1, math.Round(math.Exp(size+sizeSD*r.NormFloat64()))),
		})
	}
}

// trades draws the number of trades of the next second.
func (w *walk) trades(state float64) int {
	breath := breathDepth*math.Cos(2*math.Pi*w.age/breathPeriod) + sessionDepth*math.Cos(2*math.Pi*w.age/sessionPeriod)
	activity := math.Exp(tradesPerVol*state + breath)
	w.mean = (1-tradesA-tradesB)*tradesBase*activity + tradesA*w.last + tradesB*w.mean
	n := poisson(w.rng, w.mean, tradesLimit)
	w.last = float64(n)
	return n
}

// onGrid rounds a price to the grid, at least one step above zero.
func onGrid(p float64) float64 { return max(1, math.Round(p/grid)) / (1 / grid) }
