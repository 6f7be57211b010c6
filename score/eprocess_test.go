package score

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

var longSimulation = flag.Bool("long", false, "simulate the verdict's errors with many paths")

// path draws returns (x 100) one at a time, with the standard deviation that the next
// one really has.
type path func(rng *rand.Rand) (r, sd float64)

// The nulls: markets in which the two forecasters below err equally.
var nulls = map[string]func() path{
	"constant, normal": func() path {
		return func(rng *rand.Rand) (float64, float64) { return rng.NormFloat64(), 1 }
	},
	"heavy tails": func() path {
		return func(rng *rand.Rand) (float64, float64) { return studentT3(rng), 1 }
	},
	"volatility clusters": func() path {
		s2 := 1.0
		return func(rng *rand.Rand) (float64, float64) {
			sd := math.Sqrt(s2)
			r := sd * rng.NormFloat64()
			s2 = 0.03 + 0.1*r*r + 0.87*s2
			return r, sd
		}
	},
	"clusters with heavy tails": func() path {
		s2 := 1.0
		return func(rng *rand.Rand) (float64, float64) {
			sd := math.Sqrt(s2)
			r := sd * studentT3(rng)
			s2 = math.Min(0.03+0.1*r*r+0.87*s2, 1e4)
			return r, sd
		}
	},
	"changes of regime": func() path {
		sd := 0.5
		return func(rng *rand.Rand) (float64, float64) {
			if rng.Float64() < 0.01 {
				sd = 2.5 - sd
			}
			return sd * rng.NormFloat64(), sd
		}
	},
}

// studentT3 is a t with 3 degrees of freedom of unit variance.
func studentT3(rng *rand.Rand) float64 {
	a, b, c := rng.NormFloat64(), rng.NormFloat64(), rng.NormFloat64()
	return rng.NormFloat64() / math.Sqrt(a*a+b*b+c*c)
}

// pair makes a Score of a model and naive whose forecasts are normal with the given
// means and standard deviations, in 100 x log return.
func pair(at int, r, meanA, sdA, meanB, sdB float64) Score {
	mk := func(mean, sd float64) forecast.Forecast {
		f := forecast.Forecast{Model: "model", Horizon: 1, Target: market.Span{Start: market.Time(at), End: market.Time(at + 1)}}
		p := forecast.Prediction{Quantiles: forecast.Normal(mean/100, sd/100)}
		f.Point, f.Quantiles = p.Price(100)
		return f
	}
	model, naive := mk(meanA, sdA), mk(meanB, sdB)
	return Of(&model, &naive, &Basis{Cutoff: market.Time(at), Last: 100}, Outcome{Close: 100 * math.Exp(r/100)})
}

// alarms is the share of paths on which a verdict is given at any of steps looks, and
// the share on which a Diebold-Mariano test looked at from score 50 on gives one.
func alarms(t *testing.T, paths, steps int, draw func() path, score func(at int, r, sd float64, rng *rand.Rand) Score) (verdicts, better, dm float64) {
	t.Helper()
	for p := range paths {
		rng := rand.New(rand.NewPCG(uint64(p), 11))
		next := draw()
		var test Test
		var n, sum, square float64
		alarm := false
		for i := range steps {
			r, sd := next(rng)
			s := score(i, r, sd, rng)
			test.Add(&s)
			d := s.CRPS - s.NaiveCRPS
			n, sum, square = n+1, sum+d, square+d*d
			if n >= 50 {
				mean := sum / n
				v := square/n - mean*mean
				alarm = alarm || math.Abs(mean)/math.Sqrt(v/n)*math.Sqrt((n-1)/n) > 1.97
			}
		}
		switch Judge("model", test.Evidence()).Code {
		case BetterThanNaive:
			verdicts++
			better++
		case WorseThanNaive:
			verdicts++
		}
		if alarm {
			dm++
		}
	}
	return verdicts / float64(paths), better / float64(paths), dm / float64(paths)
}

// TestTypeIError looks at the verdict after every score, on markets in which neither
// forecaster has an advantage: it must err on no more than 5 % of the paths. In each
// pair one forecast is too high by a bit and the other too low by as much, or one too
// wide at random and the other at other times, so that their expected losses are equal
// at every step while the losses themselves differ. Diebold-Mariano, looked at as
// often, errs much more.
func TestTypeIError(t *testing.T) {
	paths, steps := 60, 600
	if *longSimulation {
		paths, steps = 1000, 2000
	}
	pairs := map[string]func(at int, r, sd float64, rng *rand.Rand) Score{
		"opposite bias": func(at int, r, sd float64, _ *rand.Rand) Score { return pair(at, r, 0.2*sd, sd, -0.2*sd, sd) },
		"random width": func(at int, r, sd float64, rng *rand.Rand) Score {
			a, b := sd*1.4, sd
			if rng.IntN(2) == 0 {
				a, b = b, a
			}
			return pair(at, r, 0, a, 0, b)
		},
	}
	for name, draw := range nulls {
		for kind, score := range pairs {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				got, better, dm := alarms(t, paths, steps, draw, score)
				t.Logf("%d paths of %d scores: %.2f %% verdicts (%.2f %% better), Diebold-Mariano looked at after each %.1f %%", paths, steps, 100*got, 100*better, 100*dm)
				// Three standard deviations of a binomial share of 5 %.
				if slack := 3 * math.Sqrt(0.05*0.95/float64(paths)); got > 0.05+slack || *longSimulation && got > 0.05 {
					t.Errorf("%.2f %% of verdicts are wrong", 100*got)
				}
			})
		}
	}
}

// TestPower judges a forecaster that knows the volatility of a GARCH market against
// one that takes it for constant.
func TestPower(t *testing.T) {
	paths, steps := 40, []int{1000}
	if *longSimulation {
		paths, steps = 1000, []int{250, 500, 1000, 2000}
	}
	for _, n := range steps {
		_, better, _ := alarms(t, paths, n, nulls["volatility clusters"], func(at int, r, sd float64, _ *rand.Rand) Score {
			return pair(at, r, 0, sd, 0, 1)
		})
		t.Logf("after %d scores %.1f %% of %d paths say better", n, 100*better, paths)
		if n == 1000 && better < 0.75 {
			t.Errorf("only %.1f %% see the advantage after 1,000 scores", 100*better)
		}
		_, better, _ = alarms(t, paths, n, nulls["volatility clusters"], func(at int, r, sd float64, _ *rand.Rand) Score {
			return pair(at, r, 0, 1, 0, sd)
		})
		if better > 0.025 {
			t.Errorf("the worse forecaster is called better on %.1f %% of paths", 100*better)
		}
	}
}

func TestEvidence(t *testing.T) {
	var empty Test
	if e := empty.Evidence(); e.N != 0 || e.EValue != 1 || e.P != 1 || Judge("m", e).Code != NotJudgedYet {
		t.Errorf("no scores give %+v", e)
	}
	run := func(n int, score func(i int) Score) Evidence {
		var test Test
		for i := range n {
			s := score(i)
			test.Add(&s)
		}
		return test.Evidence()
	}
	r := func(i int) float64 { return math.Sin(float64(i) * 1.7) }
	same := run(500, func(i int) Score { return pair(i, r(i), 0, 1, 0, 1) })
	if same.N != 500 || same.EValue != 1 || Judge("m", same).Code != NoSkill {
		t.Errorf("equal forecasts give %+v", same)
	}
	good := run(3000, func(i int) Score { return pair(i, r(i), 0.9*r(i), 0.1, 0, 1) })
	if v := Judge("m", good); v.Code != BetterThanNaive || math.IsInf(good.EValue, 0) || good.Peak > 1e300 || v.Text != "better than naive" {
		t.Errorf("a clairvoyant gives %+v", v)
	}
	if v := Judge("m", run(3000, func(i int) Score { return pair(i, r(i), 0, 1, 0.9*r(i), 0.1) })); v.Code != WorseThanNaive {
		t.Errorf("against a clairvoyant: %+v", v)
	}
	if v := Judge(Naive, Evidence{}); v.Code != NotJudgedYet || v.Why == "" {
		t.Errorf("naive: %+v", v)
	}
	nan := run(10, func(i int) Score { s := pair(i, r(i), 0, 1, 0, 2); s.NaiveCRPS = math.NaN(); return s })
	if nan.N != 0 {
		t.Errorf("scores without naive counted: %+v", nan)
	}
}

// Targets of longer horizons that overlap are counted once.
func TestEvidenceOfLongHorizons(t *testing.T) {
	const bar = 60
	var test Test
	for i := range 100 {
		s := pair(i, 1, 0, 1, 0, 2)
		s.Horizon, s.Cutoff, s.Target = 5, market.Time((i+1)*bar), market.Time((i+5)*bar)
		test.Add(&s)
	}
	if e := test.Evidence(); e.N != 20 {
		t.Errorf("%d of 100 forecasts of 5 bars counted, want 20", e.N)
	}
}

// No outcome can make the wealth negative, and E is never above what was bet.
func TestWealthStaysPositive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var test Test
		num := rapid.Float64Range(-30, 30)
		for i := range rapid.IntRange(1, 60).Draw(t, "scores") {
			s := pair(i, num.Draw(t, "return"), num.Draw(t, "mean")/10, rapid.Float64Range(0.01, 9).Draw(t, "sd"), num.Draw(t, "naive's mean")/10, rapid.Float64Range(0.01, 9).Draw(t, "naive's sd"))
			test.Add(&s)
		}
		e := test.Evidence()
		if !(e.Better > 0) || !(e.Worse > 0) || math.IsNaN(e.Weak) || e.P < 0 || e.P > 1 || e.Peak < 1 {
			t.Fatalf("%+v", e)
		}
	})
}

func BenchmarkTest(b *testing.B) {
	scores := make([]Score, 1000)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range scores {
		scores[i] = pair(i, rng.NormFloat64(), 0, 1, 0, 1.2)
	}
	b.ReportAllocs()
	var test Test
	for i := 0; b.Loop(); i++ {
		s := &scores[i%1000]
		s.Target += 1000
		test.Add(s)
	}
}
