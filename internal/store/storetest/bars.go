package storetest

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

var seriesCases = []testCase{
	{"an empty store lists none", func(t *testing.T, s store.Store) {
		list, err := s.Series(t.Context())
		check(t, err)
		equal(t, "series", len(list), 0)
	}},
	{"what was put comes back, by ID", func(t *testing.T, s store.Store) {
		b, a := Series("ZM"), Series("AMZN")
		a.Mode, a.Base, a.Interval = ledger.Replay, false, market.MustInterval("5m")
		a.Instrument.AllowNonPositive = true
		check(t, s.PutSeries(t.Context(), b))
		check(t, s.PutSeries(t.Context(), a))
		list, err := s.Series(t.Context())
		check(t, err)
		equal(t, "series", list, []store.SeriesRecord{a, b})
	}},
	{"putting again updates and keeps what belongs to it", func(t *testing.T, s store.Store) {
		rec := Series("AMZN")
		check(t, s.PutSeries(t.Context(), rec))
		last := commitBars(t, s, Bars(rec.ID(), 0, 3)...)
		check(t, s.PutSeries(t.Context(), rec))
		rec.Source = "replay"
		check(t, s.PutSeries(t.Context(), rec))
		list, err := s.Series(t.Context())
		check(t, err)
		equal(t, "series", list, []store.SeriesRecord{rec})
		bars, err := s.Bars(t.Context(), rec.ID(), store.Range{})
		check(t, err)
		equal(t, "bars", len(bars), 3)
		if n, err := s.LastEvent(t.Context()); err != nil || n != last {
			t.Fatalf("last event %d, %v; want %d", n, err, last)
		}
	}},
	{"a series without a name is refused", func(t *testing.T, s store.Store) {
		if err := s.PutSeries(t.Context(), store.SeriesRecord{}); err == nil {
			t.Fatal("no error")
		}
	}},
	{"symbols may hold any printable sign", func(t *testing.T, s store.Store) {
		rec := Series("BTC/USD'\"%;é")
		check(t, s.PutSeries(t.Context(), rec))
		commitBars(t, s, Bar(rec.ID(), 0, 0))
		log, err := s.BarLog(t.Context(), rec.ID(), 0, 10)
		check(t, err)
		equal(t, "series of the bar", log[0].Series, rec.ID())
	}},
	{"ping finds it writable", func(t *testing.T, s store.Store) { check(t, s.Ping(t.Context())) }},
	{"a cancelled caller gets its context's error", func(t *testing.T, s store.Store) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantError(t, s.Ping(ctx), context.Canceled)
		wantError(t, s.PutSeries(ctx, Series("A")), context.Canceled)
		_, err := s.Bars(ctx, "x", store.Range{})
		wantError(t, err, context.Canceled)
	}},
	{"closing twice is harmless, and closed is not writable", func(t *testing.T, s store.Store) {
		check(t, s.Close())
		check(t, s.Close())
		wantError(t, s.Ping(t.Context()), store.ErrReadOnly)
		_, err := s.Series(t.Context())
		wantError(t, err, store.ErrReadOnly)
	}},
}

var barCases = []testCase{
	{"ranges", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A", "B", "C")
		var recs []store.BarRecord
		for i := range 40 {
			for _, id := range ids {
				recs = append(recs, Bar(id, i, 0))
			}
		}
		commitBars(t, s, recs...)
		at := func(i int) market.Time { return start0 + market.Time(i)*second }
		for _, c := range []struct {
			name     string
			r        store.Range
			from, to int
		}{
			{"all", store.Range{}, 0, 40},
			{"from", store.Range{From: at(10)}, 10, 40},
			{"to is outside", store.Range{To: at(10)}, 0, 10},
			{"between bars", store.Range{From: at(3) + 1, To: at(5) + 1}, 4, 6},
			{"limit", store.Range{From: at(5), Limit: 7}, 5, 12},
			{"newest", store.Range{Newest: true, Limit: 4}, 36, 40},
			{"newest before", store.Range{Newest: true, Limit: 4, To: at(20)}, 16, 20},
			{"newest all", store.Range{Newest: true}, 0, 40},
			{"none", store.Range{From: at(10), To: at(10)}, 0, 0},
			{"reversed", store.Range{From: at(10), To: at(5)}, 0, 0},
			{"before the first", store.Range{To: at(0)}, 0, 0},
		} {
			got, err := s.Bars(t.Context(), ids[1], c.r)
			check(t, err)
			want := plain(Bars(ids[1], c.from, c.to))
			if c.r.Newest {
				slices.Reverse(want)
			}
			if len(got)+len(want) > 0 {
				equal(t, c.name, got, want)
			}
		}
	}},
	{"the default limit is 1,000", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		commitBars(t, s, Bars(id, 0, 1100)...)
		got, err := s.Bars(t.Context(), id, store.Range{})
		check(t, err)
		equal(t, "bars", len(got), 1000)
		got, err = s.Bars(t.Context(), id, store.Range{Limit: 5000})
		check(t, err)
		equal(t, "bars", len(got), 1100)
	}},
	{"an unknown series has no bars", func(t *testing.T, s store.Store) {
		got, err := s.Bars(t.Context(), "sim:NO@1s", store.Range{})
		check(t, err)
		equal(t, "bars", len(got), 0)
		log, err := s.BarLog(t.Context(), "sim:NO@1s", 0, 10)
		check(t, err)
		equal(t, "log", len(log), 0)
	}},
	{"a bar of an unregistered series is refused with its whole batch", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		_, _, err := s.CommitBars(t.Context(), []store.BarRecord{Bar(id, 0, 0), Bar("sim:NO@1s", 0, 0)})
		wantError(t, err, store.ErrNotFound)
		got, err := s.Bars(t.Context(), id, store.Range{})
		check(t, err)
		equal(t, "bars", len(got), 0)
		equal(t, "events", len(eventsOf(t, s, 0)), 0)
		if last := commitBars(t, s, Bar(id, 0, 0)); last != 1 {
			t.Fatalf("the refused batch used up event numbers: the next one is %d", last)
		}
	}},
	{"an equal bar is skipped", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		first := commitBars(t, s, Bars(id, 0, 5)...)
		kept, last, err := s.CommitBars(t.Context(), Bars(id, 0, 5))
		check(t, err)
		if kept != 0 || last != 0 {
			t.Fatalf("kept %d, last event %d; want nothing", kept, last)
		}
		kept, last, err = s.CommitBars(t.Context(), Bars(id, 3, 8))
		check(t, err)
		if kept != 3 || last != first+3 {
			t.Fatalf("kept %d, last event %d; want 3 and %d", kept, last, first+3)
		}
	}},
	{"a revision replaces in ranges and both stay in the log", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		commitBars(t, s, Bars(id, 0, 3)...)
		rev := []store.BarRecord{Bar(id, 1, 1), Bar(id, 1, 2), Bar(id, 3, 4)}
		rev[1].Backfill, rev[1].AfterGap = true, true
		commitBars(t, s, rev...)
		got, err := s.Bars(t.Context(), id, store.Range{})
		check(t, err)
		equal(t, "bars", got, []market.Bar{Bar(id, 0, 0).Bar, rev[1].Bar, Bar(id, 2, 0).Bar, rev[2].Bar})
		log, err := s.BarLog(t.Context(), id, 0, 100)
		check(t, err)
		equal(t, "log", log, numbered(append(Bars(id, 0, 3), rev...)))
	}},
	{"a different bar of the same or an older revision is refused", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		commitBars(t, s, Bar(id, 0, 0), Bar(id, 0, 2))
		for _, revision := range []int{0, 1, 2} {
			b := Bar(id, 0, revision)
			b.Close = 100.0625
			_, _, err := s.CommitBars(t.Context(), []store.BarRecord{Bar(id, 9, 0), b})
			wantError(t, err, store.ErrConflict)
		}
		got, err := s.Bars(t.Context(), id, store.Range{})
		check(t, err)
		equal(t, "bars", got, []market.Bar{Bar(id, 0, 2).Bar})
	}},
	{"bars older than stored ones find their place", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		commitBars(t, s, Bars(id, 20, 90)...)
		commitBars(t, s, Bars(id, 0, 20)...)
		commitBars(t, s, Bars(id, 90, 100)...)
		got, err := s.Bars(t.Context(), id, store.Range{})
		check(t, err)
		equal(t, "bars", got, plain(Bars(id, 0, 100)))
		log, err := s.BarLog(t.Context(), id, 0, 1000)
		check(t, err)
		equal(t, "log", log, numbered(slices.Concat(Bars(id, 20, 90), Bars(id, 0, 20), Bars(id, 90, 100))))
	}},
	{"the log pages through all series in commit order", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A", "B")
		var want []store.BarRecord
		for i := range 120 {
			recs := []store.BarRecord{Bar(ids[i%2], i, 0), Bar(ids[0], 500+i, 0)}
			commitBars(t, s, recs...)
			want = append(want, recs...)
		}
		numbered(want)
		equal(t, "whole log", pageLog(t, s, "", 17), want)
		for _, id := range ids {
			own := slices.DeleteFunc(slices.Clone(want), func(r store.BarRecord) bool { return r.Series != id })
			equal(t, "log of "+string(id), pageLog(t, s, id, 7), own)
		}
		log, err := s.BarLog(t.Context(), "", math.MaxUint64, 10)
		check(t, err)
		equal(t, "log after the end", len(log), 0)
	}},
	{"numbers come back to the last bit", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		b := Bar(id, 0, 0)
		b.Open, b.High, b.Low, b.Close, b.Volume = -37.63, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, math.Copysign(0, -1)
		c := Bar(id, 1, 0)
		c.Open, c.High, c.Low, c.Close, c.Volume = 100, 1<<53, math.Nextafter(1, 0), 100, 0
		c.Trades = math.MaxInt64
		commitBars(t, s, b, c)
		got, err := s.Bars(t.Context(), id, store.Range{})
		check(t, err)
		equal(t, "bars", got, []market.Bar{b.Bar, c.Bar})
	}},
	{"times before 1970", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		var recs []store.BarRecord
		for i := range 3 {
			b := Bar(id, i, 0)
			b.Start -= 2 * start0
			b.End -= 2 * start0
			recs = append(recs, b)
		}
		commitBars(t, s, recs...)
		got, err := s.Bars(t.Context(), id, store.Range{Newest: true, Limit: 2})
		check(t, err)
		equal(t, "bars", got, []market.Bar{recs[2].Bar, recs[1].Bar})
	}},
	{"values that are no numbers are refused", func(t *testing.T, s store.Store) {
		id := register(t, s, "A")[0]
		for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			b := Bar(id, 1, 0)
			b.Volume = v
			if _, _, err := s.CommitBars(t.Context(), []store.BarRecord{Bar(id, 0, 0), b}); err == nil {
				t.Fatalf("volume %v was kept", v)
			}
		}
		equal(t, "events", len(eventsOf(t, s, 0)), 0)
	}},
	{"nothing to commit", func(t *testing.T, s store.Store) {
		kept, last, err := s.CommitBars(t.Context(), nil)
		if kept != 0 || last != 0 || err != nil {
			t.Fatal(kept, last, err)
		}
	}},
}

// numbered gives records the event numbers of a store that holds nothing else.
func numbered(recs []store.BarRecord) []store.BarRecord {
	for i := range recs {
		recs[i].Seq = uint64(i + 1)
	}
	return recs
}

func pageLog(t *testing.T, s store.Store, id market.SeriesID, limit int) (all []store.BarRecord) {
	t.Helper()
	for after := uint64(0); ; {
		page, err := s.BarLog(t.Context(), id, after, limit)
		check(t, err)
		if len(page) == 0 {
			return all
		}
		if len(page) > limit {
			t.Fatalf("%d records, limit %d", len(page), limit)
		}
		all = append(all, page...)
		after = page[len(page)-1].Seq
	}
}
