package forecasttest

import (
	"context"
	"encoding/binary"
	"errors"
	"math"

	"github.com/foretick/foretick/forecast"
)

// brokenStates break one rule of forecast.State each.
var brokenStates = map[string]struct {
	wrap func(*state) forecast.State
	says string
}{
	"forgets a number when it is written": {func(s *state) forecast.State { return forgetful{s} }, "written at bar"},
	"reads whatever it is given":          {func(s *state) forecast.State { return trusting{s} }, "want ErrArchive"},
	"learns from a break":                 {func(s *state) forecast.State { return unbroken{s} }, "breaks move"},
	"answers before it is estimated":      {func(s *state) forecast.State { return hasty{s} }, "before the first estimation"},
	"answers after a bad bar":             {func(s *state) forecast.State { return stubborn{s} }, "after it"},
	"never recovers from a flat bar":      {func(s *state) forecast.State { return &poisoned{s, 1} }, "is NaN"},
	"estimates at every bar":              {func(s *state) forecast.State { return restless{s} }, "the version changes without an estimation"},
	"never estimates again":               {func(s *state) forecast.State { return lazy{s} }, "an estimation changes the version: true"},
	"estimates nothing from nothing":      {func(s *state) forecast.State { return credulous{s} }, "an estimation on nothing"},
	"estimates what nobody waits for":     {func(s *state) forecast.State { return deaf{s} }, "a cancelled estimation"},
	"estimates before it looks":           {func(s *state) forecast.State { return late{s} }, "cancelled at look 1 changes the version"},
	"says what it is not asked":           {func(s *state) forecast.State { return obliging{s} }, "it was accepted"},
	"adopts nothing":                      {func(s *state) forecast.State { return proud{s} }, "after Adopt the versions differ"},
	"changes whom it adopts from":         {func(s *state) forecast.State { return clinging{s} }, "after Adopt the versions differ"},
}

type forgetful struct{ *state }

func (s forgetful) Persist(a *forecast.Archive) {
	s.returns.Persist(a)
	a.Float(&s.last)
	a.Bool(&s.ok)
}

type trusting struct{ *state }

func (s trusting) Persist(a *forecast.Archive) {
	if !a.Reading() {
		s.state.Persist(a)
		return
	}
	r := forecast.ReadArchive(a.Bytes())
	s.state.Persist(r)
	for len(a.Bytes()) >= 8 {
		var rest uint64
		a.Uint(&rest)
	}
}

type unbroken struct{ *state }

func (s unbroken) Update(w forecast.Window) { s.state.Update(w.WithBreak(1)) }

type hasty struct{ *state }

func (s hasty) Update(w forecast.Window) {
	s.state.Update(w)
	if s.sd == 0 && s.returns.Len() == fewest {
		s.sd = 0.01
	}
}

type stubborn struct{ *state }

func (s stubborn) Predict(w forecast.Window, h int) (forecast.Prediction, error) {
	s.ok = s.ok || s.returns.Len() > 0
	return s.state.Predict(w, h)
}

type poisoned struct {
	*state
	factor float64
}

func (s *poisoned) Update(w forecast.Window) {
	s.state.Update(w)
	if s.ok {
		s.factor *= s.returns.Back(0) / s.returns.Back(0)
	}
}

func (s *poisoned) Predict(w forecast.Window, h int) (forecast.Prediction, error) {
	p, err := s.state.Predict(w, h)
	p.Quantiles[0] *= s.factor
	return p, err
}

func (s *poisoned) Persist(a *forecast.Archive) {
	s.state.Persist(a)
	a.Float(&s.factor)
}

type restless struct{ *state }

func (s restless) Update(w forecast.Window) {
	s.state.Update(w)
	if s.sd > 0 {
		s.sd = spread(s.returns.All())
	}
}

type lazy struct{ *state }

func (s lazy) Refit(ctx context.Context) error {
	if s.sd > 0 && ctx.Err() == nil {
		return nil
	}
	return s.state.Refit(ctx)
}

type credulous struct{ *state }

func (s credulous) Refit(ctx context.Context) error {
	if s.returns.Len() == 0 {
		return nil
	}
	return s.state.Refit(ctx)
}

type deaf struct{ *state }

func (s deaf) Refit(context.Context) error { return s.state.Refit(context.Background()) }

type late struct{ *state }

func (s late) Refit(ctx context.Context) error {
	return errors.Join(s.state.Refit(context.Background()), ctx.Err())
}

type obliging struct{ *state }

func (s obliging) Predict(w forecast.Window, h int) (forecast.Prediction, error) {
	return s.state.Predict(w, max(h, 1))
}

type proud struct{ *state }

func (s proud) Adopt(forecast.State) {}

type clinging struct{ *state }

func (s clinging) Adopt(from forecast.State) {
	s.state.Adopt(from)
	from.(clinging).sd = 0
}

func (s clinging) Encode() ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, math.Float64bits(s.sd)), nil
}
