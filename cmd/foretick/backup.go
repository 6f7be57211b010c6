package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/audit"
)

type backupCmd struct {
	app.Place
	Out   string `required:"" help:"File to write; or a folder, in which it is named by the time."`
	Keep  int    `help:"Of the backups in the folder, keep this many of the newest and delete the others. Default: all."`
	Force bool   `help:"Write over a file that exists."`
}

func (c *backupCmd) Run(t *terminal) error {
	if c.Keep < 0 {
		return usage("--keep %d: choose 1 or more", c.Keep)
	}
	opt, end := copying(t, "copying")
	opt.Replace, opt.Keep = c.Force, c.Keep
	last, forgotten, err := c.Backup(t.ctx, c.Out, opt)
	end()
	switch {
	case last.File != "" && last.LastEvent == 0:
		fmt.Fprintf(t.stdout, "%s holds everything, %.1f MB; its pages are sound. It is empty, or of another version of the schema.\n", last.File, float64(last.Bytes)/1e6)
	case last.File != "":
		fmt.Fprintf(t.stdout, "%s holds everything up to event %d: %.1f MB, checked.\n", last.File, last.LastEvent, float64(last.Bytes)/1e6)
	}
	for _, f := range forgotten {
		fmt.Fprintf(t.stdout, "deleted %s\n", f)
	}
	return err
}

type restoreCmd struct {
	app.Place
	From  string `required:"" type:"existingfile" help:"Backup to restore."`
	Force bool   `help:"Put a database that is in the data folder aside."`
}

func (c *restoreCmd) Run(t *terminal) error {
	opt, end := copying(t, "reading "+c.From)
	opt.Replace = c.Force
	aside, err := c.Restore(t.ctx, c.From, opt)
	end()
	if err != nil {
		return err
	}
	if aside != "" {
		fmt.Fprintf(t.stdout, "What was in %s is kept in %s; delete it when it is not needed any more.\n", c.Data, aside)
	}
	fmt.Fprintf(t.stdout, "%s was restored to %s, checked. foretick serve --data %s goes on from there.\n", c.From, c.Data, c.Data)
	return nil
}

// copying shows how the copy of a database goes on.
func copying(t *terminal, what string) (opt app.BackupOptions, end func()) {
	var bar *meter
	end = func() {
		if bar != nil {
			bar.done()
			bar = nil
		}
	}
	opt = app.BackupOptions{
		Now: time.Now(),
		Progress: func(done, total int) {
			if bar == nil {
				bar = progress(t, int64(total), what)
			}
			bar.set(int64(done))
		},
		Check: func(f store.Fault) {
			end()
			fmt.Fprintf(t.stdout, "BAD   %s: %s\n", f.Where, f.What)
		},
		Watch: audit.Watch{
			Begin: func(what string, total int64) { end(); bar = progress(t, cmp.Or(total, -1), what) },
			Add: func(n int64) {
				if bar != nil {
					bar.add(n)
				}
			},
		},
	}
	return opt, end
}
