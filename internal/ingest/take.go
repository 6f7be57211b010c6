package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// ahead is how far live data may be ahead of this machine's clock. A tick from the
// far future would close its bar and make all that follow too late.
const ahead = 5 * time.Minute

// unfit is the reason why a bar was refused.
type unfit struct{ error }

// takeTicks builds bars from the ticks of m.
func (p *pipeline) takeTicks(ctx context.Context, b *base, m *feed.Message, now market.Time) {
	ticks := m.Ticks
	if p.live {
		ticks = p.present(b, ticks, now)
	}
	if len(ticks) == 0 {
		return
	}
	b.byTicks = true
	if b.resent && m.Backfill {
		b.builder.Discard()
	}
	b.resent = false
	if b.history && !m.Backfill {
		// The last bar of the history ended before the source was started.
		if open, ok := b.builder.Open(); ok && ticks[0].Time >= open.End {
			p.advanceBuilder(ctx, b, open.End.Add(p.cfg.Grace))
		}
	}
	b.history = m.Backfill
	lateBefore := b.builder.Late()
	p.bars, p.refused = b.builder.Add(ticks, p.bars[:0], p.refused[:0])
	if p.cfg.KeepTicks {
		p.keepTicks(b, ticks, p.refused)
	}
	late := b.builder.Late() - lateBefore
	p.ticks += len(ticks)
	for i := range p.refused {
		r := &p.refused[i]
		if errors.Is(r.Err, market.ErrTooLate) {
			late++
		}
		p.reject(feed.Reject{Instrument: m.Instrument, Raw: rawTick(&r.Tick), Reason: r.Err.Error()})
	}
	if late > 0 {
		p.metrics.late.Add(float64(late))
		p.health.update(func(h *feed.Health) { h.Late += late })
	}
	p.built(ctx, b, m.Backfill)
}

// keepTicks adds to the batch the ticks that the builder has taken. refused are those that it
// has not, in their order.
func (p *pipeline) keepTicks(b *base, ticks []market.Tick, refused []market.Refused) {
	if n := len(p.kept); n == 0 || p.kept[n-1].Series != b.id {
		p.kept = append(p.kept, store.Ticks{Series: b.id})
	}
	to := &p.kept[len(p.kept)-1].Ticks
	for _, r := range refused {
		i := slices.IndexFunc(ticks, func(t market.Tick) bool { return sameTick(t, r.Tick) })
		*to = append(*to, ticks[:i]...)
		ticks = ticks[i+1:]
	}
	*to = append(*to, ticks...)
}

// sameTick compares bit by bit: a price that is NaN equals itself.
func sameTick(a, b market.Tick) bool {
	return a.Time == b.Time && a.Seq == b.Seq && math.Float64bits(a.Price) == math.Float64bits(b.Price) && math.Float64bits(a.Size) == math.Float64bits(b.Size)
}

// present returns the ticks that are not from the future, and notes their time.
func (p *pipeline) present(b *base, ticks []market.Tick, now market.Time) []market.Tick {
	limit := now.Add(ahead)
	newest := market.MinTime
	future := 0
	for i := range ticks {
		switch t := ticks[i].Time; {
		case t > limit:
			future++
		case t > newest:
			newest = t
		}
	}
	if newest > market.MinTime {
		b.heard(newest, now)
	}
	if future == 0 {
		return ticks
	}
	kept := make([]market.Tick, 0, len(ticks)-future)
	for i := range ticks {
		if ticks[i].Time > limit {
			p.reject(feed.Reject{Instrument: b.rec.Instrument.Key(), Raw: rawTick(&ticks[i]), Reason: fromFuture(ticks[i].Time, now)})
			continue
		}
		kept = append(kept, ticks[i])
	}
	return kept
}

func fromFuture(t, now market.Time) string {
	return fmt.Sprintf("its time is %s ahead of this machine's clock, %s", t.Sub(now), now)
}

// takeBars takes the bars of m, which the source calls closed.
func (p *pipeline) takeBars(ctx context.Context, b *base, m *feed.Message, now market.Time) {
	b.byTicks = false
	for i := range m.Bars {
		bar := m.Bars[i]
		if p.live {
			if bar.End > now.Add(ahead) {
				p.reject(feed.Reject{Instrument: m.Instrument, Raw: rawBar(&bar), Reason: fromFuture(bar.End, now)})
				continue
			}
			b.heard(bar.End, now)
		}
		if p.offerBase(ctx, b, bar, m.Backfill, false) {
			b.builder.Skip(bar.End)
		}
	}
}

// built offers the bars that the builder left in p.bars.
func (p *pipeline) built(ctx context.Context, b *base, backfill bool) {
	for _, bar := range p.bars {
		p.offerBase(ctx, b, bar, backfill, true)
	}
}

// advanceBuilder closes the open bar of b where its time has come.
func (p *pipeline) advanceBuilder(ctx context.Context, b *base, now market.Time) {
	p.bars = b.builder.Advance(now, p.bars[:0])
	p.built(ctx, b, b.history)
}

// advanceBase closes the bars of b and its roll-ups whose time has come.
func (p *pipeline) advanceBase(ctx context.Context, b *base, now market.Time) {
	p.advanceBuilder(ctx, b, now)
	for _, r := range b.rolled {
		p.offerRolled(ctx, b, r, r.roll.Advance(now.Add(-b.rollGrace(p.live)), nil), false)
	}
}

// offerBase offers a bar of b, and what it changes in the roll-ups, to the batch. It
// returns false when the bar is unfit. inserting permits a bar that is older than
// others and new.
func (p *pipeline) offerBase(ctx context.Context, b *base, bar market.Bar, backfill, inserting bool) bool {
	kept, changed, err := p.offer(ctx, &b.series, bar, backfill, inserting)
	if err != nil {
		p.refuseBar(&b.series, &bar, err)
		return false
	}
	if !changed {
		return true
	}
	if backfill {
		b.backEnd = max(b.backEnd, kept.End)
	} else {
		b.liveFrom = min(b.liveFrom, kept.Start)
	}
	for _, r := range b.rolled {
		var room [4]market.Bar
		coarse, err := r.roll.Add(kept, room[:0])
		if err != nil {
			p.rebuild(ctx, b, r, kept.Start, backfill)
			continue
		}
		p.offerRolled(ctx, b, r, coarse, backfill)
	}
	return true
}

func (p *pipeline) offerRolled(ctx context.Context, b *base, r *rolled, coarse []market.Bar, backfill bool) {
	for i := range coarse {
		if _, _, err := p.offer(ctx, &r.series, coarse[i], backfill || b.past(&coarse[i]), true); err != nil {
			p.refuseBar(&r.series, &coarse[i], err)
		}
	}
}

// refuseBar rejects a bar that is unfit. Any other error means that the store could
// not be asked before ctx was done; flush returns it.
func (p *pipeline) refuseBar(s *series, bar *market.Bar, err error) {
	var u unfit
	if !errors.As(err, &u) {
		p.failed = err
		return
	}
	p.reject(feed.Reject{Instrument: s.rec.Instrument.Key(), Raw: rawBar(bar), Reason: string(s.id) + ": " + u.Error()})
}

// offer adds bar to the batch unless it is known with the same values. It returns
// the bar with its revision, and an unfit error when it cannot be a bar of s.
func (p *pipeline) offer(ctx context.Context, s *series, bar market.Bar, backfill, inserting bool) (_ market.Bar, changed bool, err error) {
	if err := s.check(&bar); err != nil {
		return bar, false, unfit{err}
	}
	bar.Revision = 0
	i, found := s.find(bar.Start)
	rec := store.BarRecord{Series: s.id, Backfill: backfill}
	switch {
	case found:
		if same(s.recent[i], bar) {
			return bar, false, nil
		}
		if err := s.overlap(i, i+1, &bar); err != nil {
			return bar, false, err
		}
		bar.Revision = s.recent[i].Revision + 1
		s.recent[i] = bar
	case i == len(s.recent):
		if err := s.overlap(i, i, &bar); err != nil {
			return bar, false, err
		}
		rec.AfterGap = p.live && s.afterGap(bar.Start)
		if rec.AfterGap {
			p.countGap(s, &bar)
		}
		s.recent = append(s.recent, bar)
	default:
		if i == 0 && s.older {
			old, ok, err := p.stored(ctx, s, bar.Start)
			switch {
			case err != nil:
				return bar, false, err
			case ok && same(old, bar):
				return bar, false, nil
			case ok:
				bar.Revision = old.Revision + 1
				rec.Bar = bar
				p.recs, p.of = append(p.recs, rec), append(p.of, s)
				return bar, true, nil
			}
		}
		if !inserting {
			last, _ := s.last()
			return bar, false, unfit{fmt.Errorf("the bar from %s is new but not after the last one, from %s", bar.Start, last.Start)}
		}
		if err := s.overlap(i, i, &bar); err != nil {
			return bar, false, err
		}
		if i > 0 || !s.older {
			s.recent = append(s.recent, market.Bar{})
			copy(s.recent[i+1:], s.recent[i:])
			s.recent[i] = bar
		}
	}
	rec.Bar = bar
	p.recs, p.of = append(p.recs, rec), append(p.of, s)
	return bar, true, nil
}

// overlap reports that bar covers time of the bar before place i or from place k on.
func (s *series) overlap(i, k int, bar *market.Bar) error {
	if i > 0 && bar.Start < s.recent[i-1].End {
		return unfit{fmt.Errorf("the bar from %s overlaps the one before it, which ends at %s", bar.Start, s.recent[i-1].End)}
	}
	if k < len(s.recent) && bar.End > s.recent[k].Start {
		return unfit{fmt.Errorf("the bar that ends at %s overlaps the one after it, from %s", bar.End, s.recent[k].Start)}
	}
	return nil
}

// countGap counts a gap once, on the series that the source delivers.
func (p *pipeline) countGap(s *series, bar *market.Bar) {
	if !s.rec.Base {
		return
	}
	last, _ := s.last()
	p.log.Warn("data was lost", "series", s.id, "from", last.End, "to", bar.Start)
	p.metrics.gaps.Inc()
	p.metrics.gapSeconds.Add(bar.Start.Sub(last.End).Seconds())
	p.health.update(func(h *feed.Health) { h.Gaps++ })
}
