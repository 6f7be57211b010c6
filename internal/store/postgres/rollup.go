package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/rollup"
	"github.com/foretick/foretick/market"
)

// source reads bars and candles of one series.
type source struct {
	ctx    context.Context // of the transaction
	tx     pgx.Tx
	series int32
}

func (s source) Bars(from, to market.Time, limit int) ([]market.Bar, error) {
	return readBars(s.ctx, s.tx, limit, sqlPlainBar+" FROM bar WHERE series = $1 AND start >= $2 AND start < $3 ORDER BY start LIMIT $4", s.series, int64(from), int64(to), limit)
}

func (s source) CountBars(from, to market.Time, limit int) (n int, err error) {
	err = s.tx.QueryRow(s.ctx, "SELECT count(*) FROM (SELECT FROM bar WHERE series = $1 AND start >= $2 AND start < $3 LIMIT $4) b", s.series, int64(from), int64(to), limit).Scan(&n)
	return n, err
}

func (s source) Candles(level market.Interval, from, to market.Time) (bars []market.Bar, err error) {
	first, end := rollup.Bounds(from, to)
	rows, err := s.tx.Query(s.ctx, "SELECT start, open, high, low, close, volume, trades FROM rollup WHERE series = $1 AND minutes = $2 AND start >= $3::bigint AND start < $4::bigint ORDER BY start",
		s.series, rollup.Minutes(level), first, end)
	if err != nil {
		return nil, err
	}
	var at int64
	var b market.Bar
	_, err = pgx.ForEachRow(rows, []any{&at, &b.Open, &b.High, &b.Low, &b.Close, &b.Volume, &b.Trades}, func() error {
		span := rollup.Of(level, at)
		b.Start, b.End = span.Start, span.End
		bars = append(bars, b)
		return nil
	})
	return bars, err
}

func (s source) CountCandles(level market.Interval, from, to market.Time, limit int) (n int, err error) {
	first, end := rollup.Bounds(from, to)
	err = s.tx.QueryRow(s.ctx, "SELECT count(*) FROM (SELECT FROM rollup WHERE series = $1 AND minutes = $2 AND start >= $3::bigint AND start < $4::bigint LIMIT $5) c",
		s.series, rollup.Minutes(level), first, end, limit).Scan(&n)
	return n, err
}

// readRoll reads how far the candles of a series are; pgx.ErrNoRows when it is not
// registered.
func readRoll(ctx context.Context, q querier, key market.SeriesID) (id int32, r *rollup.Roll, base market.Interval, err error) {
	var text string
	var to, kept, trimmed *int64
	var body []byte
	err = q.QueryRow(ctx, "SELECT id, record, rolled_to, kept_from, trimmed, body FROM series LEFT JOIN rollup_state ON series = id WHERE key = $1", string(key)).
		Scan(&id, &text, &to, &kept, &trimmed, &body)
	if errors.Is(err, pgx.ErrNoRows) {
		err = fmt.Errorf("%w: series %s is not registered", store.ErrNotFound, key)
	}
	if err != nil {
		return 0, nil, base, err
	}
	var rec store.SeriesRecord
	if err := json.Unmarshal([]byte(text), &rec); err != nil {
		return 0, nil, base, fmt.Errorf("%w: record of %s: %w", store.ErrCorrupt, key, err)
	}
	r = rollup.New(rec.Interval)
	if to == nil {
		return id, r, rec.Interval, nil
	}
	r.To, r.Kept, r.Trimmed = market.Time(*to), market.Time(*kept), uint64(*trimmed)
	return id, r, rec.Interval, r.Decode(body)
}

// rollBar takes up a bar that is put in.
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

// writeRolls writes what has changed in the candles of the series that moved; their bars must
// have been put in.
func (w *writer) writeRolls(ctx context.Context) error {
	var states pgx.Batch
	var filed [][]any
	for _, c := range w.moved {
		r := c.roll
		if !r.Moved() || len(r.Levels()) == 0 {
			continue
		}
		row := func(candle rollup.Candle) []any {
			minutes, at := rollup.Key(r.Levels()[candle.Level], candle.Start)
			return []any{c.series, int32(minutes), int32(at), candle.Open, candle.High, candle.Low, candle.Close, candle.Volume, candle.Trades}
		}
		err := r.Mend(source{ctx, w.tx, c.series}, func(candle rollup.Candle) error {
			_, err := w.tx.Exec(ctx, `INSERT INTO rollup (series, minutes, start, open, high, low, close, volume, trades) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
				ON CONFLICT (series, minutes, start) DO UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume, trades = excluded.trades`, row(candle)...)
			return err
		})
		if err != nil {
			return err
		}
		for _, candle := range r.File(int64(c.series)) {
			filed = append(filed, row(candle))
		}
		states.Queue(`INSERT INTO rollup_state (series, rolled_to, kept_from, trimmed, body) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (series) DO UPDATE SET rolled_to = excluded.rolled_to, kept_from = excluded.kept_from, trimmed = excluded.trimmed, body = excluded.body`,
			c.series, int64(r.To), int64(r.Kept), int64(r.Trimmed), r.Encode([]byte{}))
	}
	if len(filed) > 0 {
		columns := []string{"series", "minutes", "start", "open", "high", "low", "close", "volume", "trades"}
		if _, err := w.tx.CopyFrom(ctx, pgx.Identifier{"rollup"}, columns, pgx.CopyFromRows(filed)); err != nil {
			return err
		}
	}
	if states.Len() == 0 {
		return nil
	}
	return w.tx.SendBatch(ctx, &states).Close()
}

// Chart reads a series at the width of a chart. See store.ChartReader.
func (s *Store) Chart(ctx context.Context, key market.SeriesID, from, to market.Time, most int) (i market.Interval, bars []market.Bar, err error) {
	err = s.read(ctx, "read a chart of "+string(key), func(tx pgx.Tx) error {
		id, r, base, err := readRoll(ctx, tx, key)
		if err != nil {
			return err
		}
		first, end, _ := bounds(store.Range{From: from, To: to})
		i, bars, err = r.Chart(source{ctx, tx, id}, base, market.Time(first), market.Time(end), most)
		return err
	})
	return i, bars, err
}

// RollUp takes bars into the candles that are not in them yet. See store.Keeper.
func (s *Store) RollUp(ctx context.Context, key market.SeriesID, limit int) (rolled int, err error) {
	err = s.write(ctx, "roll up "+string(key), func(ctx context.Context, w *writer) error {
		rolled = 0
		c, err := w.chain(ctx, key)
		if err != nil || len(c.roll.Levels()) == 0 || int64(c.roll.To) >= c.newestBar {
			return err
		}
		w.move(c)
		if err := w.land(ctx); err != nil { // bars of this transaction count
			return err
		}
		rolled, err = c.roll.Catch(source{ctx, w.tx, c.series}, limit)
		return err
	})
	return rolled, err
}

// DeleteBars deletes old bars. See store.Keeper. Autovacuum makes their space usable again.
func (s *Store) DeleteBars(ctx context.Context, key market.SeriesID, before market.Time, limit int) (deleted int, err error) {
	err = s.write(ctx, "delete old bars of "+string(key), func(ctx context.Context, w *writer) error {
		deleted = 0
		c, err := w.chain(ctx, key)
		if err != nil || !c.roll.KeepFrom(before) {
			return err
		}
		w.move(c)
		if err := w.land(ctx); err != nil {
			return err
		}
		var last *int64
		var seqs []int64
		err = w.tx.QueryRow(ctx, `
			WITH gone AS (
				DELETE FROM bar WHERE series = $1 AND start IN (SELECT start FROM bar WHERE series = $1 AND start < $2 ORDER BY start LIMIT $3) RETURNING start, seq
			)
			SELECT count(*), max(start), coalesce(array_agg(seq), '{}') FROM gone`, c.series, int64(c.roll.Kept), limit).Scan(&deleted, &last, &seqs)
		if err != nil || deleted == 0 {
			return err
		}
		var older []int64 // what those bars replaced
		err = w.tx.QueryRow(ctx, "WITH gone AS (DELETE FROM bar_revision WHERE series = $1 AND start <= $2 RETURNING seq) SELECT coalesce(array_agg(seq), '{}') FROM gone", c.series, *last).Scan(&older)
		if err != nil {
			return err
		}
		seqs = append(seqs, older...)
		c.roll.Trimmed = max(c.roll.Trimmed, uint64(slices.Max(seqs)))
		_, err = w.tx.Exec(ctx, "DELETE FROM event WHERE seq = ANY($1)", seqs)
		return err
	})
	return deleted, err
}

// KeptFrom is the time from which on all bars of a series are kept. See store.Keeper.
func (s *Store) KeptFrom(ctx context.Context, key market.SeriesID) (from market.Time, err error) {
	err = s.read(ctx, "read what is kept of "+string(key), func(tx pgx.Tx) error {
		_, r, _, err := readRoll(ctx, tx, key)
		if err == nil {
			from = r.Kept
		}
		return err
	})
	return from, err
}
