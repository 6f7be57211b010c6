package csv_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/market"
)

const head = "time,open,high,low,close,volume\n"

func readText(t testing.TB, text string, opt csv.Options) (*csv.File, error) {
	t.Helper()
	return csv.ReadFrom(t.Context(), strings.NewReader(text), "T_1min.csv", opt)
}

func zip(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text) //nolint:errcheck // a bytes.Buffer does not fail
	z.Close()               //nolint:errcheck // a bytes.Buffer does not fail
	return b.String()
}

// shown is what a test says of a file: kept rows as START CLOSE VOLUME, refused ones
// as LINE: REASON.
type shown struct {
	Series  market.SeriesID
	Kept    []string
	Refused []string
}

func show(f *csv.File) (s shown) {
	s.Series = f.Series.ID()
	for _, b := range f.Bars {
		s.Kept = append(s.Kept, fmt.Sprintf("%s %g %g", b.Start, b.Close, b.Volume))
	}
	for _, t := range f.Ticks {
		s.Kept = append(s.Kept, fmt.Sprintf("%s %g %g", t.Time, t.Price, t.Size))
	}
	for _, r := range f.Rejects {
		s.Refused = append(s.Refused, fmt.Sprintf("%d: %s", r.Line, r.Reason))
	}
	return s
}

func TestFormats(t *testing.T) {
	long := strings.Repeat("x", csv.MaxLine+1)
	minute := func(n int, close string) string {
		return fmt.Sprintf("2024-01-02T10:%02d:00Z,5,9,1,%s,10\n", n, close)
	}
	kept := func(n int) string { return fmt.Sprintf("2024-01-02T10:%02d:00Z 5 10", n) }
	good := minute(0, "5") + minute(1, "5") + minute(2, "5")
	three := shown{"file:T@1m", []string{kept(0), kept(1), kept(2)}, nil}
	with := func(refused ...string) shown { return shown{three.Series, three.Kept, refused} }

	cases := map[string]struct {
		text string
		opt  csv.Options
		want shown
	}{
		"bars":               {head + good, csv.Options{}, three},
		"compressed":         {zip(head + good), csv.Options{}, three},
		"carriage returns":   {strings.ReplaceAll(head+good, "\n", "\r\n"), csv.Options{}, three},
		"byte order mark":    {"\ufeff" + head + good, csv.Options{}, three},
		"no final newline":   {strings.TrimSpace(head + good), csv.Options{}, three},
		"blank lines":        {"\n \n" + head + "\n\n" + good + "\r\n\n", csv.Options{}, three},
		"capitals, quotes":   {`"TIME", "Open" ,HIGH,low,"CLOSE",Volume` + "\n" + good, csv.Options{}, three},
		"quoted fields":      {head + `"2024-01-02T10:00:00Z","5",9,1,"5","10"` + "\n" + minute(1, "5") + minute(2, "5"), csv.Options{}, three},
		"not in order":       {head + minute(2, "5") + minute(0, "5") + minute(1, "5"), csv.Options{}, three},
		"other columns":      {"n,volume,close,low,high,open,Adj Close,timestamp\n1,10,5,1,9,5,4,2024-01-02T10:00:00Z\n", csv.Options{Interval: market.Minute}, shown{"file:T@1m", []string{kept(0)}, nil}},
		"no volume":          {"date,open,high,low,close\n2024-01-02,1,1,1,1\n2024-01-03,1,1,1,1\n", csv.Options{}, shown{"file:T@1d", []string{"2024-01-02T00:00:00Z 1 0", "2024-01-03T00:00:00Z 1 0"}, nil}},
		"closes":             {"Date,Price\n2024-01-02,7\n", csv.Options{}, shown{"file:T@1d", []string{"2024-01-02T00:00:00Z 7 0"}, nil}},
		"closes and volume":  {"time,close,volume\n2024-01-02,7,3\n", csv.Options{}, shown{"file:T@1d", []string{"2024-01-02T00:00:00Z 7 3"}, nil}},
		"ticks":              {"time,price,size\n2024-01-02T10:00:00.5Z,7,1\n2024-01-02T10:00:00.5Z,8,2\n2024-01-02T09:00:00Z,6,3\n", csv.Options{}, shown{"file:T@1m", []string{"2024-01-02T09:00:00Z 6 3", "2024-01-02T10:00:00.5Z 7 1", "2024-01-02T10:00:00.5Z 8 2"}, nil}},
		"ticks since 1970":   {"timestamp,price,qty\n1704189600500,7,1\n1704189601,8,2\n1704189602000001,9,3\n", csv.Options{Interval: market.Second}, shown{"file:T@1s", []string{"2024-01-02T10:00:00.5Z 7 1", "2024-01-02T10:00:01Z 8 2", "2024-01-02T10:00:02.000001Z 9 3"}, nil}},
		"a stray quote":      {head + minute(0, "5") + `2024-01-02T10:05:00Z,"5,9,1,5,10` + "\n" + minute(1, "5") + minute(2, "5"), csv.Options{}, with("3: a quote is opened and not closed on this line, or text follows a closing quote")},
		"columns":            {head + good + "2024-01-02T10:03:00Z,5,9,1,5\n2024-01-02T10:03:00Z,5,9,1,5,10,\n", csv.Options{}, with("5: has 5 columns instead of 6", "6: has 7 columns instead of 6")},
		"a header again":     {head + minute(0, "5") + head + minute(1, "5") + minute(2, "5"), csv.Options{}, with(`3: time "time" is neither a date (2006-01-02) nor RFC 3339 (2006-01-02T15:04:05Z)`)},
		"a long line":        {head + minute(0, "5") + long + "\n" + minute(1, "5") + minute(2, "5"), csv.Options{}, with("3: the line is longer than 16384 bytes")},
		"a long last line":   {head + good + long + long, csv.Options{}, with("5: the line is longer than 16384 bytes")},
		"binary junk":        {head + minute(0, "5") + "\x00\xff\x01\n" + minute(1, "5") + minute(2, "5"), csv.Options{}, with("3: has 1 columns instead of 6")},
		"close over high":    {head + good + minute(3, "10"), csv.Options{}, with("5: close 10 is outside low 1 to high 9")},
		"high under low":     {head + good + "2024-01-02T10:03:00Z,5,4,6,5,10\n", csv.Options{}, with("5: high 4 is below low 6")},
		"open under low":     {head + good + "2024-01-02T10:03:00Z,1,9,2,5,10\n", csv.Options{}, with("5: open 1 is outside low 2 to high 9")},
		"zero":               {head + good + minute(3, "0"), csv.Options{}, with("5: close 0 is not positive")},
		"negative volume":    {head + good + "2024-01-02T10:03:00Z,5,9,1,5,-1\n", csv.Options{}, with("5: volume -1 is not a finite number of at least 0")},
		"no number":          {head + good + minute(3, "NaN") + minute(4, "null") + minute(5, "") + minute(6, "0x5") + minute(7, "1_0") + minute(8, "Inf") + minute(9, "1e999") + minute(10, "5,000"), csv.Options{}, with(`5: close "NaN" is not a number`, `6: close "null" is not a number`, `7: close is empty`, `8: close "0x5" is not a number`, `9: close "1_0" is not a number`, `10: close "Inf" is not a number`, `11: close "1e999" is too large`, "12: has 7 columns instead of 6")},
		"a time twice":       {head + minute(1, "6") + minute(0, "5") + minute(1, "5") + minute(2, "5") + minute(1, "7"), csv.Options{}, shown{"file:T@1m", []string{kept(0), "2024-01-02T10:01:00Z 6 10", kept(2)}, []string{"4: has the same time as line 2, which is kept", "6: has the same time as line 2, which is kept"}}},
		"a bad one first":    {head + minute(1, "0") + good, csv.Options{}, with("2: close 0 is not positive")},
		"overlap":            {head + good + "2024-01-02T10:02:30Z,5,9,1,5,10\n2024-01-02T10:02:59Z,5,9,1,5,10\n", csv.Options{}, with("5: begins before the bar of line 4 ends (bars of 1m)", "6: begins before the bar of line 4 ends (bars of 1m)")},
		"a longer interval":  {head + good + minute(5, "5"), csv.Options{Interval: market.FiveMin}, shown{"file:T@5m", []string{kept(0), kept(5)}, []string{"3: begins before the bar of line 2 ends (bars of 5m)", "4: begins before the bar of line 2 ends (bars of 5m)"}}},
		"zone-less, no zone": {head + good + "2024-01-02 10:03:00,5,9,1,5,10\n", csv.Options{}, with(`5: time "2024-01-02 10:03:00" names no zone; say which one the file means with --timezone, e.g. --timezone America/New_York`)},
		"zone-less, zone":    {head + "2024-01-02 05:00:00,5,9,1,5,10\n2024-01-02T05:01,5,9,1,5,10\n" + minute(2, "5"), csv.Options{Zone: newYork(t)}, three},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, err := readText(t, c.text, c.opt)
			if err != nil {
				t.Fatal(err)
			}
			checkFile(t, f)
			if d := cmp.Diff(c.want, show(f)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// Data that is compressed and then cut short or spoilt keeps the rows before the
// damage, and never takes half a row for a whole one.
func TestDamagedGzip(t *testing.T) {
	var text strings.Builder
	text.WriteString("time,close\n")
	for i := range 3000 {
		fmt.Fprintf(&text, "%s,%d.%d\n", market.Time(1704189600+60*i).Std().Add(time.Duration(i)*time.Minute).Format(time.RFC3339), 1000+i*7919%997, i%100)
	}
	whole, err := readText(t, text.String(), csv.Options{Interval: market.Second})
	if err != nil {
		t.Fatal(err)
	}
	packed := zip(text.String())
	for _, size := range []int{len(packed) / 4, len(packed) / 2, len(packed) - 9, len(packed) - 3} {
		for _, spoil := range []bool{false, true} {
			in := []byte(packed[:size])
			if spoil {
				in = []byte(packed)
				in[size] ^= 0x55
			}
			f, err := csv.ReadFrom(t.Context(), bytes.NewReader(in), "T.csv.gz", csv.Options{Interval: market.Second})
			if err != nil {
				t.Fatalf("%d bytes, spoilt %t: %v", size, spoil, err)
			}
			checkFile(t, f)
			if f.Refused == 0 || f.Rejects[f.Refused-1].Line != f.Rows+1 || !strings.Contains(f.Rejects[f.Refused-1].Reason, "the file ends, damaged") {
				t.Errorf("%d bytes, spoilt %t: %d rows, %d refused", size, spoil, f.Rows, f.Refused)
			}
			if !spoil {
				if d := cmp.Diff(whole.Bars[:len(f.Bars)], f.Bars); d != "" {
					t.Errorf("%d bytes: rows changed:\n%s", size, d)
				}
			}
		}
	}
}

func TestFilesThatAreNot(t *testing.T) {
	cases := map[string]struct {
		text string
		is   error
		want string
	}{
		"empty":             {"", csv.ErrFormat, "T_1min.csv is empty"},
		"blank":             {"\n\r\n  \n", csv.ErrFormat, "is empty"},
		"header only":       {head, csv.ErrNoRows, "names columns and has no rows"},
		"nothing good":      {head + "x\n", csv.ErrNoRows, "all 1 rows of T_1min.csv were refused; line 2: has 1 columns instead of 6"},
		"no header":         {"2024-01-02,1,1,1,1,1\n", csv.ErrFormat, "columns found in the first line: 2024-01-02, 1, 1, 1, 1, 1; bars need"},
		"quotes":            {"time,bid,ask\n2024-01-02,1,2\n", csv.ErrFormat, "these are quotes (columns found: time, bid, ask)"},
		"two times":         {"date,time,close\n", csv.ErrFormat, "two columns could be the time: the columns are date, time"},
		"two closes":        {"time,close,Close\n", csv.ErrFormat, "two columns could be the close"},
		"stray quote":       {"time,\"close\n", csv.ErrFormat, "cannot be read"},
		"archive":           {"PK\x03\x04abcdef", csv.ErrFormat, "is a zip archive"},
		"UTF-16":            {"\xff\xfet\x00", csv.ErrFormat, "UTF-16"},
		"binary":            {"time,close\x00\n", csv.ErrFormat, "is binary"},
		"long first line":   {strings.Repeat("a", 3*csv.MaxLine), csv.ErrFormat, "longer than"},
		"not really gzip":   {"\x1f\x8bhello, this is no gzip", csv.ErrFormat, "damaged"},
		"one row, no dates": {head + "2024-01-02T10:00:00Z,1,1,1,1,1\n", csv.ErrInterval, "say it with --interval"},
		"no interval":       {"time,close\n2024-01-02T10:00:00Z,1\n2024-01-02T10:07:00Z,1\n", csv.ErrInterval, "mostly 7m0s apart"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, err := readText(t, c.text, csv.Options{})
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
			if (f != nil) != (c.is != csv.ErrFormat) {
				t.Errorf("the file is %v", f)
			}
		})
	}
}

func TestInterval(t *testing.T) {
	cases := map[string]struct {
		times []string
		want  string
	}{
		"seconds":         {[]string{"2024-01-02T10:00:00Z", "2024-01-02T10:00:01Z", "2024-01-02T10:00:05Z"}, "1s"},
		"a tie":           {[]string{"2024-01-02T10:00:00Z", "2024-01-02T10:05:00Z", "2024-01-02T10:06:00Z"}, "1m"},
		"quarter hours":   {[]string{"2024-01-02T10:00:00Z", "2024-01-02T10:15:00Z", "2024-01-02T10:30:00Z", "2024-01-03T10:00:00Z"}, "15m"},
		"four hours":      {[]string{"2024-01-02T08:00:00Z", "2024-01-02T12:00:00Z"}, "4h"},
		"days":            {[]string{"2024-01-05", "2024-01-08", "2024-01-09", "2024-01-10"}, "1d"},
		"days at an hour": {[]string{"2024-01-08T05:00:00Z", "2024-01-09T05:00:00Z", "2024-01-10T05:00:00Z"}, "1d"},
		"weeks":           {[]string{"2024-01-05", "2024-01-12", "2024-01-19"}, "1w"},
		"months":          {[]string{"2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"}, "1mo"},
		"one day":         {[]string{"2024-01-05"}, "1d"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, err := readText(t, "time,close\n"+strings.Join(c.times, ",1\n")+",1\n", csv.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if f.Series.Interval.String() != c.want || f.Refused != 0 {
				t.Errorf("interval %s, %d refused; want %s", f.Series.Interval, f.Refused, c.want)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	ny := newYork(t)
	cases := map[string]struct {
		text string
		zone *time.Location
		want string // a time, or words of the reason
	}{
		"date":               {"2024-02-29", nil, "2024-02-29T00:00:00Z"},
		"date in a zone":     {"2024-02-29", ny, "2024-02-29T00:00:00Z"},
		"no such day":        {"2023-02-29", nil, "is neither"},
		"month 13":           {"2023-13-01", nil, "is neither"},
		"offset":             {"2024-01-02T10:00:00+05:30", nil, "2024-01-02T04:30:00Z"},
		"offset in a zone":   {"2024-01-02 10:00:00-04:00", ny, "2024-01-02T14:00:00Z"},
		"offset, no colon":   {"2024-01-02 10:00:00 -0400", nil, "2024-01-02T14:00:00Z"},
		"short offset":       {"2024-01-02 10:00:00+00", nil, "2024-01-02T10:00:00Z"},
		"UTC":                {"2024-01-02 10:00:00 UTC", nil, "2024-01-02T10:00:00Z"},
		"nanoseconds":        {"2024-01-02t10:00:00.123456789z", nil, "2024-01-02T10:00:00.123456Z"},
		"tenths":             {"2024-01-02T10:00:00.5Z", nil, "2024-01-02T10:00:00.5Z"},
		"winter":             {"2024-01-02 10:00:00", ny, "2024-01-02T15:00:00Z"},
		"summer":             {"2024-07-02 10:00:00", ny, "2024-07-02T14:00:00Z"},
		"missing hour":       {"2024-03-10 02:30:00", ny, "does not exist in America/New_York"},
		"first after it":     {"2024-03-10 03:00:00", ny, "2024-03-10T07:00:00Z"},
		"hour that is twice": {"2024-11-03 01:30:00", ny, "2024-11-03T05:30:00Z"},
		"last before it":     {"2024-11-03 00:59:59", ny, "2024-11-03T04:59:59Z"},
		"first after that":   {"2024-11-03 02:00:00", ny, "2024-11-03T07:00:00Z"},
		"no zone":            {"2024-01-02T10:00:00", nil, "names no zone"},
		"hour 24":            {"2024-01-02T24:00:00Z", nil, "is neither"},
		"second 60":          {"2024-01-02T23:59:60Z", nil, "is neither"},
		"empty fraction":     {"2024-01-02T10:00:00.Z", nil, "is neither"},
		"junk behind":        {"2024-01-02T10:00:00Zx", nil, "is neither"},
		"junk offset":        {"2024-01-02T10:00:00+1:00", nil, "is neither"},
		"American":           {"01/02/2024", nil, "is neither"},
		"empty":              {"", nil, "is neither"},
		"year 0":             {"0000-01-01", nil, "outside the years"},
		"before year 1":      {"0001-01-01T00:00:00+01:00", nil, "outside the years"},
		"year 9999":          {"9999-12-31", nil, "9999-12-31T00:00:00Z"},
		"before 1970":        {"1962-01-02", nil, "1962-01-02T00:00:00Z"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, err := readText(t, "time,price,size\n"+c.text+",1,1\n", csv.Options{Zone: c.zone})
			if f == nil {
				t.Fatal(err)
			}
			got := ""
			if len(f.Ticks) == 1 {
				got = f.Ticks[0].Time.String()
			} else if len(f.Rejects) == 1 {
				got = f.Rejects[0].Reason
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("%q is %q, want %q", c.text, got, c.want)
			}
		})
	}
}

func TestInstrument(t *testing.T) {
	cases := map[string]struct {
		opt  market.Instrument
		want string
	}{
		"AMZN_1min_201902.csv":   {market.Instrument{}, "file:AMZN equity USD"},
		"amzn.csv.gz":            {market.Instrument{}, "file:AMZN equity USD"},
		"dir/BTC-USD_x.csv":      {market.Instrument{}, "file:BTC-USD crypto USD"},
		"XRPETH.csv":             {market.Instrument{}, "file:XRPETH crypto ETH"},
		"BTCPERP.csv":            {market.Instrument{}, "file:BTCPERP crypto USD"},
		"USDJPY_1h.csv":          {market.Instrument{}, "file:USDJPY fx JPY"},
		"XAUUSD.csv":             {market.Instrument{}, "file:XAUUSD commodity USD"},
		"^GSPC.csv":              {market.Instrument{}, "file:^GSPC index USD"},
		"WTI.csv":                {market.Instrument{}, "file:WTI commodity USD"},
		"my prices @ home_1.csv": {market.Instrument{}, "file:MY-PRICES---HOME equity USD"},
		"_.csv":                  {market.Instrument{}, "file:DATA equity USD"},
		"x.csv":                  {market.Instrument{Symbol: "BTC/EUR", Venue: "kraken", Class: market.FX, Currency: "CHF"}, "kraken:BTC/EUR fx CHF"},
		"y.csv":                  {market.Instrument{Symbol: "ETH/EUR"}, "file:ETH/EUR crypto EUR"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f, err := csv.ReadFrom(t.Context(), strings.NewReader("time,close\n2024-01-02,1\n"), name, csv.Options{Instrument: c.opt})
			if err != nil {
				t.Fatal(err)
			}
			i := f.Series.Instrument
			if got := fmt.Sprintf("%s %s %s", i.Key(), i.Class, i.Currency); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestPriceScale(t *testing.T) {
	cases := map[string]struct {
		prices []string
		want   int
	}{
		"whole":          {[]string{"5", "7.0", "1000"}, 0},
		"the most":       {[]string{"5.1", "7.25", "9"}, 2},
		"trailing zeros": {[]string{"79.312500"}, 4},
		"32-bit floats":  {[]string{"162.770004", "87.73999786376953"}, 2},
		"small":          {[]string{"0.00141342"}, 8},
		"no end":         {[]string{"0.0000000001234567"}, 8},
		"exponent":       {[]string{"1.5e-3"}, 4},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			text := "time,close\n"
			for i, p := range c.prices {
				text += fmt.Sprintf("2024-01-%02d,%s\n", i+1, p)
			}
			f, err := readText(t, text, csv.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Series.Instrument.PriceScale; got != c.want {
				t.Errorf("%d decimals, want %d", got, c.want)
			}
			f, err = readText(t, text, csv.Options{FixedScale: true, Instrument: market.Instrument{PriceScale: 5}})
			if err != nil || f.Series.Instrument.PriceScale != 5 {
				t.Errorf("%v, given 5 it has %d decimals", err, f.Series.Instrument.PriceScale)
			}
		})
	}
}

// Beyond the limit rejects are counted.
func TestManyRejects(t *testing.T) {
	const extra = 10
	f, err := readText(t, head+strings.Repeat("x\n", csv.MaxRejects+extra)+"2024-01-02,1,1,1,1,1\n", csv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	checkFile(t, f)
	last := f.Rejects[len(f.Rejects)-1]
	if f.Refused != csv.MaxRejects+extra || len(f.Bars) != 1 || !strings.HasPrefix(last.Reason, "10 further rows were refused") {
		t.Errorf("%d refused, the last: %+v", f.Refused, last)
	}
}

// Of a stream that cannot be read twice a bar that repeats another is shown as it was
// understood.
func TestStreamThatCannotBeReadAgain(t *testing.T) {
	text := "time,close\n2024-01-02,1.50\n2024-01-02,2.50\n"
	once, err := csv.ReadFrom(t.Context(), io.MultiReader(strings.NewReader(text)), "T.csv", csv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	twice, err := readText(t, text, csv.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := once.Rejects[0].Raw; got != "2024-01-02T00:00:00Z,2.5,2.5,2.5,2.5,0" {
		t.Errorf("once: %q", got)
	}
	if got := twice.Rejects[0].Raw; got != "2024-01-02,2.50" {
		t.Errorf("twice: %q", got)
	}
}
