package venue

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// polling is what a machine knows of a series whose bars are asked for, one request after
// another. A series is asked when its next bar has ended and the venue knows it, by the
// calendar; when the bar is not there yet, again after waits that double, until the next bar is
// due. The newest bars are asked for once more each time: venues correct them.
type polling struct {
	at      market.Time  // when to ask
	due     market.Time  // end of the bar that the next answer should bring
	newest  market.Time  // end of the newest bar that came
	again   int          // answers without that bar
	held    []market.Bar // finished ones whose end has not come by our clock
	dead    bool         // refused for good
	actions []market.Action
	refused []string // what was refused lately: it is said once
}

// revisit is how many bars are asked for again.
const revisit = 3

// maxTold bounds what is remembered of refusals and corporate actions.
const maxTold = 256

// Checker is an Adapter that does not offer every interval for every symbol.
type Checker interface {
	// Check returns why a series is not offered, an error that wraps ErrSymbol.
	Check(s market.Series) error
}

// Keeper is an Adapter of a venue that keeps bars for some time only, or gives those of a short
// stretch at once: of polled series.
type Keeper interface {
	// Keeps returns how far back bars of an interval can be had, and how long a stretch one
	// request may ask for; 0 means no limit.
	Keeps(i market.Interval) (back, atOnce time.Duration)
}

// Answerer is an Adapter of a venue that answers with other statuses than 200.
type Answerer interface {
	// Answers reports whether Read makes sense of a body that came with another status.
	Answers(status int, body []byte) bool
}

// Later is an error of Adapter.Read after which the whole host must be left alone for a while.
type Later struct {
	For time.Duration
	Day bool // until the next day of UTC, whatever For says
	Err error
}

// Error says what came.
func (l *Later) Error() string { return l.Err.Error() }

// Unwrap returns what came.
func (l *Later) Unwrap() error { return l.Err }

// wait is how long, from now on.
func (l *Later) wait(now market.Time) time.Duration {
	if l.Day {
		return market.Day.End(market.Day.Floor(now)).Sub(now) + 10*time.Second
	}
	return max(l.For, time.Second)
}

// startPolling begins to ask for l.
func (m *machine) startPolling(l *line, venue market.Time) {
	if k, ok := m.a.(Keeper); ok {
		if back, _ := k.Keeps(l.s.Interval); back > 0 {
			oldest := l.s.Interval.End(l.s.Interval.Floor(venue.Add(-back)))
			if l.until < oldest {
				m.lost(l, market.Span{Start: l.until, End: oldest}, m.about.Title+" keeps no older bars of "+l.s.Interval.String())
				l.until, l.least = oldest, oldest
			}
		}
	}
	l.polling = polling{at: market.MinTime, newest: l.until, actions: l.polling.actions, dead: l.polling.dead}
	if cur := l.span(venue); cur.Start > l.until && l.overlaps(l.span(cur.Start-1)) {
		l.polling.due = cur.Start
	}
}

// overlaps reports whether the market of l trades within sp.
func (l *line) overlaps(sp market.Span) bool {
	s, ok := l.cal.(market.Sessions)
	if !ok {
		return true
	}
	open, _, _ := s.Session(sp.Start)
	return open < sp.End
}

// upcoming is the end of the first bar that has not ended at t.
func (l *line) upcoming(t market.Time) market.Time {
	cur := l.span(t)
	if l.overlaps(cur) {
		return cur.End
	}
	return l.s.Interval.End(l.cal.NextBar(l.s.Interval, cur.Start))
}

// dated takes the time at which a host says that it answered, in whole seconds, rounded down. What
// is less than two seconds may be the way and the rounding.
func (m *machine) dated(now, sent market.Time) {
	d := sent.Sub(now)
	if d.Abs() < 2*time.Second {
		d = 0
	}
	m.offset.add(d)
	m.align(now)
}

// ended is the end of the last bar that has ended by t, or since if none has ended after that. It
// is 0 when since is.
func (l *line) ended(since, t market.Time) market.Time {
	if cur := l.span(t); since > 0 && since < cur.Start && l.overlaps(l.span(cur.Start-1)) {
		return cur.Start
	}
	for since > 0 {
		next := l.upcoming(since)
		if next > t {
			break
		}
		since = next
	}
	return since
}

// poll asks for l.
func (m *machine) poll(now market.Time, i int, l *line) {
	m.pollFrom(now, i, l, max(l.least, l.until.Add(-revisit*l.s.Interval.Duration())))
}

// pollFrom asks for what is there from a time on, or for as much of it as can be had at once.
func (m *machine) pollFrom(now market.Time, i int, l *line, from market.Time) {
	q := query{Line: i, Span: market.Span{Start: from, End: l.span(m.offset.venue(now)).End}, Newest: true}
	if k, ok := m.a.(Keeper); ok {
		_, atOnce := k.Keeps(l.s.Interval)
		if end := l.s.Interval.Floor(from.Add(atOnce)); atOnce > 0 && end > from && end < q.Span.End {
			q.Span.End, q.Newest = end, false
		}
	}
	m.ask(l, q)
}

// polledBars deals with the bars of an answer, and returns those that are to be sent. final says
// that all are finished, whatever our clock says.
func (m *machine) polledBars(now market.Time, l *line, bars []market.Bar, final bool) (fresh []market.Bar) {
	venue := m.offset.venue(now)
	for _, b := range bars {
		l.polling.newest = max(l.polling.newest, b.End)
		switch {
		case final && b.Start > venue.Add(l.s.Interval.Duration()):
			m.refuseOnce(l, fmt.Sprintf("%+v", b), fmt.Sprintf("it is stamped %s, which has not come: is the venue's clock or time zone another?", b.Start))
		case b.End > venue && final:
			k := slices.IndexFunc(l.polling.held, func(h market.Bar) bool { return h.Start == b.Start })
			if k < 0 {
				l.polling.held = append(l.polling.held, b)
			} else {
				l.polling.held[k] = b
			}
		case b.End > venue:
		case b.Start >= l.until:
			fresh = append(fresh, b)
		case b.Start >= l.least && !slices.Contains(l.sent, b): // a revision
			m.out = append(m.out, l.message([]market.Bar{b}, nil, l.backfill(b.End, m.offset.venue(m.begin))))
			l.keep(b)
		}
	}
	return fresh
}

// release sends the held bars that have ended.
func (m *machine) release(l *line, venue market.Time) {
	for len(l.polling.held) > 0 && l.polling.held[0].End <= venue {
		b := l.polling.held[0]
		l.polling.held = l.polling.held[1:]
		if b.Start >= l.until {
			m.send(l, []market.Bar{b})
		}
	}
}

// answered says that everything that was asked of l has been answered, and when to ask again.
func (m *machine) answered(now market.Time, l *line) {
	p := &l.polling
	l.phase = live
	venue := m.offset.venue(now)
	next := l.upcoming(venue)
	regular := next.Add(m.about.Settle - m.offset.get())
	gap := m.gap(now)
	if last := l.ended(p.due, venue); last > p.due {
		p.due, p.again = last, 0 // others have ended meanwhile
	}
	if settled := p.due.Add(max(l.s.Interval.Duration(), m.about.Settle)); p.due > 0 && p.newest < p.due && venue < settled {
		p.again++
		if retry := now.Add(max(m.patience(l)<<min(p.again, 20), m.about.Every, gap)); retry < regular {
			p.at = retry
			m.follows(l, gap)
			return
		}
	}
	p.at, p.due, p.again = max(regular, now.Add(max(m.about.Every, gap))), next, 0
	m.follows(l, gap)
}

// patience is half the wait after the first answer without the bar that is due.
func (m *machine) patience(l *line) time.Duration {
	return max(m.about.Settle, min(l.s.Interval.Duration()/16, 5*time.Second))
}

// follows says that the source works, and what is peculiar about it.
func (m *machine) follows(l *line, gap time.Duration) {
	why := ""
	if gap > l.s.Interval.Duration() {
		why = fmt.Sprintf("%s takes %d requests a day, so that each series is asked for every %s", m.about.Title, m.about.Daily, gap.Round(time.Second))
	}
	for _, o := range m.lines {
		if o.polling.dead {
			why = "refused: " + m.link.Refused
		}
	}
	m.say(feed.Running, why)
}

// gap is the least time between two polls of a series, so that all of them together keep within
// what the venue takes a day. A series is asked while its market trades; those that need fewer
// requests leave theirs to the others.
func (m *machine) gap(now market.Time) time.Duration {
	if m.about.Daily == 0 {
		return 0
	}
	// What the first answers of all take lies beside it.
	left := float64(max(m.about.Daily/2, m.about.Daily-len(m.lines)))
	type wish struct{ open, need float64 }
	var wishes []wish
	total := 0.0
	for _, l := range m.lines {
		if l.polling.dead {
			continue
		}
		open := 24 * time.Hour
		if s, ok := l.cal.(market.Sessions); ok && l.s.Interval.Duration() < open {
			from, till, _ := s.Session(now)
			open = min(open, till.Sub(from))
		}
		every := l.s.Interval.Duration()
		tries := min(3, 1+bits.Len64(uint64(every/m.patience(l)))) // for a bar: it may be late
		wishes = append(wishes, wish{open.Seconds(), max(1, open.Seconds()/every.Seconds()) * float64(tries)})
		total += open.Seconds()
	}
	for changed := true; changed; {
		changed = false
		wishes = slices.DeleteFunc(wishes, func(w wish) bool {
			modest := left > 0 && w.need < w.open*left/total
			if modest {
				left, total, changed = left-w.need, total-w.open, true
			}
			return modest
		})
	}
	if len(wishes) == 0 || left <= 0 {
		return 0
	}
	return time.Duration(total / left * float64(time.Second))
}

// unanswered notes that l was not answered; spent is true when the venue counts the request.
func (m *machine) unanswered(now market.Time, l *line, err error, spent bool) {
	var later *Later
	switch {
	case errors.As(err, &later):
		d := later.wait(m.offset.venue(now))
		m.pause = max(m.pause, d)
		l.polling.at = now.Add(d)
		m.say(feed.Stalled, fmt.Sprintf("%v; asked again at %s", err, l.polling.at.Std().Format(time.RFC3339)))
	case errors.Is(err, ErrFinal):
		l.polling.dead, l.polling.at = true, market.MaxTime
		m.link.Refused = fmt.Sprintf("%s: %v", l.id, err)
		if !slices.ContainsFunc(m.lines, func(l *line) bool { return !l.polling.dead }) {
			m.finalE = err
			return
		}
		m.say(feed.Stalled, m.link.Refused)
	default:
		wait, gap := l.wait(), max(m.about.Every, m.gap(now))
		if !spent {
			gap = min(gap, 2*time.Minute)
		}
		l.polling.at = now.Add(max(wait, gap))
		m.say(feed.Stalled, err.Error())
	}
}

// refuseOnce puts what cannot be used into quarantine, unless it came before.
func (m *machine) refuseOnce(l *line, raw, why string) {
	if l.delivers == Polled {
		if slices.Contains(l.polling.refused, raw+why) {
			return
		}
		if len(l.polling.refused) >= maxTold {
			l.polling.refused = slices.Delete(l.polling.refused, 0, maxTold/2)
		}
		l.polling.refused = append(l.polling.refused, raw+why)
	}
	m.refuse(l.s.Instrument.Symbol, raw, why)
}

// usable leaves out bars that cannot be used, and puts the others in order.
func (m *machine) usable(l *line, bars []market.Bar) []market.Bar {
	bars = slices.DeleteFunc(bars, func(b market.Bar) bool {
		err := b.Validate(l.s.Instrument.AllowNonPositive)
		if err == nil && (l.s.Interval.Floor(b.Start) != b.Start || l.s.Interval.End(b.Start) != b.End) {
			err = fmt.Errorf("%s to %s is no bar of %s", b.Start, b.End, l.s.Interval)
		}
		if err != nil {
			m.refuseOnce(l, fmt.Sprintf("%+v", b), err.Error())
		}
		return err != nil
	})
	slices.SortStableFunc(bars, func(a, b market.Bar) int { return int(min(1, max(-1, a.Start-b.Start))) })
	out := bars[:0]
	for i, b := range bars {
		if i+1 == len(bars) || bars[i+1].Start != b.Start { // of several, the last
			out = append(out, b)
		}
	}
	return out
}

// stored is the time of which bars may have been kept before a split: the end of the last that
// was stored when the source was started, or its start.
func (l *line) stored(begin market.Time) market.Time {
	if l.resumed {
		return l.least
	}
	return l.s.Interval.Floor(begin)
}

// traded leaves out bars that a venue of adjusted bars has rescaled for a split of which the
// bars that were sent before know nothing: what is stored stays as it was traded.
func (m *machine) traded(l *line, bars []market.Bar) []market.Bar {
	if !m.about.Adjusted {
		return bars
	}
	ex := market.MinTime
	for _, a := range l.polling.actions {
		if a.Kind == market.Split {
			ex = max(ex, a.Ex)
		}
	}
	ex = l.s.Interval.Floor(ex)
	n := len(bars)
	bars = slices.DeleteFunc(bars, func(b market.Bar) bool { return b.Start < ex })
	if len(bars) < n && l.until < ex {
		m.lost(l, market.Span{Start: l.until, End: ex}, m.about.Title+" has rescaled them for a split since")
		l.until = ex
	}
	return bars
}

// actions takes the corporate actions that came along, each of them once.
func (m *machine) actions(l *line, list []market.Action) {
	var fresh []market.Action
	for _, a := range list {
		if m.about.Adjusted && a.Kind == market.Split && a.Ex < l.stored(m.begin) {
			continue // every bar that is sent has been rescaled already
		}
		if err := a.Validate(); err != nil {
			m.refuseOnce(l, fmt.Sprintf("%+v", a), err.Error())
			continue
		}
		if !slices.Contains(l.polling.actions, a) {
			fresh = append(fresh, a)
			l.polling.actions = append(l.polling.actions, a)
		}
	}
	if n := len(l.polling.actions); n > maxTold {
		l.polling.actions = slices.Delete(l.polling.actions, 0, n-maxTold)
	}
	if len(fresh) > 0 {
		m.out = append(m.out, feed.Message{Instrument: l.key, Actions: fresh})
	}
}
