package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/foretick/foretick/market"
)

// Volatilities of a day.
var (
	stockDay = volatility{usual: 0.0135, fast: part{0.93, 0.19}, slow: part{0.99, 0.035}, leverage: -0.7, freedom: 6}
	indexDay = volatility{usual: 0.008, fast: part{0.94, 0.20}, slow: part{0.99, 0.035}, leverage: -0.8, freedom: 8}
	fxDay    = volatility{usual: 0.0048, fast: part{0.94, 0.10}, slow: part{0.992, 0.03}, freedom: 7}
	coinDay  = volatility{usual: 0.032, fast: part{0.90, 0.20}, slow: part{0.98, 0.05}, leverage: -0.1, freedom: 4}
	oilDay   = volatility{usual: 0.017, fast: part{0.93, 0.13}, slow: part{0.99, 0.04}, leverage: -0.4, freedom: 6}
	dustDay  = volatility{usual: 0.03, fast: part{0.90, 0.20}, slow: part{0.98, 0.05}, freedom: 4}
)

// path is how many steps the finer path of a day takes.
const path = 390

func day(year int, month time.Month, day int) market.Time {
	return market.TimeOf(time.Date(year, month, day, 0, 0, 0, 0, time.UTC))
}

// sessions are the first n days from first on, itself a session, on which a calendar has bars.
func sessions(c market.Calendar, first market.Time, n int) []market.Time {
	out := []market.Time{first}
	for len(out) < n {
		out = append(out, c.NextBar(market.Day, out[len(out)-1]))
	}
	return out
}

// weekdays are the first n days from first on, Monday to Friday, without Christmas and New
// Year's Day.
func weekdays(first market.Time, n int) []market.Time {
	var out []market.Time
	for t := first; len(out) < n; t = market.Day.End(t) {
		d := t.Std()
		if d.Weekday() != time.Saturday && d.Weekday() != time.Sunday && d.Format("0102") != "0101" && d.Format("0102") != "1225" {
			out = append(out, t)
		}
	}
	return out
}

// ordinary plans an ordinary day of an exchange, a quarter of whose variance comes overnight,
// with jumps at some bars.
func ordinary(jumps map[int]float64) func(int) plan {
	return func(i int) plan {
		return plan{weight: 0.866, before: 0.5, jump: jumps[i], steps: path, volume: 1}
	}
}

func daily() []file {
	return []file{stock(), index(), fx(), coin(), split(), splitActions(), oil(), dust()}
}

func on(bars []bar, i int) string {
	return fmt.Sprintf("bar %d (%s)", i, bars[i].start.Std().Format(time.DateOnly))
}

func from(bars []bar, i, n int) string {
	return fmt.Sprintf("bars %d to %d (%s to %s)", i, i+n-1, bars[i].start.Std().Format(time.DateOnly), bars[i+n-1].start.Std().Format(time.DateOnly))
}

// opens says by how much a bar opens away from the close before.
func opens(bars []bar, i int) string {
	by := 100 * (float64(bars[i].open)/float64(bars[i-1].close) - 1)
	if by < 0 {
		return fmt.Sprintf("%s opens %.1f %% below the close before", on(bars, i), -by)
	}
	return fmt.Sprintf("%s opens %.1f %% above it", on(bars, i), by)
}

func stock() file {
	w := walker{seed: 1, price: 48, tick: 0.01, drift: 0.0004, volume: 3_000_000, vol: stockDay}
	bars := w.bars(sessions(market.USEquities, day(2010, 1, 4), 2880), ordinary(map[int]float64{640: 0.11, 1520: -0.19}))
	return file{"daily/STOCK.csv", barText(bars, form{dates: true, decimals: 2}), fmt.Sprintf(
		"a share, %d sessions of the US exchanges. The price jumps on two nights: %s, %s", len(bars), opens(bars, 1520), opens(bars, 640))}
}

func index() file {
	w := walker{seed: 2, price: 1130, tick: 0.01, drift: 0.0003, volume: 4_000_000_000, vol: indexDay}
	bars := w.bars(sessions(market.USEquities, day(2010, 1, 4), 2700), func(int) plan {
		return plan{weight: 0.95, before: 0.3, steps: path, volume: 1}
	})
	return file{"daily/INDEX.csv", barText(bars, form{dates: true, decimals: 2}), fmt.Sprintf("an index of shares, %d sessions; the leverage effect is strong", len(bars))}
}

func fx() file {
	const jump = 1310
	starts := weekdays(day(2010, 1, 4), 2640)
	w := walker{seed: 3, price: 1.1834, tick: 0.00001, vol: fxDay}
	bars := w.bars(starts, func(i int) plan {
		p := plan{weight: 1, before: 0.03, steps: path}
		if i > 0 && starts[i].Std().Weekday() == time.Monday {
			p.before = 0.25
		}
		if i == jump {
			p.jump = -0.13
		}
		return p
	})
	return file{"daily/FX.csv", barText(bars, form{dates: true, decimals: 5}), fmt.Sprintf(
		"an exchange rate, %d days, Monday to Friday without Christmas and New Year's Day, without volumes. A central bank gives up a peg: %s", len(bars), opens(bars, jump))}
}

func coin() file {
	const flat, flatDays = 1060, 12
	gaps := []struct{ at, days int }{{211, 3}, {640, 21}, {1333, 1}}
	var starts []market.Time
	for t := day(2016, 3, 1); len(starts) < 1600; t = market.Day.End(t) {
		for _, g := range gaps {
			if len(starts) == g.at && t == market.Day.End(starts[g.at-1]) {
				t += market.Time(g.days) * day1
			}
		}
		starts = append(starts, t)
	}
	w := walker{seed: 4, price: 412, tick: 0.01, drift: 0.001, volume: 9_000_000, vol: coinDay}
	bars := w.bars(starts, func(i int) plan {
		return plan{weight: 1, before: 0.01, steps: path, volume: 1, still: i >= flat && i < flat+flatDays}
	})
	return file{"daily/COIN.csv", barText(bars, form{dates: true, decimals: 2, volumeDecimals: 3}), fmt.Sprintf(
		"a coin, %d days, seven a week. 3 days are missing before %s, 21 before %s, 1 before %s; nobody trades in %s, and the price stands still",
		len(bars), on(bars, 211), on(bars, 640), on(bars, 1333), from(bars, flat, flatDays))}
}

const day1 = market.Time(24 * time.Hour / time.Microsecond)

// The splits of SPLIT.
const (
	announced, announcedRatio     = 610, 4
	unannounced, unannouncedRatio = 1185, 7
)

func splitDays() []market.Time { return sessions(market.USEquities, day(2013, 1, 2), 1600) }

func split() file {
	w := walker{seed: 5, price: 310, tick: 0.0001, drift: 0.0005, volume: 1_500_000, vol: stockDay}
	bars := w.bars(splitDays(), ordinary(nil))
	shares := int64(1)
	for i := range bars {
		switch i {
		case announced:
			shares *= announcedRatio
		case unannounced:
			shares *= unannouncedRatio
		}
		b := &bars[i]
		for _, p := range []*int64{&b.open, &b.high, &b.low, &b.close} {
			*p = (*p/shares + 50) / 100 // from 4 decimals to 2
		}
		b.volume *= shares
	}
	return file{"daily/SPLIT.csv", barText(bars, form{dates: true, decimals: 2}), fmt.Sprintf(
		"a share as it was traded, %d sessions: a split of %d:1 at %s, which SPLIT_actions.csv announces, and one of %d:1 at %s, which nobody announced",
		len(bars), announcedRatio, on(bars, announced), unannouncedRatio, on(bars, unannounced))}
}

func splitActions() file {
	days := splitDays()
	date := func(i int) string { return days[i].Std().Format(time.DateOnly) }
	text := fmt.Sprintf("ex,kind,value\n%s,dividend,0.62\n%s,split,%d:1\n%s,dividend,0.17\n", date(400), date(announced), announcedRatio, date(800))
	return file{"daily/SPLIT_actions.csv", []byte(text), fmt.Sprintf("what was announced for SPLIT: the split of %d:1 on %s, and dividends on %s and %s", announcedRatio, date(announced), date(400), date(800))}
}

func oil() file {
	const negative = 1905
	w := walker{seed: 6, price: 79.4, tick: 0.01, drift: -0.0005, vol: oilDay}
	bars := w.bars(sessions(market.USEquities, day(2010, 1, 4), 2640), func(i int) plan {
		p := plan{weight: 0.9, before: 0.43, steps: path}
		switch i { // two days fall towards it, two climb out
		case negative - 1, negative:
			p.jump = -0.5
		case negative + 1, negative + 2:
			p.jump = 0.45
		}
		return p
	})
	bars[negative].close = -2140
	return file{"close_only/OIL.csv", barText(bars, form{dates: true, decimals: 2, closeOnly: true}), fmt.Sprintf(
		"crude oil, %d closes; %s is below zero, at -21.4, and %s above it again", len(bars), on(bars, negative), on(bars, negative+1))}
}

func dust() file {
	w := walker{seed: 7, price: 1.2e-9, tick: 1e-13, vol: dustDay}
	var starts []market.Time
	for t := day(2015, 1, 1); len(starts) < 2640; t = market.Day.End(t) {
		starts = append(starts, t)
	}
	bars := w.bars(starts, func(int) plan { return plan{weight: 1, before: 0.01, steps: path} })
	low := slices.MinFunc(bars, func(a, b bar) int { return int(a.close - b.close) })
	high := slices.MaxFunc(bars, func(a, b bar) int { return int(a.close - b.close) })
	return file{"close_only/DUST.csv", barText(bars, form{dates: true, decimals: 13, closeOnly: true}), fmt.Sprintf(
		"a coin worth next to nothing, %d closes between %.4e and %.4e", len(bars), float64(low.close)*1e-13, float64(high.close)*1e-13)}
}
