// Package yahoo asks Yahoo Finance's chart service for bars of US stocks, indexes, currencies and
// crypto: polled over REST, without a key. The service is not an offer to programs: it is
// undocumented, changes without notice, and Yahoo's terms forbid passing prices on. It is used
// only when it is named.
//
// Source: what the yfinance project and its threads report of /v8/finance/chart. None of it was
// checked against the real service here.
//
// What comes and what bites:
//
//   - Opens, highs, lows and closes are rescaled by Yahoo for every split since, backwards and
//     sometimes wrongly. Foretick cannot undo that: bars of the past are not those that were
//     traded. Splits from before what is stored are therefore not passed on; a split that comes
//     while Foretick follows a stock is, and what Yahoo has rescaled for it is left out. Volumes
//     are rescaled likewise. Dividends are passed on; prices are not adjusted for them.
//   - Columns are parallel arrays, in which single cells may be null: nobody traded, or Yahoo does
//     not know. The last row may be a live one that is stamped with the current second.
//   - Days are stamped with the session's opening; each is put on the day of UTC of its date.
//     Intraday bars are stamped with their beginning. Hours of US stocks begin at half past,
//     which is off the hours of UTC: they are not offered, 30m with --rollup 1h is.
//   - Minutes are kept for 30 days, of which a request may ask for 7; other intraday bars for 60
//     days, hours for 730.
//   - It answers 429 to light users too, and to programs that say that they are: hence the
//     User-Agent. At most one request in 2 seconds is made; what is stored is not asked for again.
package yahoo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

var about = venue.About{
	Name: "yahoo", Title: "Yahoo Finance", REST: "https://query1.finance.yahoo.com/v8/finance/chart/",
	Live:     "bars of 1m 2m 5m 15m 30m 1d, of crypto and currencies also 1h, asked for when they have ended",
	History:  "1m: 30 days; 2m to 30m: 60 days; 1h: 730 days; 1d: all there is",
	Limits:   "not documented; at most one request in 2 seconds is made, and 429 must be expected",
	Caution:  "unofficial, and its terms forbid passing prices on; bars are adjusted for splits by Yahoo, which Foretick cannot undo",
	Optional: true, Adjusted: true,
	Example: "AMZN",
	Rate:    0.5, Burst: 1, Settle: 10 * time.Second, Every: 10 * time.Second,
}

// agent is how browsers call themselves; others are turned away.
const agent = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

const day = 24 * time.Hour

// kept is how far back bars can be had, a little less, and how long a request may ask for.
var kept = map[string]struct{ back, atOnce time.Duration }{
	"1m": {30*day - time.Hour, 7 * day}, "2m": {60*day - time.Hour, 0}, "5m": {60*day - time.Hour, 0}, "15m": {60*day - time.Hour, 0}, "30m": {60*day - time.Hour, 0},
	"1h": {730*day - time.Hour, 0}, "1d": {},
}

// Adapter speaks to Yahoo.
type Adapter struct{ rest string }

// New returns the adapter.
func New(s venue.Setup) *Adapter {
	rest, _ := s.Addresses(about.REST, "")
	return &Adapter{rest}
}

// About describes the venue.
func (*Adapter) About() *venue.About { return &about }

var (
	stocks = regexp.MustCompile(`^[A-Z][A-Z0-9]{0,9}(-[A-Z]{1,2})?$`)
	coins  = regexp.MustCompile(`^[A-Z0-9]{2,10}-(USD|EUR|GBP|JPY|CAD|AUD|KRW|INR)$`)
	pairs  = regexp.MustCompile(`^([A-Z]{3})?([A-Z]{3})=X$`)
	index  = regexp.MustCompile(`^\^[A-Z0-9]{1,10}$`)
)

// Instrument completes what is known of a symbol: AMZN, ^GSPC, EURUSD=X or BTC-USD.
func (*Adapter) Instrument(symbol string) (market.Instrument, error) {
	s := strings.ToUpper(symbol)
	i := market.Instrument{Symbol: s, Venue: about.Name, Currency: "USD", PriceScale: 2, Calendar: market.USEquities.Name()}
	switch {
	case coins.MatchString(s):
		_, i.Currency, _ = strings.Cut(s, "-")
		i.Class, i.Calendar = market.Crypto, market.Always.Name()
	case pairs.MatchString(s):
		i.Class, i.Currency, i.PriceScale, i.Calendar = market.FX, pairs.FindStringSubmatch(s)[2], 5, market.FXWeek.Name()
	case index.MatchString(s):
		i.Class = market.Index
	case stocks.MatchString(s):
		i.Class = market.Equity
	default:
		return market.Instrument{}, fmt.Errorf("%w: Yahoo writes US stocks as AMZN or BRK-B, indexes as ^GSPC, currencies as EURUSD=X, crypto as BTC-USD, not %.40q", venue.ErrSymbol, symbol)
	}
	return i, nil
}

// Delivers says how bars of an interval come about.
func (*Adapter) Delivers(i market.Interval) (venue.Delivery, error) {
	if _, ok := kept[i.String()]; !ok {
		return 0, fmt.Errorf("%w: Yahoo's bars are of 1m 2m 5m 15m 30m 1h 1d, not %s", venue.ErrSymbol, i)
	}
	return venue.Polled, nil
}

// Check refuses hours of stocks, which begin at half past.
func (*Adapter) Check(s market.Series) error {
	if s.Interval == market.Hour && s.Instrument.Calendar == market.USEquities.Name() {
		return fmt.Errorf("%w: Yahoo's hours of stocks begin at half past; follow %s at 30m, with --rollup 1h", venue.ErrSymbol, s.Instrument.Symbol)
	}
	return nil
}

// Keeps says how far back bars can be had.
func (*Adapter) Keeps(i market.Interval) (back, atOnce time.Duration) {
	k := kept[i.String()]
	return k.back, k.atOnce
}

// Connect is of no use: nothing is streamed.
func (*Adapter) Connect([]market.Series) (venue.Stream, error) {
	return venue.Stream{}, fmt.Errorf("%w: Yahoo is asked, it does not stream", venue.ErrFinal)
}

// Decode refuses every frame: nothing is streamed.
func (*Adapter) Decode([]byte, *venue.Batch) error {
	return fmt.Errorf("%w: Yahoo is asked, it does not stream", venue.ErrAnswer)
}

// Ask asks for bars.
func (a *Adapter) Ask(s market.Series, from, to market.Time, _ string) (venue.Request, bool) {
	q := url.Values{"interval": {s.Interval.String()}, "period1": {fmt.Sprint(from.Std().Unix())}, "period2": {fmt.Sprint(to.Std().Unix())},
		"events": {"div,splits"}, "includePrePost": {"false"}}
	return venue.Request{URL: a.rest + url.PathEscape(s.Instrument.Symbol) + "?" + q.Encode(), Header: http.Header{"User-Agent": {agent}}}, true
}

type answer struct {
	Chart *struct {
		Result []result `json:"result"`
		Error  *struct {
			Code        string `json:"code"`
			Description string `json:"description"`
		} `json:"error"`
	} `json:"chart"`
}

type result struct {
	Meta struct {
		Offset int64  `json:"gmtoffset"`
		Zone   string `json:"exchangeTimezoneName"`
		Grain  string `json:"dataGranularity"`
	} `json:"meta"`
	Timestamp  []int64 `json:"timestamp"`
	Indicators struct {
		Quote []struct {
			Open   []*venue.Number `json:"open"`
			High   []*venue.Number `json:"high"`
			Low    []*venue.Number `json:"low"`
			Close  []*venue.Number `json:"close"`
			Volume []*venue.Number `json:"volume"`
		} `json:"quote"`
	} `json:"indicators"`
	Events struct {
		Splits map[string]struct {
			Date        int64        `json:"date"`
			Numerator   venue.Number `json:"numerator"`
			Denominator venue.Number `json:"denominator"`
		} `json:"splits"`
		Dividends map[string]struct {
			Date   int64        `json:"date"`
			Amount venue.Number `json:"amount"`
		} `json:"dividends"`
	} `json:"events"`
}

// Answers reports whether body is a refusal of Yahoo's, whatever its HTTP status.
func (*Adapter) Answers(_ int, body []byte) bool {
	var in answer
	return json.Unmarshal(body, &in) == nil && in.Chart != nil && in.Chart.Error != nil
}

// Read reads bars and corporate actions, or the refusal.
func (*Adapter) Read(s market.Series, body []byte) (venue.Page, error) {
	var in answer
	var page venue.Page
	if err := venue.ReadJSON(body, &in); err != nil {
		return page, err
	}
	switch {
	case in.Chart == nil:
		return page, venue.Unusable(body, "it holds no chart")
	case in.Chart.Error != nil:
		e := in.Chart.Error
		err := fmt.Errorf("%s answers %.40s: %.200s", about.Title, e.Code, e.Description)
		if e.Code == "Not Found" || e.Code == "Unprocessable Entity" || e.Code == "Bad Request" {
			err = fmt.Errorf("%w: %w", venue.ErrFinal, err)
		}
		return page, err
	case len(in.Chart.Result) != 1:
		return page, venue.Unusable(body, "it holds %d charts", len(in.Chart.Result))
	}
	r := &in.Chart.Result[0]
	if stock := s.Instrument.Calendar == market.USEquities.Name(); stock && r.Meta.Zone != "" && r.Meta.Zone != "America/New_York" {
		return page, fmt.Errorf("%w: %s trades in %.40s; Foretick knows the hours of US stocks only", venue.ErrFinal, s.Instrument.Symbol, r.Meta.Zone)
	}
	if g := r.Meta.Grain; g != "" && g != s.Interval.String() && !(g == "60m" && s.Interval == market.Hour) {
		return page, venue.Unusable(body, "these are bars of %.10s", g)
	}
	page.Actions = r.actions()
	if len(r.Timestamp) == 0 {
		return page, nil // nobody traded
	}
	if len(r.Indicators.Quote) != 1 {
		return page, venue.Unusable(body, "it holds %d columns of quotes", len(r.Indicators.Quote))
	}
	q := &r.Indicators.Quote[0]
	n := len(r.Timestamp)
	if len(q.Open) != n || len(q.High) != n || len(q.Low) != n || len(q.Close) != n || len(q.Volume) > n {
		return page, venue.Unusable(body, "its columns differ in length")
	}
	for k, at := range r.Timestamp {
		o, h, l, c := q.Open[k], q.High[k], q.Low[k], q.Close[k]
		if o == nil && h == nil && l == nil && c == nil {
			continue // nobody traded
		}
		refuse := func(why string) {
			page.Rejects = append(page.Rejects, venue.Refusal{Symbol: s.Instrument.Symbol, Raw: fmt.Sprintf("%d,%s,%s,%s,%s", at, cell(o), cell(h), cell(l), cell(c)), Reason: why})
		}
		if o == nil || h == nil || l == nil || c == nil {
			refuse("a price is not there")
			continue
		}
		if !inWorld(at) {
			refuse("the time is not of this world")
			continue
		}
		start := market.Time(at * 1e6)
		if s.Interval == market.Day {
			start = r.date(at)
		}
		if s.Interval.Floor(start) != start {
			if k != n-1 {
				refuse("it does not begin where bars do")
			}
			continue // the live one
		}
		b := market.Bar{Start: start, End: s.Interval.End(start), Open: float64(*o), High: float64(*h), Low: float64(*l), Close: float64(*c)}
		if k < len(q.Volume) && q.Volume[k] != nil {
			b.Volume = float64(*q.Volume[k])
		}
		if b.Volume == 0 && b.High == b.Low && s.Instrument.Class == market.Equity {
			continue // nobody traded
		}
		page.Bars = append(page.Bars, b)
	}
	return page, nil
}

func cell(n *venue.Number) string {
	if n == nil {
		return "null"
	}
	return fmt.Sprint(float64(*n))
}

// date is the day of UTC of the date that it is at the exchange. Sessions open at the earliest at
// midnight there; the offset is that of today, which may be an hour off.
func (r *result) date(at int64) market.Time {
	offset := r.Meta.Offset
	if offset < -15*3600 || offset > 15*3600 {
		offset = 0
	}
	return market.Day.Floor(market.Time((at + offset + 2*3600) * 1e6))
}

// actions are the splits and dividends, by time. What is not one is left out by who reads them.
func (r *result) actions() []market.Action {
	var out []market.Action
	for _, s := range r.Events.Splits {
		if s.Denominator > 0 && inWorld(s.Date) {
			out = append(out, market.Action{Ex: r.date(s.Date), Kind: market.Split, Ratio: float64(s.Numerator / s.Denominator), Source: about.Name})
		}
	}
	for _, d := range r.Events.Dividends {
		if inWorld(d.Date) {
			out = append(out, market.Action{Ex: r.date(d.Date), Kind: market.Dividend, Amount: float64(d.Amount), Source: about.Name})
		}
	}
	slices.SortFunc(out, func(a, b market.Action) int {
		return cmp.Or(cmp.Compare(a.Ex, b.Ex), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Ratio, b.Ratio), cmp.Compare(a.Amount, b.Amount))
	})
	return out
}

// inWorld reports whether a time in seconds is within some thousand years of 1970.
func inWorld(at int64) bool { return at > -1<<35 && at < 1<<37 }
