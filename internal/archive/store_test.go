package archive_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/archive"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// stores opens each kind of store, empty.
var stores = map[string]func(testing.TB) store.Store{
	"sqlite": func(t testing.TB) store.Store {
		s, err := sqlite.Open(context.Background(), t.TempDir(), sqlite.Options{})
		return closing(t, s, err)
	},
	"postgres": func(t testing.TB) store.Store {
		s, err := postgres.Open(context.Background(), pgtest.Open(t), postgres.Options{})
		return closing(t, s, err)
	},
}

func closing(t testing.TB, s store.Store, err error) store.Store {
	t.Helper()
	check(t, err)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// held is all that a store holds of a series, but the numbers of events.
type held struct {
	Record  store.SeriesRecord
	Log     []store.BarRecord
	Entries []ledger.Sealed
	Head    ledger.Head
	Inputs  ledger.Hash
	Scores  []string // as text: NaN differs from itself
	Ticks   []market.Tick
}

func holds(t fataler, s store.Store, id market.SeriesID) (h held) {
	t.Helper()
	ctx := context.Background()
	all, err := s.Series(ctx)
	check(t, err)
	for _, r := range all {
		if r.ID() == id {
			h.Record = r
		}
	}
	h.Log, err = s.BarLog(ctx, id, 0, 1<<20)
	check(t, err)
	for i := range h.Log {
		h.Log[i].Seq = 0
	}
	h.Entries, err = s.Entries(ctx, id, store.EntryQuery{Times: store.Range{Limit: 1 << 20}})
	check(t, err)
	var cursor store.Cursor
	h.Head, cursor, err = s.Head(ctx, id)
	check(t, err)
	h.Inputs = cursor.Inputs
	check(t, s.EachScore(ctx, id, store.ScoreQuery{}, func(sc *score.Score) bool {
		line := fmt.Sprintf("%+v", *sc)
		for _, v := range []float64{sc.Last, sc.Predicted, sc.Actual, sc.CRPS, sc.NaiveCRPS, sc.GainLow, sc.PIT} {
			line += fmt.Sprintf(" %x", math.Float64bits(v))
		}
		h.Scores = append(h.Scores, line)
		return true
	}))
	check(t, s.EachTick(ctx, id, 0, 0, func(x market.Tick) bool { h.Ticks = append(h.Ticks, x); return true }))
	return h
}

// fill puts bars with revisions, a chain and scores into a new series of s.
func fill(t fataler, s store.Store, symbol string, bars []store.BarRecord, steps int) market.SeriesID {
	t.Helper()
	ctx := context.Background()
	rec := storetest.Series(symbol)
	check(t, s.PutSeries(ctx, rec))
	id := rec.ID()
	for i := range bars {
		bars[i].Series = id
	}
	if len(bars) == 0 {
		return id
	}
	var ticks []market.Tick
	for i := range bars {
		b := &bars[i]
		ticks = append(ticks, market.Tick{Time: b.Start, Price: b.Open, Size: b.Volume}, market.Tick{Time: b.Start, Price: b.Close}, market.Tick{Time: b.Start, Price: b.Close, Seq: uint64(i + 1)})
	}
	_, last, err := s.CommitTicks(ctx, []store.Ticks{{Series: id, Ticks: ticks}}, bars)
	check(t, err)
	var inputs ledger.Hash
	log, err := s.BarLog(ctx, id, 0, 1<<20)
	check(t, err)
	for i := range log {
		inputs = ledger.DigestBar(inputs, &log[i].Bar)
	}
	if steps == 0 {
		return id
	}
	chain := storetest.Chain{ID: id, Mode: ledger.Live}
	step := store.Step{Series: id, Cursor: store.Cursor{BarSeq: last, Inputs: inputs}, Entries: []ledger.Sealed{chain.Genesis()}}
	for i := range steps {
		step.Entries = append(step.Entries, chain.Issue(i, 3, 2), chain.Outcome(i+1, 0))
		step.Scores = append(step.Scores, storetest.Scores(i+1, 0, 3, 2)...)
	}
	void := chain.Seal(ledger.Entry{At: log[0].Start.Add(1e15), Void: &ledger.VoidBody{Targets: []market.Time{1, 2, 3}, Reason: "gap, \"quoted\"\nlines"}})
	gap := chain.Seal(ledger.Entry{At: log[0].Start.Add(1e15), Gap: &ledger.GapBody{Span: market.Span{Start: 5, End: 9}, Bars: 4, Missed: 2, Reason: "down"}})
	step.Entries = append(step.Entries, void, gap)
	_, err = s.CommitStep(ctx, step)
	check(t, err)
	return id
}

// revised are bars of which some are revised and one comes late.
func revised(n int) (list []store.BarRecord) {
	for i := range n {
		if i == 3 {
			continue
		}
		b := storetest.Bar("", i, 0)
		b.Backfill, b.AfterGap = i < 4, i == 5
		list = append(list, b)
		if i%4 == 2 {
			list = append(list, storetest.Bar("", i, 1), storetest.Bar("", i-1, 2))
		}
	}
	return append(list, storetest.Bar("", 3, 0))
}

// copyAll exports every table of a series from one store and imports it into another.
func copyAll(t fataler, from, to store.Store, rec store.SeriesRecord, f archive.Format) {
	t.Helper()
	e := archive.Export{Store: from, Format: f, CreatedBy: "test"}
	im := archive.Import{Store: to}
	for _, k := range archive.Kinds {
		var out bytes.Buffer
		entry, err := e.Write(context.Background(), &out, rec, k)
		check(t, err)
		if entry.Rows == 0 {
			continue
		}
		in, err := open(out.Bytes(), f, &entry.Meta)
		check(t, err)
		for again := range 2 { // importing again changes nothing
			done, err := im.File(context.Background(), in)
			check(t, err)
			if len(done.Notes) > 0 || again > 0 && done.Kept > 0 || again == 0 && done.Known > 0 {
				t.Fatalf("%s, import %d: %+v", k, again+1, done)
			}
		}
	}
}

// TestStores takes all that one store holds to another of either kind, in each format: they then
// hold the same.
func TestStores(t *testing.T) {
	t.Parallel()
	for _, pair := range [][2]string{{"sqlite", "postgres"}, {"postgres", "sqlite"}} {
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
			from, to := stores[pair[0]](t), stores[pair[1]](t)
			for _, f := range formats {
				id := fill(t, from, strings.ToUpper(string(f)), revised(40), 12)
				want := holds(t, from, id)
				copyAll(t, from, to, want.Record, f)
				if got := holds(t, to, id); !reflect.DeepEqual(got, want) {
					t.Errorf("%s: %+v, want %+v", f, got, want)
				}
			}
		})
	}
}

// TestStoreProperty does it with bars of any values.
func TestStoreProperty(t *testing.T) {
	t.Parallel()
	from, to := stores["sqlite"](t), stores["sqlite"](t)
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		var bars []store.BarRecord
		at := market.Time(times.Draw(t, "start") / 2)
		for range rapid.IntRange(1, 12).Draw(t, "bars") {
			v := floats(false).Draw(t, "price")
			b := store.BarRecord{Backfill: rapid.Bool().Draw(t, "backfill"), AfterGap: rapid.Bool().Draw(t, "gap"),
				Bar: market.Bar{Start: at, End: at + 1 + market.Time(rapid.IntRange(0, 1e6).Draw(t, "length")), Open: v, High: v, Low: v, Close: v, Volume: math.Abs(v), Trades: rapid.Int64Min(0).Draw(t, "trades")}}
			bars = append(bars, b)
			if rapid.Bool().Draw(t, "revised") {
				b.Revision = rapid.IntRange(1, math.MaxInt32).Draw(t, "revision")
				bars = append(bars, b)
			}
			at = b.End
		}
		rec := storetest.Series(fmt.Sprintf("P%d", n))
		rec.Instrument.AllowNonPositive = true
		id := fill(t, from, rec.Instrument.Symbol, bars, 0)
		check(t, from.PutSeries(context.Background(), rec))
		want := holds(t, from, id)
		copyAll(t, from, to, rec, rapid.SampledFrom(formats).Draw(t, "format"))
		if got := holds(t, to, id); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v, want %+v", got, want)
		}
	})
}

// TestRanges exports parts.
func TestRanges(t *testing.T) {
	t.Parallel()
	s := stores["sqlite"](t)
	id := fill(t, s, "A", revised(40), 12)
	rec := holds(t, s, id).Record
	count := func(e archive.Export, k archive.Kind) int64 {
		e.Store, e.Format = s, archive.JSONL
		entry, err := e.Write(t.Context(), &bytes.Buffer{}, rec, k)
		check(t, err)
		return entry.Rows
	}
	at := func(i int) market.Time { return storetest.Bar(id, i, 0).Start }
	for _, c := range []struct {
		what string
		e    archive.Export
		k    archive.Kind
		want int64
	}{
		{"all revisions", archive.Export{}, archive.Bars, 60},
		{"the latest", archive.Export{Latest: true}, archive.Bars, 40},
		{"some bars", archive.Export{From: at(10), To: at(20)}, archive.Bars, 15},
		{"the latest of some", archive.Export{From: at(10), To: at(20), Latest: true}, archive.Bars, 10},
		{"entries", archive.Export{}, archive.Ledger, 27},
		{"some entries", archive.Export{From: at(2), To: at(4)}, archive.Ledger, 4},
		{"some ticks", archive.Export{From: at(4), To: at(6)}, archive.Ticks, 9},
		{"some scores", archive.Export{From: at(2), To: at(4)}, archive.Scores, 12},
	} {
		if got := count(c.e, c.k); got != c.want {
			t.Errorf("%s: %d rows, want %d", c.what, got, c.want)
		}
	}
}

// TestFolder writes a folder with its manifest and reads it back from the disk.
func TestFolder(t *testing.T) {
	t.Parallel()
	s := stores["sqlite"](t)
	fill(t, s, "A/B", revised(10), 3)
	fill(t, s, "A_B", revised(10), 0) // wants the same name
	fill(t, s, "EMPTY", nil, 0)
	series, err := s.Series(t.Context())
	check(t, err)
	dir := filepath.Join(t.TempDir(), "out")
	e := archive.Export{Store: s, Format: archive.CSV, CreatedBy: "test"}
	for range 2 { // over what is there
		check(t, e.ToFolder(t.Context(), dir, series, []archive.Kind{archive.Bars, archive.Ledger}, nil))
	}
	files, err := archive.Find(dir)
	check(t, err)
	names := ""
	for _, f := range files {
		check(t, f.Verify())
		names += " " + f.Entry.Name
	}
	if names != " sim_A_B@1s.bars.csv sim_A_B@1s.ledger.csv 2-sim_A_B@1s.bars.csv" {
		t.Errorf("files%s", names)
	}
	left, err := os.ReadDir(dir)
	check(t, err)
	if len(left) != 4 {
		t.Errorf("the folder holds %v", left)
	}
	one, err := archive.Find(files[1].Path)
	check(t, err)
	if len(one) != 1 || one[0].Entry == nil || one[0].Entry.Kind != archive.Ledger || one[0].Entry.Entries != 9 {
		t.Errorf("a file of a folder is found as %+v", one)
	}
	b, err := os.ReadFile(files[0].Path)
	check(t, err)
	check(t, os.WriteFile(files[0].Path, bytes.Replace(b, []byte("false"), []byte("true"), 1), 0o644))
	if err := files[0].Verify(); !errors.Is(err, archive.ErrFormat) {
		t.Errorf("a file that was changed: %v", err)
	}

	alone := filepath.Join(dir, "alone.jsonl")
	e.Format = archive.JSONL
	entry, err := e.ToFile(t.Context(), alone, series[0], archive.Bars)
	check(t, err)
	one, err = archive.Find(alone)
	check(t, err)
	if len(one) != 1 || !reflect.DeepEqual(one[0].Entry, entry) {
		t.Errorf("a file with its own manifest is found as %+v", one)
	}
	if _, err := archive.Find(t.TempDir()); !errors.Is(err, archive.ErrFormat) {
		t.Errorf("a folder without a manifest: %v", err)
	}
}

// A failure leaves no half of a file, and what was there.
func TestWriteFileIsWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	check(t, os.WriteFile(path, []byte("old"), 0o600))
	s := stores["sqlite"](t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := archive.Export{Store: s, Format: archive.CSV}
	if _, err := e.ToFile(ctx, path, storetest.Series("A"), archive.Bars); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	b, err := os.ReadFile(path)
	check(t, err)
	left, err := os.ReadDir(dir)
	check(t, err)
	if string(b) != "old" || len(left) != 1 {
		t.Errorf("%q and %v are left", b, left)
	}
}

// TestRefusals imports what a store must not take.
func TestRefusals(t *testing.T) {
	t.Parallel()
	from := stores["sqlite"](t)
	id := fill(t, from, "A", revised(20), 6)
	rec := holds(t, from, id).Record
	file := func(k archive.Kind, change func(*archive.Export)) *archive.Input {
		e := archive.Export{Store: from, Format: archive.Parquet, CreatedBy: "test"}
		if change != nil {
			change(&e)
		}
		var out bytes.Buffer
		_, err := e.Write(t.Context(), &out, rec, k)
		check(t, err)
		in, err := open(out.Bytes(), archive.Parquet, nil)
		check(t, err)
		return in
	}
	bars, chain, scores := file(archive.Bars, nil), file(archive.Ledger, nil), file(archive.Scores, nil)
	late := file(archive.Ledger, func(e *archive.Export) { e.From = storetest.Bar(id, 2, 0).Start })
	early := file(archive.Ledger, func(e *archive.Export) { e.To = storetest.Bar(id, 4, 0).Start })

	to := stores["sqlite"](t)
	im := archive.Import{Store: to}
	refuse := func(what string, in *archive.Input, want error, say string) {
		t.Helper()
		before := held{}
		if all, _ := to.Series(t.Context()); len(all) > 0 {
			before = holds(t, to, id)
		}
		_, err := im.File(t.Context(), in)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want %v with %q", what, err, want, say)
		}
		if after := holds(t, to, id); before.Record.Source != "" && !reflect.DeepEqual(after, before) {
			t.Errorf("%s: the store has changed", what)
		}
	}
	refuse("a ledger without its bars", chain, archive.ErrRefused, "import its bars first")
	_, err := im.File(t.Context(), bars)
	check(t, err)
	refuse("scores without their ledger", scores, archive.ErrRefused, "import the ledger of that chain first")
	refuse("the end of a chain", late, archive.ErrFormat, "does not hold")
	refuse("the beginning of a chain", early, archive.ErrRefused, "only a whole chain")
	_, err = im.File(t.Context(), chain)
	check(t, err)
	_, err = im.File(t.Context(), scores)
	check(t, err)

	// Another chain of the same series, and the same series of another instrument.
	elsewhere := stores["sqlite"](t)
	fill(t, elsewhere, "A", revised(20), 7)
	from = elsewhere
	refuse("another chain", file(archive.Ledger, nil), archive.ErrRefused, "what is sealed is not altered")
	rec.Instrument.PriceScale = 5
	check(t, elsewhere.PutSeries(t.Context(), rec))
	refuse("another instrument", file(archive.Bars, nil), archive.ErrRefused, "describes")

	// Bars that differ where the stored ones are of the same revision.
	rec.Instrument.PriceScale = 2
	third := stores["sqlite"](t)
	other := revised(20)
	other[0].Volume++
	fill(t, third, "A", other, 0)
	from = third
	refuse("other bars", file(archive.Bars, nil), store.ErrConflict, "revision 0")
}

// An import of a ledger that was broken off goes on where it stopped.
func TestBrokenOff(t *testing.T) {
	t.Parallel()
	from, to := stores["sqlite"](t), stores["sqlite"](t)
	id := fill(t, from, "A", revised(20), 6)
	want := holds(t, from, id)
	e := archive.Export{Store: from, Format: archive.Parquet, CreatedBy: "test"}
	im := archive.Import{Store: to}
	var bars, chain bytes.Buffer
	_, err := e.Write(t.Context(), &bars, want.Record, archive.Bars)
	check(t, err)
	_, err = e.Write(t.Context(), &chain, want.Record, archive.Ledger)
	check(t, err)
	in, err := open(bars.Bytes(), archive.Parquet, nil)
	check(t, err)
	_, err = im.File(t.Context(), in)
	check(t, err)
	_, err = to.CommitStep(t.Context(), store.Step{Series: id, Entries: want.Entries[:5]})
	check(t, err)
	in, err = open(chain.Bytes(), archive.Parquet, nil)
	check(t, err)
	done, err := im.File(t.Context(), in)
	check(t, err)
	if got := holds(t, to, id); done.Kept != int64(len(want.Entries)-5) || !reflect.DeepEqual(got.Entries, want.Entries) || got.Inputs != want.Inputs {
		t.Errorf("%+v: %+v", done, got)
	}
}

// Bars that are not those of the forecasts are told of.
func TestInputsAreChecked(t *testing.T) {
	t.Parallel()
	from, to := stores["sqlite"](t), stores["sqlite"](t)
	id := fill(t, from, "A", revised(20), 2)
	rec := holds(t, from, id).Record
	im := archive.Import{Store: to}
	e := archive.Export{Store: from, Format: archive.Parquet, CreatedBy: "test", Latest: true}
	for _, k := range []archive.Kind{archive.Bars, archive.Ledger} {
		var out bytes.Buffer
		_, err := e.Write(t.Context(), &out, rec, k)
		check(t, err)
		in, err := open(out.Bytes(), archive.Parquet, nil)
		check(t, err)
		done, err := im.File(t.Context(), in)
		check(t, err)
		if (len(done.Notes) == 1) != (k == archive.Ledger) {
			t.Errorf("%s: notes %q", k, done.Notes)
		}
	}
}

// TestReplayOfTicks builds bars from ticks that were exported as CSV and read as a recorded file: they
// are the bars that were built from the ticks when they came.
func TestReplayOfTicks(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	start := storetest.Bar("", 0, 0).Start
	var came []market.Tick
	for i := range 2000 {
		at := start.Add(time.Duration(i/3) * 70 * time.Millisecond) // three at a time
		came = append(came, market.Tick{Time: at, Price: 100 + r.NormFloat64(), Size: r.Float64(), Seq: uint64(i + 1)})
		if n := len(came); r.IntN(4) == 0 && n > 2 {
			came[n-1], came[n-2] = came[n-2], came[n-1] // and not always in order
		}
	}
	build := func(ticks []market.Tick) []market.Bar {
		b := market.NewBuilder(market.Second, market.BuildOptions{})
		list, refused := b.Add(ticks, nil, nil)
		list = b.Advance(market.MaxTime, list)
		if len(refused) > 0 {
			t.Fatalf("refused %v", refused)
		}
		newest := map[market.Time]market.Bar{}
		for _, bar := range list {
			bar.Revision = 0 // late ones come in time when they are sorted
			newest[bar.Start] = bar
		}
		return slices.SortedFunc(maps.Values(newest), func(a, b market.Bar) int { return cmp.Compare(a.Start, b.Start) })
	}
	for name, openStore := range stores {
		s := openStore(t)
		rec := storetest.Series("A")
		check(t, s.PutSeries(t.Context(), rec))
		_, _, err := s.CommitTicks(t.Context(), []store.Ticks{{Series: rec.ID(), Ticks: came}}, nil)
		check(t, err)
		path := filepath.Join(t.TempDir(), "A.csv")
		e := archive.Export{Store: s, Format: archive.CSV, CreatedBy: "test"}
		_, err = e.ToFile(t.Context(), path, rec, archive.Ticks)
		check(t, err)
		f, err := csv.Read(t.Context(), path, csv.Options{Interval: market.Second})
		check(t, err)
		if got, want := build(f.Ticks), build(came); f.Refused > 0 || len(want) < 40 || !slices.Equal(got, want) {
			t.Errorf("%s: %d bars from the file, %d from what came, or they differ; %d rows refused", name, len(got), len(want), f.Refused)
		}
	}
}
