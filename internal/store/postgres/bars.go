package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

const (
	flagBackfill = 1 << iota
	flagAfterGap
)

// barColumns are the columns of bar, in the order in which rows of COPY have them.
var barColumns = []string{"series", "start", "end_", "open", "high", "low", "close", "volume", "trades", "revision", "flags", "seq"}

const (
	sqlPlainBar = "SELECT start, end_, open, high, low, close, volume, trades, revision"
	sqlBar      = sqlPlainBar + ", flags, seq"
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
	err = s.write(ctx, op, func(ctx context.Context, w *writer) error {
		kept, last = 0, 0
		for i := range ticks {
			if err := w.putTicks(ctx, &ticks[i]); err != nil {
				return err
			}
		}
		if err := w.lookUp(ctx, bars); err != nil {
			return err
		}
		for i := range bars {
			seq, err := w.putBar(ctx, &bars[i])
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
	if b.End <= b.Start || b.Revision < 0 || b.Revision > math.MaxInt32 {
		return fmt.Errorf("bar %s of %s ends at %s and has revision %d", b.Start, b.Series, b.End, b.Revision)
	}
	return nil
}

// putBar keeps one bar and returns the number of its event, 0 when it is stored already.
func (w *writer) putBar(ctx context.Context, b *store.BarRecord) (uint64, error) {
	c, err := w.chain(ctx, b.Series)
	if err != nil {
		return 0, err
	}
	if b.Start < c.roll.Kept {
		return 0, nil
	}
	replaces := false
	if int64(b.Start) <= c.newestBar {
		at := place{c.series, int64(b.Start)}
		if w.fresh[at] {
			// It was put in by this transaction: what was gathered must be there to compare.
			if err := w.land(ctx); err != nil {
				return 0, err
			}
		}
		var known bool
		if replaces, known, err = w.compareBar(ctx, at, b); err != nil || known {
			return 0, err
		}
	}
	w.move(c)
	if replaces {
		w.replaced = append(w.replaced, place{c.series, int64(b.Start)})
	}
	seq := w.nextEvent()
	w.events = append(w.events, []any{int64(seq), c.series, int64(b.Start)})
	w.bars = append(w.bars, barRow(c.series, b, seq))
	w.fresh[place{c.series, int64(b.Start)}] = true
	c.rollBar(&b.Bar, w.receiving)
	return seq, nil
}

// place is where a bar stands.
type place struct {
	series int32
	start  int64
}

// bulk is the number of bars from which on they are looked up together: one by one a bar costs a
// round trip to the server.
const bulk = 16

// lookUp asks for those of bars that may be stored already, all in one question.
func (w *writer) lookUp(ctx context.Context, bars []store.BarRecord) error {
	if len(bars) < bulk {
		return nil
	}
	var at []place
	for i := range bars {
		c, err := w.chain(ctx, bars[i].Series)
		if errors.Is(err, store.ErrNotFound) {
			return nil // putBar says so
		}
		if err != nil {
			return err
		}
		if int64(bars[i].Start) <= c.newestBar {
			at = append(at, place{c.series, int64(bars[i].Start)})
		}
	}
	if len(at) < bulk {
		return nil
	}
	series, starts := columns(at)
	rows, err := w.tx.Query(ctx, "SELECT b.* FROM unnest($1::integer[], $2::bigint[]) k (s, t) CROSS JOIN LATERAL ("+sqlBar+", series FROM bar WHERE series = k.s AND start = k.t LIMIT 1) b", series, starts)
	if err != nil {
		return err
	}
	for _, p := range at {
		w.looked[p] = nil
	}
	var id int32
	for rows.Next() {
		old, err := scanBar(rows, &id)
		if err != nil {
			rows.Close()
			return err
		}
		w.looked[place{id, int64(old.Start)}] = &old
	}
	return rows.Err()
}

func columns(at []place) (series []int32, starts []int64) {
	for _, p := range at {
		series, starts = append(series, p.series), append(starts, p.start)
	}
	return series, starts
}

// land puts in the bars gathered so far, after moving those that they replace to the revisions.
func (w *writer) land(ctx context.Context) error {
	if len(w.replaced) > 0 {
		series, starts := columns(w.replaced)
		for _, start := range starts {
			if err := w.makePart(ctx, "bar_revision", start); err != nil {
				return err
			}
		}
		_, err := w.tx.Exec(ctx, "WITH old AS (DELETE FROM bar b USING unnest($1::integer[], $2::bigint[]) k (s, t) WHERE b.series = k.s AND b.start = k.t AND b.start BETWEEN $3 AND $4 RETURNING b.*) INSERT INTO bar_revision SELECT * FROM old",
			series, starts, slices.Min(starts), slices.Max(starts))
		if err != nil {
			return err
		}
	}
	for p := range w.fresh {
		delete(w.looked, p) // it is stored now
	}
	err := w.copyIn(ctx, "bar", barColumns, w.bars)
	w.bars, w.replaced = w.bars[:0], w.replaced[:0]
	clear(w.fresh)
	return err
}

func barRow(series int32, b *store.BarRecord, seq uint64) []any {
	var flags int32
	if b.Backfill {
		flags |= flagBackfill
	}
	if b.AfterGap {
		flags |= flagAfterGap
	}
	return []any{series, int64(b.Start), int64(b.End), b.Open, b.High, b.Low, b.Close, b.Volume, b.Trades, int32(b.Revision), flags, int64(seq)}
}

// compareBar holds b against what is stored: it replaces an older revision, is known already, or
// must not be.
func (w *writer) compareBar(ctx context.Context, at place, b *store.BarRecord) (replaces, known bool, err error) {
	found, ok := w.looked[at]
	if !ok {
		var old store.BarRecord
		old, err = scanBar(w.tx.QueryRow(ctx, sqlBar+" FROM bar WHERE series = $1 AND start = $2", at.series, at.start))
		if found = &old; errors.Is(err, pgx.ErrNoRows) {
			found, err = nil, nil
		}
	}
	switch old := found; {
	case err == nil && old == nil:
		return false, false, nil
	case err != nil:
		return false, false, err
	case old.Bar == b.Bar:
		return false, true, nil
	case b.Revision <= old.Revision:
		return false, false, fmt.Errorf("%w: bar %s of %s has revision %d stored, revision %d differs and does not follow", store.ErrConflict, b.Start, b.Series, old.Revision, b.Revision)
	}
	return true, false, nil
}

// scanBar reads the columns of sqlBar and what follows them.
func scanBar(r pgx.Row, more ...any) (b store.BarRecord, err error) {
	var start, end, seq int64
	var revision, flags int32
	err = r.Scan(append([]any{&start, &end, &b.Open, &b.High, &b.Low, &b.Close, &b.Volume, &b.Trades, &revision, &flags, &seq}, more...)...)
	b.Start, b.End, b.Revision, b.Seq = market.Time(start), market.Time(end), int(revision), uint64(seq)
	b.Backfill, b.AfterGap = flags&flagBackfill != 0, flags&flagAfterGap != 0
	return b, err
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

const (
	barsWhere = " WHERE series = (SELECT id FROM series WHERE key = $1) AND start >= $2 AND start < $3"
	sqlBars   = sqlPlainBar + " FROM bar" + barsWhere
	// $5 is the event as of which is asked. The newest revision of a bar is in bar; where that
	// one came later, the one of then is in bar_revision, if there is one.
	sqlBarsAsOf = sqlPlainBar + " FROM bar" + barsWhere + " AND seq <= $5 UNION ALL " + sqlPlainBar + " FROM bar_revision r" + barsWhere +
		" AND seq = (SELECT max(seq) FROM bar_revision WHERE series = r.series AND start = r.start AND seq <= $5)" +
		" AND NOT EXISTS (SELECT FROM bar WHERE series = r.series AND start = r.start AND seq <= $5)"
)

// Bars returns the latest revision of each bar in r.
func (s *Store) Bars(ctx context.Context, key market.SeriesID, r store.Range) (bars []market.Bar, err error) {
	from, to, limit := bounds(r)
	order := "ASC"
	if r.Newest {
		order = "DESC"
	}
	if limit < 0 {
		return nil, ctx.Err()
	}
	err = s.read(ctx, "read bars of "+string(key), func(tx pgx.Tx) error {
		query, args := sqlBars, []any{string(key), from, to, limit}
		if r.AsOf != 0 {
			query, args = sqlBarsAsOf, append(args, int64(min(r.AsOf, math.MaxInt64)))
		}
		bars, err = readBars(ctx, tx, limit, query+" ORDER BY start "+order+" LIMIT $4", args...)
		return err
	})
	return bars, err
}

// readBars reads what query, which begins with sqlPlainBar, selects: about most rows.
func readBars(ctx context.Context, tx pgx.Tx, most int, query string, args ...any) ([]market.Bar, error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	bars := make([]market.Bar, 0, min(most, 5000))
	var start, end int64
	var revision int32
	var b market.Bar
	_, err = pgx.ForEachRow(rows, []any{&start, &end, &b.Open, &b.High, &b.Low, &b.Close, &b.Volume, &b.Trades, &revision}, func() error {
		b.Start, b.End, b.Revision = market.Time(start), market.Time(end), int(revision)
		bars = append(bars, b)
		return nil
	})
	return bars, err
}

// BarLog returns log records with Seq > after, in commit order.
func (s *Store) BarLog(ctx context.Context, key market.SeriesID, after uint64, limit int) (recs []store.BarRecord, err error) {
	if after > math.MaxInt64 || limit <= 0 {
		return nil, ctx.Err()
	}
	err = s.read(ctx, "read the bar log", func(tx pgx.Tx) error {
		recs = nil
		names, err := seriesNames(ctx, tx)
		if err != nil {
			return err
		}
		if key != "" {
			return scanLog(ctx, tx, names, &recs, sqlLogOfOne, string(key), int64(after), limit)
		}
		for from := int64(after); ; {
			if err := scanLog(ctx, tx, names, &recs, sqlLog, from, limit); err != nil || len(recs) > 0 {
				return err
			}
			// Of these events the bars may be kept no longer: there may be others after them.
			var n int
			if err := tx.QueryRow(ctx, sqlLogEnd, from, limit).Scan(&from, &n); err != nil || n < limit {
				return err
			}
		}
	})
	return recs, err
}

const sqlLogBar = "series, start, end_, open, high, low, close, volume, trades, revision, flags, seq"

// sqlLog goes by the events, and looks each bar up by its time: a partition knows the bars of its
// time only. sqlLogOfOne has an index.
const (
	sqlLog = "SELECT b.* FROM (SELECT seq, series, start FROM event WHERE seq > $1 ORDER BY seq LIMIT $2) e CROSS JOIN LATERAL (" +
		"(SELECT " + sqlLogBar + " FROM bar WHERE series = e.series AND start = e.start AND seq = e.seq) UNION ALL " +
		"(SELECT " + sqlLogBar + " FROM bar_revision WHERE series = e.series AND start = e.start AND seq = e.seq) LIMIT 1) b ORDER BY b.seq"
	sqlLogEnd   = "SELECT coalesce(max(seq), $1), count(*) FROM (SELECT seq FROM event WHERE seq > $1 ORDER BY seq LIMIT $2) e"
	sqlLogOfOne = "WITH s AS (SELECT id FROM series WHERE key = $1) " +
		"(SELECT " + sqlLogBar + " FROM bar WHERE series = (SELECT id FROM s) AND seq > $2 ORDER BY seq LIMIT $3) UNION ALL " +
		"(SELECT " + sqlLogBar + " FROM bar_revision WHERE series = (SELECT id FROM s) AND seq > $2 ORDER BY seq LIMIT $3) ORDER BY seq LIMIT $3"
)

// scanLog appends the bars that a query gives to recs.
func scanLog(ctx context.Context, tx pgx.Tx, names map[int32]market.SeriesID, recs *[]store.BarRecord, query string, args ...any) error {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	var series, revision, flags int32
	var start, end, seq int64
	var b store.BarRecord
	_, err = pgx.ForEachRow(rows, []any{&series, &start, &end, &b.Open, &b.High, &b.Low, &b.Close, &b.Volume, &b.Trades, &revision, &flags, &seq}, func() error {
		b.Start, b.End, b.Revision, b.Seq = market.Time(start), market.Time(end), int(revision), uint64(seq)
		b.Backfill, b.AfterGap = flags&flagBackfill != 0, flags&flagAfterGap != 0
		b.Series = names[series]
		*recs = append(*recs, b)
		return nil
	})
	return err
}

// seriesNames are the names of all series.
func seriesNames(ctx context.Context, tx pgx.Tx) (map[int32]market.SeriesID, error) {
	names := map[int32]market.SeriesID{}
	rows, err := tx.Query(ctx, "SELECT id, key FROM series")
	if err != nil {
		return nil, err
	}
	var id int32
	var key string
	_, err = pgx.ForEachRow(rows, []any{&id, &key}, func() error { names[id] = market.SeriesID(key); return nil })
	return names, err
}
