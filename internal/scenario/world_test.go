package scenario_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
	"github.com/foretick/foretick/track"
)

// world is a series in the making: its track, and all that has happened.
type world struct {
	cfg    track.Config    // but for its models
	first  []catalog.Model // the models that it began with
	models []catalog.Model
	track  *track.Track
	out    io.Writer
	file   func(name string) string

	next     market.Time // start of the next bar
	lost     bool        // data was lost before it
	backfill bool        // bars are history
	delay    time.Duration
	clock    market.Time
	splits   []market.Action

	events  []event
	inputs  []track.Input
	bars    []market.Bar // by start, in the revisions of now
	entries []ledger.Sealed
	scores  map[contender]*score.Accumulator
	news    news
	mixed   bool // models have joined or left

	kept struct { // by snapshot
		bytes  []byte
		bars   []market.Bar
		inputs int
	}
}

// event is what an engine would have to be told to see the same: a bar, a split that was
// announced, other models, or a restart.
type event struct {
	bar    *track.Input
	now    market.Time
	split  *market.Action
	models []catalog.Model
}

// contender is one model at one horizon.
type contender struct {
	model   string
	horizon int
}

func (c contender) String() string { return fmt.Sprintf("%s h%d", c.model, c.horizon) }

// news is what the bars of the last command brought.
type news struct {
	track.Result
	entries []*ledger.Entry
}

// begun says when there is no track yet.
func (w *world) begun() error {
	if w.track == nil {
		return errors.New("there are no models yet: series and models come first")
	}
	return nil
}

// fed starts a command that feeds bars.
func (w *world) fed() error {
	w.news = news{}
	return w.begun()
}

// feed lets the track take a bar, and keeps what comes of it.
func (w *world) feed(b market.Bar) error {
	if err := b.Validate(w.cfg.Series.Instrument.AllowNonPositive); err != nil {
		return &refused{err}
	}
	in := track.Input{Bar: b, Backfill: w.backfill, AfterGap: w.lost, Splits: slices.Clone(w.splits)}
	w.lost = false
	w.clock = max(w.clock, b.End.Add(w.delay))
	r, err := w.track.Advance(context.Background(), in, w.clock)
	if err != nil {
		return err
	}
	w.events = append(w.events, event{bar: &in, now: w.clock})
	w.inputs = append(w.inputs, in)
	i, known := slices.BinarySearchFunc(w.bars, b.Start, func(x market.Bar, s market.Time) int { return int(x.Start - s) })
	if known {
		w.bars[i] = b
	} else {
		w.bars = slices.Insert(w.bars, i, b)
	}
	return w.keep(&r)
}

func (w *world) keep(r *track.Result) error {
	w.entries = append(w.entries, r.Entries...)
	for _, s := range r.Entries {
		e, err := ledger.Decode(s.Bytes)
		if err != nil {
			return err
		}
		w.news.entries = append(w.news.entries, e)
	}
	n := &w.news
	n.Entries = append(n.Entries, r.Entries...)
	n.Scores = append(n.Scores, r.Scores...)
	n.Forecasts = append(n.Forecasts, r.Forecasts...)
	n.Abstentions = append(n.Abstentions, r.Abstentions...)
	n.Voided = append(n.Voided, r.Voided...)
	if r.Break != nil {
		n.Break = r.Break
	}
	if w.scores == nil {
		w.scores = map[contender]*score.Accumulator{}
	}
	for _, s := range r.Scores {
		c := contender{s.Model, s.Horizon}
		if w.scores[c] == nil {
			w.scores[c] = score.NewAccumulator()
		}
		if err := w.scores[c].Add(s); err != nil {
			return err
		}
	}
	return nil
}

// snapshot keeps what the models have learnt by now, as the engine does now and then.
func (w *world) snapshot([]string) error {
	if err := w.begun(); err != nil {
		return err
	}
	w.kept.bytes, w.kept.bars, w.kept.inputs = w.track.Snapshot(), slices.Clone(w.bars), len(w.inputs)
	return nil
}

// restart drops the track and makes another from the last snapshot, the bars since and the
// ledger; without a snapshot from all the bars.
func (w *world) restart([]string) error {
	if err := w.begun(); err != nil {
		return err
	}
	w.events = append(w.events, event{})
	return w.restore(w.kept.bytes, w.kept.bars, w.inputs[w.kept.inputs:])
}

func (w *world) restore(snapshot []byte, bars []market.Bar, since []track.Input) error {
	var head ledger.Head
	if n := len(w.entries); n > 0 {
		head = ledger.Head{Seq: w.entries[n-1].Seq, Hash: w.entries[n-1].Hash}
	}
	var inputs ledger.Hash
	for i := range w.inputs {
		inputs = ledger.DigestBar(inputs, &w.inputs[i].Bar)
	}
	t, err := w.fresh()
	if err != nil {
		return err
	}
	err = t.Restore(context.Background(), track.Past{Snapshot: snapshot, Bars: bars, Since: since, Head: head, Inputs: inputs,
		Entries: w.entries[max(0, len(w.entries)-t.RestoreEntries()):]})
	if err != nil {
		return err
	}
	w.track = t
	return nil
}
