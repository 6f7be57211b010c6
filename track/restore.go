package track

import (
	"fmt"

	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// RestoreEntries is the number of newest ledger entries that Restore needs of a
// track with this configuration.
func (t *Track) RestoreEntries() int { return 4 * (t.cfg.Horizons + Revisable) }

// Restore puts an empty track where an earlier one stood. bars are the newest ones
// it had consumed, oldest first, head and inputs its end of the chain and digest,
// entries the newest entries of the chain (RestoreEntries of them, or all), in
// order.
func (t *Track) Restore(bars []market.Bar, head ledger.Head, inputs ledger.Hash, entries []ledger.Sealed) error {
	t.bars = append(t.bars[:0], bars[max(0, len(bars)-t.cfg.Window):]...)
	t.gauge(0)
	t.head, t.inputs = head, inputs
	for _, s := range entries {
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
	}
	t.prune()
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
