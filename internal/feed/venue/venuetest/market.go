package venuetest

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/foretick/foretick/market"
)

// Market is a market that trades by a plan: the same trades whenever it is asked, and whoever
// asks. Trade k happens every Every from Begin on.
type Market struct {
	Begin market.Time
	Every time.Duration
	Shift time.Duration // what the venue's clock is ahead of ours
	// Calendar, when not nil, says when there is trade.
	Calendar market.Sessions

	mu     sync.Mutex
	rng    *rand.Rand
	prices []float64
}

// Trade is one trade. Prices and sizes have at most four decimals.
type Trade struct {
	ID          int64
	Time        market.Time // by the venue's clock
	Price, Size float64
}

// NewMarket returns a market that begins to trade at begin.
func NewMarket(begin market.Time, every time.Duration) *Market {
	return &Market{Begin: begin, Every: every, rng: rand.New(rand.NewPCG(7, 11))}
}

// Trade returns trade k, k from 0. Every 97th is left out: quiet moments are part of a market.
func (m *Market) Trade(k int) (t Trade, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.prices) <= k {
		p := 100.0
		if n := len(m.prices); n > 0 {
			p = m.prices[n-1]
		}
		m.prices = append(m.prices, math.Round(p*math.Exp(0.0005*m.rng.NormFloat64())*1e4)/1e4)
	}
	if k%97 == 96 {
		return Trade{}, false
	}
	if m.Calendar != nil {
		if _, _, open := m.Calendar.Session(m.Begin.Add(time.Duration(k)*m.Every + m.Shift)); !open {
			return Trade{}, false
		}
	}
	// Numbers go up by one although some k are left out.
	return Trade{ID: int64(1000 + k - k/97), Time: m.Begin.Add(time.Duration(k)*m.Every + m.Shift), Price: m.prices[k], Size: float64(1+k%5) / 4}, true
}

// index is the first k at or after t, by our clock.
func (m *Market) index(t market.Time) int {
	return max(0, int((t.Sub(m.Begin)+m.Every-1)/m.Every))
}

// Between returns the trades in [from, to) by the venue's clock.
func (m *Market) Between(from, to market.Time) []Trade {
	var out []Trade
	for k := m.index(from.Add(-m.Shift)); ; k++ {
		if m.Begin.Add(time.Duration(k)*m.Every+m.Shift) >= to {
			return out
		}
		if t, ok := m.Trade(k); ok && t.Time >= from {
			out = append(out, t)
		}
	}
}

// Bars returns the bars of interval i that start in [from, to), as they stand at now: those in
// which somebody traded. Times are the venue's.
func (m *Market) Bars(i market.Interval, from, to, now market.Time) []market.Bar {
	var out []market.Bar
	for _, t := range m.Between(i.Floor(from), min(i.End(i.Floor(to-1)), now+1)) {
		start := i.Floor(t.Time)
		if start < from || start >= to {
			continue
		}
		n := len(out)
		if n == 0 || out[n-1].Start != start {
			out = append(out, market.Bar{Start: start, End: i.End(start), Open: t.Price, High: t.Price, Low: t.Price, Close: t.Price, Volume: t.Size, Trades: 1})
			continue
		}
		b := &out[n-1]
		b.High, b.Low, b.Close = max(b.High, t.Price), min(b.Low, t.Price), t.Price
		b.Volume += t.Size
		b.Trades++
	}
	return out
}
