//go:build unix

package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("FORETICK_TEST_WRITER"); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv(migrateDir); dir != "" {
		if err := migrateUntilKilled(dir); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv("FORETICK_TEST_LIMITED"); dir != "" {
		if err := writeUntilLimited(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// The writer of the kill test has writers series, each followed by a goroutine that
// commits a bar, then the step that it caused, and prints what was acknowledged:
// "bar SERIES NUMBER" and "step SERIES NUMBER".
const writers = 4

func writeUntilKilled(dir string) error {
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{})
	if err != nil {
		return err
	}
	var out sync.Mutex
	errs := make(chan error, writers)
	for k := range writers {
		go func() { errs <- write(ctx, s, k, &out) }()
	}
	return <-errs
}

func write(ctx context.Context, s *Store, k int, out *sync.Mutex) error {
	rec := storetest.Series(fmt.Sprintf("K%d", k))
	if err := s.PutSeries(ctx, rec); err != nil {
		return err
	}
	head, cursor, err := s.Head(ctx, rec.ID())
	if err != nil {
		return err
	}
	c := storetest.Chain{ID: rec.ID(), Mode: ledger.Live, Head: head}
	say := func(what string, n int) {
		out.Lock()
		defer out.Unlock()
		fmt.Println(what, k, n)
	}
	// A bar may have been committed whose step was not.
	for n := int(cursor.BarSeq); ; n++ {
		if _, _, err := s.CommitBars(ctx, []store.BarRecord{storetest.Bar(rec.ID(), n, 0)}); err != nil {
			return err
		}
		say("bar", n)
		step := store.Step{Series: rec.ID(), Scores: storetest.Scores(n, 0, 3, 5), Cursor: store.Cursor{BarSeq: uint64(n + 1)}}
		if c.Head.Seq == 0 {
			step.Entries = append(step.Entries, c.Genesis())
		}
		step.Entries = append(step.Entries, c.Outcome(n, 0), c.Issue(n, 3, 5))
		if _, err := s.CommitStep(ctx, step); err != nil {
			return err
		}
		say("step", n)
	}
}

// TestKill ends a process that writes as fast as it can with SIGKILL, again and
// again in the same folder. Whatever it was told is kept must be there, whole and
// with a chain that verifies.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acked := map[string]int{} // "bar 2" -> the newest number
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 4 {
		cmd := osexec.Command(os.Args[0], "-test.run=NONE")
		cmd.Env = append(os.Environ(), "FORETICK_TEST_WRITER="+dir)
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(pipe)
		for left := 20 + random.IntN(200); lines.Scan(); left-- {
			if left == 0 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			f := strings.Fields(lines.Text()) // what was printed before it died counts too
			if len(f) != 3 {
				t.Fatalf("round %d: the writer says %q", round, lines.Text())
			}
			n, err := strconv.Atoi(f[2])
			if err != nil {
				t.Fatal(err)
			}
			acked[f[0]+" "+f[1]] = n
		}
		cmd.Wait() // killed
		checkKilled(t, dir, acked)
	}
}

func checkKilled(t *testing.T, dir string, acked map[string]int) {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for k := range writers {
		id := storetest.Series(fmt.Sprintf("K%d", k)).ID()
		bars, err := s.Bars(t.Context(), id, store.Range{Limit: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if n := acked[fmt.Sprint("bar ", k)]; len(bars) <= n {
			t.Fatalf("%s: bar %d was acknowledged, %d are stored", id, n, len(bars))
		}
		for n, b := range bars {
			if b != storetest.Bar(id, n, 0).Bar {
				t.Fatalf("%s: bar %d is %+v", id, n, b)
			}
		}
		log, err := s.BarLog(t.Context(), id, 0, 1<<20)
		if err != nil || len(log) != len(bars) {
			t.Fatalf("%s: %d bars, %d in the log, %v", id, len(bars), len(log), err)
		}
		head, cursor, err := s.Head(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		steps := int(cursor.BarSeq)
		if n, ok := acked[fmt.Sprint("step ", k)]; ok && steps <= n {
			t.Fatalf("%s: step %d was acknowledged, %d are stored", id, n, steps)
		}
		if steps > len(bars) || len(bars) > steps+1 {
			t.Fatalf("%s: %d steps for %d bars", id, steps, len(bars))
		}
		checkChain(t, s, id, head, 2*steps+min(steps, 1))
		n := 0
		err = s.EachScore(t.Context(), id, store.ScoreQuery{}, func(*score.Score) bool { n++; return true })
		if err != nil || n != 15*steps {
			t.Fatalf("%s: %d scores, want %d, %v", id, n, 15*steps, err)
		}
	}
	last, err := s.LastEvent(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	events, err := s.EventsAfter(t.Context(), 0, 1<<30)
	if err != nil || uint64(len(events)) != last {
		t.Fatalf("%d events, the last has number %d, %v", len(events), last, err)
	}
}

func checkChain(t *testing.T, s *Store, id market.SeriesID, head ledger.Head, want int) {
	t.Helper()
	entries, err := s.Entries(t.Context(), id, store.EntryQuery{Times: store.Range{Limit: 1 << 30}})
	if err != nil || len(entries) != want {
		t.Fatalf("%s: %d entries, want %d, %v", id, len(entries), want, err)
	}
	var v ledger.Verifier
	for _, e := range entries {
		if err := v.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if v.Head() != head {
		t.Fatalf("%s: the chain ends at %v, the head is %v", id, v.Head(), head)
	}
}

// TestFullDisk bounds the file so that SQLite refuses to grow it, as it does on a
// full disk: no trace of the refused writes may stay, small ones must go on, and
// with room again everything does.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	const bound = 1 << 19
	s, err := Open(t.Context(), dir, Options{MaxBytes: bound})
	if err != nil {
		t.Fatal(err)
	}
	id := register(t, s, 1)[0]
	c := storetest.Chain{ID: id, Mode: ledger.Live}
	if _, err := s.CommitStep(t.Context(), store.Step{Series: id, Entries: []ledger.Sealed{c.Genesis()}}); err != nil {
		t.Fatal(err)
	}
	kept := c
	full := false
	for n := 0; !full; n++ {
		step := store.Step{Series: id, Entries: []ledger.Sealed{c.Outcome(n, 0), c.Issue(n, 3, 5)}, Scores: storetest.Scores(n, 0, 3, 5), Cursor: store.Cursor{BarSeq: uint64(n + 1)}}
		switch _, err := s.CommitStep(t.Context(), step); {
		case err == nil:
			kept = c
		case errors.Is(err, store.ErrFull):
			full = true
			if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), string(id)) {
				t.Fatalf("%q names neither folder nor series", err)
			}
		default:
			t.Fatal(err)
		}
		if n > 10_000 {
			t.Fatal("the bound has no effect")
		}
	}
	if _, _, err := s.CommitBars(t.Context(), storetest.Bars(id, 0, 6_000)); !errors.Is(err, store.ErrFull) {
		t.Fatalf("error %v, want ErrFull", err)
	}
	check := func(s *Store) {
		t.Helper()
		head, cursor, err := s.Head(t.Context(), id)
		if err != nil || head != kept.Head || cursor.BarSeq != (head.Seq-1)/2 {
			t.Fatalf("head %v, cursor %d, %v; want %v", head, cursor.BarSeq, err, kept.Head)
		}
		checkChain(t, s, id, head, int(head.Seq))
		if bars, err := s.Bars(t.Context(), id, store.Range{}); err != nil || len(bars) != 0 {
			t.Fatalf("%d bars of the refused batch, %v", len(bars), err)
		}
		if last, err := s.LastEvent(t.Context()); err != nil || last != head.Seq {
			t.Fatalf("last event %d, %v; want %d", last, err, head.Seq)
		}
	}
	check(s)
	if err := s.Ping(t.Context()); err != nil { // a page that exists can be written
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(t.Context(), dir, Options{}) // room again
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	check(s)
	if _, _, err := s.CommitBars(t.Context(), storetest.Bars(id, 0, 6_000)); err != nil {
		t.Fatal(err)
	}
}

// TestFullGroup lets small writes wait together with one that is too large: they
// must be kept.
func TestFullGroup(t *testing.T) {
	s, err := Open(t.Context(), t.TempDir(), Options{MaxBytes: 1 << 19})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ids := register(t, s, 5)
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			n := 20
			if i == 2 {
				n = 6_000
			}
			_, _, err := s.CommitBars(t.Context(), storetest.Bars(id, 0, n))
			if (i == 2) != errors.Is(err, store.ErrFull) || i != 2 && err != nil {
				t.Errorf("%s: %v", id, err)
			}
		})
	}
	wg.Wait()
	for i, id := range ids {
		bars, err := s.Bars(t.Context(), id, store.Range{})
		if err != nil || i != 2 && len(bars) != 20 || i == 2 && len(bars) != 0 {
			t.Errorf("%s: %d bars, %v", id, len(bars), err)
		}
	}
}

// TestFileLimit runs writeUntilLimited in a process of its own, since the limit is
// the process's.
func TestFileLimit(t *testing.T) {
	cmd := osexec.Command(os.Args[0], "-test.run=NONE")
	cmd.Env = append(os.Environ(), "FORETICK_TEST_LIMITED="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// writeUntilLimited forbids its own process files of more than 768 kB. The system
// then refuses writes in the middle of a transaction, to the log and to the database
// file. What was acknowledged must stay, and once the limit is gone the same store
// must go on.
func writeUntilLimited(dir string) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	lower := limit
	lower.Cur = 3 << 18
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lower); err != nil {
		return err
	}
	ctx := context.Background()
	s, err := Open(ctx, dir, Options{})
	if err != nil {
		return err
	}
	rec := storetest.Series("L")
	if err := s.PutSeries(ctx, rec); err != nil {
		return err
	}
	kept, refused := 0, 0
	for refused < 3 {
		n, _, err := s.CommitBars(ctx, storetest.Bars(rec.ID(), kept, kept+500))
		switch {
		case err == nil:
			kept += n
		case errors.Is(err, store.ErrFull):
			refused++
		default:
			return fmt.Errorf("with %d bars: %w", kept, err)
		}
		if kept > 1_000_000 {
			return errors.New("the limit has no effect")
		}
	}
	count := func() error {
		bars, err := s.Bars(ctx, rec.ID(), store.Range{Limit: 1 << 30})
		if err != nil || len(bars) != kept || kept == 0 {
			return fmt.Errorf("%d bars were kept, %d are stored, %w", kept, len(bars), err)
		}
		return nil
	}
	if err := count(); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	n, _, err := s.CommitBars(ctx, storetest.Bars(rec.ID(), kept, kept+5_000))
	if err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	kept += n
	if err := count(); err != nil {
		return err
	}
	if err := s.Close(); err != nil {
		return err
	}
	if s, err = Open(ctx, dir, Options{}); err != nil {
		return err
	}
	defer s.Close()
	return count()
}
