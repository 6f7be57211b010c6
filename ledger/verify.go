package ledger

import (
	"crypto/sha256"
	"fmt"

	"github.com/foretick/foretick/market"
)

// BadEntry is the error of a chain that does not hold: the first entry that is
// wrong, and why.
type BadEntry struct {
	Seq    uint64
	Reason string
}

func (b *BadEntry) Error() string { return fmt.Sprintf("ledger: entry %d: %s", b.Seq, b.Reason) }

// Verifier checks a chain entry by entry. The zero value is ready for the genesis
// entry. After the first error it must not be used further.
type Verifier struct {
	head   Head
	series market.SeriesID
	mode   Mode
	at     market.Time
	cutoff market.Time // of the newest Issue
	ended  market.Time // end of the newest first-revision Outcome
	issued int
}

// Head is the end of the chain as far as it was checked.
func (v *Verifier) Head() Head { return v.head }

// Series is the series that the chain belongs to.
func (v *Verifier) Series() market.SeriesID { return v.series }

// Forecasts is the number of forecasts met so far.
func (v *Verifier) Forecasts() int { return v.issued }

// Add checks the next entry: its bytes hash to its hash and are canonical, it
// follows the one before without a hole, its time does not run backwards, and a
// forecast stands before the outcome of its target. The error is a *BadEntry.
func (v *Verifier) Add(s Sealed) error {
	want := v.head.Seq + 1
	bad := func(format string, args ...any) error {
		return &BadEntry{Seq: want, Reason: fmt.Sprintf(format, args...)}
	}
	if s.Seq != want {
		return bad("the entry that stands here is numbered %d", s.Seq)
	}
	if sha256.Sum256(s.Bytes) != s.Hash {
		return bad("its bytes do not have its hash: it was changed")
	}
	e, err := Decode(s.Bytes)
	if err != nil {
		return bad("%v", err)
	}
	kind, _ := check(e)
	switch {
	case e.Seq != want:
		return bad("its bytes number it %d", e.Seq)
	case kind != s.Kind:
		return bad("it is filed as %s but is %s", s.Kind, kind)
	case e.Prev != v.head.Hash:
		return bad("it does not follow the entry before it")
	}
	if want == 1 {
		v.series, v.mode, v.at = e.Series, e.Mode, e.At
		v.cutoff, v.ended = market.MinTime-1, market.MinTime-1 // none yet
	}
	switch {
	case e.Series != v.series:
		return bad("it belongs to series %s, the chain to %s", e.Series, v.series)
	case e.Mode != v.mode:
		return bad("its mode is %s, the chain's %s", e.Mode, v.mode)
	case e.At < v.at:
		return bad("its time %s is before the entry before it, %s", e.At, v.at)
	}
	switch kind {
	case Issue:
		if e.Issue.Cutoff <= v.cutoff {
			return bad("forecasts with cutoff %s follow those with cutoff %s", e.Issue.Cutoff, v.cutoff)
		}
		if e.Issue.Cutoff < v.ended {
			return bad("forecasts with cutoff %s were issued after the outcome of the bar that ended at %s", e.Issue.Cutoff, v.ended)
		}
		v.cutoff = e.Issue.Cutoff
		v.issued += len(e.Issue.Forecasts)
	case Outcome:
		if e.Outcome.Revision == 0 {
			v.ended = max(v.ended, e.Outcome.Bar.End)
		}
	}
	v.at = e.At
	v.head = Head{Seq: s.Seq, Hash: s.Hash}
	return nil
}
