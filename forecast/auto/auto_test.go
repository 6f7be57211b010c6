package auto_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/auto"
	"github.com/foretick/foretick/market"
)

// fixed is an expert that always says the same.
type fixed struct {
	name string
	q    forecast.Quantiles
	err  error
}

func (f fixed) Name() string { return f.name }
func (f fixed) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	return forecast.FitFollower(ctx, f, w)
}
func (f fixed) Follow(forecast.Setting) forecast.State { return &state{f} }

type state struct{ fixed }

func (s *state) Update(forecast.Window)      {}
func (s *state) Refit(context.Context) error { return s.err }
func (s *state) Encode() ([]byte, error)     { return []byte(s.name), nil }
func (s *state) Adopt(forecast.State)        {}
func (s *state) Persist(a *forecast.Archive) {}
func (s *state) Predict(forecast.Window, int) (forecast.Prediction, error) {
	return forecast.Prediction{Quantiles: s.q}, s.err
}

func expert(f fixed, weight float64) auto.Expert {
	return auto.Expert{Model: f, Names: []string{f.name}, Weights: []float64{weight}}
}

// market draws normal returns of 1 %.
func bars(seed uint64, n int) []market.Bar {
	rng := rand.New(rand.NewPCG(seed, 1))
	const day = market.Time(24 * time.Hour / time.Microsecond)
	list := make([]market.Bar, n)
	p := 100.0
	for i := range list {
		p *= math.Exp(0.01 * rng.NormFloat64())
		list[i] = market.Bar{Start: market.Time(i) * day, End: market.Time(i+1) * day, Open: p, High: p, Low: p, Close: p}
	}
	return list
}

func shares(s forecast.State, h int) map[string]float64 {
	m := map[string]float64{}
	for _, x := range s.(forecast.Combined).Shares(h) {
		m[x.Expert] = x.Weight
	}
	return m
}

// Weights stay those given until enough outcomes are known; then the expert that is
// right takes over, at every horizon; and the pool is the weighted mean of quantiles.
func TestWeightsGoToWhoIsRight(t *testing.T) {
	right, wide, narrow := fixed{"right", forecast.Normal(0, 0.01), nil}, fixed{"wide", forecast.Normal(0, 0.03), nil}, fixed{"narrow", forecast.Normal(0, 0.003), nil}
	m := auto.New(expert(wide, 2), expert(right, 1), expert(narrow, 1))
	list := bars(1, 1500)
	s := m.Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1}})
	for i := range list {
		w := forecast.NewWindow(market.Day, list[:i+1])
		s.Update(w)
		if i == 0 {
			continue
		}
		p, err := s.Predict(w, 1)
		if err != nil {
			t.Fatal(err)
		}
		x := shares(s, 1)
		for l := range p.Quantiles {
			want := x["wide"]*wide.q[l] + x["right"]*right.q[l] + x["narrow"]*narrow.q[l]
			if math.Abs(p.Quantiles[l]-want) > 1e-12 {
				t.Fatalf("bar %d, quantile %d: %v, want %v", i, l, p.Quantiles[l], want)
			}
		}
		if i <= 50 && (x["wide"] != 0.5 || x["right"] != 0.25) {
			t.Fatalf("after %d outcomes the weights are %v", i-1, x)
		}
	}
	x := shares(s, 1)
	// A mixture of wide and narrow can be as right as right itself: what counts is where
	// the pool ends up.
	p, err := s.Predict(forecast.NewWindow(market.Day, list), 1)
	if err != nil {
		t.Fatal(err)
	}
	if sd := p.Quantiles[forecast.Q95] / 1.6448536; math.Abs(sd-0.01) > 0.0015 {
		t.Errorf("the pool has a spread of %.4f, the market 0.01 (weights %v)", sd, x)
	}
	if x["wide"] >= 0.5 {
		t.Errorf("the expert that is too wide still has %v", x["wide"])
	}
}

// An expert that abstains is left out, and its share with it; when all do, so does the
// pool, with the reason.
func TestAbstentions(t *testing.T) {
	silent := fixed{"silent", forecast.Normal(0, 1), fmt.Errorf("%w: on purpose", forecast.ErrTooShort)}
	right := fixed{"right", forecast.Normal(0, 0.01), nil}
	list := bars(2, 200)
	run := func(m auto.Model) (forecast.State, forecast.Prediction, error) {
		s := m.Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1}})
		for i := range list {
			s.Update(forecast.NewWindow(market.Day, list[:i+1]))
		}
		p, err := s.Predict(forecast.NewWindow(market.Day, list), 1)
		return s, p, err
	}
	s, p, err := run(auto.New(expert(silent, 3), expert(right, 1)))
	if err != nil {
		t.Fatal(err)
	}
	for l := range p.Quantiles {
		if math.Abs(p.Quantiles[l]-right.q[l]) > 1e-15 {
			t.Errorf("quantile %d is %v, want %v", l, p.Quantiles[l], right.q[l])
		}
	}
	if x := shares(s, 1); len(x) != 1 || x["right"] != 1 {
		t.Errorf("shares %v", x)
	}
	if err := s.Refit(t.Context()); err != nil {
		t.Errorf("one expert could be estimated, and yet: %v", err)
	}
	s, _, err = run(auto.New(expert(silent, 1)))
	if !errors.Is(err, forecast.ErrTooShort) {
		t.Errorf("got %v", err)
	}
	if err := s.Refit(t.Context()); !errors.Is(err, forecast.ErrTooShort) {
		t.Errorf("got %v", err)
	}
}

func TestOptions(t *testing.T) {
	for name, m := range map[string]auto.Model{
		"no experts": auto.New(), "no model": auto.New(auto.Expert{Names: []string{"x"}, Weights: []float64{1}}),
		"names and weights": auto.New(auto.Expert{Model: fixed{name: "x"}, Names: []string{"x"}}),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was accepted")
				}
			}()
			m.Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1}})
		})
	}
}

// A pool that is far too narrow for longer is widened; one that is right keeps its bits.
func TestDriftIsCorrected(t *testing.T) {
	list := bars(3, 1500)
	at := func(sd float64) forecast.Prediction {
		s := auto.New(expert(fixed{"only", forecast.Normal(0, sd), nil}, 1)).Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1}})
		for i := range list {
			s.Update(forecast.NewWindow(market.Day, list[:i+1]))
		}
		p, err := s.Predict(forecast.NewWindow(market.Day, list), 1)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := at(0.01); math.Abs(p.Quantiles[forecast.Q95]-0.016448536) > 1e-9 {
		t.Errorf("nothing has drifted, and the 95 %% quantile is %v", p.Quantiles[forecast.Q95])
	}
	if p := at(0.007); math.Abs(p.Quantiles[forecast.Q95]-0.01645) > 0.0016 || math.Abs(p.Quantiles[forecast.Q05]+0.01645) > 0.0016 {
		t.Errorf("the interval of a forecaster of 0.7 %% is %v to %v", p.Quantiles[forecast.Q05], p.Quantiles[forecast.Q95])
	}
}
