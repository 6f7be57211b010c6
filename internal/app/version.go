package app

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"
)

// Set by the linker for a release: -X .../internal/app.release=1.2.3.
var (
	release  string // the version, without the v of the tag
	revision string // the commit
	built    string // the time of the commit, RFC 3339
)

// BuildInfo says what this program was made from. What is not known is empty.
type BuildInfo struct {
	Version  string `json:"version"`  // of the release, or dev
	Revision string `json:"revision"` // the commit
	Time     string `json:"time"`     // of the commit, RFC 3339
	Modified bool   `json:"modified"` // the sources differed from the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// Build is what this program was made from.
func Build() BuildInfo {
	b := BuildInfo{Version: release, Revision: revision, Time: built, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok && release == "" {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Revision = s.Value
			case "vcs.time":
				b.Time = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
	}
	b.Version = cmp.Or(b.Version, "dev")
	return b
}

// Version is the release's number, or the commit a development binary was built
// from.
func Version() string {
	b := Build()
	var s strings.Builder
	s.WriteString(b.Version)
	if release == "" && len(b.Revision) >= 12 {
		s.WriteString("+" + b.Revision[:12])
	}
	if b.Modified {
		s.WriteString(".dirty")
	}
	return s.String()
}
