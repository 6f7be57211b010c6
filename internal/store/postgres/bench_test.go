package postgres

import (
	"fmt"
	"testing"

	"github.com/foretick/foretick/internal/store/storetest"
)

// BenchmarkCommitBars stores batches of bars durably; a row is one bar.
func BenchmarkCommitBars(b *testing.B) {
	for _, size := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := open(b)
			rec := storetest.Series("A")
			if err := s.PutSeries(b.Context(), rec); err != nil {
				b.Fatal(err)
			}
			i := 0
			for b.Loop() {
				b.StopTimer()
				list := storetest.Bars(rec.ID(), i, i+size)
				i += size
				b.StartTimer()
				if _, _, err := s.CommitBars(b.Context(), list); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
