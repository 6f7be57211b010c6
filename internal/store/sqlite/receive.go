package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// DocumentKinds lists the kinds of documents. See store.Copier.
func (s *Store) DocumentKinds(ctx context.Context) (kinds []string, err error) {
	err = s.read(ctx, "list the kinds of documents", func(conn *conn) error {
		return each(conn, sqlKinds, func(r *sqlite.Stmt) bool { kinds = append(kinds, r.ColumnText(0)); return true })
	})
	return kinds, err
}

// Stamps returns rows of the clock. See store.Copier.
func (s *Store) Stamps(ctx context.Context, after market.Time, limit int) (list []store.Stamp, err error) {
	err = s.read(ctx, "read the clock", func(conn *conn) error {
		return each(conn, sqlStamps, func(r *sqlite.Stmt) bool {
			list = append(list, store.Stamp{At: market.Time(r.ColumnInt64(0)), Seq: uint64(r.ColumnInt64(1))})
			return true
		}, int64(after), limit)
	})
	return list, err
}

// Candles returns stored candles. See store.Copier.
func (s *Store) Candles(ctx context.Context, key market.SeriesID, after store.Candle, limit int) (list []store.Candle, state *store.RollState, err error) {
	err = s.read(ctx, "read the candles of "+string(key), func(conn *conn) error {
		id, err := registered(conn, key)
		if err != nil {
			return err
		}
		err = each(conn, sqlRoll, func(r *sqlite.Stmt) bool {
			state = &store.RollState{To: market.Time(r.ColumnInt64(0)), Kept: market.Time(r.ColumnInt64(1)), Trimmed: uint64(r.ColumnInt64(2)), Body: string(column(r, 3, nil))}
			return true
		}, id)
		if err != nil {
			return err
		}
		return each(conn, sqlCandlesAfter, func(r *sqlite.Stmt) bool {
			list = append(list, store.Candle{Minutes: r.ColumnInt64(0), Start: r.ColumnInt64(1), Open: r.ColumnFloat(2), High: r.ColumnFloat(3), Low: r.ColumnFloat(4),
				Close: r.ColumnFloat(5), Volume: r.ColumnFloat(6), Trades: r.ColumnInt64(7)})
			return true
		}, id, after.Minutes, after.Start, limit)
	})
	return list, state, err
}

// Receive puts in what another store holds. See store.Copier.
func (s *Store) Receive(ctx context.Context, b store.Batch) error {
	ready := make([]step, len(b.Events))
	for i := range b.Events {
		if e := b.Events[i].Entry; e != nil {
			ready[i] = prepare(&store.Step{Series: b.Events[i].Series, Entries: []ledger.Sealed{*e}})
		} else if err := checkBar(b.Events[i].Bar); err != nil {
			return err
		}
	}
	return s.write(ctx, "receive a part of another store", func(w *writer) error {
		w.receiving, w.wrote = true, true
		for i := range b.Events {
			if err := w.receive(&b.Events[i], &ready[i]); err != nil {
				return err
			}
		}
		for _, t := range b.Stamps {
			if err := exec(w.conn, sqlStamp, int64(t.At), int64(t.Seq)); err != nil {
				return err
			}
			w.stampKnown = false
		}
		for i := range b.Actions {
			a := &b.Actions[i]
			if err := exec(w.conn, sqlPutAction, int64(a.Num), a.Instrument, int64(a.Ex), string(a.Kind), max(a.Ratio, a.Amount), a.Source, int64(a.At), int64(a.After)); err != nil {
				return err
			}
		}
		for i := range b.Rejects {
			r := &b.Rejects[i]
			digest := rejectDigest(&r.Reject)
			if err := exec(w.conn, sqlPutReject, int64(r.Num), digest[:16], int64(r.At), r.Source, r.Instrument, r.Line, []byte(r.Raw), r.Reason); err != nil {
				return err
			}
		}
		if b.State == nil {
			return nil
		}
		return w.receiveState(b.State, b.Candles)
	})
}

// receive puts in an event under its number.
func (w *writer) receive(item *store.Item, s *step) error {
	last, err := w.nextEvent()
	if err != nil {
		return err
	}
	if item.Seq < last {
		return fmt.Errorf("%w: event %d does not follow event %d", store.ErrConflict, item.Seq, last-1)
	}
	w.lastEvent = item.Seq - 1
	var seq uint64
	if item.Entry == nil {
		seq, err = w.putBar(item.Bar)
	} else {
		var id int64
		if id, err = w.id(item.Series); err != nil {
			return err
		}
		c, cerr := w.chain(id)
		if cerr != nil {
			return cerr
		}
		s.Cursor = c.cursor
		seq, err = w.putStep(s)
	}
	var r refusal
	if errors.As(err, &r) {
		err = r.error
	}
	if err == nil && seq != item.Seq {
		err = fmt.Errorf("%w: event %d was not kept", store.ErrConflict, item.Seq)
	}
	return err
}

// receiveState puts in where a series stands, with candles.
func (w *writer) receiveState(s *store.SeriesState, candles []store.Candle) error {
	id, err := w.id(s.Series)
	if err != nil {
		return err
	}
	c, err := w.chain(id)
	if err != nil {
		return err
	}
	w.move(c)
	c.cursor, c.scoreRevision, c.roll = s.Cursor, s.ScoreRevision, nil
	for i := range candles {
		k := &candles[i]
		if err := exec(w.conn, sqlPutCandle, id, k.Minutes, k.Start, k.Open, k.High, k.Low, k.Close, k.Volume, k.Trades); err != nil {
			return err
		}
	}
	if s.Roll == nil {
		return nil
	}
	return exec(w.conn, sqlPutRoll, id, int64(s.Roll.To), int64(s.Roll.Kept), int64(s.Roll.Trimmed), []byte(s.Roll.Body))
}
