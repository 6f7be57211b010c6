// Package rollup keeps the coarser candles of a series beside its bars, so that a
// chart of any width reads few rows. Both stores use it; it does no I/O of its own.
//
// A series has levels: 1m, 5m, 15m, 1h and 1d, as far as its own interval nests in
// them. The candles of the first level are made of bars, those of each further level
// of the candles of the level before it, all by [market.Fold]: a bar belongs where it
// starts, days are those of UTC, and a span in which nobody traded has no candle. Open,
// high, low, close and trades are those of folding the bars themselves; a volume is the
// same sum in another order, so that where it is no whole number its last bits may
// differ.
//
// [Roll] is the state of one series. A bar at the end touches memory only: candles are
// written once, when they are complete. What is not written yet is kept with the state,
// a few hundred bytes a series. A bar that is not at the end marks its candle, and
// [Roll.Mend] makes that one and those above it again from what is stored.
package rollup

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// intervals are those that are kept, each nested in the next.
var intervals = [...]market.Interval{market.Minute, market.FiveMin, market.QuarterHr, market.Hour, market.Day}

// Levels are the intervals that are kept for bars of interval base, finest first; none
// for days and longer.
func Levels(base market.Interval) []market.Interval {
	var out []market.Interval
	for _, i := range intervals {
		if i.Nests(base) {
			out = append(out, i)
		}
	}
	return out
}

// Candle is a bar of a level.
type Candle struct {
	Level int // place in Levels
	market.Bar
}

// Source reads what a store holds of one series.
type Source interface {
	// Bars returns up to limit bars that start in [from, to), by start.
	Bars(from, to market.Time, limit int) ([]market.Bar, error)
	// CountBars counts them, up to limit.
	CountBars(from, to market.Time, limit int) (int, error)
	// Candles returns the filed candles of a level that start in [from, to), by start.
	Candles(level market.Interval, from, to market.Time) ([]market.Bar, error)
	// CountCandles counts them, up to limit.
	CountCandles(level market.Interval, from, to market.Time, limit int) (int, error)
}

// Roll is how far the candles of a series are.
type Roll struct {
	// To is the start of the newest bar in the candles, MinTime when there is none. A
	// store whose candles a migration has deleted has bars after it.
	To market.Time
	// Kept is the time from which on bars are kept, the beginning of a day: older ones
	// were deleted, and no bar before it is taken any more. MinTime: all are kept.
	Kept market.Time
	// Trimmed is the highest number of an event whose bar was deleted.
	Trimmed uint64

	levels []market.Interval
	parts  []market.Bar // of each level, what is complete below the candle in progress; End 0: nothing
	closed []Candle     // complete and not filed, in the order in which they were completed
	marks  map[market.Time]struct{}
	moved  bool
}

// New returns the state of a series without bars.
func New(base market.Interval) *Roll {
	levels := Levels(base)
	return &Roll{To: market.MinTime, Kept: market.MinTime, levels: levels, parts: make([]market.Bar, len(levels))}
}

// Levels are the intervals that r keeps.
func (r *Roll) Levels() []market.Interval { return r.levels }

// Moved reports whether r has changed since it was made, decoded or encoded last.
func (r *Roll) Moved() bool { return r.moved }

// Add takes a bar that starts after To.
func (r *Roll) Add(b *market.Bar) {
	if len(r.levels) > 0 {
		for k := 0; k < len(r.levels) && r.parts[k].End != 0 && b.Start >= r.parts[k].End; k++ {
			r.complete(k)
		}
		r.parts[0] = join(r.levels[0], r.parts[0], *b)
	}
	r.To, r.moved = b.Start, true
}

// complete closes the candle in progress of level k into that of the next level.
func (r *Roll) complete(k int) {
	c := r.parts[k]
	r.closed = append(r.closed, Candle{k, c})
	r.parts[k] = market.Bar{}
	if k+1 < len(r.levels) {
		r.parts[k+1] = join(r.levels[k+1], r.parts[k+1], c)
	}
}

// join adds b to what there is of its candle.
func join(i market.Interval, part, b market.Bar) market.Bar {
	both := [2]market.Bar{part, b}
	c, _ := market.Fold(i, both[1:])
	if part.End != 0 {
		c, _ = market.Fold(i, both[:])
	}
	return c
}

// Catch adds up to limit bars that the store holds after To, and returns how many there
// were.
func (r *Roll) Catch(src Source, limit int) (int, error) {
	bars, err := src.Bars(r.To+1, market.MaxTime, limit)
	for i := range bars {
		r.Add(&bars[i])
	}
	return len(bars), err
}

// Mark notes that a bar at or before To is new or has changed; a later one is only to be
// added.
func (r *Roll) Mark(start market.Time) {
	if len(r.levels) == 0 || start > r.To {
		return
	}
	if r.marks == nil {
		r.marks = map[market.Time]struct{}{}
	}
	r.marks[r.levels[0].Floor(start)] = struct{}{}
	r.moved = true
}

// Mend makes the candles of the bars that were marked anew, and hands those that were
// filed to put, which must keep them before it returns.
func (r *Roll) Mend(src Source, put func(Candle) error) error {
	marks := r.marks
	r.marks = nil
	for k := 0; k < len(r.levels) && len(marks) > 0; k++ {
		above := map[market.Time]struct{}{}
		for _, start := range slices.Sorted(maps.Keys(marks)) {
			if err := r.mend(k, start, src, put); err != nil {
				return err
			}
			if k+1 < len(r.levels) {
				above[r.levels[k+1].Floor(start)] = struct{}{}
			}
		}
		marks = above
	}
	return nil
}

// mend makes the candle of level k that begins at start anew.
func (r *Roll) mend(k int, start market.Time, src Source, put func(Candle) error) (err error) {
	end := r.levels[k].End(start)
	var below []market.Bar
	if k == 0 {
		below, err = src.Bars(start, min(end, r.To+1), math.MaxInt32)
	} else {
		below, err = r.written(k-1, start, end, src)
	}
	if err != nil {
		return err
	}
	c, some := market.Fold(r.levels[k], below)
	if start == r.levels[k].Floor(r.To) {
		r.parts[k] = c // zero when nothing is complete
		return nil
	}
	if !some {
		return fmt.Errorf("%w: the bars from %s are missing", store.ErrCorrupt, start)
	}
	for i := range r.closed {
		if r.closed[i].Level == k && r.closed[i].Start == start {
			r.closed[i].Bar = c
			return nil
		}
	}
	return put(Candle{k, c})
}

// written returns the complete candles of a level that start in [from, to), by start.
func (r *Roll) written(level int, from, to market.Time, src Source) ([]market.Bar, error) {
	out, err := src.Candles(r.levels[level], from, to)
	if err != nil {
		return nil, err
	}
	for _, c := range r.closed {
		if c.Level != level || c.Start < from || c.Start >= to {
			continue
		}
		at, _ := slices.BinarySearchFunc(out, c.Bar, byStart)
		out = slices.Insert(out, at, c.Bar)
	}
	return out, nil
}

// progress returns the candle of a level that later bars may still change, ok false when
// there is none.
func (r *Roll) progress(level int) (c market.Bar, ok bool) {
	if c = r.parts[0]; c.End == 0 {
		return c, false
	}
	for k := 1; k <= level; k++ {
		c = join(r.levels[k], r.parts[k], c)
	}
	return c, true
}

// Complete candles are filed a few at a time, each series at another minute, so that a
// thousand series do not all write a row of their own whenever a minute begins.
const (
	fileEvery = 8
	maxClosed = 24
)

// File hands over the complete candles when it is time to keep them, which only depends
// on how many there are, and on slot, a number of the series.
func (r *Roll) File(slot int64) []Candle {
	n := len(r.closed)
	if n == 0 {
		return nil
	}
	if n < maxClosed {
		i := n - 1
		for i > 0 && r.closed[i].Level != 0 {
			i--
		}
		if _, at := Key(r.levels[0], r.closed[i].Start); (at/Minutes(r.levels[0])+slot)%fileEvery != 0 {
			return nil
		}
	}
	out := r.closed
	r.closed, r.moved = nil, true
	return out
}

// KeepFrom raises Kept to t, or to the beginning of its day, and reports whether bars can
// be deleted at all: those of days and longer have no candles that would stay.
func (r *Roll) KeepFrom(t market.Time) bool {
	if len(r.levels) == 0 {
		return false
	}
	if t = market.Day.Floor(min(t, r.To)); t > r.Kept && r.To != market.MinTime {
		r.Kept, r.moved = t, true
	}
	return true
}

// Minutes is the length of a level in minutes.
func Minutes(level market.Interval) int64 { return int64(level.Duration() / time.Minute) }

const minute = market.Time(time.Minute / time.Microsecond)

// Key is what names a candle in a store: the length of its level, and its start in
// minutes since 1970.
func Key(level market.Interval, start market.Time) (minutes, at int64) {
	return Minutes(level), int64(start / minute) // exact: candles start at whole minutes
}

// Bounds are the keys of the candles of any level that start in [from, to).
func Bounds(from, to market.Time) (first, end int64) {
	return ceil(from), ceil(to)
}

func ceil(t market.Time) int64 {
	n := int64(t / minute)
	if t > market.Time(n)*minute {
		n++
	}
	return n
}

// Of returns the candle of a level at key at, with the numbers still to be filled in.
func Of(level market.Interval, at int64) market.Bar {
	start := market.Time(at) * minute
	return market.Bar{Start: start, End: level.End(start)}
}

func byStart(a, b market.Bar) int { return cmp.Compare(a.Start, b.Start) }
