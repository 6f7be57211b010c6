package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/rollup"
	"github.com/foretick/foretick/market"
)

// source reads bars and candles of one series.
type source struct {
	conn   *conn
	series int64
}

func (s source) Bars(from, to market.Time, limit int) (bars []market.Bar, err error) {
	err = each(s.conn, sqlBars, func(r *sqlite.Stmt) bool { bars = append(bars, scanPlainBar(r)); return true }, s.series, int64(from), int64(to), limit)
	return bars, err
}

func (s source) CountBars(from, to market.Time, limit int) (n int, err error) {
	err = each(s.conn, sqlCountBars, func(r *sqlite.Stmt) bool { n = r.ColumnInt(0); return true }, s.series, int64(from), int64(to), limit)
	return n, err
}

func (s source) Candles(level market.Interval, from, to market.Time) (bars []market.Bar, err error) {
	first, end := rollup.Bounds(from, to)
	err = each(s.conn, sqlCandles, func(r *sqlite.Stmt) bool {
		b := rollup.Of(level, r.ColumnInt64(0))
		b.Open, b.High, b.Low, b.Close, b.Volume = r.ColumnFloat(1), r.ColumnFloat(2), r.ColumnFloat(3), r.ColumnFloat(4), r.ColumnFloat(5)
		b.Trades = r.ColumnInt64(6)
		bars = append(bars, b)
		return true
	}, s.series, rollup.Minutes(level), first, end)
	return bars, err
}

func (s source) CountCandles(level market.Interval, from, to market.Time, limit int) (n int, err error) {
	first, end := rollup.Bounds(from, to)
	err = each(s.conn, sqlCountCandles, func(r *sqlite.Stmt) bool { n = r.ColumnInt(0); return true }, s.series, rollup.Minutes(level), first, end, limit)
	return n, err
}

// readRoll reads how far the candles of a series are.
func readRoll(conn *conn, id int64) (*rollup.Roll, market.Interval, error) {
	var rec store.SeriesRecord
	var bad error
	err := each(conn, sqlRecord, func(r *sqlite.Stmt) bool { bad = json.Unmarshal([]byte(r.ColumnText(0)), &rec); return true }, id)
	if bad != nil {
		err = fmt.Errorf("%w: record of series %d: %w", store.ErrCorrupt, id, bad)
	}
	if err != nil {
		return nil, rec.Interval, err
	}
	roll := rollup.New(rec.Interval)
	err = each(conn, sqlRoll, func(r *sqlite.Stmt) bool {
		roll.To, roll.Kept, roll.Trimmed = market.Time(r.ColumnInt64(0)), market.Time(r.ColumnInt64(1)), uint64(r.ColumnInt64(2))
		bad = roll.Decode(column(r, 3, nil))
		return true
	}, id)
	return roll, rec.Interval, errors.Join(err, bad)
}

// roll finds what c needs to compare bars and to roll them up.
func (w *writer) roll(c *chain) (*rollup.Roll, error) {
	if c.roll != nil {
		return c.roll, nil
	}
	c.newestBar = int64(market.MinTime)
	err := each(w.conn, sqlLastStart, func(r *sqlite.Stmt) bool {
		if !r.ColumnIsNull(0) {
			c.newestBar = r.ColumnInt64(0)
		}
		return true
	}, c.series)
	if err != nil {
		return nil, err
	}
	roll, _, err := readRoll(w.conn, c.series)
	if err == nil {
		c.roll = roll
	}
	return roll, err
}

// rollBar takes up a bar that was put in.
func (c *chain) rollBar(b *market.Bar, receiving bool) {
	switch {
	case receiving: // candles come along
	case b.Start <= c.roll.To:
		c.roll.Mark(b.Start)
	case c.newestBar <= int64(c.roll.To):
		c.roll.Add(b)
	}
	// Otherwise candles of older bars are missing: RollUp will come to this one.
	c.newestBar = max(c.newestBar, int64(b.Start))
}

// writeRoll writes what has changed in the candles of c.
func (w *writer) writeRoll(c *chain) error {
	r := c.roll
	if r == nil || !r.Moved() || len(r.Levels()) == 0 {
		return nil
	}
	put := func(candle rollup.Candle) error {
		minutes, at := rollup.Key(r.Levels()[candle.Level], candle.Start)
		w.logged += 64
		return exec(w.conn, sqlPutCandle, c.series, minutes, at, candle.Open, candle.High, candle.Low, candle.Close, candle.Volume, candle.Trades)
	}
	if err := r.Mend(source{w.conn, c.series}, put); err != nil {
		return err
	}
	for _, candle := range r.File(c.series) {
		if err := put(candle); err != nil {
			return err
		}
	}
	w.buf = r.Encode(w.buf[:0])
	return exec(w.conn, sqlPutRoll, c.series, int64(r.To), int64(r.Kept), int64(r.Trimmed), w.buf)
}

// Chart reads a series at the width of a chart. See store.ChartReader.
func (s *Store) Chart(ctx context.Context, key market.SeriesID, from, to market.Time, most int) (i market.Interval, bars []market.Bar, err error) {
	err = s.read(ctx, "read a chart of "+string(key), func(conn *conn) error {
		id, err := registered(conn, key)
		if err != nil {
			return err
		}
		r, base, err := readRoll(conn, id)
		if err != nil {
			return err
		}
		first, end, _ := bounds(store.Range{From: from, To: to})
		i, bars, err = r.Chart(source{conn, id}, base, market.Time(first), market.Time(end), most)
		return err
	})
	return i, bars, err
}

// registered finds the number of a series, ErrNotFound when it has none.
func registered(conn *conn, key market.SeriesID) (int64, error) {
	id, err := seriesID(conn, key)
	if err == nil && id == 0 {
		err = fmt.Errorf("%w: series %s is not registered", store.ErrNotFound, key)
	}
	return id, err
}

// RollUp takes bars into the candles that are not in them yet. See store.Keeper.
func (s *Store) RollUp(ctx context.Context, key market.SeriesID, limit int) (rolled int, err error) {
	err = s.write(ctx, "roll up "+string(key), func(w *writer) error {
		rolled = 0
		c, r, err := w.rolled(key)
		if err != nil || len(r.Levels()) == 0 || int64(r.To) >= c.newestBar {
			return err
		}
		w.move(c)
		rolled, err = r.Catch(source{w.conn, c.series}, limit)
		return err
	})
	return rolled, err
}

func (w *writer) rolled(key market.SeriesID) (*chain, *rollup.Roll, error) {
	id, err := w.id(key)
	if err != nil {
		return nil, nil, err
	}
	c, err := w.chain(id)
	if err != nil {
		return nil, nil, err
	}
	r, err := w.roll(c)
	return c, r, err
}

// placeRows is the number of rows of bar_place that one DeleteBars looks at.
const placeRows = 16

// DeleteBars deletes old bars. See store.Keeper. The pages that become free are used
// again; the file does not shrink.
func (s *Store) DeleteBars(ctx context.Context, key market.SeriesID, before market.Time, limit int) (deleted int, err error) {
	err = s.write(ctx, "delete old bars of "+string(key), func(w *writer) error {
		deleted = 0
		c, r, err := w.rolled(key)
		if err != nil {
			return err
		}
		if !r.KeepFrom(before) {
			return nil
		}
		if r.Moved() {
			w.move(c)
		}
		var last int64
		var events []int64
		err = each(w.conn, sqlOldBars, func(row *sqlite.Stmt) bool {
			last = row.ColumnInt64(0)
			events = append(events, row.ColumnInt64(1))
			return true
		}, c.series, int64(r.Kept), limit)
		if deleted = len(events); err != nil || deleted == 0 {
			return err
		}
		w.move(c)
		if err := each(w.conn, sqlOldRevisions, func(row *sqlite.Stmt) bool { events = append(events, row.ColumnInt64(0)); return true }, c.series, last); err != nil {
			return err
		}
		for _, seq := range events {
			r.Trimmed = max(r.Trimmed, uint64(seq))
			if err := exec(w.conn, sqlDelEvent, seq); err != nil {
				return err
			}
		}
		w.logged += 128 * len(events)
		for _, query := range []string{sqlDelRevisions, sqlDelBars} {
			if err := exec(w.conn, query, c.series, last); err != nil {
				return err
			}
		}
		return w.deletePlaces(c)
	})
	return deleted, err
}

// deletePlaces deletes the oldest rows of places in which there are only deleted bars.
func (w *writer) deletePlaces(c *chain) error {
	last, gone := int64(0), true
	var list []place
	var bad error
	err := each(w.conn, sqlFirstPlaces, func(r *sqlite.Stmt) bool {
		list, bad = readPlaces(list[:0], column(r, 1, nil))
		for _, p := range list {
			gone = gone && p.time < int64(c.roll.Kept)
		}
		if gone {
			last = r.ColumnInt64(0)
		}
		return gone && bad == nil
	}, c.series, placeRows)
	if err = errors.Join(err, bad); err != nil || last == 0 {
		return err
	}
	return exec(w.conn, sqlDelPlaces, c.series, last)
}

// KeptFrom is the time from which on all bars of a series are kept. See store.Keeper.
func (s *Store) KeptFrom(ctx context.Context, key market.SeriesID) (from market.Time, err error) {
	err = s.read(ctx, "read what is kept of "+string(key), func(conn *conn) error {
		id, err := registered(conn, key)
		if err == nil {
			from, err = keptFrom(conn, id)
		}
		return err
	})
	return from, err
}

func keptFrom(conn *conn, id int64) (from market.Time, err error) {
	from = market.MinTime
	err = each(conn, sqlRoll, func(r *sqlite.Stmt) bool { from = market.Time(r.ColumnInt64(1)); return true }, id)
	return from, err
}
