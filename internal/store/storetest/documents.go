package storetest

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

var documentCases = []testCase{
	{"kept, replaced, listed and deleted", func(t *testing.T, s store.Store) {
		ctx := t.Context()
		large := bytes.Repeat([]byte{0, 1, 255}, 1<<20)
		check(t, s.PutDocuments(ctx,
			store.Document{Kind: "a", Name: "one", At: 1, Body: []byte("first")},
			store.Document{Kind: "a", Name: "two", At: 3, Body: large},
			store.Document{Kind: "a", Name: "three", At: 3, Body: []byte{}},
			store.Document{Kind: "b", Name: "one", At: 9, Body: []byte("other")}))
		check(t, s.PutDocuments(ctx, store.Document{Kind: "a", Name: "one", At: 2, Body: []byte("second")}))
		list, err := s.Documents(ctx, "a")
		check(t, err)
		equal(t, "list", list, []store.DocumentRecord{{Name: "three", At: 3}, {Name: "two", At: 3, Size: len(large)}, {Name: "one", At: 2, Size: 6}})
		d, err := s.Document(ctx, "a", "one")
		check(t, err)
		equal(t, "replaced", d, store.Document{Kind: "a", Name: "one", At: 2, Body: []byte("second")})
		d, err = s.Document(ctx, "a", "two")
		check(t, err)
		if !bytes.Equal(d.Body, large) {
			t.Error("a large body came back changed")
		}
		check(t, s.DeleteDocument(ctx, "a", "one"))
		check(t, s.DeleteDocument(ctx, "a", "one"))
		if _, err = s.Document(ctx, "a", "one"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a deleted document gives %v", err)
		}
		if d, err = s.Document(ctx, "b", "one"); err != nil || string(d.Body) != "other" {
			t.Errorf("the other kind has %q, %v", d.Body, err)
		}
	}},
	{"names that are no text are found to be missing", func(t *testing.T, s store.Store) {
		for _, name := range []string{"\x00", "a\x00b", "\xff\xfe", strings.Repeat("long ", 5000)} {
			if _, err := s.Document(t.Context(), "a", name); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%.20q: %v", name, err)
			}
			if _, _, err := s.Head(t.Context(), market.SeriesID(name)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("the head of %.20q: %v", name, err)
			}
		}
	}},
	{"all or none", func(t *testing.T, s store.Store) {
		err := s.PutDocuments(t.Context(), store.Document{Kind: "a", Name: "one", Body: []byte("x")}, store.Document{Kind: "a"})
		if err == nil {
			t.Error("a document without a name was kept")
		}
		list, err := s.Documents(t.Context(), "a")
		check(t, err)
		equal(t, "documents", len(list), 0)
	}},
}
