package market

import (
	"fmt"
	"strings"
)

// Sessions is a Calendar that also knows when its market is open, for those who
// must tell silence from a closed market. A session is the half-open stretch
// [open, close) between an opening and the closing that follows it.
//
// Implementations return sessions in order, which neither overlap nor touch, for
// every instant from MinTime to MaxTime. NextBar agrees with them: it names the
// first bar of the grid of Interval.Floor that starts at or after i.End(start) and
// overlaps a session. So the first bar of a session may begin before the opening
// (hours: the bar at 14:00 UTC holds New York's 9:30 in winter), and bars of days,
// weeks and months have a next one wherever a session falls in them.
type Sessions interface {
	Calendar
	// Session returns the session that contains at and true, or, when the market
	// is closed at at, the next session and false.
	Session(at Time) (open, close Time, ok bool)
}

// calendars are the named ones, in the order in which Calendars lists them.
var calendars = []Sessions{Always.(Sessions), USEquities, FXWeek}

// Calendars returns the names that CalendarByName knows.
func Calendars() []string {
	names := make([]string, len(calendars))
	for i, c := range calendars {
		names[i] = c.Name()
	}
	return names
}

// CalendarByName returns the calendar called name: "24x7" (Always), "us-equities"
// or "fx-week". Each of them is a Sessions. The error of an unknown name lists the
// known ones.
func CalendarByName(name string) (Calendar, error) {
	for _, c := range calendars {
		if c.Name() == name {
			return c, nil
		}
	}
	return nil, fmt.Errorf("market: calendar %q is unknown; known are %s", name, strings.Join(Calendars(), ", "))
}

// nextBar is NextBar of a calendar whose first session that closes after t is
// following(t).
func nextBar(i Interval, start Time, following func(t Time) (open, close Time)) Time {
	end := i.End(start)
	bar := i.Floor(end)
	if bar < end {
		bar = i.End(bar)
	}
	if open, _ := following(bar); open >= i.End(bar) {
		return i.Floor(open)
	}
	return bar
}
