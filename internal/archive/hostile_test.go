package archive_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/archive"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// TestRowLimits has both sides of what a row of each table may say.
func TestRowLimits(t *testing.T) {
	bar := func(change func(*archive.BarRow)) func() error {
		r := archive.BarRow{Time: 1, EndTime: 2, Open: 2, High: 3, Low: 1, Close: 2}
		change(&r)
		return func() error { _, err := r.Record(); return err }
	}
	tick := func(change func(*archive.TickRow)) func() error {
		r := archive.TickRow{Time: 1, Price: 2}
		change(&r)
		return func() error { _, err := r.Tick(); return err }
	}
	score := func(change func(*archive.ScoreRow)) func() error {
		r := archive.ScoreRow{Model: "naive", Horizon: 1}
		change(&r)
		return func() error { _, err := r.Score(); return err }
	}
	type (
		b = *archive.BarRow
		k = *archive.TickRow
		s = *archive.ScoreRow
	)
	long := strings.Repeat("x", 1024)
	for _, c := range []struct {
		what string
		read func() error
		ok   bool
	}{
		{"a bar", bar(func(b) {}), true},
		{"the highest revision", bar(func(r b) { r.Revision = math.MaxInt32 }), true},
		{"a higher revision", bar(func(r b) { r.Revision = math.MaxInt32 + 1 }), false},
		{"a revision below 0", bar(func(r b) { r.Revision = -1 }), false},
		{"the most trades", bar(func(r b) { r.Trades = math.MaxInt64 }), true},
		{"less than no trades", bar(func(r b) { r.Trades = -1 }), false},
		{"prices below zero", bar(func(r b) { r.Open, r.High, r.Low, r.Close = -2, -1, -3, -2 }), true},
		{"prices of 1e-9", bar(func(r b) { r.Open, r.High, r.Low, r.Close = 1e-9, 1e-9, 1e-9, 1e-9 }), true},
		{"high below low", bar(func(r b) { r.High, r.Low = 1, 3 }), false},
		{"open above high", bar(func(r b) { r.Open = math.Nextafter(3, 4) }), false},
		{"NaN", bar(func(r b) { r.Close = math.NaN() }), false},
		{"an infinite high", bar(func(r b) { r.High = math.Inf(1) }), false},
		{"a volume below 0", bar(func(r b) { r.Volume = -1 }), false},
		{"it ends when it begins", bar(func(r b) { r.EndTime = r.Time }), false},
		{"the first of all times", bar(func(r b) { r.Time = market.MinTime }), true},
		{"before all times", bar(func(r b) { r.Time = market.MinTime - 1 }), false},
		{"after all times", bar(func(r b) { r.EndTime = market.MaxTime + 1 }), false},
		{"a tick", tick(func(k) {}), true},
		{"a tick below zero", tick(func(r k) { r.Price = -37.63 }), true},
		{"a tick of NaN", tick(func(r k) { r.Price = math.NaN() }), false},
		{"a size below 0", tick(func(r k) { r.Size = -1 }), false},
		{"a tick after all times", tick(func(r k) { r.Time = market.MaxTime + 1 }), false},
		{"a score that knows nothing", score(func(r s) { r.CRPS, r.PIT, r.Last = math.NaN(), math.NaN(), math.NaN() }), true},
		{"the furthest horizon", score(func(r s) { r.Horizon = 65535 }), true},
		{"a further horizon", score(func(r s) { r.Horizon = 65536 }), false},
		{"no horizon", score(func(r s) { r.Horizon = 0 }), false},
		{"a score's highest revision", score(func(r s) { r.Revision = math.MaxInt32 }), true},
		{"a score's higher revision", score(func(r s) { r.Revision = math.MaxInt32 + 1 }), false},
		{"a score's revision below 0", score(func(r s) { r.Revision = -1 }), false},
		{"the last regime", score(func(r s) { r.Regime = int64(forecast.HighVolatility) }), true},
		{"a regime that there is not", score(func(r s) { r.Regime = int64(forecast.HighVolatility) + 1 }), false},
		{"a regime below 0", score(func(r s) { r.Regime = -1 }), false},
		{"no model", score(func(r s) { r.Model = "" }), false},
		{"the longest names", score(func(r s) { r.Model, r.Version = long, long }), true},
		{"a longer model", score(func(r s) { r.Model = long + "x" }), false},
		{"a longer version", score(func(r s) { r.Version = long + "x" }), false},
	} {
		if err := c.read(); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestTextIsRead reads ticks as other programs may write them, and refuses what says something else.
func TestTextIsRead(t *testing.T) {
	t.Parallel()
	const head = "series,time,price,size,seq\n"
	const row = "sim:A@1s,1970-01-01T00:00:00.000001Z,2.5,1,7\n"
	const object = `{"series":"sim:A@1s","time":"1970-01-01T00:00:00.000001Z","price":2.5,"size":1,"seq":7}`
	want := archive.TickRow{Series: "sim:A@1s", Time: 1, Price: 2.5, Size: 1, Seq: 7}
	change := func(from, to string) string {
		s := strings.Replace(object, from, to, 1)
		if s == object {
			t.Fatalf("%s is not in %s", from, object)
		}
		return s
	}
	for _, c := range []struct {
		what string
		f    archive.Format
		file string
		say  string // "": it is read
	}{
		{"as it is written", archive.CSV, head + row, ""},
		{"without a line end", archive.CSV, head + strings.TrimSuffix(row, "\n"), ""},
		{"line ends of Windows", archive.CSV, strings.ReplaceAll(head+row, "\n", "\r\n"), ""},
		{"every cell quoted", archive.CSV, head + `"sim:A@1s","1970-01-01T00:00:00.000001Z","2.5","1","7"` + "\n", ""},
		{"other columns, in another order", archive.CSV, "seq,more,size,price,time,series\n7,x,1,2.5,1970-01-01T00:00:00.000001Z,sim:A@1s\n", ""},
		{"a float written otherwise", archive.CSV, strings.Replace(head+row, "2.5", "0.25e1", 1), ""},
		{"a time with an offset", archive.CSV, strings.Replace(head+row, "1970-01-01T00:00:00.000001Z", "1970-01-01T02:00:00.000001+02:00", 1), ""},
		{"blank lines", archive.CSV, head + "\n" + row + "\n", ""},
		{"nothing", archive.CSV, "", "no line that names the columns"},
		{"a column is missing", archive.CSV, "series,time,price,size\n", "names no column seq"},
		{"a column of another case", archive.CSV, strings.Replace(head, "seq", "Seq", 1) + row, "names no column seq"},
		{"a cell is missing", archive.CSV, head + "sim:A@1s,1970-01-01T00:00:00.000001Z,2.5,1\n", "wrong number of fields"},
		{"a cell too many", archive.CSV, head + strings.Replace(row, "\n", ",8\n", 1), "wrong number of fields"},
		{"an empty number", archive.CSV, strings.Replace(head+row, ",2.5,", ",,", 1), `column price: "": invalid syntax`},
		{"an empty time", archive.CSV, strings.Replace(head+row, "1970-01-01T00:00:00.000001Z", "", 1), "column time"},
		{"a word", archive.CSV, strings.Replace(head+row, "2.5", "much", 1), `column price: "much"`},
		{"a number with a space", archive.CSV, strings.Replace(head+row, ",2.5", ", 2.5", 1), "column price"},
		{"a comma in place of a point", archive.CSV, strings.Replace(head+row, "2.5", `"2,5"`, 1), "column price"},
		{"more than a float holds", archive.CSV, strings.Replace(head+row, "2.5", "1e999", 1), "value out of range"},
		{"more than a number holds", archive.CSV, strings.Replace(head+row, ",7\n", ",18446744073709551616\n", 1), "value out of range"},
		{"a number below 0", archive.CSV, strings.Replace(head+row, ",7\n", ",-7\n", 1), "column seq"},
		{"a year of five digits", archive.CSV, strings.Replace(head+row, "1970-", "11970-", 1), "column time"},
		{"a quote that does not close", archive.CSV, head + `"` + row, "line 2"},
		{"as it is written", archive.JSONL, object + "\n", ""},
		{"white space", archive.JSONL, "\t" + strings.ReplaceAll(strings.ReplaceAll(object, ",", " ,\t"), ":1", " : 1") + " \r\n", ""},
		{"another order, and more", archive.JSONL, `{"seq":7,"more":null,"size":1,"price":2.5,"other":[1,2],"time":"1970-01-01T00:00:00.000001Z","series":"sim:A@1s"}`, ""},
		{"letters by their numbers", archive.JSONL, change("sim", `\u0073im`), ""},
		{"nothing", archive.JSONL, "\n", "no JSON object"},
		{"a list", archive.JSONL, "[" + object + "]", "no JSON object"},
		{"two in a line", archive.JSONL, object + object, "no JSON object"},
		{"one that is cut", archive.JSONL, strings.TrimSuffix(object, "}"), "no JSON object"},
		{"an object in it", archive.JSONL, change(`"size":1`, `"size":{"is":1}`), "no JSON object of plain values"},
		{"a list of texts", archive.JSONL, change(`"size":1`, `"size":1,"more":["a"]`), "no JSON object of plain values"},
		{"a member is missing", archive.JSONL, change(`,"seq":7`, ``), "there is no seq"},
		{"a member twice", archive.JSONL, change(`"seq":7`, `"seq":7,"seq":7`), "seq is there twice"},
		{"null", archive.JSONL, change(`"seq":7`, `"seq":null`), "seq is null"},
		{"a number as text", archive.JSONL, change(`"seq":7`, `"seq":"7"`), "seq is a text"},
		{"a text as number", archive.JSONL, change(`"sim:A@1s"`, `1`), "series is no text"},
		{"a time as number", archive.JSONL, change(`"1970-01-01T00:00:00.000001Z"`, `1`), "time is no text"},
		{"a number as word", archive.JSONL, change(`"seq":7`, `"seq":true`), "column seq"},
		{"a list as number", archive.JSONL, change(`"price":2.5`, `"price":[2.5]`), "column price"},
		{"a fraction", archive.JSONL, change(`"seq":7`, `"seq":7.5`), "column seq"},
	} {
		in, err := open([]byte(c.file), c.f, metaOf(archive.Ticks))
		check(t, err)
		rows := 0
		err = archive.Each(t.Context(), in, func(r *archive.TickRow) error {
			if rows++; *r != want {
				t.Errorf("%s: %s gives %+v", c.f, c.what, *r)
			}
			return nil
		})
		switch {
		case c.say == "" && (err != nil || rows != 1):
			t.Errorf("%s: %s: %d rows, %v", c.f, c.what, rows, err)
		case c.say != "" && (!errors.Is(err, archive.ErrFormat) || !strings.Contains(err.Error(), c.say) || rows != 0):
			t.Errorf("%s: %s: %d rows, %v, want %q", c.f, c.what, rows, err, c.say)
		}
	}
}

// oddTexts are what spreadsheets, CSV and JSON might take for something else.
var oddTexts = rapid.OneOf(rapid.StringN(0, 8, 24), rapid.SampledFrom([]string{"", " ", "null", "NaN", "true", "1e5", "=1+1", `"`, `""`, ",", "a\r\nb", "a\nb", "\r", "\t", `\`, `\N`, "[1,2]", "#", "é €", "\u2028", "\x00"}))

// drawChain makes a chain with entries of every kind, of odd texts and numbers.
func drawChain(t *rapid.T) []ledger.Sealed {
	c := storetest.Chain{ID: "sim:A@1s", Mode: ledger.Replay}
	list := []ledger.Sealed{c.Genesis()}
	at := market.Time(1e15)
	number := func(name string) float64 { return floats(false).Draw(t, name) }
	name := func(what string) string { return oddTexts.Filter(func(s string) bool { return s != "" }).Draw(t, what) }
	for range rapid.IntRange(1, 6).Draw(t, "entries") {
		at += 10
		e := ledger.Entry{At: startOf(at)}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			b := &ledger.IssueBody{Cutoff: e.At, Last: number("last"), Scale: number("scale"), Volatility: number("volatility"), Regime: forecast.Regime(rapid.IntRange(0, 3).Draw(t, "regime"))}
			for range rapid.IntRange(0, 3).Draw(t, "forecasts") {
				f := forecast.Forecast{Model: name("model"), Version: name("version"), Horizon: rapid.IntRange(1, 65535).Draw(t, "horizon"), Target: market.Span{Start: e.At, End: e.At + 5},
					Late: rapid.Bool().Draw(t, "late"), Point: number("point")}
				q := rapid.SliceOfN(floats(false), forecast.Levels, forecast.Levels).Draw(t, "quantiles")
				slices.Sort(q)
				copy(f.Quantiles[:], q)
				for range rapid.IntRange(0, 2).Draw(t, "shares") {
					f.Shares = append(f.Shares, forecast.Share{Expert: name("expert"), Weight: rapid.Float64Range(0, 1).Draw(t, "weight")})
				}
				b.Forecasts = append(b.Forecasts, f)
			}
			for range rapid.IntRange(0, 2).Draw(t, "abstentions") {
				b.Abstentions = append(b.Abstentions, forecast.Abstention{Model: name("model"), Version: oddTexts.Draw(t, "version"), Reason: oddTexts.Draw(t, "reason")})
			}
			e.Issue = b
		case 1:
			e.Outcome = &ledger.OutcomeBody{Bar: market.Span{Start: e.At - 5, End: e.At - 4}, Revision: 1 + rapid.IntRange(0, math.MaxInt32).Draw(t, "revision"), Close: number("close")}
		case 2:
			e.Void = &ledger.VoidBody{Targets: []market.Time{1, e.At, market.MaxTime}[:rapid.IntRange(1, 3).Draw(t, "targets")], Reason: oddTexts.Draw(t, "reason")}
		case 3:
			e.Gap = &ledger.GapBody{Span: market.Span{Start: market.MinTime, End: e.At}, Bars: rapid.IntRange(0, math.MaxUint32).Draw(t, "bars"), Missed: 3, Reason: oddTexts.Draw(t, "reason")}
		}
		list = append(list, c.Seal(e))
	}
	return list
}

// startOf is a time after storetest's genesis entry.
func startOf(at market.Time) market.Time { return storetest.Bar("", 0, 0).Start + at }

// TestEntriesProperty writes chains in every format and reads the sealed bytes back.
func TestEntriesProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawChain(t)
		f := rapid.SampledFrom(formats).Draw(t, "format")
		var out bytes.Buffer
		m := metaOf(archive.Ledger)
		w, err := archive.NewEntryWriter(&out, f, m)
		check(t, err)
		for _, s := range want {
			check(t, w.Write(s))
		}
		check(t, w.Close())
		if n := w.Rows(); n < int64(len(want)) || f == archive.JSONL && n != int64(len(want)) {
			t.Fatalf("%d rows of %d entries", n, len(want))
		}
		in, err := open(out.Bytes(), f, m)
		check(t, err)
		n := 0
		check(t, archive.EachEntry(context.Background(), in, func(s ledger.Sealed) error {
			if x := want[n]; s.Seq != x.Seq || s.Kind != x.Kind || s.Hash != x.Hash || !bytes.Equal(s.Bytes, x.Bytes) {
				t.Fatalf("entry %d came back as %+v, was %+v", n+1, s, x)
			}
			n++
			return nil
		}))
		if n != len(want) {
			t.Fatalf("%d of %d entries came back", n, len(want))
		}
	})
}

// TestImportRefuses imports rows that no export writes. Nothing of the batch is kept.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	bars := func(change func([]archive.BarRow)) func(archive.Format) []byte {
		return func(f archive.Format) []byte {
			rows := walk(3)
			change(rows)
			return encode(t, f, metaOf(archive.Bars), rows)
		}
	}
	ticks := func(change func([]archive.TickRow)) func(archive.Format) []byte {
		return func(f archive.Format) []byte {
			rows := make([]archive.TickRow, 3)
			for i := range rows {
				rows[i] = archive.TickRow{Series: "sim:A@1s", Time: market.Time(i / 2), Price: 2, Seq: uint64(i)}
			}
			change(rows)
			return encode(t, f, metaOf(archive.Ticks), rows)
		}
	}
	for _, c := range []struct {
		what string
		k    archive.Kind
		file func(archive.Format) []byte
		say  string
	}{
		{"the same number twice", archive.Bars, bars(func(r []archive.BarRow) { r[2].Seq = r[1].Seq }), "in the order of the log"},
		{"numbers backwards", archive.Bars, bars(func(r []archive.BarRow) { r[1].Seq, r[2].Seq = 3, 2 }), "in the order of the log"},
		{"number 0", archive.Bars, bars(func(r []archive.BarRow) { r[0].Seq = 0 }), "in the order of the log"},
		{"a bar of another series", archive.Bars, bars(func(r []archive.BarRow) { r[1].Series = "sim:B@1s" }), "a row is of series \"sim:B@1s\""},
		{"a bar below zero", archive.Bars, bars(func(r []archive.BarRow) { r[1].Low = -1 }), "the bar from"},
		{"a bar of 0", archive.Bars, bars(func(r []archive.BarRow) { r[1].Low = 0 }), "the bar from"},
		{"a bar that cannot be", archive.Bars, bars(func(r []archive.BarRow) { r[1].High = r[1].Low - 1 }), "the bar from"},
		{"a tick of another series", archive.Ticks, ticks(func(r []archive.TickRow) { r[1].Series = "sim:B@1s" }), "a row is of series \"sim:B@1s\""},
		{"a tick below zero", archive.Ticks, ticks(func(r []archive.TickRow) { r[1].Price = -1 }), "the tick of"},
		{"ticks backwards", archive.Ticks, ticks(func(r []archive.TickRow) { r[0].Time = 9 }), "rows must be in order"},
		{"ticks of a time, their numbers backwards", archive.Ticks, ticks(func(r []archive.TickRow) { r[0].Seq = 2 }), "rows must be in order"},
	} {
		for _, f := range formats {
			in, err := open(c.file(f), f, metaOf(c.k))
			check(t, err)
			to := stores["sqlite"](t)
			_, err = (&archive.Import{Store: to}).File(t.Context(), in)
			if !errors.Is(err, archive.ErrFormat) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("%s, %s: %v, want %q", c.what, f, err, c.say)
			}
			if h := holds(t, to, "sim:A@1s"); len(h.Log)+len(h.Ticks) > 0 {
				t.Errorf("%s, %s: %d bars and %d ticks are kept", c.what, f, len(h.Log), len(h.Ticks))
			}
		}
	}
}

// TestManifestRefuses changes a manifest.
func TestManifestRefuses(t *testing.T) {
	const good = `{"schema":1,"created_by":"x","files":[{"name":"a.csv","format":"csv","rows":1,"bytes":2,"sha256":"00","schema":1,"kind":"bars",
		"series":{"instrument":{"symbol":"A","venue":"sim"},"interval":"1s","mode":"live","source":"sim","base":true}}]}`
	if m, err := archive.ParseManifest([]byte(good)); err != nil || len(m.Files) != 1 || m.Files[0].Series.ID() != "sim:A@1s" {
		t.Fatalf("%+v, %v", m, err)
	}
	for _, c := range []struct{ what, from, to, say string }{
		{"a schema of before", `"schema":1,"created_by"`, `"schema":0,"created_by"`, "schema version 0"},
		{"a schema of later", `"schema":1,"created_by"`, `"schema":2,"created_by"`, "schema version 2"},
		{"a file's schema of later", `"schema":1,"kind"`, `"schema":2,"kind"`, "schema version 2"},
		{"a kind that there is not", `"kind":"bars"`, `"kind":"candles"`, "candles"},
		{"a series without a symbol", `"symbol":"A"`, `"symbol":""`, "symbol"},
		{"a series without a mode", `"mode":"live"`, `"x":"live"`, "neither live nor replayed"},
		{"no name", `"name":"a.csv"`, `"name":""`, "names a file"},
		{"the folder", `"name":"a.csv"`, `"name":"."`, "names a file"},
		{"the folder above", `"name":"a.csv"`, `"name":".."`, "names a file"},
		{"a file above", `"name":"a.csv"`, `"name":"../a.csv"`, "names a file"},
		{"a file below", `"name":"a.csv"`, `"name":"b/a.csv"`, "names a file"},
		{"a file somewhere else", `"name":"a.csv"`, `"name":"/etc/passwd"`, "names a file"},
		{"a file above, of Windows", `"name":"a.csv"`, `"name":"..\\a.csv"`, "names a file"},
		{"rows as text", `"rows":1`, `"rows":"1"`, "no manifest"},
		{"no object", `{"schema":1,"created`, `["schema":1,"created`, "no manifest"},
	} {
		text := strings.Replace(good, c.from, c.to, 1)
		if text == good {
			t.Fatalf("%s is not there", c.from)
		}
		if m, err := archive.ParseManifest([]byte(text)); m != nil || !errors.Is(err, archive.ErrFormat) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %+v, %v, want %q", c.what, m, err, c.say)
		}
	}
	large := filepath.Join(t.TempDir(), "manifest.json")
	check(t, os.WriteFile(large, nil, 0o600))
	check(t, os.Truncate(large, 64<<20+1))
	if _, err := archive.ReadManifest(large); !errors.Is(err, archive.ErrTooLarge) {
		t.Errorf("a manifest of more than 64 MiB: %v", err)
	}
}

// The format is told by the first bytes, then by the name.
func TestFormatOf(t *testing.T) {
	for _, c := range []struct {
		name, head string
		want       archive.Format
	}{
		{"a.parquet", "PAR1", archive.Parquet}, {"a.csv", "PAR1", archive.Parquet}, {"a", "PAR1xx", archive.Parquet},
		{"a.csv", "series", archive.CSV}, {"a.csv", "", archive.CSV}, {"a.jsonl", "{", archive.JSONL}, {"a.ndjson", "{", archive.JSONL},
		{"a.parquet", "PAR", ""}, {"a.parquet", "", ""}, {".csv", "", ""}, {"csv", "", ""}, {"a.CSV", "", ""}, {"a.json", "{", ""}, {"a.csv.gz", "", ""}, {"", "", ""},
	} {
		got, err := archive.FormatOf(c.name, []byte(c.head))
		if got != c.want || (err == nil) != (c.want != "") || err != nil && !errors.Is(err, archive.ErrFormat) {
			t.Errorf("%q that begins with %q: %q, %v", c.name, c.head, got, err)
		}
	}
	for _, k := range archive.Kinds {
		if got, err := archive.ParseKind(string(k)); got != k || err != nil {
			t.Errorf("%s: %s, %v", k, got, err)
		}
	}
	if _, err := archive.ParseKind("Bars"); err == nil {
		t.Error("Bars is a kind")
	}
	if _, err := archive.NewWriter[archive.BarRow](&bytes.Buffer{}, "xlsx", metaOf(archive.Bars)); err == nil {
		t.Error("xlsx is a format")
	}
	if _, err := archive.Open(strings.NewReader("series"), "a.csv", 6, nil); !errors.Is(err, archive.ErrFormat) || !strings.Contains(fmt.Sprint(err), "its manifest is missing") {
		t.Errorf("CSV without a manifest: %v", err)
	}
}
