package rangevol

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/rangevar"
	"github.com/foretick/foretick/forecast/residual"
)

// anchors are the horizons at which a regression is fitted.
var anchors = [...]int{1, 2, 5, 10, 20}

// poolSize is the number of residuals of Historical.
const poolSize = 1000

// State follows one series.
type State struct {
	model    Model
	horizons []int

	input    *rangevar.Input
	ok       bool // the newest bar gave a return
	features features
	rows     forecast.Recent // features of the newest origins, row by row
	adjusted forecast.Recent // returns after each of these origins' bars, season removed
	similar  float64         // log of the spread of the newest 20 of them

	regressions []*regression // at the anchors that the horizons need
	book        *residual.Book
	pools       []*residual.Pool
	locals      []*local
	origins     forecast.Recent // similar at the newest origins
	scales      []float64       // of the newest origin, season included
	fitted      bool
	since       int // origins since the last break
}

func newState(m Model, set forecast.Setting) *State {
	if len(set.Horizons) == 0 || set.Horizons[0] < 1 || !slices.IsSorted(set.Horizons) {
		panic(fmt.Sprintf("rangevol: horizons %v must ascend from at least 1", set.Horizons))
	}
	longest := set.Horizons[len(set.Horizons)-1]
	s := &State{model: m, horizons: set.Horizons, input: rangevar.New(set.Interval),
		rows:     forecast.NewRecent((m.Pairs + anchors[len(anchors)-1] + 1) * numFeatures),
		adjusted: forecast.NewRecent(m.Pairs + anchors[len(anchors)-1] + 1),
		book:     residual.NewBook(set.Horizons),
		origins:  forecast.NewRecent(longest + 1), scales: make([]float64, len(set.Horizons))}
	for _, a := range needed(set.Horizons) {
		s.regressions = append(s.regressions, &regression{horizon: a, y: forecast.NewRecent(m.Pairs)})
	}
	for range set.Horizons {
		s.pools = append(s.pools, residual.NewPool(poolSize))
		if m.Many || m.Residuals == Local {
			s.locals = append(s.locals, newLocal())
		}
	}
	return s
}

// needed lists the anchors next to the horizons.
func needed(horizons []int) (list []int) {
	for i, a := range anchors {
		use := slices.ContainsFunc(horizons, func(h int) bool {
			above := i+1 == len(anchors) || h < anchors[i+1] // a is the last anchor not above h
			below := i > 0 && h > anchors[i-1] && h < a      // a is the first anchor above h
			return h == a || h > a && above || below
		})
		if use {
			list = append(list, a)
		}
	}
	return list
}

func (s *State) place(horizon int) int {
	i := slices.Index(s.horizons, horizon)
	if i < 0 {
		panic(fmt.Sprintf("rangevol: horizon %d is not among %v", horizon, s.horizons))
	}
	return i
}

// Update learns from the newest bar.
func (s *State) Update(w forecast.Window) {
	s.ok = s.input.Update(w)
	if !s.ok {
		s.book.Break()
		s.restart()
		return
	}
	s.book.Realise(s.input.Return, func(i int, y, scale float64) {
		z := y / scale
		s.pools[i].Add(z)
		if s.locals != nil {
			s.locals[i].Add(z, s.origins.Back(s.horizons[i]-1))
		}
	})
	s.features.update(s.input)
	s.adjusted.Push(s.input.Adjusted)
	s.similar = s.spread()
	s.origins.Push(s.similar)
	s.realise()
	if s.features.valid {
		for _, x := range s.features.row {
			s.rows.Push(x)
		}
		s.since++
	} else {
		s.restart()
	}
	if s.fitted {
		s.forecastScales(w)
		for i := range s.horizons {
			s.book.Note(i, s.scales[i])
		}
	}
}

// restart forgets the pairs: what comes next does not follow them.
func (s *State) restart() {
	if s.adjusted.Len() == 0 {
		return
	}
	s.rows = forecast.NewRecent((s.model.Pairs + anchors[len(anchors)-1] + 1) * numFeatures)
	s.adjusted = forecast.NewRecent(s.model.Pairs + anchors[len(anchors)-1] + 1)
	for _, g := range s.regressions {
		g.y = forecast.NewRecent(s.model.Pairs)
		clear(g.gram[:])
	}
	s.since = 0
}

// realise gives the regressions the pairs that the newest return completes.
func (s *State) realise() {
	for _, g := range s.regressions {
		h := g.horizon
		if s.since < h {
			continue
		}
		// The origin lies h bars back; the newest row is that of the bar before.
		if g.y.Len() == s.model.Pairs {
			g.add(s.row(h-1+s.model.Pairs), -1)
		}
		y := 0.0
		for k := range h {
			y += s.adjusted.Back(k)
		}
		g.y.Push(y)
		g.add(s.row(h-1), 1)
	}
}

// row is the feature row that came i before the newest.
func (s *State) row(i int) []float64 {
	all := s.rows.All()
	end := len(all) - i*numFeatures
	return all[end-numFeatures : end]
}

// spread is the log of the root mean square of the newest 20 returns.
func (s *State) spread() float64 {
	r := s.adjusted.All()
	r = r[max(0, len(r)-20):]
	var sum float64
	for _, x := range r {
		sum += float64(x * x)
	}
	return math.Log(sum/float64(len(r)) + 1e-12)
}

// forecastScales sets the scales at the newest origin.
func (s *State) forecastScales(w forecast.Window) {
	if !s.features.valid {
		clear(s.scales)
		return
	}
	var logs [len(anchors)]float64 // ln(s²/h) at the regressions
	for k, g := range s.regressions {
		logs[k] = dot(s.features.row[:], &g.b) - math.Log(float64(g.horizon))
	}
	for i, h := range s.horizons {
		k := 0
		for k+1 < len(s.regressions) && s.regressions[k+1].horizon <= h {
			k++
		}
		l := logs[k]
		if at := s.regressions[k].horizon; at != h && k+1 < len(s.regressions) {
			f := math.Log(float64(h)/float64(at)) / math.Log(float64(s.regressions[k+1].horizon)/float64(at))
			l += f * (logs[k+1] - l)
		}
		s.scales[i] = math.Sqrt(math.Exp(l) * float64(h) * s.input.Ahead(w, h))
	}
}

// student are the quantiles of the t of the regression next to horizon.
func (s *State) student(horizon int) forecast.Quantiles {
	k := 0
	for k+1 < len(s.regressions) && s.regressions[k+1].horizon <= horizon {
		k++
	}
	return s.regressions[k].t
}

func (s *State) ready(w forecast.Window) error {
	switch {
	case s.input.Seen() < s.model.Least:
		return fmt.Errorf("rangevol: %w: %d returns, at least %d are needed", forecast.ErrTooShort, s.input.Seen(), s.model.Least)
	case !s.fitted:
		return fmt.Errorf("rangevol: %w: not estimated yet", forecast.ErrTooShort)
	case !s.ok:
		return fmt.Errorf("rangevol: %w: the newest close %v and the one before give no return", forecast.ErrDegenerate, w.Last())
	case !s.features.valid:
		return fmt.Errorf("rangevol: %w: the price does not move", forecast.ErrDegenerate)
	}
	return nil
}

// Refit estimates every regression on the newest realised pairs.
func (s *State) Refit(ctx context.Context) error {
	if s.input.Seen() < s.model.Least {
		return fmt.Errorf("rangevol: %w: %d returns, at least %d are needed", forecast.ErrTooShort, s.input.Seen(), s.model.Least)
	}
	next := make([]regression, len(s.regressions))
	for i, g := range s.regressions {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := g.y.Len()
		if n < s.model.Least/2 {
			return fmt.Errorf("rangevol: %w: %d returns over %d bars, at least %d are needed", forecast.ErrTooShort, n, g.horizon, s.model.Least/2)
		}
		all := s.rows.All()
		end := len(all) - g.horizon*numFeatures
		next[i] = *g
		if !moved(g.y.All()) || !next[i].fit(all[end-n*numFeatures:end], g.y.All(), s.model.Prior.at(g.horizon)) {
			return fmt.Errorf("rangevol: %w: %d returns over %d bars do not determine a scale", forecast.ErrDegenerate, n, g.horizon)
		}
	}
	for i, g := range s.regressions {
		g.b, g.nu, g.t, g.of, g.fits, g.fitted = next[i].b, next[i].nu, next[i].t, next[i].of, next[i].fits, true
	}
	if !s.fitted {
		s.fitted = true
		s.backfill()
	}
	return nil
}

// moved reports whether any return is not 0.
func moved(y []float64) bool {
	return slices.ContainsFunc(y, func(v float64) bool { return math.Abs(v) > 1e-9 })
}

// backfill fills the empty pools with the residuals that the first estimate gives
// over the pairs kept.
func (s *State) backfill() {
	// Rows and returns stand side by side: the row of an origin came with the return
	// of its own bar.
	n := min(s.rows.Len()/numFeatures, s.adjusted.Len())
	rows := s.rows.All()[s.rows.Len()-n*numFeatures:]
	r := s.adjusted.All()[s.adjusted.Len()-n:]
	sums := make([]float64, n+1)
	for i, x := range r {
		sums[i+1] = sums[i] + x
	}
	for i, h := range s.horizons {
		k := 0
		for k+1 < len(s.regressions) && s.regressions[k+1].horizon <= h {
			k++
		}
		g := s.regressions[k]
		for o := 0; o+h < n; o++ {
			v := math.Exp(dot(rows[o*numFeatures:], &g.b)) * float64(h) / float64(g.horizon)
			z := (sums[o+1+h] - sums[o+1]) / math.Sqrt(v)
			if z-z != 0 {
				continue
			}
			s.pools[i].Add(z)
			if s.locals == nil {
				continue
			}
			var u float64
			last := r[max(0, o-19) : o+1]
			for _, x := range last {
				u += float64(x * x)
			}
			s.locals[i].Add(z, math.Log(u/float64(len(last))+1e-12))
		}
	}
}

// Encode returns the options and the parameters.
func (s *State) Encode() ([]byte, error) {
	b := fmt.Appendf(nil, "rangevol/1 %v %d %d %s ", s.model.Residuals, s.model.Pairs, s.model.Least, s.model.Prior.Data)
	for _, g := range s.regressions {
		b = binary.BigEndian.AppendUint64(b, uint64(g.horizon))
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(grid[g.nu]))
		for _, v := range g.b {
			b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
		}
	}
	return b, nil
}

// Adopt takes over the parameters of another state of the model.
func (s *State) Adopt(from forecast.State) {
	o := from.(*State)
	if !o.fitted {
		return
	}
	for i, g := range s.regressions {
		g.b, g.nu, g.t, g.of, g.fitted = o.regressions[i].b, o.regressions[i].nu, o.regressions[i].t, o.regressions[i].of, true
	}
	s.fitted = true
}

// Persist carries everything to and from a.
func (s *State) Persist(a *forecast.Archive) {
	s.input.Persist(a)
	a.Bool(&s.ok)
	s.features.persist(a)
	s.rows.Persist(a)
	s.adjusted.Persist(a)
	a.Float(&s.similar)
	for _, g := range s.regressions {
		g.persist(a)
	}
	s.book.Persist(a)
	for i := range s.pools {
		s.pools[i].Persist(a)
		if s.locals != nil {
			s.locals[i].persist(a)
		}
	}
	s.origins.Persist(a)
	a.Array(s.scales)
	a.Bool(&s.fitted)
	a.Int(&s.since)
}
