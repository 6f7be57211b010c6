package api

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/store"
)

// Whatever goes wrong is answered as a problem that says what to do, and what the
// client sent is not sent back.
func TestProblems(t *testing.T) {
	w := newWorld(t).history(2)
	long := strings.Repeat("Q", 3000)
	for _, c := range []struct {
		name, method, path string
		status             int
		detail             string
	}{
		{"no such address", "GET", "/nothing", 404, "nothing at this address"},
		{"no such address under /v1", "GET", "/v1/nothing/" + long, 404, "nothing at this address"},
		{"no such asset", "GET", "/assets/old.js", 404, ""},
		{"unknown series", "GET", of("sim:NONE@1s", "/bars"), 404, "/v1/series lists them"},
		{"unknown series with a long name", "GET", "/v1/series/" + long, 422, ""},
		{"unknown entry", "GET", of(amzn, "/ledger/entries/999"), 404, "no entry 999"},
		{"entry 0", "GET", of(amzn, "/ledger/entries/0"), 422, ""},
		{"entry that is not a number", "GET", of(amzn, "/ledger/entries/"+long), 422, ""},
		{"entry past every number", "GET", of(amzn, "/ledger/entries/18446744073709551615"), 404, "no entry"},
		{"forecast that is no issue", "GET", of(amzn, "/forecasts/1"), 404, ""},
		{"limit of 0", "GET", of(amzn, "/bars?limit=0"), 422, ""},
		{"max_points of 9", "GET", of(amzn, "/bars?max_points=9"), 422, ""},
		{"max_points of 0", "GET", of(amzn, "/bars?max_points=0"), 422, ""},
		{"max_points too high", "GET", of(amzn, "/bars?max_points=10001"), 422, ""},
		{"max_points with a cursor", "GET", of(amzn, "/bars?max_points=100&cursor="+encodeCursor(1)), 422, "leave the cursor out"},
		{"max_points of an unknown series", "GET", of("sim:NONE@1s", "/bars?max_points=10"), 404, "/v1/series lists them"},
		{"limit too high", "GET", of(amzn, "/bars?limit=5001"), 422, ""},
		{"limit that is not a number", "GET", of(amzn, "/bars?limit="+long), 422, ""},
		{"limit of forecasts too high", "GET", of(amzn, "/forecasts?limit=2001"), 422, ""},
		{"limit of entries too high", "GET", of(amzn, "/ledger/entries?limit=1001"), 422, ""},
		{"unknown order", "GET", of(amzn, "/bars?order=up"), 422, ""},
		{"unknown parameter", "GET", of(amzn, "/bars?"+long+"=1"), 422, ""},
		{"from that is no time", "GET", of(amzn, "/bars?from="+long), 422, ""},
		{"from that is no date", "GET", of(amzn, "/bars?from=2024-02-30"), 422, "from is not a time"},
		{"from after to", "GET", of(amzn, "/bars?from=2024-03-02&to=2024-03-01"), 422, "from must be before to"},
		{"made-up cursor", "GET", of(amzn, "/bars?cursor=abc"), 422, "leave it out"},
		{"cursor of another version", "GET", of(amzn, "/bars?cursor=Mi4w"), 422, "leave it out"},
		{"long cursor", "GET", of(amzn, "/bars?cursor="+long), 422, ""},
		{"unknown kind", "GET", of(amzn, "/ledger/entries?kind="+long), 422, ""},
		{"horizon too far", "GET", of(amzn, "/accuracy?horizon=6"), 422, "fewer bars ahead"},
		{"horizon 0 of accuracy", "GET", of(amzn, "/accuracy?horizon=0"), 422, ""},
		{"unknown model of accuracy", "GET", of(amzn, "/accuracy?model=oracle"), 422, "no such model"},
		{"unknown model of scores", "GET", of(amzn, "/scores?model=oracle"), 422, "no such model"},
		{"unknown series of a stream", "GET", "/v1/stream?series=sim:NONE@1s", 404, "/v1/series lists them"},
		{"no bar yet", "GET", of(slashed, "/ledger/entries/1"), 404, "no entry"},
		{"wrong method", "POST", "/v1/status", 405, "Allow"},
		{"wrong method of the original", "GET", "/predict", 405, "Allow"},
		{"wrong method of the page", "DELETE", "/", 405, "Allow"},
		{"method that nobody knows", "BREW", "/v1/status", 405, "Allow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := w.do(c.method, c.path, "")
			p := wantProblem(t, a, c.status, c.detail)
			if strings.Contains(string(a.body), strings.Repeat("Q", 100)) {
				t.Errorf("it repeats what was sent: %.300s", a.body)
			}
			if c.status == http.StatusMethodNotAllowed && len(a.Header.Values("Allow")) == 0 {
				t.Error("no Allow header")
			}
			for _, e := range p.Errors {
				if e.Value != nil {
					t.Errorf("it repeats a value: %+v", e)
				}
			}
		})
	}
}

func TestAllowNamesTheMethods(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string][]string{"/v1/status": {"GET", "HEAD"}, "/predict": {"POST"}} {
		got := strings.FieldsFunc(strings.Join(w.do("PUT", path, "").Header.Values("Allow"), ","), func(r rune) bool { return r == ',' || r == ' ' })
		if !slices.Equal(got, want) {
			t.Errorf("%s allows %v, want %v", path, got, want)
		}
	}
}

// A fault of the store is told to the log, in full, and to the client not at all.
func TestFaultsAreLoggedNotTold(t *testing.T) {
	bad := &badStore{}
	w := newWorld(t, func(c *Config) { bad.Store, c.Store = c.Store, bad })
	bad.err = errDisk
	for _, path := range []string{"/v1/status", "/v1/series", of(amzn, "/bars")} {
		a := w.do("GET", path, "")
		wantProblem(t, a, 500, "log")
		if strings.Contains(string(a.body), "secret") {
			t.Errorf("%s tells %s", path, a.body)
		}
	}
	n := 0
	for _, line := range strings.Split(w.logs.String(), "\n") {
		if strings.Contains(line, "sector 7") && strings.Contains(line, "level=ERROR") {
			n++
		}
	}
	if n != 3 {
		t.Errorf("the log has the reason %d times, want 3:\n%s", n, w.logs)
	}
	bad.err = store.ErrNotFound
	wantProblem(t, w.do("GET", "/v1/status", ""), 404, "")
}

func TestPanicsAreProblems(t *testing.T) {
	bad := &badStore{}
	w := newWorld(t, func(c *Config) { bad.Store, c.Store = c.Store, bad })
	bad.panic = "nil map in /secret/place"
	for _, enc := range []string{"identity", "gzip"} {
		a := w.do("GET", "/v1/series", "", "Accept-Encoding", enc)
		wantProblem(t, a, 500, "log")
		if strings.Contains(string(a.body), "secret") {
			t.Errorf("it tells %s", a.body)
		}
	}
	if log := w.logs.String(); !strings.Contains(log, "/secret/place") || !strings.Contains(log, "problem_test.go") && !strings.Contains(log, "world_test.go") {
		t.Errorf("no panic with its stack in the log:\n%s", log)
	}
}

// Half an answer must not look like a whole one.
func TestPanicInMidAnswerBreaksTheConnection(t *testing.T) {
	w := newWorld(t)
	w.srv.mux.HandleFunc("GET /half", func(rw http.ResponseWriter, _ *http.Request) {
		_, _ = rw.Write([]byte(strings.Repeat("x", 100_000)))
		panic("in the middle")
	})
	resp, err := w.http.Client().Get(w.http.URL + "/half")
	if err == nil {
		_, err = resp.Body.Read(make([]byte, 1))
		for err == nil {
			_, err = resp.Body.Read(make([]byte, 64<<10))
		}
		must(t, resp.Body.Close())
	}
	if err == nil || err.Error() == "EOF" {
		t.Fatal("the client takes half an answer for a whole one")
	}
}
