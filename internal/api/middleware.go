package api

import (
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
)

// middleware wraps the routes: outermost first, it names the request, logs and
// counts it, recovers from panics, sets headers, checks the host and the key.
func (s *Server) middleware() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.cfg.Now()
		id := s.requestID(r)
		route, pattern := s.mux.Handler(r)
		rec := &recorder{ResponseWriter: w}
		r, span := s.traceRequest(r, pattern)
		defer span.End()
		defer func() {
			p := recover()
			if p == http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
				panic(p)
			}
			half := rec.wrote
			if p != nil {
				s.cfg.Log.Error("a request panicked", "id", id, "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
				if !rec.wrote {
					writeProblem(rec, problem{Status: http.StatusInternalServerError, Detail: "the server met a fault of its own; its log says more"})
				}
			}
			took := s.cfg.Now().Sub(began)
			s.metrics.request(pattern, r.Method, rec.status(), took)
			span.Answered(rec.status())
			if s.cfg.Log.Enabled(r.Context(), slog.LevelDebug) {
				s.cfg.Log.Debug("request", "id", id, "method", r.Method, "path", r.URL.Path, "status", rec.status(), "seconds", took.Seconds())
			}
			if p != nil && half {
				panic(http.ErrAbortHandler) // or half an answer would look like a whole one
			}
		}()
		headers(rec.Header())
		rec.Header()[requestIDHeader] = []string{id}
		if !s.hostAllowed(r.Host) {
			writeProblem(rec, problem{Status: http.StatusMisdirectedRequest, Detail: "this server answers only as localhost; start it with FORETICK_API_KEYS or --insecure-public to serve other names"})
			return
		}
		if profiles(r.URL.Path) && !s.mayProfile(r) {
			writeProblem(rec, problem{Status: http.StatusNotFound, Detail: nothingHere})
			return
		}
		if pattern == "" {
			s.unrouted(rec, r)
			return
		}
		if foreign(r) && s.cfg.Keys == nil {
			writeProblem(rec, problem{Status: http.StatusForbidden, Detail: "a page of another site may not change anything here"})
			return
		}
		if !s.authorized(rec, r) {
			return
		}
		if s.cfg.ReadOnly && onlyWriter(r) {
			writeProblem(rec, problem{Status: http.StatusServiceUnavailable, Detail: "this server only reads: ask the one that writes"})
			return
		}
		if !bounded(rec, r, pattern) {
			return
		}
		if strings.Contains(pattern, "{") {
			route = s.mux // which fills in the parts of the path
		}
		zipped(route, rec, r, pattern)
	})
}

const requestIDHeader = "X-Request-Id"

// requestID returns the id that a request came with, where it is one that is safe to
// log and to send back, or gives it a new one; from then on the request carries it.
func (s *Server) requestID(r *http.Request) string {
	id := r.Header.Get(requestIDHeader)
	bad := func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.'
	}
	if id == "" || len(id) > 64 || strings.ContainsFunc(id, bad) {
		id = s.idPrefix + strconv.FormatUint(s.requests.Add(1), 36)
		r.Header.Set(requestIDHeader, id)
	}
	return id
}

// fixed are headers of every answer. What is not a page may load nothing at all.
var fixed = http.Header{
	policyHeader:                   {"default-src 'none'; frame-ancestors 'none'"},
	"X-Content-Type-Options":       {"nosniff"},
	"Referrer-Policy":              {"no-referrer"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
}

const policyHeader = "Content-Security-Policy"

// pagePolicy is what the dashboard and the pages of documentation may load.
const pagePolicy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func headers(h http.Header) { maps.Copy(h, fixed) }

// hostAllowed keeps pages of other sites from reaching a server without keys by
// pointing a name of theirs at this machine (DNS rebinding).
func (s *Server) hostAllowed(host string) bool {
	if s.cfg.Keys != nil || s.cfg.Public {
		return true
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}

// authorized checks the key where one is needed, and answers when it is missing.
func (s *Server) authorized(w http.ResponseWriter, r *http.Request) bool {
	if s.cfg.Keys == nil || !guarded(r.URL.Path) {
		return true
	}
	_, role, err := s.cfg.Keys.check(r.Header.Get("Authorization"))
	if err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Foretick"`)
		writeProblem(w, problem{Status: http.StatusUnauthorized, Detail: err.Error()})
		return false
	}
	// Forecasting prices that the client brings changes nothing: reading suffices.
	if !role.may(Write) && r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.HasPrefix(r.URL.Path, "/predict") {
		writeProblem(w, problem{Status: http.StatusForbidden, Detail: "this key may only read"})
		return false
	}
	return true
}

// onlyWriter reports whether only the server that writes can answer a request. Forecasting
// prices that the client brings changes nothing.
func onlyWriter(r *http.Request) bool {
	for _, p := range []string{"/v1/backtests", "/v1/trainings", "/v1/versions"} {
		if strings.HasPrefix(r.URL.Path, p) {
			return true
		}
	}
	return r.Method != http.MethodGet && r.Method != http.MethodHead && !strings.HasPrefix(r.URL.Path, "/predict")
}

// foreign reports whether a browser sends a changing request on behalf of a page of
// another site.
var foreign = func() func(*http.Request) bool {
	p := http.NewCrossOriginProtection()
	return func(r *http.Request) bool { return p.Check(r) != nil }
}()

// guarded reports whether a path needs a key.
func guarded(path string) bool {
	return strings.HasPrefix(path, "/v1/") || path == "/stock_data" || path == "/predict" || path == "/predict_next_price" || path == "/metrics"
}

// recorder notes the status of a response.
type recorder struct {
	http.ResponseWriter
	code  int
	wrote bool
}

func (r *recorder) WriteHeader(code int) {
	r.code, r.wrote = code, true
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach deadlines and flushing.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) status() int {
	if r.code == 0 {
		return http.StatusOK
	}
	return r.code
}
