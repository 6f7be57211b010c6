package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
)

// Inspect describes the database at address, whatever the version of its schema, beside the
// process that may be writing to it. The error wraps store.ErrNotFound when the database
// holds nothing of Foretick's.
func Inspect(ctx context.Context, address string) (store.Info, error) {
	return current.inspect(ctx, address)
}

func (s schema) inspect(ctx context.Context, address string) (info store.Info, err error) {
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		return info, errAddress
	}
	at := &Store{name: nameOf(cfg)}
	settle(cfg)
	info = store.Info{Kind: "postgres", Place: at.name, Newest: int(s.newest)}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return info, at.wrap("connect", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	err = pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return inspect(ctx, tx, &info)
	})
	return info, at.wrap("look at it", err)
}

func inspect(ctx context.Context, tx pgx.Tx, info *store.Info) error {
	have, err := versionOf(ctx, tx)
	if err != nil {
		return err
	}
	info.Version = int(have)
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil { // counting may take its time
		return err
	}
	// Chunks of a hypertable are in another schema; they are its heirs, as partitions are.
	err = tx.QueryRow(ctx, `WITH RECURSIVE t AS (
			SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
			UNION SELECT inhrelid FROM pg_inherits JOIN t ON inhparent = t.oid)
		SELECT 'PostgreSQL ' || current_setting('server_version'), epoch, last_event, (SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM t)
		FROM meta WHERE id = 1`).Scan(&info.Engine, &info.Epoch, &info.LastEvent, &info.Bytes)
	if err != nil {
		return err
	}
	c := &info.Counts
	for _, t := range []struct {
		table string
		n     *int64
	}{
		{"series", &c.Series}, {"bar", &c.Bars}, {"bar_revision", &c.Revisions}, {"ledger", &c.Entries}, {"score", &c.Scores},
		{"document", &c.Documents}, {"quarantine", &c.Rejects}, {"action", &c.Actions},
	} {
		var there bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", t.table).Scan(&there); err != nil {
			return err
		}
		if !there {
			continue
		}
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+t.table).Scan(t.n); err != nil {
			return err
		}
	}
	return nil
}
