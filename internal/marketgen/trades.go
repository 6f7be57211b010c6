package main

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/foretick/foretick/market"
)

// trade holds a price in ticks.
type trade struct {
	time  market.Time
	price int64
	size  int64
}

func trades() []file { return []file{stockTrades(), coinTrades()} }

func tradeText(trades []trade, decimals int) []byte {
	b := []byte("time,price,size\n")
	for _, t := range trades {
		b = t.time.Std().AppendFormat(b, "2006-01-02T15:04:05.000Z")
		b = appendDecimal(append(b, ','), t.price, decimals)
		b = appendDecimal(append(b, ','), t.size, 0)
		b = append(b, '\n')
	}
	return b
}

const millisecond = market.Time(time.Millisecond / time.Microsecond)

// stockTrades are two days of a share, a weekend between them. Trades crowd where the U of
// the day is high, and about every fifth has the time of the one before.
func stockTrades() file {
	const perDay = 6000
	n := newNoise(21)
	x := ln(182.4)
	var all []trade
	for d, date := range []market.Time{day(2019, 3, 8), day(2019, 3, 11)} {
		open, close, _ := market.USEquities.Session(openAfter(date))
		var busy [390]float64 // cumulative
		sum := 0.0
		for m := range busy {
			sum += smile[m]
			busy[m] = sum
		}
		var times []market.Time
		for len(times) < perDay {
			m, _ := slices.BinarySearch(busy[:], float64(n.Float64()*sum))
			t := open + market.Time(m)*minute + market.Time(n.IntN(60_000))*millisecond
			times = append(times, min(t, close-millisecond))
			for len(times) < perDay && n.chance(0.2) {
				times = append(times, times[len(times)-1])
			}
		}
		slices.Sort(times)
		if d > 0 {
			x += float64(0.007 * n.normal())
		}
		last := open
		for _, t := range times {
			u := smile[(t-open)/minute]
			x += float64(0.014 * u * math.Sqrt(float64(t-last)/float64(minute)) * n.normal() * n.stretch(5))
			last = t
			side := 0.004 // half the spread, in dollars
			if n.chance(0.5) {
				side = -side
			}
			size := int64(100 * (1 + n.IntN(3)))
			switch {
			case n.chance(0.3): // an odd lot
				size = int64(1 + n.IntN(99))
			case n.chance(0.02):
				size *= 25
			}
			all = append(all, trade{t, int64(math.Floor(float64(100*(exp(x)+side)) + 0.5)), size})
		}
	}
	return file{"ticks/STOCK.csv.gz", tradeText(all, 2), fmt.Sprintf(
		"a share, %d trades of 2019-03-08 and 2019-03-11; clocks change on the weekend between. Many trades share a millisecond", len(all))}
}

// coinTrades are few and come in bursts: minutes of silence between them.
func coinTrades() file {
	n := newNoise(22)
	first := day(2021, 5, 15) + 11_620*millisecond
	t, x := first, ln(0.00139676)
	var all []trade
	longest := market.Time(0)
	for len(all) < 3000 {
		x += float64(0.0006 * n.normal() * n.stretch(4))
		size := int64(exp(3+float64(1.4*n.normal()))) + 1
		all = append(all, trade{t, int64(math.Floor(float64(exp(x)*1e8) + 0.5)), size})
		wait := -ln(1 - n.Float64()) // of mean 1
		switch {
		case n.chance(0.2): // the same order met another
			wait = 0
		case n.chance(0.35):
			wait *= 4
		default:
			wait *= 110
		}
		pause := market.Time(wait*1000) * millisecond
		t, longest = t+pause, max(longest, pause)
	}
	return file{"ticks/COIN.csv", tradeText(all, 8), fmt.Sprintf(
		"a coin priced in another, %d trades from %s to %s; the longest silence is %s", len(all), first, all[len(all)-1].time, time.Duration(longest)*time.Microsecond)}
}
