package track

import (
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// maxGapBars bounds the count of missing bars, so that a bar with a wrong year
// cannot stop the loop for long.
const maxGapBars = 10_000_000

// gap records that data was lost before the bar that starts at start.
func (t *Track) gap(r *Result, start market.Time) error {
	last, ok := t.Last()
	if !ok || t.head.Seq == 0 || start <= last.End {
		return nil
	}
	bars := 0
	for s := t.next(last.Start); s < start && bars < maxGapBars; s = t.next(s) {
		bars++
	}
	if bars == 0 {
		return nil
	}
	r.Missed = bars * len(t.cfg.Horizons)
	return t.append(r, ledger.Entry{Gap: &ledger.GapBody{
		Span: market.Span{Start: last.End, End: start}, Bars: bars,
		Missed: r.Missed * len(t.slots), Reason: "no data was received"}})
}

func (t *Track) next(start market.Time) market.Time {
	return t.cfg.Series.Interval.Next(start, t.cfg.Calendar)
}

// settle judges the forecasts whose target is the bar of in and voids those whose target
// never came, or lies beyond a break.
func (t *Track) settle(r *Result, in *Input) error {
	b := &in.Bar
	var missing, across []market.Time
	met := false
	for i := range t.issues {
		is := &t.issues[i]
		if is.open == 0 || is.from > b.Start && r.Break == nil {
			continue
		}
		for k := range is.forecasts {
			target := is.forecasts[k].Target.Start
			switch {
			case is.state[k] != pending || target > b.Start && r.Break == nil:
				continue
			case target >= b.Start && r.Break != nil:
				is.state[k] = void
				across = append(across, target)
				r.Voided = append(r.Voided, is.forecasts[k])
				r.Break.Voided++
			case target == b.Start:
				is.state[k], met = scored, true
			default:
				is.state[k] = void
				missing = append(missing, target)
				r.Voided = append(r.Voided, is.forecasts[k])
			}
			is.open--
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		reason := "absent"
		if in.AfterGap {
			reason = "gap"
		}
		if err := t.append(r, ledger.Entry{Void: &ledger.VoidBody{Targets: slices.Compact(missing), Reason: reason}}); err != nil {
			return err
		}
	}
	if len(across) > 0 {
		slices.Sort(across)
		if err := t.append(r, ledger.Entry{Void: &ledger.VoidBody{Targets: slices.Compact(across), Reason: r.Break.Reason()}}); err != nil {
			return err
		}
	}
	if !met {
		t.prune()
		return nil
	}
	if err := t.outcome(r, b); err != nil {
		return err
	}
	t.prune()
	return nil
}

// revise takes a bar that is not newer than the window: a revision of a bar in it,
// or one that comes after later bars. Forecasts whose target it was stay void: they
// were told so.
func (t *Track) revise(r *Result, b *market.Bar) error {
	if t.rewrite(b) {
		for k := range t.issues {
			is := &t.issues[k]
			for j := range is.forecasts {
				if is.state[j] == scored && is.forecasts[j].Target.Start == b.Start {
					return t.outcome(r, b)
				}
			}
		}
	}
	return nil
}

// rewrite puts a bar that is not the newest into the window and reports whether it
// revises one that was there. What states of models have learnt stays: they saw what
// was known at the time.
func (t *Track) rewrite(b *market.Bar) bool {
	i, ok := slices.BinarySearchFunc(t.bars, b.Start, func(x market.Bar, s market.Time) int {
		switch {
		case x.Start < s:
			return -1
		case x.Start > s:
			return 1
		}
		return 0
	})
	if !ok { // a late tick made a bar that was absent: learn from it, judge nothing
		t.bars = slices.Insert(t.bars, i, *b)
		t.gauge(i)
		return false
	}
	t.bars[i] = *b
	t.gauge(i)
	return true
}

// outcome records the close of b and scores the forecasts that were settled on it.
func (t *Track) outcome(r *Result, b *market.Bar) error {
	err := t.append(r, ledger.Entry{Outcome: &ledger.OutcomeBody{Bar: b.Span(), Revision: b.Revision, Close: b.Close}})
	if err != nil {
		return err
	}
	for i := range t.issues {
		is := &t.issues[i]
		if is.from > b.Start || is.to < b.Start {
			continue
		}
		var naive *forecast.Forecast // it comes first, and a target has one horizon here
		for k := range is.forecasts {
			f := &is.forecasts[k]
			if is.state[k] != scored || f.Target.Start != b.Start {
				continue
			}
			if f.Model == score.Naive {
				naive = f
			}
			r.Scores = append(r.Scores, score.Of(f, naive, &is.basis, score.Outcome{Close: b.Close, Revision: b.Revision}))
		}
	}
	return nil
}

// prune forgets issues that are settled and too old to be revised.
func (t *Track) prune() {
	n := 0
	for len(t.issues)-n > t.longest()+Revisable && t.issues[n].open == 0 {
		n++
	}
	if n > 0 {
		t.issues = slices.Delete(t.issues, 0, n)
	}
}

// scale is the mean absolute change of the close over the newest bars, 0 when there
// are fewer than two.
func (t *Track) scale() float64 {
	bars := t.view(scaleBars + 1)
	if len(bars) < 2 {
		return 0
	}
	var sum float64
	for i := 1; i < len(bars); i++ {
		sum += math.Abs(bars[i].Close - bars[i-1].Close)
	}
	return sum / float64(len(bars)-1)
}
