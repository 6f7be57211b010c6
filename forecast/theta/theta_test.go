package theta

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func read(t testing.TB, name ...string) []market.Bar {
	return forecasttest.ReadBars(t, filepath.Join(append([]string{testdata.Shared(t), "data"}, name...)...))
}

func TestConformance(t *testing.T) {
	series := [][]market.Bar{
		read(t, "daily", "AMZN.csv"), read(t, "daily", "EURUSD.csv"), read(t, "intraday", "SPY_1h.csv.gz")[:2000],
	}
	normal := New()
	normal.Residuals = 0
	for name, m := range map[string]Model{"default": New(), "normal": normal} {
		t.Run(name, func(t *testing.T) { forecasttest.Exercise(t, m, series...) })
	}
}

// TestReference compares with R 4.2.2, forecast 8.20, thetaf, on the last 250 and 500
// log closes of five series: testdata/reference.R made testdata/reference.csv.
//
// The slope agrees to 1e-10, the variance to 1e-6 of itself, and α to 0.001 (R's
// Nelder-Mead search ends there). With R's α points and 90 % intervals for 1 to 20 bars
// agree to 1e-6 of the standard deviation of one bar, with ours to 0.2 % of it.
func TestReference(t *testing.T) {
	file, err := os.Open("testdata/reference.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		t.Run(row[0]+" "+row[1], func(t *testing.T) {
			num := func(i int) float64 {
				v, err := strconv.ParseFloat(row[i], 64)
				if err != nil {
					t.Fatal(err)
				}
				return v
			}
			near := func(what string, got, want, tolerance float64) {
				t.Helper()
				if !(math.Abs(got-want) <= tolerance) {
					t.Errorf("%s: %.12g, R has %.12g", what, got, want)
				}
			}
			bars := read(t, "daily", row[0]+".csv")
			w := forecast.NewWindow(market.Day, bars[len(bars)-int(num(1)):])
			m := New()
			m.Residuals = 0
			fit, err := m.Fit(context.Background(), w)
			if err != nil {
				t.Fatal(err)
			}
			f := fit.(fitted)
			near("alpha", f.alpha, num(2), 1e-3)
			near("half the slope", f.slope/2, num(3), 1e-10)
			near("variance", f.sd*f.sd/num(4), 1, 1e-6)
			sd := math.Sqrt(num(4))
			theirs := f
			theirs.alpha = num(2)
			for _, c := range []struct {
				whose     string
				f         fitted
				tolerance float64
			}{{"with R's alpha", theirs, 1e-6}, {"ours", f, 2e-3}} {
				for h := 1; h <= 20; h++ {
					p, err := c.f.Predict(w, h)
					if err != nil {
						t.Fatal(err)
					}
					near(fmt.Sprintf("%s, point %d", c.whose, h), p.Point, num(4+h), c.tolerance*sd)
					near(fmt.Sprintf("%s, 5 %% for %d", c.whose, h), p.Quantiles[forecast.Q05], num(24+h), c.tolerance*sd)
					near(fmt.Sprintf("%s, 95 %% for %d", c.whose, h), p.Quantiles[forecast.Q95], num(44+h), c.tolerance*sd)
				}
			}
		})
	}
}

// The average of the two Theta lines is what the formula gives (Hyndman & Billah 2003,
// equation 5): the trend line continued, and simple exponential smoothing of the line
// with doubled curvature.
func TestTwoLines(t *testing.T) {
	bars := read(t, "daily", "GLD.csv")
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(30, 300).Draw(t, "bars")
		at := rapid.IntRange(0, len(bars)-n).Draw(t, "first")
		h := rapid.IntRange(1, 20).Draw(t, "horizon")
		w := forecast.NewWindow(market.Day, bars[at:at+n])
		m := New()
		y, err := m.levels(nil, w)
		if err != nil {
			t.Fatal(err)
		}
		f := fitted{m: m, alpha: rapid.Float64Range(0.05, mostAlpha).Draw(t, "alpha"), slope: slope(y), sd: 1}
		p, err := f.Predict(w, h)
		if err != nil {
			t.Fatal(err)
		}
		mean := 0.0
		for _, v := range y {
			mean += v / float64(n)
		}
		line := func(i float64) float64 { return mean + f.slope*(i-float64(n-1)/2) }
		doubled := make([]float64, n)
		for i, v := range y {
			doubled[i] = 2*v - line(float64(i))
		}
		// Smoothing the doubled line starts from 2 l(0) - line(-1).
		l := 2*smooth(f.alpha, y).start - line(0)
		for _, v := range doubled {
			l += f.alpha * (v - l)
		}
		want := (line(float64(n-1+h)) + l) / 2
		if got := p.Point + y[n-1]; math.Abs(got-want) > 1e-9 {
			t.Fatalf("%v bars ahead: %v, the two lines give %v", h, got, want)
		}
	})
}

// No smoothing constant has a smaller sum of squares, and no other initial level.
func TestMinimum(t *testing.T) {
	bars := read(t, "daily", "VIX.csv")
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(30, 400).Draw(t, "bars")
		at := rapid.IntRange(0, len(bars)-n).Draw(t, "first")
		y, err := New().levels(nil, forecast.NewWindow(market.Day, bars[at:at+n]))
		if err != nil {
			t.Fatal(err)
		}
		alpha := minimise(y)
		best := smooth(alpha, y)
		for a := leastAlpha; a < mostAlpha; a += 0.0173 {
			if s := smooth(a, y); s.sum < best.sum*(1-1e-9) {
				t.Fatalf("alpha %v gives %v, %v gives %v", a, s.sum, alpha, best.sum)
			}
		}
		for _, d := range []float64{0, 1e-4, -1e-4} {
			l, sum := best.start+d, 0.0
			for _, v := range y {
				e := v - l
				l += alpha * e
				sum += e * e
			}
			if sum < best.sum*(1-1e-9) || d == 0 && (sum > best.sum*(1+1e-9) || math.Abs(l-best.end) > 1e-9) {
				t.Fatalf("from the initial level moved by %v: sum %v, level %v; want %+v", d, sum, l, best)
			}
		}
	})
}

func TestRefuses(t *testing.T) {
	walk := forecasttest.Walk(3, 400)
	oil := slices.Clone(walk)
	oil[390].Close = -37.63
	cases := []struct {
		name string
		bars []market.Bar
		want error
	}{
		{"20 bars", walk[:20], forecast.ErrTooShort},
		{"21 bars", walk[:21], nil},
		{"a price that does not move", forecasttest.Bars(slices.Repeat([]float64{50}, 400)...), forecast.ErrDegenerate},
		{"a price below zero", oil, forecast.ErrDegenerate},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := New().Fit(context.Background(), forecast.NewWindow(market.Day, c.bars)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := New().Fit(ctx, forecast.NewWindow(market.Day, walk)); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled fit gave %v", err)
	}
	for _, m := range []Model{{}, {Least: 3, Returns: 300}, {Least: 20, Returns: 19}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was taken", m)
				}
			}()
			_, _ = m.Fit(context.Background(), forecast.NewWindow(market.Day, walk))
		}()
	}
}

func TestEncode(t *testing.T) {
	bars := read(t, "daily", "AMZN.csv")
	encode := func(m Model, n int) string {
		f, err := m.Fit(context.Background(), forecast.NewWindow(market.Day, bars[:n]))
		if err != nil {
			t.Fatal(err)
		}
		b, err := f.(forecast.Encoder).Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	normal := New()
	normal.Residuals = 0
	a, b, c := encode(New(), 500), encode(New(), 501), encode(normal, 500)
	if a != encode(New(), 500) || a == b || a == c || !strings.HasPrefix(c, "theta/1 alpha=") || !strings.HasSuffix(c, "shape=normal") {
		t.Errorf("encodings %q, %q, %q", a, b, c)
	}
}

func BenchmarkFit(b *testing.B) {
	bars := read(b, "daily", "AMZN.csv")
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := New().Fit(context.Background(), forecast.NewWindow(market.Day, bars[i:i+1024])); err != nil {
			b.Fatal(err)
		}
		i = (i + 1) % 4096
	}
}

func BenchmarkPredict(b *testing.B) {
	bars := read(b, "daily", "AMZN.csv")
	f, err := New().Fit(context.Background(), forecast.NewWindow(market.Day, bars[:1024]))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := f.Predict(forecast.NewWindow(market.Day, bars[i:i+1024]), 5); err != nil {
			b.Fatal(err)
		}
		i = (i + 1) % 4096
	}
}
