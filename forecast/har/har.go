// Package har forecasts volatility by a heterogeneous autoregression: the variance of
// the next bars is regressed on that of the last bar, the last week and the last month.
//
// Traders look back over different spans, and what those who look back a month do
// changes what those who look back a day see, not the other way round. Corsi (2009),
// "A simple approximate long-memory model of realized volatility", Journal of Financial
// Econometrics 7(2), makes that three averages in one linear regression, which follows
// the slow decay of volatility as well as models of long memory. With V the variance
// that the range of a bar tells (package feature: Parkinson, Garman & Klass, Rogers &
// Satchell, each with the overnight gap), its season taken out and single bad prints
// capped, and V(k) the mean of the last k of them,
//
//	ln mean(V(t+1) ... V(t+h)) = b0 + b1 ln V(1) + b2 ln V(5) + b3 ln V(22) + b4 ln V(66) + b5 L(t) + e
//
// fitted by least squares, or robustly, for h = 1, 5 and 20 each (a direct forecast of
// the aggregated variance; between these the variance a bar is interpolated over ln h,
// and from 20 on it stays). Corsi has no V(66), a quarter of a year: it pays a little. The
// logs keep one crash from ruling the regression. L is
// the leverage term max(-r(t), 0) / sqrt(V(22)): volatility rises more after a fall
// (Corsi & Reno 2012, "Discrete-time volatility forecasting with persistent leverage
// effect", Journal of Business & Economic Statistics 30(3)).
//
// The exponential of a mean log is not the mean: exp(fit) is multiplied by the mean of
// exp(e) over the window (the smearing estimate of Duan 1983, JASA 78(383)). A range
// misses what happens between trades and its sums miss the correlation of returns, so
// the variance is then scaled to that of the realised returns over h bars: by the mean
// of z² with z = y / s, z² counted at most as 25. The return over h bars is s times a
// quantile of unit scale: see [Residuals]. The point is "no change".
//
// It is good at following volatility, with six numbers that least squares finds in a
// moment; bars with an honest high and low make it better than models of closes. It is
// bad where there is no range: on bare closes ln r² is a poor measure, and half of what
// it gains on a GARCH is lost. It knows of nothing before the last 66 bars.
package har

import (
	"context"
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/feature"
)

// Residuals says which quantiles of unit scale are multiplied by the volatility.
type Residuals uint8

const (
	// Historical takes those of the standardised residuals of the window: filtered
	// historical simulation (Barone-Adesi, Giannopoulos & Vosper 1999).
	Historical Residuals = iota
	// StudentT takes those of Student's t, its degrees of freedom the most likely for
	// the residuals among a grid from 2.5 to 50.
	StudentT
	// Normal takes those of the normal distribution.
	Normal
)

var residualNames = [...]string{"historical", "t", "normal"}

// String is "historical", "t" or "normal".
func (r Residuals) String() string {
	if int(r) < len(residualNames) {
		return residualNames[r]
	}
	return fmt.Sprintf("residuals(%d)", uint8(r))
}

// Model is the forecaster. The zero value is not valid: start from New.
type Model struct {
	Range feature.Range
	// Spans are the numbers of bars that are averaged, at least 1 and at most 200,
	// ascending; zeros at the end are not used.
	Spans     [mostSpans]int
	Residuals Residuals
	// Newest is how many residuals Historical keeps, at most.
	Newest   int
	Leverage bool // the regression has the term b4
	Robust   bool // fitted by Huber's weights (k = 1.345) instead of least squares
	Least    int  // rows to fit each horizon on; with fewer it abstains
}

// New returns the model with the mean of the three ranges, averages over 1, 5, 22 and
// 66 bars, the newest 1,000 residuals, the leverage term and least squares, on at least
// 100 rows (187 bars).
func New() Model {
	return Model{Range: feature.MeanRange, Spans: [mostSpans]int{1, 5, 22, 66}, Newest: 1000, Residuals: Historical, Leverage: true, Least: 100}
}

// ascend reports whether the spans in use ascend and zeros stand at the end.
func ascend(spans [mostSpans]int) bool {
	for k, s := range spans[1:] {
		if s != 0 && s <= spans[k] || s != 0 && spans[k] == 0 {
			return false
		}
	}
	return true
}

// Name is "har".
func (Model) Name() string { return "har" }

// Fit estimates the regressions on all of w. The error wraps forecast.ErrTooShort when
// it gives fewer rows than Least, and forecast.ErrDegenerate when closes are not
// positive, the price has not moved, or the regression is singular. It panics when an
// option is out of range.
func (m Model) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if !m.Range.Valid() || int(m.Residuals) >= len(residualNames) || m.Least < 20 || m.Newest < m.Least ||
		m.Spans[0] < 1 || !ascend(m.Spans) || m.longest() > longestSpan {
		panic(fmt.Sprintf("har: options %+v are out of range", m))
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p, err := readPast(w, &m)
	if err != nil {
		return nil, fmt.Errorf("har: %w", err)
	}
	f := &fitted{m: m, season: p.season}
	for k, h := range feature.Anchors {
		if f.at[k], err = m.regress(p, h); err != nil {
			return nil, fmt.Errorf("har: %w", err)
		}
	}
	return f, nil
}

// direct is what was estimated for one horizon.
type direct struct {
	coef         [terms]float64
	lowest, most float64 // of the fitted log variances, with some room: forecasts stay within
	scale        float64 // of the variance, beyond exp(fit): smearing times the returns' scale
	unit         forecast.Quantiles
}

type fitted struct {
	m      Model
	season *feature.Season
	at     [len(feature.Anchors)]direct
}

// variance is that of the mean bar of the horizon, its season taken out.
func (d *direct) variance(x *[terms]float64) float64 {
	return d.scale * math.Exp(max(d.lowest, min(d.most, dot(&d.coef, x))))
}

const (
	// look is how many bars before the cutoff Predict looks at: those of the longest
	// span, and some before them that say what a bad print is.
	look        = 256
	longestSpan = 200
)

// Predict needs one bar more than the longest span, else the error wraps
// forecast.ErrTooShort. It wraps forecast.ErrDegenerate when one of these closes is not
// positive or when the price has not moved. It panics when horizon is below 1.
func (f *fitted) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	x, err := f.now(w)
	if err != nil {
		return p, fmt.Errorf("har: %w", err)
	}
	return f.from(&x, w, horizon), nil
}

// Trace makes the row of each bar once for all horizons.
func (f *fitted) Trace(w forecast.Window) forecast.Trace {
	t := &trace{fitted: f}
	t.Update(w)
	return t
}

type trace struct {
	*fitted
	x   [terms]float64
	err error
}

func (t *trace) Update(w forecast.Window) { t.x, t.err = t.now(w) }

func (t *trace) Predict(w forecast.Window, horizon int) (p forecast.Prediction, err error) {
	if t.err != nil {
		return p, fmt.Errorf("har: %w", t.err)
	}
	return t.from(&t.x, w, horizon), nil
}

// from answers from the newest row.
func (f *fitted) from(x *[terms]float64, w forecast.Window, horizon int) (p forecast.Prediction) {
	i, share := feature.Between(horizon)
	a, b := &f.at[i], &f.at[i+1]
	va, vb := a.variance(x), b.variance(x)
	v := math.Exp(float64((1-share)*math.Log(va)) + float64(share*math.Log(vb)))
	sd := math.Sqrt(v * f.season.Ahead(w, horizon))
	for k := range p.Quantiles {
		p.Quantiles[k] = sd * (float64((1-share)*a.unit[k]) + float64(share*b.unit[k]))
	}
	return p
}

// Encode returns the options and all that was estimated.
func (f *fitted) Encode() ([]byte, error) {
	b := fmt.Appendf(nil, "har/1 range=%s spans=%v residuals=%s newest=%d leverage=%t robust=%t least=%d season=%v",
		f.m.Range, f.m.Spans, f.m.Residuals, f.m.Newest, f.m.Leverage, f.m.Robust, f.m.Least, f.season.Parameters())
	for k := range f.at {
		d := &f.at[k]
		b = fmt.Appendf(b, " h=%d coef=%v within=%v,%v scale=%v unit=%v", feature.Anchors[k], d.coef, d.lowest, d.most, d.scale, d.unit)
	}
	return b, nil
}
