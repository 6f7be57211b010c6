package sqlite

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// scoreBytes is the length of a score's body: revision, late, eight numbers.
const scoreBytes = 4 + 1 + 8*8

func appendScore(b []byte, s *score.Score) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(s.Revision))
	late := byte(0)
	if s.Late {
		late = 1
	}
	b = append(b, late)
	for _, v := range [...]float64{s.Last, s.Predicted, s.Actual, s.Lower, s.Upper, s.Scale, s.CRPS, s.NaiveCRPS} {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func readScore(b []byte, s *score.Score) error {
	if len(b) != scoreBytes {
		return fmt.Errorf("%w: a score has %d bytes", store.ErrCorrupt, len(b))
	}
	s.Revision, s.Late = int(binary.BigEndian.Uint32(b)), b[4] == 1
	b = b[5:]
	for _, v := range [...]*float64{&s.Last, &s.Predicted, &s.Actual, &s.Lower, &s.Upper, &s.Scale, &s.CRPS, &s.NaiveCRPS} {
		*v = math.Float64frombits(binary.BigEndian.Uint64(b))
		b = b[8:]
	}
	return nil
}

func (w *writer) putScores(c *chain, scores []score.Score) error {
	var buf, old [scoreBytes]byte
	for i := range scores {
		s := &scores[i]
		body := appendScore(buf[:0], s)
		n := 0
		err := each(w.conn, sqlScoreAt, func(r *sqlite.Stmt) bool { n = r.ColumnBytes(0, old[:]); return true },
			c.series, int64(s.Target), int64(s.Cutoff), s.Model, s.Horizon, s.Version)
		if err != nil {
			return err
		}
		if n > 0 {
			if old == buf {
				continue
			}
			c.scoreRevision++
		}
		if err := exec(w.conn, sqlPutScore, c.series, int64(s.Target), int64(s.Cutoff), s.Model, s.Horizon, s.Version, body); err != nil {
			return err
		}
	}
	return nil
}

// EachScore calls f for the scores selected by q in order of target, then cutoff.
func (s *Store) EachScore(ctx context.Context, key market.SeriesID, q store.ScoreQuery, f func(*score.Score) bool) error {
	return s.read(ctx, "read scores of "+string(key), func(conn *sqlite.Conn) error {
		id, err := seriesID(conn, key)
		if err != nil || id == 0 {
			return err
		}
		from, to, _ := bounds(store.Range{From: q.From, To: q.To})
		var sc score.Score
		var buf [scoreBytes]byte
		var bad error
		err = each(conn, sqlScores, func(r *sqlite.Stmt) bool {
			sc.Target, sc.Cutoff = market.Time(r.ColumnInt64(0)), market.Time(r.ColumnInt64(1))
			sc.Model, sc.Horizon, sc.Version = r.ColumnText(2), r.ColumnInt(3), r.ColumnText(4)
			if bad = readScore(buf[:r.ColumnBytes(5, buf[:])], &sc); bad != nil {
				return false
			}
			return f(&sc)
		}, id, from, to, q.Model, q.Model, q.Horizon, q.Horizon)
		if err == nil {
			err = bad
		}
		return err
	})
}

// ScoreRevision changes whenever a stored score is replaced.
func (s *Store) ScoreRevision(ctx context.Context, key market.SeriesID) (n uint64, err error) {
	err = s.read(ctx, "read the score revision of "+string(key), func(conn *sqlite.Conn) error {
		id, err := seriesID(conn, key)
		if err != nil || id == 0 {
			return err
		}
		c, err := readChain(conn, id)
		n = c.scoreRevision
		return err
	})
	return n, err
}
