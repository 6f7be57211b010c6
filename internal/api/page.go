package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// unbuilt is the page of a binary that was built without the dashboard.
const unbuilt = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Foretick</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:38rem;margin:4rem auto;padding:0 1rem;color-scheme:light dark}code{font-size:.95em}</style></head>
<body><h1>Foretick is running</h1>
<p>This binary was built without the dashboard. Build it with <code>make build</code> (it needs Node.js), and start <code>bin/foretick serve</code> again.</p>
<p>The API works: <a href="/v1/series">/v1/series</a>, <a href="/openapi.json">/openapi.json</a>, <a href="/healthz">/healthz</a>.</p></body></html>`

// asset is a file of the page.
type asset struct {
	plain      []byte
	zip        func() []byte // compressed, when it is first asked for: a start need not wait; nil is not worth it
	kind, etag string
	forever    bool // its name changes with its contents
}

// page registers the files of the dashboard, or the page that says how to build it.
func (s *Server) page() error {
	if s.cfg.Dist == nil {
		a := newAsset("index.html", []byte(unbuilt))
		s.mux.Handle("GET /{$}", a)
		s.mux.Handle("GET /docs", a)
		return nil
	}
	return fs.WalkDir(s.cfg.Dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		b, err := fs.ReadFile(s.cfg.Dist, name)
		if err != nil {
			return fmt.Errorf("api: read the page's %s: %w", name, err)
		}
		a := newAsset(name, b)
		switch dir, isIndex := strings.CutSuffix(name, "index.html"); {
		case isIndex && dir == "":
			s.mux.Handle("GET /{$}", a)
		case isIndex:
			s.mux.Handle("GET /"+dir+"{$}", a)
			s.mux.Handle("GET /"+strings.TrimSuffix(dir, "/"), http.RedirectHandler("/"+dir, http.StatusMovedPermanently))
		default:
			s.mux.Handle("GET /"+name, a)
		}
		return nil
	})
}

func newAsset(name string, b []byte) *asset {
	sum := sha256.Sum256(b)
	a := &asset{plain: b, zip: sync.OnceValue(func() []byte { return squeezed(b) }), etag: `"` + hex.EncodeToString(sum[:8]) + `"`, kind: mime.TypeByExtension(path.Ext(name)), forever: strings.HasPrefix(name, "assets/")}
	if a.kind == "" {
		a.kind = "application/octet-stream"
	}
	return a
}

// squeezed is b compressed, nil when that is hardly smaller.
func squeezed(b []byte) []byte {
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil || z.Len() >= len(b)*9/10 { // compressing to memory does not fail
		return nil
	}
	return z.Bytes()
}

// matches reports whether an If-None-Match header holds the tag. Tags are compared
// weakly (RFC 9110, section 13.1.2): whoever compresses on the way weakens them.
func matches(header, tag string) bool {
	for _, t := range strings.Split(header, ",") {
		if t = strings.TrimSpace(t); t == "*" || strings.TrimPrefix(t, "W/") == tag {
			return true
		}
	}
	return false
}

func (a *asset) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set(policyHeader, pagePolicy)
	h.Set("ETag", a.etag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if a.forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if matches(r.Header.Get("If-None-Match"), a.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", a.kind)
	body := a.plain
	if acceptsGzip(r) {
		if z := a.zip(); z != nil {
			h.Set("Content-Encoding", "gzip")
			body = z
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodHead {
		return
	}
	_, _ = w.Write(body) // the client has gone: nobody left to tell
}
