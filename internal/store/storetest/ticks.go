package storetest

import (
	"cmp"
	"context"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

func ticksOf(t fataler, s store.TickReader, id market.SeriesID, from, to market.Time) []market.Tick {
	t.Helper()
	list := []market.Tick{}
	check(t, s.EachTick(context.Background(), id, from, to, func(tick market.Tick) bool { list = append(list, tick); return true }))
	return list
}

func putTicks(t fataler, s store.Store, id market.SeriesID, ticks ...market.Tick) {
	t.Helper()
	_, _, err := s.CommitTicks(context.Background(), []store.Ticks{{Series: id, Ticks: ticks}}, nil)
	check(t, err)
}

func tick(at int64, seq uint64, price float64) market.Tick {
	return market.Tick{Time: market.Time(at), Seq: seq, Price: price, Size: price / 3}
}

var tickCases = []testCase{
	{"kept in order, each once", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A", "B")
		equal(t, "at first", ticksOf(t, s, ids[0], 0, 0), []market.Tick{})
		equal(t, "of an unknown series", ticksOf(t, s, "sim:X@1s", 0, 0), []market.Tick{})
		a, b, c, late := tick(10, 7, 1), tick(10, 8, 2), tick(12, 9, 3), tick(5, 3, 4)
		putTicks(t, s, ids[0], a, c, b, a, late, c, b)
		putTicks(t, s, ids[0], late, a, b, c)
		equal(t, "all", ticksOf(t, s, ids[0], 0, 0), []market.Tick{late, a, b, c})
		equal(t, "a part", ticksOf(t, s, ids[0], 10, 12), []market.Tick{a, b})
		equal(t, "of another series", ticksOf(t, s, ids[1], 0, 0), []market.Tick{})

		// Without a number two may be alike: all are kept, in the order in which they came.
		x, y := tick(20, 0, 5), tick(20, 0, 6)
		putTicks(t, s, ids[1], x, x, y)
		putTicks(t, s, ids[1], x)
		equal(t, "without numbers", ticksOf(t, s, ids[1], 0, 0), []market.Tick{x, x, y, x})
		odd := market.Tick{Time: -5, Seq: math.MaxUint64, Price: math.SmallestNonzeroFloat64, Size: math.Copysign(0, -1)}
		putTicks(t, s, ids[1], odd)
		equal(t, "to the last bit", ticksOf(t, s, ids[1], 0, 1), []market.Tick{odd}) // zero: no bound

		n := 0
		check(t, s.EachTick(t.Context(), ids[0], 0, 0, func(market.Tick) bool { n++; return n < 2 }))
		equal(t, "calls until false", n, 2)
		last, err := s.LastEvent(t.Context())
		check(t, err)
		equal(t, "events", last, uint64(0))
	}},
	{"with their bars, all or none", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A")
		bars := Bars(ids[0], 0, 3)
		in := []store.Ticks{{Series: ids[0], Ticks: []market.Tick{tick(int64(bars[0].Start), 1, 1)}}}
		refuse := func(what string, ticks []store.Ticks, bars []store.BarRecord, want error) {
			t.Helper()
			kept, last, err := s.CommitTicks(t.Context(), ticks, bars)
			if err == nil || kept != 0 || last != 0 {
				t.Errorf("%s: kept %d, last %d, %v", what, kept, last, err)
			}
			if want != nil {
				wantError(t, err, want)
			}
			equal(t, what, len(ticksOf(t, s, ids[0], 0, 0)), 0)
			log, err := s.BarLog(t.Context(), "", 0, 10)
			check(t, err)
			equal(t, what, len(log), 0)
		}
		refuse("an unknown series", append(slices.Clone(in), store.Ticks{Series: "sim:X@1s", Ticks: in[0].Ticks}), bars, store.ErrNotFound)
		refuse("a bar of an unknown series", in, []store.BarRecord{bars[0], Bar("sim:X@1s", 0, 0)}, store.ErrNotFound)
		for name, v := range map[string]float64{"NaN": math.NaN(), "Inf": math.Inf(1)} {
			refuse(name, []store.Ticks{in[0], {Series: ids[0], Ticks: []market.Tick{tick(1, 2, v)}}}, bars, nil)
		}
		kept, last, err := s.CommitTicks(t.Context(), in, bars)
		check(t, err)
		equal(t, "kept", kept, 3)
		equal(t, "last", last, 3)
		equal(t, "ticks", ticksOf(t, s, ids[0], 0, 0), in[0].Ticks)
		kept, last, err = s.CommitTicks(t.Context(), in, nil)
		check(t, err)
		equal(t, "none", []uint64{uint64(kept), last}, []uint64{0, 0})
	}},
	{"deleted in steps", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A", "B")
		for _, id := range ids {
			var list []market.Tick
			for i := range 25 {
				list = append(list, tick(int64(i/5), 0, float64(i)))
			}
			putTicks(t, s, id, list...)
		}
		del := func(before market.Time, limit, want int) {
			t.Helper()
			n, err := s.DeleteTicks(t.Context(), ids[0], before, limit)
			check(t, err)
			equal(t, "deleted", n, want)
		}
		del(0, 100, 0)
		del(2, 0, 0)
		del(2, 7, 7)
		del(2, 7, 3)
		del(2, 7, 0)
		if left := ticksOf(t, s, ids[0], 0, 0); len(left) != 15 || left[0] != tick(2, 0, 10) {
			t.Errorf("%d ticks are left, from %v", len(left), left[0])
		}
		equal(t, "of another series", len(ticksOf(t, s, ids[1], 0, 0)), 25)
		del(market.MaxTime, 1000, 15)
		n, err := s.DeleteTicks(t.Context(), "sim:X@1s", market.MaxTime, 10)
		check(t, err)
		equal(t, "of an unknown series", n, 0)
		putTicks(t, s, ids[0], tick(1, 1, 1)) // as if it were the first
		equal(t, "after all are gone", ticksOf(t, s, ids[0], 0, 0), []market.Tick{tick(1, 1, 1)})
	}},
	{"many, in pages", func(t *testing.T, s store.Store) {
		ids := register(t, s, "A")
		list := make([]market.Tick, 25_000)
		for i := range list {
			list[i] = tick(int64(i/9000), 0, float64(i)) // more at one time than a page has
		}
		putTicks(t, s, ids[0], list...)
		if got := ticksOf(t, s, ids[0], 0, 0); !slices.Equal(got, list) {
			t.Errorf("%d ticks, want %d", len(got), len(list))
		}
	}},
	{"as a list of ticks", func(t *testing.T, s store.Store) {
		run := 0
		rapid.Check(t, func(t *rapid.T) {
			run++
			rec := Series("T" + string(rune('A'+run%26)) + string(rune('a'+run/26%26)) + string(rune('a'+run/676)))
			check(t, s.PutSeries(context.Background(), rec))
			var want []market.Tick
			for range rapid.IntRange(1, 5).Draw(t, "commits") {
				var list []market.Tick
				for range rapid.IntRange(0, 12).Draw(t, "ticks") {
					x := tick(rapid.Int64Range(1, 6).Draw(t, "time"), rapid.Uint64Range(0, 4).Draw(t, "seq"), rapid.Float64Range(-10, 10).Draw(t, "price"))
					list = append(list, x)
					if x.Seq == 0 || !slices.ContainsFunc(want, func(y market.Tick) bool { return x.Time == y.Time && x.Seq == y.Seq }) {
						want = append(want, x)
					}
				}
				putTicks(t, s, rec.ID(), list...)
			}
			slices.SortStableFunc(want, func(a, b market.Tick) int { return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Seq, b.Seq)) })
			got := ticksOf(t, s, rec.ID(), 0, 0)
			if !slices.Equal(got, want) {
				t.Fatalf("%v, want %v", got, want)
			}
		})
	}},
}
