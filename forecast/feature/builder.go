package feature

import (
	"math"

	"github.com/foretick/foretick/market"
)

const (
	// base is the place among decays of the volatility that all others are compared
	// with.
	base      = 2
	closeHalf = 12 // half-life of C
	// span is the longest return of a Row.
	span = 22
	// warm is how many returns come before the first row.
	warm = 30
	// most is the value of a clipped return.
	most = 4
	// mostVolume is that of the volume's surprise.
	mostVolume = 3
)

var (
	// decays belong to half-lives of 1, 4, 16, 64 and 250 bars.
	decays     = [...]float64{0.5, math.Exp2(-1.0 / 4), math.Exp2(-1.0 / 16), math.Exp2(-1.0 / 64), math.Exp2(-1.0 / 250)}
	decayClose = math.Exp2(-1.0 / closeHalf)
	rootSpan   = math.Sqrt(span)
	root5      = math.Sqrt(5)
)

// Builder follows one series and makes the row of each bar. Create it with NewBuilder;
// it is not safe for concurrent use.
type Builder struct {
	Input

	v, weight   [len(decays)]float64 // decayed sums of the variance, and of 1
	c, cw       float64              // the same of r², half-life 12
	tilt, sized float64              // the same of r|r| and r², half-life 16
	volume, vw  float64              // the same of log volume, half-life 22
	surprise    float64              // of the newest bar
	sums        [span + 1]float64    // cumulated returns, the newest at n modulo its length
}

// NewBuilder returns a builder on in, of which no bar has been seen.
func NewBuilder(in Input) *Builder { return &Builder{Input: in} }

// Update takes the next bar, whose close must be positive, and reports whether it has
// a row: the first 30 returns have none, nor do bars before the price has moved.
func (b *Builder) Update(bar *market.Bar) bool {
	b.learnVolume(bar.Volume)
	if !b.Input.Update(bar) {
		return false
	}
	r, v := b.Return, b.Floored
	for j, d := range decays {
		b.v[j] = float64(d*b.v[j]) + v
		b.weight[j] = float64(d*b.weight[j]) + 1
	}
	b.c = float64(decayClose*b.c) + float64(r*r)
	b.cw = float64(decayClose*b.cw) + 1
	b.tilt = float64(decays[base]*b.tilt) + float64(r*math.Abs(r))
	b.sized = float64(decays[base]*b.sized) + float64(r*r)
	n := b.Seen()
	b.sums[n%len(b.sums)] = b.sums[(n-1)%len(b.sums)] + r
	return n > warm && b.v[base] > 0
}

// Break puts what is known of earlier bars into the unit of those to come, whose prices are
// factor times what they would have been.
func (b *Builder) Break(factor float64) {
	b.prev *= factor
	b.volume -= float64(b.vw * math.Log(factor))
}

// learnVolume takes the volume of the next bar.
func (b *Builder) learnVolume(volume float64) {
	b.surprise = 0
	if !(volume > 0 && volume <= math.MaxFloat64) {
		return
	}
	l := math.Log(volume)
	if b.vw > 0 {
		b.surprise = clip(l-b.volume/b.vw, mostVolume)
	}
	b.volume = float64(decayLevel*b.volume) + l
	b.vw = float64(decayLevel*b.vw) + 1
}

// Scale is the volatility of the time, the root of E(16), in units of a log return
// over one bar with a factor of 1.
func (b *Builder) Scale() float64 { return math.Sqrt(b.v[base] / b.weight[base]) }

// Row is what the newest bar and those before it say. Only valid after Update returned
// true.
func (b *Builder) Row() (row Row) {
	e := b.v[base] / b.weight[base]
	s := math.Sqrt(e)
	row[Return1] = clip(b.Return/s, most)
	row[Return2] = clip(b.back(2)/(s*math.Sqrt2), most)
	row[Return5] = clip(b.back(5)/(s*root5), most)
	row[Return22] = clip(b.back(span)/(s*rootSpan), most)
	row[Fall] = max(-row[Return1], 0)
	row[Vol1] = b.logRatio(0, e)
	row[Vol4] = b.logRatio(1, e)
	row[Vol64] = b.logRatio(3, e)
	row[Vol250] = b.logRatio(4, e)
	row[VolClose] = math.Log(max(b.c/b.cw/e, 1e-3))
	row[Volume] = b.surprise
	if b.sized > 0 {
		row[Tilt] = b.tilt / b.sized
	}
	return row
}

func (b *Builder) back(k int) float64 {
	n, m := b.Seen(), len(b.sums)
	return b.sums[n%m] - b.sums[(n-k)%m]
}

// logRatio is ln E / e for the half-life of decays[j], kept finite.
func (b *Builder) logRatio(j int, e float64) float64 {
	return clip(math.Log(b.v[j]/b.weight[j]/e), 20)
}

func clip(x, at float64) float64 { return max(-at, min(at, x)) }
