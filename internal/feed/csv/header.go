package csv

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// header says what the columns are. A column that is not there is -1.
type header struct {
	kind    Kind
	columns int
	time    int
	open    int
	high    int
	low     int
	close   int // the price of ticks
	volume  int // the size of ticks
	unused  []string
}

const wanted = "bars need time,open,high,low,close[,volume], closes need time,close, ticks need time,price,size"

var timeNames = []string{"time", "date", "datetime", "timestamp"}

// parseHeader reads the first line of a file.
func parseHeader(line []byte, name string) (header, error) {
	bad := func(format string, a ...any) (header, error) {
		return header{}, fmt.Errorf("%w: %s: %s", ErrFormat, name, fmt.Sprintf(format, a...))
	}
	line = bytes.TrimPrefix(line, []byte("\ufeff"))
	fields, err := split(line, nil)
	if err != nil {
		return bad("the first line, which names the columns, cannot be read: %v", err)
	}
	names := make([]string, len(fields))
	at := map[string]int{}
	for i, f := range fields {
		names[i] = printable(f)
		key := strings.ToLower(names[i])
		switch {
		case slices.Contains(timeNames, key):
			key = "time"
		case key == "qty", key == "quantity", key == "amount":
			key = "size"
		}
		if _, twice := at[key]; twice && slices.Contains([]string{"time", "open", "high", "low", "close", "price", "volume", "size"}, key) {
			return bad("two columns could be the %s: the columns are %s; keep one of the two", key, list(names[:i+1]))
		}
		at[key] = i
	}
	col := func(key string) int {
		if i, ok := at[key]; ok {
			return i
		}
		return -1
	}
	h := header{columns: len(fields), time: col("time"), open: -1, high: -1, low: -1, close: col("close"), volume: col("volume")}
	_, bid := at["bid"]
	_, ask := at["ask"]
	switch {
	case h.time >= 0 && col("open") >= 0 && col("high") >= 0 && col("low") >= 0 && h.close >= 0:
		h.kind, h.open, h.high, h.low = Bars, col("open"), col("high"), col("low")
	case h.time >= 0 && col("price") >= 0 && col("size") >= 0:
		h.kind, h.close, h.volume = Ticks, col("price"), col("size")
	case h.time >= 0 && h.close >= 0:
		h.kind = Closes
	case h.time >= 0 && col("price") >= 0:
		h.kind, h.close = Closes, col("price")
	case bid || ask:
		return bad("these are quotes (columns found: %s), not prices at which was traded; %s", list(names), wanted)
	default:
		return bad("columns found in the first line: %s; %s", list(names), wanted)
	}
	for i, n := range names {
		if i != h.time && i != h.open && i != h.high && i != h.low && i != h.close && i != h.volume {
			if n == "" {
				n = "(without a name)"
			}
			h.unused = append(h.unused, n)
		}
	}
	return h, nil
}

// list writes names for a person, cut to a length that fits a message.
func list(names []string) string {
	s := strings.Join(names, ", ")
	if s == "" {
		return "none"
	}
	return cut(s, 200)
}

// cut shortens s to about n bytes.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + " ..."
}
