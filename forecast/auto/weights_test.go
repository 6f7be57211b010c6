package auto_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/auto"
	"github.com/foretick/foretick/forecast/conformal"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Whatever experts say or do not say: the weights of those that speak sum to one, the others
// have none, and the forecast is valid; it is missing only when all of them are silent.
func TestWeightsAreShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := auto.New()
		m.Learn = rapid.IntRange(0, 40).Draw(t, "outcomes before weights move")
		experts := map[string]script{}
		for k := range rapid.IntRange(1, 4).Draw(t, "experts") {
			s := moody(t, string(rune('a'+k)), true)
			experts[s.name+"0"] = s
			m.Experts = append(m.Experts, s.expert(rapid.Float64Range(0.01, 10).Draw(t, "weight")))
		}
		horizons := []int{1, 4}
		list := draw(rapid.Uint64().Draw(t, "market"), 150, 0.01)
		s := follow(m, horizons...)
		for i := range list {
			s.Update(at(list, i))
			if i == 0 {
				continue
			}
			for _, h := range horizons {
				speak := 0
				for _, e := range experts {
					if q, err := e.say(i, h, 0); err == nil && q.Validate() == nil {
						speak++
					}
				}
				list := s.(forecast.Combined).Shares(h)
				total := 0.0
				for _, x := range list {
					q, err := experts[x.Expert].say(i, h, 0)
					if err != nil || q.Validate() != nil || !(x.Weight >= 0 && x.Weight <= 1) {
						t.Fatalf("bar %d, horizon %d: %s has weight %v and says %v, %v", i, h, x.Expert, x.Weight, q, err)
					}
					total += x.Weight
				}
				p, err := s.Predict(forecast.Window{}, h)
				switch {
				case len(list) != speak:
					t.Fatalf("bar %d, horizon %d: shares %v of %d experts that speak", i, h, list, speak)
				case speak == 0 && err == nil:
					t.Fatalf("bar %d, horizon %d: nobody speaks, the pool says %v", i, h, p)
				case speak > 0 && (err != nil || p.Quantiles.Validate() != nil || math.Abs(total-1) > 1e-12):
					t.Fatalf("bar %d, horizon %d: %v, %v from shares %v", i, h, p, err, list)
				}
			}
		}
	})
}

// Weights and forecasts are those of the formulas, at every horizon and with experts that
// come and go.
func TestWeightsByDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := auto.New()
		m.Learn = rapid.IntRange(1, 60).Draw(t, "outcomes before weights move")
		var experts []script
		var prior []float64
		for k := range rapid.IntRange(1, 4).Draw(t, "experts") {
			experts = append(experts, moody(t, string(rune('a'+k)), false))
			prior = append(prior, rapid.Float64Range(0.1, 5).Draw(t, "weight"))
			m.Experts = append(m.Experts, experts[k].expert(prior[k]))
		}
		h := rapid.IntRange(1, 6).Draw(t, "horizon")
		list := draw(rapid.Uint64().Draw(t, "market"), rapid.IntRange(2, 200).Draw(t, "bars"), 0.01)
		s := follow(m, h)
		for i := range list {
			s.Update(at(list, i))
		}
		want := aggregate(h, m.Learn, prior, percent(list), conformal.Options{}, hundredfold(experts, h))
		p, err := s.Predict(forecast.Window{}, h)
		if (err == nil) != (want.stated != nil) {
			t.Fatalf("%v, by the formulas %v", err, want.stated)
		}
		if err != nil {
			return
		}
		if err := alike(&p, want.stated); err != nil {
			t.Fatal(err)
		}
		shares := shares(s, h)
		speaking := 0.0
		for k, e := range experts {
			if _, ok := shares[e.name+"0"]; ok {
				speaking += want.weights[k]
			}
		}
		for k, e := range experts {
			if got, ok := shares[e.name+"0"]; ok && math.Abs(got-want.weights[k]/speaking) > 1e-9 {
				t.Fatalf("%s has %v, by the formulas %v", e.name, got, want.weights[k]/speaking)
			}
		}
	})
}

// The pool pays for not knowing beforehand who is right, but no more than the theory of
// aggregation lets expect: over T outcomes its CRPS exceeds that of the best expert, whoever
// that is, by at most twice sqrt(ln K / T) of the market's spread.
func TestRegret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const bars, sd = 600, 0.01
		m := auto.New()
		var says []func(bar, horizon, name int) (forecast.Quantiles, error)
		for k := range rapid.IntRange(2, 5).Draw(t, "experts") {
			mean := sd * rapid.Float64Range(-1, 1).Draw(t, "bias")
			wide := sd * math.Pow(10, rapid.Float64Range(-0.7, 0.7).Draw(t, "log10 of the spread"))
			s := script{name: string(rune('a' + k)), say: normal(mean, wide)}
			says = append(says, s.say)
			m.Experts = append(m.Experts, s.expert(rapid.Float64Range(0.1, 1).Draw(t, "weight")))
		}
		list := draw(rapid.Uint64().Draw(t, "market"), bars, sd)
		s := follow(m, 1)
		losses := make([]float64, len(says)+1) // the last one is the pool's
		crps := func(q forecast.Quantiles, i int) float64 {
			_, price := (&forecast.Prediction{Quantiles: q}).Price(list[i].Close)
			return score.CRPS(&price, list[i].Close, list[i+1].Close)
		}
		for i := range bars - 1 {
			s.Update(at(list, i))
			if i == 0 {
				continue
			}
			p, err := s.Predict(forecast.Window{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			losses[len(says)] += crps(p.Quantiles, i)
			for k := range says {
				q, _ := says[k](i, 1, 0)
				losses[k] += crps(q, i)
			}
		}
		best := losses[0]
		for _, l := range losses[1:len(says)] {
			best = min(best, l)
		}
		regret := (losses[len(says)] - best) / (bars - 2) / (100 * sd)

		if most := 2 * math.Sqrt(math.Log(float64(len(says)))/(bars-2)); !(regret < most) {
			t.Fatalf("the pool loses %v of the spread a bar more than the best expert, at most %v is allowed (losses %v)", regret, most, losses)
		}
	})
}

// An expert that answers what is no answer costs the pool as much as one that abstains: its
// part at that bar.
func TestBadAnswersAreAbstentions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bad := moody(t, "bad", true)
		silent := bad
		silent.say = func(bar, h, k int) (forecast.Quantiles, error) {
			q, err := bad.say(bar, h, k)
			if err == nil {
				err = q.Validate()
			}
			return q, err
		}
		good := script{name: "good", say: normal(0, 0.01)}
		a, b := follow(auto.New(good.expert(1), bad.expert(2)), 1, 3), follow(auto.New(good.expert(1), silent.expert(2)), 1, 3)
		list := draw(rapid.Uint64().Draw(t, "market"), 200, 0.01)
		for i := range list {
			a.Update(at(list, i))
			b.Update(at(list, i))
			for _, h := range []int{1, 3} {
				p, err := a.Predict(forecast.Window{}, h)
				q, err2 := b.Predict(forecast.Window{}, h)
				if p != q || (err == nil) != (err2 == nil) {
					t.Fatalf("bar %d, horizon %d: %v %v, where the bad answers are left out %v %v", i, h, p, err, q, err2)
				}
			}
		}
	})
}

// An expert that falls silent for good leaves the others as they stand to each other, and
// what it had is theirs; when it speaks again it has what it had earned.
func TestSilenceAndReturn(t *testing.T) {
	const from, to = 200, 260
	away := script{name: "away", say: func(bar, h, _ int) (forecast.Quantiles, error) {
		q, _ := normal(0, 0.011)(bar, h, 0)
		if bar >= from && bar < to {
			return q, forecast.ErrDegenerate
		}
		return q, nil
	}}
	wide, narrow := script{name: "wide", say: normal(0, 0.03)}, script{name: "narrow", say: normal(0, 0.002)}
	s := follow(auto.New(away.expert(1), wide.expert(1), narrow.expert(1)), 1)
	list := draw(8, to+1, 0.01)
	var before, during map[string]float64
	for i := range list {
		s.Update(at(list, i))
		switch i {
		case from - 1:
			before = shares(s, 1)
		case from:
			during = shares(s, 1)
		}
	}
	if len(during) != 2 || math.Abs(during["wide0"]+during["narrow0"]-1) > 1e-12 {
		t.Errorf("shares %v after %v", during, before)
	}
	after := shares(s, 1)
	if !(after["away0"] > 0.8*before["away0"]) {
		t.Errorf("it had %v, and %v when it came back", before["away0"], after["away0"])
	}
}

// Of experts that are sure of one price nothing can be learnt, since the pool has no spread to
// measure regret in; weights stay what they were and numbers finite.
func TestNoSpread(t *testing.T) {
	sure := func(of func(bar int) float64) script {
		return script{name: "sure", say: func(bar, _, _ int) (forecast.Quantiles, error) { return forecast.Normal(of(bar), 0), nil }}
	}
	m := auto.New(sure(func(int) float64 { return 0 }).expert(1), sure(func(int) float64 { return 0.01 }).expert(3))
	m.Learn = 0
	s := follow(m, 1)
	list := draw(9, 100, 0.01)
	for i := range list {
		s.Update(at(list, i))
	}
	x := s.(forecast.Combined).Shares(1)
	if len(x) != 2 || x[0].Weight != 0.25 || x[1].Weight != 0.75 {
		t.Errorf("shares %v", x)
	}
	if p, err := s.Predict(forecast.Window{}, 1); err != nil || math.Abs(p.Point-0.0075) > 1e-15 {
		t.Errorf("%v, %v", p, err)
	}
}

// What is stated is the pool, through a conformal layer of its horizon that works: of
// experts that spread too little, and on daily bars also with what other series tell.
func TestLayerOnTop(t *testing.T) {
	experts := []script{{name: "a", say: normal(0, 0.006)}, {name: "b", say: normal(0.001, 0.007)}}
	list := draw(12, 1200, 0.01)
	prior := conformal.Prior{Spread: 0.1, Tilt: -0.2}
	m := auto.New(experts[0].expert(1), experts[1].expert(1))
	m.Daily = prior
	for name, c := range map[string]struct {
		interval market.Interval
		options  conformal.Options
	}{"days": {market.Day, conformal.Options{Prior: prior}}, "hours": {market.Hour, conformal.Options{}}} {
		t.Run(name, func(t *testing.T) {
			for _, h := range []int{1, 3} {
				s := m.Follow(forecast.Setting{Interval: c.interval, Horizons: []int{h}})
				for i := range list {
					s.Update(at(list, i))
				}
				p, err := s.Predict(forecast.Window{}, h)
				if err != nil {
					t.Fatal(err)
				}
				want := aggregate(h, m.Learn, []float64{1, 1}, percent(list), c.options, hundredfold(experts, h))
				if err := alike(&p, want.stated); err != nil {
					t.Errorf("horizon %d: %v", h, err)
				}
				pool := want.pools[len(list)-1]
				if wider := (want.stated[forecast.Q95] - want.stated[forecast.Q05]) / (pool[forecast.Q95] - pool[forecast.Q05]); !(wider > 1.2) {
					t.Errorf("horizon %d: the layer widens intervals %v times: it does nothing here", h, wider)
				}
			}
		})
	}
}
