// Package archive writes what a store holds to files that outlive it, and reads them
// back: bars, sealed entries, scores and ticks, as Parquet, CSV or JSON lines.
//
// # Exact
//
// What is read is what was written, to the last bit: floats as IEEE 754 doubles (in text
// with as many digits as give back the same double), times in microseconds, entries as
// the bytes that were sealed. docs/formats/archive.md lists the columns.
//
// # Readable by others
//
// A file is a plain table of rows, so DuckDB, pandas, Polars and spreadsheets read it
// without this program. What a table cannot say (the description of the series, the head
// of the chain, who wrote it) is a [Meta]: the key-value metadata of a Parquet file, and
// for every format an entry of the manifest beside it.
//
// # What is sealed stays sealed
//
// Rows of the ledger hold the sealed bytes and, beside them, what the bytes say. When they
// are read, the bytes are what counts: the other columns must say the same, or the file is
// refused. [ledger.Verifier] then checks the chain.
//
// # Hostile files
//
// Every reader bounds its memory by a constant and its time by what it was told to read.
// A Parquet file is looked through before a library decodes it, see guard.go.
package archive

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"encoding/json"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// Schema is the version of the tables that are written. Readers accept no other.
const Schema = 1

// Errors of all readers, wrapped with what and where.
var (
	// ErrFormat says that a file is not what it should be.
	ErrFormat = errors.New("archive: not a file of an archive")
	// ErrTooLarge says that a file claims more than is read.
	ErrTooLarge = errors.New("archive: larger than what is read")
)

// Kind is what a file holds.
type Kind string

// The kinds of file.
const (
	Bars   Kind = "bars"
	Ledger Kind = "ledger"
	Scores Kind = "scores"
	Ticks  Kind = "ticks"
)

// Kinds are all kinds, in the order in which they are imported.
var Kinds = []Kind{Ticks, Bars, Ledger, Scores}

// ParseKind reads the name of a kind.
func ParseKind(s string) (Kind, error) {
	if !slices.Contains(Kinds, Kind(s)) {
		return "", fmt.Errorf("archive: %.20q is none of bars, ledger, scores, ticks", s)
	}
	return Kind(s), nil
}

// Format is how a file is written.
type Format string

// The formats; each is also the ending of a file's name.
const (
	Parquet Format = "parquet"
	CSV     Format = "csv"
	JSONL   Format = "jsonl"
)

// FormatOf tells the format by the first bytes and the name of a file.
func FormatOf(name string, head []byte) (Format, error) {
	switch {
	case len(head) >= 4 && string(head[:4]) == "PAR1":
		return Parquet, nil
	case hasSuffix(name, ".csv"):
		return CSV, nil
	case hasSuffix(name, ".jsonl"), hasSuffix(name, ".ndjson"):
		return JSONL, nil
	case hasSuffix(name, ".parquet"):
		return "", fmt.Errorf("%w: %s does not begin as a Parquet file does", ErrFormat, name)
	}
	return "", fmt.Errorf("%w: %s ends in none of .parquet, .csv and .jsonl", ErrFormat, name)
}

func hasSuffix(s, suffix string) bool {
	return len(s) > len(suffix) && s[len(s)-len(suffix):] == suffix
}

// Meta says what a file's rows are of.
type Meta struct {
	Schema    int                `json:"schema"`
	Kind      Kind               `json:"kind"`
	Series    store.SeriesRecord `json:"series"`
	CreatedBy string             `json:"created_by"` // the program and its version
	// From and To bound what was exported by time; zero means no bound.
	From market.Time `json:"from,omitzero"`
	To   market.Time `json:"to,omitzero"`
	// Latest is true when only the latest revision of each bar is there.
	Latest bool `json:"latest,omitempty"`
	// HeadSeq and HeadHash are the end of the series' chain when it was exported; 0 when
	// it had none.
	HeadSeq  uint64      `json:"head_seq,omitempty"`
	HeadHash ledger.Hash `json:"head_hash,omitzero"`
	// Inputs is the digest of all bars that the chain's track had consumed, and InputBar
	// and InputRevision the last of them.
	Inputs        ledger.Hash `json:"inputs,omitzero"`
	InputBar      market.Time `json:"input_bar,omitzero"`
	InputRevision int         `json:"input_revision,omitempty"`
}

// Head is the end of the chain.
func (m *Meta) Head() ledger.Head { return ledger.Head{Seq: m.HeadSeq, Hash: m.HeadHash} }

// check reports what makes m unfit.
func (m *Meta) check() error {
	if m.Schema != Schema {
		return fmt.Errorf("%w: it has schema version %d, this program reads %d", ErrFormat, m.Schema, Schema)
	}
	if _, err := ParseKind(string(m.Kind)); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err := m.Series.Validate(); err != nil {
		return fmt.Errorf("%w: its series: %w", ErrFormat, err)
	}
	if m.Series.Mode != ledger.Live && m.Series.Mode != ledger.Replay {
		return fmt.Errorf("%w: its series is neither live nor replayed", ErrFormat)
	}
	return nil
}

// Keys of the metadata of a Parquet file.
const (
	keySchema  = "foretick.schema"
	keyKind    = "foretick.kind"
	keySeries  = "foretick.series"
	keyCreator = "foretick.created_by"
	keyHead    = "foretick.head"
	keyMeta    = "foretick.meta"
)

// pairs are the key-value metadata of m: keyMeta is what is read back, the others are for
// people.
func (m *Meta) pairs() (map[string]string, error) {
	all, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	series, err := json.Marshal(m.Series)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	p := map[string]string{
		keySchema: strconv.Itoa(m.Schema), keyKind: string(m.Kind), keySeries: string(series),
		keyCreator: m.CreatedBy, keyMeta: string(all),
	}
	if m.HeadSeq > 0 {
		p[keyHead] = strconv.FormatUint(m.HeadSeq, 10) + ":" + m.HeadHash.String()
	}
	return p, nil
}
