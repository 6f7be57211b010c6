package forecasttest

import (
	"math"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// breaks checks that a state of f learns nothing from a break. It follows bars whose prices
// are cut to a seventh at one bar and times ten at another, each announced by Window.Break,
// and must say what it says of the bars as they are, but for what rounding does; and go on to
// the last bit when it is written and read back soon after a break. A model whose returns
// depend on the unit of prices cannot pass.
func breaks(t *testing.T, f forecast.Follower, bars []market.Bar) {
	const first, second = 705, 1108
	at := []forecast.Break{{Start: bars[first].Start, Factor: 1.0 / 7}, {Start: bars[second].Start, Factor: 10}}
	traded := make([]market.Bar, len(bars))
	for i, b := range bars {
		k := 1.0
		if i >= first {
			k *= at[0].Factor
		}
		if i >= second {
			k *= at[1].Factor
		}
		b.Open, b.High, b.Low, b.Close, b.Volume = b.Open*k, b.High*k, b.Low*k, b.Close*k, b.Volume/k
		traded[i] = b
	}
	room := make([]market.Bar, 0, 1024)
	seen := func(i int) forecast.Window {
		switch w := window(forecast.Splice(room, traded[max(0, i-1023):i+1], at)); i {
		case first:
			return w.WithBreak(at[0].Factor)
		case second:
			return w.WithBreak(at[1].Factor)
		default:
			return w
		}
	}
	whole, broken := f.Follow(setting), f.Follow(setting)
	var copied forecast.State
	for i := range bars {
		now := seen(i)
		whole.Update(upTo(bars, i))
		broken.Update(now)
		if copied != nil {
			copied.Update(now)
		}
		if i%50 == 49 && i > 400 {
			for _, s := range []forecast.State{whole, broken, copied} {
				if s == nil {
					continue
				}
				if err := s.Refit(t.Context()); err != nil {
					t.Fatalf("Refit at bar %d: %v", i, err)
				}
			}
		}
		if i == first+13 || i == second+7 {
			w := forecast.NewArchive()
			broken.Persist(w)
			copied = f.Follow(setting)
			r := forecast.ReadArchive(w.Bytes())
			copied.Persist(r)
			if err := r.Close(); err != nil {
				t.Fatalf("at bar %d: %v", i, err)
			}
		}
		if i < first-1 || i%9 > 0 && i != first && i != second {
			continue
		}
		for _, h := range setting.Horizons {
			want, err := whole.Predict(upTo(bars, i), h)
			got, err2 := broken.Predict(now, h)
			if err != nil || err2 != nil {
				t.Fatalf("bar %d, horizon %d: %v, without breaks %v", i, h, err2, err)
			}
			for k := range got.Quantiles {
				if d := math.Abs(got.Quantiles[k] - want.Quantiles[k]); !(d <= sameUnits*(0.01+math.Abs(want.Quantiles[k]))) {
					t.Fatalf("bar %d, horizon %d: breaks move quantile %v from %v by %g", i, h, forecast.Probabilities[k], want.Quantiles[k], d)
				}
			}
			if d := math.Abs(got.Point - want.Point); !(d <= sameUnits*(0.01+math.Abs(want.Point))) {
				t.Fatalf("bar %d, horizon %d: breaks move the point from %v by %g", i, h, want.Point, d)
			}
			if copied == nil {
				continue
			}
			if p, err := copied.Predict(now, h); err != nil || !same(&p, &got) {
				t.Fatalf("bar %d, horizon %d: written and read it says %v %v, want %v", i, h, p, err, got)
			}
		}
	}
}
