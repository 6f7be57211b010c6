package api

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
)

const profilePath = "/debug/pprof"

// longestProfile bounds a profile that takes time, in seconds.
const longestProfile = 120

// profiles reports whether a path is below that of the profiles.
func profiles(path string) bool {
	return path == profilePath || strings.HasPrefix(path, profilePath+"/")
}

// profileRoutes serves the profiles of net/http/pprof. Its cmdline is left out: a command line
// may hold the password of a database.
func (s *Server) profileRoutes() {
	s.mux.HandleFunc("GET "+profilePath+"/", func(w http.ResponseWriter, r *http.Request) {
		pprof.Index(w, r) // also heap, goroutine, allocs, block, mutex, threadcreate
	})
	s.mux.HandleFunc("GET "+profilePath+"/profile", brief(pprof.Profile))
	s.mux.HandleFunc("GET "+profilePath+"/trace", brief(pprof.Trace))
}

// brief refuses profiles that take too long.
func brief(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if v := r.URL.Query().Get("seconds"); v != "" {
			if n, err := strconv.Atoi(v); err != nil || n < 1 || n > longestProfile {
				writeProblem(w, problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf("seconds must be a whole number, at least 1 and at most %d", longestProfile)})
				return
			}
		}
		h(w, r)
	}
}

// mayProfile reports whether a request may take profiles: with a key of the role admin; or
// without keys, when the server was told so, from this machine, and not because a page of
// another site makes a browser ask. Everyone else is told that there is nothing.
func (s *Server) mayProfile(r *http.Request) bool {
	if s.cfg.Keys != nil {
		_, role, err := s.cfg.Keys.check(r.Header.Get("Authorization"))
		return err == nil && role.may(Admin)
	}
	if !s.cfg.Profiling || s.cfg.Public {
		return false
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "none" && site != "same-origin" {
		return false
	}
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}
