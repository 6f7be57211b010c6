// Package krakentest plays Kraken, for tests: the protocol of its documentation.
package krakentest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/market"
)

// New returns Kraken's side of a market in BTC/USD.
func New(m *venuetest.Market) venuetest.Speaker { return &exchange{m: m} }

// exchange is Kraken as its documentation describes it.
type exchange struct {
	m        *venuetest.Market
	interval int // minutes of the subscribed bars
	trades   bool
}

func stamp(t market.Time) string { return t.Std().Format("2006-01-02T15:04:05.000000000Z") }

// REST answers /0/public/OHLC: the newest 720 bars, the last of which is open, flat ones where
// nobody traded.
func (e *exchange) REST(w http.ResponseWriter, r *http.Request, now market.Time) {
	minutes, err := strconv.Atoi(r.URL.Query().Get("interval"))
	if err != nil || r.URL.Path != "/0/public/OHLC" || r.URL.Query().Get("pair") != "XBTUSD" {
		fmt.Fprint(w, `{"error":["EQuery:Unknown asset pair"]}`)
		return
	}
	i := market.MustInterval(fmt.Sprintf("%dm", minutes))
	since, _ := strconv.ParseInt(r.URL.Query().Get("since"), 10, 64)
	from := max(i.Floor(market.Time(since*1e6)+1), i.Floor(now.Add(-719*i.Duration())))
	rows := [][]any{}
	last := 100.0
	bars := e.m.Bars(i, from, now+1, now)
	for at := from; at <= now; at = i.End(at) {
		row := []any{int64(at) / 1e6, num(last), num(last), num(last), num(last), "0.0", "0.00000000", 0}
		for _, b := range bars {
			if b.Start == at {
				row = []any{int64(at) / 1e6, num(b.Open), num(b.High), num(b.Low), num(b.Close), num(b.Close), num(b.Volume), b.Trades}
				last = b.Close
			}
		}
		rows = append(rows, row)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"error": []string{}, "result": map[string]any{"XXBTZUSD": rows, "last": int64(now) / 1e6}})
}

func num(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// Greet implements venuetest.Speaker.
func (e *exchange) Greet(*http.Request) ([][]byte, error) {
	return [][]byte{[]byte(`{"channel":"status","type":"update","data":[{"system":"online","api_version":"v2","connection_id":1,"version":"2.0.0"}]}`)}, nil
}

// Heard implements venuetest.Speaker.
func (e *exchange) Heard(frame []byte, now market.Time) ([][]byte, bool) {
	var f struct {
		Method string
		Params struct {
			Channel  string
			Symbol   []string
			Interval int
			Snapshot bool
		}
		ReqID int `json:"req_id"`
	}
	if json.Unmarshal(frame, &f) != nil || f.Method != "subscribe" || len(f.Params.Symbol) != 1 || f.Params.Symbol[0] != "BTC/USD" {
		return [][]byte{[]byte(fmt.Sprintf(`{"method":"subscribe","success":false,"error":"Currency pair not supported","symbol":"?","time_in":%q,"time_out":%q}`, stamp(now), stamp(now)))}, false
	}
	e.interval, e.trades = f.Params.Interval, f.Params.Channel == "trade"
	out := [][]byte{[]byte(fmt.Sprintf(`{"method":"subscribe","result":{"channel":%q,"symbol":"BTC/USD","snapshot":%t},"success":true,"time_in":%q,"time_out":%q,"req_id":%d}`,
		f.Params.Channel, f.Params.Snapshot, stamp(now), stamp(now), f.ReqID))}
	if e.trades {
		return out, true
	}
	i := market.MustInterval(fmt.Sprintf("%dm", e.interval))
	return append(out, e.bars("snapshot", e.m.Bars(i, i.Floor(now.Add(-20*i.Duration())), now+1, now))), true
}

func (e *exchange) bars(kind string, bars []market.Bar) []byte {
	rows := []any{}
	for _, b := range bars {
		rows = append(rows, map[string]any{"symbol": "BTC/USD", "interval": e.interval, "interval_begin": stamp(b.Start), "open": b.Open, "high": b.High, "low": b.Low, "close": b.Close, "volume": b.Volume, "vwap": b.Close, "trades": b.Trades})
	}
	out, _ := json.Marshal(map[string]any{"channel": "ohlc", "type": kind, "data": rows})
	return out
}

// Traded implements venuetest.Speaker.
func (e *exchange) Traded(t venuetest.Trade, now market.Time) [][]byte {
	if e.trades {
		return [][]byte{[]byte(fmt.Sprintf(`{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":%v,"qty":%v,"ord_type":"limit","trade_id":%d,"timestamp":%q}]}`, t.Price, t.Size, t.ID, stamp(t.Time)))}
	}
	i := market.MustInterval(fmt.Sprintf("%dm", e.interval))
	bars := e.m.Bars(i, i.Floor(t.Time), t.Time+1, t.Time)
	return [][]byte{e.bars("update", bars)}
}

// Second implements venuetest.Speaker.
func (e *exchange) Second(market.Time) [][]byte { return [][]byte{[]byte(`{"channel":"heartbeat"}`)} }
