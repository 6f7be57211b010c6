package market_test

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// fileBars reads the bars of a CSV file whose columns are time (or Date), open, high, low,
// close, volume; or time and close. Rows without numbers are left out.
func fileBars(t *testing.T, name string) []market.Bar {
	t.Helper()
	lines, header := rows(t, name)
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

// TestSuspectedSplits looks at every recorded file. The splits are known to have happened,
// and those files are not adjusted for them; in no other file is a split that is not
// adjusted for.
func TestSuspectedSplits(t *testing.T) {
	suspectedIn(t, filepath.Dir(testdata.Market(t, "README.md")), "raw/SPLIT_yahoo_split.csv", map[string][]string{
		"SPLIT.csv":             {"2015-06-05 4:1", "2017-09-15 7:1"},
		"SPLIT_yahoo_split.csv": {"2017-09-15 7:1"},
	})
	t.Run("Real", func(t *testing.T) {
		suspectedIn(t, testdata.Real(t, "."), "raw/AMZN_yahoo_split_artifact.csv", map[string][]string{
			"AAPL_unadjusted.csv":           {"2000-06-21 2:1", "2005-02-28 2:1", "2014-06-09 7:1", "2020-08-31 4:1"},
			"AMZN_yahoo_split_artifact.csv": {"2022-06-06 20:1"},
			"IBM_1h.csv.gz":                 {"1999-05-27 2:1"},
		})
	})
}

func suspectedIn(t *testing.T, folder, artifact string, want map[string][]string) {
	t.Helper()
	var files []string
	for _, pattern := range []string{"daily/*.csv", "intraday/*", "close_only/*.csv", artifact} {
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	got := map[string][]string{}
	bars := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_actions.csv") {
			continue
		}
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
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("of %d bars in %d files (-want +got):\n%s", bars, len(files), d)
	}
	t.Logf("%d bars in %d files", bars, len(files))
}
