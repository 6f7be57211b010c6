package bundle

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// TestNothingPlantedIsFound plants a secret in every place that holds one, and lets each turn
// up in every part.
func TestNothingPlantedIsFound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("PLANTED-in-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{
		"FORETICK_API_KEYS=page:read:PLANTED-reader-0123456, ops:admin:PLANTED:with:colons",
		"FORETICK_API_KEY=PLANTED-client-key",
		"FORETICK_STORE=postgres://user:PLANTED%2Fpass@db.example/foretick?sslpassword=PLANTED-tls",
		"FORETICK_FROM=postgres://user:PLANTED-from@db.example/foretick",
		"FORETICK_PREDICT_API_URL=https://a:PLANTED-predict@p.example/x",
		"PREDICT_API_URL=https://p.example/predict?code=PLANTED-function-key",
		"FORETICK_ENDPOINT=finnhub=wss://x.example/?token=PLANTED-endpoint",
		"FORETICK_OTLP=http://user:PLANTED-otlp@c.example:4318",
		"OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20PLANTED-otel,x-key=PLANTED-header",
		"FINNHUB_API_KEY=PLANTED-venue", "ALPACA_SECRET_KEY=PLANTED-alpaca", "TWELVEDATA_KEY_FILE=" + file,
		"AZURE_CLIENT_SECRET=PLANTED-azure", "PGPASSWORD=PLANTED-pg", "SOME_DSN=PLANTED-dsn", "HOME=/home/user", "FORETICK_ADDR=:9090", "FORETICK_OF_A_LATER_VERSION=false",
	}
	settings := map[string]any{"store": "postgres://u:PLANTED-yaml@db.example/f", "endpoint": []any{"kraken=https://k.example/?key=PLANTED-list"}, "feed": "live", "nobody-knows": "PLANTED-unknown"}
	red := NewRedactor(environ, settings)
	red.AddSettings("postgres://u:PLANTED-flag@db.example/f")
	everything := strings.Join(environ, "\n") + fmt.Sprint(settings) + "\nPLANTED-in-a-file PLANTED/pass PLANTED:with:colons postgres://u:PLANTED-flag@db.example/f Bearer PLANTED-otel"
	parts := []Part{{Name: "settings.txt", Body: Settings(environ, settings)}, {Name: "anything.txt", Body: []byte(everything)}, {Name: "left.txt", Left: everything}}
	var b bytes.Buffer
	if err := Write(&b, parts, red, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	found := unzip(t, b.Bytes())
	for name, text := range found {
		if i := strings.Index(text, "PLANTED"); i >= 0 {
			t.Errorf("%s tells a secret: ...%s", name, text[max(0, i-60):min(len(text), i+40)])
		}
	}
	for _, want := range []string{"environment  FORETICK_ADDR = :9090", "environment  FORETICK_STORE = postgres://db.example/...", "environment  FORETICK_API_KEYS = (set, not shown)", "file         feed = live", "file         nobody-knows = (set, not shown)"} {
		if !strings.Contains(found["settings.txt"], want) {
			t.Errorf("settings do not say %q:\n%s", want, found["settings.txt"])
		}
	}
	if got := string(red.Clean([]byte(`"sound": false`))); got != `"sound": false` {
		t.Errorf("a word is taken for a secret: %s", got)
	}
	if strings.Contains(found["settings.txt"], "HOME") {
		t.Error("settings tell of variables that are no business of Foretick")
	}
}

// What looks like a secret is taken out though nobody knows it; other text stays.
func TestLooks(t *testing.T) {
	var r Redactor
	for in, want := range map[string]string{
		"dial postgres://u:p@h/db: refused":               "dial postgres://[redacted]@h/db: refused",
		`GET "https://api.x/y?apikey=abcd&z=1": no`:       `GET "https://api.x/y?[redacted]": no`,
		"Authorization: Bearer abcdefgh.1234":             "Authorization: Bearer [redacted]",
		`{"api_key": "hunter22", "a": 1}`:                 `{"api_key": "[redacted]", "a": 1}`,
		"password=hunter22 host=x":                        "password=[redacted] host=x",
		"the bearer of news; a key of the role admin may": "the bearer of news; a key of the role admin may",
		"foretick_bars_total{source=\"sim\"} 12":          "foretick_bars_total{source=\"sim\"} 12",
	} {
		if got := string(r.Clean([]byte(in))); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestStoredParts(t *testing.T) {
	ctx := context.Background()
	st, err := sqlite.Open(ctx, t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	rec := storetest.Series("AMZN")
	if err := st.PutSeries(ctx, rec); err != nil {
		t.Fatal(err)
	}
	rejects := []feed.Reject{{Source: "f", Raw: "RAW,123.45", Reason: "the high 123.45 is below the low 124"}, {Source: "f", Raw: "RAW,2", Line: 2, Reason: "the high 1e3 is below the low -2"}, {Source: "f", Raw: "x", Line: 3, Reason: `no instrument "RAWNAME"`}}
	if err := st.Quarantine(ctx, time.Unix(1, 0), rejects); err != nil {
		t.Fatal(err)
	}
	q := string(Quarantine(ctx, st).Body)
	for _, want := range []string{`"reason": "the high # is below the low #"`, `"count": 2`, `"total": 3`, "no instrument #"} {
		if !strings.Contains(q, want) {
			t.Errorf("no %s in %s", want, q)
		}
	}
	for _, raw := range []string{"RAW", "123", "124"} {
		if strings.Contains(q, raw) {
			t.Errorf("%s is in %s", raw, q)
		}
	}
	told := 0
	l := Ledger(ctx, st, func(market.SeriesID, uint64) { told++ }, func(int64) {})
	if told != 1 || !strings.Contains(string(l.Body), `"sound": true`) {
		t.Errorf("ledger %s", l.Body)
	}
	broken := Ledger(ctx, lying{st}, func(market.SeriesID, uint64) {}, func(int64) {})
	if !strings.Contains(string(broken.Body), `"sound": false`) || !strings.Contains(string(broken.Body), "its head is entry 7") {
		t.Errorf("a chain without its end: %s", broken.Body)
	}
}

// lying says that chains are longer than they are.
type lying struct{ store.Store }

func (l lying) Head(ctx context.Context, id market.SeriesID) (ledger.Head, store.Cursor, error) {
	h, c, err := l.Store.Head(ctx, id)
	h.Seq = 7
	return h, c, err
}

func TestServer(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch auth := r.Header.Get("Authorization"); {
		case r.URL.Path == "/readyz":
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, "not yet")
		case auth == "":
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Path == "/v1/feeds":
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/debug/") && auth != "Bearer admin":
			w.WriteHeader(http.StatusNotFound)
		default:
			fmt.Fprint(w, "answer of "+r.URL.Path)
		}
	}))
	t.Cleanup(srv.Close)
	for key, want := range map[string]string{
		"":       "not yet|LEFT wants a key|LEFT wants a key|LEFT wants a key|LEFT wants a key",
		"reader": "not yet|answer of /v1/status|LEFT status 302|answer of /metrics|LEFT role admin",
		"admin":  "not yet|answer of /v1/status|LEFT status 302|answer of /metrics|answer of /debug/pprof/goroutine",
	} {
		parts := Server(t.Context(), srv.URL, key)
		for i, w := range strings.Split(want, "|") {
			left, isLeft := strings.CutPrefix(w, "LEFT ")
			if isLeft && !strings.Contains(parts[i].Left, left) || !isLeft && (parts[i].Left != "" || string(parts[i].Body) != w) {
				t.Errorf("key %q: %s is %q, left %q, want %q", key, parts[i].Name, parts[i].Body, parts[i].Left, w)
			}
		}
	}
	srv.Close()
	for _, p := range Server(t.Context(), srv.URL, "") {
		if !strings.Contains(p.Left, "nobody answers") {
			t.Errorf("%s: %q", p.Name, p.Left)
		}
	}
}

func unzip(t *testing.T, b []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = string(text)
	}
	return out
}
