package score

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

var nan = math.NaN()

// at is noon plus d.
func at(d time.Duration) market.Time {
	return market.TimeOf(time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)).Add(d)
}

// one is a score at noon plus d whose interval is predicted ± 2.
func one(d time.Duration, last, predicted, actual float64) Score {
	return Score{Model: "m", Horizon: 1, Target: at(d), Last: last, Predicted: predicted, Actual: actual,
		Lower: predicted - 2, Upper: predicted + 2, Scale: 2, CRPS: 0.5, NaiveCRPS: 1}
}

func row1(t *testing.T, rows []WindowSummary, name WindowName) Summary {
	t.Helper()
	i := slices.IndexFunc(rows, func(r WindowSummary) bool { return r.Window == name })
	if i < 0 {
		t.Fatalf("no window %q", name)
	}
	return rows[i].Summary
}

func TestSummaryOfThree(t *testing.T) {
	scores := []Score{
		one(0, 100, 101, 104),                // error 3: up was right, outside
		one(time.Second, 104, 100, 105),      // error 5: down was wrong, outside
		one(2*time.Second, 105, 105, 104.25), // error -0.75: no call, inside
	}
	scores[1].Late = true
	scores[2].Scale = 0
	scores[2].CRPS, scores[0].NaiveCRPS = 0.25, nan
	got := row1(t, Windows(scores, at(2*time.Second)), WindowAll)
	p := []float64{100 * 3 / 101.0, 5, -0.75 / 105 * 100}
	want := Summary{
		N: 3, Late: 1,
		Error:            Stats{Mean: 7.25 / 3, Median: 3, Min: -0.75, Max: 5},
		PercentError:     Stats{Mean: (p[0] + p[1] + p[2]) / 3, Median: p[0], Min: p[2], Max: 5},
		AbsoluteError:    Stats{Mean: 8.75 / 3, Median: 3, Min: 0.75, Max: 5},
		MAE:              8.75 / 3,
		RMSE:             math.Sqrt((9 + 25 + 0.5625) / 3),
		MAPE:             (p[0] + p[1] - p[2]) / 3,
		MASE:             (1.5 + 2.5) / 2,
		DirectionHitRate: 0.5,
		Coverage90:       1.0 / 3,
		Width90:          4,
		CRPS:             1.25 / 3,
		Skill:            1 - 0.75/2,
		Naive:            NaiveSummary{MAE: (4 + 1 + 0.75) / 3, RMSE: math.Sqrt((16 + 1 + 0.5625) / 3), CRPS: 1},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateApprox(1e-15, 0)); d != "" {
		t.Error(d)
	}
}

func TestNothing(t *testing.T) {
	for _, rows := range [][]WindowSummary{Windows(nil, 0), NewAccumulator().Windows()} {
		if len(rows) != 6 {
			t.Fatalf("%d windows", len(rows))
		}
		for _, r := range rows {
			none := Stats{nan, nan, nan, nan}
			want := Summary{Error: none, PercentError: none, AbsoluteError: none, MAE: nan, RMSE: nan, MAPE: nan, MASE: nan,
				DirectionHitRate: nan, Coverage90: nan, Width90: nan, CRPS: nan, Skill: nan, Naive: NaiveSummary{nan, nan, nan}}
			if d := cmp.Diff(want, r.Summary, cmpopts.EquateNaNs()); d != "" {
				t.Errorf("%s: %s", r.Window, d)
			}
		}
	}
}

func TestUndefined(t *testing.T) {
	s := one(0, 100, 100, 101)
	s.Scale, s.CRPS, s.NaiveCRPS = 0, nan, 0
	zero := one(time.Second, 1, 0, -37.63)
	cases := []struct {
		name   string
		scores []Score
		value  func(Summary) float64
	}{
		{"mase without a yardstick", []Score{s}, func(s Summary) float64 { return s.MASE }},
		{"direction without a call", []Score{s}, func(s Summary) float64 { return s.DirectionHitRate }},
		{"crps of none", []Score{s}, func(s Summary) float64 { return s.CRPS }},
		{"skill against none", []Score{s}, func(s Summary) float64 { return s.Skill }},
		{"percent of nothing", []Score{zero}, func(s Summary) float64 { return s.PercentError.Mean }},
		{"median percent of nothing", []Score{zero}, func(s Summary) float64 { return s.PercentError.Median }},
		{"smallest percent of nothing", []Score{zero}, func(s Summary) float64 { return s.PercentError.Min }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if v := c.value(row1(t, Windows(c.scores, at(time.Hour)), WindowAll)); !math.IsNaN(v) {
				t.Errorf("got %v, want NaN", v)
			}
		})
	}
	all := row1(t, Windows([]Score{s, zero, one(2*time.Second, 100, 100, 101)}, at(time.Hour)), WindowAll)
	if all.PercentError.Mean != 1 || all.PercentError.Median != 1 || all.N != 3 {
		t.Errorf("a prediction of 0 spoils the others: %+v", all.PercentError)
	}
}

func TestMedians(t *testing.T) {
	cases := []struct {
		name     string
		errs     []float64
		err, abs float64
	}{
		{"one", []float64{-3}, -3, 3},
		{"two", []float64{-3, 4}, 0.5, 3.5},
		{"odd", []float64{5, -3, 1}, 1, 3},
		{"even", []float64{5, -3, 1, 2}, 1.5, 2.5},
		{"equal", []float64{2, 2, 2, 2}, 2, 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var scores []Score
			for i, e := range c.errs {
				scores = append(scores, one(time.Duration(i)*time.Second, 100, 100, 100+e))
			}
			for _, name := range []WindowName{WindowLast10, WindowHour, WindowAll} {
				s := row1(t, Windows(scores, at(time.Hour-time.Second)), name)
				if s.Error.Median != c.err || s.AbsoluteError.Median != c.abs || s.PercentError.Median != c.err {
					t.Errorf("%s: medians %v, %v, %v, want %v, %v", name, s.Error.Median, s.AbsoluteError.Median, s.PercentError.Median, c.err, c.abs)
				}
			}
		})
	}
}

func TestWindowBounds(t *testing.T) {
	var scores []Score
	for _, d := range []time.Duration{
		-48 * time.Hour, -24 * time.Hour, -24*time.Hour + time.Microsecond, -6 * time.Hour, -6*time.Hour + 1000,
		-time.Hour, -time.Hour + time.Second, -time.Minute, 0, time.Minute,
	} {
		scores = append(scores, one(d, 100, 100, 100))
	}
	cases := []struct {
		name WindowName
		asOf time.Duration
		n    int
	}{
		{WindowLast, 0, 1}, {WindowLast10, 0, 9}, {WindowHour, 0, 3}, {Window6Hours, 0, 5}, {WindowDay, 0, 7}, {WindowAll, 0, 9},
		{WindowLast10, time.Minute, 10}, {WindowHour, time.Minute, 3}, {WindowAll, time.Minute, 10},
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(scores), func(i, j int) { scores[i], scores[j] = scores[j], scores[i] })
	for _, c := range cases {
		if got := row1(t, Windows(scores, at(c.asOf)), c.name).N; got != c.n {
			t.Errorf("%s as of %s: %d scores, want %d", c.name, c.asOf, got, c.n)
		}
	}
}

// The newest target is what "last" means, in whatever order scores arrive.
func TestLastGoesByTarget(t *testing.T) {
	scores := []Score{one(2*time.Second, 100, 100, 107), one(time.Second, 100, 100, 103), one(0, 100, 100, 101)}
	if s := row1(t, Windows(scores, at(2*time.Second)), WindowLast); s.Error.Mean != 7 {
		t.Errorf("last has error %v, want 7", s.Error.Mean)
	}
}

func TestRevisionReplaces(t *testing.T) {
	scores := []Score{one(0, 100, 100, 101), one(time.Second, 100, 100, 102), one(0, 100, 100, 105)}
	s := row1(t, Windows(scores, at(time.Second)), WindowAll)
	if s.N != 2 || s.Error.Max != 5 || s.Error.Min != 2 {
		t.Errorf("got %d scores from %v to %v, want 2 from 2 to 5", s.N, s.Error.Min, s.Error.Max)
	}
}

// reference computes a summary the plain way.
func reference(scores []Score) (s Summary) {
	var e, p, a, scaled, crps, own, base, width, ne []float64
	hits, calls, rights := 0, 0, 0
	for _, x := range scores {
		e = append(e, x.Error())
		a = append(a, math.Abs(x.Error()))
		p = append(p, x.PercentError())
		width = append(width, x.Upper-x.Lower)
		ne = append(ne, x.Actual-x.Last)
		if x.Scale > 0 {
			scaled = append(scaled, math.Abs(x.Error())/x.Scale)
		}
		if !math.IsNaN(x.CRPS) {
			crps = append(crps, x.CRPS)
			if !math.IsNaN(x.NaiveCRPS) {
				own, base = append(own, x.CRPS), append(base, x.NaiveCRPS)
			}
		}
		if x.Hit() {
			hits++
		}
		if x.Late {
			s.Late++
		}
		if sign := math.Copysign(1, x.Predicted-x.Last); x.Predicted != x.Last {
			calls++
			if sign*(x.Actual-x.Last) > 0 {
				rights++
			}
		}
	}
	mean := func(x []float64, f func(float64) float64) float64 {
		m := 0.0
		for _, v := range x {
			m += f(v) / float64(len(x))
		}
		if len(x) == 0 {
			return nan
		}
		return m
	}
	id := func(v float64) float64 { return v }
	square := func(v float64) float64 { return v * v }
	describe := func(x []float64) Stats {
		if len(x) == 0 {
			return Stats{nan, nan, nan, nan}
		}
		y := slices.Clone(x)
		sort.Float64s(y)
		return Stats{mean(y, id), (y[(len(y)-1)/2] + y[len(y)/2]) / 2, y[0], y[len(y)-1]}
	}
	ratio := func(a, b int) float64 { return float64(a) / float64(b) }
	s.N = len(scores)
	s.Error, s.PercentError, s.AbsoluteError = describe(e), describe(p), describe(a)
	s.MAE, s.RMSE, s.MAPE, s.MASE = mean(a, id), math.Sqrt(mean(e, square)), mean(p, math.Abs), mean(scaled, id)
	s.DirectionHitRate, s.Coverage90, s.Width90 = ratio(rights, calls), ratio(hits, len(scores)), mean(width, id)
	s.CRPS, s.Skill = mean(crps, id), 1-mean(own, id)/mean(base, id)
	s.Naive = NaiveSummary{mean(ne, math.Abs), math.Sqrt(mean(ne, square)), mean(base, id)}
	return s
}

// drawScores draws scores in the order of targets: steps of up to some hours,
// values now and then missing.
func drawScores(t *rapid.T, least, most int) []Score {
	n := rapid.IntRange(least, most).Draw(t, "scores")
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	step := []time.Duration{time.Second, time.Minute, 17 * time.Minute, 5 * time.Hour, 24 * time.Hour}[rapid.IntRange(0, 4).Draw(t, "step")]
	unit := math.Pow(10, rapid.Float64Range(-6, 6).Draw(t, "log10 of the unit"))
	scores := make([]Score, n)
	var d time.Duration
	for i := range scores {
		d += time.Duration(r.Float64()*float64(step)).Truncate(time.Microsecond) + time.Microsecond
		last := unit * (1 + r.Float64())
		s := one(d, last, last*(1+0.01*r.NormFloat64()), last*(1+0.01*r.NormFloat64()))
		s.Lower, s.Upper = s.Predicted*0.99, s.Predicted*1.01
		s.Scale, s.CRPS, s.NaiveCRPS = unit*0.01, r.Float64(), 0.1+r.Float64()
		s.Late = r.IntN(5) == 0
		switch r.IntN(12) {
		case 0:
			s.Scale = 0
		case 1:
			s.CRPS = nan
		case 2:
			s.NaiveCRPS = nan
		case 3:
			s.Predicted = s.Last
		case 4:
			s.Actual = s.Last
		case 5:
			s.Actual = s.Predicted
		}
		scores[i] = s
	}
	return scores
}

func TestWindowsAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scores := drawScores(t, 1, 300)
		asOf := scores[rapid.IntRange(0, len(scores)-1).Draw(t, "as of")].Target
		seen := slices.DeleteFunc(slices.Clone(scores), func(s Score) bool { return s.Target > asOf })
		rand.Shuffle(len(scores), func(i, j int) { scores[i], scores[j] = scores[j], scores[i] })
		for i, w := range windows {
			part := seen
			if w.count > 0 {
				part = seen[max(0, len(seen)-w.count):]
			} else if w.reach > 0 {
				part = slices.DeleteFunc(slices.Clone(seen), func(s Score) bool { return asOf.Sub(s.Target) >= w.reach })
			}
			got := Windows(scores, asOf)[i]
			if d := cmp.Diff(reference(part), got.Summary, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-9, 1e-12)); d != "" || got.Window != w.name {
				t.Fatalf("%s: %s", w.name, d)
			}
		}
	})
}

func TestSumLosesNothing(t *testing.T) {
	var k sum
	for range 1000 {
		k.add(1e16)
		k.add(1)
		k.add(-1e16)
	}
	if got := k.over(1); got != 1000 {
		t.Errorf("got %v, want 1000", got)
	}
}

func TestNth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gen := rapid.SliceOfN(rapid.Float64Range(-1, 1), 1, 200)
		if rapid.Bool().Draw(t, "few values") {
			gen = rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 3), func(i int) float64 { return float64(i) }), 1, 200)
		}
		x := gen.Draw(t, "x")
		k := rapid.IntRange(0, len(x)-1).Draw(t, "k")
		y := slices.Clone(x)
		slices.Sort(y)
		got := nth(x, k)
		if got != y[k] {
			t.Fatalf("got %v, want %v", got, y[k])
		}
		for i, v := range x {
			if i < k && v > got || i > k && v < got {
				t.Fatalf("%v at %d is on the wrong side of %v at %d", v, i, got, k)
			}
		}
		slices.Sort(x)
		if !slices.Equal(x, y) {
			t.Fatal("values were lost")
		}
	})
}

func TestOf(t *testing.T) {
	p := forecast.Prediction{Quantiles: forecast.Normal(0, 0.01)}
	f := forecast.Forecast{Model: "ewma", Version: "v", Horizon: 2, Target: market.Span{Start: at(0), End: at(time.Second)}, Late: true}
	f.Point, f.Quantiles = p.Price(200)
	s := Of(&f, nil, &Basis{Cutoff: at(-time.Second), Last: 200, Scale: 1.5}, Outcome{Close: 202, Revision: 3})
	if s.Model != "ewma" || s.Version != "v" || s.Horizon != 2 || s.Target != at(0) || s.Cutoff != at(-time.Second) || s.Revision != 3 || !s.Late || s.Scale != 1.5 {
		t.Errorf("got %+v", s)
	}
	if s.Error() != 2 || s.PercentError() != 1 || !s.Hit() || !math.IsNaN(s.NaiveCRPS) {
		t.Errorf("error %v, percent %v, hit %v, naive %v", s.Error(), s.PercentError(), s.Hit(), s.NaiveCRPS)
	}
}

// The exact CRPS of a normal distribution is known (Gneiting & Raftery 2007, eq.
// 21). The 19 levels leave out the tails, where the pinball loss is smallest, and so
// stay some 4 to 5 % above it, much the same wherever the outcome falls.
func TestCRPSOfNormal(t *testing.T) {
	for _, z := range []float64{0, 0.5, 1, -1, 2} {
		p := forecast.Prediction{Quantiles: forecast.Normal(0, 0.01)}
		_, q := p.Price(100)
		got := CRPS(&q, 100, 100*math.Exp(z*0.01))
		pdf, cdf := math.Exp(-z*z/2)/math.Sqrt(2*math.Pi), 0.5*math.Erfc(-z/math.Sqrt2)
		exact := z*(2*cdf-1) + 2*pdf - 1/math.Sqrt(math.Pi)
		if math.Abs(got-exact) > 0.06*exact {
			t.Errorf("z = %v: got %v, exact %v", z, got, exact)
		}
		t.Logf("z = %4v: 19 levels %.4f, exact %.4f (%+.1f %%)", z, got, exact, 100*(got/exact-1))
	}
	for name, c := range map[string]struct{ last, low, actual float64 }{
		"outcome 0": {100, 99, 0}, "outcome negative": {100, 99, -37.63},
		"last 0": {0, 99, 100}, "last negative": {-37.63, 99, 100}, "quantile 0": {100, 0, 100}, "quantile negative": {100, -1, 100},
	} {
		q := forecast.Normal(100, 0.01)
		q[forecast.Q05] = c.low
		if got := CRPS(&q, c.last, c.actual); !math.IsNaN(got) {
			t.Errorf("%s: got %v, want NaN", name, got)
		}
	}
}

// The bounds hold for every outcome and are met by one.
func TestGainBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) forecast.Forecast {
			f := forecast.Forecast{Model: name, Horizon: 1}
			q := rapid.SliceOfN(rapid.Float64Range(-5, 5), forecast.Levels, forecast.Levels).Draw(t, name)
			slices.Sort(q)
			for i := range q {
				f.Quantiles[i] = 100 * math.Exp(q[i]/100)
			}
			f.Point = 100
			return f
		}
		naive, model := draw(Naive), draw("model")
		b := Basis{Last: 100}
		lowest, highest := math.Inf(1), math.Inf(-1)
		outcomes := append(slices.Clone(naive.Quantiles[:]), model.Quantiles[:]...)
		for _, y := range append(outcomes, 100*math.Exp(rapid.Float64Range(-9, 9).Draw(t, "outcome")/100)) {
			s := Of(&model, &naive, &b, Outcome{Close: y})
			gain := s.NaiveCRPS - s.CRPS
			if gain < s.GainLow-1e-9 || gain > s.GainHigh+1e-9 {
				t.Fatalf("outcome %v gains %v, outside [%v, %v]", y, gain, s.GainLow, s.GainHigh)
			}
			lowest, highest = min(lowest, gain), max(highest, gain)
		}
		s := Of(&model, &naive, &b, Outcome{Close: 100})
		if math.Abs(s.GainLow-lowest) > 1e-9 || math.Abs(s.GainHigh-highest) > 1e-9 {
			t.Fatalf("bounds [%v, %v], met are [%v, %v]", s.GainLow, s.GainHigh, lowest, highest)
		}
	})
}

func TestPIT(t *testing.T) {
	q := forecast.Normal(100, 1)
	tied := q
	for i := 9; i <= 13; i++ {
		tied[i] = 100
	}
	for _, c := range []struct {
		name   string
		q      *forecast.Quantiles
		actual float64
		want   float64
	}{
		{"below all", &q, 90, 0.005}, {"above all", &q, 110, 0.995}, {"the median", &q, 100, 0.5},
		{"the lowest", &q, q[0], 0.01}, {"the highest", &q, q[22], 0.99},
		{"between", &q, (q[11] + q[12]) / 2, 0.525}, {"several", &tied, 100, 0.5},
	} {
		if got := PIT(c.q, c.actual); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	mk := func(sd float64) forecast.Forecast {
		f := forecast.Forecast{Model: "model", Horizon: 1, Target: market.Span{Start: at(0), End: at(time.Minute)}}
		p := forecast.Prediction{Quantiles: forecast.Normal(0, sd)}
		f.Point, f.Quantiles = p.Price(100)
		return f
	}
	model, naive := mk(0.01), mk(0.012)
	basis, outcome := Basis{Cutoff: at(0), Last: 100, Scale: 1}, Outcome{Close: 100.4}
	b.ReportAllocs()
	for b.Loop() {
		if s := Of(&model, &naive, &basis, outcome); s.CRPS == 0 {
			b.Fatal(s)
		}
	}
}
