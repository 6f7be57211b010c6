package csv_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

func newYork(t testing.TB) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// dataLines counts the lines after the first that are not blank. Of a damaged file it
// cannot tell, and returns -1.
func dataLines(t testing.TB, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if b, err = io.ReadAll(z); err != nil {
			return -1
		}
	}
	n := -1
	for _, line := range bytes.Split(b, []byte("\n")) {
		if len(bytes.TrimSpace(line)) > 0 {
			n++
		}
	}
	return n
}

// Every file: nothing is lost, what is good is kept, and what is kept is in order.
func TestEveryFile(t *testing.T) {
	everyFile(t, filepath.Dir(testdata.Market(t, "README.md")), ownFiles)
	t.Run("Real", func(t *testing.T) { everyFile(t, testdata.Real(t, "."), realFiles) })
}

func everyFile(t *testing.T, root string, known map[string]pinned) {
	t.Helper()
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		want, isKnown := known[name]
		seen[name] = true
		if !isKnown && strings.HasPrefix(name, "raw/") {
			t.Errorf("%s is not pinned", name)
		}
		t.Run(name, func(t *testing.T) { oneFile(t, path, want, isKnown) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range known {
		if !seen[name] {
			t.Errorf("%s is gone", name)
		}
	}
}

func oneFile(t *testing.T, path string, want pinned, known bool) {
	t.Helper()
	f, err := csv.Read(t.Context(), path, csv.Options{})
	if want.words != "" {
		if !errors.Is(err, csv.ErrFormat) || !strings.Contains(err.Error(), want.words) || f != nil {
			t.Errorf("error %v, want ErrFormat with %q", err, want.words)
		}
		return
	}
	none := known && want.refused == want.rows
	if errors.Is(err, csv.ErrNoRows) != none || err != nil && !none {
		t.Fatal(err)
	}
	checkFile(t, f)
	if n := dataLines(t, path); n >= 0 && f.Rows != n {
		t.Errorf("%d rows, the file has %d lines of data", f.Rows, n)
	}
	switch {
	case known && (f.Rows != want.rows || f.Refused != want.refused):
		t.Errorf("%d rows, %d refused; want %d and %d", f.Rows, f.Refused, want.rows, want.refused)
	case !known && f.Refused != 0:
		t.Errorf("%d rows were refused, the first: %+v", f.Refused, f.Rejects[0])
	}
	for _, want := range want.some {
		want.Source, want.Instrument = filepath.Base(path), f.Series.Instrument.Key()
		var got feed.Reject
		for _, r := range f.Rejects {
			if r.Line == want.Line {
				got = r
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("line %d (-want +got):\n%s", want.Line, d)
		}
	}
}

// checkFile checks what holds for every file.
func checkFile(t testing.TB, f *csv.File) {
	t.Helper()
	if f.Kept()+f.Refused != f.Rows {
		t.Errorf("%d kept and %d refused are not %d rows", f.Kept(), f.Refused, f.Rows)
	}
	if f.Refused <= csv.MaxRejects && len(f.Rejects) != f.Refused || len(f.Rejects) > csv.MaxRejects+1 {
		t.Errorf("%d rejects kept of %d", len(f.Rejects), f.Refused)
	}
	line := 1
	for _, r := range f.Rejects {
		if r.Line < line || r.Reason == "" || r.Source != f.Name || len(r.Raw) > 500 {
			t.Errorf("reject %+v after line %d", r, line)
		}
		line = r.Line
	}
	allow := f.Series.Instrument.AllowNonPositive
	end := market.MinTime
	for i, b := range f.Bars {
		if err := b.Validate(allow); err != nil {
			t.Fatalf("bar %d: %v", i, err)
		}
		if b.Revision != 0 || b.Trades != 0 {
			t.Fatalf("bar %d: %+v", i, b)
		}
		if f.Series.Interval.Valid() && (b.Start < end || b.End != f.Series.Interval.End(b.Start)) {
			t.Fatalf("bar %d goes from %s to %s, the one before ended at %s", i, b.Start, b.End, end)
		}
		end = b.End
	}
	at := market.MinTime
	for i, tick := range f.Ticks {
		if err := tick.Validate(allow); err != nil {
			t.Fatalf("tick %d: %v", i, err)
		}
		if tick.Time < at || tick.Seq != 0 {
			t.Fatalf("tick %d is of %s, the one before of %s", i, tick.Time, at)
		}
		at = tick.Time
	}
	if err := f.Series.Instrument.Validate(); err != nil {
		t.Error(err)
	}
}

// With its zone the file that is newest first and names none reads whole, and gives
// the same bars as the one that it was made from, but for the volume that is corrupt.
func TestZone(t *testing.T) {
	zoneGiven(t, testdata.Market(t, "raw/STOCK_1m_newest_first.csv"), testdata.Market(t, "intraday/STOCK_1m.csv"), "STOCK", 520, 1)
	t.Run("Real", func(t *testing.T) {
		// The prepared file lacks the row of the corrupt volume.
		zoneGiven(t, testdata.Real(t, "raw/AMZN_1min_corrupt_volume.csv"), testdata.Real(t, "intraday/AMZN_1min_201902.csv"), "AMZN", 1944, 1)
	})
}

func zoneGiven(t *testing.T, bad, good, symbol string, bars, corrupt int) {
	t.Helper()
	f, err := csv.Read(t.Context(), bad, csv.Options{Zone: newYork(t)})
	if err != nil {
		t.Fatal(err)
	}
	if f.Refused != 0 || len(f.Bars) != bars || string(f.Series.ID()) != "file:"+symbol+"@1m" {
		t.Errorf("%d bars of %s, %d refused", len(f.Bars), f.Series.ID(), f.Refused)
	}
	clean, err := csv.Read(t.Context(), good, csv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	byStart := map[market.Time]market.Bar{}
	for _, b := range clean.Bars {
		byStart[b.Start] = b
	}
	differ := 0
	for _, b := range f.Bars {
		if byStart[b.Start] != b {
			differ++
		}
	}
	if differ != corrupt {
		t.Errorf("%d of %d bars are not those of the good file, want %d", differ, len(f.Bars), corrupt)
	}
	notes := strings.Join(f.Notes, "\n")
	for _, want := range []string{"Rows were not in the order of time", "read as America/New_York", "symbol " + symbol + " is taken from the file's name", "interval 1m is the most frequent"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes do not say %q:\n%s", want, notes)
		}
	}
}

func TestNegativePricesWhereTheyAreAllowed(t *testing.T) {
	negative(t, testdata.Market(t, "raw/OIL_negative_price.csv"), -21.4)
	negative(t, testdata.Market(t, "close_only/OIL.csv"), -21.4)
	t.Run("Real", func(t *testing.T) { negative(t, testdata.Real(t, "raw/WTI_negative_price.csv"), -36.98) })
}

func negative(t *testing.T, path string, lowest float64) {
	t.Helper()
	f, err := csv.Read(t.Context(), path, csv.Options{Instrument: market.Instrument{AllowNonPositive: true}})
	if err != nil || f.Refused != 0 {
		t.Fatalf("%v, %d refused", err, f.Refused)
	}
	low := 0.0
	for _, b := range f.Bars {
		low = min(low, b.Low)
	}
	if low != lowest {
		t.Errorf("the lowest price is %v", low)
	}
}

// A volume that is corrupt is no reason to lose the bar's prices.
func TestCorruptVolumeIsKept(t *testing.T) {
	f, err := csv.Read(t.Context(), testdata.Market(t, "raw/COIN_yahoo_corrupt_volume.csv"), csv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	last, before := f.Bars[len(f.Bars)-1], f.Bars[len(f.Bars)-2]
	if last.Volume < 1e5*before.Volume {
		t.Errorf("the last volume is %v, the one before %v", last.Volume, before.Volume)
	}
}

// Bars that were in disorder, or came with a byte order mark and line ends of Windows, are
// those of the good file.
func TestSameBarsInAnotherShape(t *testing.T) {
	clean, err := csv.Read(t.Context(), testdata.Market(t, "daily/STOCK.csv"), csv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		from, to int // of the good bars
	}{
		{"raw/STOCK_disorder.csv", 500, 560},
		{"raw/STOCK_twice.csv", 400, 460},
		{"raw/STOCK_bom_crlf.csv", 600, 640},
		{"raw/STOCK_checksum.csv.gz", 600, 640},
		{"raw/STOCK_yahoo_json_error.csv", 1000, 1240},
	} {
		f, err := csv.Read(t.Context(), testdata.Market(t, tt.name), csv.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(clean.Bars[tt.from:tt.to], f.Bars); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

func TestProgress(t *testing.T) {
	path := testdata.Market(t, "intraday/COIN_1s.csv")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	var last, size int64
	calls := 0
	if _, err := csv.Read(t.Context(), path, csv.Options{Progress: func(r, s int64) {
		if r < last {
			t.Errorf("%d bytes after %d", r, last)
		}
		last, size = r, s
		calls++
	}}); err != nil {
		t.Fatal(err)
	}
	if last != info.Size() || size != info.Size() || calls < 4 {
		t.Errorf("%d calls, the last of %d of %d bytes; the file has %d", calls, last, size, info.Size())
	}
}

func TestReadErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := csv.Read(ctx, testdata.Market(t, "daily/STOCK.csv"), csv.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := csv.Read(t.Context(), filepath.Join(t.TempDir(), "none.csv"), csv.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := csv.Read(t.Context(), t.TempDir(), csv.Options{}); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("folder: %v", err)
	}
	if _, err := csv.Read(t.Context(), testdata.Market(t, "daily/STOCK.csv"), csv.Options{MaxRows: 100}); !errors.Is(err, csv.ErrTooLarge) {
		t.Errorf("too many rows: %v", err)
	}
	if _, err := csv.Read(t.Context(), testdata.Market(t, "daily/STOCK.csv"), csv.Options{Instrument: market.Instrument{Symbol: "a b"}}); err == nil {
		t.Error("a symbol with a space was taken")
	}
}

func BenchmarkRead(b *testing.B) {
	paths := []string{testdata.Market(b, "intraday/STOCK_1m.csv"), testdata.Market(b, "ticks/STOCK.csv.gz")}
	if testdata.Wide(b) {
		paths = append(paths, testdata.Real(b, "ticks/SPY_trades_20131007.csv.gz")) // a quarter of a million
	}
	for _, path := range paths {
		b.Run(filepath.Base(path), func(b *testing.B) {
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				f, err := csv.Read(b.Context(), path, csv.Options{})
				if err != nil {
					b.Fatal(err)
				}
				rows += f.Rows
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
