package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// walkFlags say how series are walked.
type walkFlags struct {
	Models  []string `default:"default" help:"Models to walk, comma separated; naive always joins. default: naive, ewma, garch, rangevol and auto; all: every one."`
	BurnIn  int      `default:"500" help:"Bars that models learn from before the first forecast."`
	Refit   int      `default:"20" help:"Parameters are estimated again every so many bars."`
	Horizon []int    `default:"1,5" help:"Bars ahead to forecast, comma separated."`
	Last    int      `default:"0" help:"Walk only the newest bars of each series; 0: all."`
	From    string   `default:"" help:"Leave out bars that start before (RFC 3339 or date)."`
	To      string   `default:"" help:"Leave out bars that start then or later."`
	Raw     bool     `help:"Take prices as they stand: what looks like a split, or was announced as one, is judged as the move it seems. For comparisons with peers that were judged so."`
	Jobs    int      `default:"0" help:"Series walked at once; 0: one a processor. The figures do not depend on it."`
}

func (f *walkFlags) spec() (spec backtest.Spec, err error) {
	spec = backtest.Spec{Models: f.Models, BurnIn: f.BurnIn, Refit: f.Refit, Horizons: f.Horizon, Last: f.Last, Raw: f.Raw}
	for _, e := range []struct {
		flag, text string
		at         *market.Time
	}{{"--from", f.From, &spec.From}, {"--to", f.To, &spec.To}} {
		if e.text == "" {
			continue
		}
		if *e.at, err = market.ParseTime(e.text); err != nil {
			return spec, usage("%s: %w", e.flag, err)
		}
	}
	if f.Jobs < 0 || f.Jobs > 1024 {
		return spec, usage("--jobs %d: choose 0 to 1024", f.Jobs)
	}
	if err := spec.Finish(); err != nil {
		return spec, usage("%w", err)
	}
	return spec, nil
}

func (f *walkFlags) jobs() int {
	if f.Jobs == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return f.Jobs
}

// walk runs a backtest with a progress bar.
func walk(t *terminal, spec backtest.Spec, inputs []backtest.Input, opt backtest.Options) (*backtest.Report, error) {
	var bar *meter
	var mu sync.Mutex
	opt.Progress = func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		if bar == nil {
			bar = progress(t, total, "walking")
		}
		bar.set(max(done, bar.n))
	}
	r, err := backtest.Run(t.ctx, spec, inputs, opt)
	if bar != nil {
		bar.done()
	}
	return r, err
}

type backtestCmd struct {
	File       []string `type:"existingfile" sep:"none" help:"Recorded file to walk; may be given several times. Bars (time,open,high,low,close,volume), closes (time,close) or ticks (time,price,size), also .gz."`
	Instrument []string `sep:"none" help:"Symbol of each file in order. Default: from the file's name."`
	Interval   string   `default:"" help:"Length of a bar. Default: what the file's times show, 1m for ticks."`
	Timezone   string   `default:"" help:"Zone of times that name none, such as America/New_York."`
	actionFlags
	Series []string `sep:"none" help:"Stored series to walk, such as sim:AMZN@1m; may be given several times."`
	app.Place
	walkFlags
	JSON string `placeholder:"OUT" help:"File to write the figures to as JSON; - is standard output."`
	HTML string `placeholder:"OUT" help:"File to write a report to that any browser shows without a network."`
	app.BroughtModels
}

func (c *backtestCmd) Run(t *terminal) (err error) {
	if len(c.File)+len(c.Series) == 0 {
		return usage("give at least one --file or --series")
	}
	spec, err := c.spec()
	if err != nil {
		return err
	}
	more, release, err := app.MoreModels(t.ctx, c.Place, c.BroughtModels)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	opt, err := app.BacktestOptions(&spec, more, nil)
	if err != nil {
		return usage("%w", err)
	}
	opt.Jobs = c.jobs()
	inputs, err := c.inputs(t)
	if err != nil {
		return err
	}
	r, err := walk(t, spec, inputs, opt)
	if err != nil {
		return err
	}
	return c.write(t, r)
}

func (c *backtestCmd) inputs(t *terminal) (inputs []backtest.Input, err error) {
	if len(c.File) > 0 {
		f := fileFlags{File: c.File, Instrument: c.Instrument, Interval: c.Interval, Timezone: c.Timezone, actionFlags: c.actionFlags}
		files, err := f.read(t)
		if err != nil {
			return nil, err
		}
		inputs = app.BacktestFiles(files)
	} else if len(c.Actions) > 0 {
		return nil, usage("--actions is for --file; stored series know their splits")
	}
	if len(c.Series) == 0 {
		return inputs, nil
	}
	st, err := c.OpenReadOnly(t.ctx)
	if err != nil {
		return nil, err
	}
	defer st.Close()
	for _, id := range c.Series {
		in, err := app.BacktestSeries(t.ctx, st, market.SeriesID(id))
		if errors.Is(err, store.ErrNotFound) {
			return nil, usage("--series %s: %s holds no such series; foretick ledger show lists them", id, c.Place)
		}
		if err != nil {
			return nil, err
		}
		inputs = append(inputs, in)
	}
	return inputs, nil
}

// save writes the files that were asked for.
func (c *backtestCmd) save(t *terminal, r *backtest.Report) error {
	if c.JSON != "" {
		err := writeOut(t, c.JSON, func(w io.Writer) error {
			e := json.NewEncoder(w)
			e.SetIndent("", " ")
			return e.Encode(r)
		})
		if err != nil {
			return err
		}
	}
	if c.HTML != "" {
		if err := writeOut(t, c.HTML, r.HTML); err != nil {
			return err
		}
	}
	return nil
}

// skipped names the series that were not walked, and what looks wrong with the data of others.
func skipped(t *terminal, r *backtest.Report) {
	for _, s := range r.Series {
		if s.Skipped != "" {
			fmt.Fprintf(t.stderr, "%s (%s) was not walked: %s\n", s.Series, s.File, s.Skipped)
		}
		for _, w := range s.Warnings {
			fmt.Fprintf(t.stderr, "%s: data warning: %s\n", s.Series, w)
		}
	}
}

func (c *backtestCmd) write(t *terminal, r *backtest.Report) error {
	if err := c.save(t, r); err != nil {
		return err
	}
	skipped(t, r)
	if c.JSON == "-" || c.HTML == "-" {
		return nil
	}
	return reportTable(t.stdout, r)
}

// reportTable prints a report.
func reportTable(out io.Writer, r *backtest.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "series\thorizon\tmodel\tn\tCRPS\tskill\tcoverage 90 %\tlow\tmiddle\thigh\twidth\tMAE\tMASE\tDM p\te-value\tverdict\t")
	for i := range r.Results {
		x := &r.Results[i]
		fmt.Fprintf(w, "%s\t%d\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", x.Series, x.Horizon, x.Model, x.N, num(float64(x.CRPS)), percent(float64(x.Skill)),
			percent(float64(x.Coverage90)), percent(float64(x.Coverage90ByRegime[0])), percent(float64(x.Coverage90ByRegime[1])), percent(float64(x.Coverage90ByRegime[2])),
			num(float64(x.Width90)), num(float64(x.MAE)), num(float64(x.MASE)), num(float64(x.DMP)), num(float64(x.EValue)), strings.ReplaceAll(string(x.Verdict), "_", " "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := silent(out, r); err != nil {
		return err
	}
	if len(r.Series) > 1 {
		fmt.Fprintln(out)
		if err := pooledTable(out, r); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, "\nCRPS and width are in 100 x log return; skill is 1 - CRPS / naive's. low, middle and high are regimes of volatility.\n"+
		"DM p counts because the length of the walk was set beforehand. Figures of the past; nothing here is investment advice.")
	return err
}

// maxSilent is the number of lines that silent prints.
const maxSilent = 20

// silent says why models gave no forecast at some bars, or at all: a row without figures
// explains nothing.
func silent(out io.Writer, r *backtest.Report) error {
	type key struct {
		series market.SeriesID
		file   string
		model  string
	}
	where := map[key][]string{}
	why := map[key]string{}
	var order []key
	for i := range r.Results {
		x := &r.Results[i]
		if x.Abstained == 0 {
			continue
		}
		k := key{x.Series, x.File, x.Model}
		if where[k] == nil {
			order = append(order, k)
			why[k] = "no reason was kept"
			if x.Detail != nil && x.Detail.Reason != "" {
				why[k] = strings.TrimPrefix(x.Detail.Reason, x.Model+": ")
				for _, kind := range []error{forecast.ErrTooShort, forecast.ErrDegenerate} {
					why[k] = strings.TrimPrefix(why[k], kind.Error()+": ")
				}
			}
		}
		at := fmt.Sprintf("at %d of %d bars", x.Abstained, x.Abstained+x.N)
		if x.N == 0 {
			at = "at any bar"
		}
		where[k] = append(where[k], fmt.Sprintf("%s %d ahead", at, x.Horizon))
	}
	for i, k := range order {
		if i == 0 {
			fmt.Fprintln(out)
		}
		if i == maxSilent {
			_, err := fmt.Fprintf(out, "%d more did not forecast at every bar; --html shows them.\n", len(order)-i)
			return err
		}
		if _, err := fmt.Fprintf(out, "%s, %s: no forecast %s: %s\n", k.series, k.model, strings.Join(where[k], ", "), why[k]); err != nil {
			return err
		}
	}
	return nil
}

func pooledTable(out io.Writer, r *backtest.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "horizon\tmodel\tseries\tn\tCRPS / naive's\tbetter on\tsignificantly\tworse significantly\tcoverage 90 %\tlow\tmiddle\thigh\tworst series\tverdicts after e-BH\tin confidence set\t")
	for i := range r.Pooled {
		p := &r.Pooled[i]
		set := "no"
		if p.ConfidenceSet {
			set = "yes"
		}
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%.4f\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\t\n", p.Horizon, p.Model, p.Series, p.N, float64(p.CRPSRatio), p.Better, p.SignificantlyBest, p.SignificantlyWorse,
			percent(float64(p.Coverage90)), percent(float64(p.Coverage90ByRegime[0])), percent(float64(p.Coverage90ByRegime[1])), percent(float64(p.Coverage90ByRegime[2])),
			percent(float64(p.WorstCoverage90)), p.Discoveries, set)
	}
	return w.Flush()
}
