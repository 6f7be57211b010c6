package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
)

const adviceRestore = "stop Foretick, keep what is there, and restore the last backup (pg_restore, or the base backup)"

// sanity are statements that return a text for each thing that is wrong.
var sanity = []struct{ where, query string }{
	{"chain", `SELECT format('%s: %s entries are stored, the newest has number %s, the chain has %s', s.key, count(l.num), coalesce(max(l.num), 0), c.head_num)
		FROM series s JOIN chain c ON c.series = s.id LEFT JOIN ledger l ON l.series = s.id
		GROUP BY s.key, c.head_num HAVING count(l.num) <> c.head_num OR coalesce(max(l.num), 0) <> c.head_num`},
	{"chain", `SELECT format('%s has no chain', key) FROM series WHERE id NOT IN (SELECT series FROM chain)`},
	{"bar", `SELECT format('%s: bar %s has no event %s', series, start, seq) FROM (SELECT series, start, seq FROM bar UNION ALL SELECT series, start, seq FROM bar_revision) b
		WHERE NOT EXISTS (SELECT FROM event e WHERE e.seq = b.seq AND e.series = b.series AND e.start = b.start) LIMIT 20`},
	{"event", `SELECT format('event %s has no bar', seq) FROM event e
		WHERE NOT EXISTS (SELECT FROM bar b WHERE b.series = e.series AND b.start = e.start AND b.seq = e.seq) AND NOT EXISTS (SELECT FROM bar_revision r WHERE r.seq = e.seq) LIMIT 20`},
	{"event", `SELECT format('event %s is a bar and an entry', seq) FROM event JOIN ledger USING (seq) LIMIT 20`},
	{"meta", `SELECT format('the newest event has number %s, %s is on record', n, last_event)
		FROM meta, (SELECT greatest((SELECT max(seq) FROM event), (SELECT max(seq) FROM ledger), 0) AS n) x WHERE n > last_event`},
	{"ledger, bar, score", `SELECT format('%s rows belong to no series', count(*)) FROM
		(SELECT DISTINCT series FROM ledger UNION SELECT DISTINCT series FROM bar UNION SELECT DISTINCT series FROM score) x
		WHERE series NOT IN (SELECT id FROM series) HAVING count(*) > 0`},
	{"score", `SELECT format('%s: there is a score of target %s, the newest on record is %s', s.key, max(target), c.scored_to)
		FROM score JOIN series s ON s.id = score.series JOIN chain c ON c.series = s.id GROUP BY s.key, c.scored_to HAVING max(target) > c.scored_to`},
}

// CheckStorage looks for rows without counterparts, and has the extension amcheck look at
// the indexes where it is installed. See store.Checker.
func (s *Store) CheckStorage(ctx context.Context, report func(store.Fault)) error {
	return s.read(ctx, "check it", func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL statement_timeout = 0"); err != nil { // it may take its time
			return err
		}
		if err := amcheck(ctx, tx, report); err != nil {
			return err
		}
		for _, c := range sanity {
			rows, err := tx.Query(ctx, c.query)
			if err != nil {
				return err
			}
			var what string
			if _, err := pgx.ForEachRow(rows, []any{&what}, func() error {
				report(store.Fault{Where: "table " + c.where, What: what, Advice: adviceRestore})
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

// amcheck has every index of the schema checked against its table, when the extension is
// there and this user may use it.
func amcheck(ctx context.Context, tx pgx.Tx, report func(store.Fault)) error {
	var schema string
	err := tx.QueryRow(ctx, `SELECT coalesce((SELECT quote_ident(n.nspname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE p.proname = 'bt_index_check' AND has_function_privilege(p.oid, 'EXECUTE') LIMIT 1), '')`).Scan(&schema)
	if err != nil || schema == "" {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT c.oid::bigint, c.relname FROM pg_class c JOIN pg_am a ON a.oid = c.relam
		WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'i' AND a.amname = 'btree' ORDER BY c.relname`)
	if err != nil {
		return err
	}
	type index struct {
		OID  int64
		Name string
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[index])
	if err != nil {
		return err
	}
	for _, i := range list {
		point, err := tx.Begin(ctx) // a savepoint: a fault found is an error of the statement
		if err != nil {
			return err
		}
		_, bad := point.Exec(ctx, fmt.Sprintf("SELECT %s.bt_index_check($1::bigint::oid::regclass, true)", schema), i.OID)
		if err := point.Rollback(ctx); err != nil {
			return err
		}
		if bad != nil {
			report(store.Fault{Where: "index " + i.Name, What: bad.Error(), Advice: "REINDEX INDEX " + i.Name + ", then check again; if it persists, restore the last backup"})
		}
	}
	return nil
}
