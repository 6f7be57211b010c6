package sqlite

import (
	"context"
	"fmt"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// tickPage is the number of ticks that are read in one transaction.
const tickPage = 10_000

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

// tickHead is the newest tick of a series: what comes after it needs no look at what is stored.
type tickHead struct {
	time int64
	seq  int64
}

// putTicks keeps the ticks of one series.
func (w *writer) putTicks(t *store.Ticks) error {
	id, err := w.id(t.Series)
	if err != nil || len(t.Ticks) == 0 {
		return err
	}
	h := w.ticks[id]
	if h == nil {
		h = &tickHead{time: math.MinInt64}
		err := each(w.conn, sqlLastTick, func(r *sqlite.Stmt) bool { h.time, h.seq = r.ColumnInt64(0), r.ColumnInt64(1); return true }, id)
		if err != nil {
			return err
		}
		w.ticks[id] = h
	}
	w.wrote = true
	for i := range t.Ticks {
		tick := &t.Ticks[i]
		at, seq := int64(tick.Time), int64(tick.Seq)
		query := sqlAddTick
		if at > h.time || at == h.time && seq > h.seq {
			h.time, h.seq = at, seq
		} else {
			query = sqlAddOldTick
		}
		stmt, err := w.conn.prepare(query)
		if err != nil {
			return err
		}
		stmt.BindInt64(1, id)
		stmt.BindInt64(2, at)
		stmt.BindInt64(3, seq)
		stmt.BindFloat(4, tick.Price)
		stmt.BindFloat(5, tick.Size)
		if err := run(stmt); err != nil {
			return err
		}
	}
	w.logged += 48 * len(t.Ticks)
	return nil
}

// DeleteTicks deletes old ticks. See store.TickWriter.
func (s *Store) DeleteTicks(ctx context.Context, key market.SeriesID, before market.Time, limit int) (deleted int, err error) {
	if limit <= 0 {
		return 0, ctx.Err()
	}
	err = s.write(ctx, "delete ticks of "+string(key), func(w *writer) error {
		deleted = 0
		id, err := seriesID(w.conn, key)
		if err != nil || id == 0 {
			return err
		}
		w.wrote = true
		if err := exec(w.conn, sqlDelTicks, id, id, int64(before), limit); err != nil {
			return err
		}
		if deleted = w.conn.Changes(); deleted > 0 {
			delete(w.ticks, id)
			w.logged += 48 * deleted
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
	first, end, _ := bounds(store.Range{From: from, To: to})
	at, seq, n := first, int64(math.MinInt64), int64(-1) // the last that was read
	page := make([]market.Tick, 0, tickPage)
	for {
		page = page[:0]
		err := s.read(ctx, "read ticks of "+string(key), func(conn *conn) error {
			id, err := seriesID(conn, key)
			if err != nil || id == 0 {
				return err
			}
			return each(conn, sqlTicks, func(r *sqlite.Stmt) bool {
				at, seq, n = r.ColumnInt64(0), r.ColumnInt64(1), r.ColumnInt64(2)
				page = append(page, market.Tick{Time: market.Time(at), Seq: uint64(seq), Price: r.ColumnFloat(3), Size: r.ColumnFloat(4)})
				return true
			}, id, at, seq, n, end, tickPage)
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
