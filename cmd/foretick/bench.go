package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"text/tabwriter"

	"github.com/foretick/foretick/forecast/rangevol"
	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/feed/csv"
)

type benchCmd struct {
	Forecast benchForecastCmd `cmd:"" help:"Walk a folder of recorded files by the benchmark's protocol and compare with peers."`
	Prior    benchPriorCmd    `cmd:"" help:"Estimate the prior of rangevol on a folder of recorded files."`
}

// folder reads all recorded files of a folder.
func folder(t *terminal, dir string) ([]*csv.File, string, error) {
	paths, err := app.Folder(dir)
	if err != nil {
		return nil, "", usage("--data: %w", err)
	}
	digest, err := app.Digest(paths)
	if err != nil {
		return nil, "", err
	}
	files, err := app.ReadFiles(t.ctx, paths, app.FileOptions{})
	return files, digest, err
}

type benchForecastCmd struct {
	Data   string   `required:"" type:"existingdir" help:"Folder of recorded files."`
	Peers  string   `type:"existingfile" help:"Table of peers' scores with the columns series, h, method and crps."`
	Peer   string   `default:"fgarch_t" help:"Method of the table to compare with."`
	Models []string `default:"default" help:"Models to walk, comma separated, or all."`
	Store  string   `default:"data" help:"Folder, or URL of the database, that holds the stored model versions, when one of them is named."`
	Prior  string   `default:"shipped" enum:"shipped,leave-one-out" help:"Prior of rangevol: shipped, or for each file one estimated without the file and others of its instrument."`
	Jobs   int      `default:"0" help:"Files walked at once; 0: one a processor."`
	JSON   string   `placeholder:"OUT" help:"File to write the figures to as JSON."`
	HTML   string   `placeholder:"OUT" help:"File to write a report to."`
	app.BroughtModels
}

func (c *benchForecastCmd) Run(t *terminal) (err error) {
	files, digest, err := folder(t, c.Data)
	if err != nil {
		return err
	}
	jobs := c.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	var prior func(string) *rangevol.Prior
	if c.Prior == "leave-one-out" {
		p, err := app.NewPriors(t.ctx, files, digest, jobs)
		if err != nil {
			return err
		}
		own := map[string]*rangevol.Prior{}
		bar := progress(t, int64(len(files)), "priors")
		for _, f := range files {
			name := filepath.Base(f.Name)
			if own[name], _, err = p.Without(name); err != nil {
				return err
			}
			bar.add(1)
		}
		bar.done()
		prior = func(file string) *rangevol.Prior { return own[file] }
	}
	spec := app.BenchProtocol
	spec.Models = c.Models
	more, release, err := app.MoreModels(t.ctx, app.PlaceOf(c.Store), c.BroughtModels)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	opt, err := app.BacktestOptions(&spec, more, prior)
	if err != nil {
		return usage("%w", err)
	}
	opt.Jobs = jobs
	began := opt.Now()
	used, told := processorSeconds()
	r, err := walk(t, spec, app.BacktestFiles(files), opt)
	if err != nil {
		return err
	}
	seconds := opt.Now().Sub(began).Seconds()
	after, _ := processorSeconds()
	out := backtestCmd{JSON: c.JSON, HTML: c.HTML}
	if err := out.save(t, r); err != nil {
		return err
	}
	skipped(t, r)
	fmt.Fprintf(t.stdout, "Data %s, prior of rangevol: %s\n\n", digest[:16], c.Prior)
	if err := pooledTable(t.stdout, r); err != nil {
		return err
	}
	steps := 0
	for _, s := range r.Series {
		if s.Skipped == "" {
			steps += s.Bars - spec.BurnIn
		}
	}
	fmt.Fprintf(t.stdout, "\n%d steps of %d models in %.1f s, %d files at once.", steps, len(spec.Models), seconds, jobs)
	if told {
		fmt.Fprintf(t.stdout, " %.3f s of processor time per 1,000 steps, sealing, judging and the confidence set included.", (after-used)/float64(steps)*1000)
	}
	fmt.Fprintln(t.stdout)
	if c.Peers == "" {
		return nil
	}
	peers, err := app.ReadPeers(c.Peers)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\nhorizon\tmodel\tCRPS / %s\tbetter on\tworst\tof\t\n", c.Peer)
	for _, a := range app.Compare(r, peers, c.Peer) {
		fmt.Fprintf(w, "%d\t%s\t%.5f\t%d of %d\t%.4f\t%s\t\n", a.Horizon, a.Model, a.Ratio, a.Better, a.Series, a.Worst, a.WorstOf)
	}
	return w.Flush()
}

type benchPriorCmd struct {
	Data string `required:"" type:"existingdir" help:"Folder of recorded files."`
	Out  string `default:"-" help:"File to write the prior to; - is standard output."`
	Show bool   `help:"Also show which files each file's leave-one-out prior leaves out."`
}

func (c *benchPriorCmd) Run(t *terminal) error {
	files, digest, err := folder(t, c.Data)
	if err != nil {
		return err
	}
	p, err := app.NewPriors(t.ctx, files, fmt.Sprintf("sha256 %s of %d files", digest, len(files)), runtime.GOMAXPROCS(0))
	if err != nil {
		return err
	}
	for _, name := range p.Skipped() {
		fmt.Fprintf(t.stderr, "%s is too short or does not move, and is left out\n", name)
	}
	if c.Show {
		for _, f := range files {
			_, out, err := p.Without(filepath.Base(f.Name))
			if err != nil {
				return err
			}
			fmt.Fprintf(t.stderr, "%s is judged without %v\n", filepath.Base(f.Name), out)
		}
	}
	all, err := p.All()
	if err != nil {
		return err
	}
	return writeOut(t, c.Out, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", " ")
		return e.Encode(all)
	})
}
