// Package gbm forecasts by gradient boosting: many small trees, each correcting what
// those before it left.
//
// Gradient boosting (Friedman 2001, "Greedy function approximation: a gradient boosting
// machine", Annals of Statistics 29(5)) adds trees to a function f, each grown on the
// negative gradient g of a loss at f, its leaves set to what makes the loss small there
// and shrunk by a rate. The trees split columns that were cut into 32 bins beforehand, so
// that a split is found from sums a bin and a child's sums by subtraction (histograms;
// Ke et al. 2017, "LightGBM", NeurIPS 30). Trees are grown until the newest fifth of the
// rows, which they do not see, no longer gains (Prechelt 1998, "Early stopping - but
// when?"). Rows are features of a bar (package feature), y is the log return over h bars
// divided by the volatility of the time, h = 1, 5 and 20; between these, quantiles in
// units of that volatility are interpolated over ln h, and past 20 they stay.
//
// The loss is the pinball loss, in one of two ways ([Learn]):
//
//   - Scale: one function for all quantiles. With u(p) the quantiles of all y,
//     the forecast is exp(f) u(p), and the loss its mean pinball loss over p = 0.05 to
//     0.95, half the CRPS:
//
//     L(f) = mean over p of e (p - 1[e < 0]),  e = y - exp(f) u(p)
//
//     g = mean over p of (p - 1[e < 0]) exp(f) u(p), and a leaf is Newton's step with
//     the curvature c exp(f), c measured once. In the end u(p) is replaced by the quantiles
//     of y / exp(f) (filtered historical simulation).
//
//   - Quantiles: a function for each of 1, 5, 25, 50, 75, 95 and 99 %; g = p - 1[y < f]
//     and a leaf is the p-quantile of y - f there. Quantiles between are placed as those of
//     all y lie between, and all are sorted (Chernozhukov, Fernandez-Val & Galichon
//     2010).
//
// Scale is the default: it was the better by 0.001 to 0.002 of the CRPS on 23 daily
// series, at a quarter of the cost (docs/forecasting.md). So are trees of one split, which make f a
// sum of functions of one feature each: deeper ones found nothing more and covered less.
//
// It is good where volatility answers to a feature with a bend or a step, which no
// regression line follows, and it needs no scaling of anything. It is bad on short
// windows, and it cannot extrapolate: past the wildest bar it learnt from, all are as
// wild as that. Its residuals come from rows that it was fitted on, so its 90 %
// interval covers half a point too little or more.
package gbm

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/feature"
)

// Learn says what the trees say.
type Learn uint8

const (
	// Scale boosts one function, the log of a scale that multiplies the quantiles of all
	// rows, by the mean pinball loss over 19 levels.
	Scale Learn = iota
	// Quantiles boosts seven quantiles apart, each by its pinball loss; those between
	// are interpolated.
	Quantiles
)

var learnNames = [...]string{"scale", "quantiles"}

// String is "scale" or "quantiles".
func (l Learn) String() string {
	if int(l) < len(learnNames) {
		return learnNames[l]
	}
	return fmt.Sprintf("learn(%d)", uint8(l))
}

// Model is the forecaster. The zero value is not valid: start from New.
type Model struct {
	Range    feature.Range
	Learn    Learn
	Trees    int     // at most, of one function
	Depth    int     // splits from root to leaf, 1 to 6
	Leaf     int     // rows in a leaf, at least
	Rate     float64 // share of a leaf's value that is added, above 0 and at most 1
	Weight   float64 // rows' worth of curvature added to a leaf, which shrinks its value
	Validate float64 // share of the rows, the newest, that early stopping is judged on, 0.05 to 0.5
	Patience int     // trees without improvement after which it stops
	Newest   int     // residuals that quantiles are read off, at most
	Least    int     // rows to fit each horizon on; with fewer it abstains
}

// New returns the model that learns the scale with at most 100 trees of one split, at
// least 40 rows in a leaf, a rate of 0.1, 100 rows' worth of shrinkage, judged on the
// newest fifth of the rows with a patience of 15 trees; quantiles off the newest 1,000
// residuals; on at least 250 rows (301 bars).
func New() Model {
	return Model{Range: feature.MeanRange, Learn: Scale, Trees: 100, Depth: 1, Leaf: 40, Rate: 0.1, Weight: 100,
		Validate: 0.2, Patience: 15, Newest: 1000, Least: 250}
}

// Name is "gbm".
func (Model) Name() string { return "gbm" }

func (m *Model) valid() bool {
	return m.Range.Valid() && int(m.Learn) < len(learnNames) && m.Trees >= 1 && m.Trees <= 10_000 && m.Depth >= 1 && m.Depth <= 6 &&
		m.Leaf >= 1 && m.Rate > 0 && m.Rate <= 1 && m.Weight >= 0 && m.Weight < 1e9 && m.Validate >= 0.05 && m.Validate <= 0.5 &&
		m.Patience >= 1 && m.Least >= 100 && m.Newest >= m.Least
}

// Fit grows the trees on all of w. The error wraps forecast.ErrTooShort when it gives
// fewer rows than Least, and forecast.ErrDegenerate when closes are not positive or the
// price has not moved. It panics when an option is out of range.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if !m.valid() {
		panic(fmt.Sprintf("gbm: options %+v are out of range", m))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	table, err := feature.NewTable(w, m.Range, m.Least+feature.Anchors[len(feature.Anchors)-1])
	if err != nil {
		return nil, fmt.Errorf("gbm: %w", err)
	}
	rows := table.Rows
	b := newBins(rows)
	code := make([]codes, len(rows))
	for i := range rows {
		code[i] = b.codes(&rows[i])
	}
	f := &fitted{m: m, season: table.Season}
	for k, h := range feature.Anchors {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		y := make([]float64, table.Targets(h))
		for i := range y {
			y[i] = table.Target(i, h)
		}
		if slices.Min(y) == slices.Max(y) {
			return nil, fmt.Errorf("gbm: %w: the returns over %d bars do not vary", forecast.ErrDegenerate, h)
		}
		f.at[k] = m.direct(b, rows[:len(y)], code[:len(y)], y, h)
	}
	return f, nil
}

// levels are the places among forecast.Probabilities of what Quantiles boosts.
var levels = [...]int{0, forecast.Q05, forecast.Q25, forecast.Q50, forecast.Q75, forecast.Q95, forecast.Levels - 1}

// direct is what was learnt for one horizon.
type direct struct {
	functions []ensemble         // one for Scale, one a level for Quantiles
	unit      forecast.Quantiles // of the residuals; of all targets for Quantiles
}

func (m *Model) direct(b *bins, rows []feature.Row, code []codes, y []float64, h int) (d direct) {
	z := slices.Clone(y)
	if m.Learn == Quantiles {
		for _, k := range levels {
			d.functions = append(d.functions, m.boost(&pinball{p: forecast.Probabilities[k]}, b, rows, code, y, h))
		}
	} else {
		d.functions = []ensemble{m.boost(&scale{weight: m.Weight}, b, rows, code, y, h)}
		for i := range z {
			z[i] *= math.Exp(-d.functions[0].at(&rows[i]))
		}
		z = z[max(0, len(z)-m.Newest):]
	}
	slices.Sort(z)
	d.unit = forecast.Empirical(z)
	return d
}

// at is what d says of row, in units of the volatility of the time.
func (d *direct) at(row *feature.Row) (q forecast.Quantiles) {
	if len(d.functions) == 1 {
		s := math.Exp(d.functions[0].at(row))
		for k, u := range d.unit {
			q[k] = s * u
		}
		return q
	}
	var knots [len(levels)]float64
	for i := range knots {
		knots[i] = d.functions[i].at(row)
	}
	slices.Sort(knots[:])
	for i := range len(levels) - 1 {
		from, to := levels[i], levels[i+1]
		for k := from; k <= to; k++ {
			share := float64(k-from) / float64(to-from)
			if span := d.unit[to] - d.unit[from]; span > 0 {
				share = (d.unit[k] - d.unit[from]) / span
			}
			q[k] = knots[i] + float64(share*(knots[i+1]-knots[i]))
		}
	}
	slices.Sort(q[:]) // rounding
	return q
}

type fitted struct {
	m      Model
	season *feature.Season
	at     [len(feature.Anchors)]direct
}

// Predict needs 32 bars, else the error wraps forecast.ErrTooShort. It wraps
// forecast.ErrDegenerate when one of these closes is not positive or when the price has
// not moved. It panics when horizon is below 1.
func (f *fitted) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	i, share := feature.Between(horizon)
	now, err := feature.At(w, f.season, f.m.Range)
	if err != nil {
		return p, fmt.Errorf("gbm: %w", err)
	}
	spread := now.Spread(w, horizon)
	a, b := f.at[i].at(&now.Row), f.at[i+1].at(&now.Row)
	for k := range p.Quantiles {
		p.Quantiles[k] = spread * (float64((1-share)*a[k]) + float64(share*b[k]))
	}
	p.Point = p.Quantiles[forecast.Q50]
	return p, nil
}

// Encode returns the options in words and all trees.
func (f *fitted) Encode() ([]byte, error) {
	b := fmt.Appendf(nil, "gbm/1 %+v season=%v ", f.m, f.season.Parameters())
	number := func(v float64) { b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v)) }
	for k := range f.at {
		d := &f.at[k]
		for _, u := range d.unit {
			number(u)
		}
		for _, e := range d.functions {
			number(e.Start)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(e.Trees)))
			for _, t := range e.Trees {
				b = binary.LittleEndian.AppendUint32(b, uint32(len(t)))
				for _, n := range t {
					b = binary.LittleEndian.AppendUint32(b, uint32(n.Column))
					b = binary.LittleEndian.AppendUint32(b, uint32(n.Left))
					b = binary.LittleEndian.AppendUint32(b, uint32(n.Right))
					number(n.Cut)
					number(n.Value)
				}
			}
		}
	}
	return b, nil
}
