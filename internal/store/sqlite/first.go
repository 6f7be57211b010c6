package sqlite

import (
	"encoding/binary"
	"fmt"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Version 1 had four layouts before it was settled; all of them called themselves 1:
//
//	layout 1  a row for each score, indexes in place of the lists of places
//	layout 2  scores in segments, one a row, with the last target beside them
//	layout 3  scores in segments, one a row
//	layout 4  scores in rows of several segments: 0001_init.sql
const (
	firstBarPlace   = `INSERT INTO bar_place (series, last_seq, body) VALUES (?, ?, ?)`
	firstEntryPlace = `INSERT INTO entry_place (series, last_num, min_time, max_time, kinds, body) VALUES (?, ?, ?, ?, ?, ?)`
	firstScore      = `INSERT INTO score (series, first, body) VALUES (?, ?, ?)`
	firstChain      = `INSERT INTO chain (series, head_num, head_hash, cursor_bar, cursor_inputs, score_revision, scored_to, recent, steps, bars, bar_tail, entry_tail)
		VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?)`
)

// settleFirst brings a database of version 1 to layout 4. What it writes is of that
// version, whatever later ones add: its statements are its own.
func settleFirst(conn *conn) error {
	layout, err := firstLayout(conn)
	if err != nil || layout == 4 {
		return err
	}
	script, err := migrations.ReadFile("migrations/0001_init.sql")
	if err != nil {
		return err
	}
	var tables []string
	if err := each(conn, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'", func(r *sqlite.Stmt) bool {
		tables = append(tables, r.ColumnText(0))
		return true
	}); err != nil {
		return err
	}
	return transaction(conn, func() error {
		for _, t := range tables {
			if err := execTransient(conn, "ALTER TABLE "+t+" RENAME TO old_"+t); err != nil {
				return err
			}
		}
		if err := execScript(conn, string(script)); err != nil {
			return err
		}
		for _, t := range tables {
			if t == "score" || t == "score_recent" || layout == 1 && (t == "chain" || t == "event") {
				continue
			}
			if err := execTransient(conn, "INSERT INTO "+t+" SELECT * FROM old_"+t); err != nil {
				return err
			}
		}
		move := moveSegments
		if layout == 1 {
			move = moveRows
		}
		if err := move(conn, layout); err != nil {
			return err
		}
		for _, t := range tables {
			if err := execTransient(conn, "DROP TABLE old_"+t); err != nil {
				return err
			}
		}
		return nil
	})
}

// firstLayout tells which of the layouts a database of version 1 has.
func firstLayout(conn *conn) (int, error) {
	columns := map[string]bool{}
	if err := each(conn, "SELECT m.name || '.' || c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'", func(r *sqlite.Stmt) bool {
		columns[r.ColumnText(0)] = true
		return true
	}); err != nil {
		return 0, err
	}
	switch {
	case columns["event.kind"]:
		return 1, nil
	case columns["score.last"]:
		return 2, nil
	}
	layout := 4
	var buf []byte
	err := each(conn, "SELECT body FROM score", func(r *sqlite.Stmt) bool {
		buf = column(r, 0, buf)
		if _, err := new(segmentReader).allParts(buf); err == nil {
			return true
		}
		if _, err := new(segmentReader).all(nil, buf); err == nil {
			layout = 3
		}
		return false // one that cannot be read either way is left to whoever reads it
	})
	return layout, err
}

// moveSegments brings the scores of layouts 2 and 3 over.
func moveSegments(conn *conn, layout int) error {
	type row struct {
		series, first int64
		body          []byte
	}
	var rows []row
	if err := each(conn, "SELECT series, first, body FROM old_score ORDER BY series, first", func(r *sqlite.Stmt) bool {
		rows = append(rows, row{r.ColumnInt64(0), r.ColumnInt64(1), column(r, 2, nil)})
		return true
	}); err != nil {
		return err
	}
	for _, r := range rows {
		if err := exec(conn, firstScore, r.series, r.first, appendPart(nil, r.body)); err != nil {
			return err
		}
	}
	if layout == 3 {
		return execTransient(conn, "INSERT INTO score_recent SELECT * FROM old_score_recent")
	}
	// In layout 2 the slots were shifted by the number of the series.
	return execTransient(conn, fmt.Sprintf(
		"INSERT INTO score_recent SELECT (((id >> 40) - (id & %[1]d) %% %[2]d + %[2]d) %% %[2]d << 40) + (id & %[1]d), body FROM old_score_recent", int64(1)<<40-1, slots))
}

// moveRows brings chains, events and scores of layout 1 over.
func moveRows(conn *conn, _ int) error {
	if err := execTransient(conn, "INSERT INTO event SELECT seq, series, key FROM old_event WHERE kind = 0"); err != nil {
		return err
	}
	var chains []*chain
	if err := each(conn, "SELECT series, head_num, head_hash, cursor_bar, cursor_inputs, score_revision FROM old_chain ORDER BY series", func(r *sqlite.Stmt) bool {
		c := &chain{series: r.ColumnInt64(0), scoreRevision: uint64(r.ColumnInt64(5)), scoredTo: math.MinInt64}
		c.head.Seq, c.cursor.BarSeq = uint64(r.ColumnInt64(1)), uint64(r.ColumnInt64(3))
		r.ColumnBytes(2, c.head.Hash[:])
		r.ColumnBytes(4, c.cursor.Inputs[:])
		chains = append(chains, c)
		return true
	}); err != nil {
		return err
	}
	// A series without a step has no row of chain, but may have bars.
	more, err := seriesWithoutChain(conn, chains)
	if err != nil {
		return err
	}
	for _, id := range more {
		chains = append(chains, &chain{series: id, scoredTo: math.MinInt64})
	}
	for _, c := range chains {
		if err := moveChain(conn, c); err != nil {
			return err
		}
	}
	return nil
}

func seriesWithoutChain(conn *conn, chains []*chain) (ids []int64, err error) {
	known := map[int64]bool{}
	for _, c := range chains {
		known[c.series] = true
	}
	err = each(conn, "SELECT DISTINCT series FROM event", func(r *sqlite.Stmt) bool {
		if id := r.ColumnInt64(0); !known[id] {
			ids = append(ids, id)
		}
		return true
	})
	return ids, err
}

// moveChain makes the lists of places of a series, and files its scores.
func moveChain(conn *conn, c *chain) error {
	head := c.head
	places := func(query string, add func(num uint64, p place) error) error {
		var bad error
		err := each(conn, query, func(r *sqlite.Stmt) bool {
			bad = add(uint64(r.ColumnInt64(3)), place{uint64(r.ColumnInt64(0)), uint8(r.ColumnInt(1)), r.ColumnInt64(2)})
			return bad == nil
		}, c.series)
		return joinFirst(err, bad)
	}
	err := places("SELECT seq, 0, start, 0 FROM event WHERE series = ? ORDER BY seq", func(_ uint64, p place) (err error) {
		c.barTail.add(p)
		c.bars++
		if (c.bars+uint64(c.series))%perRow == 0 {
			err = exec(conn, firstBarPlace, c.series, int64(p.seq), c.barTail.body)
			c.barTail.reset()
		}
		return err
	})
	if err != nil {
		return err
	}
	err = places("SELECT seq, kind, time, num FROM ledger WHERE series = ? ORDER BY num", func(num uint64, p place) (err error) {
		t := &c.entryTail
		t.add(p)
		c.head.Seq = num
		if (num+uint64(c.series))%perRow == 0 {
			err = exec(conn, firstEntryPlace, c.series, int64(num), t.lo, t.hi, t.kinds, t.body)
			t.reset()
		}
		return err
	})
	if err != nil {
		return err
	}
	if c.head.Seq != head.Seq {
		return fmt.Errorf("%w: %d entries of series %d are stored, the chain has %d", store.ErrCorrupt, c.head.Seq, c.series, head.Seq)
	}
	scores, err := firstScores(conn, c.series)
	if err != nil {
		return err
	}
	list := sortedScores(scores)
	if n := len(list); n > 0 {
		c.scoredTo = int64(list[n-1].Target)
	}
	for len(list) > 0 { // targets are not divided
		n := min(rowScores, len(list))
		for n < len(list) && list[n].Target == list[n-1].Target {
			n++
		}
		if err := exec(conn, firstScore, c.series, int64(list[0].Target), appendPart(nil, appendSegment(nil, list[:n]))); err != nil {
			return err
		}
		list = list[n:]
	}
	return exec(conn, firstChain, c.series, int64(head.Seq), head.Hash[:], int64(c.cursor.BarSeq), c.cursor.Inputs[:],
		int64(c.scoreRevision), c.scoredTo, int64(c.bars), c.barTail.body, c.entryTail.body)
}

// firstScores reads the scores of layout 1: revision in 4 bytes, late in one, and eight
// numbers. What it does not know is NaN.
func firstScores(conn *conn, series int64) (list []score.Score, err error) {
	const size = 4 + 1 + 8*numbers1
	var bad error
	err = each(conn, "SELECT target, cutoff, model, horizon, version, body FROM old_score WHERE series = ? ORDER BY target, cutoff", func(r *sqlite.Stmt) bool {
		s := score.Score{Target: market.Time(r.ColumnInt64(0)), Cutoff: market.Time(r.ColumnInt64(1)), Model: r.ColumnText(2), Horizon: r.ColumnInt(3), Version: r.ColumnText(4)}
		b := column(r, 5, nil)
		if len(b) != size {
			bad = fmt.Errorf("%w: a score has %d bytes", store.ErrCorrupt, len(b))
			return false
		}
		s.Revision, s.Late = int(binary.BigEndian.Uint32(b)), b[4] == 1
		var v [numbers]uint64
		for k := range v {
			v[k] = math.Float64bits(math.NaN())
			if k < numbers1 {
				v[k] = binary.BigEndian.Uint64(b[5+8*k:])
			}
		}
		setNumbers(&s, &v)
		list = append(list, s)
		return true
	}, series)
	return list, joinFirst(err, bad)
}
