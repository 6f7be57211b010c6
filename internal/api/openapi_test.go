package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// The document is a promise: a change to it is seen in review.
func TestOpenAPI(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.PredictURL = "http://localhost:1" })
	a := w.do("GET", "/openapi.json", "")
	var got bytes.Buffer
	must(t, json.Indent(&got, bytes.TrimSpace(a.body), "", "  "))
	got.WriteByte('\n')
	if *update {
		must(t, os.WriteFile("openapi.json", got.Bytes(), 0o644))
	}
	want, err := os.ReadFile("openapi.json")
	must(t, err)
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the document has changed: look at it, then run go test ./internal/api -run TestOpenAPI -update")
	}
	var doc struct {
		OpenAPI    string
		Servers    []struct{ URL string }
		Components struct {
			SecuritySchemes map[string]struct{ Type, Scheme string }
			Schemas         map[string]any
		}
		Paths map[string]map[string]struct {
			OperationID string
			Summary     string
			Security    []map[string][]string
			Responses   map[string]struct{ Content map[string]any }
		}
	}
	must(t, json.Unmarshal(got.Bytes(), &doc))
	if !strings.HasPrefix(doc.OpenAPI, "3.1") || len(doc.Servers) != 1 || doc.Servers[0].URL != "/" || doc.Components.SecuritySchemes["key"].Scheme != "bearer" {
		t.Errorf("version %s, servers %v, security %v", doc.OpenAPI, doc.Servers, doc.Components.SecuritySchemes)
	}
	ids := map[string]bool{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			if op.OperationID == "" || op.Summary == "" || ids[op.OperationID] || len(op.Security) == 0 {
				t.Errorf("%s %s: id %q, summary %q, security %v", method, path, op.OperationID, op.Summary, op.Security)
			}
			ids[op.OperationID] = true
			for code, r := range op.Responses {
				kind := "application/json"
				switch {
				case path == streamPath && code == "200":
					kind = "text/event-stream"
				case code >= "4" || code == "default":
					kind = "application/problem+json"
				case strings.HasSuffix(path, ".html") && code == "200":
					kind = "text/html"
				case strings.HasSuffix(path, "/file") && code == "200":
					kind = "application/octet-stream"
				case code == "304", code == "204":
					continue
				}
				if _, ok := r.Content[kind]; !ok {
					t.Errorf("%s %s: answer %s has no %s", method, path, code, kind)
				}
			}
		}
	}
	for _, path := range []string{"/v1/status", "/v1/instruments", "/v1/series", "/v1/series/{series}", "/v1/series/{series}/bars", "/v1/series/{series}/forecasts", "/v1/series/{series}/forecasts/{entry}",
		"/v1/series/{series}/accuracy", "/v1/series/{series}/calibration", "/v1/models", "/v1/versions", "/v1/versions/{name}/{id}", "/v1/versions/{name}/{id}/file", "/v1/trainings", "/v1/trainings/{id}", "/v1/backtests", "/v1/backtests/{id}", "/v1/backtests/{id}/report", "/v1/backtests/{id}/report.html", "/v1/series/{series}/scores", "/v1/series/{series}/gaps", "/v1/series/{series}/ledger", "/v1/series/{series}/ledger/entries", "/v1/series/{series}/ledger/entries/{entry}",
		"/v1/feeds", "/v1/quarantine", "/v1/stream", "/stock_data", "/predict", "/predict_next_price"} {
		if doc.Paths[path] == nil {
			t.Errorf("%s is not documented", path)
		}
	}
}

func FuzzCursor(f *testing.F) {
	for _, pos := range []int64{0, 1, -1, 1 << 62, -1 << 63} {
		f.Add(encodeCursor(pos))
	}
	for _, s := range []string{"", "a", "MS4", "Mi4w", "MS4wMA", "MS4rMQ", strings.Repeat("z", 64)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		pos, ok, err := decodeCursor(s)
		if err != nil || !ok {
			if ok || err == nil && s != "" {
				t.Fatalf("%q: %v %v", s, ok, err)
			}
			return
		}
		if encodeCursor(pos) != s {
			t.Fatalf("%q means %d, which is written %q", s, pos, encodeCursor(pos))
		}
	})
}
