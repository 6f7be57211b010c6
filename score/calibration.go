package score

import (
	"math"
	"slices"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// pitBins is the number of bins of a PIT histogram.
const pitBins = 20

// Calibration says whether forecast distributions mean what they say. Coverage is a
// long-run average: single stretches are off without anything being wrong.
type Calibration struct {
	N int `json:"n"`
	// Levels is the coverage of each central interval, widest first.
	Levels []LevelCoverage `json:"levels"`
	// Reliability is the share of outcomes up to each of forecast.Probabilities.
	Reliability []float64 `json:"reliability" doc:"Share of outcomes at or below the forecast quantile of each of the 23 probabilities."`
	// PIT counts outcomes in each twentieth of the forecast distribution: about as many
	// in each when forecasts mean what they say.
	PIT []int `json:"pit" doc:"Outcomes in each twentieth of the forecast distribution."`
	// Regimes and Times are the coverage of the 90 % interval where volatility was low,
	// middle and high by the standard of the bars before, and by the hour of the day
	// (UTC) or, for bars of a day, the weekday in which the target starts.
	Regimes []GroupCoverage `json:"regimes"`
	Times   []GroupCoverage `json:"times"`
	// IntervalScore is the mean interval score of the 90 % interval in 100 x log return,
	// width + 20 x the distance by which the outcome lies outside (Gneiting & Raftery
	// 2007, eq. 43).
	IntervalScore float64 `json:"interval_score90"`
}

// LevelCoverage is how often a central interval held the outcome.
type LevelCoverage struct {
	Level float64 `json:"level" doc:"What was promised, such as 0.9."`
	Share float64 `json:"share" doc:"What was kept."`
	// Low and High bound the share that chance explains around what was observed: the
	// interval of Wilson (1927) at 95 %, as if outcomes were independent. They are not
	// quite, so it is a little too narrow.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// GroupCoverage is the coverage of the 90 % interval over a part of the outcomes.
type GroupCoverage struct {
	Name string `json:"name"`
	N    int    `json:"n"`
	LevelCoverage
}

// tally counts what a Calibration needs.
type tally struct {
	n, hits  int
	below    [forecast.Levels]int // PIT at or below the probability
	under    [forecast.Levels]int // PIT below it
	pit      [pitBins]int
	regimes  [4][2]int // n and hits
	hours    [24][2]int
	weekdays [7][2]int
	interval sum
}

func (t *tally) add(r *row, by int) {
	if r.pit != r.pit {
		return // of a score that was stored before it was kept
	}
	t.n += by
	hit := by * int(r.flags&hit/hit)
	t.hits += hit
	for l, p := range forecast.Probabilities {
		if r.pit <= p {
			t.below[l] += by
		}
		if r.pit < p {
			t.under[l] += by
		}
	}
	t.pit[min(int(r.pit*pitBins), pitBins-1)] += by
	at := r.target.Std()
	for _, c := range [...]*[2]int{&t.regimes[r.flags>>regimeShift], &t.hours[at.Hour()], &t.weekdays[at.Weekday()]} {
		c[0] += by
		c[1] += hit
	}
	if r.interval == r.interval {
		t.interval.add(float64(by) * r.interval)
	}
}

// calibration states t. daily says that targets are a day or more apart.
func (t *tally) calibration(daily bool) Calibration {
	c := Calibration{N: t.n, Levels: []LevelCoverage{}, Reliability: make([]float64, forecast.Levels), PIT: slices.Clone(t.pit[:]), Regimes: []GroupCoverage{}, Times: []GroupCoverage{},
		IntervalScore: t.interval.over(t.n)}
	const middle = forecast.Levels / 2
	for i := range middle {
		k := forecast.Levels - 1 - i
		c.Levels = append(c.Levels, covered(forecast.Probabilities[k]-forecast.Probabilities[i], t.below[k]-t.under[i], t.n))
	}
	for l, n := range t.below {
		c.Reliability[l] = share(n, t.n)
	}
	for r := forecast.LowVolatility; r <= forecast.HighVolatility; r++ {
		c.Regimes = append(c.Regimes, group(r.String(), t.regimes[r]))
	}
	if daily {
		for d, v := range t.weekdays {
			if v[0] > 0 {
				c.Times = append(c.Times, group(time.Weekday(d).String(), v))
			}
		}
		return c
	}
	for h, v := range t.hours {
		if v[0] > 0 {
			c.Times = append(c.Times, group(market.Time(int64(h)*int64(time.Hour/time.Microsecond)).Std().Format("15:04"), v))
		}
	}
	return c
}

func group(name string, c [2]int) GroupCoverage {
	return GroupCoverage{Name: name, N: c[0], LevelCoverage: covered(0.9, c[1], c[0])}
}

// covered is the share k/n with Wilson's interval.
func covered(level float64, k, n int) LevelCoverage {
	c := LevelCoverage{Level: math.Round(level*1e6) / 1e6, Share: share(k, n), Low: math.NaN(), High: math.NaN()}
	if n == 0 {
		return c
	}
	const z = 1.959963984540054
	nf, p := float64(n), c.Share
	middle := (p + z*z/(2*nf)) / (1 + z*z/nf)
	half := z / (1 + z*z/nf) * math.Sqrt(p*(1-p)/nf+z*z/(4*nf*nf))
	c.Low, c.High = math.Max(middle-half, 0), math.Min(middle+half, 1)
	return c
}

// intervalScore is that of the 90 % interval of s, NaN where a price is not positive.
func intervalScore(s *Score) float64 {
	low, high, y := 100*math.Log(s.Lower/s.Last), 100*math.Log(s.Upper/s.Last), 100*math.Log(s.Actual/s.Last)
	v := high - low + 20*(math.Max(low-y, 0)+math.Max(y-high, 0))
	if v-v != 0 {
		return math.NaN()
	}
	return v
}
