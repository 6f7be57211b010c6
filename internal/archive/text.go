package archive

import (
	"bufio"
	"bytes"
	stdcsv "encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// maxLine bounds a row of text; the longest are entries with very many forecasts. Rows of
// the other tables have at most maxShort bytes.
const (
	maxLine  = 64 << 20
	maxShort = 1 << 20
)

func longest[R Row]() int {
	if _, ok := any((*R)(nil)).(*EntryRow); ok {
		return maxLine
	}
	return maxShort
}

// textWriter writes rows as CSV or JSON lines.
type textWriter[R Row] struct {
	w      *bufio.Writer
	json   bool
	fields []field
	line   []byte
	cell   []byte
}

func newTextWriter[R Row](w io.Writer, f Format) (*textWriter[R], error) {
	t := &textWriter[R]{w: bufio.NewWriterSize(w, 64<<10), json: f == JSONL, fields: fieldsOf[R]()}
	if t.json {
		return t, nil
	}
	for i := range t.fields {
		if i > 0 {
			t.line = append(t.line, ',')
		}
		t.line = append(t.line, t.fields[i].name...)
	}
	_, err := t.w.Write(append(t.line, '\n'))
	return t, err
}

func (t *textWriter[R]) Write(rows []R) error {
	for i := range rows {
		row := reflect.ValueOf(&rows[i]).Elem()
		t.line = t.line[:0]
		if t.json {
			t.appendJSON(row)
		} else {
			t.appendCSV(row)
		}
		if _, err := t.w.Write(append(t.line, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func (t *textWriter[R]) Close() error { return t.w.Flush() }

func (t *textWriter[R]) appendCSV(row reflect.Value) {
	for i := range t.fields {
		if i > 0 {
			t.line = append(t.line, ',')
		}
		f := &t.fields[i]
		v, some := f.value(row)
		if !some {
			continue
		}
		t.cell, _ = f.appendText(t.cell[:0], v)
		if len(t.cell) > 0 && !bytes.ContainsAny(t.cell, "\",\r\n") && t.cell[0] != ' ' {
			t.line = append(t.line, t.cell...)
			continue
		}
		t.line = append(t.line, '"')
		t.line = append(t.line, bytes.ReplaceAll(t.cell, []byte(`"`), []byte(`""`))...)
		t.line = append(t.line, '"')
	}
}

func (t *textWriter[R]) appendJSON(row reflect.Value) {
	t.line = append(t.line, '{')
	for i := range t.fields {
		f := &t.fields[i]
		if i > 0 {
			t.line = append(t.line, ',')
		}
		t.line = append(t.line, '"')
		t.line = append(t.line, f.name...)
		t.line = append(t.line, '"', ':')
		v, some := f.value(row)
		if !some {
			t.line = append(t.line, "null"...)
			continue
		}
		var text bool
		t.cell, text = f.appendText(t.cell[:0], v)
		switch {
		case text && f.typ.Kind() == reflect.Float64 && string(t.cell) == "NaN":
			t.line = append(t.line, "null"...)
		case text:
			quoted, _ := json.Marshal(string(t.cell)) // a string has no errors
			t.line = append(t.line, quoted...)
		default:
			t.line = append(t.line, t.cell...)
		}
	}
	t.line = append(t.line, '}')
}

// eachText calls f for the rows of CSV or JSON lines, and tells how many bytes were read.
func eachText[R Row](r io.Reader, format Format, f func(*R) error) error {
	if format == JSONL {
		return eachJSON(r, f)
	}
	return eachCSV(r, f)
}

// budget is a reader that gives at most left bytes more of a row.
type budget struct {
	r     io.Reader
	limit int
	left  int
}

func tooLong(limit int) error {
	return fmt.Errorf("%w: a row of more than %d MiB", ErrTooLarge, limit>>20)
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, tooLong(b.limit)
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

func eachCSV[R Row](r io.Reader, f func(*R) error) error {
	limit := longest[R]()
	b := &budget{r, limit, limit}
	in := stdcsv.NewReader(b)
	in.ReuseRecord = true
	head, err := in.Read()
	if err != nil {
		return fmt.Errorf("%w: it has no line that names the columns: %w", ErrFormat, err)
	}
	fields := fieldsOf[R]()
	at := make([]int, len(fields)) // column of each field
	for i := range fields {
		at[i] = -1
		for k, name := range head {
			if name == fields[i].name {
				at[i] = k
			}
		}
		if at[i] < 0 {
			return fmt.Errorf("%w: its first line names no column %s; it names %.300s", ErrFormat, fields[i].name, strings.Join(head, ","))
		}
	}
	for {
		b.left = limit
		record, err := in.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		var row R
		v := reflect.ValueOf(&row).Elem()
		for i := range fields {
			if text := record[at[i]]; text != "" || !fields[i].null && fields[i].typ.Kind() != reflect.String {
				err = errors.Join(err, fields[i].parse(v, strings.Clone(text)))
			}
		}
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrFormat, err)
		} else {
			err = f(&row)
		}
		if err != nil {
			line, _ := in.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

func eachJSON[R Row](r io.Reader, f func(*R) error) error {
	fields := fieldsOf[R]()
	return eachLine(r, longest[R](), func(line []byte) error {
		var row R
		if err := parseObject(line, fields, reflect.ValueOf(&row).Elem()); err != nil {
			return fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return f(&row)
	})
}

var errJSON = errors.New("it is no JSON object of plain values")

// parseObject reads an object whose values are no objects: the fields that are known, in any
// order, each once.
func parseObject(line []byte, fields []field, row reflect.Value) error {
	line = bytes.TrimSpace(line)
	if len(line) < 2 || line[0] != '{' || !json.Valid(line) {
		return errJSON
	}
	seen, at := uint64(0), 0
	for rest := line[1:]; ; {
		rest = bytes.TrimLeft(rest, " \t\r\n,")
		if rest[0] == '}' {
			break
		}
		name := rest[:valueEnd(rest)]
		rest = bytes.TrimLeft(rest[len(name):], " \t\r\n:")
		value := rest[:valueEnd(rest)]
		if len(value) == 0 {
			return errJSON
		}
		rest = rest[len(value):]
		i := at
		for ; i < at+len(fields); i++ {
			if f := &fields[i%len(fields)]; len(name) == len(f.name)+2 && string(name[1:len(name)-1]) == f.name {
				break
			}
		}
		if i == at+len(fields) {
			continue // not a column of ours
		}
		i %= len(fields)
		if seen&(1<<i) != 0 {
			return fmt.Errorf("%s is there twice", fields[i].name)
		}
		seen, at = seen|1<<i, i+1
		if err := fields[i].parseJSON(row, value); err != nil {
			return err
		}
	}
	for i := range fields {
		if seen&(1<<i) == 0 {
			return fmt.Errorf("there is no %s", fields[i].name)
		}
	}
	return nil
}

// valueEnd is the length of the text, number, word or list of numbers that b, which is valid
// JSON, begins with; 0 for anything else.
func valueEnd(b []byte) int {
	switch b[0] {
	case '"':
		for i := 1; ; i++ {
			switch b[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
	case '{':
		return 0
	case '[':
		n := bytes.IndexByte(b, ']') + 1
		if bytes.ContainsAny(b[1:n], `"[{`) {
			return 0 // no list of numbers
		}
		return n
	}
	return bytes.IndexAny(b, ",}] \t\r\n:")
}

// parseJSON sets the field of row to a JSON value.
func (f *field) parseJSON(row reflect.Value, raw []byte) error {
	number := f.typ.Kind() == reflect.Float64
	switch {
	case string(raw) == "null" && f.null:
		return nil
	case string(raw) == "null" && number:
		return f.parse(row, "NaN")
	case string(raw) == "null":
		return fmt.Errorf("%s is null", f.name)
	}
	text := string(raw)
	if raw[0] == '"' {
		if text = text[1 : len(text)-1]; bytes.IndexByte(raw, '\\') >= 0 {
			if err := json.Unmarshal(raw, &text); err != nil {
				return err
			}
		}
		if !number && f.typ != timeType && f.typ != bytesType && f.typ.Kind() != reflect.String {
			return fmt.Errorf("%s is a text", f.name)
		}
	} else if f.typ == timeType || f.typ == bytesType || f.typ.Kind() == reflect.String {
		return fmt.Errorf("%s is no text", f.name)
	}
	return f.parse(row, text)
}

// ending is a reader that remembers why it ended.
type ending struct {
	r   io.Reader
	err error
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != io.EOF {
		e.err = err
	}
	return n, err
}

// eachLine calls f for the lines of r.
func eachLine(r io.Reader, limit int, f func([]byte) error) error {
	in := &ending{r: r}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, limit)
	n := 1
	for ; lines.Scan(); n++ {
		if err := f(lines.Bytes()); err != nil {
			if in.err != nil { // this line may be cut for that reason
				err = in.err
			}
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d: %w", n, tooLong(limit))
	} else if err != nil {
		return err
	}
	return nil
}
