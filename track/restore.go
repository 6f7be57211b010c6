package track

import (
	"context"
	"fmt"

	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// RestoreEntries is the number of newest ledger entries that Restore needs of a
// track with this configuration.
func (t *Track) RestoreEntries() int { return 4 * (t.longest() + Revisable) }

// RestoreBars is the number of newest bars that Restore needs.
func (t *Track) RestoreBars() int { return t.cfg.Window + 2*t.cfg.RefitEvery }

// Past is what Restore puts a track back from.
type Past struct {
	// Snapshot is the last one that was kept, nil when there is none; Bars are the
	// newest ones consumed when it was taken, oldest first (RestoreBars of them, or
	// all).
	Snapshot []byte
	Bars     []market.Bar
	// Since is what was consumed after the snapshot, in the order of the log.
	Since []Input
	// Head and Inputs are the end of the chain and the digest of all bars consumed,
	// Entries the newest of the chain (RestoreEntries of them, or all), in order.
	Head    ledger.Head
	Inputs  ledger.Hash
	Entries []ledger.Sealed
}

// Restore puts an empty track where an earlier one stood: the models learn again what
// came after the snapshot, and forecasts that may still be judged are read from the
// chain. Models that the snapshot does not know begin with what the bars teach them. A
// snapshot of other horizons gives an error that wraps forecast.ErrArchive; the track must
// then be discarded, and Restore without a snapshot lets all models begin anew.
func (t *Track) Restore(ctx context.Context, p Past) error {
	t.bars = append(t.bars[:0], p.Bars[max(0, len(p.Bars)-t.RestoreBars()):]...)
	if p.Snapshot != nil {
		if err := t.thaw(ctx, p.Snapshot); err != nil {
			return err
		}
	} else {
		bars := t.bars
		t.bars = nil
		for _, b := range bars {
			in := Input{Bar: b, Backfill: true}
			t.learn(in, t.split(&in))
		}
	}
	for _, in := range p.Since {
		if err := t.relearn(ctx, in); err != nil {
			return err
		}
	}
	t.head, t.inputs = p.Head, p.Inputs
	for _, s := range p.Entries {
		if err := t.recall(s); err != nil {
			return err
		}
	}
	t.prune()
	return nil
}

// relearn is what Advance does to window and models, without forecasting.
func (t *Track) relearn(ctx context.Context, in Input) error {
	if last, ok := t.Last(); ok && in.Start <= last.Start {
		t.rewrite(&in.Bar)
		return ctx.Err()
	}
	if t.backfilled && !in.Backfill {
		if err := t.Fit(ctx); err != nil {
			return err
		}
	}
	t.learn(in, t.split(&in))
	if in.Backfill {
		return ctx.Err()
	}
	return t.Fit(ctx)
}

// recall takes up an entry of the chain.
func (t *Track) recall(s ledger.Sealed) error {
	e, err := ledger.Decode(s.Bytes)
	if err != nil {
		return fmt.Errorf("track: restore %s from entry %d: %w", t.id, s.Seq, err)
	}
	if e.Mode != t.cfg.Mode {
		return fmt.Errorf("track: %s was recorded in mode %s and cannot go on in mode %s; use another data folder", t.id, e.Mode, t.cfg.Mode)
	}
	t.at = e.At
	switch {
	case e.Issue != nil:
		t.keep(issue{forecasts: e.Issue.Forecasts, basis: score.Basis{Cutoff: e.Issue.Cutoff, Last: e.Issue.Last,
			Scale: e.Issue.Scale, Volatility: e.Issue.Volatility, Regime: e.Issue.Regime}})
	case e.Outcome != nil:
		t.mark(e.Outcome.Bar.Start, scored)
	case e.Void != nil:
		for _, target := range e.Void.Targets {
			t.mark(target, void)
		}
	}
	return nil
}

func (t *Track) mark(target market.Time, s state) {
	for i := range t.issues {
		is := &t.issues[i]
		for k := range is.forecasts {
			if is.state[k] == pending && is.forecasts[k].Target.Start == target {
				is.state[k] = s
				is.open--
			}
		}
	}
}
