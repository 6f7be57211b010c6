package postgres

import (
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/storetest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

func open(t testing.TB) *Store {
	t.Helper()
	s, err := Open(t.Context(), pgtest.Open(t), Options{})
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
	storetest.Exercise(t, func(t *testing.T) store.Store { return open(t) })
}
