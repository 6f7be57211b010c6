package rangevol

import (
	"errors"
	"fmt"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// Sample is the regression pairs of one series, at every anchor horizon.
type Sample struct {
	anchors []samplePairs
}

type samplePairs struct {
	rows, y []float64
	gram    [numFeatures * numFeatures]float64
}

// NewSample collects the pairs of all bars of a series.
func NewSample(i market.Interval, bars []market.Bar) (*Sample, error) {
	m := New()
	m.Pairs = max(len(bars), m.Pairs)
	s := newState(m, forecast.Setting{Interval: i, Horizons: anchors[:]})
	for n := range bars {
		w := forecast.NewWindow(i, bars[max(0, n-1):n+1])
		s.Update(w)
	}
	out := &Sample{}
	for _, g := range s.regressions {
		n := g.y.Len()
		all := s.rows.All()
		end := len(all) - g.horizon*numFeatures
		if n < m.Least || !moved(g.y.All()) {
			return nil, fmt.Errorf("rangevol: %w: %d pairs over %d bars", forecast.ErrTooShort, n, g.horizon)
		}
		out.anchors = append(out.anchors, samplePairs{rows: all[end-n*numFeatures : end], y: g.y.All(), gram: g.gram})
	}
	return out, nil
}

// EstimatePrior maximises the likelihood of all samples together, every pair of every
// series counting alike, with the degrees of freedom that suit them all. data names
// what the samples are of.
func EstimatePrior(data string, samples ...*Sample) (*Prior, error) {
	if len(samples) == 0 {
		return nil, errors.New("rangevol: a prior needs at least one series")
	}
	p := &Prior{Data: data}
	for k, h := range anchors {
		g := &regression{horizon: h, free: true}
		var rows, y []float64
		for _, s := range samples {
			rows = append(rows, s.anchors[k].rows...)
			y = append(y, s.anchors[k].y...)
			for i, v := range s.anchors[k].gram {
				g.gram[i] += v
			}
		}
		from := [numFeatures]float64{0, 1}
		if !g.fit(rows, y, &from) {
			return nil, fmt.Errorf("rangevol: %w: the pairs over %d bars do not determine a prior", forecast.ErrDegenerate, h)
		}
		p.Horizons = append(p.Horizons, HorizonPrior{Horizon: h, Coefficients: g.b})
	}
	return p, nil
}
