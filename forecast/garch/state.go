package garch

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/rangevar"
	"github.com/foretick/foretick/forecast/residual"
)

// state follows one series. All returns are x 100.
type state struct {
	model    Model
	horizons []int
	season   bool // the input's factors are used

	input  *rangevar.Input
	ok     bool            // the newest bar gave a return
	r, v   forecast.Recent // returns and range-based variances
	book   *residual.Book
	pools  []*residual.Pool // of each horizon
	fitted bool
	refits int // tried
	free   free
	params params
	s2     float64            // variance of the next bar, before the season
	t      forecast.Quantiles // of the fitted t
}

func newState(m Model, s forecast.Setting) *state {
	if len(s.Horizons) == 0 || s.Horizons[0] < 1 || !slices.IsSorted(s.Horizons) {
		panic(fmt.Sprintf("garch: horizons %v must ascend from at least 1", s.Horizons))
	}
	st := &state{model: m, horizons: s.Horizons, season: m.Season || s.Interval.Duration() < 24*time.Hour,
		input: rangevar.New(s.Interval), r: forecast.NewRecent(m.Returns), v: forecast.NewRecent(m.Returns), book: residual.NewBook(s.Horizons)}
	for range s.Horizons {
		st.pools = append(st.pools, residual.NewPool(m.Pool))
	}
	return st
}

func (s *state) place(horizon int) int {
	i := slices.Index(s.horizons, horizon)
	if i < 0 {
		panic(fmt.Sprintf("%s: horizon %d is not among %v", s.model.ID, horizon, s.horizons))
	}
	return i
}

// Update learns from the newest bar: the residuals that it realises, and the
// variance of the next bar.
func (s *state) Update(w forecast.Window) {
	s.ok = s.input.Update(w)
	if !s.ok {
		s.book.Break()
		return
	}
	r, v := s.input.Return, s.input.Variance
	if s.season {
		r = s.input.Adjusted
	} else {
		v *= s.input.Factor
	}
	mu := s.params[iMu]
	s.book.Realise(s.input.Return, func(i int, y, scale float64) {
		s.pools[i].Add((y - mu*float64(s.horizons[i])) / scale)
	})
	s.r.Push(r)
	s.v.Push(v)
	if !s.fitted {
		return
	}
	s.s2 = s.params.next(s.s2, r-mu, v)
	for i, h := range s.horizons {
		s.book.Note(i, s.scale(w, h))
	}
}

// scale is the volatility over the next horizon bars.
func (s *state) scale(w forecast.Window, horizon int) float64 {
	p := &s.params
	back := p.persistence()
	s2, sum := s.s2, 0.0
	for range horizon {
		sum += s2
		s2 = p[iOmega] + float64(back*s2)
	}
	if s.season {
		sum *= s.input.Ahead(w, horizon)
	}
	return math.Sqrt(sum)
}

func (s *state) ready(w forecast.Window) error {
	switch {
	case s.r.Len() < s.model.Least:
		return fmt.Errorf("%s: %w: %d returns, at least %d are needed", s.model.ID, forecast.ErrTooShort, s.r.Len(), s.model.Least)
	case !s.fitted:
		return fmt.Errorf("%s: %w: not estimated yet", s.model.ID, forecast.ErrTooShort)
	case !s.ok:
		return fmt.Errorf("%s: %w: the newest close %v and the one before give no return", s.model.ID, forecast.ErrDegenerate, w.Last())
	}
	return nil
}

// searchEvery is the number of estimations after which the search begins anew from
// everywhere, in case the maximum it follows is no longer the highest.
const searchEvery = 25

// Refit estimates the parameters on the newest returns, beginning the search where
// the last one ended.
func (s *state) Refit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.r.Len() < s.model.Least {
		return fmt.Errorf("%s: %w: %d returns, at least %d are needed", s.model.ID, forecast.ErrTooShort, s.r.Len(), s.model.Least)
	}
	data := sample{r: s.r.All()}
	if s.model.Range {
		data.v = s.v.All()
	}
	sd := spread(data.r)
	if !(sd > 1e-9) {
		return fmt.Errorf("%s: %w: the price has not moved in %d bars", s.model.ID, forecast.ErrDegenerate, len(data.r))
	}
	found, ok := s.free, false
	if s.fitted && s.refits%searchEvery != 0 {
		found, _, ok = s.model.estimate(&data, sd, s.free)
	}
	if !ok {
		found, ok = s.model.search(&data, sd, s.free, s.fitted)
	}
	s.refits++
	if !ok {
		return fmt.Errorf("%s: %w: the likelihood of %d returns has no maximum", s.model.ID, forecast.ErrDegenerate, len(data.r))
	}
	first := !s.fitted
	s.free, s.fitted = found, true
	s.adopt(found.natural(&s.model, sd))
	if first {
		s.backfill(&data)
	}
	return nil
}

// adopt takes over parameters and brings the variance up to date with them.
func (s *state) adopt(p params) {
	s.params = p
	s.t = forecast.StudentT(p[iNu])
	s.s2 = s.filter(nil)
}

// filter runs the recursion over the returns kept and returns the variance after
// the newest; each, unless nil, is told the variance of every return.
func (s *state) filter(each func(i int, s2 float64)) float64 {
	r, v := s.r.All(), s.v.All()
	var s2 float64
	for _, x := range r {
		s2 += float64((x - s.params[iMu]) * (x - s.params[iMu]))
	}
	if len(r) > 0 {
		s2 /= float64(len(r))
	}
	for i, x := range r {
		if each != nil {
			each(i, s2)
		}
		s2 = s.params.next(s2, x-s.params[iMu], v[i])
	}
	return s2
}

// backfill fills empty pools with the residuals that the parameters give over the
// returns kept, so that the first forecasts have some.
func (s *state) backfill(data *sample) {
	p := &s.params
	back := p.persistence()
	sums := make([]float64, len(data.r)+1)
	for i, r := range data.r {
		sums[i+1] = sums[i] + r
	}
	s.filter(func(t int, s2 float64) { // s2 is the variance of return t, known at its origin
		sum, done := 0.0, 0
		for i, h := range s.horizons {
			if t+h > len(data.r) {
				return
			}
			for ; done < h; done++ {
				sum += s2
				s2 = p[iOmega] + float64(back*s2)
			}
			if sum > 0 {
				s.pools[i].Add((sums[t+h] - sums[t] - p[iMu]*float64(h)) / math.Sqrt(sum))
			}
		}
	})
}

// spread is the standard deviation of x.
func spread(x []float64) float64 {
	var mean, square float64
	for _, v := range x {
		mean += v
	}
	mean /= float64(len(x))
	for _, v := range x {
		square += float64((v - mean) * (v - mean))
	}
	return math.Sqrt(square / float64(len(x)))
}

// Encode returns the options and the parameters.
func (s *state) Encode() ([]byte, error) {
	b := fmt.Appendf(nil, "garch/1 %+v ", s.model)
	for _, v := range s.params {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b, nil
}

// Adopt takes over the parameters of another garch state.
func (s *state) Adopt(from forecast.State) {
	o := from.(*state)
	if !o.fitted {
		return
	}
	s.free, s.fitted = o.free, true
	s.adopt(o.params)
}

// Persist carries everything to and from a.
func (s *state) Persist(a *forecast.Archive) {
	s.input.Persist(a)
	a.Bool(&s.ok)
	s.r.Persist(a)
	s.v.Persist(a)
	s.book.Persist(a)
	for _, p := range s.pools {
		p.Persist(a)
	}
	a.Bool(&s.fitted)
	a.Int(&s.refits)
	a.Array(s.free[:])
	a.Array(s.params[:])
	a.Float(&s.s2)
	if a.Reading() && s.fitted {
		s.t = forecast.StudentT(s.params[iNu])
	}
}
