package sqlite

import (
	"context"
	"fmt"
	"math"

	"zombiezen.com/go/sqlite"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// PutActions adds what is new of actions. See store.ActionStore.
func (s *Store) PutActions(ctx context.Context, instrument string, at market.Time, actions ...market.Action) (kept int, err error) {
	op := "keep actions of " + instrument
	for i := range actions {
		if err := actions[i].Validate(); err != nil {
			return 0, fmt.Errorf("%s: %w", op, err)
		}
	}
	if len(actions) == 0 {
		return 0, ctx.Err()
	}
	err = s.write(ctx, op, func(w *writer) error {
		kept = 0
		known, err := readActions(w.conn, sqlActions, instrument)
		if err != nil {
			return err
		}
		last := w.lastEvent
		if last == 0 {
			if last, err = lastEvent(w.conn); err != nil {
				return err
			}
		}
		for _, a := range store.NewActions(known, actions) {
			w.wrote = true
			value := a.Ratio
			if a.Kind == market.Dividend {
				value = a.Amount
			}
			if err := exec(w.conn, sqlAddAction, instrument, int64(a.Ex), string(a.Kind), value, a.Source, int64(at), int64(last)); err != nil {
				return err
			}
			kept++
		}
		return nil
	})
	if err != nil {
		kept = 0
	}
	return kept, err
}

// readActions reads records; query has the parameters args.
func readActions(conn *conn, query string, args ...any) (list []store.ActionRecord, err error) {
	err = each(conn, query, func(r *sqlite.Stmt) bool {
		a := store.ActionRecord{Num: uint64(r.ColumnInt64(0)), Instrument: r.ColumnText(1), At: market.Time(r.ColumnInt64(6)), After: uint64(r.ColumnInt64(7)),
			Action: market.Action{Ex: market.Time(r.ColumnInt64(2)), Kind: market.ActionKind(r.ColumnText(3)), Source: r.ColumnText(5)}}
		if v := r.ColumnFloat(4); a.Kind == market.Split {
			a.Ratio = v
		} else {
			a.Amount = v
		}
		list = append(list, a)
		return true
	}, args...)
	return list, err
}

// Actions returns the actions that stand. See store.ActionStore.
func (s *Store) Actions(ctx context.Context, instrument string) (list []market.Action, err error) {
	err = s.read(ctx, "read actions of "+instrument, func(conn *conn) error {
		records, err := readActions(conn, sqlActions, instrument)
		list = store.StandingActions(records, 0)
		return err
	})
	return list, err
}

// ActionLog returns records in order. See store.ActionStore.
func (s *Store) ActionLog(ctx context.Context, after uint64, limit int) (list []store.ActionRecord, err error) {
	if after > math.MaxInt64 || limit <= 0 {
		return nil, ctx.Err()
	}
	err = s.read(ctx, "read actions", func(conn *conn) error {
		list, err = readActions(conn, sqlActionLog, int64(after), limit)
		return err
	})
	return list, err
}
