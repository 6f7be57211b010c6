// Package quantreg regresses every quantile of the next return on rows of features
// (package feature).
//
// Quantile regression (Koenker & Bassett 1978, "Regression quantiles", Econometrica
// 46(1)) finds for each probability p the line that minimises the mean pinball loss
//
//	e (p - 1[e < 0]),  e = y - b0 - x'b
//
// so every quantile has slopes of its own: volatility may widen the lower tail more than
// the upper one, a fall may move the median. y is the log return over h bars divided by
// the volatility of the time (feature.Table.Target), the columns of x are standardised.
//
// The loss has a corner, so it is smoothed by convolution with a uniform kernel of half
// width d (Fernandes, Guerre & Horta 2021, "Smoothing quantile regressions", Journal of
// Business & Economic Statistics 39(1); He, Pan, Tan & Zhou 2023, "Smoothed quantile
// regression with large-scale inference", Journal of Econometrics 232(2), whose rule for
// d is used: the larger of 0.05 and sqrt(p(1-p)) ((k + ln n) / n)^(2/5) for k slopes and
// n rows). It becomes convex, differentiable and piecewise quadratic, and Newton's method
// with a line search ends in a few steps. As d goes to 0 it is Koenker & Bassett's; the
// tests compare with statsmodels there.
//
// A penalty lambda |b|²/2 shrinks slopes towards a plain quantile: 1 % of 1,000 rows are
// ten rows, and thirteen numbers are not to be had from them. Returns over h bars overlap
// and tell less, so lambda grows with the root of h.
//
// Lines of their own cross somewhere. The 23 values of a forecast are sorted, which is
// the rearrangement of Chernozhukov, Fernandez-Val & Galichon (2010), "Quantile and
// probability curves without crossing", Econometrica 78(3), and never further from the
// truth than the crossing ones.
//
// There are such lines for the horizons 1, 5 and 20; between these, quantiles in units
// of the volatility of the time are interpolated over ln h, and past 20 they stay. The
// point is the median.
//
// It is good where the shape of the distribution changes with what is known, and it
// needs no assumption about it. It is bad in the far tails, and on windows of a few
// hundred bars, where quantiles of standardised residuals (har, ridge) are steadier: it
// spends 23 times 13 numbers on what they say with 25.
package quantreg

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
	Range   feature.Range
	Penalty float64 // lambda for h = 1, at least 0
	Smooth  float64 // the half width of the kernel, in units of the rule's; above 0
	Least   int     // rows to fit each horizon on; with fewer it abstains
}

// New returns the model with the mean of the three ranges, a penalty of 0.5 and the
// rule's width, on at least 250 rows (301 bars).
func New() Model {
	return Model{Range: feature.MeanRange, Penalty: 0.5, Smooth: 1, Least: 250}
}

// Name is "quantile".
func (Model) Name() string { return "quantile" }

// Fit estimates the lines on all of w. The error wraps forecast.ErrTooShort when it
// gives fewer rows than Least, and forecast.ErrDegenerate when closes are not positive
// or the price has not moved. It panics when an option is out of range.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if !m.Range.Valid() || !(m.Penalty >= 0 && m.Penalty < 1e6) || !(m.Smooth > 0 && m.Smooth < 1e6) || m.Least < 5*feature.Columns {
		panic(fmt.Sprintf("quantreg: options %+v are out of range", m))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	table, err := feature.NewTable(w, m.Range, m.Least+feature.Anchors[len(feature.Anchors)-1])
	if err != nil {
		return nil, fmt.Errorf("quantile: %w", err)
	}
	f := &fitted{m: m, season: table.Season, scaler: feature.NewScaler(table.Rows)}
	rows := make([]feature.Row, len(table.Rows))
	for i := range rows {
		rows[i] = f.scaler.Apply(&table.Rows[i])
	}
	for k, h := range feature.Anchors {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		y := make([]float64, table.Targets(h))
		for i := range y {
			y[i] = table.Target(i, h)
		}
		if slices.Min(y) == slices.Max(y) {
			return nil, fmt.Errorf("quantile: %w: the returns over %d bars do not vary", forecast.ErrDegenerate, h)
		}
		s := newSolver(rows[:len(y)], y)
		f.at[k] = s.all(&m, h)
	}
	return f, nil
}

// lines are the regressions of one horizon, one a probability.
type lines [forecast.Levels]line

// at is what the lines say of row, ascending.
func (l *lines) at(row *feature.Row) (q forecast.Quantiles) {
	for i := range l {
		q[i] = l[i].at(row)
	}
	slices.Sort(q[:])
	return q
}

type fitted struct {
	m      Model
	season *feature.Season
	scaler feature.Scaler
	at     [len(feature.Anchors)]lines
}

// Predict needs 32 bars, else the error wraps forecast.ErrTooShort. It wraps
// forecast.ErrDegenerate when one of these closes is not positive or when the price has
// not moved. It panics when horizon is below 1.
func (f *fitted) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	i, share := feature.Between(horizon)
	now, err := feature.At(w, f.season, f.m.Range)
	if err != nil {
		return p, fmt.Errorf("quantile: %w", err)
	}
	row := f.scaler.Apply(&now.Row)
	spread := now.Spread(w, horizon)
	a, b := f.at[i].at(&row), f.at[i+1].at(&row)
	for k := range p.Quantiles {
		p.Quantiles[k] = spread * (float64((1-share)*a[k]) + float64(share*b[k]))
	}
	p.Point = p.Quantiles[forecast.Q50]
	return p, nil
}

// Encode returns the options and all that was estimated.
func (f *fitted) Encode() ([]byte, error) {
	b := fmt.Appendf(nil, "quantile/1 range=%s penalty=%v smooth=%v least=%d season=%v scaler=%v",
		f.m.Range, f.m.Penalty, f.m.Smooth, f.m.Least, f.season.Parameters(), f.scaler)
	for k := range f.at {
		b = fmt.Appendf(b, " h=%d", feature.Anchors[k])
		for i := range f.at[k] {
			b = fmt.Appendf(b, " %v", f.at[k][i])
		}
	}
	return b, nil
}

// width is the half width of the kernel for probability p and n rows.
func (m *Model) width(p float64, n int) float64 {
	k := float64(feature.Columns)
	return m.Smooth * math.Max(0.05, math.Sqrt(p*(1-p))*math.Pow((k+math.Log(float64(n)))/float64(n), 0.4))
}
