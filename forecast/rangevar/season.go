package rangevar

import (
	"math"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// season keeps a factor for each part of a week (daily bars) or a day (shorter
// ones). What happened while the market was closed is in the first bar after it:
// intraday that has a bucket of its own; a day after a holiday has the factor of its
// weekday times that of such days.
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
	// Daily bars after a holiday: what their variances were, and what their weekdays
	// let expect.
	start            market.Time // of the newest bar
	holiday, workday float64
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

// factor is that of the bar that starts at start, after telling whether the market
// was closed before it.
func (s *season) factor(start market.Time, after bool) float64 {
	if !s.on() {
		return 1
	}
	k := s.bucket(start, after)
	f := s.share(k)
	if after && !s.intraday {
		f *= (s.holiday + holidayPrior) / (s.workday + holidayPrior)
	}
	return f
}

// share is the shrunk factor of bucket k alone.
func (s *season) share(k int) float64 {
	mean := s.total / s.n
	if !(mean > 0) {
		return 1
	}
	return (s.sum[k]/mean + seasonPrior) / (s.count[k] + seasonPrior)
}

// after reports whether the market was closed before the bar that starts at start,
// and the bar before it ended at end and started at prev: at any gap for intraday
// bars, at more than a weekend or a night for daily ones.
func (s *season) after(start, prev, end market.Time) bool {
	if s.intraday {
		return start > end
	}
	usual := dayMicros
	if s.bucket(start, false) == 0 { // Monday
		usual = 3 * dayMicros
	}
	return prev != 0 && start-prev > usual
}

// update returns the factor that a bar had before it was seen, and then learns from
// its variance v. end is the end of the bar before, 0 when there is none.
func (s *season) update(start, end market.Time, v float64) float64 {
	if s.sum == nil {
		return 1
	}
	after := end != 0 && s.after(start, s.start, end)
	s.start = start
	f := s.factor(start, after)
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
		k := s.bucket(start, after)
		if after && s.on() && s.total > 0 {
			s.holiday += q * s.n / s.total
			s.workday += s.share(k)
		}
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
	start := uint64(s.start)
	a.Uint(&start)
	s.start = market.Time(start)
	a.Float(&s.holiday, &s.workday)
	a.Array(s.sum)
	a.Array(s.count)
}
