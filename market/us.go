package market

import "time"

// USEquities is the calendar of the regular session of the stock exchanges of the
// United States, 9:30 to 16:00 New York time, Monday to Friday. Its name is
// "us-equities". NYSE and Nasdaq share it.
//
// The tables in this file are the whole calendar: holidays (usHolidays), early
// closings that return every year (usEarlyCloses), and days that happened once
// (usClosures, usShortDays). They are meant to be complete from 1990 on, by NYSE's
// page "Holidays and Trading Hours", NYSE Rule 7.2, and for the past by NYSE's list
// "Special Closings", which ends in 2011. Rules in force today are continued into
// the future; NYSE publishes three years ahead. Before 1990 closings that happened
// once are missing, and until 27 September 1985 the session began at 10:00.
//
// What happens within a day is not a session's business: late openings (11:00 on 27
// December 1990, 10:30 on 18 December 1995, 11:00 on 8 January 1996, noon on 11
// September 2002, minutes of silence), halts (23 November 1990, 8 July 2015, the
// circuit breakers of March 2020), and one exchange closing some minutes before the
// others (NYSE at 15:56 on 1 June 2005). The session is there, and bars are missing
// in it.
//
// Scheduled hours were public long before. The days of usClosures and usShortDays
// were known a few days ahead at best; over the past, this calendar knows them
// always. That tells when trade took place, and nothing of prices.
var USEquities Sessions = usEquities{}

var (
	usOpen  = at(9, 30)
	usClose = at(16, 0)
)

// observance says what becomes of a holiday that falls on a weekend.
type observance uint8

const (
	asItFalls      observance = iota // always on a weekday, by its rule
	sundayToMonday                   // Saturday's is not made up for
	nearestWeekday                   // Saturday's on Friday, Sunday's on Monday
)

// usHolidays are the days on which the exchanges stay closed every year. Rule 7.2:
// a holiday on a Saturday closes the Friday before unless unusual business
// conditions exist, such as the end of a month or a year, which is why New Year's
// Day on a Saturday is never made up for.
var usHolidays = []struct {
	name         string
	since, until int // years, both included; until 0 is still in force
	on           yearly
	observed     observance
}{
	{"New Year's Day", 1885, 0, fixed(time.January, 1), sundayToMonday},
	{"Martin Luther King, Jr. Day", 1998, 0, nth(3, time.Monday, time.January), asItFalls},
	{"Washington's Birthday", 1971, 0, nth(3, time.Monday, time.February), asItFalls},
	{"Good Friday", 1908, 0, easter(-2), asItFalls},
	{"Memorial Day", 1971, 0, last(time.Monday, time.May), asItFalls},
	{"Juneteenth", 2022, 0, fixed(time.June, 19), nearestWeekday},
	{"Independence Day", 1954, 0, fixed(time.July, 4), nearestWeekday},
	{"Labor Day", 1887, 0, nth(1, time.Monday, time.September), asItFalls},
	{"Thanksgiving Day", 1942, 0, nth(4, time.Thursday, time.November), asItFalls},
	{"Christmas Day", 1954, 0, fixed(time.December, 25), nearestWeekday},
}

// usEarlyCloses are the short days that return. A holiday on the same date wins:
// 3 July and 24 December are closed when they are Fridays.
var usEarlyCloses = []struct {
	name         string
	since, until int
	on           yearly
	weekdays     weekdays
	close        clock
}{
	{"day before Independence Day", 1995, 0, fixed(time.July, 3), on(time.Monday, time.Tuesday, time.Thursday), at(13, 0)},
	// With Independence Day on a Thursday the Friday after it was the short day
	// (1996, 2002); since 2013 it is the Wednesday before.
	{"day after Independence Day", 1996, 2012, fixed(time.July, 5), on(time.Friday), at(13, 0)},
	{"day before Independence Day", 2013, 0, fixed(time.July, 3), on(time.Wednesday), at(13, 0)},
	{"day after Thanksgiving", 1992, 1992, nth(4, time.Thursday, time.November).dayAfter(), on(time.Friday), at(14, 0)},
	{"day after Thanksgiving", 1993, 0, nth(4, time.Thursday, time.November).dayAfter(), on(time.Friday), at(13, 0)},
	{"Christmas Eve", 1990, 1992, fixed(time.December, 24), on(time.Monday, time.Tuesday, time.Wednesday, time.Thursday), at(14, 0)},
	{"Christmas Eve", 1996, 0, fixed(time.December, 24), on(time.Monday, time.Tuesday, time.Wednesday, time.Thursday), at(13, 0)},
}

// usClosures are the whole days closed once.
var usClosures = []struct {
	day    day
	reason string
}{
	{dayOf(1994, time.April, 27), "funeral of former President Richard M. Nixon"},
	{dayOf(2001, time.September, 11), "attack on the World Trade Center"},
	{dayOf(2001, time.September, 12), "attack on the World Trade Center"},
	{dayOf(2001, time.September, 13), "attack on the World Trade Center"},
	{dayOf(2001, time.September, 14), "attack on the World Trade Center"},
	{dayOf(2004, time.June, 11), "day of mourning for former President Ronald Reagan"},
	{dayOf(2007, time.January, 2), "day of mourning for former President Gerald R. Ford"},
	{dayOf(2012, time.October, 29), "Hurricane Sandy"},
	{dayOf(2012, time.October, 30), "Hurricane Sandy"},
	{dayOf(2018, time.December, 5), "day of mourning for former President George H. W. Bush"},
	{dayOf(2025, time.January, 9), "day of mourning for former President Jimmy Carter"},
}

// usShortDays are the days that ended early once.
var usShortDays = []struct {
	day    day
	close  clock
	reason string
}{
	{dayOf(1994, time.February, 11), at(14, 30), "snowstorm"},
	{dayOf(1996, time.January, 8), at(14, 0), "snowstorm"},
	{dayOf(1997, time.October, 27), at(15, 30), "second circuit breaker: the day ended, on all exchanges"},
	{dayOf(1997, time.December, 26), at(13, 0), "Friday after Christmas"},
	{dayOf(1999, time.December, 31), at(13, 0), "last day before the year 2000"},
	{dayOf(2003, time.December, 26), at(13, 0), "Friday after Christmas"},
}

type usEquities struct{}

func (usEquities) Name() string { return "us-equities" }

func (usEquities) NextBar(i Interval, start Time) Time { return nextBar(i, start, usSession) }

func (usEquities) Session(t Time) (open, close Time, ok bool) {
	open, close = usSession(t)
	return open, close, open <= t
}

// usSession returns the first session that closes after t. No stretch of closed
// days is longer than a week.
func usSession(t Time) (open, close Time) {
	for d := newYorkDay(t); ; d++ {
		if c, ok := usCloseOn(d); ok {
			midnight := newYorkMidnight(d)
			if close = midnight + c.micros(); close > t {
				return midnight + usOpen.micros(), close
			}
		}
	}
}

// usCloseOn returns when the session of d ends, and whether d has one.
func usCloseOn(d day) (clock, bool) {
	weekday := d.weekday()
	if weekday == time.Saturday || weekday == time.Sunday {
		return 0, false
	}
	year, month, _ := d.civil()
	within := func(since, until int) bool { return since <= year && (until == 0 || year <= until) }
	for _, h := range usHolidays {
		if h.on.touches(month) && within(h.since, h.until) && h.observed.date(h.on.in(year)) == d {
			return 0, false
		}
	}
	for _, c := range usClosures {
		if c.day == d {
			return 0, false
		}
	}
	for _, s := range usShortDays {
		if s.day == d {
			return s.close, true
		}
	}
	for _, e := range usEarlyCloses {
		if e.weekdays.has(weekday) && e.on.touches(month) && within(e.since, e.until) && e.on.in(year) == d {
			return e.close, true
		}
	}
	return usClose, true
}

// date returns the day on which a holiday that falls on d is observed. That is d
// itself, a weekend, for one that is not made up for.
func (o observance) date(d day) day {
	switch d.weekday() {
	case time.Sunday:
		if o != asItFalls {
			return d + 1
		}
	case time.Saturday:
		if o == nearestWeekday {
			return d - 1
		}
	}
	return d
}

// weekdays is a set of days of the week.
type weekdays uint8

func on(days ...time.Weekday) weekdays {
	var w weekdays
	for _, d := range days {
		w |= 1 << d
	}
	return w
}

func (w weekdays) has(d time.Weekday) bool { return w>>d&1 == 1 }
