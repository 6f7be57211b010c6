package market_test

import (
	"bufio"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// fileBars reads the bars of a CSV file of the shared data whose columns are time (or
// Date), open, high, low, close, volume; or time and close. Rows without numbers are left
// out.
func fileBars(t *testing.T, name string) []market.Bar {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatal(err)
		}
	}
	lines := bufio.NewScanner(r)
	lines.Scan()
	header := strings.Split(strings.ToLower(lines.Text()), ",")
	at := func(cell []string, name string) (float64, bool) {
		i := slices.Index(header, name)
		if i < 0 {
			i = slices.Index(header, "close")
		}
		v, err := strconv.ParseFloat(cell[i], 64)
		return v, err == nil
	}
	var out []market.Bar
	for lines.Scan() {
		cell := strings.Split(lines.Text(), ",")
		day := cell[0]
		if !strings.Contains(day, "T") {
			day += "T00:00:00Z"
		}
		start, err := market.ParseTime(day)
		if err != nil || len(cell) != len(header) {
			t.Fatalf("%s: %q: %v", name, lines.Text(), err)
		}
		b := market.Bar{Start: start, End: start + 1}
		var ok [4]bool
		b.Open, ok[0] = at(cell, "open")
		b.High, ok[1] = at(cell, "high")
		b.Low, ok[2] = at(cell, "low")
		b.Close, ok[3] = at(cell, "close")
		if ok == [4]bool{true, true, true, true} {
			out = append(out, b)
		}
	}
	return out
}

// TestSuspectedSplits looks at every recorded file. The splits are known to have happened
// (Apple: 21 June 2000, 28 February 2005, 9 June 2014, 31 August 2020; IBM: 27 May 1999;
// Amazon: 6 June 2022), and those files are not adjusted for them; in no other file is a
// split that is not adjusted for.
func TestSuspectedSplits(t *testing.T) {
	data := filepath.Join(testdata.Shared(t), "data")
	var files []string
	for _, pattern := range []string{"daily/*.csv", "intraday/*", "close_only/*.csv", "raw/AMZN_yahoo_split_artifact.csv"} {
		found, err := filepath.Glob(filepath.Join(data, pattern))
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	got := map[string][]string{}
	bars := 0
	for _, name := range files {
		all := fileBars(t, name)
		bars += len(all)
		var view []market.Bar
		for i := range all {
			r, ok := market.SuspectSplit(view, &all[i])
			if ok {
				name := filepath.Base(name)
				got[name] = append(got[name], all[i].Start.String()[:10]+" "+market.RatioText(r))
				view = view[:0]
			}
			view = append(view[max(0, len(view)-market.SuspectBars):], all[i])
		}
	}
	want := map[string][]string{
		"AAPL_unadjusted.csv":           {"2000-06-21 2:1", "2005-02-28 2:1", "2014-06-09 7:1", "2020-08-31 4:1"},
		"AMZN_yahoo_split_artifact.csv": {"2022-06-06 20:1"},
		"IBM_1h.csv.gz":                 {"1999-05-27 2:1"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("of %d bars in %d files (-want +got):\n%s", bars, len(files), d)
	}
	t.Logf("%d bars in %d files", bars, len(files))
}
