package rangevol

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func stockState(t *testing.T, n int) *State {
	t.Helper()
	bars := forecasttest.ReadBars(t, testdata.Market(t, "daily/STOCK.csv"))
	bars = bars[len(bars)-n:]
	s := newState(New(), forecast.Setting{Interval: market.Day, Horizons: []int{1, 5}})
	for i := range bars {
		s.Update(forecast.NewWindow(market.Day, bars[max(0, i-1):i+1]))
	}
	return s
}

// penalised is minus the penalised log likelihood that fit maximises, written down as the
// package comment has it.
func penalised(g *regression, rows, y []float64, b, prior *[numFeatures]float64) float64 {
	nu := grid[g.nu]
	info := nu / (2 * (nu + 3))
	total := 0.0
	for i, yi := range y {
		eta := 0.0
		for j := range b {
			eta += rows[i*numFeatures+j] * b[j]
		}
		total += eta/2 + (nu+1)/2*math.Log1p(yi*yi*math.Exp(-eta)/(nu-2))
	}
	for j := range b {
		weight := 500 * info * spreads[j] * spreads[j] * math.Sqrt(float64(g.horizon))
		if j == 0 {
			weight = 1e-3*float64(len(y))*info + 2
		}
		total += 0.5 * weight * (b[j] - prior[j]) * (b[j] - prior[j])
	}
	return total
}

// Pairs of a recorded series: the sums kept along are those of the pairs, the regression ends where no
// coefficient can be moved for the better, and no other number of degrees of freedom is
// better by more than what it moves.
func TestRegression(t *testing.T) {
	s := stockState(t, 2600)
	for _, g := range s.regressions {
		n := g.y.Len()
		if n != 2000 {
			t.Fatalf("%d pairs", n)
		}
		all := s.rows.All()
		end := len(all) - g.horizon*numFeatures
		rows, y := all[end-n*numFeatures:end], g.y.All()
		var gram [numFeatures * numFeatures]float64
		for i := range n {
			x := rows[i*numFeatures:]
			for j := range numFeatures {
				for k := j; k < numFeatures; k++ {
					gram[j*numFeatures+k] += x[j] * x[k]
				}
			}
		}
		for i := range gram {
			if math.Abs(gram[i]-g.gram[i]) > 1e-8*(1+math.Abs(gram[i])) {
				t.Fatalf("horizon %d: element %d is %v, want %v", g.horizon, i, g.gram[i], gram[i])
			}
		}
		prior := DefaultPrior().at(g.horizon)
		if !g.fit(rows, y, prior) {
			t.Fatal("no fit")
		}
		best := penalised(g, rows, y, &g.b, prior)
		for j := range g.b {
			for _, d := range []float64{-0.02, 0.02} {
				b := g.b
				b[j] += d / spreads[j]
				if v := penalised(g, rows, y, &b, prior); v < best {
					t.Errorf("horizon %d: moving coefficient %d by %v is better by %v", g.horizon, j, d, best-v)
				}
			}
		}
	}
}

// Pairs that the model itself drew give its coefficients and degrees of freedom back.
func TestRegressionRecovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	want := [numFeatures]float64{0.1, 0.9, 0.4, 0.1, 0.1, 0.1, 0.3, 0, 0.3, 0.1, 0}
	g := &regression{horizon: 1, free: true}
	var rows, y []float64
	for range 30_000 {
		x := [numFeatures]float64{1}
		eta := want[0]
		for j := 1; j < numFeatures; j++ {
			x[j] = spreads[j] * rng.NormFloat64()
			eta += want[j] * x[j]
		}
		chi := 0.0
		for range 6 {
			u := rng.NormFloat64()
			chi += u * u
		}
		y = append(y, math.Exp(eta/2)*rng.NormFloat64()/math.Sqrt(chi/6)*math.Sqrt(4.0/6))
		rows = append(rows, x[:]...)
		g.add(x[:], 1)
	}
	from := [numFeatures]float64{0, 1}
	if !g.fit(rows, y, &from) {
		t.Fatal("no fit")
	}
	for j := range want {
		if math.Abs(g.b[j]-want[j])*spreads[j] > 0.04 {
			t.Errorf("coefficient %d is %.3f, drawn with %.3f", j, g.b[j], want[j])
		}
	}
	if nu := grid[g.nu]; nu < 5 || nu > 8 {
		t.Errorf("%v degrees of freedom, drawn with 6", nu)
	}
}

// Weighted quantiles by their definition, the long way.
func TestLocal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 60).Draw(t, "residuals")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		l := newLocal()
		z, u := make([]float64, n), make([]float64, n)
		for i := range z {
			z[i], u[i] = rng.NormFloat64(), rng.NormFloat64()
			l.Add(z[i], u[i])
		}
		if rapid.Bool().Draw(t, "written") {
			a := forecast.NewArchive()
			l.persist(a)
			l = newLocal()
			l.persist(forecast.ReadArchive(a.Bytes()))
		}
		now := rng.NormFloat64()
		rank := func(x float64) (r int) {
			for _, v := range u {
				if v < x {
					r++
				}
			}
			return r
		}
		order := make([]int, n)
		for i := range order {
			order[i] = i
		}
		q := l.Quantiles(now)
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(z[a], z[b]) })
		total, at := 0.0, make([]float64, n)
		for k, i := range order {
			d := float64(rank(u[i])-rank(now)) / float64(n)
			w := math.Exp(-0.5*d*d/(0.25*0.25)) + 0.1
			total += w
			at[k] = total - w/2
		}
		for k, p := range forecast.Probabilities {
			want := z[order[n-1]]
			for m := range at {
				if at[m] >= p*total {
					if want = z[order[m]]; m > 0 {
						before := z[order[m-1]]
						want = before + (want-before)*(p*total-at[m-1])/(at[m]-at[m-1])
					}
					break
				}
			}
			if math.Abs(q[k]-want) > 0.02 { // distances of ranks are cut to 1/2,000
				t.Fatalf("quantile %v is %v, want %v", p, q[k], want)
			}
		}
		if err := q.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

// A full pool forgets the oldest, and its ranks stay those of what it holds.
func TestLocalForgets(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	l := newLocal()
	for i := range localPairs + 500 {
		l.Add(rng.NormFloat64(), math.Floor(8*rng.NormFloat64())) // volatilities that repeat
		if i%250 != 0 && i < localPairs {
			continue
		}
		if i%100 != 0 {
			continue
		}
		us := slices.Clone(l.us)
		slices.Sort(us)
		for k, u := range l.us {
			first, _ := slices.BinarySearch(us, u)
			last := first
			for last+1 < len(us) && us[last+1] == u {
				last++
			}
			if r := int(l.ranks[k]); r < first || r > last {
				t.Fatalf("after %d: rank %d of a volatility whose place is %d to %d", i+1, r, first, last)
			}
		}
		if !slices.IsSorted(l.zs) || len(l.zs) != min(i+1, localPairs) {
			t.Fatalf("after %d: %d residuals", i+1, len(l.zs))
		}
	}
}

func TestPriorIsReproduced(t *testing.T) {
	p := DefaultPrior()
	if len(p.Horizons) != len(anchors) || p.Data == "" {
		t.Fatalf("%+v", p)
	}
	for i, h := range p.Horizons {
		if h.Horizon != anchors[i] {
			t.Errorf("horizon %d", h.Horizon)
		}
	}
	if a, b := p.at(1), p.at(40); math.Abs(b[0]-p.Horizons[4].Coefficients[0]-math.Ln2) > 1e-12 || a[1] != p.Horizons[0].Coefficients[1] {
		t.Error("priors are not carried to other horizons as documented")
	}
	for _, bad := range []string{"", "{}", `{"horizons":[{"horizon":0}]}`, `{"horizons":[{"horizon":2},{"horizon":1}]}`} {
		if _, err := ParsePrior([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
