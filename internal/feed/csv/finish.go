package csv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// finish puts the rows in order, refuses those that do not go together and says what
// was inferred.
func (r *reader) finish() (*File, error) {
	f := r.file
	if r.clock.used {
		r.note("Times without a zone were read as %s.", r.clock.zone)
	}
	if r.unspoken > 0 {
		r.note("The volume is empty in %d rows; it is taken as 0.", r.unspoken)
	}
	if r.unsorted {
		r.note("Rows were not in the order of time; they have been sorted.")
		// Stable, and by line where times are equal, which is the same.
		slices.SortStableFunc(f.Bars, func(a, b market.Bar) int { return cmp.Compare(a.Start, b.Start) })
		slices.SortStableFunc(f.Ticks, func(a, b market.Tick) int { return cmp.Compare(a.Time, b.Time) })
	}
	r.distinct()
	err := r.interval()
	if err == nil {
		r.separate()
	}
	r.scaled()
	for i := range f.Bars {
		f.Bars[i].Revision = 0
	}
	for i := range f.Ticks {
		f.Ticks[i].Seq = 0
	}
	r.sumUp()
	switch {
	case f.Kept() == 0 && f.Rows == 0:
		err = fmt.Errorf("%w: %s names columns and has no rows", ErrNoRows, f.Name)
	case f.Kept() == 0:
		err = fmt.Errorf("%w: all %d rows of %s were refused; line %d: %s", ErrNoRows, f.Rows, f.Name, f.Rejects[0].Line, f.Rejects[0].Reason)
	}
	return f, err
}

// distinct refuses bars whose time was seen in an earlier line.
func (r *reader) distinct() {
	bars := r.file.Bars
	kept := bars[:0]
	for _, b := range bars {
		if n := len(kept); n > 0 && kept[n-1].Start == b.Start {
			r.refuseBar(b, fmt.Sprintf("has the same time as line %d, which is kept", kept[n-1].Revision))
			continue
		}
		kept = append(kept, b)
	}
	r.file.Bars = kept
}

// interval settles the interval and with it the ends of the bars.
func (r *reader) interval() error {
	f := r.file
	f.Series.Interval = r.opt.Interval
	switch {
	case f.Series.Interval.Valid():
	case f.Kind == Ticks:
		f.Series.Interval = market.Minute
		r.note("Ticks are built into bars of 1m.")
	case len(f.Bars) > 0:
		i, share, err := inferInterval(f.Bars, r.dates)
		if err != nil {
			return fmt.Errorf("%w: %s: %w; say it with --interval, e.g. --interval 1m", ErrInterval, f.Name, err)
		}
		f.Series.Interval = i
		r.note("The interval %s is the most frequent distance between rows (%.1f %% of them).", i, 100*share)
	}
	return nil
}

// separate gives bars their ends and refuses those that begin before the one kept
// before them has ended.
func (r *reader) separate() {
	bars := r.file.Bars
	kept := bars[:0]
	for _, b := range bars {
		b.End = r.file.Series.Interval.End(b.Start)
		if n := len(kept); n > 0 && b.Start < kept[n-1].End {
			r.refuseBar(b, fmt.Sprintf("begins before the bar of line %d ends (bars of %s)", kept[n-1].Revision, r.file.Series.Interval))
			continue
		}
		kept = append(kept, b)
	}
	r.file.Bars = kept
}

// refuseBar refuses a bar that was read well. Its line is gone; what was read of it
// is written again, until recall finds the line.
func (r *reader) refuseBar(b market.Bar, reason string) {
	raw := appendBar(nil, &b)
	r.refuse(b.Revision, raw[:len(raw)-1], reason)
	r.late = true
}

// recall reads the file once more for the lines of bars that were refused after they
// had been read. A stream that cannot be read twice, or has changed, leaves them as
// they are.
func (r *reader) recall(ctx context.Context, in io.Reader) {
	again, ok := in.(io.Seeker)
	if !ok || !r.late {
		return
	}
	if _, err := again.Seek(0, io.SeekStart); err != nil {
		return
	}
	text, err := open(&source{ctx: ctx, r: in}, r.file.Name)
	if err != nil {
		return
	}
	l := newLines(text)
	for i := range r.file.Rejects {
		reject := &r.file.Rejects[i]
		for l.n < reject.Line {
			line, err := l.next()
			if err != nil && !errors.Is(err, errLong) {
				return
			}
			if l.n == reject.Line && reject.Raw != "" {
				reject.Raw = printable(line)
			}
		}
	}
}

// scaled settles the decimals that prices are shown with.
func (r *reader) scaled() {
	i := &r.file.Series.Instrument
	if r.opt.FixedScale {
		return
	}
	i.PriceScale = r.scale
	r.note("Prices are shown with %d decimals, the most that a price has (at most %d).", r.scale, maxScale)
}

// sumUp orders the rejects and says how many there are.
func (r *reader) sumUp() {
	f := r.file
	slices.SortStableFunc(f.Rejects, func(a, b feed.Reject) int { return cmp.Compare(a.Line, b.Line) })
	if r.hidden > 0 {
		f.Rejects = append(f.Rejects, feed.Reject{
			Source: f.Name, Instrument: r.key, Line: r.beyond,
			Reason: fmt.Sprintf("%d further rows were refused and are not kept one by one; the first of them is this line", r.hidden),
		})
	}
	if f.Refused > 0 {
		r.note("%d of %d rows were refused; the first is line %d: %s.", f.Refused, f.Rows, f.Rejects[0].Line, f.Rejects[0].Reason)
	}
}
