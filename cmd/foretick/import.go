package main

import (
	"fmt"
	"io"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// importBatch is the number of bars committed at once.
const importBatch = 10_000

type importCmd struct {
	fileFlags
	app.Place
}

func (c *importCmd) Run(t *terminal) error {
	files, err := c.read(t)
	if err != nil {
		return err
	}
	st, err := c.Open(t.ctx)
	if err != nil {
		return err
	}
	defer st.Close()
	for _, f := range files {
		bars := f.Bars
		if f.Kind == csv.Ticks {
			b := market.NewBuilder(f.Series.Interval, market.BuildOptions{})
			bars, _ = b.Add(f.Ticks, nil, nil)
			bars = b.Advance(market.MaxTime, bars)
		}
		kept, err := c.store(t, st, f, bars)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		fmt.Fprintf(t.stdout, "%s: %d bars stored as history, %d were there already, %d rows in quarantine\n", f.Series.ID(), kept, len(bars)-kept, f.Refused)
	}
	return nil
}

func (c *importCmd) store(t *terminal, st store.Store, f *csv.File, bars []market.Bar) (kept int, err error) {
	err = st.PutSeries(t.ctx, store.SeriesRecord{Series: f.Series, Mode: ledger.Replay, Source: "replay", Base: true})
	if err != nil {
		return 0, err
	}
	if err := st.Quarantine(t.ctx, time.Now(), f.Rejects); err != nil {
		return 0, err
	}
	id := f.Series.ID()
	bar := progress(t, int64(len(bars)), "storing "+string(id))
	defer bar.done()
	for len(bars) > 0 {
		n := min(importBatch, len(bars))
		batch := make([]store.BarRecord, n)
		for i := range batch {
			batch[i] = store.BarRecord{Series: id, Bar: bars[i], Backfill: true}
		}
		k, _, err := st.CommitBars(t.ctx, batch)
		if err != nil {
			return kept, err
		}
		kept += k
		bars = bars[n:]
		bar.add(int64(n))
	}
	return kept, nil
}

type exportCmd struct {
	app.Place
	Series string `arg:"" help:"Series such as sim:AMZN@1s."`
	From   string `help:"First start of a bar, RFC 3339 or date."`
	To     string `help:"Start of the first bar to leave out."`
	Out    string `default:"-" help:"File to write; - is standard output."`
}

func (c *exportCmd) Run(t *terminal) error {
	var r store.Range
	for _, f := range []struct {
		flag, text string
		at         *market.Time
	}{{"--from", c.From, &r.From}, {"--to", c.To, &r.To}} {
		if f.text == "" {
			continue
		}
		v, err := market.ParseTime(f.text)
		if err != nil {
			return usage("%s: %w", f.flag, err)
		}
		*f.at = v
	}
	st, err := opened(t, c.Place)
	if err != nil {
		return err
	}
	defer st.Close()
	id := market.SeriesID(c.Series)
	if _, _, err := st.Head(t.ctx, id); err != nil {
		return err
	}
	return writeOut(t, c.Out, func(out io.Writer) error {
		w := csv.NewWriter(out)
		r.Limit = importBatch
		for {
			bars, err := st.Bars(t.ctx, id, r)
			if err != nil {
				return err
			}
			if err := w.Write(bars); err != nil {
				return err
			}
			if len(bars) < r.Limit {
				return w.Flush()
			}
			r.From = bars[len(bars)-1].Start + 1
		}
	})
}
