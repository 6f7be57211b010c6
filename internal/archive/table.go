package archive

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/foretick/foretick/ledger"
)

// Writer writes the rows of one table. Its owner calls Close at the end; the file below it
// stays the owner's.
type Writer[R Row] struct {
	to interface {
		Write([]R) error
		Close() error
	}
	rows int64
}

// NewWriter returns a Writer to w.
func NewWriter[R Row](w io.Writer, f Format, m *Meta) (*Writer[R], error) {
	out := &Writer[R]{}
	var err error
	switch f {
	case Parquet:
		out.to, err = newParquetWriter[R](w, m)
	case CSV, JSONL:
		out.to, err = newTextWriter[R](w, f)
	default:
		err = fmt.Errorf("archive: there is no format %.20q", f)
	}
	return out, err
}

// Write appends rows.
func (w *Writer[R]) Write(rows []R) error {
	w.rows += int64(len(rows))
	return w.to.Write(rows)
}

// Close writes what is left.
func (w *Writer[R]) Close() error { return w.to.Close() }

// EntryWriter writes sealed entries: as rows, or, as JSON lines, in the form of
// [ledger.AppendJSON], which anyone can verify.
type EntryWriter struct {
	rows  *Writer[EntryRow]
	lines *bufio.Writer
	n     int64
	buf   []EntryRow
	line  []byte
}

// NewEntryWriter returns an EntryWriter to w.
func NewEntryWriter(w io.Writer, f Format, m *Meta) (*EntryWriter, error) {
	if f == JSONL {
		return &EntryWriter{lines: bufio.NewWriterSize(w, 64<<10)}, nil
	}
	rows, err := NewWriter[EntryRow](w, f, m)
	return &EntryWriter{rows: rows}, err
}

// Write appends an entry.
func (w *EntryWriter) Write(s ledger.Sealed) (err error) {
	w.n++
	if w.lines == nil {
		if w.buf, err = entryRows(w.buf[:0], s); err != nil {
			return err
		}
		return w.rows.Write(w.buf)
	}
	if w.line, err = ledger.AppendJSON(w.line[:0], s); err != nil {
		return fmt.Errorf("entry %d: %w", s.Seq, err)
	}
	_, err = w.lines.Write(append(w.line, '\n'))
	return err
}

// Close writes what is left.
func (w *EntryWriter) Close() error {
	if w.lines == nil {
		return w.rows.Close()
	}
	return w.lines.Flush()
}

// Rows is the number of rows written, which for entries may be more than there are entries.
func (w *EntryWriter) Rows() int64 {
	if w.lines == nil {
		return w.rows.rows
	}
	return w.n
}

// Input is a file of an archive that is read.
type Input struct {
	io.ReaderAt
	Name   string
	Size   int64
	Format Format
	// Meta says what the rows are of. It is read from a Parquet file, and given for others.
	Meta Meta
	// Read, when not nil, is told now and then how many bytes were read.
	Read func(n int64)

	parquet *parquetFile
}

// Open reads the beginning of a file. meta says what CSV and JSON lines are of, and may be
// nil for Parquet. Errors wrap ErrFormat or ErrTooLarge, or are those of r.
func Open(r io.ReaderAt, name string, size int64, meta *Meta) (*Input, error) {
	head := make([]byte, 4)
	n, err := r.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	in := &Input{ReaderAt: r, Name: name, Size: size}
	if in.Format, err = FormatOf(name, head[:n]); err != nil {
		return nil, err
	}
	if in.Format == Parquet {
		if in.parquet, err = openParquet(r, size); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		in.Meta = in.parquet.meta
		return in, nil
	}
	if meta == nil {
		return nil, fmt.Errorf("%w: nothing says what %s is of: its manifest is missing", ErrFormat, name)
	}
	in.Meta = *meta
	if err := in.Meta.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return in, nil
}

// meter counts what is read of a text.
type meter struct {
	r    io.Reader
	n    int64
	tell func(int64)
}

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	m.n += int64(n)
	m.tell(m.n)
	return n, err
}

func (in *Input) stream() io.Reader {
	r := io.Reader(io.NewSectionReader(in, 0, in.Size))
	if in.Read != nil {
		r = &meter{r: r, tell: in.Read}
	}
	return r
}

// Each calls f for the rows of in, in order. The row is valid during the call. Errors are
// f's, that of ctx, or wrap ErrFormat or ErrTooLarge.
func Each[R Row](ctx context.Context, in *Input, f func(*R) error) error {
	n := 0
	each := func(r *R) error {
		if n++; n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		return f(r)
	}
	var err error
	if in.Format == Parquet {
		err = eachParquet(in, each)
	} else {
		err = eachText(in.stream(), in.Format, each)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", in.Name, err)
	}
	return ctx.Err()
}

// EachEntry calls f for the sealed entries of in. Whether they are a chain is the work of
// [ledger.Verifier].
func EachEntry(ctx context.Context, in *Input, f func(ledger.Sealed) error) error {
	if in.Format == JSONL {
		err := eachLine(in.stream(), maxLine, func(line []byte) error {
			s, err := ledger.ParseJSON(line)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrFormat, err)
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return f(s)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", in.Name, err)
		}
		return nil
	}
	s := sealer{each: f}
	if err := Each(ctx, in, s.add); err != nil {
		return err
	}
	if err := s.end(); err != nil {
		return fmt.Errorf("%s: %w", in.Name, err)
	}
	return nil
}
