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

func data(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(testdata.Shared(t), "data", filepath.FromSlash(name))
}

func newYork(t testing.TB) *time.Location {
	t.Helper()
	z, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// dataLines counts the lines after the first that are not blank.
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
			t.Fatal(err)
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

// notPrices are the files that hold something else, with words of the error.
var notPrices = map[string]string{
	"README.md":                            "columns found in the first line: # dev market data",
	"SANITY.txt":                           "bars need time,open,high,low,close",
	"MANIFEST.csv":                         "columns found in the first line: file, instrument, kind, interval",
	"quotes/EURUSD_quotes_20140508.csv.gz": "these are quotes (columns found: time, bid, ask), not prices at which was traded; bars need time,open,high,low,close[,volume], closes need time,close, ticks need time,price,size",
	"raw/AAPL_lean_daily.zip":              "is a zip archive; unpack it",
}

// rawFiles pins what is refused of the files kept exactly as they were found.
var rawFiles = map[string]struct {
	rows, refused int
	some          []feed.Reject // Source and Instrument are left out
}{
	"raw/AMZN_1min_corrupt_volume.csv": {rows: 1944, refused: 1944, some: []feed.Reject{
		{Line: 2, Raw: "2019-02-15 16:00:00,1607.53,1609.0699,1606.91,1609.0699,87964",
			Reason: `time "2019-02-15 16:00:00" names no zone; say which one the file means with --timezone, e.g. --timezone America/New_York`},
	}},
	"raw/AMZN_yahoo_split_artifact.csv": {rows: 6234, refused: 46, some: []feed.Reject{
		{Line: 5556, Raw: "2022-01-27,null,null,null,null,null,null", Reason: `open "null" is not a number`},
		{Line: 5559, Raw: "2022-01-31,2895.000000,2995.280029,2886.010010,2991.469971,2991.469971,3915372", Reason: "has the same time as line 5558, which is kept"},
	}},
	"raw/NFLX_yahoo_json_error_body.csv": {rows: 6047, refused: 530, some: []feed.Reject{
		{Line: 4959, Raw: `    "finance": {`, Reason: "a quote is opened and not closed on this line, or text follows a closing quote"},
		{Line: 4963, Raw: "        }", Reason: "has 1 columns instead of 7"},
		{Line: 4981, Raw: "2022-02-03,421.440002,429.260010,404.350006,405.600006,405.600006,9318383", Reason: "has the same time as line 4980, which is kept"},
	}},
	"raw/BTC-USD_corrupt_volume.csv": {rows: 1583, refused: 0},
	"raw/CRCL_1h_mixed_utc_offsets.csv": {rows: 2124, refused: 292, some: []feed.Reject{
		{Line: 7, Raw: "2025-06-06 14:00:00+00:00,99.12,102.8,96.1,101.64,7228462.0,99.503,29375.0", Reason: "begins before the bar of line 6 ends (bars of 1h)"},
	}},
	"raw/WTI_negative_price.csv": {rows: 10226, refused: 1, some: []feed.Reject{
		{Line: 8645, Raw: "2020-04-20,-36.98", Reason: "price -36.98 is not positive"},
	}},
}

// Every file of real data: nothing is lost, what is good is kept, and what is kept is
// in order.
func TestEveryFile(t *testing.T) {
	root, seen := data(t, "."), map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			f, err := csv.Read(t.Context(), path, csv.Options{})
			if words, ok := notPrices[name]; ok {
				if !errors.Is(err, csv.ErrFormat) || !strings.Contains(err.Error(), words) || f != nil {
					t.Errorf("error %v, want ErrFormat with %q", err, words)
				}
				return
			}
			pinned, raw := rawFiles[name]
			if (err != nil) != (raw && pinned.refused == pinned.rows) {
				t.Fatal(err)
			}
			checkFile(t, f)
			if want := dataLines(t, path); f.Rows != want {
				t.Errorf("%d rows, the file has %d lines of data", f.Rows, want)
			}
			switch {
			case raw && (f.Rows != pinned.rows || f.Refused != pinned.refused):
				t.Errorf("%d rows, %d refused; want %d and %d", f.Rows, f.Refused, pinned.rows, pinned.refused)
			case strings.HasPrefix(name, "raw/") && !raw:
				t.Error("this raw file is not pinned")
			case !raw && f.Refused != 0:
				t.Errorf("%d rows were refused, the first: %+v", f.Refused, f.Rejects[0])
			}
			for _, want := range pinned.some {
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
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range notPrices {
		if !seen[name] {
			t.Errorf("%s is gone", name)
		}
	}
	for name := range rawFiles {
		if !seen[name] {
			t.Errorf("%s is gone", name)
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
// the same bars as the one that was prepared from the same source.
func TestZone(t *testing.T) {
	f, err := csv.Read(t.Context(), data(t, "raw/AMZN_1min_corrupt_volume.csv"), csv.Options{Zone: newYork(t)})
	if err != nil {
		t.Fatal(err)
	}
	if f.Refused != 0 || len(f.Bars) != 1944 || f.Series.ID() != "file:AMZN@1m" {
		t.Errorf("%d bars of %s, %d refused", len(f.Bars), f.Series.ID(), f.Refused)
	}
	clean, err := csv.Read(t.Context(), data(t, "intraday/AMZN_1min_201902.csv"), csv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	byStart := map[market.Time]market.Bar{}
	for _, b := range f.Bars {
		byStart[b.Start] = b
	}
	differ := 0
	for _, b := range clean.Bars {
		if byStart[b.Start] != b {
			differ++
		}
	}
	if differ > 1 { // the corrupt volume
		t.Errorf("%d of %d bars are not those of the prepared file", differ, len(clean.Bars))
	}
	notes := strings.Join(f.Notes, "\n")
	for _, want := range []string{"Rows were not in the order of time", "read as America/New_York", "symbol AMZN is taken from the file's name", "interval 1m is the most frequent"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes do not say %q:\n%s", want, notes)
		}
	}
}

func TestNegativePricesWhereTheyAreAllowed(t *testing.T) {
	f, err := csv.Read(t.Context(), data(t, "raw/WTI_negative_price.csv"), csv.Options{Instrument: market.Instrument{AllowNonPositive: true}})
	if err != nil || f.Refused != 0 {
		t.Fatalf("%v, %d refused", err, f.Refused)
	}
	low := 0.0
	for _, b := range f.Bars {
		low = min(low, b.Low)
	}
	if low != -36.98 {
		t.Errorf("the lowest price is %v", low)
	}
}

func TestProgress(t *testing.T) {
	path := data(t, "ticks/SPY_trades_20131007.csv.gz")
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
	if last != info.Size() || size != info.Size() || calls < 5 {
		t.Errorf("%d calls, the last of %d of %d bytes; the file has %d", calls, last, size, info.Size())
	}
}

func TestReadErrors(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := csv.Read(ctx, data(t, "daily/KO.csv"), csv.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := csv.Read(t.Context(), filepath.Join(t.TempDir(), "none.csv"), csv.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := csv.Read(t.Context(), t.TempDir(), csv.Options{}); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("folder: %v", err)
	}
	if _, err := csv.Read(t.Context(), data(t, "daily/KO.csv"), csv.Options{MaxRows: 100}); !errors.Is(err, csv.ErrTooLarge) {
		t.Errorf("too many rows: %v", err)
	}
	if _, err := csv.Read(t.Context(), data(t, "daily/KO.csv"), csv.Options{Instrument: market.Instrument{Symbol: "a b"}}); err == nil {
		t.Error("a symbol with a space was taken")
	}
}

func BenchmarkRead(b *testing.B) {
	for _, name := range []string{"intraday/AMZN_1min_201902.csv", "ticks/IBM_trades_20131007_08.csv.gz", "ticks/SPY_trades_20131007.csv.gz"} {
		b.Run(filepath.Base(name), func(b *testing.B) {
			b.ReportAllocs()
			rows := 0
			for b.Loop() {
				f, err := csv.Read(b.Context(), data(b, name), csv.Options{})
				if err != nil {
					b.Fatal(err)
				}
				rows += f.Rows
			}
			b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
