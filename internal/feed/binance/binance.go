// Package binance follows Binance's spot markets: bars or trades over WebSocket, history over
// REST, no key, by the hosts that serve market data only.
//
// Source: github.com/binance/binance-spot-api-docs, rest-api.md, web-socket-streams.md and
// faqs/market_data_only.md.
//
// Binance answers 451 from the United States and from some clouds; that is final. A connection
// lives a day at most, and is announced to end by an event serverShutdown. Bars that are
// streamed say whether they are closed; those in which nobody traded are sent too, flat, and left
// out here. The names of intervals tell minutes from months by their case, those of fields too:
// "t" is where a bar starts, "T" where it ends.
//
// What an address has used of its weight is in the answers, X-MBX-USED-WEIGHT-1M: others behind the
// same address use it too.
package binance

import (
	"encoding/json"
	"fmt"
	"net/http"
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
	Name: "binance", Title: "Binance", Stream: "wss://data-stream.binance.vision/stream", REST: "https://data-api.binance.vision/api/v3/klines",
	Live:    "bars of 1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 1w 1mo, trades for other intervals",
	History: "all bars of those intervals",
	Limits:  "by address: 6,000 weight a minute, a page of 1,000 bars weighs 2; 1,024 streams a connection",
	Caution: "not available from the United States and some clouds (HTTP 451)",
	Example: "BTCUSDT",
	Silence: time.Minute, Rate: 10, Burst: 20, Settle: 2 * time.Second, Every: 5 * time.Second, Sequential: true,
}

// intervals are Binance's names of those that it has bars of; its bars of three days are on no grid
// of ours.
var intervals = map[string]string{"1s": "1s", "1m": "1m", "3m": "3m", "5m": "5m", "15m": "15m", "30m": "30m", "1h": "1h", "2h": "2h", "4h": "4h", "6h": "6h", "8h": "8h", "12h": "12h", "1d": "1d", "1w": "1w", "1mo": "1M"}

// named are those intervals by Binance's names.
var named = func() map[string]market.Interval {
	m := map[string]market.Interval{}
	for ours, theirs := range intervals {
		m[theirs] = market.MustInterval(ours)
	}
	return m
}()

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

var symbols = regexp.MustCompile(`^([A-Z0-9]{1,16})(?:[/-]([A-Z0-9]{2,8}))?$`)

// quotes are the currencies that symbols end with.
var quotes = []string{"USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD1", "EUR", "GBP", "TRY", "BRL", "JPY", "PLN", "UAH", "ZAR", "ARS", "MXN", "BTC", "ETH", "BNB"}

// Instrument completes what is known of a symbol such as BTCUSDT, also written BTC/USDT or
// btcusdt.
func (*Adapter) Instrument(symbol string) (market.Instrument, error) {
	m := symbols.FindStringSubmatch(strings.ToUpper(symbol))
	if m == nil || len(m[1])+len(m[2]) < 4 {
		return market.Instrument{}, fmt.Errorf("%w: Binance writes symbols as BTCUSDT, not %.40q", venue.ErrSymbol, symbol)
	}
	s := m[1] + m[2]
	i := market.Instrument{Symbol: s, Venue: about.Name, Class: market.Crypto, Currency: m[2], PriceScale: 5, Calendar: market.Always.Name()}
	if k := slices.IndexFunc(quotes, func(q string) bool { return len(s) > len(q) && strings.HasSuffix(s, q) }); k >= 0 && m[2] == "" {
		i.Currency = quotes[k]
	}
	if strings.HasPrefix(s, "BTC") || strings.HasPrefix(s, "ETH") {
		i.PriceScale = 2
	}
	return i, nil
}

// Delivers says how bars of an interval come about.
func (*Adapter) Delivers(i market.Interval) (venue.Delivery, error) {
	if intervals[i.String()] != "" {
		return venue.Bars, nil
	}
	if !i.Valid() || i.Duration() > 24*time.Hour {
		return 0, fmt.Errorf("%w: Binance's bars are of 1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 1w 1mo, not %s", venue.ErrSymbol, i)
	}
	return venue.Trades, nil
}

// several is how many streams are named at once: addresses and frames stay short.
const several = 100

// Connect names the first streams in the address; the others are asked for, at most four times,
// as five messages a second are taken.
func (a *Adapter) Connect(list []market.Series) (venue.Stream, error) {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = strings.ToLower(s.Instrument.Symbol) + "@trade"
		if k := intervals[s.Interval.String()]; k != "" {
			names[i] = strings.ToLower(s.Instrument.Symbol) + "@kline_" + k
		}
	}
	n := min(several, len(names))
	out := venue.Stream{URL: a.stream + "?streams=" + strings.Join(names[:n], "/")}
	for part := range slices.Chunk(names[n:], max(several, (len(names)-n+3)/4)) {
		b, err := json.Marshal(map[string]any{"method": "SUBSCRIBE", "params": part, "id": len(out.Hello) + 1})
		if err != nil {
			return out, err
		}
		out.Hello = append(out.Hello, b)
	}
	return out, nil
}

// frame is any message of the stream: an event in its envelope, or an answer to a method.
type frame struct {
	Data  *event `json:"data"`
	ID    *int64 `json:"id"`
	Type  string `json:"e"`
	Sent  int64  `json:"E"`
	Error *fault `json:"error"`
	Code  int    `json:"code"`
	Msg   string `json:"msg"`
}

// fault says why a method is refused.
type fault struct {
	Code int    `json:"code"`
	Msg  string `json:"msg"`
}

// event is an event of any kind.
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

// kline is a bar as it is now. encoding/json takes "V" for "v" where there is no field of that very
// name, so those are named too.
type kline struct {
	Start    int64        `json:"t"`
	End      skipped      `json:"T"`
	Interval string       `json:"i"`
	Open     venue.Number `json:"o"`
	High     venue.Number `json:"h"`
	Low      venue.Number `json:"l"`
	Last     skipped      `json:"L"`
	Close    venue.Number `json:"c"`
	Volume   venue.Number `json:"v"`
	Taker    skipped      `json:"V"`
	Trades   int64        `json:"n"`
	Closed   bool         `json:"x"`
}

// skipped is a value that is not read.
type skipped struct{}

// UnmarshalJSON does nothing.
func (*skipped) UnmarshalJSON([]byte) error { return nil }

// shutdown is the event that announces the end of a connection.
const shutdown = "serverShutdown"

// Decode reads a frame.
func (*Adapter) Decode(b []byte, out *venue.Batch) error {
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	switch {
	case f.Data != nil:
		return f.Data.read(out)
	case f.Error != nil:
		out.Refused = append(out.Refused, fmt.Sprintf("%s (%d)", f.Error.Msg, f.Error.Code))
	case f.Msg != "":
		out.Refused = append(out.Refused, fmt.Sprintf("%s (%d)", f.Msg, f.Code))
	case f.Type == shutdown:
		return (&event{Type: f.Type, Sent: f.Sent}).read(out)
	case f.ID == nil: // else a method that was obeyed
		out.Unknown++
	}
	return nil
}

// read adds what e says.
func (e *event) read(out *venue.Batch) error {
	if e.Sent > 0 {
		out.Sent = market.Time(e.Sent * 1000)
	}
	switch {
	case e.Type == shutdown:
		out.Leave = "the venue is about to shut this connection down"
	case e.Type == "trade":
		out.Trades = append(out.Trades, venue.Trade{Symbol: e.Symbol, ID: e.ID,
			Tick: market.Tick{Time: market.Time(e.Time * 1000), Price: float64(e.Price), Size: float64(e.Size), Seq: uint64(max(0, e.ID))}})
	case e.Type == "kline" && e.Bar != nil:
		k := e.Bar
		i, ok := named[k.Interval]
		if !ok {
			return fmt.Errorf("bars of %.20q are not known", k.Interval)
		}
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
	k := intervals[s.Interval.String()]
	if k == "" {
		return venue.Request{}, false
	}
	q := url.Values{"symbol": {s.Instrument.Symbol}, "interval": {k}, "limit": {strconv.Itoa(page)},
		"startTime": {ms(from)}, "endTime": {ms(max(from, to-1))}}
	return venue.Request{URL: a.rest + "?" + q.Encode(), Weight: 2}, true
}

func ms(t market.Time) string { return strconv.FormatInt(max(0, int64(t)/1000), 10) }

// perMinute is the weight that an address may use in a minute, as exchangeInfo says.
const perMinute = 6000

// Left says what of the weight of this minute is left. The last tenth is for others.
func (*Adapter) Left(h http.Header, now time.Time) (share float64, wait time.Duration, ok bool) {
	used, err := strconv.Atoi(h.Get("X-Mbx-Used-Weight-1m"))
	if err != nil || used < 0 {
		return 0, 0, false
	}
	share = max(0, 1-float64(used)/perMinute)
	if share < 0.1 {
		wait = now.Truncate(time.Minute).Add(time.Minute).Sub(now)
	}
	return share, wait, true
}

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
		err := fmt.Errorf("%s answers: %.200s (%d)", about.Title, refused.Msg, refused.Code)
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
