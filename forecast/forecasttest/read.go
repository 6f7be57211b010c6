package forecasttest

import (
	"compress/gzip"
	"encoding/csv"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/foretick/foretick/market"
)

// ReadAll reads the recorded series at paths.
func ReadAll(t testing.TB, paths ...string) [][]market.Bar {
	t.Helper()
	var series [][]market.Bar
	for _, path := range paths {
		series = append(series, ReadBars(t, path))
	}
	return series
}

// ReadBars reads a recorded series with the columns time, open, high, low, close,
// volume, compressed when its name ends in .gz. A bar ends where its interval does; the interval is a day for dates and
// otherwise the shortest step between two bars.
func ReadBars(t testing.TB, path string) []market.Bar {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var text io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if text, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := csv.NewReader(text).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	bars := make([]market.Bar, len(rows)-1)
	step := market.Time(market.Day.Duration().Microseconds())
	for i, row := range rows[1:] {
		b := &bars[i]
		if b.Start, err = market.ParseTime(row[0]); err != nil {
			t.Fatal(err)
		}
		for k, p := range []*float64{&b.Open, &b.High, &b.Low, &b.Close, &b.Volume} {
			if *p, err = strconv.ParseFloat(row[k+1], 64); err != nil {
				t.Fatalf("%s, line %d: %v", path, i+2, err)
			}
		}
		if i > 0 {
			step = min(step, b.Start-bars[i-1].Start)
		}
	}
	for i := range bars {
		bars[i].End = bars[i].Start + step
	}
	return bars
}
