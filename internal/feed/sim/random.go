package sim

import (
	"hash/fnv"
	"math"
	"math/rand/v2"

	"github.com/foretick/foretick/market"
)

// newSource returns the random numbers of one instrument.
func newSource(seed uint64, symbol string, from market.Time) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(symbol)) //nolint:errcheck // a hash does not fail
	return rand.New(rand.NewPCG(seed^mix(uint64(from)), mix(h.Sum64())))
}

// mix spreads the bits of x (the finalizer of SplitMix64, Steele et al. 2014); mix(0)
// is 0.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// student5 returns a number by Student's t with 5 degrees of freedom, scaled to
// variance 1. A chi-square with 5 degrees is twice an Erlang(2) plus a squared normal.
func student5(r *rand.Rand) float64 {
	z := r.NormFloat64()
	chi := 2*(r.ExpFloat64()+r.ExpFloat64()) + z*z
	return r.NormFloat64() / math.Sqrt(chi/5) / math.Sqrt(5.0/3)
}

// poisson returns a number by the Poisson distribution of mean m, at most limit, by
// counting exponential waits. Its cost grows with m, which is small here.
func poisson(r *rand.Rand, m float64, limit int) int {
	n := 0
	for t := r.ExpFloat64(); t < m && n < limit; t += r.ExpFloat64() {
		n++
	}
	return n
}
