package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/store"
)

// TestUnfinishedCopy has every command say what an unfinished copy is.
func TestUnfinishedCopy(t *testing.T) {
	dir := t.TempDir()
	st, err := app.Place{Data: dir}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mark := store.Document{Kind: "copy", Name: "unfinished", Body: []byte(`{"epoch":"x"}`)}
	if err := errors.Join(st.PutDocuments(t.Context(), mark), st.Close()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status int
		args   []string
	}{
		{0, []string{"db", "status"}}, {1, []string{"db", "check"}}, {1, []string{"ledger", "verify"}}, {1, []string{"serve", "--addr", "127.0.0.1:0"}}, {1, []string{"doctor", "--addr", "127.0.0.1:0"}},
	} {
		var out bytes.Buffer
		status := run(t.Context(), append(c.args, "--data", dir), &out, &out)
		if status != c.status || !strings.Contains(out.String(), "broken off") || !strings.Contains(out.String(), "foretick db copy again") {
			t.Errorf("foretick %v: status %d\n%s", c.args, status, out.String())
		}
	}
}
