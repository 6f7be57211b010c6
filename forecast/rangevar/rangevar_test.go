package rangevar_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/rangevar"
	"github.com/foretick/foretick/market"
)

// feed takes an input through bars and returns it with what each bar said.
func feed(i market.Interval, bars []market.Bar, each func(n int, in *rangevar.Input)) *rangevar.Input {
	in := rangevar.New(i)
	for n := range bars {
		if in.Update(forecast.NewWindow(i, bars[max(0, n-1):n+1])) && each != nil {
			each(n, in)
		}
	}
	return in
}

// The three estimators by their definitions, on one bar.
func TestEstimators(t *testing.T) {
	bars := []market.Bar{
		{Start: 0, End: 1, Open: 100, High: 100, Low: 100, Close: 100},
		{Start: 1, End: 2, Open: 101, High: 104, Low: 99, Close: 102},
	}
	var got float64
	feed(market.MustInterval("1w"), bars, func(_ int, in *rangevar.Input) { got = in.Variance })
	gap := 100 * math.Log(1.01)
	h, l, c := 100*math.Log(104.0/101), 100*math.Log(99.0/101), 100*math.Log(102.0/101)
	pk := (h - l) * (h - l) / (4 * math.Ln2)
	gk := 0.5*(h-l)*(h-l) - (2*math.Ln2-1)*c*c
	rs := h*(h-c) + l*(l-c)
	v := gap*gap + (pk+gk+rs)/3
	r := 100 * math.Log(1.02)
	// On the first return the scale is r²/v: the variance is in its units at once.
	if want := v * (r * r / v); math.Abs(got-want) > 1e-9 {
		t.Errorf("variance %v, want %v", got, want)
	}
}

// Over a random walk in continuous time the scaled variance has the mean of r², and says
// far more exactly what a bar's variance was.
func TestVarianceIsUnbiasedAndPrecise(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const n, sd = 4000, 1.5
	bars := make([]market.Bar, n)
	x := math.Log(100)
	for i := range bars {
		b := &bars[i]
		b.Start = market.Time(i) * market.Time(7*24*time.Hour/time.Microsecond)
		b.End = bars[i].Start + 1
		b.Open = math.Exp(x)
		b.High, b.Low = b.Open, b.Open
		for range 200 {
			x += sd / 100 * rng.NormFloat64() / math.Sqrt(200)
			b.High, b.Low = math.Max(b.High, math.Exp(x)), math.Min(b.Low, math.Exp(x))
		}
		b.Close = math.Exp(x)
	}
	var v, r [2]float64 // sums and sums of squares
	feed(market.MustInterval("1w"), bars, func(i int, in *rangevar.Input) {
		if i < n/2 {
			return
		}
		v[0] += in.Variance
		v[1] += in.Variance * in.Variance
		r[0] += in.Return * in.Return
		r[1] += math.Pow(in.Return, 4)
	})
	m := float64(n / 2)
	vMean, rMean := v[0]/m, r[0]/m
	if math.Abs(vMean/rMean-1) > 0.06 {
		t.Errorf("mean variance %v, mean squared return %v", vMean, rMean)
	}
	vSpread, rSpread := v[1]/m/(vMean*vMean)-1, r[1]/m/(rMean*rMean)-1
	if !(vSpread < rSpread/4) {
		t.Errorf("relative variances %v and %v: the range says too little", vSpread, rSpread)
	}
}

// Weekdays twice as volatile get a factor near 2 after 20 weeks, and none before;
// the return is divided by its root.
func TestWeekdays(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const day = market.Time(24 * time.Hour / time.Microsecond)
	var bars []market.Bar
	p := 100.0
	start, _ := market.ParseTime("2020-01-06") // a Monday
	for i := range 2000 {
		at := start + market.Time(i)*day
		if wd := i % 7; wd > 4 {
			continue
		}
		sd := 0.01
		if i%7 == 2 {
			sd *= math.Sqrt2
		}
		prev := p
		p *= math.Exp(sd * rng.NormFloat64())
		bars = append(bars, market.Bar{Start: at, End: at + day, Open: prev, High: math.Max(p, prev), Low: math.Min(p, prev), Close: p})
	}
	early := true
	in := feed(market.Day, bars, func(i int, in *rangevar.Input) {
		if i < 95 && in.Factor != 1 {
			early = false
		}
		if want := in.Return / math.Sqrt(in.Factor); in.Adjusted != want {
			t.Fatalf("bar %d: %v, want %v", i, in.Adjusted, want)
		}
	})
	if !early {
		t.Error("the season counts before 20 weeks have been seen")
	}
	last := bars[len(bars)-1]
	factors := map[time.Weekday]float64{}
	var ahead []market.Span
	for d := last.Start + day; len(ahead) < 5; d += day {
		if wd := d.Std().Weekday(); wd != time.Saturday && wd != time.Sunday {
			ahead = append(ahead, market.Span{Start: d, End: d + day})
		}
	}
	w := forecast.NewWindow(market.Day, bars[len(bars)-1:]).WithAhead(ahead)
	sum := 0.0
	for h := 1; h <= 5; h++ {
		total := in.Ahead(w, h) * float64(h)
		factors[ahead[h-1].Start.Std().Weekday()] = total - sum
		sum = total
	}
	for wd, f := range factors {
		want := 1 / 1.2
		if wd == time.Wednesday {
			want = 2 / 1.2
		}
		if math.Abs(f/want-1) > 0.2 {
			t.Errorf("%s has factor %.2f, want about %.2f", wd, f, want)
		}
	}
}

// One bad print moves the variance no further than its caps.
func TestCaps(t *testing.T) {
	bars := forecasttest.Walk(5, 400)
	bars[300].High *= 50
	var before, at float64
	feed(market.Day, bars, func(i int, in *rangevar.Input) {
		switch i {
		case 299:
			before = in.Variance
		case 300:
			at = in.Variance
		}
	})
	if at > 200*before || at < before/50 {
		t.Errorf("a high 50 times too high: variance %v after %v", at, before)
	}
}

// A price that has stood still from the first bar on has no level to compare with: its first
// moves count as they are.
func TestMovesAfterStandingStill(t *testing.T) {
	bars := forecasttest.Walk(5, 400)
	for i := range 200 {
		bars[i].Open, bars[i].High, bars[i].Low, bars[i].Close = bars[200].Open, bars[200].Open, bars[200].Open, bars[200].Open
	}
	var mean float64
	feed(market.Day, bars, func(i int, in *rangevar.Input) {
		switch {
		case i < 200 && in.Variance != 0:
			t.Fatalf("bar %d does not move and has variance %v", i, in.Variance)
		case i >= 300:
			mean += in.Variance / 100
		}
	})
	if math.Abs(mean-1) > 0.3 {
		t.Errorf("the variance of bars that move 1 %% is %v", mean)
	}
}
