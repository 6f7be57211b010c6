package backtest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
	"github.com/foretick/foretick/track"
)

// ErrNothing says that no series was long enough to walk.
var ErrNothing = errors.New("backtest: no series could be walked")

// least is the number of origins that a walk must leave to judge.
const least = 100

// Run walks the inputs. Inputs that are too short are named in the report; an error
// that wraps ErrNothing says that all were. The report is the same, but for its time
// of creation, whatever Options.Jobs is. It looks at ctx before each bar, each model that is
// judged and each repetition of a bootstrap. A walk that panics gives a *Panic.
func Run(ctx context.Context, spec Spec, inputs []Input, opt Options) (*Report, error) {
	if err := spec.Finish(); err != nil {
		return nil, fmt.Errorf("backtest: %w", err)
	}
	cuts := make([][]market.Bar, len(inputs))
	var done atomic.Int64
	var total int64
	for i := range inputs {
		cuts[i] = spec.cut(inputs[i].Bars)
		total += int64(len(cuts[i]))
	}
	progress := func(n int) {
		if opt.Progress != nil {
			opt.Progress(done.Add(int64(n)), total)
		}
	}
	walks := make([]*walk, len(inputs))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(opt.Jobs, 1))
	for i := range inputs {
		g.Go(func() (err error) {
			defer caught(&inputs[i], &err)
			walks[i], err = run(gctx, &spec, &inputs[i], cuts[i], &opt, progress)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r := &Report{Protocol: protocol(&spec, &opt, walks)}
	for _, w := range walks {
		r.Series = append(r.Series, w.walked)
		r.Results = append(r.Results, w.results...)
	}
	if len(r.Results) == 0 {
		why := "none was given"
		if len(r.Series) > 0 {
			why = fmt.Sprintf("%s: %s", r.Series[0].Series, r.Series[0].Skipped)
		}
		return nil, fmt.Errorf("%w: %s", ErrNothing, why)
	}
	var err error
	if r.Pooled, err = pool(ctx, r.Results, walks); err != nil {
		return nil, fmt.Errorf("backtest: %w", err)
	}
	return r, nil
}

// Panic is the error of a walk that panicked: what somebody orders must not take down what is
// live.
type Panic struct {
	Series market.SeriesID
	Value  any
	Stack  []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("backtest: %s panicked: %v", p.Series, p.Value) }

func caught(in *Input, err *error) {
	if r := recover(); r != nil {
		*err = &Panic{in.Series.ID(), r, debug.Stack()}
	}
}

func protocol(spec *Spec, opt *Options, walks []*walk) Protocol {
	p := Protocol{Spec: *spec, Version: opt.Version, Created: market.TimeOf(opt.Now()),
		CRPS: "twice the mean pinball loss over the levels 0.05 to 0.95 by 0.05, in 100 x log return, mean over origins",
		Note: "Figures of the past. Nothing here is investment advice."}
	if spec.From != 0 {
		p.From = &spec.From
	}
	if spec.To != 0 {
		p.To = &spec.To
	}
	h := sha256.New()
	for _, w := range walks {
		fmt.Fprintf(h, "%s %d %x\n", w.walked.Series, w.walked.Bars, w.inputs)
	}
	p.Digest = hex.EncodeToString(h.Sum(nil))
	return p
}

// walk is one series on its way.
type walk struct {
	walked  Walked
	results []Result
	losses  map[slot][]float64 // CRPS in order, for tests over several models
	inputs  ledger.Hash

	scale  float64 // mean absolute change of the burn-in
	scores map[slot][]score.Score
	fans   map[market.Time]FanBar // of the lead model, shortest horizon, by target
	silent map[slot]int           // abstentions
	reason map[string]string      // the first one, by model
}

type slot struct {
	horizon int
	model   string
}

// run walks one series.
func run(ctx context.Context, spec *Spec, in *Input, bars []market.Bar, opt *Options, progress func(int)) (*walk, error) {
	w := &walk{walked: Walked{Series: in.Series.ID(), File: in.File, Simulated: in.Series.Instrument.Simulated, Bars: len(bars)},
		scores: map[slot][]score.Score{}, fans: map[market.Time]FanBar{}, silent: map[slot]int{}, reason: map[string]string{}}
	if len(bars) > 0 {
		w.walked.From, w.walked.To = bars[0].Start, bars[len(bars)-1].End
	}
	longest := spec.Horizons[len(spec.Horizons)-1]
	if n := len(bars) - spec.BurnIn - longest; n < least {
		w.walked.Skipped = fmt.Sprintf("%d bars leave %d origins to judge after the burn-in, at least %d are needed", len(bars), max(n, 0), least)
		progress(len(bars))
		return w, nil
	}
	models := opt.Forecasters(in.File)
	tr, err := track.New(track.Config{Series: in.Series, Mode: ledger.Replay, Calendar: in.Calendar,
		Horizons: spec.Horizons, Models: models, RefitEvery: spec.Refit, Raw: spec.Raw})
	if err != nil {
		return nil, fmt.Errorf("backtest: %s: %w", w.walked.Series, err)
	}
	w.scale = meanChange(bars[:spec.BurnIn])
	const told = 64
	for i := range bars {
		if ctx.Err() != nil { // a burn-in does not look
			return nil, fmt.Errorf("backtest: %s: %w", w.walked.Series, ctx.Err())
		}
		r, err := tr.Advance(ctx, track.Input{Bar: bars[i], Backfill: i < spec.BurnIn, Splits: in.Splits}, 0)
		if err != nil {
			return nil, fmt.Errorf("backtest: %s at %s: %w", w.walked.Series, bars[i].Start, err)
		}
		w.take(&r, opt.Lead, spec.Horizons[0])
		if i%told == told-1 {
			progress(told)
		}
	}
	progress(len(bars) % told)
	head := tr.Head()
	w.walked.Head, w.inputs = hex.EncodeToString(head.Hash[:]), tr.Inputs()
	return w, w.judge(ctx, spec, models, opt.Lead)
}

// take collects what a step produced.
func (w *walk) take(r *track.Result, lead string, shortest int) {
	if b := r.Break; b != nil && !b.Announced {
		w.walked.Warnings = append(w.walked.Warnings, b.Warning())
	}
	for _, s := range r.Scores {
		if s.Revision > 0 {
			continue // recorded bars come once
		}
		k := slot{s.Horizon, s.Model}
		w.scores[k] = append(w.scores[k], s)
		if s.Model == lead && s.Horizon == shortest {
			if f, ok := w.fans[s.Target]; ok {
				f.Actual = Number(s.Actual)
				w.fans[s.Target] = f
			}
		}
	}
	for i := range r.Forecasts {
		f := &r.Forecasts[i]
		if f.Model != lead || f.Horizon != shortest {
			continue
		}
		bar := FanBar{At: f.Target.Start}
		for k, q := range [...]int{forecast.Q05, forecast.Q25, forecast.Q50, forecast.Q75, forecast.Q95} {
			bar.Quantiles[k] = Number(f.Quantiles[q])
		}
		w.fans[f.Target.Start] = bar
	}
	for _, a := range r.Abstentions {
		w.silent[slot{a.Horizon, a.Model}]++
		if w.reason[a.Model] == "" {
			w.reason[a.Model] = a.Reason
		}
	}
}

// meanChange is the mean absolute change of the close.
func meanChange(bars []market.Bar) float64 {
	var sum float64
	for i := 1; i < len(bars); i++ {
		d := bars[i].Close - bars[i-1].Close
		sum += max(d, -d)
	}
	return sum / float64(len(bars)-1)
}

// byOrder sorts results by horizon, and models in the order of the race.
func byOrder(models []forecast.Forecaster) func(a, b slot) int {
	place := map[string]int{}
	for i, m := range models {
		place[m.Name()] = i
	}
	return func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.horizon, b.horizon), cmp.Compare(place[a.model], place[b.model]))
	}
}

// slots lists what there is to judge.
func slots(spec *Spec, models []forecast.Forecaster) (list []slot) {
	for _, h := range spec.Horizons {
		for _, m := range models {
			list = append(list, slot{h, m.Name()})
		}
	}
	slices.SortFunc(list, byOrder(models))
	return list
}
