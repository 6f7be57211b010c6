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

// tickPage is the number of ticks that are read at a time.
const tickPage = 10_000

// tickColumns are the columns of tick, in the order in which rows of COPY have them.
var tickColumns = []string{"series", "time", "seq", "n", "price", "size"}

// sqlOldTick puts in a tick that is not newer than all others: those without a number are counted.
const sqlOldTick = `INSERT INTO tick (series, time, seq, n, price, size)
	VALUES ($1, $2, $3::bigint, CASE WHEN $3::bigint = 0 THEN (SELECT coalesce(max(n) + 1, 0) FROM tick WHERE series = $1 AND time = $2 AND seq = 0) ELSE 0 END, $4, $5)
	ON CONFLICT DO NOTHING`

// CommitTicks appends ticks and their bars. See store.TickWriter.
func (s *Store) CommitTicks(ctx context.Context, ticks []store.Ticks, bars []store.BarRecord) (kept int, last uint64, err error) {
	return s.commit(ctx, ticks, bars)
}

// checkTicks refuses what a column could not hold.
func checkTicks(list []store.Ticks) error {
	for i := range list {
		for k := range list[i].Ticks {
			t := &list[i].Ticks[k]
			if math.IsNaN(t.Price) || math.IsInf(t.Price, 0) || math.IsNaN(t.Size) || math.IsInf(t.Size, 0) {
				return fmt.Errorf("tick %s of %s holds %v and %v", t.Time, list[i].Series, t.Price, t.Size)
			}
		}
	}
	return nil
}

// tickHead is the newest tick of a series: what comes after it need not be compared with what is
// stored.
type tickHead struct{ time, seq int64 }

// putTicks keeps the ticks of one series.
func (w *writer) putTicks(ctx context.Context, t *store.Ticks) error {
	c, err := w.chain(ctx, t.Series)
	if err != nil || len(t.Ticks) == 0 {
		return err
	}
	h := w.ticks[c.series]
	if h == nil {
		h = &tickHead{time: math.MinInt64}
		err := w.tx.QueryRow(ctx, "SELECT time, seq FROM tick WHERE series = $1 ORDER BY time DESC, seq DESC LIMIT 1", c.series).Scan(&h.time, &h.seq)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		w.ticks[c.series] = h
	}
	w.wrote = true
	for i := range t.Ticks {
		tick := &t.Ticks[i]
		at, seq := int64(tick.Time), int64(tick.Seq)
		if at > h.time || at == h.time && seq > h.seq {
			h.time, h.seq = at, seq
			w.newTicks = append(w.newTicks, []any{c.series, at, seq, int64(0), tick.Price, tick.Size})
		} else {
			w.oldTicks = append(w.oldTicks, []any{c.series, at, seq, tick.Price, tick.Size})
		}
	}
	return nil
}

// landTicks puts in the ticks that were gathered.
func (w *writer) landTicks(ctx context.Context) error {
	if err := w.copyIn(ctx, "tick", tickColumns, w.newTicks); err != nil || len(w.oldTicks) == 0 {
		return err
	}
	var b pgx.Batch
	for _, row := range w.oldTicks {
		if err := w.makePart(ctx, "tick", row[1].(int64)); err != nil {
			return err
		}
		b.Queue(sqlOldTick, row...)
	}
	return w.tx.SendBatch(ctx, &b).Close()
}

// DeleteTicks deletes old ticks. See store.TickWriter.
func (s *Store) DeleteTicks(ctx context.Context, key market.SeriesID, before market.Time, limit int) (deleted int, err error) {
	if limit <= 0 {
		return 0, ctx.Err()
	}
	err = s.write(ctx, "delete ticks of "+string(key), func(ctx context.Context, w *writer) error {
		deleted = 0
		c, err := w.chain(ctx, key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		w.wrote = true
		tag, err := w.tx.Exec(ctx, "DELETE FROM tick WHERE series = $1 AND time < $2 AND (time, seq, n) IN (SELECT time, seq, n FROM tick WHERE series = $1 AND time < $2 ORDER BY time, seq, n LIMIT $3)",
			c.series, int64(before), limit)
		if err != nil {
			return err
		}
		if deleted = int(tag.RowsAffected()); deleted > 0 {
			delete(w.ticks, c.series)
		}
		return nil
	})
	if err != nil {
		deleted = 0
	}
	return deleted, err
}

// EachTick reads ticks in pages. See store.TickReader.
func (s *Store) EachTick(ctx context.Context, key market.SeriesID, from, to market.Time, f func(market.Tick) bool) error {
	at, end, _ := bounds(store.Range{From: from, To: to})
	seq, n := int64(math.MinInt64), int64(-1) // of the last that was read
	page := make([]market.Tick, 0, tickPage)
	for {
		page = page[:0]
		err := s.read(ctx, "read ticks of "+string(key), func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, "SELECT time, seq, n, price, size FROM tick WHERE series = (SELECT id FROM series WHERE key = $1) AND time >= $2 AND (time, seq, n) > ($2, $3, $4) AND time < $5 ORDER BY time, seq, n LIMIT $6",
				string(key), at, seq, n, end, tickPage)
			if err != nil {
				return err
			}
			var price, size float64
			_, err = pgx.ForEachRow(rows, []any{&at, &seq, &n, &price, &size}, func() error {
				page = append(page, market.Tick{Time: market.Time(at), Seq: uint64(seq), Price: price, Size: size})
				return nil
			})
			return err
		})
		if err != nil {
			return err
		}
		for _, t := range page {
			if !f(t) {
				return nil
			}
		}
		if len(page) < tickPage {
			return nil
		}
	}
}
