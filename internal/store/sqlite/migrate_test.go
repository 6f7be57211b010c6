package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
)

// migratable is a database of this program's version in a folder.
type migratable struct{ dir string }

// later is the schema of a program that has more migrations.
func later(more ...string) schema {
	s := current[:len(current):len(current)]
	for _, sql := range more {
		s = append(s, migration{fmt.Sprintf("%04d_later.sql", len(s)+1), sql})
	}
	return s
}

func (m migratable) Open(ctx context.Context, more ...string) (store.Store, error) {
	return Open(ctx, m.dir, Options{schema: later(more...)})
}

func (m migratable) OpenReader(ctx context.Context, more ...string) (store.Store, error) {
	return OpenReader(ctx, m.dir, Options{schema: later(more...)})
}

func (m migratable) Inspect(ctx context.Context, more ...string) (store.Info, error) {
	return later(more...).inspect(ctx, m.dir)
}

// The process of Start gets its folder and its migrations from these variables.
const (
	migrateDir  = "FORETICK_TEST_MIGRATE"
	migrateMore = "FORETICK_TEST_MIGRATIONS"
	migrateCut  = "\n-- next\n"
)

func (m migratable) Start(more ...string) *osexec.Cmd {
	c := osexec.Command(os.Args[0], "-test.run=NONE")
	c.Env = append(os.Environ(), migrateDir+"="+m.dir, migrateMore+"="+strings.Join(more, migrateCut))
	return c
}

// migrateUntilKilled is the process of Start.
func migrateUntilKilled(dir string) error {
	_, err := migratable{dir}.Open(context.Background(), strings.Split(os.Getenv(migrateMore), migrateCut)...)
	return err
}

func (m migratable) Busy() bool {
	_, err := m.ask("BEGIN IMMEDIATE")
	return sqlite.ErrCode(err).ToPrimary() == sqlite.ResultBusy
}

func (migratable) Endless() string {
	return "CREATE TABLE half (n integer); INSERT INTO half WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT n FROM c WHERE n % 1000000 = 0;"
}

func (m migratable) Ask(sql string) (int64, error) { return m.ask(sql) }

func (m migratable) ask(sql string) (n int64, err error) {
	conn, err := sqlite.OpenConn(filepath.Join(m.dir, File), sqlite.OpenReadWrite)
	if err != nil {
		return 0, err
	}
	conn.SetBusyTimeout(0)
	err = sqlitex.ExecuteTransient(conn, sql, &sqlitex.ExecOptions{ResultFunc: func(r *sqlite.Stmt) error { n = r.ColumnInt64(0); return nil }})
	return n, errors.Join(err, conn.Close())
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	name := fmt.Sprintf("%04d", current.newest())
	storetest.ExerciseMigrations(t, func(t *testing.T) (storetest.Migratable, storetest.Earlier) {
		return migratable{unpack(t, name)}, storetest.ReadEarlier(t, name)
	})
}

// Migrations count from 1 without a hole: what a database has is told by its number alone.
func TestMigrationsAreNumbered(t *testing.T) {
	for name, files := range map[string][]string{
		"a hole":                {"0001_init.sql", "0003_a.sql"},
		"one number twice":      {"0001_init.sql", "0002_a.sql", "0002_b.sql"},
		"they begin with two":   {"0002_a.sql"},
		"no number":             {"0001_init.sql", "second.sql"},
		"a number of two digit": {"01_init.sql"},
	} {
		fsys := fstest.MapFS{}
		for _, f := range files {
			fsys[f] = &fstest.MapFile{Data: []byte("SELECT 1;")}
		}
		if s, err := readSchema(fsys); err == nil {
			t.Errorf("%s: %d migrations are taken", name, len(s))
		}
	}
	if len(current) == 0 {
		t.Error("this program has no migrations")
	}
}

// A process that was killed before it had made the first table leaves an empty file.
func TestEmptyFile(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, File), nil)
	if _, err := Inspect(t.Context(), dir); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Inspect: %v", err)
	}
	if _, err := OpenReader(t.Context(), dir, Options{}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("OpenReader: %v", err)
	}
	create(t, dir)
}
