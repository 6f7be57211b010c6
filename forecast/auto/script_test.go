package auto_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/auto"
	"github.com/foretick/foretick/market"
)

// script is an expert whose answers are written down: those of names at a bar, for a horizon.
type script struct {
	name  string
	names int
	say   func(bar, horizon, name int) (forecast.Quantiles, error)
	fails error // of its estimations
}

func (s script) Name() string { return s.name }

func (s script) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	return forecast.FitFollower(ctx, s, w)
}

func (s script) Follow(forecast.Setting) forecast.State {
	a := actor{script: s, bar: -1}
	if s.names > 1 {
		return &chorus{a}
	}
	return &a
}

// expert is the script in a pool, with the given prior weight of each name.
func (s script) expert(weight float64) auto.Expert {
	e := auto.Expert{Model: s}
	for k := range max(s.names, 1) {
		e.Names = append(e.Names, fmt.Sprint(s.name, k))
		e.Weights = append(e.Weights, weight)
	}
	return e
}

type actor struct {
	script
	bar     int // the newest
	version int // estimations
}

func (a *actor) Update(forecast.Window) { a.bar++ }

// Refit does not look at the context: the pool must.
func (a *actor) Refit(context.Context) error {
	if a.fails == nil {
		a.version++
	}
	return a.fails
}

func (a *actor) Predict(_ forecast.Window, h int) (p forecast.Prediction, err error) {
	p.Quantiles, err = a.say(a.bar, h, 0)
	return p, err
}

func (a *actor) Encode() ([]byte, error) {
	return fmt.Appendf(nil, "%s %d", a.name, a.version), a.fails
}

func (a *actor) Adopt(from forecast.State) { a.version = from.(*actor).version }

func (a *actor) Persist(w *forecast.Archive) {
	w.Int(&a.bar)
	w.Int(&a.version)
}

// chorus answers in several ways at once.
type chorus struct{ actor }

func (c *chorus) PredictMany(dst []forecast.Prediction, _ forecast.Window, h int) ([]forecast.Prediction, error) {
	var failed error
	for k := range c.names {
		q, err := c.say(c.bar, h, k)
		dst = append(dst, forecast.Prediction{Quantiles: q})
		failed = errors.Join(failed, err)
	}
	return dst, failed
}

// normal says the same at every bar: normal, with its mean and deviation growing with the
// horizon.
func normal(mean, sd float64) func(bar, horizon, name int) (forecast.Quantiles, error) {
	return func(_, h, _ int) (forecast.Quantiles, error) {
		return forecast.Normal(mean*float64(h), sd*math.Sqrt(float64(h))), nil
	}
}

// moody draws an expert that sees volatility in its own way, changes its mind, is silent at
// times, and now and then answers what is no answer.
func moody(t *rapid.T, name string, badly bool) script {
	seed := rapid.Uint64().Draw(t, name+"'s seed")
	sd := math.Pow(10, rapid.Float64Range(-3, -1).Draw(t, "log10 of "+name+"'s spread"))
	silent := rapid.Float64Range(0, 0.6).Draw(t, name+"'s silence")
	return script{name: name, say: func(bar, h, _ int) (forecast.Quantiles, error) {
		r := rand.New(rand.NewPCG(seed, uint64(bar/20*100+h))) // for twenty bars of one mind
		q := forecast.Normal(sd*r.NormFloat64()/4, sd*math.Exp(r.NormFloat64()/4)*math.Sqrt(float64(h)))
		if r.Float64() < silent {
			if badly && r.Float64() < 0.5 {
				q[3+r.IntN(15)] = []float64{math.NaN(), math.Inf(1), -1}[r.IntN(3)]
				return q, nil
			}
			return q, fmt.Errorf("%w: it is silent", forecast.ErrTooShort)
		}
		return q, nil
	}}
}

// draw is a market of n bars whose returns have deviation sd, as closes only.
func draw(seed uint64, n int, sd float64) []market.Bar {
	rng := rand.New(rand.NewPCG(seed, 1))
	list := make([]market.Bar, n)
	p := 100.0
	for i := range list {
		p *= math.Exp(sd * rng.NormFloat64())
		start := market.Time(i) * market.Time(market.Day.Duration().Microseconds())
		list[i] = market.Bar{Start: start, End: market.Day.End(start), Open: p, High: p, Low: p, Close: p}
	}
	return list
}

// at is the window at bar i of list, of few bars: the pool needs no more.
func at(list []market.Bar, i int) forecast.Window {
	return forecast.NewWindow(market.Day, list[max(0, i-3):i+1])
}

func follow(m auto.Model, horizons ...int) forecast.State {
	return m.Follow(forecast.Setting{Interval: market.Day, Horizons: horizons})
}
