package neural

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/residual"
)

// Model forecasts with networks that were trained elsewhere. For a cutoff it takes the
// newest of its versions that was trained on bars of the same interval and may be used by
// then: never one that has seen a bar after the cutoff.
//
// A version says how the return y over h bars is distributed, relative to the volatility V of
// one bar at the cutoff:
//
//	y = sqrt(h V) (m + exp(l) u)
//
// with m and l the network's outputs at the anchor horizon h (1, 2, 5, 10, 20; between two of
// them both are interpolated in ln h, beyond 20 they stay) and u a Student's t until 100
// residuals of the horizon have been realised, then these (package residual).
type Model struct {
	name     string
	versions *Versions
}

// New returns the model of the given name over versions.
func New(name string, versions *Versions) *Model { return &Model{name, versions} }

// Name is the name that was given to New.
func (m *Model) Name() string { return m.name }

// Fit chooses the version for w. The error wraps forecast.ErrTooShort when there is none.
func (m *Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	return forecast.FitFollower(ctx, m, w)
}

// Follow returns the state of a series.
func (m *Model) Follow(s forecast.Setting) forecast.State {
	if len(s.Horizons) == 0 || s.Horizons[0] < 1 || !slices.IsSorted(s.Horizons) {
		panic(fmt.Sprintf("neural: horizons %v must ascend from at least 1", s.Horizons))
	}
	st := &state{model: m, set: s, in: newInputs(s.Interval), book: residual.NewBook(s.Horizons),
		centres: make([]float64, len(s.Horizons)), scales: make([]float64, len(s.Horizons))}
	longest := s.Horizons[len(s.Horizons)-1]
	for range s.Horizons {
		st.pools = append(st.pools, residual.NewPool(poolSize))
		st.past = append(st.past, forecast.NewRecent(longest+1))
	}
	return st
}

// poolSize is the number of residuals that are kept, few the number below which the t
// stands for them.
const (
	poolSize = 1000
	few      = 100
)

// state follows one series.
type state struct {
	model *Model
	set   forecast.Setting

	in    *inputs
	ok    bool                 // the newest bar gave a row
	rows  [][numInputs]float32 // newest last, at most as many as a version reads
	book  *residual.Book
	pools []*residual.Pool
	past  []forecast.Recent // centres at the newest origins

	version *Trained // nil until there is one
	ready   bool     // Refit has been called
	pass    *Pass    // of version
	centres []float64
	scales  []float64 // at the newest bar; 0 when there is no forecast
}

// maxRows bounds the rows that are kept.
const maxRows = 1000

// Update learns from the newest bar.
func (s *state) Update(w forecast.Window) {
	s.ok = s.in.update(w)
	if !s.in.got {
		s.book.Break()
		for i := range s.past {
			s.past[i] = forecast.NewRecent(s.set.Horizons[len(s.set.Horizons)-1] + 1)
		}
		s.rows = s.rows[:0]
		clear(s.scales)
		return
	}
	s.book.Realise(s.in.in.Return, func(i int, y, scale float64) {
		s.pools[i].Add((y - s.past[i].Back(s.set.Horizons[i]-1)) / scale)
	})
	if s.ok {
		var row [numInputs]float32
		for k, v := range s.in.row {
			row[k] = float32(v)
		}
		if len(s.rows) >= 2*maxRows {
			s.rows = s.rows[:copy(s.rows, s.rows[len(s.rows)-maxRows+1:])]
		}
		s.rows = append(s.rows, row)
	} else {
		s.rows = s.rows[:0]
	}
	if s.version == nil {
		s.take(s.model.versions.at(s.set.Interval.String(), w.Cutoff()))
	}
	s.forecast(w)
	for i := range s.scales {
		s.book.Note(i, s.scales[i])
		s.past[i].Push(s.centres[i])
	}
}

// take makes v the version in use.
func (s *state) take(v *Trained) {
	if v == nil || v == s.version {
		return
	}
	s.version, s.pass = v, NewPass(v.Shape(), v.about.Options.Steps, 1)
}

// forecast sets centres and scales at the newest bar.
func (s *state) forecast(w forecast.Window) {
	clear(s.centres)
	clear(s.scales)
	if s.version == nil || len(s.rows) < s.pass.steps {
		return
	}
	last := s.rows[len(s.rows)-s.pass.steps:]
	out := s.version.outputs(s.pass, s.pass.steps-1, func(k, j int) float32 { return last[k][j] })[0]
	for i, h := range s.set.Horizons {
		m, l := s.version.at(&out, h)
		scale := math.Sqrt(s.in.base * float64(h) * s.in.in.Ahead(w, h))
		s.centres[i], s.scales[i] = m*scale, scale*math.Exp(l)
	}
}

// at interpolates location and log scale for a horizon.
func (v *Trained) at(out *[numOutputs]float64, horizon int) (m, l float64) {
	k := nearest(horizon)
	m, l = out[2*k]*v.about.Location[k], out[2*k+1]
	if a := anchors[k]; a != horizon && k+1 < len(anchors) {
		f := math.Log(float64(horizon)/float64(a)) / math.Log(float64(anchors[k+1])/float64(a))
		m += f * (out[2*k+2]*v.about.Location[k+1] - m)
		l += f * (out[2*k+3] - l)
	}
	return m, l
}

// nearest is the last anchor that is not above horizon.
func nearest(horizon int) int {
	k := 0
	for k+1 < len(anchors) && anchors[k+1] <= horizon {
		k++
	}
	return k
}

// Refit chooses the version for the next bars.
func (s *state) Refit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.in.in.Seen() == 0 {
		return fmt.Errorf("%s: %w: no returns", s.model.name, forecast.ErrTooShort)
	}
	v := s.model.versions.at(s.set.Interval.String(), s.in.in.End())
	if v == nil {
		return fmt.Errorf("%s: %w: %s", s.model.name, forecast.ErrTooShort, s.model.versions.missing(s.set.Interval.String(), s.in.in.End()))
	}
	s.take(v)
	s.ready = true
	return nil
}

// Predict answers for one of the horizons of the setting.
func (s *state) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	i := slices.Index(s.set.Horizons, horizon)
	if i < 0 {
		panic(fmt.Sprintf("neural: horizon %d is not among %v", horizon, s.set.Horizons))
	}
	switch scale := s.scales[i]; {
	case !s.ready || s.version == nil:
		return p, fmt.Errorf("%s: %w: no version has been chosen", s.model.name, forecast.ErrTooShort)
	case s.in.in.Seen() < s.pass.steps:
		return p, fmt.Errorf("%s: %w: %d returns, the network reads %d bars", s.model.name, forecast.ErrTooShort, s.in.in.Seen(), s.pass.steps)
	case !s.ok:
		return p, fmt.Errorf("%s: %w: the newest close %v gives no return, or the price does not move", s.model.name, forecast.ErrDegenerate, w.Last())
	case len(s.rows) < s.pass.steps:
		return p, fmt.Errorf("%s: %w: %d bars without a break, the network reads %d", s.model.name, forecast.ErrTooShort, len(s.rows), s.pass.steps)
	case !(scale > 0 && scale < 70): // 100 x log return: the quantiles stay below e^7 times the price
		return p, fmt.Errorf("%s: %w: the volatility %g %% over %d bars is beyond what prices can hold", s.model.name, forecast.ErrDegenerate, scale, horizon)
	}
	units := &s.version.units[nearest(horizon)]
	if s.pools[i].Len() >= few {
		q := s.pools[i].Quantiles()
		units = &q
	}
	p.Point = s.centres[i] / 100
	for k, u := range units {
		p.Quantiles[k] = (s.centres[i] + float64(s.scales[i]*u)) / 100
	}
	return p, nil
}

// Encode names the version in use.
func (s *state) Encode() ([]byte, error) {
	if s.version == nil {
		return []byte("neural/1 none"), nil
	}
	return []byte("neural/1 " + s.version.id), nil
}

// Adopt takes over the version of from.
func (s *state) Adopt(from forecast.State) {
	f := from.(*state)
	s.take(f.version)
	s.ready = f.ready
}

// Persist writes everything but the weights; they are found again by the version's ID.
func (s *state) Persist(a *forecast.Archive) {
	s.in.persist(a)
	a.Bool(&s.ok)
	n := min(len(s.rows), maxRows)
	a.Int(&n)
	if a.Reading() {
		s.rows = make([][numInputs]float32, max(0, min(n, maxRows)))
	}
	kept := s.rows[len(s.rows)-min(n, len(s.rows)):]
	for i := range kept {
		var row [numInputs]float64
		for k, v := range kept[i] {
			row[k] = float64(v)
		}
		a.Array(row[:])
		for k, v := range row {
			kept[i][k] = float32(v)
		}
	}
	s.book.Persist(a)
	for i := range s.pools {
		s.pools[i].Persist(a)
		s.past[i].Persist(a)
	}
	a.Bool(&s.ready)
	a.Array(s.centres)
	a.Array(s.scales)
	var id []byte
	if s.version != nil {
		id = []byte(s.version.id)
	}
	a.Blob(&id)
	if !a.Reading() || len(id) == 0 {
		return
	}
	v := s.model.versions.by(string(id))
	if v == nil {
		a.Fail("there is no version %.32q of %s", id, s.model.name)
		return
	}
	s.take(v)
}
