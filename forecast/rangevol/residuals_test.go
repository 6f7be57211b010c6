package rangevol

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/rangevar"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// many is the model that answers with all of Residuals.
func many() Model {
	m := New()
	m.Many = true
	return m
}

// origin is what was forecast somewhere.
type origin struct {
	scale float64 // of the return over the horizon, x 100
	u     float64 // log of the mean square of the newest 20 returns, season removed
}

// The three answers differ in the quantiles of unit scale: those of the t; the empirical ones
// of the newest 1,000 returns, each over the scale that had been forecast for it; and those of
// the newest 2,000, weighted by how near the volatility of their time ranks to today's. Here
// they are worked out from what was said on the way.
func TestResidualsByDefinition(t *testing.T) {
	bars := forecasttest.ReadBars(t, testdata.Market(t, "daily/STOCK.csv"))
	for _, h := range []int{1, 3} {
		s := newState(many(), forecast.Setting{Interval: market.Day, Horizons: []int{h}})
		in := rangevar.New(market.Day)
		var z, u, adjusted []float64
		origins := map[int]origin{}
		var student forecast.Quantiles
		freedom := 0.0
		for i := range bars {
			w := forecast.NewWindow(market.Day, bars[max(0, i-1):i+1])
			s.Update(w)
			in.Update(w)
			adjusted = append(adjusted, in.Adjusted)
			if o, ok := origins[i-h]; ok {
				z = append(z, 100*math.Log(bars[i].Close/bars[i-h].Close)/o.scale)
				u = append(u, o.u)
			}
			if i == 300 || i > 300 && i%400 == 0 {
				if err := s.Refit(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if i <= 300 {
				continue
			}
			all, err := s.PredictMany(nil, w, h)
			if err != nil {
				t.Fatal(err)
			}
			o := origin{s.scales[0], meanSquare(adjusted)}
			origins[i] = o
			if nu := grid[s.regressions[0].nu]; nu != freedom {
				freedom, student = nu, forecast.StudentT(nu)
			}
			compare(t, i, all[StudentT], student, o.scale)
			if i < len(bars)-1 && i%611 != 0 {
				continue
			}
			if len(z) >= 1000 {
				sorted := slices.Clone(z[len(z)-1000:])
				slices.Sort(sorted)
				compare(t, i, all[Historical], forecast.Empirical(sorted), o.scale)
			}
			if len(z) >= 2000 {
				compare(t, i, all[Local], weighted(z[len(z)-2000:], u[len(u)-2000:], o.u), o.scale)
			}
		}
		if len(z) < 2000 {
			t.Fatalf("%d residuals: too few to compare", len(z))
		}
	}
}

func compare(t *testing.T, bar int, got forecast.Prediction, unit forecast.Quantiles, scale float64) {
	t.Helper()
	for l := range unit {
		if want := scale * unit[l] / 100; !near(got.Quantiles[l], want, 1e-9) {
			t.Errorf("bar %d, quantile %v: %v, want %v", bar, forecast.Probabilities[l], got.Quantiles[l], want)
		}
	}
	if got.Point != 0 {
		t.Errorf("bar %d: the point is %v", bar, got.Point)
	}
}

// meanSquare is the log of the mean square of the newest 20 numbers.
func meanSquare(r []float64) float64 {
	r = r[max(0, len(r)-20):]
	sum := 0.0
	for _, x := range r {
		sum += x * x
	}
	return math.Log(sum/float64(len(r)) + 1e-12)
}

// weighted are the quantiles of z, whose weights are exp(-((rank-rank')/0.25)²/2) + 0.1 in the
// ranks of u and now, from 0 to 1.
func weighted(z, u []float64, now float64) (q forecast.Quantiles) {
	n := len(z)
	rank := func(x float64) float64 {
		below := 0
		for _, v := range u {
			if v < x {
				below++
			}
		}
		return float64(below) / float64(n)
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(z[a], z[b]) })
	middle, total := make([]float64, n), 0.0
	for k, i := range order {
		d := (rank(u[i]) - rank(now)) / 0.25
		w := math.Exp(-d*d/2) + 0.1
		total += w
		middle[k] = total - w/2
	}
	for l, p := range forecast.Probabilities {
		k, _ := slices.BinarySearch(middle, p*total)
		switch k {
		case 0:
			q[l] = z[order[0]]
		case n:
			q[l] = z[order[n-1]]
		default:
			a, b := z[order[k-1]], z[order[k]]
			q[l] = a + (b-a)*(p*total-middle[k-1])/(middle[k]-middle[k-1])
		}
	}
	return q
}

// One answer is one of the three, to the last bit.
func TestPredictIsOneOfMany(t *testing.T) {
	bars := forecasttest.ReadBars(t, testdata.Market(t, "daily/INDEX.csv"))[:800]
	set := forecast.Setting{Interval: market.Day, Horizons: []int{1, 20}}
	all := newState(many(), set)
	run := func(s *State) forecast.Window {
		drive(s, market.Day, bars[:700], nil)
		if err := s.Refit(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := 700; i < len(bars); i++ {
			s.Update(forecast.NewWindow(market.Day, bars[i-1:i+1]))
		}
		return forecast.NewWindow(market.Day, bars)
	}
	w := run(all)
	for r := range numResiduals {
		m := New()
		m.Residuals = r
		one := newState(m, set)
		run(one)
		for _, h := range set.Horizons {
			want, err := all.PredictMany(nil, w, h)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := one.Predict(w, h); err != nil || got != want[r] {
				t.Errorf("%v, horizon %d: %v, %v, want %v", r, h, got, err, want[r])
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a model that answers once answers many times")
		}
	}()
	_, _ = newState(New(), set).PredictMany(nil, w, 1)
}

// Between two anchors ln(s²/h) lies on a line in ln h; beyond the last it stays. Weeks have
// no season that would come on top.
func TestScalesBetweenAnchors(t *testing.T) {
	bars := forecasttest.ReadBars(t, testdata.Market(t, "daily/STOCK.csv"))[:900]
	week := market.MustInterval("1w")
	horizons := []int{1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 80}
	s := newState(New(), forecast.Setting{Interval: week, Horizons: horizons})
	drive(s, week, bars[:899], nil)
	if err := s.Refit(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := forecast.NewWindow(week, bars[898:900])
	s.Update(w)
	per := func(h int) float64 { // ln of the variance a bar
		return 2*math.Log(s.scales[slices.Index(horizons, h)]) - math.Log(float64(h))
	}
	line := func(a, h, b int) float64 {
		f := math.Log(float64(h)/float64(a)) / math.Log(float64(b)/float64(a))
		return (1-f)*per(a) + f*per(b)
	}
	for h, want := range map[int]float64{3: line(2, 3, 5), 4: line(2, 4, 5), 7: line(5, 7, 10), 15: line(10, 15, 20), 30: per(20), 80: per(20)} {
		if !near(per(h), want, 1e-12) {
			t.Errorf("horizon %d: ln s²/h is %v, want %v", h, per(h), want)
		}
	}
	for i, a := range anchors {
		if want := dot(s.features.row[:], &s.regressions[i].b) - math.Log(float64(a)); !near(per(a), want, 1e-12) {
			t.Errorf("horizon %d: ln s²/h is %v, its regression has %v", a, per(a), want)
		}
	}
}

// Only the regressions that some horizon needs are there.
func TestNeeded(t *testing.T) {
	for _, c := range []struct{ horizons, want []int }{
		{[]int{1}, []int{1}},
		{[]int{3}, []int{2, 5}},
		{[]int{2, 5}, []int{2, 5}},
		{[]int{1, 7}, []int{1, 5, 10}},
		{[]int{50}, []int{20}},
		{[]int{20}, []int{20}},
		{[]int{4, 12}, []int{2, 5, 10, 20}},
	} {
		if got := needed(c.horizons); !slices.Equal(got, c.want) {
			t.Errorf("horizons %v need %v, want %v", c.horizons, got, c.want)
		}
	}
}

// walk draws bars of a market whose true volatility is known: its log wanders back to a mean,
// falls raise it, and returns within a bar are normal, in 64 steps. sd[i] is that of bar i.
func walk(seed uint64, n int) (bars []market.Bar, sd []float64) {
	const steps = 64
	rng := rand.New(rand.NewPCG(seed, 6))
	x, price := 0.0, 100.0
	bars, sd = make([]market.Bar, n), make([]float64, n)
	week := market.MustInterval("1w")
	start := market.Time(0)
	for i := range bars {
		sd[i] = 0.01 * math.Exp(x)
		b := &bars[i]
		b.Start, b.End, b.Volume = start, week.End(start), 1
		start = b.End
		b.Open, b.High, b.Low = price, price, price
		for range steps {
			price *= math.Exp(sd[i] / math.Sqrt(steps) * rng.NormFloat64())
			b.High, b.Low = max(b.High, price), min(b.Low, price)
		}
		b.Close = price
		z := math.Log(b.Close/b.Open) / sd[i]
		x = 0.96*x + 0.1*rng.NormFloat64() - 0.06*z
	}
	return bars, sd
}

// On a market whose volatility is known, forecasts follow it: the scale of the next bar has
// the right mean and explains most of what there is to explain, far more than the naive
// spread does; and each of the three intervals covers what it says, in calm and in wild times.
func TestKnownVolatility(t *testing.T) {
	bars, sd := walk(2, 6000)
	week := market.MustInterval("1w")
	s := newState(many(), forecast.Setting{Interval: week, Horizons: []int{1}})
	var err, spread, n float64
	var inside, below [numResiduals][2]float64
	var count [2]float64
	for i := range bars[:len(bars)-1] {
		w := forecast.NewWindow(week, bars[max(0, i-1):i+1])
		s.Update(w)
		if i >= 400 && i%100 == 0 {
			if err := s.Refit(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if i < 1500 {
			continue
		}
		all, e := s.PredictMany(nil, w, 1)
		if e != nil {
			t.Fatal(e)
		}
		d := math.Log(s.scales[0] / (100 * sd[i+1]))
		err += d
		spread += d * d
		n++
		y := math.Log(bars[i+1].Close / bars[i].Close)
		wild := 0
		if sd[i+1] > 0.01 {
			wild = 1
		}
		count[wild]++
		for r, p := range all {
			if y < p.Quantiles[forecast.Q05] {
				below[r][wild]++
			} else if y <= p.Quantiles[forecast.Q95] {
				inside[r][wild]++
			}
		}
	}
	// The log of the volatility has a deviation of 0.1 sqrt(1 + 0.36) / sqrt(1 - 0.96²) = 0.42
	// around its mean, and of 0.1 around what could be known a bar before.
	if bias, rest := err/n, math.Sqrt(spread/n-err*err/n/n); math.Abs(bias) > 0.03 || rest > 0.2 {
		t.Errorf("the log of the volatility forecast is off by %.3f ± %.3f", bias, rest)
	}
	for r := range inside {
		all := (inside[r][0] + inside[r][1]) / n
		if math.Abs(all-0.9) > 0.012 || math.Abs((below[r][0]+below[r][1])/n-0.05) > 0.009 {
			t.Errorf("%v: 90 %% intervals cover %.3f, %.3f lie below", Residuals(r), all, (below[r][0]+below[r][1])/n)
		}
		for wild, name := range []string{"calm", "wild"} {
			if c := inside[r][wild] / count[wild]; math.Abs(c-0.9) > 0.03 {
				t.Errorf("%v: in %s times 90 %% intervals cover %.3f", Residuals(r), name, c)
			}
		}
	}
}
