package auto_test

import (
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/conformal"
	"github.com/foretick/foretick/market"
)

// course is how a pool goes at one horizon by the formulas of the package comment, the long
// way, in 100 x log return.
type course struct {
	weights []float64             // after the newest bar
	pools   []*forecast.Quantiles // at each bar, nil where nobody spoke
	stated  *forecast.Quantiles   // at the newest bar, through the conformal layer
}

// aggregate is the course along returns, the first of which belongs to bar 1. quantiles is
// what expert k said at a bar, nil when nothing.
func aggregate(h, learn int, prior, returns []float64, options conformal.Options, quantiles func(bar, k int) *forecast.Quantiles) (c course) {
	n := len(prior)
	total := 0.0
	for _, w := range prior {
		total += w
	}
	for _, w := range prior {
		c.weights = append(c.weights, w/total)
	}
	regret, square, known := make([]float64, n), make([]float64, n), 0
	layer := conformal.New(h, options)
	c.pools = append(c.pools, nil)
	for bar := 1; bar < len(returns); bar++ {
		if origin := bar - h; origin >= 1 {
			y := 0.0
			for _, r := range returns[origin+1 : bar+1] {
				y += r
			}
			layer.Realise(y)
			if q := c.pools[origin]; q != nil {
				known++
				for k := range prior {
					e := quantiles(origin, k)
					if e == nil {
						continue
					}
					rho, rho2 := regretOf(q, e, y)
					regret[k] += rho
					square[k] += rho2
				}
			}
			if known >= learn {
				sum := 0.0
				for k := range prior {
					eta := 1.0
					if square[k] > 0 {
						eta = min(1, math.Sqrt(math.Log(float64(n))/square[k]))
					}
					c.weights[k] = prior[k] / total * math.Exp(eta*regret[k]-eta*eta*square[k])
					sum += c.weights[k]
				}
				for k := range c.weights {
					c.weights[k] /= sum
				}
			}
		}
		q := mean(c.weights, func(k int) *forecast.Quantiles { return quantiles(bar, k) })
		c.pools = append(c.pools, q)
		if c.stated = nil; q == nil {
			layer.Pass()
			continue
		}
		stated := *q
		layer.Adjust(&stated, deviation(returns[1:bar+1]))
		c.stated = &stated
	}
	return c
}

// regretOf is the mean regret of having used q instead of e when y came, and that of its
// squares.
func regretOf(q, e *forecast.Quantiles, y float64) (rho, rho2 float64) {
	spread := (q[forecast.Q95] - q[forecast.Q05]) / 3.29
	for l := forecast.Q05; l <= forecast.Q95; l++ {
		g := -forecast.Probabilities[l]
		if y < q[l] {
			g++
		}
		x := max(-1, min(1, g*(q[l]-e[l])/spread))
		rho += x / 19
		rho2 += x * x / 19
	}
	return rho, rho2
}

// mean is the weighted mean of the quantiles there are, nil when there are none.
func mean(weights []float64, of func(k int) *forecast.Quantiles) *forecast.Quantiles {
	var q forecast.Quantiles
	sum := 0.0
	for k, w := range weights {
		if e := of(k); e != nil {
			sum += w
			for l := range q {
				q[l] += w * e[l]
			}
		}
	}
	if sum == 0 {
		return nil
	}
	for l := range q {
		q[l] /= sum
	}
	return &q
}

// deviation is the standard deviation of the newest 20 returns, 0 while there are fewer.
func deviation(r []float64) float64 {
	if len(r) < 20 {
		return 0
	}
	r = r[len(r)-20:]
	var mean, square float64
	for _, x := range r {
		mean += x / 20
	}
	for _, x := range r {
		square += (x - mean) * (x - mean)
	}
	return math.Sqrt(square / 19)
}

// percent are the log returns of list x 100; the first is none.
func percent(list []market.Bar) []float64 {
	r := make([]float64, len(list))
	for i := 1; i < len(list); i++ {
		r[i] = 100 * math.Log(list[i].Close/list[i-1].Close)
	}
	return r
}

// hundredfold is what the experts say in 100 x log return.
func hundredfold(experts []script, h int) func(bar, k int) *forecast.Quantiles {
	return func(bar, k int) *forecast.Quantiles {
		q, err := experts[k].say(bar, h, 0)
		if err != nil {
			return nil
		}
		for l := range q {
			q[l] *= 100
		}
		return &q
	}
}

// alike compares a prediction with quantiles in 100 x log return, but for rounding.
func alike(p *forecast.Prediction, want *forecast.Quantiles) error {
	for l := range want {
		if d := math.Abs(100*p.Quantiles[l] - want[l]); !(d <= 1e-8*(want[forecast.Levels-1]-want[0])) {
			return fmt.Errorf("quantile %v is %v, by the formulas %v", forecast.Probabilities[l], 100*p.Quantiles[l], want[l])
		}
	}
	return nil
}
