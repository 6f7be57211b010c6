package market_test

import (
	"testing"

	"github.com/foretick/foretick/market"
)

func TestFXWeekNextBar(t *testing.T) {
	tests := []struct{ name, interval, from, want string }{
		{"Friday's last minute to Sunday, in winter", "1m", "2024-03-01T21:59:00Z", "2024-03-03T22:00:00Z"},
		{"Friday's last minute to Sunday, in summer", "1m", "2024-07-05T20:59:00Z", "2024-07-07T21:00:00Z"},
		{"clocks go forward at the weekend", "1m", "2024-03-08T21:59:00Z", "2024-03-10T21:00:00Z"},
		{"clocks go back at the weekend", "1m", "2024-11-01T20:59:00Z", "2024-11-03T22:00:00Z"},
		{"around the clock between", "1m", "2024-03-05T21:59:00Z", "2024-03-05T22:00:00Z"},
		{"no holidays", "1h", "2024-12-24T23:00:00Z", "2024-12-25T00:00:00Z"},
		{"hours", "1h", "2024-03-01T21:00:00Z", "2024-03-03T22:00:00Z"},
		{"four hours: the bar that holds the opening", "4h", "2024-03-01T20:00:00Z", "2024-03-03T20:00:00Z"},
		{"days: Sunday evening has a bar", "1d", "2024-03-01", "2024-03-03"},
		{"days: then Monday", "1d", "2024-03-03", "2024-03-04"},
		{"weeks", "1w", "2024-02-26", "2024-03-04"},
		{"months", "1mo", "2024-02-01", "2024-03-01"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := market.MustInterval(tt.interval)
			if got := i.Next(ts(tt.from), market.FXWeek); got != ts(tt.want) {
				t.Errorf("%s after %s: %s, want %s", tt.interval, tt.from, got, tt.want)
			}
		})
	}
}

// Every week of 1970 to 2037 opens on Sunday at 17:00 and closes on Friday at 17:00
// by the tz database's clock.
func TestFXWeekSessions(t *testing.T) {
	ny := newYork(t)
	for at := ts("1970-01-01"); at < ts("2038-01-01"); {
		open, end, _ := market.FXWeek.Session(at)
		if o, c := open.Std().In(ny).Format("Mon 15:04:05"), end.Std().In(ny).Format("Mon 15:04:05"); o != "Sun 17:00:00" || c != "Fri 17:00:00" {
			t.Fatalf("%s to %s", o, c)
		}
		if days := end.Sub(open).Hours() / 24; days != 5 {
			t.Fatalf("the week from %s is %v days long", open, days)
		}
		at = end
	}
}
