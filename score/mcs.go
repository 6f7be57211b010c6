package score

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Confidence is a model confidence set.
type Confidence struct {
	Members []int     // places of the models in it, ascending
	P       []float64 // of each model: the lowest level at which it would be left out
}

// ConfidenceSet returns the models that may be the best: the model confidence set of
// Hansen, Lunde & Nason (2011), "The model confidence set", Econometrica 79(2), with
// their statistic T_max. losses[m][i] is the loss of model m at origin i, in order of
// time. With d(m) the mean loss of model m less that of all models still in the set, and
// v(m) its bootstrapped variance,
//
//	t(m) = d(m) / sqrt(v(m)),   T_max = max of t(m)
//
// the model of T_max is left out, and so on, until equal skill of the rest is not
// rejected at level alpha: the best model is in the set with a probability of at least
// 1 - alpha, in large samples. The distribution of T_max under equal skill comes from
// reps repetitions of the block bootstrap, drawn from rng, with blocks of the given
// length that may go round the end (Politis & Romano 1992), so that every origin weighs
// the same. Blocks should be as long as losses depend on each other: the horizon at
// least.
//
// It panics when the lists of losses differ in length; it returns an error when there
// are fewer than two models or than ten blocks, or a loss is not finite, and that of ctx,
// which it looks at before each repetition, when it is done.
func ConfidenceSet(ctx context.Context, losses [][]float64, alpha float64, block, reps int, rng *rand.Rand) (Confidence, error) {
	if len(losses) < 2 || block < 1 || reps < 1 {
		return Confidence{}, errors.New("score: a model confidence set needs two models, blocks and repetitions")
	}
	n := len(losses[0])
	if n/block < 10 {
		return Confidence{}, fmt.Errorf("score: %d losses are fewer than ten blocks of %d", n, block)
	}
	models := len(losses)
	mean := make([]float64, models)
	sums := make([][]float64, models) // of the losses less their mean, cumulated
	for m, l := range losses {
		if len(l) != n {
			panic(fmt.Sprintf("score: model %d has %d losses, model 0 has %d", m, len(l), n))
		}
		var total sum
		for i, v := range l {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return Confidence{}, fmt.Errorf("score: loss %d of model %d is %v", i, m, v)
			}
			total.add(v)
		}
		mean[m] = total.over(n)
		sums[m] = make([]float64, n+1)
		for i, v := range l {
			sums[m][i+1] = sums[m][i] + (v - mean[m])
		}
	}
	drawn := make([][]float64, reps) // bootstrapped means less the means
	for b := range drawn {
		if ctx.Err() != nil {
			return Confidence{}, ctx.Err()
		}
		drawn[b] = make([]float64, models)
		for have := 0; have < n; have += block {
			from := rng.IntN(n)
			to := from + min(block, n-have)
			for m, s := range sums {
				if to <= n {
					drawn[b][m] += s[to] - s[from]
				} else {
					drawn[b][m] += s[n] - s[from] + s[to-n]
				}
			}
		}
		for m := range drawn[b] {
			drawn[b][m] /= float64(n)
		}
	}
	c := Confidence{P: make([]float64, models)}
	left := make([]int, models)
	for m := range left {
		left[m] = m
	}
	highest := 0.0
	for len(left) > 1 {
		worst, p := eliminate(left, mean, drawn)
		highest = math.Max(highest, p)
		c.P[left[worst]] = highest
		if highest >= alpha && c.Members == nil {
			c.Members = append([]int{}, left...)
		}
		left = append(left[:worst:worst], left[worst+1:]...)
	}
	c.P[left[0]] = 1
	if c.Members == nil {
		c.Members = left
	}
	return c, nil
}

// eliminate finds the worst of the models left by its t-statistic against their mean,
// and the p-value of that being chance.
func eliminate(left []int, mean []float64, drawn [][]float64) (worst int, p float64) {
	k := float64(len(left))
	average := func(x []float64) float64 {
		var s float64
		for _, m := range left {
			s += x[m]
		}
		return s / k
	}
	all := average(mean)
	spread := make([]float64, len(left)) // of the distance to the mean
	centre := make([]float64, len(drawn))
	for b, d := range drawn {
		centre[b] = average(d)
		for i, m := range left {
			spread[i] += (d[m] - centre[b]) * (d[m] - centre[b])
		}
	}
	most := math.Inf(-1)
	for i, m := range left {
		spread[i] = math.Sqrt(spread[i] / float64(len(drawn)))
		if t := ratio(mean[m]-all, spread[i]); t > most {
			worst, most = i, t
		}
	}
	beyond := 0
	for b, d := range drawn {
		t := math.Inf(-1)
		for i, m := range left {
			t = math.Max(t, ratio(d[m]-centre[b], spread[i]))
		}
		if t >= most {
			beyond++
		}
	}
	return worst, float64(beyond) / float64(len(drawn))
}

// ratio is x/s, and 0 for models that never differ.
func ratio(x, s float64) float64 {
	if s == 0 {
		return 0
	}
	return x / s
}
