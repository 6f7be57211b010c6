package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/disk"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/web"
)

type doctorCmd struct {
	app.Place
	app.Retention
	Addr   string `default:"127.0.0.1:8080" help:"Address that foretick serve would use."`
	Bundle string `placeholder:"FILE.zip" help:"Also write what someone who helps needs to know, without secrets and prices: findings, settings, database, ledger, and what the server at --addr says of itself. FORETICK_API_KEY is its key, if it wants one."`
	Key    string `env:"FORETICK_API_KEY" hidden:""`
}

// finding is one line of the doctor's report.
type finding struct {
	mark string // "ok", "warn", "BAD"
	what string
	text string
}

func ok(what, format string, a ...any) finding { return finding{"ok", what, fmt.Sprintf(format, a...)} }
func warn(what, format string, a ...any) finding {
	return finding{"warn", what, fmt.Sprintf(format, a...)}
}
func bad(what, format string, a ...any) finding {
	return finding{"BAD", what, fmt.Sprintf(format, a...)}
}

// String is the finding as it is printed.
func (f finding) String() string { return fmt.Sprintf("%-4s  %-8s %s", f.mark, f.what, f.text) }

func (c *doctorCmd) Run(t *terminal) error {
	if err := c.checkBundle(); err != nil {
		return err
	}
	findings := []finding{ok("program", "foretick %s, %s, %d cores", app.Version(), runtime.Version(), runtime.NumCPU())}
	if web.Built() {
		findings = append(findings, ok("page", "the dashboard is in this binary"))
	} else {
		findings = append(findings, warn("page", "the dashboard is not in this binary: build it with make build"))
	}
	folder, running := c.folder(t)
	findings = append(findings, folder...)
	findings = append(findings, c.retention(), c.disk(), c.port(running), clock(time.Now()))
	failed := false
	for _, f := range findings {
		failed = failed || f.mark == "BAD"
		fmt.Fprintln(t.stdout, f)
	}
	if c.Bundle != "" {
		if err := c.bundle(t, findings); err != nil {
			return err
		}
	}
	if failed {
		return errFailed
	}
	return nil
}

// folder looks at the data folder. running is true when another process uses it.
func (c *doctorCmd) folder(t *terminal) (out []finding, running bool) {
	if c.Store != "" {
		return c.database(t, "the database")
	}
	info, err := os.Stat(c.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		parent := existing(c.Data)
		if !disk.Writable(parent) {
			return []finding{bad("data", "%s does not exist and cannot be created: %s is not writable; choose another folder with --data", c.Data, parent)}, false
		}
		return []finding{ok("data", "%s does not exist yet; foretick serve creates it", c.Data)}, false
	case err != nil:
		return []finding{bad("data", "%v", err)}, false
	case !info.IsDir():
		return []finding{bad("data", "%s is not a folder; choose another with --data", c.Data)}, false
	case !disk.Writable(c.Data):
		return []finding{bad("data", "%s is not writable by this user", c.Data)}, false
	}
	if _, err := os.Stat(filepath.Join(c.Data, app.DatabaseFile)); errors.Is(err, fs.ErrNotExist) {
		return []finding{ok("data", "%s is writable and holds no database yet", c.Data)}, false
	}
	size := int64(0)
	for _, suffix := range []string{"", "-wal"} {
		if fi, err := os.Stat(filepath.Join(c.Data, app.DatabaseFile+suffix)); err == nil {
			size += fi.Size()
		}
	}
	return c.database(t, fmt.Sprintf("%.1f MB", float64(size)/1e6))
}

// database looks at what is stored.
func (c *doctorCmd) database(t *terminal, what string) (out []finding, running bool) {
	st, err := c.Open(t.ctx)
	if errors.Is(err, store.ErrLocked) {
		out = append(out, ok("data", "in use: %v", err))
		running = true
		st, err = c.OpenReadOnly(t.ctx)
	}
	if err != nil {
		return append(out, bad("data", "%v", err)), running
	}
	defer st.Close()
	all, err := st.Series(t.ctx)
	if err != nil {
		return append(out, bad("data", "%v", err)), running
	}
	if info, err := c.Inspect(t.ctx); err == nil {
		what += fmt.Sprintf(", schema version %d", info.Version)
	}
	out = append(out, ok("data", "%s holds %d series, %s", c.Place, len(all), what), c.backup())
	for _, s := range all {
		head, _, err := st.Head(t.ctx, s.ID())
		if err != nil {
			out = append(out, bad("series", "%s: %v", s.ID(), err))
			continue
		}
		out = append(out, ok("series", "%s (%s, from %s): ledger of %d entries", s.ID(), s.Mode, s.Source, head.Seq))
		if kept, err := st.KeptFrom(t.ctx, s.ID()); err == nil && kept > market.MinTime {
			out = append(out, ok("series", "%s: bars from before %s were deleted, their candles are kept", s.ID(), kept.Std().Format(time.DateOnly)))
		}
	}
	return out, running
}

// backup tells of the last backup.
func (c *doctorCmd) backup() finding {
	if c.Store != "" {
		return ok("backup", "PostgreSQL is backed up by its own programs (docs/storage.md)")
	}
	last, known := c.LastBackup()
	switch age := time.Since(last.At); {
	case !known:
		return ok("backup", "none on record; foretick backup --out FILE makes one while Foretick runs")
	case age > 8*24*time.Hour:
		return warn("backup", "the last one is %d days old: %s, up to event %d", int(age.Hours()/24), last.File, last.LastEvent)
	default:
		return ok("backup", "%s, %s, up to event %d", last.File, last.At.Format(time.RFC3339), last.LastEvent)
	}
}

// retention says what foretick serve deletes with the same setting.
func (c *doctorCmd) retention() finding {
	p, err := c.Policy()
	if err != nil {
		return bad("retain", "%v", err)
	}
	return ok("retain", "%s; ledger and scores are never deleted", p)
}

// existing is the nearest folder above path that exists.
func existing(path string) string {
	for {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		up := filepath.Dir(path)
		if up == path {
			return path
		}
		path = up
	}
}

func (c *doctorCmd) disk() finding {
	at := existing(c.Data)
	bytes, err := disk.Free(at)
	if err != nil {
		return warn("disk", "cannot tell the free space of %s: %v", at, err)
	}
	free := float64(bytes) / 1e9
	text := fmt.Sprintf("%.1f GB free at %s; a one-second series takes about 0.4 GB a day, a one-minute series 7 MB", free, at)
	switch {
	case free < 0.1:
		return bad("disk", "%s", text)
	case free < 2:
		return warn("disk", "%s", text)
	}
	return ok("disk", "%s", text)
}

func (c *doctorCmd) port(running bool) finding {
	l, err := net.Listen("tcp", c.Addr)
	if err != nil {
		if running {
			return ok("port", "%s is taken, presumably by the Foretick that uses the data folder", c.Addr)
		}
		return bad("port", "%v; stop what uses it, or choose another with --addr", err)
	}
	if err := l.Close(); err != nil {
		return warn("port", "%v", err)
	}
	return ok("port", "%s is free", c.Addr)
}

// clock checks what can be checked without asking anyone: that the time is not
// before this version existed.
func clock(now time.Time) finding {
	if now.Before(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) {
		return bad("clock", "it is %s by this machine's clock, which cannot be: set the clock, or forecasts are sealed with wrong times", now.UTC().Format(time.RFC3339))
	}
	return ok("clock", "%s; the ledger's times are only as good as this clock (use NTP)", now.UTC().Format(time.RFC3339))
}
