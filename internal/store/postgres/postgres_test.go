package postgres

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(migrateAddress); address != "" {
		if err := migrateUntilKilled(address); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	pgtest.Main(m)
}

func open(t testing.TB) *Store {
	t.Helper()
	return openAt(t, nil)
}

func openAt(t testing.TB, now func() time.Time) *Store {
	t.Helper()
	s, err := Open(t.Context(), pgtest.Open(t), Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	storetest.Exercise(t, func(t *testing.T, now func() time.Time) store.Store { return openAt(t, now) })
}

func TestMissingCandles(t *testing.T) {
	s := open(t)
	storetest.ExerciseRollUp(t, s, func() error {
		return s.write(t.Context(), "forget", func(ctx context.Context, w *writer) error {
			w.wrote = true
			w.forget()
			w.lastEvent = 12_000
			_, err := w.tx.Exec(ctx, "TRUNCATE rollup, rollup_state")
			return err
		})
	})
}
