package csv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// reader reads one file.
type reader struct {
	opt      Options
	file     *File
	key      string // of the instrument
	head     header
	clock    clock
	scale    int
	dates    bool // all times so far were bare dates
	hidden   int  // rejects that were counted and not kept
	beyond   int  // line of the first of them
	maxRows  int
	fields   [][]byte
	unsorted bool
	late     bool // a bar was refused after its line was gone
	unspoken int  // bars whose volume is empty
}

func read(ctx context.Context, in io.Reader, name string, size int64, opt Options) (*File, error) {
	src := &source{ctx: ctx, r: in, size: size, progress: opt.Progress}
	text, err := open(src, name)
	if err != nil {
		return nil, err
	}
	r := &reader{opt: opt, file: &File{Name: name}, clock: clock{zone: opt.Zone}, dates: true, maxRows: opt.MaxRows}
	if r.maxRows <= 0 {
		r.maxRows = DefaultMaxRows
	}
	l := newLines(text)
	if err := r.header(l); err != nil {
		return nil, err
	}
	if err := r.describe(); err != nil {
		return nil, err
	}
	if err := r.rows(l); err != nil {
		return nil, err
	}
	f, err := r.finish()
	if err == nil || errors.Is(err, ErrNoRows) || errors.Is(err, ErrInterval) {
		r.recall(ctx, in)
	}
	return f, err
}

// header reads lines up to the first that is not blank and takes it for the header.
func (r *reader) header(l *lines) error {
	for {
		line, err := l.next()
		switch {
		case errors.Is(err, io.EOF):
			return fmt.Errorf("%w: %s is empty", ErrFormat, r.file.Name)
		case errors.Is(err, errLong), errors.Is(err, errCut):
			return fmt.Errorf("%w: %s: the first line does not name columns: %w; %s", ErrFormat, r.file.Name, err, wanted)
		case err != nil:
			return fmt.Errorf("csv: reading %s: %w", r.file.Name, err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r.head, err = parseHeader(line, r.file.Name)
		r.file.Kind = r.head.kind
		return err
	}
}

// rows reads all lines after the header.
func (r *reader) rows(l *lines) error {
	for {
		line, err := l.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, errCut):
			r.file.Rows++
			r.refuse(l.n, line, err.Error())
			return nil
		case errors.Is(err, errLong):
			r.file.Rows++
			r.refuse(l.n, line, err.Error())
			continue
		case err != nil:
			return fmt.Errorf("csv: reading %s: %w", r.file.Name, err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		r.file.Rows++
		if err := r.row(l.n, line); err != nil {
			r.refuse(l.n, line, err.Error())
		}
		if r.file.Kept() > r.maxRows {
			return fmt.Errorf("%w: %s has more than %d; split it into several files", ErrTooLarge, r.file.Name, r.maxRows)
		}
	}
}

// row reads one line. The number of the line is kept in Revision of bars and Seq of
// ticks until finish.
func (r *reader) row(n int, line []byte) error {
	var err error
	if r.fields, err = split(line, r.fields[:0]); err != nil {
		return err
	}
	if len(r.fields) != r.head.columns {
		return fmt.Errorf("has %d columns instead of %d", len(r.fields), r.head.columns)
	}
	at, date, err := r.clock.parse(r.fields[r.head.time])
	if err != nil {
		return fmt.Errorf("time %q %w", cut(printable(r.fields[r.head.time]), 60), err)
	}
	var v [5]float64 // open, high, low, close, volume
	empty := false
	for i, column := range [...]int{r.head.open, r.head.high, r.head.low, r.head.close, r.head.volume} {
		if column < 0 {
			continue
		}
		if i == 4 && r.file.Kind != Ticks && len(r.fields[column]) == 0 {
			empty = true // as currencies and indexes have it
			continue
		}
		if v[i], err = number(r.fields[column]); err != nil {
			return fmt.Errorf("%s %w", r.label(i), err)
		}
	}
	if r.file.Kind == Ticks {
		err = r.tick(market.Tick{Time: at, Price: v[3], Size: v[4], Seq: uint64(n)})
	} else {
		if r.file.Kind == Closes {
			if err := (market.Tick{Time: at, Price: v[3]}).Validate(r.opt.Instrument.AllowNonPositive); err != nil {
				return plain(err)
			}
			v[0], v[1], v[2] = v[3], v[3], v[3]
		}
		err = r.bar(market.Bar{Start: at, End: at + 1, Open: v[0], High: v[1], Low: v[2], Close: v[3], Volume: v[4], Revision: n})
	}
	if err != nil {
		return err
	}
	r.dates = r.dates && date
	if empty {
		r.unspoken++
	}
	for _, column := range [...]int{r.head.open, r.head.close} {
		if column >= 0 && r.scale < maxScale {
			r.scale = max(r.scale, decimals(r.fields[column], r.scale))
		}
	}
	return nil
}

func (r *reader) label(i int) string {
	switch {
	case i == 3 && r.file.Kind == Ticks:
		return "price"
	case i == 4 && r.file.Kind == Ticks:
		return "size"
	}
	return [...]string{"open", "high", "low", "close", "volume"}[i]
}

func (r *reader) tick(t market.Tick) error {
	if err := t.Validate(r.opt.Instrument.AllowNonPositive); err != nil {
		return plain(err)
	}
	if n := len(r.file.Ticks); n > 0 && r.file.Ticks[n-1].Time > t.Time {
		r.unsorted = true
	}
	r.file.Ticks = append(r.file.Ticks, t)
	return nil
}

func (r *reader) bar(b market.Bar) error {
	if err := b.Validate(r.opt.Instrument.AllowNonPositive); err != nil {
		return plain(err)
	}
	if n := len(r.file.Bars); n > 0 && r.file.Bars[n-1].Start > b.Start {
		r.unsorted = true
	}
	r.file.Bars = append(r.file.Bars, b)
	return nil
}

// plain is err without the name of its package: reasons are read by people.
func plain(err error) error { return errors.New(strings.TrimPrefix(err.Error(), "market: ")) }

// refuse keeps a row that could not be used.
func (r *reader) refuse(line int, raw []byte, reason string) {
	r.file.Refused++
	if len(r.file.Rejects) >= MaxRejects {
		if r.hidden++; r.hidden == 1 {
			r.beyond = line
		}
		return
	}
	r.file.Rejects = append(r.file.Rejects, feed.Reject{
		Source: r.file.Name, Instrument: r.key, Line: line, Raw: printable(raw), Reason: reason,
	})
}

// number reads a decimal number. What ParseFloat takes besides (hexadecimal,
// underscores, Inf, NaN) is refused.
func number(b []byte) (float64, error) {
	for _, c := range b {
		if (c < '0' || c > '9') && c != '.' && c != '-' && c != '+' && c != 'e' && c != 'E' {
			return 0, fmt.Errorf("%q is not a number", cut(printable(b), 60))
		}
	}
	if len(b) == 0 {
		return 0, errors.New("is empty")
	}
	v, err := strconv.ParseFloat(string(b), 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("%q is too large", cut(printable(b), 60))
	case err != nil:
		return 0, fmt.Errorf("%q is not a number", cut(printable(b), 60))
	case math.Signbit(v) && v == 0:
		v = 0
	}
	return v, nil
}

// baseName is the file's name without folders and the endings of known formats.
func baseName(name string) string {
	name = path.Base(strings.ReplaceAll(name, `\`, "/"))
	for _, end := range []string{".gz", ".csv", ".txt", ".tsv"} {
		if len(name) > len(end) && strings.EqualFold(name[len(name)-len(end):], end) {
			name = name[:len(name)-len(end)]
		}
	}
	return name
}
