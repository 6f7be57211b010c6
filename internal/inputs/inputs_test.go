package inputs_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	rawsqlite "zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/inputs"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

const window = 24 // bars that models see

// spy is a model that notes what it sees.
type spy struct {
	naive.Model
	saw map[market.Time][]market.Bar // by cutoff
}

func (*spy) Name() string { return "spy" }

func (s *spy) Fit(context.Context, forecast.Window) (forecast.Fitted, error) { return s, nil }

func (s *spy) Predict(w forecast.Window, _ int) (p forecast.Prediction, err error) {
	var bars []market.Bar
	for i := range w.Len() {
		bars = append(bars, w.Bar(i))
	}
	s.saw[w.Cutoff()] = bars
	return p, nil
}

// follow is one series with its track, over a store in a folder.
type follow struct {
	t     fataler
	dir   string
	store *sqlite.Store
	id    market.SeriesID
	track *track.Track
	spy   *spy
	after uint64
}

type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func newFollow(t testing.TB) *follow {
	t.Helper()
	f := &follow{t: t, dir: t.TempDir()}
	f.open()
	t.Cleanup(func() { f.close() })
	f.begin(t, "AMZN")
	return f
}

// begin starts a series.
func (f *follow) begin(t fataler, symbol string) {
	f.t = t
	rec := storetest.Series(symbol)
	f.id, f.after, f.spy = rec.ID(), 0, &spy{saw: map[market.Time][]market.Bar{}}
	f.must(f.store.PutSeries(context.Background(), rec))
	quick := naive.New()
	quick.Least = 3
	var err error
	f.track, err = track.New(track.Config{Series: rec.Series, Mode: ledger.Live, Horizons: track.UpTo(2), Window: window, Models: []forecast.Forecaster{quick, f.spy}})
	f.must(err)
}

func (f *follow) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *follow) open() {
	s, err := sqlite.Open(context.Background(), f.dir, sqlite.Options{})
	f.must(err)
	f.store = s
}

func (f *follow) close() { f.must(f.store.Close()) }

// bars commits bars.
func (f *follow) bars(recs ...store.BarRecord) {
	f.t.Helper()
	_, _, err := f.store.CommitBars(context.Background(), recs)
	f.must(err)
}

// step takes the track through what was logged, and commits what it did.
func (f *follow) step() {
	f.t.Helper()
	recs, err := f.store.BarLog(context.Background(), f.id, f.after, 1<<20)
	f.must(err)
	if len(recs) == 0 {
		return
	}
	step := store.Step{Series: f.id}
	for _, r := range recs {
		res, err := f.track.Advance(context.Background(), track.Input{Bar: r.Bar, Backfill: r.Backfill, AfterGap: r.AfterGap}, r.End+1000)
		f.must(err)
		step.Entries, step.Scores = append(step.Entries, res.Entries...), append(step.Scores, res.Scores...)
		step.Cursor.BarSeq, f.after = r.Seq, r.Seq
	}
	step.Cursor.Inputs = f.track.Inputs()
	_, err = f.store.CommitStep(context.Background(), step)
	f.must(err)
}

// bar is storetest's, of the series that is followed.
func (f *follow) bar(i, revision int) store.BarRecord { return storetest.Bar(f.id, i, revision) }

// history is n bars from before the feed began.
func (f *follow) history(n int) {
	recs := storetest.Bars(f.id, 0, n)
	for i := range recs {
		recs[i].Backfill = true
	}
	f.bars(recs...)
}

// grow follows bars from to to-1, one step a bar; every fifth is revised in the step after.
func (f *follow) grow(from, to int) {
	f.t.Helper()
	for i := from; i < to; i++ {
		f.bars(f.bar(i, 0))
		f.step()
		if i%5 == 0 {
			f.bars(f.bar(i, 1))
		}
	}
	f.step()
}

// issues are the numbers of the issue entries with their cutoffs.
func (f *follow) issues() (nums []uint64, cutoffs []market.Time) {
	f.t.Helper()
	list, err := f.store.Entries(context.Background(), f.id, store.EntryQuery{Kinds: []ledger.Kind{ledger.Issue}, Times: store.Range{Limit: 1 << 20}})
	f.must(err)
	for _, s := range list {
		e, err := ledger.Decode(s.Bytes)
		f.must(err)
		nums, cutoffs = append(nums, s.Seq), append(cutoffs, e.Issue.Cutoff)
	}
	return nums, cutoffs
}

// tamper changes the database behind the store's back.
func (f *follow) tamper(sql string) {
	f.t.Helper()
	f.close()
	conn, err := rawsqlite.OpenConn(filepath.Join(f.dir, sqlite.File), rawsqlite.OpenReadWrite)
	f.must(err)
	f.must(errors.Join(sqlitex.ExecuteScript(conn, sql, nil), conn.Close()))
	f.open()
}

// chainHolds checks that the chain alone shows nothing.
func (f *follow) chainHolds() {
	f.t.Helper()
	list, err := f.store.Entries(context.Background(), f.id, store.EntryQuery{Times: store.Range{Limit: 1 << 20}})
	f.must(err)
	var v ledger.Verifier
	for _, s := range list {
		f.must(v.Add(s))
	}
	head, _, err := f.store.Head(context.Background(), f.id)
	f.must(err)
	if v.Head() != head {
		f.t.Fatalf("the chain ends at %v, the head is %v", v.Head(), head)
	}
}

func TestInputsAgree(t *testing.T) {
	f := newFollow(t)
	f.history(30)
	f.grow(30, 60)
	f.bars(f.bar(62, 0), f.bar(61, 0), f.bar(40, 7)) // one that came late, and a revision of one that is long past
	f.step()
	nums, cutoffs := f.issues()
	var told []uint64
	r, err := inputs.Verify(t.Context(), f.store, f.id, func(n uint64) { told = append(told, n) })
	if err != nil {
		t.Fatal(err)
	}
	if want := (inputs.Report{Bars: 30 + 30 + 6 + 3, Cutoffs: 31, From: nums[0], Oldest: f.bar(0, 0).Start}); r != want || len(nums) != 31 || !slices.Equal(told, nums) {
		t.Fatalf("%+v, want %+v; told %v of %v", r, want, told, nums)
	}
	for i, n := range nums {
		seen, err := inputs.Window(t.Context(), f.store, f.id, n, window, nil)
		if err != nil || !seen.Proven || !slices.Equal(seen.Bars, f.spy.saw[cutoffs[i]]) {
			t.Fatalf("entry %d: %+v, %v; the model saw %v", n, seen, err, f.spy.saw[cutoffs[i]])
		}
	}
	if _, err := inputs.Window(t.Context(), f.store, f.id, 1, window, nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the window of the first entry: %v", err)
	}
}

// What a model saw can be read back whatever came afterwards: revisions, bars that were late,
// history.
func TestWindowIsWhatTheModelSaw(t *testing.T) {
	f := newFollow(t)
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		f.begin(rt, fmt.Sprintf("R%d", run))
		latest := map[int]int{} // revision of each bar
		next := 0
		for range rapid.IntRange(1, 25).Draw(rt, "commits") {
			var recs []store.BarRecord
			for range rapid.IntRange(1, 3).Draw(rt, "bars") {
				i := next
				switch rapid.IntRange(0, 5).Draw(rt, "kind") {
				case 0:
					i = next + rapid.IntRange(1, 3).Draw(rt, "absent")
				case 1, 2:
					i = rapid.IntRange(max(0, next-window-8), next).Draw(rt, "old bar")
				}
				revision, known := latest[i]
				if known {
					revision++
				}
				latest[i], next = revision, max(next, i+1)
				r := f.bar(i, revision)
				r.Backfill = next < 5 || rapid.IntRange(0, 9).Draw(rt, "history") == 0
				recs = append(recs, r)
			}
			f.bars(recs...)
			if rapid.Bool().Draw(rt, "step") {
				f.step()
			}
		}
		f.step()
		nums, cutoffs := f.issues()
		r, err := inputs.Verify(rt.Context(), f.store, f.id, nil)
		if err != nil || r.Cutoffs != len(nums) {
			rt.Fatalf("%+v of %d, %v", r, len(nums), err)
		}
		for i, n := range nums {
			saw, spied := f.spy.saw[cutoffs[i]]
			if !spied { // naive had too few bars, so nobody was asked
				continue
			}
			seen, err := inputs.Window(rt.Context(), f.store, f.id, n, window, nil)
			if err != nil || !slices.Equal(seen.Bars, saw) {
				rt.Fatalf("entry %d: %v %v\nwant %v", n, err, seen, saw)
			}
		}
	})
}

func TestChangedBarsAreFound(t *testing.T) {
	start := func(i int) market.Time { return storetest.Bar("", i, 0).Start }
	at := func(i int) string { return fmt.Sprintf("WHERE start = %d", start(i)) }
	for _, c := range []struct {
		name, sql string
		cutoff    int // bar at whose end it is found; -1: after the last
		says      string
	}{
		{"a close", "UPDATE bar SET close = 90 " + at(41), 41, "closed at 99.8413"},
		{"a volume", "UPDATE bar SET volume = volume + 1 " + at(42), 42, "revision 0, is not stored as it was consumed"},
		{"a revision that was replaced", "UPDATE bar_revision SET trades = 7 " + at(45), 45, "not stored as it was"},
		{"a revision that replaced", "UPDATE bar SET high = high + 1 " + at(45), 46, "of the 2 bars consumed since the entry before"},
		{"history", "UPDATE bar SET low = low - 1 " + at(3), 30, "of the 31 bars"},
		{"the order of two", "UPDATE bar SET trades = 49 - (trades = 49) " + "WHERE start IN (" + fmt.Sprint(int64(start(48)), ",", int64(start(49))) + ")", 48, "start"},
		{"a bar of the end", "UPDATE bar SET volume = 0.5 " + at(59), 59, "revision 0"},
		{"what came after the last entry", "UPDATE bar SET volume = 0.5 " + at(40), -1, "one is not stored as it was"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFollow(t)
			f.history(30)
			f.grow(30, 60)
			f.bars(f.bar(40, 9))
			f.step()
			f.tamper(c.sql)
			f.chainHolds()
			_, err := inputs.Verify(t.Context(), f.store, f.id, nil)
			var m *inputs.Mismatch
			if !errors.As(err, &m) || m.Series != f.id || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v; want %q", err, c.says)
			}
			nums, cutoffs := f.issues()
			if c.cutoff < 0 {
				if m.Entry != nums[len(nums)-1] || m.Cutoff != 0 {
					t.Fatalf("%v", err)
				}
				return
			}
			i := slices.Index(cutoffs, f.bar(c.cutoff, 0).End)
			if m.Cutoff != cutoffs[i] || m.Entry != nums[i] {
				t.Fatalf("%v; want entry %d", err, nums[i])
			}
			for k, n := range nums { // before it all can be read, from it on nothing
				if k%7 != 0 && k != i {
					continue
				}
				_, err := inputs.Window(t.Context(), f.store, f.id, n, window, nil)
				if errors.As(err, &m) != (k >= i) || k < i && err != nil {
					t.Fatalf("window of entry %d: %v", n, err)
				}
			}
		})
	}
}

// limited is a store whose bars from before a time are gone, or one bar of which is gone.
type limited struct {
	*sqlite.Store
	gone func(*store.BarRecord) bool
	kept market.Time
}

func (l *limited) BarLog(ctx context.Context, id market.SeriesID, after uint64, limit int) ([]store.BarRecord, error) {
	list, err := l.Store.BarLog(ctx, id, after, math.MaxInt32)
	list = slices.DeleteFunc(list, func(r store.BarRecord) bool { return l.gone(&r) })
	return list[:min(limit, len(list))], err
}

func (l *limited) KeptFrom(context.Context, market.SeriesID) (market.Time, error) { return l.kept, nil }

// Where the oldest bars are gone the rest is compared from the first entry from which it can
// be; where one in the middle is, that is found.
func TestBarsThatAreGone(t *testing.T) {
	f := newFollow(t)
	f.history(30)
	f.grow(30, 48)
	f.bars(f.bar(41, 5))
	f.grow(48, 58)
	f.bars(f.bar(33, 5))
	f.grow(58, 60)
	nums, _ := f.issues()
	before := func(i int) func(*store.BarRecord) bool {
		return func(r *store.BarRecord) bool { return r.Start < f.bar(i, 0).Start }
	}
	one := func(i, revision int) func(*store.BarRecord) bool {
		return func(r *store.BarRecord) bool {
			return r.Start == f.bar(i, 0).Start && (revision < 0 || r.Revision == revision)
		}
	}
	for _, c := range []struct {
		name     string
		gone     func(*store.BarRecord) bool
		cut      bool // and the store says so
		unproven int
		from     int    // index of the first that agrees
		says     string // the error; none when it is empty
	}{
		{"none", func(*store.BarRecord) bool { return false }, false, 0, 0, ""},
		{"none of this series", func(*store.BarRecord) bool { return false }, true, 0, 0, ""},
		{"some of the history", before(10), true, 1, 1, ""},
		{"to the middle", before(44), true, 17, 15, ""}, // the revisions of 41 and 33 are gone, too
		{"to a bar that was revised", before(41), true, 12, 12, "deleted with it, and nothing is wrong"},
		{"just before a revision", before(46), true, 19, 17, ""},
		{"all", func(*store.BarRecord) bool { return true }, true, 30, 30, ""},
		{"one of the history, and the store says that it is whole", one(3, -1), false, 0, 0, "one is not stored as it was, or is missing"},
		{"one in the middle", one(44, -1), false, 0, 0, "the bar that ends at its cutoff is not stored"},
		{"one in the middle, of a store that is not whole", one(44, -1), true, 0, 0, "the bar that ends at its cutoff is not stored"},
		{"a revision", one(45, 1), false, 0, 0, "revision 0, is not stored as it was consumed"},
		{"the last", one(59, -1), false, 0, 0, "the bar that ends at its cutoff is not stored"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &limited{f.store, c.gone, market.MinTime}
			if c.cut {
				l.kept = 1
			}
			r, err := inputs.Verify(t.Context(), l, f.id, nil)
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("%v; want %q", err, c.says)
				}
				return
			}
			if err != nil || r.Unproven != c.unproven || r.Cutoffs != 30-c.unproven {
				t.Fatalf("%+v, %v; want %d without proof", r, err, c.unproven)
			}
			if c.from < 30 && r.From != nums[c.from] {
				t.Fatalf("from entry %d; want %d", r.From, nums[c.from])
			}
			for i, n := range nums {
				seen, err := inputs.Window(t.Context(), l, f.id, n, 3, nil)
				switch {
				case i < c.from && (err == nil && seen.Proven || err != nil && !errors.Is(err, store.ErrNotFound)),
					i == c.from && (err != nil || !seen.Proven), i > c.from && err != nil:
					t.Fatalf("window of entry %d: %+v, %v", n, seen, err)
				}
			}
		})
	}
}

// The store itself deletes the bars of a day, with revisions that came the day after.
func TestBarsThatTheStoreDeleted(t *testing.T) {
	f := newFollow(t)
	const midnight = 34_200 // the first bar of the next day
	f.grow(midnight-30, midnight+8)
	f.bars(f.bar(midnight-3, 1))
	f.grow(midnight+8, midnight+30)
	for {
		n, err := f.store.DeleteBars(t.Context(), f.id, f.bar(midnight, 0).Start, 7)
		f.must(err)
		if n == 0 {
			break
		}
	}
	nums, _ := f.issues()
	r, err := inputs.Verify(t.Context(), f.store, f.id, nil)
	// Of the next day the first entry is taken on trust, and the one after the late revision.
	if err != nil || r.Unproven != 32 || r.Cutoffs != 28 || r.From != nums[31] || r.Oldest != f.bar(midnight, 0).Start {
		t.Fatalf("%+v, %v", r, err)
	}
	f.tamper(fmt.Sprintf("UPDATE bar SET low = low - 1 WHERE start = %d", f.bar(midnight+20, 0).Start))
	var m *inputs.Mismatch
	if _, err := inputs.Verify(t.Context(), f.store, f.id, nil); !errors.As(err, &m) || m.Cutoff != f.bar(midnight+20, 0).End && m.Cutoff != f.bar(midnight+21, 0).End {
		t.Fatalf("%v", err)
	}
}

func TestUnknownSeries(t *testing.T) {
	f := newFollow(t)
	if _, err := inputs.Verify(t.Context(), f.store, "sim:NO@1s", nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%v", err)
	}
	if r, err := inputs.Verify(t.Context(), f.store, f.id, nil); err != nil || r != (inputs.Report{}) {
		t.Errorf("an empty series: %+v, %v", r, err)
	}
}

// Splits that were known of when a forecast was made are told, later ones are not.
func TestSplitsOfTheWindow(t *testing.T) {
	f := newFollow(t)
	f.grow(0, 10)
	split := market.Action{Ex: f.bar(5, 0).Start, Kind: market.Split, Ratio: 4, Source: "test"}
	_, err := f.store.PutActions(t.Context(), storetest.Series("AMZN").Instrument.Key(), market.TimeOf(time.Unix(0, 0)), split)
	f.must(err)
	f.grow(10, 12)
	nums, _ := f.issues()
	for i, want := range map[int][]market.Action{9: {}, 10: {split}} {
		seen, err := inputs.Window(t.Context(), f.store, f.id, nums[i], window, nil)
		if err != nil || !slices.Equal(seen.Splits, want) {
			t.Errorf("entry %d: %v, %v; want %v", nums[i], seen.Splits, err, want)
		}
	}
}

// BenchmarkVerify recomputes the inputs of 20,000 cutoffs, each with two models and horizons.
func BenchmarkVerify(b *testing.B) {
	const bars = 20_000
	f := newFollow(b)
	for i := 0; i < bars; i += 2000 {
		f.bars(storetest.Bars(f.id, i, i+2000)...)
		f.step()
	}
	for b.Loop() {
		if r, err := inputs.Verify(b.Context(), f.store, f.id, nil); err != nil || r.Cutoffs != bars {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(bars)*float64(b.N)/b.Elapsed().Seconds(), "cutoffs/s")
}
