package feature

import (
	"math"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// Season keeps a factor of the variance for each day of the week (daily bars) or part
// of the day (shorter ones); the first bar after a gap in trading has a factor of its
// own, because what happened while the market was closed is in it. A factor is the
// mean of variances relative to the level of their time, relative to that mean over
// all bars, shrunk towards 1 by 60 bars' worth of 1. It is 1 until 20 cycles have been
// seen, and always for bars longer than a day. Create it with NewSeason.
type Season struct {
	intraday      bool
	width         market.Time // of a bucket of the day
	decay         float64     // of the level
	most          float64     // a variance counts at most this many times its level
	level, weight float64     // decayed sums
	last          int64       // number of the newest cycle, days or weeks since 1970
	cycles        int
	sum, count    []float64
	total, n      float64 // of all buckets
}

const (
	seasonPrior  = 60 // bars' worth of a factor of 1
	seasonCycles = 20

	dayMicros  = market.Time(24 * time.Hour / time.Microsecond)
	weekMicros = 7 * dayMicros
	thursday   = 3 // the weekday of 1970-01-01, counted from Monday
	// bucketWidth is the least width of a bucket of the day.
	bucketWidth = market.Time(15 * time.Minute / time.Microsecond)
)

// NewSeason returns the season of a series with bars of interval i, nothing learnt.
func NewSeason(i market.Interval) *Season {
	d := market.Time(i.Duration() / time.Microsecond)
	if d > dayMicros {
		return &Season{}
	}
	s := &Season{most: 12, decay: math.Exp2(-1.0 / levelHalf), last: math.MinInt64}
	buckets := 7
	if d < dayMicros {
		s.intraday, s.most = true, 200
		s.width = max(d, bucketWidth)
		buckets = int((dayMicros+s.width-1)/s.width) + 1
		// The level is that of a session, which may be a third of a day.
		s.decay = math.Exp2(-1 / max(float64(dayMicros/d)/3, levelHalf/3.0))
	}
	s.sum, s.count = make([]float64, buckets), make([]float64, buckets)
	return s
}

// Seen reports whether there has been enough to tell a season.
func (s *Season) Seen() bool { return s.cycles > seasonCycles && s.total > 0 }

func (s *Season) bucket(start market.Time, gap bool) int {
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

// Factor is that of the bar that starts at start; gap tells whether trading paused
// before it.
func (s *Season) Factor(start market.Time, gap bool) float64 {
	if !s.Seen() {
		return 1
	}
	k := s.bucket(start, gap)
	return (s.sum[k]/(s.total/s.n) + seasonPrior) / (s.count[k] + seasonPrior)
}

// Ahead is the sum of the factors of the horizon bars after the newest bar of w.
func (s *Season) Ahead(w forecast.Window, horizon int) float64 {
	if !s.Seen() {
		return float64(horizon)
	}
	var sum float64
	end := w.Cutoff()
	for h := 1; h <= horizon; h++ {
		t := w.Target(h)
		sum += s.Factor(t.Start, t.Start > end)
		end = t.End
	}
	return sum
}

// learn takes the variance v of the bar that starts at start.
func (s *Season) learn(start market.Time, gap bool, v float64) {
	if s.sum == nil {
		return
	}
	cycle := int64(floorDiv(start, weekMicros))
	if s.intraday {
		cycle = int64(floorDiv(start, dayMicros))
	}
	if cycle != s.last {
		s.last = cycle
		s.cycles++
	}
	if s.level > 0 {
		q := min(v*s.weight/s.level, s.most)
		k := s.bucket(start, gap)
		s.sum[k] += q
		s.count[k]++
		s.total += q
		s.n++
	}
	s.level = float64(s.decay*s.level) + v
	s.weight = float64(s.decay*s.weight) + 1
}

// Parameters returns the numbers that decide every factor, for Encode: none when no
// season has been seen.
func (s *Season) Parameters() []float64 {
	if !s.Seen() {
		return nil
	}
	p := make([]float64, len(s.sum))
	for k := range p {
		p[k] = (s.sum[k]/(s.total/s.n) + seasonPrior) / (s.count[k] + seasonPrior)
	}
	return p
}
