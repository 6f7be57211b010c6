package app_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/transfer"
)

// TestCopyGoesOn replays a part of a recording, copies the store from SQLite to PostgreSQL
// and from there to SQLite again, and replays the rest on all three: they end with the same
// ledgers and scores, to the last bit.
func TestCopyGoesOn(t *testing.T) {
	f := read(t, minutes)
	first := app.Place{Data: filepath.Join(t.TempDir(), "data")}
	serveAt(t, f.with(f.Bars[:len(f.Bars)/2+30]), "max", first)
	server := app.Place{Data: t.TempDir(), Store: pgtest.Open(t)}
	second := app.Place{Data: filepath.Join(t.TempDir(), "data")}
	for _, c := range [][2]app.Place{{first, server}, {server, second}} {
		n, _, err := c[0].CopyTo(t.Context(), c[1], transfer.Watch{})
		if err != nil {
			t.Fatal(err)
		}
		if n.Series != 2 || n.Entries < 300 || n.Scores < 1000 || n.Documents == 0 {
			t.Errorf("compared %+v", n)
		}
	}
	want := serveAt(t, f, "max", first)
	same(t, "PostgreSQL", serveAt(t, f, "max", server), want)
	same(t, "SQLite again", serveAt(t, f, "max", second), want)
}

// TestCopyRefused says what is in the way.
func TestCopyRefused(t *testing.T) {
	from := app.Place{Data: t.TempDir()}
	st, err := from.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = from.CopyTo(t.Context(), app.Place{Data: t.TempDir()}, transfer.Watch{})
	if !errors.Is(err, store.ErrLocked) || !strings.Contains(err.Error(), "--from") {
		t.Errorf("a source in use: %v", err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := from.CopyTo(t.Context(), from, transfer.Watch{}); err == nil || !strings.Contains(err.Error(), "choose another") {
		t.Errorf("onto itself: %v", err)
	}
	nothing := app.Place{Data: t.TempDir()}
	if _, _, err := nothing.CopyTo(t.Context(), from, transfer.Watch{}); err == nil || !strings.Contains(err.Error(), "there is no database") {
		t.Errorf("nothing: %v", err)
	}
	// An unfinished copy opens for going on with the copy only.
	half := app.Place{Data: t.TempDir()}
	if st, err = half.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(st.PutDocuments(t.Context(), store.Document{Kind: "copy", Name: "unfinished", Body: []byte(`{}`)}), st.Close()); err != nil {
		t.Fatal(err)
	}
	for _, open := range []func() (store.Store, error){func() (store.Store, error) { return half.Open(t.Context()) }, func() (store.Store, error) { return half.OpenReadOnly(t.Context()) }} {
		if _, err := open(); !errors.Is(err, transfer.ErrUnfinished) || !strings.Contains(err.Error(), "db copy again") {
			t.Errorf("an unfinished copy: %v", err)
		}
	}
	if _, _, err := half.CopyTo(t.Context(), app.Place{Data: t.TempDir()}, transfer.Watch{}); !errors.Is(err, transfer.ErrUnfinished) {
		t.Errorf("a copy of an unfinished copy: %v", err)
	}
}
