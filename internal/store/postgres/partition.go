package postgres

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// growing are the tables that grow without end, with the column of a row of COPY by which they
// are partitioned and the partition that a value of it belongs to.
var growing = map[string]struct {
	column int
	part   func(int64) part
}{
	"bar":          {1, partOfTime},
	"bar_revision": {1, partOfTime},
	"score":        {1, partOfTime},
	"clock":        {0, partOfTime},
	"tick":         {1, partOfTime},
	"event":        {0, partOfNumber},
	"ledger":       {0, partOfNumber},
}

// part is a partition: the values from from to to-1. The first has no lower bound and from is
// MinInt64, the last has no upper one and to is MaxInt64.
type part struct {
	suffix   string // of its name
	from, to int64
}

// Times before monthsFrom are partitioned by decades: they are history, and history is of bars of a
// day more often than of a second. Nothing is expected outside of firstYear to lastYear.
const (
	firstYear  = 1900
	monthsFrom = 2020
	lastYear   = 2200
)

// partOfTime is the partition of what is of time t, in microseconds since 1970. It depends on
// nothing else, so that every writer at every time makes the same ones.
func partOfTime(t int64) part {
	at := func(year int, month time.Month) int64 {
		return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	}
	switch {
	case t < at(firstYear, 1):
		return part{"before_1900", math.MinInt64, at(firstYear, 1)}
	case t >= at(lastYear, 1):
		return part{"from_2200", at(lastYear, 1), math.MaxInt64}
	}
	u := time.UnixMicro(t).UTC()
	if u.Year() < monthsFrom {
		decade := u.Year() / 10 * 10
		return part{fmt.Sprintf("%ds", decade), at(decade, 1), at(decade+10, 1)}
	}
	return part{u.Format("2006_01"), at(u.Year(), u.Month()), at(u.Year(), u.Month()+1)}
}

// numberBits is the size of a partition by number: 67 million events, some months of ten
// instruments at one-second bars.
const numberBits = 26

func partOfNumber(n int64) part {
	k := n >> numberBits
	return part{fmt.Sprint(k), k << numberBits, (k + 1) << numberBits}
}

// parts are the partitions that the writer knows of a table.
type parts struct {
	current part // that of the last row
	known   []part
	whole   bool // the table has none: it is a hypertable
}

// makeParts sees to it that there are partitions for rows.
func (w *writer) makeParts(ctx context.Context, table string, rows [][]any) error {
	by, ok := growing[table]
	if !ok {
		return nil
	}
	for _, row := range rows {
		if err := w.makePart(ctx, table, row[by.column].(int64)); err != nil {
			return err
		}
	}
	return nil
}

// makePart sees to it that there is a partition for value. When it is the newest of its table, the
// next one is made ahead.
func (w *writer) makePart(ctx context.Context, table string, value int64) error {
	p := w.parts[table]
	if p != nil && value >= p.current.from && value < p.current.to {
		return nil
	}
	if p == nil {
		p = &parts{}
		if err := p.read(ctx, w.tx, table); err != nil {
			return err
		}
		w.parts[table] = p
	}
	if p.whole {
		return nil
	}
	of := growing[table].part
	now, err := w.attach(ctx, table, p, value, of)
	if err != nil {
		return err
	}
	if now.to < math.MaxInt64 && !slices.ContainsFunc(p.known, func(q part) bool { return q.from >= now.to }) {
		if _, err := w.attach(ctx, table, p, now.to, of); err != nil {
			return err
		}
	}
	p.current = now
	return nil
}

// read asks which partitions there are. The bounds count, not the names: whoever looks after the
// database may have made others.
func (p *parts) read(ctx context.Context, tx pgx.Tx, table string) error {
	if err := tx.QueryRow(ctx, "SELECT relkind <> 'p' FROM pg_class WHERE oid = $1::regclass", table).Scan(&p.whole); err != nil || p.whole {
		return err
	}
	rows, err := tx.Query(ctx, `SELECT coalesce((regexp_match(b, 'FROM \(''?(-?\d+)'))[1]::bigint, $2), coalesce((regexp_match(b, 'TO \(''?(-?\d+)'))[1]::bigint, $3)
		FROM (SELECT pg_get_expr(c.relpartbound, c.oid) AS b FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass) q WHERE b LIKE 'FOR %'`,
		table, int64(math.MinInt64), int64(math.MaxInt64))
	if err != nil {
		return err
	}
	var q part
	_, err = pgx.ForEachRow(rows, []any{&q.from, &q.to}, func() error { p.known = append(p.known, q); return nil })
	return err
}

// attach returns the partition that value belongs to and makes it when it is missing: as a table
// of its own first, since to make it in place would lock the readers of the whole table out.
func (w *writer) attach(ctx context.Context, table string, p *parts, value int64, of func(int64) part) (part, error) {
	for _, q := range p.known {
		if value >= q.from && value < q.to {
			return q, nil
		}
	}
	q := of(value)
	name := pgx.Identifier{table + "_" + q.suffix}.Sanitize()
	from, to := fmt.Sprint(q.from), fmt.Sprint(q.to)
	if q.from == math.MinInt64 {
		from = "MINVALUE"
	}
	if q.to == math.MaxInt64 {
		to = "MAXVALUE"
	}
	statements := []string{
		fmt.Sprintf("CREATE TABLE %s (LIKE %s INCLUDING ALL)", name, table),
		fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)", table, name, from, to),
	}
	if table == "ledger" {
		statements = append(statements, fmt.Sprintf("CREATE UNIQUE INDEX ON %s (series, num)", name))
	}
	for _, sql := range statements {
		if _, err := w.tx.Exec(ctx, sql); err != nil {
			return q, fmt.Errorf("make the partition %s: %w", name, err)
		}
	}
	p.known = append(p.known, q)
	return q, nil
}

// copyIn puts rows into a table, whose partitions are made when they are missing.
func (w *writer) copyIn(ctx context.Context, table string, columns []string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	if err := w.makeParts(ctx, table, rows); err != nil {
		return err
	}
	_, err := w.tx.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
	return err
}
