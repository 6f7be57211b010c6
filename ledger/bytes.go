package ledger

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

var be = binary.BigEndian

// appendEntry appends the canonical bytes of a checked entry.
func appendEntry(b []byte, e *Entry, kind Kind) []byte {
	b = append(b, magic[:]...)
	b = append(b, FormatVersion, byte(kind), byte(e.Mode))
	b = appendString(b, string(e.Series))
	b = be.AppendUint64(b, e.Seq)
	b = appendTime(b, e.At)
	b = append(b, e.Prev[:]...)
	switch kind {
	case Genesis:
		b = append(b, bit(e.Genesis.Simulated))
		b = appendString(b, e.Genesis.Calendar)
		b = be.AppendUint16(b, uint16(e.Genesis.Horizons))
	case Issue:
		b = appendIssue(b, e.Issue)
	case Outcome:
		b = appendSpan(b, e.Outcome.Bar)
		b = be.AppendUint32(b, uint32(e.Outcome.Revision))
		b = appendFloat(b, e.Outcome.Close)
	case Void:
		b = be.AppendUint32(b, uint32(len(e.Void.Targets)))
		for _, t := range e.Void.Targets {
			b = appendTime(b, t)
		}
		b = appendString(b, e.Void.Reason)
	case Gap:
		b = appendSpan(b, e.Gap.Span)
		b = be.AppendUint32(b, uint32(e.Gap.Bars))
		b = be.AppendUint32(b, uint32(e.Gap.Missed))
		b = appendString(b, e.Gap.Reason)
	}
	return b
}

func appendIssue(b []byte, i *IssueBody) []byte {
	b = appendTime(b, i.Cutoff)
	b = append(b, i.Inputs[:]...)
	b = appendFloat(b, i.Last)
	b = appendFloat(b, i.Scale)
	b = appendFloat(b, i.Volatility)
	b = append(b, byte(i.Regime))
	b = be.AppendUint32(b, uint32(len(i.Forecasts)))
	for k := range i.Forecasts {
		f := &i.Forecasts[k]
		b = appendString(b, f.Model)
		b = appendString(b, f.Version)
		b = be.AppendUint16(b, uint16(f.Horizon))
		b = appendSpan(b, f.Target)
		b = append(b, bit(f.Late))
		b = appendFloat(b, f.Point)
		for _, q := range f.Quantiles {
			b = appendFloat(b, q)
		}
		b = append(b, byte(len(f.Shares)))
		for _, s := range f.Shares {
			b = appendString(b, s.Expert)
			b = appendFloat(b, s.Weight)
		}
	}
	b = be.AppendUint32(b, uint32(len(i.Abstentions)))
	for k := range i.Abstentions {
		a := &i.Abstentions[k]
		b = appendString(b, a.Model)
		b = appendString(b, a.Version)
		b = be.AppendUint16(b, uint16(a.Horizon))
		b = appendString(b, a.Reason)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(be.AppendUint16(b, uint16(len(s))), s...)
}
func appendFloat(b []byte, v float64) []byte    { return be.AppendUint64(b, math.Float64bits(v)) }
func appendTime(b []byte, t market.Time) []byte { return be.AppendUint64(b, uint64(t)) }
func appendSpan(b []byte, s market.Span) []byte { return appendTime(appendTime(b, s.Start), s.End) }

// decoder reads canonical bytes; after the first failure it yields zeros.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = fmt.Errorf(format, args...)
		d.b = nil
	}
}

var zeros [64]byte

// take returns the next n bytes, at most 64 unless they are there.
func (d *decoder) take(n int) []byte {
	if len(d.b) < n {
		d.fail("it ends too early")
		return zeros[:min(n, len(zeros))]
	}
	v := d.b[:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) u8() uint8         { return d.take(1)[0] }
func (d *decoder) u16() uint16       { return be.Uint16(d.take(2)) }
func (d *decoder) u32() uint32       { return be.Uint32(d.take(4)) }
func (d *decoder) u64() uint64       { return be.Uint64(d.take(8)) }
func (d *decoder) f64() float64      { return math.Float64frombits(d.u64()) }
func (d *decoder) time() market.Time { return market.Time(d.u64()) }
func (d *decoder) hash() (h Hash)    { copy(h[:], d.take(len(h))); return h }
func (d *decoder) span() market.Span { return market.Span{Start: d.time(), End: d.time()} }

func (d *decoder) flag() bool {
	v := d.u8()
	if v > 1 {
		d.fail("a flag is %d", v)
	}
	return v == 1
}

func (d *decoder) str() string {
	n := int(d.u16())
	if n > maxString || n > len(d.b) {
		d.fail("a string of %d bytes is too long", n)
		return ""
	}
	return string(d.take(n))
}

// count reads a count of items that take at least size bytes each.
func (d *decoder) count(size, limit int) int {
	n := int(d.u32())
	if n > limit || n > len(d.b)/size {
		d.fail("a list of %d is too long", n)
		return 0
	}
	return n
}

func (d *decoder) issue() *IssueBody {
	i := &IssueBody{Cutoff: d.time(), Inputs: d.hash(), Last: d.f64(), Scale: d.f64(), Volatility: d.f64(), Regime: forecast.Regime(d.u8())}
	if n := d.count(forecast.Levels*8+32, maxForecasts); n > 0 {
		i.Forecasts = make([]forecast.Forecast, n)
	}
	for k := range i.Forecasts {
		f := &i.Forecasts[k]
		f.Model, f.Version, f.Horizon = d.str(), d.str(), int(d.u16())
		f.Target, f.Late, f.Point = d.span(), d.flag(), d.f64()
		for q := range f.Quantiles {
			f.Quantiles[q] = d.f64()
		}
		if n := int(d.u8()); n > 0 && d.err == nil {
			f.Shares = make([]forecast.Share, n)
			for s := range f.Shares {
				f.Shares[s] = forecast.Share{Expert: d.str(), Weight: d.f64()}
			}
		}
	}
	if n := d.count(8, maxForecasts); n > 0 {
		i.Abstentions = make([]forecast.Abstention, n)
	}
	for k := range i.Abstentions {
		i.Abstentions[k] = forecast.Abstention{Model: d.str(), Version: d.str(), Horizon: int(d.u16()), Reason: d.str()}
	}
	return i
}
