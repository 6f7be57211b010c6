package ingest

import (
	"context"
	"fmt"
	"slices"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// page is the number of bars read from the store at a time.
const page = 5000

// prime registers the series and goes on where an earlier run ended: the newest
// bars are known again, and coarser bars that were begun are begun again. Coarser
// bars that are missing altogether, because their interval is new, are built from
// the stored bars as history.
func (p *pipeline) prime(ctx context.Context) error {
	for _, b := range p.bases {
		for _, s := range b.all() {
			err := p.retry(ctx, "registering "+string(s.id), func(ctx context.Context) error {
				return p.cfg.Store.PutSeries(ctx, s.rec)
			})
			if err != nil {
				return err
			}
			if err := p.primeRecent(ctx, s); err != nil {
				return err
			}
		}
		b.builder.Prime(b.recent)
		last, some := b.last()
		if !some {
			continue
		}
		p.health.setLast(b.id, last.Start)
		for _, r := range b.rolled {
			if err := p.primeRollup(ctx, b, r); err != nil {
				return err
			}
		}
		if p.live {
			p.expectGap(b, last.Start)
			// Backfill may come first: the clock does not close what was begun.
			b.heard(last.End, market.TimeOf(p.cfg.Now()))
		}
		p.next = min(p.next, b.due(p.live))
	}
	return p.flush(ctx, ctx)
}

func (p *pipeline) primeRecent(ctx context.Context, s *series) error {
	return p.retry(ctx, "reading bars of "+string(s.id), func(ctx context.Context) error {
		bars, err := p.cfg.Store.Bars(ctx, s.id, store.Range{Newest: true, Limit: recentBars})
		slices.Reverse(bars)
		s.recent, s.older = bars, len(bars) == recentBars
		return err
	})
}

// primeRollup gives the roll-up all base bars since the last coarse bar.
func (p *pipeline) primeRollup(ctx context.Context, b *base, r *rolled) error {
	from := market.MinTime
	r.roll.Prime(nil, nil)
	if last, ok := r.last(); ok {
		r.roll.Prime([]market.Bar{last}, nil)
		from = last.End
	}
	for {
		bars, more, err := p.read(ctx, &b.series, from, market.MaxTime)
		if err != nil {
			return err
		}
		for _, bar := range bars {
			coarse, err := r.roll.Add(bar, nil)
			if err != nil {
				return fmt.Errorf("ingest: stored bars of %s are out of order: %w", b.id, err)
			}
			p.offerRolled(ctx, b, r, coarse, true)
			from = bar.Start + 1
		}
		if !more {
			return nil
		}
		if len(p.recs) >= batchBars {
			if _, err := p.flushBars(ctx); err != nil {
				return err
			}
		}
	}
}

// rebuild makes the coarse bar that contains the base bar at start anew from the
// store, because that base bar is older than what the roll-up keeps.
func (p *pipeline) rebuild(ctx context.Context, b *base, r *rolled, start market.Time, backfill bool) {
	from := r.rec.Interval.Floor(start)
	open, isOpen := r.roll.Open()
	if !isOpen || open.Start != from {
		bars, err := p.baseBars(ctx, b, from, r.rec.Interval.End(from))
		if err != nil {
			p.failed = err
			return
		}
		if coarse, ok := market.Fold(r.rec.Interval, bars); ok {
			p.offerRolled(ctx, b, r, []market.Bar{coarse}, backfill)
		}
	}
	// What the roll-up holds may be stale: give it everything since the last coarse
	// bar again.
	from = market.MinTime
	r.roll.Prime(nil, nil)
	if last, ok := r.last(); ok {
		r.roll.Prime([]market.Bar{last}, nil)
		from = last.End
	}
	bars, err := p.baseBars(ctx, b, from, market.MaxTime)
	if err != nil {
		p.failed = err
		return
	}
	for _, bar := range bars {
		coarse, err := r.roll.Add(bar, nil)
		if err == nil {
			p.offerRolled(ctx, b, r, coarse, backfill)
		}
	}
}

// baseBars returns the newest revisions of the bars of b in [from, to): stored ones
// and those in the batch.
func (p *pipeline) baseBars(ctx context.Context, b *base, from, to market.Time) ([]market.Bar, error) {
	var all []market.Bar
	for next, more := from, true; more; {
		bars, m, err := p.read(ctx, &b.series, next, to)
		if err != nil {
			return nil, err
		}
		all, more = append(all, bars...), m
		if n := len(bars); n > 0 {
			next = bars[n-1].Start + 1
		}
	}
	for i := range p.recs {
		bar := p.recs[i].Bar
		if p.of[i] != &b.series || bar.Start < from || bar.Start >= to {
			continue
		}
		k, found := slices.BinarySearchFunc(all, bar.Start, func(x market.Bar, t market.Time) int {
			switch {
			case x.Start < t:
				return -1
			case x.Start > t:
				return 1
			}
			return 0
		})
		if found {
			all[k] = bar
		} else {
			all = slices.Insert(all, k, bar)
		}
	}
	return all, nil
}

// read reads a page of the bars in [from, to), trying until ctx is done.
func (p *pipeline) read(ctx context.Context, s *series, from, to market.Time) (bars []market.Bar, more bool, err error) {
	// To a Range a zero means no bound, while here it is 1970.
	r := store.Range{From: from, To: to, Limit: page}
	if from == 0 {
		r.From = -1
	}
	if to == 0 {
		r.To = 1
	}
	err = p.retry(ctx, "reading bars of "+string(s.id), func(ctx context.Context) (err error) {
		bars, err = p.cfg.Store.Bars(ctx, s.id, r)
		return err
	})
	more = len(bars) == page
	return slices.DeleteFunc(bars, func(b market.Bar) bool { return b.Start < from || b.Start >= to }), more, err
}

// expectGaps makes the next hole of every series a gap.
func (p *pipeline) expectGaps() {
	for _, b := range p.bases {
		last, some := b.last()
		if _, open := b.builder.Open(); some || open {
			p.expectGap(b, last.Start)
		}
	}
}

// expectGap makes the next hole after the newest bar of b, stored or open, a gap, and
// likewise in its roll-ups.
func (p *pipeline) expectGap(b *base, newest market.Time) {
	if open, ok := b.builder.Open(); ok {
		newest = max(newest, open.Start)
	}
	b.expectGap(newest, newest)
	for _, r := range b.rolled {
		// The coarse bar with the newest data, and any before it that is still to
		// come, may follow an earlier gap, but the one looked for comes after it.
		from := market.MinTime
		if last, ok := r.last(); ok {
			from = last.Start
		}
		r.expectGap(from, r.rec.Interval.Floor(newest))
	}
}
