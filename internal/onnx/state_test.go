package onnx

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// fake is a network written in Go.
type fake func(out, in []float32) error

func (f fake) run(out, in []float32) error { return f(out, in) }
func (f fake) close() error                { return nil }

func model(s Shape, f fake) *Model {
	return &Model{name: "fake", sum: strings.Repeat("0", 64), runtime: "go", shape: s, net: f}
}

func daily(t testing.TB, name string) []market.Bar {
	t.Helper()
	return forecasttest.ReadBars(t, testdata.Market(t, "daily/"+name+".csv"))
}

// points forecasts the share 0.1 h of the newest return.
func points(out, in []float32) error {
	for h := range out {
		out[h] = 0.1 * float32(h+1) * in[len(in)-1]
	}
	return nil
}

// quantiles spreads as the mean of the inputs' sizes.
func quantiles(out, in []float32) error {
	var size float32
	for _, v := range in {
		size += max(v, -v) / float32(len(in))
	}
	for i := range out {
		out[i] = size * float32(i%forecast.Levels-11) / 5
	}
	return nil
}

func TestConformance(t *testing.T) {
	for name, m := range map[string]*Model{
		"points":    model(Shape{Bars: 8, Inputs: 1, Horizons: 20}, points),
		"quantiles": model(Shape{Bars: 6, Inputs: 5, Channels: true, Horizons: 20, Quantiles: true}, quantiles),
	} {
		t.Run(name, func(t *testing.T) { forecasttest.Exercise(t, conformance(t, m)) })
	}
}

// conformance is the case of a network.
func conformance(t testing.TB, m *Model) forecasttest.Case {
	return forecasttest.Case{
		Model:   m,
		Series:  [][]market.Bar{daily(t, "STOCK"), daily(t, "INDEX")},
		Least:   m.shape.Bars + 1,
		Version: "onnx/1 file=" + m.Sum() + " ",
		Docs:    "docs/guides/onnx.md#ONNX networks",
		Trained: true,
	}
}

// follow takes a state through bars and makes it ready.
func follow(t testing.TB, m *Model, bars []market.Bar, horizons ...int) (forecast.State, forecast.Window) {
	t.Helper()
	s := m.Follow(forecast.Setting{Interval: market.Day, Horizons: horizons})
	for i := range bars {
		s.Update(window(bars[max(0, i-1023) : i+1]))
	}
	if err := s.Refit(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s, window(bars[max(0, len(bars)-1024):])
}

// A point's quantiles are the point plus the newest 250 errors of that horizon, worked out
// here from the bars.
func TestSpreadOfAPoint(t *testing.T) {
	bars := daily(t, "INDEX")[:700]
	s, w := follow(t, model(Shape{Bars: 3, Inputs: 1, Horizons: 4}, points), bars, 1, 4)
	point := func(i, h int) float64 { // from bar i
		return 0.1 * float64(h) * math.Log(bars[i].Close/bars[i-1].Close)
	}
	last := len(bars) - 1
	for _, h := range []int{1, 4} {
		var errs []float64
		for i := last - 249; i <= last; i++ {
			errs = append(errs, math.Log(bars[i].Close/bars[i-h].Close)-point(i-h, h))
		}
		slices.Sort(errs)
		want := forecast.Empirical(errs)
		p, err := s.Predict(w, h)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(p.Point-point(last, h)) > 1e-8 {
			t.Errorf("horizon %d: the point is %v, want %v", h, p.Point, point(last, h))
		}
		for k := range want {
			if got := p.Quantiles[k] - p.Point; math.Abs(got-want[k]) > 1e-8 {
				t.Errorf("horizon %d: quantile %v lies %v from the point, want %v", h, forecast.Probabilities[k], got, want[k])
			}
		}
	}
}

// Quantiles reach the forecast in order, the median is the point, and answers that had to be
// sorted are counted.
func TestQuantiles(t *testing.T) {
	crossing := false
	m := model(Shape{Bars: 3, Inputs: 1, Horizons: 2, Quantiles: true}, func(out, in []float32) error {
		for i := range out {
			out[i] = float32(i)
		}
		if crossing {
			slices.Reverse(out)
		}
		return nil
	})
	s, w := follow(t, m, forecasttest.Walk(1, 50), 1, 2)
	for range 2 {
		p, err := s.Predict(w, 2)
		if err != nil || p.Quantiles.Validate() != nil || p.Point != p.Quantiles[forecast.Q50] {
			t.Fatalf("%v, %v", p, err)
		}
		if !crossing && (p.Quantiles[0] != 0.23 || p.Quantiles[22] != 0.45) {
			t.Errorf("the second horizon reads %v, want 0.23 to 0.45", p.Quantiles)
		}
		if m.Sorted() != 0 && !crossing || crossing && m.Sorted() != 1 {
			t.Errorf("%d answers were sorted", m.Sorted())
		}
		crossing = true
		s, w = follow(t, m, forecasttest.Walk(1, 50), 1, 2)
	}
}

func TestAbstains(t *testing.T) {
	walk := forecasttest.Walk(4, 200)
	constant := func(v float32) fake {
		return func(out, _ []float32) error {
			for i := range out {
				out[i] = v
			}
			return nil
		}
	}
	fails := fake(func(_, _ []float32) error { return errors.New("out of memory") })
	q, p := Shape{Bars: 5, Inputs: 1, Horizons: 2, Quantiles: true}, Shape{Bars: 5, Inputs: 1, Horizons: 2}
	quiet := forecasttest.Walk(4, 300)
	for i := range quiet[10:] {
		quiet[10+i].Close = 100 // every error is 0
	}
	cases := []struct {
		name    string
		m       *Model
		bars    []market.Bar
		horizon int
		want    error
		says    string
	}{
		{"further ahead", model(q, quantiles), walk, 3, forecast.ErrTooShort, "looks 2 ahead, not 3"},
		{"a point further ahead", model(p, points), walk, 3, forecast.ErrTooShort, "looks 2 ahead, not 3"},
		{"not a number", model(q, constant(float32(math.NaN()))), walk, 1, forecast.ErrDegenerate, "is NaN"},
		{"infinite", model(p, constant(float32(math.Inf(-1)))), walk, 1, forecast.ErrDegenerate, "is -Inf"},
		{"beyond prices", model(q, constant(701)), walk, 1, forecast.ErrDegenerate, "beyond what prices can hold"},
		{"the runtime fails", model(q, fails), walk, 1, forecast.ErrDegenerate, "out of memory"},
		{"the runtime fails for a point", model(p, fails), walk, 1, forecast.ErrDegenerate, "out of memory"},
		{"few outcomes", model(p, points), walk[:5+1+29], 1, forecast.ErrTooShort, "29 of its forecasts 1 bars ahead have an outcome, 30 are needed"},
		{"errors beyond prices", model(p, constant(650)), walk, 1, forecast.ErrDegenerate, "beyond what prices can hold"},
		{"errors without spread", model(p, constant(0)), quiet, 1, forecast.ErrDegenerate, "errors are all the same"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, w := follow(t, c.m, c.bars, 1, 2, 3)
			if p, err := s.Predict(w, c.horizon); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, %v, want %v that says %q", p, err, c.want, c.says)
			}
		})
	}
}

// The network is asked once a bar, however many horizons there are.
func TestAskedOnceABar(t *testing.T) {
	for name, s := range map[string]Shape{"points": {Bars: 5, Inputs: 1, Horizons: 3}, "quantiles": {Bars: 5, Inputs: 1, Horizons: 3, Quantiles: true}} {
		runs := 0
		m := model(s, func(out, in []float32) error {
			runs++
			return quantiles(out, in)
		})
		st := m.Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1, 2, 3}})
		walk := forecasttest.Walk(4, 100)
		for i := range walk {
			w := window(walk[:i+1])
			st.Update(w)
			if i == 5 {
				if err := st.Refit(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for h := 1; h <= 3; h++ {
				_, _ = st.Predict(w, h) // a point abstains at first
			}
		}
		if runs != 95 {
			t.Errorf("%s: %d runs in 95 bars", name, runs)
		}
	}
}

// A snapshot of another file is refused.
func TestOtherFile(t *testing.T) {
	m := model(Shape{Bars: 5, Inputs: 1, Horizons: 3}, points)
	set := forecast.Setting{Interval: market.Day, Horizons: []int{1}}
	a := forecast.NewArchive()
	m.Follow(set).Persist(a)
	other := model(m.shape, points)
	other.sum = strings.Repeat("1", 64)
	r := forecast.ReadArchive(a.Bytes())
	other.Follow(set).Persist(r)
	if err := r.Close(); !errors.Is(err, forecast.ErrArchive) || !strings.Contains(err.Error(), "it is of the file") {
		t.Error(err)
	}
}

func TestShapeInWords(t *testing.T) {
	for want, s := range map[string]Shape{
		"reads 64 bars of 5 inputs and gives 23 quantiles 1 to 10 bars ahead": {Bars: 64, Inputs: 5, Horizons: 10, Quantiles: true},
		"reads 8 bars of 1 inputs and gives the point 1 bar ahead":            {Bars: 8, Inputs: 1, Horizons: 1},
	} {
		if got := s.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func BenchmarkUpdate(b *testing.B) {
	bars := forecasttest.Walk(1, 1024)
	w := window(bars)
	m := model(Shape{Bars: 64, Inputs: 5, Channels: true, Horizons: 5, Quantiles: true}, quantiles)
	s, _ := follow(b, m, bars, 1, 5)
	b.ReportAllocs()
	for b.Loop() {
		s.Update(w)
		for _, h := range []int{1, 5} {
			if _, err := s.Predict(w, h); err != nil {
				b.Fatal(err)
			}
		}
	}
}
