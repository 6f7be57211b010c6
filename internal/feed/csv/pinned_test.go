package csv_test

import (
	"strings"

	"github.com/foretick/foretick/internal/feed"
)

// pinned is what is known of a file that is not simply good: the words of the error where
// none of it is prices, or what is refused.
type pinned struct {
	words         string // of an error that wraps ErrFormat
	rows, refused int
	some          []feed.Reject // Source and Instrument are left out
}

// zoneless is the reason of every row whose time names no zone.
func zoneless(at string) string {
	return `time "` + at + `" names no zone; say which one the file means with --timezone, e.g. --timezone America/New_York`
}

const (
	formats = "bars need time,open,high,low,close[,volume], closes need time,close, ticks need time,price,size"
	quoted  = "a quote is opened and not closed on this line, or text follows a closing quote"
)

// ownFiles pins the files of the repository's own that are bad on purpose. All others are
// good to the last row.
var ownFiles = map[string]pinned{
	"README.md":               {words: "columns found in the first line: # Market data for tests"},
	"daily/SPLIT_actions.csv": {words: "columns found in the first line: ex, kind, value"},
	"close_only/OIL.csv":      {rows: 2640, refused: 1, some: []feed.Reject{{Line: 1907, Raw: "2017-07-28,-21.4", Reason: "price -21.4 is not positive"}}},

	"raw/FX_quotes.csv":          {words: "these are quotes (columns found: time, bid, ask), not prices at which was traded; " + formats},
	"raw/STOCK_binary.csv":       {words: "is binary, not text"},
	"raw/STOCK_empty.csv":        {words: "STOCK_empty.csv is empty"},
	"raw/STOCK_no_header.csv":    {words: "columns found in the first line: 2012-05-21, 84.58, 85.09, 83.72, 83.72, 3104815; " + formats},
	"raw/STOCK_page.csv":         {words: "columns found in the first line: <!doctype html>; " + formats},
	"raw/STOCK_renamed.csv":      {words: "is a zip archive; unpack it"},
	"raw/STOCK_utf16.csv":        {words: "is text in UTF-16; save it as UTF-8"},
	"raw/STOCK_wrong_header.csv": {words: "columns found in the first line: ticker, per, when, o, h, l, c; " + formats},

	"raw/COIN_impossible_ticks.csv": {rows: 80, refused: 4, some: []feed.Reject{
		{Line: 12, Raw: "2021-05-15T00:08:21.450Z,0,8", Reason: "price 0 is not positive"},
		{Line: 13, Raw: "2021-05-15T00:08:22.230Z,-0.0014,135", Reason: "price -0.0014 is not positive"},
		{Line: 14, Raw: "2021-05-15T00:09:54.518Z,0.00139784,-5", Reason: "size -5 is not a finite number of at least 0"},
		{Line: 15, Raw: "2021-05-15T00:13:37.187Z,0.00139802,NaN", Reason: `size "NaN" is not a number`},
	}},
	"raw/COIN_yahoo_corrupt_volume.csv": {rows: 120, refused: 0},
	"raw/OIL_negative_price.csv":        {rows: 150, refused: 1, some: []feed.Reject{{Line: 77, Raw: "2017-07-28,-21.4", Reason: "price -21.4 is not positive"}}},
	"raw/SPLIT_yahoo_split.csv": {rows: 461, refused: 2, some: []feed.Reject{
		{Line: 202, Raw: "2017-05-16,null,null,null,null,null,null", Reason: `open "null" is not a number`},
		{Line: 303, Raw: "2017-10-06,30.340000,31.170000,29.990000,30.560000,30.560000,901314121", Reason: "has the same time as line 302, which is kept"},
	}},
	"raw/STOCK_1h_mixed_offsets.csv": {rows: 560, refused: 50, some: []feed.Reject{
		{Line: 3, Raw: "2018-08-10 14:00:00+00:00,149.8,150.8,149.56,150.77,1897146,,1037", Reason: "begins before the bar of line 2 ends (bars of 1h)"},
		{Line: 346, Raw: "2018-10-19 14:00:00+00:00,149.03,149.11,148.92,149.1,295449,,1128", Reason: "begins before the bar of line 345 ends (bars of 1h)"},
	}},
	"raw/STOCK_1m_newest_first.csv": {rows: 520, refused: 520, some: []feed.Reject{
		{Line: 2, Raw: "2019-03-08 11:41:00,144.88,144.97,144.88,144.95,11948", Reason: zoneless("2019-03-08 11:41:00")},
	}},
	"raw/STOCK_bom_crlf.csv":    {rows: 40, refused: 0},
	"raw/STOCK_checksum.csv.gz": {rows: 41, refused: 1, some: []feed.Reject{{Line: 42, Reason: "the file ends, damaged, within or before this line: gzip: invalid checksum"}}},
	"raw/STOCK_cut_row.csv":     {rows: 40, refused: 1, some: []feed.Reject{{Line: 41, Raw: "2012-07-17,92.27,9", Reason: "has 3 columns instead of 6"}}},
	"raw/STOCK_disorder.csv":    {rows: 60, refused: 0},
	"raw/STOCK_header_only.csv": {rows: 0, refused: 0},
	"raw/STOCK_impossible.csv": {rows: 60, refused: 7, some: []feed.Reject{
		{Line: 22, Raw: "2010-11-16,62.75,60.16,63.03,60.49,2760992", Reason: "high 60.16 is below low 63.03"},
		{Line: 23, Raw: "2010-11-17,1000,62.16,60.62,60.98,3161582", Reason: "open 1000 is outside low 60.62 to high 62.16"},
		{Line: 24, Raw: "2010-11-18,60.36,62.14,59.92,0.01,4696478", Reason: "close 0.01 is outside low 59.92 to high 62.14"},
		{Line: 25, Raw: "2010-11-19,61.51,62.55,0,61.69,4739956", Reason: "low 0 is not positive"},
		{Line: 26, Raw: "2010-11-22,60.59,61.07,-63.03,59.53,11998339", Reason: "low -63.03 is not positive"},
		{Line: 27, Raw: "2010-11-23,59.88,60.47,58.94,59", Reason: "has 5 columns instead of 6"},
		{Line: 28, Raw: "2010-11-24,58.19,58.77,58.01,58.27,2364729,7", Reason: "has 7 columns instead of 6"},
	}},
	"raw/STOCK_long_line.csv": {rows: 30, refused: 1, some: []feed.Reject{
		{Line: 6, Raw: "2011-05-02,69.91,71.11,69.87,70.65,2512347" + strings.Repeat("0", 458), Reason: "the line is longer than 16384 bytes"},
	}},
	"raw/STOCK_not_numbers.csv": {rows: 60, refused: 7, some: []feed.Reject{
		{Line: 12, Raw: "2010-06-11,58.73,59.02,58.07,NaN,1822081", Reason: `close "NaN" is not a number`},
		{Line: 13, Raw: "2010-06-14,58.54,Inf,58.41,59.31,2247215", Reason: `high "Inf" is not a number`},
		{Line: 14, Raw: "2010-06-15,59.45,59.45,-Infinity,58.98,2852598", Reason: `low "-Infinity" is not a number`},
		{Line: 15, Raw: "2010-06-16,1e999,59.02,58.48,58.96,1238568", Reason: `open "1e999" is too large`},
		{Line: 16, Raw: "2010-06-17,58.62,59.3,58.51,,1449484", Reason: "close is empty"},
		{Line: 17, Raw: "2010-06-18,n/a,58.9,58.32,58.85,2173774", Reason: `open "n/a" is not a number`},
		{Line: 18, Raw: "2010-06-21,58.64,58.75,58.1,58.33,-1", Reason: "volume -1 is not a finite number of at least 0"},
	}},
	"raw/STOCK_open_quote.csv":   {rows: 30, refused: 1, some: []feed.Reject{{Line: 11, Raw: `2011-03-25,"65.86,66.44,65.3,65.84,2796630`, Reason: quoted}}},
	"raw/STOCK_truncated.csv.gz": {rows: 197, refused: 1, some: []feed.Reject{{Line: 198, Raw: "2013-05-01,90.66,91.8", Reason: "the file ends, damaged, within or before this line: unexpected EOF"}}},
	"raw/STOCK_twice.csv": {rows: 63, refused: 3, some: []feed.Reject{
		{Line: 10, Raw: "2011-08-15,82.91,83.33,82.86,82.88,11651210", Reason: "has the same time as line 9, which is kept"},
		{Line: 31, Raw: "2011-09-13,84.58,84.94,84.12,84.82,12139300", Reason: "has the same time as line 30, which is kept"},
		{Line: 52, Raw: "2011-10-11,89.32,89.86,88.93,89.65,14170860", Reason: "has the same time as line 51, which is kept"},
	}},
	"raw/STOCK_yahoo_json_error.csv": {rows: 285, refused: 45, some: []feed.Reject{
		{Line: 153, Raw: `    "finance": {`, Reason: quoted},
		{Line: 157, Raw: "        }", Reason: "has 1 columns instead of 7"},
		{Line: 257, Raw: "2014-10-23,168.570000,168.580000,166.370000,167.920000,167.920000,2169150", Reason: "has the same time as line 242, which is kept"},
	}},
}

// realFiles pins the real files that hold something else, and those kept exactly as they
// were found.
var realFiles = map[string]pinned{
	"README.md":                            {words: "columns found in the first line: # dev market data"},
	"SANITY.txt":                           {words: "bars need time,open,high,low,close"},
	"MANIFEST.csv":                         {words: "columns found in the first line: file, instrument, kind, interval"},
	"quotes/EURUSD_quotes_20140508.csv.gz": {words: "these are quotes (columns found: time, bid, ask), not prices at which was traded; " + formats},
	"raw/AAPL_lean_daily.zip":              {words: "is a zip archive; unpack it"},
	"raw/AMZN_1min_corrupt_volume.csv": {rows: 1944, refused: 1944, some: []feed.Reject{
		{Line: 2, Raw: "2019-02-15 16:00:00,1607.53,1609.0699,1606.91,1609.0699,87964", Reason: zoneless("2019-02-15 16:00:00")},
	}},
	"raw/AMZN_yahoo_split_artifact.csv": {rows: 6234, refused: 46, some: []feed.Reject{
		{Line: 5556, Raw: "2022-01-27,null,null,null,null,null,null", Reason: `open "null" is not a number`},
		{Line: 5559, Raw: "2022-01-31,2895.000000,2995.280029,2886.010010,2991.469971,2991.469971,3915372", Reason: "has the same time as line 5558, which is kept"},
	}},
	"raw/NFLX_yahoo_json_error_body.csv": {rows: 6047, refused: 530, some: []feed.Reject{
		{Line: 4959, Raw: `    "finance": {`, Reason: quoted},
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
