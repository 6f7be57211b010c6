package rollup

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// inPart marks the level of what is not complete.
const inPart = 0x80

// Encode appends what r holds beside To, Kept and Trimmed, and begins to look for changes
// anew. Each candle is its level in a byte, its start in minutes as varint, open, high,
// low, close and volume as IEEE 754 bits of 8 bytes, low byte first, and its trades as
// varint.
func (r *Roll) Encode(dst []byte) []byte {
	r.moved = false
	for k, p := range r.parts {
		if p.End != 0 {
			dst = encode(dst, inPart|byte(k), &p)
		}
	}
	for i := range r.closed {
		dst = encode(dst, byte(r.closed[i].Level), &r.closed[i].Bar)
	}
	return dst
}

func encode(dst []byte, level byte, b *market.Bar) []byte {
	dst = binary.AppendVarint(append(dst, level), int64(b.Start/minute))
	for _, v := range [...]float64{b.Open, b.High, b.Low, b.Close, b.Volume} {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v))
	}
	return binary.AppendVarint(dst, b.Trades)
}

// Decode reads what Encode wrote into a new state of the same interval. The error wraps
// store.ErrCorrupt.
func (r *Roll) Decode(body []byte) error {
	bad := fmt.Errorf("%w: the state of the roll-ups does not read", store.ErrCorrupt)
	for len(body) > 0 {
		level := int(body[0] &^ inPart)
		at, n := binary.Varint(body[1:])
		if level >= len(r.levels) || n <= 0 || at > math.MaxInt64/int64(minute) || at < math.MinInt64/int64(minute) {
			return bad
		}
		part := body[0]&inPart != 0
		body = body[1+n:]
		b := Of(r.levels[level], at)
		if r.levels[level].Floor(b.Start) != b.Start || len(body) <= 5*8 {
			return bad
		}
		for _, v := range [...]*float64{&b.Open, &b.High, &b.Low, &b.Close, &b.Volume} {
			*v = math.Float64frombits(binary.LittleEndian.Uint64(body))
			if math.IsNaN(*v) {
				return bad
			}
			body = body[8:]
		}
		if b.Trades, n = binary.Varint(body); n <= 0 {
			return bad
		}
		body = body[n:]
		if !part {
			r.closed = append(r.closed, Candle{level, b})
			continue
		}
		r.parts[level] = b
	}
	return nil
}
