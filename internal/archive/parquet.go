package archive

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// rowGroup is the number of rows of a row group: what a reader can take in at once, and what
// it need not read when it looks for a time elsewhere. Rows of entries are a hundred times as
// long.
const (
	rowGroup      = 1 << 17
	rowGroupEntry = 1 << 14
)

// parquetWriter writes rows, compressed with zstd.
type parquetWriter[R Row] struct{ w *parquet.GenericWriter[R] }

func newParquetWriter[R Row](w io.Writer, m *Meta) (*parquetWriter[R], error) {
	pairs, err := m.pairs()
	if err != nil {
		return nil, err
	}
	group := int64(rowGroup)
	if _, ok := any((*R)(nil)).(*EntryRow); ok {
		group = rowGroupEntry
	}
	opts := []parquet.WriterOption{
		parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(group), parquet.PageBufferSize(1 << 20),
		parquet.DataPageStatistics(false), parquet.CreatedBy("foretick", m.CreatedBy, ""), parquet.DictionaryMaxBytes(1 << 20),
	}
	for k, v := range pairs {
		opts = append(opts, parquet.KeyValueMetadata(k, v))
	}
	return &parquetWriter[R]{parquet.NewGenericWriter[R](w, opts...)}, nil
}

func (p *parquetWriter[R]) Write(rows []R) error { _, err := p.w.Write(rows); return err }
func (p *parquetWriter[R]) Close() error         { return p.w.Close() }

// parquetFile is a Parquet file that was looked through as far as its footer.
type parquetFile struct {
	file *parquet.File
	meta Meta
}

// openParquet reads the footer of a file. A panic of the library is an error like others.
func openParquet(r io.ReaderAt, size int64) (p *parquetFile, err error) {
	defer recovered(&err)
	if err := checkFooter(r, size); err != nil {
		return nil, err
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	text, ok := f.Lookup(keyMeta)
	if !ok {
		return nil, fmt.Errorf("%w: its metadata has no %s", ErrFormat, keyMeta)
	}
	p = &parquetFile{file: f}
	if err := json.Unmarshal([]byte(text), &p.meta); err != nil {
		return nil, fmt.Errorf("%w: its metadata: %w", ErrFormat, err)
	}
	return p, p.meta.check()
}

// recovered turns a panic of the Parquet library into an error: it has bounds that it does
// not check, and a file must not end the program.
func recovered(err *error) {
	if p := recover(); p != nil {
		if cause, ok := p.(error); ok {
			*err = fmt.Errorf("%w: it cannot be decoded: %w", ErrFormat, cause)
		} else {
			*err = fmt.Errorf("%w: it cannot be decoded: %v", ErrFormat, p)
		}
	}
}

// eachParquet calls f for the rows of a file, one row group after the other. Each is looked
// through before it is decoded.
func eachParquet[R Row](in *Input, f func(*R) error) error {
	file := in.parquet.file
	want, have := parquet.SchemaOf(new(R)), file.Schema()
	if err := sameColumns(want, have); err != nil {
		return err
	}
	if err := checkLayout(file, len(leavesOf(file.Root(), nil))); err != nil {
		return err
	}
	for i, g := range file.RowGroups() {
		if err := checkRowGroup(in.ReaderAt, file, i); err != nil {
			return fmt.Errorf("row group %d: %w", i, err)
		}
		if err := eachRow(g, f); err != nil {
			return fmt.Errorf("row group %d: %w", i, err)
		}
		if in.Read != nil {
			in.Read(in.Size * int64(i+1) / int64(len(file.RowGroups())))
		}
	}
	return nil
}

// batch is the number of rows that are decoded at once.
const batch = 256

func eachRow[R Row](g parquet.RowGroup, f func(*R) error) error {
	r := parquet.NewGenericRowGroupReader[R](g)
	defer r.Close() //nolint:errcheck // nothing was written
	rows := make([]R, batch)
	left := g.NumRows()
	for left > 0 {
		n, err := readRows(r, rows[:min(batch, left)])
		if err != nil && err != io.EOF {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%w: %d rows are missing", ErrFormat, left)
		}
		for k := range n {
			if err := f(&rows[k]); err != nil {
				return err
			}
		}
		clear(rows)
		left -= int64(n)
	}
	return nil
}

func readRows[R Row](r *parquet.GenericReader[R], rows []R) (n int, err error) {
	defer recovered(&err)
	n, err = r.Read(rows)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return n, err
}

// sameColumns reports how have differs from want: name, type, and whether it may be null.
func sameColumns(want, have *parquet.Schema) error {
	w, h := want.Fields(), have.Fields()
	for i := range min(len(w), len(h)) {
		if w[i].Name() != h[i].Name() || !parquet.EqualNodes(w[i], h[i]) {
			return fmt.Errorf("%w: its column %d is %s %s, not %s %s", ErrFormat, i+1, h[i].Name(), h[i].String(), w[i].Name(), w[i].String())
		}
	}
	if len(w) != len(h) {
		return fmt.Errorf("%w: it has %d columns, not %d", ErrFormat, len(h), len(w))
	}
	return nil
}
