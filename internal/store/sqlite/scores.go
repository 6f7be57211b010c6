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
	// segmentScores is the size that filed segments have at least, as far as there
	// are scores; targets are not divided.
	segmentScores = 256
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
		return w.addSegments(c, s.scores)
	}
	return w.mergeScores(c, s.scores)
}

// fileScores moves the recent scores of a series into segments.
func (w *writer) fileScores(c *chain) error {
	w.scores = w.scores[:0]
	var r segmentReader
	for ; c.recent > 0; c.recent-- {
		var bad error
		err := each(w.conn, sqlRecent, func(row *sqlite.Stmt) bool {
			w.buf = column(row, 0, w.buf)
			w.scores, bad = r.all(w.scores, w.buf)
			return true
		}, recentID(c.series, c.steps-c.recent))
		if err == nil {
			err = bad
		}
		if err != nil {
			return err
		}
	}
	return w.addSegments(c, pointers(nil, w.scores))
}

// addSegments files ordered scores whose targets no segment covers.
func (w *writer) addSegments(c *chain, list []*score.Score) error {
	for len(list) > 0 {
		n := min(segmentScores, len(list))
		for n < len(list) && list[n].Target == list[n-1].Target {
			n++
		}
		w.buf = appendSegment(w.buf[:0], list[:n])
		if err := exec(w.conn, sqlAddSegment, c.series, int64(list[0].Target), w.buf); err != nil {
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
		first, ok, err := optional(w.conn, sqlSegmentOf, c.series, target)
		if err != nil {
			return err
		}
		next, bounded, err := optional(w.conn, sqlNextSegment, c.series, target)
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
			err := each(w.conn, sqlSegment, func(row *sqlite.Stmt) bool {
				old, bad = new(segmentReader).all(nil, column(row, 0, nil))
				return true
			}, c.series, first)
			if err == nil {
				err = bad
			}
			if err == nil {
				err = exec(w.conn, sqlDelSegment, c.series, first)
			}
			if err != nil {
				return err
			}
			var replaced uint64
			merged, replaced = mergeScores(pointers(nil, old), list[:n])
			c.scoreRevision += replaced
		}
		if err := w.addSegments(c, merged); err != nil {
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
		visit := func(row *sqlite.Stmt) bool {
			buf = column(row, 0, buf)
			bad = r.each(buf, func(sc *score.Score) bool {
				if int64(sc.Target) >= from && int64(sc.Target) < to {
					out = *sc
					more = f(&out)
				}
				return more
			})
			return more && bad == nil
		}
		start, ok, err := optional(conn, sqlSegmentOf, id, from)
		if err != nil {
			return err
		}
		if !ok {
			start = from
		}
		if err := each(conn, sqlSegments, visit, id, start, to); err != nil || bad != nil || !more {
			return joinFirst(err, bad)
		}
		c, err := readChain(conn, id)
		for k := c.steps - c.recent; k < c.steps && more && err == nil && bad == nil; k++ {
			err = each(conn, sqlRecent, visit, recentID(id, k))
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
