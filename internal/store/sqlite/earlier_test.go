package sqlite

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
)

const fixtureSuffix = ".db.gz"

// TestEarlierVersions migrates a database of every version, as the program of its time left it,
// and reads everything back.
func TestEarlierVersions(t *testing.T) {
	t.Parallel()
	if storetest.Update() {
		writeFixture(t)
	}
	for _, name := range storetest.Fixtures(t, fixtureSuffix, current.newest()) {
		t.Run(name, func(t *testing.T) {
			dir := unpack(t, name)
			before, err := Inspect(t.Context(), dir)
			if err != nil || before.Version > current.newest() || before.Epoch == "" || before.Engine == "" {
				t.Fatalf("%+v, %v", before, err)
			}
			if before.Version < current.newest() {
				if _, err := OpenReader(t.Context(), dir, Options{}); !errors.Is(err, store.ErrVersion) || !strings.Contains(err.Error(), "foretick db migrate") {
					t.Errorf("read without migrating: %v", err)
				}
			}
			for range 2 { // the second time there is nothing to do
				s, err := Open(t.Context(), dir, Options{})
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
			after, err := Inspect(t.Context(), dir)
			if err != nil || !after.Current() || after.Counts.Entries != before.Counts.Entries || after.Counts.Bars != before.Counts.Bars {
				t.Errorf("before %+v, after %+v, %v", before, after, err)
			}
			s, err := Open(t.Context(), dir, Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			storetest.ExerciseEarlier(t, s, storetest.ReadEarlier(t, name))
		})
	}
}

// writeFixture keeps a database that the program writes now.
func writeFixture(t *testing.T) {
	dir := t.TempDir()
	said := storetest.WriteEarlier(t, "--data", dir)
	info, err := Inspect(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%04d", info.Version)
	storetest.KeepEarlier(t, name, said)
	b, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("testdata", "versions", name+fixtureSuffix), z.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// unpack puts a fixture into a data folder of its own.
func unpack(t *testing.T, name string) (dir string) {
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
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	put(t, filepath.Join(dir, File), b)
	return dir
}
