package main

import (
	"fmt"
	"slices"
	"strings"
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
	File       []string `type:"path" sep:"none" help:"Recorded file; may be given several times. Bars (time,open,high,low,close,volume), closes (time,close) or ticks (time,price,size), also .gz. Or a file that foretick export wrote, or a folder of them."`
	Instrument []string `sep:"none" help:"Symbol of each file in order. Default: from the file's name. Without --file: whose splits and dividends they are, VENUE:SYMBOL."`
	Interval   string   `default:"" help:"Length of a bar. Default: what the file's times show, 1m for ticks."`
	Timezone   string   `default:"" help:"Zone of times that name none, such as America/New_York."`
	actionFlags
	app.Place
}

func (c *importCmd) Run(t *terminal) error {
	if len(c.File) == 0 {
		if len(c.Actions) == 0 {
			return usage("give at least one --file or --actions")
		}
		return c.actions(t)
	}
	archived, recorded, err := app.SortFiles(c.File)
	if err != nil {
		return usage("--file: %w", err)
	}
	var files []*csv.File
	switch {
	case len(recorded) > 0:
		flags := fileFlags{File: recorded, Instrument: c.Instrument, Interval: c.Interval, Timezone: c.Timezone, actionFlags: c.actionFlags}
		if files, err = flags.read(t); err != nil {
			return err
		}
	case len(c.Actions) > 0:
		return usage("--actions: files of an archive do not take them; give them by themselves, with --instrument VENUE:SYMBOL")
	}
	st, err := c.Open(t.ctx)
	if err != nil {
		return err
	}
	defer st.Close()
	if err := importArchive(t, st, archived); err != nil {
		return err
	}
	for _, f := range files {
		bars := f.Bars
		if f.Kind == csv.Ticks {
			b := market.NewBuilder(f.Series.Interval, market.BuildOptions{})
			bars, _ = b.Add(f.Ticks, nil, nil)
			bars = b.Advance(market.MaxTime, bars)
		}
		// Before the bars that they explain.
		if err := putActions(t, st, f.Series.Instrument.Key(), f.Actions); err != nil {
			return err
		}
		kept, err := c.store(t, st, f, bars)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		fmt.Fprintf(t.stdout, "%s: %d bars stored as history, %d were there already, %d rows in quarantine\n", f.Series.ID(), kept, len(bars)-kept, f.Refused)
	}
	return nil
}

// actions stores splits and dividends without prices.
func (c *importCmd) actions(t *terminal) error {
	type told struct {
		instrument string
		list       []market.Action
	}
	var all []told
	for i, spec := range c.Actions {
		key, path := app.SplitActions(spec)
		if key == "" && i < len(c.Instrument) {
			key = c.Instrument[i]
		}
		venue, symbol, ok := strings.Cut(key, ":")
		if err := (market.Instrument{Venue: venue, Symbol: symbol}).Validate(); !ok || err != nil {
			return usage("--actions %s: name the instrument with --instrument VENUE:SYMBOL, such as alpaca:AMZN, or file:AMZN for one that was imported from a file", spec)
		}
		list, err := csv.ReadActions(path)
		if err != nil {
			return err
		}
		all = append(all, told{key, list})
	}
	if len(c.Instrument) > len(c.Actions) {
		return usage("--instrument is given %d times for %d files", len(c.Instrument), len(c.Actions))
	}
	st, err := c.Open(t.ctx)
	if err != nil {
		return err
	}
	defer st.Close()
	for _, x := range all {
		if err := putActions(t, st, x.instrument, x.list); err != nil {
			return err
		}
		if err := unknownInstrument(t, st, x.instrument); err != nil {
			return err
		}
	}
	return nil
}

func putActions(t *terminal, st store.Store, instrument string, list []market.Action) error {
	if len(list) == 0 {
		return nil
	}
	kept, err := st.PutActions(t.ctx, instrument, market.TimeOf(time.Now()), list...)
	if err != nil {
		return err
	}
	splits := 0
	for _, a := range list {
		if a.Kind == market.Split {
			splits++
		}
	}
	fmt.Fprintf(t.stdout, "%s: %d splits and %d dividends, of which %d are new\n", instrument, splits, len(list)-splits, kept)
	return nil
}

// unknownInstrument says so when no stored series is of the instrument, which may be a slip.
func unknownInstrument(t *terminal, st store.Store, instrument string) error {
	all, err := st.Series(t.ctx)
	if err != nil {
		return err
	}
	var known []string
	for _, s := range all {
		if key := s.Instrument.Key(); key == instrument {
			return nil
		} else if !slices.Contains(known, key) {
			known = append(known, key)
		}
	}
	what := "none is"
	if len(known) > 0 {
		what = "those of " + strings.Join(known[:min(len(known), 8)], ", ") + " are"
	}
	fmt.Fprintf(t.stdout, "%s: no series of it is stored yet; %s\n", instrument, what)
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
