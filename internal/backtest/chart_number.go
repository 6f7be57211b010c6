package backtest

import (
	"math"
	"strconv"
	"strings"
)

// missing stands for a figure that is not defined.
const missing = "–"

// fixed writes v with a count of decimals, a true minus sign and commas. What rounds to
// zero has no sign, what is huge has a power of ten.
func fixed(v float64, decimals int) string {
	if !finite(v) {
		return missing
	}
	if math.Abs(v) >= 1e12 {
		return significant(v)
	}
	s := strconv.FormatFloat(math.Abs(v), 'f', decimals, 64)
	whole, rest, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	if v < 0 && strings.ContainsAny(s, "123456789") {
		return "−" + whole
	}
	return whole
}

// signed is fixed with a plus sign before what is above zero.
func signed(v float64, decimals int) string {
	s := fixed(v, decimals)
	if v > 0 && strings.ContainsAny(s, "123456789") {
		return "+" + s
	}
	return s
}

// percent writes a share: 0.904 is "90.4 %".
func percent(v float64) string { return unit(fixed(100*v, 1)) }

// signedPercent writes a difference of shares: -0.022 is "−2.2 %".
func signedPercent(v float64) string { return unit(signed(100*v, 1)) }

func unit(s string) string {
	if s == missing {
		return s
	}
	return s + "\u00a0%"
}

// count writes a number of things.
func count(n int) string { return fixed(float64(n), 0) }

// significant writes v with four significant digits.
func significant(v float64) string {
	if !finite(v) {
		return missing
	}
	if v == 0 {
		return "0"
	}
	s := strconv.FormatFloat(math.Abs(v), 'e', 3, 64)
	digits, power, _ := strings.Cut(s, "e")
	exponent, err := strconv.Atoi(power)
	if err != nil {
		return missing
	}
	if exponent >= -4 && exponent < 9 {
		return fixed(v, max(3-exponent, 0))
	}
	sign := ""
	if v < 0 {
		sign = "−"
	}
	return sign + digits + scientific(exponent)
}

// scientific writes a power of ten.
func scientific(exponent int) string {
	return " × 10" + strings.NewReplacer("0", "⁰", "1", "¹", "2", "²", "3", "³", "4", "⁴", "5", "⁵", "6", "⁶", "7", "⁷", "8", "⁸", "9", "⁹", "-", "⁻").Replace(strconv.Itoa(exponent))
}

// axisPrice writes a tick of a price axis in few characters.
func axisPrice(v float64, decimals int) string {
	if a := math.Abs(v); a >= 1e7 || v != 0 && a < 1e-4 {
		s := strconv.FormatFloat(v, 'g', 3, 64)
		return strings.Replace(s, "-", "−", 1)
	}
	return fixed(v, decimals)
}

// chance writes a p-value; what is very small has no digits worth reading.
func chance(v float64) string {
	switch {
	case !finite(v):
		return missing
	case v < 0.0001:
		return "< 0.0001"
	case v < 0.01:
		return fixed(v, 4)
	case v < 0.1:
		return fixed(v, 3)
	}
	return fixed(v, 2)
}

// pValue writes a p-value with its name.
func pValue(v float64) string {
	s := chance(v)
	if strings.HasPrefix(s, "<") {
		return "p " + s
	}
	return "p = " + s
}

// evidence writes an e-value, never rounded up.
func evidence(v float64) string {
	switch {
	case !finite(v):
		return missing
	case v < 0.01:
		return "< 0.01"
	case v < 10:
		return strconv.FormatFloat(math.Floor(v*100)/100, 'g', 2, 64)
	case v < 1e6:
		return fixed(math.Floor(v), 0)
	}
	power := math.Floor(math.Log10(v))
	digit := math.Floor(v / math.Pow(10, power))
	if digit < 1 { // the logarithm was rounded up
		power, digit = power-1, 9
	}
	return fixed(min(digit, 9), 0) + scientific(int(power))
}

// plural counts things: "1 bar", "5 bars"; series stay series.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
