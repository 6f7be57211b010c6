package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Databases of every version of the schema are kept in testdata/versions of each store:
// NNNN.SUFFIX, and beside it NNNN.json, an [Earlier]. Of the version that the program
// writes now there is one too; whoever adds a migration makes it by
//
//	go test ./internal/store/sqlite ./internal/store/postgres -run Earlier -args -earlier
//
// which builds the program, lets it replay a short file, and keeps what it stored.
var update = flag.Bool("earlier", false, "write the database of this version into testdata/versions")

// Update reports whether a database is to be written.
func Update() bool { return *update }

// Earlier is what the program that wrote a database said of it.
type Earlier struct {
	Program string                     `json:"program"` // the commit it was built from
	Heads   map[market.SeriesID]string `json:"heads"`   // of each chain: "ENTRIES HASH"
	Bars    map[market.SeriesID]int    `json:"bars"`    // foretick export
	Rejects int                        `json:"rejects"`
}

// Fixtures are the names of the databases in testdata/versions, without suffix. It fails
// the test when one of the versions 1 to newest is missing.
func Fixtures(t *testing.T, suffix string, newest int) (names []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", "versions", "*"+suffix))
	check(t, err)
	have := map[int]bool{}
	for _, p := range paths {
		name := strings.TrimSuffix(filepath.Base(p), suffix)
		n, err := strconv.Atoi(name)
		check(t, err)
		have[n] = true
		names = append(names, name)
	}
	for v := 1; v <= newest; v++ {
		if !have[v] {
			t.Errorf("there is no database of schema version %d in testdata/versions: go test . -run Earlier -args -earlier writes one of the newest version", v)
		}
	}
	return names
}

// ReadEarlier reads testdata/versions/NAME.json.
func ReadEarlier(t *testing.T, name string) (e Earlier) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "versions", name+".json"))
	check(t, err)
	check(t, json.Unmarshal(b, &e))
	return e
}

// recording is what the program replays: bars of a minute, one of them twice, one that
// cannot be.
func recording() []byte {
	var b bytes.Buffer
	fmt.Fprintln(&b, "time,open,high,low,close,volume")
	price := 1600.0
	for i := range 70 {
		open := price
		price += float64((i*7919)%61-30) / 8
		at := time.Date(2024, 3, 4, 15, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Minute)
		fmt.Fprintf(&b, "%s,%g,%g,%g,%g,%d\n", at.Format(time.RFC3339), open, max(open, price)+0.25, min(open, price)-0.25, price, 100+i)
		if i == 40 {
			fmt.Fprintf(&b, "%s,1,0.5,2,1,1\n", at.Add(30*time.Second).Format(time.RFC3339))
		}
	}
	return b.Bytes()
}

// WriteEarlier lets the program replay the recording into a store, which args name, and
// returns what it says of it.
func WriteEarlier(t *testing.T, args ...string) (e Earlier) {
	t.Helper()
	dir := t.TempDir()
	exe := filepath.Join(dir, "foretick")
	out, err := exec.Command("go", "build", "-o", exe, "github.com/foretick/foretick/cmd/foretick").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	file := filepath.Join(dir, "recording.csv")
	check(t, os.WriteFile(file, recording(), 0o600))
	foretick := func(args ...string) string {
		t.Helper()
		var stderr bytes.Buffer
		c := exec.Command(exe, args...)
		c.Stderr = &stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("foretick %v: %v: %s%s", args, err, out, stderr.Bytes())
		}
		return string(out)
	}
	replayAll(t, exe, append([]string{"serve", "--addr", "127.0.0.1:0", "--feed", "replay", "--file", file, "--instrument", "STOCK", "--speed", "max",
		"--rollup", "5m", "--horizons", "1", "--models", "naive", "--log", "error"}, args...))

	e = Earlier{Program: "built from commit " + commit(t), Heads: map[market.SeriesID]string{}, Bars: map[market.SeriesID]int{}, Rejects: 1}
	line := regexp.MustCompile(`(?m)^ok +(\S+) +(\d+) entries, .*head (\w+)$`)
	for _, m := range line.FindAllStringSubmatch(foretick(append([]string{"ledger", "verify"}, args...)...), -1) {
		id := market.SeriesID(m[1])
		e.Heads[id] = m[2] + " " + m[3]
		e.Bars[id] = strings.Count(foretick(append([]string{"export", m[1]}, args...)...), "\n") - 1
	}
	return e
}

// commit names the program's sources.
func commit(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	check(t, err)
	return strings.TrimSpace(string(out)) + " or after it"
}

// replayAll runs the server until its feed has come to its end.
func replayAll(t *testing.T, exe string, args []string) {
	t.Helper()
	c := exec.Command(exe, args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.StdoutPipe()
	check(t, err)
	check(t, c.Start())
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }() // when it has not ended by then
	said := make([]byte, 1000)
	n, err := out.Read(said)
	url := regexp.MustCompile(`http://[^ )]+`).FindString(string(said[:n]))
	if url == "" {
		t.Fatalf("no address in %q: %v: %s", said[:n], err, stderr.Bytes())
	}
	for {
		r, err := http.Get(url + "/v1/feeds")
		check(t, err)
		body, err := io.ReadAll(r.Body)
		check(t, errors.Join(err, r.Body.Close()))
		if bytes.Contains(body, []byte(`"finished"`)) {
			break
		}
		<-time.After(50 * time.Millisecond)
	}
	check(t, c.Process.Signal(syscall.SIGTERM))
	check(t, c.Wait())
}

// KeepEarlier writes the description of a fixture.
func KeepEarlier(t *testing.T, name string, e Earlier) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Join("testdata", "versions"), 0o755))
	b, err := json.MarshalIndent(e, "", "  ")
	check(t, err)
	check(t, os.WriteFile(filepath.Join("testdata", "versions", name+".json"), append(b, '\n'), 0o644))
}

// ExerciseEarlier reads back everything from a store that a program wrote some time ago:
// chains end where the program of that time said, bars agree with the outcomes, every
// score is the one that ledger and naive forecast imply, and writing goes on.
func ExerciseEarlier(t *testing.T, s store.Store, want Earlier) {
	t.Helper()
	check(t, s.CheckStorage(t.Context(), func(f store.Fault) { t.Errorf("%s: %s", f.Where, f.What) }))
	all, err := s.Series(t.Context())
	check(t, err)
	if len(all) != 2 || len(want.Heads) != 2 {
		t.Fatalf("%d series, %d described", len(all), len(want.Heads))
	}
	for _, rec := range all {
		id := rec.ID()
		head, cursor, err := s.Head(t.Context(), id)
		check(t, err)
		if got := fmt.Sprint(head.Seq, " ", head.Hash); got != want.Heads[id] {
			t.Errorf("%s: head %s, want %s", id, got, want.Heads[id])
		}
		bars, err := s.Bars(t.Context(), id, store.Range{})
		check(t, err)
		log, err := s.BarLog(t.Context(), id, 0, 1000)
		check(t, err)
		if len(bars) != want.Bars[id] || len(log) != len(bars) || log[len(log)-1].Seq != cursor.BarSeq {
			t.Errorf("%s: %d bars, %d in the log to %d, cursor %d, want %d", id, len(bars), len(log), log[len(log)-1].Seq, cursor.BarSeq, want.Bars[id])
		}
		earlierScores(t, s, id, head, bars)
	}
	if n, err := s.QuarantineCount(t.Context()); err != nil || n != want.Rejects {
		t.Errorf("%d rejects, %v", n, err)
	}
	last, err := s.LastEvent(t.Context())
	check(t, err)
	if events := eventsOf(t, s, 0); len(events) == 0 || events[len(events)-1].Seq != last || uint64(len(events)) != last {
		t.Errorf("%d events to %d, the last is %d", len(events), events[len(events)-1].Seq, last)
	}
	goOn(t, s, all[0].ID(), last)
}

type pair struct {
	model, version    string
	horizon           int
	target, cutoff    market.Time
	last, point, real float64
}

// earlierScores derives from the ledger what must have been scored.
func earlierScores(t *testing.T, s store.Store, id market.SeriesID, head ledger.Head, bars []market.Bar) {
	t.Helper()
	list, err := s.Entries(t.Context(), id, store.EntryQuery{Times: store.Range{Limit: 10_000}})
	check(t, err)
	var v ledger.Verifier
	open := map[market.Time][]pair{}
	want := map[pair]bool{}
	for i := range list {
		check(t, v.Add(list[i]))
		e, err := ledger.Decode(list[i].Bytes)
		check(t, err)
		switch {
		case e.Issue != nil:
			for _, f := range e.Issue.Forecasts {
				open[f.Target.Start] = append(open[f.Target.Start], pair{f.Model, f.Version, f.Horizon, f.Target.Start, e.Issue.Cutoff, e.Issue.Last, f.Point, 0})
			}
		case e.Outcome != nil:
			for _, p := range open[e.Outcome.Bar.Start] {
				p.real = e.Outcome.Close
				want[p] = true
			}
			if !slices.ContainsFunc(bars, func(b market.Bar) bool {
				return b.Start == e.Outcome.Bar.Start && b.Close == e.Outcome.Close && b.Revision == e.Outcome.Revision
			}) {
				t.Errorf("%s: no bar of outcome %+v", id, e.Outcome)
			}
		}
	}
	if v.Head() != head || len(list) > 100 && len(want) < 40 {
		t.Errorf("%s: the chain ends at %v, its head is %v; %d scores are due", id, v.Head(), head, len(want))
	}
	got := 0
	for _, sc := range scoresOf(t, s, id, store.ScoreQuery{}) {
		got++
		if p := (pair{sc.Model, sc.Version, sc.Horizon, sc.Target, sc.Cutoff, sc.Last, sc.Predicted, sc.Actual}); !want[p] {
			t.Fatalf("%s: score %+v is of no sealed forecast", id, sc)
		}
		if !(sc.CRPS >= 0) || !(sc.Lower <= sc.Upper) {
			t.Fatalf("%s: score %+v", id, sc)
		}
	}
	if got != len(want) {
		t.Errorf("%s: %d scores, want %d", id, got, len(want))
	}
}

// goOn commits a bar and a step to a series that has some.
func goOn(t *testing.T, s store.Store, id market.SeriesID, last uint64) {
	t.Helper()
	bars, err := s.Bars(t.Context(), id, store.Range{Limit: 1, Newest: true})
	check(t, err)
	b := store.BarRecord{Series: id, Bar: bars[0]}
	b.Start, b.End = bars[0].End, bars[0].End+(bars[0].End-bars[0].Start)
	if n := commitBars(t, s, b); n != last+1 {
		t.Errorf("the next bar is event %d, after %d", n, last)
	}
	head, cursor, err := s.Head(t.Context(), id)
	check(t, err)
	c := Chain{ID: id, Mode: ledger.Replay, Head: head}
	e := c.Seal(ledger.Entry{At: b.End + 900, Outcome: &ledger.OutcomeBody{Bar: b.Span(), Close: b.Close}})
	sc := score.Score{Model: "naive", Version: "naive-1", Horizon: 1, Cutoff: b.Start, Target: b.Start, Actual: b.Close}
	cursor.BarSeq = last + 1
	if n := commitStep(t, s, store.Step{Series: id, Entries: []ledger.Sealed{e}, Scores: []score.Score{sc}, Cursor: cursor}); n != last+2 {
		t.Errorf("the next entry is event %d, after %d", n, last+1)
	}
	if got := scoresOf(t, s, id, store.ScoreQuery{From: b.Start}); len(got) != 1 || !sameScore(got[0], sc) {
		t.Errorf("the score reads back as %+v", got)
	}
	check(t, s.CheckStorage(context.WithoutCancel(t.Context()), func(f store.Fault) { t.Errorf("after going on: %s: %s", f.Where, f.What) }))
}
