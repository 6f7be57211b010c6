package rangevar

import (
	"math"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// season keeps a factor for each part of a week (daily bars) or a day (shorter
// ones). The first bar after a gap has a bucket of its own: what happened while the
// market was closed is in it.
type season struct {
	intraday bool
	width    market.Time // of a bucket of the day
	decay    float64     // of the level

	level, weight float64 // decayed sums
	last          int     // number of the last cycle, days or weeks since 1970
	seen          int     // cycles
	sum           []float64
	count         []float64
	total, n      float64 // of all buckets
}

const (
	dayMicros  = market.Time(24 * time.Hour / time.Microsecond)
	weekMicros = 7 * dayMicros
	// thursday is the weekday of 1970-01-01, counted from Monday.
	thursday = 3
)

// bucketWidth is the least width of a bucket of the day.
const bucketWidth = market.Time(15 * time.Minute / time.Microsecond)

func newSeason(i market.Interval) season {
	d := market.Time(i.Duration() / time.Microsecond)
	switch {
	case d > dayMicros: // no season within a week or a month
		return season{}
	case d == dayMicros:
		return season{decay: decayLevel, sum: make([]float64, 7), count: make([]float64, 7), last: math.MinInt}
	}
	width := max(d, bucketWidth)
	n := int((dayMicros + width - 1) / width)
	// The level is that of about one day of bars; sessions may hold fewer.
	half := math.Max(float64(dayMicros/d)/3, levelHalf/3)
	return season{intraday: true, width: width, decay: math.Exp2(-1 / half),
		sum: make([]float64, n+1), count: make([]float64, n+1), last: math.MinInt}
}

// on reports whether the season counts already.
func (s *season) on() bool { return s.seen > cycles && s.n > 0 }

// bucket is the place of a bar in the season.
func (s *season) bucket(start market.Time, gap bool) int {
	if !s.intraday {
		return int(floorMod(floorDiv(start, dayMicros)+thursday, 7))
	}
	if gap {
		return len(s.sum) - 1
	}
	return int(floorMod(start, dayMicros) / s.width)
}

func floorDiv(a, b market.Time) market.Time { return (a - floorMod(a, b)) / b }

func floorMod(a, b market.Time) market.Time {
	if a %= b; a < 0 {
		a += b
	}
	return a
}

// factor is that of the bar that starts at start, gap telling whether the market
// was closed before it.
func (s *season) factor(start market.Time, gap bool) float64 {
	if !s.on() {
		return 1
	}
	k := s.bucket(start, gap)
	mean := s.total / s.n
	if !(mean > 0) {
		return 1
	}
	return (s.sum[k]/mean + seasonPrior) / (s.count[k] + seasonPrior)
}

// update returns the factor that a bar had before it was seen, and then learns from
// its variance v.
func (s *season) update(start market.Time, gap bool, v float64) float64 {
	if s.sum == nil {
		return 1
	}
	f := s.factor(start, gap)
	cycle := int(floorDiv(start, weekMicros))
	if s.intraday {
		cycle = int(floorDiv(start, dayMicros))
	}
	if cycle != s.last {
		s.last = cycle
		s.seen++
	}
	if s.weight > 0 && s.level > 0 {
		most := float64(mostDaily)
		if s.intraday {
			most = mostIntraday
		}
		q := math.Min(v/(s.level/s.weight), most)
		k := s.bucket(start, gap)
		s.sum[k] += q
		s.count[k]++
		s.total += q
		s.n++
	}
	s.level = float64(s.decay*s.level) + v
	s.weight = float64(s.decay*s.weight) + 1
	return f
}

func (s *season) persist(a *forecast.Archive) {
	a.Float(&s.level, &s.weight, &s.total, &s.n)
	a.Int(&s.last)
	a.Int(&s.seen)
	a.Array(s.sum)
	a.Array(s.count)
}
