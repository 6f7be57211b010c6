// Package httpfeed asks any service that answers GET /stock_data with one finished candle, as the
// stock demo that Foretick grew out of does, and as Foretick's own API does:
//
//	{"timestamp":"2024-01-02T03:04:05Z","open":100.1,"high":100.4,"low":99.9,"close":100.2}
//
// The service's address is given with --endpoint http=http://127.0.0.1:5000; the symbol is a name
// that its user chooses, as in http:AMZN@1s, and is not sent. Where the address has a path,
// /stock_data is added to it.
//
// What comes and what bites:
//
//   - A timestamp is RFC 3339 (any offset), a date and time without one, which is read as UTC, or
//     seconds or milliseconds since 1970, as a number or a string. It is where the candle begins;
//     off the grid it is moved back to the grid, so that 12:00:07.3 is the bar of 12:00:07 of a
//     series of seconds. A service that stamps candles with their end shows them one bar late,
//     one whose clock runs in another zone without saying so is refused.
//   - Every candle is finished, and it is handed on when the time of its bar has ended.
//   - It is asked once an interval, or again when it has nothing new. The same timestamp again is
//     no new bar; with other prices it is a correction.
//   - There is no history: bars that were made while nobody asked are lost, and it is said so.
//   - There is no volume: it is 0.
//
// Foretick cannot know whether such prices are those of a market or made up.
package httpfeed

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

var about = venue.About{
	Name: "http", Title: "GET /stock_data", REST: "http://127.0.0.1:5000/stock_data",
	Live:    "one candle an interval of 1s to 1d, from any service that answers GET /stock_data; its address comes with --endpoint http=URL",
	History: "none: an answer holds only the newest candle",
	Limits:  "those of the service",
	Caution: "whether the prices are real only the service knows",
	Example: "AMZN",
	Rate:    50, Burst: 50, Settle: 100 * time.Millisecond, Every: time.Second,
}

// Adapter speaks to such a service.
type Adapter struct{ address string }

// New returns the adapter.
func New(s venue.Setup) *Adapter {
	a := &Adapter{about.REST}
	if u, err := url.Parse(s.Endpoint); err == nil && s.Endpoint != "" {
		a.address = strings.TrimSuffix(u.String(), "/")
		if !strings.HasSuffix(u.Path, "/stock_data") {
			a.address = u.JoinPath("stock_data").String()
		}
	}
	return a
}

// About describes the venue.
func (*Adapter) About() *venue.About { return &about }

var symbols = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/^=-]{0,29}$`)

// Instrument completes what is known of a symbol, which is any name.
func (*Adapter) Instrument(symbol string) (market.Instrument, error) {
	if !symbols.MatchString(symbol) {
		return market.Instrument{}, fmt.Errorf("%w: choose a name of letters, digits and ._/^=- such as AMZN, not %.40q", venue.ErrSymbol, symbol)
	}
	return market.Instrument{Symbol: symbol, Venue: about.Name, Class: market.Equity, Currency: "USD", PriceScale: 2, Calendar: market.Always.Name()}, nil
}

// Delivers says how bars of an interval come about.
func (*Adapter) Delivers(i market.Interval) (venue.Delivery, error) {
	if d := i.Duration(); d < time.Second || d > 24*time.Hour {
		return 0, fmt.Errorf("%w: GET /stock_data is asked every 1s to 1d, not every %s", venue.ErrSymbol, i)
	}
	return venue.Polled, nil
}

// Connect is of no use: nothing is streamed.
func (*Adapter) Connect([]market.Series) (venue.Stream, error) {
	return venue.Stream{}, fmt.Errorf("%w: GET /stock_data is asked, it does not stream", venue.ErrFinal)
}

// Decode refuses every frame: nothing is streamed.
func (*Adapter) Decode([]byte, *venue.Batch) error {
	return fmt.Errorf("%w: GET /stock_data is asked, it does not stream", venue.ErrAnswer)
}

// Ask asks for the newest candle, whatever from and to say.
func (a *Adapter) Ask(market.Series, market.Time, market.Time, string) (venue.Request, bool) {
	return venue.Request{URL: a.address}, true
}

// Read reads the candle.
func (*Adapter) Read(s market.Series, body []byte) (venue.Page, error) {
	var in struct {
		Time  json.RawMessage `json:"timestamp"`
		Open  *venue.Number   `json:"open"`
		High  *venue.Number   `json:"high"`
		Low   *venue.Number   `json:"low"`
		Close *venue.Number   `json:"close"`
		Error string          `json:"error"`
	}
	if err := venue.ReadJSON(body, &in); err != nil {
		return venue.Page{}, err
	}
	if in.Error != "" {
		return venue.Page{}, fmt.Errorf("the service answers: %.200s", in.Error)
	}
	if in.Time == nil || in.Open == nil || in.High == nil || in.Low == nil || in.Close == nil {
		return venue.Page{}, venue.Unusable(body, "it has not timestamp, open, high, low and close")
	}
	at, err := stamp(in.Time)
	if err != nil {
		return venue.Page{}, venue.Unusable(body, "%v", err)
	}
	start := s.Interval.Floor(at)
	b := market.Bar{Start: start, End: s.Interval.End(start), Open: float64(*in.Open), High: float64(*in.High), Low: float64(*in.Low), Close: float64(*in.Close)}
	return venue.Page{Bars: []market.Bar{b}, Oldest: start, Final: true}, nil
}

// layouts are those of times without an offset, with any number of decimals.
var layouts = []string{time.RFC3339, "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.RFC1123, time.RFC1123Z}

// stamp reads a timestamp.
func stamp(raw []byte) (market.Time, error) {
	text := string(raw)
	if len(raw) > 1 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &text); err != nil {
			return 0, err
		}
	}
	text = strings.TrimSpace(text)
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		if math.Abs(v) >= 1e11 { // 1e11 seconds are in the year 5138, as milliseconds in 1973
			v /= 1000
		}
		if !(math.Abs(v) < 1e11) {
			return 0, fmt.Errorf("the timestamp %.40q is not of this world", text)
		}
		return market.Time(math.Round(v * 1e6)), nil
	}
	for _, l := range layouts {
		if t, err := time.Parse(l, text); err == nil {
			return market.TimeOf(t), nil
		}
	}
	return 0, fmt.Errorf("the timestamp %.40q is not read; write RFC 3339, such as 2024-01-02T03:04:05Z", text)
}
