// Package tracing tells an OpenTelemetry collector what Foretick does: the way of a
// bar from its commit through the engine to the streams, requests, and the numbers
// that /metrics shows, over OTLP/HTTP.
//
// It is off unless an address is given. A nil *Tracer is a tracer that is off: every
// method of it returns at once and allocates nothing, so that callers need no case.
//
// A bar goes from ingest to engine to streams through the store, and notices carry
// numbers only. What belongs together is found again by what is stored: a part that
// commits something tells the tracer which bars or ledger entries (Mark) before it
// commits, and the next part asks for them (Of). What is not found has no parent and
// is not traced: a trace is begun where bars are committed, and only followed
// elsewhere.
//
// Nothing here is waited for. Spans go into a bounded queue that is emptied in the
// background; where the collector does not keep up, spans are dropped and counted.
package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Tracer starts spans. Nil is off. It may be used from several goroutines at once.
type Tracer struct {
	tracer trace.Tracer
	trail  trail
	now    func() time.Time
}

// New returns a Tracer that starts its spans with t. now is the clock of spans that
// are begun after the fact (Late).
func New(t trace.Tracer, now func() time.Time) *Tracer {
	return &Tracer{tracer: t, trail: trail{marks: map[place][]mark{}}, now: now}
}

// Span is a stretch of work, or nothing: its zero value, and one that was not sampled,
// do nothing.
type Span struct{ span trace.Span }

// Start begins a span below the one in ctx, or a new trace where there is none; whether
// a new one is kept is up to the sampler.
func (t *Tracer) Start(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	ctx, s := t.tracer.Start(ctx, name, trace.WithAttributes(attrs...))
	return ctx, Span{s}
}

// Child begins a span below the one in ctx, and nothing where that is not recorded.
func (t *Tracer) Child(ctx context.Context, name string, attrs ...attribute.KeyValue) (context.Context, Span) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, Span{}
	}
	return t.Start(ctx, name, attrs...)
}

// Follow begins a span below the first of causes, with links to the others, and
// nothing where there are none.
func (t *Tracer) Follow(ctx context.Context, causes []trace.SpanContext, name string, attrs ...attribute.KeyValue) (context.Context, Span) {
	return t.Late(ctx, time.Time{}, causes, name, attrs...)
}

// Late is Follow for a span that began at a time that Now gave; the zero time is now.
func (t *Tracer) Late(ctx context.Context, began time.Time, causes []trace.SpanContext, name string, attrs ...attribute.KeyValue) (context.Context, Span) {
	if t == nil || len(causes) == 0 {
		return ctx, Span{}
	}
	opts := []trace.SpanStartOption{trace.WithAttributes(attrs...)}
	for _, c := range causes[1:] {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: c}))
	}
	if !began.IsZero() {
		opts = append(opts, trace.WithTimestamp(began))
	}
	ctx, s := t.tracer.Start(trace.ContextWithSpanContext(ctx, causes[0]), name, opts...)
	return ctx, Span{s}
}

// Request begins the span of an HTTP request. remote is what the client sent of a
// trace of its own (W3C Trace Context); it may be of no trace.
func (t *Tracer) Request(ctx context.Context, remote trace.SpanContext, name string, attrs ...attribute.KeyValue) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	if remote.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, remote)
	}
	ctx, s := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attrs...))
	return ctx, Span{s}
}

// Now is the time for Late, zero when tracing is off.
func (t *Tracer) Now() time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.now()
}

// Recorded reports whether the span is kept: what is only worked out for its
// attributes can be left out otherwise.
func (s Span) Recorded() bool { return s.span != nil && s.span.IsRecording() }

// Set adds attributes.
func (s Span) Set(attrs ...attribute.KeyValue) {
	if s.Recorded() {
		s.span.SetAttributes(attrs...)
	}
}

// Fail marks the span as failed, for a reason that must hold no secret. Nil is no failure.
func (s Span) Fail(err error) {
	if err != nil && s.Recorded() {
		s.span.SetStatus(codes.Error, err.Error())
	}
}

// Answered notes the status of an HTTP answer; those from 500 on are failures.
func (s Span) Answered(status int) {
	if !s.Recorded() {
		return
	}
	s.span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= 500 {
		s.span.SetStatus(codes.Error, "")
	}
}

// End ends the span. It may be called on a span that is nothing.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}
