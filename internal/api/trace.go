package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/tracing"
)

// trace ends the traces of bars and steps whose events are about to be handed out: one
// span for each. It began when the events were read.
func (h *hub) trace(ctx context.Context, began time.Time, events []store.Event) (spans []tracing.Span) {
	t := h.s.cfg.Tracer
	if t == nil {
		return nil
	}
	var causes []trace.SpanContext
	for i := range events {
		kind := tracing.Entries
		if events[i].Kind == store.BarEvent {
			kind = tracing.Bars
		}
		causes = t.Of(causes, kind, events[i].Series, events[i].Key)
	}
	for i := range causes {
		_, span := t.Late(ctx, began, causes[i:i+1], "stream", attribute.Int("foretick.events", len(events)))
		spans = append(spans, span)
	}
	return spans
}

var traceHeaders = propagation.TraceContext{}

// traceRequest begins the span of a request to a route. What probes and Prometheus ask
// for, and streams, which last, are left out. The path, the query and the headers are
// not told: they may hold a secret.
func (s *Server) traceRequest(r *http.Request, pattern string) (*http.Request, tracing.Span) {
	if s.cfg.Tracer == nil || pattern == "" {
		return r, tracing.Span{}
	}
	_, route, _ := strings.Cut(pattern, " ")
	switch route {
	case streamPath, "/healthz", "/readyz", "/metrics":
		return r, tracing.Span{}
	}
	remote := trace.SpanContextFromContext(traceHeaders.Extract(context.Background(), propagation.HeaderCarrier(r.Header)))
	ctx, span := s.cfg.Tracer.Request(r.Context(), remote, r.Method+" "+route, attribute.String("http.request.method", r.Method), attribute.String("http.route", route))
	if !span.Recorded() {
		return r, span
	}
	return r.WithContext(ctx), span
}
