package seasonal

import (
	"fmt"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

const (
	day  = market.Time(24 * time.Hour / time.Microsecond)
	week = 7 * day
	// sunday is the first start of a week at or before 1970 that daily bars are
	// counted from. Weeks begin on Sundays here, so that a daily bar of currencies
	// that begins on Sunday evening is in the week it belongs to.
	sunday = -4 * day
)

// cycle says where in its cycle a bar stands.
type cycle struct {
	length market.Time // 0: a year, by months
	from   market.Time // a start of a cycle
	width  market.Time // of a slot
}

// cycle returns that of the bars of w from the given one on, or why there is none to be
// seen.
func (m Model) cycle(w forecast.Window, from int) (c cycle, err error) {
	switch i := w.Interval(); {
	case i == market.Day:
		c = cycle{week, sunday, day}
	case i.Duration() < market.Day.Duration():
		c = cycle{day, 0, market.Time(i.Duration() / time.Microsecond)}
	case i == market.MustInterval("1mo"):
	default:
		return c, fmt.Errorf("%w: bars of %v have no cycle", forecast.ErrDegenerate, i)
	}
	// Bars of a window ascend, so a new cycle is a change of its number.
	seen, several := 1, false
	last, first := c.number(at(w, from)), c.slot(at(w, from))
	for i := from + 1; i < w.Len() && (seen < m.Cycles || !several); i++ {
		if n := c.number(at(w, i)); n != last {
			last = n
			seen++
		}
		several = several || c.slot(at(w, i)) != first
	}
	switch {
	case seen < m.Cycles:
		return c, fmt.Errorf("%w: %d bars span %d cycles, at least %d are needed", forecast.ErrTooShort, w.Len()-from, seen, m.Cycles)
	case !several:
		return c, fmt.Errorf("%w: all bars begin at the same point of the cycle, so it cannot be seen", forecast.ErrDegenerate)
	}
	return c, nil
}

// number counts cycles.
func (c *cycle) number(t market.Time) int64 {
	if c.length == 0 {
		return int64(t.Std().Year())
	}
	t -= c.from
	n := t / c.length
	if t%c.length < 0 {
		n--
	}
	return int64(n)
}

// slot counts slots from the start of the cycle.
func (c *cycle) slot(t market.Time) int {
	if c.length == 0 {
		return int(t.Std().Month()) - 1
	}
	t = (t - c.from) % c.length
	if t < 0 {
		t += c.length
	}
	return int(t / c.width)
}

// followers is how many bars next looks at. An odd number, more than half of which a month
// of weeks and a week of days make.
const followers = 9

// next is the slot in which the bar after the last of w should begin: the most frequent
// follower of the newest bars in the slot of the last, on a tie the most recent one.
// It is not known when no bar from the given one on was in that slot before.
func (c *cycle) next(w forecast.Window, from int) (slot int, known bool) {
	last := w.Len() - 1
	here := c.slot(at(w, last))
	type follower struct{ slot, count int }
	var room [followers]follower
	all := room[:0] // most recent first
	for i, n := last-1, 0; i >= from && n < followers; i-- {
		if c.slot(at(w, i)) != here {
			continue
		}
		n++
		s, j := c.slot(at(w, i+1)), 0
		for j < len(all) && all[j].slot != s {
			j++
		}
		if j == len(all) {
			all = append(all, follower{slot: s})
		}
		all[j].count++
	}
	most := 0
	for _, f := range all {
		if f.count > most {
			slot, most = f.slot, f.count
		}
	}
	return slot, most > 0
}
