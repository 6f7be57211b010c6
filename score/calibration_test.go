package score

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// Outcomes that are drawn from the forecasts are covered as promised.
func TestCalibrationOfHonestForecasts(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a := NewAccumulator()
	const n = 20_000
	for i := range n {
		s := pair(0, 2*rng.NormFloat64(), 0, 2, 0, 2)
		s.Target = at(time.Duration(i) * time.Hour)
		s.Regime = forecast.Regime(i % 4)
		if err := a.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	c := a.Calibration(false)
	if c.N != n || len(c.Levels) != forecast.Levels/2 || len(c.Times) != 24 || len(c.Regimes) != 3 {
		t.Fatalf("%+v", c)
	}
	for _, l := range c.Levels {
		if math.Abs(l.Share-l.Level) > 4*math.Sqrt(l.Level*(1-l.Level)/n) || l.Low > l.Share || l.High < l.Share || l.High-l.Low > 0.02 {
			t.Errorf("%+v", l)
		}
	}
	for i, r := range c.Reliability {
		if math.Abs(r-forecast.Probabilities[i]) > 0.015 {
			t.Errorf("%v of outcomes lie up to the quantile of %v", r, forecast.Probabilities[i])
		}
	}
	for i, k := range c.PIT {
		if math.Abs(float64(k)-n/20) > 5*math.Sqrt(n/20) {
			t.Errorf("bin %d of the PIT has %d of %d", i, k, n)
		}
	}
	for _, g := range append(c.Regimes, c.Times...) {
		if math.Abs(g.Share-0.9) > 0.05 || g.N == 0 {
			t.Errorf("%+v", g)
		}
	}
	// E of the width and the penalty: 2 x 1.645 x 2 + 20 x 2 x 2 x (phi(1.645) - 0.05 x 1.645).
	if want := 4*1.6448536 + 80*(0.1031356-0.05*1.6448536); math.Abs(c.IntervalScore-want) > 0.02*want {
		t.Errorf("the interval score is %v, want %v", c.IntervalScore, want)
	}
	if want := 4 * 1.6448536; math.Abs(c.Width-want) > 1e-5 {
		t.Errorf("the width is %v, want %v", c.Width, want)
	}
	if c := a.Calibration(true); len(c.Times) != 7 || c.Times[0].Name != "Sunday" {
		t.Errorf("%+v", c.Times)
	}
}

// A revision takes the place of what it revises.
func TestCalibrationOfRevisions(t *testing.T) {
	score := func(i, revision int, y float64) Score {
		s := pair(0, y, 0, 1, 0, 2)
		s.Target, s.Revision, s.Regime = at(time.Duration(i)*time.Second), revision, forecast.Regime(1+i%3)
		return s
	}
	a, b := NewAccumulator(), NewAccumulator()
	for i := range 50 {
		y := math.Sin(float64(i))
		if i%7 == 0 {
			if err := a.Add(score(i, 0, -5)); err != nil {
				t.Fatal(err)
			}
		}
		for _, acc := range []*Accumulator{a, b} {
			if err := acc.Add(score(i, i%7, y)); err != nil {
				t.Fatal(err)
			}
		}
	}
	x, y := a.Calibration(false), b.Calibration(false)
	if math.Abs(x.IntervalScore-y.IntervalScore) > 1e-9 {
		t.Errorf("interval scores %v and %v", x.IntervalScore, y.IntervalScore)
	}
	x.IntervalScore, y.IntervalScore = 0, 0
	if d := cmp.Diff(y, x); d != "" {
		t.Error(d)
	}
}

func TestEmptyCalibration(t *testing.T) {
	c := NewAccumulator().Calibration(false)
	if c.N != 0 || !math.IsNaN(c.Levels[0].Share) || len(c.PIT) != 20 || c.Times == nil {
		t.Errorf("%+v", c)
	}
	s := Score{PIT: math.NaN(), Target: market.Time(1)} // stored before PIT was kept
	a := NewAccumulator()
	if err := a.Add(s); err != nil {
		t.Fatal(err)
	}
	if c := a.Calibration(false); c.N != 0 {
		t.Errorf("%+v", c)
	}
}

// A Tally says what a list of scores says when every interval is compared with every
// outcome, whatever was merged, and whatever was taken out again.
func TestTallyCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "scores")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		scores := make([]Score, n)
		for i := range scores {
			s := pair(0, 2*rng.NormFloat64(), 0, 1, 0, 2)
			s.Target, s.Regime = at(time.Duration(rng.IntN(2000))*time.Hour), forecast.Regime(rng.IntN(4))
			switch rng.IntN(8) {
			case 0: // an outcome right on a quantile
				s.PIT = forecast.Probabilities[rng.IntN(forecast.Levels)]
				s.Lower, s.Upper, s.Actual = 1, 3, 2
				if s.PIT < 0.05 || s.PIT > 0.95 {
					s.Actual = 4
				}
			case 1:
				s.PIT = math.NaN() // stored before it was kept
			}
			scores[i] = s
		}
		var one, a, b Tally
		for i := range scores {
			one.Add(&scores[i])
			if i%3 == 0 {
				a.Add(&scores[i])
			} else {
				b.Add(&scores[i])
			}
			other := scores[(i*7)%n]
			one.Add(&other)
			one.Remove(&other)
		}
		a.Merge(&b)
		got := one.Calibration(false)
		merged := a.Calibration(false)
		if d := cmp.Diff(got, merged, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-9, 1e-9)); d != "" {
			t.Fatalf("merged: %s", d)
		}
		count := func(which func(*Score) bool, in func(*Score) bool) (k, n int) {
			for i := range scores {
				if s := &scores[i]; s.PIT == s.PIT && which(s) {
					n++
					if in(s) {
						k++
					}
				}
			}
			return k, n
		}
		check := func(name string, levels []LevelCoverage, which func(*Score) bool) {
			for i, l := range levels {
				low, high := forecast.Probabilities[i], forecast.Probabilities[forecast.Levels-1-i]
				k, n := count(which, func(s *Score) bool { return low <= s.PIT && s.PIT <= high })
				if math.Abs(l.Level-(high-low)) > 1e-9 || n > 0 && l.Share != float64(k)/float64(n) {
					t.Fatalf("%s: %d of %d lie between %v and %v, got %+v", name, k, n, low, high, l)
				}
			}
		}
		check("all", got.Levels, func(*Score) bool { return true })
		for i, g := range got.Regimes {
			check(g.Name, g.Levels, func(s *Score) bool { return s.Regime == forecast.Regime(i+1) })
			if k, n := count(func(s *Score) bool { return s.Regime == forecast.Regime(i+1) }, (*Score).Hit); g.N != n || n > 0 && g.Share != float64(k)/float64(n) {
				t.Fatalf("%d of %d hit, got %+v", k, n, g)
			}
		}
		for _, g := range got.Times {
			check(g.Name, g.Levels, func(s *Score) bool { return s.Target.Std().Format("15:04") == g.Name })
		}
		for l, p := range forecast.Probabilities {
			if k, n := count(func(*Score) bool { return true }, func(s *Score) bool { return s.PIT <= p }); n > 0 && got.Reliability[l] != float64(k)/float64(n) {
				t.Fatalf("%d of %d lie up to %v, got %v", k, n, p, got.Reliability[l])
			}
		}
	})
}

// The 90 % interval covers in the calibration what it covers in the table of accuracy.
func TestCalibrationAgreesWithSummary(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	a := NewAccumulator()
	for i := range 500 {
		s := pair(0, 2*rng.NormFloat64(), 0, 1.5, 0, 2)
		s.Target = at(time.Duration(i) * time.Minute)
		if i%50 == 0 { // all quantiles and the outcome are one number
			s.Lower, s.Upper, s.Actual, s.PIT = 100, 100, 100, 0.5
		}
		if i%50 == 1 { // the 2.5 % and 5 % quantiles are, which leaves the PIT at 3.75 %
			s.Lower, s.Actual, s.PIT = 98, 98, 0.0375
		}
		if err := a.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	c := a.Calibration(false)
	if l, s := c.Levels[level90], row1(t, a.Windows(), WindowAll); l.Level != 0.9 || l.Share != s.Coverage90 {
		t.Errorf("%+v, the table has %v", l, s.Coverage90)
	}
}

// testdata/wilson.csv is what R 4.2.2, prop.test gave in testdata/wilson.R.
func TestWilson(t *testing.T) {
	for _, row := range testdata.Table(t, "testdata/wilson.csv") {
		got := covered(0.9, int(row.Number(t, "k")), 100)
		if !(math.Abs(got.Low-row.Number(t, "low")) <= 1e-10) || !(math.Abs(got.High-row.Number(t, "high")) <= 1e-10) {
			t.Errorf("%+v, R has %v", got, row)
		}
	}
}

func BenchmarkTally(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	rows := make([]row, 1000)
	for i := range rows {
		s := pair(i, rng.NormFloat64(), 0, 1, 0, 1.2)
		rows[i] = rowOf(&s)
	}
	b.ReportAllocs()
	var tally Tally
	for i := 0; b.Loop(); i++ {
		tally.add(&rows[i%len(rows)], 1)
	}
}
