package csv

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/foretick/foretick/market"
)

// Header is the first line of what a Writer writes.
const Header = "time,open,high,low,close,volume"

// Writer writes bars as text that Read reads back. Numbers are written so that they
// read back to the same float64, times with as many decimals as they need. The number
// of trades and the revision of a bar are not written.
type Writer struct {
	w     *bufio.Writer
	buf   []byte
	begun bool
}

// NewWriter returns a Writer to w. Its owner calls Flush at the end.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriterSize(w, 64<<10)} }

// Write appends bars. It may be called again and again.
func (w *Writer) Write(bars []market.Bar) error {
	w.begin()
	for i := range bars {
		w.buf = appendBar(w.buf[:0], &bars[i])
		if _, err := w.w.Write(w.buf); err != nil {
			return fmt.Errorf("csv: writing: %w", err)
		}
	}
	return nil
}

// Flush writes what is buffered, and the header if nothing was written.
func (w *Writer) Flush() error {
	w.begin()
	if err := w.w.Flush(); err != nil {
		return fmt.Errorf("csv: writing: %w", err)
	}
	return nil
}

func (w *Writer) begin() {
	if !w.begun {
		w.begun = true
		w.w.WriteString(Header + "\n") //nolint:errcheck // a bufio.Writer keeps its first error for Flush
	}
}

// Write writes bars to w, with a header.
func Write(w io.Writer, bars []market.Bar) error {
	out := NewWriter(w)
	if err := out.Write(bars); err != nil {
		return err
	}
	return out.Flush()
}

// appendBar appends a line.
func appendBar(b []byte, bar *market.Bar) []byte {
	b, _ = bar.Start.AppendText(b) // has no errors
	for _, v := range [...]float64{bar.Open, bar.High, bar.Low, bar.Close, bar.Volume} {
		b = append(b, ',')
		form := byte('f')
		if a := math.Abs(v); a != 0 && (a < 1e-9 || a >= 1e21) {
			form = 'e'
		}
		b = strconv.AppendFloat(b, v, form, -1, 64)
	}
	return append(b, '\n')
}
