// Package binance follows Binance's spot markets: bars or trades over WebSocket, history over
// REST, no key, by the hosts that serve market data only.
//
// Source: github.com/binance/binance-spot-api-docs, rest-api.md, web-socket-streams.md and
// faqs/market_data_only.md.
//
// Binance answers 451 from the United States and from some clouds; that is final. A connection
// lives a day at most, and is announced to end by an event serverShutdown. Bars that are
// streamed say whether they are closed; those in which nobody traded are sent too, flat, and left
// out here.
package binance

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/market"
)

var about = venue.About{
	Name: "binance", Title: "Binance", Stream: "wss://data-stream.binance.vision/stream", REST: "https://data-api.binance.vision/api/v3/klines",
	Live:    "bars of 1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d, trades for other intervals",
	History: "all bars of those intervals",
	Limits:  "by address: 6,000 weight a minute, a page of 1,000 bars weighs 2; 1,024 streams a connection",
	Caution: "not available from the United States and some clouds (HTTP 451)",
	Example: "BTCUSDT",
	Silence: time.Minute, Rate: 10, Burst: 20, Settle: 2 * time.Second, Every: 5 * time.Second, Sequential: true,
}

var intervals = map[string]bool{"1s": true, "1m": true, "3m": true, "5m": true, "15m": true, "30m": true, "1h": true, "2h": true, "4h": true, "6h": true, "8h": true, "12h": true, "1d": true}

// page is how many bars an answer has at most.
const page = 1000

// Adapter speaks to Binance.
type Adapter struct{ rest, stream string }

// New returns the adapter.
func New(s venue.Setup) *Adapter {
	rest, stream := s.Addresses(about.REST, about.Stream)
	return &Adapter{rest, stream}
}

// About describes the venue.
func (*Adapter) About() *venue.About { return &about }

var symbols = regexp.MustCompile(`^[A-Z0-9]{3,20}$`)

// Instrument completes what is known of a symbol such as BTCUSDT, also written BTC/USDT or
// btcusdt.
func (*Adapter) Instrument(symbol string) (market.Instrument, error) {
	s := strings.NewReplacer("/", "", "-", "").Replace(strings.ToUpper(symbol))
	if !symbols.MatchString(s) {
		return market.Instrument{}, fmt.Errorf("%w: Binance writes symbols as BTCUSDT, not %.40q", venue.ErrSymbol, symbol)
	}
	i := market.Instrument{Symbol: s, Venue: about.Name, Class: market.Crypto, PriceScale: 5, Calendar: market.Always.Name()}
	for _, quote := range []string{"USDT", "USDC", "FDUSD", "TUSD", "BUSD", "EUR", "GBP", "TRY", "BRL", "JPY", "BTC", "ETH", "BNB"} {
		if len(s) > len(quote) && strings.HasSuffix(s, quote) {
			i.Currency = quote
			break
		}
	}
	if strings.HasPrefix(s, "BTC") || strings.HasPrefix(s, "ETH") {
		i.PriceScale = 2
	}
	return i, nil
}

// Delivers says how bars of an interval come about.
func (*Adapter) Delivers(i market.Interval) (venue.Delivery, error) {
	if intervals[i.String()] {
		return venue.Bars, nil
	}
	if i.Duration() > 24*time.Hour {
		return 0, fmt.Errorf("%w: Binance's bars are of 1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d, not %s", venue.ErrSymbol, i)
	}
	return venue.Trades, nil
}

// Connect names the streams in the address.
func (a *Adapter) Connect(list []market.Series) (venue.Stream, error) {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = strings.ToLower(s.Instrument.Symbol) + "@trade"
		if intervals[s.Interval.String()] {
			names[i] = strings.ToLower(s.Instrument.Symbol) + "@kline_" + s.Interval.String()
		}
	}
	return venue.Stream{URL: a.stream + "?streams=" + strings.Join(names, "/")}, nil
}

// event is any message of the stream.
type event struct {
	Type   string       `json:"e"`
	Sent   int64        `json:"E"`
	Symbol string       `json:"s"`
	ID     int64        `json:"t"`
	Price  venue.Number `json:"p"`
	Size   venue.Number `json:"q"`
	Time   int64        `json:"T"`
	Bar    *kline       `json:"k"`
}

// kline names fields that are not needed too: encoding/json takes "V" for "v" where there is no
// field of that very name.
type kline struct {
	End      int64        `json:"T"`
	Taker    venue.Number `json:"V"`
	Quote    venue.Number `json:"q"`
	TakerQ   venue.Number `json:"Q"`
	Last     int64        `json:"L"`
	Start    int64        `json:"t"`
	Interval string       `json:"i"`
	Open     venue.Number `json:"o"`
	High     venue.Number `json:"h"`
	Low      venue.Number `json:"l"`
	Close    venue.Number `json:"c"`
	Volume   venue.Number `json:"v"`
	Trades   int64        `json:"n"`
	Closed   bool         `json:"x"`
}

// Decode reads a frame: an event in its envelope, or an answer to a method.
func (*Adapter) Decode(b []byte, out *venue.Batch) error {
	var f struct {
		Stream string          `json:"stream"`
		Data   json.RawMessage `json:"data"`
		Code   int             `json:"code"`
		Msg    string          `json:"msg"`
		Error  *struct {
			Code int    `json:"code"`
			Msg  string `json:"msg"`
		} `json:"error"`
		Type string `json:"e"`
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	switch {
	case f.Error != nil:
		out.Refused = append(out.Refused, fmt.Sprintf("%s (%d)", f.Error.Msg, f.Error.Code))
		return nil
	case f.Msg != "":
		out.Refused = append(out.Refused, fmt.Sprintf("%s (%d)", f.Msg, f.Code))
		return nil
	case f.Type == "serverShutdown":
		out.Leave = "the venue is about to shut this connection down"
		return nil
	case len(f.Data) == 0:
		out.Unknown++
		return nil
	}
	var e event
	if err := json.Unmarshal(f.Data, &e); err != nil {
		return err
	}
	if e.Sent > 0 {
		out.Sent = market.Time(e.Sent * 1000)
	}
	switch {
	case e.Type == "serverShutdown":
		out.Leave = "the venue is about to shut this connection down"
	case e.Type == "trade":
		out.Trades = append(out.Trades, venue.Trade{Symbol: e.Symbol, ID: e.ID,
			Tick: market.Tick{Time: market.Time(e.Time * 1000), Price: float64(e.Price), Size: float64(e.Size), Seq: uint64(max(0, e.ID))}})
	case e.Type == "kline" && e.Bar != nil:
		i, err := market.ParseInterval(e.Bar.Interval)
		if err != nil {
			return err
		}
		k := e.Bar
		if k.Trades == 0 {
			return nil // nobody traded
		}
		start := market.Time(k.Start * 1000)
		out.Bars = append(out.Bars, venue.BarUpdate{Symbol: e.Symbol, Closed: k.Closed, Bar: market.Bar{Start: start, End: i.End(start),
			Open: float64(k.Open), High: float64(k.High), Low: float64(k.Low), Close: float64(k.Close), Volume: float64(k.Volume), Trades: k.Trades}})
	default:
		out.Unknown++
	}
	return nil
}

// Ask asks for a page of bars from from on.
func (a *Adapter) Ask(s market.Series, from, to market.Time, _ string) (venue.Request, bool) {
	if !intervals[s.Interval.String()] {
		return venue.Request{}, false
	}
	q := url.Values{"symbol": {s.Instrument.Symbol}, "interval": {s.Interval.String()}, "limit": {strconv.Itoa(page)},
		"startTime": {ms(from)}, "endTime": {ms(max(from, to-1))}}
	return venue.Request{URL: a.rest + "?" + q.Encode(), Weight: 2}, true
}

func ms(t market.Time) string { return strconv.FormatInt(max(0, int64(t)/1000), 10) }

// Read reads bars: arrays of open time, open, high, low, close, volume, close time, quote volume,
// trades and more. The last may be open.
func (*Adapter) Read(s market.Series, body []byte) (venue.Page, error) {
	var refused struct {
		Code int    `json:"code"`
		Msg  string `json:"msg"`
	}
	if len(body) > 0 && body[0] == '{' {
		if err := venue.ReadJSON(body, &refused); err != nil {
			return venue.Page{}, err
		}
		err := fmt.Errorf("Binance answers: %.200s (%d)", refused.Msg, refused.Code)
		if refused.Code == -1121 || refused.Code == -1120 { // invalid symbol, invalid interval
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
		if len(r) < 9 {
			p.Rejects = append(p.Rejects, venue.Refusal{Symbol: s.Instrument.Symbol, Raw: fmt.Sprint(r), Reason: "a bar of Binance has at least 9 columns"})
			continue
		}
		start := market.Time(int64(r[0]) * 1000)
		p.Next = s.Interval.End(start)
		if r[8] == 0 {
			continue // nobody traded
		}
		p.Bars = append(p.Bars, market.Bar{Start: start, End: p.Next, Open: float64(r[1]), High: float64(r[2]), Low: float64(r[3]), Close: float64(r[4]), Volume: float64(r[5]), Trades: int64(r[8])})
	}
	if len(rows) < page {
		p.Next = 0
	}
	return p, nil
}
