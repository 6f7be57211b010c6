package archive

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// The Parquet library makes room for what a file claims, at every level: lists of the footer,
// pages, runs of equal values. Some tens of bytes can claim gigabytes. So each row group is
// looked through first, page by page, with bounds of our own: what these functions let pass has
// as many values as it says, in as many bytes. They know the encodings that Writer writes, no
// others.

// Bounds of a file.
const (
	maxFooter    = 16 << 20
	maxGroupRows = 1 << 20
	maxHeader    = 64 << 10 // of a page
	maxPage      = 48 << 20 // an entry of the ledger is one value; the longest has about 16 MiB
	maxValues    = 1 << 23  // of a page
)

// checkFooter refuses a file whose footer claims more than it holds.
func checkFooter(r io.ReaderAt, size int64) error {
	var end [8]byte
	if size < 12 {
		return fmt.Errorf("%w: it is too short", ErrFormat)
	}
	if _, err := r.ReadAt(end[:], size-8); err != nil && err != io.EOF {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	if string(end[4:]) != "PAR1" {
		return fmt.Errorf("%w: it does not end as a Parquet file does; is it whole?", ErrFormat)
	}
	if n > maxFooter {
		return fmt.Errorf("%w: its footer has %d bytes; at most %d MiB are read", ErrTooLarge, n, maxFooter>>20)
	}
	if n > size-12 {
		return fmt.Errorf("%w: its footer is longer than the file", ErrFormat)
	}
	footer := make([]byte, n)
	if _, err := r.ReadAt(footer, size-8-n); err != nil && err != io.EOF {
		return err
	}
	if _, err := thriftSize(footer); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return nil
}

// checkLayout refuses a file whose chunks of columns overlap: one page could be read a
// thousand times.
func checkLayout(f *parquet.File, columns int) error {
	end := int64(4)
	for i := range f.Metadata().RowGroups {
		g := &f.Metadata().RowGroups[i]
		if g.NumRows < 0 || g.NumRows > maxGroupRows {
			return fmt.Errorf("%w: row group %d has %d rows; at most %d are read", ErrTooLarge, i, g.NumRows, maxGroupRows)
		}
		if len(g.Columns) != columns {
			return fmt.Errorf("%w: row group %d has %d columns of %d", ErrFormat, i, len(g.Columns), columns)
		}
		for k := range g.Columns {
			m := &g.Columns[k].MetaData
			start := m.DataPageOffset
			if m.DictionaryPageOffset != 0 {
				start = m.DictionaryPageOffset
			}
			if start < end || m.TotalCompressedSize < 0 || m.TotalCompressedSize > f.Size()-start || m.DataPageOffset < start {
				return fmt.Errorf("%w: row group %d, column %d: it overlaps another", ErrFormat, i, k)
			}
			end = start + m.TotalCompressedSize
			if m.Codec != format.Zstd {
				return fmt.Errorf("%w: row group %d, column %d is compressed with %s, not zstd", ErrFormat, i, k, m.Codec)
			}
			if g.Columns[k].FilePath != "" {
				return fmt.Errorf("%w: row group %d, column %d is in another file", ErrFormat, i, k)
			}
		}
	}
	return nil
}

// checkRowGroup looks through the pages of row group i.
func checkRowGroup(r io.ReaderAt, f *parquet.File, i int) error {
	g := &f.Metadata().RowGroups[i]
	leaves := leavesOf(f.Root(), nil)
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPage))
	if err != nil {
		return err
	}
	defer d.Close()
	for k := range g.Columns {
		c := chunk{leaf: leaves[k], meta: &g.Columns[k].MetaData, zstd: d}
		if err := c.check(r, g.NumRows); err != nil {
			return fmt.Errorf("%w: column %s: %w", ErrFormat, c.leaf.Name(), err)
		}
	}
	return nil
}

func leavesOf(c *parquet.Column, list []*parquet.Column) []*parquet.Column {
	if c.Leaf() {
		return append(list, c)
	}
	for _, sub := range c.Columns() {
		list = leavesOf(sub, list)
	}
	return list
}

// chunk is a column of a row group while its pages are looked through.
type chunk struct {
	leaf       *parquet.Column
	meta       *format.ColumnMetaData
	zstd       *zstd.Decoder
	dictionary int // values of it; -1: there is none
	values     int64
	rows       int64
	raw, plain []byte
}

var (
	errPage  = errors.New("a page is damaged")
	errLarge = errors.New("a page is larger than what is read")
)

func (c *chunk) check(r io.ReaderAt, rows int64) error {
	start := c.meta.DataPageOffset
	if c.meta.DictionaryPageOffset != 0 {
		start = c.meta.DictionaryPageOffset
	}
	in := bufio.NewReaderSize(io.NewSectionReader(r, start, c.meta.TotalCompressedSize), maxHeader)
	left := c.meta.TotalCompressedSize
	c.dictionary = -1
	for first := true; left > 0; first = false {
		head, err := in.Peek(int(min(left, maxHeader)))
		if err != nil {
			return err
		}
		n, err := thriftSize(head)
		if err != nil {
			return err
		}
		var h format.PageHeader
		if err := thrift.Unmarshal(new(thrift.CompactProtocol), append([]byte(nil), head[:n]...), &h); err != nil {
			return err
		}
		_, _ = in.Discard(n) // was peeked at
		left -= int64(n)
		if h.CompressedPageSize < 0 || h.UncompressedPageSize < 0 || int64(h.CompressedPageSize) > left {
			return errPage
		}
		if h.CompressedPageSize > maxPage || h.UncompressedPageSize > maxPage {
			return errLarge
		}
		left -= int64(h.CompressedPageSize)
		c.raw = sized(c.raw, int(h.CompressedPageSize))
		if _, err := io.ReadFull(in, c.raw); err != nil {
			return err
		}
		switch {
		case h.Type == format.DictionaryPage && h.DictionaryPageHeader.Valid && first && c.meta.DictionaryPageOffset != 0:
			err = c.dictionaryPage(&h)
		case h.Type == format.DataPageV2 && h.DataPageHeaderV2.Valid:
			err = c.dataPage(&h)
		default:
			err = fmt.Errorf("a page is of type %s, not a data page of version 2", h.Type)
		}
		if err != nil {
			return err
		}
	}
	if c.rows != rows || c.values != c.meta.NumValues {
		return fmt.Errorf("its pages have %d rows of %d and %d values of %d", c.rows, rows, c.values, c.meta.NumValues)
	}
	return nil
}

func sized(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// unpack decompresses into c.plain what must have size bytes.
func (c *chunk) unpack(b []byte, size int) (err error) {
	if size < 0 {
		return errPage
	}
	var h zstd.Header
	if err := h.Decode(b); err != nil {
		return err
	}
	if h.HasFCS && h.FrameContentSize > uint64(size) || !h.HasFCS && h.WindowSize > maxPage {
		return errLarge
	}
	c.plain, err = c.zstd.DecodeAll(b, sized(c.plain, size)[:0])
	if err != nil {
		return err
	}
	if len(c.plain) != size {
		return fmt.Errorf("a page has %d bytes, not %d", len(c.plain), size)
	}
	return nil
}

func (c *chunk) dictionaryPage(h *format.PageHeader) error {
	d := &h.DictionaryPageHeader.V
	if d.Encoding != format.Plain || d.NumValues < 0 || d.NumValues > maxValues {
		return errPage
	}
	if err := c.unpack(c.raw, int(h.UncompressedPageSize)); err != nil {
		return err
	}
	c.dictionary = int(d.NumValues)
	return c.plainValues(c.plain, c.dictionary)
}

func (c *chunk) dataPage(h *format.PageHeader) error {
	d := &h.DataPageHeaderV2.V
	n, nulls := int(d.NumValues), int(d.NumNulls)
	rep, def := int(d.RepetitionLevelsByteLength), int(d.DefinitionLevelsByteLength)
	if n < 0 || n > maxValues || nulls < 0 || nulls > n || rep < 0 || def < 0 || rep > len(c.raw) || def > len(c.raw)-rep || d.NumRows < 0 || int(d.NumRows) > n {
		return errPage
	}
	rows, present := n, n
	if err := c.levels(c.raw[:rep], c.leaf.MaxRepetitionLevel(), n, func(v int) {
		if v != 0 {
			rows--
		}
	}); err != nil {
		return err
	}
	if err := c.levels(c.raw[rep:rep+def], c.leaf.MaxDefinitionLevel(), n, func(v int) {
		if v < c.leaf.MaxDefinitionLevel() {
			present--
		}
	}); err != nil {
		return err
	}
	if rows != int(d.NumRows) || present != n-nulls {
		return fmt.Errorf("a page says that it has %d rows and %d values, but has %d and %d", d.NumRows, n-nulls, rows, present)
	}
	c.values += int64(n)
	c.rows += int64(rows)
	values := c.raw[rep+def:]
	if !d.IsCompressed.Valid || d.IsCompressed.V {
		if err := c.unpack(values, int(h.UncompressedPageSize)-rep-def); err != nil {
			return err
		}
		values = c.plain
	}
	switch d.Encoding {
	case format.Plain:
		return c.plainValues(values, present)
	case format.ByteStreamSplit:
		if len(values) != 8*present {
			return errPage
		}
		return nil
	case format.DeltaBinaryPacked:
		return deltas(values, present)
	case format.RLEDictionary:
		return c.indices(values, present)
	}
	return fmt.Errorf("a page has the encoding %s, which is not one of this archive", d.Encoding)
}

// plainValues checks that b is n values, one after the other.
func (c *chunk) plainValues(b []byte, n int) error {
	switch kind := c.leaf.Type().Kind(); kind {
	case parquet.Boolean:
		if len(b) != (n+7)/8 {
			return errPage
		}
	case parquet.Int64, parquet.Double:
		if len(b) != 8*n {
			return errPage
		}
	case parquet.ByteArray:
		for ; n > 0; n-- {
			if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
				return errPage
			}
			b = b[4+binary.LittleEndian.Uint32(b):]
		}
		if len(b) > 0 {
			return errPage
		}
	default:
		return fmt.Errorf("its values are of type %s", kind)
	}
	return nil
}

// levels checks n levels up to most and calls f for each. No bytes are levels of 0, where
// there are none to be.
func (c *chunk) levels(b []byte, most, n int, f func(int)) error {
	if most == 0 {
		if len(b) > 0 {
			return errPage
		}
		return nil
	}
	return runs(b, bits.Len(uint(most)), most+1, n, f)
}

// indices checks n places in the dictionary.
func (c *chunk) indices(b []byte, n int) error {
	if n == 0 && len(b) == 0 {
		return nil
	}
	if c.dictionary < 0 || len(b) == 0 || b[0] > 32 {
		return errPage
	}
	return runs(b[1:], int(b[0]), c.dictionary, n, func(int) {})
}

// runs checks a list of runs of the hybrid encoding: n values below limit, of width bits, and
// at most seven more that fill up the last group.
func runs(b []byte, width, limit, n int, f func(int)) error {
	value := func(v, count int) error {
		if v >= limit && n > 0 {
			return errPage
		}
		for ; count > 0 && n > 0; count-- {
			f(v)
			n--
		}
		return nil
	}
	for len(b) > 0 {
		head, size := binary.Uvarint(b)
		if size <= 0 {
			return errPage
		}
		b = b[size:]
		if head&1 == 0 {
			bytes := (width + 7) / 8
			if head>>1 > uint64(n) || len(b) < bytes {
				return errPage
			}
			v := 0
			for i := range bytes {
				v |= int(b[i]) << (8 * i)
			}
			b = b[bytes:]
			if err := value(v, int(head>>1)); err != nil {
				return err
			}
			continue
		}
		groups := head >> 1
		if groups > uint64(n+7)/8 || int(groups)*width > len(b) {
			return errPage
		}
		packed := b[:int(groups)*width]
		b = b[int(groups)*width:]
		for i := range int(groups) * 8 {
			if err := value(packedBits(packed, i*width, width), 1); err != nil {
				return err
			}
		}
	}
	if n > 0 {
		return fmt.Errorf("a page lacks %d values", n)
	}
	return nil
}

// packedBits are width bits of b from bit at.
func packedBits(b []byte, at, width int) (v int) {
	for k := 0; k < width; {
		take := min(8-at%8, width-k)
		v |= int(b[at/8]>>(at%8)&(1<<take-1)) << k
		k, at = k+take, at+take
	}
	return v
}

// deltas checks that b is n numbers of the delta encoding.
func deltas(b []byte, n int) error {
	bad := false
	next := func() uint64 {
		v, size := binary.Uvarint(b)
		if size <= 0 {
			bad, b = true, nil
			return 0
		}
		b = b[size:]
		return v
	}
	block, minis, total := next(), next(), next()
	next() // the first
	switch {
	case n == 0 && len(b) == 0 && (bad || total == 0):
		return nil
	case bad || total != uint64(n) || block == 0 || block > 1<<16 || minis == 0 || block%minis != 0 || block/minis%8 != 0:
		return errPage
	}
	each := block / minis
	for left := n - 1; left > 0; {
		next() // the least difference
		if bad || uint64(len(b)) < minis {
			return errPage
		}
		widths := b[:minis]
		b = b[minis:]
		for _, w := range widths {
			if left <= 0 {
				break
			}
			if w > 64 || each*uint64(w)/8 > uint64(len(b)) {
				return errPage
			}
			b = b[each*uint64(w)/8:]
			left -= int(each)
		}
	}
	return nil
}
