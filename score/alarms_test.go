package score

import (
	"encoding/csv"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/foretick/foretick/internal/testdata"
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

// A race draws one score after the other of a model against naive.
type race func(rng *rand.Rand) func(at int) Score

// equals are races between forecasters that are expected to err equally at every step
// while their losses differ: one forecast is too high by a bit and the other too low by
// as much, or one of the two, by a coin, is too wide.
var equals = map[string]func(draw func() path) race{
	"opposite bias": func(draw func() path) race {
		return func(rng *rand.Rand) func(int) Score {
			next := draw()
			return func(at int) Score {
				r, sd := next(rng)
				return pair(at, r, 0.2*sd, sd, -0.2*sd, sd)
			}
		}
	},
	"random width": func(draw func() path) race {
		return func(rng *rand.Rand) func(int) Score {
			next := draw()
			return func(at int) Score {
				r, sd := next(rng)
				a, b := sd*1.4, sd
				if rng.IntN(2) == 0 {
					a, b = b, a
				}
				return pair(at, r, 0, a, 0, b)
			}
		}
	},
}

// fiveAhead are forecasts at horizon 5 of a market of the given kind, issued at every
// bar, so that their targets overlap.
func fiveAhead(draw func() path) race {
	const h = 5
	return func(rng *rand.Rand) func(int) Score {
		next := draw()
		var r [h]float64
		for i := range r {
			r[i], _ = next(rng)
		}
		return func(at int) Score {
			var sum float64
			for _, v := range r {
				sum += v
			}
			s := pair(at, sum, 0.5, math.Sqrt(h), -0.5, math.Sqrt(h))
			s.Horizon, s.Target = h, s.Cutoff+h-1
			copy(r[:], r[1:])
			r[h-1], _ = next(rng)
			return s
		}
	}
}

// shuffled is a race over recorded days, in which a coin decides at every step which of the two
// forecasts is called the model's.
func shuffled(scores []Score) race {
	return func(rng *rand.Rand) func(int) Score {
		return func(at int) Score {
			s := scores[at%len(scores)]
			s.Cutoff, s.Target = market.Time(at), market.Time(at)
			if rng.IntN(2) == 0 {
				s.CRPS, s.NaiveCRPS = s.NaiveCRPS, s.CRPS
				s.GainLow, s.GainHigh = -s.GainHigh, -s.GainLow
			}
			return s
		}
	}
}

// dailyScores judges RiskMetrics (variance weighted by 0.94) against the standard
// deviation of the last 250 days on the last days of a recorded series.
func dailyScores(t *testing.T, path string, days int) []Score {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows = rows[max(1, len(rows)-days-251):]
	var closes []float64
	for _, row := range rows {
		c, err := strconv.ParseFloat(row[4], 64)
		if err != nil {
			t.Fatal(err)
		}
		closes = append(closes, c)
	}
	var list []Score
	var squares []float64
	ewma := 0.0
	for i := 1; i < len(closes); i++ {
		r := 100 * math.Log(closes[i]/closes[i-1])
		if len(squares) == 250 {
			var sum float64
			for _, v := range squares {
				sum += v
			}
			list = append(list, pair(i, r, 0, math.Sqrt(ewma), 0, math.Sqrt(sum/250)))
			squares = squares[1:]
		}
		squares = append(squares, r*r)
		if ewma = 0.94*ewma + 0.06*r*r; i == 1 {
			ewma = r * r
		}
	}
	return list
}

// shares of paths.
type shares struct {
	verdicts, better float64 // a verdict at any of the looks, and the verdict "better"
	dm               float64 // a Diebold-Mariano test significant at 5 % at any look from 50 on
	dmOnce           float64 // significant at the last look, in favour of the model
}

// alarms looks at paths after each of steps scores.
func alarms(paths, steps int, run race) (s shares) {
	for p := range paths {
		rng := rand.New(rand.NewPCG(uint64(p), 11))
		next := run(rng)
		var test Test
		var sum, square, stat float64
		alarm := false
		for i := range steps {
			score := next(i)
			seen := test.n
			if test.Add(&score); test.n == seen {
				continue
			}
			n, d := float64(test.n), score.NaiveCRPS-score.CRPS
			sum, square = sum+d, square+d*d
			mean := sum / n
			v := square/n - mean*mean
			stat = mean / math.Sqrt(v/n) * math.Sqrt((n-1)/n)
			alarm = alarm || n >= 50 && math.Abs(stat) > 1.97
		}
		switch Judge("model", test.Evidence()).Code {
		case BetterThanNaive:
			s.verdicts++
			s.better++
		case WorseThanNaive:
			s.verdicts++
		}
		if alarm {
			s.dm++
		}
		if stat > 1.97 {
			s.dmOnce++
		}
	}
	n := float64(paths)
	return shares{s.verdicts / n, s.better / n, s.dm / n, s.dmOnce / n}
}

// TestTypeIError looks at the verdict after every score, on races that neither
// forecaster can win: it must err on no more than 5 % of the paths. Diebold-Mariano,
// looked at as often, errs much more.
func TestTypeIError(t *testing.T) {
	paths, steps := 60, 600
	if *longSimulation {
		paths, steps = 1000, 2000
	}
	races := map[string]race{}
	for name, draw := range nulls {
		for kind, f := range equals {
			races[name+", "+kind] = f(draw)
		}
	}
	for _, symbol := range []string{"STOCK", "FX", "COIN"} {
		races[symbol+", recorded, shuffled"] = shuffled(dailyScores(t, testdata.Market(t, "daily/"+symbol+".csv"), 2000))
	}
	if testdata.Wide(t) {
		for _, symbol := range []string{"KO", "UNG", "BTCUSD"} {
			races[symbol+", recorded, shuffled"] = shuffled(dailyScores(t, testdata.Real(t, "daily/"+symbol+".csv"), 2000))
		}
	}
	races["constant, normal, 5 bars ahead"] = fiveAhead(nulls["constant, normal"])
	races["volatility clusters, 5 bars ahead"] = fiveAhead(nulls["volatility clusters"])
	for name, run := range races {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := alarms(paths, steps, run)
			t.Logf("%s: %d paths of %d scores: %.1f %% verdicts (%.1f %% better, %.1f %% worse), Diebold-Mariano looked at after each %.1f %%",
				name, paths, steps, 100*got.verdicts, 100*got.better, 100*(got.verdicts-got.better), 100*got.dm)
			limit := 0.05
			if !*longSimulation { // three standard deviations of a binomial share of 5 %
				limit += 3 * math.Sqrt(0.05*0.95/float64(paths))
			}
			if got.verdicts > limit {
				t.Errorf("%.2f %% of verdicts are wrong", 100*got.verdicts)
			}
			if *longSimulation && got.dm < 0.2 {
				t.Errorf("Diebold-Mariano errs on %.1f %% only: is this a race?", 100*got.dm)
			}
		})
	}
}

// TestPower judges a forecaster that knows the volatility of a GARCH market against
// one that takes it for constant, and the other way round.
func TestPower(t *testing.T) {
	paths, steps := 40, []int{1000}
	if *longSimulation {
		paths, steps = 1000, []int{250, 500, 1000, 2000}
	}
	against := func(known bool) race {
		return func(rng *rand.Rand) func(int) Score {
			next := nulls["volatility clusters"]()
			return func(at int) Score {
				r, sd := next(rng)
				if known {
					return pair(at, r, 0, sd, 0, 1)
				}
				return pair(at, r, 0, 1, 0, sd)
			}
		}
	}
	for _, n := range steps {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			good, bad := alarms(paths, n, against(true)), alarms(paths, n, against(false))
			t.Logf("after %d scores: better on %.1f %% of %d paths (Diebold-Mariano, looked at once: %.1f %%); the other way round, worse on %.1f %%",
				n, 100*good.better, paths, 100*good.dmOnce, 100*(bad.verdicts-bad.better))
			if n == 1000 && good.better < 0.75 {
				t.Errorf("only %.1f %% see the advantage after 1,000 scores", 100*good.better)
			}
			if wrong := good.verdicts - good.better; wrong > 0.025 || bad.better > 0.025 {
				t.Errorf("on %.1f %% of the paths the better forecaster is called worse, on %.1f %% the worse one better", 100*wrong, 100*bad.better)
			}
		})
	}
}

// The verdict on races over recorded days: RiskMetrics is better than a flat window on an
// index of shares, and the flat window worse than RiskMetrics.
func TestVerdictOnRecordedScores(t *testing.T) {
	riskMetricsWins(t, testdata.Market(t, "daily/INDEX.csv"))
	t.Run("Real", func(t *testing.T) { riskMetricsWins(t, testdata.Real(t, "daily/GSPC.csv")) })
}

func riskMetricsWins(t *testing.T, path string) {
	t.Helper()
	var test, mirrored Test
	for _, s := range dailyScores(t, path, 2000) {
		test.Add(&s)
		s.CRPS, s.NaiveCRPS = s.NaiveCRPS, s.CRPS
		s.GainLow, s.GainHigh = -s.GainHigh, -s.GainLow
		mirrored.Add(&s)
	}
	better, worse := test.Evidence(), mirrored.Evidence()
	if Judge("m", better).Code != BetterThanNaive || Judge("m", worse).Code != WorseThanNaive {
		t.Errorf("%+v, mirrored %+v", better, worse)
	}
	if better.EValue != worse.EValue || better.PeakBetter != worse.PeakWorse || better.Better != worse.Worse || better.Mean != -worse.Mean {
		t.Errorf("%+v is not the mirror of %+v", better, worse)
	}
}

// A forecaster that is better for 50 scores and worse for the next 50, by as much, is
// not equal to the other at every step, but on average it is: the evidence about the
// mean stays small.
func TestWeakEvidenceOfChangingSkill(t *testing.T) {
	const paths, cycles = 60, 6
	wrong := 0
	for p := range paths {
		rng := rand.New(rand.NewPCG(uint64(p), 12))
		var test Test
		highest := 0.0
		for i := range 100 * cycles {
			a, b := 1.0, 1.6
			if i/50%2 == 1 {
				a, b = b, a
			}
			s := pair(i, rng.NormFloat64(), 0, a, 0, b)
			test.Add(&s)
			if i%100 == 99 {
				highest = max(highest, test.Evidence().Weak)
			}
		}
		if highest >= Convincing {
			wrong++
		}
	}
	if limit := 0.05 + 3*math.Sqrt(0.05*0.95/paths); float64(wrong)/paths > limit {
		t.Errorf("%d of %d paths are called unequal on average", wrong, paths)
	}
	// Where the mean does differ, enough scores show it.
	rng := rand.New(rand.NewPCG(1, 13))
	var test Test
	for i := range 1000 {
		s := pair(i, rng.NormFloat64(), 0, 1, 0, 1.6)
		test.Add(&s)
	}
	if e := test.Evidence(); e.Weak < Convincing {
		t.Errorf("1,000 better forecasts: %+v", e)
	}
}
