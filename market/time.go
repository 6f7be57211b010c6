package market

import (
	"fmt"
	"time"
)

// Time is an instant in whole microseconds since 1970-01-01T00:00:00Z. It is
// always UTC, compares with the ordinary operators and is what stores and the
// ledger keep. At the edges it is written as RFC 3339.
type Time int64

// MinTime and MaxTime bound the instants that Foretick accepts: years 1 to 9999,
// the range RFC 3339 can write.
const (
	MinTime Time = -62135596800_000_000
	MaxTime Time = 253402300799_999_999
)

// TimeOf converts t, dropping what is finer than a microsecond.
func TimeOf(t time.Time) Time { return Time(t.UnixMicro()) }

// Std returns t as a time.Time in UTC.
func (t Time) Std() time.Time { return time.UnixMicro(int64(t)).UTC() }

// Add returns t moved by d, dropping what is finer than a microsecond.
func (t Time) Add(d time.Duration) Time { return t + Time(d/time.Microsecond) }

// Sub returns the duration t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t-u) * time.Microsecond }

// String writes t as RFC 3339 in UTC with as many decimals as it needs.
func (t Time) String() string { return t.Std().Format(time.RFC3339Nano) }

// AppendText appends t as RFC 3339 in UTC.
func (t Time) AppendText(b []byte) ([]byte, error) {
	return t.Std().AppendFormat(b, time.RFC3339Nano), nil
}

// MarshalText writes t as RFC 3339 in UTC.
func (t Time) MarshalText() ([]byte, error) { return t.AppendText(nil) }

// UnmarshalText reads an RFC 3339 instant or a date, which means its midnight in
// UTC.
func (t *Time) UnmarshalText(b []byte) error {
	v, err := ParseTime(string(b))
	if err != nil {
		return err
	}
	*t = v
	return nil
}

// ParseTime reads an RFC 3339 instant (any offset) or a bare date, which means its
// midnight in UTC.
func ParseTime(s string) (Time, error) {
	layout := time.RFC3339Nano
	if len(s) == len(time.DateOnly) {
		layout = time.DateOnly
	}
	v, err := time.Parse(layout, s)
	if err != nil {
		return 0, fmt.Errorf("market: time %q is neither RFC 3339 (2006-01-02T15:04:05Z) nor a date (2006-01-02)", s)
	}
	t := TimeOf(v)
	if t < MinTime || t > MaxTime {
		return 0, fmt.Errorf("market: time %q is outside the years 1 to 9999", s)
	}
	return t, nil
}

// Span is the half-open stretch of time [Start, End).
type Span struct {
	Start Time `json:"start"`
	End   Time `json:"end"`
}

// Contains reports whether t lies in [Start, End).
func (s Span) Contains(t Time) bool { return s.Start <= t && t < s.End }
