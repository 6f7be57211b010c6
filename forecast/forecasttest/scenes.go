package forecasttest

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/foretick/foretick/market"
)

// scene is something that markets do now and then and random walks hardly ever: a model
// that is wrong only then must not need luck to be found.
type scene struct {
	name string
	bars int                    // how many it takes
	play func(p *tape, bar int) // adds bar number bar of it, from 0
	// The scene is all there is, from the first bar on; else calm bars come before.
	whole   bool
	silence silence
	after   int // calm bars that come after it, where not the usual number
}

// silence is when a model may say that it cannot forecast.
type silence int

const (
	never     silence = iota
	untilCalm         // from the scene on, until all of the calm bars after it have come
	thenOn            // from the scene on
)

// Calm bars come before a scene, and after it.
const (
	before = enough
	after  = 100
)

var scenes = []scene{
	{name: "volatility triples", bars: 60, play: func(p *tape, _ int) { p.walk(3.3 * sigma) }},
	{name: "volatility grows tenfold", bars: 40, play: func(p *tape, _ int) { p.walk(10 * sigma) }},
	{name: "volatility falls to a third", bars: 60, play: func(p *tape, _ int) { p.walk(sigma / 3.3) }},
	{name: "volatility falls to a hundredth", bars: 60, play: func(p *tape, _ int) { p.walk(sigma / 100) }},

	{name: "5 bars flat", bars: 5, play: flat},
	{name: "20 bars flat", bars: 20, play: flat},
	{name: "50 bars flat", bars: 50, play: flat},
	{name: "300 bars flat", bars: 300, play: flat, silence: untilCalm},
	{name: "flat but for the first bar", bars: before, whole: true, silence: untilCalm, after: 320, play: func(p *tape, bar int) {
		if bar == 0 {
			p.walk(sigma)
			return
		}
		p.still()
	}},
	{name: "20 bars flat, then a move", bars: 21, play: func(p *tape, bar int) {
		if bar < 20 {
			p.still()
			return
		}
		p.walk(sigma)
	}},
	{name: "a move in one bar of ten", bars: 100, play: oneInTen},
	{name: "a move in one bar of ten, always", bars: before, whole: true, play: oneInTen},

	{name: "up by 20 sigma", bars: 1, play: func(p *tape, _ int) { p.move(20*sigma, sigma) }},
	{name: "down by 20 sigma", bars: 1, play: func(p *tape, _ int) { p.move(-20*sigma, sigma) }},
	{name: "up by 20 sigma overnight", bars: 1, play: func(p *tape, _ int) { p.jump(math.Exp(20 * sigma)) }},
	{name: "a split that nobody announced", bars: 30, play: first(0.25)},
	{name: "ten shares become one", bars: 30, play: first(10)},
	{name: "a crash to a tenth", bars: 30, play: first(0.1)},
	{name: "a twentieth is lost, thirty times", bars: 30, play: func(p *tape, _ int) { p.move(math.Log(0.95), sigma) }},
	{name: "a tenth is gained, ten times", bars: 10, play: func(p *tape, _ int) { p.move(math.Log(1.1), sigma) }},
	// No price holds the quantiles of some models then.
	{name: "a crash to a millionth", bars: 30, play: first(1e-6), silence: thenOn},
	{name: "a fifth is lost, thirty times", bars: 30, play: func(p *tape, _ int) { p.move(math.Log(0.8), sigma) }, silence: untilCalm},
	{name: "half is gained, ten times", bars: 10, play: func(p *tape, _ int) { p.move(math.Log(1.5), sigma) }, silence: untilCalm},

	{name: "every bar rises", bars: 40, play: func(p *tape, _ int) { p.move(sigma, sigma) }},
	{name: "every bar falls", bars: 40, play: func(p *tape, _ int) { p.move(-sigma, sigma) }},
	{name: "up and down in turn", bars: 60, play: func(p *tape, bar int) { p.move(sigma*float64(1-bar%2*2), sigma) }},
	{name: "one tick up, one tick down", bars: 60, play: func(p *tape, bar int) {
		p.price = math.Round(p.price*100)/100 + 0.01*float64(1-bar%2*2)
		p.still()
	}},

	{name: "high is low", bars: 60, play: dots},
	{name: "high is low, always", bars: before, whole: true, play: dots},
	{name: "no volume", bars: 60, play: untraded},
	{name: "no volume, ever", bars: before, whole: true, play: untraded},
	{name: "a high 50 times too high", bars: 1, play: func(p *tape, _ int) {
		p.walk(sigma)
		p.last().High *= 50
	}},
	{name: "a low next to nothing", bars: 1, play: func(p *tape, _ int) {
		p.walk(sigma)
		p.last().Low *= 1e-9
	}},
	{name: "a month's halt, then a move", bars: 1, play: func(p *tape, _ int) {
		p.start = p.start.Add(30 * 24 * time.Hour)
		p.jump(0.9)
	}},
	{name: "prices of 1e-9", bars: before, whole: true, play: level(1e-9)},
	{name: "prices of 1e12", bars: before, whole: true, play: level(1e12)},
}

func flat(p *tape, _ int) { p.still() }

func oneInTen(p *tape, bar int) {
	if bar%10 == 9 {
		p.walk(sigma)
		return
	}
	p.still()
}

// first multiplies the price by k before the first bar.
func first(k float64) func(*tape, int) {
	return func(p *tape, bar int) {
		if bar == 0 {
			p.jump(k)
			return
		}
		p.walk(sigma)
	}
}

// dots are bars that trade at one price each.
func dots(p *tape, _ int) {
	p.price *= math.Exp(sigma * p.deal())
	p.still()
}

// untraded is a calm bar without volume.
func untraded(p *tape, _ int) {
	p.walk(sigma)
	p.last().Volume, p.last().Trades = 0, 0
}

// level is a calm path that begins at price.
func level(price float64) func(*tape, int) {
	return func(p *tape, bar int) {
		if bar == 0 {
			p.price = price
		}
		p.walk(sigma)
	}
}

// from is the number of bars before the scene, to that up to its end.
func (s *scene) from() int {
	if s.whole {
		return 0
	}
	return before
}

func (s *scene) to() int { return s.from() + s.bars }

// rest is the number of calm bars after it.
func (s *scene) rest() int {
	if s.after > 0 {
		return s.after
	}
	return after
}

// path is the scene between its calm bars. All that have calm bars before begin with the
// same.
func (s *scene) path() []market.Bar { return played()[s.name] }

var played = sync.OnceValue(func() map[string][]market.Bar {
	all := map[string][]market.Bar{}
	for i := range scenes {
		s := &scenes[i]
		p := newTape(11)
		for range s.from() {
			p.walk(sigma)
		}
		for bar := range s.bars {
			s.play(p, bar)
		}
		for range s.rest() {
			p.walk(sigma)
		}
		all[s.name] = p.bars
	}
	return all
})

// during are the numbers of bars of the path after which a model is asked that was fitted
// before the scene: often as it begins, and whenever a window of usual length holds nothing
// else; and once when it is over.
func (s *scene) during() (list []int) {
	for _, n := range []int{1, 2, 3, 5, 8, 13, 20, 21, 30, 40, 50, 59, 100, 200} {
		if n < s.bars {
			list = append(list, s.from()+n)
		}
	}
	return append(list, s.to(), s.to()+20)
}

// since are those after which a model is asked that was fitted as the scene ended.
func (s *scene) since() []int {
	return []int{s.to(), s.to() + 1, s.to() + 5, s.to() + 50, s.to() + s.rest()}
}

// may reports whether a model may say after n bars of the path that it cannot forecast.
func (s *scene) may(n int) bool {
	return s.silence == thenOn || s.silence == untilCalm && n < s.to()+s.rest()
}

// when says in words where n bars of the path lie.
func (s *scene) when(n int) string {
	if n <= s.to() {
		return fmt.Sprintf("%d bars in", n-s.from())
	}
	return fmt.Sprintf("%d bars later", n-s.to())
}
