package rangevol

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/rangevar"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// past is a series as package rangevar tells it: of each bar that gave a return, that return,
// the same with the season removed, and the variance. What is made of it here follows the
// definitions, from the first bar on every time.
type past struct {
	raw, adjusted, variance []float64
	floored                 []float64 // variances, at least 5 % of their level
	squares                 []float64 // of adjusted
	z                       []float64 // standardised returns, since the price has moved
}

func (p *past) add(in *rangevar.Input) {
	before := 0.0
	if len(p.floored) > 0 {
		before = ewma(p.floored, 16)
	}
	p.raw, p.adjusted, p.variance = append(p.raw, in.Return), append(p.adjusted, in.Adjusted), append(p.variance, in.Variance)
	p.squares = append(p.squares, in.Adjusted*in.Adjusted)
	level := ewma(p.variance, 22)
	p.floored = append(p.floored, max(in.Variance, 0.05*level))
	if level == 0 {
		return
	}
	z := 0.0
	if before > 0 {
		z = in.Adjusted / math.Sqrt(before)
	}
	p.z = append(p.z, z)
}

// ewma is the mean of x with a half-life, over all of it.
func ewma(x []float64, half float64) float64 {
	sum, weights := 0.0, 0.0
	for i, v := range x {
		w := math.Exp2(-float64(len(x)-1-i) / half)
		sum += w * v
		weights += w
	}
	return sum / weights
}

// row is the features now; there are none before the price has moved.
func (p *past) row() (x [numFeatures]float64, ok bool) {
	if len(p.z) == 0 {
		return x, false
	}
	log := func(half float64) float64 { return math.Log(ewma(p.floored, half)) }
	now := p.z[len(p.z)-1]
	return [numFeatures]float64{
		1, log(16), log(1) - log(16), log(4) - log(16), log(64) - log(16), log(250) - log(16),
		math.Log(ewma(p.squares, 12)+1e-3*ewma(p.variance, 22)) - log(16),
		min(max(-now, 0), 4), -min(max(ewma(p.z, 4), -2), 2), -min(max(ewma(p.z, 20), -2), 2), min(math.Abs(now), 4),
	}, true
}

// drive takes a state along bars, and returns the past that it has seen; each is called after
// every bar.
func drive(s *State, i market.Interval, bars []market.Bar, each func(n int, p *past)) *past {
	p := &past{}
	in := rangevar.New(i)
	for n := range bars {
		w := forecast.NewWindow(i, bars[max(0, n-1):n+1])
		if in.Update(w) {
			p.add(in)
		}
		s.Update(w)
		if each != nil {
			each(n, p)
		}
	}
	return p
}

func near(a, b, tolerance float64) bool { return math.Abs(a-b) <= tolerance*(1+math.Abs(b)) }

// Features are those of the package comment, on bars with ranges and gaps, with days without
// trade, and where only closes are known.
func TestFeaturesByDefinition(t *testing.T) {
	still := forecasttest.Walk(3, 300)
	for i := range 80 {
		b := &still[i]
		b.Open, b.High, b.Low, b.Close = 100, 100, 100, 100
	}
	closes := forecasttest.ReadBars(t, testdata.Market(t, "daily/INDEX.csv"))[:300]
	for i := range closes {
		b := &closes[i]
		b.Open, b.High, b.Low = b.Close, b.Close, b.Close
	}
	for name, c := range map[string]struct {
		interval market.Interval
		bars     []market.Bar
	}{
		"a share":                   {market.Day, forecasttest.ReadBars(t, testdata.Market(t, "daily/STOCK.csv"))[500:900]},
		"a coin that stands":        {market.Day, forecasttest.ReadBars(t, testdata.Market(t, "daily/COIN.csv"))[950:1200]},
		"hours of sessions":         {market.Hour, forecasttest.ReadBars(t, testdata.Market(t, "intraday/STOCK_1h.csv"))[:300]},
		"closes alone":              {market.Day, closes},
		"a price that stood before": {market.Day, still},
	} {
		t.Run(name, func(t *testing.T) {
			s := newState(New(), forecast.Setting{Interval: c.interval, Horizons: []int{1}})
			checked := 0
			drive(s, c.interval, c.bars, func(n int, p *past) {
				want, ok := p.row()
				if ok != s.features.valid {
					t.Fatalf("bar %d: there are features: %t, want %t", n, s.features.valid, ok)
				}
				if !ok {
					return
				}
				for k, x := range s.features.row {
					if !near(x, want[k], 1e-9) {
						t.Errorf("bar %d, feature %d: %v, want %v", n, k, x, want[k])
					}
				}
				checked++
			})
			if checked < len(c.bars)/2 {
				t.Errorf("%d of %d rows were compared", checked, len(c.bars))
			}
		})
	}
}

// The pairs of a regression are the newest rows and the sums of the returns after each, of
// bars without a break between them; the sums of products are those of these rows, however
// many have left.
func TestPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := New()
		m.Least = 30
		m.Pairs = rapid.IntRange(30, 120).Draw(t, "pairs kept")
		bars := forecasttest.Walk(rapid.Uint64().Draw(t, "seed"), rapid.IntRange(50, 260).Draw(t, "bars"))
		for range rapid.IntRange(0, 3).Draw(t, "bad bars") {
			bars[rapid.IntRange(0, len(bars)-1).Draw(t, "bad bar")].Close = rapid.SampledFrom([]float64{0, -1, math.NaN()}).Draw(t, "close")
		}
		var rows [][numFeatures]float64 // since the last break
		var returns []float64
		s := newState(m, forecast.Setting{Interval: market.Day, Horizons: []int{1, 3, 20}})
		seen := 0
		drive(s, market.Day, bars, func(_ int, p *past) {
			if len(p.raw) == seen {
				rows, returns = nil, nil
				return
			}
			seen = len(p.raw)
			rows, returns = append(rows, s.features.row), append(returns, p.adjusted[seen-1])
		})
		if got := []int{s.regressions[0].horizon, s.regressions[1].horizon, s.regressions[2].horizon, s.regressions[3].horizon}; !slices.Equal(got, []int{1, 2, 5, 20}) {
			t.Fatalf("regressions over %v bars", got)
		}
		for _, g := range s.regressions {
			n := max(0, min(m.Pairs, len(rows)-g.horizon))
			if g.y.Len() != n {
				t.Fatalf("%d pairs over %d bars, want %d of %d rows", g.y.Len(), g.horizon, n, len(rows))
			}
			kept, all := g.y.All(), s.rows.All()
			var gram [numFeatures * numFeatures]float64
			for i := range n {
				o := len(rows) - g.horizon - n + i // the origin
				y := 0.0
				for _, r := range returns[o+1 : o+1+g.horizon] {
					y += r
				}
				if !near(kept[i], y, 1e-9) {
					t.Fatalf("pair %d over %d bars: a return of %v, want %v", i, g.horizon, kept[i], y)
				}
				from := len(all) - (g.horizon+n-i)*numFeatures
				if x := all[from : from+numFeatures]; !slices.Equal(x, rows[o][:]) {
					t.Fatalf("pair %d over %d bars: features %v, want %v", i, g.horizon, x, rows[o])
				}
				for j := range numFeatures {
					for k := j; k < numFeatures; k++ {
						gram[j*numFeatures+k] += rows[o][j] * rows[o][k]
					}
				}
			}
			for i := range gram {
				if !near(g.gram[i], gram[i], 1e-8) {
					t.Fatalf("over %d bars: sum of products %d is %v, want %v", g.horizon, i, g.gram[i], gram[i])
				}
			}
		}
	})
}
