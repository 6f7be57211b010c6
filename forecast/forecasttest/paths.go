package forecasttest

import (
	"context"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
)

// stretches are what a random path is made of. Each adds a bar to a path whose moves are
// about sd; bar counts from 0.
var stretches = []struct {
	name string
	play func(p *tape, sd float64, bar int)
}{
	{"a walk", func(p *tape, sd float64, _ int) { p.walk(sd) }},
	{"still", func(p *tape, _ float64, _ int) { p.still() }},
	{"still in most bars", func(p *tape, sd float64, bar int) {
		if bar%7 == 3 {
			p.walk(sd)
			return
		}
		p.still()
	}},
	{"rising", func(p *tape, sd float64, _ int) { p.move(sd, sd) }},
	{"falling", func(p *tape, sd float64, _ int) { p.move(-sd, sd) }},
	{"up and down in turn", func(p *tape, sd float64, bar int) { p.move(sd*float64(1-bar%2*2), sd) }},
	{"one price a bar", func(p *tape, sd float64, _ int) {
		p.price *= math.Exp(sd * p.deal())
		p.still()
	}},
	{"a jump first", func(p *tape, sd float64, bar int) {
		if bar == 0 {
			p.price *= math.Pow(10, 24*p.rand.Float64()-12)
		}
		p.walk(sd)
	}},
}

// drawStretches adds up to 320 bars to p: stretches in which the price walks, stands, trends
// or jumps, each with a volatility of its own around one of the path.
func drawStretches(t *rapid.T, p *tape) {
	around := rapid.Float64Range(-9, -0.5).Draw(t, "log10 of the step")
	for range rapid.IntRange(0, 8).Draw(t, "stretches") {
		s := stretches[rapid.IntRange(0, len(stretches)-1).Draw(t, "kind")]
		sd := math.Pow(10, min(around+rapid.Float64Range(-2, 2).Draw(t, "log10 of its share"), 0))
		for bar := range rapid.IntRange(1, 40).Draw(t, "bars") {
			s.play(p, sd, bar)
		}
	}
}

// random asks for forecasts on random paths. Half of them begin with calm bars, since many
// models need a few hundred; and half are asked of a model fitted on a calm path, which
// costs less than to fit one.
func random(t *testing.T, f forecast.Forecaster) {
	p := newTape(11)
	for range enough {
		p.walk(sigma)
	}
	calm := mustFit(t, f, window(p.bars))
	rapid.Check(t, func(t *rapid.T) {
		p := newTape(rapid.Uint64().Draw(t, "seed"))
		if rapid.Bool().Draw(t, "calm before") {
			for range 320 {
				p.walk(sigma)
			}
		}
		drawStretches(t, p)
		w, fitted := window(p.bars), calm
		if rapid.Bool().Draw(t, "fitted on it") {
			var err error
			if fitted, err = f.Fit(context.Background(), w); err != nil {
				if !isData(err) {
					t.Fatal(err)
				}
				return
			}
		}
		if err := all(fitted, w); err != nil && !isData(err) {
			t.Fatal(err)
		}
	})
}

// wander takes a state along random paths, and asks after each bar.
func wander(t *testing.T, f forecast.Follower) {
	rapid.Check(t, func(t *rapid.T) {
		p := newTape(rapid.Uint64().Draw(t, "seed"))
		for range 120 {
			p.walk(sigma)
		}
		drawStretches(t, p)
		early := rapid.IntRange(0, len(p.bars)-1).Draw(t, "estimated after bar")
		s := f.Follow(setting)
		for i := range p.bars {
			w := upTo(p.bars, i)
			s.Update(w)
			if i == early || i == len(p.bars)-1 {
				if err := s.Refit(context.Background()); err != nil && !isData(err) {
					t.Fatalf("Refit after %d bars: %v", i+1, err)
				}
			}
			for _, h := range setting.Horizons {
				p, err := s.Predict(w, h)
				if err == nil {
					err = valid(&p)
				}
				if err != nil && !isData(err) {
					t.Fatalf("after %d bars, horizon %d: %v", i+1, h, err)
				}
			}
		}
	})
}
