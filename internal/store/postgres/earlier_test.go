package postgres

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/storetest"
)

const (
	fixtureSuffix = ".sql.gz"
	fixtureSchema = "foretick_earlier" // in the fixtures, in place of the schema that was dumped
)

// TestEarlierVersions migrates a database of every version, as the program of its time left it,
// and reads everything back.
func TestEarlierVersions(t *testing.T) {
	if storetest.Update() {
		writeFixture(t)
	}
	for _, name := range storetest.Fixtures(t, fixtureSuffix, int(current.newest)) {
		t.Run(name, func(t *testing.T) {
			address := load(t, name)
			before, err := Inspect(t.Context(), address)
			if err != nil || before.Version > int(current.newest) || before.Epoch == "" || before.Bytes == 0 {
				t.Fatalf("%+v, %v", before, err)
			}
			if before.Version < int(current.newest) {
				if _, err := Open(t.Context(), address, Options{ReadOnly: true}); !errors.Is(err, store.ErrVersion) || !strings.Contains(err.Error(), "foretick db migrate") {
					t.Errorf("read without migrating: %v", err)
				}
			}
			for range 2 { // the second time there is nothing to do
				s, err := Open(t.Context(), address, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if s.Epoch() != before.Epoch {
					t.Errorf("epoch %s, before %s", s.Epoch(), before.Epoch)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			after, err := Inspect(t.Context(), address)
			before.Version, before.Bytes = after.Version, after.Bytes
			if err != nil || !after.Current() || after != before {
				t.Errorf("before %+v, after %+v, %v", before, after, err)
			}
			s, err := Open(t.Context(), address, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			storetest.ExerciseEarlier(t, s, storetest.ReadEarlier(t, name))
		})
	}
}

func TestInspectNothing(t *testing.T) {
	if _, err := Inspect(t.Context(), pgtest.Open(t)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error %v, want ErrNotFound", err)
	}
}

// writeFixture keeps a database that the program writes now.
func writeFixture(t *testing.T) {
	address := pgtest.Open(t)
	said := storetest.WriteEarlier(t, "--store", address)
	info, err := Inspect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%04d", info.Version)
	storetest.KeepEarlier(t, name, said)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	schema := u.Query().Get("search_path")
	q := u.Query()
	q.Del("search_path") // pg_dump knows it as no parameter of a connection
	u.RawQuery = q.Encode()
	dump, err := exec.Command("pg_dump", "--schema", schema, "--no-owner", "--no-privileges", "--rows-per-insert", "100", u.String()).Output()
	if err != nil {
		t.Fatalf("pg_dump: %v", err)
	}
	dump = regexp.MustCompile(`(?m)^(\\.*|--.*|)\n`).ReplaceAll(dump, nil) // orders to psql, comments
	dump = bytes.ReplaceAll(dump, []byte(schema), []byte(fixtureSchema))
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(dump); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", "versions", name+fixtureSuffix), z.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// load puts a fixture into a schema of its own.
func load(t *testing.T, name string) (address string) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "versions", name+fixtureSuffix))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	script, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	address = pgtest.Open(t)
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(script), fixtureSchema, u.Query().Get("search_path"))
	text = strings.Replace(text, "CREATE SCHEMA", "CREATE SCHEMA IF NOT EXISTS", 1)
	do(t, address, text)
	return address
}

// do runs statements on a connection of its own.
func do(t *testing.T, address, script string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.PgConn().Exec(t.Context(), script).ReadAll()
	if err := errors.Join(err, c.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
}
