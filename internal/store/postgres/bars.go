package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"

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
	if len(bars) == 0 {
		return 0, 0, ctx.Err()
	}
	op := fmt.Sprintf("commit %d bars of %s", len(bars), bars[0].Series)
	for i := range bars {
		if err := checkBar(&bars[i]); err != nil {
			return 0, 0, fmt.Errorf("%s: %w", op, err)
		}
	}
	err = s.write(ctx, op, func(ctx context.Context, w *writer) error {
		kept, last = 0, 0
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
	replaces := false
	if int64(b.Start) <= c.newestBar {
		if w.fresh[c.series][int64(b.Start)] {
			// It was put in by this transaction: what was gathered must be there to compare.
			if err := w.land(ctx); err != nil {
				return 0, err
			}
		}
		var known bool
		if replaces, known, err = w.compareBar(ctx, c, b); err != nil || known {
			return 0, err
		}
	}
	w.move(c)
	if replaces {
		if _, err := w.tx.Exec(ctx, "WITH old AS (DELETE FROM bar WHERE series = $1 AND start = $2 RETURNING *) INSERT INTO bar_revision SELECT * FROM old", c.series, int64(b.Start)); err != nil {
			return 0, err
		}
	}
	seq := w.nextEvent()
	w.events = append(w.events, []any{int64(seq), c.series, int64(b.Start)})
	w.bars = append(w.bars, barRow(c.series, b, seq))
	if w.fresh[c.series] == nil {
		w.fresh[c.series] = map[int64]bool{}
	}
	w.fresh[c.series][int64(b.Start)] = true
	c.newestBar = max(c.newestBar, int64(b.Start))
	return seq, nil
}

// land puts in the bars gathered so far.
func (w *writer) land(ctx context.Context) error {
	_, err := w.tx.CopyFrom(ctx, pgx.Identifier{"bar"}, barColumns, pgx.CopyFromRows(w.bars))
	w.bars, w.fresh = w.bars[:0], map[int32]map[int64]bool{}
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
func (w *writer) compareBar(ctx context.Context, c *chain, b *store.BarRecord) (replaces, known bool, err error) {
	old, err := scanBar(w.tx.QueryRow(ctx, sqlBar+" FROM bar WHERE series = $1 AND start = $2", c.series, int64(b.Start)))
	switch {
	case errors.Is(err, pgx.ErrNoRows):
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

// scanBar reads the columns of sqlBar.
func scanBar(r pgx.Row) (b store.BarRecord, err error) {
	var start, end, seq int64
	var revision, flags int32
	err = r.Scan(&start, &end, &b.Open, &b.High, &b.Low, &b.Close, &b.Volume, &b.Trades, &revision, &flags, &seq)
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
		rows, err := tx.Query(ctx, query+" ORDER BY start "+order+" LIMIT $4", args...)
		if err != nil {
			return err
		}
		bars = make([]market.Bar, 0, min(limit, 5000))
		var start, end int64
		var revision int32
		var b market.Bar
		_, err = pgx.ForEachRow(rows, []any{&start, &end, &b.Open, &b.High, &b.Low, &b.Close, &b.Volume, &b.Trades, &revision}, func() error {
			b.Start, b.End, b.Revision = market.Time(start), market.Time(end), int(revision)
			bars = append(bars, b)
			return nil
		})
		return err
	})
	return bars, err
}

// BarLog returns log records with Seq > after, in commit order.
func (s *Store) BarLog(ctx context.Context, key market.SeriesID, after uint64, limit int) (recs []store.BarRecord, err error) {
	if after > math.MaxInt64 || limit <= 0 {
		return nil, ctx.Err()
	}
	one := ""
	args := []any{int64(after), limit}
	if key != "" {
		one = " AND series = (SELECT id FROM series WHERE key = $3)"
		args = append(args, string(key))
	}
	columns := "SELECT series, start, end_, open, high, low, close, volume, trades, revision, flags, seq"
	part := func(table string) string {
		return "(" + columns + " FROM " + table + " WHERE seq > $1" + one + " ORDER BY seq LIMIT $2)"
	}
	err = s.read(ctx, "read the bar log", func(tx pgx.Tx) error {
		names, err := seriesNames(ctx, tx)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, part("bar")+" UNION ALL "+part("bar_revision")+" ORDER BY seq LIMIT $2", args...)
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
			recs = append(recs, b)
			return nil
		})
		return err
	})
	return recs, err
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
