package postgres

import (
	"context"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

const selectActions = "SELECT num, instrument, ex, kind, value, source, at, after FROM action "

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
	err = s.write(ctx, op, func(ctx context.Context, w *writer) error {
		kept = 0
		known, err := readActions(ctx, w.tx, selectActions+"WHERE instrument = $1 ORDER BY num", instrument)
		if err != nil {
			return err
		}
		for _, a := range store.NewActions(known, actions) {
			w.wrote = true
			value := a.Ratio
			if a.Kind == market.Dividend {
				value = a.Amount
			}
			if _, err := w.tx.Exec(ctx, "INSERT INTO action (instrument, ex, kind, value, source, at, after) VALUES ($1, $2, $3, $4, $5, $6, $7)",
				instrument, int64(a.Ex), string(a.Kind), value, a.Source, int64(at), int64(w.lastEvent)); err != nil {
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

func readActions(ctx context.Context, tx pgx.Tx, query string, args ...any) (list []store.ActionRecord, err error) {
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	var num, ex, at, after int64
	var instrument, kind, source string
	var value float64
	_, err = pgx.ForEachRow(rows, []any{&num, &instrument, &ex, &kind, &value, &source, &at, &after}, func() error {
		r := store.ActionRecord{Num: uint64(num), Instrument: instrument, At: market.Time(at), After: uint64(after),
			Action: market.Action{Ex: market.Time(ex), Kind: market.ActionKind(kind), Source: source}}
		if r.Kind == market.Split {
			r.Ratio = value
		} else {
			r.Amount = value
		}
		list = append(list, r)
		return nil
	})
	return list, err
}

// Actions returns the actions that stand. See store.ActionStore.
func (s *Store) Actions(ctx context.Context, instrument string) (list []market.Action, err error) {
	err = s.read(ctx, "read actions of "+instrument, func(tx pgx.Tx) error {
		records, err := readActions(ctx, tx, selectActions+"WHERE instrument = $1 ORDER BY num", instrument)
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
	err = s.read(ctx, "read actions", func(tx pgx.Tx) error {
		list, err = readActions(ctx, tx, selectActions+"WHERE num > $1 ORDER BY num LIMIT $2", int64(after), limit)
		return err
	})
	return list, err
}
