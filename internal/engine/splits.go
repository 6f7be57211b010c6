package engine

import (
	"context"
	"fmt"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// splits are the records of splits, by instrument, read from the store as they come; a
// track is told of a split with the first bar that was logged after its record. Owned by
// Run, only read while tracks step.
type splits struct {
	num     uint64 // of the newest record read, of whatever kind
	records map[string][]store.ActionRecord
}

// readSplits reads what was recorded since the last call. Whoever calls it after having
// read bars knows of every split that was known when they were logged.
func (e *Engine) readSplits(ctx context.Context) error {
	for {
		list, err := e.cfg.Store.ActionLog(ctx, e.splits.num, batchBars)
		if err != nil {
			return fmt.Errorf("engine: splits: %w", err)
		}
		if len(list) == 0 {
			return nil
		}
		for _, r := range list {
			if r.Kind == market.Split {
				e.splits.records[r.Instrument] = append(e.splits.records[r.Instrument], r)
			}
			e.splits.num = r.Num
		}
	}
}

// inputs turns log records of one instrument into what a track consumes.
type inputs struct {
	splits     *splits
	instrument string
	known      []market.Action // those that stand of the first n records
	n          int
}

// of returns the input of a log record. Records must be given in order.
func (i *inputs) of(r *store.BarRecord) track.Input {
	records, n := i.splits.records[i.instrument], i.n
	for n < len(records) && records[n].After < r.Seq {
		n++
	}
	if n != i.n {
		i.n, i.known = n, store.StandingActions(records[:n], 0)
	}
	return track.Input{Bar: r.Bar, Backfill: r.Backfill, AfterGap: r.AfterGap, Splits: i.known}
}

// warn makes the warning of a break, and tells the log.
func (e *Engine) warn(id market.SeriesID, b *track.Break) store.Warning {
	w := store.Warning{Series: id, At: market.TimeOf(e.cfg.Now()), Bar: b.Bar, Close: b.Close, Open: b.Open, Ratio: b.Ratio,
		Announced: b.Announced, Voided: b.Voided, Reason: b.Reason()}
	if b.Announced {
		e.cfg.Log.Info("a share was split", "series", id, "bar", b.Bar.Start, "ratio", market.RatioText(b.Ratio), "void", b.Voided)
	} else {
		e.cfg.Log.Warn("a move looks like a split that nobody announced; it is not learnt from", "series", id, "bar", b.Bar.Start,
			"close", b.Close, "open", b.Open, "ratio", market.RatioText(b.Ratio), "void", b.Voided)
	}
	return w
}
