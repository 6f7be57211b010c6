package forecast_test

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
)

func TestQuantile7(t *testing.T) {
	cases := []struct {
		name string
		x    []float64
		p    float64
		want float64
	}{
		// quantile(c(1, 2, 3, 4, 10), p, type = 7) of R 4.2.2 gives 1.4, 2, 3, 4, 7.6.
		{"R, 10 %", []float64{1, 2, 3, 4, 10}, 0.1, 1.4},
		{"R, 25 %", []float64{1, 2, 3, 4, 10}, 0.25, 2},
		{"R, median of odd", []float64{1, 2, 3, 4, 10}, 0.5, 3},
		{"R, 75 %", []float64{1, 2, 3, 4, 10}, 0.75, 4},
		{"R, 90 %", []float64{1, 2, 3, 4, 10}, 0.9, 7.6},
		{"median of even", []float64{1, 2, 4, 8}, 0.5, 3},
		{"one value", []float64{7}, 0.3, 7},
		{"smallest", []float64{1, 2}, 0, 1},
		{"largest", []float64{1, 2}, 1, 2},
		{"range beyond the largest number", []float64{-math.MaxFloat64, math.MaxFloat64}, 0.75, math.MaxFloat64 / 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := forecast.Quantile7(c.x, c.p); math.Abs(got-c.want) > 1e-15*math.Abs(c.want)*2 {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestQuantile7Panics(t *testing.T) {
	for name, f := range map[string]func(){
		"no values": func() { forecast.Quantile7(nil, 0.5) },
		"p above 1": func() { forecast.Quantile7([]float64{1}, 1.01) },
		"p NaN":     func() { forecast.Quantile7([]float64{1}, math.NaN()) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("did not panic")
				}
			}()
			f()
		})
	}
}

// Quantiles lie within the sample, grow with p and turn round when the sample is
// mirrored.
func TestQuantile7Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 60).Draw(t, "x")
		slices.Sort(x)
		p := rapid.SliceOfN(rapid.Float64Range(0, 1), 2, 20).Draw(t, "p")
		slices.Sort(p)
		mirror := make([]float64, len(x))
		for i, v := range x {
			mirror[len(x)-1-i] = -v
		}
		before := math.Inf(-1)
		for _, p := range p {
			q := forecast.Quantile7(x, p)
			if q < x[0] || q > x[len(x)-1] || q < before {
				t.Fatalf("quantile %v is %v; it was %v before", p, q, before)
			}
			if m := -forecast.Quantile7(mirror, 1-p); math.Abs(m-q) > 1e-4 { // 1-p is rounded
				t.Fatalf("quantile %v is %v, mirrored %v", p, q, m)
			}
			before = q
		}
		q := forecast.Empirical(x)
		if err := q.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNormal(t *testing.T) {
	q := forecast.Normal(0, 1)
	for i, p := range forecast.Probabilities {
		if p := 1 - p; q[i] != 0 && math.Abs(0.5*math.Erfc(q[i]/math.Sqrt2)-p) > 1e-15 {
			t.Errorf("quantile %v: %v has probability %v above it", forecast.Probabilities[i], q[i], 0.5*math.Erfc(q[i]/math.Sqrt2))
		}
		if q[i] != -q[forecast.Levels-1-i] {
			t.Errorf("quantile %v is not symmetric", forecast.Probabilities[i])
		}
	}
	// qnorm(0.95) of R 4.2.2 prints 1.644853626951473 with 16 digits.
	if math.Abs(q[forecast.Q95]-1.644853626951473) > 1e-15 {
		t.Errorf("95 %% quantile is %v", q[forecast.Q95])
	}
	if s := forecast.Normal(3, 2); s[forecast.Q50] != 3 || s[forecast.Q95] != 3+2*q[forecast.Q95] {
		t.Errorf("N(3, 4) has median %v and 95 %% quantile %v", s[forecast.Q50], s[forecast.Q95])
	}
}

func TestValidate(t *testing.T) {
	good := forecast.Normal(0, 1)
	change := func(i int, v float64) forecast.Quantiles {
		q := good
		q[i] = v
		return q
	}
	cases := []struct {
		name string
		q    forecast.Quantiles
		ok   bool
	}{
		{"normal", good, true},
		{"all equal", forecast.Quantiles{}, true},
		{"crossing", change(5, 1), false},
		{"NaN", change(0, math.NaN()), false},
		{"infinite", change(22, math.Inf(1)), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if err := c.q.Validate(); (err == nil) != c.ok {
				t.Errorf("Validate gave %v", err)
			}
		})
	}
}

func TestPrice(t *testing.T) {
	p := forecast.Prediction{Point: 0, Quantiles: forecast.Normal(0, 0.01)}
	point, q := p.Price(200)
	if point != 200 {
		t.Errorf("a log return of 0 moved the price to %v", point)
	}
	if want := 200 * math.Exp(0.01*1.6448536269514726); math.Abs(q[forecast.Q95]-want) > 1e-12 {
		t.Errorf("95 %% quantile is %v, want %v", q[forecast.Q95], want)
	}
	if err := q.Validate(); err != nil {
		t.Error(err)
	}
}
