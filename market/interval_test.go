package market_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/market"
)

func TestParseInterval(t *testing.T) {
	tests := []struct{ in, want string }{
		{"1s", "1s"}, {"5s", "5s"}, {"60s", "1m"}, {"120s", "2m"}, {"3600s", "1h"}, {"86400s", "1d"}, {"90s", ""},
		{"1m", "1m"}, {"15m", "15m"}, {"60m", "1h"}, {"1440m", "1d"}, {"7m", ""}, {"90m", ""},
		{"4h", "4h"}, {"24h", "1d"}, {"5h", ""}, {"48h", ""},
		{"1d", "1d"}, {"2d", ""}, {"1w", "1w"}, {"2w", ""}, {"1mo", "1mo"}, {"3mo", ""},
		{"", ""}, {"m", ""}, {"0s", ""}, {"-1s", ""}, {"1", ""}, {"1x", ""}, {"1.5m", ""}, {"99999999999s", ""}, {" 1m", ""}, {"1M", ""},
	}
	for _, tt := range tests {
		i, err := market.ParseInterval(tt.in)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%q is taken as %s", tt.in, i)
			}
			continue
		}
		if err != nil || i.String() != tt.want || i != market.MustInterval(tt.want) {
			t.Errorf("%q: %s, %v, want %s", tt.in, i, err, tt.want)
		}
	}
}

func TestIntervalText(t *testing.T) {
	var v struct{ I market.Interval }
	if err := json.Unmarshal([]byte(`{"I":"60m"}`), &v); err != nil || v.I != market.Hour {
		t.Fatalf("%v, %v", v, err)
	}
	if b, err := json.Marshal(v); err != nil || string(b) != `{"I":"1h"}` {
		t.Fatalf("%s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"I":"7m"}`), &v); err == nil {
		t.Error("7m is taken")
	}
	if s := (market.Interval{}).String(); s != "invalid" {
		t.Errorf("the zero interval is written %q", s)
	}
	defer func() {
		if recover() == nil {
			t.Error("MustInterval does not panic")
		}
	}()
	market.MustInterval("7m")
}

func ts(s string) market.Time {
	t, err := market.ParseTime(s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestFloorAndEnd(t *testing.T) {
	tests := []struct{ interval, at, floor, end string }{
		{"1s", "2024-02-29T23:59:59.999999Z", "2024-02-29T23:59:59Z", "2024-03-01"},
		{"5m", "2024-02-29T14:33:00Z", "2024-02-29T14:30:00Z", "2024-02-29T14:35:00Z"},
		{"4h", "2024-02-29T14:33:00Z", "2024-02-29T12:00:00Z", "2024-02-29T16:00:00Z"},
		{"1d", "2024-02-29T14:33:00Z", "2024-02-29", "2024-03-01"},
		{"1w", "2024-02-29T14:33:00Z", "2024-02-26", "2024-03-04"}, // a Thursday; weeks begin on Monday
		{"1w", "2024-02-26", "2024-02-26", "2024-03-04"},
		{"1w", "2024-02-25T23:59:59Z", "2024-02-19", "2024-02-26"},
		{"1mo", "2024-02-29T14:33:00Z", "2024-02-01", "2024-03-01"},
		{"1mo", "2023-12-31T14:33:00Z", "2023-12-01", "2024-01-01"},
		// before 1970 floors go down, not towards zero
		{"1m", "1969-12-31T23:59:59Z", "1969-12-31T23:59:00Z", "1970-01-01"},
		{"1w", "1969-12-31", "1969-12-29", "1970-01-05"},
		{"1mo", "1962-01-15", "1962-01-01", "1962-02-01"},
	}
	for _, tt := range tests {
		i := market.MustInterval(tt.interval)
		floor := i.Floor(ts(tt.at))
		if floor != ts(tt.floor) || i.End(floor) != ts(tt.end) {
			t.Errorf("%s of %s: %s to %s, want %s to %s", tt.interval, tt.at, floor, i.End(floor), tt.floor, tt.end)
		}
	}
}

// The grid covers all of time without holes or overlaps, and agrees with the
// standard library's weekdays and months.
func TestGrid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := market.MustInterval(rapid.SampledFrom([]string{"1s", "30s", "1m", "5m", "1h", "12h", "1d", "1w", "1mo"}).Draw(t, "interval"))
		at := market.Time(rapid.Int64Range(int64(ts("1800-01-01")), int64(ts("2200-01-01"))).Draw(t, "at"))
		start := i.Floor(at)
		end := i.End(start)
		if start > at || at >= end || i.Floor(start) != start || i.Floor(end) != end || i.Floor(end-1) != start {
			t.Fatalf("%s: %s lies in %s to %s", i, at, start, end)
		}
		switch i.String() {
		case "1w":
			if start.Std().Weekday() != time.Monday {
				t.Fatalf("a week begins on %s", start.Std().Weekday())
			}
		case "1mo":
			if start.Std().Day() != 1 || end.Std().Day() != 1 {
				t.Fatalf("a month is %s to %s", start, end)
			}
		}
	})
}

func TestOffGridBars(t *testing.T) {
	// Hourly stock bars begin at half past.
	if end := market.Hour.End(ts("2024-02-29T14:30:00Z")); end != ts("2024-02-29T15:30:00Z") {
		t.Errorf("ends at %s", end)
	}
}

func FuzzParseInterval(f *testing.F) {
	for _, s := range []string{"1s", "60m", "1mo", "7m", "", "99999999999s", "1M"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		i, err := market.ParseInterval(s)
		if err != nil {
			if i.Valid() {
				t.Errorf("%q: an interval and an error", s)
			}
			return
		}
		again, err := market.ParseInterval(i.String())
		if err != nil || again != i || i.Duration() <= 0 {
			t.Errorf("%q is written %s, which reads %s, %v", s, i, again, err)
		}
	})
}
