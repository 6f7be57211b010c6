package rangevol

import (
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
)

const (
	localPairs = 2000
	localWidth = 0.25 // of the kernel, in ranks from 0 to 1
	localFloor = 0.1
)

// local keeps residuals with the volatility at their origins, ordered by size of the
// residual, and reads weighted quantiles off them.
type local struct {
	z, u  forecast.Recent // in the order in which they came
	zs    []float64       // ascending
	us    []float64       // of the same residuals
	ranks []int32         // place of each u among all
	cum   []float64       // scratch
}

func newLocal() *local {
	return &local{z: forecast.NewRecent(localPairs), u: forecast.NewRecent(localPairs)}
}

// kernel is the weight by distance in ranks of 1/localPairs.
var kernel = func() (k [localPairs + 1]float64) {
	for d := range k {
		x := float64(d) / localPairs / localWidth
		k[d] = math.Exp(-0.5*x*x) + localFloor
	}
	return k
}()

// Add takes a residual and the volatility at its origin.
func (l *local) Add(z, u float64) {
	if l.z.Len() == localPairs {
		l.remove(l.z.Back(localPairs-1), l.u.Back(localPairs-1))
	}
	rank := insertRank(l.us, l.ranks, u)
	k, _ := slices.BinarySearch(l.zs, z)
	l.zs, l.us, l.ranks = slices.Insert(l.zs, k, z), slices.Insert(l.us, k, u), slices.Insert(l.ranks, k, rank)
	l.z.Push(z)
	l.u.Push(u)
}

// insertRank counts the volatilities below u and moves the others up by one. The race
// detector has nothing to find in this and the other loops over private memory, and
// would make them some twenty times slower.
//
//go:norace
func insertRank(us []float64, ranks []int32, u float64) (rank int32) {
	ranks = ranks[:len(us)]
	for i, x := range us {
		less := int32(math.Float64bits(x-u) >> 63) // no branch: it could not be predicted
		rank += less
		ranks[i] += 1 - less
	}
	return rank
}

//go:norace
func removeRank(ranks []int32, rank int32) {
	for i, r := range ranks {
		ranks[i] = r + (rank-r)>>31 // -1 where r > rank
	}
}

//go:norace
func below(us []float64, u float64) (n int) {
	for _, x := range us {
		n += int(math.Float64bits(x-u) >> 63)
	}
	return n
}

// cumulate fills cum with the middles of the cumulated weights and returns their sum.
// Ranks are stretched to those of a full pool.
//
//go:norace
func cumulate(cum []float64, ranks []int32, rank int) (total float64) {
	n := len(cum)
	if n == localPairs {
		for i, r := range ranks {
			d := int(r) - rank
			w := kernel[max(d, -d)]
			total += w
			cum[i] = total - 0.5*w
		}
		return total
	}
	stretch := float64(localPairs) / float64(n)
	for i, r := range ranks {
		d := int(r) - rank
		w := kernel[int(float64(max(d, -d))*stretch)]
		total += w
		cum[i] = total - 0.5*w
	}
	return total
}

func (l *local) remove(z, u float64) {
	k, _ := slices.BinarySearch(l.zs, z)
	for k < len(l.zs)-1 && l.us[k] != u && l.zs[k+1] == z {
		k++
	}
	rank := l.ranks[k]
	l.zs, l.us, l.ranks = slices.Delete(l.zs, k, k+1), slices.Delete(l.us, k, k+1), slices.Delete(l.ranks, k, k+1)
	removeRank(l.ranks, rank)
}

// Quantiles weighs each residual by how near the rank of its volatility is to that
// of u, and interpolates at (cumulated weight - weight/2) / total.
func (l *local) Quantiles(u float64) (q forecast.Quantiles) {
	n := len(l.zs)
	if cap(l.cum) < n {
		l.cum = make([]float64, n, localPairs)
	}
	cum := l.cum[:n]
	total := cumulate(cum, l.ranks, below(l.us, u))
	i := 0
	for k, p := range forecast.Probabilities {
		at := p * total
		i += search(cum[i:], at)
		switch {
		case i == 0:
			q[k] = l.zs[0]
		case i == n:
			q[k] = l.zs[n-1]
		default:
			f := (at - cum[i-1]) / (cum[i] - cum[i-1])
			q[k] = math.Min(l.zs[i-1]+float64(f*(l.zs[i]-l.zs[i-1])), l.zs[i])
		}
		if k > 0 {
			q[k] = math.Max(q[k], q[k-1])
		}
	}
	return q
}

// search is the first place in x, which ascends, of a number not below at.
func search(x []float64, at float64) int {
	i, _ := slices.BinarySearch(x, at)
	return i
}

func (l *local) persist(a *forecast.Archive) {
	l.z.Persist(a)
	l.u.Persist(a)
	if !a.Reading() {
		return
	}
	z, u := slices.Clone(l.z.All()), slices.Clone(l.u.All())
	*l = *newLocal()
	for i := range min(len(z), len(u)) {
		l.Add(z[i], u[i])
	}
}
