package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// DocumentKinds lists the kinds of documents. See store.Copier.
func (s *Store) DocumentKinds(ctx context.Context) (kinds []string, err error) {
	err = s.read(ctx, "list the kinds of documents", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT DISTINCT kind FROM document ORDER BY kind")
		if err != nil {
			return err
		}
		kinds, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return kinds, err
}

// Stamps returns rows of the clock. See store.Copier.
func (s *Store) Stamps(ctx context.Context, after market.Time, limit int) (list []store.Stamp, err error) {
	err = s.read(ctx, "read the clock", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT at, seq FROM clock WHERE at > $1 ORDER BY at LIMIT $2", int64(after), limit)
		if err != nil {
			return err
		}
		var at, seq int64
		_, err = pgx.ForEachRow(rows, []any{&at, &seq}, func() error {
			list = append(list, store.Stamp{At: market.Time(at), Seq: uint64(seq)})
			return nil
		})
		return err
	})
	return list, err
}

// Candles returns stored candles. See store.Copier.
func (s *Store) Candles(ctx context.Context, key market.SeriesID, after store.Candle, limit int) (list []store.Candle, state *store.RollState, err error) {
	err = s.read(ctx, "read the candles of "+string(key), func(tx pgx.Tx) error {
		id, _, _, err := readRoll(ctx, tx, key)
		if err != nil {
			return err
		}
		var to, kept, trimmed int64
		var body []byte
		err = tx.QueryRow(ctx, "SELECT rolled_to, kept_from, trimmed, body FROM rollup_state WHERE series = $1", id).Scan(&to, &kept, &trimmed, &body)
		switch {
		case err == nil:
			state = &store.RollState{To: market.Time(to), Kept: market.Time(kept), Trimmed: uint64(trimmed), Body: string(body)}
		case !errors.Is(err, pgx.ErrNoRows):
			return err
		}
		rows, err := tx.Query(ctx, "SELECT minutes, start, open, high, low, close, volume, trades FROM rollup WHERE series = $1 AND (minutes, start) > ($2::bigint, $3::bigint) ORDER BY minutes, start LIMIT $4",
			id, after.Minutes, after.Start, limit)
		if err != nil {
			return err
		}
		var k store.Candle
		_, err = pgx.ForEachRow(rows, []any{&k.Minutes, &k.Start, &k.Open, &k.High, &k.Low, &k.Close, &k.Volume, &k.Trades}, func() error {
			list = append(list, k)
			return nil
		})
		return err
	})
	return list, state, err
}

// Receive puts in what another store holds. See store.Copier.
func (s *Store) Receive(ctx context.Context, b store.Batch) error {
	type ready struct {
		step  store.Step
		facts []facts
		bad   error
	}
	steps := make([]ready, len(b.Events))
	for i := range b.Events {
		if e := b.Events[i].Entry; e != nil {
			r := &steps[i]
			r.step = store.Step{Series: b.Events[i].Series, Entries: []ledger.Sealed{*e}}
			r.facts, r.bad = prepare(&r.step)
		} else if err := checkBar(b.Events[i].Bar); err != nil {
			return err
		}
	}
	return s.write(ctx, "receive a part of another store", func(ctx context.Context, w *writer) error {
		w.receiving, w.wrote = true, true
		var bars []store.BarRecord
		for i := range b.Events {
			if b.Events[i].Bar != nil {
				bars = append(bars, *b.Events[i].Bar)
			}
		}
		if err := w.lookUp(ctx, bars); err != nil {
			return err
		}
		for i := range b.Events {
			item := &b.Events[i]
			if item.Seq <= w.lastEvent {
				return fmt.Errorf("%w: event %d does not follow event %d", store.ErrConflict, item.Seq, w.lastEvent)
			}
			w.lastEvent = item.Seq - 1
			var seq uint64
			c, err := w.chain(ctx, item.Series)
			switch r := &steps[i]; {
			case err != nil:
			case item.Entry == nil:
				seq, err = w.putBar(ctx, item.Bar)
			default:
				r.step.Cursor = c.cursor
				seq, err = w.putStep(ctx, &r.step, r.facts, r.bad)
			}
			var r refusal
			if errors.As(err, &r) {
				err = r.error
			}
			if err == nil && seq != item.Seq {
				err = fmt.Errorf("%w: event %d was not kept", store.ErrConflict, item.Seq)
			}
			if err != nil {
				return err
			}
		}
		return w.receiveRest(ctx, &b)
	})
}

// receiveRest puts in what are no events.
func (w *writer) receiveRest(ctx context.Context, b *store.Batch) error {
	var q pgx.Batch
	for _, t := range b.Stamps {
		if err := w.makePart(ctx, "clock", int64(t.At)); err != nil {
			return err
		}
		q.Queue("INSERT INTO clock (at, seq) VALUES ($1, $2)", int64(t.At), int64(t.Seq))
	}
	for i := range b.Actions {
		a := &b.Actions[i]
		q.Queue("INSERT INTO action (num, instrument, ex, kind, value, source, at, after) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
			int64(a.Num), a.Instrument, int64(a.Ex), string(a.Kind), max(a.Ratio, a.Amount), a.Source, int64(a.At), int64(a.After))
	}
	for i := range b.Rejects {
		r := &b.Rejects[i]
		digest := rejectDigest(&r.Reject)
		q.Queue("INSERT INTO quarantine (num, digest, at, source, instrument, line, raw, reason) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
			int64(r.Num), digest[:16], int64(r.At), []byte(r.Source), []byte(r.Instrument), int64(r.Line), []byte(r.Raw), []byte(r.Reason))
	}
	for table, n := range map[string]int{"action": len(b.Actions), "quarantine": len(b.Rejects)} {
		if n > 0 { // the next number is after all that came
			q.Queue(fmt.Sprintf("SELECT setval(pg_get_serial_sequence('%[1]s', 'num'), (SELECT max(num) FROM %[1]s))", table))
		}
	}
	if s := b.State; s != nil {
		c, err := w.chain(ctx, s.Series)
		if err != nil {
			return err
		}
		w.move(c)
		c.cursor, c.scoreRevision = s.Cursor, s.ScoreRevision
		delete(w.ids, s.Series) // to read its candles anew
		for i := range b.Candles {
			k := &b.Candles[i]
			q.Queue(`INSERT INTO rollup (series, minutes, start, open, high, low, close, volume, trades) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
				ON CONFLICT (series, minutes, start) DO UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume, trades = excluded.trades`,
				c.series, int32(k.Minutes), int32(k.Start), k.Open, k.High, k.Low, k.Close, k.Volume, k.Trades)
		}
		if r := s.Roll; r != nil {
			q.Queue(`INSERT INTO rollup_state (series, rolled_to, kept_from, trimmed, body) VALUES ($1, $2, $3, $4, $5)
				ON CONFLICT (series) DO UPDATE SET rolled_to = excluded.rolled_to, kept_from = excluded.kept_from, trimmed = excluded.trimmed, body = excluded.body`,
				c.series, int64(r.To), int64(r.Kept), int64(r.Trimmed), []byte(r.Body))
		}
	}
	if q.Len() == 0 {
		return nil
	}
	return w.tx.SendBatch(ctx, &q).Close()
}
