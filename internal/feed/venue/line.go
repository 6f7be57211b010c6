package venue

import (
	"slices"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// phase is what a line is doing.
type phase int

const (
	idle    phase = iota // not connected
	healing              // what lies between the last bar and now is being asked for
	live
)

// line is one series of a source.
type line struct {
	s        market.Series
	key      string
	id       market.SeriesID
	cal      market.Calendar
	delivers Delivery
	history  bool // the venue keeps bars of this interval

	phase   phase
	resumed bool        // bars were stored when the source was started
	least   market.Time // nothing before it is sent: it is stored, or was not asked for
	until   market.Time // data before it has been sent
	flown   bool        // something live has been sent: what follows is no backfill
	want    market.Span // of the bars that are being asked for
	busy    bool        // a request is under way
	mending bool        // it repairs what was missed
	anew    bool        // whose answer is of no use any more
	retry   market.Time // not asked before
	tries   int

	// Ticks before first belong to a bar of which the beginning was missed; that bar comes over
	// REST, when it has ended, and later data is held until then.
	first market.Time
	ticks []market.Tick
	bars  []market.Bar

	count    int          // bars sent from the history
	shown    bool         // progress has been told to its end
	sent     []market.Bar // the newest
	open     market.Bar   // of streamed bars, the newest
	isOpen   bool
	numbers  numbers
	ids      *recent // of trades, nil: none was seen
	lastTick market.Time
	repairs  []market.Span // bars to be asked for again
	polling  polling
}

// maxHeld bounds what is held while REST is asked; what is beyond is asked for again.
const maxHeld = 200_000

// span is the bar of l that contains t.
func (l *line) span(t market.Time) market.Span {
	start := l.s.Interval.Floor(t)
	return market.Span{Start: start, End: l.s.Interval.End(start)}
}

// maxSent is the number of sent bars that are remembered: a bar that comes again, over REST
// and streamed, is sent once.
const maxSent = 64

// keep remembers a bar that was sent.
func (l *line) keep(b market.Bar) {
	i := slices.IndexFunc(l.sent, func(o market.Bar) bool { return o.Start == b.Start })
	if i >= 0 {
		l.sent[i] = b
		return
	}
	if len(l.sent) == maxSent {
		l.sent = slices.Delete(l.sent, 0, 1)
	}
	l.sent = append(l.sent, b)
}

// mend asks for the bars that overlap sp again, once they have ended.
func (l *line) mend(sp market.Span) {
	if sp.Start = max(sp.Start, l.least); sp.End < sp.Start {
		return // it is stored
	}
	sp = market.Span{Start: l.s.Interval.Floor(sp.Start), End: l.s.Interval.End(l.s.Interval.Floor(sp.End))}
	for i, r := range l.repairs {
		if sp.Start <= r.End && r.Start <= sp.End {
			l.repairs[i] = market.Span{Start: min(r.Start, sp.Start), End: max(r.End, sp.End)}
			return
		}
	}
	l.repairs = append(l.repairs, sp)
}

// ripe is when the first of the bars that are to be repaired ends.
func (l *line) ripe() market.Time {
	t := market.MaxTime
	for _, r := range l.repairs {
		t = min(t, l.s.Interval.End(r.Start))
	}
	return t
}

// owed takes from what is to be repaired a stretch of bars that have ended by t, of which there
// is one. The rest of it, if trades are still missed, is asked for later.
func (l *line) owed(t market.Time) market.Span {
	i := slices.IndexFunc(l.repairs, func(r market.Span) bool { return l.s.Interval.End(r.Start) <= t })
	sp := l.repairs[i]
	if end := l.s.Interval.Floor(t); end < sp.End {
		l.repairs[i].Start, sp.End = end, end
		return sp
	}
	l.repairs = slices.Delete(l.repairs, i, i+1)
	return sp
}

// gaps is how many stretches of l are to be repaired.
func (l *line) gaps() int {
	n := len(l.numbers.holes) + len(l.repairs)
	if l.mending {
		n++
	}
	return n
}

// abandon has the bars mended of which trades are missing, now that nobody will send them; heard
// is when the last frame came, by the venue's clock.
func (l *line) abandon(heard market.Time) {
	for _, h := range l.numbers.holes {
		l.mend(h.span)
	}
	if n := &l.numbers; n.newest != 0 && n.told > n.newest {
		l.mend(market.Span{Start: l.lastTick, End: max(l.lastTick, heard)})
	}
	l.numbers = numbers{}
}

// numbers follow the numbers of trades, which go up by one.
type numbers struct {
	newest int64
	told   int64 // by the last heartbeat
	holes  []hole
}

// hole is a run of trades that were not received.
type hole struct {
	from, to int64 // numbers, both included
	span     market.Span
}

// take notes trade id at t and reports whether it is new, and whether trades before it are
// missing. last is the time of the trade before.
func (n *numbers) take(id int64, t, last market.Time) (fresh, missing bool) {
	switch {
	case n.newest == 0:
		n.newest = id
		return true, false
	case id == n.newest+1:
		n.newest = id
		return true, false
	case id > n.newest:
		n.holes = append(n.holes, hole{n.newest + 1, id - 1, market.Span{Start: min(last, t), End: t}})
		n.newest = id
		return true, true
	}
	for i := range n.holes {
		h := n.holes[i]
		if id < h.from || id > h.to {
			continue
		}
		n.holes = slices.Delete(n.holes, i, i+1)
		if id > h.from {
			n.holes = append(n.holes, hole{h.from, id - 1, h.span})
		}
		if id < h.to {
			n.holes = append(n.holes, hole{id + 1, h.to, h.span})
		}
		return true, false // it was only late
	}
	return false, false
}

// heartbeat notes the number of the newest trade and reports whether the trade that the
// heartbeat before told of has not come.
func (n *numbers) heartbeat(id int64) (missing bool) {
	missing = n.newest != 0 && n.told > n.newest
	if missing {
		n.newest = n.told
	}
	n.told = id
	return missing
}

// recent remembers the numbers of the newest trades, where numbers do not go up by one.
type recent struct {
	ring [4096]int64
	set  map[int64]bool
	n    int
}

// take reports whether id is new.
func (r *recent) take(id int64) bool {
	if r.set[id] {
		return false
	}
	if r.set == nil {
		r.set = make(map[int64]bool, len(r.ring))
	}
	k := r.n % len(r.ring)
	if r.n >= len(r.ring) {
		delete(r.set, r.ring[k])
	}
	r.ring[k], r.set[id] = id, true
	r.n++
	return true
}

// close forgets holes of bars that ended by t, and returns what they span.
func (n *numbers) close(end func(market.Span) market.Time, t market.Time) (spans []market.Span) {
	n.holes = slices.DeleteFunc(n.holes, func(h hole) bool {
		if end(h.span) > t {
			return false
		}
		spans = append(spans, h.span)
		return true
	})
	return spans
}

// open reports whether a market with this calendar trades at t.
func openAt(c market.Calendar, t market.Time) bool {
	s, ok := c.(market.Sessions)
	if !ok {
		return true
	}
	_, _, open := s.Session(t)
	return open
}

// backfill reports whether bars that end by end are history for a source that started at
// begin.
func (l *line) backfill(end, begin market.Time) bool { return !l.flown && end <= begin }

// message is data of l.
func (l *line) message(bars []market.Bar, ticks []market.Tick, backfill bool) feed.Message {
	return feed.Message{Instrument: l.key, Bars: bars, Ticks: ticks, Backfill: backfill}
}

// wait is how long to wait before the next try.
func (l *line) wait() time.Duration { return min(time.Minute, time.Second<<min(l.tries, 6)) }
