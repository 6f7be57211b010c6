package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/foretick/foretick/market"
)

const (
	streamPath     = "/v1/stream"
	heartbeatEvery = 15 * time.Second
	// writeLimit is how long a client may take to accept what it is sent.
	writeLimit = 20 * time.Second
)

func (s *Server) streamRoute() {
	op := get("stream", streamPath, "stream", "Bars, forecasts and scores as they are committed",
		"Server-sent events: bar, forecast, score, void, gap and status, and reset when Last-Event-ID cannot be resumed from. "+
			"The id of an event, sent back as Last-Event-ID, resumes after it without loss or duplicates. A comment is sent every 15 seconds.")
	op.Responses = map[string]*huma.Response{"200": {
		Description: "A stream that does not end.",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
	}}
	op.Errors = append(op.Errors, http.StatusServiceUnavailable)
	huma.Register(s.doc, op, func(ctx context.Context, in *struct {
		Series  []string `query:"series,explode" maxItems:"100" doc:"Series ID, several times for several. Default: all."`
		LastID  string   `header:"Last-Event-ID" maxLength:"100"`
		LastID2 string   `query:"last_event_id" maxLength:"100" doc:"For clients that cannot send the header."`
	}) (*huma.StreamResponse, error) {
		c := &client{frames: make(chan []byte, clientFrames), cut: make(chan struct{})}
		for _, id := range in.Series {
			if _, err := s.record(ctx, market.SeriesID(id)); err != nil {
				return nil, err
			}
			if c.series == nil {
				c.series = map[market.SeriesID]bool{}
			}
			c.series[market.SeriesID(id)] = true
		}
		if in.LastID == "" {
			in.LastID = in.LastID2
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			r, w := humago.Unwrap(hc)
			s.stream(w, r, c, in.LastID)
		}}, nil
	})
}

// stream serves one client until it leaves, falls too far behind, or the server stops.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, c *client, lastID string) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	if r.Method == http.MethodHead {
		return // it would never see an event, and hold a place
	}
	var refused error
	if lastID != "" {
		if c.after, refused = s.parseEventID(r.Context(), lastID); refused != nil {
			c.after = 0
		}
	}
	pos, ok := s.hub.add(r.Context(), c)
	if !ok {
		w.Header().Set("Retry-After", "5")
		writeProblem(w, problem{Status: http.StatusServiceUnavailable, Detail: "there are too many streams, or the server is stopping; try again"})
		return
	}
	defer s.hub.remove(c)
	out := &sseWriter{w: w, ctl: http.NewResponseController(w), now: s.cfg.Now}
	if !out.write([]byte("retry: 2000\n\n")) || !out.write(s.hub.statusFrame()) {
		return
	}
	switch {
	case refused != nil:
		if !out.write(s.frame(0, "reset", []byte(`{"reason":`+string(appendString(nil, refused.Error()))+`}`))) {
			return
		}
	case lastID != "":
		if !s.resume(r.Context(), out, c, pos) {
			return
		}
	}
	if !out.flush() {
		return
	}
	beat := time.NewTicker(heartbeatEvery)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-c.cut:
			return
		case <-beat.C:
			if !out.write([]byte(": still here\n\n")) || !out.flush() {
				return
			}
		case f := <-c.frames:
			ok := out.write(f)
			for n := len(c.frames); ok && n > 0; n-- {
				ok = out.write(<-c.frames)
			}
			if !ok || !out.flush() {
				return
			}
		}
	}
}

// resume sends what was committed after c.after up to pos, where the frames of the hub
// begin. The client may also be ahead of the hub: then the hub leaves out what it has.
func (s *Server) resume(ctx context.Context, out *sseWriter, c *client, pos uint64) bool {
	for after := c.after; after < pos; {
		events, err := s.cfg.Store.EventsAfter(ctx, after, int(min(batchEvents, pos-after)))
		var frames [][]byte
		if err == nil {
			frames, err = s.frames(ctx, events, c.wants)
		}
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Error("a stream cannot be resumed", "after", after, "err", err)
		}
		if err != nil || len(events) == 0 {
			return false // the client comes back with the last id it got
		}
		for i, f := range frames {
			if events[i].Seq > pos {
				break
			}
			if f != nil && !out.write(f) {
				return false
			}
		}
		after = events[len(events)-1].Seq
	}
	return true
}

// parseEventID reads an event id. The error says why it cannot be resumed from.
func (s *Server) parseEventID(ctx context.Context, id string) (uint64, error) {
	i := strings.LastIndexByte(id, '-')
	if i < 0 {
		return 0, fmt.Errorf("the event id is not one of this server's")
	}
	seq, err := strconv.ParseUint(id[i+1:], 10, 64)
	if err != nil || id[:i] != s.cfg.Store.Epoch() {
		return 0, fmt.Errorf("the event id is of another store")
	}
	last, err := s.cfg.Store.LastEvent(ctx)
	if err != nil {
		return 0, fmt.Errorf("the events cannot be read now")
	}
	if seq > last {
		return 0, fmt.Errorf("the event id is newer than everything stored")
	}
	first, err := s.cfg.Store.FirstEvent(ctx)
	if err != nil {
		return 0, fmt.Errorf("the events cannot be read now")
	}
	if seq+1 < first {
		return 0, fmt.Errorf("the events after this id are not kept any more")
	}
	return seq, nil
}

// sseWriter writes to a client, with a time limit for each write.
type sseWriter struct {
	w   http.ResponseWriter
	ctl *http.ResponseController
	now func() time.Time
}

func (o *sseWriter) write(b []byte) bool {
	if err := o.ctl.SetWriteDeadline(o.now().Add(writeLimit)); err != nil {
		return false
	}
	_, err := o.w.Write(b)
	return err == nil
}

func (o *sseWriter) flush() bool { return o.ctl.Flush() == nil }
