package ingest

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// recentBars is the number of newest bars of a series that are kept in memory to
// recognise repeats and revisions: twice what late ticks can revise. Older ones are
// looked up in the store.
const recentBars = 2 * market.DefaultRevisable

// slow is how far a source's data may be behind the clock before it counts as a
// source that catches up or is delayed, whose bars must not be closed by the clock.
const slow = 2 * time.Second

// series is one stored series.
type series struct {
	rec    store.SeriesRecord
	id     market.SeriesID
	cal    market.Calendar
	recent []market.Bar // newest known bars by start, committed or in the batch
	older  bool         // the store may hold bars older than recent

	// While gap is true, a newest bar that starts after gapFrom and leaves a hole is
	// marked. The first that starts after gapTo ends it.
	gap            bool
	gapFrom, gapTo market.Time

	closed, revised prometheus.Counter
}

// base is a series that a source delivers, with those rolled up from it.
type base struct {
	series
	builder *market.Builder
	rolled  []*rolled

	arrived  market.Time   // when data last came
	newest   market.Time   // time of the newest data
	lag      time.Duration // how far newest was behind the clock when it came
	byTicks  bool          // the last data were ticks
	history  bool          // the last ticks were backfill
	resent   bool          // the source was started anew and may send the open bar again
	backEnd  market.Time   // end of the newest backfill bar
	liveFrom market.Time   // start of the first bar after backfill; MaxTime: none yet
}

// rolled is a series that is rolled up.
type rolled struct {
	series
	roll *market.Rollup
}

func newBase(cfg *Config, info feed.Info, s market.Series, m *metrics) (*base, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	mode := ledger.Live
	opt := market.BuildOptions{Grace: cfg.Grace, AllowNonPositive: s.Instrument.AllowNonPositive}
	if info.Replay {
		// The data's clock passes a time only when all data before it was sent.
		mode, opt.Grace = ledger.Replay, 0
	}
	cal := info.Calendars[s.Instrument.Key()]
	if cal == nil {
		cal = market.Always
	}
	build := func(i market.Interval, isBase bool) series {
		rec := store.SeriesRecord{Series: market.Series{Instrument: s.Instrument, Interval: i}, Mode: mode, Source: info.Name, Base: isBase}
		return series{
			rec: rec, id: rec.ID(), cal: cal,
			closed:  m.bars.WithLabelValues(info.Name, s.Instrument.Symbol, i.String(), "closed"),
			revised: m.bars.WithLabelValues(info.Name, s.Instrument.Symbol, i.String(), "revised"),
		}
	}
	b := &base{series: build(s.Interval, true), builder: market.NewBuilder(s.Interval, opt), liveFrom: market.MaxTime}
	for _, i := range cfg.Rollups {
		if i.Duration() <= s.Interval.Duration() || slices.ContainsFunc(b.rolled, func(r *rolled) bool { return r.rec.Interval == i }) {
			continue
		}
		roll, err := market.NewRollup(s.Interval, i, opt)
		if err != nil {
			return nil, err
		}
		b.rolled = append(b.rolled, &rolled{series: build(i, false), roll: roll})
	}
	return b, nil
}

// all returns the series of b: itself and those rolled up.
func (b *base) all() []*series {
	out := []*series{&b.series}
	for _, r := range b.rolled {
		out = append(out, &r.series)
	}
	return out
}

// heard notes that live data up to newest came at now.
func (b *base) heard(newest, now market.Time) {
	b.arrived = now
	if newest >= b.newest {
		b.newest, b.lag = newest, now.Sub(newest)
	}
}

// quiet is how long after its last data a source that lags counts as being silent
// rather than behind.
func (b *base) quiet() time.Duration { return b.rec.Interval.Duration() + 5*time.Second }

// clock is the time up to which data has arrived, as far as the wall clock can tell:
// of a source that catches up or is delayed, its own time goes on where its data is.
func (b *base) clock(now market.Time) market.Time {
	if b.lag > slow && now.Sub(b.arrived) < b.quiet() {
		return now.Add(-b.lag)
	}
	return now
}

// rollGrace is how much later than by ticks a coarser bar becomes final by the
// clock. Where bars are delivered, the last of them comes some time after its end;
// in a replay at the very end, when the clock already says so.
func (b *base) rollGrace(live bool) time.Duration {
	switch {
	case b.byTicks:
		return 0
	case live:
		return b.rec.Interval.Duration()
	}
	return time.Microsecond
}

// due is the time at which the next bar of b becomes final by the clock, MaxTime
// when none is open.
func (b *base) due(live bool) market.Time {
	t := market.MaxTime
	if d, ok := b.builder.Deadline(); ok {
		t = d
	}
	for _, r := range b.rolled {
		if d, ok := r.roll.Deadline(); ok {
			t = min(t, d.Add(b.rollGrace(live)))
		}
	}
	if live && t != market.MaxTime && b.lag > slow {
		t = min(t.Add(b.lag), max(t, b.arrived.Add(b.quiet())))
	}
	return t
}

// past reports whether the coarse bar c consists of backfill only.
func (b *base) past(c *market.Bar) bool { return c.Start < b.backEnd && c.End <= b.liveFrom }

// find returns the place of the bar that starts at start among the recent ones.
func (s *series) find(start market.Time) (int, bool) {
	return slices.BinarySearchFunc(s.recent, start, func(b market.Bar, t market.Time) int {
		switch {
		case b.Start < t:
			return -1
		case b.Start > t:
			return 1
		}
		return 0
	})
}

func (s *series) last() (market.Bar, bool) {
	if len(s.recent) == 0 {
		return market.Bar{}, false
	}
	return s.recent[len(s.recent)-1], true
}

// expectGap makes the next hole after the bar at from a gap. The first bar after to
// ends the wait for one.
func (s *series) expectGap(from, to market.Time) { s.gap, s.gapFrom, s.gapTo = true, from, to }

// afterGap reports whether the bar at start, newer than all others, comes after lost
// data.
func (s *series) afterGap(start market.Time) bool {
	if !s.gap {
		return false
	}
	if start > s.gapTo {
		s.gap = false
	}
	last, ok := s.last()
	return ok && start > s.gapFrom && start > s.cal.NextBar(s.rec.Interval, last.Start)
}

// trim forgets bars that are committed and no longer recent.
func (s *series) trim() {
	if len(s.recent) >= 2*recentBars {
		n := copy(s.recent, s.recent[len(s.recent)-recentBars:])
		s.recent = s.recent[:n]
		s.older = true
		if cap(s.recent) > 8*recentBars {
			s.recent = slices.Clip(slices.Clone(s.recent))
		}
	}
}

// check reports why bar cannot be a bar of s.
func (s *series) check(bar *market.Bar) error {
	if err := bar.Validate(s.rec.Instrument.AllowNonPositive); err != nil {
		return err
	}
	if end := s.rec.Interval.End(bar.Start); bar.End > end {
		return fmt.Errorf("the bar from %s ends at %s, later than a bar of %s can", bar.Start, bar.End, s.rec.Interval)
	}
	return nil
}

// same reports whether a and b say the same, whatever their revision.
func same(a, b market.Bar) bool {
	a.Revision = b.Revision
	return a == b
}
