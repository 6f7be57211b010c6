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
	// Regimes and Times are the coverage where volatility was low, middle and high by the
	// standard of the bars before, and by the hour of the day (UTC) or, for bars of a
	// day, the weekday in which the target starts.
	Regimes []GroupCoverage `json:"regimes"`
	Times   []GroupCoverage `json:"times"`
	// IntervalScore is the mean interval score of the 90 % interval in 100 x log return,
	// width + 20 x the distance by which the outcome lies outside (Gneiting & Raftery
	// 2007, eq. 43), and Width the part of it that is width. Narrow is good only while
	// coverage holds; the score weighs the two.
	IntervalScore float64 `json:"interval_score90"`
	Width         float64 `json:"width90"`
}

// LevelCoverage is how often a central interval held the outcome.
type LevelCoverage struct {
	Level float64 `json:"level" doc:"What was promised, such as 0.9."`
	Share float64 `json:"share" doc:"What was kept."`
	// Low and High bound the share that chance explains around what was observed: the
	// interval of Wilson (1927) at 95 %. It holds its 95 % on average over shares, also
	// near 1, where the usual one fails; that of Clopper & Pearson (1934) never falls
	// below 95 % and pays by being wider, which would hide that coverage has drifted.
	// Both take outcomes for independent. At horizons above 1 they overlap, and hits come
	// in spells when volatility does: then the interval is too narrow.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// GroupCoverage is the coverage over a part of the outcomes: of the 90 % interval, and
// of each.
type GroupCoverage struct {
	Name string `json:"name"`
	N    int    `json:"n"`
	LevelCoverage
	Levels []LevelCoverage `json:"levels"`
}

// Tally counts what a Calibration needs. The zero value is ready. It keeps no scores:
// two tallies can be merged, and a score can be taken out again.
type Tally struct {
	all      hits
	regimes  [4]hits
	hours    [24]hits
	weekdays [7]hits
	upTo     [forecast.Levels + 1]int // by how many of the probabilities lie below the PIT
	pit      [pitBins]int
	interval sum
	width    sum
	scored   int // outcomes with an interval score
}

// central is the number of central intervals.
const central = forecast.Levels / 2

// hits counts outcomes by how many central intervals held them. They are nested: an
// outcome in k of them is in the k widest.
type hits struct {
	n, hit90 int // inside the 90 % interval by its prices
	in       [central + 1]int
}

// level90 is the place of the 90 % interval among the central ones.
const level90 = forecast.Q05

func (h *hits) add(in, hit, by int) {
	h.n += by
	h.hit90 += hit
	h.in[in] += by
}

func (h *hits) merge(o *hits) {
	h.n += o.n
	h.hit90 += o.hit90
	for i, n := range o.in {
		h.in[i] += n
	}
}

// levels is the coverage at each level, widest first. Quantiles that are equal to the
// outcome and to each other leave the PIT in doubt; the 90 % interval is counted by its
// prices, as everywhere.
func (h *hits) levels() []LevelCoverage {
	list := make([]LevelCoverage, central)
	inside := 0
	for i := central - 1; i >= 0; i-- {
		inside += h.in[i+1]
		n := inside
		if i == level90 {
			n = h.hit90
		}
		list[i] = covered(forecast.Probabilities[forecast.Levels-1-i]-forecast.Probabilities[i], n, h.n)
	}
	return list
}

// Add counts s. A score without a PIT, stored before that was kept, is passed over. It
// does not allocate.
func (t *Tally) Add(s *Score) {
	r := rowOf(s)
	t.add(&r, 1)
}

// Remove takes out a score that was added: its outcome was revised. The counts are what
// they were before, to the last one; the two means up to rounding.
func (t *Tally) Remove(s *Score) {
	r := rowOf(s)
	t.add(&r, -1)
}

func (t *Tally) add(r *row, by int) {
	u := r.pit
	if u != u {
		return
	}
	below := 0
	for below < forecast.Levels && forecast.Probabilities[below] < u {
		below++
	}
	t.upTo[below] += by
	t.pit[min(int(u*pitBins), pitBins-1)] += by
	left := below // how many probabilities lie at or below u
	if left < forecast.Levels && forecast.Probabilities[left] == u {
		left++
	}
	in := min(left, forecast.Levels-below, central)
	hit90 := by * int(r.flags&hit/hit)
	at := r.target.Std()
	t.all.add(in, hit90, by)
	t.regimes[r.flags>>regimeShift].add(in, hit90, by)
	t.hours[at.Hour()].add(in, hit90, by)
	t.weekdays[at.Weekday()].add(in, hit90, by)
	if r.interval == r.interval {
		t.scored += by
		t.interval.add(float64(by) * r.interval)
		t.width.add(float64(by) * r.spread)
	}
}

// Merge adds what o has counted.
func (t *Tally) Merge(o *Tally) {
	t.all.merge(&o.all)
	for i := range t.regimes {
		t.regimes[i].merge(&o.regimes[i])
	}
	for i := range t.hours {
		t.hours[i].merge(&o.hours[i])
	}
	for i := range t.weekdays {
		t.weekdays[i].merge(&o.weekdays[i])
	}
	for i, n := range o.upTo {
		t.upTo[i] += n
	}
	for i, n := range o.pit {
		t.pit[i] += n
	}
	t.interval.merge(&o.interval)
	t.width.merge(&o.width)
	t.scored += o.scored
}

// Calibration states what has been counted; what is not defined is NaN. daily says that
// targets are a day or more apart, so that Times are weekdays. Times without an outcome
// are left out.
func (t *Tally) Calibration(daily bool) Calibration {
	c := Calibration{N: t.all.n, Levels: t.all.levels(), Reliability: make([]float64, forecast.Levels), PIT: slices.Clone(t.pit[:]),
		Regimes: []GroupCoverage{}, Times: []GroupCoverage{}, IntervalScore: t.interval.over(t.scored), Width: t.width.over(t.scored)}
	upTo := 0
	for l := range c.Reliability {
		upTo += t.upTo[l]
		c.Reliability[l] = share(upTo, t.all.n)
	}
	for r := forecast.LowVolatility; r <= forecast.HighVolatility; r++ {
		c.Regimes = append(c.Regimes, group(r.String(), &t.regimes[r]))
	}
	if daily {
		for d := range t.weekdays {
			if h := &t.weekdays[d]; h.n > 0 {
				c.Times = append(c.Times, group(time.Weekday(d).String(), h))
			}
		}
		return c
	}
	for hour := range t.hours {
		if h := &t.hours[hour]; h.n > 0 {
			c.Times = append(c.Times, group(market.Time(int64(hour)*int64(time.Hour/time.Microsecond)).Std().Format("15:04"), h))
		}
	}
	return c
}

func group(name string, h *hits) GroupCoverage {
	levels := h.levels()
	return GroupCoverage{Name: name, N: h.n, LevelCoverage: levels[level90], Levels: levels}
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

// intervalScore is that of the 90 % interval of s and its width, both in 100 x log
// return; NaN where a price is not positive.
func intervalScore(s *Score) (score, width float64) {
	low, high, y := 100*math.Log(s.Lower/s.Last), 100*math.Log(s.Upper/s.Last), 100*math.Log(s.Actual/s.Last)
	width = high - low
	score = width + 20*(math.Max(low-y, 0)+math.Max(y-high, 0))
	if score-score != 0 {
		return math.NaN(), math.NaN()
	}
	return score, width
}
