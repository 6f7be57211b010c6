package score

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/foretick/foretick/market"
)

// The sizes of an Accumulator.
const (
	// maxHeld is how many scores of the last day are held: one a second.
	maxHeld = 86_400
	// minHeld is how many are held however old they are, so that a late revision
	// finds the score that it replaces.
	minHeld = 64
	// maxExact is how many scores WindowAll has exact medians of.
	maxExact = 86_400
)

// ErrTooOld says that a score belongs before the scores that an Accumulator still
// holds, where it can no longer tell a new score from a revision.
var ErrTooOld = errors.New("score: older than what is held")

// Accumulator keeps the accuracy windows of one model at one horizon up to date
// without keeping every score. It gives what Windows gives for all scores it was
// fed, to the last bit.
//
// It holds the scores of the last day, at most 86,400 and at least the 64 newest,
// in 89 bytes each: 8 MB after a day of one score a second. Of older ones it
// holds sums, and while there are at most 86,400 scores in all, two numbers each
// for the medians of WindowAll. Past that those medians come from a sketch with a
// relative error of at most 1 % (DDSketch, Masson et al. 2019), and
// MedianApproximate says so.
//
// The zero value is not valid: use NewAccumulator. It is not safe for concurrent
// use.
type Accumulator struct {
	hold, exact int // maxHeld and maxExact but in tests

	held columns
	gone totals // what was held once
	// Errors and percent errors of what is gone, oldest first, while there are at
	// most exact scores; then nil and the sketches count all scores, held or gone.
	goneErr, gonePercent []float64
	errs, percents       *sketch

	calibration Tally // of all scores
	test        Test  // of all that came in order

	cache []WindowSummary // of the scores as they are, nil when there is none
}

// scratch lends the room that medians are found in.
var scratch = sync.Pool{New: func() any { return new([]float64) }}

// NewAccumulator returns an empty accumulator.
func NewAccumulator() *Accumulator {
	return &Accumulator{hold: maxHeld, exact: maxExact, gone: newTotals()}
}

// Len is the number of scores it has been fed, revisions not counted.
func (a *Accumulator) Len() int { return a.gone.n + a.held.len() }

// AsOf is the start of the newest target, ok false when there is none yet.
func (a *Accumulator) AsOf() (t market.Time, ok bool) {
	if a.held.len() == 0 {
		return 0, false
	}
	return a.held.target[a.held.len()-1], true
}

// Add takes the next score, in the order of targets. A score of a target that it
// holds replaces the earlier one: the outcome was revised. A score that belongs
// between those it holds is put there. It returns an error that wraps ErrTooOld,
// and changes nothing, when s is older than what it holds.
func (a *Accumulator) Add(s Score) error {
	if a.gone.n > 0 && s.Target < a.held.target[0] {
		return fmt.Errorf("%w: the score of %s at horizon %d for the bar at %s; scores are held from %s on",
			ErrTooOld, s.Model, s.Horizon, s.Target, a.held.target[0])
	}
	a.put(&s)
	a.evict()
	return nil
}

// put adds or replaces a score that is not older than what is held.
func (a *Accumulator) put(s *Score) {
	a.cache = nil
	r := rowOf(s)
	i := a.held.len()
	if i > 0 && r.target <= a.held.target[i-1] {
		var same bool
		if i, same = slices.BinarySearch(a.held.target, r.target); same {
			old := a.held.at(i)
			a.held.set(i, r)
			a.calibration.add(&old, -1)
			a.calibration.add(&r, 1)
			a.count(old.err, old.percent, -1)
			a.count(r.err, r.percent, 1)
			return
		}
	}
	a.calibration.add(&r, 1)
	if i == a.held.len() { // what comes late cannot be bet on
		a.test.Add(s)
	}
	a.held.insert(i, r)
	a.count(r.err, r.percent, 1)
	if a.errs == nil && a.Len() > a.exact {
		a.startSketches()
	}
}

// count tells the sketches, if there are any.
func (a *Accumulator) count(err, percent float64, by int) {
	if a.errs == nil {
		return
	}
	a.errs.add(err, by)
	if percent == percent {
		a.percents.add(percent, by)
	}
}

func (a *Accumulator) startSketches() {
	a.errs, a.percents = new(sketch), new(sketch)
	for i, err := range a.goneErr {
		a.count(err, a.gonePercent[i], 1)
	}
	for i, err := range a.held.err {
		a.count(err, a.held.percent[i], 1)
	}
	a.goneErr, a.gonePercent = nil, nil
}

// evict moves what need not be held into the totals. It waits until that is an
// eighth of all, so that moving the rest costs little per score.
func (a *Accumulator) evict() {
	n := a.held.len()
	day := a.since(a.held.target[n-1], 24*time.Hour)
	old := min(max(day, n-a.hold), n-minHeld)
	if old <= 0 || old < n/8 {
		return
	}
	a.gone.add(&a.held, 0, old)
	if a.errs == nil {
		a.goneErr = append(a.goneErr, a.held.err[:old]...)
		a.gonePercent = append(a.gonePercent, a.held.percent[:old]...)
	}
	a.held.drop(old)
}

// since returns the first held row whose target starts after asOf - reach.
func (a *Accumulator) since(asOf market.Time, reach time.Duration) int {
	i, _ := slices.BinarySearch(a.held.target, asOf.Add(-reach)+1)
	return i
}

// Evidence is what the scores so far say about the model against naive. Each target is
// weighed once, on the outcome that it came with first: a bet that was settled is not
// made again when the outcome is revised, nor is one made on a target after a later
// one. An accumulator that is built anew from stored scores weighs what is stored.
func (a *Accumulator) Evidence() Evidence { return a.test.Evidence() }

// Calibration is how the forecasts of all scores so far were calibrated. daily says
// that targets are a day or more apart.
func (a *Accumulator) Calibration(daily bool) Calibration { return a.calibration.Calibration(daily) }

// Windows sums up each window as of the newest target, as the function Windows
// does. The caller must not change the result. It costs up to some milliseconds at
// 86,400 scores and is remembered until the next Add.
func (a *Accumulator) Windows() []WindowSummary {
	if a.cache == nil {
		asOf, _ := a.AsOf()
		a.cache = a.summarise(asOf)
	}
	return a.cache
}

func (a *Accumulator) summarise(asOf market.Time) []WindowSummary {
	n := a.held.len()
	rows := make([]WindowSummary, len(windows))
	before, done := -1, -1 // the first row of the window before, and its place
	for i, w := range windows {
		row := &rows[i]
		from := 0
		switch {
		case w.count > 0:
			from = max(0, n-w.count)
		case w.reach > 0:
			from = max(a.since(asOf, w.reach), n-a.hold)
		}
		if all := w.name == WindowAll; all && a.Len() > n || all && a.errs != nil {
			row.Summary = a.all()
		} else if from == before {
			row.Summary = rows[done].Summary
		} else {
			row.Summary = a.part(from)
		}
		row.Window = w.name
		before, done = from, i
	}
	return rows
}

// part sums up the held rows from from on.
func (a *Accumulator) part(from int) Summary {
	t := newTotals()
	t.add(&a.held, from, a.held.len())
	s := t.summary()
	medians(&s, nil, nil, a.held.err[from:], a.held.percent[from:])
	return s
}

// all sums up everything.
func (a *Accumulator) all() Summary {
	t := a.gone
	t.add(&a.held, 0, a.held.len())
	s := t.summary()
	if a.errs == nil {
		medians(&s, a.goneErr, a.gonePercent, a.held.err, a.held.percent)
		return s
	}
	s.Error.Median, s.AbsoluteError.Median = a.errs.median(), a.errs.medianAbs()
	s.PercentError.Median = a.percents.median()
	s.MedianApproximate = true
	return s
}

// medians fills in the medians of two stretches of errors and percent errors.
func medians(s *Summary, err1, percent1, err2, percent2 []float64) {
	room := scratch.Get().(*[]float64)
	defer scratch.Put(room)
	x := append(append((*room)[:0], err1...), err2...)
	*room = x
	s.Error.Median = median(x)
	for i, v := range x {
		x[i] = math.Abs(v)
	}
	s.AbsoluteError.Median = median(x)
	x = append(append(x[:0], percent1...), percent2...)
	s.PercentError.Median = median(slices.DeleteFunc(x, math.IsNaN))
}
