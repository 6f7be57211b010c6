package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// TestCheckStorage damages a sound database in one way after the other.
func TestCheckStorage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range register(t, s, 2) {
		follow(t, s, id, 70)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if faults := faultsOf(t, dir); len(faults) > 0 {
		t.Fatalf("of a sound database: %+v", faults)
	}
	for _, c := range []struct{ name, sql, want string }{
		{"an entry is gone", "DELETE FROM ledger WHERE seq = (SELECT seq FROM ledger LIMIT 1 OFFSET 20)", "is missing"},
		{"an entry is changed", "UPDATE ledger SET body = substr(body, 1, 60) WHERE num = 30", "entry 30"},
		{"a column lies", "UPDATE ledger SET time = time + 1 WHERE num = 31", "entry 31"},
		{"an event is gone", "DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)", "is missing"},
		{"a bar is gone", "DELETE FROM bar WHERE start = (SELECT max(start) FROM bar)", "is missing"},
		{"a bar too many", "INSERT INTO bar SELECT series, start - 1000000000, end_ - 1000000000, open, high, low, close, volume, trades, revision, flags, seq FROM bar LIMIT 1", "bars are stored"},
		{"a list of places is gone", "DELETE FROM entry_place WHERE last_num = (SELECT min(last_num) FROM entry_place)", "the list of entries"},
		{"a list of places is cut short", "UPDATE bar_place SET body = substr(body, 1, length(body) - 1)", "cut short"},
		{"the head lies", "UPDATE chain SET head_num = head_num + 1", "the chain"},
		{"scores cannot be read", "UPDATE score SET body = x'ffff'", "scores cannot be read"},
		{"recent scores are gone", "DELETE FROM score_recent", "are missing"},
		{"scores of a later target", "UPDATE chain SET scored_to = 5", "after the newest target"},
		{"rows of no series", "UPDATE ledger SET series = 77 WHERE num = 1", "belong to no series"},
		{"a chain of no series", "UPDATE chain SET series = 77 WHERE series = 2", "series"},
	} {
		t.Run(c.name, func(t *testing.T) {
			broken := t.TempDir()
			alter(t, copyOf(t, dir, broken), c.sql)
			faults := faultsOf(t, broken)
			for _, f := range faults {
				if strings.Contains(f.What, c.want) && f.Where != "" && f.Advice != "" {
					return
				}
			}
			t.Errorf("no fault with %q: %+v", c.want, faults)
		})
	}
	t.Run("a damaged page", func(t *testing.T) {
		broken := copyOf(t, dir, t.TempDir())
		damage(t, broken, 8*pageSize+10, 3000)
		if faults := faultsOf(t, broken); len(faults) == 0 {
			t.Error("nothing was found")
		}
	})
}

// follow gives a series n bars, and steps with entries and scores.
func follow(t *testing.T, s *Store, id market.SeriesID, n int) {
	t.Helper()
	c := storetest.Chain{ID: id, Mode: ledger.Live}
	for i := range n {
		if _, _, err := s.CommitBars(t.Context(), storetest.Bars(id, i, i+1)); err != nil {
			t.Fatal(err)
		}
		last, err := s.LastEvent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		step := store.Step{Series: id, Cursor: store.Cursor{BarSeq: last}, Scores: storetest.Scores(i, 0, 1, 2)}
		if i == 0 {
			step.Entries = append(step.Entries, c.Genesis())
		}
		step.Entries = append(step.Entries, c.Outcome(i, 0), c.Issue(i, 1, 2))
		if _, err := s.CommitStep(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
}

func faultsOf(t *testing.T, dir string) (faults []store.Fault) {
	t.Helper()
	s, err := OpenReader(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CheckStorage(t.Context(), func(f store.Fault) { faults = append(faults, f) }); err != nil && len(faults) == 0 {
		faults = append(faults, store.Fault{What: err.Error()})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return faults
}

// copyOf copies a closed database into another folder, which it returns.
func copyOf(t *testing.T, from, to string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(from, File))
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(to, File), b)
	return to
}
