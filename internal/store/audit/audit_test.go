package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	zombiezen "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/audit"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// TestRun checks a sound store, then the same with one thing wrong.
func TestRun(t *testing.T) {
	t.Parallel()
	sound := t.TempDir()
	id := filled(t, sound)
	file, err := os.ReadFile(filepath.Join(sound, sqlite.File))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, sql, want string }{
		{"sound", "", ""},
		{"an entry was rewritten", "UPDATE ledger SET hash = zeroblob(32) WHERE num = 9", "entry 9"},
		{"the head is another", "UPDATE chain SET head_hash = zeroblob(32)", "the recorded head"},
		{"the track stands nowhere", "UPDATE chain SET cursor_bar = 2", "no bar of it"},
		{"a candle is another", "UPDATE rollup SET high = high + 1 WHERE minutes = 5", "the candle of 5m0s at"},
		{"a candle is missing", "DELETE FROM rollup WHERE minutes = 1 AND start = (SELECT min(start) + 3 FROM rollup WHERE minutes = 1)", "is missing"},
		{"a candle too many", "INSERT INTO rollup SELECT series, 1, (SELECT min(start) FROM rollup) - 2, 1, 1, 1, 1, 1, 1 FROM rollup LIMIT 1", "but no bars of it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, sqlite.File), file, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.sql != "" {
				alter(t, dir, c.sql)
			}
			s, err := sqlite.OpenReader(t.Context(), dir, sqlite.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var faults []store.Fault
			var parts []string
			var n int64
			found, err := audit.Run(t.Context(), s, func(f store.Fault) { faults = append(faults, f) },
				audit.Watch{Begin: func(what string, _ int64) { parts = append(parts, what) }, Add: func(k int64) { n += k }})
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" {
				if len(faults) > 0 || len(found) != 1 || found[0].ID != id || found[0].Bars != 3040 || found[0].Scores != 80 || found[0].Head.Seq != 81 {
					t.Errorf("%+v, faults %+v", found, faults)
				}
				if len(parts) != 5 || n != 3040+80+81+3040 {
					t.Errorf("parts %q, %d", parts, n)
				}
				return
			}
			for _, f := range faults {
				if f.Where == string(id) && strings.Contains(f.What, c.want) && f.Advice != "" {
					return
				}
			}
			t.Errorf("no fault with %q: %+v", c.want, faults)
		})
	}
}

// TestScoresOfNothing judges a bar whose outcome was never sealed.
func TestScoresOfNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	id := filled(t, dir)
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, cursor, err := s.Head(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.CommitStep(t.Context(), store.Step{Series: id, Cursor: cursor, Scores: storetest.Scores(99, 0, 1, 1)}); err != nil {
		t.Fatal(err)
	}
	var faults []store.Fault
	if _, err := audit.Run(t.Context(), s, func(f store.Fault) { faults = append(faults, f) }, audit.Watch{}); err != nil || len(faults) != 1 || !strings.Contains(faults[0].What, "no outcome") {
		t.Errorf("%+v, %v", faults, err)
	}
}

// filled makes a store of one series with 40 bars that were stepped, and 3,000 more.
func filled(t *testing.T, dir string) market.SeriesID {
	t.Helper()
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rec := storetest.Series("A")
	id := rec.ID()
	err = s.PutSeries(t.Context(), rec)
	c := storetest.Chain{ID: id, Mode: ledger.Live}
	for i := 0; i < 40 && err == nil; i++ {
		var last uint64
		if _, last, err = s.CommitBars(t.Context(), storetest.Bars(id, i, i+1)); err != nil {
			break
		}
		step := store.Step{Series: id, Cursor: store.Cursor{BarSeq: last}, Scores: storetest.Scores(i, 0, 1, 2)}
		if i == 0 {
			step.Entries = append(step.Entries, c.Genesis())
		}
		step.Entries = append(step.Entries, c.Outcome(i, 0), c.Issue(i, 1, 2))
		_, err = s.CommitStep(t.Context(), step)
	}
	if err == nil {
		_, _, err = s.CommitBars(t.Context(), storetest.Bars(id, 40, 3040))
	}
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return id
}

func alter(t *testing.T, dir, sql string) {
	t.Helper()
	conn, err := zombiezen.OpenConn(filepath.Join(dir, sqlite.File), zombiezen.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(sqlitex.ExecuteTransient(conn, sql, nil), conn.Close()); err != nil {
		t.Fatal(err)
	}
}
