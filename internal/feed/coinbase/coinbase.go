// Package coinbase follows Coinbase Exchange: trades over WebSocket, of which bars are built,
// bars of the past over REST, no key.
//
// Source: docs.cdp.coinbase.com/exchange, websocket-feed (overview, channels, rate-limits) and
// get-product-candles.
//
// There is no channel of bars. Trades ("matches") may be dropped or come out of order: their
// numbers, and the heartbeat's last_trade_id, show it, and the bar is then fetched over REST. The
// match that a subscription begins with ("last_match") is history. Bars in which nobody traded are
// absent. Columns of REST's bars are time, LOW, HIGH, OPEN, CLOSE, volume, newest first, at most 300
// an answer, some of them perhaps from before what was asked for; they do not say how many trades
// there were. A subscription that names one product that is not there is refused as a whole
// (github.com/coinbase/coinbase-pro-node, issue 174).
package coinbase

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

var about = venue.About{
	Name: "coinbase", Title: "Coinbase Exchange", Stream: "wss://ws-feed.exchange.coinbase.com", REST: "https://api.exchange.coinbase.com/products",
	Live:    "trades, of which bars of any interval up to 1d are built",
	History: "bars of 1m 5m 15m 1h 6h 1d, 300 a request",
	Limits:  "8 subscriptions a second, 10 REST requests a second",
	Caution: "candles are not meant to be polled often",
	Example: "BTC-USD",
	Silence: 5 * time.Second, Rate: 3, Burst: 6, Settle: 4 * time.Second, Every: 5 * time.Second, Sequential: true,
}

// granularities are the intervals of REST's bars, in seconds.
var granularities = map[string]int{"1m": 60, "5m": 300, "15m": 900, "1h": 3600, "6h": 21600, "1d": 86400}

// page is how many bars an answer has at most.
const page = 300

// Adapter speaks to Coinbase Exchange.
type Adapter struct{ rest, stream string }

// New returns the adapter.
func New(s venue.Setup) *Adapter {
	rest, stream := s.Addresses(about.REST, about.Stream)
	return &Adapter{rest, stream}
}

// About describes the venue.
func (*Adapter) About() *venue.About { return &about }

var symbols = regexp.MustCompile(`^[A-Z0-9]{1,12}-[A-Z0-9]{2,6}$`)

// Instrument completes what is known of a symbol such as BTC-USD, also written BTC/USD.
func (*Adapter) Instrument(symbol string) (market.Instrument, error) {
	s := strings.ReplaceAll(strings.ToUpper(symbol), "/", "-")
	if !symbols.MatchString(s) {
		return market.Instrument{}, fmt.Errorf("%w: Coinbase writes symbols as BTC-USD, not %.40q", venue.ErrSymbol, symbol)
	}
	base, quote, _ := strings.Cut(s, "-")
	scale := 5
	if base == "BTC" || base == "ETH" {
		scale = 2
	}
	return market.Instrument{Symbol: s, Venue: about.Name, Class: market.Crypto, Currency: quote, PriceScale: scale, Calendar: market.Always.Name()}, nil
}

// Delivers says that bars are built of trades.
func (*Adapter) Delivers(i market.Interval) (venue.Delivery, error) {
	if !i.Valid() || i.Duration() > 24*time.Hour {
		return 0, fmt.Errorf("%w: bars of at most 1d are built of trades, not of %s", venue.ErrSymbol, i)
	}
	return venue.Trades, nil
}

// frames is how many subscriptions are sent at once: 100 messages a second are taken.
const frames = 80

// Connect subscribes to trades and to the heartbeat that counts them, a product at a time where
// that is possible: a product that is refused takes those along that were asked for with it.
func (a *Adapter) Connect(list []market.Series) (venue.Stream, error) {
	ids := make([]string, len(list))
	for i, s := range list {
		ids[i] = s.Instrument.Symbol
	}
	out := venue.Stream{URL: a.stream}
	for part := range slices.Chunk(ids, max(1, (len(ids)+frames-1)/frames)) {
		b, err := json.Marshal(map[string]any{"type": "subscribe", "product_ids": part, "channels": []string{"heartbeat", "matches"}})
		if err != nil {
			return out, err
		}
		out.Hello = append(out.Hello, b)
	}
	return out, nil
}

// message is any message of the stream.
type message struct {
	Type     string          `json:"type"`
	Product  string          `json:"product_id"`
	TradeID  int64           `json:"trade_id"`
	Last     int64           `json:"last_trade_id"`
	Price    venue.Number    `json:"price"`
	Size     venue.Number    `json:"size"`
	Time     market.Time     `json:"time"`
	Message  string          `json:"message"`
	Reason   string          `json:"reason"`
	Channels json.RawMessage `json:"channels"`
}

// Decode reads a frame.
func (*Adapter) Decode(b []byte, out *venue.Batch) error {
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	switch m.Type {
	case "match", "last_match":
		if m.Type == "match" {
			out.Sent = m.Time
		}
		out.Trades = append(out.Trades, venue.Trade{Symbol: m.Product, ID: m.TradeID, Past: m.Type == "last_match",
			Tick: market.Tick{Time: m.Time, Price: float64(m.Price), Size: float64(m.Size), Seq: uint64(max(0, m.TradeID))}})
	case "heartbeat":
		out.Sent = m.Time
		out.Newest = append(out.Newest, venue.Newest{Symbol: m.Product, ID: m.Last})
	case "subscriptions":
		var list []struct {
			Products []string `json:"product_ids"`
		}
		if json.Unmarshal(m.Channels, &list) == nil {
			for _, c := range list {
				out.Subscribed = append(out.Subscribed, c.Products...)
			}
		}
	case "error":
		out.Refused = append(out.Refused, strings.TrimSuffix(m.Message+": "+m.Reason, ": "))
	default:
		out.Unknown++
	}
	return nil
}

// Ask asks for a page of bars from from on.
func (a *Adapter) Ask(s market.Series, from, to market.Time, _ string) (venue.Request, bool) {
	g := granularities[s.Interval.String()]
	if g == 0 {
		return venue.Request{}, false
	}
	from = s.Interval.Floor(max(from, 0))
	end := min(to, from.Add(time.Duration((page-1)*g)*time.Second))
	q := url.Values{"granularity": {strconv.Itoa(g)}, "start": {from.Std().Format(time.RFC3339)}, "end": {max(end, from).Std().Format(time.RFC3339)}}
	return venue.Request{URL: a.rest + "/" + url.PathEscape(s.Instrument.Symbol) + "/candles?" + q.Encode()}, true
}

// Read reads bars. A page says nothing of what follows it: the next begins where it ends.
func (*Adapter) Read(s market.Series, body []byte) (venue.Page, error) {
	if len(body) > 0 && body[0] == '{' {
		var refused struct {
			Message string `json:"message"`
		}
		if err := venue.ReadJSON(body, &refused); err != nil {
			return venue.Page{}, err
		}
		err := fmt.Errorf("%s answers: %.200s", about.Title, refused.Message)
		if refused.Message == "NotFound" {
			err = fmt.Errorf("%w: %w", venue.ErrFinal, err)
		}
		return venue.Page{}, err
	}
	var rows [][]venue.Number
	if err := venue.ReadJSON(body, &rows); err != nil {
		return venue.Page{}, err
	}
	var p venue.Page
	for _, r := range rows {
		if len(r) < 6 {
			p.Rejects = append(p.Rejects, venue.Refusal{Symbol: s.Instrument.Symbol, Raw: fmt.Sprint(r), Reason: "a bar of Coinbase has 6 columns"})
			continue
		}
		if r[5] == 0 {
			continue // nobody traded
		}
		start := market.Time(int64(r[0]) * 1_000_000)
		p.Bars = append(p.Bars, market.Bar{Start: start, End: s.Interval.End(start), Low: float64(r[1]), High: float64(r[2]), Open: float64(r[3]), Close: float64(r[4]), Volume: float64(r[5])})
	}
	slices.SortFunc(p.Bars, func(a, b market.Bar) int { return cmp.Compare(a.Start, b.Start) })
	p.Bounded = page - 1
	return p, nil
}
