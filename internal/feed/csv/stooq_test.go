package csv_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/market"
)

// Files that a user has downloaded from Stooq are read as they are: Date, Open, High, Low, Close
// and, of what is traded on an exchange, Volume. Lines end as Windows ends them, or not. The page
// that comes in place of a file, with status 200, is not taken for one.
func TestStooq(t *testing.T) {
	const (
		stock = "Date,Open,High,Low,Close,Volume\r\n2024-03-07,168.8999,170.7299,168.49,169,71765061\r\n2024-03-08,168.75,173.7,168.94,170.73,76267041\r\n2024-03-11,172.94,174.38,172.05,172.75,60139473\r\n2024-03-12,173.15,174.03,171.01,173.23,59825372\r\n"
		pair  = "Date,Open,High,Low,Close\n2024-03-06,1.08568,1.09152,1.08416,1.0898\n2024-03-07,1.08981,1.0949,1.08673,1.0947\n2024-03-08,1.09471,1.09812,1.09187,1.09385\n"
	)
	for name, c := range map[string]struct {
		file, text string
		want       shown
		class      market.Class
	}{
		"a stock": {"aapl_us_d.csv", stock, shown{"file:AAPL@1d",
			[]string{"2024-03-07T00:00:00Z 169 7.1765061e+07", "2024-03-11T00:00:00Z 172.75 6.0139473e+07", "2024-03-12T00:00:00Z 173.23 5.9825372e+07"},
			[]string{"3: open 168.75 is outside low 168.94 to high 173.7"}}, market.Equity},
		"currencies, without Volume": {"eurusd_d.csv", pair, shown{"file:EURUSD@1d",
			[]string{"2024-03-06T00:00:00Z 1.0898 0", "2024-03-07T00:00:00Z 1.0947 0", "2024-03-08T00:00:00Z 1.09385 0"}, nil}, market.FX},
		"an index, with a Volume that is empty": {"^spx_d.csv", "Date,Open,High,Low,Close,Volume\n2024-03-07,5132.38,5165.62,5128.21,5157.36,\n2024-03-08,5164.46,5189.26,5117.5,5123.69,\n", shown{"file:^SPX@1d",
			[]string{"2024-03-07T00:00:00Z 5157.36 0", "2024-03-08T00:00:00Z 5123.69 0"}, nil}, market.Index},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := csv.ReadFrom(t.Context(), strings.NewReader(c.text), c.file, csv.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, show(f)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if f.Kind != csv.Bars || f.Series.Instrument.Class != c.class {
				t.Errorf("%s of %+v", f.Kind, f.Series.Instrument)
			}
		})
	}
	page := "<!doctype html><html><head><title>stooq</title><script>/* proof of work */</script></head></html>"
	if _, err := csv.ReadFrom(t.Context(), strings.NewReader(page), "aapl_us_d.csv", csv.Options{}); !errors.Is(err, csv.ErrFormat) {
		t.Errorf("a page in place of the file: %v", err)
	}
}
