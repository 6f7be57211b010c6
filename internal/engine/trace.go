package engine

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/tracing"
)

// seriesTraced bounds the spans of one batch: that many of its series get one of their
// own. A thousand series a second would say no more, and fill the queue.
const seriesTraced = 32

// trace goes on with the traces of the bars in a batch. Where none of them is traced
// the batch is not.
func (e *Engine) trace(ctx context.Context, recs []store.BarRecord, work []task) (context.Context, tracing.Span) {
	if e.cfg.Tracer == nil {
		return ctx, tracing.Span{}
	}
	var causes []trace.SpanContext
	for _, w := range work {
		for i := range w.recs {
			causes = e.cfg.Tracer.Of(causes, tracing.Bars, w.recs[i].Series, int64(w.recs[i].Start))
		}
	}
	return e.cfg.Tracer.Follow(ctx, causes, "step", attribute.Int("foretick.bars", len(recs)), attribute.Int("foretick.series.count", len(work)))
}

// stepTraced is step with a span around it, for the first series of a batch.
func (e *Engine) stepTraced(ctx context.Context, i int, w task) (store.Step, []store.Warning, error) {
	if i >= seriesTraced {
		return e.step(ctx, w)
	}
	ctx, span := e.cfg.Tracer.Child(ctx, "settle, learn, issue")
	defer span.End()
	s, warnings, err := e.step(ctx, w)
	if span.Recorded() {
		span.Set(attribute.String("foretick.series", string(s.Series)), attribute.Int("foretick.bars", len(w.recs)),
			attribute.Int("foretick.scores", len(s.Scores)), attribute.Int("foretick.entries", len(s.Entries)))
		span.Fail(err)
	}
	return s, warnings, err
}

// commit commits what a batch produced, and notes for the streams what that is due to.
func (e *Engine) commit(ctx context.Context, batch tracing.Span, steps []store.Step) (last uint64, err error) {
	if batch.Recorded() {
		for i := range steps {
			if n := len(steps[i].Entries); n > 0 {
				e.cfg.Tracer.Mark(batch, tracing.Entries, steps[i].Series, int64(steps[i].Entries[0].Seq), int64(steps[i].Entries[n-1].Seq))
			}
		}
	}
	ctx, span := e.cfg.Tracer.Child(ctx, "store step")
	defer span.End()
	last, err = e.cfg.Store.CommitStep(ctx, steps...)
	span.Fail(err)
	return last, err
}
