package neural

import (
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/rangevar"
	"github.com/foretick/foretick/market"
)

// numInputs is the number of inputs that a Model reads a bar.
const numInputs = 8

// InputNames say what the inputs of a row are, in order. Variances are those of package
// rangevar: from the whole range of a bar, with its season taken out.
var InputNames = [numInputs]string{
	"return over the volatility before it",
	"log range-based volatility, relative to that before it",
	"log volatility of half-life 4 bars, relative to 16",
	"log volatility of half-life 64 bars, relative to 16",
	"log volatility of half-life 250 bars, relative to 16",
	"log volume, relative to its mean of half-life 22",
	"sine of the place of the next bar in the week or day",
	"cosine of the same",
}

// The half-lives, in bars, of the means of variance and volume.
var (
	decay4, decay16, decay64, decay250 = half(4), half(16), half(64), half(250)
	decay22                            = half(22)
)

func half(bars float64) float64 { return math.Exp2(-1 / bars) }

// settled is the number of returns after which the inputs are fit to learn from.
const settled = 60

// inputs follow one series and make a row of each bar.
type inputs struct {
	in     *rangevar.Input
	level  rangevar.Mean // of variances, the floor under each
	means  [4]rangevar.Mean
	volume rangevar.Mean

	row  [numInputs]float64
	base float64 // the variance of one bar by the mean of half-life 16: what outputs are relative to
	got  bool    // the newest bar gave a return
	ok   bool    // and row is valid
}

func newInputs(i market.Interval) *inputs { return &inputs{in: rangevar.New(i)} }

// update takes the newest bar of w and reports whether it gave a row.
func (f *inputs) update(w forecast.Window) bool {
	f.ok = false
	if k := w.Break(); k != 1 {
		f.volume.Shift(-math.Log(k)) // there are more shares of a lower price
	}
	if f.got = f.in.Update(w); !f.got {
		return false
	}
	v, before := f.in.Variance, f.base
	f.level.Add(v, decay22)
	level := f.level.Value()
	v = math.Max(v, 0.05*level)
	for i, d := range [...]float64{decay16, decay4, decay64, decay250} {
		f.means[i].Add(v, d)
	}
	f.base = f.means[0].Value()
	if !(level > 1e-18) || !(before > 1e-18) {
		return false
	}
	lf := func(x float64) float64 { return 0.5 * math.Log(x) }
	base := lf(f.base)
	vol := 0.0
	if x := w.Bar(w.Len() - 1).Volume; x > 0 && x <= math.MaxFloat64 {
		l := math.Log(x)
		f.volume.Add(l, decay22)
		vol = l - f.volume.Value()
	}
	sin, cos := phase(w)
	f.row = [numInputs]float64{
		clip(f.in.Adjusted/math.Sqrt(before), 6), clip(lf(v)-lf(before), 4),
		lf(f.means[1].Value()) - base, lf(f.means[2].Value()) - base, lf(f.means[3].Value()) - base,
		clip(vol, 4), sin, cos,
	}
	f.ok = true
	return true
}

func clip(x, most float64) float64 { return math.Max(-most, math.Min(most, x)) }

// phase is where the next bar lies on the circle of a week (daily bars) or of a day
// (shorter ones); (0, 0) for longer bars.
func phase(w forecast.Window) (sin, cos float64) {
	const day = 24 * 3600 * 1_000_000
	d := w.Interval().Duration().Microseconds()
	start, round := int64(w.Target(1).Start), int64(day)
	switch {
	case d > day:
		return 0, 0
	case d == day:
		round = 7 * day
	}
	at := start % round
	if at < 0 {
		at += round
	}
	return math.Sincos(2 * math.Pi * float64(at) / float64(round))
}

// persist carries everything to and from a.
func (f *inputs) persist(a *forecast.Archive) {
	f.in.Persist(a)
	f.level.Persist(a)
	for i := range f.means {
		f.means[i].Persist(a)
	}
	f.volume.Persist(a)
	a.Array(f.row[:])
	a.Float(&f.base)
	a.Bool(&f.got)
	a.Bool(&f.ok)
}
