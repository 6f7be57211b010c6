// Package ledger is the sealed record of a series: every forecast as it was issued,
// every outcome as it became known, and every hole in between, each entry bound to
// the one before it by a SHA-256 hash.
//
// Anyone can check a ledger with this package alone ([Verify]): the chain proves
// that entries stand in the order in which they were appended and that none was
// changed, removed from the middle or slipped in since the head was published. It
// does not prove wall-clock time, and someone who holds the database can rebuild
// the whole chain: publish heads elsewhere if that matters.
//
// docs/formats/ledger.md specifies the canonical bytes.
package ledger

import (
	"fmt"
	"strconv"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// Kind tells what an entry records.
type Kind uint8

// String names the kind as JSON and the command line write it.
func (k Kind) String() string { return kindNames.name(uint8(k)) }

// ParseKind reads a kind's name.
func ParseKind(s string) (Kind, error) {
	k, err := kindNames.parse("kind", s)
	return Kind(k), err
}

var kindNames = names{Genesis: "genesis", Issue: "issue", Outcome: "outcome", Void: "void", Gap: "gap"}

// The kinds of entry.
const (
	// Genesis opens a chain: what series it is.
	Genesis Kind = iota + 1
	// Issue seals the forecasts (and abstentions) of one cutoff.
	Issue
	// Outcome records the close of a target bar, or a later revision of it.
	Outcome
	// Void records targets that never came to be, or lie beyond a split, so that their
	// forecasts cannot be judged.
	Void
	// Gap records a stretch without data in which forecasts were missed.
	Gap
)

// Mode tells under which clock entries were written.
type Mode uint8

// String names the mode as JSON writes it.
func (m Mode) String() string { return modeNames.name(uint8(m)) }

// MarshalText writes the mode's name.
func (m Mode) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads a mode's name.
func (m *Mode) UnmarshalText(b []byte) error {
	v, err := modeNames.parse("mode", string(b))
	*m = Mode(v)
	return err
}

var modeNames = names{Live: "live", Replay: "replay"}

// names maps small numbers from 1 to their names.
type names []string

func (n names) name(i uint8) string {
	if int(i) < len(n) && n[i] != "" {
		return n[i]
	}
	return "unknown(" + strconv.Itoa(int(i)) + ")"
}

func (n names) parse(what, s string) (uint8, error) {
	for i, v := range n {
		if v != "" && v == s {
			return uint8(i), nil
		}
	}
	return 0, fmt.Errorf("ledger: unknown %s %.20q", what, s)
}

// The modes of a ledger.
const (
	// Live entries carry the wall clock of the machine that issued them.
	Live Mode = iota + 1
	// Replay entries carry the time of the recorded data; the outcomes were
	// already known to the world.
	Replay
)

// Hash is a SHA-256 sum.
type Hash [32]byte

// Entry is one record of the chain. Exactly the body that Kind names is set.
type Entry struct {
	Series market.SeriesID
	Mode   Mode        // the same for a whole chain
	Seq    uint64      // 1 for the genesis entry, then without holes
	At     market.Time // when it was written, by the clock of Mode; never decreases
	Prev   Hash        // hash of the entry before; zero for the genesis entry

	Genesis *GenesisBody
	Issue   *IssueBody
	Outcome *OutcomeBody
	Void    *VoidBody
	Gap     *GapBody
}

// GenesisBody opens the chain of a series.
type GenesisBody struct {
	Simulated bool
	Calendar  string
	Horizons  int // forecasts are made for 1 to Horizons bars ahead
}

// IssueBody is what was forecast at one cutoff. Entry.At is the issue time:
// Cutoff <= At, and live At < Target.End of each forecast.
type IssueBody struct {
	Cutoff market.Time
	// Inputs is the digest of every bar that the series had consumed by then, see
	// [DigestBar].
	Inputs Hash
	Last   float64 // close at the cutoff
	Scale  float64 // mean absolute one-bar change before the cutoff, 0 when unknown
	// Volatility is the standard deviation of the last 20 one-bar log returns x 100,
	// 0 when unknown, and Regime its rank among the bars before: see score.Basis.
	Volatility float64
	Regime     forecast.Regime

	Forecasts   []forecast.Forecast
	Abstentions []forecast.Abstention
}

// OutcomeBody is the close of a bar once it was final. An entry with a Revision
// above 0 supersedes the outcome of the same bar with a lower one.
type OutcomeBody struct {
	Bar      market.Span
	Revision int
	Close    float64
}

// VoidBody lists targets whose forecasts cannot be judged.
type VoidBody struct {
	Targets []market.Time // starts of the targets
	// Reason is "absent" where nobody traded and "gap" where data was lost; there is no bar
	// then. It names the split where the bar is in another unit than the cutoff:
	// "split 4:1", or "looks like an unannounced split 4:1".
	Reason string
}

// GapBody is a stretch without data, while Foretick or its feed was down.
type GapBody struct {
	Span   market.Span
	Bars   int // bars that the calendar expected in it
	Missed int // forecasts that were therefore not issued
	Reason string
}
