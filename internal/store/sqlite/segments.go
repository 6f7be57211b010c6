package sqlite

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// A segment is a list of scores, ordered by compareScores, in few bytes and exact:
//
//	byte 1: the version
//	uvarint number of names; each name: model, version (uvarint length, bytes)
//	each score:
//	  uvarint name * 8 + regime * 2 + late
//	  uvarint horizon
//	  uvarint target, as the difference from the score before (zigzag)
//	  uvarint cutoff, as the difference from target (zigzag)
//	  uvarint revision
//	  2 bytes bit i is set when number i is that of the score before, little-endian
//	  8 bytes for every number that is not: IEEE 754, big-endian
//
// Models that are judged on the same bar share most of their numbers, so a score
// takes about 60 bytes.
const (
	numbers        = 12
	segmentVersion = 1
)

func numbersOf(s *score.Score) [numbers]uint64 {
	return [numbers]uint64{
		math.Float64bits(s.Last), math.Float64bits(s.Predicted), math.Float64bits(s.Actual), math.Float64bits(s.Lower),
		math.Float64bits(s.Upper), math.Float64bits(s.Scale), math.Float64bits(s.CRPS), math.Float64bits(s.NaiveCRPS),
		math.Float64bits(s.GainLow), math.Float64bits(s.GainHigh), math.Float64bits(s.PIT), math.Float64bits(s.Volatility),
	}
}

func setNumbers(s *score.Score, v *[numbers]uint64) {
	s.Last, s.Predicted, s.Actual, s.Lower = math.Float64frombits(v[0]), math.Float64frombits(v[1]), math.Float64frombits(v[2]), math.Float64frombits(v[3])
	s.Upper, s.Scale, s.CRPS, s.NaiveCRPS = math.Float64frombits(v[4]), math.Float64frombits(v[5]), math.Float64frombits(v[6]), math.Float64frombits(v[7])
	s.GainLow, s.GainHigh, s.PIT, s.Volatility = math.Float64frombits(v[8]), math.Float64frombits(v[9]), math.Float64frombits(v[10]), math.Float64frombits(v[11])
}

// compareScores orders scores by target, cutoff, model, horizon and version, which
// together tell them apart.
func compareScores(a, b *score.Score) int {
	return cmp.Or(cmp.Compare(a.Target, b.Target), cmp.Compare(a.Cutoff, b.Cutoff),
		cmp.Compare(a.Model, b.Model), cmp.Compare(a.Horizon, b.Horizon), cmp.Compare(a.Version, b.Version))
}

// sortedScores returns the scores in order; of those that cannot be told apart the
// last one counts.
func sortedScores(list []score.Score) []*score.Score {
	sorted := pointers(make([]*score.Score, 0, len(list)), list)
	slices.SortStableFunc(sorted, compareScores)
	n := 0
	for i := range sorted {
		if n > 0 && compareScores(sorted[n-1], sorted[i]) == 0 {
			n--
		}
		sorted[n] = sorted[i]
		n++
	}
	return sorted[:n]
}

func pointers(to []*score.Score, list []score.Score) []*score.Score {
	for i := range list {
		to = append(to, &list[i])
	}
	return to
}

type scoreName struct{ model, version string }

func appendSegment(b []byte, list []*score.Score) []byte {
	var room [16]scoreName
	names := room[:0]
	index := make([]uint64, 0, 64)
	for _, s := range list {
		name := scoreName{s.Model, s.Version}
		k := slices.Index(names, name)
		if k < 0 {
			k = len(names)
			names = append(names, name)
		}
		index = append(index, uint64(k))
	}
	b = append(b, segmentVersion)
	b = binary.AppendUvarint(b, uint64(len(names)))
	for _, n := range names {
		b = append(binary.AppendUvarint(b, uint64(len(n.model))), n.model...)
		b = append(binary.AppendUvarint(b, uint64(len(n.version))), n.version...)
	}
	var target market.Time
	var before [numbers]uint64
	for i, s := range list {
		late := uint64(0)
		if s.Late {
			late = 1
		}
		b = binary.AppendUvarint(b, index[i]*8+uint64(s.Regime&3)*2+late)
		b = binary.AppendUvarint(b, uint64(s.Horizon))
		b = binary.AppendVarint(b, int64(s.Target-target))
		b = binary.AppendVarint(b, int64(s.Cutoff-s.Target))
		b = binary.AppendUvarint(b, uint64(s.Revision))
		target = s.Target
		now := numbersOf(s)
		at := len(b)
		b = append(b, 0, 0)
		for k := range now {
			if now[k] == before[k] {
				b[at+k/8] |= 1 << (k % 8)
			} else {
				b = binary.BigEndian.AppendUint64(b, now[k])
			}
		}
		before = now
	}
	return b
}

// segmentReader reads segments one after the other; names are shared among them.
type segmentReader struct {
	model   string // only scores of this model, if any
	horizon int    // only scores of this horizon, unless 0

	names map[string]string
	list  []scoreName
	b     []byte
	bad   bool
}

func (r *segmentReader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := r.b[0]
		r.b = r.b[1:]
		return uint64(v)
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *segmentReader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *segmentReader) name() string {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return ""
	}
	s, ok := r.names[string(r.b[:n])]
	if !ok {
		if r.names == nil {
			r.names = map[string]string{}
		}
		s = string(r.b[:n])
		r.names[s] = s
	}
	r.b = r.b[n:]
	return s
}

// each calls f for the scores of a segment that r is to read until f returns false.
// The pointer is valid during the call; f must not change what it points to.
func (r *segmentReader) each(body []byte, f func(*score.Score) bool) error {
	r.b, r.bad, r.list = body, false, r.list[:0]
	if v := r.uvarint(); v != segmentVersion {
		return fmt.Errorf("%w: a list of scores has version %d, this program knows %d", store.ErrCorrupt, v, segmentVersion)
	}
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		model := r.name()
		r.list = append(r.list, scoreName{model, r.name()})
	}
	var s score.Score
	var v [numbers]uint64
	for len(r.b) > 0 {
		name := r.uvarint()
		if name>>3 >= uint64(len(r.list)) {
			r.bad = true
			break
		}
		s.Model, s.Version, s.Late = r.list[name>>3].model, r.list[name>>3].version, name&1 == 1
		s.Regime = forecast.Regime(name & 7 >> 1)
		s.Horizon = int(r.uvarint())
		s.Target += market.Time(r.varint())
		s.Cutoff = s.Target + market.Time(r.varint())
		s.Revision = int(r.uvarint())
		if len(r.b) < 2 {
			r.bad = true
			break
		}
		same := binary.LittleEndian.Uint16(r.b)
		r.b = r.b[2:]
		for k := range v {
			if same>>k&1 == 1 {
				continue
			}
			if len(r.b) < 8 {
				r.bad, r.b = true, nil
				break
			}
			v[k] = binary.BigEndian.Uint64(r.b)
			r.b = r.b[8:]
		}
		if r.bad {
			break
		}
		if r.model != "" && s.Model != r.model || r.horizon != 0 && s.Horizon != r.horizon {
			continue
		}
		setNumbers(&s, &v)
		if !f(&s) {
			return nil
		}
	}
	if r.bad {
		return fmt.Errorf("%w: a list of scores cannot be read", store.ErrCorrupt)
	}
	return nil
}

// all appends the scores of a segment to list.
func (r *segmentReader) all(list []score.Score, body []byte) ([]score.Score, error) {
	err := r.each(body, func(s *score.Score) bool { list = append(list, *s); return true })
	return list, err
}

// A row of table score is a list of segments, each after its length as uvarint.
func appendPart(row, segment []byte) []byte {
	return append(binary.AppendUvarint(row, uint64(len(segment))), segment...)
}

// eachPart calls f for the segments of a row until it returns false.
func eachPart(row []byte, f func(segment []byte) bool) error {
	for len(row) > 0 {
		size, n := binary.Uvarint(row)
		if n <= 0 || size > uint64(len(row)-n) {
			return fmt.Errorf("%w: a row of scores cannot be read", store.ErrCorrupt)
		}
		if !f(row[n : n+int(size)]) {
			return nil
		}
		row = row[n+int(size):]
	}
	return nil
}

// allParts returns the scores of a row.
func (r *segmentReader) allParts(row []byte) (list []score.Score, err error) {
	bad := eachPart(row, func(segment []byte) bool {
		list, err = r.all(list, segment)
		return err == nil
	})
	return list, joinFirst(bad, err)
}

// mergeScores merges two ordered lists; a score of next takes the place of its
// equal in old. replaced counts those that differ from what they replace.
func mergeScores(old, next []*score.Score) (merged []*score.Score, replaced uint64) {
	merged = make([]*score.Score, 0, len(old)+len(next))
	for len(old) > 0 && len(next) > 0 {
		a, b := old[0], next[0]
		switch c := compareScores(a, b); {
		case c < 0:
			merged, old = append(merged, a), old[1:]
		case c > 0:
			merged, next = append(merged, b), next[1:]
		default:
			if a.Revision != b.Revision || a.Late != b.Late || a.Regime != b.Regime || numbersOf(a) != numbersOf(b) {
				replaced++
			}
			merged, old, next = append(merged, b), old[1:], next[1:]
		}
	}
	return append(append(merged, old...), next...), replaced
}
