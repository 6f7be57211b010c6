package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

const (
	// batchEvents bounds the events read at a time, and deliveries those handed to streams: a
	// step with the lock held, in which no stream can come or go, takes some ten milliseconds.
	batchEvents = 2048
	deliveries  = 1 << 18
	// clientFrames is how many frames a client may be behind before it is cut: some
	// seconds of a thousand series. It costs a slot of 24 bytes each.
	clientFrames = 4096
	statusEvery  = 5 * time.Second
)

// hub reads what was committed, encodes each event once, and hands it to the streams
// that want it.
type hub struct {
	s     *Server
	ready chan struct{} // closed when pos is known

	mu      sync.Mutex
	pos     uint64 // every event up to here has been handed out
	clients map[*client]struct{}
	ran     bool
	ended   bool

	items []store.Item // owned by run
}

// client is one stream.
type client struct {
	series map[market.SeriesID]bool // nil: all
	after  uint64                   // number of the last event that it has already
	frames chan []byte
	cut    chan struct{} // closed when the client is too slow or the server stops
}

func (c *client) wants(id market.SeriesID) bool { return c.series == nil || c.series[id] }

func newHub(s *Server) *hub {
	return &hub{s: s, ready: make(chan struct{}), clients: map[*client]struct{}{}}
}

// add registers c and returns the number of the event after which its frames begin.
// It fails when there are too many streams or the server is stopping.
func (h *hub) add(ctx context.Context, c *client) (pos uint64, ok bool) {
	select {
	case <-h.ready:
	case <-ctx.Done():
		return 0, false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended || len(h.clients) >= h.s.cfg.MaxStream {
		return 0, false
	}
	h.clients[c] = struct{}{}
	h.s.metrics.streams.Set(float64(len(h.clients)))
	return h.pos, true
}

func (h *hub) remove(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.clients, c)
	h.s.metrics.streams.Set(float64(len(h.clients)))
}

// run hands out events until ctx is done, then cuts every stream. A second call is refused.
func (h *hub) run(ctx context.Context) error {
	if !h.begin() {
		return errors.New("api: streams have been served already")
	}
	sub := h.s.cfg.Bus.Subscribe(1) // one is enough: a notice only says "look"
	defer sub.Close()
	defer h.end()
	poll := time.NewTicker(time.Second) // notices may be lost
	defer poll.Stop()
	var told time.Time
	var states string
	started := false
	for ctx.Err() == nil {
		more := false
		if !started {
			if last, err := h.s.cfg.Store.LastEvent(ctx); err == nil {
				h.pos, started = last, true
				close(h.ready)
			} else if ctx.Err() == nil {
				h.s.cfg.Log.Error("streams cannot begin", "err", err)
			}
		}
		if started {
			var err error
			if more, err = h.pump(ctx); err != nil && ctx.Err() == nil {
				h.s.cfg.Log.Error("streams are held up", "err", err)
			}
		}
		// Between two steps, however many there are: a backlog does not hide the state of feeds.
		if s := feedStates(h.s.cfg.Feeds()); s != states || h.s.cfg.Now().Sub(told) >= statusEvery {
			states, told = s, h.s.cfg.Now()
			h.send("", h.statusFrame())
		}
		if more {
			continue
		}
		select {
		case <-ctx.Done():
		case <-sub.C():
		case <-poll.C:
		}
	}
	return nil
}

func (h *hub) begin() (first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	first = !h.ran
	h.ran = true
	return first
}

func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for c := range h.clients {
		close(c.cut)
		delete(h.clients, c)
	}
}

// wish is what the streams want together.
type wish struct {
	all bool
	ids map[market.SeriesID]bool
}

func (w wish) has(id market.SeriesID) bool { return w.all || w.ids[id] }

// covers reports whether everything that c wants is in the wish.
func (w wish) covers(c *client) bool {
	if w.all || c.series == nil {
		return w.all
	}
	for id := range c.series {
		if !w.ids[id] {
			return false
		}
	}
	return true
}

func (h *hub) wish() wish {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := wish{ids: map[market.SeriesID]bool{}}
	for c := range h.clients {
		w.all = w.all || c.series == nil
		for id := range c.series {
			w.ids[id] = true
		}
	}
	return w
}

// pump hands out one batch of new events. A stream that joined after it was decided
// what to encode would miss what was left out, so then the batch is done once more.
func (h *hub) pump(ctx context.Context) (more bool, err error) {
	h.mu.Lock()
	pos, streams := h.pos, len(h.clients)
	h.mu.Unlock()
	if streams == 0 {
		last, err := h.s.cfg.Store.LastEvent(ctx)
		if err != nil {
			return false, err
		}
		h.mu.Lock()
		if len(h.clients) == 0 {
			h.pos = max(h.pos, last)
		}
		h.mu.Unlock()
		return false, nil
	}
	want := h.wish()
	began := h.s.cfg.Tracer.Now()
	events, frames, err := h.next(ctx, pos, min(batchEvents, max(1, deliveries/streams)), want.has)
	if err != nil || len(events) == 0 {
		return false, err
	}
	for _, span := range h.trace(ctx, began, events) {
		defer span.End()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		if !want.covers(c) {
			return true, nil // a newcomer: once more, with what it wants
		}
	}
	for i, f := range frames {
		if f != nil {
			h.deliver(events[i].Series, events[i].Seq, f)
		}
	}
	h.pos = events[len(events)-1].Seq
	return true, nil // memory may give less than there is
}

// next returns at most so many events after pos and their frames, from memory as far as that
// goes.
func (h *hub) next(ctx context.Context, pos uint64, most int, want func(market.SeriesID) bool) ([]store.Event, [][]byte, error) {
	if h.s.cfg.Recent != nil {
		if h.items = h.s.cfg.Recent.Items(h.items[:0], pos, most); len(h.items) > 0 {
			return h.recent(want)
		}
	}
	events, err := h.s.cfg.Store.EventsAfter(ctx, pos, most)
	if err != nil || len(events) == 0 {
		return nil, nil, err
	}
	frames, err := h.s.frames(ctx, events, want)
	return events, frames, err
}

func (h *hub) recent(want func(market.SeriesID) bool) ([]store.Event, [][]byte, error) {
	events := make([]store.Event, len(h.items))
	frames := make([][]byte, len(h.items))
	for i := range h.items {
		item := &h.items[i]
		events[i] = item.Event
		if !want(item.Series) {
			continue
		}
		if item.Bar != nil {
			frames[i] = h.s.frame(item.Seq, "bar", encodeBar(item.Bar))
			continue
		}
		var err error
		frames[i], err = h.s.entryFrame(&item.Event, item.Entry, func(market.Time) ([]score.Score, error) { return item.Scores, nil })
		if err != nil {
			return nil, nil, err
		}
	}
	clear(h.items) // hold on to nothing
	return events, frames, nil
}

// send hands a frame of no series to every stream.
func (h *hub) send(id market.SeriesID, frame []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.deliver(id, 0, frame)
}

// deliver hands a frame to the streams that want it; the lock is held. A stream that
// cannot take it is cut: it resumes from its last event, and nobody waits for it.
// seq is 0 for what is no event.
func (h *hub) deliver(id market.SeriesID, seq uint64, frame []byte) {
	for c := range h.clients {
		if id != "" && !c.wants(id) || seq != 0 && seq <= c.after {
			continue
		}
		select {
		case c.frames <- frame:
			h.s.metrics.sent.Inc()
		default:
			close(c.cut)
			delete(h.clients, c)
			h.s.metrics.cut.Inc()
			h.s.metrics.streams.Set(float64(len(h.clients)))
		}
	}
}

// frames reads and encodes events; those not wanted have no frame.
func (s *Server) frames(ctx context.Context, events []store.Event, want func(market.SeriesID) bool) ([][]byte, error) {
	out := make([][]byte, len(events))
	bars, err := s.loggedBars(ctx, events, want)
	if err != nil {
		return nil, err
	}
	entries, err := s.loggedEntries(ctx, events, want)
	if err != nil {
		return nil, err
	}
	for i := range events {
		ev := &events[i]
		if !want(ev.Series) {
			continue
		}
		if ev.Kind == store.BarEvent {
			if b := bars[ev.Seq]; b != nil { // nil: retention deleted it a moment ago
				out[i] = s.frame(ev.Seq, "bar", encodeBar(b))
			}
			continue
		}
		out[i], err = s.entryFrame(ev, entries[entryKey{ev.Series, uint64(ev.Key)}], func(target market.Time) (scores []score.Score, err error) {
			err = s.cfg.Store.EachScore(ctx, ev.Series, store.ScoreQuery{From: target, To: target + 1}, func(sc *score.Score) bool {
				scores = append(scores, *sc)
				return true
			})
			return scores, err
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// loggedBars reads the bars of events by event number.
func (s *Server) loggedBars(ctx context.Context, events []store.Event, want func(market.SeriesID) bool) (map[uint64]*store.BarRecord, error) {
	n, last := 0, uint64(0)
	only := market.SeriesID("")
	several := false
	for i := range events {
		if events[i].Kind == store.BarEvent && want(events[i].Series) {
			n++
			several = several || only != "" && only != events[i].Series
			only, last = events[i].Series, events[i].Seq
		}
	}
	if n == 0 {
		return nil, nil
	}
	id, limit := only, n
	if several {
		id, limit = "", len(events)
	}
	out := make(map[uint64]*store.BarRecord, n)
	for after := events[0].Seq - 1; after < last; {
		recs, err := s.cfg.Store.BarLog(ctx, id, after, limit)
		if err != nil || len(recs) == 0 {
			return out, err
		}
		for i := range recs {
			out[recs[i].Seq] = &recs[i]
		}
		after = recs[len(recs)-1].Seq // memory may give less than there is
	}
	return out, nil
}

type entryKey struct {
	series market.SeriesID
	seq    uint64
}

// loggedEntries reads the ledger entries of events, a series at a time.
func (s *Server) loggedEntries(ctx context.Context, events []store.Event, want func(market.SeriesID) bool) (map[entryKey]*ledger.Sealed, error) {
	type stretch struct{ from, to uint64 }
	need := map[market.SeriesID]stretch{}
	for i := range events {
		ev := &events[i]
		if ev.Kind == store.BarEvent || !want(ev.Series) {
			continue
		}
		n, ok := need[ev.Series]
		if !ok {
			n.from = uint64(ev.Key)
		}
		n.to = uint64(ev.Key) + 1 // entries of a series come in order
		need[ev.Series] = n
	}
	out := map[entryKey]*ledger.Sealed{}
	for id, n := range need {
		list, err := s.cfg.Store.Entries(ctx, id, store.EntryQuery{From: n.from, To: n.to, Times: store.Range{Limit: int(n.to - n.from)}})
		if err != nil {
			return nil, err
		}
		for i := range list {
			out[entryKey{id, list[i].Seq}] = &list[i]
		}
	}
	return out, nil
}

// entryFrame encodes a ledger entry, nil for one that streams do not carry.
// scores finds the scores of a target.
func (s *Server) entryFrame(ev *store.Event, sealed *ledger.Sealed, scores func(market.Time) ([]score.Score, error)) ([]byte, error) {
	if sealed == nil {
		return nil, fmt.Errorf("%w: entry %d of %s", store.ErrNotFound, ev.Key, ev.Series)
	}
	e, err := ledger.Decode(sealed.Bytes)
	if err != nil {
		return nil, fmt.Errorf("entry %d of %s: %w", ev.Key, ev.Series, err)
	}
	switch {
	case e.Issue != nil:
		return s.frame(ev.Seq, "forecast", encodeIssue(sealed, e)), nil
	case e.Outcome != nil:
		list, err := scores(e.Outcome.Bar.Start)
		return s.frame(ev.Seq, "score", encodeOutcome(sealed, e, list)), err
	case e.Void != nil:
		return s.frame(ev.Seq, "void", encodeVoid(sealed, e)), nil
	case e.Gap != nil:
		return s.frame(ev.Seq, "gap", encodeGap(sealed, e)), nil
	}
	return nil, nil
}

// frame writes a server-sent event (HTML Living Standard, section 9.2). seq 0 gives
// it no id.
func (s *Server) frame(seq uint64, name string, data []byte) []byte {
	b := make([]byte, 0, len(data)+96)
	if seq > 0 {
		b = append(append(append(b, "id: "...), s.cfg.Store.Epoch()...), '-')
		b = append(strconv.AppendUint(b, seq, 10), '\n')
	}
	b = append(append(append(b, "event: "...), name...), '\n')
	b = append(append(b, "data: "...), data...)
	return append(b, '\n', '\n')
}

// statusFrame tells the health of the feeds.
func (h *hub) statusFrame() []byte {
	ready, reason := h.s.cfg.Ready()
	b, err := json.Marshal(struct {
		Feeds       []FeedHealth `json:"feeds"`
		Ready       bool         `json:"ready"`
		ReadyReason string       `json:"ready_reason"`
	}{h.s.feeds(), ready, reason})
	if err != nil {
		b = []byte("{}") // cannot happen: plain values only
	}
	return h.s.frame(0, "status", b)
}

func feedStates(feeds []feed.Health) string {
	var b strings.Builder
	for _, f := range feeds {
		b.WriteString(string(f.State) + ";")
	}
	return b.String()
}
