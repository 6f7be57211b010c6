package transfer_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/internal/store/transfer"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

var stores = map[string]func(*testing.T) store.Store{
	"sqlite": func(t *testing.T) store.Store {
		s, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
		return opened(t, s, err)
	},
	"postgres": func(t *testing.T) store.Store {
		s, err := postgres.Open(t.Context(), pgtest.Open(t), postgres.Options{})
		return opened(t, s, err)
	},
}

func opened(t *testing.T, s store.Store, err error) store.Store {
	t.Helper()
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fill puts some of everything into a store: series whose events alternate, revisions, old
// bars that were deleted, scores that were replaced, texts that are none.
func fill(t *testing.T, s store.Store) {
	t.Helper()
	ctx := t.Context()
	_, err := s.PutActions(ctx, "sim:B", 5, market.Action{Ex: 1000, Kind: market.Split, Ratio: 20, Source: "file"}, market.Action{Ex: 2000, Kind: market.Dividend, Amount: 0.5, Source: "file"})
	check(t, err)
	var ids []market.SeriesID
	chains := map[market.SeriesID]*storetest.Chain{}
	for _, symbol := range []string{"B", "A", "EMPTY"} { // numbers are not in the order of names
		rec := storetest.Series(symbol)
		check(t, s.PutSeries(ctx, rec))
		ids = append(ids, rec.ID())
		chains[rec.ID()] = &storetest.Chain{ID: rec.ID(), Mode: ledger.Live}
	}
	ticks := make([]market.Tick, 1500)
	for i := range ticks {
		ticks[i] = market.Tick{Time: market.Time(i / 4), Price: float64(i%9) / 7, Seq: uint64(i % 2)} // half of them alike and without a number
	}
	_, _, err = s.CommitTicks(ctx, []store.Ticks{{Series: ids[0], Ticks: ticks}, {Series: ids[1], Ticks: ticks[:3]}}, nil)
	check(t, err)
	_, _, err = s.CommitBars(ctx, storetest.Bars(ids[0], -100_000, -97_000))
	check(t, err)
	for i := range 90 {
		for _, id := range ids[:2] {
			_, last, err := s.CommitBars(ctx, storetest.Bars(id, i, i+1))
			check(t, err)
			c := chains[id]
			step := store.Step{Series: id, Cursor: store.Cursor{BarSeq: last, Inputs: ledger.Hash{byte(i)}}, Scores: storetest.Scores(i, 0, 2, 3)}
			if i == 0 {
				step.Entries = append(step.Entries, c.Genesis())
			}
			step.Entries = append(step.Entries, c.Outcome(i, 0), c.Issue(i, 1, 2))
			_, err = s.CommitStep(ctx, step)
			check(t, err)
			if i%30 == 29 { // an earlier bar comes again, otherwise
				_, last, err = s.CommitBars(ctx, []store.BarRecord{storetest.Bar(id, i-3, 1)})
				check(t, err)
				b := storetest.Bar(id, i-3, 1)
				again := c.Seal(ledger.Entry{At: storetest.Bar(id, i, 0).End + 2000, Outcome: &ledger.OutcomeBody{Bar: b.Span(), Revision: 1, Close: b.Close}})
				_, err = s.CommitStep(ctx, store.Step{Series: id, Entries: []ledger.Sealed{again}, Scores: storetest.Scores(i-3, 1, 2, 3), Cursor: store.Cursor{BarSeq: last}})
				check(t, err)
			}
		}
	}
	_, err = s.PutActions(ctx, "sim:A", 6, market.Action{Ex: 1000, Kind: market.Split, Ratio: 0.1, Source: "venue"})
	check(t, err)
	for deleted := 1; deleted > 0; {
		deleted, err = s.DeleteBars(ctx, ids[0], storetest.Bar(ids[0], 0, 0).Start, 1000)
		check(t, err)
	}
	if from, err := s.KeptFrom(ctx, ids[0]); err != nil || from == market.MinTime {
		t.Fatalf("nothing was deleted: %v, %v", from, err)
	}
	for i := range 5 {
		check(t, s.Quarantine(ctx, time.Unix(int64(i), 0), []feed.Reject{{Source: "f.csv", Instrument: "A", Line: i, Raw: "\xff\x00odd", Reason: "not a number"}}))
		check(t, s.PutDocuments(ctx, store.Document{Kind: fmt.Sprint("kind ", i%2), Name: fmt.Sprint(i), At: market.Time(i), Body: []byte{0, byte(i), 255}}))
	}
}

// filledFile is a SQLite database that fill has filled, made once for all tests.
var filledFile struct {
	once sync.Once
	file []byte
}

// filled opens a copy of that database.
func filled(t *testing.T) store.Store {
	t.Helper()
	filledFile.once.Do(func() {
		dir := t.TempDir()
		s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
		check(t, err)
		fill(t, s)
		check(t, s.Close())
		filledFile.file, err = os.ReadFile(filepath.Join(dir, sqlite.File))
		check(t, err)
	})
	if filledFile.file == nil {
		t.Fatal("the database was not made: see the test that failed first")
	}
	dir := t.TempDir()
	check(t, os.WriteFile(filepath.Join(dir, sqlite.File), filledFile.file, 0o600))
	s, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	return opened(t, s, err)
}

// TestCopy copies in every direction and around, and goes on with the copy.
func TestCopy(t *testing.T) {
	t.Parallel()
	for _, way := range [][2]string{{"sqlite", "postgres"}, {"postgres", "sqlite"}, {"sqlite", "sqlite"}} {
		t.Run(way[0]+" to "+way[1], func(t *testing.T) {
			t.Parallel()
			to := stores[way[1]](t)
			var from store.Store
			if way[0] == "sqlite" {
				from = filled(t)
			} else {
				from = stores[way[0]](t)
				fill(t, from)
			}
			parts, done := 0, int64(0)
			n, resumed, err := transfer.Copy(t.Context(), from, to, transfer.Watch{Begin: func(string, int64) { parts++ }, Add: func(k int64) { done += k }})
			check(t, err)
			if resumed || n.Series != 3 || n.Entries != 2*(1+2*90+3) || n.Scores != 2*90*6 || n.Documents != 5 || n.Rejects != 5 || n.Actions != 3 || parts < 5 || done == 0 {
				t.Errorf("resumed %t, %+v, %d parts, %d done", resumed, n, parts, done)
			}
			if from.Epoch() == to.Epoch() {
				t.Error("the copy has the epoch of its source")
			}
			check(t, transfer.Whole(t.Context(), to))
			check(t, to.CheckStorage(t.Context(), func(f store.Fault) { t.Errorf("%+v", f) }))
			goOn(t, from, to)
		})
	}
}

// goOn does the same to both stores; they stay the same.
func goOn(t *testing.T, from, to store.Store) {
	t.Helper()
	ctx := t.Context()
	id := storetest.Series("A").ID()
	var lasts, charts [2]string
	for k, s := range []store.Store{from, to} {
		kept, last, err := s.CommitBars(ctx, append(storetest.Bars(id, 89, 200), storetest.Bar(id, 50, 2)))
		check(t, err)
		head, cursor, err := s.Head(ctx, id)
		check(t, err)
		c := storetest.Chain{ID: id, Mode: ledger.Live, Head: head}
		seq, err := s.CommitStep(ctx, store.Step{Series: id, Entries: []ledger.Sealed{c.Issue(200, 2, 2)}, Cursor: cursor, Scores: storetest.Scores(50, 2, 2, 3)})
		check(t, err)
		revision, err := s.ScoreRevision(ctx, id)
		check(t, err)
		actions, err := s.PutActions(ctx, "sim:A", 9, market.Action{Ex: 5000, Kind: market.Split, Ratio: 3, Source: "venue"})
		check(t, err)
		log, err := s.ActionLog(ctx, 0, 100)
		check(t, err)
		check(t, s.Quarantine(ctx, time.Unix(9, 0), []feed.Reject{{Source: "g.csv", Raw: "x", Reason: "y"}}))
		rejects, err := s.Quarantined(ctx, 0, 1)
		check(t, err)
		lasts[k] = fmt.Sprint(kept, last, seq, revision, actions, log[len(log)-1].Num, rejects[0].Num, c.Head)
		_, bars, err := s.Chart(ctx, storetest.Series("B").ID(), 0, 0, 100)
		check(t, err)
		_, more, err := s.Chart(ctx, id, 0, 0, 10)
		check(t, err)
		charts[k] = fmt.Sprint(bars, more)
	}
	if lasts[0] != lasts[1] {
		t.Errorf("source and copy go on differently:\n%s\n%s", lasts[0], lasts[1])
	}
	if charts[0] != charts[1] || len(charts[0]) < 1000 {
		t.Errorf("charts differ:\n%s\n%s", charts[0], charts[1])
	}
}

// breaking fails at a write.
type breaking struct {
	store.Store
	left int
}

var errBroken = errors.New("broken off")

func (b *breaking) broken() bool { b.left--; return b.left < 0 }

func (b *breaking) Receive(ctx context.Context, x store.Batch) error {
	if b.broken() {
		return errBroken
	}
	return b.Store.Receive(ctx, x)
}

func (b *breaking) CommitStep(ctx context.Context, steps ...store.Step) (uint64, error) {
	if b.broken() {
		return 0, errBroken
	}
	return b.Store.CommitStep(ctx, steps...)
}

func (b *breaking) PutDocuments(ctx context.Context, docs ...store.Document) error {
	if b.broken() {
		return errBroken
	}
	return b.Store.PutDocuments(ctx, docs...)
}

func (b *breaking) DeleteDocument(ctx context.Context, kind, name string) error {
	if b.broken() {
		return errBroken
	}
	return b.Store.DeleteDocument(ctx, kind, name)
}

// TestResume breaks a copy off at each of its writes, opens the target anew, and goes on.
func TestResume(t *testing.T) {
	t.Parallel()
	from := filled(t)
	dir := t.TempDir()
	step, least := 1, 5 // half a write more in each round
	if testdata.Race {
		step, least = 4, 3
	}
	rounds := 0
	for ; ; rounds++ {
		to, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
		check(t, err)
		_, resumed, err := transfer.Copy(t.Context(), from, &breaking{to, 1 + rounds*step/2}, transfer.Watch{})
		if err == nil {
			if !resumed {
				t.Error("it was not resumed")
			}
			check(t, transfer.Whole(t.Context(), to))
			check(t, to.Close())
			break
		}
		if !errors.Is(err, errBroken) || rounds > 200 {
			t.Fatalf("round %d: %v", rounds, err)
		}
		if err := transfer.Whole(t.Context(), to); !errors.Is(err, transfer.ErrUnfinished) {
			t.Fatalf("round %d: %v, want ErrUnfinished", rounds, err)
		}
		check(t, to.Close())
	}
	if rounds < least {
		t.Errorf("%d rounds, want %d or more", rounds, least)
	}
	to, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
	check(t, err)
	defer to.Close()
	goOn(t, from, to)
}

// TestRefused leaves targets alone that hold something else.
func TestRefused(t *testing.T) {
	t.Parallel()
	from := filled(t)
	taken := stores["sqlite"](t)
	check(t, taken.PutSeries(t.Context(), storetest.Series("X")))
	if _, _, err := transfer.Copy(t.Context(), from, taken, transfer.Watch{}); !errors.Is(err, transfer.ErrNotEmpty) {
		t.Errorf("error %v, want ErrNotEmpty", err)
	}
	begun := stores["sqlite"](t)
	if _, _, err := transfer.Copy(t.Context(), from, &breaking{begun, 4}, transfer.Watch{}); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	other := stores["sqlite"](t)
	if _, _, err := transfer.Copy(t.Context(), other, begun, transfer.Watch{}); !errors.Is(err, transfer.ErrNotEmpty) {
		t.Errorf("of another source: %v, want ErrNotEmpty", err)
	}
	_, _, err := from.CommitBars(t.Context(), storetest.Bars(storetest.Series("A").ID(), 300, 301))
	check(t, err)
	if _, _, err := transfer.Copy(t.Context(), from, begun, transfer.Watch{}); !errors.Is(err, transfer.ErrChanged) {
		t.Errorf("of a source that went on: %v, want ErrChanged", err)
	}
}

// altered changes something on its way into the target.
type altered struct {
	store.Store
	alter func(*store.Batch)
}

func (a *altered) Receive(ctx context.Context, b store.Batch) error {
	a.alter(&b)
	return a.Store.Receive(ctx, b)
}

// TestDiffers finds whatever is not the same.
func TestDiffers(t *testing.T) {
	t.Parallel()
	from := filled(t)
	for name, alter := range map[string]func(*store.Batch){
		"a bar": func(b *store.Batch) {
			for i := range b.Events {
				if e := &b.Events[i]; e.Bar != nil && e.Bar.Trades == 70 {
					bar := *e.Bar
					bar.Trades++
					e.Bar = &bar
				}
			}
		},
		"a stamp":            func(b *store.Batch) { b.Stamps = b.Stamps[min(1, len(b.Stamps)):] },
		"an action":          func(b *store.Batch) { b.Actions = b.Actions[:max(0, len(b.Actions)-1)] },
		"a reject":           func(b *store.Batch) { b.Rejects = b.Rejects[:max(0, len(b.Rejects)-1)] },
		"candles":            func(b *store.Batch) { b.Candles = nil },
		"how far they are":   func(b *store.Batch) { drop(b, func(s *store.SeriesState) { s.Roll = nil }) },
		"where the track is": func(b *store.Batch) { drop(b, func(s *store.SeriesState) { s.Cursor.BarSeq++ }) },
		"revisions":          func(b *store.Batch) { drop(b, func(s *store.SeriesState) { s.ScoreRevision++ }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := stores["sqlite"](t)
			if _, _, err := transfer.Copy(t.Context(), from, &altered{to, alter}, transfer.Watch{}); !errors.Is(err, transfer.ErrDiffers) {
				t.Errorf("error %v, want ErrDiffers", err)
			}
			if err := transfer.Whole(t.Context(), to); !errors.Is(err, transfer.ErrUnfinished) {
				t.Errorf("error %v, want ErrUnfinished", err)
			}
		})
	}
}

func drop(b *store.Batch, f func(*store.SeriesState)) {
	if b.State != nil {
		s := *b.State
		f(&s)
		b.State = &s
	}
}
