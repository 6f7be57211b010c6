package storetest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

const day = market.Time(24 * time.Hour / time.Microsecond)

var chartCases = []testCase{
	{"a chart of an unknown series", func(t *testing.T, s store.Store) {
		_, _, err := s.Chart(t.Context(), "sim:NO@1s", 0, 0, 100)
		wantError(t, err, store.ErrNotFound)
		_, err = s.KeptFrom(t.Context(), "sim:NO@1s")
		wantError(t, err, store.ErrNotFound)
		_, err = s.DeleteBars(t.Context(), "sim:NO@1s", start0, 10)
		wantError(t, err, store.ErrNotFound)
		_, err = s.RollUp(t.Context(), "sim:NO@1s", 10)
		wantError(t, err, store.ErrNotFound)
	}},
	{"a chart of a series without bars", func(t *testing.T, s store.Store) {
		i, bars, err := s.Chart(t.Context(), register(t, s, "A")[0], 0, 0, 100)
		check(t, err)
		equal(t, "interval", i, market.Second)
		equal(t, "bars", len(bars), 0)
	}},
	{"zooming out", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		commitBars(t, s, Bars(id, 0, 8000)...)
		for _, c := range []struct {
			most  int
			want  string
			count int
		}{{8000, "1s", 8000}, {7999, "1m", 134}, {133, "5m", 27}, {26, "15m", 9}, {8, "1h", 3}, {2, "1d", 1}} {
			i, bars, err := s.Chart(t.Context(), id, 0, 0, c.most)
			check(t, err)
			if i.String() != c.want || len(bars) != c.count {
				t.Fatalf("at most %d: %d candles of %s, want %d of %s", c.most, len(bars), i, c.count, c.want)
			}
		}
		i, bars, err := s.Chart(t.Context(), id, start0+90*second, start0+4000*second, 100)
		check(t, err)
		if i != market.Minute || bars[0].Start != start0+60*second || len(bars) != 66 {
			t.Fatalf("%d candles of %s from %s, want 66 of 1m from the minute in which the range begins", len(bars), i, bars[0].Start)
		}
	}},
	{"days are never deleted", func(t *testing.T, s store.Store) {
		rec := Series("D")
		rec.Interval = market.Day
		check(t, s.PutSeries(t.Context(), rec))
		var recs []store.BarRecord
		for i := range 50 {
			b := Bar(rec.ID(), i, 0)
			b.Start = market.Time(i) * day
			b.End = b.Start + day
			recs = append(recs, b)
		}
		commitBars(t, s, recs...)
		n, err := s.DeleteBars(t.Context(), rec.ID(), market.MaxTime, 100)
		check(t, err)
		equal(t, "deleted", n, 0)
		i, bars, err := s.Chart(t.Context(), rec.ID(), 0, 0, 20)
		check(t, err)
		if i.String() != "1w" || len(bars) != 8 {
			t.Fatalf("%d candles of %s, want 8 of 1w", len(bars), i)
		}
	}},
	{"deleted bars are gone from log and events, and do not come back", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A", "B")
		at := func(i int) store.BarRecord { // one an hour, so that there are days
			b := Bar(ids[0], i, 0)
			b.Start = start0 + market.Time(i)*3600*second
			b.End = b.Start + second
			return b
		}
		var recs []store.BarRecord
		for i := range 200 {
			recs = append(recs, at(i), Bar(ids[1], i, 0))
		}
		last := commitBars(t, s, recs...)
		revised := at(3)
		revised.Revision, revised.Close = 1, revised.High
		last = max(last, commitBars(t, s, revised))
		before, whole, err := s.Chart(t.Context(), ids[0], 0, 0, 199)
		check(t, err)

		cut := market.Day.Floor(start0 + 4*day)
		gone := int((cut - start0 + 3600*second - 1) / (3600 * second))
		for deleted := 0; ; {
			n, err := s.DeleteBars(t.Context(), ids[0], start0+4*day, 7)
			check(t, err)
			if deleted += n; n == 0 {
				equal(t, "deleted", deleted, gone)
				break
			}
		}
		kept, err := s.KeptFrom(t.Context(), ids[0])
		check(t, err)
		equal(t, "kept from", kept, cut)
		kept, err = s.KeptFrom(t.Context(), ids[1])
		check(t, err)
		equal(t, "kept from of another series", kept, market.MinTime)

		i, again, err := s.Chart(t.Context(), ids[0], 0, start0+200*3600*second, 199)
		check(t, err)
		equal(t, "interval", i, before)
		equal(t, "chart", again, whole)

		n, _, err := s.CommitBars(t.Context(), []store.BarRecord{at(0), revised, at(200)})
		check(t, err)
		equal(t, "kept of old bars and a new one", n, 1)
		bars, err := s.Bars(t.Context(), ids[0], store.Range{})
		check(t, err)
		equal(t, "bars", len(bars), 201-gone)
		log, err := s.BarLog(t.Context(), ids[0], 0, 1000)
		check(t, err)
		equal(t, "log", len(log), 201-gone)
		all, err := s.BarLog(t.Context(), "", 0, 1000)
		check(t, err)
		equal(t, "log of all series", len(all), 401-gone)
		equal(t, "events", len(eventsOf(t, s, 0)), 401-gone)
		first, err := s.FirstEvent(t.Context())
		check(t, err)
		equal(t, "first event from which all are kept", first, last+1) // the revision was the last
		i, _, err = s.Chart(t.Context(), ids[0], start0+day, start0+2*day, 5000)
		check(t, err)
		equal(t, "interval where bars were deleted", i, market.Minute)
		i, _, err = s.Chart(t.Context(), ids[0], cut, start0+9*day, 5000)
		check(t, err)
		equal(t, "interval where bars are kept", i, market.Second)
		check(t, s.CheckStorage(t.Context(), func(f store.Fault) { t.Errorf("%+v", f) }))
	}},
}

// exerciseCharts commits, revises, inserts and deletes bars at random and compares
// charts with rolling up from scratch what was ever committed.
func exerciseCharts(t *testing.T, s store.Store) {
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		rec := Series(fmt.Sprintf("C%d", run))
		rec.Interval = market.MustInterval(rapid.SampledFrom([]string{"1s", "1s", "20s", "1m", "10m", "1h", "8h", "1d", "1w"}).Draw(t, "interval"))
		check(t, s.PutSeries(context.Background(), rec))
		c := charted{s: s, rec: rec, kept: market.MinTime, base: market.Day.Floor(start0)}
		for range rapid.IntRange(1, 8).Draw(t, "rounds") {
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				c.delete(t)
			default:
				c.commit(t)
			}
			c.compare(t)
		}
	})
}

type charted struct {
	s    store.Store
	rec  store.SeriesRecord
	base market.Time
	kept market.Time
	ever []market.Bar // the newest revisions of all that was taken, by start
}

func (c *charted) commit(t *rapid.T) {
	var recs []store.BarRecord
	want := 0
	put := func(n int64) {
		b := market.Bar{Start: c.base + market.Time(n)*market.Time(c.rec.Interval.Duration()/time.Microsecond)}
		if c.rec.Interval.Duration() > 24*time.Hour {
			b.Start = c.rec.Interval.Floor(b.Start)
		}
		b.End = c.rec.Interval.End(b.Start)
		b.Open, b.Close = rapid.Float64Range(90, 110).Draw(t, "open"), rapid.Float64Range(90, 110).Draw(t, "close")
		b.High, b.Low = max(b.Open, b.Close)+0.3, min(b.Open, b.Close)-0.3
		b.Volume, b.Trades = rapid.Float64Range(0, 9).Draw(t, "volume"), n
		at, found := slices.BinarySearchFunc(c.ever, b.Start, func(b market.Bar, t market.Time) int { return cmp.Compare(b.Start, t) })
		if found {
			b.Revision = c.ever[at].Revision + 1
		}
		recs = append(recs, store.BarRecord{Series: c.rec.ID(), Bar: b})
		switch {
		case b.Start < c.kept:
			return // is skipped
		case found:
			c.ever[at] = b
		default:
			c.ever = slices.Insert(c.ever, at, b)
		}
		want++
	}
	perDay := max(int64(24*time.Hour/c.rec.Interval.Duration()), 1)
	if rapid.Bool().Draw(t, "in order") {
		// From some place on, as a feed or a backfill goes.
		n := rapid.Int64Range(0, 4*perDay).Draw(t, "from")
		step := rapid.SampledFrom([]int64{1, 1, 3, 70}).Draw(t, "step")
		for range rapid.IntRange(1, 150).Draw(t, "bars") {
			put(n)
			n += step
		}
	} else {
		for range rapid.IntRange(1, 20).Draw(t, "bars") {
			near := rapid.Int64Range(0, 4).Draw(t, "day") * perDay
			put(max(near+rapid.Int64Range(-3, 30).Draw(t, "bar"), 0))
		}
	}
	n, _, err := c.s.CommitBars(context.Background(), recs)
	check(t, err)
	if n != want {
		t.Fatalf("%d bars were kept, want %d", n, want)
	}
}

func (c *charted) delete(t *rapid.T) {
	before := c.base + rapid.SampledFrom([]market.Time{0, 1, 2, 3, 9}).Draw(t, "before")*day
	if len(c.ever) > 0 && c.rec.Interval.Duration() < 24*time.Hour {
		c.kept = max(c.kept, market.Day.Floor(min(before, c.ever[len(c.ever)-1].Start)))
	}
	for more := true; more; {
		n, err := c.s.DeleteBars(context.Background(), c.rec.ID(), before, rapid.IntRange(1, 300).Draw(t, "limit"))
		check(t, err)
		more = n > 0 && rapid.IntRange(0, 9).Draw(t, "stop half-way") > 0
	}
}

// views are all ways to draw what was ever committed, finest first.
func (c *charted) views() (intervals []market.Interval, candles [][]market.Bar) {
	intervals, candles = append(intervals, c.rec.Interval), append(candles, c.ever)
	for _, name := range []string{"1m", "5m", "15m", "1h", "1d"} {
		if i := market.MustInterval(name); i.Nests(c.rec.Interval) {
			intervals, candles = append(intervals, i), append(candles, foldAll(i, candles[len(candles)-1]))
		}
	}
	days := candles[len(candles)-1]
	for _, name := range []string{"1w", "1mo"} {
		if i := market.MustInterval(name); i.Nests(intervals[0]) {
			intervals, candles = append(intervals, i), append(candles, foldAll(i, days))
		}
	}
	return intervals, candles
}

func foldAll(i market.Interval, bars []market.Bar) (out []market.Bar) {
	for from := 0; from < len(bars); {
		to := from
		for to < len(bars) && i.Floor(bars[to].Start) == i.Floor(bars[from].Start) {
			to++
		}
		b, _ := market.Fold(i, bars[from:to])
		out = append(out, b)
		from = to
	}
	return out
}

func (c *charted) compare(t *rapid.T) {
	intervals, candles := c.views()
	for _, most := range rapid.SliceOfN(rapid.SampledFrom([]int{1, 3, 10, 40, 160, 1 << 20}), 2, 2).Draw(t, "most") {
		from, to := market.MinTime, market.MaxTime
		var ask [2]market.Time // zero: no bound
		if most%2 == 0 {
			from = c.base + market.Time(rapid.Int64Range(-1, int64(4*day)).Draw(t, "from"))
			to = from + 1 + market.Time(rapid.Int64Range(0, int64(4*day)).Draw(t, "long"))
			ask = [2]market.Time{from, to}
		}
		want := 0
		var list []market.Bar
		for k, i := range intervals {
			first := from
			if k > 0 {
				first = i.Floor(from)
			}
			list = slices.DeleteFunc(slices.Clone(candles[k]), func(b market.Bar) bool { return b.Start < first || b.Start >= to })
			want = k
			if len(list) <= most && (k > 0 || from >= c.kept) {
				break
			}
		}
		i, got, err := c.s.Chart(context.Background(), c.rec.ID(), ask[0], ask[1], most)
		check(t, err)
		if i != intervals[want] {
			t.Fatalf("at most %d of %s from %s to %s: candles of %s, want %s", most, c.rec.Interval, from, to, i, intervals[want])
		}
		equalLists(t, "chart of "+i.String(), got, list, identical)
	}
}

// ExerciseRollUp checks what becomes of a store whose candles a migration has deleted. forget
// makes s such a store.
func ExerciseRollUp(t *testing.T, s store.Store, forget func() error) {
	ctx := t.Context()
	ids := register(t, s, "A", "B")
	commitBars(t, s, Bars(ids[0], 0, 12_000)...)
	check(t, forget())
	compare := func(what string, bars int) {
		t.Helper()
		for _, most := range []int{5000, 60, 20} {
			i, got, err := s.Chart(ctx, ids[0], 0, 0, most)
			check(t, err)
			want := plain(Bars(ids[0], 0, bars))
			if bars > 9000 {
				want[9000] = Bar(ids[0], 9000, 1).Bar
				want[100] = Bar(ids[0], 100, 1).Bar
			}
			for _, level := range []market.Interval{market.Minute, market.FiveMin, market.QuarterHr} {
				if want = foldAll(level, want); level == i {
					break
				}
			}
			equalLists(t, what+": "+i.String(), got, want, identical)
		}
	}
	commitBars(t, s, Bar(ids[0], 9000, 1), Bar(ids[0], 100, 1))
	compare("before", 12_000)
	steps := 0
	for rolled := 0; ; steps++ {
		n, err := s.RollUp(ctx, ids[0], 5000)
		check(t, err)
		if rolled += n; n == 0 {
			equal(t, "rolled up", rolled, 12_000)
			break
		}
		if steps == 1 {
			// It goes on from where it stands; bars may come on both sides of that.
			deleted, err := s.DeleteBars(ctx, ids[0], market.MaxTime, 10)
			check(t, err)
			equal(t, "deleted", deleted, 0) // all are of one day
			compare("between", 12_000)
		}
	}
	equal(t, "steps", steps, 3)
	compare("after", 12_000)
	commitBars(t, s, Bars(ids[0], 12_000, 12_100)...)
	compare("later", 12_100)
	n, err := s.RollUp(ctx, ids[1], 10)
	check(t, err)
	equal(t, "rolled up of a series without bars", n, 0)
}
