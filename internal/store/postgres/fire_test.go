package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
)

func bars(id market.SeriesID, from, to int) []store.BarRecord { return storetest.Bars(id, from, to) }

func count(t *testing.T, s *Store, id market.SeriesID) int {
	t.Helper()
	list, err := s.Bars(t.Context(), id, store.Range{Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// The server is killed and comes back: what was committed is there, what failed is handed over
// again, and nothing is there twice.
func TestServerKilled(t *testing.T) {
	server := pgtest.Own(t)
	s, err := Open(t.Context(), server.Schema(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rec := storetest.Series("A")
	if err := s.PutSeries(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	id := rec.ID()
	for round := range 3 {
		if _, _, err := s.CommitBars(t.Context(), bars(id, 0, 100*(round+1))); err != nil {
			t.Fatal(err)
		}
		server.Kill()
		if _, _, err := s.CommitBars(t.Context(), bars(id, 100*(round+1), 100*(round+1)+50)); err == nil {
			t.Fatal("a commit to a server that is gone succeeds")
		}
		if err := s.Ping(t.Context()); err == nil {
			t.Fatal("a server that is gone can be written to")
		}
		if err := server.Run(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.CommitBars(t.Context(), bars(id, 0, 400)); err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, id); n != 400 {
		t.Errorf("%d bars", n)
	}
	events, err := s.EventsAfter(t.Context(), 0, 1000)
	if err != nil || len(events) != 400 {
		t.Errorf("%d events, %v", len(events), err)
	}
	for i, e := range events {
		if e.Seq != uint64(i+1) {
			t.Fatalf("event %d has the number %d", i+1, e.Seq)
		}
	}
}

// Connections are cut while writes come: every bar that was said to be kept is there, once.
func TestConnectionsCut(t *testing.T) {
	address := pgtest.Open(t)
	s, err := Open(t.Context(), address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rec := storetest.Series("A")
	if err := s.PutSeries(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	other, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			_, _ = other.Exec(context.Background(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'foretick' AND pid <> pg_backend_pid()")
		}
	}()
	failed := 0
	for i := range 300 {
		for {
			_, _, err := s.CommitBars(t.Context(), bars(rec.ID(), i, i+1))
			if err == nil {
				break
			}
			if failed++; failed > 5000 {
				t.Fatal(err)
			}
		}
	}
	<-done
	if n := count(t, s, rec.ID()); n != 300 {
		t.Errorf("%d bars after %d failures", n, failed)
	}
}

// A second writer is kept out, and one that lost the right to write finds out.
func TestOneWriter(t *testing.T) {
	address := pgtest.Open(t)
	first, err := Open(t.Context(), address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if _, err := Open(t.Context(), address, Options{}); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "another Foretick writes to this database") {
		t.Errorf("a second writer: %v", err)
	}
	reader, err := Open(t.Context(), address, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := reader.Ping(t.Context()); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("a reader writes: %v", err)
	}
	if reader.Epoch() != first.Epoch() || first.Epoch() == "" {
		t.Errorf("epochs %q and %q", reader.Epoch(), first.Epoch())
	}
	other, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	if _, err := other.Exec(t.Context(), "UPDATE meta SET owner = 'somebody else'"); err != nil {
		t.Fatal(err)
	}
	if err := first.Ping(t.Context()); !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "has taken over") {
		t.Errorf("a writer that was replaced: %v", err)
	}
}

// A schema of a newer version is refused, and errors hold no password.
func TestRefused(t *testing.T) {
	address := pgtest.Open(t)
	s, err := Open(t.Context(), address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("after Close: %v", err)
	}
	other, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(t.Context())
	if _, err := other.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, true)"); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), address, Options{}); !errors.Is(err, store.ErrVersion) || !strings.Contains(err.Error(), "use a newer Foretick") {
		t.Errorf("a newer schema: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, address := range []string{"postgres://me:hunter2@127.0.0.1:1/none", "postgres://me:hunter2@[::1/none", "mysql://me:hunter2@h/d"} {
		if _, err := Open(ctx, address, Options{}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", address, err)
		}
	}
}
