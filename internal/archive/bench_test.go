package archive_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/archive"
	"github.com/foretick/foretick/market"
)

// walk is a random walk of n one-second bars with prices in cents.
func walk(n int) []archive.BarRow {
	r := rand.New(rand.NewPCG(1, 2))
	start := market.TimeOf(time.Date(2024, 3, 1, 14, 30, 0, 0, time.UTC))
	cents := func(x float64) float64 { return math.Round(x*100) / 100 }
	price := 180.0
	rows := make([]archive.BarRow, n)
	for i := range rows {
		open := price
		price = cents(price + r.NormFloat64()*0.03)
		rows[i] = archive.BarRow{
			Series: "sim:A@1s", Time: start.Add(time.Duration(i) * time.Second), EndTime: start.Add(time.Duration(i+1) * time.Second),
			Open: open, Close: price, High: cents(max(open, price) + math.Abs(r.NormFloat64())*0.01), Low: cents(min(open, price) - math.Abs(r.NormFloat64())*0.01),
			Volume: float64(100 + r.IntN(900)), Trades: int64(r.IntN(20)), Seq: uint64(i + 1),
		}
	}
	return rows
}

// BenchmarkBars writes and reads bars; bytes/row is the size of the file.
func BenchmarkBars(b *testing.B) {
	rows, m := walk(200_000), metaOf(archive.Bars)
	for _, f := range formats {
		b.Run("write/"+string(f), func(b *testing.B) {
			size := 0
			for b.Loop() {
				size = len(encode(b, f, m, rows))
			}
			b.ReportMetric(float64(size)/float64(len(rows)), "bytes/row")
			b.ReportMetric(float64(len(rows)*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
		b.Run("read/"+string(f), func(b *testing.B) {
			file := encode(b, f, m, rows)
			for b.Loop() {
				in, err := open(file, f, m)
				check(b, err)
				check(b, archive.Each(b.Context(), in, func(*archive.BarRow) error { return nil }))
			}
			b.ReportMetric(float64(len(rows)*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
