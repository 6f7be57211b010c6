package forecasttest

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
)

// plain is a sound model: normal, with the standard deviation of the newest 250 returns.
// Tests take its virtues away one by one.
type plain struct {
	spoil spoil
	most  int // returns, 0: 250
}

const fewest = 20

func (plain) Name() string { return "plain" }

func (m plain) returns() int {
	if m.most == 0 {
		return 250
	}
	return m.most
}

func (m plain) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if m.most < 0 {
		panic("plain: options are out of range")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if _, err := m.Predict(w, 1); err != nil {
		return nil, err
	}
	return m, nil
}

func (m plain) Encode() ([]byte, error) { return fmt.Appendf(nil, "plain/1 %d", m.returns()), nil }

func (m plain) Predict(w forecast.Window, h int) (p forecast.Prediction, err error) {
	if h < 1 {
		panic("plain: the horizon must be at least 1")
	}
	r, err := forecast.Returns(nil, w, 1, fewest, m.returns())
	if err != nil {
		err = fmt.Errorf("plain: %w", err)
	} else {
		p, err = m.answer(spread(r), h)
	}
	return p, m.spoiled(&p, w, err)
}

// answer is that of returns with standard deviation sd.
func (plain) answer(sd float64, h int) (p forecast.Prediction, err error) {
	if sd == 0 {
		return p, fmt.Errorf("plain: %w: the price does not move", forecast.ErrDegenerate)
	}
	p.Quantiles = forecast.Normal(0, sd*math.Sqrt(float64(h)))
	return p, nil
}

func (m plain) spoiled(p *forecast.Prediction, w forecast.Window, err error) error {
	if m.spoil == nil || w.Len() < 2 {
		return err
	}
	return m.spoil(p, w, err)
}

func spread(r []float64) float64 {
	var sum float64
	for _, x := range r {
		sum += x * x
	}
	return math.Sqrt(sum / float64(len(r)))
}

// following is plain as a state, wrapped where that is set.
type following struct {
	plain
	wrap func(*state) forecast.State
}

func (m following) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	return forecast.FitFollower(ctx, m, w)
}

func (m following) Follow(set forecast.Setting) forecast.State {
	s := &state{model: m.plain, horizons: set.Horizons, returns: forecast.NewRecent(m.returns())}
	if m.wrap != nil {
		return m.wrap(s)
	}
	return s
}

type state struct {
	model    plain
	horizons []int
	returns  forecast.Recent
	last     float64 // close, 0 when it cannot be learnt from
	ok       bool    // the newest bar gave a return
	sd       float64 // estimated; 0 before
}

func (s *state) Update(w forecast.Window) {
	prev, c := s.last*w.Break(), w.Last()
	s.last, s.ok = 0, false
	if !(c > 0) || c > math.MaxFloat64 {
		return
	}
	s.last = c
	if prev > 0 {
		s.returns.Push(math.Log(c) - math.Log(prev))
		s.ok = true
	}
}

func (s *state) Refit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.returns.Len() < fewest {
		return fmt.Errorf("plain: %w: %d returns", forecast.ErrTooShort, s.returns.Len())
	}
	sd := spread(s.returns.All())
	_, err := s.model.answer(sd, 1)
	if err == nil {
		s.sd = sd
	}
	return err
}

func (s *state) Predict(w forecast.Window, h int) (p forecast.Prediction, err error) {
	if !slices.Contains(s.horizons, h) {
		panic("plain: nobody said that this horizon would be asked for")
	}
	switch {
	case s.sd == 0:
		err = fmt.Errorf("plain: %w: not estimated yet", forecast.ErrTooShort)
	case s.returns.Len() < fewest:
		err = fmt.Errorf("plain: %w: %d returns", forecast.ErrTooShort, s.returns.Len())
	case !s.ok:
		err = fmt.Errorf("plain: %w: the newest closes give no return", forecast.ErrDegenerate)
	default:
		p, err = s.model.answer(s.sd, h)
	}
	return p, s.model.spoiled(&p, w, err)
}

func (s *state) Encode() ([]byte, error) {
	b := fmt.Appendf(nil, "plain/1 %d ", s.model.returns())
	return binary.BigEndian.AppendUint64(b, math.Float64bits(s.sd)), nil
}

func (s *state) Adopt(from forecast.State) { s.sd = from.(interface{ inside() *state }).inside().sd }

func (s *state) Persist(a *forecast.Archive) {
	s.returns.Persist(a)
	a.Float(&s.last, &s.sd)
	a.Bool(&s.ok)
}

func (s *state) inside() *state { return s }
