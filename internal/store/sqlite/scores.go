package sqlite

import (
	"context"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

const (
	// slots is the number of rows that a series has in score_recent.
	slots = 32
	// maxRecentScores bounds the scores of one row there, so that it fits a page.
	maxRecentScores = 120
	// maxRow is the size of a row of score in bytes, and rowScores about that in
	// scores. Targets are not divided. Larger blobs cost the allocator below SQLite a
	// call to the system each.
	maxRow    = 14 << 10
	rowScores = 256
)

// recentID is the row of a series' k-th step.
func recentID(series int64, k uint64) int64 { return int64(k%slots)<<40 + series }

// putScores keeps the scores of a step. The usual ones, of a new target, are put
// where many series write side by side, and filed when 32 steps have gathered.
func (w *writer) putScores(c *chain, s *step) error {
	if len(s.scores) == 0 {
		return nil
	}
	first, last := int64(s.scores[0].Target), int64(s.scores[len(s.scores)-1].Target)
	fresh := first > c.scoredTo
	c.scoredTo = max(c.scoredTo, last)
	if fresh && s.body != nil {
		if err := exec(w.conn, sqlPutRecent, recentID(c.series, c.steps), s.body); err != nil {
			return err
		}
		c.steps++
		c.recent++
		if (c.steps+uint64(c.series))%slots == 0 { // another commit than the neighbours'
			return w.fileScores(c)
		}
		return nil
	}
	if err := w.fileScores(c); err != nil {
		return err
	}
	if fresh {
		return w.addScores(c, s.scores)
	}
	return w.mergeScores(c, s.scores)
}

// fileScores moves the recent scores of a series into rows of their own, as they
// are: each row of score holds several segments.
func (w *writer) fileScores(c *chain) error {
	row, first := w.buf[:0], int64(0)
	var r segmentReader
	var bad error
	for ; c.recent > 0; c.recent-- {
		err := each(w.conn, sqlRecent, func(stmt *sqlite.Stmt) bool {
			w.segment = column(stmt, 0, w.segment)
			if len(row) > 0 && len(row)+len(w.segment) > maxRow {
				bad = exec(w.conn, sqlAddScores, c.series, first, row)
				row = row[:0]
			}
			if len(row) == 0 {
				bad = joinFirst(bad, r.each(w.segment, func(s *score.Score) bool { first = int64(s.Target); return false }))
			}
			row = appendPart(row, w.segment)
			return true
		}, recentID(c.series, c.steps-c.recent))
		if err := joinFirst(err, bad); err != nil {
			return err
		}
	}
	w.buf = row
	if len(row) == 0 {
		return nil
	}
	return exec(w.conn, sqlAddScores, c.series, first, row)
}

// addScores files ordered scores of targets that no row covers.
func (w *writer) addScores(c *chain, list []*score.Score) error {
	for len(list) > 0 {
		n := min(rowScores, len(list))
		for n < len(list) && list[n].Target == list[n-1].Target {
			n++
		}
		w.segment = appendSegment(w.segment[:0], list[:n])
		w.buf = appendPart(w.buf[:0], w.segment)
		if err := exec(w.conn, sqlAddScores, c.series, int64(list[0].Target), w.buf); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// mergeScores files ordered scores among those that are filed already.
func (w *writer) mergeScores(c *chain, list []*score.Score) error {
	for len(list) > 0 {
		target := int64(list[0].Target)
		first, ok, err := optional(w.conn, sqlScoresOf, c.series, target)
		if err != nil {
			return err
		}
		next, bounded, err := optional(w.conn, sqlNextScores, c.series, target)
		if err != nil {
			return err
		}
		n := len(list)
		for i := range list {
			if bounded && int64(list[i].Target) >= next {
				n = i
				break
			}
		}
		merged := list[:n]
		if ok {
			var old []score.Score
			var bad error
			err := each(w.conn, sqlScoresAt, func(row *sqlite.Stmt) bool {
				old, bad = new(segmentReader).allParts(column(row, 0, nil))
				return true
			}, c.series, first)
			if err == nil {
				err = bad
			}
			if err == nil {
				err = exec(w.conn, sqlDelScores, c.series, first)
			}
			if err != nil {
				return err
			}
			var replaced uint64
			merged, replaced = mergeScores(pointers(nil, old), list[:n])
			c.scoreRevision += replaced
		}
		if err := w.addScores(c, merged); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}

// optional reads one number that may be NULL.
func optional(conn *conn, query string, args ...any) (n int64, ok bool, err error) {
	err = each(conn, query, func(r *sqlite.Stmt) bool {
		ok, n = !r.ColumnIsNull(0), r.ColumnInt64(0)
		return true
	}, args...)
	return n, ok, err
}

// EachScore calls f for the scores selected by q in order of target, then cutoff.
func (s *Store) EachScore(ctx context.Context, key market.SeriesID, q store.ScoreQuery, f func(*score.Score) bool) error {
	return s.read(ctx, "read scores of "+string(key), func(conn *conn) error {
		id, err := seriesID(conn, key)
		if err != nil || id == 0 {
			return err
		}
		from, to, _ := bounds(store.Range{From: q.From, To: q.To})
		r := segmentReader{model: q.Model, horizon: q.Horizon}
		var out score.Score // f may change it
		var buf []byte
		var bad error
		more := true
		visit := func(segment []byte) bool {
			bad = r.each(segment, func(sc *score.Score) bool {
				if int64(sc.Target) >= from && int64(sc.Target) < to {
					out = *sc
					more = f(&out)
				}
				return more
			})
			return more && bad == nil
		}
		start, ok, err := optional(conn, sqlScoresOf, id, from)
		if err != nil {
			return err
		}
		if !ok {
			start = from
		}
		err = each(conn, sqlScores, func(row *sqlite.Stmt) bool {
			buf = column(row, 0, buf)
			bad = joinFirst(eachPart(buf, visit), bad)
			return more && bad == nil
		}, id, start, to)
		if err != nil || bad != nil || !more {
			return joinFirst(err, bad)
		}
		c, err := readChain(conn, id)
		for k := c.steps - c.recent; k < c.steps && more && err == nil && bad == nil; k++ {
			err = each(conn, sqlRecent, func(row *sqlite.Stmt) bool {
				buf = column(row, 0, buf)
				return visit(buf)
			}, recentID(id, k))
		}
		return joinFirst(err, bad)
	})
}

// joinFirst returns the first error that is not nil.
func joinFirst(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// ScoreRevision changes whenever a stored score is replaced.
func (s *Store) ScoreRevision(ctx context.Context, key market.SeriesID) (n uint64, err error) {
	err = s.read(ctx, "read the score revision of "+string(key), func(conn *conn) error {
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
