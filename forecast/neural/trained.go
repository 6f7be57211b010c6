package neural

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// Trained is a version of a Model: an ensemble of networks with everything that their
// forecasts need. It is immutable.
type Trained struct {
	about   About
	members []*Network
	units   [len(anchors)]forecast.Quantiles // of the tails, before the scale
	id      string
}

// About describes a Trained.
type About struct {
	Interval string      `json:"interval"` // of the bars
	Series   []string    `json:"series"`   // learnt from
	Rows     int         `json:"rows"`     // bars learnt from and validated on
	Split    market.Time `json:"split"`    // validation began here
	Until    market.Time `json:"until"`    // end of the newest bar that it has seen
	Since    market.Time `json:"since"`    // cutoff from which on it may forecast, at least Until
	Options  Options     `json:"options"`
	Standard Standard    `json:"standard"` // of the inputs
	Nu       []float64   `json:"nu"`       // degrees of freedom, one an anchor
	// Location is the share of the networks' locations that is believed, one an anchor: 0
	// unless the validation slice showed beyond doubt that they help.
	Location []float64 `json:"location"`
	Loss     float64   `json:"loss"` // of the ensemble on the validation slice
	Curve    []Point   `json:"curve"`
}

// About describes the version; slices are not to be changed.
func (v *Trained) About() About { return v.about }

// Shape is that of each network.
func (v *Trained) Shape() Shape { return v.members[0].shape }

// Members is the number of networks.
func (v *Trained) Members() int { return len(v.members) }

// ID names the version after everything that decides its answers.
func (v *Trained) ID() string { return v.id }

// Trained returns what has been learnt: the best Options.Ensemble restarts that have ended,
// and, when none has, the one under way at its best epoch. since is the cutoff from which on
// it may forecast; an earlier time than the end of the newest bar counts as that. The error is
// that of ctx, or wraps ErrSamples when every network diverged.
func (t *Trainer) Trained(ctx context.Context, since market.Time) (*Trained, error) {
	members := append([]member(nil), t.members...)
	if len(members) == 0 && t.best.net != nil {
		members = append(members, member{t.best.net, t.best.theta, t.loss})
	}
	if len(members) == 0 {
		return nil, fmt.Errorf("%w: every network diverged; try a lower rate than %v", ErrSamples, t.opt.Rate)
	}
	slices.SortStableFunc(members, func(a, b member) int { return cmp.Compare(a.loss, b.loss) })
	members = members[:min(len(members), t.opt.Ensemble)]
	o := t.opt
	o.Workers = 0
	v := &Trained{about: About{Interval: t.samples.interval.String(), Series: t.samples.series, Rows: t.samples.Len(), Split: t.split, Until: t.samples.last,
		Since: max(since, t.samples.last), Options: o, Standard: t.standard, Curve: t.Curve()}}
	for _, m := range members {
		v.members = append(v.members, m.net)
	}
	for k := range anchors {
		nu := 0.0
		for _, m := range members {
			nu += newTail(m.theta[k]).nu / float64(len(members))
		}
		v.about.Nu = append(v.about.Nu, nu)
	}
	if err := t.believe(ctx, v); err != nil {
		return nil, err
	}
	return v, v.finish()
}

// shares are how far a location may be believed.
var shares = [...]float64{0, 0.25, 0.5, 0.75, 1}

// believe sets the ensemble's loss on the validation slice, and of shares the one with the
// least loss at each anchor h, if it gains more than twice the standard error of the gain.
// Series move together, so the gains of one time count as one; horizons overlap, so h of
// these count as one.
func (t *Trainer) believe(ctx context.Context, v *Trained) error {
	type losses [len(anchors)][len(shares)]float64
	byTime := map[market.Time]*losses{}
	var tails [len(anchors)]tail
	for k, nu := range v.about.Nu {
		tails[k] = tailOf(nu)
	}
	count := 0.0
	room := NewPass(v.Shape(), t.opt.Steps, 1)
	for _, c := range t.valid {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r := &t.samples.runs[c.run]
		out := v.outputs(room, t.opt.Warm, func(k, j int) float32 { return r.rows[c.at+k][j] })
		for k := t.opt.Warm; k < t.opt.Steps; k++ {
			sum := byTime[r.ends[c.at+k]]
			if sum == nil {
				sum = new(losses)
				byTime[r.ends[c.at+k]] = sum
			}
			o := &out[k-t.opt.Warm]
			for a := range anchors {
				y := float64(r.targets[c.at+k][a])
				if y != y {
					continue
				}
				count++
				for i, s := range shares {
					x, _, _, _ := tails[a].loss(y, s*o[2*a], o[2*a+1])
					sum[a][i] += x
				}
			}
		}
	}
	times := slices.Sorted(maps.Keys(byTime)) // sums must not depend on the order of a map
	for a, h := range anchors {
		var total, square [len(shares)]float64
		for _, at := range times {
			for i, x := range byTime[at][a] {
				total[i] += x
				d := x - byTime[at][a][0]
				square[i] += d * d
			}
		}
		best := 0
		for i := range shares {
			if gain := total[0] - total[i]; total[i] < total[best] && gain > 2*math.Sqrt(square[i]*float64(h)) {
				best = i
			}
		}
		v.about.Location = append(v.about.Location, shares[best])
		v.about.Loss += total[best] / math.Max(1, count)
	}
	return nil
}

// outputs are the means of the members' outputs at the steps from on, log scales bounded.
func (v *Trained) outputs(p *Pass, from int, row func(k, j int) float32) (out [][numOutputs]float64) {
	for k := range p.steps {
		in := p.Input(k, 0)
		for j := range in {
			in[j] = scaled(&v.about.Standard, j, row(k, j))
		}
	}
	out = make([][numOutputs]float64, p.steps-from)
	for _, m := range v.members {
		m.Infer(p, from)
		for k := range out {
			for j, x := range p.Output(from+k, 0) {
				y := float64(x)
				if j%perAnchor == 1 {
					y, _ = bounded(x)
				}
				out[k][j] += y / float64(len(v.members))
			}
		}
	}
	return out
}

// finish computes what follows from the rest, and checks it.
func (v *Trained) finish() error {
	for k, nu := range v.about.Nu {
		v.units[k] = forecast.StudentT(nu)
		for i := range v.units[k] {
			v.units[k][i] *= math.Sqrt(nu / (nu - 2)) // a scale, not a deviation
		}
	}
	b, err := v.Describe()
	if err != nil {
		return err
	}
	v.id = identity(b, v.Tensors())
	return nil
}
