package market_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/market"
)

func TestNests(t *testing.T) {
	tests := []struct {
		fine, coarse string
		want         bool
	}{
		{"1s", "1m", true}, {"1m", "5m", true}, {"15m", "1h", true}, {"1h", "1d", true}, {"1d", "1w", true}, {"1d", "1mo", true},
		{"20m", "30m", false}, {"4h", "6h", false}, {"1w", "1mo", false}, {"5m", "1m", false}, {"1m", "1m", false},
	}
	for _, tt := range tests {
		if got := market.MustInterval(tt.coarse).Nests(market.MustInterval(tt.fine)); got != tt.want {
			t.Errorf("%s nests %s: %v, want %v", tt.coarse, tt.fine, got, tt.want)
		}
	}
	if _, err := market.NewRollup(market.MustInterval("20m"), market.MustInterval("30m"), market.BuildOptions{}); err == nil {
		t.Error("NewRollup takes intervals that do not nest")
	}
	if market.Minute.Nests(market.Interval{}) {
		t.Error("the zero interval nests")
	}
}

func minBar(m, close float64, revision int) market.Bar {
	return market.Bar{Start: at(m * 60), End: at(m*60 + 60), Open: close, High: close + 1, Low: close - 1, Close: close, Volume: 10, Trades: 2, Revision: revision}
}

func fiveBar(m, o, h, l, c, v float64, trades int64, revision int) market.Bar {
	return market.Bar{Start: at(m * 60), End: at(m*60 + 300), Open: o, High: h, Low: l, Close: c, Volume: v, Trades: trades, Revision: revision}
}

func TestRollup(t *testing.T) {
	tests := []struct {
		name    string
		in      []market.Bar
		advance market.Time
		want    []market.Bar
	}{
		{name: "in progress", in: []market.Bar{minBar(0, 10, 0), minBar(3, 11, 0)}},
		{
			name: "final when a base bar reaches the end", in: []market.Bar{minBar(0, 10, 0), minBar(3, 15, 0), minBar(4, 11, 0)},
			want: []market.Bar{fiveBar(0, 10, 16, 9, 11, 30, 6, 0)},
		},
		{
			name: "final when a later one begins", in: []market.Bar{minBar(0, 10, 0), minBar(3, 11, 0), minBar(7, 20, 0)},
			want: []market.Bar{fiveBar(0, 10, 12, 9, 11, 20, 4, 0)},
		},
		{
			name: "final by the timer", in: []market.Bar{minBar(0, 10, 0)}, advance: at(301),
			want: []market.Bar{fiveBar(0, 10, 11, 9, 10, 10, 2, 0)},
		},
		{name: "the timer waits for the grace", in: []market.Bar{minBar(0, 10, 0)}, advance: at(300.9)},
		{
			name: "a revision before it is final shows in it", in: []market.Bar{minBar(0, 10, 0), minBar(0, 20, 1), minBar(4, 11, 0)},
			want: []market.Bar{fiveBar(0, 20, 21, 10, 11, 20, 4, 0)},
		},
		{
			name: "a revision after it is final revises it", in: []market.Bar{minBar(0, 10, 0), minBar(4, 11, 0), minBar(4, 12, 1), minBar(6, 1, 0), minBar(0, 5, 1)},
			want: []market.Bar{fiveBar(0, 10, 12, 9, 11, 20, 4, 0), fiveBar(0, 10, 13, 9, 12, 20, 4, 1), fiveBar(0, 5, 13, 4, 12, 20, 4, 2)},
		},
		{
			name: "an old revision changes nothing", in: []market.Bar{minBar(0, 10, 3), minBar(4, 11, 0), minBar(0, 99, 2)},
			want: []market.Bar{fiveBar(0, 10, 12, 9, 11, 20, 4, 0)},
		},
		{
			name: "a late base bar of an absent coarse bar makes it", in: []market.Bar{minBar(0, 10, 0), minBar(11, 11, 0), minBar(6, 12, 0)},
			want: []market.Bar{fiveBar(0, 10, 11, 9, 10, 10, 2, 0), fiveBar(5, 12, 13, 11, 12, 10, 2, 0)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := market.NewRollup(market.Minute, market.FiveMin, market.BuildOptions{Grace: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			var got []market.Bar
			for _, b := range tt.in {
				if got, err = r.Add(b, got); err != nil {
					t.Fatal(err)
				}
			}
			if tt.advance != 0 {
				got = r.Advance(tt.advance, got)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("bars (-want +got):\n%s", d)
			}
		})
	}
}

func TestRollupTooLate(t *testing.T) {
	r, _ := market.NewRollup(market.Minute, market.FiveMin, market.BuildOptions{Revisable: 2})
	for m := range 20 {
		if _, err := r.Add(minBar(float64(m), 10, 0), nil); err != nil {
			t.Fatal(err)
		}
	}
	got, err := r.Add(minBar(0, 11, 1), nil)
	if !errors.Is(err, market.ErrTooLate) || len(got) > 0 {
		t.Fatalf("got %v, %v", got, err)
	}
	if got, err = r.Add(minBar(17, 11, 1), nil); err != nil || len(got) != 1 || got[0].Revision != 1 {
		t.Fatalf("a revision after a refusal: %v, %v", got, err)
	}
}

// genBase draws base bars as a Builder emits them: revisions and late bars among
// the newest few.
func genBase(t *rapid.T) []market.Bar {
	var out []market.Bar
	m := 0
	revision := map[int]int{}
	for range rapid.IntRange(0, 120).Draw(t, "n") {
		m += rapid.SampledFrom([]int{1, 1, 1, 2, 3, 12}).Draw(t, "step")
		k := m
		if rapid.IntRange(0, 3).Draw(t, "late") == 0 {
			k -= rapid.IntRange(1, 10).Draw(t, "by")
		}
		b := minBar(float64(k), float64(rapid.IntRange(5, 50).Draw(t, "close")), revision[k])
		b.Volume = float64(rapid.Int64Range(0, 1e12).Draw(t, "volume")) * 1e-8
		revision[k]++
		out = append(out, b)
	}
	return out
}

// The newest revisions of rolled-up bars equal folding the newest base bars from
// scratch, however coarse the interval.
func TestRollupEqualsFoldingFromScratch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		coarse := market.MustInterval(rapid.SampledFrom([]string{"2m", "5m", "15m", "1h", "1d", "1w", "1mo"}).Draw(t, "interval"))
		r, err := market.NewRollup(market.Minute, coarse, market.BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		base := map[market.Time]market.Bar{}
		var got []market.Bar
		for _, b := range genBase(t) {
			if got, err = r.Add(b, got); err != nil {
				t.Fatal(err)
			}
			base[b.Start] = b
		}
		got = r.Advance(market.MaxTime, got)
		if d := cmp.Diff(scratch(coarse, base), latest(got)); d != "" {
			t.Fatalf("bars (-from scratch +rolled up):\n%s", d)
		}
	})
}

// scratch folds base bars without any of the package's roll-up code.
func scratch(coarse market.Interval, base map[market.Time]market.Bar) []market.Bar {
	sorted := make([]market.Bar, 0, len(base))
	for _, b := range base {
		sorted = append(sorted, b)
	}
	slices.SortFunc(sorted, func(a, b market.Bar) int { return int(a.Start - b.Start) })
	out := []market.Bar{}
	for _, b := range sorted {
		start := coarse.Floor(b.Start)
		if n := len(out); n == 0 || out[n-1].Start != start {
			out = append(out, market.Bar{Start: start, End: coarse.End(start), Open: b.Open, High: b.High, Low: b.Low, Close: b.Close, Volume: b.Volume, Trades: b.Trades})
			continue
		}
		c := &out[len(out)-1]
		c.High, c.Low, c.Close = max(c.High, b.High), min(c.Low, b.Low), b.Close
		c.Volume += b.Volume
		c.Trades += b.Trades
	}
	return out
}

// A roll-up that is stopped anywhere and primed with what was stored goes on as if
// nothing had happened.
func TestRollupRestart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		coarse := market.MustInterval(rapid.SampledFrom([]string{"2m", "5m", "1h"}).Draw(t, "interval"))
		base := slices.Insert(genBase(t), 0, minBar(-1000, 10, 0)) // nothing that comes is older
		stop := rapid.IntRange(0, len(base)).Draw(t, "stop")
		run := func(r *market.Rollup, in []market.Bar) (out []market.Bar) {
			for _, b := range in {
				var err error
				if out, err = r.Add(b, out); err != nil {
					t.Fatal(err)
				}
			}
			return out
		}
		r, _ := market.NewRollup(market.Minute, coarse, market.BuildOptions{})
		before := run(r, base[:stop])
		after := run(r, base[stop:])

		stored := newest(base[:stop])
		done := newest(before)
		s, _ := market.NewRollup(market.Minute, coarse, market.BuildOptions{})
		if len(done) > 0 {
			done = done[max(0, len(done)-12):] // enough for the late bars drawn
			from, to := done[0].Start, done[len(done)-1].End
			var within, since []market.Bar
			for _, b := range stored {
				switch {
				case b.Start >= to:
					since = append(since, b)
				case b.Start >= from:
					within = append(within, b)
				}
			}
			s.Prime(done, within)
			if again := run(s, since); len(again) > 0 {
				t.Fatalf("stored bars made %v again", again)
			}
		} else {
			run(s, stored)
		}
		if d := cmp.Diff(after, run(s, base[stop:])); d != "" {
			t.Fatalf("bars (-without +with restart):\n%s", d)
		}
	})
}

// newest returns the newest revision of each bar, by start.
func newest(bars []market.Bar) []market.Bar {
	m := map[market.Time]market.Bar{}
	for _, b := range bars {
		m[b.Start] = b
	}
	out := make([]market.Bar, 0, len(m))
	for _, b := range m {
		out = append(out, b)
	}
	slices.SortFunc(out, func(a, b market.Bar) int { return int(a.Start - b.Start) })
	return out
}

func TestFold(t *testing.T) {
	if _, ok := market.Fold(market.FiveMin, nil); ok {
		t.Error("no base bars make a bar")
	}
	got, ok := market.Fold(market.FiveMin, []market.Bar{minBar(1, 10, 4), minBar(2, 20, 0)})
	if d := cmp.Diff(fiveBar(0, 10, 21, 9, 20, 20, 4, 0), got); d != "" || !ok {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func BenchmarkRollup(b *testing.B) {
	for _, coarse := range []string{"1m", "1d"} {
		b.Run("1s_to_"+coarse, func(b *testing.B) {
			r, err := market.NewRollup(market.Second, market.MustInterval(coarse), market.BuildOptions{})
			if err != nil {
				b.Fatal(err)
			}
			bar := secBar(0, 1, 1, 1, 1, 1, 1, 0)
			var out []market.Bar
			b.ReportAllocs()
			for b.Loop() {
				out, _ = r.Add(bar, out[:0])
				bar.Start += 1_000_000
				bar.End += 1_000_000
			}
		})
	}
}
