package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/term"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/registry"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

type trainCmd struct {
	Model    string   `default:"lstm" enum:"lstm,gru" help:"Recurrent cell of the network: lstm or gru."`
	Name     string   `default:"" help:"Name of the model that the version belongs to. Default: that of the cell."`
	File     []string `type:"existingfile" sep:"none" help:"Recorded file to learn from; may be given several times. Bars (time,open,high,low,close,volume), closes (time,close) or ticks (time,price,size), also .gz."`
	Folder   string   `type:"existingdir" help:"Folder of recorded files to learn from."`
	Interval string   `default:"" help:"Length of a bar. Default: what the files' times show, 1m for ticks."`
	Timezone string   `default:"" help:"Zone of times that name none, such as America/New_York."`
	Series   []string `sep:"none" help:"Stored series to learn from, such as sim:AMZN@1m; may be given several times."`
	app.Place
	Until      string  `default:"" help:"Leave out bars that end later (RFC 3339 or date). The version may forecast from the end of the newest bar that it has seen on."`
	Each       string  `default:"" enum:"year," help:"year: train a version for the beginning of every year of --from to --until, each on what was known by then, so that a backtest over those years finds one that has not seen them."`
	From       string  `default:"" help:"First year of --each, such as 2020."`
	Units      int     `default:"${units}" help:"Units of a layer."`
	Layers     int     `default:"${layers}" help:"Layers."`
	Steps      int     `default:"${steps}" help:"Bars that the network reads for a forecast."`
	Batch      int     `default:"${batch}" help:"Stretches of bars a step of the optimiser."`
	Rate       float64 `default:"${rate}" help:"Learning rate at the start."`
	Decay      float64 `default:"${decay}" help:"Decay of the weights."`
	Epochs     int     `default:"${epochs}" help:"Epochs of a restart at most."`
	Patience   int     `default:"${patience}" help:"Epochs without a better validation loss after which a restart ends."`
	Restarts   int     `default:"${restarts}" help:"Networks trained from different beginnings."`
	Ensemble   int     `default:"0" help:"Best of them that answer together; 0: all."`
	Validation float64 `default:"${validation}" help:"Share of the bars, the newest, that decides when to stop."`
	Seed       uint64  `default:"${seed}" help:"Seed of all randomness. The same seed gives the same version on the same machine."`
	Jobs       int     `default:"0" help:"Goroutines; 0: one a processor. The version does not depend on it."`
	Checkpoint string  `default:"" placeholder:"FILE" help:"File that the training is resumed from and saved to after every epoch. Default: train-NAME.checkpoint in the data folder. With --each the year is appended."`
	Fresh      bool    `help:"Begin anew where there is a checkpoint."`
	Out        string  `default:"" placeholder:"FILE" help:"Write the version to a safetensors file instead of storing it; - is standard output."`
}

// trainDefaults are the variables of the tags above.
func trainDefaults() map[string]string {
	o := neural.Defaults()
	text := func(v any) string { return fmt.Sprint(v) }
	return map[string]string{"units": text(o.Units), "layers": text(o.Layers), "steps": text(o.Steps), "batch": text(o.Batch), "rate": text(o.Rate), "decay": text(o.Decay),
		"epochs": text(o.Epochs), "patience": text(o.Patience), "restarts": text(o.Restarts), "validation": text(o.Validation), "seed": text(o.Seed)}
}

func (c *trainCmd) options() (neural.Options, error) {
	o := neural.Defaults()
	o.Cell, o.Units, o.Layers, o.Steps, o.Warm, o.Batch = neural.Cell(c.Model), c.Units, c.Layers, c.Steps, c.Steps*3/8, c.Batch
	o.Rate, o.Decay, o.Epochs, o.Patience, o.Restarts, o.Ensemble = c.Rate, c.Decay, c.Epochs, c.Patience, c.Restarts, c.Ensemble
	o.Validation, o.Seed, o.Workers = c.Validation, c.Seed, c.Jobs
	if o.Ensemble == 0 {
		o.Ensemble = o.Restarts
	}
	if err := o.Validate(); err != nil {
		return o, usage("%w", app.InWords(err))
	}
	return o, nil
}

func (c *trainCmd) Run(t *terminal) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	if c.Name == "" {
		c.Name = c.Model
	}
	untils, err := c.untils()
	if err != nil {
		return err
	}
	// A name that cannot be taken must not cost a training.
	there, err := app.NamedVersions(t.ctx, c.Place, c.Name, registry.KindDistribution)
	if err != nil {
		return badName(err)
	}
	inputs, err := c.inputs(t)
	if err != nil {
		return err
	}
	before := market.Time(math.MinInt64)
	for _, until := range untils {
		samples, err := app.Samples(t.ctx, inputs, until)
		if err != nil {
			return err
		}
		if c.Each != "" {
			if samples.Until() == before {
				fmt.Fprintf(t.stderr, "%s: no bar is newer than those of the version before\n", day(until))
				continue
			}
			before = samples.Until()
			if v := same(there, samples, o); v != nil && !c.Fresh {
				fmt.Fprintf(t.stderr, "%s: version %s is stored already; --fresh trains it again\n", day(until), v.ID)
				continue
			}
		}
		if err := c.train(t, samples, o, until); err != nil {
			return err
		}
	}
	return nil
}

// same finds the version that the same training has given before: training one again, after a
// run over many years was stopped, would give it again.
func same(there []*registry.Version, s *neural.Samples, o neural.Options) *registry.Version {
	o.Workers = 0
	for _, v := range there {
		if a, ok := v.Artifact.(*neural.Trained); ok {
			about := a.About()
			if about.Options == o && about.Until == s.Until() && about.Rows == s.Len() && slices.Equal(about.Series, s.Series()) {
				return v
			}
		}
	}
	return nil
}

func day(t market.Time) string { return t.Std().Format(time.DateOnly) }

// untils are the times by which versions have seen what they learn from.
func (c *trainCmd) untils() ([]market.Time, error) {
	if c.Each == "" {
		switch {
		case c.From != "":
			return nil, usage("--from belongs to --each year; a single version learns from all bars up to --until")
		case c.Until == "":
			return []market.Time{0}, nil
		}
		until, err := market.ParseTime(c.Until)
		if err != nil {
			return nil, usage("--until: %w", err)
		}
		return []market.Time{until}, nil
	}
	switch {
	case c.From == "" || c.Until == "":
		return nil, usage("--each year needs the years: --from and --until")
	case c.Out != "":
		return nil, usage("--out takes one version, --each year trains several; foretick models export writes each of them")
	}
	from, err := yearOrTime(c.From)
	if err != nil {
		return nil, usage("--from: %w", err)
	}
	until, err := yearOrTime(c.Until)
	if err != nil {
		return nil, usage("--until: %w", err)
	}
	var list []market.Time
	for y := from.Std().Year(); ; y++ {
		at := market.TimeOf(time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC))
		if at > until {
			break
		}
		if at >= from {
			list = append(list, at)
		}
	}
	if len(list) == 0 {
		return nil, usage("no year begins between %s and %s", c.From, c.Until)
	}
	return list, nil
}

// yearOrTime reads a year as its beginning.
func yearOrTime(s string) (market.Time, error) {
	if t, err := time.Parse("2006", s); err == nil {
		return market.TimeOf(t), nil
	}
	return market.ParseTime(s)
}

func (c *trainCmd) inputs(t *terminal) ([]backtest.Input, error) {
	files := c.File
	if c.Folder != "" {
		list, err := app.Folder(c.Folder)
		if err != nil {
			return nil, usage("--folder: %w", err)
		}
		files = append(files, list...)
	}
	if len(files)+len(c.Series) == 0 {
		return nil, usage("give something to learn from: --file, --folder or --series")
	}
	b := backtestCmd{File: files, Interval: c.Interval, Timezone: c.Timezone, Series: c.Series, Place: c.Place}
	return b.inputs(t)
}

// train makes one version.
func (c *trainCmd) train(t *terminal, samples *neural.Samples, o neural.Options, until market.Time) error {
	trainer, err := neural.NewTrainer(samples, o)
	if errors.Is(err, neural.ErrSamples) && until != 0 {
		hint := ""
		if c.Each != "" {
			hint = ": choose a later --from"
		}
		return fmt.Errorf("%w; no bars later than %s are learnt from%s", app.InWords(err), day(until), hint)
	}
	if err != nil {
		return app.InWords(err)
	}
	path, err := c.resume(t, trainer, until)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.stderr, "%s of %d series up to %s: %s of %v\n", count(samples.Len(), "bar"), len(samples.Series()), samples.Until(), count(o.Restarts, "restart"), o.Shape())
	p := newEpochs(t)
	for !trainer.Done() {
		point, err := trainer.Epoch(t.ctx)
		if err != nil {
			p.done()
			if n := len(trainer.Curve()); n > 0 {
				return fmt.Errorf("stopped after %s; the same command goes on from %s", count(n, "epoch"), path)
			}
			return errors.New("stopped before the first epoch was done; there is nothing to go on from")
		}
		p.show(point, trainer.Progress())
		if err := writeQuietly(path, trainer.Checkpoint()); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	p.done()
	v, err := trainer.Trained(t.ctx, 0)
	if err != nil && t.ctx.Err() != nil {
		return fmt.Errorf("stopped at the end of the training; the same command goes on from %s", path)
	}
	if err != nil {
		_ = os.Remove(path) // going on from here would end here again
		return app.InWords(err)
	}
	if err := c.keep(t, v, trainer.Curve()); err != nil {
		return fmt.Errorf("%w; what was learnt is in %s: run the same command again", app.InWords(err), path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// count is a number of things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// checkpoint is the path of the file that a training is resumed from.
func (c *trainCmd) checkpoint(until market.Time) (path string, err error) {
	path = c.Checkpoint
	if path == "" {
		if err := os.MkdirAll(c.Data, 0o755); err != nil {
			return "", err
		}
		path = filepath.Join(c.Data, "train-"+c.Name+".checkpoint")
	}
	if c.Each != "" {
		path += "-" + strconv.Itoa(until.Std().Year())
	}
	return path, nil
}

// resume takes the trainer to where its checkpoint stands and returns the checkpoint's path.
func (c *trainCmd) resume(t *terminal, trainer *neural.Trainer, until market.Time) (string, error) {
	path, err := c.checkpoint(until)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && c.Fresh:
		return path, nil
	case err != nil:
		return path, err
	}
	if err := trainer.Resume(b); errors.Is(err, forecast.ErrArchive) {
		return path, usage("%s is the checkpoint of another training; finish that one with its own command, or pass --fresh to begin anew (%v)", path, err)
	} else if err != nil {
		return path, err
	}
	fmt.Fprintf(t.stderr, "going on from %s after %s\n", path, count(len(trainer.Curve()), "epoch"))
	return path, nil
}

// keep stores the version, or writes it to a file when that is asked for or Foretick runs on
// the data folder.
func (c *trainCmd) keep(t *terminal, v *neural.Trained, curve []neural.Point) error {
	about := v.About()
	source := app.TrainedOn(v)
	out := c.Out
	note := ""
	if out == "" {
		r, closed, err := app.WriteRegistry(t.ctx, c.Place)
		switch {
		case errors.Is(err, store.ErrLocked):
			out = c.Name + "-" + v.ID() + ".safetensors"
			note = fmt.Sprintf("Foretick runs on %s. Hand the version to it with: foretick models import --file %s --host http://localhost:8080\n", c.Place, out)
		case err != nil:
			return err
		default:
			_, _, err := r.Put(t.ctx, c.Name, v, source)
			if err = errors.Join(err, closed()); err != nil {
				return err
			}
		}
	}
	if out != "" {
		b, err := registry.Write(&registry.Version{Name: c.Name, ID: v.ID(), Created: market.TimeOf(time.Now()), Source: source, Artifact: v})
		if err != nil {
			return err
		}
		if err := writeOut(t, out, func(w io.Writer) error { _, err := w.Write(b); return err }); err != nil {
			return err
		}
	}
	if out == "-" {
		return nil
	}
	fmt.Fprintf(t.stdout, "%s %s: %s, learnt from %s of %d series, validated from %s on, forecasts %s bars from %s on\n",
		c.Name, v.ID(), networks(v), count(about.Rows, "bar"), len(about.Series), day(about.Split), about.Interval, about.Since)
	fmt.Fprintf(t.stdout, "validation loss %.4f; degrees of freedom %.1f to %.1f\n", about.Loss, about.Nu[len(about.Nu)-1], about.Nu[0])
	drawCurve(t.stdout, curve)
	_, err := fmt.Fprint(t.stdout, note)
	return err
}

// drawCurve prints the validation losses of each restart as bars.
func drawCurve(w io.Writer, curve []neural.Point) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, p := range curve {
		low, high = min(low, p.Valid), max(high, p.Valid)
	}
	marks := []rune("▁▂▃▄▅▆▇█")
	for i, p := range curve {
		if i == 0 || p.Restart != curve[i-1].Restart {
			fmt.Fprintf(w, "validation loss by epoch, restart %d: ", p.Restart)
		}
		k := 0
		if high > low {
			k = int((p.Valid - low) / (high - low) * float64(len(marks)-1))
		}
		fmt.Fprint(w, string(marks[k]))
		if i+1 == len(curve) || curve[i+1].Restart != p.Restart {
			best := math.Inf(1)
			for _, q := range curve {
				if q.Restart == p.Restart {
					best = min(best, q.Valid)
				}
			}
			fmt.Fprintf(w, "  best %.4f\n", best)
		}
	}
}

// epochs shows a training: a bar with the losses on a terminal, a line an epoch elsewhere.
type epochs struct {
	t   *terminal
	bar *meter // nil without a terminal
}

func newEpochs(t *terminal) *epochs {
	e := &epochs{t: t}
	if f, ok := t.stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		e.bar = progress(t, 1000, "training")
	}
	return e
}

func (e *epochs) show(p neural.Point, share float64) {
	best := ""
	if p.Best {
		best = ", best so far"
	}
	line := fmt.Sprintf("restart %d, epoch %d: loss %.4f, validation %.4f%s", p.Restart, p.Epoch, p.Train, p.Valid, best)
	if e.bar == nil {
		fmt.Fprintln(e.t.stderr, line)
		return
	}
	e.bar.bar.Describe(line)
	e.bar.set(int64(1000 * share))
}

func (e *epochs) done() {
	if e.bar != nil {
		e.bar.done()
	}
}

// writeQuietly writes a file whole or not at all.
func writeQuietly(path string, b []byte) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b, 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
