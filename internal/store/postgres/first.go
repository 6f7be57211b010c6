package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
)

// prepareSchema makes ready for migrations of a database that has version have: nobody else may be
// writing, and tables of the first layout, which were not partitioned, are brought to the
// present one. The versions 1 to 3 existed in both layouts.
func prepareSchema(ctx context.Context, cfg *pgx.ConnConfig, have int64) (err error) {
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	var plain bool
	err = conn.QueryRow(ctx, `SELECT coalesce((SELECT count(*) = 1 FROM pg_index i, unnest(i.indkey) WHERE i.indisprimary AND i.indrelid = to_regclass('bar_revision')), false)`).Scan(&plain)
	if err != nil || !plain && have == newestVersion() {
		return err
	}
	var got bool
	if err := conn.QueryRow(ctx, sqlLock, int32(lockKey&0x7fffffff)).Scan(&got); err != nil {
		return err
	}
	if !got {
		return fmt.Errorf("%w: its schema is to be brought up to date, but a Foretick writes to it; stop that one first", store.ErrLocked)
	}
	if plain {
		err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return partitionAll(ctx, tx) })
	}
	_, free := conn.Exec(context.WithoutCancel(ctx), sqlUnlock, int32(lockKey&0x7fffffff))
	return errors.Join(err, free)
}

// firstTables are the statements of version 1 that make the tables that grow.
var firstTables = regexp.MustCompile(`(?ms)^CREATE (TABLE (bar|event|ledger|score) \(.*?^\)[^;]*;|TABLE bar_revision [^;]*;|INDEX \w+ ON (bar|bar_revision|ledger|event|score) [^;]*;)`)

// partitionAll puts what plain tables hold into partitioned ones.
func partitionAll(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil {
		return err
	}
	first, err := migrations.ReadFile("migrations/00001_init.sql")
	if err != nil {
		return err
	}
	statements := firstTables.FindAllString(string(first), -1)
	tables := []string{"bar", "bar_revision", "event", "ledger", "score"}
	var clock bool
	if err := tx.QueryRow(ctx, "SELECT to_regclass('clock') IS NOT NULL").Scan(&clock); err != nil {
		return err
	}
	if clock {
		tables = append(tables, "clock")
		statements = append(statements, "CREATE TABLE clock (at bigint PRIMARY KEY, seq bigint NOT NULL) PARTITION BY RANGE (at)")
	}
	for _, t := range tables {
		// Names of indexes are taken for as long as the table is there.
		if _, err := tx.Exec(ctx, fmt.Sprintf("CREATE TABLE old_%[1]s AS TABLE %[1]s; DROP TABLE %[1]s", t), pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, strings.Join(statements, "\n"), pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	w := &writer{tx: tx, parts: map[string]*parts{}}
	columns := map[string]string{"bar": "start", "bar_revision": "start", "event": "seq", "ledger": "seq", "score": "target", "clock": "at"}
	for _, t := range tables {
		if err := w.makeAllParts(ctx, t, "old_"+t, columns[t]); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, fmt.Sprintf("INSERT INTO %[1]s SELECT * FROM old_%[1]s; DROP TABLE old_%[1]s", t), pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return nil
}

// makeAllParts makes the partitions of a table for all that another one holds.
func (w *writer) makeAllParts(ctx context.Context, table, from, column string) error {
	for next := int64(math.MinInt64); ; {
		var value *int64
		if err := w.tx.QueryRow(ctx, fmt.Sprintf("SELECT min(%s) FROM %s WHERE %[1]s >= $1", column, from), next).Scan(&value); err != nil || value == nil {
			return err
		}
		if err := w.makePart(ctx, table, *value); err != nil {
			return err
		}
		if next = w.parts[table].current.to; next == math.MaxInt64 {
			return nil
		}
	}
}
