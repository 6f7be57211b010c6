package rangevol

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// small is a model that a short path fills: its pairs begin to leave after a few dozen bars.
func small(t *rapid.T) Model {
	m := many()
	m.Least = 30
	m.Pairs = rapid.IntRange(40, 150).Draw(t, "pairs kept")
	m.Residuals = rapid.SampledFrom([]Residuals{StudentT, Historical, Local}).Draw(t, "residuals")
	m.Many = m.Many && rapid.Bool().Draw(t, "many")
	return m
}

// Written at any stage (before the first estimation, right after one, while pairs leave, after
// bars that cannot be learnt from, on a coin that stands) a state is read back as it was: the
// same bytes, the same answers at once and further on, the same next estimation.
func TestPersist(t *testing.T) {
	coin := forecasttest.ReadBars(t, testdata.Market(t, "daily/COIN.csv"))
	rapid.Check(t, func(t *rapid.T) {
		m := small(t)
		set := forecast.Setting{Interval: market.Day, Horizons: []int{1, 3}}
		from := rapid.IntRange(0, len(coin)-260).Draw(t, "first bar")
		bars := slices.Clone(coin[from : from+rapid.IntRange(1, 260).Draw(t, "bars")])
		for range rapid.IntRange(0, 2).Draw(t, "bad bars") {
			bars[rapid.IntRange(0, len(bars)-1).Draw(t, "bad bar")].Close = rapid.SampledFrom([]float64{0, -37.63, math.Inf(1)}).Draw(t, "close")
		}
		every := rapid.IntRange(20, 90).Draw(t, "bars between estimations")
		stop := rapid.IntRange(0, len(bars)-1).Draw(t, "written after bar")
		whole := newState(m, set)
		var read *State
		for i := range bars {
			w := forecast.NewWindow(market.Day, bars[max(0, i-1):i+1])
			for _, s := range []*State{whole, read} {
				if s == nil {
					continue
				}
				s.Update(w)
				if i%every == every-1 {
					if err := s.Refit(t.Context()); err != nil && !errors.Is(err, forecast.ErrTooShort) && !errors.Is(err, forecast.ErrDegenerate) {
						t.Fatal(err)
					}
				}
			}
			if i == stop {
				a := forecast.NewArchive()
				whole.Persist(a)
				r := forecast.ReadArchive(a.Bytes())
				read = newState(m, set)
				read.Persist(r)
				again := forecast.NewArchive()
				read.Persist(again)
				if err := r.Close(); err != nil || !slices.Equal(a.Bytes(), again.Bytes()) {
					t.Fatalf("read and written again it has other bytes (%v)", err)
				}
			}
			if read == nil {
				continue
			}
			for _, h := range set.Horizons {
				p, err := whole.Predict(w, h)
				q, err2 := read.Predict(w, h)
				if p != q || fmt.Sprint(err) != fmt.Sprint(err2) {
					t.Fatalf("%d bars later, horizon %d: %v %v, want %v %v", i-stop, h, q, err2, p, err)
				}
			}
			if a, _ := whole.Encode(); i%every == every-1 {
				if b, _ := read.Encode(); !slices.Equal(a, b) {
					t.Fatalf("%d bars later the estimations differ", i-stop)
				}
			}
		}
	})
}

// After a bar that cannot be learnt from, no pair and no residual reaches across it; what was
// estimated, and the residuals of before, stay.
func TestBadBar(t *testing.T) {
	bars := forecasttest.ReadBars(t, testdata.Market(t, "daily/INDEX.csv"))[:1000]
	bars[700].Close = -37.63
	set := forecast.Setting{Interval: market.Day, Horizons: []int{1, 5}}
	m := many()
	m.Residuals = Local
	s := newState(m, set)
	drive(s, market.Day, bars[:700], func(n int, _ *past) {
		if n == 650 {
			if err := s.Refit(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	})
	version, _ := s.Encode()
	kept := []int{s.pools[0].Len(), s.pools[1].Len()}
	for i := 700; i < len(bars); i++ {
		w := forecast.NewWindow(market.Day, bars[i-1:i+1])
		s.Update(w)
		_, err := s.Predict(w, 5)
		switch {
		case i <= 701 && !errors.Is(err, forecast.ErrDegenerate):
			t.Errorf("bar %d: %v, want ErrDegenerate", i, err)
		case i > 701 && err != nil:
			t.Errorf("bar %d: %v", i, err)
		}
		// The first return after is that of bar 702, the first row too; the first residual
		// over h bars ends h bars later.
		for k, h := range set.Horizons {
			if got, want := s.pools[k].Len()-kept[k], max(0, i-701-h); got != want {
				t.Fatalf("bar %d: %d residuals over %d bars have come, want %d", i, got, h, want)
			}
			if s.locals[k].z.Len() != s.pools[k].Len() {
				t.Fatalf("bar %d: %d and %d residuals", i, s.locals[k].z.Len(), s.pools[k].Len())
			}
			if got, want := s.regressions[k].y.Len(), max(0, i-701-h); got != want {
				t.Fatalf("bar %d: %d pairs over %d bars, want %d", i, got, h, want)
			}
		}
		if i == 720 {
			if err := s.Refit(t.Context()); !errors.Is(err, forecast.ErrTooShort) {
				t.Errorf("an estimation 18 returns after it: %v, want ErrTooShort", err)
			}
			if now, _ := s.Encode(); !slices.Equal(now, version) {
				t.Error("an estimation that failed changes the version")
			}
		}
	}
	if err := s.Refit(t.Context()); err != nil {
		t.Error(err)
	}
	if now, _ := s.Encode(); slices.Equal(now, version) {
		t.Error("an estimation 298 returns after it changes nothing")
	}
}

// The first estimation gives the pools the residuals of the pairs that it was made from, so
// that the first forecasts do not rest on the t alone.
func TestBackfill(t *testing.T) {
	bars := forecasttest.ReadBars(t, testdata.Market(t, "daily/INDEX.csv"))[:400]
	set := forecast.Setting{Interval: market.MustInterval("1w"), Horizons: []int{1, 4, 30}}
	s := newState(many(), set)
	var rows [][numFeatures]float64 // after each return
	p := drive(s, set.Interval, bars, func(n int, _ *past) {
		if n > 0 {
			rows = append(rows, s.features.row)
		}
	})
	if err := s.Refit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for k, h := range set.Horizons {
		g := s.regressions[map[int]int{1: 0, 4: 1, 30: 3}[h]] // of 1, 2, 5 and 20 bars
		var want []float64
		for o := 1; o+h <= len(p.raw); o++ {
			y := 0.0
			for _, r := range p.adjusted[o : o+h] {
				y += r
			}
			want = append(want, y/math.Sqrt(math.Exp(dot(rows[o-1][:], &g.b))*float64(h)/float64(g.horizon)))
		}
		slices.Sort(want)
		got := s.pools[k].Sorted()
		if len(got) != len(want) || len(s.locals[k].zs) != len(want) {
			t.Fatalf("horizon %d: %d and %d residuals, want %d", h, len(got), len(s.locals[k].zs), len(want))
		}
		for i := range want {
			if !near(got[i], want[i], 1e-7) || !near(s.locals[k].zs[i], want[i], 1e-7) {
				t.Fatalf("horizon %d, residual %d by size: %v and %v, want %v", h, i, got[i], s.locals[k].zs[i], want[i])
			}
		}
	}
}

// What adopts has the parameters, and keeps its pairs and residuals; its next estimation
// begins there, and ends with the quantiles of its own degrees of freedom.
func TestAdopt(t *testing.T) {
	week := market.MustInterval("1w")
	set := forecast.Setting{Interval: week, Horizons: []int{1}}
	rng := rand.New(rand.NewPCG(4, 4))
	run := func(tails bool, bars int) *State {
		path, price := forecasttest.Walk(8, bars), 100.0
		for i := range path {
			r := 0.01 * rng.NormFloat64()
			if tails && i%9 == 0 {
				r *= 6
			}
			b := &path[i]
			b.Open, b.Close = price, price*math.Exp(r)
			b.High, b.Low = max(b.Open, b.Close), min(b.Open, b.Close)
			price = b.Close
		}
		s := newState(New(), set)
		drive(s, week, path, nil)
		if err := s.Refit(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s
	}
	calm, wild := run(false, 700), run(true, 900)
	if grid[calm.regressions[0].nu] <= grid[wild.regressions[0].nu]+2 {
		t.Fatalf("degrees of freedom %v and %v: the two are to differ", grid[calm.regressions[0].nu], grid[wild.regressions[0].nu])
	}
	// Back from a neighbour's degrees of freedom, in one estimation, the quantiles come back too.
	g := calm.regressions[0]
	own := g.nu
	neighbour := newState(New(), set)
	neighbour.Adopt(calm)
	other := neighbour.regressions[0]
	other.nu--
	other.of, other.t = grid[other.nu], forecast.StudentT(grid[other.nu])
	calm.Adopt(neighbour)
	g.fits = 0 // the next estimation chooses degrees of freedom
	if err := calm.Refit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g.nu != own || g.t != forecast.StudentT(grid[own]) {
		t.Errorf("estimated again it has %v degrees of freedom, want %v, and a 95 %% quantile of %v", grid[g.nu], grid[own], g.t[forecast.Q95])
	}
	pairs, residuals := slices.Clone(g.y.All()), slices.Clone(calm.pools[0].Sorted())
	calm.Adopt(wild)
	a, _ := calm.Encode()
	if b, _ := wild.Encode(); !slices.Equal(a, b) {
		t.Error("the versions differ")
	}
	if !slices.Equal(g.y.All(), pairs) || !slices.Equal(calm.pools[0].Sorted(), residuals) {
		t.Error("pairs or residuals are others")
	}
	fresh := newState(New(), set)
	fresh.Adopt(newState(New(), set)) // which has none
	if _, err := fresh.Predict(forecast.Window{}, 1); !errors.Is(err, forecast.ErrTooShort) {
		t.Errorf("adopted nothing: %v", err)
	}
}

// It says why it abstains.
func TestAbstains(t *testing.T) {
	set := forecast.Setting{Interval: market.Day, Horizons: []int{1, 20}}
	wild := forecasttest.Walk(5, 300)
	rng := rand.New(rand.NewPCG(1, 1))
	price := 100.0
	for i := range wild {
		b := &wild[i]
		b.Open = price
		price *= math.Exp(0.4 * rng.NormFloat64())
		b.Close, b.High, b.Low = price, 1.2*max(b.Open, price), 0.8*min(b.Open, price)
	}
	still := forecasttest.Walk(5, 300)
	for i := range still {
		b := &still[i]
		b.Open, b.High, b.Low, b.Close = 50, 50, 50, 50
	}
	gone := forecasttest.Walk(5, 300)
	gone[299].Close = 0
	for _, c := range []struct {
		name      string
		bars      []market.Bar
		estimated int // bars, 0: never
		horizon   int
		want      error
		says      string
	}{
		{"few returns", forecasttest.Walk(5, 60), 0, 1, forecast.ErrTooShort, "59 returns, at least 60 are needed"},
		{"no estimation", forecasttest.Walk(5, 300), 0, 1, forecast.ErrTooShort, "not estimated yet"},
		{"a close of zero", gone, 200, 1, forecast.ErrDegenerate, "give no return"},
		{"a volatility beyond prices", wild, 200, 20, forecast.ErrDegenerate, "beyond what prices can hold"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newState(New(), set)
			drive(s, market.Day, c.bars, func(n int, _ *past) {
				if n+1 == c.estimated {
					if err := s.Refit(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
			})
			n := len(c.bars)
			if p, err := s.Predict(forecast.NewWindow(market.Day, c.bars[n-2:]), c.horizon); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, %v, want one that says %q", p, err, c.says)
			}
		})
	}
	s := newState(New(), set)
	drive(s, market.Day, still, nil)
	if err := s.Refit(t.Context()); !errors.Is(err, forecast.ErrTooShort) && !errors.Is(err, forecast.ErrDegenerate) {
		t.Errorf("a price that never moves: %v", err)
	}
}

// Options and horizons that make no sense are a programmer's mistake.
func TestPanics(t *testing.T) {
	for name, f := range map[string]func(){
		"zero model":       func() { Model{}.Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1}}) },
		"no horizon":       func() { New().Follow(forecast.Setting{Interval: market.Day}) },
		"horizon 0":        func() { New().Follow(forecast.Setting{Interval: market.Day, Horizons: []int{0, 1}}) },
		"horizons descend": func() { New().Follow(forecast.Setting{Interval: market.Day, Horizons: []int{5, 1}}) },
		"a horizon not told": func() {
			s := New().Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1, 5}})
			_, _ = s.Predict(forecast.Window{}, 2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was accepted")
				}
			}()
			f()
		})
	}
}
