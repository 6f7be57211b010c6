package market_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/market"
)

func TestParseTime(t *testing.T) {
	tests := []struct{ in, want string }{
		{"2024-02-29T14:30:00Z", "2024-02-29T14:30:00Z"},
		{"2024-02-29T14:30:00.1234567Z", "2024-02-29T14:30:00.123456Z"}, // finer than a microsecond is dropped
		{"2024-02-29T14:30:00+02:00", "2024-02-29T12:30:00Z"},
		{"2024-02-29", "2024-02-29T00:00:00Z"},
		{"0001-01-01", "0001-01-01T00:00:00Z"},
		{"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
		{"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
		{"2023-02-29", ""}, {"0000-12-31", ""}, {"2024-02-29 14:30:00", ""}, {"1709217000", ""}, {"", ""}, {"2024-02-29T14:30:00", ""},
		{"0001-01-01T00:00:00+01:00", ""},
	}
	for _, tt := range tests {
		got, err := market.ParseTime(tt.in)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%q is taken as %s", tt.in, got)
			}
			continue
		}
		if err != nil || got.String() != tt.want {
			t.Errorf("%q: %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
	if market.MinTime != ts("0001-01-01") || market.MaxTime != ts("9999-12-31T23:59:59.999999Z") {
		t.Error("MinTime or MaxTime is not what its comment says")
	}
}

func TestTimeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := market.Time(rapid.Int64Range(int64(market.MinTime), int64(market.MaxTime)).Draw(t, "at"))
		b, err := json.Marshal(at)
		if err != nil {
			t.Fatal(err)
		}
		var back market.Time
		if err := json.Unmarshal(b, &back); err != nil || back != at {
			t.Fatalf("%s reads %s, %v", b, back, err)
		}
		if market.TimeOf(at.Std()) != at || at.Std().Location() != time.UTC {
			t.Fatal("Std loses something")
		}
	})
}

func TestTimeArithmetic(t *testing.T) {
	at := ts("2024-02-29T14:30:00Z")
	if got := at.Add(1500 * time.Nanosecond); got != at+1 {
		t.Errorf("Add: %s", got)
	}
	if got := at.Add(-time.Minute); got != ts("2024-02-29T14:29:00Z") || at.Sub(got) != time.Minute {
		t.Errorf("Add and Sub: %s", got)
	}
	s := market.Span{Start: at, End: at + 10}
	for _, tt := range []struct {
		at   market.Time
		want bool
	}{{at - 1, false}, {at, true}, {at + 9, true}, {at + 10, false}} {
		if s.Contains(tt.at) != tt.want {
			t.Errorf("Contains(%s) is %v", tt.at, !tt.want)
		}
	}
	var v market.Time
	if err := v.UnmarshalText([]byte("noon")); err == nil {
		t.Error("noon is taken")
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2024-02-29T14:30:00Z", "2024-02-29", "2024-02-29T14:30:00.5+14:00", "0000-01-01", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, err := market.ParseTime(s)
		if err != nil {
			return
		}
		if again, err := market.ParseTime(at.String()); err != nil || again != at {
			t.Errorf("%q is written %s, which reads %s, %v", s, at, again, err)
		}
	})
}
