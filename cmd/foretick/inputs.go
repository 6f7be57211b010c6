package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/inputs"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// verifyInputs compares the stored bars of a series with the digests that its ledger seals, and
// prints a line. It reports whether they agree.
func verifyInputs(t *terminal, st store.Store, id market.SeriesID) (bool, error) {
	head, _, err := st.Head(t.ctx, id)
	if err != nil {
		return false, err
	}
	bar := progress(t, int64(head.Seq), "recomputing the inputs of "+string(id))
	r, err := inputs.Verify(t.ctx, st, id, func(n uint64) { bar.set(int64(n)) })
	bar.done()
	var m *inputs.Mismatch
	if errors.As(err, &m) {
		fmt.Fprintf(t.stdout, "BAD   %v\n", m)
		return false, nil
	}
	if err != nil {
		return false, err
	}
	fmt.Fprintf(t.stdout, "ok    %s  inputs of %d cutoffs recomputed from %d bars", id, r.Cutoffs, r.Bars)
	switch {
	case r.Unproven > 0 && r.From > 0:
		fmt.Fprintf(t.stdout, ", from entry %d on; %d could not be: bars from before %s are not kept any more", r.From, r.Unproven, r.Oldest)
	case r.Unproven > 0 && r.Bars > 0:
		fmt.Fprintf(t.stdout, "; %d could not be: bars from before %s are not kept any more", r.Unproven, r.Oldest)
	case r.Unproven > 0:
		fmt.Fprintf(t.stdout, "; %d could not be: their bars are not kept any more", r.Unproven)
	}
	fmt.Fprintln(t.stdout)
	return true, nil
}

type ledgerInputsCmd struct {
	app.Place
	Series string `arg:"" help:"Series such as sim:AMZN@1s."`
	Entry  uint64 `arg:"" help:"Number of an issue entry; foretick ledger show lists entries."`
	Bars   int    `default:"0" help:"Number of newest bars to print; 0: as many as models see, 1,024."`
}

func (c *ledgerInputsCmd) Run(t *terminal) error {
	n := c.Bars
	if n == 0 {
		n = track.DefaultWindow
	}
	if n < 1 || n > 1_000_000 {
		return usage("--bars %d: choose 1 to 1,000,000", c.Bars)
	}
	st, err := opened(t, c.Place)
	if err != nil {
		return err
	}
	defer st.Close()
	bar := progress(t, int64(c.Entry), "recomputing the inputs of "+c.Series)
	seen, err := inputs.Window(t.ctx, st, market.SeriesID(c.Series), c.Entry, n, func(n uint64) { bar.set(int64(n)) })
	bar.done()
	var m *inputs.Mismatch
	if errors.As(err, &m) {
		fmt.Fprintf(t.stdout, "BAD   %v\n", m)
		return errFailed
	}
	if err != nil {
		return err
	}
	return writeOut(t, "-", func(w io.Writer) error { return c.print(w, seen) })
}

func (c *ledgerInputsCmd) print(out io.Writer, s *inputs.Seen) error {
	fmt.Fprintf(out, "%s entry %d, issued %s, cutoff %s\n", c.Series, c.Entry, s.At, s.Issue.Cutoff)
	if s.Proven {
		fmt.Fprintf(out, "inputs %s, recomputed from all %d bars up to event %d: as sealed\n", s.Issue.Inputs, s.Consumed, s.Event)
	} else {
		fmt.Fprintf(out, "inputs %s, which cannot be recomputed: older bars are not kept any more\n", s.Issue.Inputs)
	}
	for i := range s.Splits {
		a := &s.Splits[i]
		fmt.Fprintf(out, "known of: split %s on %s; models saw the bars before it in the unit of those after\n", market.RatioText(a.Ratio), a.Ex)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "start\tend\topen\thigh\tlow\tclose\tvolume\ttrades\trevision\t")
	for i := range s.Bars {
		b := &s.Bars[i]
		fmt.Fprintf(w, "%s\t%s\t%v\t%v\t%v\t%v\t%v\t%d\t%d\t\n", b.Start, b.End, b.Open, b.High, b.Low, b.Close, b.Volume, b.Trades, b.Revision)
	}
	return w.Flush()
}
