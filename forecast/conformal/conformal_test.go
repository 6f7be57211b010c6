package conformal_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/conformal"
)

// daily is a prior of the size that pools of daily forecasts need.
var daily = conformal.Prior{Spread: -0.02, Tilt: -0.06}

// series is a simulated one: steps that are normal, and outcomes that are sums of
// the next h of them.
type series struct {
	h     int
	rng   *rand.Rand
	steps []float64
}

func newSeries(seed uint64, h int) *series {
	return &series{h: h, rng: rand.New(rand.NewPCG(seed, 1))}
}

// outcome is that of origin i: standard normal.
func (s *series) outcome(i int) float64 {
	for len(s.steps) < i+s.h {
		s.steps = append(s.steps, s.rng.NormFloat64())
	}
	sum := 0.0
	for _, e := range s.steps[i : i+s.h] {
		sum += e
	}
	return sum / math.Sqrt(float64(s.h))
}

// volatility wanders through the regimes.
func volatility(i int) float64 { return 1 + 0.5*math.Sin(float64(i)/40) }

// run drives l over n origins with the true quantiles, where the outcome of origin i
// has its tails stretched by stretch(i). It returns what was said and what came.
func run(l *conformal.Layer, s *series, n int, stretch func(i int) (lower, upper float64)) (said []forecast.Quantiles, came []float64) {
	for i := range n {
		y := s.outcome(i)
		lower, upper := stretch(i)
		if y < 0 {
			y *= lower
		} else {
			y *= upper
		}
		came = append(came, y)
		if i >= s.h {
			l.Realise(came[i-s.h])
		}
		q := forecast.Normal(0, 1)
		l.Adjust(&q, volatility(i))
		said = append(said, q)
	}
	return said, came
}

func calm(int) (lower, upper float64) { return 1, 1 }

// Calibrated forecasts stay untouched, to the last bit, in at least 95 of 100
// series of 2,000 origins.
func TestCalibratedForecastsStayUntouched(t *testing.T) {
	for h, runs := range map[int]int{1: 100, 5: 40} {
		touched := 0
		for seed := range uint64(runs) {
			said, _ := run(conformal.New(h, conformal.Options{}), newSeries(seed, h), 2000, calm)
			want := forecast.Normal(0, 1)
			if slices.ContainsFunc(said, func(q forecast.Quantiles) bool { return q != want }) {
				touched++
			}
		}
		t.Logf("horizon %d: %d of %d series touched", h, touched, runs)
		if touched > runs*5/100 {
			t.Errorf("horizon %d: %d of %d calibrated series were touched", h, touched, runs)
		}
	}
}

// A drift that starts half-way is found, and coverage of the last quarter comes back
// to within the tolerance of 90 %.
func TestDriftIsCorrected(t *testing.T) {
	for _, c := range []struct {
		name         string
		h            int
		lower, upper float64
		tolerance    float64 // of each tail's 5 %, averaged over the series
	}{
		{"both tails wider", 1, 1.25, 1.25, 0.007},
		{"both tails much wider", 1, 2, 2, 0.007},
		{"both tails narrower", 1, 0.75, 0.75, 0.007},
		{"the upper tail wider", 1, 1, 1.4, 0.007},
		{"the lower tail narrower", 1, 0.7, 1, 0.01},
		{"both tails wider, 5 bars ahead", 5, 1.4, 1.4, 0.012},
		{"the lower tail much wider, 5 bars ahead", 5, 1.8, 1, 0.012},
	} {
		t.Run(c.name, func(t *testing.T) {
			const runs, n = 6, 4000
			var below, above, raw float64
			for seed := range uint64(runs) {
				l := conformal.New(c.h, conformal.Options{})
				said, came := run(l, newSeries(seed, c.h), n, func(i int) (lower, upper float64) {
					if i < n/2 {
						return 1, 1
					}
					return c.lower, c.upper
				})
				plain, acting := forecast.Normal(0, 1), 0
				for i := n * 3 / 4; i < n; i++ {
					if said[i] != plain {
						acting++
					}
					switch {
					case came[i] < said[i][forecast.Q05]:
						below++
					case came[i] > said[i][forecast.Q95]:
						above++
					}
					if came[i] < plain[forecast.Q05] || came[i] > plain[forecast.Q95] {
						raw++
					}
				}
				if acting < n/4*8/10 {
					t.Errorf("series %d: %d of the last %d origins were corrected", seed, acting, n/4)
				}
			}
			total := float64(runs * n / 4)
			t.Logf("below %.4f, above %.4f; without the layer outside %.4f", below/total, above/total, raw/total)
			if math.Abs(below/total-0.05) > c.tolerance || math.Abs(above/total-0.05) > c.tolerance {
				t.Errorf("%.4f below and %.4f above, want 0.05 within %v", below/total, above/total, c.tolerance)
			}
		})
	}
}

// A drift in one regime is corrected in that regime, and the others are left nearly
// as they are.
func TestDriftOfOneRegime(t *testing.T) {
	l := conformal.New(1, conformal.Options{})
	wild := func(i int) bool { return math.Sin(float64(i)/40) > 0.5 }
	run(l, newSeries(3, 1), 6000, func(i int) (lower, upper float64) {
		if wild(i) {
			return 1.5, 1.5
		}
		return 1, 1
	})
	for _, c := range []struct {
		volatility float64
		low, high  float64
	}{{1.49, 1.35, 1.65}, {1, 0.95, 1.05}, {0.51, 0.95, 1.05}} {
		q := forecast.Normal(0, 1)
		l.Realise(0)
		l.Adjust(&q, c.volatility)
		if f := l.Shift().Upper; f < c.low || f > c.high {
			t.Errorf("volatility %v (%v): upper tail by %v, want %v to %v", c.volatility, l.Shift().Regime, f, c.low, c.high)
		}
	}
}

// A drift that ends is unlearnt.
func TestDriftEnds(t *testing.T) {
	l := conformal.New(1, conformal.Options{})
	said, _ := run(l, newSeries(8, 1), 3000, func(i int) (lower, upper float64) {
		if i >= 1000 && i < 1500 {
			return 1.5, 1.5
		}
		return 1, 1
	})
	if l.Acting() || said[len(said)-1] != forecast.Normal(0, 1) {
		t.Errorf("1,500 origins after the drift: %+v", l.Shift())
	}
	if said[1450] == forecast.Normal(0, 1) {
		t.Error("the drift was not found")
	}
}

// Whatever comes, what is said validates, keeps its median, and goes on the same way
// from an archive.
func TestProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := rapid.IntRange(1, 7).Draw(t, "horizon")
		o := conformal.Options{Origins: rapid.SampledFrom([]int{0, 1, 50}).Draw(t, "origins")}
		if rapid.Bool().Draw(t, "prior") {
			o.Prior = daily
		}
		value := rapid.OneOf(rapid.Float64Range(-3, 3), rapid.Float64(), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 1e-320}))
		l, other := conformal.New(h, o), conformal.New(h, o)
		for i := range rapid.IntRange(1, 150).Draw(t, "origins") {
			if l.Waiting() == h {
				y := value.Draw(t, "outcome")
				l.Realise(y)
				other.Realise(y)
			}
			switch rapid.IntRange(0, 20).Draw(t, "step") {
			case 0:
				l.Forget()
				other.Forget()
			case 1:
				l.Pass()
				other.Pass()
				continue
			case 2:
				other = again(t, other, h, o)
			}
			if l.Waiting() == h {
				continue
			}
			var q forecast.Quantiles
			if rapid.Bool().Draw(t, "plain") {
				q = forecast.Normal(value.Draw(t, "mean"), 1)
			} else {
				for k := range q {
					q[k] = value.Draw(t, "quantile")
				}
				slices.Sort(q[:])
			}
			was, vol := q, value.Draw(t, "volatility")
			same := q
			l.Adjust(&q, vol)
			other.Adjust(&same, vol)
			if !bytes.Equal(archived(l), archived(other)) {
				t.Fatalf("origin %d: the archive is not the same", i)
			}
			if was.Validate() != nil {
				continue
			}
			if err := q.Validate(); err != nil {
				t.Fatalf("origin %d: %v", i, err)
			}
			if q != same || q[forecast.Q50] != was[forecast.Q50] {
				t.Fatalf("origin %d: %v, from the archive %v, before %v", i, q, same, was)
			}
			if !l.Acting() && o.Prior == (conformal.Prior{}) && q != was {
				t.Fatalf("origin %d: changed without a drift", i)
			}
		}
	})
}

func archived(l *conformal.Layer) []byte {
	a := forecast.NewArchive()
	l.Persist(a)
	return a.Bytes()
}

// again is l from its archive.
func again(t interface{ Fatal(...any) }, l *conformal.Layer, h int, o conformal.Options) *conformal.Layer {
	a := forecast.ReadArchive(archived(l))
	back := conformal.New(h, o)
	back.Persist(a)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return back
}

// A long run from an archive in the middle says the same to the last bit.
func TestPersist(t *testing.T) {
	o := conformal.Options{Prior: daily}
	l := conformal.New(5, o)
	s := newSeries(4, 5)
	var back *conformal.Layer
	for i := range 3000 {
		y := 1.6 * s.outcome(max(0, i-5))
		if i >= 5 {
			l.Realise(y)
		}
		q := forecast.Normal(0, 1)
		l.Adjust(&q, volatility(i))
		if i == 1500 {
			back = again(t, l, 5, o)
		} else if i > 1500 {
			back.Realise(y)
			p := forecast.Normal(0, 1)
			back.Adjust(&p, volatility(i))
			if p != q {
				t.Fatalf("origin %d: %v from the archive, %v without", i, p, q)
			}
		}
	}
	if l.Shift() != back.Shift() || !l.Acting() {
		t.Errorf("%+v from the archive, %+v without", back.Shift(), l.Shift())
	}
}

func TestPersistRefusesNonsense(t *testing.T) {
	l := conformal.New(2, conformal.Options{})
	run(l, newSeries(1, 2), 50, calm)
	good := archived(l)
	for name, b := range map[string][]byte{
		"short":             good[:len(good)-1],
		"another horizon":   archived(conformal.New(3, conformal.Options{})),
		"trailing bytes":    append(slices.Clone(good), 1),
		"evidence below 0":  spoilt(good, 1, math.Float64bits(-1)),
		"evidence not real": spoilt(good, 1, math.Float64bits(math.NaN())),
	} {
		a := forecast.ReadArchive(b)
		conformal.New(2, conformal.Options{}).Persist(a)
		if a.Close() == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Whatever bytes come, a layer that read them without an error goes on as always.
func FuzzPersist(f *testing.F) {
	l := conformal.New(2, conformal.Options{Origins: 1})
	f.Add(archived(l))
	run(l, newSeries(1, 2), 50, func(int) (lower, upper float64) { return 2, 2 })
	f.Add(archived(l))
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		a := forecast.ReadArchive(b)
		l := conformal.New(2, conformal.Options{Origins: 1})
		l.Persist(a)
		if a.Close() != nil {
			return
		}
		if !bytes.Equal(archived(l), archived(again(t, l, 2, conformal.Options{Origins: 1}))) {
			t.Error("another archive came out than went in")
		}
		for range 5 {
			if l.Waiting() == 2 {
				l.Realise(1)
			}
			q := forecast.Normal(0, 1)
			l.Adjust(&q, 1)
			if err := q.Validate(); err != nil {
				t.Error(err)
			}
		}
	})
}

// spoilt is b with another i-th word.
func spoilt(b []byte, i int, word uint64) []byte {
	b = slices.Clone(b)
	for k := range 8 {
		b[8*i+k] = byte(word >> (8 * k))
	}
	return b
}

// The prior, by hand: the first origins have the factor exp(-0.02) but for the
// tilt, which begins at 0.
func TestPrior(t *testing.T) {
	l := conformal.New(1, conformal.Options{Prior: daily})
	q := forecast.Normal(1, 1)
	l.Adjust(&q, 2)
	want := forecast.Normal(1, math.Exp(-0.02))
	for i := range q {
		if math.Abs(q[i]-want[i]) > 1e-15 {
			t.Fatalf("level %d: %v, want %v", i, q[i], want[i])
		}
	}
	l.Realise(0)
	q = forecast.Normal(0, 1)
	l.Adjust(&q, 2*math.Exp(0.5)) // mean of the logarithms is ln 2 + 0.25
	if f, want := q[20]/1.6448536269514726, math.Exp(-0.02-0.06*0.25*2/102); math.Abs(f-want) > 1e-15 {
		t.Errorf("factor %v, want %v", f, want)
	}
	if l.Acting() || l.Shift().Upper != 1 {
		t.Error("a prior is no drift")
	}
}

// Forecasts that are too wide by 10 %, and more so in wild times, give themselves away.
func TestMeasure(t *testing.T) {
	var m conformal.Measure
	if _, err := m.Prior(); !errors.Is(err, forecast.ErrTooShort) {
		t.Errorf("nothing seen: %v", err)
	}
	q := forecast.Normal(1, 1)
	m.Add(&q, 1, math.NaN())
	m.Add(&forecast.Quantiles{}, 1, 0)
	m.Add(&q, 1, 2)
	if _, err := m.Prior(); !errors.Is(err, forecast.ErrDegenerate) {
		t.Errorf("one outcome: %v", err)
	}
	m = conformal.Measure{}
	rng := rand.New(rand.NewPCG(9, 9))
	for range 4 {
		m.Series()
		for i := range 40000 {
			v := math.Exp(0.4 * math.Sin(float64(i)/40))
			q := forecast.Normal(0.5, 1)
			m.Add(&q, v, 0.5+math.Exp(-0.1-0.08*math.Log(v))*rng.NormFloat64())
		}
	}
	p, err := m.Prior()
	if err != nil || math.Abs(p.Spread+0.1) > 0.01 || math.Abs(p.Tilt+0.08) > 0.015 {
		t.Errorf("%+v, %v, want about {-0.1 -0.08}", p, err)
	}
}

func TestShift(t *testing.T) {
	for _, c := range []struct {
		shift conformal.Shift
		want  string
	}{
		{conformal.Shift{}, "no drift found"},
		{conformal.Shift{Acting: true, Lower: 1, Upper: 1.04, Outcomes: 500, Below: 26, Above: 31},
			"upper tail widened by 4 %: of the last 500 outcomes 5.2 % fell below and 6.2 % above, 5 % expected each"},
		{conformal.Shift{Acting: true, Lower: 0.931, Upper: 1.2},
			"lower tail narrowed by 7 %, upper tail widened by 20 %"},
		{conformal.Shift{Acting: true, Lower: 1.001, Upper: 1},
			"drift found, nothing to correct at this volatility"},
	} {
		if got := c.shift.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	l := conformal.New(1, conformal.Options{})
	run(l, newSeries(5, 1), 3000, func(int) (lower, upper float64) { return 1, 1.5 })
	s := l.Shift()
	if !s.Acting || s.Evidence < 1 || s.Evidence > 100+1e-9 || s.Outcomes != 500 || s.Upper < 1.35 || s.Upper > 1.6 || math.Abs(s.Lower-1) > 0.03 || s.Above < 50 {
		t.Errorf("%+v", s)
	}
	if !strings.Contains(s.String(), "upper tail widened by") {
		t.Errorf("%q", s)
	}
}

func TestMisuse(t *testing.T) {
	for name, f := range map[string]func(){
		"horizon 0":        func() { conformal.New(0, conformal.Options{}) },
		"origins below 0":  func() { conformal.New(1, conformal.Options{Origins: -1}) },
		"prior not finite": func() { conformal.New(1, conformal.Options{Prior: conformal.Prior{Tilt: math.NaN()}}) },
		"nothing waits":    func() { conformal.New(1, conformal.Options{}).Realise(0) },
		"too many wait":    func() { l := conformal.New(1, conformal.Options{}); l.Pass(); l.Pass() },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

// Outcomes equal to all quantiles say nothing: prices that stand still.
func TestTiesSayNothing(t *testing.T) {
	l := conformal.New(1, conformal.Options{})
	for range 3000 {
		var q forecast.Quantiles
		l.Adjust(&q, 0)
		l.Realise(0)
	}
	if s := l.Shift(); s.Acting || s.Below+s.Above > 0 {
		t.Errorf("%+v", s)
	}
}

func TestNoAllocations(t *testing.T) {
	l := conformal.New(5, conformal.Options{Prior: daily})
	s := newSeries(2, 5)
	run(l, s, 4000, func(int) (lower, upper float64) { return 1.5, 1.5 })
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		l.Realise(1)
		q := forecast.Normal(0, 1)
		l.Adjust(&q, volatility(i))
		i++
	}); n > 0 {
		t.Errorf("%v allocations an origin", n)
	}
}

func BenchmarkLayer(b *testing.B) {
	for _, c := range []struct {
		name    string
		stretch float64
	}{{"calm", 1}, {"acting", 1.5}} {
		b.Run(c.name, func(b *testing.B) {
			l := conformal.New(1, conformal.Options{Prior: daily})
			_, came := run(l, newSeries(2, 1), 4000, func(int) (lower, upper float64) { return c.stretch, c.stretch })
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				l.Realise(came[i%len(came)])
				q := forecast.Normal(0, 1)
				l.Adjust(&q, volatility(i))
				i++
			}
		})
	}
}
