package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/storetest"
)

// migratable is a database of this program's version.
type migratable struct{ address string }

// later is the schema of a program that has more migrations.
func later(more ...string) *schema {
	files := fstest.MapFS{}
	names, err := fs.Glob(current.files, "*")
	for _, name := range names {
		b, e := fs.ReadFile(current.files, name)
		files[name], err = &fstest.MapFile{Data: b}, errors.Join(err, e)
	}
	for i, sql := range more {
		files[fmt.Sprintf("%05d_later.sql", int(current.newest)+i+1)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)}
	}
	s, e := readSchema(files)
	if err := errors.Join(err, e); err != nil {
		panic(err) // a mistake of the test
	}
	return &s
}

func (m migratable) Open(ctx context.Context, more ...string) (store.Store, error) {
	return Open(ctx, m.address, Options{schema: later(more...)})
}

func (m migratable) OpenReader(ctx context.Context, more ...string) (store.Store, error) {
	return Open(ctx, m.address, Options{ReadOnly: true, schema: later(more...)})
}

func (m migratable) Inspect(ctx context.Context, more ...string) (store.Info, error) {
	info, err := later(more...).inspect(ctx, m.address)
	info.Bytes = 0
	return info, err
}

// The process of Start gets its database and its migrations from these variables.
const (
	migrateAddress = "FORETICK_TEST_MIGRATE"
	migrateMore    = "FORETICK_TEST_MIGRATIONS"
	migrateCut     = "\n-- next\n"
)

func (m migratable) Start(more ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], "-test.run=NONE")
	c.Env = append(os.Environ(), migrateAddress+"="+m.address, migrateMore+"="+strings.Join(more, migrateCut))
	return c
}

// migrateUntilKilled is the process of Start.
func migrateUntilKilled(address string) error {
	_, err := migratable{address}.Open(context.Background(), strings.Split(os.Getenv(migrateMore), migrateCut)...)
	return err
}

func (m migratable) Busy() bool {
	n, err := m.Ask("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()")
	return err == nil && n > 0
}

func (migratable) Endless() string {
	return "CREATE TABLE half (n integer); SELECT pg_sleep(3600);"
}

func (m migratable) Ask(sql string) (n int64, err error) {
	ctx := context.Background()
	c, err := pgx.Connect(ctx, m.address)
	if err != nil {
		return 0, err
	}
	err = c.QueryRow(ctx, sql).Scan(&n)
	return n, errors.Join(err, c.Close(ctx))
}

// newestDatabase is the database of testdata/versions that this program's version wrote.
func newestDatabase(t *testing.T) (migratable, storetest.Earlier) {
	name := fmt.Sprintf("%04d", current.newest)
	return migratable{load(t, name)}, storetest.ReadEarlier(t, name)
}

func TestMigrations(t *testing.T) {
	storetest.ExerciseMigrations(t, func(t *testing.T) (storetest.Migratable, storetest.Earlier) { return newestDatabase(t) })
}

// Migrations count from 1 without a hole.
func TestMigrationsAreNumbered(t *testing.T) {
	for name, files := range map[string][]string{
		"a hole":              {"00001_init.sql", "00003_a.sql"},
		"one number twice":    {"00001_init.sql", "00002_a.sql", "00002_b.sql"},
		"they begin with two": {"00002_a.sql"},
		"no number":           {"00001_init.sql", "second.sql"},
	} {
		fsys := fstest.MapFS{}
		for _, f := range files {
			fsys[f] = &fstest.MapFile{Data: []byte("-- +goose Up\nSELECT 1;")}
		}
		if s, err := readSchema(fsys); err == nil {
			t.Errorf("%s: %d migrations are taken", name, s.newest)
		}
	}
	if current.newest == 0 {
		t.Error("this program has no migrations")
	}
}

// Nothing is migrated while a program writes, of the version before.
func TestNoMigrationUnderAWriter(t *testing.T) {
	const more = "CREATE TABLE later (id integer);"
	db := migratable{pgtest.Open(t)}
	s, err := db.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := db.Open(t.Context(), more); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "stop that one first") {
		t.Errorf("error %v, want ErrLocked and what to do", err)
	}
	if info, err := db.Inspect(t.Context(), more); err != nil || info.Version != int(current.newest) || info.Current() {
		t.Errorf("%+v, %v", info, err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("the writer was disturbed: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := db.Open(t.Context(), more)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// Processes of a new version that start at once on a database of the old one: every migration is
// made once, one process gets the right to write, and the others are told so.
func TestMigrateLaterAtOnce(t *testing.T) {
	db, said := newestDatabase(t)
	more := []string{"CREATE TABLE later (id integer); INSERT INTO later VALUES (1);", "INSERT INTO later VALUES (2);"}
	const processes = 4
	var wg sync.WaitGroup
	stores, errs := make([]store.Store, processes), make([]error, processes)
	for i := range processes {
		wg.Go(func() { stores[i], errs[i] = db.Open(t.Context(), more...) })
	}
	wg.Wait()
	opened := 0
	for i := range processes {
		switch {
		case errs[i] == nil:
			opened++
			if err := stores[i].Close(); err != nil {
				t.Error(err)
			}
		case !errors.Is(errs[i], store.ErrLocked):
			t.Error(errs[i])
		}
	}
	if n, err := db.Ask("SELECT count(*) FROM later"); opened != 1 || err != nil || n != 2 {
		t.Errorf("%d processes may write, %d rows, %v", opened, n, err)
	}
	s, err := db.Open(t.Context(), more...)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	storetest.ExerciseEarlier(t, s, said)
}

// What a migration does to all rows may take longer than a statement may take elsewhere.
func TestMigrationTakesItsTime(t *testing.T) {
	address := pgtest.Open(t) + "&statement_timeout=300"
	s, err := migratable{address}.Open(t.Context(), "SELECT pg_sleep(0.5);")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.(*Store).read(t.Context(), "take long", func(tx pgx.Tx) error { _, err := tx.Exec(t.Context(), "SELECT pg_sleep(0.5)"); return err }); err == nil {
		t.Error("elsewhere a statement has no limit")
	}
}
