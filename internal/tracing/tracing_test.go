package tracing

import (
	"context"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// A tracer that is off does nothing and allocates nothing.
func TestOff(t *testing.T) {
	var off *Tracer
	ctx := context.Background()
	allocs := testing.AllocsPerRun(100, func() {
		ctx2, s := off.Start(ctx, "a")
		_, child := off.Child(ctx2, "b")
		off.Mark(s, Bars, "x", 1, 2)
		_, f := off.Late(ctx2, off.Now(), off.Of(nil, Bars, "x", 1), "c")
		for _, span := range []Span{s, child, f} {
			span.Fail(context.Canceled)
			span.Answered(500)
			span.Set()
			span.End()
		}
		if ctx2 != ctx || s.Recorded() {
			t.Fatal("a span of a tracer that is off")
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	var e *Exporter
	e.Close(ctx)
	if e.Tracer() != nil {
		t.Error("the tracer of nothing")
	}
}

// The newest mark that holds a key is found, marks of old are forgotten, and no cause stands twice.
func TestTrail(t *testing.T) {
	tr := New(sdktrace.NewTracerProvider().Tracer("test"), time.Now)
	_, first := tr.Start(context.Background(), "first")
	tr.Mark(first, Bars, "a", 10, 20)
	if got := tr.Of(nil, Bars, "a", 15); len(got) != 1 || !got[0].Equal(first.span.SpanContext()) {
		t.Fatalf("found %v", got)
	}
	for name, got := range map[string][]trace.SpanContext{"before": tr.Of(nil, Bars, "a", 9), "after": tr.Of(nil, Bars, "a", 21), "other series": tr.Of(nil, Bars, "b", 15), "other kind": tr.Of(nil, Entries, "a", 15)} {
		if len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
	_, second := tr.Start(context.Background(), "second")
	tr.Mark(second, Bars, "a", 15, 30)
	causes := tr.Of(tr.Of(nil, Bars, "a", 16), Bars, "a", 17)
	if len(causes) != 1 || !causes[0].Equal(second.span.SpanContext()) {
		t.Errorf("a revised bar is due to %v", causes)
	}
	if causes = tr.Of(causes, Bars, "a", 10); len(causes) != 2 {
		t.Errorf("two causes: %v", causes)
	}
	for range 1000 {
		tr.Mark(second, Bars, "a", 40, 50)
	}
	if n := len(tr.trail.marks[place{"a", Bars}]); n != marksKept {
		t.Errorf("%d marks are kept", n)
	}
	if got := tr.Of(nil, Bars, "a", 10); len(got) != 0 {
		t.Errorf("of long ago: %v", got)
	}
	for i := range int64(100) {
		_, s := tr.Start(context.Background(), "many")
		tr.Mark(s, Entries, "a", i, i)
		causes = tr.Of(causes, Entries, "a", i)
	}
	if len(causes) != linksKept {
		t.Errorf("%d causes", len(causes))
	}
	never := New(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())).Tracer("test"), time.Now)
	ctx, s := never.Start(context.Background(), "not sampled")
	never.Mark(s, Bars, "a", 1, 1)
	if _, child := never.Child(ctx, "child"); child.Recorded() || len(never.Of(nil, Bars, "a", 1)) != 0 || len(never.trail.marks) != 0 {
		t.Error("what was not sampled is followed")
	}
}

// BenchmarkBar is what tracing adds to the way of one bar: off, on and not sampled, sampled.
func BenchmarkBar(b *testing.B) {
	provider := func(s sdktrace.Sampler) *Tracer {
		return New(sdktrace.NewTracerProvider(sdktrace.WithSampler(s)).Tracer("bench"), time.Now)
	}
	for name, t := range map[string]*Tracer{"off": nil, "not sampled": provider(sdktrace.NeverSample()), "sampled": provider(sdktrace.AlwaysSample())} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			key := int64(0)
			for b.Loop() {
				key++
				ctx, bars := t.Start(context.Background(), "bars")
				t.Mark(bars, Bars, "sim:AMZN@1s", key, key)
				_, s := t.Child(ctx, "store bars")
				s.End()
				bars.End()
				ctx, step := t.Follow(context.Background(), t.Of(nil, Bars, "sim:AMZN@1s", key), "step")
				t.Mark(step, Entries, "sim:AMZN@1s", key, key)
				for _, name := range []string{"settle, learn, issue", "store step"} {
					_, s := t.Child(ctx, name)
					s.End()
				}
				step.End()
				_, s = t.Late(context.Background(), t.Now(), t.Of(nil, Entries, "sim:AMZN@1s", key), "stream")
				s.End()
			}
		})
	}
}
