package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

const (
	flagBackfill = 1 << iota
	flagAfterGap
)

// CommitBars appends bars to the log. See store.BarWriter.
func (s *Store) CommitBars(ctx context.Context, bars []store.BarRecord) (kept int, last uint64, err error) {
	return s.commit(ctx, nil, bars)
}

// commit appends bars after the ticks that are in them.
func (s *Store) commit(ctx context.Context, ticks []store.Ticks, bars []store.BarRecord) (kept int, last uint64, err error) {
	var op string
	switch {
	case len(bars) > 0:
		op = fmt.Sprintf("commit %d bars of %s", len(bars), bars[0].Series)
	case len(ticks) > 0:
		op = "commit ticks of " + string(ticks[0].Series)
	default:
		return 0, 0, ctx.Err()
	}
	if err := checkTicks(ticks); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", op, err)
	}
	for i := range bars {
		if err := checkBar(&bars[i]); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", op, err)
		}
	}
	err = s.write(ctx, op, func(w *writer) error {
		kept, last = 0, 0
		for i := range ticks {
			if err := w.putTicks(&ticks[i]); err != nil {
				return err
			}
		}
		for i := range bars {
			seq, err := w.putBar(&bars[i])
			if err != nil {
				return err
			}
			if seq > 0 {
				kept, last = kept+1, seq
			}
		}
		return nil
	})
	if err != nil {
		return 0, 0, err
	}
	return kept, last, nil
}

// checkBar refuses what a column could not hold.
func checkBar(b *store.BarRecord) error {
	for _, v := range [...]float64{b.Open, b.High, b.Low, b.Close, b.Volume} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("bar %s of %s holds %v", b.Start, b.Series, v)
		}
	}
	if b.End <= b.Start || b.Revision < 0 {
		return fmt.Errorf("bar %s of %s ends at %s and has revision %d", b.Start, b.Series, b.End, b.Revision)
	}
	return nil
}

// putBar keeps one bar and returns the number of its event, 0 when it is stored
// already.
func (w *writer) putBar(b *store.BarRecord) (uint64, error) {
	id, err := w.id(b.Series)
	if err != nil {
		return 0, err
	}
	c, err := w.chain(id)
	if err != nil {
		return 0, err
	}
	roll, err := w.roll(c)
	if err != nil || b.Start < roll.Kept {
		return 0, err
	}
	replaces, known, err := w.compareBar(c, b)
	if err != nil || known {
		return 0, err
	}
	w.move(c)
	if replaces {
		if err := exec(w.conn, sqlOldBar, id, int64(b.Start)); err != nil {
			return 0, err
		}
	}
	seq, err := w.nextEvent()
	if err != nil {
		return 0, err
	}
	if err := exec(w.conn, sqlAddEvent, int64(seq), id, int64(b.Start)); err != nil {
		return 0, err
	}
	stmt, err := w.conn.prepare(sqlPutBar)
	if err != nil {
		return 0, err
	}
	stmt.BindInt64(1, id)
	bindBar(stmt, 2, b, seq)
	if err := run(stmt); err != nil {
		return 0, err
	}
	w.logged += 128
	c.rollBar(&b.Bar, w.receiving)
	return seq, c.addBar(w.conn, place{seq: seq, time: int64(b.Start)})
}

// compareBar holds b against what is stored: it replaces an older revision, is known
// already, or must not be.
func (w *writer) compareBar(c *chain, b *store.BarRecord) (replaces, known bool, err error) {
	if int64(b.Start) > c.newestBar {
		return false, false, nil
	}
	var old store.BarRecord
	found := false
	if err := each(w.conn, sqlBarAt, func(r *sqlite.Stmt) bool { old, found = scanBar(r), true; return true }, c.series, int64(b.Start)); err != nil {
		return false, false, err
	}
	switch {
	case !found:
		return false, false, nil
	case old.Bar == b.Bar:
		return false, true, nil
	case b.Revision <= old.Revision:
		return false, false, fmt.Errorf("%w: bar %s of %s has revision %d stored, revision %d differs and does not follow", store.ErrConflict, b.Start, b.Series, old.Revision, b.Revision)
	}
	return true, false, nil
}

func bindBar(stmt *sqlite.Stmt, i int, b *store.BarRecord, seq uint64) {
	var flags int64
	if b.Backfill {
		flags |= flagBackfill
	}
	if b.AfterGap {
		flags |= flagAfterGap
	}
	stmt.BindInt64(i, int64(b.Start))
	stmt.BindInt64(i+1, int64(b.End))
	stmt.BindFloat(i+2, b.Open)
	stmt.BindFloat(i+3, b.High)
	stmt.BindFloat(i+4, b.Low)
	stmt.BindFloat(i+5, b.Close)
	stmt.BindFloat(i+6, b.Volume)
	stmt.BindInt64(i+7, b.Trades)
	stmt.BindInt64(i+8, int64(b.Revision))
	stmt.BindInt64(i+9, flags)
	stmt.BindInt64(i+10, int64(seq))
}

// scanBar reads barColumns; the name of the series is not among them.
func scanBar(r *sqlite.Stmt) store.BarRecord {
	flags := r.ColumnInt64(9)
	return store.BarRecord{
		Bar:      scanPlainBar(r),
		Backfill: flags&flagBackfill != 0,
		AfterGap: flags&flagAfterGap != 0,
		Seq:      uint64(r.ColumnInt64(10)),
	}
}

func scanPlainBar(r *sqlite.Stmt) market.Bar {
	return market.Bar{
		Start: market.Time(r.ColumnInt64(0)), End: market.Time(r.ColumnInt64(1)),
		Open: r.ColumnFloat(2), High: r.ColumnFloat(3), Low: r.ColumnFloat(4), Close: r.ColumnFloat(5),
		Volume: r.ColumnFloat(6), Trades: r.ColumnInt64(7), Revision: r.ColumnInt(8),
	}
}

// bounds turns a range into what the statements compare with.
func bounds(r store.Range) (from, to int64, limit int) {
	from, to, limit = math.MinInt64, math.MaxInt64, 1000
	if r.From != 0 {
		from = int64(r.From)
	}
	if r.To != 0 {
		to = int64(r.To)
	}
	if r.Limit != 0 {
		limit = r.Limit
	}
	return from, to, limit
}

// Bars returns the latest revision of each bar in r.
func (s *Store) Bars(ctx context.Context, key market.SeriesID, r store.Range) (bars []market.Bar, err error) {
	err = s.read(ctx, "read bars of "+string(key), func(conn *conn) error {
		id, err := seriesID(conn, key)
		if err != nil || id == 0 {
			return err
		}
		from, to, limit := bounds(r)
		bars = make([]market.Bar, 0, min(limit, 5000))
		add := func(r *sqlite.Stmt) bool { bars = append(bars, scanPlainBar(r)); return true }
		switch {
		case r.AsOf == 0 && r.Newest:
			return each(conn, sqlBarsNew, add, id, from, to, limit)
		case r.AsOf == 0:
			return each(conn, sqlBars, add, id, from, to, limit)
		}
		asOf := min(r.AsOf, math.MaxInt64)
		then, err := newestThen(conn, id, asOf)
		if err != nil {
			return err
		}
		query := sqlBarsAsOf
		if r.Newest {
			query = sqlBarsAsOfNew
		}
		return each(conn, query, add, id, from, min(to, then), limit, int64(asOf))
	})
	return bars, err
}

// BarLog returns log records with Seq > after, in commit order.
func (s *Store) BarLog(ctx context.Context, key market.SeriesID, after uint64, limit int) (recs []store.BarRecord, err error) {
	if after > math.MaxInt64 || limit <= 0 {
		return nil, ctx.Err()
	}
	err = s.read(ctx, "read the bar log", func(conn *conn) error {
		log := barLog{conn: conn, names: map[int64]market.SeriesID{}}
		if key == "" {
			var bad error
			err := each(conn, sqlBarLog, func(r *sqlite.Stmt) bool {
				bad = log.add(r.ColumnInt64(1), uint64(r.ColumnInt64(0)), r.ColumnInt64(2))
				return bad == nil
			}, int64(after), limit)
			recs = log.recs
			return errors.Join(err, bad)
		}
		id, err := seriesID(conn, key)
		if err != nil || id == 0 {
			return err
		}
		kept, err := keptFrom(conn, id)
		if err != nil {
			return err
		}
		err = eachBarPlace(conn, id, after, func(p place) (bool, error) {
			if p.time < int64(kept) {
				return true, nil
			}
			err := log.add(id, p.seq, p.time)
			return len(log.recs) < limit, err
		})
		recs = log.recs
		return err
	})
	return recs, err
}

// barLog gathers the bars that events brought.
type barLog struct {
	conn  *conn
	names map[int64]market.SeriesID
	recs  []store.BarRecord
}

func (l *barLog) add(series int64, seq uint64, start int64) error {
	var rec store.BarRecord
	scan := func(r *sqlite.Stmt) bool { rec = scanBar(r); return true }
	if err := each(l.conn, sqlBarAt, scan, series, start); err != nil {
		return err
	}
	if rec.Seq != seq { // a later revision took its place
		if err := each(l.conn, sqlRevision, scan, int64(seq)); err != nil {
			return err
		}
	}
	if rec.Seq != seq {
		return fmt.Errorf("%w: the bar of event %d is missing", store.ErrCorrupt, seq)
	}
	name, err := seriesName(l.conn, l.names, series)
	rec.Series = name
	l.recs = append(l.recs, rec)
	return err
}

// seriesName finds the name of a series and remembers it in names.
func seriesName(conn *conn, names map[int64]market.SeriesID, id int64) (market.SeriesID, error) {
	if name, ok := names[id]; ok {
		return name, nil
	}
	err := each(conn, sqlSeriesKey, func(r *sqlite.Stmt) bool { names[id] = market.SeriesID(r.ColumnText(0)); return true }, id)
	return names[id], err
}
