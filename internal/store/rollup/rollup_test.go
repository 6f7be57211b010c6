package rollup

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// memory is a Source of slices: bars by start, and candles as they were put.
type memory struct {
	bars    []market.Bar
	candles map[market.Interval][]market.Bar
}

func (m *memory) put(b market.Bar) {
	i, found := slices.BinarySearchFunc(m.bars, b, byStart)
	if found {
		m.bars[i] = b
		return
	}
	m.bars = slices.Insert(m.bars, i, b)
}

func between(list []market.Bar, from, to market.Time, limit int) []market.Bar {
	var out []market.Bar
	for _, b := range list {
		if b.Start >= from && b.Start < to && len(out) < limit {
			out = append(out, b)
		}
	}
	return out
}

func (m *memory) Bars(from, to market.Time, limit int) ([]market.Bar, error) {
	return between(m.bars, from, to, limit), nil
}

func (m *memory) CountBars(from, to market.Time, limit int) (int, error) {
	return len(between(m.bars, from, to, limit)), nil
}

func (m *memory) Candles(i market.Interval, from, to market.Time) ([]market.Bar, error) {
	return between(m.candles[i], from, to, math.MaxInt), nil
}

func (m *memory) CountCandles(i market.Interval, from, to market.Time, limit int) (int, error) {
	return len(between(m.candles[i], from, to, limit)), nil
}

func (m *memory) file(r *Roll, list ...Candle) {
	for _, c := range list {
		i := r.Levels()[c.Level]
		m.candles[i] = append(slices.DeleteFunc(m.candles[i], func(b market.Bar) bool { return b.Start == c.Start }), c.Bar)
		slices.SortFunc(m.candles[i], byStart)
	}
}

// scratch rolls bars up from nothing: each level from the one before it.
func scratch(base market.Interval, bars []market.Bar) map[market.Interval][]market.Bar {
	out := map[market.Interval][]market.Bar{}
	for _, i := range Levels(base) {
		bars = fold(i, bars)
		out[i] = bars
	}
	return out
}

func TestLevels(t *testing.T) {
	for base, want := range map[string]string{
		"1s": "1m 5m 15m 1h 1d", "20s": "1m 5m 15m 1h 1d", "1m": "5m 15m 1h 1d", "2m": "1h 1d", "5m": "15m 1h 1d", "10m": "1h 1d", "30m": "1h 1d",
		"1h": "1d", "8h": "1d", "1d": "", "1w": "", "1mo": "",
	} {
		got := ""
		for k, i := range Levels(market.MustInterval(base)) {
			if k > 0 {
				got += " "
			}
			got += i.String()
		}
		if got != want {
			t.Errorf("levels of %s are %q, want %q", base, got, want)
		}
	}
}

var day0 = market.TimeOf(time.Date(1970, 1, 3, 0, 0, 0, 0, time.UTC))

// draw makes a bar of a series whose bars may be anywhere in some days around 1970.
func draw(t *rapid.T, i market.Interval, days int) market.Bar {
	span := int64(days) * int64(24*time.Hour/i.Duration())
	// Bars crowd in three places, so that candles have several.
	near := rapid.SampledFrom([]int64{0, span / 2, span - 1}).Draw(t, "place")
	n := min(max(near+rapid.Int64Range(-8, 8).Draw(t, "bar"), 0), span-1)
	start := day0 - market.Time(2*24*time.Hour/time.Microsecond) + market.Time(n)*market.Time(i.Duration()/time.Microsecond)
	open := rapid.Float64Range(-2, 2).Draw(t, "open")
	last := rapid.Float64Range(-2, 2).Draw(t, "close")
	return market.Bar{Start: start, End: i.End(start), Open: open, Close: last, High: max(open, last) + 1, Low: min(open, last) - 1,
		Volume: rapid.Float64Range(0, 3).Draw(t, "volume"), Trades: rapid.Int64Range(0, 9).Draw(t, "trades")}
}

// Whatever comes in whatever order, the candles are those of rolling up from scratch;
// and they agree with folding the bars themselves.
func TestCandlesAreThoseFromScratch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := market.MustInterval(rapid.SampledFrom([]string{"1s", "20s", "1m", "2m", "10m", "1h", "8h", "1d"}).Draw(t, "interval"))
		m := &memory{candles: map[market.Interval][]market.Bar{}}
		r := New(base)
		slot := rapid.Int64Range(0, 16).Draw(t, "slot")
		for range rapid.IntRange(1, 12).Draw(t, "commits") {
			for range rapid.IntRange(1, 12).Draw(t, "bars") {
				b := draw(t, base, rapid.SampledFrom([]int{1, 3}).Draw(t, "days"))
				m.put(b)
				if b.Start > r.To {
					r.Add(&b)
				} else {
					r.Mark(b.Start)
				}
			}
			if err := r.Mend(m, func(c Candle) error { m.file(r, c); return nil }); err != nil {
				t.Fatal(err)
			}
			m.file(r, r.File(slot)...)
			again := New(base)
			again.To, again.Kept = r.To, r.Kept
			if err := again.Decode(r.Encode(nil)); err != nil {
				t.Fatal(err)
			}
			r = again
			want := scratch(base, m.bars)
			for k, i := range r.Levels() {
				got, err := r.candles(k, market.MinTime, market.MaxTime, m)
				if err != nil {
					t.Fatal(err)
				}
				if d := gocmp.Diff(want[i], got); d != "" {
					t.Fatalf("%s of %s (-want +got):\n%s", i, base, d)
				}
				flat := fold(i, m.bars)
				for n := range flat {
					if math.Abs(flat[n].Volume-got[n].Volume) > 1e-12*flat[n].Volume {
						t.Fatalf("volume %v of %s, folded at once %v", got[n].Volume, i, flat[n].Volume)
					}
					flat[n].Volume = got[n].Volume
				}
				if d := gocmp.Diff(flat, got); d != "" {
					t.Fatalf("%s of %s against folding bars at once (-want +got):\n%s", i, base, d)
				}
			}
		}
	})
}

// A chart is the finest view that fits, whatever part of the candles is filed.
func TestChart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := market.MustInterval(rapid.SampledFrom([]string{"1s", "1m", "1h", "1d", "1w"}).Draw(t, "interval"))
		m := &memory{candles: map[market.Interval][]market.Bar{}}
		r := New(base)
		n := rapid.IntRange(0, 400).Draw(t, "bars")
		step := market.Time(rapid.SampledFrom([]int{1, 1, 7, 90}).Draw(t, "step"))
		caught := rapid.IntRange(0, n).Draw(t, "rolled up")
		for k := range n {
			start := day0 + market.Time(k)*step*market.Time(base.Duration()/time.Microsecond)
			b := market.Bar{Start: start, End: base.End(start), Open: 1, High: 2, Low: 1, Close: 2, Volume: 1, Trades: 1}
			m.put(b)
			if k < caught { // candles of the rest are missing
				r.Add(&b)
			}
			m.file(r, r.File(3)...)
		}
		if rapid.Bool().Draw(t, "retention") {
			r.KeepFrom(r.To)
			m.bars = slices.DeleteFunc(m.bars, func(b market.Bar) bool { return b.Start < r.Kept })
		}
		from, to := market.Time(math.MinInt64), market.Time(math.MaxInt64)
		if rapid.Bool().Draw(t, "range") && n > 0 {
			from = day0 + market.Time(rapid.Int64Range(0, int64(n)).Draw(t, "from"))*step*market.Time(base.Duration()/time.Microsecond) + 1
			to = from + market.Time(rapid.Int64Range(1, int64(n)+1).Draw(t, "to"))*step*market.Time(base.Duration()/time.Microsecond)
		}
		most := rapid.IntRange(10, 200).Draw(t, "most")
		kept := r.Kept
		got, bars, err := r.Chart(m, base, from, to, most)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSortedFunc(bars, byStart) {
			t.Fatal("the candles are out of order")
		}
		// Every bar in the range is in some candle, once.
		var trades int64
		for _, b := range bars {
			trades += b.Trades
			if b.End != got.End(b.Start) {
				t.Fatalf("candle %v is none of %s", b, got)
			}
		}
		first, end := max(from, market.MinTime), to
		if got != base {
			first = got.Floor(first)
			if len(bars) > 0 {
				end = max(end, bars[len(bars)-1].End)
			}
		}
		if kept == market.MinTime {
			if want := len(between(m.bars, first, end, math.MaxInt)); int(trades) != want {
				t.Fatalf("%d bars are in the chart of %s, want %d", trades, got, want)
			}
		}
		if len(bars) > most && got != market.MustInterval("1mo") && got.Duration() <= market.MustInterval("1d").Duration() {
			t.Fatalf("%d candles of %s, at most %d were asked for", len(bars), got, most)
		}
		if fine := between(m.bars, max(from, market.MinTime), to, math.MaxInt); len(fine) <= most && from >= kept && got != base {
			t.Fatalf("%s is drawn where %d bars of %s would do", got, len(fine), base)
		}
	})
}

func TestRetentionOfDays(t *testing.T) {
	r := New(market.Day)
	b := market.Bar{Start: day0, End: market.Day.End(day0), Open: 1, High: 1, Low: 1, Close: 1}
	r.Add(&b)
	if r.KeepFrom(day0 + 1e15) {
		t.Fatal("days have no candles that would stay")
	}
	r = New(market.Hour)
	for k := range 50 {
		start := day0 + market.Time(k)*market.Time(time.Hour/time.Microsecond)
		r.Add(&market.Bar{Start: start, End: market.Hour.End(start)})
	}
	if !r.KeepFrom(market.MaxTime) || r.Kept != market.Day.Floor(r.To) {
		t.Fatalf("kept from %s, want the day of %s", r.Kept, r.To)
	}
	if r.KeepFrom(day0); r.Kept != market.Day.Floor(r.To) {
		t.Fatal("what is deleted does not come back")
	}
}

func FuzzDecode(f *testing.F) {
	r := New(market.Second)
	for k := range 4000 {
		start := day0 + market.Time(k)*1_000_000
		r.Add(&market.Bar{Start: start, End: start + 1_000_000, Open: 1, High: 2, Low: 0.5, Close: 1, Volume: 3, Trades: int64(k)})
		r.File(int64(k / 1000))
	}
	f.Add(r.Encode(nil))
	f.Add([]byte{})
	f.Add([]byte{0x80, 2})
	f.Fuzz(func(t *testing.T, body []byte) {
		r := New(market.Second)
		if err := r.Decode(body); err != nil {
			if !errors.Is(err, store.ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		again := New(market.Second)
		if err := again.Decode(r.Encode(nil)); err != nil {
			t.Fatal(err)
		}
		sort := func(l []Candle) {
			slices.SortStableFunc(l, func(a, b Candle) int { return cmp.Compare(a.Level, b.Level) })
		}
		sort(r.closed)
		sort(again.closed)
		if d := gocmp.Diff(r.closed, again.closed); d != "" {
			t.Fatal(d)
		}
	})
}
