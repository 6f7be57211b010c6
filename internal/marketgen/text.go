package main

import (
	"strconv"

	"github.com/foretick/foretick/market"
)

// form says how numbers are written.
type form struct {
	dates          bool // times as dates
	decimals       int  // of a price: a tick is one of the last of them
	volumeDecimals int
	closeOnly      bool
}

const barColumns = "time,open,high,low,close,volume\n"

// barText writes bars as a file.
func barText(bars []bar, f form) []byte {
	b := []byte(barColumns)
	if f.closeOnly {
		b = []byte("time,close\n")
	}
	for _, r := range bars {
		b = appendTime(b, r.start, f.dates)
		prices := []int64{r.open, r.high, r.low, r.close}
		if f.closeOnly {
			prices = prices[3:]
		}
		for _, p := range prices {
			b = appendDecimal(append(b, ','), p, f.decimals)
		}
		if !f.closeOnly {
			b = appendDecimal(append(b, ','), r.volume, f.volumeDecimals)
		}
		b = append(b, '\n')
	}
	return b
}

func appendTime(b []byte, t market.Time, date bool) []byte {
	if date {
		return t.Std().AppendFormat(b, "2006-01-02")
	}
	b, _ = t.AppendText(b) // has no errors
	return b
}

// appendDecimal appends v in units of the last of so many decimals, without zeros at the end.
// Digits are moved, nothing is rounded.
func appendDecimal(b []byte, v int64, decimals int) []byte {
	if v < 0 {
		b, v = append(b, '-'), -v
	}
	digits := strconv.FormatInt(v, 10)
	for len(digits) <= decimals {
		digits = "0" + digits
	}
	point := len(digits) - decimals
	end := len(digits)
	for end > point && digits[end-1] == '0' {
		end--
	}
	b = append(b, digits[:point]...)
	if end > point {
		b = append(append(b, '.'), digits[point:end]...)
	}
	return b
}
