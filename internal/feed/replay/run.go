package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// run is one Run of a Source.
type run struct {
	*Source
	ctx  context.Context
	out  chan<- feed.Message
	next []int // place in each track
	// The data's time data was due at wall by the clock.
	wall time.Time
	data market.Time
	last market.Time // newest Message.Clock
}

// Run plays the files, see feed.Source. Rejects are sent first, then splits and dividends, then history, then
// everything else by its time. It returns nil at the end of the data.
func (s *Source) Run(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error {
	r := &run{Source: s, ctx: ctx, out: out, next: make([]int, len(s.tracks)), last: market.MinTime}
	s.done.Store(0)
	skipped := r.skip(resume)
	from := market.MaxTime
	for i := range s.tracks {
		from = min(from, r.due(i))
	}
	pace := "as fast as possible"
	if s.opt.Speed > 0 {
		pace = fmt.Sprintf("at %g times real time", s.opt.Speed)
		if s.opt.MaxPause > 0 {
			pace += ", waiting for data no longer than one interval or " + s.opt.MaxPause.String()
		}
	}
	detail := fmt.Sprintf("playing %d rows of %d instruments %s", s.kept-skipped, len(s.tracks), pace)
	if skipped > 0 {
		detail += fmt.Sprintf("; %d rows are stored already", skipped)
	}
	if !r.send(feed.Message{State: feed.Running, Detail: detail}) || !r.sendRejects() || !r.sendActions() || !r.sendHistory() {
		return nil
	}
	for r.step() {
	}
	if ctx.Err() != nil {
		return nil
	}
	r.send(feed.Message{
		Clock: r.end(), State: feed.Finished,
		Detail: fmt.Sprintf("played %d rows to the end; %d rows were refused", s.kept-skipped, s.refused),
	})
	return nil
}

// send sends m unless the context is done.
func (r *run) send(m feed.Message) bool {
	if r.ctx.Err() != nil {
		return false
	}
	select {
	case r.out <- m:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// skip passes over what is stored and returns the number of rows.
func (r *run) skip(resume feed.Resume) int {
	n := 0
	for i, t := range r.tracks {
		start, ok := resume(r.info.Series[i].ID())
		if !ok {
			continue
		}
		for k := range t.bars {
			if t.bars[k].Start > start {
				break
			}
			r.next[i]++
		}
		for k := range t.ticks {
			if t.ticks[k].Time >= t.interval.End(start) {
				break
			}
			r.next[i]++
		}
		n += r.next[i]
	}
	r.done.Add(int64(n))
	return n
}

func (r *run) sendRejects() bool {
	for i := 0; i < len(r.rejects); i += rejectRows {
		if !r.send(feed.Message{Rejects: r.rejects[i:min(i+rejectRows, len(r.rejects))]}) {
			return false
		}
	}
	return true
}

func (r *run) sendActions() bool {
	for i, list := range r.actions {
		if len(list) > 0 && !r.send(feed.Message{Instrument: r.tracks[i].key, Actions: list}) {
			return false
		}
	}
	return true
}

// sendHistory sends what lies before Start, one instrument after the other.
func (r *run) sendHistory() bool {
	if r.opt.Start == 0 {
		return true
	}
	for i, t := range r.tracks {
		grid := t.interval.Floor(r.opt.Start)
		for {
			from, to := r.next[i], r.next[i]
			m := feed.Message{Instrument: t.key, Backfill: true}
			if t.bars != nil {
				for to < len(t.bars) && to-from < historyRows && t.bars[to].End <= r.opt.Start {
					to++
				}
				m.Bars = t.bars[from:to:to]
			} else {
				for to < len(t.ticks) && to-from < historyRows && t.ticks[to].Time < grid {
					to++
				}
				m.Ticks = t.ticks[from:to:to]
			}
			if from == to {
				break
			}
			if !r.send(m) {
				return false
			}
			r.next[i] = to
			r.done.Add(int64(to - from))
		}
	}
	return true
}

// due is the time at which the next data of track i becomes known, MaxTime when
// there is none.
func (r *run) due(i int) market.Time {
	t, k := &r.tracks[i], r.next[i]
	switch {
	case k < len(t.bars):
		return t.bars[k].End
	case k < len(t.ticks):
		return t.ticks[k].Time
	}
	return market.MaxTime
}

// step sends the data of the next instant, one message an instrument. It returns
// false at the end and when the context is done.
func (r *run) step() bool {
	now := market.MaxTime
	for i := range r.tracks {
		now = min(now, r.due(i))
	}
	if now == market.MaxTime || !r.wait(now) {
		return false
	}
	for i, t := range r.tracks {
		if r.due(i) != now {
			continue
		}
		from := r.next[i]
		for r.due(i) == now {
			r.next[i]++
		}
		to := r.next[i]
		m := feed.Message{Instrument: t.key, Clock: now}
		if t.bars != nil {
			m.Bars = t.bars[from:to:to]
		} else {
			m.Ticks = t.ticks[from:to:to]
		}
		if !r.send(m) {
			return false
		}
		r.done.Add(int64(to - from))
	}
	r.last = now
	return true
}

// wait waits until the data of time t is due by the clock.
func (r *run) wait(t market.Time) bool {
	if r.opt.Speed == 0 {
		return r.ctx.Err() == nil
	}
	now := r.opt.Now()
	if r.wall.IsZero() {
		r.wall, r.data = now, t // the first data is due at once
	}
	if most, ok := r.longest(t); ok && r.last > market.MinTime && r.ahead(t) > r.ahead(r.last)+most {
		// Move the schedule so that t is due that long after the data before it.
		r.wall, r.data = r.wall.Add(r.ahead(r.last)+most), t
	}
	for r.ctx.Err() == nil {
		left := r.wall.Add(r.ahead(t)).Sub(r.opt.Now())
		if left <= 0 {
			return true
		}
		r.opt.Sleep(r.ctx, left)
	}
	return false
}

// ahead is how long after r.wall the data of time t is due, by the clock.
func (r *run) ahead(t market.Time) time.Duration {
	d := float64(t-r.data) * float64(time.Microsecond) / r.opt.Speed
	return time.Duration(max(min(d, 1<<62), -1<<62))
}

// longest is the longest wait for the data of time t: MaxPause, or the shortest
// interval of the data due then, if that is longer.
func (r *run) longest(t market.Time) (time.Duration, bool) {
	if r.opt.MaxPause < 0 {
		return 0, false
	}
	most := r.opt.MaxPause
	shortest := time.Duration(1<<63 - 1)
	for i := range r.tracks {
		if r.due(i) == t {
			shortest = min(shortest, r.tracks[i].interval.Duration())
		}
	}
	if d := float64(shortest) / r.opt.Speed; d > float64(most) {
		most = time.Duration(min(d, 1<<62))
	}
	return most, true
}

// end is the time up to which all data was sent: for ticks the end of the bar that
// the last of them lies in.
func (r *run) end() market.Time {
	end := r.last
	for i, t := range r.tracks {
		if n := len(t.ticks); n > 0 && r.next[i] > 0 {
			end = max(end, t.interval.End(t.interval.Floor(t.ticks[n-1].Time)))
		}
		if n := len(t.bars); n > 0 {
			end = max(end, t.bars[n-1].End)
		}
	}
	return end
}
