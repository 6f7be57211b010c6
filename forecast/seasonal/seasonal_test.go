package seasonal

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// read reads one of the repository's own series.
func read(t testing.TB, name string) []market.Bar {
	return forecasttest.ReadBars(t, testdata.Market(t, name))
}

func TestConformance(t *testing.T) {
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	week := market.MustInterval("1w")
	always := func(t time.Time) (float64, bool) { return float64(t.Unix()%7) * 1e-3, true }
	noon := func(t time.Time) (float64, bool) { return float64(t.Day()) * 1e-4, t.Hour() == 12 }
	refusal := func(name string, i market.Interval, list []market.Bar, err error) forecasttest.Refusal {
		return forecasttest.Refusal{Name: name, Window: forecast.NewWindow(i, list), Error: err}
	}
	forecasttest.Exercise(t, forecasttest.Case{
		Model:   New(),
		Series:  forecasttest.ReadAll(t, testdata.ForModels(t)...),
		Least:   47,
		Version: "seasonal/1 returns=500 cycles=8 slot=120",
		Refuses: []forecasttest.Refusal{
			refusal("20 bars", market.Day, forecasttest.Walk(1, 20), forecast.ErrTooShort),
			refusal("7 weeks", market.Day, bars(market.Day, start.Add(-24*time.Hour), 49, always), forecast.ErrTooShort),
			refusal("minutes of one day", market.Minute, bars(market.Minute, start, 1024, always), forecast.ErrTooShort),
			refusal("seconds", market.Second, bars(market.Second, start, 1024, always), forecast.ErrTooShort),
			refusal("weeks", week, bars(week, start, 300, always), forecast.ErrDegenerate),
			refusal("one bar a day, always noon", market.Hour, bars(market.Hour, start, 100, noon), forecast.ErrDegenerate),
		},
		OutOfRange: map[string]forecast.Forecaster{
			"zero":        Model{},
			"few returns": forecasttest.With(New(), func(m *Model) { m.Returns = 19 }),
			"one cycle":   forecasttest.With(New(), func(m *Model) { m.Cycles = 1 }),
			"no slot":     forecasttest.With(New(), func(m *Model) { m.Slot = 0 }),
		},
		Variants: map[string]forecast.Forecaster{
			"small slots": forecasttest.With(New(), func(m *Model) { m.Slot, m.Returns = 30, 2500 }),
		},
	})
}

func predict(t testing.TB, m Model, w forecast.Window, h int) (forecast.Prediction, error) {
	f, err := m.Fit(context.Background(), w)
	if err != nil {
		return forecast.Prediction{}, err
	}
	return f.Predict(w, h)
}

// On hourly bars the quantiles are those of the returns that began at the same hour,
// computed here from the definition with a map and calendar times.
func TestHourly(t *testing.T) { hourly(t, read(t, "intraday/STOCK_1h.csv")) }

func TestHourlyOfRealSeries(t *testing.T) {
	hourly(t, forecasttest.ReadBars(t, testdata.Real(t, "intraday/SPY_1h.csv.gz")))
}

func hourly(t *testing.T, bars []market.Bar) {
	rapid.Check(t, func(t *rapid.T) {
		end := rapid.IntRange(1100, len(bars)).Draw(t, "bars")
		h := rapid.IntRange(1, 20).Draw(t, "horizon")
		window := bars[end-1024 : end]
		p, err := predict(nil, New(), forecast.NewWindow(market.Hour, window), h)
		if err != nil {
			t.Fatal(err)
		}
		clock := func(b market.Bar) string { return b.Start.Std().Format("15") }
		byHour := map[string][]float64{}
		var all []float64
		first := max(0, len(window)-h-New().Returns)
		for i := first; i+h < len(window); i++ {
			r := math.Log(window[i+h].Close / window[i].Close)
			byHour[clock(window[i+1])] = append(byHour[clock(window[i+1])], r)
			all = append(all, r)
		}
		counts := map[string]int{}
		for i, n := len(window)-2, 0; i >= first && n < 9; i-- {
			if clock(window[i]) == clock(window[len(window)-1]) {
				counts[clock(window[i+1])]++
				n++
			}
		}
		most := 0
		for _, n := range counts {
			most = max(most, n)
		}
		slices.Sort(all)
		if len(counts) == 0 {
			// The clocks changed: no bar began at this hour before, and what follows is not
			// known. All returns are looked at.
			counts["none"] = 0
		}
		fits := false
		for hour, n := range counts {
			if n < most {
				continue // on a tie any of them may be meant
			}
			same := slices.Sorted(slices.Values(byHour[hour]))
			share := min(1, float64(len(same))/float64(New().Slot))
			d := 0.0
			for i, level := range forecast.Probabilities {
				want := (1 - share) * forecast.Quantile7(all, level)
				if len(same) > 0 {
					want += share * forecast.Quantile7(same, level)
				}
				d = max(d, math.Abs(p.Quantiles[i]-want))
			}
			mean := func(v []float64) (m float64) {
				for _, x := range v {
					m += x / float64(len(v))
				}
				return m
			}
			d = max(d, math.Abs(p.Point-share*mean(same)-(1-share)*mean(all)))
			fits = fits || d < 1e-12
		}
		if !fits {
			t.Fatalf("%d bars ahead after %s: %+v is not that of any likely hour", h, window[len(window)-1].Start, p)
		}
	})
}

// bars returns n bars from start that fall where open says; each moves by the move that
// it names.
func bars(i market.Interval, start time.Time, n int, open func(time.Time) (move float64, ok bool)) (out []market.Bar) {
	price := 100.0
	for t := market.TimeOf(start); len(out) < n; t = i.Next(t, market.Always) {
		if move, ok := open(t.Std()); ok {
			before := price
			price *= math.Exp(move)
			out = append(out, market.Bar{Start: t, End: i.End(t), Open: before, High: max(before, price), Low: min(before, price), Close: price})
		}
	}
	return out
}

// A season that is there is read off, whatever the cycle.
func TestKnownSeasons(t *testing.T) {
	start := time.Date(2024, 1, 1, 14, 30, 0, 0, time.UTC) // a Monday
	weekday := func(t time.Time) bool { return t.Weekday() != time.Saturday && t.Weekday() != time.Sunday }
	turn := 1.0
	wobble := func() float64 { turn = -turn; return turn * 1e-4 } // the mean is 0 over two
	session := func(t time.Time) bool {
		m := t.Hour()*60 + t.Minute()
		return weekday(t) && m >= 14*60+30 && m < 21*60
	}
	cases := []struct {
		name     string
		interval market.Interval
		start    time.Time
		n        int
		open     func(time.Time) (float64, bool)
		want     float64
	}{
		{"Monday after Friday", market.Day, start.Add(-4*24*time.Hour - 14*time.Hour - 30*time.Minute), 252, func(t time.Time) (float64, bool) {
			if t.Weekday() == time.Monday {
				return 0.01 + wobble(), true
			}
			return wobble(), weekday(t)
		}, 0.01},
		{"Saturday after Friday", market.Day, start.Add(-14*time.Hour - 30*time.Minute), 7*40 + 5, func(t time.Time) (float64, bool) {
			if t.Weekday() == time.Saturday {
				return -0.02 + wobble(), true
			}
			return wobble(), true
		}, -0.02},
		{"first bar of the session", market.QuarterHr, start, 26 * 34, func(t time.Time) (float64, bool) {
			if session(t) && t.Hour() == 14 && t.Minute() == 30 {
				return 0.03 + wobble(), true
			}
			return wobble(), session(t)
		}, 0.03},
		{"January", market.MustInterval("1mo"), time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC), 12 * 40, func(t time.Time) (float64, bool) {
			if t.Month() == time.January {
				return 0.05 + wobble(), true
			}
			return wobble(), true
		}, 0.05},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			turn = 1
			w := forecast.NewWindow(c.interval, bars(c.interval, c.start, c.n, c.open))
			m := New()
			m.Slot, m.Returns = 30, 1000
			p, err := predict(t, m, w, 1)
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(p.Point-c.want) > 3e-4 || p.Quantiles[forecast.Q05] < c.want-3e-4 || p.Quantiles[forecast.Q95] > c.want+3e-4 {
				t.Errorf("after %s: %v, from %v to %v; want %v", w.Bar(w.Len()-1).Start, p.Point, p.Quantiles[forecast.Q05], p.Quantiles[forecast.Q95], c.want)
			}
		})
	}
}

// A slot of 15 returns counts half where 30 are asked for.
func TestMixesSmallSlots(t *testing.T) {
	start := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	m := New()
	m.Slot = 30
	w := forecast.NewWindow(market.Hour, bars(market.Hour, start, 24*16, func(t time.Time) (float64, bool) {
		if t.Hour() == 0 {
			return 0.24, true
		}
		return 0, true
	}))
	p, err := predict(t, m, w, 1)
	if err != nil {
		t.Fatal(err)
	}
	// The first bar begins no return, so midnight has 15 of 0.24, and all others are 0.
	want := 0.5*0.24 + 0.5*15*0.24/383
	if math.Abs(p.Point-want) > 1e-12 || math.Abs(p.Quantiles[forecast.Q50]-0.12) > 1e-12 {
		t.Errorf("point %v, median %v; want %v and 0.12", p.Point, p.Quantiles[forecast.Q50], want)
	}
}

// Prices after the cutoff are never asked for, and neither is a calendar: what it says of
// the bars ahead changes nothing.
func TestKnowsNoCalendar(t *testing.T) {
	w := forecast.NewWindow(market.Day, read(t, "daily/INDEX.csv")[:1024])
	a, err := predict(t, New(), w, 3)
	if err != nil {
		t.Fatal(err)
	}
	next := w.Cutoff().Add(10 * 24 * time.Hour)
	b, err := predict(t, New(), w.WithAhead([]market.Span{{Start: next, End: next.Add(24 * time.Hour)}}), 3)
	if err != nil || a != b {
		t.Errorf("%+v, then %+v (%v)", a, b, err)
	}
}

func BenchmarkPredict(b *testing.B) {
	for _, c := range []struct {
		name     string
		interval market.Interval
		bars     []market.Bar
	}{
		{"daily", market.Day, read(b, "daily/STOCK.csv")},
		{"hourly", market.Hour, read(b, "intraday/STOCK_1h.csv")},
	} {
		b.Run(c.name, func(b *testing.B) {
			f, err := New().Fit(context.Background(), forecast.NewWindow(c.interval, c.bars[:1024]))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if _, err := f.Predict(forecast.NewWindow(c.interval, c.bars[i:i+1024]), 5); err != nil {
					b.Fatal(err)
				}
				i = (i + 1) % (len(c.bars) - 1024)
			}
		})
	}
}

func BenchmarkFit(b *testing.B) {
	w := forecast.NewWindow(market.Day, read(b, "daily/STOCK.csv")[:1024])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := New().Fit(context.Background(), w); err != nil {
			b.Fatal(err)
		}
	}
}
