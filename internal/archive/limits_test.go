package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// wantErr wants none, or one that wraps want and says say.
func wantErr(t *testing.T, what string, err, want error, say string) {
	t.Helper()
	switch {
	case want == nil && say == "" && err != nil:
		t.Errorf("%s is refused: %v", what, err)
	case (want != nil || say != "") && err == nil:
		t.Errorf("%s is let pass", what)
	case want != nil && !errors.Is(err, want), !strings.Contains(fmt.Sprint(err), say):
		t.Errorf("%s: error %v, want %v with %q", what, err, want, say)
	}
}

// sparse is a large file of zeros that ends with tail.
type sparse struct {
	size int64
	tail []byte
}

func (s sparse) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	for i := range p {
		if k := at + int64(i) - (s.size - int64(len(s.tail))); k >= 0 && k < int64(len(s.tail)) {
			p[i] = s.tail[k]
		}
	}
	if at+int64(len(p)) > s.size {
		return int(max(s.size-at, 0)), io.EOF
	}
	return len(p), nil
}

// TestFooterLimits has both sides of what a footer may be.
func TestFooterLimits(t *testing.T) {
	t.Parallel()
	footer := func(n uint32, magic string) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, n), magic...)
	}
	for _, c := range []struct {
		what string
		size int64
		tail []byte
		want error
		say  string
	}{
		{"11 bytes", 11, footer(0, "PAR1"), ErrFormat, "too short"},
		{"a footer of one byte that ends it", 13, footer(1, "PAR1"), nil, ""},
		{"no footer", 12, footer(0, "PAR1"), ErrFormat, "damaged"},
		{"another end", 1000, footer(1, "PAR2"), ErrFormat, "does not end as"},
		{"an encrypted footer", 1000, footer(1, "PARE"), ErrFormat, "does not end as"},
		{"a footer as long as the file", 1000, footer(1000-12, "PAR1"), nil, ""},
		{"a footer longer than the file", 1000, footer(1000-11, "PAR1"), ErrFormat, "longer than the file"},
		{"the longest footer", maxFooter + 100, footer(maxFooter, "PAR1"), nil, ""},
		{"a longer footer", maxFooter + 100, footer(maxFooter+1, "PAR1"), ErrTooLarge, "at most 16 MiB"},
		{"a footer of 4 GiB", maxFooter + 100, footer(1<<32-1, "PAR1"), ErrTooLarge, "at most 16 MiB"},
	} {
		wantErr(t, c.what, checkFooter(sparse{c.size, c.tail}, c.size), c.want, c.say)
	}
	odd := errors.New("odd")
	if err := checkFooter(iotestReader{odd}, 1000); !errors.Is(err, odd) {
		t.Errorf("a file that cannot be read: %v", err)
	}
}

type iotestReader struct{ err error }

func (r iotestReader) ReadAt([]byte, int64) (int, error) { return 0, r.err }

// written is a small file of ticks, opened.
func written(t *testing.T) (b []byte, f *parquet.File) {
	t.Helper()
	var out bytes.Buffer
	w, err := newParquetWriter[TickRow](&out, &Meta{Schema: Schema, Kind: Ticks})
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]TickRow, 1000)
	for i := range rows {
		rows[i] = TickRow{Series: "sim:A@1s", Price: float64(i % 7), Size: float64(i), Seq: uint64(i)}
	}
	if err := errors.Join(w.Write(rows), w.Close()); err != nil {
		t.Fatal(err)
	}
	if f, err = parquet.OpenFile(bytes.NewReader(out.Bytes()), int64(out.Len()), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), f
}

// TestLayoutLimits changes what a footer says of row groups and chunks.
func TestLayoutLimits(t *testing.T) {
	const columns = 5
	type group = format.RowGroup
	meta := func(g *group, k int) *format.ColumnMetaData { return &g.Columns[k].MetaData }
	for _, c := range []struct {
		what   string
		change func(*group)
		want   error
		say    string
	}{
		{"what was written", func(*group) {}, nil, ""},
		{"the most rows", func(g *group) { g.NumRows = maxGroupRows }, nil, ""},
		{"a row more", func(g *group) { g.NumRows = maxGroupRows + 1 }, ErrTooLarge, "at most 1048576"},
		{"less than no rows", func(g *group) { g.NumRows = -1 }, ErrTooLarge, "-1 rows"},
		{"a column less", func(g *group) { g.Columns = g.Columns[:columns-1] }, ErrFormat, "4 columns of 5"},
		{"a chunk that begins within the one before", func(g *group) {
			m := meta(g, 1)
			m.DataPageOffset--
			if m.DictionaryPageOffset != 0 {
				m.DictionaryPageOffset--
			}
		}, ErrFormat, "overlaps"},
		{"a chunk that begins in the magic number", func(g *group) {
			m := meta(g, 0)
			m.DictionaryPageOffset, m.DataPageOffset = 3, 3
		}, ErrFormat, "overlaps"},
		{"a chunk that ends after the file", func(g *group) { meta(g, columns-1).TotalCompressedSize = 1 << 40 }, ErrFormat, "overlaps"},
		{"a chunk of less than nothing", func(g *group) { meta(g, 0).TotalCompressedSize = -1 }, ErrFormat, "overlaps"},
		{"data before its dictionary", func(g *group) { m := meta(g, 0); m.DataPageOffset = m.DictionaryPageOffset - 1 }, ErrFormat, "overlaps"},
		{"another compression", func(g *group) { meta(g, 2).Codec = format.Snappy }, ErrFormat, "SNAPPY, not zstd"},
		{"a chunk in another file", func(g *group) { g.Columns[2].FilePath = "/etc/passwd" }, ErrFormat, "another file"},
	} {
		_, f := written(t)
		c.change(&f.Metadata().RowGroups[0])
		wantErr(t, c.what, checkLayout(f, columns), c.want, c.say)
	}
}

// TestGroupLimits changes what a footer says of the pages of a row group.
func TestGroupLimits(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(*format.RowGroup)
		say    string
	}{
		{"what was written", func(*format.RowGroup) {}, ""},
		{"a row more", func(g *format.RowGroup) { g.NumRows++ }, "1000 rows of 1001"},
		{"a row less", func(g *format.RowGroup) { g.NumRows-- }, "1000 rows of 999"},
		{"a value more", func(g *format.RowGroup) { g.Columns[1].MetaData.NumValues++ }, "1000 values of 1001"},
		{"a chunk cut by a byte", func(g *format.RowGroup) { g.Columns[1].MetaData.TotalCompressedSize-- }, "damaged"},
		{"a chunk with a byte of the next", func(g *format.RowGroup) { g.Columns[1].MetaData.TotalCompressedSize++ }, "damaged"},
		{"a dictionary that is not announced", func(g *format.RowGroup) { g.Columns[2].MetaData.DictionaryPageOffset = 0 }, "column price"},
	} {
		b, f := written(t)
		c.change(&f.Metadata().RowGroups[0])
		want := error(ErrFormat)
		if c.say == "" {
			want = nil
		}
		wantErr(t, c.what, checkRowGroup(bytes.NewReader(b), f, 0), want, c.say)
	}
}

// leafOf is the column of a schema, and a chunk of it that holds raw.
func leafOf(t *testing.T, name string, raw []byte) *chunk {
	t.Helper()
	_, f := written(t)
	for _, l := range leavesOf(f.Root(), nil) {
		if l.Name() == name {
			return &chunk{leaf: l, raw: raw, dictionary: -1}
		}
	}
	t.Fatalf("no column %s", name)
	return nil
}

// TestPageLimits has both sides of what a page header may say of the page.
func TestPageLimits(t *testing.T) {
	page := func(change func(*format.PageHeader)) (h format.PageHeader) {
		h.DataPageHeaderV2.Valid = true
		h.UncompressedPageSize = 32
		d := &h.DataPageHeaderV2.V
		d.NumValues, d.NumRows, d.Encoding = 4, 4, format.ByteStreamSplit
		d.IsCompressed.Valid, d.IsCompressed.V = true, false
		change(&h)
		return h
	}
	type head = *format.PageHeader
	for _, c := range []struct {
		what   string
		raw    int
		change func(head)
		say    string
	}{
		{"four numbers", 32, func(head) {}, ""},
		{"no numbers", 0, func(h head) { d := &h.DataPageHeaderV2.V; d.NumValues, d.NumRows = 0, 0 }, ""},
		{"a byte less", 31, func(head) {}, "damaged"},
		{"a byte more", 33, func(head) {}, "damaged"},
		{"less than no values", 32, func(h head) { h.DataPageHeaderV2.V.NumValues = -1 }, "damaged"},
		{"more values than are read", 32, func(h head) { h.DataPageHeaderV2.V.NumValues = maxValues + 1 }, "damaged"},
		{"a null where none may be", 24, func(h head) { h.DataPageHeaderV2.V.NumNulls = 1 }, "has 4 and 4"},
		{"more nulls than values", 0, func(h head) { h.DataPageHeaderV2.V.NumNulls = 5 }, "damaged"},
		{"less than no nulls", 32, func(h head) { h.DataPageHeaderV2.V.NumNulls = -1 }, "damaged"},
		{"a row less", 32, func(h head) { h.DataPageHeaderV2.V.NumRows = 3 }, "3 rows and 4 values, but has 4 and 4"},
		{"a row more", 32, func(h head) { h.DataPageHeaderV2.V.NumRows = 5 }, "damaged"},
		{"levels where none may be", 33, func(h head) { h.DataPageHeaderV2.V.RepetitionLevelsByteLength = 1 }, "damaged"},
		{"levels longer than the page", 32, func(h head) { h.DataPageHeaderV2.V.DefinitionLevelsByteLength = 33 }, "damaged"},
		{"levels of two kinds longer than the page", 32, func(h head) {
			d := &h.DataPageHeaderV2.V
			d.RepetitionLevelsByteLength, d.DefinitionLevelsByteLength = 20, 13
		}, "damaged"},
		{"levels of less than nothing", 32, func(h head) { h.DataPageHeaderV2.V.RepetitionLevelsByteLength = -1 }, "damaged"},
		{"places without a dictionary", 32, func(h head) { h.DataPageHeaderV2.V.Encoding = format.RLEDictionary }, "damaged"},
		{"plain numbers", 32, func(h head) { h.DataPageHeaderV2.V.Encoding = format.Plain }, ""},
		{"an encoding that is not written", 32, func(h head) { h.DataPageHeaderV2.V.Encoding = format.DeltaByteArray }, "not one of this archive"},
		{"a page that unpacks to less than its levels", 32, func(h head) { h.DataPageHeaderV2.V.IsCompressed.V, h.UncompressedPageSize = true, -1 }, "damaged"},
	} {
		h := page(c.change)
		wantErr(t, c.what, leafOf(t, "size", make([]byte, c.raw)).dataPage(&h), nil, c.say)
	}
}

// TestPlainLimits has both sides of plain values of each type.
func TestPlainLimits(t *testing.T) {
	text := func(claims uint32, has string) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, claims), has...)
	}
	for _, c := range []struct {
		what, column string
		b            []byte
		n            int
		ok           bool
	}{
		{"two numbers", "size", make([]byte, 16), 2, true},
		{"two numbers and a byte", "size", make([]byte, 17), 2, false},
		{"two numbers without a byte", "size", make([]byte, 15), 2, false},
		{"no texts", "series", nil, 0, true},
		{"an empty text", "series", text(0, ""), 1, true},
		{"a text", "series", text(3, "abc"), 1, true},
		{"two texts", "series", append(text(3, "abc"), text(1, "d")...), 2, true},
		{"a text that claims a byte more", "series", text(4, "abc"), 1, false},
		{"a text that claims 4 GiB", "series", text(1<<32-1, "abc"), 1, false},
		{"a text and a byte", "series", text(3, "abcd"), 1, false},
		{"half of a length", "series", []byte{1, 0, 0}, 1, false},
		{"a text less", "series", text(3, "abc"), 2, false},
	} {
		err := leafOf(t, c.column, nil).plainValues(c.b, c.n)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestRunLimits has both sides of runs, levels and places.
func TestRunLimits(t *testing.T) {
	run := func(count, value uint64) []byte { return append(binary.AppendUvarint(nil, count<<1), byte(value)) }
	groups := func(n int, b ...byte) []byte { return append(binary.AppendUvarint(nil, uint64(n)<<1|1), b...) }
	for _, c := range []struct {
		what            string
		b               []byte
		width, limit, n int
		ok              bool
	}{
		{"a run", run(9, 3), 2, 4, 9, true},
		{"a run of a value too many", run(10, 3), 2, 4, 9, false},
		{"a run of a value too few", run(8, 3), 2, 4, 9, false},
		{"two runs", append(run(4, 3), run(5, 1)...), 2, 4, 9, true},
		{"the highest value", run(1, 3), 2, 4, 1, true},
		{"a higher value", run(1, 3), 2, 3, 1, false},
		{"a run without its value", []byte{18}, 2, 4, 9, false},
		{"a group", groups(1, 0b11100100, 0b11100100), 2, 4, 8, true},
		{"a group that ends with values that do not count", groups(1, 0b11100100, 0xff), 2, 4, 4, true},
		{"a group of values that are too high", groups(1, 0b11100100, 0b11100100), 2, 3, 8, false},
		{"a group without its last byte", groups(1, 0b11100100), 2, 4, 8, false},
		{"a group too many", groups(2, 1, 2, 3, 4), 2, 4, 8, false},
		{"half of a number", []byte{0x80}, 2, 4, 1, false},
		{"nothing for nothing", nil, 2, 4, 0, true},
		{"nothing for something", nil, 2, 4, 1, false},
	} {
		got := 0
		err := runs(c.b, c.width, c.limit, c.n, func(int) { got++ })
		if (err == nil) != c.ok || err == nil && got != c.n {
			t.Errorf("%s: %d values, %v", c.what, got, err)
		}
	}
	c := chunk{dictionary: 4}
	for _, x := range []struct {
		what string
		b    []byte
		n    int
		ok   bool
	}{
		{"places", append([]byte{2}, run(9, 3)...), 9, true},
		{"a place behind the dictionary", append([]byte{3}, run(9, 4)...), 9, false},
		{"places of 32 bits", append([]byte{32}, append(run(9, 3), 0, 0, 0)...), 9, true},
		{"places of 33 bits", append([]byte{33}, append(run(9, 3), 0, 0, 0, 0)...), 9, false},
		{"no width", nil, 9, false},
		{"nothing", nil, 0, true},
	} {
		if err := c.indices(x.b, x.n); (err == nil) != x.ok {
			t.Errorf("%s: %v", x.what, err)
		}
	}
	if err := c.levels([]byte{1}, 0, 3, func(int) {}); err == nil {
		t.Error("levels where none may be are let pass")
	}
}

// TestTextLimits has both sides of the longest row of text.
func TestTextLimits(t *testing.T) {
	t.Parallel()
	const near = 8 << 10 // the CSV reader reads ahead
	line := func(f Format, n int) string {
		text := strings.Repeat("x", n)
		if f == CSV {
			return "series,time,price,size,seq\n" + text + ",1970-01-01T00:00:00Z,1,1,1\n"
		}
		return `{"series":"` + text + `","time":"1970-01-01T00:00:00Z","price":1,"size":1,"seq":1}` + "\n"
	}
	for _, f := range []Format{CSV, JSONL} {
		for _, c := range []struct {
			n    int
			want error
		}{{10, nil}, {maxShort - near, nil}, {maxShort + near, ErrTooLarge}, {3 * maxShort, ErrTooLarge}} {
			rows := 0
			err := eachText(strings.NewReader(line(f, c.n)), f, func(r *TickRow) error {
				if rows++; len(r.Series) != c.n {
					t.Errorf("%s: a text of %d bytes has %d", f, c.n, len(r.Series))
				}
				return nil
			})
			if !errors.Is(err, c.want) || (c.want == nil) != (rows == 1) {
				t.Errorf("%s, a text of %d bytes: %d rows, %v", f, c.n, rows, err)
			}
		}
		// The bound is of a row: many of them may be longer together.
		rows := 0
		body, _ := strings.CutPrefix(line(f, maxShort/3), "series,time,price,size,seq\n")
		file := line(f, 1) + strings.Repeat(body, 8)
		if err := eachText(strings.NewReader(file), f, func(*TickRow) error { rows++; return nil }); err != nil || rows != 9 {
			t.Errorf("%s, nine rows of %d bytes together: %d, %v", f, len(file), rows, err)
		}
	}
	if longest[EntryRow]() != maxLine || longest[BarRow]() != maxShort || longest[ScoreRow]() != maxShort {
		t.Error("only entries may be long")
	}
}

// TestThriftLimits has both sides of what a structure may claim.
func TestThriftLimits(t *testing.T) {
	nested := func(depth int) []byte {
		return append(bytes.Repeat([]byte{0x1c}, depth), make([]byte, depth+1)...)
	}
	structs := func(n int) []byte {
		return append(append([]byte{0x19, 0xfc}, binary.AppendUvarint(nil, uint64(n))...), make([]byte, n+1)...)
	}
	for _, c := range []struct {
		what string
		b    []byte
		ok   bool
	}{
		{"nothing in it", []byte{0}, true},
		{"nothing", nil, false},
		{"structures 16 deep", nested(16), true},
		{"structures 17 deep", nested(17), false},
		{"the most structures", structs(maxStructs), true},
		{"a structure more", structs(maxStructs + 1), false},
		{"a list of as many bytes as there are", []byte{0x19, 0x23, 1, 2, 0}, true},
		{"a list of more bytes than there are", []byte{0x19, 0x53, 1, 2, 0}, false},
		{"a text that ends it", []byte{0x18, 2, 'a', 'b', 0}, true},
		{"a text that goes on after it", []byte{0x18, 4, 'a', 'b', 0}, false},
		{"a double", []byte{0x17, 1, 2, 3, 4, 5, 6, 7, 8, 0}, true},
		{"half a double", []byte{0x17, 1, 2, 3, 4}, false},
		{"true, and a field with its number", []byte{0x11, 0x02, 0x05, 0}, true},
		{"a map", []byte{0x1b, 0, 0}, false},
		{"a type that there is not", []byte{0x1d, 0, 0}, false},
	} {
		n, err := thriftSize(append(c.b[:len(c.b):len(c.b)], "rest"[:map[bool]int{true: 4}[c.ok]]...))
		if (err == nil) != c.ok || c.ok && n != len(c.b) {
			t.Errorf("%s: %d of %d bytes, %v", c.what, n, len(c.b), err)
		}
	}
}
