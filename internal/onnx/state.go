package onnx

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/residual"
)

const (
	mostErrors = 250 // that the spread of a point is read off
	fewErrors  = 30  // how many it takes to tell
	beyond     = 700 // 100 x log return that no price holds
)

// state follows one series. Where the network gives quantiles the window alone decides;
// where it gives points, its errors do too.
type state struct {
	m       *Model
	set     forecast.Setting
	in, out []float32

	returns int               // seen
	points  []forecast.Recent // log prices forecast at the newest bars, by horizon; NaN: none
	errors  []*residual.Pool  // what happened less what was forecast, in logs
	ready   bool              // Refit has been called

	asked bool  // out and err are those of the newest bar
	err   error // why there is no out
}

// Update asks a network that gives points, so that its error can be told later.
func (s *state) Update(w forecast.Window) {
	s.asked = false
	if k := w.Break(); k != 1 {
		for i := range s.points {
			s.points[i].Shift(math.Log(k))
		}
	}
	var room [1]float64
	c := w.Last()
	good := c > 0 && c <= math.MaxFloat64
	if _, err := forecast.Returns(room[:], w, 1, 1, 1); err == nil {
		s.returns++
	}
	if !good {
		for i := range s.points {
			s.points[i] = forecast.NewRecent(s.set.Horizons[i])
		}
		return
	}
	if len(s.points) == 0 {
		return
	}
	now := math.Log(c)
	s.ask(w)
	for i, h := range s.set.Horizons[:len(s.points)] {
		p := &s.points[i]
		if p.Len() == h {
			if e := now - p.Back(h-1); e == e {
				s.errors[i].Add(e)
			}
		}
		next := math.NaN()
		if s.err == nil {
			next = now + float64(s.out[h-1])/100
		}
		p.Push(next)
	}
}

// ask runs the network at the newest bar of w, once.
func (s *state) ask(w forecast.Window) {
	if s.asked {
		return
	}
	s.asked = true
	if s.err = fill(s.in, w, s.m.shape); s.err != nil {
		return
	}
	if err := s.m.net.run(s.out, s.in); err != nil {
		s.err = fmt.Errorf("%w: %w", forecast.ErrDegenerate, err)
		return
	}
	for i, v := range s.out {
		if !(math.Abs(float64(v)) <= beyond) {
			s.err = fmt.Errorf("%w: the network's output %d is %v, beyond what prices can hold (100 x log return, at most %d)", forecast.ErrDegenerate, i, v, beyond)
			return
		}
	}
}

// Refit has nothing to estimate. The error wraps forecast.ErrTooShort until there were as
// many returns as the network reads.
func (s *state) Refit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.returns < s.m.shape.Bars {
		return fmt.Errorf("%s: %w: %d returns, the network reads %d", s.m.name, forecast.ErrTooShort, s.returns, s.m.shape.Bars)
	}
	s.ready = true
	return nil
}

// Predict answers for one of the horizons of the setting. The error wraps
// forecast.ErrTooShort where the window holds too few bars, the network looks less far ahead
// or too few of its points have an outcome, and forecast.ErrDegenerate where prices or the
// answer are of no use.
func (s *state) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	i := slices.Index(s.set.Horizons, horizon)
	if i < 0 {
		panic(fmt.Sprintf("onnx: horizon %d is not among %v", horizon, s.set.Horizons))
	}
	if !s.ready {
		return p, fmt.Errorf("%s: %w: no version has been chosen", s.m.name, forecast.ErrTooShort)
	}
	if horizon > s.m.shape.Horizons {
		return p, fmt.Errorf("%s: %w: the network looks %d ahead, not %d", s.m.name, forecast.ErrTooShort, s.m.shape.Horizons, horizon)
	}
	if s.ask(w); s.err != nil {
		return p, fmt.Errorf("%s: %w", s.m.name, s.err)
	}
	if !s.m.shape.Quantiles {
		return s.spread(i)
	}
	for k, v := range s.out[(horizon-1)*forecast.Levels:][:forecast.Levels] {
		p.Quantiles[k] = float64(v) / 100
	}
	if !slices.IsSorted(p.Quantiles[:]) {
		slices.Sort(p.Quantiles[:])
		s.m.sorted.Add(1)
	}
	p.Point = p.Quantiles[forecast.Q50]
	return p, nil
}

// spread puts the newest errors around the point of horizon i of the setting.
func (s *state) spread(i int) (p forecast.Prediction, err error) {
	h, errs := s.set.Horizons[i], s.errors[i].Sorted()
	if len(errs) < fewErrors {
		return p, fmt.Errorf("%s: %w: %d of its forecasts %d bars ahead have an outcome, %d are needed to tell its spread", s.m.name, forecast.ErrTooShort, len(errs), h, fewErrors)
	}
	p.Point = float64(s.out[h-1]) / 100
	least, most := errs[0], errs[len(errs)-1]
	if least == most {
		return p, fmt.Errorf("%s: %w: its newest %d errors are all the same", s.m.name, forecast.ErrDegenerate, len(errs))
	}
	if !(math.Abs(p.Point)+math.Max(-least, most) <= beyond/100) {
		return p, fmt.Errorf("%s: %w: the point and the errors, %g and %g to %g in logs, are beyond what prices can hold", s.m.name, forecast.ErrDegenerate, p.Point, least, most)
	}
	p.Quantiles = s.errors[i].Quantiles()
	for k := range p.Quantiles {
		p.Quantiles[k] += p.Point
	}
	return p, nil
}

// Encode names the file, the runtime and how the spread of a point is told.
func (s *state) Encode() ([]byte, error) {
	return fmt.Appendf(nil, "onnx/1 file=%s runtime=%s errors=%d", s.m.sum, s.m.runtime, mostErrors), nil
}

// Adopt takes over that from is ready: the parameters are the file's.
func (s *state) Adopt(from forecast.State) { s.ready = from.(*state).ready }

// Persist carries everything but the network and what it says of the newest bar, which it is
// asked for again.
func (s *state) Persist(a *forecast.Archive) {
	sum := []byte(s.m.sum)
	a.Blob(&sum)
	if string(sum) != s.m.sum {
		a.Fail("it is of the file %.64q, not %s", sum, s.m.sum)
		return
	}
	a.Int(&s.returns)
	for i := range s.points {
		s.points[i].Persist(a)
		s.errors[i].Persist(a)
	}
	a.Bool(&s.ready)
	s.asked = false
}
