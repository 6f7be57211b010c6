package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the same hours on every machine
	"unicode/utf16"

	"github.com/foretick/foretick/market"
)

// raw are files as people find them: exported, glued together, cut short, saved as something
// else. They are made of rows of the good files.
func raw() []file {
	return slices.Concat(damagedRows(), damagedTimes(), damagedFiles(), exports())
}

// cells are n rows of a file from row i on.
func cells(f file, i, n int) [][]string {
	var out [][]string
	for _, line := range strings.Split(string(f.text), "\n")[1+i : 1+i+n] {
		out = append(out, strings.Split(line, ","))
	}
	return out
}

// lines joins rows to a file under a header.
func lines(header string, rows [][]string) []byte {
	var b bytes.Buffer
	b.WriteString(header + "\n")
	for _, r := range rows {
		b.WriteString(strings.Join(r, ",") + "\n")
	}
	return b.Bytes()
}

const header = "time,open,high,low,close,volume"

// damagedRows are files some of whose rows are no rows.
func damagedRows() []file {
	notNumbers := cells(stock(), 100, 60)
	notNumbers[10][4], notNumbers[11][2], notNumbers[12][3], notNumbers[13][1] = "NaN", "Inf", "-Infinity", "1e999"
	notNumbers[14][4], notNumbers[15][1], notNumbers[16][5] = "", "n/a", "-1"

	impossible := cells(stock(), 200, 60)
	r := impossible[20]
	r[2], r[3] = r[3], r[2]                      // high below low
	impossible[21][1] = "1000"                   // open above high
	impossible[22][4] = "0.01"                   // close below low
	impossible[23][3] = "0"                      // no price
	impossible[24][3] = "-" + r[3]               // below zero
	impossible[25] = impossible[25][:5]          // a column is missing
	impossible[26] = append(impossible[26], "7") // one too many

	ticks := cells(coinTrades(), 0, 80)
	ticks[10][1], ticks[11][1], ticks[12][2], ticks[13][2] = "0", "-0.0014", "-5", "NaN"
	ticks[40], ticks[41] = ticks[41], ticks[40]

	negative := cells(oil(), 1830, 150)
	quotes := cells(fx(), 500, 50)
	for i, q := range quotes {
		quotes[i] = []string{q[0], q[3], q[2]}
	}
	quoted := cells(stock(), 300, 30)
	quoted[9][1] = `"` + quoted[9][1]
	long := cells(stock(), 330, 30)
	long[4][5] += strings.Repeat("0", 17<<10)
	return []file{
		{"raw/STOCK_not_numbers.csv", lines(header, notNumbers), "60 days; prices in rows 10 to 15 are NaN, Inf, 1e999, empty or words, and the volume in row 16 is negative"},
		{"raw/STOCK_impossible.csv", lines(header, impossible), "60 days; rows 20 to 26: high below low, open above high, close below low, a low of 0, a low below 0, a column too few, a column too many"},
		{"raw/COIN_impossible_ticks.csv", lines("time,price,size", ticks), "80 trades; rows 10 to 13 have a price of 0, a price below 0, a negative size and no size; rows 40 and 41 are swapped"},
		{"raw/OIL_negative_price.csv", lines("Date,Price", negative), "150 closes under other column names; row 75 is below zero"},
		{"raw/FX_quotes.csv", lines("time,bid,ask", quotes), "quotes, not trades"},
		{"raw/STOCK_open_quote.csv", lines(header, quoted), "30 days; row 9 opens a quotation mark that is never closed"},
		{"raw/STOCK_long_line.csv", lines(header, long), "30 days; row 4 is 17 kB long"},
	}
}

// damagedTimes are files whose rows are good and do not go together.
func damagedTimes() []file {
	var twice [][]string
	for i, c := range cells(stock(), 400, 60) {
		twice = append(twice, c)
		if i%20 == 7 { // the same day with another volume, as a source corrects itself
			again := slices.Clone(c)
			again[5] += "0"
			twice = append(twice, again)
		}
	}
	disorder := cells(stock(), 500, 60)
	slices.Reverse(disorder[20:40])
	disorder[3], disorder[50] = disorder[50], disorder[3]

	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		panic(err) // it is in time/tzdata
	}
	local := func(c, layout string) string {
		t, err := market.ParseTime(c)
		if err != nil {
			panic(err) // barText wrote it
		}
		return t.Std().In(zone).Format(layout)
	}
	newest := cells(stockMinutes(), 0, 520)
	for _, c := range newest {
		c[0] = local(c[0], "2006-01-02 15:04:05")
	}
	newest[0][5] += "2059944"
	slices.Reverse(newest)

	// Two sources glued together. The first counts hours of the clock in UTC, but for the
	// first of each day, which begins with the session; the second counts from the opening on.
	mixed := cells(stockHours(), 340, 560)
	for i, c := range mixed {
		t, err := market.ParseTime(c[0])
		if err != nil {
			panic(err)
		}
		open, _, ok := market.USEquities.Session(t)
		switch {
		case i >= 350:
			c[0] = (t + 30*minute).Std().In(zone).Format("2006-01-02 15:04:05-07:00")
		case ok:
			c[0] = t.Std().Format("2006-01-02 15:04:05-07:00")
		default:
			c[0] = open.Std().Format("2006-01-02 15:04:05-07:00")
		}
		mixed[i] = append(c, "", strconv.Itoa(1000+37*i%900))
	}
	return []file{
		{"raw/STOCK_twice.csv", lines(header, twice), "60 days, three of them twice: rows 8, 29 and 50 repeat the row before with another volume"},
		{"raw/STOCK_disorder.csv", lines(header, disorder), "60 days; rows 20 to 39 run backwards, rows 3 and 50 are swapped"},
		{"raw/STOCK_1m_newest_first.csv", lines("datetime,open,high,low,close,volume", newest), "the first 520 minutes of STOCK_1m, newest first, in New York time without saying so; another number is glued to the last row's volume"},
		{"raw/STOCK_1h_mixed_offsets.csv", lines("date,open,high,low,close,volume,wap,count", mixed), "560 hours from two sources: UTC up to row 349, where the first hour of a day begins with the session and overlaps the next; from row 350 on, New York's offsets, -04:00 and -05:00"},
	}
}

// damagedFiles are not what their name says, or less of it.
func damagedFiles() []file {
	good := lines(header, cells(stock(), 600, 40))
	var windows []byte
	windows = append(windows, "\ufeff"...)
	windows = append(windows, bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n"))...)
	wide := []byte("\xff\xfe")
	for _, u := range utf16.Encode([]rune(string(good))) {
		wide = binary.LittleEndian.AppendUint16(wide, u)
	}
	n := newNoise(31)
	random := []byte("\x7fDATA\x00")
	for range 500 {
		random = append(random, byte(n.IntN(256)))
	}
	whole := stored(lines(header, cells(stock(), 640, 400)))
	wrong := slices.Clone(stored(good))
	wrong[len(wrong)-8] ^= 0xff
	return []file{
		{"raw/STOCK_bom_crlf.csv", windows, "40 good days, with a byte order mark and Windows line endings"},
		{"raw/STOCK_utf16.csv", wide, "the same 40 days in UTF-16"},
		{"raw/STOCK_wrong_header.csv", append([]byte("ticker,per,when,o,h,l,c\n"), good[len(header)+1:]...), "40 days under column names that say nothing"},
		{"raw/STOCK_no_header.csv", good[len(header)+1:], "40 days without a header"},
		{"raw/STOCK_cut_row.csv", good[:len(good)-25], "40 days; the last row is cut off in the middle"},
		{"raw/STOCK_header_only.csv", []byte(header + "\n"), "a header and no rows"},
		{"raw/STOCK_empty.csv", nil, "nothing, not even a byte"},
		{"raw/STOCK_page.csv", []byte("<!doctype html>\n<html><head><title>429 Too Many Requests</title></head>\n<body><h1>Too Many Requests</h1></body></html>\n"), "a web server's error page instead of prices"},
		{"raw/STOCK_binary.csv", random, "bytes that are not text"},
		{"raw/STOCK_renamed.csv", archive("stock.csv", good), "a zip archive under another name"},
		{"raw/STOCK_truncated.csv.gz", whole[:len(whole)/2], "400 days, compressed; the second half of the file is missing"},
		{"raw/STOCK_checksum.csv.gz", wrong, "40 days, compressed, with a wrong checksum"},
	}
}

// stored is text in gzip's format, not made smaller, which is the same bytes with every
// version of package gzip.
func stored(text []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
	if err == nil {
		_, err = z.Write(text)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

func archive(name string, text []byte) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		panic(err) // a buffer takes everything
	}
	return b.Bytes()
}

const yahooHeader = "Date,Open,High,Low,Close,Adj Close,Volume"

// yahoo writes rows as Yahoo exports them: six decimals, and the close again, adjusted.
func yahoo(rows [][]string) [][]string {
	var out [][]string
	six := func(s string) string {
		whole, rest, _ := strings.Cut(s, ".")
		return whole + "." + (rest + "000000")[:6]
	}
	for _, c := range rows {
		volume, _, _ := strings.Cut(c[5], ".")
		out = append(out, []string{c[0], six(c[1]), six(c[2]), six(c[3]), six(c[4]), six(c[4]), volume})
	}
	return out
}

// exports look like downloads of daily prices, with what was met in them.
func exports() []file {
	volume := yahoo(cells(coin(), 1300, 120))
	volume[119][6] += "664219"

	artifact := yahoo(cells(split(), 900, 460))
	for i := 1; i < 7; i++ {
		artifact[200][i] = "null"
	}
	again := slices.Clone(artifact[300])
	again[6] += "1"
	artifact = slices.Insert(artifact, 301, again)

	const answer = `    "finance": {
        "error": {
            "code": "Unauthorized",
            "description": "Invalid cookie"
        }
    }
}
`
	var errors bytes.Buffer
	errors.WriteString(yahooHeader + "\n")
	for i, c := range yahoo(cells(stock(), 1000, 240)) {
		line := strings.Join(c, ",") + "\n"
		errors.WriteString(line)
		if i >= 150 && i%30 == 0 { // the day is asked for again, and again
			errors.WriteString(answer + answer + line)
		}
	}
	return []file{
		{"raw/COIN_yahoo_corrupt_volume.csv", lines(yahooHeader, volume), "120 days as Yahoo exports them; the last day's volume is a million times too large"},
		{"raw/SPLIT_yahoo_split.csv", lines(yahooHeader, artifact), fmt.Sprintf("460 days of SPLIT as Yahoo exports them; row 200 is null, row 301 repeats the day before with another volume, and prices from before and after the unannounced split (row %d) are not adjusted", unannounced-900+1)},
		{"raw/STOCK_yahoo_json_error.csv", errors.Bytes(), "240 days as Yahoo exports them; days 150, 180 and 210 are each followed by two error messages in JSON and the same day again"},
	}
}
