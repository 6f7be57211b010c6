package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

const (
	// wake is the grid of instants at which trades are sent, so that a thousand
	// instruments do not make as many timers.
	wake = 50 * time.Millisecond
	// lag is how late trades may be before they are given up: a loaded machine may
	// pause that long, and ingest still takes them.
	lag = 3 * time.Second
	// back is how far the clock may go back unmentioned.
	back = time.Second
	// longest bounds a wait, so that a clock that was set is noticed.
	longest = time.Second
	// historyRows is about the number of trades in a message of history.
	historyRows = 4096

	oneSecond = market.Time(1_000_000)
)

// run is one Run of a Source.
type run struct {
	*Source
	ctx   context.Context
	out   chan<- feed.Message
	gens  []generator
	keys  []string
	from  []market.Time // the first second of each instrument
	sec   market.Time   // the second to invent next
	lead  market.Time   // how long after its start a second is invented
	wait  []second      // what was invented and is not sent
	seen  market.Time   // latest time by the clock for which everything was sent
	timer *time.Timer
}

// Run sends history where nothing is stored, then trades as their time comes, until
// ctx is done; see feed.Source. When the clock jumps ahead, the process was suspended
// or nobody took the data for a while, Run says so, leaves that time without trades
// and goes on from now. When the clock is set back, Run says so and waits until it
// is where it was.
func (s *Source) Run(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error {
	n := len(s.info.Series)
	r := &run{
		Source: s, ctx: ctx, out: out, gens: make([]generator, n), keys: make([]string, n),
		from: make([]market.Time, n), wait: make([]second, n), timer: time.NewTimer(time.Hour),
	}
	defer r.timer.Stop()
	if s.opt.Mode == Classic {
		r.lead = oneSecond // a bar is known at its end
	}
	if r.send(feed.Message{State: feed.Running, Detail: s.detail()}) && r.start(resume) {
		for r.step() {
		}
	}
	return nil
}

func (s *Source) detail() string {
	what := "a simulated market"
	if s.opt.Mode == Classic {
		what = "the classic random walk"
	}
	return fmt.Sprintf("%s of %d instruments, seed %d", what, len(s.info.Series), s.opt.Seed)
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

func (r *run) now() market.Time { return market.TimeOf(r.opt.Now()) }

// start sends the history and prepares what follows.
func (r *run) start(resume feed.Resume) bool {
	begin := market.Second.Floor(r.now())
	fresh := make([]bool, len(r.gens))
	last := make([]market.Time, len(r.gens))
	for i, series := range r.info.Series {
		r.keys[i] = series.Instrument.Key()
		at, ok := resume(series.ID())
		fresh[i], last[i] = !ok, at
		if fresh[i] {
			r.gens[i] = r.generator(i, 0)
		}
	}
	r.sec = begin
	if r.opt.History > 0 {
		from := begin - market.Time(r.opt.History)*oneSecond
		// What passes while history is sent becomes history as well.
		for to := begin; from < to; from, to = to, market.Second.Floor(r.now()) {
			for i := range r.gens {
				if fresh[i] && !r.history(i, from, to) {
					return false
				}
			}
			r.sec = to
		}
	}
	first := market.MaxTime
	for i := range r.gens {
		r.from[i] = r.sec
		if !fresh[i] {
			// The bar that is under way would lack its beginning.
			r.from[i] = max(market.Second.Floor(r.now()), last[i]) + oneSecond
			r.gens[i] = r.generator(i, r.from[i])
		}
		first = min(first, r.from[i])
	}
	r.sec, r.seen = first, r.now()
	if first > r.seen.Add(back)+oneSecond {
		r.seen = first // stored data is ahead of the clock
	}
	return true
}

// history sends the seconds [from, to) of instrument i.
func (r *run) history(i int, from, to market.Time) bool {
	for from < to {
		var s second
		for ; from < to && len(s.ticks)+len(s.bars) < historyRows; from += oneSecond {
			r.gens[i].next(from, &s)
		}
		if !r.send(feed.Message{Instrument: r.keys[i], Ticks: s.ticks, Bars: s.bars, Backfill: true}) {
			return false
		}
	}
	return true
}

// step sends what is due and waits for what comes next. It returns false when the
// context is done.
func (r *run) step() bool {
	now := r.now()
	switch {
	case now < r.seen:
		return r.waitFor(now)
	case now > r.seen.Add(lag):
		if !r.leave(now) {
			return false
		}
	}
	for r.sec+r.lead <= now {
		// All that is left of the second before is due.
		if !r.emit(r.sec) {
			return false
		}
		for i := range r.gens {
			if r.sec >= r.from[i] {
				r.wait[i] = second{}
				r.gens[i].next(r.sec, &r.wait[i])
			}
		}
		r.sec += oneSecond
	}
	if !r.emit(now) {
		return false
	}
	r.seen = now
	return r.sleep(r.due().Sub(r.now()))
}

// waitFor waits until a clock that was set back is where it was.
func (r *run) waitFor(now market.Time) bool {
	if r.seen.Sub(now) <= back {
		return r.sleep(r.seen.Sub(now))
	}
	if !r.send(feed.Message{State: feed.Stalled, Detail: fmt.Sprintf(
		"the clock is %s behind the data, which reaches to %s: waiting until it is there", r.seen.Sub(now), r.seen)}) {
		return false
	}
	for ; now < r.seen; now = r.now() {
		if !r.sleep(min(r.seen.Sub(now), longest)) {
			return false
		}
	}
	return r.send(feed.Message{State: feed.Running, Detail: r.detail()})
}

// leave gives up what was due while nothing could be sent, and goes on with the next
// whole second.
func (r *run) leave(now market.Time) bool {
	for i := range r.wait {
		r.wait[i] = second{}
	}
	detail := fmt.Sprintf("nothing was simulated for %s: the process was suspended, the clock was set or nobody took the data", now.Sub(r.seen))
	r.sec = max(r.sec, market.Second.Floor(now)+oneSecond)
	return r.send(feed.Message{State: feed.Stalled, Detail: detail}) &&
		r.send(feed.Message{State: feed.Running, Detail: r.detail()})
}

// emit sends what is due at time now.
func (r *run) emit(now market.Time) bool {
	for i := range r.wait {
		w := &r.wait[i]
		m := feed.Message{Instrument: r.keys[i]}
		n := 0
		for n < len(w.ticks) && w.ticks[n].Time <= now {
			n++
		}
		m.Ticks, w.ticks = w.ticks[:n:n], w.ticks[n:]
		if len(w.bars) > 0 && w.bars[0].End <= now {
			m.Bars, w.bars = w.bars, nil
		}
		if (len(m.Ticks) > 0 || len(m.Bars) > 0) && !r.send(m) {
			return false
		}
	}
	return true
}

// due is the next instant of the grid at which there is something to send or invent.
func (r *run) due() market.Time {
	next := r.sec + r.lead
	for i := range r.wait {
		if t := r.wait[i].ticks; len(t) > 0 {
			next = min(next, t[0].Time)
		}
	}
	const step = market.Time(wake / time.Microsecond)
	if over := next % step; over != 0 {
		next += step - over
	}
	return next
}

// sleep waits for d, at most longest.
func (r *run) sleep(d time.Duration) bool {
	r.timer.Reset(max(0, min(d, longest)))
	select {
	case <-r.timer.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}
