package tracing

import (
	"slices"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/foretick/foretick/market"
)

// Kind is what a Mark is about.
type Kind uint8

// Bars are known by their start, entries by their number in the ledger of the series.
const (
	Bars Kind = iota
	Entries
)

// marksKept is how many marks of a series are remembered of each kind: a part that is
// further behind than that many sampled commits finds nothing, which costs a trace its
// end and nothing else.
const marksKept = 8

// linksKept bounds the causes of one span: a batch that catches up may have thousands.
const linksKept = 16

type place struct {
	series market.SeriesID
	kind   Kind
}

// mark says that the bars or entries from..to are due to a span.
type mark struct {
	from, to int64
	span     trace.SpanContext
}

// trail remembers which span committed what, the newest of each series.
type trail struct {
	mu    sync.RWMutex
	marks map[place][]mark
}

// Mark notes that s commits the bars or entries of a series with keys from to to,
// both included. It is called before the commit: what can be seen can be found.
func (t *Tracer) Mark(s Span, kind Kind, series market.SeriesID, from, to int64) {
	if t == nil || !s.Recorded() {
		return
	}
	t.trail.mu.Lock()
	defer t.trail.mu.Unlock()
	at := place{series, kind}
	list := t.trail.marks[at]
	if len(list) >= marksKept {
		list = slices.Delete(list, 0, len(list)-marksKept+1)
	}
	t.trail.marks[at] = append(list, mark{from, to, s.span.SpanContext()})
}

// Of adds to causes the span that committed a bar or an entry, unless it is there
// already, is not known, or there are enough.
func (t *Tracer) Of(causes []trace.SpanContext, kind Kind, series market.SeriesID, key int64) []trace.SpanContext {
	if t == nil || len(causes) >= linksKept {
		return causes
	}
	t.trail.mu.RLock()
	defer t.trail.mu.RUnlock()
	list := t.trail.marks[place{series, kind}]
	for i := len(list) - 1; i >= 0; i-- { // the newest first: a bar may be revised
		if m := &list[i]; m.from <= key && key <= m.to {
			if !slices.ContainsFunc(causes, m.span.Equal) {
				causes = append(causes, m.span)
			}
			break
		}
	}
	return causes
}
