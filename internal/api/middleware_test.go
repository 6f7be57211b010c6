package api

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	readSecret  = "reader-secret-0123456789"
	writeSecret = "writer-secret-0123456789"
)

func keys(t testing.TB) *Keys {
	t.Helper()
	k, err := ParseKeys("page:read:" + readSecret + ", ops:write:" + writeSecret)
	must(t, err)
	return k
}

func TestKeysAreNeeded(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Keys = keys(t) }).history(2)
	guarded := []string{"GET /v1/status", "GET /v1/series", "GET " + of(amzn, "/bars"), "GET /v1/stream", "GET /stock_data", "POST /predict", "POST /predict_next_price", "GET /metrics",
		"GET /%76%31/status", "GET /v1/../v1/status"}
	for _, route := range guarded {
		method, path, _ := strings.Cut(route, " ")
		for _, auth := range []string{"", "Bearer", "Bearer ", "Bearer wrong-secret-0123456789", "Basic " + readSecret, readSecret, "Bearer " + readSecret[:20], "Bearer " + readSecret + "x"} {
			a := w.do(method, path, seven, "Authorization", auth)
			if a.StatusCode == 301 || a.StatusCode == 307 {
				continue // to the clean path, which is guarded
			}
			wantProblem(t, a, 401, "Authorization: Bearer")
			if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer") {
				t.Errorf("%s: WWW-Authenticate %q", route, a.Header.Get("WWW-Authenticate"))
			}
		}
		if path == "/v1/stream" {
			continue
		}
		for _, secret := range []string{readSecret, writeSecret} {
			if a := w.do(method, path, seven, "Authorization", "Bearer "+secret); a.StatusCode >= 400 {
				t.Errorf("%s with a key: %d %s", route, a.StatusCode, a.body)
			}
		}
	}
	for _, path := range []string{"/", "/healthz", "/readyz", "/docs", "/openapi.json"} {
		if a := w.do("GET", path, ""); a.StatusCode >= 400 {
			t.Errorf("%s needs a key: %d", path, a.StatusCode)
		}
	}
	if s := get200[Status](w, "/v1/status", "Authorization", "bearer "+readSecret); !s.Auth || s.InsecurePublic {
		t.Errorf("status %+v", s)
	}
	if log := w.logs.String(); strings.Contains(log, readSecret) || strings.Contains(fmt.Sprintf("%+v %#v", w.srv.cfg.Keys, *w.srv.cfg.Keys), "secret") {
		t.Error("a secret is in the log or in memory as it is")
	}
}

func TestParseKeys(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"no role", "a:" + readSecret, "form name:role:secret"},
		{"no name", ":read:" + readSecret, "form name:role:secret"},
		{"unknown role", "a:root:" + readSecret, "role must be"},
		{"short secret", "a:read:hunter2", "at least 16"},
		{"same name", "a:read:" + readSecret + ",a:write:" + writeSecret, "used twice"},
		{"empty among others", "a:read:" + readSecret + ",", "form name:role:secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseKeys(c.in)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "secret-") {
				t.Fatalf("error %v, want %q and no secret", err, c.want)
			}
		})
	}
	if k, err := ParseKeys("  "); k != nil || err != nil {
		t.Errorf("no keys: %v %v", k, err)
	}
	if k, err := ParseKeys("a:read:with:colons:0123456789"); err != nil {
		t.Error(err)
	} else if name, role, err := k.check("Bearer with:colons:0123456789"); name != "a" || role != Read || err != nil {
		t.Errorf("%s %s %v", name, role, err)
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add("a:read:"+readSecret, "Bearer "+readSecret)
	f.Add("a:read:", "Bearer ")
	f.Add(",,", "")
	f.Fuzz(func(t *testing.T, in, header string) {
		k, err := ParseKeys(in)
		if err != nil || k == nil {
			return
		}
		name, role, err := k.check(header)
		if err == nil && !strings.Contains(in, name+":"+string(role)+":"+strings.TrimSpace(header[len("Bearer "):])) {
			t.Fatalf("%q is let in as %s by %q", header, name, in)
		}
	})
}

// A page of another site must not reach a server without keys through a name of its
// own that points here.
func TestOnlyLoopbackNamesAreServed(t *testing.T) {
	hosts := map[string]bool{"localhost": true, "localhost:8080": true, "LOCALHOST": true, "127.0.0.1:8080": true, "127.8.9.1": true, "[::1]:8080": true, "[::1]": true,
		"evil.example": false, "evil.example:8080": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false, "10.0.0.1": false, "[2001:db8::1]:80": false, "0.0.0.0": false}
	private, public := newWorld(t), newWorld(t, func(c *Config) { c.Public = true })
	keyed := newWorld(t, func(c *Config) { c.Keys = keys(t) })
	for host, ok := range hosts {
		for _, path := range []string{"/v1/status", "/", "/healthz", "/nothing"} {
			a := private.do("GET", path, "", "Host", host)
			if !ok {
				wantProblem(t, a, 421, "localhost")
			} else if a.StatusCode == 421 {
				t.Errorf("%s of %s: %d", path, host, a.StatusCode)
			}
		}
		if a := public.do("GET", "/v1/status", "", "Host", host); a.StatusCode != 200 {
			t.Errorf("public, host %s: %d", host, a.StatusCode)
		}
		if a := keyed.do("GET", "/v1/status", "", "Host", host, "Authorization", "Bearer "+readSecret); a.StatusCode != 200 {
			t.Errorf("with keys, host %s: %d", host, a.StatusCode)
		}
	}
	if !get200[Status](public, "/v1/status").InsecurePublic {
		t.Error("the status hides that everyone may read")
	}
}

func TestSecurityHeaders(t *testing.T) {
	w := newWorld(t)
	page := []string{"default-src 'self'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data:", "frame-ancestors 'none'"}
	data := []string{"default-src 'none'", "frame-ancestors 'none'"}
	for path, parts := range map[string][]string{"/": page, "/docs": page, "/v1/status": data, "/nothing": data, "/healthz": data} {
		h := w.do("GET", path, "").Header
		csp := h.Get("Content-Security-Policy")
		for _, part := range parts {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: CSP %q lacks %s", path, csp, part)
			}
		}
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") == "" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: headers %v", path, h)
		}
	}
}

// A request has an id, in the answer and in the log, so that the two can be matched.
func TestRequestID(t *testing.T) {
	w := newWorld(t)
	a, b := w.do("GET", "/v1/status", "").Header.Get("X-Request-Id"), w.do("GET", "/nothing", "").Header.Get("X-Request-Id")
	if len(a) < 8 || a == b || !strings.Contains(w.logs.String(), a) || !strings.Contains(w.logs.String(), b) {
		t.Fatalf("ids %q and %q", a, b)
	}
	for _, c := range []struct{ sent, want string }{{"trace-42", "trace-42"}, {"two words", ""}, {strings.Repeat("x", 200), ""}, {"quote\"", ""}} {
		got := w.do("GET", "/healthz", "", "X-Request-Id", c.sent).Header.Get("X-Request-Id")
		if c.want != "" && got != c.want || c.want == "" && got == c.sent {
			t.Errorf("sent %q, answered %q", c.sent, got)
		}
	}
}

func TestGzip(t *testing.T) {
	w := newWorld(t).history(40)
	path := of(amzn, "/bars")
	plain := w.do("GET", path, "", "Accept-Encoding", "identity")
	zipped := w.do("GET", path, "", "Accept-Encoding", "br, gzip;q=0.8")
	if zipped.Header.Get("Content-Encoding") != "gzip" || zipped.Header.Get("Vary") != "Accept-Encoding" || plain.Header.Get("Content-Encoding") != "" || plain.Header.Get("Vary") != "Accept-Encoding" {
		t.Fatalf("headers %v and %v", zipped.Header, plain.Header)
	}
	r, err := gzip.NewReader(bytes.NewReader(zipped.body))
	must(t, err)
	b, err := io.ReadAll(r)
	must(t, err)
	if !bytes.Equal(b, plain.body) || len(zipped.body) >= len(plain.body)/2 {
		t.Fatalf("%d bytes zipped to %d", len(plain.body), len(zipped.body))
	}
	for _, enc := range []string{"gzip;q=0", "deflate", ""} {
		if a := w.do("GET", path, "", "Accept-Encoding", enc); a.Header.Get("Content-Encoding") != "" {
			t.Errorf("Accept-Encoding %q gets %s", enc, a.Header.Get("Content-Encoding"))
		}
	}
	if a := w.do("GET", "/healthz", "", "Accept-Encoding", "gzip"); a.Header.Get("Content-Encoding") != "" {
		t.Error("a few bytes are zipped")
	}
	head := w.do("HEAD", path, "", "Accept-Encoding", "identity")
	if head.StatusCode != 200 || len(head.body) != 0 {
		t.Errorf("HEAD: %d, %d bytes", head.StatusCode, len(head.body))
	}
}

func TestMetrics(t *testing.T) {
	w := newWorld(t)
	w.do("GET", of(amzn, "/bars"), "")
	w.do("GET", of("sim:NONE@1s", "/bars"), "")
	w.do("GET", "/nothing/"+strings.Repeat("a", 50), "")
	w.do("BREW", "/v1/status", "")
	out := string(w.do("GET", "/metrics", "").body)
	for _, want := range []string{
		`foretick_http_request_duration_seconds_count{code="200",method="GET",route="/v1/series/{series}/bars"} 1`,
		`foretick_http_request_duration_seconds_count{code="404",method="GET",route="/v1/series/{series}/bars"} 1`,
		`foretick_http_request_duration_seconds_count{code="404",method="any",route="none"} 1`,
		`foretick_http_request_duration_seconds_count{code="405",method="any",route="none"} 1`,
		`foretick_build_info{version="v1.2.3"} 1`, "foretick_stream_clients 0", "foretick_stream_cut_total 0",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
	if strings.Contains(out, "aaaa") || strings.Contains(out, "NONE") || strings.Contains(out, "BREW") {
		t.Error("what a client sends becomes a label")
	}
	if _, err := New(w.cfg); err == nil {
		t.Error("two servers share one registry")
	}
}

func TestPage(t *testing.T) {
	plain := newWorld(t)
	for _, path := range []string{"/", "/docs"} {
		if a := plain.do("GET", path, ""); a.StatusCode != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || !strings.Contains(string(a.body), "make ") {
			t.Errorf("unbuilt %s: %d %.200s", path, a.StatusCode, a.body)
		}
	}
	script := strings.Repeat("const a = 1;\n", 500)
	w := newWorld(t, func(c *Config) {
		c.Dist = fstest.MapFS{
			"index.html": {Data: []byte("<!doctype html>the page")}, "assets/app-1a2b.js": {Data: []byte(script)}, "docs/index.html": {Data: []byte("<!doctype html>the docs")},
			"docs/docs.js": {Data: []byte("1")}, "favicon.svg": {Data: []byte("<svg/>")}, ".gitkeep": {Data: []byte("x")},
		}
	})
	for _, c := range []struct{ path, kind, body, cache string }{
		{"/", "text/html; charset=utf-8", "<!doctype html>the page", "no-cache"},
		{"/docs/", "text/html; charset=utf-8", "<!doctype html>the docs", "no-cache"},
		{"/docs/docs.js", "text/javascript; charset=utf-8", "1", "no-cache"},
		{"/favicon.svg", "image/svg+xml", "<svg/>", "no-cache"},
		{"/assets/app-1a2b.js", "text/javascript; charset=utf-8", script, "public, max-age=31536000, immutable"},
	} {
		a := w.do("GET", c.path, "", "Accept-Encoding", "identity")
		if a.StatusCode != 200 || a.Header.Get("Content-Type") != c.kind || string(a.body) != c.body || a.Header.Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d %v %.100s", c.path, a.StatusCode, a.Header, a.body)
		}
		if b := w.do("GET", c.path, "", "If-None-Match", a.Header.Get("ETag")); b.StatusCode != http.StatusNotModified || len(b.body) != 0 {
			t.Errorf("%s again: %d", c.path, b.StatusCode)
		}
		if b := w.do("HEAD", c.path, ""); b.StatusCode != 200 || len(b.body) != 0 {
			t.Errorf("HEAD %s: %d", c.path, b.StatusCode)
		}
	}
	if a := w.do("GET", "/docs", ""); a.StatusCode != 301 || a.Header.Get("Location") != "/docs/" {
		t.Errorf("/docs: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	if a := w.do("GET", "/assets/app-1a2b.js", "", "Accept-Encoding", "gzip"); a.Header.Get("Content-Encoding") != "gzip" || len(a.body) > 500 {
		t.Errorf("script: %v, %d bytes", a.Header, len(a.body))
	}
	for _, path := range []string{"/.gitkeep", "/assets/", "/assets", "/index.html", "/docs/../../etc/passwd", "/assets/..%2f..%2fetc%2fpasswd"} {
		if a := w.do("GET", path, ""); a.StatusCode != 404 && a.StatusCode != 301 && a.StatusCode != 307 {
			t.Errorf("%s: %d", path, a.StatusCode)
		}
	}
}

func TestServerLimits(t *testing.T) {
	s := newWorld(t).srv.HTTPServer()
	if s.ReadHeaderTimeout <= 0 || s.IdleTimeout <= 0 || s.MaxHeaderBytes <= 0 || s.WriteTimeout != 0 {
		t.Fatalf("limits %+v", s)
	}
}
