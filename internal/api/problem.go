package api

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// problem is an RFC 9457 problem document. Error repeats Detail for clients of the
// original service, which looked there.
type problem struct {
	Type   string              `json:"type,omitempty"`
	Title  string              `json:"title"`
	Status int                 `json:"status"`
	Detail string              `json:"detail,omitempty"`
	Error  string              `json:"error,omitempty"`
	Errors []*huma.ErrorDetail `json:"errors,omitempty"`
}

// writeProblem answers with a problem document.
func writeProblem(w http.ResponseWriter, p problem) {
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	b, err := json.Marshal(p)
	if err != nil {
		b = []byte(`{"title":"Internal Server Error","status":500}`) // cannot happen: strings and numbers only
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(b) // the client has gone: nobody left to tell
}

// tell is what huma runs on every answer. It removes what a client sent from
// validation errors (it may be large, or secret) and logs faults, of which the answer
// says nothing.
func (s *Server) tell(ctx huma.Context, _ string, v any) (any, error) {
	switch e := v.(type) {
	case *huma.ErrorModel:
		for _, d := range e.Errors {
			d.Value = nil
			if len(d.Location) > 64 { // the name of a parameter is the client's too
				d.Location = d.Location[:64] + "..."
			}
		}
	case *internalError:
		s.cfg.Log.Error("a request failed", "id", ctx.Header(requestIDHeader), "path", ctx.Operation().Path, "err", e.err)
		return &huma.ErrorModel{Title: http.StatusText(e.GetStatus()), Status: e.GetStatus(), Detail: e.Error()}, nil
	}
	return v, nil
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

const nothingHere = "there is nothing at this address; /docs lists what there is"

// unrouted answers requests that no route matches: 405 with Allow when another method
// would have matched, else 404.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request) {
	var allow []string
	for _, m := range methods {
		c := *r
		c.Method = m
		if _, pattern := s.mux.Handler(&c); pattern != "" {
			allow = append(allow, m)
		}
	}
	if len(allow) == 0 || slices.Contains(allow, r.Method) {
		writeProblem(w, problem{Status: http.StatusNotFound, Detail: nothingHere})
		return
	}
	for _, m := range allow {
		w.Header().Add("Allow", m)
	}
	writeProblem(w, problem{Status: http.StatusMethodNotAllowed, Detail: "this address does not answer that method; see the Allow header"})
}
