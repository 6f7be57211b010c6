package market

import (
	"testing"
	"time"
)

// The reference is the tz database, through time.LoadLocation.
func TestNewYorkOffsetHourByHour(t *testing.T) {
	ny, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	end := time.Date(2038, 1, 1, 0, 0, 0, 0, time.UTC)
	for h := time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC); h.Before(end); h = h.Add(time.Hour) {
		_, want := h.In(ny).Zone()
		if got := newYorkOffset(TimeOf(h)); got != Time(want)*1e6 {
			t.Fatalf("%s: offset %s, want %d s", h, time.Duration(got)*time.Microsecond, want)
		}
		before := TimeOf(h) - 1
		_, want = before.Std().In(ny).Zone()
		if got := newYorkOffset(before); got != Time(want)*1e6 {
			t.Fatalf("%s: offset %s, want %d s", before, time.Duration(got)*time.Microsecond, want)
		}
	}
}

func TestNewYorkClock(t *testing.T) {
	ny, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for d := dayOf(1970, time.January, 1); d < dayOf(2038, time.January, 1); d++ {
		y, m, dom := d.civil()
		if back := dayOf(y, m, dom); back != d {
			t.Fatalf("%d-%d-%d is day %d, want %d", y, m, dom, back, d)
		}
		if got := d.weekday(); got != time.Date(y, m, dom, 0, 0, 0, 0, time.UTC).Weekday() {
			t.Fatalf("%d-%d-%d is a %s", y, m, dom, got)
		}
		for _, c := range []clock{at(3, 0), at(9, 30), at(13, 0), at(17, 0), at(23, 59)} {
			want := TimeOf(time.Date(y, m, dom, int(c)/60, int(c)%60, 0, 0, ny))
			if got := newYorkMidnight(d) + c.micros(); got != want {
				t.Fatalf("%d-%d-%d at %d min: %s, want %s", y, m, dom, c, got, want)
			}
		}
	}
}

func TestDayOf(t *testing.T) {
	for _, year := range []int{-4, 0, 1, 4, 100, 1582, 1600, 1899, 1900, 1969, 1970, 1972, 2000, 2023, 2024, 2100, 9999} {
		for m := time.January; m <= time.December; m++ {
			for _, d := range []int{-3, 0, 1, 28, 29, 31, 62} {
				want := TimeOf(time.Date(year, m, d, 0, 0, 0, 0, time.UTC))
				if got := dayOf(year, m, d).midnight(); got != want {
					t.Errorf("%d-%d-%d: %s, want %s", year, m, d, got, want)
				}
			}
			if got, want := daysIn(year, m), time.Date(year, m+1, 0, 0, 0, 0, 0, time.UTC).Day(); got != want {
				t.Errorf("%d-%d has %d days, want %d", year, m, got, want)
			}
		}
	}
}

// Easter Sundays from the U.S. Census Bureau's table "Easter Dates from 1600 to
// 2099", with the earliest and the latest possible ones.
func TestEasterSunday(t *testing.T) {
	for _, want := range []string{
		"1818-03-22", "1943-04-25", "1990-04-15", "1995-04-16", "2000-04-23", "2008-03-23", "2011-04-24", "2016-03-27", "2018-04-01",
		"2019-04-21", "2020-04-12", "2021-04-04", "2022-04-17", "2023-04-09", "2024-03-31", "2025-04-20", "2026-04-05", "2030-04-21", "2035-03-25", "2038-04-25",
	} {
		w, err := ParseTime(want)
		if err != nil {
			t.Fatal(err)
		}
		if got := easterSunday(w.Std().Year()).midnight(); got != w {
			t.Errorf("%s, want %s", got, w)
		}
	}
}

// The tables are read by people: they must be in order, and every line in them must
// do something.
func TestUSTablesAreTidy(t *testing.T) {
	for i, c := range usClosures {
		if i > 0 && c.day <= usClosures[i-1].day {
			t.Errorf("closures: %q is out of order", c.reason)
		}
		if w := c.day.weekday(); w == time.Saturday || w == time.Sunday || c.reason == "" {
			t.Errorf("closure %s (%q) on a %s", c.day.midnight(), c.reason, w)
		}
	}
	for i, s := range usShortDays {
		if i > 0 && s.day <= usShortDays[i-1].day {
			t.Errorf("short days: %q is out of order", s.reason)
		}
		if c, ok := usCloseOn(s.day); !ok || c != s.close || s.reason == "" {
			t.Errorf("short day %s: %d, %t", s.day.midnight(), c, ok)
		}
	}
	years := func(name string, since, until int, closes func(year int) bool) {
		for y := max(since, 1990); y <= 2035 && (until == 0 || y <= until); y++ {
			if closes(y) {
				return
			}
		}
		t.Errorf("%s since %d has no effect from 1990 to 2035", name, since)
	}
	for _, h := range usHolidays {
		years(h.name, h.since, h.until, func(y int) bool { _, ok := usCloseOn(h.observed.date(h.on.in(y))); return !ok })
		if h.observed == asItFalls && (h.on.month != 0 && h.on.day != 0) {
			t.Errorf("%s can fall on a weekend and does not say what happens then", h.name)
		}
	}
	for _, e := range usEarlyCloses {
		years(e.name, e.since, e.until, func(y int) bool { c, ok := usCloseOn(e.on.in(y)); return ok && c == e.close })
	}
}
