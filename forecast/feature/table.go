package feature

import (
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// Table holds the rows of a window, to fit on. All slices have the length of Rows, one
// element a bar that has a row, oldest first and without holes. It is read-only.
type Table struct {
	Rows     []Row
	Scale    []float64 // the volatility of the time, see Builder.Scale
	Variance []float64 // of the bar, its season taken out, see Input.Floored
	Season   *Season   // as it stood at the end of the window

	logs    []float64 // cumulated log returns
	factors []float64 // cumulated factors of the season
}

// NewTable makes the rows of w, at least `least` of them. The errors wrap
// forecast.ErrTooShort when there are fewer bars than that takes, and
// forecast.ErrDegenerate when closes are not positive or the price has not moved. It
// panics when e is not a Range.
func NewTable(w forecast.Window, e Range, least int) (*Table, error) {
	first, err := Usable(w, least+warm+1, w.Len())
	if err != nil {
		return nil, err
	}
	b := NewBuilder(NewInput(w.Interval(), e))
	n := w.Len() - first - warm
	t := &Table{
		Rows: make([]Row, 0, n), Scale: make([]float64, 0, n), Variance: make([]float64, 0, n), Season: b.Season(),
		logs: make([]float64, 0, n), factors: make([]float64, 0, n),
	}
	var sum, factor float64
	for i := first; i < w.Len(); i++ {
		bar := w.Bar(i)
		ok := b.Update(&bar)
		sum += b.Raw
		factor += b.Factor
		if !ok {
			continue
		}
		t.Rows = append(t.Rows, b.Row())
		t.Scale = append(t.Scale, b.Scale())
		t.Variance = append(t.Variance, b.Floored)
		t.logs = append(t.logs, sum)
		t.factors = append(t.factors, factor)
	}
	if len(t.Rows) < least {
		return nil, fmt.Errorf("%w: the price has moved in %d bars only", forecast.ErrDegenerate, len(t.Rows))
	}
	return t, nil
}

// Targets is the number of rows whose return over h bars is known.
func (t *Table) Targets(h int) int { return max(0, len(t.Rows)-h) }

// Spread is the scale of the return over h bars after row i, had volatility stayed as
// it was: Scale times the root of the summed factors of the season. i is below
// Targets(h).
func (t *Table) Spread(i, h int) float64 {
	return t.Scale[i] * math.Sqrt(t.factors[i+h]-t.factors[i])
}

// Target is the return over h bars after row i, standardised: divided by Spread, and
// within ±50, which only a price that had long stood still exceeds. i is below
// Targets(h).
func (t *Table) Target(i, h int) float64 {
	return clip((t.logs[i+h]-t.logs[i])/t.Spread(i, h), 50)
}

// MeanVariance is that of the h bars after row i. i is below Targets(h).
func (t *Table) MeanVariance(i, h int) float64 {
	var sum float64
	for _, v := range t.Variance[i+1 : i+1+h] {
		sum += v
	}
	return sum / float64(h)
}

// State is what is known at a cutoff.
type State struct {
	Row   Row
	Scale float64 // see Builder.Scale

	season *Season
}

// Look is how many bars before a cutoff At looks at.
const Look = 1024

// At returns the state at the end of w, from its newest Look bars and the season of a
// table. The errors are those of NewTable; it needs 32 bars.
func At(w forecast.Window, s *Season, e Range) (State, error) {
	first, err := Usable(w, warm+2, Look)
	if err != nil {
		return State{}, err
	}
	b := NewBuilder(Frozen(s, e))
	ok := false
	for i := first; i < w.Len(); i++ {
		bar := w.Bar(i)
		ok = b.Update(&bar)
	}
	if !ok || !(b.Scale() > 0) {
		return State{}, fmt.Errorf("%w: the price has not moved in %d bars", forecast.ErrDegenerate, w.Len()-first)
	}
	return State{b.Row(), b.Scale(), s}, nil
}

// Spread is the scale of the return over the next horizon bars after the end of w,
// the window that the state belongs to, as in Table.Spread.
func (s *State) Spread(w forecast.Window, horizon int) float64 {
	return s.Scale * math.Sqrt(s.season.Ahead(w, horizon))
}

// Trace keeps the State of a series up to date bar by bar, with the season of a table.
// It costs a fraction of At; what lies more than Look bars before its beginning weighs
// nothing. It is not safe for concurrent use.
type Trace struct {
	b      *Builder
	season *Season
	e      Range
	ok     bool
}

// NewTrace returns the trace at the end of w, from its newest Look bars.
func NewTrace(w forecast.Window, s *Season, e Range) *Trace {
	t := &Trace{b: NewBuilder(Frozen(s, e)), season: s, e: e}
	for i := max(0, w.Len()-Look); i < w.Len(); i++ {
		bar := w.Bar(i)
		t.take(&bar)
	}
	return t
}

// Update takes the newest bar of w.
func (t *Trace) Update(w forecast.Window) {
	if k := w.Break(); k != 1 {
		t.b.Break(k)
	}
	bar := w.Bar(w.Len() - 1)
	t.take(&bar)
}

func (t *Trace) take(bar *market.Bar) {
	if c := bar.Close; !(c > 0 && c <= math.MaxFloat64) {
		t.b, t.ok = NewBuilder(Frozen(t.season, t.e)), false // begin anew
		return
	}
	t.ok = t.b.Update(bar)
}

// State is what is known at the newest bar. The errors wrap forecast.ErrTooShort while
// too few bars have come since the last bad one, and forecast.ErrDegenerate when the
// price has not moved.
func (t *Trace) State() (State, error) {
	switch {
	case t.b.Seen() <= warm:
		return State{}, fmt.Errorf("%w: %d returns, more than %d are needed", forecast.ErrTooShort, t.b.Seen(), warm)
	case !t.ok || !(t.b.Scale() > 0):
		return State{}, fmt.Errorf("%w: the price has not moved in %d bars", forecast.ErrDegenerate, t.b.Seen())
	}
	return State{t.b.Row(), t.b.Scale(), t.season}, nil
}
