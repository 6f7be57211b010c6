package rangevol

import (
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/rangevar"
)

// numFeatures is the number of features, the constant included.
const numFeatures = 11

// spreads are typical standard deviations of the features over markets: the unit in
// which the prior is loose or tight.
var spreads = [numFeatures]float64{1, 1, 0.75, 0.4, 0.35, 0.6, 0.35, 0.6, 0.35, 0.2, 0.6}

// The half-lives of the means of variance, in bars.
var halfLives = [...]float64{1, 4, 16, 64, 250}

const (
	base      = 2 // of halfLives: what the others are relative to
	floorHalf = 22
	closeHalf = 12
)

var (
	decays     [len(halfLives)]float64
	decayFloor = math.Exp2(-1.0 / floorHalf)
	decayClose = math.Exp2(-1.0 / closeHalf)
	decay4     = math.Exp2(-1.0 / 4)
	decay20    = math.Exp2(-1.0 / 20)
)

func init() {
	for i, h := range halfLives {
		decays[i] = math.Exp2(-1 / h)
	}
}

// features follow one series.
type features struct {
	level   rangevar.Mean // of variances, half-life 22: the floor under each
	means   [len(halfLives)]rangevar.Mean
	squares rangevar.Mean // of squared returns
	z4, z20 rangevar.Mean // of standardised returns
	row     [numFeatures]float64
	valid   bool
}

// update learns the newest bar and sets row to the features there.
func (f *features) update(in *rangevar.Input) {
	v, r := in.Variance, in.Adjusted
	z := 0.0
	if e := f.means[base].Value(); e > 0 {
		z = r / math.Sqrt(e)
	}
	f.level.Add(v, decayFloor)
	level := f.level.Value()
	v = math.Max(v, 0.05*level)
	for i := range f.means {
		f.means[i].Add(v, decays[i])
	}
	f.squares.Add(float64(r*r), decayClose)
	f.valid = level > 1e-18
	if !f.valid {
		return
	}
	f.z4.Add(z, decay4)
	f.z20.Add(z, decay20)
	var e [len(halfLives)]float64
	for i := range e {
		e[i] = math.Log(f.means[i].Value())
	}
	b := e[base]
	f.row = [numFeatures]float64{
		1, b, e[0] - b, e[1] - b, e[3] - b, e[4] - b,
		math.Log(f.squares.Value()+1e-3*level) - b,
		math.Min(math.Max(-z, 0), 4),
		-math.Min(math.Max(f.z4.Value(), -2), 2),
		-math.Min(math.Max(f.z20.Value(), -2), 2),
		math.Min(math.Abs(z), 4),
	}
}

func (f *features) persist(a *forecast.Archive) {
	for _, m := range []*rangevar.Mean{&f.level, &f.squares, &f.z4, &f.z20} {
		m.Persist(a)
	}
	for i := range f.means {
		f.means[i].Persist(a)
	}
	a.Array(f.row[:])
	a.Bool(&f.valid)
}
