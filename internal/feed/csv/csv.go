// Package csv reads recorded market data from comma-separated text, and writes bars
// back to it.
//
// # What it reads
//
// The first line names the columns, in any order and in capitals or not:
//
//	bars    time,open,high,low,close[,volume]
//	closes  time,close[,volume]   or   Date,Price
//	ticks   time,price,size
//
// The time column may be called time, date, datetime or timestamp, the size column
// size, qty, quantity or amount. Other columns, such as Adj Close, are not used and
// File.Notes says so. A file may be compressed with gzip, which its content tells,
// not its name. A volume that is empty, as where nobody knows it, is taken as 0, and
// File.Notes says so.
//
// Times are dates (midnight UTC), RFC 3339 with any offset, with a space in place
// of the T if need be, or whole seconds, milliseconds or microseconds since 1970. A
// date and time without an offset needs Options.Zone: a wrong guess would move every
// bar by hours. Where clocks are put back an hour comes twice, and such a time means
// the first of the two; where they are put forward the missing hour is refused.
//
// # What it refuses
//
// Recorded files are bad in real ways: null rows, error pages of a web server between
// two prices, the same day twice, two sources with different hours glued together.
// The rule is that a bad row costs that row and nothing else. Rows are cut at line
// ends before anything else, so that a stray quote cannot swallow the lines after it.
// Each row that is refused is kept with its line, its text and the reason. Nothing is
// repaired: a repaired price is an invented price.
//
// Rows are sorted by time. Of several rows with the same time the first valid one in
// the file is kept (ticks may share a time: all are kept). Of two bars that overlap
// the later one is refused; the one before it, if it was kept, stays. That a bar can
// overlap at all depends on the interval, which is given or the most frequent distance
// between rows.
//
// # Bounds
//
// A line is at most MaxLine bytes, longer ones are refused. A file holds at most
// Options.MaxRows good rows, about 72 bytes of memory each for bars and 32 for ticks.
// The first MaxRejects refused rows are kept in detail; beyond them rows are counted
// and one last reject says how many.
package csv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// Limits of a file.
const (
	MaxLine        = 16 << 10   // bytes in a line
	MaxRejects     = 100_000    // rejects kept in detail
	DefaultMaxRows = 10_000_000 // good rows, unless Options.MaxRows says otherwise
	rawLimit       = 500        // bytes of a refused line that are kept
)

// Errors about a file as a whole, wrapped with its name and what to do.
var (
	// ErrFormat says that the file is not in one of the formats.
	ErrFormat = errors.New("csv: not a file of recorded prices")
	// ErrNoRows says that the file has no row that could be used.
	ErrNoRows = errors.New("csv: no usable row")
	// ErrInterval says that the interval of the bars could not be inferred.
	ErrInterval = errors.New("csv: the interval is not clear")
	// ErrTooLarge says that the file has more rows than Options.MaxRows.
	ErrTooLarge = errors.New("csv: too many rows")
)

// Options say what is known about a file. The zero value infers everything.
type Options struct {
	// Instrument describes what the prices are of. An empty Symbol is inferred from
	// the file's name, an empty Class and Currency from the symbol, Venue becomes
	// "file". PriceScale counts only when FixedScale is true and is otherwise
	// inferred from the decimals of the prices.
	Instrument market.Instrument
	FixedScale bool
	// Interval is the length of the bars, or of the bars to be built from ticks. The
	// zero Interval is inferred for bars and 1m for ticks.
	Interval market.Interval
	// Zone is the zone of times that name none; nil refuses them.
	Zone *time.Location
	// MaxRows bounds the good rows; 0 means DefaultMaxRows.
	MaxRows int
	// Progress, when not nil, is called now and then, and at the end, with the bytes
	// of the file read so far and its size (0 where it is not known).
	Progress func(read, size int64)
}

// Kind is the format of a file.
type Kind string

// The formats.
const (
	Bars   Kind = "bars"
	Closes Kind = "closes" // bars of which only the close is known
	Ticks  Kind = "ticks"
)

// File is what was read.
type File struct {
	Name   string // of the file, without folders; it is the Source of the rejects
	Kind   Kind
	Series market.Series
	Bars   []market.Bar  // by time; of kinds Bars and Closes
	Ticks  []market.Tick // by time, equal times in the order of the file; of kind Ticks
	// Actions are splits and dividends of the instrument, where somebody told of them
	// beside the file (ReadActions); Read leaves them out.
	Actions []market.Action
	// Rejects are the rows that were refused, by line; see MaxRejects.
	Rejects []feed.Reject
	// Rows is the number of lines with data: lines after the header that are not
	// blank. It equals the rows kept plus Refused.
	Rows    int
	Refused int
	// Notes tell a person what was inferred, left out or put in order.
	Notes []string
}

// Kept is the number of rows that were not refused.
func (f *File) Kept() int { return len(f.Bars) + len(f.Ticks) }

// Read reads the file at path. Errors wrap ErrFormat, ErrNoRows, ErrInterval or
// ErrTooLarge, those of the file system, or that of ctx. With ErrNoRows and
// ErrInterval the File is returned as well, for its rejects and notes.
func Read(ctx context.Context, path string, opt Options) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("csv: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("csv: %w", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("csv: %s is a folder; name a file in it", path)
	}
	size := int64(0)
	if info.Mode().IsRegular() {
		size = info.Size()
	}
	return read(ctx, f, filepath.Base(path), size, opt)
}

// ReadFrom is Read for a stream. name takes the place of the file's name. A stream
// that is no io.Seeker cannot be read again for the text of bars that turn out to
// repeat or overlap others: Raw of their rejects is then what was understood of them.
func ReadFrom(ctx context.Context, r io.Reader, name string, opt Options) (*File, error) {
	return read(ctx, r, name, 0, opt)
}
