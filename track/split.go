package track

import (
	"fmt"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// Break tells that the price at the open of a bar cannot be compared with the close before
// it, because a share was split in between. Forecasts from before are void, for their
// cutoff is in another unit than their target; models see the bars before in the unit of
// those after it (forecast.Break) and learn no return across it that was none. Nothing
// that is stored is rescaled.
type Break struct {
	Bar   market.Span // the first in the new unit
	Close float64     // of the bar before it
	Open  float64     // of Bar
	// Ratio is new shares for an old one, as announced, or as it looks.
	Ratio float64
	// Announced is false when nobody told of the split: it is told by the price alone
	// (market.SuspectSplit), and worth a warning.
	Announced bool
	Voided    int // forecasts
}

// Reason says in words what the ledger gives as reason.
func (b *Break) Reason() string {
	if b.Announced {
		return "split " + market.RatioText(b.Ratio)
	}
	return "looks like an unannounced split " + market.RatioText(b.Ratio)
}

// Warning says in a sentence what a person should know of a break that nobody announced.
func (b *Break) Warning() string {
	return fmt.Sprintf("the move from %v to %v at %s %s; it is not learnt from, and nothing is rescaled", b.Close, b.Open, b.Bar.Start, b.Reason())
}

// factor is what a price of 1 before it is after it. Of a split that was announced it is
// exact, and the return across it is learnt; of one that was not, what the price did
// overnight is not known.
func (b *Break) factor() float64 {
	if b.Announced {
		return 1 / b.Ratio
	}
	return b.Open / b.Close
}

// split finds a break before the bar of in, which is newer than all others; nil when there
// is none. It is decided by the newest bars of the window, so that a track which was
// restored decides alike.
func (t *Track) split(in *Input) *Break {
	last, ok := t.Last()
	if !ok || t.cfg.Raw {
		return nil
	}
	b := &Break{Bar: in.Span(), Close: last.Close, Open: in.Open}
	for i := range in.Splits {
		if a := &in.Splits[i]; a.Explains(&last, &in.Bar) {
			b.Ratio, b.Announced = a.Ratio, true
			return b
		}
	}
	if !market.FarApart(last.Close, in.Open) {
		return nil
	}
	if b.Ratio, ok = market.SuspectSplit(t.view(market.SuspectBars), &in.Bar); !ok {
		return nil
	}
	return b
}

// view is the newest n bars, but no more than Window, in the unit of the newest. It is
// valid until the next call.
func (t *Track) view(n int) []market.Bar {
	bars := t.bars[max(0, len(t.bars)-min(n, t.cfg.Window)):]
	view := forecast.Splice(t.spliced, bars, t.breaks)
	if len(view) > 0 && &view[0] != &bars[0] {
		t.spliced = view
	}
	return view
}
