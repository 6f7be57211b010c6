// Package kraken follows Kraken's spot markets: bars or trades over WebSocket v2, history over
// REST, no key.
//
// Source: docs.kraken.com, websocket-v2 (ohlc, trade, heartbeat), guides/websockets
// (introduction, reconnection), and REST get-ohlc-data.
//
// The stream of bars says nothing when nobody trades, and never that a bar is closed: a bar is
// final when a later one begins, or two seconds after its end. REST gives flat bars without a
// trade for such times; they are left out, so that both say the same.
package kraken

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
	Name: "kraken", Title: "Kraken", Stream: "wss://ws.kraken.com/v2", REST: "https://api.kraken.com/0/public/OHLC",
	Live:    "bars of 1m 5m 15m 30m 1h 4h 1d, trades for other intervals",
	History: "the newest 720 bars of those intervals, no more",
	Limits:  "about one REST request a second; the stream's rate is dynamic",
	Caution: "free public data; see Kraken's terms before passing it on",
	Example: "BTC/USD",
	Silence: 5 * time.Second, Rate: 1, Burst: 3, Settle: 3 * time.Second, Every: 5 * time.Second, Sequential: true,
}

// minutes are the intervals of Kraken's bars.
var minutes = map[string]int{"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "1d": 1440}

// Adapter speaks to Kraken.
type Adapter struct{ rest, stream string }

// New returns the adapter.
func New(s venue.Setup) *Adapter {
	rest, stream := s.Addresses(about.REST, about.Stream)
	return &Adapter{rest, stream}
}

// About describes the venue.
func (*Adapter) About() *venue.About { return &about }

var symbols = regexp.MustCompile(`^[A-Z0-9.]{1,12}/[A-Z0-9]{2,6}$`)

// Instrument completes what is known of a symbol such as BTC/USD. XBT is read as BTC.
func (*Adapter) Instrument(symbol string) (market.Instrument, error) {
	s := strings.ToUpper(symbol)
	if rest, ok := strings.CutPrefix(s, "XBT/"); ok {
		s = "BTC/" + rest
	}
	if !symbols.MatchString(s) {
		return market.Instrument{}, fmt.Errorf("%w: Kraken writes symbols as BTC/USD, not %.40q", venue.ErrSymbol, symbol)
	}
	base, quote, _ := strings.Cut(s, "/")
	scale := 5
	if base == "BTC" || base == "ETH" {
		scale = 2
	}
	return market.Instrument{Symbol: s, Venue: about.Name, Class: market.Crypto, Currency: quote, PriceScale: scale, Calendar: market.Always.Name()}, nil
}

// Delivers says how bars of an interval come about.
func (*Adapter) Delivers(i market.Interval) (venue.Delivery, error) {
	if minutes[i.String()] > 0 {
		return venue.Bars, nil
	}
	if i.Duration() > 24*time.Hour {
		return 0, fmt.Errorf("%w: Kraken's bars are of 1m 5m 15m 30m 1h 4h 1d, not %s", venue.ErrSymbol, i)
	}
	return venue.Trades, nil
}

// Connect subscribes to bars, an interval at a time, and to trades.
func (a *Adapter) Connect(list []market.Series) (venue.Stream, error) {
	type params struct {
		Channel  string   `json:"channel"`
		Symbol   []string `json:"symbol"`
		Interval int      `json:"interval,omitempty"`
		Snapshot bool     `json:"snapshot"`
	}
	var asked []params
	for _, s := range list {
		p := params{Channel: "ohlc", Interval: minutes[s.Interval.String()], Snapshot: true}
		if p.Interval == 0 {
			p.Channel, p.Snapshot = "trade", false
		}
		k := len(asked)
		for i := range asked {
			if asked[i].Channel == p.Channel && asked[i].Interval == p.Interval {
				k = i
			}
		}
		if k == len(asked) {
			asked = append(asked, p)
		}
		asked[k].Symbol = append(asked[k].Symbol, s.Instrument.Symbol)
	}
	out := venue.Stream{URL: a.stream}
	for i, p := range asked {
		b, err := json.Marshal(map[string]any{"method": "subscribe", "params": p, "req_id": i + 1})
		if err != nil {
			return out, err
		}
		out.Hello = append(out.Hello, b)
	}
	return out, nil
}

// frame is any message of the stream.
type frame struct {
	Channel string          `json:"channel"`
	Type    string          `json:"type"`
	Method  string          `json:"method"`
	Success *bool           `json:"success"`
	Error   string          `json:"error"`
	Symbol  string          `json:"symbol"`
	TimeOut string          `json:"time_out"`
	Result  json.RawMessage `json:"result"`
	Data    json.RawMessage `json:"data"`
}

type ohlc struct {
	Symbol   string       `json:"symbol"`
	Interval int          `json:"interval"`
	Begin    market.Time  `json:"interval_begin"`
	Open     venue.Number `json:"open"`
	High     venue.Number `json:"high"`
	Low      venue.Number `json:"low"`
	Close    venue.Number `json:"close"`
	Volume   venue.Number `json:"volume"`
	Trades   int64        `json:"trades"`
}

type trade struct {
	Symbol string       `json:"symbol"`
	Price  venue.Number `json:"price"`
	Qty    venue.Number `json:"qty"`
	ID     int64        `json:"trade_id"`
	Time   market.Time  `json:"timestamp"`
}

// Decode reads a frame.
func (*Adapter) Decode(b []byte, out *venue.Batch) error {
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	switch {
	case f.Method != "":
		acknowledge(&f, out)
		return nil
	case f.Channel == "ohlc":
		var rows []ohlc
		if err := json.Unmarshal(f.Data, &rows); err != nil {
			return err
		}
		for _, r := range rows {
			if r.Trades == 0 && r.Volume == 0 {
				continue // nobody traded
			}
			end := r.Begin.Add(time.Duration(r.Interval) * time.Minute)
			out.Bars = append(out.Bars, venue.BarUpdate{Symbol: r.Symbol, Bar: market.Bar{Start: r.Begin, End: end,
				Open: float64(r.Open), High: float64(r.High), Low: float64(r.Low), Close: float64(r.Close), Volume: float64(r.Volume), Trades: r.Trades}})
		}
	case f.Channel == "trade":
		var rows []trade
		if err := json.Unmarshal(f.Data, &rows); err != nil {
			return err
		}
		for _, r := range rows {
			out.Trades = append(out.Trades, venue.Trade{Symbol: r.Symbol, ID: r.ID, Past: f.Type == "snapshot",
				Tick: market.Tick{Time: r.Time, Price: float64(r.Price), Size: float64(r.Qty), Seq: uint64(max(0, r.ID))}})
		}
	case f.Channel == "heartbeat", f.Channel == "status":
	default:
		out.Unknown++
	}
	return nil
}

// acknowledge reads the answer to a method.
func acknowledge(f *frame, out *venue.Batch) {
	if t, err := market.ParseTime(f.TimeOut); err == nil {
		out.Sent = t
	}
	if f.Success != nil && !*f.Success {
		why := f.Error
		if f.Symbol != "" {
			why = f.Symbol + ": " + why
		}
		out.Refused = append(out.Refused, why)
		return
	}
	var result struct {
		Symbol string `json:"symbol"`
	}
	if f.Method == "subscribe" && json.Unmarshal(f.Result, &result) == nil && result.Symbol != "" {
		out.Subscribed = append(out.Subscribed, result.Symbol)
	}
}

// Ask asks for bars. Kraken gives the newest 720, whatever since says.
func (a *Adapter) Ask(s market.Series, from, _ market.Time, _ string) (venue.Request, bool) {
	m := minutes[s.Interval.String()]
	if m == 0 {
		return venue.Request{}, false
	}
	pair := strings.ReplaceAll(s.Instrument.Symbol, "/", "")
	for _, alias := range [][2]string{{"BTC", "XBT"}, {"DOGE", "XDG"}} {
		if rest, ok := strings.CutPrefix(pair, alias[0]); ok {
			pair = alias[1] + rest
		}
	}
	q := url.Values{"pair": {pair}, "interval": {strconv.Itoa(m)}}
	if since := from.Std().Unix() - 1; since > 0 {
		q.Set("since", strconv.FormatInt(since, 10))
	}
	return venue.Request{URL: a.rest + "?" + q.Encode()}, true
}

// depth is how many bars Kraken keeps.
const depth = 720

// Read reads bars: arrays of time, open, high, low, close, vwap, volume, count.
func (*Adapter) Read(s market.Series, body []byte) (venue.Page, error) {
	var in struct {
		Error  []string                   `json:"error"`
		Result map[string]json.RawMessage `json:"result"`
	}
	if err := venue.ReadJSON(body, &in); err != nil {
		return venue.Page{}, err
	}
	if len(in.Error) > 0 {
		err := fmt.Errorf("%s answers: %.200s", about.Title, strings.Join(in.Error, ", "))
		if strings.HasPrefix(in.Error[0], "EQuery:") {
			err = fmt.Errorf("%w: %w", venue.ErrFinal, err)
		}
		return venue.Page{}, err
	}
	var page venue.Page
	for name, raw := range in.Result {
		if name == "last" {
			continue
		}
		var rows [][]venue.Number
		if err := venue.ReadJSON(raw, &rows); err != nil {
			return page, err
		}
		for _, r := range rows {
			if len(r) < 8 {
				page.Rejects = append(page.Rejects, venue.Refusal{Symbol: s.Instrument.Symbol, Raw: fmt.Sprint(r), Reason: "a bar of Kraken has 8 columns"})
				continue
			}
			if r[7] == 0 && r[6] == 0 {
				continue // nobody traded
			}
			start := market.Time(int64(r[0]) * 1_000_000)
			page.Bars = append(page.Bars, market.Bar{Start: start, End: s.Interval.End(start), Open: float64(r[1]), High: float64(r[2]), Low: float64(r[3]), Close: float64(r[4]), Volume: float64(r[6]), Trades: int64(r[7])})
		}
		if len(rows) >= depth && len(rows[0]) > 0 {
			page.Oldest = market.Time(int64(rows[0][0]) * 1_000_000)
		}
	}
	return page, nil
}
