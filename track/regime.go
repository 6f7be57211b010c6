package track

import (
	"math"

	"github.com/foretick/foretick/forecast"
)

const (
	// regimeReturns is the number of returns that the volatility of a bar is the
	// standard deviation of.
	regimeReturns = 20
	// regimeBars and regimeLeast bound the bars whose volatilities are compared.
	regimeBars  = 1000
	regimeLeast = 100
)

// volatility is the standard deviation of the 20 one-bar log returns up to bar i of
// t.bars, x 100; 0 when there are fewer, or when a price is not positive.
func (t *Track) volatility(i int) float64 {
	if i < regimeReturns {
		return 0
	}
	var room [regimeReturns]float64
	bars := t.bars[i-regimeReturns : i+1]
	if len(t.breaks) > 0 {
		bars = forecast.Splice(nil, bars, t.breaks)
	}
	w := forecast.NewWindow(t.cfg.Series.Interval, bars)
	r, err := forecast.Returns(room[:], w, 1, regimeReturns, regimeReturns)
	if err != nil {
		return 0
	}
	var mean, square float64
	for _, x := range r {
		mean += x
	}
	mean /= regimeReturns
	for _, x := range r {
		square += float64((x - mean) * (x - mean))
	}
	return 100 * math.Sqrt(square/(regimeReturns-1))
}

// gauge brings the volatilities up to date after the bars from i on have changed.
func (t *Track) gauge(i int) {
	t.volatilities = t.volatilities[:i]
	for ; i < len(t.bars); i++ {
		t.volatilities = append(t.volatilities, t.volatility(i))
	}
}

// regime is the volatility at the newest bar and its tercile among the newest bars,
// itself included.
func (t *Track) regime() (float64, forecast.Regime) {
	// Not more than what the window of a restored track tells.
	n := min(regimeBars, t.cfg.Window-regimeReturns, len(t.volatilities))
	if n < 1 {
		return 0, forecast.UnknownRegime
	}
	v := t.volatilities[len(t.volatilities)-n:]
	now := v[n-1]
	if now == 0 {
		return 0, forecast.UnknownRegime
	}
	known, below := 0, 0
	for _, x := range v {
		if x > 0 {
			known++
			if x < now {
				below++
			}
		}
	}
	switch {
	case known < regimeLeast:
		return now, forecast.UnknownRegime
	case 3*below < known:
		return now, forecast.LowVolatility
	case 3*below < 2*known:
		return now, forecast.MiddleVolatility
	}
	return now, forecast.HighVolatility
}
