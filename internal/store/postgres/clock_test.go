package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/storetest"
)

// A database from before there was a clock: what it holds was known when it was brought up to
// date, and of earlier times it says that it cannot tell.
func TestClockBeginsWithTheUpdate(t *testing.T) {
	address := pgtest.Open(t)
	s, err := Open(t.Context(), address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	rec := storetest.Series("A")
	if err := s.PutSeries(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.CommitBars(t.Context(), storetest.Bars(rec.ID(), 0, 20)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "DELETE FROM clock"); err != nil {
		t.Fatal(err)
	}

	now := time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC)
	if s, err = Open(t.Context(), address, Options{Now: func() time.Time { return now }}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	storetest.ClockBegun(t, s, now, 20)
}
