package market_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/market"
)

func TestCalendarByName(t *testing.T) {
	names := market.Calendars()
	if !slices.Equal(names, []string{"24x7", "us-equities", "fx-week"}) {
		t.Errorf("calendars: %v", names)
	}
	for _, name := range names {
		c, err := market.CalendarByName(name)
		if err != nil || c.Name() != name {
			t.Errorf("%s: %v, %v", name, c, err)
		}
		if _, ok := c.(market.Sessions); !ok {
			t.Errorf("%s has no sessions", name)
		}
	}
	_, err := market.CalendarByName("lse")
	if err == nil {
		t.Fatal("an unknown calendar was found")
	}
	for _, want := range append(names, `"lse"`) {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %s", err, want)
		}
	}
}

func TestAlwaysIsOneSession(t *testing.T) {
	for _, at := range []market.Time{market.MinTime, 0, market.MaxTime} {
		open, end, ok := market.Always.(market.Sessions).Session(at)
		if open != market.MinTime || end != market.MaxTime || !ok {
			t.Errorf("%s: %s to %s, %t", at, open, end, ok)
		}
	}
}

var allIntervals = []string{"1s", "5s", "1m", "5m", "15m", "30m", "1h", "4h", "12h", "1d", "1w", "1mo"}

func drawCalendar(t *rapid.T) market.Sessions {
	c, err := market.CalendarByName(rapid.SampledFrom(market.Calendars()).Draw(t, "calendar"))
	if err != nil {
		t.Fatal(err)
	}
	return c.(market.Sessions)
}

func drawTime(t *rapid.T, first, last string) market.Time {
	return market.Time(rapid.Int64Range(int64(ts(first)), int64(ts(last))).Draw(t, "at"))
}

// Sessions come in order, do not touch, and every instant of one leads to it, as
// does every instant of the closed time before it.
func TestSessionsAreInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalendar(t)
		at := drawTime(t, "1880-01-01", "2200-01-01")
		open, end, ok := c.Session(at)
		if ok != (open <= at) || at >= end || open >= end {
			t.Fatalf("%s at %s: %s to %s, %t", c.Name(), at, open, end, ok)
		}
		if end == market.MaxTime {
			return
		}
		next, nextEnd, nextOK := c.Session(end)
		if nextOK || next <= end || nextEnd <= next {
			t.Fatalf("%s after %s to %s: %s to %s, %t", c.Name(), open, end, next, nextEnd, nextOK)
		}
		within := market.Time(rapid.Int64Range(int64(end), int64(nextEnd)-1).Draw(t, "within"))
		if o, e, _ := c.Session(within); o != next || e != nextEnd {
			t.Fatalf("%s at %s: %s to %s, want %s to %s", c.Name(), within, o, e, next, nextEnd)
		}
	})
}

// Walking from bar to bar visits exactly the bars of the grid that overlap a
// session, each once and in order: the reference looks at every bar of the grid.
func TestWalkingVisitsEveryBarOfASession(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawCalendar(t)
		i := market.MustInterval(rapid.SampledFrom(allIntervals).Draw(t, "interval"))
		start := drawTime(t, "1965-01-01", "2060-01-01")
		if rapid.Bool().Draw(t, "near a boundary") {
			open, end, _ := c.Session(start)
			if end != market.MaxTime {
				start = rapid.SampledFrom([]market.Time{open, end}).Draw(t, "boundary") + market.Time(rapid.IntRange(-90, 90).Draw(t, "seconds"))*1e6
			}
		}
		if rapid.Bool().Draw(t, "on the grid") {
			start = i.Floor(start)
		}
		bar := i.Floor(i.End(start))
		if bar < i.End(start) {
			bar = i.End(bar)
		}
		if c == market.Always {
			bar = i.End(start) // around the clock, a bar off the grid is followed by one off the grid
		}
		at := start
		for range 40 {
			at = i.Next(at, c)
			for steps := 0; ; steps++ {
				if open, _, _ := c.Session(bar); open < i.End(bar) {
					break
				}
				if bar = i.End(bar); steps > 3000 { // seconds of a night or a weekend
					open, _, _ := c.Session(bar)
					bar = i.Floor(open)
					break
				}
			}
			if at != bar {
				t.Fatalf("%s %s from %s: %s, want %s", c.Name(), i, start, at, bar)
			}
			if c == market.Always {
				bar = i.End(bar)
			} else {
				bar = i.Floor(i.End(bar))
			}
		}
	})
}

func TestNextBarAllocatesNothing(t *testing.T) {
	for _, name := range market.Calendars() {
		c, _ := market.CalendarByName(name)
		for _, interval := range allIntervals {
			i, at := market.MustInterval(interval), ts("2024-03-01T20:59:00Z")
			if n := testing.AllocsPerRun(100, func() { at = i.Next(at, c) }); n != 0 {
				t.Errorf("%s %s: %v allocations", name, interval, n)
			}
		}
	}
}

func BenchmarkNextBar(b *testing.B) {
	for _, name := range market.Calendars() {
		c, _ := market.CalendarByName(name)
		for _, interval := range []string{"1m", "1h", "1d", "1mo"} {
			b.Run(name+"/"+interval, func(b *testing.B) {
				b.ReportAllocs()
				i, first := market.MustInterval(interval), ts("1990-01-02")
				at := first
				for b.Loop() {
					if at = i.Next(at, c); at > 2_000_000_000_000_000 { // 2033: begin again
						at = first
					}
				}
			})
		}
	}
}
