package market

import (
	"fmt"
	"slices"
	"time"
)

// Nests reports whether bars of interval fine fit into bars of i without crossing
// their borders: 1m into 5m, 1d into 1mo; not 20m into 30m, nor weeks into months.
func (i Interval) Nests(fine Interval) bool {
	if !i.Valid() || !fine.Valid() || fine.Duration() >= i.Duration() {
		return false
	}
	if i.unit == unitMonth {
		return fine.unit <= unitDay
	}
	return i.Duration()%fine.Duration() == 0
}

// Fold returns the bar of interval i that the base bars make, which must lie in one
// bar of i and be ordered by start. Its Revision is 0. ok is false when base is
// empty. A bar belongs where it starts.
func Fold(i Interval, base []Bar) (coarse Bar, ok bool) {
	if len(base) == 0 {
		return Bar{}, false
	}
	f := folding{interval: i}
	for k := range base {
		f.add(&base[k])
	}
	return f.bar, true
}

// folding is a coarse bar of which the base bars seen so far are part.
type folding struct {
	interval Interval
	bar      Bar
	some     bool
}

func (f *folding) add(b *Bar) {
	if !f.some {
		start := f.interval.Floor(b.Start)
		f.bar, f.some = *b, true
		f.bar.Start, f.bar.End, f.bar.Revision = start, f.interval.End(start), 0
		return
	}
	f.bar.High = max(f.bar.High, b.High)
	f.bar.Low = min(f.bar.Low, b.Low)
	f.bar.Close = b.Close
	f.bar.Volume += b.Volume
	f.bar.Trades += b.Trades
}

// Rollup builds the bars of a coarser interval from final base bars of one
// instrument. The zero Rollup is not usable, and a Rollup is not safe for
// concurrent use. It keeps a bounded number of base bars, however long the coarse
// interval is.
type Rollup struct {
	interval Interval
	grace    time.Duration
	keep     int
	parts    []Bar   // the newest base bars by Start, at most keep
	prefix   folding // what was dropped from parts of one coarse bar
	from     Time    // base bars that start before it cannot be taken
	done     []Bar   // final coarse bars that may still be revised, by Start
	current  Time    // start of the coarse bar that is being built
	isOpen   bool
}

// NewRollup returns a roll-up of bars of interval base to bars of interval coarse.
// It fails when base does not nest in coarse. Of opt, Grace and Revisable count; the
// latter is in base bars.
func NewRollup(base, coarse Interval, opt BuildOptions) (*Rollup, error) {
	if !coarse.Nests(base) {
		return nil, fmt.Errorf("market: bars of %s cannot be rolled up to %s", base, coarse)
	}
	if opt.Revisable <= 0 {
		opt.Revisable = DefaultRevisable
	}
	// A Builder also revises bars that it inserts between those it keeps, hence
	// twice as many.
	return &Rollup{interval: coarse, grace: opt.Grace, keep: 2 * opt.Revisable, from: MinTime}, nil
}

// Interval is the coarse interval.
func (r *Rollup) Interval() Interval { return r.interval }

// Prime tells r which coarse bars are stored already, and all stored base bars from
// the start of the first to the end of the last of them; both oldest first. Base bars
// stored after that are then given to Add, which completes a coarse bar that was
// begun before a restart. Base bars that start before the first coarse bar will be
// too late; with no base bars given, those before the end of the last. Prime forgets
// what r held before; with no coarse bars it does only that.
func (r *Rollup) Prime(coarse, base []Bar) {
	*r = Rollup{interval: r.interval, grace: r.grace, keep: r.keep, from: MinTime, parts: r.parts[:0], done: r.done[:0]}
	if len(coarse) == 0 {
		return
	}
	r.done = append(r.done, coarse...)
	r.from = coarse[0].Start
	if len(base) == 0 {
		r.from = coarse[len(coarse)-1].End
	}
	for i := range base {
		r.insert(&base[i])
	}
}

// Open returns the coarse bar in progress as it stands, ok false when there is none.
func (r *Rollup) Open() (bar Bar, ok bool) {
	if !r.isOpen {
		return Bar{}, false
	}
	return r.fold(r.current), true
}

// Deadline returns the time at which Advance would make the coarse bar in progress
// final, ok false when there is none.
func (r *Rollup) Deadline() (t Time, ok bool) {
	return r.interval.End(r.current).Add(r.grace), r.isOpen
}

// Add takes a base bar, or a revision of one, and appends to bars the coarse bars
// that it made final or revised. A bar that changes nothing appends nothing. It
// fails with ErrTooLate, changing nothing, when b is older than the base bars that r
// keeps: the caller then folds the coarse bar from where base bars are stored.
func (r *Rollup) Add(b Bar, bars []Bar) ([]Bar, error) {
	if b.Start < r.from {
		return bars, fmt.Errorf("%w: base bars before %s are not kept", ErrTooLate, r.from)
	}
	c := r.interval.Floor(b.Start)
	if r.isOpen && c > r.current {
		r.isOpen = false
		bars = r.emit(r.current, bars)
	}
	r.insert(&b)
	_, final := r.find(c)
	switch {
	case final, r.isOpen && c < r.current, !r.isOpen && len(r.done) > 0 && c < r.done[len(r.done)-1].Start:
		return r.emit(c, bars), nil
	}
	r.current, r.isOpen = c, true
	if b.End >= r.interval.End(c) {
		r.isOpen = false
		bars = r.emit(c, bars)
	}
	return bars, nil
}

// Advance makes the coarse bar in progress final when its end and the grace have
// passed at time now, and appends it to bars. The base bars must have been advanced
// first.
func (r *Rollup) Advance(now Time, bars []Bar) []Bar {
	if t, ok := r.Deadline(); ok && now >= t {
		r.isOpen = false
		bars = r.emit(r.current, bars)
	}
	return bars
}

// insert puts b among the base bars and folds the oldest away beyond the limit.
func (r *Rollup) insert(b *Bar) {
	i, found := slices.BinarySearchFunc(r.parts, b.Start, byStart)
	switch {
	case found && b.Revision < r.parts[i].Revision:
	case found:
		r.parts[i] = *b
	default:
		r.parts = slices.Insert(r.parts, i, *b)
	}
	if len(r.parts) <= r.keep {
		return
	}
	oldest := &r.parts[0]
	if c := r.interval.Floor(oldest.Start); !r.prefix.some || r.prefix.bar.Start != c {
		r.prefix = folding{interval: r.interval}
	}
	r.prefix.add(oldest)
	r.from = oldest.Start + 1
	r.parts = slices.Delete(r.parts, 0, 1)
	n := 0
	for n < len(r.done) && r.done[n].Start < r.prefix.bar.Start {
		n++
	}
	r.done = slices.Delete(r.done, 0, n)
}

// fold returns the coarse bar that starts at c from what r holds of it.
func (r *Rollup) fold(c Time) Bar {
	f := folding{interval: r.interval}
	if r.prefix.some && r.prefix.bar.Start == c {
		f = r.prefix
	}
	end := r.interval.End(c)
	i, _ := slices.BinarySearchFunc(r.parts, c, byStart)
	for ; i < len(r.parts) && r.parts[i].Start < end; i++ {
		f.add(&r.parts[i])
	}
	return f.bar
}

// emit appends the coarse bar that starts at c unless it was final with the same
// values before.
func (r *Rollup) emit(c Time, bars []Bar) []Bar {
	b := r.fold(c)
	k, final := r.find(c)
	if !final {
		r.done = slices.Insert(r.done, k, b)
		return append(bars, b)
	}
	b.Revision = r.done[k].Revision
	if b == r.done[k] {
		return bars
	}
	b.Revision++
	r.done[k] = b
	return append(bars, b)
}

func (r *Rollup) find(c Time) (i int, final bool) {
	return slices.BinarySearchFunc(r.done, c, byStart)
}

func byStart(b Bar, start Time) int {
	switch {
	case b.Start < start:
		return -1
	case b.Start > start:
		return 1
	}
	return 0
}
