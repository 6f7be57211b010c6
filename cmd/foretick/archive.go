package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/archive"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

type exportCmd struct {
	app.Place
	Series []string `arg:"" optional:"" help:"Series such as sim:AMZN@1s; all when left out, which needs a folder as --out."`
	What   []string `default:"bars" enum:"bars,ledger,scores,ticks,all" help:"What to write: bars, ledger, scores, ticks (where they are kept), comma separated, or all."`
	Format string   `default:"csv" enum:"parquet,csv,jsonl" help:"How: parquet, csv or jsonl (JSON lines)."`
	From   string   `help:"First time, RFC 3339 or date: of bars the start, of entries cutoff or bar, of scores the target, of ticks their own."`
	To     string   `help:"First time to leave out."`
	Latest bool     `help:"Only the latest revision of each bar, not those that it replaced."`
	Out    string   `default:"-" help:"File to write one table to, or a folder (it exists, or the name ends in /) that gets one file a series and kind and a manifest; - is standard output."`
}

func (c *exportCmd) Run(t *terminal) error {
	e := archive.Export{Format: archive.Format(c.Format), CreatedBy: "foretick " + app.Version(), Latest: c.Latest}
	for _, f := range []struct {
		flag, text string
		at         *market.Time
	}{{"--from", c.From, &e.From}, {"--to", c.To, &e.To}} {
		if f.text == "" {
			continue
		}
		v, err := market.ParseTime(f.text)
		if err != nil {
			return usage("%s: %w", f.flag, err)
		}
		*f.at = v
	}
	kinds := c.kinds()
	folder := strings.HasSuffix(c.Out, "/") || strings.HasSuffix(c.Out, string(os.PathSeparator))
	if info, err := os.Stat(c.Out); err == nil && info.IsDir() {
		folder = true
	}
	if !folder && (len(c.Series) != 1 || len(kinds) != 1) {
		return usage("--out %s is one file, for one series and one kind of --what: name one of each, or a folder (its name ends in /)", c.Out)
	}
	st, err := opened(t, c.Place)
	if err != nil {
		return err
	}
	defer st.Close()
	e.Store = st
	series, err := c.series(t, st)
	if err != nil {
		return err
	}
	switch {
	case folder:
		e.Progress = shown(t, "exporting")
		n := 0
		err := e.ToFolder(t.ctx, c.Out, series, kinds, func(f *archive.Entry) {
			n++
			fmt.Fprintf(t.stderr, "wrote %s: %d rows, %d bytes\n", f.Name, f.Rows, f.Bytes)
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(t.stdout, "%d files and their %s are in %s\n", n, archive.ManifestName, c.Out)
		return nil
	case c.Out == "-":
		if f, ok := t.stdout.(*os.File); ok && e.Format == archive.Parquet && term.IsTerminal(int(f.Fd())) {
			return usage("--format parquet: its bytes are not for a terminal; name a file with --out")
		}
		return writeOut(t, "-", func(w io.Writer) error {
			_, err := e.Write(t.ctx, w, series[0], kinds[0])
			return err
		})
	}
	e.Progress = shown(t, "exporting "+c.Series[0])
	f, err := e.ToFile(t.ctx, c.Out, series[0], kinds[0])
	if err != nil {
		return err
	}
	fmt.Fprintf(t.stderr, "wrote %s: %d rows, %d bytes; what it is of stands in %s\n", c.Out, f.Rows, f.Bytes, f.Name+archive.ManifestSuffix)
	return nil
}

// kinds are the tables that --what names, in the order of archive.Kinds.
func (c *exportCmd) kinds() (list []archive.Kind) {
	for _, k := range archive.Kinds {
		if slices.Contains(c.What, "all") || slices.Contains(c.What, string(k)) {
			list = append(list, k)
		}
	}
	return list
}

// series are the records of the series that are named.
func (c *exportCmd) series(t *terminal, st store.SeriesStore) ([]store.SeriesRecord, error) {
	all, err := st.Series(t.ctx)
	if err != nil || len(c.Series) == 0 {
		return all, err
	}
	var list []store.SeriesRecord
	for _, name := range c.Series {
		i := slices.IndexFunc(all, func(s store.SeriesRecord) bool { return string(s.ID()) == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no series %s in %s", name, c.Place)
		}
		list = append(list, all[i])
	}
	return list, nil
}

// shown shows progress of one table after the other.
func shown(t *terminal, what string) func(done, total int64) {
	var bar *meter
	return func(done, total int64) {
		if total < 1 {
			return
		}
		if bar == nil || bar.total != total || done < bar.n {
			bar = progress(t, total, what)
		}
		if bar.set(done); done == total {
			bar.done()
			bar = nil
		}
	}
}

// importArchive imports files of archives.
func importArchive(t *terminal, st store.Store, files []archive.File) error {
	im := archive.Import{Store: st}
	for _, f := range files {
		if err := importFile(t, &im, f); err != nil {
			return err
		}
	}
	return nil
}

func importFile(t *terminal, im *archive.Import, f archive.File) error {
	in, closer, err := app.OpenArchived(f)
	if err != nil {
		return err
	}
	defer closer.Close()
	bar := progress(t, max(1, in.Size>>10), "importing "+in.Name+" (KiB)")
	in.Read = func(n int64) { bar.set(min(n>>10, bar.total)) }
	done, err := im.File(t.ctx, in)
	bar.done()
	if err != nil {
		return err
	}
	fmt.Fprintf(t.stdout, "%s: %d %s stored, %d were there already\n", done.Series, done.Kept, rowNames[done.Kind], done.Known)
	for _, n := range done.Notes {
		fmt.Fprintf(t.stdout, "  note: %s\n", n)
	}
	return nil
}

var rowNames = map[archive.Kind]string{archive.Bars: "bars", archive.Ledger: "sealed entries", archive.Scores: "scores", archive.Ticks: "ticks"}
