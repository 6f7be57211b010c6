package score

import "math"

// accuracy is the relative error of a sketch.
const accuracy = 0.01

// gamma is the ratio of the bounds of a bucket.
const gamma = (1 + accuracy) / (1 - accuracy)

var logGamma = math.Log(gamma)

// sketch counts numbers in buckets whose bounds grow by gamma, so that a quantile
// read from it is off by at most 1 % of its own value however many numbers there
// are: DDSketch (Masson, Rim & Lee 2019, "DDSketch: a fast and fully-mergeable
// quantile sketch with relative-error guarantees", VLDB 12(12)), without its
// collapsing of buckets. Numbers of either sign and 0 are counted apart. What was
// added can be taken out again; the order does not matter.
//
// Numbers within a factor of a million take some 700 buckets of 8 bytes.
type sketch struct {
	positive, negative buckets
	zeros              int
	n                  int
}

// buckets counts; bucket first+i holds magnitudes in (gamma^(first+i-1),
// gamma^(first+i)].
type buckets struct {
	first int
	count []int
}

// add counts x by times, which is -1 to take it out again.
func (s *sketch) add(x float64, by int) {
	s.n += by
	switch {
	case x > 0:
		s.positive.add(bucket(x), by)
	case x < 0:
		s.negative.add(bucket(-x), by)
	default:
		s.zeros += by
	}
}

func bucket(x float64) int { return int(math.Ceil(math.Log(x) / logGamma)) }

// middle is the value of bucket i that is off by at most accuracy for all in it.
func middle(i int) float64 {
	return min(2/(gamma+1)*math.Exp(float64(i)*logGamma), math.MaxFloat64)
}

func (b *buckets) add(i, by int) {
	switch at := i - b.first; {
	case len(b.count) == 0:
		b.first, b.count = i, append(b.count, 0)
	case at < 0:
		b.count = append(make([]int, -at, -at+len(b.count)), b.count...)
		b.first = i
	case at >= len(b.count):
		b.count = append(b.count, make([]int, at-len(b.count)+1)...)
	}
	b.count[i-b.first] += by
}

// at returns the count of bucket i.
func (b *buckets) at(i int) int {
	if i < b.first || i >= b.first+len(b.count) {
		return 0
	}
	return b.count[i-b.first]
}

func (b *buckets) end() int { return b.first + len(b.count) }

// median is the middle value, the mean of the two middle ones when their number is
// even, each to the accuracy of the sketch; NaN when it is empty.
func (s *sketch) median() float64 { return s.middleOf(s.rank) }

// medianAbs is the median of the magnitudes.
func (s *sketch) medianAbs() float64 { return s.middleOf(s.rankAbs) }

func (s *sketch) middleOf(rank func(int) float64) float64 {
	switch {
	case s.n == 0:
		return math.NaN()
	case s.n%2 == 1:
		return rank(s.n / 2)
	}
	return rank(s.n/2-1)/2 + rank(s.n/2)/2
}

// rank returns the k-th smallest, counting from 0.
func (s *sketch) rank(k int) float64 {
	for i := len(s.negative.count) - 1; i >= 0; i-- {
		if k -= s.negative.count[i]; k < 0 {
			return -middle(s.negative.first + i)
		}
	}
	if k -= s.zeros; k < 0 {
		return 0
	}
	for i, c := range s.positive.count {
		if k -= c; k < 0 {
			return middle(s.positive.first + i)
		}
	}
	panic("score: rank beyond the sketch")
}

// rankAbs returns the k-th smallest magnitude, counting from 0.
func (s *sketch) rankAbs(k int) float64 {
	if k -= s.zeros; k < 0 {
		return 0
	}
	from, to := s.positive.first, s.positive.end()
	if len(s.negative.count) > 0 {
		if len(s.positive.count) == 0 {
			from, to = s.negative.first, s.negative.end()
		}
		from, to = min(from, s.negative.first), max(to, s.negative.end())
	}
	for i := from; i < to; i++ {
		if k -= s.positive.at(i) + s.negative.at(i); k < 0 {
			return middle(i)
		}
	}
	panic("score: rank beyond the sketch")
}
