package app

import "runtime/debug"

// release is set by the linker for a release: -X .../internal/app.release=1.2.3.
var release string

// Version is the release's number, or the commit a development binary was built
// from.
func Version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "dev"
	}
	rev, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			rev = "+" + s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = ".dirty"
		}
	}
	return "dev" + rev + dirty
}
