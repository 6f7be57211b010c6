package engine

import (
	"context"
	"time"

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

// stepTraced is stepTask for task i, with a span around it for the first tasks of a batch.
func (e *Engine) stepTraced(ctx context.Context, i int, w *task, until time.Time) error {
	if i >= seriesTraced {
		return e.stepTask(ctx, false, w, until)
	}
	ctx, span := e.cfg.Tracer.Child(ctx, "settle, learn, issue")
	defer span.End()
	err := e.stepTask(ctx, i == 0, w, until)
	if span.Recorded() {
		span.Set(attribute.String("foretick.series", string(w.step.Series)), attribute.Int("foretick.bars", w.done),
			attribute.Int("foretick.scores", len(w.step.Scores)), attribute.Int("foretick.entries", len(w.step.Entries)))
		span.Fail(err)
	}
	return err
}

// commit commits what a batch produced, and notes for the streams what that is due to. ctx
// carries the span of the batch.
func (e *Engine) commit(ctx, hard context.Context, batch tracing.Span, steps []store.Step) (last uint64, err error) {
	if batch.Recorded() {
		for i := range steps {
			if n := len(steps[i].Entries); n > 0 {
				e.cfg.Tracer.Mark(batch, tracing.Entries, steps[i].Series, int64(steps[i].Entries[0].Seq), int64(steps[i].Entries[n-1].Seq))
			}
		}
	}
	_, span := e.cfg.Tracer.Child(ctx, "store step")
	defer span.End()
	last, err = e.cfg.Store.CommitStep(hard, steps...)
	span.Fail(err)
	return last, err
}
