package score

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

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

// testdata/eprocess.py writes the wealths out step by step and looks for the bounds among
// the quantiles; testdata/eprocess.csv is what it printed.
func TestEvidenceReference(t *testing.T) {
	var test Test
	for i := range 500 {
		x := float64(i)
		swing := 1 + 0.5*math.Sin(x/40)
		s := pair(i, 1.5*math.Sin(1.7*x*x)*swing, 0.1, swing, 0, 1.2)
		test.Add(&s)
	}
	e := test.Evidence()
	want := testdata.Table(t, "testdata/eprocess.csv")[0]
	for _, c := range []struct {
		name string
		got  float64
		want float64
	}{
		{"e", e.EValue, want.Number(t, "e")}, {"peak", e.Peak, want.Number(t, "peak")}, {"better", e.Better, want.Number(t, "better")},
		{"worse", e.Worse, want.Number(t, "worse")}, {"weak", e.Weak, want.Number(t, "weak")}, {"mean", e.Mean, want.Number(t, "mean")},
		{"p", e.P, 1 / want.Number(t, "peak")}, {"peak better", e.PeakBetter, e.Peak},
	} {
		if !(math.Abs(c.got-c.want) <= 1e-8*c.want) {
			t.Errorf("%s is %.12g, the reference has %.12g", c.name, c.got, c.want)
		}
	}
}

// A target is weighed once, on the outcome that came first; an earlier one not at all.
func TestEvidenceWeighsATargetOnce(t *testing.T) {
	var once, again Test
	for i := range 300 {
		s := pair(i, math.Sin(float64(i)*1.7), 0, 0.7, 0, 2)
		once.Add(&s)
		again.Add(&s)
		again.Add(&s)
		s.Revision++
		s.CRPS, s.NaiveCRPS = s.NaiveCRPS, s.CRPS
		again.Add(&s)
		s.Target, s.Cutoff = s.Target-1, s.Cutoff-1
		again.Add(&s)
	}
	if once != again || once.n != 300 {
		t.Errorf("%+v\nbecame %+v", once.Evidence(), again.Evidence())
	}
	// A first score that is of a revision already counts like any other.
	var late Test
	s := pair(0, 1, 0, 1, 0, 2)
	s.Revision = 3
	if late.Add(&s); late.n != 1 {
		t.Error("an outcome that was revised before it was scored did not count")
	}
}

// Differences that are only rounding are no skill, however regular they are.
func TestEvidenceOfRounding(t *testing.T) {
	var test Test
	for i := range 10_000 {
		s := pair(i, math.Sin(float64(i)), 0, 1, 0, 1)
		s.NaiveCRPS = s.CRPS + 1e-15
		s.GainLow, s.GainHigh = -1e-15, 2e-15
		test.Add(&s)
	}
	if e := test.Evidence(); e.Peak != 1 || Judge("m", e).Code != NoSkill {
		t.Errorf("%+v", e)
	}
}

// A model that was better and breaks is called worse once that has been shown on its
// own, and no sooner.
func TestVerdictOfAModelThatBreaks(t *testing.T) {
	var test Test
	rng := rand.New(rand.NewPCG(3, 4))
	add := func(from, n int, sd, naive float64) Verdict {
		for i := range n {
			s := pair(from+i, rng.NormFloat64(), 0, sd, 0, naive)
			test.Add(&s)
		}
		return Judge("m", test.Evidence())
	}
	v := add(0, 200, 1, 2)
	if v.Code != BetterThanNaive || strings.Contains(v.Why, "another time") || strings.Contains(v.Why, "fallen") {
		t.Fatalf("%+v", v)
	}
	seen := []Code{v.Code}
	for i := 0; i < 4000; i++ {
		v = add(200+i, 1, 2, 1)
		if last := seen[len(seen)-1]; v.Code != last {
			seen = append(seen, v.Code)
		}
		if v.Code == WorseThanNaive && v.Evidence.PeakWorse < Convincing {
			t.Fatalf("worse without evidence: %+v", v)
		}
		if v.Code == BetterThanNaive && v.Evidence.EValue < 1 && !strings.Contains(v.Why, "fallen back") {
			t.Fatalf("lost evidence is not told of: %q", v.Why)
		}
	}
	if !slices.Equal(seen, []Code{BetterThanNaive, WorseThanNaive}) || !strings.Contains(v.Why, "convincingly better") {
		t.Errorf("verdicts %v, in the end %+v", seen, v)
	}
}

func TestVerdictWords(t *testing.T) {
	for _, c := range []struct {
		name string
		e    Evidence
		code Code
		why  string
	}{
		{"little", Evidence{N: 1, EValue: 1, Peak: 1, PeakBetter: 1, PeakWorse: 1}, NotJudgedYet,
			"The evidence that it differs from naive is 1 to 1 after 1 forecast, and was 1 to 1 at its best; 20 to 1 is needed. Before 100 forecasts the lack of evidence says nothing."},
		{"nearly", Evidence{N: 12345, EValue: 0.001, Peak: 19.99, PeakBetter: 19.99, PeakWorse: 1}, NoSkill,
			"The evidence that it differs from naive is less than 0.01 to 1 after 12,345 forecasts, and was 19 to 1 at its best; 20 to 1 is needed."},
		{"early", Evidence{N: 60, EValue: 34.2, Peak: 34.2, PeakBetter: 34.2, PeakWorse: 1, Better: 68}, BetterThanNaive,
			"The evidence against luck reached 34 to 1 within 60 forecasts; 20 to 1 is needed. It stays valid however often it is looked at."},
		{"receded", Evidence{N: 1203, EValue: 2.5, Peak: 34.2, PeakBetter: 1.5, PeakWorse: 34.2, Better: 5, Worse: 0.1}, WorseThanNaive,
			"The evidence against luck reached 34 to 1 within 1,203 forecasts; 20 to 1 is needed. It stays valid however often it is looked at. By now it has fallen back to 2.5 to 1."},
		{"overwhelming", Evidence{N: 1_000_000, EValue: 1e300, Peak: 1e300, PeakBetter: 1e300, PeakWorse: 1, Better: 1e300}, BetterThanNaive,
			"The evidence against luck reached 1e+300 to 1 within 1,000,000 forecasts; 20 to 1 is needed. It stays valid however often it is looked at."},
	} {
		t.Run(c.name, func(t *testing.T) {
			if v := Judge("m", c.e); v.Code != c.code || v.Why != c.why || v.Text != texts[c.code] {
				t.Errorf("%s: %q", v.Code, v.Why)
			}
		})
	}
}

// Millions of steps neither overflow nor leave JSON's numbers.
func TestEvidenceOfMillions(t *testing.T) {
	var test Test
	s := pair(0, 0.1, 0, 0.5, 0, 2)
	for range 1_000_000 {
		test.Add(&s)
		s.Cutoff, s.Target = s.Cutoff+1, s.Target+1
	}
	e := test.Evidence()
	b, err := json.Marshal(e)
	if err != nil || e.EValue != 1e300 || e.Weak < 1e299 || e.P != 1e-300 || e.Worse < 0 || test.better < 1e5 {
		t.Errorf("%s, %v; ln W is %v", b, err, test.better)
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
		s.Cutoff, s.Target = s.Cutoff+1000, s.Target+1000
		test.Add(s)
	}
	if test.n == 0 {
		b.Fatal("nothing was weighed")
	}
}
