package rollup

import (
	"math"

	"github.com/foretick/foretick/market"
)

// longer are the intervals beyond those that are kept; their few candles are folded when
// they are asked for.
var longer = [...]market.Interval{market.MustInterval("1w"), market.MustInterval("1mo")}

// page is the number of bars that are read at a time where candles are missing.
const page = 10_000

// view is one way to draw a series.
type view struct {
	interval market.Interval
	count    func(from, to market.Time, limit int) (int, error) // nil: by reading
	read     func(from, to market.Time) ([]market.Bar, error)
}

// Chart answers store.ChartReader's Chart for the series of interval base of which r is
// the state as stored; r is changed when candles were missing.
func (r *Roll) Chart(src Source, base market.Interval, from, to market.Time, most int) (market.Interval, []market.Bar, error) {
	from, to = max(from, market.MinTime), min(to, market.MaxTime)
	for more := len(r.levels) > 0; more; { // an empty page, unless the store is older than its candles
		n, err := r.Catch(src, page)
		if err != nil {
			return base, nil, err
		}
		more = n == page
	}
	views := r.views(src, base, from)
	for k, v := range views {
		last := k == len(views)-1
		first := from
		if v.interval != base {
			first = v.interval.Floor(from) // the candle that from lies in
		}
		if v.count != nil && !last {
			if n, err := v.count(first, to, most+1); err != nil {
				return base, nil, err
			} else if n > most {
				continue
			}
		}
		bars, err := v.read(first, to)
		if err != nil || last || len(bars) <= most {
			return v.interval, bars, err
		}
	}
	return base, nil, nil // there is always a view
}

// views are the ways to draw what starts at from, finest first.
func (r *Roll) views(src Source, base market.Interval, from market.Time) (list []view) {
	bars := func(from, to market.Time) ([]market.Bar, error) { return src.Bars(from, to, math.MaxInt32) }
	if from >= r.Kept {
		list = append(list, view{base, src.CountBars, bars})
	}
	days, read := base, bars
	for k, level := range r.levels {
		days, read = level, func(from, to market.Time) ([]market.Bar, error) { return r.candles(k, from, to, src) }
		list = append(list, view{level, func(from, to market.Time, limit int) (int, error) { return r.count(k, from, to, limit, src) }, read})
	}
	for _, i := range longer {
		if i.Nests(days) {
			list = append(list, view{i, nil, func(from, to market.Time) ([]market.Bar, error) {
				bars, err := read(from, i.End(i.Floor(to-1))) // the last one whole, too
				return fold(i, bars), err
			}})
		}
	}
	return list
}

// candles returns the candles of a level that start in [from, to), that in progress
// included.
func (r *Roll) candles(level int, from, to market.Time, src Source) ([]market.Bar, error) {
	out, err := r.written(level, from, to, src)
	if c, ok := r.progress(level); ok && c.Start >= from && c.Start < to {
		out = append(out, c)
	}
	return out, err
}

// count counts them, up to limit.
func (r *Roll) count(level int, from, to market.Time, limit int, src Source) (int, error) {
	n := 0
	for i := range r.closed {
		if c := &r.closed[i]; c.Level == level && c.Start >= from && c.Start < to {
			n++
		}
	}
	if c, ok := r.progress(level); ok && c.Start >= from && c.Start < to {
		n++
	}
	filed, err := src.CountCandles(r.levels[level], from, to, limit)
	return min(n+filed, limit), err
}

// fold folds bars, which must be in order, to interval i.
func fold(i market.Interval, bars []market.Bar) (out []market.Bar) {
	for len(bars) > 0 {
		end := i.End(i.Floor(bars[0].Start))
		n := 1
		for n < len(bars) && bars[n].Start < end {
			n++
		}
		c, _ := market.Fold(i, bars[:n])
		out = append(out, c)
		bars = bars[n:]
	}
	return out
}
