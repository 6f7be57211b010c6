package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
)

// BenchmarkChart draws charts of several widths out of one series of second bars, and
// measures what else is asked of a large store. FORETICK_BENCH_LARGE is its size in
// millions of bars: 100 needs 11 GB below TMPDIR and half an hour.
func BenchmarkChart(b *testing.B) {
	sizes := []int{1_000_000}
	if n, err := strconv.Atoi(os.Getenv("FORETICK_BENCH_LARGE")); err == nil && n > 1 {
		sizes = append(sizes, n*1_000_000)
	}
	for _, total := range sizes {
		b.Run(fmt.Sprintf("of=%d", total), func(b *testing.B) { benchmarkCharts(b, total) })
	}
}

func benchmarkCharts(b *testing.B, total int) {
	s := open(b)
	id := register(b, s, 1)[0]
	began := time.Now()
	fill(b, s, id, total)
	took := time.Since(began)
	if err := s.Ping(b.Context()); err != nil {
		b.Fatal(err)
	}
	size := int64(0)
	for _, f := range []string{File, File + "-wal"} {
		if info, err := os.Stat(filepath.Join(s.dir, f)); err == nil {
			size += info.Size()
		}
	}
	fmt.Printf("%d bars in %s: %.0f a second; %.1f bytes a bar, candles included\n", total, took.Round(time.Second), float64(total)/took.Seconds(), float64(size)/float64(total))

	at := func(i int) market.Time { return storetest.Bar(id, i, 0).Start }
	chart := func(b *testing.B, seconds, most int) {
		b.Helper()
		from, to := at(max(total*2/3-seconds, 0)), at(total*2/3)
		if seconds >= total {
			from, to = 0, 0
		}
		if _, bars, err := s.Chart(b.Context(), id, from, to, most); err != nil || len(bars) == 0 || len(bars) > most {
			b.Fatal(len(bars), err)
		}
	}
	for _, w := range []struct {
		name    string
		seconds int
	}{{"1h", 3600}, {"1d", 86_400}, {"30d", 30 * 86_400}, {"1y", 365 * 86_400}, {"all", total}} {
		if w.seconds > total {
			continue
		}
		for _, most := range []int{1_000, 5_000, 10_000} {
			b.Run(fmt.Sprintf("width=%s/max=%d", w.name, most), func(b *testing.B) {
				for b.Loop() {
					chart(b, w.seconds, most)
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
	next := total
	for _, readers := range []int{0, 1, 4} {
		b.Run(fmt.Sprintf("commit=100/readers=%d", readers), func(b *testing.B) {
			ctx, stop := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			for k := range readers {
				wg.Go(func() {
					for width := 1 + k; ctx.Err() == nil; width = width * 7 % total {
						to := at(total/2 + width%(total/2))
						if _, _, err := s.Chart(ctx, id, to-market.Time(width)*1_000_000, to, 2_000); err != nil && ctx.Err() == nil {
							b.Error(err)
							return
						}
					}
				})
			}
			for b.Loop() {
				if _, _, err := s.CommitBars(b.Context(), storetest.Bars(id, next, next+100)); err != nil {
					b.Fatal(err)
				}
				next += 100
			}
			stop()
			wg.Wait()
		})
	}
	steps := func(name string, n int, step func() int) {
		took := []time.Duration{}
		rows := 0
		for range n {
			began := time.Now()
			k := step()
			took = append(took, time.Since(began))
			if rows += k; k == 0 {
				break
			}
		}
		slices.Sort(took)
		sum := time.Duration(0)
		for _, d := range took {
			sum += d
		}
		fmt.Printf("%s: %d rows in %d steps, median %s, longest %s, %.0f rows a second\n", name, rows, len(took), took[len(took)/2], took[len(took)-1], float64(rows)/sum.Seconds())
	}
	steps("retention", 200, func() int {
		n, err := s.DeleteBars(b.Context(), id, at(total/2), 500)
		if err != nil {
			b.Fatal(err)
		}
		return n
	})
	err := s.write(b.Context(), "forget", func(w *writer) error {
		w.wrote = true
		w.forget()
		return exec(w.conn, "DELETE FROM rollup_state")
	})
	if err != nil {
		b.Fatal(err)
	}
	steps("roll-up of an older store", 500, func() int {
		n, err := s.RollUp(b.Context(), id, 20_000)
		if err != nil {
			b.Fatal(err)
		}
		return n
	})
}
