package main

import (
	"math"

	"github.com/foretick/foretick/market"
)

// volatility is stochastic: its log is usual plus two parts that return to 0, a fast and a
// slow one. The fast one is moved by the last return too, the other way where leverage is
// negative: after a fall it rises.
type volatility struct {
	usual      float64 // standard deviation of a day's or bar's log return, its median
	fast, slow part
	leverage   float64 // correlation of a return with what moves the fast part after it
	freedom    int     // degrees of freedom of the t-distributed returns

	quick, lasting float64
}

type part struct{ memory, size float64 }

func (v *volatility) now() float64 { return float64(v.usual * exp(v.quick+v.lasting)) }

// next takes the last return, in units of what was expected of it.
func (v *volatility) next(n noise, z float64) {
	z = min(3, max(-3, z))
	own := math.Sqrt(1 - float64(v.leverage*v.leverage))
	shock := float64(v.leverage*z) + float64(own*n.normal())
	v.quick = float64(v.fast.memory*v.quick) + float64(v.fast.size*shock)
	v.lasting = float64(v.slow.memory*v.lasting) + float64(v.slow.size*n.normal())
}

// plan is what one bar is to be, before chance decides the rest.
type plan struct {
	weight float64 // volatility within the bar, in units of the usual one
	before float64 // volatility of the step from the last close to the open, likewise
	jump   float64 // log return on top of that step
	steps  int     // of the finer path that makes high and low
	volume float64 // in units of the usual volume
	still  bool    // nobody trades: the last price stands, the volume is 0
}

// bar holds prices in ticks and volume in its smallest unit.
type bar struct {
	start                  market.Time
	open, high, low, close int64
	volume                 int64
}

// walker makes bars.
type walker struct {
	seed   uint64
	price  float64 // the first one
	tick   float64
	drift  float64 // log return of a bar
	volume float64 // usual volume of a bar, in its smallest unit; 0 for none
	vol    volatility
}

// bars walks from bar to bar. Within a bar the price takes many small normal steps, which
// share one stretch; the bar knows where they started and ended, and their extremes.
func (w walker) bars(starts []market.Time, planned func(i int) plan) []bar {
	n := newNoise(w.seed)
	x := ln(w.price / w.tick)
	ticks := func(x float64) int64 { return int64(math.Floor(exp(x) + 0.5)) }
	out := make([]bar, 0, len(starts))
	for i, start := range starts {
		p := planned(i)
		if p.still {
			last := ticks(x)
			out = append(out, bar{start: start, open: last, high: last, low: last, close: last})
			continue
		}
		from, expected := x, w.vol.now()
		sigma := float64(expected * n.stretch(w.vol.freedom))
		x += p.jump + float64(float64(sigma*p.before)*n.normal())
		open, high, low := x, x, x
		size := float64(sigma*p.weight) / math.Sqrt(float64(p.steps))
		for range p.steps {
			x += float64(size*n.normal()) + w.drift/float64(p.steps)
			high, low = max(high, x), min(low, x)
		}
		z := (x - from) / float64(expected*math.Sqrt(float64(p.weight*p.weight)+float64(p.before*p.before)))
		busy := float64(0.8*(w.vol.quick+w.vol.lasting)) + float64(0.35*n.normal())
		volume := float64(w.volume * p.volume * exp(busy) * (0.6 + float64(0.4*math.Abs(min(6, max(-6, z))))))
		out = append(out, bar{start, ticks(open), ticks(high), ticks(low), ticks(x), int64(volume)})
		w.vol.next(n, z)
	}
	return out
}
