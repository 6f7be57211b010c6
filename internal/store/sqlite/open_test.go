package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
)

func TestReopen(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := register(t, s, 1)[0]
	epoch := s.Epoch()
	if _, _, err := s.CommitBars(t.Context(), storetest.Bars(id, 0, 100)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(t.Context(), dir, Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Epoch() != epoch {
		t.Errorf("epoch %s became %s", epoch, s.Epoch())
	}
	if _, last, err := s.CommitBars(t.Context(), storetest.Bars(id, 99, 101)); err != nil || last != 101 {
		t.Errorf("last event %d, %v; want 101", last, err)
	}
	other := open(t)
	if other.Epoch() == epoch {
		t.Error("two stores have one epoch")
	}
	for path, want := range map[string]os.FileMode{".": 0o700, File: 0o600, File + "-wal": 0o600, File + "-shm": 0o600, "foretick.lock": 0o600} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, info.Mode(), err, want)
		}
	}
}

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), dir, Options{})
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), fmt.Sprint("PID ", os.Getpid())) {
		t.Fatalf("error %v, want ErrLocked with folder and PID", err)
	}
	if err := s.Ping(t.Context()); err != nil { // the one that has it is not disturbed
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, dir string) string
		want  error
		says  string
	}{
		{"a folder below a file", func(t *testing.T, dir string) string {
			put(t, filepath.Join(dir, "file"), []byte("x"))
			return filepath.Join(dir, "file", "data")
		}, store.ErrReadOnly, "--data"},
		{"a folder in place of the file", func(t *testing.T, dir string) string {
			if err := os.Mkdir(filepath.Join(dir, File), 0o700); err != nil {
				t.Fatal(err)
			}
			return dir
		}, store.ErrReadOnly, "--data"},
		{"a file that is no database", func(t *testing.T, dir string) string {
			put(t, filepath.Join(dir, File), []byte(strings.Repeat("no database ", 5000)))
			return dir
		}, store.ErrCorrupt, "backup"},
		{"another program's database", func(t *testing.T, dir string) string {
			alter(t, dir, "CREATE TABLE cooking (recipe TEXT)")
			return dir
		}, store.ErrCorrupt, "another program"},
		{"a newer schema", func(t *testing.T, dir string) string {
			create(t, dir)
			alter(t, dir, "PRAGMA user_version=999")
			return dir
		}, store.ErrVersion, "newer Foretick"},
		{"a damaged schema", func(t *testing.T, dir string) string {
			create(t, dir)
			damage(t, dir, 100, 4000)
			return dir
		}, store.ErrCorrupt, "backup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := c.spoil(t, t.TempDir())
			for range 2 { // and the refusal leaves no lock behind
				s, err := Open(t.Context(), dir, Options{})
				if err == nil {
					s.Close()
					t.Fatal("opened")
				}
				if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), dir) {
					t.Fatalf("error %q, want %v, the folder and %q", err, c.want, c.says)
				}
			}
		})
	}
}

// TestDamagedPages spoils the pages behind the schema: reads must say so and never
// answer with something else.
func TestDamagedPages(t *testing.T) {
	dir := t.TempDir()
	create(t, dir)
	info, err := os.Stat(filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	damage(t, dir, 30*pageSize, int(info.Size())-30*pageSize)
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = s.Bars(t.Context(), storetest.Series("S0000").ID(), store.Range{Limit: 1 << 20})
	if !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("error %v, want ErrCorrupt", err)
	}
}

func TestOpenHonoursContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := t.TempDir()
	if _, err := Open(ctx, dir, Options{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	create(t, dir)
}

// TestLogIsWrittenBack lets the log be written back after every commit: it must not
// grow, and nothing may be lost on the way, with readers that hold on to older states.
func TestLogIsWrittenBack(t *testing.T) {
	s := open(t)
	id := register(t, s, 1)[0]
	size := func(limit, from int) int64 {
		if err := s.write(t.Context(), "set the limit", func(w *writer) error { w.maxLog = limit; return nil }); err != nil {
			t.Fatal(err)
		}
		for n := from; n < from+200; n++ {
			if _, _, err := s.CommitBars(t.Context(), storetest.Bars(id, n, n+1)); err != nil {
				t.Fatal(err)
			}
			if n%10 == 0 {
				bars, err := s.Bars(t.Context(), id, store.Range{Limit: 1000})
				if err != nil || len(bars) != n+1 {
					t.Fatalf("%d bars after %d, %v", len(bars), n+1, err)
				}
			}
		}
		info, err := os.Stat(filepath.Join(s.dir, File+"-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	back, kept := size(0, 0), size(1<<30, 200)
	if kept < 10*back {
		t.Fatalf("the log has %d bytes when it is written back at once, %d when it is not", back, kept)
	}
}

func TestOpenReader(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReader(t.Context(), dir, Options{}); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("error %v, want ErrNotFound", err)
	}
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := register(t, s, 1)[0]
	r, err := OpenReader(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Epoch() != s.Epoch() {
		t.Errorf("epoch %s, want %s", r.Epoch(), s.Epoch())
	}
	for n := range 3 { // it sees what the other commits
		if _, _, err := s.CommitBars(t.Context(), storetest.Bars(id, n, n+1)); err != nil {
			t.Fatal(err)
		}
		if bars, err := r.Bars(t.Context(), id, store.Range{}); err != nil || len(bars) != n+1 {
			t.Fatalf("%d bars, want %d, %v", len(bars), n+1, err)
		}
	}
	if _, _, err := r.CommitBars(t.Context(), storetest.Bars(id, 9, 10)); !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("error %v, want ErrReadOnly", err)
	}
	if err := errors.Join(r.Close(), r.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	alter(t, dir, "PRAGMA user_version=999")
	if _, err := OpenReader(t.Context(), dir, Options{}); !errors.Is(err, store.ErrVersion) || !strings.Contains(err.Error(), "newer Foretick") {
		t.Fatalf("error %v, want ErrCorrupt", err)
	}
}

// TestLawsInTheSchema writes to the tables behind the store's back: the laws hold
// even so.
func TestLawsInTheSchema(t *testing.T) {
	dir := t.TempDir()
	create(t, dir)
	conn, err := sqlite.OpenConn(filepath.Join(dir, File), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const insert = `INSERT INTO ledger (seq, series, num, kind, mode, time, at, first_end, hash, body) VALUES (?, 1, ?, ?, ?, ?, ?, ?, zeroblob(32), x'00')`
	for _, c := range []struct {
		name string
		args []any
		ok   bool
	}{
		{"live, in time", []any{900001, 2, 2, 1, 100, 105, 110}, true},
		{"at the cutoff", []any{900002, 3, 2, 1, 100, 100, 110}, true},
		{"before the cutoff", []any{900003, 4, 2, 1, 100, 99, 110}, false},
		{"live, when the target has ended", []any{900004, 4, 2, 1, 100, 110, 110}, false},
		{"replay, when the target has ended", []any{900005, 4, 2, 2, 100, 110, 110}, true},
		{"genesis in the middle", []any{900006, 5, 1, 1, 100, 110, nil}, false},
		{"unknown kind", []any{900007, 5, 6, 1, 100, 110, nil}, false},
		{"an event twice", []any{900001, 5, 3, 1, 100, 110, nil}, false},
	} {
		err := sqlitex.Execute(conn, insert, &sqlitex.ExecOptions{Args: c.args})
		if (err == nil) != c.ok || err != nil && sqlite.ErrCode(err).ToPrimary() != sqlite.ResultConstraint {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func create(t *testing.T, dir string) {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := register(t, s, 1)[0]
	if _, _, err := s.CommitBars(t.Context(), storetest.Bars(id, 0, 5000)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func alter(t *testing.T, dir, sql string) {
	t.Helper()
	conn, err := sqlite.OpenConn(filepath.Join(dir, File), sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := sqlitex.ExecuteTransient(conn, sql, nil); err != nil {
		t.Fatal(err)
	}
}

func damage(t *testing.T, dir string, at, n int) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(dir, File), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(strings.Repeat("\xa5", n)), int64(at)); err != nil {
		t.Fatal(err)
	}
}

// A request that was given up before the writer came to it leaves no trace, not even alone.
func TestGivenUp(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := &request{done: make(chan error, 1)} // to run it would panic
	r.taken.Store(true)
	s.requests <- r
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
