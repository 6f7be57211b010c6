package neural

import (
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// versionOf is a version that may forecast from the given time on. For the suite, which
// knows no training, 0 lets it forecast bars that it has learnt from.
func versionOf(t testing.TB, since market.Time, change func(*Options)) *Trained {
	t.Helper()
	o := small()
	o.Restarts, o.Ensemble = 1, 1
	if change != nil {
		change(&o)
	}
	v := train(t, trainer(t, samplesOf(t, "STOCK", "FX"), o))
	v.about.Since, v.about.Until = since, min(v.about.Until, since)
	if err := v.finish(); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestConformance(t *testing.T) {
	t.Parallel()
	series := [][]market.Bar{daily(t, "STOCK"), daily(t, "COIN")}
	if testdata.Wide(t) {
		series = append(series, forecasttest.ReadBars(t, testdata.Real(t, "daily/VIX.csv")))
	}
	var lstm, gru Versions
	lstm.Add(versionOf(t, math.MinInt64, nil))
	gru.Add(versionOf(t, math.MinInt64, func(o *Options) { o.Cell = GRU }))
	forecasttest.Exercise(t, forecasttest.Case{
		Model:    New("lstm", &lstm),
		Series:   series,
		Least:    2, // what it learnt, it learnt elsewhere
		Version:  "neural",
		Variants: map[string]forecast.Forecaster{"gru": New("gru", &gru)},
		Trained:  true,
	})
}

// follow takes a state through bars, estimating where the engine would.
func follow(t testing.TB, m forecast.Follower, bars []market.Bar, horizons ...int) (forecast.State, forecast.Window) {
	t.Helper()
	s := m.Follow(forecast.Setting{Interval: market.Day, Horizons: horizons})
	var w forecast.Window
	for i := range bars {
		w = forecast.NewWindow(market.Day, bars[max(0, i-1023):i+1])
		s.Update(w)
	}
	return s, w
}

// A version never forecasts at a cutoff before the end of what it has learnt from; the
// newest that may is taken, at the next estimation.
func TestVersionsAreTakenInTime(t *testing.T) {
	t.Parallel()
	bars := daily(t, "INDEX")
	early, late := versionOf(t, bars[400].End, nil), versionOf(t, bars[600].End, func(o *Options) { o.Seed = 9 })
	var versions Versions
	m := New("lstm", &versions)
	s, w := follow(t, m, bars[:500], 1)
	if err := s.Refit(t.Context()); !errors.Is(err, forecast.ErrTooShort) || !strings.Contains(err.Error(), "no version") {
		t.Errorf("without a version: %v", err)
	}
	versions.Add(late)
	if err := s.Refit(t.Context()); !errors.Is(err, forecast.ErrTooShort) || !strings.Contains(err.Error(), "may forecast from") {
		t.Errorf("with a version that has seen the future: %v", err)
	} else {
		t.Log(err)
	}
	if p, err := s.Predict(w, 1); err == nil {
		t.Errorf("it forecasts all the same: %v", p)
	}
	versions.Add(early)
	versions.Add(early)
	if n := len(versions.All()); n != 2 {
		t.Errorf("%d versions, want 2", n)
	}
	if err := s.Refit(t.Context()); err != nil {
		t.Fatal(err)
	}
	name := func(s forecast.State) string {
		b, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if !strings.Contains(name(s), early.ID()) {
		t.Errorf("%s, want version %s", name(s), early.ID())
	}
	s.Update(forecast.NewWindow(market.Day, bars[:501]))
	if _, err := s.Predict(forecast.NewWindow(market.Day, bars[:501]), 1); err != nil {
		t.Error(err)
	}
	for i := 501; i < 700; i++ {
		s.Update(forecast.NewWindow(market.Day, bars[:i+1]))
	}
	if !strings.Contains(name(s), early.ID()) {
		t.Error("the version changed between estimations")
	}
	if err := s.Refit(t.Context()); err != nil || !strings.Contains(name(s), late.ID()) {
		t.Errorf("%v, %s, want version %s", err, name(s), late.ID())
	}
	// Bars of another length are none of its business.
	if _, err := m.Fit(t.Context(), forecast.NewWindow(market.Hour, bars[:1000])); !errors.Is(err, forecast.ErrTooShort) || !strings.Contains(err.Error(), "trained on bars of 1d") {
		t.Errorf("hourly bars: %v", err)
	}
	// A state that was written with a version which is gone is learnt anew.
	a := forecast.NewArchive()
	s.Persist(a)
	r := forecast.ReadArchive(a.Bytes())
	New("lstm", &Versions{}).Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1}}).Persist(r)
	if err := r.Close(); !errors.Is(err, forecast.ErrArchive) {
		t.Error(err)
	}
}

// Widths follow volatility, and grow with the horizon as the anchors let expect.
func TestWidths(t *testing.T) {
	t.Parallel()
	bars := daily(t, "INDEX")
	var versions Versions
	versions.Add(versionOf(t, math.MinInt64, nil))
	s, w := follow(t, New("lstm", &versions), bars[:1500], 1, 2, 3, 4, 5, 7, 10, 15, 20, 30)
	if err := s.Refit(t.Context()); err != nil {
		t.Fatal(err)
	}
	last := 0.0
	for _, h := range []int{1, 2, 3, 4, 5, 7, 10, 15, 20, 30} {
		p, err := s.Predict(w, h)
		if err != nil {
			t.Fatal(err)
		}
		width := p.Quantiles[forecast.Q95] - p.Quantiles[forecast.Q05]
		if !(width > last) {
			t.Errorf("%d bars ahead the width is %v, before %v", h, width, last)
		}
		last = width
	}
	wide := slices.Clone(bars[:1500])
	for i := 1450; i < 1500; i++ { // fifty bars of four times the moves
		stretch := func(x float64) float64 { return wide[i-1].Close * math.Exp(4*math.Log(x/bars[i-1].Close)) }
		b := &wide[i]
		b.Open, b.High, b.Low, b.Close = stretch(bars[i].Open), stretch(bars[i].High), stretch(bars[i].Low), stretch(bars[i].Close)
	}
	z, v := follow(t, New("lstm", &versions), wide, 1)
	if err := z.Refit(t.Context()); err != nil {
		t.Fatal(err)
	}
	p, _ := s.Predict(w, 1)
	q, err := z.Predict(v, 1)
	if err != nil {
		t.Fatal(err)
	}
	if ratio := (q.Quantiles[forecast.Q95] - q.Quantiles[forecast.Q05]) / (p.Quantiles[forecast.Q95] - p.Quantiles[forecast.Q05]); !(ratio > 2) {
		t.Errorf("four times the volatility widens the interval %v times", ratio)
	}
}

// The state of a price model is that of any other. What is kept does not depend on the size of
// the network or on its cell, so a small one, of prices around those of the series, stands for
// all.
func TestPriceStateConformance(t *testing.T) {
	t.Parallel()
	bars := daily(t, "STOCK")[:1500]
	low, high := bars[0].Close, bars[0].Close
	for _, b := range bars {
		low, high = min(low, b.Close), max(high, b.Close)
	}
	net, err := NewNetwork(Shape{Cell: LSTM, Inputs: 1, Units: 3, Layers: 1, Outputs: 1}, 4)
	if err != nil {
		t.Fatal(err)
	}
	middle, spread := (low+high)/2, (high-low)/4
	x := Standard{Mean: []float64{middle, middle, middle}, Scale: []float64{spread, spread, spread}}
	m, err := NewPriceModel(net, x, Standard{Mean: []float64{middle}, Scale: []float64{spread}})
	if err != nil {
		t.Fatal(err)
	}
	forecasttest.Exercise(t, forecasttest.Case{
		Model:   NewPriceForecaster("small", m),
		Series:  [][]market.Bar{bars},
		Least:   33, // 30 errors of forecasts from three closes
		Version: "price/1 ",
		Docs:    "docs/forecasting.md#original",
		Trained: true,
		Priced:  true,
	})
}

// A price network in the race: its point is its answer, its width what its errors were.
func TestPriceForecaster(t *testing.T) {
	t.Parallel()
	// Prices around 120, a stock's moves of twenty days: the errors of a network that knows
	// nothing stay of one size there.
	var closes []float64
	for i, bars := 20, daily(t, "STOCK"); len(closes) < 1500; i++ {
		closes = append(closes, 120*bars[i].Close/bars[i-20].Close)
	}
	t.Run("drawn", func(t *testing.T) { priceForecaster(t, drawn(t), forecasttest.Bars(closes...)) })
	t.Run("original", func(t *testing.T) {
		bars := forecasttest.ReadBars(t, testdata.Real(t, "daily/KO.csv"))
		priceForecaster(t, readModel(t, filepath.Join(testdata.Shared(t), "golden")), bars[:1500])
	})
}

func priceForecaster(t *testing.T, m *PriceModel, bars []market.Bar) {
	f := NewPriceForecaster("price", m)
	s, w := follow(t, f, bars, 1, 3)
	if err := s.Refit(t.Context()); err != nil {
		t.Fatal(err)
	}
	var prices []float64
	for _, b := range bars[len(bars)-7:] {
		prices = append(prices, b.Close)
	}
	for h := 1; h <= 3; h++ {
		next, err := m.Predict(prices[len(prices)-7:])
		if err != nil {
			t.Fatal(err)
		}
		prices = append(prices, next)
		if h == 2 {
			continue
		}
		p, err := s.Predict(w, h)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := p.Price(w.Last()); math.Abs(got/next-1) > 1e-12 {
			t.Errorf("%d bars ahead %v, want %v", h, got, next)
		}
		if p.Quantiles[forecast.Q50] != p.Point || p.Quantiles.Validate() != nil {
			t.Errorf("%+v", p)
		}
	}
	// 90 % of its errors lay inside.
	inside, n := 0, 0
	at := f.Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1}})
	at.Adopt(s)
	for i := range bars {
		w := forecast.NewWindow(market.Day, bars[:i+1])
		at.Update(w)
		if i < 300 || i+1 == len(bars) {
			continue
		}
		p, err := at.Predict(w, 1)
		if err != nil {
			t.Fatal(err)
		}
		n++
		if y := math.Log(bars[i+1].Close / bars[i].Close); y >= p.Quantiles[forecast.Q05] && y <= p.Quantiles[forecast.Q95] {
			inside++
		}
	}
	if c := float64(inside) / float64(n); math.Abs(c-0.9) > 0.05 {
		t.Errorf("its 90 %% interval covers %v", c)
	}
	fresh, _ := follow(t, f, bars[:20], 1)
	if err := fresh.Refit(t.Context()); !errors.Is(err, forecast.ErrTooShort) {
		t.Errorf("with 20 bars: %v", err)
	}
}
