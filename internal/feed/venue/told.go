package venue

import (
	"math"
	"slices"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// progress is what an answer has added to histories.
func (m *machine) progress(in *Input) []Progress {
	if in.Kind != kindAnswer || in.Query.Repair {
		return nil
	}
	l := m.lines[in.Query.Line]
	if l.shown {
		return nil
	}
	p := Progress{Series: l.id, From: l.least, At: l.until, Till: m.offset.venue(in.At), Bars: l.count, Done: !l.busy || l.phase == live}
	l.shown = p.Done
	return []Progress{p}
}

// refuse puts what cannot be used into quarantine.
func (m *machine) refuse(symbol, raw, why string) {
	r := feed.Reject{Source: m.about.Name, Raw: raw, Reason: why}
	if l := m.of[symbol]; l != nil {
		r.Instrument = l.key
	}
	m.out = append(m.out, feed.Message{Rejects: []feed.Reject{r}})
}

// say tells of the source's condition, if it is new.
func (m *machine) say(s feed.State, detail string) {
	if m.state != s || m.detail != detail {
		m.state, m.detail = s, detail
		m.out = append(m.out, feed.Message{State: s, Detail: detail})
	}
}

// status tells of the connection when something about it is new.
func (m *machine) status(now market.Time) {
	m.link.Offset, m.link.Measured = m.offset.get().Seconds(), m.offset.n > 0
	m.link.Healing, m.link.GapsOpen = 0, 0
	for _, l := range m.lines {
		if l.phase == healing {
			m.link.Healing++
		}
		m.link.GapsOpen += l.gaps()
	}
	was := m.told
	was.Frames = m.link.Frames
	if was == m.link && now.Sub(m.told.At) < 5*time.Second {
		return
	}
	if math.Abs(was.Offset-m.link.Offset) < 0.1 {
		was.Offset = m.link.Offset
	}
	if was == m.link && now.Sub(m.told.At) < 5*time.Second {
		return
	}
	m.link.At = now
	m.told = m.link
	l := m.link
	m.out = append(m.out, feed.Message{Link: &l})
}

// offset is how far the venue's clock is ahead of ours: the median of the newest measurements,
// each of which is too small by the time that the frame was under way.
type offset struct {
	ring [31]time.Duration
	n    int
	med  time.Duration
}

func (o *offset) add(d time.Duration) {
	o.ring[o.n%len(o.ring)] = d
	o.n++
	if o.n > len(o.ring) && o.n%8 != 0 {
		return
	}
	k := min(o.n, len(o.ring))
	s := o.ring
	slices.Sort(s[:k])
	o.med = s[k/2]
}

func (o *offset) get() time.Duration { return o.med }

// venue is the venue's time at now.
func (o *offset) venue(now market.Time) market.Time { return now.Add(o.med) }
