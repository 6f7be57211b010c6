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

// mean is an exponentially weighted mean, bias-corrected at the start.
type mean struct{ sum, weight float64 }

func (m *mean) add(x, decay float64) {
	m.sum = float64(decay*m.sum) + x
	m.weight = float64(decay*m.weight) + 1
}

func (m *mean) value() float64 { return m.sum / m.weight }

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
	level   mean // of variances, half-life 22: the floor under each
	means   [len(halfLives)]mean
	squares mean // of squared returns
	z4, z20 mean // of standardised returns
	row     [numFeatures]float64
	valid   bool
}

// update learns the newest bar and sets row to the features there.
func (f *features) update(in *rangevar.Input) {
	v, r := in.Variance, in.Adjusted
	z := 0.0
	if e := f.means[base].value(); e > 0 {
		z = r / math.Sqrt(e)
	}
	f.level.add(v, decayFloor)
	level := f.level.value()
	v = math.Max(v, 0.05*level)
	for i := range f.means {
		f.means[i].add(v, decays[i])
	}
	f.squares.add(float64(r*r), decayClose)
	f.valid = level > 1e-18
	if !f.valid {
		return
	}
	f.z4.add(z, decay4)
	f.z20.add(z, decay20)
	var e [len(halfLives)]float64
	for i := range e {
		e[i] = math.Log(f.means[i].value())
	}
	b := e[base]
	f.row = [numFeatures]float64{
		1, b, e[0] - b, e[1] - b, e[3] - b, e[4] - b,
		math.Log(f.squares.value()+1e-3*level) - b,
		math.Min(math.Max(-z, 0), 4),
		-math.Min(math.Max(f.z4.value(), -2), 2),
		-math.Min(math.Max(f.z20.value(), -2), 2),
		math.Min(math.Abs(z), 4),
	}
}

func (f *features) persist(a *forecast.Archive) {
	for _, m := range []*mean{&f.level, &f.squares, &f.z4, &f.z20} {
		a.Float(&m.sum, &m.weight)
	}
	for i := range f.means {
		a.Float(&f.means[i].sum, &f.means[i].weight)
	}
	a.Array(f.row[:])
	a.Bool(&f.valid)
}
