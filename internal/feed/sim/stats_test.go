package sim

import (
	"math"
	"slices"
	"testing"

	"github.com/foretick/foretick/market"
)

// bars builds the one-second bars of n seconds.
func bars(g generator, n int) (out []market.Bar, ticks int) {
	b := market.NewBuilder(market.Second, market.BuildOptions{})
	for i := range n {
		var s second
		g.next(market.Time(i)*oneSecond, &s)
		out = append(out, s.bars...)
		out, _ = b.Add(s.ticks, out, nil)
		ticks += len(s.ticks)
	}
	return b.Advance(market.MaxTime, out), ticks
}

type stats struct {
	sd, kurtosis     float64
	auto, autoAbs    float64 // autocorrelation of returns and of their sizes, at lag 1 and mean of 1 to 30
	absent, perSec   float64
	volumeCV         float64 // standard deviation over mean
	volumeVol        float64 // correlation of volume and size of return
	low, high, drift float64
}

func measure(bars []market.Bar, ticks, seconds int) stats {
	s := stats{absent: 1 - float64(len(bars))/float64(seconds), perSec: float64(ticks) / float64(seconds), low: math.Inf(1)}
	var r, a, v []float64
	for i := 1; i < len(bars); i++ {
		x := math.Log(bars[i].Close / bars[i-1].Close)
		r, a, v = append(r, x), append(a, math.Abs(x)), append(v, bars[i].Volume)
		s.low, s.high = min(s.low, bars[i].Low), max(s.high, bars[i].High)
	}
	m, variance := moments(r)
	s.sd, s.drift = math.Sqrt(variance), m
	for _, x := range r {
		s.kurtosis += math.Pow(x-m, 4) / variance / variance / float64(len(r))
	}
	s.auto = correlation(r[1:], r[:len(r)-1])
	for lag := 1; lag <= 30; lag++ {
		s.autoAbs += correlation(a[lag:], a[:len(a)-lag]) / 30
	}
	mv, vv := moments(v)
	s.volumeCV = math.Sqrt(vv) / mv
	s.volumeVol = correlation(v, a)
	return s
}

func moments(x []float64) (mean, variance float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x))
	}
	return mean, variance
}

func correlation(x, y []float64) float64 {
	mx, vx := moments(x)
	my, vy := moments(y)
	c := 0.0
	for i := range x {
		c += (x[i] - mx) * (y[i] - my) / float64(len(x))
	}
	return c / math.Sqrt(vx*vy)
}

// Four hours of the realistic market look like a market, for several seeds.
func TestRealisticStatistics(t *testing.T) {
	const seconds = 4 * 3600
	for _, seed := range []uint64{1, 2, 42} {
		b, n := bars(newWalk(newSource(seed, DefaultSymbol, 0), startPrice), seconds)
		s := measure(b, n, seconds)
		t.Logf("seed %d: %+v", seed, s)
		for _, c := range []struct {
			what          string
			got, low, top float64
		}{
			{"standard deviation of a second's return", s.sd, 0.8e-4, 3e-4},
			{"kurtosis", s.kurtosis, 5, 1000},
			{"autocorrelation of returns", s.auto, -0.15, 0.05},
			{"autocorrelation of sizes of returns", s.autoAbs, 0.02, 0.5},
			{"share of absent seconds", s.absent, 0, 0.03},
			{"trades a second", s.perSec, 5, 10},
			{"variation of volume", s.volumeCV, 0.5, 3},
			{"correlation of volume and volatility", s.volumeVol, 0.05, 0.9},
			{"lowest price", s.low, 100, 181},
			{"highest price", s.high, 179, 300},
			{"drift over its standard error", s.drift / s.sd * math.Sqrt(seconds), -3, 3},
		} {
			if !(c.got >= c.low && c.got <= c.top) {
				t.Errorf("seed %d: %s is %g, want %g to %g", seed, c.what, c.got, c.low, c.top)
			}
		}
	}
}

func TestRealisticTicks(t *testing.T) {
	for _, price := range []float64{startPrice, 0.01, 0.05, 1, 1e6} {
		w := newWalk(newSource(5, "X", 0), price)
		for i := range 2000 {
			var s second
			start := market.Time(i) * oneSecond
			w.next(start, &s)
			if !slices.IsSortedFunc(s.ticks, func(a, b market.Tick) int { return int(a.Time - b.Time) }) {
				t.Fatal("ticks are not in order")
			}
			for _, tick := range s.ticks {
				if err := tick.Validate(false); err != nil {
					t.Fatal(err)
				}
				if tick.Time < start || tick.Time >= start+950_000 {
					t.Fatalf("the tick of %s is not in the first 950 ms from %s", tick.Time, start)
				}
				if cents := tick.Price * 100; math.Abs(cents-math.Round(cents)) > 1e-6*cents {
					t.Fatalf("price %v is not on the grid", tick.Price)
				}
				if tick.Size < 1 || tick.Size != math.Trunc(tick.Size) {
					t.Fatalf("size %v is not a whole number of shares", tick.Size)
				}
			}
		}
	}
}

func TestStudent(t *testing.T) {
	r := newSource(1, "", 0)
	x := make([]float64, 200_000)
	beyond := 0
	for i := range x {
		x[i] = student5(r)
		if math.Abs(x[i]) > 2.5705818366147395*math.Sqrt(3.0/5) { // the 97.5 % point of t(5), tables
			beyond++
		}
	}
	m, v := moments(x)
	if math.Abs(m) > 0.01 || math.Abs(v-1) > 0.03 {
		t.Errorf("mean %g, variance %g", m, v)
	}
	if share := float64(beyond) / float64(len(x)); math.Abs(share-0.05) > 0.002 {
		t.Errorf("%.4f lie beyond the 5 %% points", share)
	}
}

func TestPoisson(t *testing.T) {
	r := newSource(1, "", 0)
	for _, mean := range []float64{0, 0.5, 7, 40} {
		x := make([]float64, 20_000)
		for i := range x {
			x[i] = float64(poisson(r, mean, 1000))
		}
		m, v := moments(x)
		if math.Abs(m-mean) > 0.03*mean || math.Abs(v-mean) > 0.06*mean {
			t.Errorf("of mean %g: mean %g, variance %g", mean, m, v)
		}
	}
	if n := poisson(r, 1e9, 200); n != 200 {
		t.Errorf("limit 200 gave %d", n)
	}
}

func TestClassicSteps(t *testing.T) {
	for _, price := range []float64{classicStart, 0.01, 3} {
		all, _ := bars(newClassic(newSource(1, DefaultSymbol, 0), price), 20_000)
		if len(all) != 20_000 || all[0].Open != price {
			t.Fatalf("%d bars, the first opens at %v, want %v", len(all), all[0].Open, price)
		}
		low, high, sum := 0.0, 0.0, 0.0
		for i, b := range all {
			if err := b.Validate(false); err != nil {
				t.Fatal(err)
			}
			if i > 0 && b.Open != all[i-1].Close {
				t.Fatalf("bar %d opens at %v, the one before closed at %v", i, b.Open, all[i-1].Close)
			}
			step := b.Close - b.Open
			if step < -5-1e-9 || step > 6+1e-9 || b.Volume != 0 {
				t.Fatalf("bar %d: %+v", i, b)
			}
			if up, down := b.High-max(b.Open, b.Close), min(b.Open, b.Close)-b.Low; up > 2+1e-9 || down > 2+1e-9 {
				t.Fatalf("bar %d: high and low reach %v above and %v below the body", i, up, down)
			}
			low, high, sum = min(low, step), max(high, step), sum+step
		}
		if low > -4.9 || high < 5.9 || math.Abs(sum/20_000-0.5) > 0.1 {
			t.Errorf("steps from %v to %v, mean %v", low, high, sum/20_000)
		}
	}
}
