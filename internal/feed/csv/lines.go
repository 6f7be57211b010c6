package csv

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// source reads the bytes of a file: it counts them, tells the progress and stops
// when the context is done.
type source struct {
	ctx      context.Context
	r        io.Reader
	read     int64
	size     int64
	progress func(read, size int64)
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	s.read += int64(n)
	if s.progress != nil {
		s.progress(s.read, s.size)
	}
	return n, err
}

// open looks at how r begins and returns the text in it, or says why there is none.
func open(r io.Reader, name string) (io.Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	if magic, err := b.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("%w: %s begins like a gzip file but is damaged: %w", ErrFormat, name, err)
		}
		b = bufio.NewReaderSize(z, 64<<10)
	}
	// An error here comes again with the first read.
	head, _ := b.Peek(512)
	first, _, _ := bytes.Cut(head, []byte("\n"))
	is := func(what string) (io.Reader, error) { return nil, fmt.Errorf("%w: %s %s", ErrFormat, name, what) }
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return is("is a zip archive; unpack it and name the CSV file that is inside")
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return is("is text in UTF-16; save it as UTF-8")
	case bytes.IndexByte(first, 0) >= 0:
		return is("is binary, not text")
	}
	return b, nil
}

// lines cuts text into lines.
type lines struct {
	r *bufio.Reader
	n int // number of the last line, 1-based
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, MaxLine+2)} }

var (
	errLong = fmt.Errorf("the line is longer than %d bytes", MaxLine)
	errCut  = errors.New("the file ends, damaged, within or before this line")
)

// next returns the next line without its end, valid until the call after. The
// error is io.EOF at the end; errLong with the beginning of a line that was too
// long, the rest of which is passed over; errCut with what there is of a line when
// compressed data turned out damaged; or that of the reader.
func (l *lines) next() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	l.n++
	switch {
	case err == nil:
		line = line[:len(line)-1]
	case errors.Is(err, bufio.ErrBufferFull):
		head := bytes.Clone(line[:rawLimit+utf8.UTFMax])
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = l.r.ReadSlice('\n')
		}
		if err != nil && !errors.Is(err, io.EOF) && !damaged(err) {
			return nil, err
		}
		return head, errLong
	case errors.Is(err, io.EOF) && len(line) > 0:
	case damaged(err):
		return line, fmt.Errorf("%w: %w", errCut, err)
	default:
		return nil, err
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) > MaxLine {
		return line, errLong
	}
	return line, nil
}

// damaged tells compressed data that is broken or cut short from trouble with the
// disk.
func damaged(err error) bool {
	var corrupt flate.CorruptInputError
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.As(err, &corrupt)
}

var errQuote = errors.New("a quote is opened and not closed on this line, or text follows a closing quote")

// split appends the fields of a line to fields. Fields may be quoted, with doubled
// quotes inside; spaces around a field are dropped.
func split(line []byte, fields [][]byte) ([][]byte, error) {
	for {
		line = bytes.TrimLeft(line, " \t")
		if len(line) > 0 && line[0] == '"' {
			field, rest, err := unquote(line[1:])
			if err != nil {
				return fields, err
			}
			fields = append(fields, bytes.TrimSpace(field))
			if len(rest) == 0 {
				return fields, nil
			}
			line = rest[1:]
			continue
		}
		i := bytes.IndexByte(line, ',')
		if i < 0 {
			return append(fields, bytes.TrimSpace(line)), nil
		}
		fields = append(fields, bytes.TrimSpace(line[:i]))
		line = line[i+1:]
	}
}

// unquote reads a field after its opening quote. rest is empty or begins with a
// comma.
func unquote(line []byte) (field, rest []byte, err error) {
	for {
		i := bytes.IndexByte(line, '"')
		if i < 0 {
			return nil, nil, errQuote
		}
		field = append(field, line[:i]...)
		line = line[i+1:]
		if len(line) == 0 || line[0] != '"' {
			break
		}
		field = append(field, '"')
		line = line[1:]
	}
	rest = bytes.TrimLeft(line, " \t")
	if len(rest) > 0 && rest[0] != ',' {
		return nil, nil, errQuote
	}
	return field, rest, nil
}

// printable makes b fit to be stored and shown: cut to rawLimit bytes, with every
// byte that is not text replaced.
func printable(b []byte) string {
	s := strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, string(b[:min(len(b), rawLimit)]))
	for len(s) > rawLimit || !utf8.ValidString(s) {
		s = s[:min(len(s)-1, rawLimit)]
	}
	return s
}
