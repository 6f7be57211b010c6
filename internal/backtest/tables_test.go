package backtest_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/garch"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// The tables of a report are computed here again, plainly, from nothing but the entries of the
// ledger that the walk has sealed: what every model said, and what came.

// said is one forecast of the ledger with its outcome.
type said struct {
	cutoff, target   market.Time
	last, volatility float64
	point            float64
	quantiles        forecast.Quantiles
	actual           float64
}

// book is what the ledger of one walk says.
type book struct {
	of     map[string][]said // by model and horizon, those with an outcome, by cutoff
	silent map[string]int    // abstentions
	head   ledger.Head
}

func about(model string, h int) string { return fmt.Sprintf("%s at %d", model, h) }

// sealed walks the bars through a track and reads the chain that it sealed, from the bytes.
func sealed(t *testing.T, in backtest.Input, bars []market.Bar, spec backtest.Spec, models []forecast.Forecaster) *book {
	t.Helper()
	tr, err := track.New(track.Config{Series: in.Series, Mode: ledger.Replay, Calendar: in.Calendar, Horizons: spec.Horizons, Models: models, RefitEvery: spec.Refit, Raw: spec.Raw})
	if err != nil {
		t.Fatal(err)
	}
	var chain ledger.Verifier
	b := &book{of: map[string][]said{}, silent: map[string]int{}}
	type open struct {
		name string
		said
	}
	pending := map[market.Time][]open{} // by target
	for i := range bars {
		r, err := tr.Advance(t.Context(), track.Input{Bar: bars[i], Backfill: i < spec.BurnIn, Splits: in.Splits}, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range r.Entries {
			if err := chain.Add(s); err != nil {
				t.Fatal(err)
			}
			e, err := ledger.Decode(s.Bytes)
			switch {
			case err != nil:
				t.Fatal(err)
			case e.Void != nil:
				for _, target := range e.Void.Targets {
					delete(pending, target)
				}
			case e.Outcome != nil:
				for _, o := range pending[e.Outcome.Bar.Start] {
					o.actual = e.Outcome.Close
					b.of[o.name] = append(b.of[o.name], o.said)
				}
				delete(pending, e.Outcome.Bar.Start)
			case e.Issue != nil:
				is := e.Issue
				for _, f := range is.Forecasts {
					at := f.Target.Start
					pending[at] = append(pending[at], open{about(f.Model, f.Horizon), said{is.Cutoff, at, is.Last, is.Volatility, f.Point, f.Quantiles, 0}})
				}
				for _, a := range is.Abstentions {
					for _, h := range spec.Horizons {
						if a.Horizon == 0 || a.Horizon == h {
							b.silent[about(a.Model, h)]++
						}
					}
				}
			}
		}
	}
	b.head = chain.Head()
	return b
}

// crps is twice the mean pinball loss over the levels 0.05 to 0.95, in 100 x log return.
func (s *said) crps() (sum float64) {
	y := 100 * math.Log(s.actual/s.last)
	for i, p := range forecast.Probabilities {
		if p < 0.049 || p > 0.951 {
			continue
		}
		if q := 100 * math.Log(s.quantiles[i]/s.last); y >= q {
			sum += 2 * p * (y - q) / 19
		} else {
			sum += 2 * (1 - p) * (q - y) / 19
		}
	}
	return sum
}

// at is the quantile at a probability.
func (s *said) at(p float64) float64 {
	for i, x := range forecast.Probabilities {
		if math.Abs(x-p) < 1e-9 {
			return s.quantiles[i]
		}
	}
	panic(p)
}

func (s *said) hit() bool { return s.at(0.05) <= s.actual && s.actual <= s.at(0.95) }

// rank is where the outcome fell in the distribution, on lines between the quantiles.
func (s *said) rank() float64 {
	q, p := s.quantiles[:], forecast.Probabilities[:]
	below := 0
	for below < len(q) && q[below] < s.actual {
		below++
	}
	equal := below
	for equal < len(q) && q[equal] == s.actual {
		equal++
	}
	switch {
	case equal > below:
		return (p[below] + p[equal-1]) / 2
	case below == 0:
		return p[0] / 2
	case below == len(q):
		return (1 + p[len(p)-1]) / 2
	}
	return p[below-1] + (p[below]-p[below-1])*(s.actual-q[below-1])/(q[below]-q[below-1])
}

func mean(list []said, f func(*said) float64) float64 {
	sum := 0.0
	for i := range list {
		sum += f(&list[i])
	}
	return sum / float64(len(list))
}

func flag(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// type7 is the quantile of a sorted list by linear interpolation, R's default.
func type7(sorted []float64, p float64) float64 {
	at := p * float64(len(sorted)-1)
	lo := int(math.Floor(at))
	hi := min(lo+1, len(sorted)-1)
	return sorted[lo] + (at-float64(lo))*(sorted[hi]-sorted[lo])
}

// terciles splits forecasts into those of low, middle and high volatility.
func terciles(list []said) (out [3][]said) {
	var v []float64
	for _, s := range list {
		v = append(v, s.volatility)
	}
	slices.Sort(v)
	low, high := type7(v, 1.0/3), type7(v, 2.0/3)
	for _, s := range list {
		switch {
		case s.volatility < low:
			out[0] = append(out[0], s)
		case s.volatility < high:
			out[1] = append(out[1], s)
		default:
			out[2] = append(out[2], s)
		}
	}
	return out
}

func close9(t *testing.T, what string, got backtest.Number, want float64) {
	t.Helper()
	if g := float64(got); !(math.Abs(g-want) <= 1e-9*math.Max(1, math.Abs(want))) && !(g != g && want != want) {
		t.Errorf("%s is %.12g, from the ledger it is %.12g", what, g, want)
	}
}

// agrees compares one row of the report with the ledger.
func agrees(t *testing.T, r *backtest.Result, b *book, change float64) {
	t.Helper()
	name := about(r.Model, r.Horizon)
	mine, base := b.of[name], b.of[about("naive", r.Horizon)]
	if r.N != len(mine) || r.Abstained != b.silent[name] {
		t.Fatalf("%s: %d judged and %d abstentions, in the ledger %d and %d", name, r.N, r.Abstained, len(mine), b.silent[name])
	}
	if r.N == 0 {
		return
	}
	width := func(s *said) float64 { return 100 * math.Log(s.at(0.95)/s.at(0.05)) }
	miss := func(s *said) float64 { return math.Abs(s.actual - s.point) }
	close9(t, name+": CRPS", r.CRPS, mean(mine, (*said).crps))
	close9(t, name+": coverage", r.Coverage90, mean(mine, func(s *said) float64 { return flag(s.hit()) }))
	close9(t, name+": width", r.Width90, mean(mine, width))
	close9(t, name+": MAE", r.MAE, mean(mine, miss))
	close9(t, name+": MASE", r.MASE, mean(mine, miss)/change)
	close9(t, name+": interval score", r.Detail.IntervalScore, mean(mine, func(s *said) float64 {
		over := max(0, 100*math.Log(s.at(0.05)/s.actual)) + max(0, 100*math.Log(s.actual/s.at(0.95)))
		return width(s) + 2/0.1*over
	}))
	for k, part := range terciles(mine) {
		close9(t, fmt.Sprintf("%s: coverage in tercile %d", name, k+1), r.Coverage90ByRegime[k], mean(part, func(s *said) float64 { return flag(s.hit()) }))
	}
	bins := make([]int, 20)
	for i := range mine {
		bins[min(int(mine[i].rank()*20), 19)]++
	}
	if !slices.Equal(bins, r.Detail.PIT) {
		t.Errorf("%s: outcomes by twentieth are %v, from the ledger %v", name, r.Detail.PIT, bins)
	}
	for l, p := range forecast.Probabilities {
		close9(t, fmt.Sprintf("%s: outcomes up to %v", name, p), r.Detail.Reliability[l], mean(mine, func(s *said) float64 { return flag(s.rank() <= p) }))
	}
	theirs := map[market.Time]*said{}
	for i := range base {
		theirs[base[i].cutoff] = &base[i]
	}
	gains := make([]float64, len(mine)) // against naive, from the same origins
	var sums [2]float64
	dots := min(120, len(mine))
	for i, next := 0, 1; i < len(mine); i++ {
		n := theirs[mine[i].cutoff]
		if n == nil {
			t.Fatalf("%s: naive has not forecast from %s", name, mine[i].cutoff)
		}
		gains[i] = n.crps() - mine[i].crps()
		sums[0], sums[1] = sums[0]+mine[i].crps(), sums[1]+n.crps()
		if i+1 == next*len(mine)/dots {
			dot := r.Detail.Curve[next-1]
			if dot.At != mine[i].target {
				t.Errorf("%s: dot %d is at %s, want %s", name, next, dot.At, mine[i].target)
			}
			close9(t, fmt.Sprintf("%s: skill up to dot %d", name, next), dot.Skill, 1-sums[0]/sums[1])
			var recent [2]float64
			for k := max(0, i+1-max(len(mine)/10, 20)); k <= i; k++ {
				recent[0], recent[1] = recent[0]+mine[k].crps(), recent[1]+theirs[mine[k].cutoff].crps()
			}
			close9(t, fmt.Sprintf("%s: skill before dot %d", name, next), dot.Recent, 1-recent[0]/recent[1])
			next++
		}
	}
	if len(r.Detail.Curve) != dots {
		t.Errorf("%s: a curve of %d dots, want %d", name, len(r.Detail.Curve), dots)
	}
	close9(t, name+": skill", r.Skill, 1-sums[0]/sums[1])
	windows(t, name, r.Detail, mine, gains)
}

// windows compares the best and the worst twenty bars with all stretches of twenty.
func windows(t *testing.T, name string, d *backtest.Detail, mine []said, gains []float64) {
	t.Helper()
	const week = 20
	if len(d.Best) == 0 {
		return
	}
	most, least := math.Inf(-1), math.Inf(1)
	sumAt := map[market.Time]float64{} // by the first target
	for i := 0; i+week <= len(gains); i++ {
		sum := 0.0
		for _, g := range gains[i : i+week] {
			sum += g
		}
		most, least = max(most, sum), min(least, sum)
		sumAt[mine[i].target] = sum
	}
	for what, c := range map[string]struct {
		fan  []backtest.FanBar
		want float64
	}{"best": {d.Best, most}, "worst": {d.Worst, least}} {
		if len(c.fan) != week || math.Abs(sumAt[c.fan[0].At]-c.want) > 1e-9 {
			t.Errorf("%s: the %s stretch of %d bars gains %v, want %v", name, what, len(c.fan), sumAt[c.fan[0].At], c.want)
			continue
		}
		first := slices.IndexFunc(mine, func(s said) bool { return s.target == c.fan[0].At })
		for k, f := range c.fan {
			s := &mine[first+k]
			want := [5]backtest.Number{}
			for i, p := range []float64{0.05, 0.25, 0.5, 0.75, 0.95} {
				want[i] = backtest.Number(s.at(p))
			}
			if f.At != s.target || float64(f.Actual) != s.actual || f.Quantiles != want {
				t.Errorf("%s: bar %d of the %s stretch is %+v, in the ledger %+v", name, k, what, f, s)
			}
		}
	}
}

// agreesOverall compares the pooled rows with those of the series, and naive's.
func agreesOverall(t *testing.T, r *backtest.Report) {
	t.Helper()
	for _, p := range r.Pooled {
		name := "pooled " + about(p.Model, p.Horizon)
		var n, series, better, best, worse int
		var logs, hits float64
		furthest := math.NaN()
		for _, x := range r.Results {
			if x.Model != p.Model || x.Horizon != p.Horizon || x.N == 0 {
				continue
			}
			series, n = series+1, n+x.N
			logs += math.Log(1 - float64(x.Skill))
			hits += float64(x.Coverage90) * float64(x.N)
			significant := float64(x.DMP) < 0.05
			better += int(flag(x.Skill > 0))
			best += int(flag(x.Skill > 0 && significant))
			worse += int(flag(x.Skill < 0 && significant))
			if c := float64(x.Coverage90); furthest != furthest || math.Abs(c-0.9) > math.Abs(furthest-0.9) {
				furthest = c
			}
		}
		if p.Series != series || p.N != n || p.Better != better || p.SignificantlyBest != best || p.SignificantlyWorse != worse {
			t.Errorf("%s: %+v, from the rows: %d series, %d origins, %d better, %d and %d of significance", name, p, series, n, better, best, worse)
		}
		if p.Discoveries > series || p.Model == "naive" && p.Discoveries > 0 {
			t.Errorf("%s: %d discoveries in %d series", name, p.Discoveries, series)
		}
		close9(t, name+": CRPS ratio", p.CRPSRatio, math.Exp(logs/float64(series)))
		close9(t, name+": coverage", p.Coverage90, hits/float64(n))
		close9(t, name+": furthest coverage", p.WorstCoverage90, furthest)
	}
}

// own is a series of the repository, from whatever kind of file.
func own(t *testing.T, path, actions string) backtest.Input {
	t.Helper()
	f, err := csv.Read(t.Context(), testdata.Market(t, path), csv.Options{Instrument: market.Instrument{AllowNonPositive: filepath.Base(path) == "OIL.csv"}})
	if err != nil {
		t.Fatal(err)
	}
	in := backtest.Input{Series: f.Series, File: filepath.Base(path), Bars: f.Bars}
	starts := make([]market.Time, len(f.Bars))
	for i := range f.Bars {
		starts[i] = f.Bars[i].Start
	}
	in.Calendar = market.Recorded(f.Series.Interval, starts)
	if actions != "" {
		if in.Splits, err = csv.ReadActions(testdata.Market(t, actions)); err != nil {
			t.Fatal(err)
		}
	}
	return in
}

// late begins to forecast long after the others, and abstains every so often.
type late struct{ naive.Model }

func (late) Name() string { return "late" }

func (m late) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if w.Len() < 620 {
		return nil, forecast.ErrTooShort
	}
	f, err := m.Model.Fit(ctx, w)
	return sometimes{f}, err
}

type sometimes struct{ forecast.Fitted }

func (s sometimes) Predict(w forecast.Window, h int) (forecast.Prediction, error) {
	if w.Bar(w.Len()-1).Start/86_400_000_000%7 == 3 {
		return forecast.Prediction{}, forecast.ErrDegenerate
	}
	p, err := s.Fitted.Predict(w, h)
	p.Point += 0.001
	for i := range p.Quantiles {
		p.Quantiles[i] *= 1.1
	}
	return p, err
}

func four() []forecast.Forecaster {
	return []forecast.Forecaster{naive.New(), ewma.New(), garch.New(), late{naive.New()}}
}

// Every figure of the tables follows from the sealed entries: over a share, an exchange rate, a coin
// with gaps and flat stretches, a share that was split, prices of a billionth, and hours.
func TestTablesFollowFromTheLedger(t *testing.T) {
	day := func(s string) market.Time {
		at, err := market.ParseTime(s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, c := range []struct {
		path, actions string
		spec          backtest.Spec
	}{
		{"daily/STOCK.csv", "", backtest.Spec{Last: 1100, BurnIn: 500, Refit: 20, Horizons: []int{1, 5}}},
		{"daily/FX.csv", "", backtest.Spec{From: day("2015-01-01"), To: day("2018-06-01"), BurnIn: 600, Refit: 7, Horizons: []int{2}}},
		{"daily/COIN.csv", "", backtest.Spec{Last: 1000, BurnIn: 600, Refit: 50, Horizons: []int{1, 3}}},
		{"daily/SPLIT.csv", "daily/SPLIT_actions.csv", backtest.Spec{BurnIn: 400, Refit: 40, Horizons: []int{1, 4}}},
		{"daily/SPLIT.csv", "daily/SPLIT_actions.csv", backtest.Spec{BurnIn: 400, Refit: 40, Horizons: []int{1}, Raw: true}},
		{"close_only/DUST.csv", "", backtest.Spec{Last: 900, BurnIn: 500, Refit: 100, Horizons: []int{1}}},
		{"intraday/STOCK_1h.csv", "", backtest.Spec{Last: 800, BurnIn: 500, Refit: 20, Horizons: []int{1, 2, 3}}},
	} {
		name := c.path
		if c.spec.Raw {
			name += " raw"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := own(t, c.path, c.actions)
			opt := options(1)
			opt.Forecasters = func(string) []forecast.Forecaster { return four() }
			r := run(t, c.spec, opt, in)
			bars := in.Bars
			bars = slices.DeleteFunc(slices.Clone(bars), func(b market.Bar) bool {
				return b.Start < c.spec.From || c.spec.To != 0 && b.Start >= c.spec.To
			})
			if c.spec.Last > 0 {
				bars = bars[len(bars)-c.spec.Last:]
			}
			b := sealed(t, in, bars, c.spec, four())
			if r.Series[0].Head != hex.EncodeToString(b.head.Hash[:]) {
				t.Fatal("the walk has sealed another chain")
			}
			change := 0.0
			for i := 1; i < c.spec.BurnIn; i++ {
				change += math.Abs(bars[i].Close-bars[i-1].Close) / float64(c.spec.BurnIn-1)
			}
			if want := len(c.spec.Horizons) * 4; len(r.Results) != want {
				t.Fatalf("%d rows, want %d", len(r.Results), want)
			}
			for i := range r.Results {
				agrees(t, &r.Results[i], b, change)
			}
			agreesOverall(t, r)
		})
	}
}

// The pooled rows follow from those of several series, one of which is too short, and the report is
// read as it was written.
func TestTablesOverSeveralSeries(t *testing.T) {
	var in []backtest.Input
	for _, path := range []string{"daily/STOCK.csv", "daily/FX.csv", "daily/COIN.csv", "daily/INDEX.csv"} {
		in = append(in, own(t, path, ""))
	}
	in[2].Bars = in[2].Bars[:300]
	opt := options(2)
	opt.Forecasters = func(string) []forecast.Forecaster { return four() }
	r := run(t, backtest.Spec{Last: 800}, opt, in...)
	if r.Series[2].Skipped == "" || len(r.Results) != 3*2*4 || len(r.Pooled) != 2*4 {
		t.Fatalf("%d rows, %d pooled, %+v", len(r.Results), len(r.Pooled), r.Series[2])
	}
	agreesOverall(t, r)
	members := 0
	for _, p := range r.Pooled {
		if p.Model == "late" && p.ConfidenceSet {
			t.Error("a model that abstained is in the confidence set")
		}
		members += int(flag(p.ConfidenceSet))
	}
	if members < 2 { // the best of each horizon at least
		t.Errorf("the confidence sets have %d members", members)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var again backtest.Report
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if back, err := json.Marshal(&again); err != nil || !bytes.Equal(back, text) {
		t.Errorf("written again it is another report (%v)", err)
	}
	agreesOverall(t, &again)
}
