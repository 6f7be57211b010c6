// Package alphavantage asks Alpha Vantage for daily bars of US stocks: polled over REST, with a
// free key, which takes 25 requests a day.
//
// Source: www.alphavantage.co/documentation, TIME_SERIES_DAILY; what refusals say is from threads
// of client libraries. None of it was checked against the real service here.
//
// What comes and what bites:
//
//   - Everything comes with HTTP 200. A refusal is an object with Note, Information or Error
//     Message, and only its words tell whether the day's requests are used up, the key is wrong,
//     or the symbol is unknown. Some of them quote the key; it is struck out.
//   - Days are names of an object, in no order, and are days of New York; each is put on the day
//     of UTC of the same date. The newest may be of a session that goes on; it is left out until
//     the day has ended.
//   - Only the compact answer of 100 days is asked for: full ones are for paying customers now.
//   - Prices are as traded: not adjusted for splits or dividends.
//
// A day is asked for an hour after midnight UTC, and, until it is there, again some hours later. It
// is a source for an occasional cross-check, not for live prices.
package alphavantage

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

var about = venue.About{
	Name: "alphavantage", Title: "Alpha Vantage", REST: "https://www.alphavantage.co/query",
	Live:    "bars of 1d, asked for an hour after midnight UTC and every 6 hours until they are there; with more than 6 stocks less often",
	History: "the newest 100 days",
	Limits:  "free: 25 requests a day, shared by all that uses the key",
	Caution: "prices as traded, not adjusted; see Alpha Vantage's terms before showing them to others",
	Keys:    []string{key},
	Example: "IBM",
	Rate:    1.0 / 15, Burst: 1, Settle: time.Hour, Every: 6 * time.Hour, Daily: 24,
}

const key = "ALPHAVANTAGE_KEY"

// compact is how many days an answer holds at most.
const compact = 100

// Adapter speaks to Alpha Vantage.
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

var stocks = regexp.MustCompile(`^[A-Z][A-Z0-9]{0,9}(-[A-Z]{1,2})?$`)

// Instrument completes what is known of a symbol such as IBM. BRK.B is read as BRK-B.
func (*Adapter) Instrument(symbol string) (market.Instrument, error) {
	s := strings.ReplaceAll(strings.ToUpper(symbol), ".", "-")
	if !stocks.MatchString(s) {
		return market.Instrument{}, fmt.Errorf("%w: Alpha Vantage writes US stocks as IBM or BRK-B, not %.40q", venue.ErrSymbol, symbol)
	}
	return market.Instrument{Symbol: s, Venue: about.Name, Class: market.Equity, Currency: "USD", PriceScale: 2, Calendar: market.USEquities.Name()}, nil
}

// Delivers says how bars of an interval come about.
func (*Adapter) Delivers(i market.Interval) (venue.Delivery, error) {
	if i != market.Day {
		return 0, fmt.Errorf("%w: Alpha Vantage gives bars of 1d to free keys, not %s", venue.ErrSymbol, i)
	}
	return venue.Polled, nil
}

// Connect is of no use: nothing is streamed.
func (*Adapter) Connect([]market.Series) (venue.Stream, error) {
	return venue.Stream{}, fmt.Errorf("%w: Alpha Vantage is asked, it does not stream", venue.ErrFinal)
}

// Decode refuses every frame: nothing is streamed.
func (*Adapter) Decode([]byte, *venue.Batch) error {
	return fmt.Errorf("%w: Alpha Vantage is asked, it does not stream", venue.ErrAnswer)
}

// Ask asks for the newest 100 days, whatever from and to say.
func (a *Adapter) Ask(s market.Series, _, _ market.Time, _ string) (venue.Request, bool) {
	q := url.Values{"function": {"TIME_SERIES_DAILY"}, "symbol": {s.Instrument.Symbol}, "outputsize": {"compact"}}
	return venue.Request{URL: a.rest + "?" + q.Encode(), Secret: a.secret}, true
}

type row struct {
	Open   venue.Number `json:"1. open"`
	High   venue.Number `json:"2. high"`
	Low    venue.Number `json:"3. low"`
	Close  venue.Number `json:"4. close"`
	Volume venue.Number `json:"5. volume"`
}

// Read reads days, or the refusal.
func (*Adapter) Read(s market.Series, body []byte) (venue.Page, error) {
	var in map[string]json.RawMessage
	var page venue.Page
	if err := venue.ReadJSON(body, &in); err != nil {
		return page, err
	}
	days, found := map[string]json.RawMessage{}, false
	for name, raw := range in {
		if strings.HasPrefix(name, "Time Series") {
			if err := venue.ReadJSON(raw, &days); err != nil {
				return page, err
			}
			found = true
		}
	}
	if !found {
		return page, refusal(in, body)
	}
	refuse := func(name string, raw []byte, why error) {
		page.Rejects = append(page.Rejects, venue.Refusal{Symbol: s.Instrument.Symbol, Raw: venue.Cut([]byte(name + " " + string(raw))), Reason: why.Error()})
	}
	for name, raw := range days {
		var r row
		at, err := time.Parse(time.DateOnly, name)
		if err != nil {
			refuse(name, raw, errors.New("its name is not a date"))
			continue
		}
		if err := json.Unmarshal(raw, &r); err != nil {
			refuse(name, raw, err)
			continue
		}
		start := market.TimeOf(at)
		page.Bars = append(page.Bars, market.Bar{Start: start, End: market.Day.End(start), Open: float64(r.Open), High: float64(r.High), Low: float64(r.Low), Close: float64(r.Close), Volume: float64(r.Volume)})
	}
	slices.SortFunc(page.Bars, func(a, b market.Bar) int { return cmp.Compare(a.Start, b.Start) })
	slices.SortFunc(page.Rejects, func(a, b venue.Refusal) int { return cmp.Compare(a.Raw, b.Raw) })
	if len(page.Bars) >= compact {
		page.Oldest = page.Bars[0].Start
	}
	return page, nil
}

// refusal is what an answer without days means.
func refusal(in map[string]json.RawMessage, body []byte) error {
	for _, name := range []string{"Error Message", "Information", "Note"} {
		var says string
		if json.Unmarshal(in[name], &says) != nil || says == "" {
			continue
		}
		text := strings.ToLower(says)
		err := fmt.Errorf("%s answers: %.250s", about.Title, says)
		switch {
		case strings.Contains(text, "premium endpoint"), strings.Contains(text, "demo purposes"), name == "Error Message":
			return fmt.Errorf("%w: %w", venue.ErrFinal, err)
		case strings.Contains(text, "per second"), strings.Contains(text, "calls per minute"):
			return &venue.Later{For: time.Minute, Err: err}
		case strings.Contains(text, "per day"), strings.Contains(text, "daily"):
			return &venue.Later{Day: true, Err: fmt.Errorf("%w (the day's requests are used up)", err)}
		}
		return err
	}
	return venue.Unusable(body, "it holds no Time Series")
}
