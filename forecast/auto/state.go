package auto

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/conformal"
	"github.com/foretick/foretick/market"
)

// recentReturns is the number of returns that volatility is taken of.
const recentReturns = 20

// State follows one series.
type State struct {
	returns forecast.Recent // x 100

	model    Model
	horizons []int
	experts  []forecast.State
	pools    []*pool // of each horizon

	bars  int     // seen
	last  float64 // close of the newest bar, 0 when it cannot be learnt from
	sum   float64 // cumulated returns x 100
	names []string
	errs  []error // of the horizons at the newest bar
	room  []forecast.Prediction
}

func newState(m Model, set forecast.Setting) *State {
	s := &State{model: m, horizons: set.Horizons, returns: forecast.NewRecent(recentReturns), errs: make([]error, len(set.Horizons))}
	var prior []float64
	total := 0.0
	for _, e := range m.Experts {
		s.experts = append(s.experts, e.Model.Follow(set))
		s.names = append(s.names, e.Names...)
		for _, w := range e.Weights {
			prior = append(prior, w)
			total += w
		}
	}
	for i := range prior {
		prior[i] /= total
	}
	var options conformal.Options
	if set.Interval == market.Day {
		options.Prior = m.Daily
	}
	for _, h := range set.Horizons {
		s.pools = append(s.pools, newPool(h, m.Learn, prior, conformal.New(h, options)))
	}
	return s
}

// Update lets every expert learn from the newest bar, learns from the outcomes that
// it brings, and pools what the experts say now.
func (s *State) Update(w forecast.Window) {
	for _, e := range s.experts {
		e.Update(w)
	}
	s.bars++
	c := w.Last()
	if !(c > 0) || c > math.MaxFloat64 {
		s.last = 0
		s.forget()
		return
	}
	if s.last == 0 {
		s.last = c
		s.forget()
		return
	}
	r := 100 * (math.Log(c) - math.Log(s.last*w.Break()))
	s.sum += r
	s.last = c
	s.returns.Push(r)
	volatility := s.volatility()
	for i, p := range s.pools {
		if len(p.said) == p.horizon {
			o := &p.said[0]
			if o.ok {
				p.outcome(o, s.sum-o.sum)
			}
			p.layer.Realise(s.sum - o.sum)
			// The place of the oldest is used again for the newest.
			first := p.said[0]
			copy(p.said, p.said[1:])
			p.said[len(p.said)-1] = first
		} else {
			p.said = append(p.said, said{experts: make([]forecast.Quantiles, len(p.prior)), present: make([]bool, len(p.prior))})
		}
		o := &p.said[len(p.said)-1]
		p.correct(o, s.ask(w, i, o), volatility)
	}
}

// volatility is the standard deviation of the newest 20 returns, 0 while there are fewer.
func (s *State) volatility() float64 {
	r := s.returns.All()
	if len(r) < recentReturns {
		return 0
	}
	var mean, square float64
	for _, x := range r {
		mean += x
	}
	mean /= recentReturns
	for _, x := range r {
		square += float64((x - mean) * (x - mean))
	}
	return math.Sqrt(square / (recentReturns - 1))
}

// forget drops the origins whose outcome will never be known.
func (s *State) forget() {
	for i, p := range s.pools {
		p.said = p.said[:0]
		p.layer.Forget()
		s.errs[i] = fmt.Errorf("auto: %w: the newest closes give no return", forecast.ErrDegenerate)
		if s.bars == 1 {
			s.errs[i] = fmt.Errorf("auto: %w: one bar gives no return", forecast.ErrTooShort)
		}
	}
}

// ask fills in what experts and pool say for the horizon at place i, false when nobody
// says anything.
func (s *State) ask(w forecast.Window, i int, o *said) bool {
	o.ok, o.sum = false, s.sum
	k := 0
	s.errs[i] = nil
	for n, e := range s.experts {
		answers := s.room[:0]
		var err error
		if many, ok := e.(forecast.Many); ok {
			answers, err = many.PredictMany(answers, w, s.horizons[i])
		} else {
			var p forecast.Prediction
			p, err = e.Predict(w, s.horizons[i])
			answers = append(answers, p)
		}
		s.room = answers
		for a := range s.model.Experts[n].Names {
			why := err
			if why == nil {
				why = answers[a].Quantiles.Validate()
			}
			o.present[k] = why == nil
			if why == nil {
				for l, q := range &answers[a].Quantiles {
					o.experts[k][l] = 100 * q
				}
			} else if s.errs[i] == nil {
				s.errs[i] = why
			}
			k++
		}
	}
	if s.pools[i].combine(o) {
		s.errs[i] = nil
		return true
	}
	if s.errs[i] == nil {
		s.errs[i] = fmt.Errorf("auto: %w: no expert has a forecast", forecast.ErrTooShort)
	}
	return false
}

// Refit estimates every expert. It fails only when all of them do. It shows from
// the next bar on. One that is cancelled may have estimated some of the experts: throw the
// state away then.
func (s *State) Refit(ctx context.Context) error {
	var first error
	fitted := false
	for _, e := range s.experts {
		if err := e.Refit(ctx); err == nil {
			fitted = true
		} else if first == nil {
			first = err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !fitted {
		return first
	}
	return nil
}

// Predict answers for one of the horizons of the setting. The point is the median.
func (s *State) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	i := slices.Index(s.horizons, horizon)
	if i < 0 {
		panic(fmt.Sprintf("auto: horizon %d is not among %v", horizon, s.horizons))
	}
	said := s.pools[i].said
	if s.errs[i] != nil || len(said) == 0 {
		if s.errs[i] == nil {
			return p, fmt.Errorf("auto: %w: no return has been seen", forecast.ErrTooShort)
		}
		return p, s.errs[i]
	}
	for l, q := range &s.pools[i].stated {
		p.Quantiles[l] = q / 100
	}
	p.Point = p.Quantiles[forecast.Q50]
	return p, nil
}

// Shares are the weights of the experts' answers now at one of the horizons of the
// setting. Those of experts that gave no answer are left out.
func (s *State) Shares(horizon int) []forecast.Share {
	p := s.pools[slices.Index(s.horizons, horizon)]
	if len(p.said) == 0 {
		return nil
	}
	o := &p.said[len(p.said)-1]
	total := 0.0
	for k, w := range p.weights {
		if o.present[k] {
			total += w
		}
	}
	shares := make([]forecast.Share, 0, len(p.weights))
	for k, w := range p.weights {
		if o.present[k] {
			shares = append(shares, forecast.Share{Expert: s.names[k], Weight: w / total})
		}
	}
	return shares
}

// Encode returns what names the version: the versions of all experts.
func (s *State) Encode() ([]byte, error) {
	b := []byte("auto/1")
	for _, e := range s.experts {
		v, err := e.Encode()
		if err != nil {
			return nil, err
		}
		b = fmt.Appendf(b, " %d:", len(v))
		b = append(b, v...)
	}
	return b, nil
}

// Adopt takes over the parameters of the experts of another state of the model.
func (s *State) Adopt(from forecast.State) {
	for i, e := range from.(*State).experts {
		s.experts[i].Adopt(e)
	}
}

// Persist carries everything to and from a.
func (s *State) Persist(a *forecast.Archive) {
	for _, e := range s.experts {
		e.Persist(a)
	}
	for i, p := range s.pools {
		p.persist(a)
		if a.Reading() {
			s.errs[i] = p.silence()
		}
	}
	s.returns.Persist(a)
	a.Int(&s.bars)
	a.Float(&s.last, &s.sum)
}
