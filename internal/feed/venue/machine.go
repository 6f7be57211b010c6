package venue

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// machine decides what a source does. Its inputs are the methods that begin with on; what is to
// be done lies in out, asks and leave afterwards. It reads no clock and does no I/O.
type machine struct {
	a       Adapter
	about   *About
	lines   []*line
	of      map[string]*line // by symbol
	depth   time.Duration    // history that is asked for at first
	grace   time.Duration    // after its end a streamed bar is final at the latest
	silence time.Duration

	begin     market.Time // when the source was started
	connected bool
	heard     market.Time // when the last frame came
	batch     Batch
	offset    offset
	link      feed.Link
	told      feed.Link

	state  feed.State
	detail string

	out    []feed.Message
	asks   []query
	leave  string        // why the connection is to be given up
	flows  bool          // data has come since the connection was opened
	finalE error         // why the source cannot go on
	pause  time.Duration // for which the host is to be left alone
}

// query is a request that the machine wants to be made.
type query struct {
	Line   int
	Span   market.Span
	Cursor string
	Repair bool
	Newest bool `json:",omitempty"` // up to the newest bar there is when it is made
}

// config is what a machine is made with.
type config struct {
	series    []market.Series
	calendars map[string]market.Calendar
	depth     time.Duration
	silence   time.Duration
	grace     time.Duration
}

// maxTries is how often the bars of one stretch are asked for.
const maxTries = 6

// maxBars bounds the bars of a message.
const maxBars = 1000

func newMachine(a Adapter, c config, resume feed.Resume, begin market.Time) (*machine, error) {
	m := &machine{a: a, about: a.About(), of: map[string]*line{}, depth: c.depth, grace: c.grace, silence: c.silence, begin: begin}
	for _, s := range c.series {
		d, err := a.Delivers(s.Interval)
		if err != nil {
			return nil, err
		}
		_, keeps := a.Ask(s, begin, begin, "")
		l := &line{s: s, key: s.Instrument.Key(), id: s.ID(), cal: c.calendars[s.Instrument.Key()], delivers: d, history: keeps, until: market.MinTime, first: market.MinTime}
		if l.cal == nil {
			l.cal = market.Always
		}
		if at, ok := resume(l.id); ok {
			l.until, l.resumed = s.Interval.End(at), true
			l.least = l.until
		}
		m.lines = append(m.lines, l)
		m.of[s.Instrument.Symbol] = l
	}
	return m, nil
}

// polled reports whether nothing is streamed.
func (m *machine) polled() bool { return m.lines[0].delivers == Polled }

// onOpen says that a connection is open and subscriptions are sent, or, of a polled venue, that
// the source starts.
func (m *machine) onOpen(now market.Time) {
	m.connected, m.heard, m.leave, m.flows = true, now, "", false
	if m.polled() {
		m.say(feed.Connecting, "asking "+m.about.Title)
	} else {
		m.say(feed.Running, "")
	}
	for _, l := range m.lines {
		m.start(l, now)
	}
	m.onTick(now)
}

// start begins to ask for what l misses.
func (m *machine) start(l *line, now market.Time) {
	l.anew, l.phase, l.tries, l.retry = l.busy, healing, 0, market.MinTime
	l.numbers, l.ticks, l.bars, l.isOpen = numbers{}, nil, nil, false
	venue := m.offset.venue(now)
	if !l.resumed && !l.flown && len(l.sent) == 0 {
		l.least = l.s.Interval.Floor(venue.Add(-m.depth))
		l.until = l.least
	}
	sp := l.span(venue)
	l.first = market.MinTime
	if l.delivers == Trades {
		l.first = sp.End
		if sp.Start == venue {
			l.first = venue
		}
	}
	l.want = market.Span{Start: l.until, End: sp.End}
	if l.delivers == Polled {
		m.startPolling(l, venue)
		return
	}
	if !l.history {
		m.lost(l, market.Span{Start: l.until, End: max(sp.Start, l.first)}, m.about.Title+" keeps no history of "+l.s.Interval.String()+" bars")
		m.healed(l, max(sp.Start, l.first))
	}
}

// align begins anew by the venue's clock, once that is known to be another than ours.
func (m *machine) align(now market.Time) {
	if m.offset.n != 1 || m.offset.get().Abs() <= time.Second {
		return
	}
	for _, l := range m.lines {
		if l.phase != idle {
			m.start(l, now)
		}
	}
}

// onClose says that the connection is lost.
func (m *machine) onClose(now market.Time, why string) {
	m.connected = false
	m.link.Reconnects++
	m.link.Reason = why
	m.say(feed.Stalled, why)
	for _, l := range m.lines {
		// What is held is asked for again when the next connection stands; holes may reach back
		// behind that.
		l.abandon(m.offset.venue(m.heard))
		l.phase, l.busy, l.ticks, l.bars, l.isOpen = idle, false, nil, nil, false
		// Bars that time closed after the last that was heard may not be whole.
		if heard := m.offset.venue(m.heard); l.delivers == Bars && l.history && l.flown && l.until > l.s.Interval.Floor(heard) {
			l.mend(market.Span{Start: heard, End: l.until - 1})
		}
	}
	m.status(now)
}

// onFrame takes a frame.
func (m *machine) onFrame(now market.Time, frame []byte) {
	m.heard = now
	b := &m.batch
	b.reset()
	if err := m.a.Decode(frame, b); err != nil {
		m.refuse("", Cut(frame), err.Error())
		return
	}
	m.link.Frames++
	m.link.Unknown += uint64(b.Unknown)
	if b.Sent != 0 {
		m.offset.add(b.Sent.Sub(now))
		m.align(now)
	}
	for _, r := range b.Rejects {
		m.refuse(r.Symbol, r.Raw, r.Reason)
	}
	for _, why := range b.Refused {
		m.link.Refused = why
		m.say(feed.Running, m.about.Title+" refuses: "+why)
	}
	if b.Fatal != "" {
		m.finalE = fmt.Errorf("%s: %w: %s", m.about.Title, ErrFinal, b.Fatal)
		return
	}
	for _, t := range b.Trades {
		m.trade(now, &t)
	}
	for _, u := range b.Bars {
		m.bar(now, &u)
	}
	for _, n := range b.Newest {
		if l := m.of[n.Symbol]; l != nil && l.delivers == Trades && l.numbers.heartbeat(n.ID) {
			until := max(l.lastTick, m.offset.venue(now))
			l.mend(market.Span{Start: l.lastTick, End: until})
			l.lastTick = until // what is missed later is of later
		}
	}
	if b.Leave != "" {
		m.leave = b.Leave
	}
	m.flush(now)
	m.onTick(now)
}

// trade takes a trade.
func (m *machine) trade(now market.Time, t *Trade) {
	l := m.of[t.Symbol]
	if l == nil || l.delivers != Trades {
		m.link.Unknown++
		return
	}
	if t.Past {
		if t.ID > 0 && m.about.Sequential && l.numbers.newest == 0 {
			l.numbers.newest = t.ID
		}
		l.lastTick = max(l.lastTick, t.Tick.Time)
		return
	}
	m.flows = true
	if t.ID > 0 && m.about.Sequential {
		if fresh, _ := l.numbers.take(t.ID, t.Tick.Time, l.lastTick); !fresh {
			m.link.Duplicates++
			return
		}
	}
	if t.ID > 0 && !m.about.Sequential {
		if l.ids == nil {
			l.ids = &recent{}
		}
		if !l.ids.take(t.ID) {
			m.link.Duplicates++
			return
		}
	}
	if err := t.Tick.Validate(l.s.Instrument.AllowNonPositive); err != nil {
		m.refuse(t.Symbol, fmt.Sprintf("%s,%v,%v", t.Tick.Time, t.Tick.Price, t.Tick.Size), err.Error())
		return
	}
	l.lastTick = max(l.lastTick, t.Tick.Time)
	if t.Tick.Time < l.first {
		return // of a bar that comes over REST, or that cannot be had
	}
	if len(l.ticks) >= maxHeld {
		l.ticks = nil
		m.leave = "too much came while the history was asked for"
		return
	}
	l.ticks = append(l.ticks, t.Tick)
}

// bar takes a streamed bar.
func (m *machine) bar(now market.Time, u *BarUpdate) {
	l := m.of[u.Symbol]
	if l == nil || l.delivers != Bars {
		m.link.Unknown++
		return
	}
	m.flows = true
	if err := u.Bar.Validate(l.s.Instrument.AllowNonPositive); err != nil {
		m.refuse(u.Symbol, fmt.Sprintf("%+v", u.Bar), err.Error())
		return
	}
	if l.s.Interval.Floor(u.Bar.Start) != u.Bar.Start || l.s.Interval.End(u.Bar.Start) != u.Bar.End {
		m.refuse(u.Symbol, fmt.Sprintf("%+v", u.Bar), fmt.Sprintf("%s to %s is no bar of %s", u.Bar.Start, u.Bar.End, l.s.Interval))
		return
	}
	switch {
	case u.Closed:
		if l.isOpen && l.open.Start <= u.Bar.Start {
			if l.open.Start < u.Bar.Start {
				l.bars = append(l.bars, l.open)
			}
			l.isOpen = false
		}
		l.bars = append(l.bars, u.Bar)
	case l.isOpen && u.Bar.Start > l.open.Start:
		l.bars = append(l.bars, l.open)
		l.open = u.Bar
	case l.isOpen && u.Bar.Start < l.open.Start || !l.isOpen && u.Bar.End <= l.until && l.until > market.MinTime:
		l.bars = append(l.bars, u.Bar) // late: a revision, if it differs
	default:
		l.open, l.isOpen = u.Bar, true
	}
	if len(l.bars) > maxHeld {
		l.bars = nil
		m.leave = "too much came while the history was asked for"
	}
}

// onAnswer takes the answer to q, or the reason why there is none.
func (m *machine) onAnswer(now market.Time, q query, body []byte, err error) {
	l := m.lines[q.Line]
	l.busy, l.mending = false, false
	if l.anew {
		l.anew = false
		m.onTick(now)
		return
	}
	var page Page
	if err == nil {
		page, err = m.a.Read(l.s, body)
	}
	if err != nil {
		m.failed(now, l, q, err, body != nil)
		m.onTick(now)
		return
	}
	if page.Bounded > 0 {
		page.Next = l.s.Interval.Floor(q.Span.Start).Add(time.Duration(page.Bounded) * l.s.Interval.Duration())
	}
	for _, r := range page.Rejects {
		m.refuseOnce(l, r.Raw, r.Reason)
	}
	m.actions(l, page.Actions)
	bars := slices.DeleteFunc(m.usable(l, page.Bars), func(b market.Bar) bool {
		return b.Start < q.Span.Start || l.delivers != Polled && (b.Start >= q.Span.End || b.End > m.offset.venue(now))
	})
	if q.Repair {
		m.repaired(now, l, q, &page, bars)
		m.onTick(now)
		return
	}
	if l.phase != healing && l.delivers != Polled {
		return // the connection was lost meanwhile
	}
	if l.delivers == Polled {
		bars = m.polledBars(now, l, m.traded(l, bars), page.Final)
	}
	bars = slices.DeleteFunc(bars, func(b market.Bar) bool { return b.Start < l.until })
	if page.Oldest > q.Span.Start && page.Oldest > l.until && l.until > market.MinTime {
		m.lost(l, market.Span{Start: l.until, End: page.Oldest}, m.about.Title+" keeps no older bars")
		l.until = page.Oldest
	}
	m.send(l, bars)
	m.flows = m.flows || len(bars) > 0
	switch {
	case page.Cursor != "" && page.Cursor != q.Cursor:
		m.ask(l, query{Line: q.Line, Span: q.Span, Cursor: page.Cursor, Newest: q.Newest})
	case page.Next > q.Span.Start && page.Next < q.Span.End && page.Next <= m.offset.venue(now):
		m.ask(l, query{Line: q.Line, Span: market.Span{Start: page.Next, End: q.Span.End}, Newest: q.Newest})
	case l.delivers == Polled && !q.Newest && q.Span.End <= m.offset.venue(now):
		m.pollFrom(now, q.Line, l, q.Span.End)
	default:
		m.asked(now, l, q)
	}
	m.onTick(now)
}

// asked says that everything of q has been answered.
func (m *machine) asked(now market.Time, l *line, q query) {
	l.tries = 0
	if l.delivers == Polled {
		m.answered(now, l)
		return
	}
	if l.delivers == Trades && l.first > l.s.Interval.Floor(m.offset.venue(now)) {
		// The bar that was joined in its middle has not ended: it is asked for when it has.
		l.want = market.Span{Start: max(l.until, q.Span.Start), End: l.first}
		l.retry = l.first.Add(m.about.Settle - m.offset.get())
		return
	}
	if l.delivers == Trades && l.want.End == l.first && l.until < l.first && now < l.first.Add(m.about.Settle+30*time.Second) && q.Span.End >= l.first && m.recent(l) {
		// REST may not know a bar yet that has just ended.
		l.want.Start, l.retry = l.until, now.Add(max(m.about.Settle, time.Second))
		return
	}
	m.healed(l, max(l.until, min(l.first, q.Span.End)))
}

// recent reports whether trades of the bar before l.first were seen: REST must know it.
func (m *machine) recent(l *line) bool {
	return l.lastTick >= l.span(l.first-1).Start && l.lastTick > market.MinTime && l.until <= l.span(l.first-1).Start && l.lastTick < l.first
}

// healed lets go what was held: everything before until has been sent.
func (m *machine) healed(l *line, until market.Time) {
	l.until = max(l.until, until)
	l.phase = live
}

// failed notes that q was not answered, or, when it was spent, with something that is of no use.
func (m *machine) failed(now market.Time, l *line, q query, err error, spent bool) {
	l.tries++
	final := errors.Is(err, ErrFinal)
	switch {
	case l.delivers == Polled:
		m.unanswered(now, l, err, spent)
	case q.Repair:
		if final || l.tries >= maxTries {
			l.tries = 0
			m.lost(l, q.Span, err.Error())
			return
		}
		l.repairs = append(l.repairs, q.Span)
		l.retry = now.Add(l.wait())
	case final || l.tries >= maxTries:
		l.tries = 0
		m.lost(l, market.Span{Start: l.until, End: max(l.first, l.s.Interval.Floor(m.offset.venue(now)))}, err.Error())
		m.healed(l, max(l.until, l.first))
	default:
		l.want.Start, l.retry = max(l.want.Start, l.until), now.Add(l.wait())
	}
}

// lost notes that the bars of sp cannot be had.
func (m *machine) lost(l *line, sp market.Span, why string) {
	if sp.End <= sp.Start || sp.Start == market.MinTime {
		return
	}
	m.link.GapsLost++
	m.link.Lost = fmt.Sprintf("%s from %s to %s: %s", l.id, sp.Start, sp.End, why)
	m.out = append(m.out, feed.Message{Instrument: l.key, Lost: []market.Span{sp}, Detail: why})
}

// repaired sends bars again of which parts were missed.
func (m *machine) repaired(now market.Time, l *line, q query, page *Page, bars []market.Bar) {
	for len(bars) > 0 {
		n := min(len(bars), maxBars)
		m.out = append(m.out, l.message(bars[:n:n], nil, false))
		bars = bars[n:]
	}
	switch {
	case page.Cursor != "" && page.Cursor != q.Cursor:
		m.ask(l, query{Line: q.Line, Span: q.Span, Cursor: page.Cursor, Repair: true})
	case page.Next > q.Span.Start && page.Next < q.Span.End:
		m.ask(l, query{Line: q.Line, Span: market.Span{Start: page.Next, End: q.Span.End}, Repair: true})
	default:
		l.tries = 0
		m.link.GapsHealed++
	}
}

// send sends closed bars in order.
func (m *machine) send(l *line, bars []market.Bar) {
	for i := 0; i < len(bars); {
		past := l.backfill(bars[i].End, m.offset.venue(m.begin))
		k := i
		for k < len(bars) && k-i < maxBars && l.backfill(bars[k].End, m.offset.venue(m.begin)) == past {
			k++
		}
		m.out = append(m.out, l.message(bars[i:k:k], nil, past))
		for _, b := range bars[max(i, k-maxSent):k] {
			l.keep(b)
		}
		l.flown = l.flown || !past
		l.count += k - i
		l.until = max(l.until, bars[k-1].End)
		i = k
	}
}

// flush sends what live lines have taken in.
func (m *machine) flush(now market.Time) {
	for _, l := range m.lines {
		if l.phase != live {
			continue
		}
		if len(l.bars) > 0 {
			var fresh []market.Bar
			for _, b := range l.bars {
				switch {
				case b.Start >= l.until:
					fresh = append(fresh, b)
					l.until = b.End
				case b.Start >= l.least && !slices.Contains(l.sent, b): // a revision
					m.out = append(m.out, l.message([]market.Bar{b}, nil, l.backfill(b.End, m.offset.venue(m.begin))))
					l.keep(b)
				}
			}
			m.send(l, fresh)
			l.bars = nil
		}
		if len(l.ticks) > 0 {
			ticks := slices.DeleteFunc(l.ticks, func(t market.Tick) bool { return t.Time < l.first || t.Time < l.least })
			if len(ticks) > 0 {
				l.flown = true
				l.until = max(l.until, l.s.Interval.Floor(ticks[len(ticks)-1].Time))
				m.out = append(m.out, l.message(nil, ticks, false))
			}
			l.ticks = nil
		}
	}
	m.status(now)
}

// onTick does what is due by time.
func (m *machine) onTick(now market.Time) {
	venue := m.offset.venue(now)
	for i, l := range m.lines {
		if l.isOpen && venue >= l.open.End.Add(m.grace) {
			l.bars = append(l.bars, l.open)
			l.isOpen = false
		}
		for _, sp := range l.numbers.close(func(sp market.Span) market.Time { return l.span(sp.End).End }, venue) {
			if sp.End < l.first && l.history { // of the bar that comes over REST as it is
				continue
			}
			l.mend(sp)
		}
		if l.delivers == Polled {
			m.release(l, venue)
		}
		if l.busy || now < l.retry || !m.connected {
			continue
		}
		switch {
		case l.delivers == Polled:
			if now >= l.polling.at {
				m.poll(now, i, l)
			}
		case l.phase == healing:
			m.ask(l, query{Line: i, Span: l.want})
		case l.phase == live && len(l.repairs) > 0 && venue >= l.ripe().Add(m.about.Settle):
			sp := l.owed(venue.Add(-m.about.Settle))
			if !l.history {
				m.lost(l, sp, m.about.Title+" keeps no history to repair it from")
				continue
			}
			m.ask(l, query{Line: i, Span: sp, Repair: true})
		}
	}
	m.flush(now)
	if !m.polled() && m.connected && m.leave == "" && m.silence > 0 && now.Sub(m.heard) >= m.silence && m.anyOpen(venue) {
		m.leave = fmt.Sprintf("nothing came for %s", now.Sub(m.heard).Round(time.Millisecond))
	}
}

// anyOpen reports whether one of the markets trades, so that something should come. Markets
// that have just opened may need a moment.
func (m *machine) anyOpen(t market.Time) bool {
	for _, l := range m.lines {
		if openAt(l.cal, t) && openAt(l.cal, t.Add(-m.silence)) {
			return true
		}
	}
	return false
}

// due is the time of the next onTick, MaxTime for none.
func (m *machine) due() market.Time {
	d := market.MaxTime
	if !m.connected {
		return d
	}
	off := m.offset.get()
	for _, l := range m.lines {
		if l.isOpen {
			d = min(d, l.open.End.Add(m.grace-off))
		}
		for _, h := range l.numbers.holes {
			d = min(d, l.span(h.span.End).End.Add(-off))
		}
		if len(l.polling.held) > 0 {
			d = min(d, l.polling.held[0].End.Add(-off))
		}
		if l.busy {
			continue
		}
		switch {
		case l.delivers == Polled:
			d = min(d, max(l.polling.at, l.retry))
		case l.phase == healing:
			d = min(d, l.retry)
		case len(l.repairs) > 0:
			d = min(d, max(l.retry, l.ripe().Add(m.about.Settle-off)))
		}
	}
	if !m.polled() && m.silence > 0 {
		d = min(d, m.heard.Add(m.silence))
	}
	return d
}

// ask puts q among the requests to make.
func (m *machine) ask(l *line, q query) {
	l.busy, l.mending = true, q.Repair
	m.asks = append(m.asks, q)
}
