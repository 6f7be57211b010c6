package market_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// fileErrors are the days on which a daily file and the calendar disagree: sessions
// that the file lacks, and rows that it has without a session (extra). Every missing
// day to 2021 was a session: the test finds it in another file.
var fileErrors = []struct {
	files, days string // separated by blanks
	extra       bool
	reason      string
}{
	{
		files:  "AAPL AMZN BA C CAT CSCO DIS F GE IBM INTC JNJ JPM KO MSFT NVDA PG QQQ WMT XOM",
		days:   "1999-11-16",
		reason: "a gap in the collection that these files are from; its T.csv has the day, and so do S&P 500 and VIX",
	},
	{
		files:  "DIA EEM EWJ GLD NFLX SLV SPY TLT UNG USO XLF",
		days:   "2011-02-17",
		reason: "a gap in the same collection, in the files that begin after 2004",
	},
	{files: "BA DIS GE JPM", days: "2000-10-27", reason: "gaps of single files of that collection"},
	{files: "DIS F GE", days: "2004-03-30 2004-03-31", reason: "gaps of single files of that collection"},
	{files: "WMT XOM", days: "2000-03-01", reason: "gaps of single files of that collection"},
	{files: "MSFT", days: "1998-10-29", reason: "a gap of one file of that collection"},
	{files: "AAPL", days: "2002-02-01 2002-02-04", reason: "gaps of one file of that collection"},
	{files: "AMZN", days: "1999-12-15 2002-08-14 2002-08-15 2002-09-16", reason: "gaps of one file of that collection"},
	{files: "AMZN_2000_2024", days: "2022-01-27", reason: "an empty row in the source, dropped when the file was made"},
	{files: "AMZN_2000_2024", days: "2023-11-01", reason: "not in the source"},
	{files: "VIX", days: "2004-06-11", extra: true, reason: "no session: the source repeats the close of 10 June in all four prices"},
	{files: "VIX", days: "1991-03-01 1997-01-31 1997-11-26 1999-12-31", reason: "not in the source"},
	{
		files: "VIX",
		days: "1992-02-11 1992-02-19 1992-08-24 1992-08-27 1992-09-16 1992-10-09 1992-11-09 1992-11-20 1992-12-09 1992-12-21 1992-12-23 " +
			"1993-03-19 1993-04-19 1993-04-28 1993-06-01 1993-07-13 1993-07-14 1993-09-15 1993-10-15 1993-10-27 1993-10-29 1993-11-23 1993-11-24 1993-11-30 " +
			"1994-01-05 1994-01-31 1994-02-07 1994-02-23 1994-03-08 1994-03-10 1994-03-14 1994-04-04 1994-09-20 1994-12-19 " +
			"1995-02-21 1995-10-10 1996-01-08 1996-02-13 1996-04-08 1998-01-12 1998-04-27 1998-11-20 1999-04-01 " +
			"2002-09-11 2004-10-26 2004-11-08 2006-02-08",
		reason: "rows of the source whose open lies outside of low and high, dropped when the file was made",
	},
}

// notUS are the daily files of other markets.
var notUS = []string{"BTCUSD", "EURGBP", "EURUSD", "USDCHF", "USDJPY", "XAUUSD"}

// The bars of the repository's own files of American shares are those of the calendar, none
// missing but those that the README of the files names: what the calendar said when the files
// were made, it says today. In them are half days, both changes of clocks, a halt.
func TestUSEquitiesAgainstOwnFiles(t *testing.T) {
	for _, tt := range []struct {
		name     string
		interval market.Interval
		bars     int
		missing  int
	}{
		{"daily/STOCK.csv", market.Day, 2880, 0},
		{"daily/INDEX.csv", market.Day, 2700, 0},
		{"daily/SPLIT.csv", market.Day, 1600, 0},
		{"close_only/OIL.csv", market.Day, 2640, 0},
		{"intraday/STOCK_1h.csv", market.Hour, 2592, 0},
		{"intraday/STOCK_1m.csv", market.Minute, 2275, 65},
	} {
		lines, _ := rows(t, testdata.Market(t, tt.name))
		bars, missing := 0, 0
		var next market.Time
		for lines.Scan() {
			at, _, _ := strings.Cut(lines.Text(), ",")
			start := ts(at)
			for ; bars > 0 && next < start; next = tt.interval.Next(next, market.USEquities) {
				missing++
			}
			if bars > 0 && next != start {
				t.Fatalf("%s has a bar at %s, where the calendar has none", tt.name, start)
			}
			bars++
			next = tt.interval.Next(start, market.USEquities)
		}
		if bars != tt.bars || missing != tt.missing {
			t.Errorf("%s: %d bars, %d missing; want %d and %d", tt.name, bars, missing, tt.bars, tt.missing)
		}
	}
}

// Every day of the American stock, ETF and index files is a session, and no session
// between a file's first and last day is missing, but for the errors listed above.
func TestUSEquitiesAgainstRealDailyFiles(t *testing.T) {
	type key struct{ file, day string }
	known := map[key]bool{} // to whether it is an extra row
	for _, e := range fileErrors {
		for _, f := range strings.Fields(e.files) {
			for _, d := range strings.Fields(e.days) {
				known[key{f, d}] = e.extra
			}
		}
	}
	paths, err := filepath.Glob(filepath.Join(testdata.Real(t, "daily"), "*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	files, witnesses := map[string][]string{}, map[string]int{}
	for _, p := range paths {
		name := strings.TrimSuffix(filepath.Base(p), ".csv")
		if slices.Contains(notUS, name) {
			continue
		}
		files[name] = days(t, p)
		for _, d := range files[name] {
			witnesses[d]++
		}
	}
	if len(files) < 35 {
		t.Fatalf("%d files", len(files))
	}
	sessions := sessionDates(t, "1990-01-01", "2024-12-31")
	compared := 0
	for name, got := range files {
		from, _ := slices.BinarySearch(sessions, got[0])
		to, _ := slices.BinarySearch(sessions, got[len(got)-1]+"x")
		want := sessions[from:to]
		compared += len(want)
		for _, d := range got {
			if _, ok := slices.BinarySearch(want, d); ok {
				continue
			}
			if extra, ok := known[key{name, d}]; !ok || !extra {
				t.Errorf("%s has %s, which is no session", name, d)
			}
			delete(known, key{name, d})
		}
		for _, d := range want {
			if _, ok := slices.BinarySearch(got, d); ok {
				continue
			}
			if extra, ok := known[key{name, d}]; !ok || extra {
				t.Errorf("%s lacks the session of %s", name, d)
			}
			if witnesses[d] == 0 && d < "2022" { // later there is one file only
				t.Errorf("no file at all has the session of %s", d)
			}
			delete(known, key{name, d})
		}
	}
	for k := range known {
		t.Errorf("%s of %s is listed as an error and is none", k.day, k.file)
	}
	t.Logf("%d files, %d sessions compared", len(files), compared)
}

func days(t testing.TB, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, 0, len(rows))
	for _, r := range rows[1:] {
		out = append(out, r[0])
	}
	return out
}

// sessionDates lists New York's trading dates from first to last, both included.
func sessionDates(t testing.TB, first, last string) []string {
	ny := newYork(t)
	var out []string
	for at := ts(first); ; {
		open, end, _ := market.USEquities.Session(at)
		d := open.Std().In(ny).Format(time.DateOnly)
		if d > last {
			return out
		}
		out = append(out, d)
		at = end
	}
}

// Hourly volume shows when the exchange closed: on the half days of 1998 to 2017,
// at most 2% of IBM's volume came from 14:00 on (late reports); on every other day
// it was 15% or more.
func TestHalfDaysShowInRealVolume(t *testing.T) {
	ny := newYork(t)
	total, late := map[string]float64{}, map[string]float64{}
	for _, b := range bars(t, "IBM_1h.csv.gz") {
		at := b.at.Std().In(ny)
		d := at.Format(time.DateOnly)
		total[d] += b.volume
		if at.Hour() >= 14 {
			late[d] += b.volume
		}
	}
	var quiet, short []string
	for d, v := range total {
		share := late[d] / v
		if share < 0.02 {
			quiet = append(quiet, d)
		} else if share < 0.15 {
			t.Errorf("%s: %.1f%% of the volume came from 14:00 on", d, 100*share)
		}
	}
	slices.Sort(quiet)
	for _, y := range nyse {
		for _, s := range strings.Fields(y.short) {
			if d := fmt.Sprintf("%d-%s", y.year, s[:5]); y.year >= 1998 && y.year <= 2017 {
				short = append(short, d)
			}
		}
	}
	if diff := cmp.Diff(short, quiet); diff != "" {
		t.Errorf("half days (-calendar +volume):\n%s", diff)
	}
}

// Walking the hours of 1998 to 2017 gives exactly the recorded hours of IBM, but
// for two kinds of days: after a half day's close the file has late reports, and on
// 11 September 2002 trade began late.
func TestUSEquitiesHoursAgainstRealHours(t *testing.T) {
	ny := newYork(t)
	recorded := map[market.Time]bool{}
	all := bars(t, "IBM_1h.csv.gz")
	for _, b := range all {
		if _, end, ok := market.USEquities.Session(b.at); !ok {
			// Closed at the beginning of this hour: it holds the opening, or late reports.
			prev, prevEnd, _ := market.USEquities.Session(market.Day.Floor(b.at))
			opens := b.at < prev && prev < market.Hour.End(b.at)
			lateReport := prevEnd <= b.at && prevEnd.Std().In(ny).Hour() < 16
			if !opens && !lateReport {
				t.Errorf("hour of %s, session until %s", b.at, end)
			}
			if lateReport {
				continue
			}
		}
		recorded[b.at] = true
	}
	walked := 0
	for at := all[0].at; at <= all[len(all)-1].at; at = market.Hour.Next(at, market.USEquities) {
		walked++
		if !recorded[at] && !strings.HasPrefix(at.String(), "2002-09-11") {
			t.Errorf("no recorded hour at %s", at)
		}
	}
	if want := len(recorded) + 2; walked != want { // 9:00 and 10:00 of 11 September 2002
		t.Errorf("%d hours walked, %d recorded and expected", walked, want)
	}
}

// FXCM's minutes of the dollar in yen of February 2013 all lie in the FX week, each
// week from its first three minutes to its last three, and with no hole longer than
// two minutes. (USDJPY_1h and XAUUSD_1h are stamped by their broker's clock, two or
// three hours off, and cannot be held against a calendar.)
func TestFXWeekAgainstRealMinutes(t *testing.T) {
	all := bars(t, "USDJPY_1min_201302.csv.gz")
	weeks := 1
	for n, b := range all {
		open, end, ok := market.FXWeek.Session(b.at)
		if !ok {
			t.Fatalf("a minute at %s; the week begins at %s", b.at, open)
		}
		if n == 0 {
			continue
		}
		next := market.Minute.Next(all[n-1].at, market.FXWeek)
		skipped := 0
		for ; next < b.at; next = market.Minute.Next(next, market.FXWeek) {
			skipped++
		}
		if next != b.at || skipped > 4 {
			t.Errorf("from %s: walked to %s over %d minutes, recorded %s", all[n-1].at, next, skipped, b.at)
		}
		if all[n-1].at < open {
			weeks++
			if late := b.at.Sub(open); late > 3*time.Minute {
				t.Errorf("the week to %s begins %s late", end, late)
			}
		}
	}
	if weeks != 5 {
		t.Errorf("%d weeks", weeks)
	}
}

type bar struct {
	at     market.Time
	volume float64
}

func bars(t testing.TB, name string) []bar {
	t.Helper()
	lines, _ := rows(t, testdata.Real(t, "intraday/"+name))
	var out []bar
	for lines.Scan() {
		cell := strings.Split(lines.Text(), ",")
		v, err := strconv.ParseFloat(cell[5], 64)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, bar{ts(cell[0]), v})
	}
	if lines.Err() != nil || len(out) == 0 {
		t.Fatalf("%s: %d bars, %v", name, len(out), lines.Err())
	}
	return out
}
