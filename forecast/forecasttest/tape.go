package forecasttest

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/foretick/foretick/market"
)

// sigma is how far calm bars move.
const sigma = 0.01

// tape draws daily bars one after another.
type tape struct {
	rand  *rand.Rand
	deck  []float64
	start market.Time // of the next bar
	price float64     // close of the last one
	bars  []market.Bar
}

func newTape(seed uint64) *tape {
	return &tape{rand: rand.New(rand.NewPCG(seed, 1)), price: 100, start: market.TimeOf(time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC))}
}

// scores are those of ten draws from a normal distribution, scaled to mean square 1. Moves
// are dealt from them, so that ten bars are as volatile as they are meant to be and no luck
// is in it.
var scores = [...]float64{-1.754, -1.117, -0.729, -0.417, -0.136, 0.136, 0.417, 0.729, 1.117, 1.754}

func (p *tape) deal() float64 {
	if len(p.deck) == 0 {
		p.deck = append(p.deck, scores[:]...)
		p.rand.Shuffle(len(p.deck), func(i, j int) { p.deck[i], p.deck[j] = p.deck[j], p.deck[i] })
	}
	x := p.deck[0]
	p.deck = p.deck[1:]
	return x
}

// walk adds a bar that moves by a score times sd.
func (p *tape) walk(sd float64) { p.move(sd*p.deal(), sd) }

// move adds a bar that opens at the last close and closes by the log return r away from it;
// high and low lie up to half of spread outside.
func (p *tape) move(r, spread float64) {
	open := p.price
	p.price *= math.Exp(r)
	up, down := math.Exp(0.5*spread*p.rand.Float64()), math.Exp(-0.5*spread*p.rand.Float64())
	p.add(market.Bar{Open: open, High: max(open, p.price) * up, Low: min(open, p.price) * down, Close: p.price})
}

// still adds a bar that trades at the last close only.
func (p *tape) still() {
	p.add(market.Bar{Open: p.price, High: p.price, Low: p.price, Close: p.price})
}

// jump adds a bar that opens where the last close was times k, and goes on from there.
func (p *tape) jump(k float64) {
	p.price *= k
	p.walk(sigma)
}

// add adds b after the last bar.
func (p *tape) add(b market.Bar) {
	b.Start, b.End = p.start, market.Day.End(p.start)
	b.Volume, b.Trades = 1000*math.Exp(0.3*p.rand.NormFloat64()), 10
	p.start = b.End
	p.bars = append(p.bars, b)
}

// last is the newest bar, to be changed.
func (p *tape) last() *market.Bar { return &p.bars[len(p.bars)-1] }
