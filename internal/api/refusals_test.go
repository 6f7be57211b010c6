package api

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A key or a password that is put in the wrong place must not come back: answers are
// kept in browsers, proxies and tickets.
func TestNothingSentComesBack(t *testing.T) {
	const secret = "sk_live_4eC39HqLyjWDarjtT1zdp7dc"
	w := newWorld(t, func(c *Config) { c.Keys = keys(t) }).history(7)
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
	}{
		{"series", "GET", "/v1/series/" + secret, "", nil},
		{"series of bars", "GET", "/v1/series/" + secret + "/bars", "", nil},
		{"series of a stream", "GET", "/v1/stream?series=" + secret, "", nil},
		{"model of accuracy", "GET", of(amzn, "/accuracy?model="+secret), "", nil},
		{"model of scores", "GET", of(amzn, "/scores?model="+secret), "", nil},
		{"model of forecasts", "GET", of(amzn, "/forecasts?model="+secret), "", nil},
		{"horizon", "GET", of(amzn, "/forecasts?horizon="+secret), "", nil},
		{"limit", "GET", of(amzn, "/bars?limit="+secret), "", nil},
		{"order", "GET", of(amzn, "/bars?order="+secret), "", nil},
		{"from", "GET", of(amzn, "/bars?from="+secret), "", nil},
		{"to", "GET", of(amzn, "/scores?to="+secret), "", nil},
		{"cursor", "GET", of(amzn, "/bars?cursor="+secret), "", nil},
		{"cursor of the quarantine", "GET", "/v1/quarantine?cursor=" + secret, "", nil},
		{"kind", "GET", of(amzn, "/ledger/entries?kind="+secret), "", nil},
		{"entry", "GET", of(amzn, "/ledger/entries/"+secret), "", nil},
		{"value of an unknown parameter", "GET", of(amzn, "/bars?key="+secret), "", nil},
		{"address", "GET", "/v1/" + secret, "", nil},
		{"method", strings.ToUpper(secret), "/v1/status", "", nil},
		{"prices", "POST", "/predict", `{"prices":["` + secret + `",2,3,4,5,6,7]}`, nil},
		{"name in the body", "POST", "/predict", `{"` + secret + `":[1]}`, nil},
		{"body", "POST", "/predict_next_price", secret, nil},
		{"wrong key", "GET", "/v1/status", "", []string{"Authorization", "Bearer " + secret}},
		{"wrong scheme", "GET", "/v1/status", "", []string{"Authorization", secret}},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := append([]string{"Authorization", "Bearer " + readSecret}, c.headers...)
			a := w.do(c.method, c.path, c.body, headers...)
			if a.StatusCode < 400 {
				t.Fatalf("%d: %.200s", a.StatusCode, a.body)
			}
			wantProblem(t, a, a.StatusCode, "")
			var head strings.Builder
			must(t, a.Header.Write(&head))
			if strings.Contains(strings.ToLower(string(a.body)+head.String()), strings.ToLower(secret)) {
				t.Errorf("it comes back: %s%s", head.String(), a.body)
			}
		})
	}
}

// What does not exist is said not to exist, whichever list is asked for it.
func TestUnknownModelsAndHorizons(t *testing.T) {
	w := newWorld(t).history(7)
	for _, list := range []string{"/forecasts", "/scores", "/accuracy"} {
		wantProblem(t, w.do("GET", of(amzn, list+"?model=oracle"), ""), 422, "no such model")
		wantProblem(t, w.do("GET", of(amzn, list+"?horizon=6"), ""), 422, "fewer bars ahead")
		wantProblem(t, w.do("GET", of(amzn, list+"?horizon=-1"), ""), 422, "")
		if a := w.do("GET", of(amzn, list+"?model=drift&horizon=5"), ""); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", list, a.StatusCode, a.body)
		}
	}
}

// HEAD of the stream is answered and over: it takes no place among the streams.
func TestHeadOfTheStream(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, "HEAD", "http://localhost/v1/stream", nil)
	must(t, err)
	out := &patient{head: http.Header{}}
	w.srv.Handler().ServeHTTP(out, req)
	if ctx.Err() != nil {
		t.Fatal("it does not end")
	}
	if out.head.Get("Content-Type") != "text/event-stream" || out.text() != "" || value(w.srv.metrics.streams) != 0 {
		t.Errorf("%v %q, %v streams", out.head, out.text(), value(w.srv.metrics.streams))
	}
}

// A key that may only read may not change anything. No route of today changes
// anything, so the test adds one.
func TestReadingKeysDoNotWrite(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Keys = keys(t) })
	w.srv.mux.HandleFunc("POST /v1/champion", func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusNoContent) })
	wantProblem(t, w.do("POST", "/v1/champion", "{}", "Authorization", "Bearer "+readSecret), 403, "only read")
	wantProblem(t, w.do("POST", "/v1/champion", "{}"), 401, "API key")
	if a := w.do("POST", "/v1/champion", "{}", "Authorization", "Bearer "+writeSecret); a.StatusCode != 204 {
		t.Errorf("with a key to write: %d %s", a.StatusCode, a.body)
	}
}

// Numbers past what a store counts to select nothing; they do not wrap around.
func TestEntriesPastEveryNumber(t *testing.T) {
	w := newWorld(t).history(3)
	for _, from := range []string{"9223372036854775807", "9223372036854775808", "18446744073709551615"} {
		if n := len(get200[struct{ Items []any }](w, of(amzn, "/ledger/entries?from="+from)).Items); n != 0 {
			t.Errorf("from %s: %d entries", from, n)
		}
		if n := len(get200[struct{ Items []any }](w, of(amzn, "/ledger/entries?to="+from)).Items); n != 4 {
			t.Errorf("to %s: %d entries", from, n)
		}
		wantProblem(t, w.do("GET", of(amzn, "/ledger/entries/"+from), ""), 404, "no entry")
		wantProblem(t, w.do("GET", of(amzn, "/forecasts/"+from), ""), 404, "sealed by")
	}
}
