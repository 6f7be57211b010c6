package postgres

import (
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
)

// TestCheckStorage takes away, in one way after the other, what rows belong to.
func TestCheckStorage(t *testing.T) {
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
	id := rec.ID()
	c := storetest.Chain{ID: id, Mode: ledger.Live}
	if _, _, err := s.CommitBars(t.Context(), storetest.Bars(id, 0, 20)); err != nil {
		t.Fatal(err)
	}
	step := store.Step{Series: id, Entries: []ledger.Sealed{c.Genesis(), c.Outcome(3, 0), c.Issue(3, 1, 2)}, Scores: storetest.Scores(3, 0, 1, 2), Cursor: store.Cursor{BarSeq: 4}}
	if _, err := s.CommitStep(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	faults := func() (list []store.Fault) {
		t.Helper()
		if err := s.CheckStorage(t.Context(), func(f store.Fault) { list = append(list, f) }); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if list := faults(); len(list) > 0 {
		t.Fatalf("of a sound database: %+v", list)
	}
	// Each puts right what the one before did.
	for _, c := range []struct{ do, want, undo string }{
		{"UPDATE chain SET head_num = 9", "the chain has 9", "UPDATE chain SET head_num = 3"},
		{"UPDATE event SET seq = seq + 1000 WHERE seq = 5", "has no event", "UPDATE event SET seq = seq - 1000 WHERE seq = 1005"},
		{"UPDATE bar SET seq = seq + 1000 WHERE seq = 5", "has no bar", "UPDATE bar SET seq = seq - 1000 WHERE seq = 1005"},
		{"UPDATE meta SET last_event = 3", "the newest event", "UPDATE meta SET last_event = 23"},
		{"UPDATE chain SET scored_to = 5", "newest on record is 5", "UPDATE chain SET scored_to = (SELECT max(target) FROM score)"},
		{"UPDATE score SET series = 77", "belong to no series", "UPDATE score SET series = (SELECT id FROM series)"},
	} {
		do(t, address, c.do)
		list := faults()
		found := false
		for _, f := range list {
			found = found || strings.Contains(f.What, c.want) && f.Where != "" && f.Advice != ""
		}
		if !found {
			t.Errorf("%s: %+v", c.do, list)
		}
		do(t, address, c.undo)
	}
	if list := faults(); len(list) > 0 {
		t.Errorf("all was put right: %+v", list)
	}
}

// TestAmcheck has the indexes looked at by the extension, where the server has it.
func TestAmcheck(t *testing.T) {
	server, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	address := server.Schema(t)
	do(t, address, "CREATE EXTENSION amcheck")
	s, err := Open(t.Context(), address, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.PutSeries(t.Context(), storetest.Series("A")); err != nil {
		t.Fatal(err)
	}
	check := func() (list []store.Fault) {
		t.Helper()
		if err := s.CheckStorage(t.Context(), func(f store.Fault) { list = append(list, f) }); err != nil {
			t.Fatal(err)
		}
		return list
	}
	if list := check(); len(list) > 0 {
		t.Fatalf("of a sound database: %+v", list)
	}
	// An index whose function changed behind its back orders its rows wrongly.
	do(t, address, `CREATE FUNCTION sign(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT $1';
		CREATE TABLE odd (n bigint); INSERT INTO odd SELECT generate_series(1, 100); CREATE INDEX odd_n ON odd (sign(n));
		CREATE OR REPLACE FUNCTION sign(bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS 'SELECT -$1'`)
	if list := check(); len(list) != 1 || !strings.Contains(list[0].Where, "odd_n") || !strings.Contains(list[0].Advice, "REINDEX") {
		t.Errorf("%+v", list)
	}
}
