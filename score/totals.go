package score

import "math"

// sum adds up with the error of each addition carried along (Neumaier 1974), so
// that a million small errors do not drown in one large sum.
type sum struct {
	s, lost float64
}

func (k *sum) add(x float64) {
	t := k.s + x
	if math.Abs(k.s) >= math.Abs(x) {
		k.lost += (k.s - t) + x
	} else {
		k.lost += (x - t) + k.s
	}
	k.s = t
}

// merge adds o.
func (k *sum) merge(o *sum) {
	k.add(o.s)
	k.lost += o.lost
}

func (k *sum) over(n int) float64 { return (k.s + k.lost) / float64(n) } // NaN when n is 0

// bounds keeps the smallest and largest of the numbers it has seen.
type bounds struct {
	min, max float64
}

var noBounds = bounds{math.Inf(1), math.Inf(-1)}

func (b *bounds) add(x float64) {
	if x < b.min {
		b.min = x
	}
	if x > b.max {
		b.max = x
	}
}

// totals is a Summary in the making, medians apart. Rows are added in the order of
// their targets and never taken out, so equal rows give equal bits however many
// steps they came in.
type totals struct {
	n, late, hits, calls, rights int

	err, square, abs    sum
	width               sum
	naiveAbs, naiveSq   sum
	errRange, absRange  bounds
	percents            int // rows that have one, and so on
	percent, absPercent sum
	percentRange        bounds
	scaleds, scored     int
	scaled, crps        sum
	pairs               int
	pairCRPS, pairNaive sum
}

func newTotals() totals {
	return totals{errRange: noBounds, absRange: noBounds, percentRange: noBounds}
}

// add takes rows from to the end of c.
func (t *totals) add(c *columns, from, to int) {
	for i := from; i < to; i++ {
		t.row(c.err[i], c.percent[i], c.scaled[i], c.width[i], c.crps[i], c.naiveCRPS[i], c.naiveError[i], c.flags[i])
	}
}

func (t *totals) row(err, percent, scaled, width, crps, naiveCRPS, naiveError float64, flags uint8) {
	t.n++
	t.hits += int(flags & hit / hit)
	t.late += int(flags & late / late)
	t.calls += int(flags & call / call)
	t.rights += int(flags & right / right)
	abs := math.Abs(err)
	t.err.add(err)
	t.abs.add(abs)
	t.square.add(float64(err * err))
	t.errRange.add(err)
	t.absRange.add(abs)
	t.width.add(width)
	t.naiveAbs.add(math.Abs(naiveError))
	t.naiveSq.add(float64(naiveError * naiveError))
	if percent == percent {
		t.percents++
		t.percent.add(percent)
		t.absPercent.add(math.Abs(percent))
		t.percentRange.add(percent)
	}
	if scaled == scaled {
		t.scaleds++
		t.scaled.add(scaled)
	}
	if crps == crps {
		t.scored++
		t.crps.add(crps)
		if naiveCRPS == naiveCRPS {
			t.pairs++
			t.pairCRPS.add(crps)
			t.pairNaive.add(naiveCRPS)
		}
	}
}

// summary states t, with NaN for the medians.
func (t *totals) summary() Summary {
	s := Summary{
		N: t.n, Late: t.late,
		Error:            stats(&t.err, t.n, t.errRange),
		PercentError:     stats(&t.percent, t.percents, t.percentRange),
		AbsoluteError:    stats(&t.abs, t.n, t.absRange),
		RMSE:             math.Sqrt(t.square.over(t.n)),
		MAPE:             t.absPercent.over(t.percents),
		MASE:             t.scaled.over(t.scaleds),
		DirectionHitRate: share(t.rights, t.calls),
		Coverage90:       share(t.hits, t.n),
		Width90:          t.width.over(t.n),
		CRPS:             t.crps.over(t.scored),
		Skill:            math.NaN(),
		Naive: NaiveSummary{
			MAE:  t.naiveAbs.over(t.n),
			RMSE: math.Sqrt(t.naiveSq.over(t.n)),
			CRPS: t.pairNaive.over(t.pairs),
		},
	}
	s.MAE = s.AbsoluteError.Mean
	if naive := t.pairNaive.over(1); naive > 0 {
		s.Skill = 1 - t.pairCRPS.over(1)/naive
	}
	return s
}

func stats(k *sum, n int, b bounds) Stats {
	if n == 0 {
		b = bounds{math.NaN(), math.NaN()}
	}
	return Stats{Mean: k.over(n), Median: math.NaN(), Min: b.min, Max: b.max}
}

func share(part, of int) float64 { return float64(part) / float64(of) } // NaN of nothing
