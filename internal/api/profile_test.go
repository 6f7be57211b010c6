package api

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const adminSecret = "admin-secret-0123456789ab"

func TestProfilesAreForAdmins(t *testing.T) {
	keys, err := ParseKeys("page:read:" + readSecret + ",ops:write:" + writeSecret + ",root:admin:" + adminSecret)
	must(t, err)
	paths := []string{"/debug/pprof", "/debug/pprof/", "/debug/pprof/goroutine", "/debug/pprof/heap", "/debug/pprof/profile?seconds=1", "/debug/pprof/trace?seconds=1", "/debug/pprof/cmdline", "/%64ebug/pprof/heap"}
	for name, tc := range map[string]struct {
		change  func(*Config)
		headers []string
		served  bool
	}{
		"no keys":                       {change: func(*Config) {}},
		"no keys, profiling":            {change: func(c *Config) { c.Profiling = true }, served: true},
		"profiling, page of this site":  {change: func(c *Config) { c.Profiling = true }, headers: []string{"Sec-Fetch-Site", "same-origin"}, served: true},
		"profiling, page of another":    {change: func(c *Config) { c.Profiling = true }, headers: []string{"Sec-Fetch-Site", "cross-site"}},
		"profiling, public":             {change: func(c *Config) { c.Profiling, c.Public = true, true }},
		"keys, none given":              {change: func(c *Config) { c.Keys, c.Profiling = keys, true }},
		"keys, wrong":                   {change: func(c *Config) { c.Keys = keys }, headers: []string{"Authorization", "Bearer " + adminSecret + "x"}},
		"keys, read":                    {change: func(c *Config) { c.Keys, c.Profiling = keys, true }, headers: []string{"Authorization", "Bearer " + readSecret}},
		"keys, write":                   {change: func(c *Config) { c.Keys, c.Profiling = keys, true }, headers: []string{"Authorization", "Bearer " + writeSecret}},
		"keys, admin":                   {change: func(c *Config) { c.Keys = keys }, headers: []string{"Authorization", "Bearer " + adminSecret}, served: true},
		"keys, admin, public":           {change: func(c *Config) { c.Keys, c.Public = keys, true }, headers: []string{"Authorization", "Bearer " + adminSecret}, served: true},
		"profiling, address of a proxy": {change: func(c *Config) { c.Profiling = true }, headers: []string{"Host", "foretick.example"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, tc.change)
			for _, path := range paths {
				if tc.served && name != "keys, admin" && strings.HasSuffix(path, "seconds=1") {
					continue // once is enough: it takes the second
				}
				a := w.do("GET", path, "", tc.headers...)
				switch {
				case tc.headers != nil && tc.headers[0] == "Host":
					wantProblem(t, a, http.StatusMisdirectedRequest, "localhost")
				case !tc.served:
					wantProblem(t, a, http.StatusNotFound, nothingHere)
				case strings.HasSuffix(path, "/cmdline"):
					if a.StatusCode != http.StatusNotFound {
						t.Errorf("%s: %d: a command line may hold a password", path, a.StatusCode)
					}
				case a.StatusCode >= 400 || len(a.body) == 0:
					t.Errorf("%s: %d %.200s", path, a.StatusCode, a.body)
				}
			}
			if tc.served {
				if a := w.do("GET", "/debug/pprof/goroutine?debug=1", "", tc.headers...); !bytes.Contains(a.body, []byte("goroutine profile:")) {
					t.Errorf("goroutines: %.200s", a.body)
				}
				wantProblem(t, w.do("GET", "/debug/pprof/profile?seconds=3600", "", tc.headers...), http.StatusBadRequest, "at most 120")
			} else if tc.headers == nil {
				wantProblem(t, w.do("POST", "/debug/pprof/heap", "", tc.headers...), http.StatusNotFound, nothingHere)
			}
		})
	}
}

// A request of another machine gets nothing, though the server has been told to serve profiles.
func TestProfilesOfOtherMachines(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Profiling = true })
	for addr, want := range map[string]int{"127.0.0.1:5": 200, "[::1]:5": 200, "192.0.2.7:5": 404, "": 404, "@": 404} {
		r := httptest.NewRequestWithContext(context.Background(), "GET", "http://localhost/debug/pprof/heap", nil)
		r.RemoteAddr = addr
		rec := httptest.NewRecorder()
		w.srv.Handler().ServeHTTP(rec, r)
		if rec.Code != want {
			t.Errorf("from %q: %d, want %d", addr, rec.Code, want)
		}
	}
}

// Admin includes write.
func TestAdminMayWrite(t *testing.T) {
	for _, c := range []struct {
		role, other Role
		may         bool
	}{{Read, Read, true}, {Read, Write, false}, {Read, Admin, false}, {Write, Read, true}, {Write, Write, true}, {Write, Admin, false}, {Admin, Read, true}, {Admin, Write, true}, {Admin, Admin, true}, {"", Read, false}} {
		if got := c.role.may(c.other); got != c.may {
			t.Errorf("%s may %s: %v", c.role, c.other, got)
		}
	}
}
