package forecast

import (
	"context"
	"fmt"

	"github.com/foretick/foretick/market"
)

// Windowed makes a Follower of a model that looks at the window only, so that it can be
// an expert of a pool. Its state keeps the newest bars, at most the given number, and
// the version that was fitted on them last. A version that is younger than the given
// number of bars is not estimated again.
func Windowed(m Forecaster, bars, every int) Follower { return windowed{m, bars, every} }

type windowed struct {
	Forecaster
	most, every int
}

func (m windowed) Follow(s Setting) State { return &windowState{model: m, interval: s.Interval} }

type windowState struct {
	model    windowed
	interval market.Interval
	bars     []market.Bar // newest last, as traded; up to twice as many as the model sees
	breaks   []Break      // among bars
	spliced  []market.Bar // room for a window with a break in it
	fitted   Fitted
	trace    Trace // of fitted, nil when it has none
	age      int   // bars since it was fitted
}

func (s *windowState) Update(w Window) {
	if len(s.bars) >= 2*s.model.most+maxAge {
		s.bars = s.bars[:copy(s.bars, s.bars[len(s.bars)-s.model.most-maxAge+1:])]
	}
	b := w.Bar(w.Len() - 1)
	s.bars = append(s.bars, b)
	for len(s.breaks) > 0 && s.breaks[0].Start <= s.bars[0].Start {
		s.breaks = s.breaks[1:]
	}
	if k := w.Break(); k != 1 {
		s.breaks = append(s.breaks, Break{b.Start, k})
	}
	s.age++
	if s.trace != nil {
		s.trace.Update(s.window(0))
	}
}

// take makes f the version in use, as fitted some bars ago.
func (s *windowState) take(f Fitted, ago int) {
	s.fitted, s.trace, s.age = f, nil, ago
	t, ok := f.(Tracer)
	if !ok {
		return
	}
	s.trace = t.Trace(s.window(ago))
	for ; ago > 0; ago-- {
		s.trace.Update(s.window(ago - 1))
	}
}

// maxAge is how long ago, in bars, the version may have been fitted to be fitted again
// on the same bars when the state is read back.
const maxAge = 256

// window are the bars that the model sees, as of some bars ago. It is valid until the next
// call.
func (s *windowState) window(ago int) Window {
	end := max(0, len(s.bars)-ago)
	bars := s.bars[max(0, end-s.model.most):end]
	if len(s.breaks) == 0 || end == 0 {
		return NewWindow(s.interval, bars)
	}
	view := Splice(s.spliced, bars, s.breaks)
	if &view[0] != &bars[0] {
		s.spliced = view
	}
	w := NewWindow(s.interval, view)
	for _, b := range s.breaks {
		if b.Start == s.bars[end-1].Start {
			w = w.WithBreak(b.Factor)
		}
	}
	return w
}

func (s *windowState) Refit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.fitted != nil && s.age < s.model.every {
		return nil
	}
	f, err := s.model.Fit(ctx, s.window(0))
	if err != nil {
		return err
	}
	s.take(f, 0)
	return nil
}

func (s *windowState) Predict(w Window, horizon int) (Prediction, error) {
	if s.fitted == nil {
		return Prediction{}, fmt.Errorf("%s: %w: not estimated yet", s.model.Name(), ErrTooShort)
	}
	here := s.window(0).WithAhead(w.ahead)
	if s.trace != nil {
		return s.trace.Predict(here, horizon)
	}
	return s.fitted.Predict(here, horizon)
}

func (s *windowState) Encode() ([]byte, error) {
	if e, ok := s.fitted.(Encoder); ok {
		return e.Encode()
	}
	return []byte(s.model.Name()), nil
}

func (s *windowState) Adopt(from State) {
	if f := from.(*windowState).fitted; f != nil {
		s.take(f, 0)
	}
}

// Persist keeps the bars; what was fitted is fitted again on those of then.
func (s *windowState) Persist(a *Archive) {
	keep := s.bars[max(0, len(s.bars)-s.model.most-maxAge):]
	n, fitted := len(keep), s.fitted != nil
	a.Int(&n)
	a.Int(&s.age)
	a.Bool(&fitted)
	if a.Reading() {
		if n < 0 || n > s.model.most+maxAge {
			a.Fail("%d bars", n)
			return
		}
		keep = make([]market.Bar, n)
	}
	for i := range keep {
		b := &keep[i]
		start, end, trades := uint64(b.Start), uint64(b.End), uint64(b.Trades)
		a.Uint(&start)
		a.Uint(&end)
		b.Start, b.End = market.Time(start), market.Time(end)
		a.Float(&b.Open, &b.High, &b.Low, &b.Close, &b.Volume)
		a.Uint(&trades)
		b.Trades = int64(trades)
		a.Int(&b.Revision)
	}
	s.persistBreaks(a, keep)
	if !a.Reading() || a.err != nil {
		return
	}
	s.bars, s.fitted, s.trace = keep, nil, nil
	if fitted {
		ago := s.age
		if ago > maxAge || ago >= len(s.bars) {
			ago = 0
		}
		f, err := s.model.Fit(context.Background(), s.window(ago))
		if err != nil {
			a.Fail("%s cannot be fitted again: %v", s.model.Name(), err)
			return
		}
		age := s.age
		s.take(f, ago)
		s.age = age
	}
}

// persistBreaks carries the breaks among the bars that are kept.
func (s *windowState) persistBreaks(a *Archive, keep []market.Bar) {
	for len(s.breaks) > 0 && len(keep) > 0 && s.breaks[0].Start <= keep[0].Start {
		s.breaks = s.breaks[1:]
	}
	PersistBreaks(a, &s.breaks)
}

// Tracer is a Fitted that can follow the bars after those it was fitted on for less
// than looking at the whole window each time.
type Tracer interface {
	Fitted
	// Trace returns the trace of a series as it stands at the end of w.
	Trace(w Window) Trace
}

// Trace answers for one Fitted along a series. It is not safe for concurrent use.
type Trace interface {
	// Update takes the newest bar of w, which follows the one of the call before. As of
	// a State, prices that it has kept are first multiplied by w.Break().
	Update(w Window)
	// Predict is Fitted.Predict at the newest bar of w, the last that Update took. What
	// lies far back may weigh a little more or less than there.
	Predict(w Window, horizon int) (Prediction, error)
}
