package rangevol

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/optimize"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// simulated are pairs that the model itself draws: features of typical spread, a Student t of
// nu degrees of freedom around the scale that b gives.
func simulated(rng *rand.Rand, n, nu int, b *[numFeatures]float64) (rows, y []float64) {
	for range n {
		x := [numFeatures]float64{1}
		eta := b[0]
		for j := 1; j < numFeatures; j++ {
			x[j] = spreads[j] * rng.NormFloat64()
			eta += b[j] * x[j]
		}
		chi := 0.0
		for range nu {
			u := rng.NormFloat64()
			chi += u * u
		}
		unit := math.Sqrt(float64(nu-2)) / math.Sqrt(chi)
		y = append(y, math.Exp(eta/2)*rng.NormFloat64()*unit)
		rows = append(rows, x[:]...)
	}
	return rows, y
}

// fitted is a regression on pairs.
func fitted(t testing.TB, h int, rows, y []float64, prior *[numFeatures]float64, free bool) *regression {
	t.Helper()
	g := &regression{horizon: h, free: free}
	for i := range y {
		g.add(rows[i*numFeatures:(i+1)*numFeatures], 1)
	}
	if !g.fit(rows, y, prior) {
		t.Fatal("no fit")
	}
	return g
}

// Another program's search for the greatest penalised likelihood (BFGS of gonum, with
// finite differences, from nowhere near) ends where Fisher scoring does.
func TestFitIsTheMaximum(t *testing.T) {
	s := stockState(t, 2600)
	for _, g := range s.regressions {
		n := g.y.Len()
		all := s.rows.All()
		end := len(all) - g.horizon*numFeatures
		rows, y := all[end-n*numFeatures:end], g.y.All()
		prior := DefaultPrior().at(g.horizon)
		if !g.fit(rows, y, prior) {
			t.Fatal("no fit")
		}
		// Coefficients in the units of their features, so that none is flat.
		at := func(x []float64) *[numFeatures]float64 {
			var b [numFeatures]float64
			for j := range b {
				b[j] = x[j] / spreads[j]
			}
			return &b
		}
		value := func(x []float64) float64 { return penalised(g, rows, y, at(x), prior) / float64(n) }
		problem := optimize.Problem{Func: value, Grad: func(grad, x []float64) {
			const d = 1e-5
			for j := range x {
				was := x[j]
				x[j] = was + d
				up := value(x)
				x[j] = was - d
				grad[j] = (up - value(x)) / (2 * d)
				x[j] = was
			}
		}}
		from := make([]float64, numFeatures)
		from[1] = 1
		found, err := optimize.Minimize(problem, from, &optimize.Settings{GradientThreshold: 1e-6}, &optimize.BFGS{})
		if found == nil {
			t.Fatal(err)
		}
		want := at(found.X)
		for j := range want {
			if d := math.Abs(g.b[j]-want[j]) * spreads[j]; !(d < 0.002) {
				t.Errorf("horizon %d, coefficient %d: %v, BFGS ends at %v", g.horizon, j, g.b[j], want[j])
			}
		}
		// And of all degrees of freedom that are tried, none is likelier by far.
		chosen, best := g.nu, math.Inf(1)
		var places []float64
		for k := range grid {
			g.nu = k
			places = append(places, likelihood(rows, y, &g.b, grid[k]))
			best = min(best, places[k])
		}
		if places[chosen] > best+0.1 {
			t.Errorf("horizon %d: %v degrees of freedom, minus log likelihoods %.2f", g.horizon, grid[chosen], places)
		}
	}
}

// likelihood is minus the log of that of a t with nu degrees of freedom and unit variance
// around the scales of b.
func likelihood(rows, y []float64, b *[numFeatures]float64, nu float64) (total float64) {
	c, _ := math.Lgamma((nu + 1) / 2)
	d, _ := math.Lgamma(nu / 2)
	for i, v := range y {
		eta := 0.0
		for j := range b {
			eta += rows[i*numFeatures+j] * b[j]
		}
		total -= c - d - 0.5*math.Log(math.Pi*(nu-2)) - eta/2 - (nu+1)/2*math.Log1p(v*v*math.Exp(-eta)/(nu-2))
	}
	return total
}

// The prior counts as 500 pairs, at horizon 1: of what pairs and prior differ in, a fit on n
// pairs keeps 500 / (n + 500).
func TestPriorCountsAs500Pairs(t *testing.T) {
	truth := [numFeatures]float64{0.1, 0.9, 0.3, 0.1, 0.1, 0, 0.2, 0, 0.3, 0, 0}
	for _, n := range []int{250, 500, 2000} {
		kept := [numFeatures]float64{}
		const draws = 30
		rng := rand.New(rand.NewPCG(uint64(n), 3))
		for range draws {
			rows, y := simulated(rng, n, 5, &truth)
			prior := truth
			for j := 1; j < numFeatures; j++ {
				prior[j] += 0.3 / spreads[j]
			}
			g := fitted(t, 1, rows, y, &prior, false)
			for j := range kept {
				kept[j] += (g.b[j] - truth[j]) * spreads[j] / 0.3 / draws
			}
		}
		want := 500 / (float64(n) + 500)
		for j := 1; j < numFeatures; j++ {
			if math.Abs(kept[j]-want) > 0.1 {
				t.Errorf("%d pairs: of coefficient %d the prior keeps %.2f, want %.2f", n, j, kept[j], want)
			}
		}
	}
}

// The score that scoring follows is the slope of the likelihood.
func TestGradient(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		truth := [numFeatures]float64{0, 1}
		rows, y := simulated(rng, 50, 4, &truth)
		b := truth
		for j := range b {
			b[j] += 0.3 * rng.NormFloat64()
		}
		nu := rapid.SampledFrom(grid[:]).Draw(t, "degrees of freedom")
		got := gradient(rows, y, &b, nu)
		for j := range b {
			up, down := b, b
			up[j] += 1e-6
			down[j] -= 1e-6
			if want := (likelihood(rows, y, &down, nu) - likelihood(rows, y, &up, nu)) / 2e-6; !near(got[j], want, 1e-5) {
				t.Fatalf("coefficient %d: %v, finite differences %v", j, got[j], want)
			}
		}
	})
}

// Returns that are all but nothing, or too large to square, do not break a fit: it is found
// and finite, since each of them has little influence.
func TestFitStaysFinite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		truth := [numFeatures]float64{0, 1}
		rows, y := simulated(rng, 100, 4, &truth)
		for range rapid.IntRange(1, 100).Draw(t, "wild returns") {
			y[rng.IntN(len(y))] = rapid.SampledFrom([]float64{0, 1e-300, 1e-9, 1e9, 1e200, -1e300}).Draw(t, "return")
		}
		g := &regression{horizon: 1}
		for i := range y {
			g.add(rows[i*numFeatures:(i+1)*numFeatures], 1)
		}
		if !g.fit(rows, y, DefaultPrior().at(1)) {
			t.Fatal("no fit")
		}
		for j, b := range g.b {
			if math.IsNaN(b) || math.IsInf(b, 0) {
				t.Fatalf("coefficient %d is %v", j, b)
			}
		}
		if err := g.t.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

// Between the horizons of a prior coefficients lie on lines in ln h; outside, the variance
// grows with the number of bars.
func TestPriorBetweenHorizons(t *testing.T) {
	p := DefaultPrior()
	at := func(h int) [numFeatures]float64 { return *p.at(h) }
	for h := 1; h <= 60; h++ {
		c := at(h)
		i := 0
		for i+1 < len(p.Horizons) && p.Horizons[i+1].Horizon <= h {
			i++
		}
		a := p.Horizons[i]
		for k := range c {
			want := a.Coefficients[k]
			switch {
			case i+1 < len(p.Horizons):
				b := p.Horizons[i+1]
				want += (b.Coefficients[k] - want) * math.Log(float64(h)/float64(a.Horizon)) / math.Log(float64(b.Horizon)/float64(a.Horizon))
			case k == 0:
				want += math.Log(float64(h) / float64(a.Horizon))
			}
			if !near(c[k], want, 1e-12) {
				t.Errorf("horizon %d, coefficient %d: %v, want %v", h, k, c[k], want)
			}
		}
	}
	later := &Prior{Horizons: p.Horizons[2:]} // from 5 bars on
	if got, want := later.at(1)[0], p.Horizons[2].Coefficients[0]-math.Log(5); !near(got, want, 1e-12) {
		t.Errorf("before the first horizon the constant is %v, want %v", got, want)
	}
}

// A prior survives being written as JSON and read.
func TestPriorAsJSON(t *testing.T) {
	b, err := json.Marshal(DefaultPrior())
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParsePrior(b)
	if err != nil || p.Data != DefaultPrior().Data || len(p.Horizons) != len(DefaultPrior().Horizons) {
		t.Fatalf("%+v, %v", p, err)
	}
	for i, h := range p.Horizons {
		if h != DefaultPrior().Horizons[i] {
			t.Errorf("horizon %d: %v, want %v", h.Horizon, h, DefaultPrior().Horizons[i])
		}
	}
	for _, bad := range []string{`{"horizons":[{"horizon":1,"coefficients":[1e999]}]}`, `{"horizons":[]}`, `[]`, `{"horizons":[{"horizon":1},{"horizon":1}]}`} {
		if _, err := ParsePrior([]byte(bad)); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

// A prior is the greatest likelihood of the pairs of all series together: in whatever order
// they come, and for a series that comes twice as for it alone.
func TestEstimatePrior(t *testing.T) {
	sample := func(name string) *Sample {
		s, err := NewSample(market.Day, forecasttest.ReadBars(t, testdata.Market(t, name)))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	stock, index := sample("daily/STOCK.csv"), sample("daily/INDEX.csv")
	estimate := func(of ...*Sample) *Prior {
		p, err := EstimatePrior("two series", of...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	both := estimate(stock, index)
	if both.Data != "two series" {
		t.Errorf("data %q", both.Data)
	}
	apart := func(a, b *Prior) (most float64) {
		for i := range a.Horizons {
			for j, c := range a.Horizons[i].Coefficients {
				most = max(most, math.Abs(c-b.Horizons[i].Coefficients[j])*spreads[j])
			}
		}
		return most
	}
	if d := apart(both, estimate(index, stock)); d > 0.001 {
		t.Errorf("the order of the series moves a coefficient by %v of its feature's spread", d)
	}
	if d := apart(estimate(stock, stock), estimate(stock)); d > 0.001 {
		t.Errorf("a series that comes twice moves a coefficient by %v", d)
	}
	if d := apart(both, estimate(stock)); d < 0.01 {
		t.Errorf("another series moves coefficients by %v only", d)
	}
	for i, h := range both.Horizons {
		total := func(b *[numFeatures]float64, nu float64) (sum float64) {
			for _, s := range []*Sample{stock, index} {
				sum += likelihood(s.anchors[i].rows, s.anchors[i].y, b, nu)
			}
			return sum
		}
		best, freedom := math.Inf(1), 0.0
		for _, nu := range grid {
			if v := total(&h.Coefficients, nu); v < best {
				best, freedom = v, nu
			}
		}
		for j := range h.Coefficients {
			for _, d := range []float64{-0.1, 0.1} {
				b := h.Coefficients
				b[j] += d / spreads[j]
				if v := total(&b, freedom); v < best {
					t.Errorf("horizon %d: moving coefficient %d by %v is likelier by %v", h.Horizon, j, d, best-v)
				}
			}
		}
	}
	if _, err := EstimatePrior("nothing"); err == nil {
		t.Error("a prior of nothing")
	}
	if _, err := NewSample(market.Day, forecasttest.Walk(1, 60)); !errors.Is(err, forecast.ErrTooShort) {
		t.Errorf("a sample of 60 bars: %v", err)
	}
}
