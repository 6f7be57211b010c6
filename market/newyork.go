package market

import "time"

// day is a calendar date, in days since 1970-01-01. Dates carry no time zone.
type day int

const dayMicros = Time(24 * time.Hour / time.Microsecond)

// dayOf returns the date of the d-th day of month; d may lie outside of the month.
// It counts years from March, so that the leap day is the last of a year and the
// months before it follow one pattern: 153 days every five months.
func dayOf(year int, month time.Month, d int) day {
	y, m := year+4000, int(month)-int(time.March) // ten times 400 years, to stay positive
	if m < 0 {
		y, m = y-1, m+12
	}
	const marchFirst = 1_460_970 + 719_468 // ten times 400 years, and from 1 March of year 0 to 1970
	return day(365*y + y/4 - y/100 + y/400 + (153*m+2)/5 + d - 1 - marchFirst)
}

func (d day) midnight() Time { return Time(d) * dayMicros }

func (d day) civil() (year int, month time.Month, dom int) { return d.midnight().Std().Date() }

func (d day) weekday() time.Weekday { return time.Weekday(((int(d)+int(time.Thursday))%7 + 7) % 7) }

// yearly names one date of every year: a fixed one, the nth weekday of a month, or
// one that moves with Easter. It is data, so that tables of rules read like the
// lists that exchanges and legislators publish.
type yearly struct {
	month   time.Month // zero: counted from Easter Sunday
	day     int        // zero: the nth weekday
	nth     int        // 1 is the first, -1 the last
	weekday time.Weekday
	later   int // days to add at the end
}

func fixed(month time.Month, day int) yearly { return yearly{month: month, day: day} }

func nth(n int, weekday time.Weekday, month time.Month) yearly {
	return yearly{month: month, nth: n, weekday: weekday}
}

func last(weekday time.Weekday, month time.Month) yearly { return nth(-1, weekday, month) }

func easter(days int) yearly { return yearly{later: days} }

func (y yearly) dayAfter() yearly {
	y.later++
	return y
}

// in returns y's date in year.
func (y yearly) in(year int) day {
	switch {
	case y.month == 0:
		return easterSunday(year) + day(y.later)
	case y.day > 0:
		return dayOf(year, y.month, y.day) + day(y.later)
	case y.nth < 0:
		end := dayOf(year, y.month, daysIn(year, y.month))
		return end - day((end.weekday()-y.weekday+7)%7) + day(y.later)
	default:
		first := dayOf(year, y.month, 1)
		return first + day((y.weekday-first.weekday()+7)%7) + day(7*(y.nth-1)+y.later)
	}
}

func daysIn(year int, month time.Month) int {
	if month == time.December {
		return 31
	}
	return int(dayOf(year, month+1, 1) - dayOf(year, month, 1))
}

// touches reports whether y's date, or the weekday next to it on which it is
// observed, can lie in month. It spares computing the dates of other months.
func (y yearly) touches(month time.Month) bool {
	return y.month == month || y.month == 0 && (month == time.March || month == time.April)
}

// easterSunday is the Sunday after the first full moon of spring by the Gregorian
// tables: the moon's age from the golden number, corrected for the leap days that
// were dropped and for the drift of the Metonic cycle (Clavius 1603; the steps as
// in Knuth, The Art of Computer Programming 1, section 1.3.2, exercise 14).
func easterSunday(year int) day {
	golden := year%19 + 1
	century := year/100 + 1
	dropped := 3*century/4 - 12
	drift := (8*century+5)/25 - 5
	epact := ((11*golden+20+drift-dropped)%30 + 30) % 30
	if epact == 25 && golden > 11 || epact == 24 {
		epact++
	}
	moon := 44 - epact // of March
	if moon < 21 {
		moon += 30
	}
	full := dayOf(year, time.March, moon)
	return full + 7 - day(full.weekday())
}

// daylightRules are the years in which New York's clocks stood one hour ahead, and
// between which two Sundays: Uniform Time Act of 1966 (15 U.S.C. 260a), Emergency
// Daylight Saving Time Energy Conservation Act of 1973, and the amendments of 1986
// and 2005. Clocks move at 2:00 by the local clock. Before 1967 states and cities
// decided for themselves; here those years have standard time throughout.
var daylightRules = []struct {
	since, until int // years, both included; until 0 is still in force
	begin, end   yearly
}{
	{2007, 0, nth(2, time.Sunday, time.March), nth(1, time.Sunday, time.November)},
	{1987, 2006, nth(1, time.Sunday, time.April), last(time.Sunday, time.October)},
	{1976, 1986, last(time.Sunday, time.April), last(time.Sunday, time.October)},
	{1975, 1975, fixed(time.February, 23), last(time.Sunday, time.October)},
	{1974, 1974, fixed(time.January, 6), last(time.Sunday, time.October)},
	{1967, 1973, last(time.Sunday, time.April), last(time.Sunday, time.October)},
}

const (
	hourMicros      = Time(time.Hour / time.Microsecond)
	newYorkStandard = -5 * hourMicros
	newYorkDaylight = -4 * hourMicros
)

// newYorkOffset returns how far New York's clocks stand from UTC at t; it is
// negative, since they are behind.
func newYorkOffset(t Time) Time {
	year, _, _ := (t + newYorkStandard).Std().Date()
	for _, r := range daylightRules {
		if year < r.since || r.until != 0 && year > r.until {
			continue
		}
		begin := r.begin.in(year).midnight() + 2*hourMicros - newYorkStandard
		end := r.end.in(year).midnight() + 2*hourMicros - newYorkDaylight
		if begin <= t && t < end {
			return newYorkDaylight
		}
		return newYorkStandard
	}
	return newYorkStandard
}

// clock is a time of day, in minutes after midnight.
type clock int

func at(hour, minute int) clock { return clock(60*hour + minute) }

func (c clock) micros() Time { return Time(c) * (hourMicros / 60) }

// newYorkMidnight returns the instant from which New York's clocks on d count from
// 3:00 on: add the time of day. (On days when clocks move it is not the midnight
// that happened; the hours before 3:00 happen never or twice on them.)
func newYorkMidnight(d day) Time {
	return d.midnight() - newYorkOffset(d.midnight()+12*hourMicros)
}

// newYorkDay returns New York's date at t by standard time. In summer it is still
// yesterday's during the first hour after midnight, when no market here opens or
// closes.
func newYorkDay(t Time) day { return day(floorTo(t+newYorkStandard, dayMicros) / dayMicros) }
