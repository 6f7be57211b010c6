package csv_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// FuzzRead checks what must hold of any input: no panic, nothing lost, only valid
// rows in order, and bars that survive being written and read.
func FuzzRead(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join(filepath.Dir(testdata.Market(f, "README.md")), "raw", "*"))
	if err != nil || len(seeds) == 0 {
		f.Fatal(seeds, err)
	}
	seeds = append(seeds, testdata.Market(f, "ticks/COIN.csv"), testdata.Market(f, "daily/STOCK.csv"), testdata.Market(f, "close_only/DUST.csv"))
	for _, path := range seeds {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 2000)], false)
	}
	b, err := os.ReadFile(testdata.Market(f, "raw/STOCK_yahoo_json_error.csv"))
	if err != nil {
		f.Fatal(err)
	}
	// The error pages between the prices.
	at := bytes.Index(b, []byte("    \"finance\""))
	f.Add(append([]byte("Date,Open,High,Low,Close,Adj Close,Volume\n"), b[at-500:at+1500]...), true)
	f.Add([]byte(zip("time,close\n2024-01-02,1\n2024-01-03,2\n")), false)
	f.Add([]byte("time,price,size\n1704189600500,1,2\n2024-11-03 01:30:00,1,\"2\"\n"), true)
	zone := newYork(f)

	f.Fuzz(func(t *testing.T, in []byte, zoned bool) {
		opt := csv.Options{MaxRows: 100_000}
		if zoned {
			opt.Zone = zone
		}
		file, err := csv.ReadFrom(t.Context(), bytes.NewReader(in), "T.csv", opt)
		if file == nil {
			if err == nil {
				t.Fatal("neither file nor error")
			}
			return
		}
		checkFile(t, file)
		if (file.Kept() == 0) != errors.Is(err, csv.ErrNoRows) && !errors.Is(err, csv.ErrInterval) {
			t.Fatalf("%d rows kept, error %v", file.Kept(), err)
		}
		if err != nil || len(file.Bars) == 0 {
			return
		}
		var b bytes.Buffer
		if err := csv.Write(&b, file.Bars); err != nil {
			t.Fatal(err)
		}
		again, err := csv.ReadFrom(t.Context(), &b, "T.csv", csv.Options{Interval: file.Series.Interval, Instrument: market.Instrument{}})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(file.Bars, again.Bars); d != "" || again.Refused != 0 {
			t.Fatalf("(-read +written and read):\n%s", d)
		}
	})
}
