package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// What is committed is what the program makes, and nothing else lies in the folder.
func TestCommittedFiles(t *testing.T) {
	testdata.SkipRaced(t, "a computation in one goroutine")
	root, size := filepath.Join("..", "..", filepath.FromSlash(folder)), int64(0)
	made := map[string]bool{}
	for _, f := range files() {
		made[f.name] = true
		got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.name)))
		if err != nil {
			t.Fatal(err)
		}
		size += int64(len(got))
		if f.compressed() {
			z, err := gzip.NewReader(bytes.NewReader(got))
			if err != nil {
				t.Fatal(err)
			}
			if got, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, f.text) {
			t.Errorf("%s is not what the program makes: run go run ./internal/marketgen", f.name)
		}
	}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if name := filepath.ToSlash(rel); err == nil && !made[name] {
			t.Errorf("the program does not make %s", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if size >= 2e6 {
		t.Errorf("%d bytes; a clone should stay small: less than 2 MB", size)
	}
}

// row is a row of a file as it stands there.
type row struct {
	start                          market.Time
	open, high, low, close, volume float64
}

func rows(t *testing.T, name string) []row {
	t.Helper()
	for _, f := range files() {
		if f.name != name {
			continue
		}
		var out []row
		for line := range strings.Lines(string(f.text)) {
			cell := strings.Split(strings.TrimSpace(line), ",")
			if cell[0] == "time" {
				continue
			}
			at := cell[0]
			if len(at) == len(time.DateOnly) {
				at += "T00:00:00Z"
			}
			start, err := market.ParseTime(at)
			if err != nil {
				t.Fatal(err)
			}
			var v [5]float64
			for i, c := range cell[1:] {
				if v[i], err = strconv.ParseFloat(c, 64); err != nil {
					t.Fatal(err)
				}
			}
			out = append(out, row{start, v[0], v[1], v[2], v[3], v[4]})
		}
		return out
	}
	t.Fatalf("no file %s", name)
	return nil
}

// Series of an exchange have a bar wherever its calendar has one, but for those left out on
// purpose.
func TestBarsFollowTheirCalendar(t *testing.T) {
	for _, tt := range []struct {
		name     string
		interval market.Interval
		calendar market.Calendar
		bars     int
		missing  int
	}{
		{"daily/STOCK.csv", market.Day, market.USEquities, 2880, 0},
		{"daily/INDEX.csv", market.Day, market.USEquities, 2700, 0},
		{"daily/SPLIT.csv", market.Day, market.USEquities, 1600, 0},
		{"daily/COIN.csv", market.Day, market.Always, 1600, 25},
		{"intraday/STOCK_1h.csv", market.Hour, market.USEquities, 2592, 0},
		{"intraday/STOCK_1m.csv", market.Minute, market.USEquities, 2275, 65},
		{"intraday/COIN_1m.csv.gz", market.Minute, market.Always, 6240, 47},
		{"intraday/COIN_1s.csv", market.Second, market.Always, 3300, 17},
	} {
		all := rows(t, tt.name)
		missing, next := 0, all[0].start
		for i, r := range all {
			for ; next < r.start; next = tt.calendar.NextBar(tt.interval, next) {
				missing++
			}
			if next != r.start {
				t.Fatalf("%s: bar %d begins at %s, where the calendar has none", tt.name, i, r.start)
			}
			if r.low > min(r.open, r.close) || r.high < max(r.open, r.close) || r.low <= 0 {
				t.Errorf("%s: bar %d is no bar: %+v", tt.name, i, r)
			}
			next = tt.calendar.NextBar(tt.interval, r.start)
		}
		if len(all) != tt.bars || missing != tt.missing {
			t.Errorf("%s: %d bars, %d missing; want %d and %d", tt.name, len(all), missing, tt.bars, tt.missing)
		}
	}
}

func returns(all []row) []float64 {
	var out []float64
	for i := 1; i < len(all); i++ {
		out = append(out, math.Log(all[i].close/all[i-1].close))
	}
	return out
}

func absolute(x []float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		out[i] = math.Abs(x[i])
	}
	return out
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// moment is the mean of the products of the deviations of x and y, each to a power.
func moment(x, y []float64, px, py float64) float64 {
	mx, my, sum := mean(x), mean(y), 0.0
	for i := range x {
		sum += math.Pow(x[i]-mx, px) * math.Pow(y[i]-my, py)
	}
	return sum / float64(len(x))
}

func correlation(x, y []float64) float64 {
	return moment(x, y, 1, 1) / math.Sqrt(moment(x, x, 2, 0)*moment(y, y, 2, 0))
}

// The invented prices behave like real ones: fat tails, volatility that clusters and rises
// after falls, and ranges that say what closes say of it. Bounds leave about a third of
// what was measured.
func TestPricesBehaveLikeRealOnes(t *testing.T) {
	for _, tt := range []struct {
		name       string
		kurtosis   float64 // at least; 3 is normal
		clustering float64 // mean autocorrelation of |return| at lags 1 to 10, at least
		leverage   float64 // correlation of a return with the next |return|, at most
	}{
		{"daily/STOCK.csv", 8, 0.08, -0.05},
		{"daily/INDEX.csv", 6, 0.10, -0.06},
		{"daily/FX.csv", 5, 0.03, 1},
		{"daily/COIN.csv", 8, 0.06, 1},
		{"intraday/STOCK_1h.csv", 6, 0.08, -0.03},
		{"intraday/COIN_1m.csv.gz", 8, 0.08, 1},
		{"intraday/COIN_1s.csv", 5, 0.05, 1},
	} {
		all := rows(t, tt.name)
		r := returns(all)
		size := absolute(r)
		kurtosis := moment(r, r, 4, 0) / math.Pow(moment(r, r, 2, 0), 2)
		clustering := 0.0
		for lag := 1; lag <= 10; lag++ {
			clustering += correlation(size[lag:], size[:len(size)-lag]) / 10
		}
		leverage := correlation(r[:len(r)-1], size[1:])
		within, between := 0.0, 0.0 // variance by range (Parkinson) and from close to open
		for i := 1; i < len(all); i++ {
			within += math.Pow(math.Log(all[i].high/all[i].low), 2) / (4 * math.Ln2)
			between += math.Pow(math.Log(all[i].open/all[i-1].close), 2)
		}
		ranges := (within + between) / float64(len(r)) / moment(r, r, 2, 0)
		t.Logf("%s: kurtosis %.1f, clustering %.3f, leverage %.3f, variance by range %.2f of that by close", tt.name, kurtosis, clustering, leverage, ranges)
		if kurtosis < tt.kurtosis || clustering < tt.clustering || leverage > tt.leverage || ranges < 0.8 || ranges > 1.1 {
			t.Errorf("%s: kurtosis %.1f (want %v), clustering %.3f (%v), leverage %.3f (%v), ranges %.2f (0.8 to 1.1)",
				tt.name, kurtosis, tt.kurtosis, clustering, tt.clustering, leverage, tt.leverage, ranges)
		}
	}
}

// Days have their U: the first and the last half hour move and trade more than the middle.
func TestDaysHaveTheirU(t *testing.T) {
	var move, volume [13]float64 // by half hours
	for _, r := range rows(t, "intraday/STOCK_1m.csv") {
		open, _, ok := market.USEquities.Session(r.start)
		if !ok {
			t.Fatalf("%s is in no session", r.start)
		}
		half := (r.start - open) / (30 * minute)
		move[half] += math.Log(r.high / r.low)
		volume[half] += r.volume
	}
	t.Logf("ranges %.3v, volumes %.3v", move, volume)
	for name, u := range map[string][13]float64{"ranges": move, "volumes": volume} {
		if middle := u[6]; u[0] < 1.3*middle || u[12] < 1.1*middle {
			t.Errorf("%s of half hours are no U: %.4v", name, u)
		}
	}
}

// The splits look like splits, and nothing else does.
func TestSplitsAreSeen(t *testing.T) {
	for _, f := range files() {
		if !strings.HasPrefix(f.name, "daily/") || strings.Contains(f.name, "actions") {
			continue
		}
		var view []market.Bar
		got := map[int]float64{}
		for i, r := range rows(t, f.name) {
			b := market.Bar{Start: r.start, End: market.Day.End(r.start), Open: r.open, High: r.high, Low: r.low, Close: r.close}
			if ratio, ok := market.SuspectSplit(view, &b); ok {
				got[i], view = ratio, nil
			}
			view = append(view, b)
		}
		want := 0
		if f.name == "daily/SPLIT.csv" {
			want = 2
			if got[announced] != announcedRatio || got[unannounced] != unannouncedRatio {
				t.Errorf("%s: %v", f.name, got)
			}
		}
		if len(got) != want {
			t.Errorf("%s: suspected splits %v, want %d", f.name, got, want)
		}
	}
}

func TestDecimals(t *testing.T) {
	for _, tt := range []struct {
		v        int64
		decimals int
		want     string
	}{{0, 2, "0"}, {7, 2, "0.07"}, {-2140, 2, "-21.4"}, {12300, 2, "123"}, {12065, 13, "0.0000000012065"}, {100, 0, "100"}} {
		if got := string(appendDecimal(nil, tt.v, tt.decimals)); got != tt.want {
			t.Errorf("%d with %d decimals: %s, want %s", tt.v, tt.decimals, got, tt.want)
		}
	}
}

// exp and ln are those of package math to the last digits.
func TestExpAndLn(t *testing.T) {
	n := newNoise(99)
	for range 10_000 {
		x := 40 * (n.Float64() - 0.5)
		if e := math.Exp(x); math.Abs(exp(x)/e-1) > 1e-15 || math.Abs(ln(e)-math.Log(e)) > 1e-15*max(1, math.Abs(x)) {
			t.Fatalf("%v: exp %v, want %v; ln %v, want %v", x, exp(x), e, ln(e), math.Log(e))
		}
	}
}
