// Package twelvedata asks Twelve Data for bars of stocks, currencies and crypto: polled over REST,
// with a free key.
//
// Source: twelvedata.com/docs, time_series, and support.twelvedata.com on credits. None of it was
// checked against the real service here.
//
// What comes and what bites:
//
//   - Times are naive and in the exchange's zone unless timezone=UTC is asked for, which it
//     always is; rows are newest first unless order=asc is, likewise.
//   - An answer holds at most 5,000 rows; more is asked for page by page.
//   - Refusals may come with HTTP 200 and status "error", or with the status that their code
//     says. Both are read the same way. "No data is available" is no refusal: nobody traded.
//   - A free key has 8 credits a minute and 800 a day, a request costs one. 429 that speaks of
//     the current minute is over within 60 seconds, 429 that speaks of the day is over when the
//     next day of UTC begins; both are waited for.
//   - Hours of US stocks begin at half past, which is off the hours of UTC: they are not offered,
//     30m with --rollup 1h is.
//
// To keep within the credits, polls are spread over the hours in which the markets trade: n
// US stocks (6.5 hours a day) can each be asked every n x 30 s, n cryptocurrencies or currencies
// (24 hours) every n x 110 s. A bar comes that much late at worst; it is never lost, as each
// answer brings all bars since the last.
package twelvedata

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

var about = venue.About{
	Name: "twelvedata", Title: "Twelve Data", REST: "https://api.twelvedata.com/time_series",
	Live:    "bars of 1m 5m 15m 30m 1d, of crypto and currencies also 1h 2h 4h, asked for when they have ended: n US stocks every n x 30 s at most, n others every n x 110 s",
	History: "as far back as the plan gives, 5,000 bars a request",
	Limits:  "free: 8 requests a minute, 800 a day, shared by all series and by everything else that uses the key",
	Caution: "free keys are for personal use; see Twelve Data's terms before showing prices to others",
	Keys:    []string{key},
	Example: "AAPL",
	Rate:    6.0 / 60, Burst: 2, Settle: 5 * time.Second, Every: 5 * time.Second, Daily: 780,
}

const key = "TWELVEDATA_KEY"

// names are the intervals as Twelve Data writes them.
var names = map[string]string{"1m": "1min", "5m": "5min", "15m": "15min", "30m": "30min", "1h": "1h", "2h": "2h", "4h": "4h", "1d": "1day"}

// pageRows is how many rows an answer holds at most.
const pageRows = 5000

// Adapter speaks to Twelve Data.
type Adapter struct {
	rest   string
	secret url.Values
}

// New returns the adapter.
func New(s venue.Setup) *Adapter {
	rest, _ := s.Addresses(about.REST, "")
	a := &Adapter{rest: rest, secret: url.Values{}}
	if k, err := s.Secret(key); err == nil {
		a.secret.Set("apikey", k)
	}
	return a
}

// About describes the venue.
func (*Adapter) About() *venue.About { return &about }

var (
	stocks = regexp.MustCompile(`^[A-Z][A-Z0-9]{0,9}([.-][A-Z]{1,2})?$`)
	pairs  = regexp.MustCompile(`^[A-Z0-9]{2,10}/[A-Z]{3,5}$`)
)

// money are the currencies whose pairs trade through the FX week; metals are quoted with them.
var money = map[string]bool{}

func init() {
	for _, c := range strings.Fields("AUD BRL CAD CHF CNH CNY CZK DKK EUR GBP HKD HUF IDR ILS INR JPY KRW MXN MYR NOK NZD PHP PLN RON RUB SEK SGD THB TRY TWD USD ZAR") {
		money[c] = true
	}
}

// Instrument completes what is known of a symbol: AAPL is a US stock, EUR/USD a pair of
// currencies, XAU/USD a metal, and any other pair crypto.
func (*Adapter) Instrument(symbol string) (market.Instrument, error) {
	s := strings.ToUpper(symbol)
	i := market.Instrument{Symbol: s, Venue: about.Name}
	base, quote, pair := strings.Cut(s, "/")
	switch metal := base == "XAU" || base == "XAG" || base == "XPT" || base == "XPD"; {
	case stocks.MatchString(s):
		i.Class, i.Currency, i.PriceScale, i.Calendar = market.Equity, "USD", 2, market.USEquities.Name()
	case !pair || !pairs.MatchString(s):
		return market.Instrument{}, fmt.Errorf("%w: Twelve Data writes US stocks as AAPL, currencies as EUR/USD, crypto as BTC/USD, not %.40q", venue.ErrSymbol, symbol)
	case metal && money[quote]:
		i.Class, i.Currency, i.PriceScale, i.Calendar = market.Commodity, quote, 3, market.FXWeek.Name()
	case money[base] && money[quote]:
		i.Class, i.Currency, i.PriceScale, i.Calendar = market.FX, quote, 5, market.FXWeek.Name()
		if quote == "JPY" {
			i.PriceScale = 3
		}
	default:
		i.Class, i.Currency, i.PriceScale, i.Calendar = market.Crypto, quote, 5, market.Always.Name()
		if base == "BTC" || base == "ETH" {
			i.PriceScale = 2
		}
	}
	return i, nil
}

// Delivers says how bars of an interval come about.
func (*Adapter) Delivers(i market.Interval) (venue.Delivery, error) {
	if names[i.String()] == "" {
		return 0, fmt.Errorf("%w: Twelve Data's bars are of 1m 5m 15m 30m 1h 2h 4h 1d, not %s", venue.ErrSymbol, i)
	}
	return venue.Polled, nil
}

// Check refuses hours of stocks, which begin at half past.
func (*Adapter) Check(s market.Series) error {
	if d := s.Interval.Duration(); s.Instrument.Class == market.Equity && d >= time.Hour && d < 24*time.Hour {
		return fmt.Errorf("%w: Twelve Data's %s bars of stocks begin at half past; follow %s at 30m, with --rollup %s", venue.ErrSymbol, s.Interval, s.Instrument.Symbol, s.Interval)
	}
	return nil
}

// Connect is of no use: nothing is streamed.
func (*Adapter) Connect([]market.Series) (venue.Stream, error) {
	return venue.Stream{}, fmt.Errorf("%w: Twelve Data is asked, it does not stream", venue.ErrFinal)
}

// Decode refuses every frame: nothing is streamed.
func (*Adapter) Decode([]byte, *venue.Batch) error {
	return fmt.Errorf("%w: Twelve Data is asked, it does not stream", venue.ErrAnswer)
}

const stamp = "2006-01-02 15:04:05"

// Ask asks for bars.
func (a *Adapter) Ask(s market.Series, from, to market.Time, _ string) (venue.Request, bool) {
	q := url.Values{"symbol": {s.Instrument.Symbol}, "interval": {names[s.Interval.String()]}, "outputsize": {fmt.Sprint(pageRows)}, "timezone": {"UTC"}, "order": {"asc"},
		"start_date": {from.Std().Format(stamp)}, "end_date": {max(from, to-1).Std().Format(stamp)}}
	return venue.Request{URL: a.rest + "?" + q.Encode(), Secret: a.secret}, true
}

type answer struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Meta    struct {
		Zone string `json:"exchange_timezone"`
	} `json:"meta"`
	Values []json.RawMessage `json:"values"`
}

type row struct {
	Time   string        `json:"datetime"`
	Open   venue.Number  `json:"open"`
	High   venue.Number  `json:"high"`
	Low    venue.Number  `json:"low"`
	Close  venue.Number  `json:"close"`
	Volume *venue.Number `json:"volume"` // not there for currencies and most crypto
}

// Answers reports whether body is a refusal of Twelve Data's, whatever its HTTP status.
func (*Adapter) Answers(_ int, body []byte) bool {
	var in answer
	return json.Unmarshal(body, &in) == nil && in.Status == "error" && in.Code >= 400
}

// Read reads bars, or the refusal.
func (*Adapter) Read(s market.Series, body []byte) (venue.Page, error) {
	var in answer
	var page venue.Page
	if err := venue.ReadJSON(body, &in); err != nil {
		return page, err
	}
	if in.Status != "ok" {
		return page, refusal(&in, body)
	}
	if s.Instrument.Class == market.Equity && in.Meta.Zone != "" && in.Meta.Zone != "America/New_York" {
		return page, fmt.Errorf("%w: %s trades in %.40s; Foretick knows the hours of US stocks only", venue.ErrFinal, s.Instrument.Symbol, in.Meta.Zone)
	}
	for _, raw := range in.Values {
		b, err := read(raw, s.Interval)
		if err != nil {
			page.Rejects = append(page.Rejects, venue.Refusal{Symbol: s.Instrument.Symbol, Raw: venue.Cut(raw), Reason: err.Error()})
			continue
		}
		page.Bars = append(page.Bars, b)
	}
	if n := len(page.Bars); len(in.Values) >= pageRows && n > 0 {
		page.Next = page.Bars[n-1].End
	}
	return page, nil
}

func read(raw []byte, i market.Interval) (market.Bar, error) {
	var r row
	if err := json.Unmarshal(raw, &r); err != nil {
		return market.Bar{}, err
	}
	layout := stamp
	if len(r.Time) == len(time.DateOnly) {
		layout = time.DateOnly
	}
	at, err := time.Parse(layout, r.Time)
	if err != nil {
		return market.Bar{}, fmt.Errorf("the time %.40q is not read", r.Time)
	}
	start := market.TimeOf(at)
	if i == market.Day {
		start = i.Floor(start)
	}
	b := market.Bar{Start: start, End: i.End(start), Open: float64(r.Open), High: float64(r.High), Low: float64(r.Low), Close: float64(r.Close)}
	if r.Volume != nil {
		b.Volume = float64(*r.Volume)
	}
	return b, nil
}

// refusal is what a refusal means.
func refusal(in *answer, body []byte) error {
	text := strings.ToLower(in.Message)
	err := fmt.Errorf("%s answers %d: %.200s", about.Title, in.Code, in.Message)
	switch {
	case in.Status != "error" && in.Code == 0:
		return venue.Unusable(body, "status %.20q", in.Status)
	case in.Code == 400 && strings.Contains(text, "no data is available"):
		return nil
	case in.Code == 429 && !strings.Contains(text, "minute") && strings.Contains(text, "day"), in.Code == 429 && strings.Contains(text, "daily"):
		return &venue.Later{Day: true, Err: errors.Join(err, errors.New("the day's credits are used up; they come anew at midnight UTC"))}
	case in.Code == 429:
		return &venue.Later{For: time.Minute, Err: err}
	case in.Code >= 500:
		return err
	}
	return fmt.Errorf("%w: %w", venue.ErrFinal, err)
}
