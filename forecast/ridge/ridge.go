// Package ridge regresses what comes next on rows of features (package feature), with
// slopes shrunk by a penalty.
//
// Ridge regression (Hoerl & Kennard 1970, Technometrics 12(1)) minimises
//
//	sum (y - b0 - x'b)² / n + lambda |b|²
//
// with the columns of x standardised. lambda is that which generalised cross-validation
// makes best (Golub, Heath & Wahba 1979, "Generalized cross-validation as a method for
// choosing a good ridge parameter", Technometrics 21(2)):
//
//	GCV(lambda) = (sum of squared residuals / n) / (1 - df(lambda) / m)²
//
// df being 1 plus the sum of d/(d + lambda) over the eigenvalues d of x'x/n, and m = n/h,
// because returns over h bars from every bar overlap and are worth n/h that do not.
// lambda is searched from 1e-4 to 1e4 in quarter decades.
//
// There are two such regressions for each of the horizons h = 1, 5 and 20:
//
//   - mean: y is the log return over h bars divided by the volatility of the time
//     (feature.Table.Target);
//   - volatility: y is the log of the mean range-based variance of the next h bars, over
//     the variance of the time.
//
// The residuals of the first divided by exp(half the second) are kept as quantiles
// (filtered historical simulation, Barone-Adesi, Giannopoulos & Vosper 1999); the
// forecast puts the three together. That also corrects what exp of a mean log leaves
// out. Between the horizons, mean and quantiles in units of the volatility of the time
// are interpolated over ln h; past 20 they stay.
//
// It is good for its volatility, which uses twelve columns where package har uses
// five and does as well. The mean has no skill on any market that we measured, and is
// here so that this can be seen: where cross-validation finds nothing, the penalty is
// large and the point is near the average return.
package ridge

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/feature"
)

// Model is the forecaster. The zero value is not valid: start from New.
type Model struct {
	Range  feature.Range
	Newest int // residuals that quantiles are read off, at most
	Least  int // rows to fit each horizon on; with fewer it abstains
}

// New returns the model with the mean of the three ranges and the newest 1,000
// residuals, on at least 150 rows (201 bars).
func New() Model { return Model{Range: feature.MeanRange, Newest: 1000, Least: 150} }

// Name is "ridge".
func (Model) Name() string { return "ridge" }

// Fit estimates the regressions on all of w. The error wraps forecast.ErrTooShort when
// it gives fewer rows than Least, and forecast.ErrDegenerate when closes are not
// positive or the price has not moved. It panics when an option is out of range.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if !m.Range.Valid() || m.Least < 5*feature.Columns || m.Newest < m.Least {
		panic(fmt.Sprintf("ridge: options %+v are out of range", m))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	table, err := feature.NewTable(w, m.Range, m.Least+feature.Anchors[len(feature.Anchors)-1])
	if err != nil {
		return nil, fmt.Errorf("ridge: %w", err)
	}
	f := &fitted{m: m, season: table.Season, scaler: feature.NewScaler(table.Rows)}
	rows := make([]feature.Row, len(table.Rows))
	for i := range rows {
		rows[i] = f.scaler.Apply(&table.Rows[i])
	}
	for k, h := range feature.Anchors {
		if f.at[k], err = m.regress(table, rows[:table.Targets(h)], h); err != nil {
			return nil, fmt.Errorf("ridge: horizon %d: %w", h, err)
		}
	}
	return f, nil
}

// direct is what was estimated for one horizon.
type direct struct {
	mean, volatility linear
	unit             forecast.Quantiles // of the residuals
}

// regress estimates the forecast over h bars.
func (m Model) regress(t *feature.Table, rows []feature.Row, h int) (d direct, err error) {
	n := len(rows)
	y, v := make([]float64, n), make([]float64, n)
	for i := range rows {
		y[i] = t.Target(i, h)
		v[i] = math.Log(t.MeanVariance(i, h) / (t.Scale[i] * t.Scale[i]))
	}
	s, err := newSolver(rows, h)
	if err != nil {
		return d, err
	}
	d.mean, d.volatility = s.solve(y), s.solve(v)
	// A residual of the fit is smaller than the error of a forecast.
	inflate := 1 / math.Sqrt(1-d.mean.Freedom*float64(h)/float64(n))
	z := make([]float64, 0, m.Newest)
	for i := max(0, n-m.Newest); i < n; i++ {
		z = append(z, inflate*(y[i]-d.mean.at(&rows[i]))*math.Exp(-0.5*d.volatility.at(&rows[i])))
	}
	slices.Sort(z)
	if z[0] == z[len(z)-1] {
		return d, fmt.Errorf("%w: the residuals do not vary", forecast.ErrDegenerate)
	}
	d.unit = forecast.Empirical(z)
	return d, nil
}

type fitted struct {
	m      Model
	season *feature.Season
	scaler feature.Scaler
	at     [len(feature.Anchors)]direct
}

// Predict needs 32 bars, else the error wraps forecast.ErrTooShort. It wraps
// forecast.ErrDegenerate when one of these closes is not positive or when the price has
// not moved. It panics when horizon is below 1.
func (f *fitted) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	now, err := feature.At(w, f.season, f.m.Range)
	if err != nil {
		return p, fmt.Errorf("ridge: %w", err)
	}
	return f.from(&now, w, horizon), nil
}

// Trace follows the rows bar by bar from the end of w.
func (f *fitted) Trace(w forecast.Window) forecast.Trace {
	return &trace{f, feature.NewTrace(w, f.season, f.m.Range)}
}

type trace struct {
	*fitted
	now *feature.Trace
}

func (t *trace) Update(w forecast.Window) { t.now.Update(w) }

func (t *trace) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	now, err := t.now.State()
	if err != nil {
		return p, fmt.Errorf("ridge: %w", err)
	}
	return t.from(&now, w, horizon), nil
}

// from answers from what is known at the end of w.
func (f *fitted) from(now *feature.State, w forecast.Window, horizon int) (p forecast.Prediction) {
	i, share := feature.Between(horizon)
	row := f.scaler.Apply(&now.Row)
	spread := now.Spread(w, horizon)
	for k, part := range [2]float64{1 - share, share} {
		d := &f.at[i+k]
		mean, sd := d.mean.at(&row), math.Exp(0.5*d.volatility.at(&row))
		p.Point += float64(part * mean)
		for l, z := range d.unit {
			p.Quantiles[l] += float64(part * (mean + float64(sd*z)))
		}
	}
	p.Point *= spread
	for l := range p.Quantiles {
		p.Quantiles[l] *= spread
	}
	return p
}

// Encode returns the options and all that was estimated.
func (f *fitted) Encode() ([]byte, error) {
	b := fmt.Appendf(nil, "ridge/1 range=%s newest=%d least=%d season=%v scaler=%v",
		f.m.Range, f.m.Newest, f.m.Least, f.season.Parameters(), f.scaler)
	for k := range f.at {
		d := &f.at[k]
		b = fmt.Appendf(b, " h=%d mean=%v volatility=%v unit=%v", feature.Anchors[k], d.mean, d.volatility, d.unit)
	}
	return b, nil
}
