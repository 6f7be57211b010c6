package auto_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/auto"
	"github.com/foretick/foretick/market"
)

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
	m := auto.New(script{name: "wide", say: normal(0, 0.03)}.expert(2), script{name: "right", say: normal(0, 0.01)}.expert(1), script{name: "narrow", say: normal(0, 0.003)}.expert(1))
	wide, right, narrow := forecast.Normal(0, 0.03), forecast.Normal(0, 0.01), forecast.Normal(0, 0.003)
	list := draw(1, 1500, 0.01)
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
			want := x["wide0"]*wide[l] + x["right0"]*right[l] + x["narrow0"]*narrow[l]
			if math.Abs(p.Quantiles[l]-want) > 1e-12 {
				t.Fatalf("bar %d, quantile %d: %v, want %v", i, l, p.Quantiles[l], want)
			}
		}
		if i <= 50 && (x["wide0"] != 0.5 || x["right0"] != 0.25) {
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
	if x["wide0"] >= 0.5 {
		t.Errorf("the expert that is too wide still has %v", x["wide0"])
	}
}

// An expert that abstains is left out, and its share with it; when all do, so does the
// pool, with the reason.
func TestAbstentions(t *testing.T) {
	onPurpose := fmt.Errorf("%w: on purpose", forecast.ErrTooShort)
	silent := script{name: "silent", fails: onPurpose, say: func(int, int, int) (q forecast.Quantiles, err error) { return q, onPurpose }}
	right := script{name: "right", say: normal(0, 0.01)}
	list := draw(2, 200, 0.01)
	run := func(m auto.Model) (forecast.State, forecast.Prediction, error) {
		s := m.Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1}})
		for i := range list {
			s.Update(forecast.NewWindow(market.Day, list[:i+1]))
		}
		p, err := s.Predict(forecast.NewWindow(market.Day, list), 1)
		return s, p, err
	}
	s, p, err := run(auto.New(silent.expert(3), right.expert(1)))
	if err != nil {
		t.Fatal(err)
	}
	for l, want := range forecast.Normal(0, 0.01) {
		if math.Abs(p.Quantiles[l]-want) > 1e-15 {
			t.Errorf("quantile %d is %v, want %v", l, p.Quantiles[l], want)
		}
	}
	if x := shares(s, 1); len(x) != 1 || x["right0"] != 1 {
		t.Errorf("shares %v", x)
	}
	if err := s.Refit(t.Context()); err != nil {
		t.Errorf("one expert could be estimated, and yet: %v", err)
	}
	s, _, err = run(auto.New(silent.expert(1)))
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
		"names and weights": auto.New(auto.Expert{Model: script{name: "x"}, Names: []string{"x"}}),
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
	list := draw(3, 1500, 0.01)
	at := func(sd float64) forecast.Prediction {
		s := auto.New(script{name: "only", say: normal(0, sd)}.expert(1)).Follow(forecast.Setting{Interval: market.Day, Horizons: []int{1}})
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
