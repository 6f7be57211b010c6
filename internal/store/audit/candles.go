package audit

import (
	"context"
	"iter"
	"math"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/rollup"
	"github.com/foretick/foretick/market"
)

// candles makes the candles of a series again from the bars that are kept, and holds them
// against those that are stored. Older ones, whose bars were deleted, cannot be checked.
func (a *auditor) candles(ctx context.Context, base market.Interval) error {
	levels := rollup.Levels(base)
	_, state, err := a.st.Candles(ctx, a.id, store.Candle{}, 1)
	if err != nil || state == nil || len(levels) == 0 {
		return err
	}
	last, err := a.st.LastEvent(ctx)
	if err != nil {
		return err
	}
	a.watch.begin("checking the candles of "+string(a.id), a.found.Bars)
	stored := make([]*level, len(levels))
	for k, i := range levels {
		stored[k] = newLevel(ctx, a.st, a.id, rollup.Minutes(i), state.Kept)
		defer stored[k].stop()
	}
	r := rollup.New(base)
	wrong := ""
	for b, err := range bars(ctx, a.st, a.id, state.Kept) {
		if err != nil {
			return err
		}
		if b.Start > state.To || wrong != "" {
			break
		}
		a.watch.add(1)
		r.Add(&b)
		for _, c := range r.File(0) {
			if wrong == "" {
				if wrong, err = stored[c.Level].compare(&c); err != nil {
					return err
				}
			}
		}
	}
	if wrong == "" {
		return nil
	}
	// A bar may have come late since the state was read.
	if now, err := a.st.LastEvent(ctx); err != nil || now != last {
		return err
	}
	a.report(store.Fault{Where: string(a.id), What: wrong, Advice: "charts of coarse intervals are wrong there, nothing else is: the ledger does not rest on candles. Restore the last backup with foretick restore, or import the bars into a new store with foretick export and import"})
	return nil
}

// level reads the stored candles of one length one after the other.
type level struct {
	next func() (store.Candle, error, bool)
	stop func()
	now  store.Candle
	more bool
	read bool
}

func newLevel(ctx context.Context, st store.Copier, id market.SeriesID, minutes int64, kept market.Time) *level {
	first, _ := rollup.Bounds(kept, kept)
	next, stop := iter.Pull2(func(yield func(store.Candle, error) bool) {
		for after := (store.Candle{Minutes: minutes, Start: first - 1}); ; {
			list, _, err := st.Candles(ctx, id, after, page)
			if err != nil {
				yield(store.Candle{}, err)
				return
			}
			for _, c := range list {
				if c.Minutes != minutes || !yield(c, nil) {
					return
				}
			}
			if len(list) < page {
				return
			}
			after = list[len(list)-1]
		}
	})
	return &level{next: next, stop: stop}
}

// compare holds a candle against the stored one and says what is wrong, if anything. The
// newest candles need not be stored yet.
func (l *level) compare(c *rollup.Candle) (wrong string, err error) {
	if !l.read {
		l.read = true
		if l.now, err, l.more = l.next(); err != nil {
			return "", err
		}
	}
	at := int64(c.Start / market.Time(60e6))
	length := c.End.Sub(c.Start)
	switch {
	case !l.more:
		return "", nil
	case l.now.Start > at:
		return "the candle of " + length.String() + " at " + c.Start.String() + " is missing", nil
	case l.now.Start < at:
		return "there is a candle of " + length.String() + " before " + c.Start.String() + ", but no bars of it", nil
	case l.now.Open != c.Open || l.now.High != c.High || l.now.Low != c.Low || l.now.Close != c.Close || l.now.Trades != c.Trades ||
		math.Abs(l.now.Volume-c.Volume) > 1e-9*math.Abs(c.Volume): // sums may be in another order
		return "the candle of " + length.String() + " at " + c.Start.String() + " is not what its bars make", nil
	}
	l.now, err, l.more = l.next()
	return "", err
}

// bars yields the bars of a series from from on.
func bars(ctx context.Context, st store.BarReader, id market.SeriesID, from market.Time) iter.Seq2[market.Bar, error] {
	return func(yield func(market.Bar, error) bool) {
		for {
			list, err := st.Bars(ctx, id, store.Range{From: from, Limit: page})
			if err != nil {
				yield(market.Bar{}, err)
				return
			}
			for _, b := range list {
				if !yield(b, nil) {
					return
				}
			}
			if len(list) < page {
				return
			}
			from = list[len(list)-1].Start + 1
		}
	}
}
