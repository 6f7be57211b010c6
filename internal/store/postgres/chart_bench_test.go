package postgres

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
)

// BenchmarkChart draws charts out of one series of second bars, and holds writing it against
// COPY and INSERT of the same rows into a table of the same shape. FORETICK_BENCH_LARGE is its
// size in millions of bars: 10 needs 4 GB below TMPDIR and some minutes.
func BenchmarkChart(b *testing.B) {
	sizes := []int{200_000}
	if n, err := strconv.Atoi(os.Getenv("FORETICK_BENCH_LARGE")); err == nil && n > 1 {
		sizes = append(sizes, n*1_000_000)
	}
	for _, total := range sizes {
		b.Run(fmt.Sprintf("of=%d", total), func(b *testing.B) { benchmarkCharts(b, total) })
	}
}

func benchmarkCharts(b *testing.B, total int) {
	s := open(b)
	rec := storetest.Series("A")
	id := rec.ID()
	if err := s.PutSeries(b.Context(), rec); err != nil {
		b.Fatal(err)
	}
	const batch = 10_000
	began := time.Now()
	for at := 0; at < total; at += batch {
		if _, _, err := s.CommitBars(b.Context(), storetest.Bars(id, at, at+batch)); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(began)
	var size int64
	if err := s.pool.QueryRow(b.Context(), "SELECT pg_database_size(current_database())").Scan(&size); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("%d bars in %s: %.0f a second; %.1f bytes a bar, candles, indexes and events included\n", total, took.Round(time.Second), float64(total)/took.Seconds(), float64(size)/float64(total))
	plainWrites(b, s, id)

	at := func(i int) market.Time { return storetest.Bar(id, i, 0).Start }
	for _, w := range []struct {
		name    string
		seconds int
	}{{"1h", 3600}, {"1d", 86_400}, {"30d", 30 * 86_400}, {"all", total}} {
		if w.seconds > total {
			continue
		}
		for _, most := range []int{1_000, 5_000, 10_000} {
			b.Run(fmt.Sprintf("width=%s/max=%d", w.name, most), func(b *testing.B) {
				from, to := at(max(total*2/3-w.seconds, 0)), at(total*2/3)
				if w.seconds == total {
					from, to = 0, 0
				}
				for b.Loop() {
					if _, bars, err := s.Chart(b.Context(), id, from, to, most); err != nil || len(bars) == 0 || len(bars) > most {
						b.Fatal(len(bars), err)
					}
				}
			})
		}
	}
	b.Run("range=5000", func(b *testing.B) {
		r := store.Range{To: at(total * 3 / 4), Limit: 5000, Newest: true}
		for b.Loop() {
			if bars, err := s.Bars(b.Context(), id, r); err != nil || len(bars) != 5000 {
				b.Fatal(len(bars), err)
			}
		}
	})
}

// plainWrites writes rows as they are in bar into a table of its own: what PostgreSQL itself
// takes for it, by COPY and by INSERT, in transactions of 10,000 rows as above.
func plainWrites(b *testing.B, s *Store, id market.SeriesID) {
	const batch = 10_000
	conn, err := s.pool.Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(b.Context(), `CREATE TABLE plain (series integer, start bigint, end_ bigint, open double precision, high double precision, low double precision, close double precision,
		volume double precision, trades bigint, revision integer, flags integer, seq bigint, PRIMARY KEY (series, start))`); err != nil {
		b.Fatal(err)
	}
	next := 0
	rows := func() (out [][]any) {
		for _, r := range storetest.Bars(id, next, next+batch) {
			out = append(out, barRow(1, &r, uint64(next)))
		}
		next += batch
		return out
	}
	for _, w := range []struct {
		name  string
		n     int
		write func(pgx.Tx, [][]any) error
	}{
		{"COPY", 50, func(tx pgx.Tx, rows [][]any) error {
			_, err := tx.CopyFrom(b.Context(), pgx.Identifier{"plain"}, barColumns, pgx.CopyFromRows(rows))
			return err
		}},
		{"INSERT", 5, func(tx pgx.Tx, rows [][]any) error {
			for _, r := range rows {
				if _, err := tx.Exec(b.Context(), "INSERT INTO plain VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", r...); err != nil {
					return err
				}
			}
			return nil
		}},
	} {
		var took time.Duration
		for range w.n {
			list := rows()
			began := time.Now()
			if err := pgx.BeginFunc(b.Context(), conn, func(tx pgx.Tx) error { return w.write(tx, list) }); err != nil {
				b.Fatal(err)
			}
			took += time.Since(began)
		}
		fmt.Printf("%s alone: %.0f rows a second\n", w.name, float64(w.n*batch)/took.Seconds())
	}
}
