package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// wantAdvice checks an error that a person is to read: its kind, the folder and what to do.
func wantAdvice(t *testing.T, err, kind error, dir string, words ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("error %v, want one that wraps %v", err, kind)
	}
	for _, w := range append(words, dir) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
}

// Another program that holds a lock on the database: writes fail with its name and are not kept,
// reads go on, and when the lock is gone everything does.
func TestLockHeldByAnotherProgram(t *testing.T) {
	s := open(t)
	id := register(t, s, 1)[0]
	if _, _, err := s.CommitBars(t.Context(), storetest.Bars(id, 0, 10)); err != nil {
		t.Fatal(err)
	}
	err := s.write(t.Context(), "wait less", func(w *writer) error { w.conn.SetBusyTimeout(time.Millisecond); return nil })
	if err != nil {
		t.Fatal(err)
	}
	other, err := sqlite.OpenConn(filepath.Join(s.dir, File), sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := sqlitex.ExecuteTransient(other, "BEGIN IMMEDIATE", nil); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, _, err = s.CommitBars(t.Context(), storetest.Bars(id, 10, 20))
		wantAdvice(t, err, store.ErrLocked, s.dir, "commit 10 bars of "+string(id), "another program has the database")
		if err := s.Ping(t.Context()); !errors.Is(err, store.ErrLocked) {
			t.Fatalf("ping: %v", err)
		}
		if bars, err := s.Bars(t.Context(), id, store.Range{}); err != nil || len(bars) != 10 {
			t.Fatalf("%d bars, %v", len(bars), err)
		}
	}
	if err := sqlitex.ExecuteTransient(other, "ROLLBACK", nil); err != nil {
		t.Fatal(err)
	}
	if kept, last, err := s.CommitBars(t.Context(), storetest.Bars(id, 10, 20)); err != nil || kept != 10 || last != 20 {
		t.Fatalf("afterwards: kept %d, event %d, %v", kept, last, err)
	}
}

// A database that may not be written to any more, as when its disk was mounted anew for
// reading only.
func TestReadOnlyDatabase(t *testing.T) {
	s := open(t)
	id := register(t, s, 1)[0]
	set := func(mode string) {
		t.Helper()
		if err := exec(s.w.conn, "PRAGMA query_only="+mode); err != nil { // the writer waits for a request
			t.Fatal(err)
		}
	}
	set("ON")
	_, _, err := s.CommitBars(t.Context(), storetest.Bars(id, 0, 3))
	wantAdvice(t, err, store.ErrReadOnly, s.dir, "check the rights and the disk")
	if bars, err := s.Bars(t.Context(), id, store.Range{}); err != nil || len(bars) != 0 {
		t.Fatalf("%d bars, %v", len(bars), err)
	}
	set("OFF")
	if kept, last, err := s.CommitBars(t.Context(), storetest.Bars(id, 0, 3)); err != nil || kept != 3 || last != 3 {
		t.Fatalf("afterwards: kept %d, event %d, %v", kept, last, err)
	}
}

// everything is what a store answers about one series.
type everything struct {
	bars    []market.Bar
	then    []market.Bar // as of the middle
	log     []store.BarRecord
	entries []ledger.Sealed
	scores  []score.Score
	head    ledger.Head
	events  []store.Event
}

func readEverything(t *testing.T, s *Store, id market.SeriesID) (e everything, err error) {
	all := store.Range{Limit: math.MaxInt32}
	keep := func(more error) {
		err = errors.Join(err, more)
	}
	var more error
	e.bars, more = s.Bars(t.Context(), id, all)
	keep(more)
	e.then, more = s.Bars(t.Context(), id, store.Range{Limit: math.MaxInt32, AsOf: 500})
	keep(more)
	e.log, more = s.BarLog(t.Context(), id, 0, math.MaxInt32)
	keep(more)
	e.entries, more = s.Entries(t.Context(), id, store.EntryQuery{Times: all})
	keep(more)
	keep(s.EachScore(t.Context(), id, store.ScoreQuery{}, func(sc *score.Score) bool { e.scores = append(e.scores, *sc); return true }))
	e.head, _, more = s.Head(t.Context(), id)
	keep(more)
	e.events, more = s.EventsAfter(t.Context(), 0, math.MaxInt32)
	keep(more)
	return e, err
}

func (e *everything) equal(f *everything) bool {
	same := func(a, b score.Score) bool { return fmt.Sprint(a) == fmt.Sprint(b) } // NaN is NaN
	return slices.Equal(e.bars, f.bars) && slices.Equal(e.then, f.then) && slices.Equal(e.log, f.log) && e.head == f.head && slices.Equal(e.events, f.events) &&
		slices.EqualFunc(e.entries, f.entries, func(a, b ledger.Sealed) bool { return a.Hash == b.Hash && bytes.Equal(a.Bytes, b.Bytes) }) &&
		slices.EqualFunc(e.scores, f.scores, same)
}

// live commits n bars of a series, each with the step that it causes, and revisions.
func live(t *testing.T, s *Store, id market.SeriesID, n int) {
	t.Helper()
	c := storetest.Chain{ID: id, Mode: ledger.Live}
	for i := range n {
		recs := []store.BarRecord{storetest.Bar(id, i, 0)}
		if i%7 == 3 {
			recs = append(recs, storetest.Bar(id, i-2, 1))
		}
		_, last, err := s.CommitBars(t.Context(), recs)
		if err != nil {
			t.Fatal(err)
		}
		step := store.Step{Series: id, Scores: storetest.Scores(i, 0, 2, 2), Cursor: store.Cursor{BarSeq: last}}
		if i == 0 {
			step.Entries = append(step.Entries, c.Genesis())
		}
		step.Entries = append(step.Entries, c.Outcome(i, 0), c.Issue(i, 2, 2))
		if _, err := s.CommitStep(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSpoiledPages spoils one page after the other. Where the whole page is spoilt, what is read
// then is the truth or an error with advice; what else may happen to a page is found by the check.
func TestSpoiledPages(t *testing.T) {
	testdata.SkipRaced(t, "damage that one goroutine reads")
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	id := register(t, s, 1)[0]
	live(t, s, id, 300)
	truth, err := readEverything(t, s, id)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(filepath.Join(dir, File))
	if err != nil {
		t.Fatal(err)
	}
	dice := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, pageSize)
	for i := range noise {
		noise[i] = byte(dice.Uint32())
	}
	step := 1
	if testdata.Race {
		step = 7
	}
	var found atomic.Int64
	t.Run("ways", func(t *testing.T) { // ends with the last of them
		for name, spoil := range map[string]func([]byte, int){
			"noise":            func(b []byte, _ int) { copy(b, noise) },
			"zeros":            func(b []byte, _ int) { clear(b) },
			"another page":     func(b []byte, page int) { copy(b, whole[pageSize*((page+5)%(len(whole)/pageSize)):][:pageSize]) },
			"noise at its end": func(b []byte, _ int) { copy(b[pageSize/2:], noise) },
			"zeros at its end": func(b []byte, _ int) { clear(b[pageSize/2:]) },
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				bad := t.TempDir()
				for page := 1; page < len(whole)/pageSize; page += step { // the first is the schema's
					if page%3 != 1 && name != "zeros at its end" && name != "noise" {
						continue // as many do not find more
					}
					file := bytes.Clone(whole)
					spoil(file[page*pageSize:][:pageSize], page)
					if spoiledPage(t, bad, file, id, &truth, page, name) {
						found.Add(1)
					}
				}
			})
		}
	})
	if n := found.Load(); n < int64(50/step) {
		t.Errorf("only %d were found", n)
	}
}

// spoiledPage reads a database of which a page is spoilt, and tells whether that was noticed.
func spoiledPage(t *testing.T, dir string, file []byte, id market.SeriesID, truth *everything, page int, name string) (found bool) {
	t.Helper()
	for _, suffix := range []string{"-wal", "-shm"} { // of the page before
		if err := remove(filepath.Join(dir, File+suffix)); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(dir, File), file)
	s, err := Open(t.Context(), dir, Options{Readers: 1})
	if err != nil {
		wantAdvice(t, err, store.ErrCorrupt, dir, "foretick db check", "foretick restore")
		return true
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Errorf("page %d, %s: close: %v", page, name, err)
		}
	}()
	got, err := readEverything(t, s, id)
	switch {
	case errors.Is(err, store.ErrCorrupt):
		return true
	case err == nil && got.equal(truth): // nobody needs that page
	case name == "noise" || name == "zeros":
		t.Errorf("page %d, %s: something else is served, %v", page, name, err)
	default: // SQLite's pages have no checksum
		faults := 0
		err := s.CheckStorage(t.Context(), func(store.Fault) { faults++ })
		if faults == 0 && err == nil {
			t.Errorf("page %d, %s: something else is served, and the check finds nothing", page, name)
		}
	}
	return false
}

// TestCutLog cuts the write-ahead log at odd places, and spoils it, as a copy of a running
// database's files or a bad disk may: what was committed before the place is there, whole, and
// nothing of what came after it.
func TestCutLog(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := register(t, s, 1)[0]
	live(t, s, id, 120)
	database, err1 := os.ReadFile(filepath.Join(s.dir, File))
	log, err2 := os.ReadFile(filepath.Join(s.dir, File+"-wal"))
	truth, err3 := readEverything(t, s, id)
	if err := errors.Join(err1, err2, err3); err != nil || len(log) < 10*pageSize {
		t.Fatalf("log of %d bytes, %v", len(log), err)
	}
	dice := rand.New(rand.NewPCG(3, 4))
	before := -1
	for k := range 24 {
		if testdata.Race && k%4 != 3 {
			continue
		}
		at := len(log) * (k + 1) / 24
		if k%2 == 1 && k < 23 {
			at -= dice.IntN(pageSize)
		}
		bad := bytes.Clone(log[:at])
		if k%3 == 2 && k < 23 { // a byte of it, and the rest is there
			bad = bytes.Clone(log)
			bad[at] ^= 1
		}
		dir := t.TempDir()
		if err := errors.Join(os.WriteFile(filepath.Join(dir, File), database, 0o600), os.WriteFile(filepath.Join(dir, File+"-wal"), bad, 0o600)); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatalf("cut at %d: %v", at, err)
		}
		list, err := s.Series(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(list) > 0 {
			got, err := readEverything(t, s, id)
			if err != nil {
				t.Fatalf("cut at %d: %v", at, err)
			}
			n := len(got.events)
			if n < before || !slices.Equal(got.events, truth.events[:n]) || len(got.entries) != int(got.head.Seq) || !slices.Equal(got.log, truth.log[:len(got.log)]) {
				t.Fatalf("cut at %d: %d events, %d bars, head %d", at, n, len(got.log), got.head.Seq)
			}
			if n > 0 {
				last, err := s.SeqAt(t.Context(), market.MaxTime)
				if err != nil || last != uint64(n) {
					t.Fatalf("cut at %d: the clock stands at event %d of %d, %v", at, last, n, err)
				}
			}
			before = n
			checkSound(t, s)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if before != len(truth.events) {
		t.Fatalf("the whole log gives %d of %d events", before, len(truth.events))
	}
}

func checkSound(t *testing.T, s *Store) {
	t.Helper()
	err := s.CheckStorage(t.Context(), func(f store.Fault) { t.Errorf("%+v", f) })
	if err != nil {
		t.Fatal(err)
	}
}
