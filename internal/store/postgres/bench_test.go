package postgres

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/store/storetest"
)

// perRow reports how many rows a second went through b.
func perRow(b *testing.B, size int) {
	b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkCommitBars stores batches of bars durably: new ones, and the same again. A row is one bar.
func BenchmarkCommitBars(b *testing.B) {
	for _, size := range []int{1000, 10_000} {
		s := open(b)
		rec := storetest.Series("A")
		if err := s.PutSeries(b.Context(), rec); err != nil {
			b.Fatal(err)
		}
		commit := func(b *testing.B, list []store.BarRecord, want int) {
			b.StartTimer()
			if kept, _, err := s.CommitBars(b.Context(), list); err != nil || kept != want {
				b.Fatal(kept, err)
			}
		}
		i := 0
		b.Run(fmt.Sprintf("new/%d", size), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				list := storetest.Bars(rec.ID(), i, i+size)
				i += size
				commit(b, list, size)
			}
			perRow(b, size)
		})
		b.Run(fmt.Sprintf("again/%d", size), func(b *testing.B) {
			list := storetest.Bars(rec.ID(), 0, size)
			for b.Loop() {
				b.StopTimer()
				commit(b, list, 0)
			}
			perRow(b, size)
		})
	}
}

// BenchmarkPlain puts the rows of bars into a plain table with the key and the index of bar, by what
// PostgreSQL offers: it is what BenchmarkCommitBars is to be held against.
func BenchmarkPlain(b *testing.B) {
	address := pgtest.Open(b)
	c := connect(b, address)
	exec := func(sql string, args ...any) {
		b.Helper()
		if _, err := c.Exec(b.Context(), sql, args...); err != nil {
			b.Fatal(err)
		}
	}
	exec("CREATE TABLE plain (series integer NOT NULL, start bigint NOT NULL, end_ bigint NOT NULL, open float8 NOT NULL, high float8 NOT NULL, low float8 NOT NULL, close float8 NOT NULL, volume float8 NOT NULL, trades bigint NOT NULL, revision integer NOT NULL, flags integer NOT NULL, seq bigint NOT NULL, PRIMARY KEY (series, start))")
	exec("CREATE INDEX ON plain (series, seq)")
	exec("CREATE TEMP TABLE staged (LIKE plain) ON COMMIT DELETE ROWS")
	id := storetest.Series("A").ID()
	rows := func(from, to int) (list [][]any) {
		for i, bar := range storetest.Bars(id, from, to) {
			list = append(list, barRow(1, &bar, uint64(from+i+1)))
		}
		return list
	}
	ways := []struct {
		name string
		put  func(tx pgx.Tx, list [][]any) error
	}{
		{"copy", func(tx pgx.Tx, list [][]any) error {
			_, err := tx.CopyFrom(b.Context(), pgx.Identifier{"plain"}, barColumns, pgx.CopyFromRows(list))
			return err
		}},
		{"staged", func(tx pgx.Tx, list [][]any) error {
			if _, err := tx.CopyFrom(b.Context(), pgx.Identifier{"staged"}, barColumns, pgx.CopyFromRows(list)); err != nil {
				return err
			}
			_, err := tx.Exec(b.Context(), "INSERT INTO plain SELECT * FROM staged ON CONFLICT (series, start) DO UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close, volume = excluded.volume, trades = excluded.trades, revision = excluded.revision, flags = excluded.flags, seq = excluded.seq WHERE plain.revision < excluded.revision")
			return err
		}},
		{"insert", func(tx pgx.Tx, list [][]any) error {
			var batch pgx.Batch
			for _, row := range list {
				batch.Queue("INSERT INTO plain VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", row...)
			}
			return tx.SendBatch(b.Context(), &batch).Close()
		}},
	}
	for _, way := range ways {
		for _, size := range []int{1000, 10_000} {
			exec("TRUNCATE plain")
			i := 0
			run := func(b *testing.B, next func() [][]any) {
				for b.Loop() {
					b.StopTimer()
					list := next()
					b.StartTimer()
					if err := pgx.BeginFunc(b.Context(), c, func(tx pgx.Tx) error { return way.put(tx, list) }); err != nil {
						b.Fatal(err)
					}
				}
				perRow(b, size)
			}
			b.Run(fmt.Sprintf("%s/new/%d", way.name, size), func(b *testing.B) {
				run(b, func() [][]any { i += size; return rows(i-size, i) })
			})
			if way.name == "staged" {
				b.Run(fmt.Sprintf("%s/again/%d", way.name, size), func(b *testing.B) {
					run(b, func() [][]any { return rows(0, size) })
				})
			}
		}
	}
}
