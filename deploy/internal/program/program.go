// Package program builds foretick for the platforms that are shipped. The same sources and the
// same Go give the same bytes: no path of the machine, no time and no build ID is in them.
package program

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Source is where the sources live.
const Source = "https://github.com/foretick/foretick"

// Platform is an operating system and an architecture, as Go names them.
type Platform struct{ OS, Arch string }

func (p Platform) String() string { return p.OS + "/" + p.Arch }

// Platforms are what a release is built for.
var Platforms = []Platform{
	{"linux", "amd64"}, {"linux", "arm64"},
	{"darwin", "amd64"}, {"darwin", "arm64"},
	{"windows", "amd64"}, {"windows", "arm64"},
}

// Origin says which sources a program is built from.
type Origin struct {
	Version  string // without the v of the tag: 1.2.3, or 1.2.3-4-g0123456789ab after it
	Revision string // the commit; empty when it is not known
	Time     time.Time
}

var plain = regexp.MustCompile(`^[0-9][0-9A-Za-z.+~-]*$`)

// Discover asks git. version, when not empty, takes the place of the tag; then no repository is
// needed. SOURCE_DATE_EPOCH, where it is set, is the time.
func Discover(ctx context.Context, version string, getenv func(string) string) (Origin, error) {
	o := Origin{Version: strings.TrimPrefix(version, "v"), Revision: git(ctx, "rev-parse", "HEAD"), Time: time.Unix(0, 0).UTC()}
	if o.Version == "" {
		o.Version = strings.TrimPrefix(git(ctx, "describe", "--tags", "--match", "v[0-9]*", "--abbrev=12", "--dirty"), "v")
	}
	if o.Version == "" {
		o.Version = "0.0.0-dev"
		if len(o.Revision) >= 12 {
			o.Version += "+" + o.Revision[:12]
		}
	}
	if !plain.MatchString(o.Version) {
		return o, fmt.Errorf("the version %q is none: tag the commit v1.2.3, or pass -version 1.2.3", o.Version)
	}
	seconds := getenv("SOURCE_DATE_EPOCH")
	if seconds == "" {
		seconds = git(ctx, "log", "-1", "--format=%ct")
	}
	if seconds != "" {
		n, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil || n < 0 {
			return o, fmt.Errorf("SOURCE_DATE_EPOCH is %q: set it to seconds since 1970, or unset it", seconds)
		}
		o.Time = time.Unix(n, 0).UTC()
	}
	return o, nil
}

// git is what git prints, nothing where there is no repository.
func git(ctx context.Context, args ...string) string {
	out, err := exec.CommandContext(ctx, "git", args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// Build compiles foretick for p into the file out. It must be called in the module's folder.
func Build(ctx context.Context, o Origin, p Platform, out string) error {
	const pkg = "github.com/foretick/foretick/internal/app."
	flags := "-s -w -buildid= -X " + pkg + "release=" + o.Version + " -X " + pkg + "revision=" + o.Revision + " -X " + pkg + "built=" + o.Time.Format(time.RFC3339)
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", out, "./cmd/foretick")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.OS, "GOARCH="+p.Arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT=")
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building foretick for %s: %w\n%s", p, err, b)
	}
	return nil
}
