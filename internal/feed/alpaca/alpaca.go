// Package alpaca follows US stocks by Alpaca's free feed: minute bars and trades of the IEX
// exchange over WebSocket, bars of the past over REST. It needs a key.
//
// Source: docs.alpaca.markets, docs/streaming-market-data, docs/real-time-stock-pricing-data and
// reference/stockbars.
//
// IEX is one venue of many, with a few per cent of the volume: volume and closes differ from the
// consolidated tape. A minute bar comes when its minute has ended, an updated one when late trades
// changed it: that is a revision. Nothing comes of a minute without a trade, nor outside of the
// session. Bars are asked for as they were traded (adjustment=raw); the splits and dividends that
// Alpaca publishes at another endpoint are not read.
package alpaca

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

var about = venue.About{
	Name: "alpaca", Title: "Alpaca", Stream: "wss://stream.data.alpaca.markets/v2/iex", REST: "https://data.alpaca.markets/v2/stocks/bars",
	Live:    "minute bars; trades for intervals from 1s to 59m and hours, of which bars are built",
	History: "bars of minutes, hours and days since 2016",
	Limits:  "free: one connection, 30 symbols, 200 REST requests a minute; the last 15 minutes of history are left out",
	Caution: "IEX only: a few per cent of the volume of US stocks",
	Note:    "IEX is one exchange of many: volume and closes differ from the consolidated tape.",
	Keys:    []string{"ALPACA_KEY_ID", "ALPACA_SECRET_KEY"},
	Example: "AMZN",
	Silence: 90 * time.Second, Rate: 3, Burst: 10, Settle: 5 * time.Second, Every: 30 * time.Second,
}

// Adapter speaks to Alpaca.
type Adapter struct {
	rest, stream string
	setup        venue.Setup
}

// New returns the adapter.
func New(s venue.Setup) *Adapter {
	rest, stream := s.Addresses(about.REST, about.Stream)
	return &Adapter{rest, stream, s}
}

// About describes the venue.
func (*Adapter) About() *venue.About { return &about }

var symbols = regexp.MustCompile(`^[A-Z]{1,6}(\.[A-Z]{1,2})?$`)

// Instrument completes what is known of a symbol such as AMZN or BRK.B.
func (*Adapter) Instrument(symbol string) (market.Instrument, error) {
	s := strings.ToUpper(symbol)
	if !symbols.MatchString(s) && s != "FAKEPACA" {
		return market.Instrument{}, fmt.Errorf("%w: Alpaca writes symbols as AMZN or BRK.B, not %.40q", venue.ErrSymbol, symbol)
	}
	return market.Instrument{Symbol: s, Venue: about.Name, Class: market.Equity, Currency: "USD", PriceScale: 2, Calendar: market.USEquities.Name()}, nil
}

// Delivers says how bars of an interval come about. Minute bars are streamed; bars of a day are
// asked for, since a stream that is joined late has not seen the day begin.
func (*Adapter) Delivers(i market.Interval) (venue.Delivery, error) {
	switch d := i.Duration(); {
	case d == time.Minute:
		return venue.Bars, nil
	case d == 24*time.Hour:
		return venue.Polled, nil
	case d < 24*time.Hour:
		return venue.Trades, nil
	}
	return 0, fmt.Errorf("%w: Alpaca's bars are of at most 1d, not %s", venue.ErrSymbol, i)
}

// timeframe is an interval as REST writes it, "" when it has none.
func timeframe(i market.Interval) string {
	switch d := i.Duration(); {
	case d == 24*time.Hour:
		return "1Day"
	case d >= time.Hour && d%time.Hour == 0 && d < 24*time.Hour:
		return fmt.Sprintf("%dHour", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0 && d < time.Hour:
		return fmt.Sprintf("%dMin", d/time.Minute)
	}
	return ""
}

// header holds the keys.
func (a *Adapter) header() (http.Header, error) {
	id, err := a.setup.Secret("ALPACA_KEY_ID")
	if err != nil {
		return nil, err
	}
	secret, err := a.setup.Secret("ALPACA_SECRET_KEY")
	if err != nil {
		return nil, err
	}
	return http.Header{"Apca-Api-Key-Id": {id}, "Apca-Api-Secret-Key": {secret}}, nil
}

// Connect subscribes to minute bars with their updates, or to trades, and to trading halts.
func (a *Adapter) Connect(list []market.Series) (venue.Stream, error) {
	h, err := a.header()
	if err != nil {
		return venue.Stream{}, err
	}
	ask := struct {
		Action   string   `json:"action"`
		Trades   []string `json:"trades,omitempty"`
		Bars     []string `json:"bars,omitempty"`
		Updated  []string `json:"updatedBars,omitempty"`
		Statuses []string `json:"statuses"`
	}{Action: "subscribe"}
	for _, s := range list {
		ask.Statuses = append(ask.Statuses, s.Instrument.Symbol)
		if s.Interval.Duration() == time.Minute {
			ask.Bars, ask.Updated = append(ask.Bars, s.Instrument.Symbol), append(ask.Updated, s.Instrument.Symbol)
			continue
		}
		ask.Trades = append(ask.Trades, s.Instrument.Symbol)
	}
	b, err := json.Marshal(ask)
	return venue.Stream{URL: a.stream, Header: h, Hello: [][]byte{b}}, err
}

// message is any object of a frame. Fields that are not needed are named where encoding/json
// would take them for others: it does not tell "T" from "t" where one is missing.
type message struct {
	Type   string          `json:"T"`
	Symbol string          `json:"S"`
	Time   json.RawMessage `json:"t"`
	Open   venue.Number    `json:"o"`
	High   venue.Number    `json:"h"`
	Low    venue.Number    `json:"l"`
	Close  json.RawMessage `json:"c"`
	Volume venue.Number    `json:"v"`
	Count  int64           `json:"n"`
	Price  venue.Number    `json:"p"`
	Size   json.RawMessage `json:"s"`
	ID     json.RawMessage `json:"i"`
	Code   int             `json:"code"`
	Msg    string          `json:"msg"`
	Status string          `json:"sm"`
	Trades []string        `json:"trades"`
	Bars   []string        `json:"bars"`
}

// Decode reads a frame, an array of objects.
func (*Adapter) Decode(b []byte, out *venue.Batch) error {
	var list []message
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	for i := range list {
		if err := list[i].take(out); err != nil {
			out.Rejects = append(out.Rejects, venue.Refusal{Symbol: list[i].Symbol, Raw: venue.Cut(b), Reason: err.Error()})
		}
	}
	return nil
}

func (m *message) take(out *venue.Batch) error {
	switch m.Type {
	case "b", "u":
		var start market.Time
		var last venue.Number
		if err := json.Unmarshal(m.Time, &start); err != nil {
			return fmt.Errorf("time: %w", err)
		}
		if err := json.Unmarshal(m.Close, &last); err != nil {
			return fmt.Errorf("close: %w", err)
		}
		out.Bars = append(out.Bars, venue.BarUpdate{Symbol: m.Symbol, Closed: true, Bar: market.Bar{Start: start, End: market.Minute.End(start),
			Open: float64(m.Open), High: float64(m.High), Low: float64(m.Low), Close: float64(last), Volume: float64(m.Volume), Trades: m.Count}})
	case "t":
		var at market.Time
		var size venue.Number
		if err := json.Unmarshal(m.Time, &at); err != nil {
			return fmt.Errorf("time: %w", err)
		}
		if err := json.Unmarshal(m.Size, &size); err != nil {
			return fmt.Errorf("size: %w", err)
		}
		var id int64
		_ = json.Unmarshal(m.ID, &id) // what has no number cannot be told from another
		out.Sent = at
		out.Trades = append(out.Trades, venue.Trade{Symbol: m.Symbol, ID: id, Tick: market.Tick{Time: at, Price: float64(m.Price), Size: float64(size)}})
	case "subscription":
		out.Subscribed = append(append(out.Subscribed, m.Trades...), m.Bars...)
	case "error":
		switch why := fmt.Sprintf("%s (%d)", m.Msg, m.Code); m.Code {
		case 402, 401, 404, 409: // the key is wrong, or does not cover this
			out.Fatal = why
		case 406, 407: // another connection uses the key, or this one was too slow
			out.Leave = why
		default:
			out.Refused = append(out.Refused, why)
		}
	case "s":
		if m.Status != "" && !strings.EqualFold(m.Status, "Trading Resumption") {
			out.Refused = append(out.Refused, m.Symbol+": "+m.Status)
		}
	case "success", "q", "d", "l", "c", "x":
	default:
		out.Unknown++
	}
	return nil
}

// Ask asks for bars as they were traded. cursor is the page token of the answer before.
func (a *Adapter) Ask(s market.Series, from, to market.Time, cursor string) (venue.Request, bool) {
	frame := timeframe(s.Interval)
	if frame == "" {
		return venue.Request{}, false
	}
	h, err := a.header()
	if err != nil {
		h = nil // the stream says that a key is missing
	}
	q := url.Values{"symbols": {s.Instrument.Symbol}, "timeframe": {frame}, "start": {from.Std().Format(time.RFC3339)}, "end": {max(from, to-1).Std().Format(time.RFC3339)},
		"limit": {"10000"}, "adjustment": {"raw"}, "feed": {"iex"}, "sort": {"asc"}}
	if cursor != "" {
		q.Set("page_token", cursor)
	}
	return venue.Request{URL: a.rest + "?" + q.Encode(), Header: h}, true
}

// Read reads bars of one symbol. Bars of a day are stamped at midnight in New York: they go to
// the day of that name.
func (*Adapter) Read(s market.Series, body []byte) (venue.Page, error) {
	var in struct {
		Bars map[string][]struct {
			Start  market.Time  `json:"t"`
			Open   venue.Number `json:"o"`
			High   venue.Number `json:"h"`
			Low    venue.Number `json:"l"`
			Close  venue.Number `json:"c"`
			Volume venue.Number `json:"v"`
			Count  int64        `json:"n"`
		} `json:"bars"`
		Next    *string `json:"next_page_token"`
		Message string  `json:"message"`
	}
	if err := venue.ReadJSON(body, &in); err != nil {
		return venue.Page{}, err
	}
	if in.Message != "" {
		return venue.Page{}, fmt.Errorf("%s answers: %.200s", about.Title, in.Message)
	}
	var p venue.Page
	for _, r := range in.Bars[s.Instrument.Symbol] {
		start := s.Interval.Floor(r.Start)
		if r.Count == 0 && r.Volume == 0 {
			continue // nobody traded
		}
		p.Bars = append(p.Bars, market.Bar{Start: start, End: s.Interval.End(start), Open: float64(r.Open), High: float64(r.High), Low: float64(r.Low), Close: float64(r.Close), Volume: float64(r.Volume), Trades: r.Count})
	}
	if in.Next != nil {
		p.Cursor = *in.Next
	}
	return p, nil
}
