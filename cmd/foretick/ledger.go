package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

type ledgerCmd struct {
	Verify ledgerVerifyCmd `cmd:"" help:"Check the chain of every series, or of an exported file: exit status 1 and the first bad entry when anything was changed."`
	Show   ledgerShowCmd   `cmd:"" help:"Print entries in readable form."`
	Inputs ledgerInputsCmd `cmd:"" help:"Print the bars that the forecasts of an entry were made from, as they were known then, and whether they are the ones it seals."`
	Export ledgerExportCmd `cmd:"" help:"Write a chain as JSON lines that anyone can verify."`
}

// opened is the store of the commands that read one.
func opened(t *terminal, at app.Place) (store.Store, error) {
	if at.Store == "" {
		if _, err := os.Stat(at.Data); err != nil {
			return nil, fmt.Errorf("--data: %w; foretick serve creates it", err)
		}
	}
	return at.OpenReadOnly(t.ctx)
}

type ledgerVerifyCmd struct {
	app.Place
	Series string `arg:"" optional:"" help:"Series such as sim:AMZN@1s; all when left out."`
	File   string `type:"existingfile" help:"Check this exported file (JSON lines) instead of the database."`
	Inputs bool   `help:"Recompute from the stored bars what every forecast was made from, too, and compare it with what was sealed: finds bars that were changed."`
}

func (c *ledgerVerifyCmd) Run(t *terminal) error {
	if c.File != "" {
		if c.Inputs {
			return usage("--inputs needs the bars, which are in the database: leave --file out")
		}
		return c.verifyFile(t)
	}
	st, err := opened(t, c.Place)
	if err != nil {
		return err
	}
	defer st.Close()
	all, err := st.Series(t.ctx)
	if err != nil {
		return err
	}
	found, bad := false, false
	for _, s := range all {
		if c.Series != "" && string(s.ID()) != c.Series {
			continue
		}
		found = true
		if err := verifySeries(t, st, s.ID()); err != nil {
			var b *ledger.BadEntry
			if !errors.As(err, &b) {
				return err
			}
			bad = true
			fmt.Fprintf(t.stdout, "BAD   %s  entry %d: %s\n", s.ID(), b.Seq, b.Reason)
			continue
		}
		if c.Inputs {
			agree, err := verifyInputs(t, st, s.ID())
			if err != nil {
				return err
			}
			bad = bad || !agree
		}
	}
	switch {
	case bad:
		return errFailed
	case !found && c.Series != "":
		return fmt.Errorf("there is no series %s in %s", c.Series, c.Place)
	case !found:
		fmt.Fprintln(t.stdout, "There are no series yet, so there is nothing to verify.")
	}
	return nil
}

// verifySeries checks one stored chain against its stored head and prints a line.
func verifySeries(t *terminal, st store.Store, id market.SeriesID) error {
	head, _, err := st.Head(t.ctx, id)
	if err != nil {
		return err
	}
	var v ledger.Verifier
	bar := progress(t, int64(head.Seq), "verifying "+string(id))
	err = eachEntry(t, st, id, 1, 0, func(s ledger.Sealed) error {
		bar.add(1)
		return v.Add(s)
	})
	bar.done()
	if err != nil {
		return err
	}
	if v.Head() != head {
		return &ledger.BadEntry{Seq: v.Head().Seq + 1, Reason: fmt.Sprintf("the chain ends at entry %d, but its recorded head is entry %d, hash %s", v.Head().Seq, head.Seq, head.Hash)}
	}
	if head.Seq > 0 && v.Series() != id {
		return &ledger.BadEntry{Seq: 1, Reason: fmt.Sprintf("the chain belongs to series %s", v.Series())}
	}
	fmt.Fprintf(t.stdout, "ok    %s  %d entries, %d forecasts, head %s\n", id, head.Seq, v.Forecasts(), head.Hash)
	return nil
}

// verifyPage is the number of entries read at a time.
const verifyPage = 1000

// eachEntry calls f for the entries from <= Seq < to (0: to the end) in order.
func eachEntry(t *terminal, st store.LedgerReader, id market.SeriesID, from, to uint64, f func(ledger.Sealed) error) error {
	for {
		page, err := st.Entries(t.ctx, id, store.EntryQuery{From: from, To: to, Times: store.Range{Limit: verifyPage}})
		if err != nil {
			return err
		}
		for _, s := range page {
			if err := f(s); err != nil {
				return err
			}
		}
		if len(page) < verifyPage {
			return nil
		}
		from = page[len(page)-1].Seq + 1
	}
}

func (c *ledgerVerifyCmd) verifyFile(t *terminal) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	var v ledger.Verifier
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for n := 1; lines.Scan(); n++ {
		s, err := ledger.ParseJSON(lines.Bytes())
		if err == nil {
			err = v.Add(s)
		}
		if err != nil {
			fmt.Fprintf(t.stdout, "BAD   %s line %d: %v\n", c.File, n, err)
			return errFailed
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if v.Head().Seq == 0 {
		return fmt.Errorf("%s holds no entries", c.File)
	}
	fmt.Fprintf(t.stdout, "ok    %s  %d entries, %d forecasts, head %s\n", v.Series(), v.Head().Seq, v.Forecasts(), v.Head().Hash)
	return nil
}

type ledgerShowCmd struct {
	app.Place
	Series string `arg:"" help:"Series such as sim:AMZN@1s."`
	Entry  uint64 `help:"Number of one entry to show whole, as JSON."`
	Last   int    `default:"10" help:"Number of newest entries to list."`
}

func (c *ledgerShowCmd) Run(t *terminal) error {
	st, err := opened(t, c.Place)
	if err != nil {
		return err
	}
	defer st.Close()
	id := market.SeriesID(c.Series)
	head, _, err := st.Head(t.ctx, id)
	if err != nil {
		return err
	}
	if c.Entry > 0 {
		page, err := st.Entries(t.ctx, id, store.EntryQuery{From: c.Entry, To: c.Entry + 1})
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return fmt.Errorf("%s has no entry %d; its newest is %d", id, c.Entry, head.Seq)
		}
		line, err := ledger.AppendJSON(nil, page[0])
		if err != nil {
			return err
		}
		return writeIndented(t.stdout, line)
	}
	fmt.Fprintf(t.stdout, "%s: %d entries, head %s\n", id, head.Seq, head.Hash)
	if c.Last < 1 || head.Seq == 0 {
		return nil
	}
	from := uint64(1)
	if head.Seq > uint64(c.Last) {
		from = head.Seq - uint64(c.Last) + 1
	}
	return eachEntry(t, st, id, from, 0, func(s ledger.Sealed) error { return showEntry(t.stdout, s) })
}

func writeIndented(w io.Writer, line []byte) error {
	var v json.RawMessage = line
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// showEntry prints one line about an entry.
func showEntry(w io.Writer, s ledger.Sealed) error {
	e, err := ledger.Decode(s.Bytes)
	if err != nil {
		return err
	}
	what := ""
	switch {
	case e.Genesis != nil:
		what = fmt.Sprintf("%s, calendar %s, %d horizons, simulated %t", e.Mode, e.Genesis.Calendar, e.Genesis.Horizons, e.Genesis.Simulated)
	case e.Issue != nil:
		what = fmt.Sprintf("cutoff %s last %v, %d forecasts, %d abstentions", e.Issue.Cutoff, e.Issue.Last, len(e.Issue.Forecasts), len(e.Issue.Abstentions))
	case e.Outcome != nil:
		what = fmt.Sprintf("bar %s closed at %v (revision %d)", e.Outcome.Bar.Start, e.Outcome.Close, e.Outcome.Revision)
	case e.Void != nil:
		what = fmt.Sprintf("%d targets from %s: %s", len(e.Void.Targets), e.Void.Targets[0], e.Void.Reason)
	case e.Gap != nil:
		what = fmt.Sprintf("%s to %s, %d bars, %d forecasts missed: %s", e.Gap.Span.Start, e.Gap.Span.End, e.Gap.Bars, e.Gap.Missed, e.Gap.Reason)
	}
	_, err = fmt.Fprintf(w, "%8d  %s  %-8s %s…  %s\n", s.Seq, e.At, s.Kind, s.Hash.String()[:12], what)
	return err
}

type ledgerExportCmd struct {
	app.Place
	Series string `arg:"" help:"Series such as sim:AMZN@1s."`
	Out    string `default:"-" help:"File to write; - is standard output."`
}

func (c *ledgerExportCmd) Run(t *terminal) error {
	st, err := opened(t, c.Place)
	if err != nil {
		return err
	}
	defer st.Close()
	id := market.SeriesID(c.Series)
	head, _, err := st.Head(t.ctx, id)
	if err != nil {
		return err
	}
	return writeOut(t, c.Out, func(w io.Writer) error {
		bar := progress(t, int64(head.Seq), "exporting "+c.Series)
		defer bar.done()
		return eachEntry(t, st, id, 1, head.Seq+1, func(s ledger.Sealed) error {
			line, err := ledger.AppendJSON(nil, s)
			if err != nil {
				return fmt.Errorf("entry %d: %w", s.Seq, err)
			}
			bar.add(1)
			_, err = w.Write(append(line, '\n'))
			return err
		})
	})
}
