package csv

import (
	"errors"
	"fmt"
	"time"

	"github.com/foretick/foretick/market"
)

var (
	errNoTime = errors.New("is neither a date (2006-01-02) nor RFC 3339 (2006-01-02T15:04:05Z)")
	errNoZone = errors.New("names no zone; say which one the file means with --timezone, e.g. --timezone America/New_York")
)

// clock reads times.
type clock struct {
	zone *time.Location
	used bool // whether zone was needed
}

// parse reads a time and says whether it was a bare date.
func (c *clock) parse(b []byte) (t market.Time, date bool, err error) {
	if t, ok := epoch(b); ok {
		return t, false, nil
	}
	p := digits{b: b}
	year, month, day := p.number(4), p.after('-'), p.after('-')
	if p.bad || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false, errNoTime
	}
	midnight := daysBefore(year, month, day) * 86_400_000_000
	if len(p.b) == 0 {
		return inRange(midnight, true)
	}
	if p.b[0] != 'T' && p.b[0] != 't' && p.b[0] != ' ' {
		return 0, false, errNoTime
	}
	p.b = p.b[1:]
	hour, minute, second := p.number(2), p.after(':'), 0
	if len(p.b) > 0 && p.b[0] == ':' {
		second = p.after(':')
	}
	micros := p.fraction()
	if p.bad || hour > 23 || minute > 59 || second > 59 {
		return 0, false, errNoTime
	}
	local := midnight + int64(hour*3600+minute*60+second)*1_000_000 + micros
	if len(p.b) > 0 && p.b[0] == ' ' {
		p.b = p.b[1:]
	}
	switch {
	case len(p.b) == 0:
		if c.zone == nil {
			return 0, false, errNoZone
		}
		c.used = true
		return c.resolve(local)
	case len(p.b) == 1 && (p.b[0] == 'Z' || p.b[0] == 'z'), string(p.b) == "UTC":
		return inRange(local, false)
	case p.b[0] == '+' || p.b[0] == '-':
		sign := int64(1)
		if p.b[0] == '-' {
			sign = -1
		}
		p.b = p.b[1:]
		h, m := p.number(2), 0
		if len(p.b) > 0 && p.b[0] == ':' {
			m = p.after(':')
		} else if len(p.b) > 0 {
			m = p.number(2)
		}
		if p.bad || len(p.b) > 0 || h > 23 || m > 59 {
			return 0, false, errNoTime
		}
		return inRange(local-sign*int64(h*3600+m*60)*1_000_000, false)
	}
	return 0, false, errNoTime
}

// resolve turns the reading of a clock on a wall of c.zone, given as microseconds
// since 1970 as if it were UTC, into an instant: the earlier one where there are two.
func (c *clock) resolve(local int64) (market.Time, bool, error) {
	w := time.UnixMicro(local).UTC()
	at := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), w.Nanosecond(), c.zone)
	if at.Hour() != w.Hour() || at.Minute() != w.Minute() {
		return 0, false, fmt.Errorf("does not exist in %s, where clocks were put forward", c.zone)
	}
	if start, _ := at.ZoneBounds(); !start.IsZero() {
		_, now := at.Zone()
		_, before := start.Add(-1).Zone()
		if earlier := at.Add(time.Duration(now-before) * time.Second); before > now && earlier.Before(start) {
			at = earlier
		}
	}
	return inRange(at.UnixMicro(), false)
}

func inRange(micros int64, date bool) (market.Time, bool, error) {
	t := market.Time(micros)
	if t < market.MinTime || t > market.MaxTime {
		return 0, false, errors.New("is outside the years 1 to 9999")
	}
	return t, date, nil
}

// epoch reads seconds (10 digits), milliseconds (13) or microseconds (16) since 1970.
func epoch(b []byte) (market.Time, bool) {
	unit := map[int]market.Time{10: 1_000_000, 13: 1_000, 16: 1}[len(b)]
	if unit == 0 || b[4] < '0' || b[4] > '9' {
		return 0, false
	}
	n := market.Time(0)
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + market.Time(d-'0')
	}
	return n * unit, true
}

// digits takes numbers off the front of b.
type digits struct {
	b   []byte
	bad bool
}

// number takes exactly n digits.
func (p *digits) number(n int) int {
	if p.bad || len(p.b) < n {
		p.bad = true
		return 0
	}
	v := 0
	for _, d := range p.b[:n] {
		if d < '0' || d > '9' {
			p.bad = true
			return 0
		}
		v = v*10 + int(d-'0')
	}
	p.b = p.b[n:]
	return v
}

// after takes the byte sep and two digits.
func (p *digits) after(sep byte) int {
	if p.bad || len(p.b) == 0 || p.b[0] != sep {
		p.bad = true
		return 0
	}
	p.b = p.b[1:]
	return p.number(2)
}

// fraction takes a point (or comma) and at least one digit, if there is one, and
// returns whole microseconds; what is finer is dropped.
func (p *digits) fraction() int64 {
	if p.bad || len(p.b) == 0 || p.b[0] != '.' && p.b[0] != ',' {
		return 0
	}
	p.b = p.b[1:]
	v, n := int64(0), 0
	for n < len(p.b) && p.b[n] >= '0' && p.b[n] <= '9' {
		if n < 6 {
			v = v*10 + int64(p.b[n]-'0')
		}
		n++
	}
	p.bad = n == 0
	p.b = p.b[n:]
	for ; n < 6; n++ {
		v *= 10
	}
	return v
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysBefore counts the days from 1970-01-01 to a date of the Gregorian calendar:
// years begin in March, so that the leap day is the last of one, and repeat every
// 400 years of 146,097 days.
func daysBefore(year, month, day int) int64 {
	y := year
	if month <= 2 {
		y--
	}
	era := (y+400)/400 - 1 // floor, for y from -1 up
	ofEra := y - era*400
	ofYear := (153*((month+9)%12)+2)/5 + day - 1
	return int64(era)*146_097 + int64(ofEra*365+ofEra/4-ofEra/100+ofYear) - 719_468
}
