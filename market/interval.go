package market

import (
	"fmt"
	"strconv"
	"time"
)

// Interval is the length of a bar: 1s, 5s, 1m, 5m, 15m, 1h, 4h, 1d, 1w, 1mo. The
// zero Interval is not valid. Intervals compare with ==; two spellings of one
// length (60s and 1m) parse to the same value.
type Interval struct {
	n    int32
	unit intervalUnit
}

type intervalUnit uint8

const (
	_ intervalUnit = iota
	unitSecond
	unitMinute
	unitHour
	unitDay
	unitWeek
	unitMonth
)

var unitNames = [...]string{unitSecond: "s", unitMinute: "m", unitHour: "h", unitDay: "d", unitWeek: "w", unitMonth: "mo"}

var unitLengths = [...]time.Duration{
	unitSecond: time.Second,
	unitMinute: time.Minute,
	unitHour:   time.Hour,
	unitDay:    24 * time.Hour,
	unitWeek:   7 * 24 * time.Hour,
	unitMonth:  30 * 24 * time.Hour,
}

// The intervals that users meet most.
var (
	Second    = Interval{1, unitSecond}
	Minute    = Interval{1, unitMinute}
	FiveMin   = Interval{5, unitMinute}
	QuarterHr = Interval{15, unitMinute}
	Hour      = Interval{1, unitHour}
	Day       = Interval{1, unitDay}
)

// ParseInterval reads an interval such as 1s, 5m, 1h, 1d, 1w or 1mo. Seconds,
// minutes and hours must divide the next larger unit (7m is refused), so that
// bars always start at the same times of day.
func ParseInterval(s string) (Interval, error) {
	bad := func(why string) (Interval, error) {
		return Interval{}, fmt.Errorf("market: interval %q %s; write one such as 1s, 1m, 5m, 15m, 1h or 1d", s, why)
	}
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	n, err := strconv.ParseInt(s[:i], 10, 32)
	if err != nil || n < 1 {
		return bad("does not begin with a whole number of at least 1")
	}
	for u := unitSecond; u <= unitMonth; u++ {
		if unitNames[u] != s[i:] {
			continue
		}
		for u < unitDay && n%unitRatio(u) == 0 {
			n /= unitRatio(u)
			u++
		}
		switch {
		case u < unitDay && unitRatio(u)%n != 0:
			return bad("does not divide the next larger unit evenly")
		case u >= unitDay && n != 1:
			return bad("is longer than one day, week or month")
		}
		return Interval{int32(n), u}, nil
	}
	return bad("has an unknown unit")
}

func unitRatio(u intervalUnit) int64 {
	if u == unitHour {
		return 24
	}
	return 60
}

// MustInterval is ParseInterval for constants; it panics on a bad one.
func MustInterval(s string) Interval {
	i, err := ParseInterval(s)
	if err != nil {
		panic(err)
	}
	return i
}

// Valid reports whether i is a real interval, not the zero value.
func (i Interval) Valid() bool { return i.n > 0 }

// String writes the shortest spelling, such as 5m.
func (i Interval) String() string {
	if !i.Valid() {
		return "invalid"
	}
	return strconv.Itoa(int(i.n)) + unitNames[i.unit]
}

// MarshalText writes i as String does.
func (i Interval) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads i as ParseInterval does.
func (i *Interval) UnmarshalText(b []byte) error {
	v, err := ParseInterval(string(b))
	if err != nil {
		return err
	}
	*i = v
	return nil
}

// Duration returns the nominal length. A month counts as 30 days here: use it for
// sizes and time limits, never to compute when a bar ends.
func (i Interval) Duration() time.Duration { return time.Duration(i.n) * unitLengths[i.unit] }

// Floor returns the start of the grid bar that contains t. Bars are aligned to
// UTC: weeks begin on Monday, months on the first.
func (i Interval) Floor(t Time) Time {
	switch i.unit {
	case unitMonth:
		y, m, _ := t.Std().Date()
		return TimeOf(time.Date(y, m, 1, 0, 0, 0, 0, time.UTC))
	case unitWeek: // 1970-01-05 was a Monday.
		const monday = Time(4 * 24 * time.Hour / time.Microsecond)
		return floorTo(t-monday, i.micros()) + monday
	default:
		return floorTo(t, i.micros())
	}
}

// End returns the end of the bar that starts at start, which need not lie on the
// grid of Floor (hourly stock bars often start at half past).
func (i Interval) End(start Time) Time {
	if i.unit == unitMonth {
		return TimeOf(start.Std().AddDate(0, 1, 0))
	}
	return start + i.micros()
}

// Next returns the start of the bar that follows the bar at start, by the trading
// calendar c.
func (i Interval) Next(start Time, c Calendar) Time { return c.NextBar(i, start) }

func (i Interval) micros() Time { return Time(i.Duration() / time.Microsecond) }

func floorTo(t, step Time) Time {
	r := t % step
	if r < 0 {
		r += step
	}
	return t - r
}
