package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/internal/testdata"
)

// hostile are values that no honest client sends.
func hostile() map[string]string {
	return map[string]string{
		"NUL":              "\x00",
		"NUL in a name":    "sim:AM\x00ZN@1s",
		"bytes, no text":   "\xff\xfe\x80",
		"a huge symbol":    strings.Repeat("A", 20_000),
		"SQL":              "sim:AMZN@1s' OR 1=1; DROP TABLE bar; --",
		"a path":           "../../../../etc/passwd",
		"line breaks":      "a\r\nSet-Cookie: x=y",
		"a negative":       "-9223372036854775809",
		"beyond 64 bits":   "184467440737095516160",
		"a float":          "1e308",
		"not a number":     "NaN",
		"a far year":       "99999-12-31T23:59:59Z",
		"a year before 1":  "-0001-01-01T00:00:00Z",
		"the end of time":  "9999-12-31T23:59:59.999999999Z",
		"a leap second":    "2024-02-30T23:59:60Z",
		"text right-left":  "\u202esim:AMZN@1s",
		"a long number":    strings.Repeat("9", 5000),
		"escapes in plain": "%2525%00",
	}
}

// Whatever is put into whichever parameter of whichever GET route, the answer is what was asked
// for or a refusal that explains itself: no fault of the server, nothing of the store's inside.
func TestHostileParameters(t *testing.T) {
	other := newStore(t)
	t.Cleanup(func() { must(t, other.Close()) })
	desk, err := backtest.NewDesk(t.Context(), backtest.DeskConfig{Store: other, Now: time.Now,
		Check: func(context.Context, *backtest.Order) error { return nil },
		Prepare: func(context.Context, *backtest.Order) ([]backtest.Input, backtest.Options, error) {
			return nil, backtest.Options{}, nil
		}})
	must(t, err)
	w, _, _ := withVersions(t, func(c *Config) { c.Backtests = desk })
	w.history(30)
	doc := w.srv.OpenAPI()
	asked := 0
	for path, item := range doc.Paths {
		if item.Get == nil || path == "/v1/stream" {
			continue
		}
		for _, p := range item.Get.Parameters {
			if p.In != "query" && p.In != "path" {
				continue
			}
			for name, value := range hostile() {
				target := path
				for _, q := range item.Get.Parameters {
					if q.In != "path" {
						continue
					}
					v := map[string]string{"series": string(amzn), "entry": "3"}[q.Name]
					if v == "" {
						v = "1"
					}
					if q.Name == p.Name {
						v = value
					}
					target = strings.ReplaceAll(target, "{"+q.Name+"}", url.PathEscape(v))
				}
				if p.In == "query" {
					target += "?" + p.Name + "=" + url.QueryEscape(value)
				}
				if len(target) > 30_000 {
					t.Fatal("longer than what a server reads")
				}
				a := w.do("GET", target, "")
				asked++
				if a.StatusCode >= 500 || a.StatusCode < 200 || len(a.body) > 1<<20 {
					t.Errorf("%s, %s of %s: %d %.200s", name, p.Name, path, a.StatusCode, a.body)
				}
				if a.StatusCode >= 400 && a.StatusCode != http.StatusMovedPermanently {
					wantProblem(t, a, a.StatusCode, "")
				}
			}
		}
	}
	if asked < 1000 {
		t.Errorf("only %d requests", asked)
	}
	if logs := w.logs.String(); strings.Contains(logs, "panic") || strings.Contains(logs, "level=ERROR") {
		t.Errorf("the log says %.1000s", logs)
	}
}

// Requests for a million points are refused, or answered within what a page may hold.
func TestMillionPoints(t *testing.T) {
	testdata.SkipRaced(t, "answers one at a time")
	w := newWorld(t)
	if _, _, err := w.store.CommitBars(t.Context(), storetest.Bars(amzn, 0, 20_000)); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/bars", "/forecasts", "/scores", "/ledger/entries", "/gaps", "/warnings"} {
		wantProblem(t, w.do("GET", of(amzn, path+"?limit=1000000"), ""), 422, "")
	}
	wantProblem(t, w.do("GET", of(amzn, "/bars?max_points=1000000"), ""), 422, "")
	wantProblem(t, w.do("GET", "/v1/quarantine?limit=1000000", ""), 422, "")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 2 {
		for _, query := range []string{"limit=5000", "limit=5000&order=asc&from=0001-01-01&to=9999-12-31", "max_points=10000", "limit=5000&as_of=" + w.cfg.Now().UTC().Format("2006-01-02T15:04:05.999999Z")} {
			a := w.do("GET", of(amzn, "/bars?"+query), "")
			if a.StatusCode != 200 || len(a.body) > 4<<20 {
				t.Errorf("%s: %d, %d bytes", query, a.StatusCode, len(a.body))
			}
		}
	}
	runtime.ReadMemStats(&after)
	if used := (after.TotalAlloc - before.TotalAlloc) / 8; used > 32<<20 {
		t.Errorf("an answer takes %d bytes of memory", used)
	}
}

// Bodies that are too large, too deep or not what they say are refused before they are taken in.
func TestHostileBodies(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name, path, body string
		status           int
	}{
		{"a million prices", "/predict", `{"prices":[1` + strings.Repeat(",1", 1_000_000) + `]}`, 413},
		{"many prices", "/predict", `{"prices":[1` + strings.Repeat(",1", 100_000) + `]}`, 0},
		{"deep", "/predict", strings.Repeat("[", 100_000), 0},
		{"deep objects", "/predict_next_price", strings.Repeat(`{"a":`, 100_000), 0},
		{"NUL", "/predict", "\x00\x00\x00", 0},
		{"numbers beyond all bounds", "/predict", `{"prices":[1e999,2,3,4,5,6,7]}`, 0},
		{"a key of a megabyte", "/predict", `{"` + strings.Repeat("k", 1<<19) + `":1}`, 0},
	} {
		a := w.do("POST", c.path, c.body, "Content-Type", "application/json")
		if a.StatusCode < 400 || a.StatusCode >= 500 || c.status != 0 && a.StatusCode != c.status || len(a.body) > 4096 {
			t.Errorf("%s: %d, %.200s", c.name, a.StatusCode, a.body)
			continue
		}
		wantProblem(t, a, a.StatusCode, "")
	}
	var header strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&header, "x%d=y; ", i)
	}
	if a := w.do("GET", "/v1/status", "", "Cookie", strings.Repeat(header.String(), 3)); a.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("headers of %d bytes: %d", 3*header.Len(), a.StatusCode)
	}
}
