package feedtest

import (
	"slices"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// row is one bar or tick.
type row struct {
	Bar  market.Bar
	Tick market.Tick
}

// rows returns the data of each instrument in messages, without what is stored.
func rows(info feed.Info, stored map[market.SeriesID]market.Time, all []feed.Message) map[string][]row {
	out := map[string][]row{}
	for _, s := range info.Series {
		key := s.Instrument.Key()
		last, ok := stored[s.ID()]
		for _, m := range all {
			if m.Instrument != key {
				continue
			}
			for _, b := range m.Bars {
				if !ok || b.Start > last {
					out[key] = append(out[key], row{Bar: b})
				}
			}
			for _, t := range m.Ticks {
				if !ok || t.Time >= s.Interval.End(last) {
					out[key] = append(out[key], row{Tick: t})
				}
			}
		}
	}
	return out
}

// noOlder fails when messages hold what is stored, and counts their rows.
func noOlder(t *testing.T, info feed.Info, stored map[market.SeriesID]market.Time, all []feed.Message) int {
	t.Helper()
	n := 0
	fresh := rows(info, stored, all)
	for key, got := range rows(info, nil, all) {
		if len(fresh[key]) != len(got) {
			t.Errorf("%s: %d of %d rows were stored already", key, len(got)-len(fresh[key]), len(got))
		}
		n += len(got)
	}
	return n
}

func clone(m feed.Message) feed.Message {
	m.Ticks, m.Bars, m.Rejects = slices.Clone(m.Ticks), slices.Clone(m.Bars), slices.Clone(m.Rejects)
	return m
}

// checker checks the messages of one run.
type checker struct {
	info  feed.Info
	of    map[string]*instrument
	clock market.Time
	data  int
}

type instrument struct {
	series market.Series
	newest market.Time // end of the newest bar, or time of the newest tick
	live   bool
}

func newChecker(info feed.Info) *checker {
	c := &checker{info: info, of: map[string]*instrument{}, clock: market.MinTime}
	for _, s := range info.Series {
		c.of[s.Instrument.Key()] = &instrument{series: s, newest: market.MinTime}
	}
	return c
}

// check checks the next message, at the time of its arrival.
func (c *checker) check(t *testing.T, m *feed.Message) {
	t.Helper()
	now := market.TimeOf(time.Now())
	switch m.State {
	case "", feed.Connecting, feed.Running, feed.Stalled, feed.Finished, feed.Failed:
	default:
		t.Errorf("unknown state %q", m.State)
	}
	for _, r := range m.Rejects {
		if r.Reason == "" || r.Source == "" || len(r.Raw) > 500 || r.Line < 0 {
			t.Errorf("a reject without source or reason, or too long: %+v", r)
		}
	}
	if !c.info.Replay && m.Clock != 0 {
		t.Errorf("a source that is no replay sent the clock %s", m.Clock)
	}
	if m.Clock != 0 && m.Clock < c.clock {
		t.Errorf("the data's clock went back from %s to %s", c.clock, m.Clock)
	}
	if m.Clock != 0 {
		c.clock = m.Clock
	}
	if len(m.Ticks)+len(m.Bars) == 0 {
		if m.State == "" && len(m.Rejects)+len(m.Lost)+len(m.Actions) == 0 && m.Clock == 0 && m.Link == nil {
			t.Error("a message that says nothing")
		}
		return
	}
	i := c.of[m.Instrument]
	if i == nil {
		t.Fatalf("data of %q, which is no instrument of the source", m.Instrument)
	}
	if m.Backfill && i.live {
		t.Errorf("%s: backfill after live data", m.Instrument)
	}
	i.live = i.live || !m.Backfill
	if c.info.Replay && !m.Backfill && m.Clock == 0 {
		t.Errorf("%s: data of a replay without its clock", m.Instrument)
	}
	known := now
	if c.info.Replay {
		known = market.MaxTime
		if !m.Backfill {
			known = m.Clock
		}
	}
	i.check(t, m, known)
	c.data += len(m.Ticks) + len(m.Bars)
}

// check checks data of i that is sent when the time is known.
func (i *instrument) check(t *testing.T, m *feed.Message, known market.Time) {
	t.Helper()
	for _, b := range m.Bars {
		if err := b.Validate(i.series.Instrument.AllowNonPositive); err != nil {
			t.Errorf("%s: %v", m.Instrument, err)
		}
		if b.End != i.series.Interval.End(b.Start) {
			t.Errorf("%s: the bar from %s ends at %s, not after %s", m.Instrument, b.Start, b.End, i.series.Interval)
		}
		if b.Start < i.newest {
			t.Errorf("%s: the bar from %s comes after one that ends at %s", m.Instrument, b.Start, i.newest)
		}
		if b.End > known {
			t.Errorf("%s: a bar that ends at %s came at %s", m.Instrument, b.End, known)
		}
		i.newest = b.End
	}
	for _, tick := range m.Ticks {
		if err := tick.Validate(i.series.Instrument.AllowNonPositive); err != nil {
			t.Errorf("%s: %v", m.Instrument, err)
		}
		if tick.Time < i.newest {
			t.Errorf("%s: the tick of %s comes after one of %s", m.Instrument, tick.Time, i.newest)
		}
		if tick.Time > known {
			t.Errorf("%s: a tick of %s came at %s", m.Instrument, tick.Time, known)
		}
		i.newest = tick.Time
	}
}
