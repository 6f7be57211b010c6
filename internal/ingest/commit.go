package ingest

import (
	"context"
	"fmt"
	"math/bits"

	"go.opentelemetry.io/otel/attribute"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/tracing"
	"github.com/foretick/foretick/market"
)

// flush commits the batch, tells the bus, and lets the driver catch up. It fails
// when hard is done before everything was stored.
func (p *pipeline) flush(ctx, hard context.Context) error {
	p.ticks = 0
	if p.failed != nil {
		return p.failed
	}
	if err := p.flushRejects(hard); err != nil {
		return err
	}
	committed, err := p.flushBars(hard)
	if err != nil {
		return err
	}
	if p.changed {
		p.changed = false
		p.notify("feed", p.info.Name)
	}
	if !committed || p.cfg.AfterCommit == nil {
		return nil
	}
	if err := p.cfg.AfterCommit(ctx, p.lastEvent); err != nil && ctx.Err() == nil {
		return fmt.Errorf("ingest: after commit: %w", err)
	}
	return nil
}

// flushRejects comes before flushBars: after a crash between the two the rejects are
// met again and kept once, while committed bars would keep them from being met.
func (p *pipeline) flushRejects(ctx context.Context) error {
	if len(p.rejects) == 0 {
		return nil
	}
	at := p.cfg.Now()
	err := p.retry(ctx, fmt.Sprintf("keeping %d rejected inputs", len(p.rejects)), func(ctx context.Context) error {
		return p.cfg.Store.Quarantine(ctx, at, p.rejects)
	})
	if err != nil {
		return err
	}
	n := uint64(len(p.rejects))
	p.metrics.rejected.Add(float64(n))
	var total uint64
	p.health.update(func(h *feed.Health) {
		h.Rejected += n
		total = h.Rejected
	})
	if bits.Len64(total) > bits.Len64(total-n) { // ever rarer, so that a flood stays readable
		r := p.rejects[len(p.rejects)-1]
		p.log.Warn("inputs were rejected", "total", total, "instrument", r.Instrument, "line", r.Line, "reason", r.Reason)
	}
	clear(p.rejects)
	p.rejects = p.rejects[:0]
	p.notify("quarantine", p.info.Name)
	return nil
}

// flushBars commits the bars of the batch, in one call unless splits and dividends came
// between them. It reports whether there were any.
func (p *pipeline) flushBars(ctx context.Context) (bool, error) {
	bars := len(p.recs) > 0
	done := 0
	for i := range p.told {
		t := &p.told[i]
		if err := p.commit(ctx, done, t.bars); err != nil {
			return false, err
		}
		done = t.bars
		if err := p.keep(ctx, t); err != nil {
			return false, err
		}
	}
	if err := p.commit(ctx, done, len(p.recs)); err != nil {
		return false, err
	}
	for i, s := range p.of {
		if i == 0 || s != p.of[i-1] {
			p.settle(s)
		}
	}
	clear(p.of)
	clear(p.told)
	p.recs, p.of, p.told = p.recs[:0], p.of[:0], p.told[:0]
	return bars, nil
}

// commit commits the bars from..to-1 of the batch, with the ticks of the batch that are not
// committed yet, and tells the bus.
func (p *pipeline) commit(ctx context.Context, from, to int) error {
	recs := p.recs[from:to]
	if len(recs)+len(p.kept) == 0 {
		return nil
	}
	ctx, span := p.trace(ctx, recs)
	defer span.End()
	err := p.retry(ctx, fmt.Sprintf("storing %d bars", len(recs)), func(ctx context.Context) (err error) {
		ctx, span := p.cfg.Tracer.Child(ctx, "store bars")
		defer span.End()
		var last uint64
		if len(p.kept) > 0 {
			_, last, err = p.cfg.Store.CommitTicks(ctx, p.kept, recs)
		} else {
			_, last, err = p.cfg.Store.CommitBars(ctx, recs)
		}
		if err == nil {
			p.lastEvent = max(p.lastEvent, last)
		}
		span.Fail(err)
		return err
	})
	span.Fail(err)
	if err != nil {
		return err
	}
	clear(p.kept)
	if p.kept = p.kept[:0]; len(recs) == 0 {
		return nil
	}
	key := recs[0].Series
	var closed, revised uint64
	for i, s := range p.of[from:to] {
		if s.id != key {
			key = ""
		}
		if recs[i].Revision > 0 {
			revised++
			s.revised.Inc()
		} else {
			closed++
			s.closed.Inc()
		}
	}
	p.health.update(func(h *feed.Health) {
		h.Bars += closed
		h.Revised += revised
	})
	p.notify("bar", string(key))
	return nil
}

// trace begins the trace of the bars that are about to be committed, at which the engine
// and the streams go on.
func (p *pipeline) trace(ctx context.Context, recs []store.BarRecord) (context.Context, tracing.Span) {
	if p.cfg.Tracer == nil || len(recs) == 0 {
		return ctx, tracing.Span{}
	}
	ctx, span := p.cfg.Tracer.Start(ctx, "bars")
	if !span.Recorded() {
		return ctx, span
	}
	spans := map[market.SeriesID]market.Span{}
	for i := range recs {
		r := &recs[i]
		sp, ok := spans[r.Series]
		if !ok {
			sp = market.Span{Start: r.Start, End: r.Start}
		}
		spans[r.Series] = market.Span{Start: min(sp.Start, r.Start), End: max(sp.End, r.Start)}
	}
	for id, sp := range spans {
		p.cfg.Tracer.Mark(span, tracing.Bars, id, int64(sp.Start), int64(sp.End))
	}
	span.Set(attribute.String("foretick.source", p.info.Name), attribute.Int("foretick.bars", len(recs)), attribute.Int("foretick.series.count", len(spans)))
	if len(spans) == 1 {
		span.Set(attribute.String("foretick.series", string(recs[0].Series)))
	}
	return ctx, span
}

// settle notes that all bars of s are committed.
func (p *pipeline) settle(s *series) {
	s.trim()
	if last, ok := s.last(); ok && s.rec.Base {
		p.health.setLast(s.id, last.Start)
	}
}

// stored returns the newest revision of a bar that is not among the recent ones.
func (p *pipeline) stored(ctx context.Context, s *series, start market.Time) (bar market.Bar, ok bool, err error) {
	for i := len(p.recs) - 1; i >= 0; i-- {
		if p.of[i] == s && p.recs[i].Start == start {
			return p.recs[i].Bar, true, nil
		}
	}
	err = p.retry(ctx, "reading bars of "+string(s.id), func(ctx context.Context) error {
		bars, err := p.cfg.Store.Bars(ctx, s.id, store.Range{To: start + 1, Newest: true, Limit: 1})
		if ok = len(bars) == 1 && bars[0].Start == start; ok {
			bar = bars[0]
		}
		return err
	})
	return bar, ok && err == nil, err
}
