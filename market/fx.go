package market

import "time"

// FXWeek is the week of spot currencies and metals between banks: open without a
// break from Sunday 17:00 to Friday 17:00 New York time. Its name is "fx-week".
//
// Those hours are a convention, not an exchange's rule: 17:00 in New York is where
// one value date ends and the next begins. Brokers differ by some minutes around
// it, and many quote little or nothing on Christmas and New Year's Day; this
// calendar knows no holidays. In days of UTC, Sunday has a short bar of its own (its
// last two or three hours) and Friday's bar ends early.
var FXWeek Sessions = fxWeek{}

var fxTurn = at(17, 0)

type fxWeek struct{}

func (fxWeek) Name() string { return "fx-week" }

func (fxWeek) NextBar(i Interval, start Time) Time { return nextBar(i, start, fxSession) }

func (fxWeek) Session(t Time) (open, close Time, ok bool) {
	open, close = fxSession(t)
	return open, close, open <= t
}

func fxSession(t Time) (open, close Time) {
	d := newYorkDay(t)
	sunday := d - day(d.weekday()-time.Sunday)
	for {
		close = newYorkMidnight(sunday+5) + fxTurn.micros()
		if close > t {
			return newYorkMidnight(sunday) + fxTurn.micros(), close
		}
		sunday += 7
	}
}
