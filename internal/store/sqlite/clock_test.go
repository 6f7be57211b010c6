package sqlite

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
)

// A database from before there was a clock: what it holds was known when it was brought up to
// date, and of earlier times it says that it cannot tell.
func TestClockBeginsWithTheUpdate(t *testing.T) {
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := register(t, s, 1)[0]
	if _, _, err := s.CommitBars(t.Context(), storetest.Bars(id, 0, 200)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := sqlite.OpenConn(filepath.Join(dir, File), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	err = sqlitex.ExecuteScript(conn, "DELETE FROM clock; UPDATE bar_place SET newest = NULL", nil)
	if err = errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}

	now := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	if s, err = Open(t.Context(), dir, Options{Now: func() time.Time { return now }}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	storetest.ClockBegun(t, s, now, 200)
	bars, err := s.Bars(t.Context(), id, store.Range{Newest: true, Limit: 1, AsOf: 150})
	if err != nil || len(bars) != 1 || bars[0] != storetest.Bar(id, 149, 0).Bar {
		t.Fatalf("as of event 150: %v, %v", bars, err)
	}
}
