package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// What to do about what CheckStorage finds.
const (
	adviceDamaged = "stop Foretick, keep a copy of the data folder, and restore the last backup with foretick restore"
	adviceMoved   = "foretick db copy into a new folder writes these lists anew; if that fails, restore the last backup with foretick restore"
)

// CheckStorage looks for damaged pages, rows without counterparts and lists that cannot
// be read. See store.Checker.
func (s *Store) CheckStorage(ctx context.Context, report func(store.Fault)) error {
	return s.read(ctx, "check "+s.dir, func(conn *conn) error {
		damaged := false
		err := each(conn, "PRAGMA integrity_check(20)", func(r *sqlite.Stmt) bool {
			if text := r.ColumnText(0); text != "ok" {
				damaged = true
				report(store.Fault{Where: File, What: text, Advice: adviceDamaged})
			}
			return true
		})
		if damaged || err != nil { // what is built upon the pages would only say it again
			return err
		}
		if err := each(conn, "PRAGMA foreign_key_check", func(r *sqlite.Stmt) bool {
			report(store.Fault{Where: "table " + r.ColumnText(0), What: fmt.Sprintf("row %d names a series that does not exist", r.ColumnInt64(1)), Advice: adviceDamaged})
			return true
		}); err != nil {
			return err
		}
		return checkSeries(conn, report)
	})
}

// checkSeries holds the lists that the store keeps of each series against the rows that
// they lead to.
func checkSeries(conn *conn, report func(store.Fault)) error {
	names := map[int64]string{}
	var ids []int64
	if err := each(conn, "SELECT id, key FROM series ORDER BY key", func(r *sqlite.Stmt) bool {
		ids = append(ids, r.ColumnInt64(0))
		names[r.ColumnInt64(0)] = r.ColumnText(1)
		return true
	}); err != nil {
		return err
	}
	for _, id := range ids {
		say := func(advice, format string, args ...any) {
			report(store.Fault{Where: names[id], What: fmt.Sprintf(format, args...), Advice: advice})
		}
		for _, check := range []func() error{
			func() error { return checkEntries(conn, id, market.SeriesID(names[id]), say) },
			func() error { return checkBars(conn, id, say) },
			func() error { return checkScores(conn, id, say) },
		} {
			// A list that cannot be read is a fault like others.
			if err := check(); errors.Is(err, store.ErrCorrupt) {
				say(adviceMoved, "%v", err)
			} else if err != nil {
				return err
			}
		}
	}
	for _, table := range []string{"ledger", "event", "bar", "bar_revision"} {
		var stray int64
		if err := each(conn, "SELECT count(*) FROM "+table+" WHERE series NOT IN (SELECT id FROM series)", func(r *sqlite.Stmt) bool {
			stray = r.ColumnInt64(0)
			return true
		}); err != nil {
			return err
		}
		if stray > 0 {
			report(store.Fault{Where: "table " + table, What: fmt.Sprintf("%d rows belong to no series", stray), Advice: adviceDamaged})
		}
	}
	return nil
}

type saying func(advice, format string, args ...any)

// checkEntries walks the places of a chain: each leads to its entry, and the columns
// beside an entry say what is sealed in it.
func checkEntries(conn *conn, id int64, name market.SeriesID, say saying) error {
	c, err := readChain(conn, id)
	if err != nil {
		return err
	}
	next := uint64(1)
	err = eachEntryPlace(conn, id, store.EntryQuery{}, func(num uint64, p place) (bool, error) {
		if num != next {
			say(adviceMoved, "the list of entries goes from %d to %d", next-1, num)
		}
		next = num + 1
		return true, checkEntry(conn, id, name, num, p, say)
	})
	if err != nil {
		return err
	}
	if next != c.head.Seq+1 {
		say(adviceMoved, "the list of entries ends at %d, the chain at %d", next-1, c.head.Seq)
	}
	var rows int64
	err = each(conn, "SELECT count(*) FROM ledger WHERE series = ?", func(r *sqlite.Stmt) bool { rows = r.ColumnInt64(0); return true }, id)
	if err == nil && rows != int64(c.head.Seq) {
		say(adviceDamaged, "%d entries are stored, the chain has %d", rows, c.head.Seq)
	}
	return err
}

func checkEntry(conn *conn, id int64, name market.SeriesID, num uint64, p place, say saying) error {
	var series, number, kind, mode, subject, at, first int64
	var hash ledger.Hash
	var body []byte
	found, hasFirst := false, false
	err := each(conn, "SELECT series, num, kind, mode, time, at, first_end, hash, body FROM ledger WHERE seq = ?", func(r *sqlite.Stmt) bool {
		series, number, kind, mode, subject, at, first = r.ColumnInt64(0), r.ColumnInt64(1), r.ColumnInt64(2), r.ColumnInt64(3), r.ColumnInt64(4), r.ColumnInt64(5), r.ColumnInt64(6)
		hasFirst = !r.ColumnIsNull(6)
		r.ColumnBytes(7, hash[:])
		body = column(r, 8, nil)
		found = true
		return true
	}, int64(p.seq))
	switch {
	case err != nil:
		return err
	case !found:
		say(adviceDamaged, "entry %d is missing: it should be event %d", num, p.seq)
		return nil
	case series != id || number != int64(num) || kind != int64(p.kind) || subject != p.time:
		say(adviceMoved, "the list of entries says that event %d is entry %d, kind %d; it is entry %d of series number %d, kind %d", p.seq, num, p.kind, number, series, kind)
	}
	e, err := ledger.Decode(body)
	if err != nil {
		say(adviceDamaged, "entry %d: %v", num, err)
		return nil
	}
	f := factsOf(e)
	if e.Series != name || e.Seq != num || int64(f.mode) != mode || int64(f.subject) != subject || int64(f.at) != at || hasFirst != (f.firstEnd != 0) || int64(f.firstEnd) != first {
		say(adviceDamaged, "the columns beside entry %d do not say what is sealed in it", num)
	}
	return nil
}

// checkBars walks the places of the bars: each leads to its event and its bar, and there
// are no bars that no place leads to. Bars from before what is kept may be gone.
func checkBars(conn *conn, id int64, say saying) error {
	c, err := readChain(conn, id)
	if err != nil {
		return err
	}
	roll, _, err := readRoll(conn, id)
	if err != nil {
		return err
	}
	kept := int64(roll.Kept)
	log := barLog{conn: conn, names: map[int64]market.SeriesID{}}
	var places, odd int64
	last := uint64(0)
	err = eachBarPlace(conn, id, 0, func(p place) (bool, error) {
		if p.time < kept {
			return true, nil
		}
		places++
		if p.seq <= last {
			odd++
		}
		last = p.seq
		at := int64(-1)
		if err := each(conn, "SELECT start FROM event WHERE seq = ? AND series = ?", func(r *sqlite.Stmt) bool { at = r.ColumnInt64(0); return true }, int64(p.seq), id); err != nil {
			return false, err
		}
		log.recs = log.recs[:0]
		if err := log.add(id, p.seq, p.time); errors.Is(err, store.ErrCorrupt) || at != p.time {
			say(adviceDamaged, "the bar of event %d is missing", p.seq)
			return true, nil
		} else if err != nil {
			return false, err
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	if odd > 0 {
		say(adviceMoved, "the list of bars is out of order %d times", odd)
	}
	for _, t := range []struct{ what, query string }{
		{"bars", "SELECT (SELECT count(*) FROM bar WHERE series = ?1 AND start >= ?2) + (SELECT count(*) FROM bar_revision WHERE series = ?1 AND start >= ?2)"},
		{"events of bars", "SELECT count(*) FROM event WHERE series = ?1 AND start >= ?2"},
	} {
		var n int64
		if err := each(conn, t.query, func(r *sqlite.Stmt) bool { n = r.ColumnInt64(0); return true }, id, kept); err != nil {
			return err
		}
		if n != places {
			say(adviceMoved, "%d %s are stored, the list of bars has %d", n, t.what, places)
		}
	}
	if roll.Trimmed == 0 && c.bars != uint64(places) {
		say(adviceMoved, "%d bars were counted, the list of bars has %d", c.bars, places)
	}
	return nil
}

// checkScores reads every score of a series.
func checkScores(conn *conn, id int64, say saying) error {
	c, err := readChain(conn, id)
	if err != nil {
		return err
	}
	var r segmentReader
	var last score.Score
	n, odd := 0, 0
	visit := func(segment []byte) error {
		return r.each(segment, func(s *score.Score) bool {
			if n > 0 && compareScores(&last, s) >= 0 {
				odd++
			}
			last = *s
			n++
			return true
		})
	}
	var bad error
	var first, before int64
	rows := 0
	var buf []byte
	err = each(conn, "SELECT first, body FROM score WHERE series = ? ORDER BY first", func(row *sqlite.Stmt) bool {
		first = row.ColumnInt64(0)
		buf = column(row, 1, buf)
		at := n
		bad = joinFirst(eachPart(buf, func(segment []byte) bool { bad = visit(segment); return bad == nil }), bad)
		if n == at || rows > 0 && first <= before {
			odd++
		}
		before = first
		rows++
		return bad == nil
	}, id)
	for k := c.steps - c.recent; k < c.steps && err == nil && bad == nil; k++ {
		found := false
		err = each(conn, sqlRecent, func(row *sqlite.Stmt) bool {
			found = true
			buf = column(row, 0, buf)
			bad = visit(buf)
			return bad == nil
		}, recentID(id, k))
		if !found && err == nil {
			say(adviceDamaged, "the scores of step %d are missing", k)
		}
	}
	if err := joinFirst(err, bad); err != nil {
		return err
	}
	if odd > 0 {
		say(adviceMoved, "the lists of scores are out of order %d times", odd)
	}
	if n > 0 && int64(last.Target) > c.scoredTo {
		say(adviceMoved, "there is a score of %s, after the newest target on record", last.Target)
	}
	return nil
}
