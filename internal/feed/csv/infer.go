package csv

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/foretick/foretick/market"
)

// maxScale is the largest number of decimals that is inferred.
const maxScale = 8

// Venue is the venue of instruments that are read from files.
const Venue = "file"

func (r *reader) note(format string, a ...any) {
	r.file.Notes = append(r.file.Notes, fmt.Sprintf(format, a...))
}

// describe fills in what is known of the instrument before the rows are read.
func (r *reader) describe() error {
	columns := map[Kind]string{
		Bars:   "bars (open, high, low, close)",
		Closes: "closes: each bar opens, peaks and closes at the one price given",
		Ticks:  "ticks (time, price, size)",
	}
	r.note("Read as %s.", columns[r.file.Kind])
	if r.file.Kind != Ticks && r.head.volume < 0 {
		r.note("There is no volume; it is taken as 0.")
	}
	if len(r.head.unused) > 0 {
		r.note("Columns not used: %s.", list(r.head.unused))
	}
	i := r.opt.Instrument
	if i.Symbol == "" {
		i.Symbol = symbol(r.file.Name)
		r.note("The symbol %s is taken from the file's name.", i.Symbol)
	}
	if i.Venue == "" {
		i.Venue = Venue
	}
	class, currency := classify(i.Symbol)
	var guessed []string
	if i.Class == "" {
		i.Class = class
		guessed = append(guessed, "class "+string(i.Class))
	}
	if i.Currency == "" {
		i.Currency = currency
		guessed = append(guessed, "currency "+i.Currency)
	}
	if len(guessed) > 0 {
		r.note("Guessed from the symbol: %s.", strings.Join(guessed, ", "))
	}
	if err := i.Validate(); err != nil {
		return fmt.Errorf("csv: %s: %w", r.file.Name, err)
	}
	r.file.Series.Instrument, r.key = i, i.Key()
	return nil
}

// symbol infers a symbol from a file's name: AMZN of AMZN_1min_201902.csv.
func symbol(name string) string {
	s, _, _ := strings.Cut(baseName(name), "_")
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) || r == '@' || r == unicode.ReplacementChar {
			return '-'
		}
		return unicode.ToUpper(r)
	}, s)
	for len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "")
	}
	if strings.Trim(s, "-.") == "" {
		return "DATA"
	}
	return s
}

var (
	currencies  = []string{"USD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK", "CNY", "HKD", "SGD", "INR", "KRW", "MXN", "BRL", "ZAR", "PLN", "TRY"}
	coins       = []string{"BTC", "ETH", "XRP", "LTC", "BNB", "SOL", "ADA", "DOGE", "DOT", "XMR", "BCH", "XBT"}
	metals      = []string{"XAU", "XAG", "XPT", "XPD"}
	commodities = []string{"WTI", "BRENT", "NATGAS", "GOLD", "SILVER", "COPPER", "CRUDE"}
	indices     = []string{"VIX", "GSPC", "SPX", "NDX", "DJI", "IXIC", "RUT", "DAX", "GDAXI", "FTSE", "N225", "HSI"}
)

// classify guesses what a symbol stands for. It knows the common currencies, coins,
// metals, commodities and indices; anything else is an equity in US dollars.
func classify(symbol string) (market.Class, string) {
	s := strings.TrimLeft(strings.ToUpper(symbol), "^")
	if slices.Contains(commodities, s) {
		return market.Commodity, "USD"
	}
	if slices.Contains(indices, s) {
		return market.Index, "USD"
	}
	pair := strings.NewReplacer("/", "", "-", "").Replace(s)
	for _, c := range coins {
		if rest, ok := strings.CutPrefix(pair, c); ok {
			if slices.Contains(currencies, rest) || slices.Contains(coins, rest) || rest == "USDT" || rest == "USDC" {
				return market.Crypto, rest
			}
			if rest == "" || rest == "PERP" {
				return market.Crypto, "USD"
			}
		}
	}
	if len(pair) == 6 && slices.Contains(currencies, pair[3:]) {
		switch {
		case slices.Contains(metals, pair[:3]):
			return market.Commodity, pair[3:]
		case slices.Contains(currencies, pair[:3]):
			return market.FX, pair[3:]
		}
	}
	return market.Equity, "USD"
}

// decimals counts the decimals of a price as it is written, without the noise of
// prices that went through 32-bit floats (162.770004 has 2). It returns known when
// there cannot be more than that.
func decimals(b []byte, known int) int {
	count := func(s []byte) int {
		i := bytes.IndexByte(s, '.')
		if i < 0 {
			return 0
		}
		return len(bytes.TrimRight(s[i+1:], "0"))
	}
	n := count(b)
	if n <= known {
		return known
	}
	v, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return known
	}
	if bytes.ContainsAny(b, "eE") {
		n = count(strconv.AppendFloat(nil, v, 'f', -1, 64))
	}
	if n > 4 {
		n = min(n, count(strconv.AppendFloat(nil, v, 'f', -1, 32)))
	}
	return min(n, maxScale)
}

// inferInterval finds the interval of bars whose starts are sorted and distinct: the
// most frequent distance, the smallest of them when several are. share is how often
// it occurs, of all distances.
func inferInterval(bars []market.Bar, dates bool) (i market.Interval, share float64, err error) {
	if len(bars) < 2 {
		if dates {
			return market.Day, 1, nil
		}
		return i, 0, fmt.Errorf("one row does not show it")
	}
	count := map[market.Time]int{}
	for k := 1; k < len(bars); k++ {
		count[bars[k].Start-bars[k-1].Start]++
	}
	var best market.Time
	for gap, n := range count {
		if n > count[best] || n == count[best] && gap < best {
			best = gap
		}
	}
	if dates && best >= 28*day && best <= 31*day {
		n := 0
		for gap, k := range count {
			if gap >= 28*day && gap <= 31*day {
				n += k
			}
		}
		return market.MustInterval("1mo"), float64(n) / float64(len(bars)-1), nil
	}
	d := time.Duration(best) * time.Microsecond
	share = float64(count[best]) / float64(len(bars)-1)
	if best == 7*day {
		return market.MustInterval("1w"), share, nil
	}
	if d%time.Second == 0 {
		if d == 24*time.Hour {
			return market.Day, share, nil
		}
		if i, err := market.ParseInterval(strconv.FormatInt(int64(d/time.Second), 10) + "s"); err == nil {
			return i, share, nil
		}
		for _, u := range []struct {
			name string
			size time.Duration
		}{{"m", time.Minute}, {"h", time.Hour}} {
			if d%u.size == 0 {
				if i, err := market.ParseInterval(strconv.FormatInt(int64(d/u.size), 10) + u.name); err == nil {
					return i, share, nil
				}
			}
		}
	}
	return i, share, fmt.Errorf("rows are mostly %s apart, which is no interval", d)
}

const day market.Time = 86_400_000_000
