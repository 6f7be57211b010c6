// Package pgtest gives tests a real PostgreSQL: the one that FORETICK_TEST_POSTGRES names, or
// a private one in a temporary folder, made with the programs of Debian's package postgresql.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a running PostgreSQL.
type Server struct {
	address string // of its database postgres
	cmd     *exec.Cmd
	dir     string
	bin     string
	as      *account // nil: the user who runs the tests
	options []string
}

// Main runs the tests of a package and stops what they started. Call it from TestMain.
func Main(m *testing.M) { os.Exit(Runner{m}.Run()) }

// Runner is the tests of a package; Run is as of testing.M, and stops what they started.
type Runner struct{ *testing.M }

// Run runs the tests.
func (r Runner) Run() int {
	code := r.M.Run()
	for _, s := range []*Server{shared.server, own.server} {
		if s != nil {
			s.Stop()
		}
	}
	return code
}

var own struct {
	once   sync.Once
	server *Server
	err    error
}

// Own returns a server that tests may kill, restart and fill: never the one that
// FORETICK_TEST_POSTGRES names. It is one for all tests of the package, which leave it running.
func Own(t testing.TB) *Server {
	t.Helper()
	own.once.Do(func() { own.server, own.err = Start() })
	if own.err != nil {
		t.Fatal(own.err)
	}
	return own.server
}

var shared struct {
	once   sync.Once
	server *Server
	err    error
}

// Open returns the address of an empty schema of its own on the shared server. It fails the
// test when there is no PostgreSQL.
func Open(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() {
		if address := os.Getenv("FORETICK_TEST_POSTGRES"); address != "" {
			shared.server = &Server{address: address}
			return
		}
		if _, measured := t.(*testing.B); measured {
			shared.server, shared.err = Start()
		} else {
			shared.server, shared.err = Start(hasty...)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server.Schema(t)
}

// hasty are the settings of the shared server when it serves tests: it lives no longer than they do, so
// nothing need reach the disk. Benchmarks get a server that keeps what it promises.
var hasty = []string{"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"}

// Schema returns the address of an empty schema, which is dropped when the test ends.
func (s *Server) Schema(t testing.TB) string {
	t.Helper()
	name := "t" + strings.ToLower(rand.Text()[:12])
	if err := s.Exec(t.Context(), "CREATE SCHEMA "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Exec(context.Background(), "DROP SCHEMA "+name+" CASCADE") }) // the server may be gone
	u, err := url.Parse(s.address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// Start makes and starts a private server with options of its program, such as "-c", "port=1".
func Start(options ...string) (*Server, error) {
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return nil, err
	}
	if len(bins) == 0 {
		if path, err := exec.LookPath("initdb"); err == nil {
			bins = []string{path}
		}
	}
	if len(bins) == 0 {
		return nil, errors.New("these tests need PostgreSQL 15 or newer: tools/need postgres installs it, or set FORETICK_TEST_POSTGRES to the URL of a database that may be written to")
	}
	slices.Sort(bins)
	s := &Server{bin: filepath.Dir(bins[len(bins)-1]), options: options}
	if s.dir, err = os.MkdirTemp("", "foretick-pg-"); err != nil {
		return nil, err
	}
	if os.Getuid() == 0 { // PostgreSQL does not run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres: %w", err)
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err := errors.Join(err1, err2, os.Chown(s.dir, uid, gid), os.Chmod(s.dir, 0o755)); err != nil {
			return nil, err
		}
		s.as = &account{uid, gid}
	}
	if out, err := s.command("initdb", "-D", filepath.Join(s.dir, "data"), "-U", "foretick", "-A", "trust", "-N", "-E", "UTF8", "--locale=C").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s, s.Run()
}

// account is a user of the system.
type account struct{ uid, gid int }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir = s.dir
	c.SysProcAttr = s.as.process()
	return c
}

// Run starts a server that was made by Start and is not running.
func (s *Server) Run() error {
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = s.command("postgres", append([]string{"-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-c", "listen_addresses=", "-c", "max_connections=200"}, s.options...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.address = "postgres://foretick@/postgres?host=" + url.QueryEscape(s.dir)
	for deadline := time.Now().Add(30 * time.Second); ; {
		c, err := pgx.Connect(context.Background(), s.address)
		if err == nil {
			return c.Close(context.Background())
		}
		if time.Now().After(deadline) {
			b, _ := os.ReadFile(log.Name())
			return fmt.Errorf("PostgreSQL does not start: %w\n%s", err, b)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// Standby makes and starts a copy of s that follows it by streaming replication.
func (s *Server) Standby() (*Server, error) {
	c := &Server{bin: s.bin, as: s.as, options: s.options}
	var err error
	if c.dir, err = os.MkdirTemp("", "foretick-pg-"); err != nil {
		return nil, err
	}
	if s.as != nil {
		if err := errors.Join(os.Chown(c.dir, s.as.uid, s.as.gid), os.Chmod(c.dir, 0o755)); err != nil {
			return nil, err
		}
	}
	if out, err := c.command("pg_basebackup", "-D", filepath.Join(c.dir, "data"), "-h", s.dir, "-U", "foretick", "-R", "-X", "stream", "-c", "fast", "--no-sync").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	return c, c.Run()
}

// Exec runs a statement as the owner of the server.
func (s *Server) Exec(ctx context.Context, sql string) error {
	c, err := pgx.Connect(ctx, s.address)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, sql)
	return errors.Join(err, c.Close(ctx))
}

// Dir is the folder with the server's socket, which takes the place of a host name in an address.
func (s *Server) Dir() string { return s.dir }

// Process is the server's first process.
func (s *Server) Process() int { return s.cmd.Process.Pid }

// Owner is the user that the server runs as, -1 and -1 for that of the tests.
func (s *Server) Owner() (uid, gid int) {
	if s.as == nil {
		return -1, -1
	}
	return s.as.uid, s.as.gid
}

// Kill ends the server as kill -9 does, with all its processes.
func (s *Server) Kill() {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT) // immediate shutdown: no checkpoint, recovery at the next start
	_ = s.cmd.Wait()                          // it was killed
}

// Stop ends the server and removes its folder.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	s.Kill()
	_ = os.RemoveAll(s.dir)
}
