package sqlite

import (
	"errors"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/internal/testdata"
)

func open(t testing.TB) *Store {
	t.Helper()
	return openAt(t, nil)
}

func openAt(t testing.TB, now func() time.Time) *Store {
	t.Helper()
	s, err := Open(t.Context(), t.TempDir(), Options{Now: now})
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
	t.Parallel()
	storetest.Exercise(t, func(t *testing.T, now func() time.Time) store.Store { return openAt(t, now) })
}

func TestMissingCandles(t *testing.T) {
	testdata.SkipRaced(t, "a computation in one goroutine")
	t.Parallel()
	s := open(t)
	storetest.ExerciseRollUp(t, s, func() error {
		return s.write(t.Context(), "forget", func(w *writer) error {
			w.wrote = true
			w.forget()
			return errors.Join(exec(w.conn, "DELETE FROM rollup"), exec(w.conn, "DELETE FROM rollup_state"))
		})
	})
}
