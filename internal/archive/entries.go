package archive

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// EntryRow is a part of a sealed entry: one row for each forecast and abstention of an
// issue, for each target of a void, and one for each entry that has none of them. The
// first row of an entry (part 0) holds its sealed bytes and hash; what does not apply to
// a row is null.
type EntryRow struct {
	Series   string      `parquet:"series,dict"`
	Seq      uint64      `parquet:"seq,delta"`
	Part     int64       `parquet:"part,delta"`
	Kind     string      `parquet:"kind,dict"`
	IssuedAt market.Time `parquet:"issued_at,timestamp(microsecond),delta"`
	Hash     []byte      `parquet:"hash,optional,plain"`
	Bytes    []byte      `parquet:"bytes,optional,plain"`

	Cutoff      *market.Time `parquet:"cutoff,optional,timestamp(microsecond),dict"`
	Last        *float64     `parquet:"last,optional,dict"`
	Scale       *float64     `parquet:"scale,optional,dict"`
	Volatility  *float64     `parquet:"volatility,optional,dict"`
	Regime      *int64       `parquet:"regime,optional,dict"`
	Model       *string      `parquet:"model,optional,dict"`
	Version     *string      `parquet:"version,optional,dict"`
	Horizon     *int64       `parquet:"horizon,optional,dict"`
	TargetStart *market.Time `parquet:"target_start,optional,timestamp(microsecond),dict"`
	TargetEnd   *market.Time `parquet:"target_end,optional,timestamp(microsecond),dict"`
	Late        *bool        `parquet:"late,optional"`
	Point       *float64     `parquet:"point,optional,split"`
	Quantiles   []float64    `parquet:"quantiles,list" parquet-element:",split"`
	Close       *float64     `parquet:"close,optional,dict"`
	Revision    *int64       `parquet:"revision,optional,dict"`
	Reason      *string      `parquet:"reason,optional,dict"`
}

// entryRows appends the rows of a sealed entry. The error says that its bytes are no
// entry.
func entryRows(dst []EntryRow, s ledger.Sealed) ([]EntryRow, error) {
	e, err := ledger.Decode(s.Bytes)
	if err != nil {
		return dst, fmt.Errorf("entry %d: %w", s.Seq, err)
	}
	first := len(dst)
	kind := kindOf(e).String()
	row := func() *EntryRow {
		dst = append(dst, EntryRow{Series: string(e.Series), Seq: e.Seq, Part: int64(len(dst) - first), Kind: kind, IssuedAt: e.At})
		return &dst[len(dst)-1]
	}
	switch {
	case e.Issue != nil:
		issueRows(e.Issue, row)
	case e.Outcome != nil:
		r := row()
		r.TargetStart, r.TargetEnd = new(e.Outcome.Bar.Start), new(e.Outcome.Bar.End)
		r.Close, r.Revision = new(e.Outcome.Close), new(int64(e.Outcome.Revision))
	case e.Void != nil:
		for _, t := range e.Void.Targets {
			r := row()
			r.TargetStart, r.Reason = new(t), new(e.Void.Reason)
		}
	case e.Gap != nil:
		r := row()
		r.TargetStart, r.TargetEnd, r.Reason = new(e.Gap.Span.Start), new(e.Gap.Span.End), new(e.Gap.Reason)
	default:
		row()
	}
	dst[first].Hash, dst[first].Bytes = s.Hash[:], s.Bytes
	return dst, nil
}

// kindOf is the kind of a decoded entry.
func kindOf(e *ledger.Entry) ledger.Kind {
	switch {
	case e.Issue != nil:
		return ledger.Issue
	case e.Outcome != nil:
		return ledger.Outcome
	case e.Void != nil:
		return ledger.Void
	case e.Gap != nil:
		return ledger.Gap
	}
	return ledger.Genesis
}

func issueRows(b *ledger.IssueBody, row func() *EntryRow) {
	cutoff := func() *EntryRow {
		r := row()
		r.Cutoff, r.Last, r.Scale, r.Volatility, r.Regime = new(b.Cutoff), new(b.Last), new(b.Scale), new(b.Volatility), new(int64(b.Regime))
		return r
	}
	for i := range b.Forecasts {
		f := &b.Forecasts[i]
		r := cutoff()
		r.Model, r.Version, r.Horizon = new(f.Model), new(f.Version), new(int64(f.Horizon))
		r.TargetStart, r.TargetEnd, r.Late = new(f.Target.Start), new(f.Target.End), new(f.Late)
		r.Point, r.Quantiles = new(f.Point), f.Quantiles[:]
	}
	for i := range b.Abstentions {
		a := &b.Abstentions[i]
		r := cutoff()
		r.Model, r.Version, r.Horizon, r.Reason = new(a.Model), new(a.Version), new(int64(a.Horizon)), new(a.Reason)
	}
	if len(b.Forecasts)+len(b.Abstentions) == 0 {
		cutoff()
	}
}

var entryFields = fieldsOf[EntryRow]()

// sealer puts rows together to the entries that they are of.
type sealer struct {
	entry ledger.Sealed // that is put together
	n     int           // rows of it that came
	want  []EntryRow    // all its rows, as its bytes have them
	each  func(ledger.Sealed) error
}

// add takes the next row.
func (s *sealer) add(r *EntryRow) error {
	if r.Part == 0 {
		if err := s.end(); err != nil {
			return err
		}
		if err := s.begin(r); err != nil {
			return fmt.Errorf("%w: entry %d: %w", ErrFormat, r.Seq, err)
		}
	}
	if s.n >= len(s.want) || !sameRow(entryFields, &s.want[s.n], r) {
		return fmt.Errorf("%w: the columns of entry %d, part %d, do not say what its sealed bytes say", ErrFormat, r.Seq, r.Part)
	}
	s.n++
	return nil
}

// begin takes what the first row of an entry holds.
func (s *sealer) begin(r *EntryRow) (err error) {
	if len(r.Hash) != len(ledger.Hash{}) {
		return errors.New("its first row has no hash")
	}
	s.entry = ledger.Sealed{Seq: r.Seq, Bytes: bytes.Clone(r.Bytes), Hash: ledger.Hash(r.Hash)}
	if s.entry.Kind, err = ledger.ParseKind(r.Kind); err != nil {
		return err
	}
	s.n = 0
	s.want, err = entryRows(s.want[:0], s.entry)
	return err
}

// end hands the entry over that was put together.
func (s *sealer) end() error {
	if s.n < len(s.want) {
		return fmt.Errorf("%w: entry %d has %d rows of %d", ErrFormat, s.entry.Seq, s.n, len(s.want))
	}
	if s.n == 0 {
		return nil
	}
	s.n, s.want = 0, s.want[:0]
	return s.each(s.entry)
}
