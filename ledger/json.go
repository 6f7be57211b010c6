package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// String writes the hash as 64 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes the hash as String does.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText reads 64 hexadecimal digits.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) != 2*len(h) {
		return fmt.Errorf("ledger: a hash has %d hexadecimal digits, not %d", 2*len(h), len(b))
	}
	if _, err := hex.Decode(h[:], b); err != nil {
		return fmt.Errorf("ledger: hash: %w", err)
	}
	return nil
}

// MarshalText writes the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *Kind) UnmarshalText(b []byte) error {
	v, err := ParseKind(string(b))
	*k = v
	return err
}

// entryJSON is the JSON form of an entry: everything the canonical bytes hold, so
// that they can be rebuilt and their hash recomputed. Numbers are written with as
// many digits as it takes to read back the same float64.
type entryJSON struct {
	Format  int             `json:"format"`
	Series  market.SeriesID `json:"series"`
	Mode    Mode            `json:"mode"`
	Seq     uint64          `json:"seq"`
	Kind    Kind            `json:"kind"`
	At      market.Time     `json:"at"`
	Prev    Hash            `json:"prev"`
	Hash    Hash            `json:"hash"`
	Genesis *genesisJSON    `json:"genesis,omitempty"`
	Issue   *issueJSON      `json:"issue,omitempty"`
	Outcome *outcomeJSON    `json:"outcome,omitempty"`
	Void    *voidJSON       `json:"void,omitempty"`
	Gap     *gapJSON        `json:"gap,omitempty"`
}

type genesisJSON struct {
	Simulated bool   `json:"simulated"`
	Calendar  string `json:"calendar"`
	Horizons  int    `json:"horizons"`
}

type issueJSON struct {
	Cutoff      market.Time      `json:"cutoff"`
	Inputs      Hash             `json:"inputs"`
	Last        float64          `json:"last"`
	Scale       float64          `json:"scale"`
	Volatility  float64          `json:"volatility"`
	Regime      forecast.Regime  `json:"regime"`
	Forecasts   []forecastJSON   `json:"forecasts"`
	Abstentions []abstentionJSON `json:"abstentions"`
}

type forecastJSON struct {
	Model     string             `json:"model"`
	Version   string             `json:"version"`
	Horizon   int                `json:"horizon"`
	Target    market.Span        `json:"target"`
	Late      bool               `json:"late"`
	Point     float64            `json:"point"`
	Quantiles forecast.Quantiles `json:"quantiles"`
	Shares    []forecast.Share   `json:"shares,omitempty"`
}

type abstentionJSON struct {
	Model   string `json:"model"`
	Version string `json:"version"`
	Horizon int    `json:"horizon"`
	Reason  string `json:"reason"`
}

type outcomeJSON struct {
	Bar      market.Span `json:"bar"`
	Revision int         `json:"revision"`
	Close    float64     `json:"close"`
}

type voidJSON struct {
	Targets []market.Time `json:"targets"`
	Reason  string        `json:"reason"`
}

type gapJSON struct {
	Span   market.Span `json:"span"`
	Bars   int         `json:"bars"`
	Missed int         `json:"missed"`
	Reason string      `json:"reason"`
}

// AppendJSON appends the JSON form of s, one line without a line end. The entry is
// decoded but its hash is not checked: that is Verifier's work.
func AppendJSON(dst []byte, s Sealed) ([]byte, error) {
	e, err := Decode(s.Bytes)
	if err != nil {
		return dst, err
	}
	j := entryJSON{Format: FormatVersion, Series: e.Series, Mode: e.Mode, Seq: e.Seq, Kind: s.Kind, At: e.At, Prev: e.Prev, Hash: s.Hash}
	switch {
	case e.Genesis != nil:
		j.Genesis = (*genesisJSON)(e.Genesis)
	case e.Issue != nil:
		b := &issueJSON{Cutoff: e.Issue.Cutoff, Inputs: e.Issue.Inputs, Last: e.Issue.Last, Scale: e.Issue.Scale, Volatility: e.Issue.Volatility, Regime: e.Issue.Regime,
			Forecasts: make([]forecastJSON, len(e.Issue.Forecasts)), Abstentions: make([]abstentionJSON, len(e.Issue.Abstentions))}
		for i, f := range e.Issue.Forecasts {
			b.Forecasts[i] = forecastJSON{f.Model, f.Version, f.Horizon, f.Target, f.Late, f.Point, f.Quantiles, f.Shares}
		}
		for i, a := range e.Issue.Abstentions {
			b.Abstentions[i] = abstentionJSON(a)
		}
		j.Issue = b
	case e.Outcome != nil:
		j.Outcome = (*outcomeJSON)(e.Outcome)
	case e.Void != nil:
		j.Void = (*voidJSON)(e.Void)
	case e.Gap != nil:
		j.Gap = (*gapJSON)(e.Gap)
	}
	b, err := json.Marshal(j)
	return append(dst, b...), err
}

// ParseJSON reads one line that AppendJSON wrote and rebuilds the canonical bytes.
// Sealed.Hash is the hash that the line claims when the rebuilt bytes have it; an
// error otherwise, and when the line is not such JSON or breaks the laws of Seal.
func ParseJSON(line []byte) (Sealed, error) {
	var j entryJSON
	if err := json.Unmarshal(line, &j); err != nil {
		return Sealed{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if j.Format != FormatVersion {
		return Sealed{}, fmt.Errorf("%w: its format is %d, not %d", ErrMalformed, j.Format, FormatVersion)
	}
	e := &Entry{Series: j.Series, Mode: j.Mode, Seq: j.Seq, At: j.At, Prev: j.Prev,
		Genesis: (*GenesisBody)(j.Genesis), Outcome: (*OutcomeBody)(j.Outcome), Void: (*VoidBody)(j.Void), Gap: (*GapBody)(j.Gap)}
	if j.Issue != nil {
		b := &IssueBody{Cutoff: j.Issue.Cutoff, Inputs: j.Issue.Inputs, Last: j.Issue.Last, Scale: j.Issue.Scale, Volatility: j.Issue.Volatility, Regime: j.Issue.Regime}
		for _, f := range j.Issue.Forecasts {
			b.Forecasts = append(b.Forecasts, forecast.Forecast{Model: f.Model, Version: f.Version, Horizon: f.Horizon, Target: f.Target, Late: f.Late, Point: f.Point, Quantiles: f.Quantiles, Shares: f.Shares})
		}
		for _, a := range j.Issue.Abstentions {
			b.Abstentions = append(b.Abstentions, forecast.Abstention(a))
		}
		e.Issue = b
	}
	kind, err := check(e)
	if err != nil {
		return Sealed{}, fmt.Errorf("%w: entry %d: %w", ErrMalformed, j.Seq, err)
	}
	if kind != j.Kind {
		return Sealed{}, &BadEntry{Seq: j.Seq, Reason: fmt.Sprintf("it says that it is %s but is %s", j.Kind, kind)}
	}
	s := Sealed{Seq: e.Seq, Kind: kind, Bytes: appendEntry(make([]byte, 0, sizeHint(e)), e, kind)}
	s.Hash = sha256.Sum256(s.Bytes)
	if s.Hash != j.Hash {
		return Sealed{}, &BadEntry{Seq: j.Seq, Reason: "its contents do not have its hash: it was changed"}
	}
	return s, nil
}
