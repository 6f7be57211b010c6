package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/audit"
	"github.com/foretick/foretick/internal/store/transfer"
)

type dbCmd struct {
	Status  dbStatusCmd  `cmd:"" help:"Where the database is, the version of its schema, what it holds."`
	Migrate dbMigrateCmd `cmd:"" help:"Bring the schema up to date. There is no way back."`
	Copy    dbCopyCmd    `cmd:"" help:"Copy everything into another, empty database, SQLite or PostgreSQL, and compare. A copy that was broken off goes on where it was."`
	Check   dbCheckCmd   `cmd:"" help:"Look for damage and verify every chain: exit status 1 and what to do when something is wrong."`
}

type dbStatusCmd struct {
	app.Place
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *dbStatusCmd) Run(t *terminal) error {
	info, err := inspected(t, c.Place)
	if err != nil {
		return err
	}
	if c.JSON {
		enc := json.NewEncoder(t.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(info)
	}
	w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	row("database", "%s", info.Place)
	row("kind", "%s", info.Engine)
	row("schema", "version %d, %s", info.Version, standing(info))
	if info.Current() {
		st, err := c.OpenReadOnly(t.ctx)
		switch {
		case errors.Is(err, transfer.ErrUnfinished):
			row("state", "a copy that was broken off: run the same foretick db copy again")
		case err == nil:
			if err := st.Close(); err != nil {
				return err
			}
		}
	}
	row("epoch", "%s", info.Epoch)
	row("size", "%.1f MB", float64(info.Bytes)/1e6)
	row("series", "%d", info.Counts.Series)
	row("bars", "%d, and %d earlier revisions", info.Counts.Bars, info.Counts.Revisions)
	row("entries", "%d in all ledgers", info.Counts.Entries)
	row("scores", "%d", info.Counts.Scores)
	row("documents", "%d", info.Counts.Documents)
	row("quarantine", "%d", info.Counts.Rejects)
	row("actions", "%d", info.Counts.Actions)
	row("last event", "%d", info.LastEvent)
	return w.Flush()
}

// standing says how a schema stands to this program.
func standing(info store.Info) string {
	switch {
	case info.Current():
		return "the newest"
	case info.Version < info.Newest:
		return fmt.Sprintf("the newest is %d: foretick db migrate, or the next foretick serve, brings it up to date", info.Newest)
	}
	return fmt.Sprintf("this program knows versions up to %d: use a newer Foretick", info.Newest)
}

// inspected describes the database of a place; a missing one is an error that says how
// one comes to be.
func inspected(t *terminal, at app.Place) (store.Info, error) {
	info, err := at.Inspect(t.ctx)
	if errors.Is(err, store.ErrNotFound) {
		return info, fmt.Errorf("there is no database in %s yet; foretick serve or foretick import creates it", at)
	}
	return info, err
}

type dbMigrateCmd struct {
	app.Place
}

func (c *dbMigrateCmd) Run(t *terminal) error {
	before, err := inspected(t, c.Place)
	if err != nil {
		return err
	}
	if before.Current() {
		fmt.Fprintf(t.stdout, "%s has schema version %d, the newest: nothing to do.\n", before.Place, before.Version)
		return nil
	}
	st, err := c.Open(t.ctx)
	if err != nil {
		return err
	}
	if err := st.Close(); err != nil {
		return err
	}
	after, err := c.Inspect(t.ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.stdout, "%s went from schema version %d to %d.\n", after.Place, before.Version, after.Version)
	return nil
}

type dbCheckCmd struct {
	app.Place
}

func (c *dbCheckCmd) Run(t *terminal) error {
	if _, err := inspected(t, c.Place); err != nil {
		return err
	}
	st, err := c.OpenReadOnly(t.ctx)
	if err != nil {
		return err
	}
	defer st.Close()
	faults, _, err := checkStore(t, st)
	if err != nil {
		return err
	}
	if faults > 0 {
		return errFailed
	}
	return nil
}

// checkStore checks a whole store and prints what is found.
func checkStore(t *terminal, st store.Store) (faults int, found []audit.Series, err error) {
	var bar *meter
	end := func() {
		if bar != nil {
			bar.done()
			bar = nil
		}
	}
	bad := map[string]bool{}
	found, err = audit.Run(t.ctx, st, func(f store.Fault) {
		end()
		faults++
		bad[f.Where] = true
		fmt.Fprintf(t.stdout, "BAD   %s: %s\n      what to do: %s\n", f.Where, f.What, f.Advice)
	}, audit.Watch{
		Begin: func(what string, total int64) { end(); bar = progress(t, cmp.Or(total, -1), what) },
		Add: func(n int64) {
			if bar != nil {
				bar.add(n)
			}
		},
	})
	end()
	for _, s := range found {
		if !bad[string(s.ID)] {
			fmt.Fprintf(t.stdout, "ok    %s  %d bars, %d entries, %d scores, head %s\n", s.ID, s.Bars, s.Head.Seq, s.Scores, s.Head.Hash)
		}
	}
	if err == nil && faults == 0 {
		fmt.Fprintf(t.stdout, "ok    the database is sound: %d series\n", len(found))
	}
	return faults, found, err
}

type dbCopyCmd struct {
	From string `required:"" placeholder:"STORE" help:"What to copy: sqlite:FOLDER or postgres://user:password@host/database. In FORETICK_FROM other users of the machine do not see the password."`
	To   string `required:"" placeholder:"STORE" help:"Where to: an empty or missing folder, or an empty database, written as --from is; FORETICK_TO."`
}

func (c *dbCopyCmd) Run(t *terminal) error {
	var bar *meter
	end := func() {
		if bar != nil {
			bar.done()
			bar = nil
		}
	}
	from, to := app.PlaceOf(c.From), app.PlaceOf(c.To)
	n, resumed, err := from.CopyTo(t.ctx, to, transfer.Watch{
		Begin: func(what string, total int64) { end(); bar = progress(t, cmp.Or(total, -1), what) },
		Add:   func(n int64) { bar.add(n) },
	})
	end()
	switch {
	case errors.Is(err, transfer.ErrDiffers):
		return fmt.Errorf("%w. Do not use the copy: empty it and copy again; foretick db check tells whether the source is sound", err)
	case errors.Is(err, t.ctx.Err()) && err != nil:
		return fmt.Errorf("stopped; the same command goes on where it was")
	case err != nil:
		return err
	}
	how := ""
	if resumed {
		how = ", taken up where it was broken off"
	}
	fmt.Fprintf(t.stdout, "%s is a copy of %s%s: %d series, %d bars with their revisions, %d entries, %d scores, %d documents, %d rejects, %d records of splits and dividends, each compared, every chain verified.\n",
		to, from, how, n.Series, n.Bars, n.Entries, n.Scores, n.Documents, n.Rejects, n.Actions)
	fmt.Fprintln(t.stdout, "Go on with one of the two only: what either forecasts from now on is its own.")
	return nil
}
