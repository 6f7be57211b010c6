package market_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/market"
)

var t0 = market.TimeOf(time.Date(2019, 2, 4, 14, 30, 0, 0, time.UTC))

func at(seconds float64) market.Time { return t0 + market.Time(math.Round(seconds*1e6)) }

func tick(seconds, price, size float64) market.Tick {
	return market.Tick{Time: at(seconds), Price: price, Size: size}
}

func secBar(s, o, h, l, c, v float64, trades int64, revision int) market.Bar {
	return market.Bar{Start: at(s), End: at(s + 1), Open: o, High: h, Low: l, Close: c, Volume: v, Trades: trades, Revision: revision}
}

func TestBuilder(t *testing.T) {
	tests := []struct {
		name    string
		ticks   []market.Tick
		advance market.Time // after the ticks
		want    []market.Bar
		refused []error
	}{
		{name: "an open bar is not shown", ticks: []market.Tick{tick(0.1, 10, 1), tick(0.9, 11, 1)}},
		{
			name:  "a later bar makes it final",
			ticks: []market.Tick{tick(0.1, 10, 1), tick(0.5, 12, 2), tick(0.6, 9, 3), tick(0.9, 11, 4), tick(1, 50, 1)},
			want:  []market.Bar{secBar(0, 10, 12, 9, 11, 10, 4, 0)},
		},
		{
			name:    "the timer makes it final at end and grace",
			ticks:   []market.Tick{tick(0.1, 10, 1)},
			advance: at(1.05),
			want:    []market.Bar{secBar(0, 10, 10, 10, 10, 1, 1, 0)},
		},
		{name: "the timer waits for the grace", ticks: []market.Tick{tick(0.1, 10, 1)}, advance: at(1.05) - 1},
		{
			name:  "a trade at the border belongs to the later bar",
			ticks: []market.Tick{tick(0, 10, 1), tick(1, 11, 1), tick(2, 12, 1)},
			want:  []market.Bar{secBar(0, 10, 10, 10, 10, 1, 1, 0), secBar(1, 11, 11, 11, 11, 1, 1, 0)},
		},
		{
			name:  "absent bars stay absent",
			ticks: []market.Tick{tick(0, 10, 1), tick(60, 11, 1)},
			want:  []market.Bar{secBar(0, 10, 10, 10, 10, 1, 1, 0)},
		},
		{
			name:  "open and close go by time, not by arrival",
			ticks: []market.Tick{tick(0.5, 10, 1), tick(0.9, 12, 1), tick(0.1, 8, 1), tick(0.7, 11, 1), tick(3, 1, 1)},
			want:  []market.Bar{secBar(0, 8, 12, 8, 12, 4, 4, 0)},
		},
		{
			name: "then by sequence",
			ticks: []market.Tick{
				{Time: at(0), Price: 5, Seq: 2}, {Time: at(0), Price: 4, Seq: 1}, {Time: at(0), Price: 7, Seq: 4}, {Time: at(0), Price: 6, Seq: 3}, tick(1, 1, 1),
			},
			want: []market.Bar{secBar(0, 4, 7, 4, 7, 0, 4, 0)},
		},
		{
			name:  "then by arrival",
			ticks: []market.Tick{tick(0, 5, 0), tick(0, 7, 0), tick(0, 6, 0), tick(1, 1, 1)},
			want:  []market.Bar{secBar(0, 5, 7, 5, 6, 0, 3, 0)},
		},
		{
			name:  "each late tick makes a revision",
			ticks: []market.Tick{tick(0.5, 10, 1), tick(1, 11, 1), tick(0.9, 12, 2), tick(0.1, 9, 3)},
			want: []market.Bar{
				secBar(0, 10, 10, 10, 10, 1, 1, 0), secBar(0, 10, 12, 10, 12, 3, 2, 1), secBar(0, 9, 12, 9, 12, 6, 3, 2),
			},
		},
		{
			name:    "late after the timer",
			ticks:   []market.Tick{tick(0.5, 10, 1), tick(1.5, 10, 1), tick(0.9, 12, 2)},
			advance: at(9),
			want: []market.Bar{
				secBar(0, 10, 10, 10, 10, 1, 1, 0), secBar(0, 10, 12, 10, 12, 3, 2, 1), secBar(1, 10, 10, 10, 10, 1, 1, 0),
			},
		},
		{
			name:  "a late tick of an absent bar makes it",
			ticks: []market.Tick{tick(0, 10, 1), tick(2, 11, 1), tick(1.5, 12, 2), tick(1.6, 13, 2)},
			want: []market.Bar{
				secBar(0, 10, 10, 10, 10, 1, 1, 0), secBar(1, 12, 12, 12, 12, 2, 1, 0), secBar(1, 12, 13, 12, 13, 4, 2, 1),
			},
		},
		{
			name:    "too late when not one of the revisable bars",
			ticks:   []market.Tick{tick(0, 1, 1), tick(1, 1, 1), tick(2, 1, 1), tick(3, 1, 1), tick(4, 1, 1), tick(0.5, 2, 1), tick(1.5, 2, 1)},
			want:    []market.Bar{secBar(0, 1, 1, 1, 1, 1, 1, 0), secBar(1, 1, 1, 1, 1, 1, 1, 0), secBar(2, 1, 1, 1, 1, 1, 1, 0), secBar(3, 1, 1, 1, 1, 1, 1, 0), secBar(1, 1, 2, 1, 2, 2, 2, 1)},
			refused: []error{market.ErrTooLate},
		},
		{
			name:    "too late when far older than the first",
			ticks:   []market.Tick{tick(0, 1, 1), tick(-3.5, 1, 1), tick(-2.5, 1, 1)},
			want:    []market.Bar{secBar(-3, 1, 1, 1, 1, 1, 1, 0)},
			refused: []error{market.ErrTooLate},
		},
		{
			name: "bad ticks do not harm their neighbours",
			ticks: []market.Tick{
				tick(0, 10, 1), tick(0.1, math.NaN(), 1), tick(0.2, math.Inf(1), 1), tick(0.3, 0, 1), tick(0.4, -1, 1), tick(0.5, 10, -1),
				tick(0.6, 10, math.NaN()), {Time: market.MaxTime + 1, Price: 1}, {Time: market.MinTime - 1, Price: 1}, tick(0.7, 11, 1), tick(1, 1, 1),
			},
			want:    []market.Bar{secBar(0, 10, 11, 10, 11, 2, 2, 0)},
			refused: make([]error, 8),
		},
		{
			name:    "a volume that would be infinite is refused",
			ticks:   []market.Tick{tick(0, 10, math.MaxFloat64), tick(0.1, 12, math.MaxFloat64), tick(1, 1, 1), tick(0.2, 12, math.MaxFloat64)},
			want:    []market.Bar{secBar(0, 10, 10, 10, 10, math.MaxFloat64, 1, 0)},
			refused: make([]error, 2),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := market.NewBuilder(market.Second, market.BuildOptions{Grace: 50 * time.Millisecond, Revisable: 3})
			bars, refused := b.Add(tt.ticks, nil, nil)
			if tt.advance != 0 {
				bars = b.Advance(tt.advance, bars)
			}
			if d := cmp.Diff(tt.want, bars); d != "" {
				t.Errorf("bars (-want +got):\n%s", d)
			}
			if len(refused) != len(tt.refused) {
				t.Fatalf("refused %v, want %d", refused, len(tt.refused))
			}
			for i, r := range refused {
				if r.Err == nil || tt.refused[i] != nil && !errors.Is(r.Err, tt.refused[i]) {
					t.Errorf("refused[%d]: %v, want %v", i, r.Err, tt.refused[i])
				}
			}
		})
	}
}

func TestBuilderAllowsNonPositive(t *testing.T) {
	b := market.NewBuilder(market.Minute, market.BuildOptions{AllowNonPositive: true})
	bars, refused := b.Add([]market.Tick{tick(0, 1, 1), tick(1, -37.63, 1), tick(2, 0, 1), tick(60, 1, 1)}, nil, nil)
	if len(refused) > 0 || len(bars) != 1 || bars[0].Low != -37.63 || bars[0].Close != 0 {
		t.Fatalf("got %v, refused %v", bars, refused)
	}
}

func TestBuilderPrime(t *testing.T) {
	stored := []market.Bar{secBar(0, 10, 12, 9, 11, 10, 4, 2), secBar(1, 10, 12, 9, 11, 10, 4, 0)}
	b := market.NewBuilder(market.Second, market.BuildOptions{})
	b.Add([]market.Tick{tick(5, 1, 1)}, nil, nil)
	b.Prime(stored)
	if _, open := b.Open(); open {
		t.Fatal("Prime keeps an open bar")
	}
	bars, refused := b.Add([]market.Tick{tick(0.5, 20, 1), tick(2.5, 5, 1), tick(3, 1, 1)}, nil, nil)
	want := []market.Bar{secBar(0, 10, 20, 9, 11, 11, 5, 3), secBar(2, 5, 5, 5, 5, 1, 1, 0)}
	if d := cmp.Diff(want, bars); d != "" || len(refused) > 0 {
		t.Fatalf("refused %v, bars (-want +got):\n%s", refused, d)
	}
	if b.Late() != 1 {
		t.Errorf("Late = %d, want 1", b.Late())
	}
}

func TestBuilderSkip(t *testing.T) {
	b := market.NewBuilder(market.Second, market.BuildOptions{})
	b.Add([]market.Tick{tick(0.5, 1, 1)}, nil, nil)
	b.Skip(at(1))
	bars, refused := b.Add([]market.Tick{tick(0.7, 1, 1), tick(1, 2, 1), tick(2, 2, 1)}, nil, nil)
	if d := cmp.Diff([]market.Bar{secBar(1, 2, 2, 2, 2, 1, 1, 0)}, bars); d != "" {
		t.Errorf("bars (-want +got):\n%s", d)
	}
	if len(refused) != 1 || !errors.Is(refused[0].Err, market.ErrDelivered) {
		t.Errorf("refused %v", refused)
	}
	b.Discard()
	if _, ok := b.Deadline(); ok {
		t.Error("a discarded bar has a deadline")
	}
}

// genTicks draws a stream with jitter, duplicates of times, gaps, and bad ticks.
func genTicks(t *rapid.T) []market.Tick {
	n := rapid.IntRange(0, 200).Draw(t, "n")
	ticks := make([]market.Tick, n)
	now := 0.0
	for i := range ticks {
		now += rapid.SampledFrom([]float64{0, 0, 0.05, 0.1, 0.3, 0.9, 1, 2.5, 40}).Draw(t, "step")
		ticks[i] = market.Tick{
			Time:  at(now - rapid.SampledFrom([]float64{0, 0, 0, 0.2, 1, 3, 30}).Draw(t, "delay")),
			Price: float64(rapid.IntRange(1, 50).Draw(t, "price")) / 4,
			Size:  float64(rapid.Int64Range(0, 1e12).Draw(t, "size")) * 1e-8,
			Seq:   uint64(rapid.IntRange(0, 5).Draw(t, "seq")),
		}
		if rapid.IntRange(0, 30).Draw(t, "bad") == 0 {
			ticks[i].Price = math.NaN()
		}
	}
	return ticks
}

// Bars, their revisions and their order do not depend on how ticks were batched.
func TestBuilderBatchesDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ticks := genTicks(t)
		opt := market.BuildOptions{Revisable: rapid.IntRange(1, 8).Draw(t, "revisable")}
		want, wantRefused := market.NewBuilder(market.Second, opt).Add(ticks, nil, nil)
		b := market.NewBuilder(market.Second, opt)
		var got []market.Bar
		var refused []market.Refused
		for rest := ticks; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "batch")
			got, refused = b.Add(rest[:n], got, refused)
			rest = rest[n:]
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("bars (-whole +batched):\n%s", d)
		}
		if len(refused) != len(wantRefused) {
			t.Fatalf("refused %d, want %d", len(refused), len(wantRefused))
		}
		for _, b := range got {
			if err := b.Validate(false); err != nil {
				t.Fatalf("%+v: %v", b, err)
			}
		}
	})
}

// Delays within the grace change no bar: what arrives in another order ends in the
// same bars, once the revisions are in.
func TestBuilderDelaysDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 150).Draw(t, "n")
		ticks := make([]market.Tick, n)
		arrival := make([]market.Time, n)
		now := 0.0
		for i := range ticks {
			now += rapid.Float64Range(0, 3).Draw(t, "step")
			ticks[i] = market.Tick{
				Time: at(now), Price: rapid.Float64Range(0.5, 2).Draw(t, "price"),
				Size: float64(rapid.Int64Range(0, 1e12).Draw(t, "size")) * 1e-8, Seq: uint64(i + 1),
			}
			arrival[i] = at(now + rapid.Float64Range(0, 2).Draw(t, "delay"))
		}
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return int(arrival[a] - arrival[b]) })
		shuffled := make([]market.Tick, n)
		for i, k := range order {
			shuffled[i] = ticks[k]
		}
		want := latest(build(t, ticks, market.BuildOptions{}))
		got := latest(build(t, shuffled, market.BuildOptions{}))
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("bars (-in order +delayed):\n%s", d)
		}
	})
}

func build(t *rapid.T, ticks []market.Tick, opt market.BuildOptions) []market.Bar {
	b := market.NewBuilder(market.Second, opt)
	bars, refused := b.Add(ticks, nil, nil)
	if len(refused) > 0 {
		t.Fatalf("refused %v", refused)
	}
	return b.Advance(market.MaxTime, bars)
}

// latest returns the newest revision of each bar by start, with revision 0.
func latest(bars []market.Bar) []market.Bar {
	m := map[market.Time]int{}
	for _, b := range bars {
		if b.Revision != m[b.Start] {
			panic("a revision is missing")
		}
		m[b.Start]++
	}
	out := newest(bars)
	for i := range out {
		out[i].Revision = 0
	}
	return out
}

func TestBuilderDoesNotAllocate(t *testing.T) {
	ticks := walk(1000, 50*time.Millisecond)
	b := market.NewBuilder(market.Second, market.BuildOptions{})
	bars := make([]market.Bar, 0, 1000)
	b.Add(ticks, bars, nil)
	shift := market.Time(0)
	allocs := testing.AllocsPerRun(20, func() {
		shift += at(50) - at(0)
		for i := range ticks {
			ticks[i].Time += at(50) - at(0)
		}
		b.Add(ticks, bars[:0], nil)
	})
	if allocs > 0 {
		t.Errorf("%v allocations for 1,000 ticks", allocs)
	}
}

// walk is a random walk of n ticks, step apart on average.
func walk(n int, step time.Duration) []market.Tick {
	rng := rand.New(rand.NewPCG(1, 2))
	ticks := make([]market.Tick, n)
	now, price := t0, 100.0
	for i := range ticks {
		now = now.Add(time.Duration(rng.Int64N(2 * int64(step))))
		price *= math.Exp(rng.NormFloat64() * 1e-4)
		ticks[i] = market.Tick{Time: now, Price: price, Size: float64(rng.IntN(500)), Seq: uint64(i)}
	}
	return ticks
}

func BenchmarkBuilder(b *testing.B) {
	for _, bench := range []struct {
		name string
		step time.Duration
	}{{"100_ticks_a_bar", 10 * time.Millisecond}, {"5_ticks_a_bar", 200 * time.Millisecond}, {"1_tick_a_bar", 2 * time.Second}} {
		b.Run(bench.name, func(b *testing.B) {
			ticks := walk(10_000, bench.step)
			span := ticks[len(ticks)-1].Time - t0 + 60_000_000
			builder := market.NewBuilder(market.Second, market.BuildOptions{})
			bars := make([]market.Bar, 0, len(ticks))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				bars, _ = builder.Add(ticks, bars[:0], nil)
				n += len(ticks)
				b.StopTimer()
				for i := range ticks {
					ticks[i].Time += span
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mticks/s")
		})
	}
}
