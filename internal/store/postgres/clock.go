package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// sqlLast is the number of the last event and when the last commit was.
const sqlLast = "SELECT last_event, (SELECT coalesce(max(at), 0) FROM clock) FROM meta WHERE id = 1 AND owner = $1 FOR UPDATE"

// SeqAt is the number of the last event committed at or before at. See store.Clock.
func (s *Store) SeqAt(ctx context.Context, at market.Time) (seq uint64, err error) {
	err = s.read(ctx, "tell what was known at "+at.String(), func(tx pgx.Tx) error {
		var n int64
		err := tx.QueryRow(ctx, "SELECT seq FROM clock WHERE at <= $1 ORDER BY at DESC LIMIT 1", int64(at)).Scan(&n)
		if seq = uint64(n); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		early := &store.TooEarly{}
		err = tx.QueryRow(ctx, "SELECT at FROM clock ORDER BY at LIMIT 1").Scan((*int64)(&early.From))
		if err == nil || errors.Is(err, pgx.ErrNoRows) {
			err = early
		}
		return err
	})
	return seq, err
}
