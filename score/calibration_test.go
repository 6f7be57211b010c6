package score

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/forecast"
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
