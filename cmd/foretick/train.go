package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
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
	Model      string   `default:"lstm" enum:"lstm,gru" help:"Recurrent cell of the network: lstm or gru."`
	Name       string   `default:"" help:"Name of the model that the version belongs to. Default: that of the cell."`
	File       []string `type:"existingfile" sep:"none" help:"Recorded file to learn from; may be given several times. Bars (time,open,high,low,close,volume), closes (time,close) or ticks (time,price,size), also .gz."`
	Folder     string   `type:"existingdir" help:"Folder of recorded files to learn from."`
	Interval   string   `default:"" help:"Length of a bar. Default: what the files' times show, 1m for ticks."`
	Timezone   string   `default:"" help:"Zone of times that name none, such as America/New_York."`
	Series     []string `sep:"none" help:"Stored series to learn from, such as sim:AMZN@1m; may be given several times."`
	Data       string   `default:"data" type:"path" help:"Folder that holds the stored series and takes the version."`
	Until      string   `default:"" help:"Leave out bars that end later (RFC 3339 or date). The version may forecast from the end of the newest bar that it has seen on."`
	Each       string   `default:"" enum:"year," help:"year: train a version for the beginning of every year of --from to --until, each on what was known by then, so that a backtest over those years finds one that has not seen them."`
	From       string   `default:"" help:"First year of --each."`
	Units      int      `default:"${units}" help:"Units of a layer."`
	Layers     int      `default:"${layers}" help:"Layers."`
	Steps      int      `default:"${steps}" help:"Bars that the network reads for a forecast."`
	Batch      int      `default:"${batch}" help:"Stretches of bars a step of the optimiser."`
	Rate       float64  `default:"${rate}" help:"Learning rate at the start."`
	Decay      float64  `default:"${decay}" help:"Decay of the weights."`
	Epochs     int      `default:"${epochs}" help:"Epochs of a restart at most."`
	Patience   int      `default:"${patience}" help:"Epochs without a better validation loss after which a restart ends."`
	Restarts   int      `default:"${restarts}" help:"Networks trained from different beginnings."`
	Ensemble   int      `default:"0" help:"Best of them that answer together; 0: all."`
	Validation float64  `default:"${validation}" help:"Share of the bars, the newest, that decides when to stop."`
	Seed       uint64   `default:"${seed}" help:"Seed of all randomness. The same seed gives the same version on the same machine."`
	Jobs       int      `default:"0" help:"Goroutines; 0: one a processor. The version does not depend on it."`
	Checkpoint string   `default:"" placeholder:"FILE" help:"File that the training is resumed from and saved to after every epoch. Default: train-NAME.checkpoint in the data folder."`
	Fresh      bool     `help:"Begin anew where there is a checkpoint."`
	Out        string   `default:"" placeholder:"FILE" help:"Write the version to a safetensors file instead of storing it; - is standard output."`
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
		return o, usage("%s", strings.TrimPrefix(err.Error(), neural.ErrShape.Error()+": "))
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
	inputs, err := c.inputs(t)
	if err != nil {
		return err
	}
	for _, until := range untils {
		if err := c.train(t, inputs, o, until); err != nil {
			return err
		}
	}
	return nil
}

// untils are the times by which versions have seen what they learn from.
func (c *trainCmd) untils() ([]market.Time, error) {
	var until market.Time
	var err error
	if c.Until != "" {
		if until, err = market.ParseTime(c.Until); err != nil {
			return nil, usage("--until: %w", err)
		}
	}
	if c.Each == "" {
		return []market.Time{until}, nil
	}
	if c.From == "" || c.Until == "" {
		return nil, usage("--each year needs --from and --until")
	}
	from, err := market.ParseTime(c.From)
	if err != nil {
		return nil, usage("--from: %w", err)
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
	b := backtestCmd{File: files, Interval: c.Interval, Timezone: c.Timezone, Series: c.Series, Data: c.Data}
	return b.inputs(t)
}

// train makes one version.
func (c *trainCmd) train(t *terminal, inputs []backtest.Input, o neural.Options, until market.Time) error {
	samples, err := app.Samples(t.ctx, inputs, until)
	if err != nil {
		return err
	}
	trainer, err := neural.NewTrainer(samples, o)
	if err != nil {
		return err
	}
	path, err := c.resume(t, trainer)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.stderr, "%d bars of %d series up to %s: %v, %d restarts\n", samples.Len(), len(inputs), samples.Until(), o.Shape(), o.Restarts)
	p := newEpochs(t)
	for !trainer.Done() {
		point, err := trainer.Epoch(t.ctx)
		if err != nil {
			p.done()
			return fmt.Errorf("stopped after %d epochs (%w); the same command goes on from %s", len(trainer.Curve()), err, path)
		}
		p.show(point, trainer.Progress())
		if err := writeQuietly(path, trainer.Checkpoint()); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	p.done()
	v, err := trainer.Trained(t.ctx, 0)
	if err != nil {
		return err
	}
	if err := c.keep(t, v, trainer.Curve()); err != nil {
		return fmt.Errorf("%w; what was learnt is in %s: run the same command again", err, path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// resume takes the trainer to where its checkpoint stands and returns the checkpoint's path.
func (c *trainCmd) resume(t *terminal, trainer *neural.Trainer) (string, error) {
	path := c.Checkpoint
	if path == "" {
		if err := os.MkdirAll(c.Data, 0o755); err != nil {
			return "", err
		}
		path = filepath.Join(c.Data, "train-"+c.Name+".checkpoint")
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
	fmt.Fprintf(t.stderr, "going on from %s after %d epochs\n", path, len(trainer.Curve()))
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
		r, closed, err := app.WriteRegistry(t.ctx, c.Data)
		switch {
		case errors.Is(err, store.ErrLocked):
			out = c.Name + "-" + v.ID() + ".safetensors"
			note = fmt.Sprintf("Foretick runs on %s. Hand the version to it with: foretick models import --file %s --host http://localhost:8080\n", c.Data, out)
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
	fmt.Fprintf(t.stdout, "%s %s: %d of %v learnt from %d bars of %d series, validated from %s on, forecasts %s bars from %s on\n",
		c.Name, v.ID(), v.Members(), v.Shape(), about.Rows, len(about.Series), about.Split.Std().Format(time.DateOnly), about.Interval, about.Since)
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
