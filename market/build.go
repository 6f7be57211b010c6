package market

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// DefaultRevisable is how many of the newest final bars late data may still revise
// unless BuildOptions says otherwise.
const DefaultRevisable = 16

// ErrTooLate says that a tick, or a base bar, belongs to a bar that can no longer
// be revised.
var ErrTooLate = errors.New("market: too late")

// ErrDelivered says that a tick belongs to a bar that was delivered whole, see
// Builder.Skip.
var ErrDelivered = errors.New("market: its bar was delivered whole")

// BuildOptions are the rules of finality.
type BuildOptions struct {
	// Grace is how long after its end a bar waits for late data before Advance
	// makes it final.
	Grace time.Duration
	// Revisable is the number of newest final bars that late data may revise; 0
	// means DefaultRevisable.
	Revisable int
	// AllowNonPositive permits prices of zero and below.
	AllowNonPositive bool
}

// Refused is a tick that a Builder did not take, and why.
type Refused struct {
	Tick Tick
	Err  error
}

// Builder builds the bars of one interval from the ticks of one instrument. Bars
// lie on the grid of Interval.Floor. The zero Builder is not usable, and a Builder
// is not safe for concurrent use.
//
// Its methods append to slices of the caller and return them, as append does, so
// that a caller who hands the same slices in again and again allocates nothing.
type Builder struct {
	interval Interval
	opt      BuildOptions
	open     part
	isOpen   bool
	final    []part // the newest final bars by Start, at most opt.Revisable
	before   Time   // ticks before it are not taken, see Skip
	late     uint64
}

// part is a bar with what is needed to take more ticks into it.
type part struct {
	bar         Bar
	first, last stamp // of the ticks that gave open and close
	// sum+lost is the volume to about twice the precision of a float64, so that it
	// does not depend on the order in which sizes were added.
	sum, lost float64
}

// stamp orders ticks: by time, then by the venue's sequence.
type stamp struct {
	at  Time
	seq uint64
}

// NewBuilder returns a builder of bars of interval i. It panics when i is not valid.
func NewBuilder(i Interval, opt BuildOptions) *Builder {
	if !i.Valid() {
		panic("market: NewBuilder needs a valid interval")
	}
	if opt.Revisable <= 0 {
		opt.Revisable = DefaultRevisable
	}
	return &Builder{interval: i, opt: opt, before: MinTime}
}

// Prime tells b which bars are stored already, oldest first, so that a builder that
// starts anew goes on where an earlier one ended. Of a primed bar it is not known
// which tick was first or last: late ticks add to its volume, high and low but leave
// open and close alone. Prime forgets what b held before.
func (b *Builder) Prime(stored []Bar) {
	b.isOpen, b.final = false, b.final[:0]
	for _, bar := range stored[max(0, len(stored)-b.opt.Revisable):] {
		b.final = append(b.final, part{
			bar: bar, sum: bar.Volume,
			first: stamp{MinTime, 0}, last: stamp{MaxTime, math.MaxUint64},
		})
	}
}

// Skip tells b that all bars before t came whole from elsewhere. An open bar that
// starts before t is given up, and ticks before t are refused with ErrDelivered.
func (b *Builder) Skip(t Time) {
	b.before = max(b.before, t)
	if b.isOpen && b.open.bar.Start < t {
		b.isOpen = false
	}
}

// Discard gives up the open bar: for a source that is about to send its ticks again.
func (b *Builder) Discard() { b.isOpen = false }

// Open returns the bar that is being built, ok false when there is none.
func (b *Builder) Open() (bar Bar, ok bool) {
	if !b.isOpen {
		return Bar{}, false
	}
	return b.open.done(), true
}

// Deadline returns the time at which Advance would make the open bar final, ok
// false when there is none.
func (b *Builder) Deadline() (t Time, ok bool) {
	return b.open.bar.End.Add(b.opt.Grace), b.isOpen
}

// Late is the number of ticks taken after their bar was final.
func (b *Builder) Late() uint64 { return b.late }

// Add takes ticks in the order of their arrival. It appends to bars those that
// became final (Revision 0) or were revised (Revision above 0: one for each late
// tick, so that revisions do not depend on batches), and to refused the ticks that
// it did not take: invalid ones (the error of Tick.Validate), those that belong to a
// bar which cannot be revised any more (ErrTooLate) and those excluded by Skip
// (ErrDelivered). A refused tick changes nothing else.
//
// A late tick of a bar that was absent makes that bar; it comes after later ones,
// with Revision 0. It is too late when it is older than the last bars that may be
// revised or, while there are fewer of them, than that many intervals.
//
// Add trusts the times of ticks. One from the far future makes all that follow too
// late, so a caller who has a clock refuses those first.
func (b *Builder) Add(ticks []Tick, bars []Bar, refused []Refused) ([]Bar, []Refused) {
	for i := range ticks {
		t := &ticks[i]
		fine := t.Price > 0 && t.Price <= math.MaxFloat64 && t.Size >= 0 && t.Size <= math.MaxFloat64 &&
			t.Time >= MinTime && t.Time <= MaxTime
		if !fine {
			if err := t.Validate(b.opt.AllowNonPositive); err != nil {
				refused = append(refused, Refused{*t, err})
				continue
			}
		}
		if b.isOpen && t.Time >= b.open.bar.Start && t.Time < b.open.bar.End && b.open.fits(t) {
			b.open.add(t)
			continue
		}
		var err error
		if bars, err = b.place(t, bars); err != nil {
			refused = append(refused, Refused{*t, err})
		}
	}
	return bars, refused
}

// Advance makes the open bar final when its end and the grace have passed at time
// now, and appends it to bars.
func (b *Builder) Advance(now Time, bars []Bar) []Bar {
	if b.isOpen && now >= b.open.bar.End.Add(b.opt.Grace) {
		bars = b.close(bars)
	}
	return bars
}

// place takes a valid tick that does not belong to the open bar.
func (b *Builder) place(t *Tick, bars []Bar) ([]Bar, error) {
	if t.Time < b.before {
		return bars, fmt.Errorf("%w: it ends at or before %s", ErrDelivered, b.before)
	}
	start := b.interval.Floor(t.Time)
	switch {
	case b.isOpen && start == b.open.bar.Start:
		return bars, errVolume // does not fit
	case b.isOpen && start > b.open.bar.Start:
		bars = b.close(bars)
		fallthrough
	case !b.isOpen && (len(b.final) == 0 || start > b.final[len(b.final)-1].bar.Start):
		b.open, b.isOpen = newPart(t, start, b.interval.End(start)), true
		return bars, nil
	}
	return b.revise(t, start, bars)
}

var errVolume = errors.New("market: the volume of the bar would not be a finite number")

// revise takes a tick that is older than the newest bar.
func (b *Builder) revise(t *Tick, start Time, bars []Bar) ([]Bar, error) {
	i, found := slices.BinarySearchFunc(b.final, start, func(p part, s Time) int {
		switch {
		case p.bar.Start < s:
			return -1
		case p.bar.Start > s:
			return 1
		}
		return 0
	})
	if found {
		p := &b.final[i]
		if !p.fits(t) {
			return bars, errVolume
		}
		p.add(t)
		p.bar.Revision++
		b.late++
		return append(bars, p.done()), nil
	}
	if oldest := b.oldest(); start < oldest {
		return bars, fmt.Errorf("%w: bars before %s are not revised any more", ErrTooLate, oldest)
	}
	p := newPart(t, start, b.interval.End(start))
	b.late++
	b.keep(i, p)
	return append(bars, p.done()), nil
}

// oldest is the start of the oldest bar that a late tick may make.
func (b *Builder) oldest() Time {
	if len(b.final) >= b.opt.Revisable {
		return b.final[0].bar.Start
	}
	newest := b.open.bar.Start
	if !b.isOpen {
		newest = b.final[len(b.final)-1].bar.Start
	}
	return newest - Time(b.opt.Revisable)*b.interval.micros()
}

// close makes the open bar final.
func (b *Builder) close(bars []Bar) []Bar {
	b.isOpen = false
	b.keep(len(b.final), b.open)
	return append(bars, b.open.done())
}

// keep remembers a final bar at place i and forgets the oldest beyond the limit.
func (b *Builder) keep(i int, p part) {
	b.final = slices.Insert(b.final, i, p)
	if len(b.final) > b.opt.Revisable {
		b.final = slices.Delete(b.final, 0, 1)
	}
}

func newPart(t *Tick, start, end Time) part {
	s := stamp{t.Time, t.Seq}
	return part{
		bar:   Bar{Start: start, End: end, Open: t.Price, High: t.Price, Low: t.Price, Close: t.Price, Trades: 1},
		first: s, last: s, sum: t.Size,
	}
}

// fits reports whether the volume stays finite with t.
func (p *part) fits(t *Tick) bool { return t.Size <= math.MaxFloat64-p.sum }

func (p *part) add(t *Tick) {
	if t.Time < p.first.at || t.Time == p.first.at && t.Seq < p.first.seq {
		p.bar.Open, p.first = t.Price, stamp{t.Time, t.Seq}
	}
	if t.Time > p.last.at || t.Time == p.last.at && t.Seq >= p.last.seq {
		p.bar.Close, p.last = t.Price, stamp{t.Time, t.Seq}
	}
	if t.Price > p.bar.High {
		p.bar.High = t.Price
	}
	if t.Price < p.bar.Low {
		p.bar.Low = t.Price
	}
	p.bar.Trades++
	// Neumaier's summation: what the addition rounds away is kept in lost.
	s := p.sum + t.Size
	if p.sum >= t.Size {
		p.lost += (p.sum - s) + t.Size
	} else {
		p.lost += (t.Size - s) + p.sum
	}
	p.sum = s
}

// done returns the bar as it stands.
func (p *part) done() Bar {
	b := p.bar
	b.Volume = p.sum + p.lost
	return b
}
