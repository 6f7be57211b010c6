package api

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// zipFrom is the size of a response from which it is worth compressing.
const zipFrom = 1400

var zippers = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	return z
}}

// zipped lets h answer, compressing what /v1 and the API's description answer when
// the client accepts it. The page's files are compressed beforehand, and a stream
// must not be held back.
func zipped(h http.Handler, w http.ResponseWriter, r *http.Request, pattern string) {
	_, path, _ := strings.Cut(pattern, " ")
	if path == streamPath || !strings.HasPrefix(path, "/v1/") && !strings.HasPrefix(path, "/openapi") {
		h.ServeHTTP(w, r)
		return
	}
	w.Header().Add("Vary", "Accept-Encoding")
	if !acceptsGzip(r) {
		h.ServeHTTP(w, r)
		return
	}
	b := &buffered{ResponseWriter: w}
	h.ServeHTTP(b, r)
	b.finish()
}

// buffered holds a response until it is known how large it is.
type buffered struct {
	http.ResponseWriter
	code int
	body bytes.Buffer
}

func (b *buffered) WriteHeader(code int)        { b.code = code }
func (b *buffered) Write(p []byte) (int, error) { return b.body.Write(p) }

func (b *buffered) finish() {
	body := b.body.Bytes()
	h := b.Header()
	if len(body) >= zipFrom && h.Get("Content-Encoding") == "" {
		var small bytes.Buffer
		z := zippers.Get().(*gzip.Writer)
		z.Reset(&small)
		_, err := z.Write(body)
		if err == nil {
			err = z.Close()
		}
		zippers.Put(z)
		if err == nil { // writing to memory does not fail
			body = small.Bytes()
			h.Set("Content-Encoding", "gzip")
		}
	}
	if b.code != http.StatusNotModified && b.code != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if b.code != 0 {
		b.ResponseWriter.WriteHeader(b.code)
	}
	_, _ = b.ResponseWriter.Write(body) // the client has gone: nobody left to tell
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3).
func acceptsGzip(r *http.Request) bool {
	for _, e := range strings.Split(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(e), ";")
		if name != "gzip" {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(q), "q="), 64)
		return q == "" || err == nil && v > 0
	}
	return false
}
