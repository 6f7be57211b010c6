package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"text/tabwriter"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
	"github.com/foretick/foretick/track"
)

// fileFlags say which recorded files are meant and what they hold.
type fileFlags struct {
	File       []string `required:"" type:"existingfile" sep:"none" help:"Recorded file; may be given several times. Bars (time,open,high,low,close,volume), closes (time,close) or ticks (time,price,size), also .gz."`
	Instrument []string `sep:"none" help:"Symbol of each file in order. Default: from the file's name."`
	Interval   string   `default:"" help:"Length of a bar. Default: what the file's times show, 1m for ticks."`
	Timezone   string   `default:"" help:"Zone of times that name none, such as America/New_York."`
	actionFlags
}

// actionFlags name files of splits and dividends.
type actionFlags struct {
	Actions []string `sep:"none" placeholder:"FILE" help:"Splits and dividends of the file: a CSV file (ex,kind,value). SYMBOL=FILE where there are several; may be given several times."`
}

func (f *fileFlags) read(t *terminal) ([]*csv.File, error) {
	var interval market.Interval
	if f.Interval != "" {
		i, err := market.ParseInterval(f.Interval)
		if err != nil {
			return nil, usage("--interval: %w", err)
		}
		interval = i
	}
	var bar *meter
	var current string
	files, err := app.ReadFiles(t.ctx, f.File, app.FileOptions{Instrument: f.Instrument, Interval: interval, Timezone: f.Timezone, Actions: f.Actions,
		Progress: func(path string, read, size int64) {
			if path != current {
				current, bar = path, progress(t, size, "reading "+path)
			}
			bar.set(read)
			if read >= size {
				bar.done()
			}
		}})
	for _, f := range files {
		fmt.Fprintln(t.stderr, app.Describe(f))
	}
	return files, err
}

type replayCmd struct {
	fileFlags
	Rollup   []string `default:"none" help:"Coarser bars to forecast as well, such as 5m,15m."`
	Horizons int      `default:"5" help:"Forecasts are made 1 to this many bars ahead."`
	Models   []string `default:"default" help:"Models in the race, comma separated; naive always joins. default: naive, ewma, garch, rangevol and auto; all: every one."`
	app.Place
	app.BroughtModels
}

func (c *replayCmd) Run(t *terminal) (err error) {
	var rollups []market.Interval
	for _, r := range c.Rollup {
		if r == "none" {
			continue
		}
		i, err := market.ParseInterval(r)
		if err != nil {
			return usage("--rollup: %w", err)
		}
		rollups = append(rollups, i)
	}
	if c.Horizons < 1 || c.Horizons > 100 {
		return usage("--horizons %d: choose 1 to 100", c.Horizons)
	}
	more, release, err := app.MoreModels(t.ctx, c.Place, c.BroughtModels)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	models, err := app.SelectModels(c.Models, more)
	if err != nil {
		return usage("%w", err)
	}
	files, err := c.read(t)
	if err != nil {
		return err
	}
	for _, f := range files {
		tally := app.Tally{}
		bar := progress(t, int64(f.Kept()), "forecasting "+string(f.Series.ID()))
		var warnings []string
		each := func(id market.SeriesID, r track.Result) error {
			if r.Break != nil && !r.Break.Announced {
				warnings = append(warnings, fmt.Sprintf("%s: data warning: %s", id, r.Break.Warning()))
			}
			return tally.Add(id, r)
		}
		heads, err := app.Drive(t.ctx, f, rollups, c.Horizons, models, each, func(done int) { bar.set(int64(done)) })
		bar.done()
		if err != nil {
			return err
		}
		for _, w := range warnings {
			fmt.Fprintln(t.stderr, w)
		}
		for _, id := range slices.Sorted(maps.Keys(heads)) {
			fmt.Fprintf(t.stdout, "%s: ledger of %d entries, head %s\n", id, heads[id].Seq, heads[id].Hash)
		}
		if err := table(t.stdout, tally); err != nil {
			return err
		}
	}
	fmt.Fprintln(t.stdout, "Skill is 1 - CRPS(model)/CRPS(naive); it is no verdict. Nothing here is investment advice.")
	return nil
}

// table prints how each model did over everything.
func table(out io.Writer, tally app.Tally) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "series\tmodel\thorizon\tn\tmean error\tmedian\tmax\tmin\tMAE\tMASE\tcoverage 90 %\tCRPS\tnaive's\tskill\t")
	keys := slices.SortedFunc(maps.Keys(tally), func(a, b app.TallyKey) int {
		return slices.Compare([]string{string(a.Series), fmt.Sprintf("%04d", a.Horizon), a.Model}, []string{string(b.Series), fmt.Sprintf("%04d", b.Horizon), b.Model})
	})
	for _, k := range keys {
		scores := tally[k]
		all := score.Windows(scores, scores[len(scores)-1].Target)
		s := all[len(all)-1].Summary
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", k.Series, k.Model, k.Horizon, len(scores),
			num(s.Error.Mean), num(s.Error.Median), num(s.Error.Max), num(s.Error.Min), num(s.MAE), num(s.MASE), percent(s.Coverage90), num(s.CRPS), num(s.Naive.CRPS), percent(s.Skill))
	}
	return w.Flush()
}

func num(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.5g", v)
}

func percent(v float64) string {
	if math.IsNaN(v) {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*v)
}
