package market_test

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// rows returns a scanner over the rows of a CSV file, compressed or not, and its header.
func rows(t testing.TB, path string) (*bufio.Scanner, []string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	lines := bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatalf("%s: no header: %v", path, lines.Err())
	}
	return lines, strings.Split(strings.ToLower(lines.Text()), ",")
}

func recordedTicks(t testing.TB, path string) []market.Tick {
	t.Helper()
	lines, _ := rows(t, path)
	var out []market.Tick
	for lines.Scan() {
		cell := strings.Split(lines.Text(), ",")
		at, err := market.ParseTime(cell[0])
		price, err1 := strconv.ParseFloat(cell[1], 64)
		size, err2 := strconv.ParseFloat(cell[2], 64)
		if err := errors.Join(err, err1, err2); err != nil {
			t.Fatal(err)
		}
		out = append(out, market.Tick{Time: at, Price: price, Size: size})
	}
	return out
}

// naiveBars builds bars with the standard library's calendar, a map, and exact
// sums: nothing of the Builder.
func naiveBars(ticks []market.Tick, seconds int64) map[market.Time]market.Bar {
	bars := map[market.Time]market.Bar{}
	volumes := map[market.Time]*big.Float{}
	for _, t := range ticks {
		start := market.TimeOf(t.Time.Std().Truncate(time.Duration(seconds) * time.Second))
		b, ok := bars[start]
		if !ok {
			b = market.Bar{Start: start, End: start + market.Time(seconds*1e6), Open: t.Price, High: t.Price, Low: t.Price}
			volumes[start] = new(big.Float).SetPrec(300) // exact for sizes
		}
		b.High, b.Low, b.Close = math.Max(b.High, t.Price), math.Min(b.Low, t.Price), t.Price
		b.Trades++
		volumes[start].Add(volumes[start], big.NewFloat(t.Size))
		bars[start] = b
	}
	for start, b := range bars {
		b.Volume, _ = volumes[start].Float64()
		bars[start] = b
	}
	return bars
}

// Recorded trades, in their order, make the bars that a naive implementation makes,
// and these roll up to what it makes of the trades directly.
func TestRecordedTicks(t *testing.T) {
	paths := []string{testdata.Market(t, "ticks/STOCK.csv.gz"), testdata.Market(t, "ticks/COIN.csv")}
	if testdata.Wide(t) {
		for _, name := range []string{"SPY_trades_20131007.csv.gz", "IBM_trades_20131007_08.csv.gz", "XRPETH_trades_2019.csv.gz"} {
			paths = append(paths, testdata.Real(t, "ticks/"+name))
		}
	}
	for _, path := range paths {
		ticks := recordedTicks(t, path)
		for _, interval := range []string{"1s", "1m", "1h", "1d"} {
			t.Run(filepath.Base(path)+"/"+interval, func(t *testing.T) {
				i := market.MustInterval(interval)
				b := market.NewBuilder(i, market.BuildOptions{})
				bars, refused := b.Add(ticks, nil, nil)
				if len(refused) > 0 {
					t.Fatalf("refused %d, first %+v", len(refused), refused[0])
				}
				bars = b.Advance(market.MaxTime, bars)
				want := naiveBars(ticks, int64(i.Duration().Seconds()))
				if len(bars) != len(want) {
					t.Fatalf("%d bars, want %d", len(bars), len(want))
				}
				for _, b := range bars {
					if w := want[b.Start]; b != w {
						t.Fatalf("(-naive +built):\n%s", cmp.Diff(w, b))
					}
				}
				if interval == "1s" {
					rollsUp(t, bars, ticks)
				}
			})
		}
	}
}

func rollsUp(t *testing.T, base []market.Bar, ticks []market.Tick) {
	for _, coarse := range []string{"1m", "1h", "1d"} {
		i := market.MustInterval(coarse)
		r, err := market.NewRollup(market.Second, i, market.BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var got []market.Bar
		for _, b := range base {
			if got, err = r.Add(b, got); err != nil {
				t.Fatal(err)
			}
		}
		got = r.Advance(market.MaxTime, got)
		want := naiveBars(ticks, int64(i.Duration().Seconds()))
		if len(got) != len(want) {
			t.Fatalf("%s: %d bars, want %d", coarse, len(got), len(want))
		}
		for _, b := range got {
			w := want[b.Start]
			// A sum of rounded sums: equal to a few units in the last place.
			if math.Abs(b.Volume-w.Volume) > 1e-12*w.Volume {
				t.Fatalf("%s: volume %v, want %v", coarse, b.Volume, w.Volume)
			}
			b.Volume = w.Volume
			if b != w {
				t.Fatalf("%s (-naive +rolled up):\n%s", coarse, cmp.Diff(w, b))
			}
		}
	}
}

func BenchmarkBuilderRecordedTicks(b *testing.B) {
	ticks := recordedTicks(b, testdata.Market(b, "ticks/STOCK.csv.gz"))
	bars := make([]market.Bar, 0, len(ticks))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		builder := market.NewBuilder(market.Second, market.BuildOptions{})
		bars, _ = builder.Add(ticks, bars[:0], nil)
		n += len(ticks)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds()/1e6, "Mticks/s")
}
