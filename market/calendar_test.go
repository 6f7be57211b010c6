package market_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/market"
)

func TestAlways(t *testing.T) {
	for _, i := range []string{"1s", "1d", "1mo"} {
		v := market.MustInterval(i)
		start := v.Floor(ts("2024-01-31T14:30:00Z"))
		if got := v.Next(start, market.Always); got != v.End(start) {
			t.Errorf("%s: %s", i, got)
		}
	}
	if market.Always.Name() != "24x7" {
		t.Error("name", market.Always.Name())
	}
}

func TestRecorded(t *testing.T) {
	// Friday's last minute, Monday's first two, given in disorder and twice.
	starts := []market.Time{ts("2024-03-04T14:31:00Z"), ts("2024-03-01T20:59:00Z"), ts("2024-03-04T14:30:00Z"), ts("2024-03-04T14:30:00Z")}
	c := market.Recorded(market.Minute, starts)
	starts[0] = 0 // it keeps a copy
	tests := []struct{ interval, from, want string }{
		{"1m", "2024-03-01T20:59:00Z", "2024-03-04T14:30:00Z"},
		{"1m", "2024-03-04T14:30:00Z", "2024-03-04T14:31:00Z"},
		{"1m", "2024-03-04T14:31:00Z", "2024-03-04T14:32:00Z"}, // after the recording: the clock
		{"1m", "2024-03-01T10:00:00Z", "2024-03-01T20:59:00Z"}, // before: the first that was recorded
		{"5m", "2024-03-01T20:55:00Z", "2024-03-04T14:30:00Z"},
		{"1h", "2024-03-01T20:00:00Z", "2024-03-04T14:00:00Z"},
		{"1d", "2024-03-01", "2024-03-04"},
		{"1d", "2024-03-04", "2024-03-05"},
	}
	for _, tt := range tests {
		i := market.MustInterval(tt.interval)
		if got := i.Next(ts(tt.from), c); got != ts(tt.want) {
			t.Errorf("%s after %s: %s, want %s", tt.interval, tt.from, got, tt.want)
		}
	}
	if c.Name() != "recorded" {
		t.Error("name", c.Name())
	}
}

// The next bar is always later, never before the end of this one, and walking from
// bar to bar visits every recorded bar.
func TestRecordedVisitsEveryBar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var starts []market.Time
		at := t0
		for range rapid.IntRange(1, 50).Draw(t, "n") {
			at += market.Time(rapid.IntRange(1, 2000).Draw(t, "minutes")) * 60e6
			starts = append(starts, at)
		}
		c := market.Recorded(market.Minute, starts)
		visited := starts[0]
		for _, want := range starts[1:] {
			if visited = market.Minute.Next(visited, c); visited != want {
				t.Fatalf("next is %s, want %s", visited, want)
			}
		}
		coarse := market.MustInterval(rapid.SampledFrom([]string{"5m", "1h", "1d"}).Draw(t, "coarse"))
		visited = coarse.Floor(starts[0])
		for _, s := range starts {
			if f := coarse.Floor(s); f != visited {
				if visited = coarse.Next(visited, c); visited != f {
					t.Fatalf("%s: next is %s, want %s", coarse, visited, f)
				}
			}
		}
	})
}
