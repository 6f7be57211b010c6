package ledger

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// FormatVersion is the version of the canonical bytes, their fifth byte. There is one:
// entries of any other are refused.
const FormatVersion = 1

var magic = [4]byte{'F', 'T', 'K', 'L'}

// Limits of one entry. Decode refuses what exceeds them before it allocates.
const (
	maxString    = 1024
	maxForecasts = 65535
	maxTargets   = 1 << 20
)

// ErrMalformed says that bytes are not a canonical entry.
var ErrMalformed = errors.New("ledger: not a canonical entry")

// Seal checks e against the laws of its kind and returns its canonical bytes and
// their hash. An error names what is wrong; nothing can be appended to a chain that
// breaks them:
//
//   - exactly one body is set, strings are at most 1,024 bytes of valid UTF-8, numbers are
//     finite, times are of the years 1 to 9999: what JSON cannot write is not sealed;
//   - Cutoff <= At for an Issue, and At < Target.End for each of its forecasts when
//     Mode is Live;
//   - a target starts at or after the cutoff, and quantiles do not cross.
func Seal(e *Entry) (Sealed, error) {
	kind, err := check(e)
	if err != nil {
		return Sealed{}, fmt.Errorf("ledger: entry %d of %s: %w", e.Seq, e.Series, err)
	}
	b := appendEntry(make([]byte, 0, sizeHint(e)), e, kind)
	return Sealed{Seq: e.Seq, Kind: kind, Bytes: b, Hash: sha256.Sum256(b)}, nil
}

func sizeHint(e *Entry) int {
	n := 128 + len(e.Series)
	if e.Issue != nil {
		n += 96 + len(e.Issue.Forecasts)*(forecast.Levels*8+64) + len(e.Issue.Abstentions)*96
	}
	if e.Void != nil {
		n += 8 * len(e.Void.Targets)
	}
	return n
}

// Decode reads canonical bytes. It accepts exactly what Seal produces: anything
// else, trailing bytes included, is an error that wraps ErrMalformed. It never
// allocates more than a small multiple of len(b).
func Decode(b []byte) (*Entry, error) {
	d := decoder{b: b}
	var m [4]byte
	copy(m[:], d.take(4))
	if version := d.u8(); m != magic || version != FormatVersion {
		return nil, fmt.Errorf("%w: it does not begin with FTKL and version %d", ErrMalformed, FormatVersion)
	}
	kind := Kind(d.u8())
	e := &Entry{Mode: Mode(d.u8()), Series: market.SeriesID(d.str()), Seq: d.u64(), At: d.time()}
	e.Prev = d.hash()
	switch kind {
	case Genesis:
		e.Genesis = &GenesisBody{Simulated: d.flag(), Calendar: d.str(), Horizons: int(d.u16())}
	case Issue:
		e.Issue = d.issue()
	case Outcome:
		e.Outcome = &OutcomeBody{Bar: d.span(), Revision: int(d.u32()), Close: d.f64()}
	case Void:
		v := &VoidBody{}
		for n := d.count(8, maxTargets); n > 0; n-- {
			v.Targets = append(v.Targets, d.time())
		}
		v.Reason = d.str()
		e.Void = v
	case Gap:
		e.Gap = &GapBody{Span: d.span(), Bars: int(d.u32()), Missed: int(d.u32()), Reason: d.str()}
	default:
		d.fail("unknown kind %d", kind)
	}
	if d.err == nil && len(d.b) > 0 {
		d.fail("%d bytes follow the entry", len(d.b))
	}
	if d.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, d.err)
	}
	if _, err := check(e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	// The laws and the layout leave one freedom, the bits of numbers: they must
	// come back as they were.
	if !bytes.Equal(appendEntry(make([]byte, 0, len(b)), e, kind), b) {
		return nil, fmt.Errorf("%w: it is not in canonical form", ErrMalformed)
	}
	return e, nil
}

// DigestBar extends the digest of consumed bars by one more: SHA-256 of prev
// followed by the bar's fields in the order of their declaration, numbers in
// 8 bytes big-endian. The digest of no bars is all zeros.
func DigestBar(prev Hash, b *market.Bar) Hash {
	var buf [32 + 9*8]byte
	copy(buf[:], prev[:])
	for i, v := range [...]uint64{
		uint64(b.Start), uint64(b.End),
		math.Float64bits(b.Open), math.Float64bits(b.High), math.Float64bits(b.Low), math.Float64bits(b.Close), math.Float64bits(b.Volume),
		uint64(b.Trades), uint64(b.Revision),
	} {
		binary.BigEndian.PutUint64(buf[32+8*i:], v)
	}
	return sha256.Sum256(buf[:])
}

// check applies the laws of the entry and returns its kind.
func check(e *Entry) (Kind, error) {
	var kind Kind
	bodies := 0
	for i, set := range [...]bool{e.Genesis != nil, e.Issue != nil, e.Outcome != nil, e.Void != nil, e.Gap != nil} {
		if set {
			kind, bodies = Genesis+Kind(i), bodies+1
		}
	}
	switch {
	case bodies != 1:
		return 0, fmt.Errorf("it has %d bodies, not one", bodies)
	case e.Mode != Live && e.Mode != Replay:
		return 0, fmt.Errorf("mode %d is unknown", e.Mode)
	case e.Seq == 0:
		return 0, errors.New("numbers begin at 1")
	case (e.Seq == 1) != (kind == Genesis):
		return 0, errors.New("a chain begins with its one genesis entry")
	case e.Seq == 1 && e.Prev != Hash{}:
		return 0, errors.New("the genesis entry follows nothing")
	case badName(string(e.Series)):
		return 0, errors.New("the series ID is empty, too long or not UTF-8")
	case badTime(e.At):
		return 0, errors.New("its time is out of range")
	}
	switch kind {
	case Genesis:
		if e.Genesis.Horizons < 1 || e.Genesis.Horizons > math.MaxUint16 || badText(e.Genesis.Calendar) {
			return 0, errors.New("horizons or calendar out of range")
		}
	case Issue:
		return kind, checkIssue(e)
	case Outcome:
		o := e.Outcome
		if o.Bar.End <= o.Bar.Start || o.Bar.End > e.At {
			return 0, fmt.Errorf("the bar %s to %s had not ended at %s", o.Bar.Start, o.Bar.End, e.At)
		}
		if badTime(o.Bar.Start) || !finite(o.Close) || o.Revision < 0 || o.Revision > math.MaxUint32 {
			return 0, errors.New("start, close or revision out of range")
		}
	case Void:
		if n := len(e.Void.Targets); n == 0 || n > maxTargets || badText(e.Void.Reason) || slices.ContainsFunc(e.Void.Targets, badTime) {
			return 0, errors.New("targets or reason out of range")
		}
	case Gap:
		g := e.Gap
		if g.Span.End <= g.Span.Start || badTime(g.Span.Start) || badTime(g.Span.End) || g.Bars < 0 || g.Bars > math.MaxUint32 ||
			g.Missed < 0 || g.Missed > math.MaxUint32 || badText(g.Reason) {
			return 0, errors.New("span, counts or reason out of range")
		}
	}
	return kind, nil
}

func checkIssue(e *Entry) error {
	b := e.Issue
	if b.Cutoff > e.At {
		return fmt.Errorf("issued at %s, before its cutoff %s", e.At, b.Cutoff)
	}
	if badTime(b.Cutoff) || !finite(b.Last) || !finite(b.Scale) || !finite(b.Volatility) || b.Regime > forecast.HighVolatility {
		return errors.New("cutoff, last, scale, volatility or regime out of range")
	}
	if len(b.Forecasts) > maxForecasts || len(b.Abstentions) > maxForecasts {
		return errors.New("too many forecasts")
	}
	for i := range b.Forecasts {
		f := &b.Forecasts[i]
		if err := checkForecast(e, f); err != nil {
			return fmt.Errorf("%s horizon %d: %w", f.Version, f.Horizon, err)
		}
	}
	for i := range b.Abstentions {
		a := &b.Abstentions[i]
		if badName(a.Model) || badText(a.Version) || badText(a.Reason) || a.Horizon < 0 || a.Horizon > math.MaxUint16 {
			return fmt.Errorf("abstention %d: name, horizon or reason out of range", i)
		}
	}
	return nil
}

func checkForecast(e *Entry, f *forecast.Forecast) error {
	switch {
	case badName(f.Model) || badName(f.Version):
		return errors.New("model or version name is empty, too long or not UTF-8")
	case f.Horizon < 1 || f.Horizon > math.MaxUint16:
		return errors.New("horizon out of range")
	case f.Target.Start < e.Issue.Cutoff || f.Target.End <= f.Target.Start:
		return fmt.Errorf("target %s to %s does not follow the cutoff %s", f.Target.Start, f.Target.End, e.Issue.Cutoff)
	case e.Mode == Live && e.At >= f.Target.End:
		return fmt.Errorf("issued at %s, when its target had ended at %s", e.At, f.Target.End)
	case badTime(f.Target.End):
		return errors.New("its target is out of range")
	case !finite(f.Point):
		return errors.New("the point is not finite")
	case len(f.Shares) > math.MaxUint8:
		return fmt.Errorf("%d experts are too many", len(f.Shares))
	}
	for _, s := range f.Shares {
		if badName(s.Expert) || !(s.Weight >= 0 && s.Weight <= 1) {
			return fmt.Errorf("share %v of expert %.20q out of range", s.Weight, s.Expert)
		}
	}
	return f.Quantiles.Validate()
}

func badName(s string) bool      { return s == "" || badText(s) }
func badText(s string) bool      { return len(s) > maxString || !utf8.ValidString(s) }
func badTime(t market.Time) bool { return t < market.MinTime || t > market.MaxTime }
func finite(v float64) bool      { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func bit(b bool) byte {
	if b {
		return 1
	}
	return 0
}
