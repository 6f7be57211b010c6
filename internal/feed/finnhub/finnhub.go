// Package finnhub follows US stocks, currencies and crypto by Finnhub's free feed: trades over
// WebSocket, of which bars are built. It needs a key, and gives no history: candles are for paying
// customers (403), so what is missed stays missed, and is said.
//
// Source: finnhub.io/docs/api (websocket trades), and the issues finnhub-js#21 and Finnhub-API#517,
// #520, #532, #546 for what is not in it: connections die in silence after hours, whether pings are
// answered or not.
//
// Trades have no numbers, so that one that comes twice or not at all cannot be told. Sizes may be 0.
package finnhub

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

var about = venue.About{
	Name: "finnhub", Title: "Finnhub", Stream: "wss://ws.finnhub.io",
	Live:    "trades of US stocks, of currencies (OANDA:EUR_USD) and of crypto (BINANCE:BTCUSDT)",
	History: "none on free keys: pair it with another source, or import files",
	Limits:  "free: one connection a key, 50 symbols",
	Caution: "trades have no numbers: missed ones are not noticed",
	Note:    "Trades that Finnhub drops cannot be noticed: they have no numbers.",
	Keys:    []string{"FINNHUB_KEY"},
	Example: "AMZN",
	Silence: time.Minute, Rate: 1, Burst: 1,
}

// Adapter speaks to Finnhub.
type Adapter struct {
	stream string
	setup  venue.Setup
}

// New returns the adapter.
func New(s venue.Setup) *Adapter {
	_, stream := s.Addresses("", about.Stream)
	return &Adapter{stream, s}
}

// About describes the venue.
func (*Adapter) About() *venue.About { return &about }

var (
	stock = regexp.MustCompile(`^[A-Z]{1,6}(\.[A-Z]{1,2})?$`)
	pair  = regexp.MustCompile(`^([A-Z]{2,20}):([A-Z0-9]{2,12})[_-]?([A-Z0-9]{2,6})?$`)
)

// Instrument completes what is known of a symbol: AMZN, OANDA:EUR_USD, BINANCE:BTCUSDT.
func (*Adapter) Instrument(symbol string) (market.Instrument, error) {
	s := strings.ToUpper(symbol)
	i := market.Instrument{Symbol: s, Venue: about.Name}
	switch m := pair.FindStringSubmatch(s); {
	case stock.MatchString(s):
		i.Class, i.Currency, i.PriceScale, i.Calendar = market.Equity, "USD", 2, market.USEquities.Name()
	case m == nil:
		return i, fmt.Errorf("%w: Finnhub writes symbols as AMZN, OANDA:EUR_USD or BINANCE:BTCUSDT, not %.40q", venue.ErrSymbol, symbol)
	case m[1] == "OANDA" || m[1] == "FXCM" || m[1] == "FOREX" || m[1] == "IC MARKETS":
		i.Class, i.Currency, i.PriceScale, i.Calendar = market.FX, m[3], 5, market.FXWeek.Name()
	default:
		i.Class, i.Currency, i.PriceScale, i.Calendar = market.Crypto, m[3], 5, market.Always.Name()
	}
	return i, nil
}

// Delivers says that bars are built of trades.
func (*Adapter) Delivers(i market.Interval) (venue.Delivery, error) {
	if i.Duration() > time.Hour {
		return 0, fmt.Errorf("%w: without history bars of at most 1h make sense, not of %s; coarser ones are rolled up", venue.ErrSymbol, i)
	}
	return venue.Trades, nil
}

// Connect subscribes to each symbol.
func (a *Adapter) Connect(list []market.Series) (venue.Stream, error) {
	key, err := a.setup.Secret("FINNHUB_KEY")
	if err != nil {
		return venue.Stream{}, err
	}
	out := venue.Stream{URL: a.stream, Secret: url.Values{"token": {key}}}
	for _, s := range list {
		b, err := json.Marshal(map[string]string{"type": "subscribe", "symbol": s.Instrument.Symbol})
		if err != nil {
			return out, err
		}
		out.Hello = append(out.Hello, b)
	}
	return out, nil
}

// Decode reads a frame.
func (*Adapter) Decode(b []byte, out *venue.Batch) error {
	var m struct {
		Type string `json:"type"`
		Data []struct {
			Symbol string       `json:"s"`
			Price  venue.Number `json:"p"`
			Time   int64        `json:"t"`
			Size   venue.Number `json:"v"`
		} `json:"data"`
		Msg string `json:"msg"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	switch m.Type {
	case "trade":
		for _, t := range m.Data {
			at := market.Time(t.Time * 1000)
			out.Sent = max(out.Sent, at)
			out.Trades = append(out.Trades, venue.Trade{Symbol: t.Symbol, Tick: market.Tick{Time: at, Price: float64(t.Price), Size: float64(t.Size)}})
		}
	case "ping":
	case "error":
		if low := strings.ToLower(m.Msg); strings.Contains(low, "api key") || strings.Contains(low, "access") {
			out.Fatal = m.Msg
			return nil
		}
		out.Refused = append(out.Refused, m.Msg)
	default:
		out.Unknown++
	}
	return nil
}

// Ask says that there is no history.
func (*Adapter) Ask(market.Series, market.Time, market.Time, string) (venue.Request, bool) {
	return venue.Request{}, false
}

// Read is never called: nothing is asked.
func (*Adapter) Read(_ market.Series, body []byte) (venue.Page, error) {
	return venue.Page{}, venue.Unusable(body, "Finnhub gives no history")
}
