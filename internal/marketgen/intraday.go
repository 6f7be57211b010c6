package main

import (
	"fmt"
	"math"
	"time"

	"github.com/foretick/foretick/market"
)

const minute = market.Time(time.Minute / time.Microsecond)

var (
	stockHour   = volatility{usual: 0.014, fast: part{0.95, 0.12}, slow: part{0.998, 0.015}, leverage: -0.6, freedom: 6}
	stockMinute = volatility{usual: 0.016, fast: part{0.93, 0.12}, slow: part{0.998, 0.012}, leverage: -0.3, freedom: 5}
	coinMinute  = volatility{usual: 0.0009, fast: part{0.95, 0.13}, slow: part{0.998, 0.02}, leverage: -0.1, freedom: 4}
	coinSecond  = volatility{usual: 0.00007, fast: part{0.97, 0.12}, slow: part{0.999, 0.015}, freedom: 4}
)

// smile is the U of a session: the volatility of each of its minutes, in units of a day's.
var smile = func() (u [390]float64) {
	sum := 0.0
	for m := range u {
		u[m] = 0.7 + float64(1.3*exp(-float64(m)/25)) + float64(0.5*exp(-float64(389-m)/20))
		sum += float64(u[m] * u[m])
	}
	for m := range u {
		u[m] /= math.Sqrt(sum)
	}
	return u
}()

// inSession plans the bar [start, end) of a US exchange: what part of the day's volatility
// and volume is in it.
func inSession(start, end market.Time, stepsPerMinute int) plan {
	open, close, _ := market.USEquities.Session(max(start, openAfter(start)))
	first, last := max(start, open), min(end, close)
	p := plan{steps: max(1, int((last-first)/minute)*stepsPerMinute)}
	for t := first; t < last; t += minute {
		u := smile[int((t-open)*390/(close-open))]
		square := float64(float64(u*u) * 390 / float64((close-open)/minute))
		p.weight += square
		p.volume += square
	}
	p.weight = math.Sqrt(p.weight)
	if first == open {
		p.before = 0.5
	}
	return p
}

// openAfter is the opening of the session that contains t or comes next.
func openAfter(t market.Time) market.Time {
	open, _, _ := market.USEquities.Session(t)
	return open
}

func intraday() []file {
	return []file{stockHours(), stockMinutes(), coinMinutes(), coinSeconds()}
}

// session bars of interval i, of n sessions from the day on that begins at first.
func sessionBars(i market.Interval, first market.Time, n int) []market.Time {
	var out []market.Time
	t := i.Floor(openAfter(first))
	for last := market.Time(0); ; t = market.USEquities.NextBar(i, t) {
		if open := openAfter(t); open != last {
			if n--; n < 0 {
				return out
			}
			last = open
		}
		out = append(out, t)
	}
}

func at(bars []bar, i int) string { return fmt.Sprintf("bar %d (%s)", i, bars[i].start) }

func stockHours() file {
	starts := sessionBars(market.Hour, day(2018, 6, 1), 372)
	w := walker{seed: 11, price: 164.2, tick: 0.01, drift: 0.00005, volume: 6_000_000, vol: stockHour}
	bars := w.bars(starts, func(i int) plan { return inSession(starts[i], market.Hour.End(starts[i]), 6) })
	return file{"intraday/STOCK_1h.csv", barText(bars, form{decimals: 2}), fmt.Sprintf(
		"a share, %d hours of 372 sessions from 2018-06-01 on, some of them half days. The first hour of a session begins before the opening; clocks change on 2018-11-04, 2019-03-10 and 2019-11-03", len(bars))}
}

func stockMinutes() file {
	all := sessionBars(market.Minute, day(2019, 3, 7), 6)
	haltFrom, haltTo := market.TimeOf(time.Date(2019, 3, 12, 15, 2, 0, 0, time.UTC)), market.TimeOf(time.Date(2019, 3, 12, 16, 4, 0, 0, time.UTC))
	var starts []market.Time
	halt, missing := 0, 0
	for i, t := range all {
		switch {
		case t >= haltFrom && t < haltTo:
			halt = len(starts)
		case i == 217 || i == 218 || i == 1000: // nobody traded
			missing++
		default:
			starts = append(starts, t)
		}
	}
	w := walker{seed: 12, price: 143.8, tick: 0.01, volume: 5_000_000, vol: stockMinute}
	bars := w.bars(starts, func(i int) plan {
		p := inSession(starts[i], market.Minute.End(starts[i]), 60)
		if i == halt {
			p.jump, p.before, p.volume = -0.034, 0.1, 6*p.volume
		}
		return p
	})
	return file{"intraday/STOCK_1m.csv", barText(bars, form{decimals: 2}), fmt.Sprintf(
		"a share, %d minutes of 6 sessions, 2019-03-07 to 2019-03-14, with a weekend when clocks change. Trading is halted from %s to %s, after which bar %d opens about 3 %% lower; %d other minutes are missing",
		len(bars), haltFrom, haltTo, halt, missing)}
}

func coinMinutes() file {
	const gapAt, gap, flat, flatMinutes, jump = 2100, 47, 4020, 38, 5200
	first := day(2021, 5, 15)
	var starts []market.Time
	for t := first; len(starts) < 6240; t += minute {
		if len(starts) == gapAt && t == starts[gapAt-1]+minute {
			t += gap * minute
		}
		starts = append(starts, t)
	}
	hour := [24]float64{1.1, 1.0, .95, .9, .8, .8, .8, .85, .9, .95, .95, 1, 1.1, 1.3, 1.4, 1.3, 1.2, 1.1, 1, 1, .95, .95, 1, 1.05}
	w := walker{seed: 13, price: 47120, tick: 0.01, volume: 9000, vol: coinMinute}
	bars := w.bars(starts, func(i int) plan {
		u := hour[starts[i].Std().Hour()]
		p := plan{weight: u, before: 0.03, steps: 120, volume: float64(u * u), still: i >= flat && i < flat+flatMinutes}
		if i == jump {
			p.jump = -0.041
		}
		return p
	})
	return file{"intraday/COIN_1m.csv.gz", barText(bars, form{decimals: 2, volumeDecimals: 3}), fmt.Sprintf(
		"a coin, %d minutes day and night from %s on. %d minutes are missing before %s; the price stands still from %s to %s, and %s opens about 4 %% lower",
		len(bars), first, gap, at(bars, gapAt), at(bars, flat), at(bars, flat+flatMinutes-1), at(bars, jump))}
}

func coinSeconds() file {
	const gapAt, gap, flat, flatSeconds = 900, 17, 2000, 120
	first := market.TimeOf(time.Date(2021, 5, 19, 12, 40, 0, 0, time.UTC))
	const second = market.Time(time.Second / time.Microsecond)
	var starts []market.Time
	for t := first; len(starts) < 3300; t += second {
		if len(starts) == gapAt && t == starts[gapAt-1]+second {
			t += gap * second
		}
		starts = append(starts, t)
	}
	quiet := newNoise(140)
	w := walker{seed: 14, price: 38870, tick: 0.01, volume: 400, vol: coinSecond}
	bars := w.bars(starts, func(i int) plan {
		return plan{weight: 1, before: 0.1, steps: 40, volume: 1, still: quiet.chance(0.12) || i >= flat && i < flat+flatSeconds}
	})
	return file{"intraday/COIN_1s.csv", barText(bars, form{decimals: 2, volumeDecimals: 3}), fmt.Sprintf(
		"a coin, %d seconds from %s on, and in about one in eight nobody trades. %d seconds are missing before %s; the price stands still from %s to %s",
		len(bars), first, gap, at(bars, gapAt), at(bars, flat), at(bars, flat+flatSeconds-1))}
}
