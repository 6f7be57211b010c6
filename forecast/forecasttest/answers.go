package forecasttest

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// sameUnits is the share of it, and of 1 %, by which a log return may differ when prices
// are given in other units: a search may stop a step earlier or later.
const sameUnits = 1e-3

// answers checks that w is answered at every horizon, validly and repeatably.
func answers(t *testing.T, f forecast.Forecaster, w forecast.Window) {
	t.Helper()
	before := copyBars(w)
	a, b := mustFit(t, f, w), mustFit(t, f, w)
	for h := 1; h <= Horizons; h++ {
		p := mustPredict(t, a, w, h)
		for _, again := range []forecast.Fitted{a, b} {
			if q := mustPredict(t, again, w, h); !same(&p, &q) {
				t.Fatalf("horizon %d: the same window gave %v, then %v", h, p, q)
			}
		}
	}
	if !slices.Equal(before, copyBars(w)) {
		t.Fatal("the model changed its window")
	}
}

// lookAhead changes every bar after the cutoff and asks again.
func lookAhead(t *testing.T, f forecast.Forecaster, bars []market.Bar) {
	bars = slices.Clone(bars[:1500])
	w := window(bars[:enough])
	fitted := mustFit(t, f, w)
	var first [Horizons + 1]forecast.Prediction
	for h := 1; h <= Horizons; h++ {
		first[h] = mustPredict(t, fitted, w, h)
	}
	for i := range bars[enough:] {
		b := &bars[enough+i]
		b.Open, b.High, b.Low, b.Close, b.Volume = 1e-3, 1e6, 1e-3, 1e6, 0
	}
	refitted := mustFit(t, f, w)
	for h := 1; h <= Horizons; h++ {
		for _, again := range []forecast.Fitted{fitted, refitted} {
			if p := mustPredict(t, again, w, h); !same(&p, &first[h]) {
				t.Fatalf("horizon %d: later bars changed the forecast", h)
			}
		}
	}
}

// concurrent uses one model and one fit from many goroutines.
func concurrent(t *testing.T, f forecast.Forecaster, w forecast.Window) {
	fitted := mustFit(t, f, w)
	want := make([]forecast.Prediction, Horizons+1)
	for h := 1; h <= Horizons; h++ {
		want[h] = mustPredict(t, fitted, w, h)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			own, err := f.Fit(context.Background(), w)
			if err != nil {
				t.Errorf("Fit: %v", err)
				return
			}
			for h := 1; h <= Horizons; h++ {
				for _, m := range []forecast.Fitted{fitted, own} {
					if p, err := m.Predict(w, h); err != nil || !same(&p, &want[h]) {
						t.Errorf("horizon %d: concurrent use gave %v, %v", h, p, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

// units asks with prices multiplied by 1,000.
func units(t *testing.T, f forecast.Forecaster, bars []market.Bar) {
	scaled := slices.Clone(bars)
	for i := range scaled {
		b := &scaled[i]
		b.Open, b.High, b.Low, b.Close = b.Open*1000, b.High*1000, b.Low*1000, b.Close*1000
	}
	w, v := window(bars), window(scaled)
	a, b := mustFit(t, f, w), mustFit(t, f, v)
	for h := 1; h <= Horizons; h++ {
		p, q := mustPredict(t, a, w, h), mustPredict(t, b, v, h)
		if d := math.Abs(p.Point - q.Point); d > sameUnits*(0.01+math.Abs(p.Point)) {
			t.Errorf("horizon %d: prices times 1,000 move the point by %g", h, d)
		}
		for i := range p.Quantiles {
			if d := math.Abs(p.Quantiles[i] - q.Quantiles[i]); d > sameUnits*(0.01+math.Abs(p.Quantiles[i])) {
				t.Errorf("horizon %d: prices times 1,000 move quantile %v by %g", h, forecast.Probabilities[i], d)
			}
		}
	}
}

// short asks with every number of bars from none to 64: too few is ErrTooShort, and
// once there are enough for a horizon more are enough too.
func (c *Case) short(t *testing.T, f forecast.Forecaster, bars []market.Bar) {
	fitted := mustFit(t, f, window(bars[:enough]))
	var answered [Horizons + 1]bool
	for n := range 65 {
		w := window(bars[:n])
		if _, err := f.Fit(context.Background(), w); err != nil && !errors.Is(err, forecast.ErrTooShort) {
			t.Errorf("Fit on %d bars: %v, want an error that wraps ErrTooShort", n, err)
		} else if err == nil && n < 2 {
			t.Errorf("Fit on %d bars succeeded", n)
		}
		for h := 1; h <= Horizons; h++ {
			p, err := fitted.Predict(w, h)
			switch {
			case err == nil:
				answered[h] = true
				check(t, &p)
			case !errors.Is(err, forecast.ErrTooShort) && !(c.Priced && isData(err)):
				t.Errorf("Predict on %d bars, horizon %d: %v, want an error that wraps ErrTooShort", n, h, err)
			case answered[h]:
				t.Errorf("Predict on %d bars, horizon %d: %v, but fewer were enough", n, h, err)
			}
		}
	}
	if _, err := fitted.Predict(window(nil), 1); !errors.Is(err, forecast.ErrTooShort) {
		t.Errorf("Predict on no bars: %v, want an error that wraps ErrTooShort", err)
	}
}

// try fits f on w and asks for every horizon: nil when all are answered, a data
// error when one is not, another error when the suite's rules are broken.
func try(f forecast.Forecaster, w forecast.Window) error {
	fitted, err := f.Fit(context.Background(), w)
	if err != nil {
		return err
	}
	return all(fitted, w)
}

// all asks fitted for every horizon, as try does.
func all(fitted forecast.Fitted, w forecast.Window) error {
	var first error
	for h := 1; h <= Horizons; h++ {
		p, err := fitted.Predict(w, h)
		if err == nil {
			err = valid(&p)
		}
		if err != nil && !isData(err) {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func isData(err error) bool {
	return errors.Is(err, forecast.ErrTooShort) || errors.Is(err, forecast.ErrDegenerate)
}

func valid(p *forecast.Prediction) error {
	if p.Point-p.Point != 0 {
		return errors.New("the point is not finite")
	}
	return p.Quantiles.Validate()
}

func check(t *testing.T, p *forecast.Prediction) {
	t.Helper()
	if err := valid(p); err != nil {
		t.Error(err)
	}
}

func mustFit(t *testing.T, f forecast.Forecaster, w forecast.Window) forecast.Fitted {
	t.Helper()
	fitted, err := f.Fit(context.Background(), w)
	if err != nil {
		t.Fatalf("Fit on %d bars: %v", w.Len(), err)
	}
	return fitted
}

func mustPredict(t *testing.T, f forecast.Fitted, w forecast.Window, h int) forecast.Prediction {
	t.Helper()
	p, err := f.Predict(w, h)
	if err != nil {
		t.Fatalf("Predict on %d bars, horizon %d: %v", w.Len(), h, err)
	}
	check(t, &p)
	return p
}

// same compares bits.
func same(a, b *forecast.Prediction) bool {
	if math.Float64bits(a.Point) != math.Float64bits(b.Point) {
		return false
	}
	for i := range a.Quantiles {
		if math.Float64bits(a.Quantiles[i]) != math.Float64bits(b.Quantiles[i]) {
			return false
		}
	}
	return true
}

func window(bars []market.Bar) forecast.Window { return forecast.NewWindow(intervalOf(bars), bars) }

// intervalOf is the interval of bars, read off the first: a minute, an hour or a day.
func intervalOf(bars []market.Bar) market.Interval {
	if len(bars) > 0 {
		for _, i := range []market.Interval{market.Minute, market.Hour} {
			if bars[0].End-bars[0].Start == market.Time(i.Duration().Microseconds()) {
				return i
			}
		}
	}
	return market.Day
}

func copyBars(w forecast.Window) []market.Bar {
	bars := make([]market.Bar, w.Len())
	for i := range bars {
		bars[i] = w.Bar(i)
	}
	return bars
}
