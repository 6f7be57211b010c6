package backtest

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// judge turns what was collected into results.
func (w *walk) judge(ctx context.Context, spec *Spec, models []forecast.Forecaster, lead string) error {
	w.losses = map[slot][]float64{}
	for _, k := range slots(spec, models) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		scores := w.scores[k]
		r := Result{Series: w.walked.Series, File: w.walked.File, Model: k.model, Horizon: k.horizon, N: len(scores),
			Abstained: w.silent[k] + w.silent[slot{0, k.model}], Detail: &Detail{Reason: w.reason[k.model]}}
		w.measure(&r, scores)
		w.test(&r, scores)
		if k.model == lead && k.horizon == spec.Horizons[0] {
			r.Detail.Best, r.Detail.Worst = w.weeks(scores)
		}
		w.results = append(w.results, r)
		for i := range scores {
			w.losses[k] = append(w.losses[k], scores[i].CRPS)
		}
	}
	w.scores, w.fans = nil, nil
	return nil
}

// measure fills in what is a mean over the scores.
func (w *walk) measure(r *Result, scores []score.Score) {
	var crps, naive, width, mae, interval float64
	hits, pairs := 0, 0
	reliability := make([]int, forecast.Levels)
	r.Detail.PIT = make([]int, 20)
	for i := range scores {
		s := &scores[i]
		crps += s.CRPS
		if s.NaiveCRPS == s.NaiveCRPS {
			naive += s.NaiveCRPS
			pairs++
		}
		low, high := 100*math.Log(s.Lower/s.Last), 100*math.Log(s.Upper/s.Last)
		y := 100 * math.Log(s.Actual/s.Last)
		width += high - low
		// The interval score of Gneiting & Raftery (2007), eq. 43, at level 0.9.
		interval += high - low + 20*(max(low-y, 0)+max(y-high, 0))
		mae += math.Abs(s.Error())
		if s.Hit() {
			hits++
		}
		for l, p := range forecast.Probabilities {
			if s.PIT <= p {
				reliability[l]++
			}
		}
		r.Detail.PIT[min(int(s.PIT*20), 19)]++
	}
	n := float64(len(scores))
	r.CRPS, r.Width90, r.MAE = Number(crps/n), Number(width/n), Number(mae/n)
	r.MASE = Number(mae / n / w.scale)
	r.Coverage90 = Number(float64(hits) / n)
	r.Skill = Number(1 - crps/naive)
	if pairs != len(scores) {
		r.Skill = Number(math.NaN())
	}
	r.Detail.IntervalScore = Number(interval / n)
	for _, k := range reliability {
		r.Detail.Reliability = append(r.Detail.Reliability, Number(float64(k)/n))
	}
	r.Coverage90ByRegime = byRegime(scores)
	r.Detail.Curve = curve(scores)
}

// byRegime is the coverage in each tercile of volatility over the scores.
func byRegime(scores []score.Score) (c [3]Number) {
	v := make([]float64, len(scores))
	for i := range scores {
		v[i] = scores[i].Volatility
	}
	slices.Sort(v)
	var n, hits [3]float64
	if len(v) > 0 {
		low, high := forecast.Quantile7(v, 1.0/3), forecast.Quantile7(v, 2.0/3)
		for i := range scores {
			k := 0
			if scores[i].Volatility >= low {
				k++
			}
			if scores[i].Volatility >= high {
				k++
			}
			n[k]++
			if scores[i].Hit() {
				hits[k]++
			}
		}
	}
	for k := range c {
		c[k] = Number(hits[k] / n[k])
	}
	return c
}

// dots is the number of points of a curve.
const dots = 120

// curve is the skill up to each of some times, and over the tenth of all scores before
// it.
func curve(scores []score.Score) (list []CurveDot) {
	n := len(scores)
	sums := make([][2]float64, n+1)
	for i := range scores {
		a, b := scores[i].CRPS, scores[i].NaiveCRPS
		if a != a || b != b {
			a, b = 0, 0
		}
		sums[i+1] = [2]float64{sums[i][0] + a, sums[i][1] + b}
	}
	skill := func(from, to int) Number {
		return Number(1 - (sums[to][0]-sums[from][0])/(sums[to][1]-sums[from][1]))
	}
	for k := 1; k <= min(dots, n); k++ {
		i := k * n / min(dots, n)
		list = append(list, CurveDot{At: scores[i-1].Target, Skill: skill(0, i), Recent: skill(max(0, i-max(n/10, 20)), i)})
	}
	return list
}

// test compares with naive.
func (w *walk) test(r *Result, scores []score.Score) {
	r.DMP, r.EValue = Number(math.NaN()), Number(math.NaN())
	var t score.Test
	var mine, naive []float64
	for i := range scores {
		t.Add(&scores[i])
		if s := &scores[i]; s.CRPS == s.CRPS && s.NaiveCRPS == s.NaiveCRPS {
			mine, naive = append(mine, s.CRPS), append(naive, s.NaiveCRPS)
		}
	}
	e := t.Evidence()
	v := score.Judge(r.Model, e)
	r.Verdict, r.Detail.Why = v.Code, v.Why
	if r.Model == score.Naive {
		return
	}
	r.EValue = Number(e.EValue)
	if dm, err := score.DieboldMariano(mine, naive, r.Horizon); err == nil {
		r.DMP = Number(dm.P)
	}
}

// week is the number of bars that the fans show.
const week = 20

// weeks are the stretches in which the model did best and worst against naive.
func (w *walk) weeks(scores []score.Score) (best, worst []FanBar) {
	if len(scores) < 2*week {
		return nil, nil
	}
	var sum float64
	lowest, highest, at, end := math.Inf(1), math.Inf(-1), 0, 0
	for i := range scores {
		sum += scores[i].NaiveCRPS - scores[i].CRPS
		if i < week-1 {
			continue
		}
		if i >= week {
			sum -= scores[i-week].NaiveCRPS - scores[i-week].CRPS
		}
		if sum > highest {
			highest, at = sum, i
		}
		if sum < lowest {
			lowest, end = sum, i
		}
	}
	cut := func(last int) (list []FanBar) {
		for _, s := range scores[last-week+1 : last+1] {
			list = append(list, w.fans[s.Target])
		}
		return list
	}
	return cut(at), cut(end)
}

// pool sums up over series.
func pool(ctx context.Context, results []Result, walks []*walk) (list []Pooled, err error) {
	type key = slot
	byKey := map[key][]*Result{}
	var order []key
	naive := map[string]*Result{}
	for i := range results {
		r := &results[i]
		k := key{r.Horizon, r.Model}
		if byKey[k] == nil {
			order = append(order, k)
		}
		byKey[k] = append(byKey[k], r)
		if r.Model == score.Naive {
			naive[name(r.Series, r.File, r.Horizon)] = r
		}
	}
	slices.SortStableFunc(order, func(a, b key) int { return cmp.Compare(a.horizon, b.horizon) })
	for _, k := range order {
		p := Pooled{Model: k.model, Horizon: k.horizon, WorstCoverage90: Number(math.NaN())}
		var logs, hits float64
		var n, hit [3]float64
		var evidence []float64
		for _, r := range byKey[k] {
			base := naive[name(r.Series, r.File, r.Horizon)]
			if r.N == 0 || base == nil || base.N == 0 {
				continue
			}
			p.Series++
			p.N += r.N
			// Skill is over the origins that both have judged: a model that abstained for a
			// while is not compared over other bars than naive.
			logs += math.Log(1 - float64(r.Skill))
			if r.Skill > 0 {
				p.Better++
				if r.DMP < 0.05 {
					p.SignificantlyBest++
				}
			} else if r.Skill < 0 && r.DMP < 0.05 {
				p.SignificantlyWorse++
			}
			hits += float64(r.Coverage90) * float64(r.N)
			if p.WorstCoverage90 != p.WorstCoverage90 || math.Abs(float64(r.Coverage90)-0.9) > math.Abs(float64(p.WorstCoverage90)-0.9) {
				p.WorstCoverage90 = r.Coverage90
			}
			for i, c := range r.Coverage90ByRegime {
				if c == c { // terciles: a third of the origins each
					n[i] += float64(r.N) / 3
					hit[i] += float64(c) * float64(r.N) / 3
				}
			}
			evidence = append(evidence, float64(r.EValue))
		}
		p.CRPSRatio = Number(math.Exp(logs / float64(p.Series)))
		p.Coverage90 = Number(hits / float64(p.N))
		for i := range n {
			p.Coverage90ByRegime[i] = Number(hit[i] / n[i])
		}
		if k.model != score.Naive {
			p.Discoveries = len(score.EBH(evidence, 0.05))
		}
		list = append(list, p)
	}
	return list, confidence(ctx, list, walks)
}

func name(id market.SeriesID, file string, h int) string {
	return string(id) + "\x00" + file + "\x00" + string(rune(h))
}
