package binance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed/binance"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/market"
)

// exchange is Binance as its documentation describes it.
type exchange struct {
	m      *venuetest.Market
	stream string
	began  market.Time // start of the newest bar, of bars
	used   int         // weight, when not 0
	asked  int
}

func num(v float64) string { return strconv.FormatFloat(v, 'f', 8, 64) }

// REST answers /api/v3/klines; where nobody traded bars are flat.
func (e *exchange) REST(w http.ResponseWriter, r *http.Request, now market.Time) {
	q := r.URL.Query()
	e.asked++
	if e.used > 0 {
		w.Header().Set("X-MBX-USED-WEIGHT-1M", strconv.Itoa(e.used+2*e.asked))
	}
	i, err := market.ParseInterval(q.Get("interval"))
	limit, err2 := strconv.Atoi(q.Get("limit"))
	from, err3 := strconv.ParseInt(q.Get("startTime"), 10, 64)
	to, err4 := strconv.ParseInt(q.Get("endTime"), 10, 64)
	if r.URL.Path != "/api/v3/klines" || q.Get("symbol") != "BTCUSDT" || err != nil || err2 != nil || err3 != nil || err4 != nil || limit > 1000 {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"code":-1121,"msg":"Invalid symbol."}`)
		return
	}
	rows := [][]any{}
	last := 100.0
	known := map[market.Time]market.Bar{}
	for _, b := range e.m.Bars(i, market.Time(from*1000), market.Time(to*1000+1), now) {
		known[b.Start] = b
	}
	for at := i.Floor(market.Time(from*1000) + market.Time(i.Duration().Microseconds()) - 1); int64(at)/1000 <= to && at <= now && len(rows) < limit; at = i.End(at) {
		b, ok := known[at]
		if !ok {
			b = market.Bar{Open: last, High: last, Low: last, Close: last}
		}
		last = b.Close
		rows = append(rows, []any{int64(at) / 1000, num(b.Open), num(b.High), num(b.Low), num(b.Close), num(b.Volume), int64(i.End(at))/1000 - 1, "0", b.Trades, "0", "0", "0"})
	}
	_ = json.NewEncoder(w).Encode(rows)
}

func (e *exchange) Greet(r *http.Request) ([][]byte, error) {
	e.stream = r.URL.Query().Get("streams")
	if r.URL.Path != "/stream" || !strings.HasPrefix(e.stream, "btcusdt@") {
		return nil, fmt.Errorf("no stream %q of %s", e.stream, r.URL.Path)
	}
	return nil, nil
}

// Streaming reports that the address has subscribed.
func (e *exchange) Streaming() bool { return true }

// Heard refuses what the client may not say; the address has said what is wanted.
func (e *exchange) Heard([]byte, market.Time) ([][]byte, bool) {
	return [][]byte{[]byte(`{"code":2,"msg":"Invalid request"}`)}, true
}

func (e *exchange) Traded(t venuetest.Trade, now market.Time) [][]byte {
	if e.stream == "btcusdt@trade" {
		return [][]byte{fmt.Appendf(nil, `{"stream":%q,"data":{"e":"trade","E":%d,"s":"BTCUSDT","t":%d,"p":%q,"q":%q,"T":%d,"m":true,"M":true}}`, e.stream, int64(now)/1000, t.ID, num(t.Price), num(t.Size), int64(t.Time)/1000)}
	}
	i := e.interval()
	out := e.ended(i, i.Floor(t.Time), now)
	for _, b := range e.m.Bars(i, i.Floor(t.Time), t.Time+1, t.Time) {
		out = append(out, e.bar(i, b, false, now))
	}
	return out
}

func (e *exchange) interval() market.Interval {
	_, name, _ := strings.Cut(e.stream, "@kline_")
	return market.MustInterval(name)
}

// ended says once that the bar before the one that starts at start is closed.
func (e *exchange) ended(i market.Interval, start, now market.Time) [][]byte {
	if e.began == start {
		return nil
	}
	e.began = start
	var out [][]byte
	for _, b := range e.m.Bars(i, i.Floor(start-1), start, now) {
		out = append(out, e.bar(i, b, true, now))
	}
	return out
}

func (e *exchange) bar(i market.Interval, b market.Bar, closed bool, now market.Time) []byte {
	return fmt.Appendf(nil, `{"stream":%q,"data":{"e":"kline","E":%d,"s":"BTCUSDT","k":{"t":%d,"T":%d,"s":"BTCUSDT","i":%q,"f":100,"L":200,"o":%q,"c":%q,"h":%q,"l":%q,"v":%q,"n":%d,"x":%t,"q":"1.0","V":"500","Q":"0.5","B":"0"}}}`,
		e.stream, int64(now)/1000, int64(b.Start)/1000, int64(b.End)/1000-1, i, num(b.Open), num(b.Close), num(b.High), num(b.Low), num(b.Volume), b.Trades, closed)
}

// Second closes bars in time.
func (e *exchange) Second(now market.Time) [][]byte {
	if e.stream == "btcusdt@trade" {
		return nil
	}
	i := e.interval()
	return e.ended(i, i.Floor(now), now)
}

func kit(interval string) venuetest.Kit {
	return venuetest.Kit{New: func(s venue.Setup) venue.Adapter { return binance.New(s) }, Symbol: "BTC/USDT", Interval: market.MustInterval(interval),
		Speaker: func(m *venuetest.Market) venuetest.Speaker { return &exchange{m: m} }}
}

func TestBars(t *testing.T) { venuetest.Exercise(t, kit("1m")) }

func TestTrades(t *testing.T) {
	k := kit("10s")
	k.NoHistory = true
	venuetest.Exercise(t, k)
}

// History of more than one answer comes whole, and in as many requests as it takes.
func TestPages(t *testing.T) {
	k := kit("1m")
	k.Depth, k.Every = 2500, 20*time.Second
	var e *exchange
	k.Speaker = func(m *venuetest.Market) venuetest.Speaker { e = &exchange{m: m}; return e }
	venuetest.Watch(t, k, venuetest.Misdeed{}, 2*time.Minute, func(t *testing.T, w *venuetest.Watched) {
		now := w.At[0]
		for _, want := range e.m.Bars(market.Minute, now.Add(-2499*time.Minute), market.Minute.Floor(now), now) {
			if got := w.Bars[want.Start]; got != want {
				t.Fatalf("got %+v, want %+v", got, want)
			}
		}
		if w.Requests != 3 || w.Link.GapsLost > 0 || w.Err != nil {
			t.Errorf("%d requests, %+v, %v", w.Requests, w.Link, w.Err)
		}
	})
}

// When others behind the same address have used up its weight, the minute is waited for.
func TestWeight(t *testing.T) {
	k := kit("1m")
	k.Depth, k.Every = 2500, 20*time.Second
	var e *exchange
	k.Speaker = func(m *venuetest.Market) venuetest.Speaker { e = &exchange{m: m, used: 5500}; return e }
	venuetest.Watch(t, k, venuetest.Misdeed{}, 6*time.Minute, func(t *testing.T, w *venuetest.Watched) {
		var last market.Time
		headroom := 1.0
		for i, m := range w.Messages {
			if m.Link != nil {
				headroom = min(headroom, m.Link.Headroom)
			}
			if len(m.Bars) > 100 {
				if last > 0 && w.At[i] != market.Minute.Floor(w.At[i]) {
					t.Errorf("a page came at %s, within a minute whose weight is used up", w.At[i])
				}
				last = w.At[i]
			}
		}
		if w.Requests != 3 || last.Sub(w.At[0]) < time.Minute || w.Link.GapsLost > 0 || w.Err != nil || headroom > 0.1 {
			t.Errorf("%d requests, the last after %s, %+v, %v", w.Requests, last.Sub(w.At[0]), w.Link, w.Err)
		}
	})
	now := time.Date(2026, 1, 1, 0, 0, 45, 0, time.UTC)
	for _, c := range []struct {
		used  string
		share float64
		wait  time.Duration
		ok    bool
	}{{"", 0, 0, false}, {"x", 0, 0, false}, {"1500", 0.75, 0, true}, {"5700", 0.05, 15 * time.Second, true}, {"7000", 0, 15 * time.Second, true}} {
		h := http.Header{}
		h.Set("X-MBX-USED-WEIGHT-1M", c.used)
		share, wait, ok := binance.New(venue.Setup{}).Left(h, now)
		if math.Abs(share-c.share) > 1e-9 || wait != c.wait || ok != c.ok {
			t.Errorf("%q: %v %v %v", c.used, share, wait, ok)
		}
	}
}

// A venue that says that it shuts down is left for a new connection; no bar is lost.
func TestShutdown(t *testing.T) {
	for name, frame := range map[string]string{"in an envelope": wire[4], "without one": `{"e":"serverShutdown","E":946915200000}`} {
		t.Run(name, func(t *testing.T) {
			var m *venuetest.Market
			k := kit("1m")
			k.Speaker = func(of *venuetest.Market) venuetest.Speaker { m = of; return &exchange{m: of} }
			deed := venuetest.Misdeed{After: 100, Stream: func(n int, f [][]byte) [][]byte {
				if n == 100 {
					return append(f, []byte(frame))
				}
				return f
			}}
			venuetest.Watch(t, k, deed, 4*time.Minute, func(t *testing.T, w *venuetest.Watched) {
				if w.Link.Reconnects != 1 || !strings.Contains(w.Link.Reason, "shut this connection down") {
					t.Errorf("%+v", w.Link)
				}
				from := market.Minute.Floor(w.At[0])
				for _, want := range m.Bars(market.Minute, from, from.Add(3*time.Minute), market.MaxTime-1) {
					if got := w.Bars[want.Start]; got != want {
						t.Errorf("got %+v, want %+v", got, want)
					}
				}
			})
		})
	}
}

// Many series are named in the address and in at most four frames of what a frame may hold.
func TestConnect(t *testing.T) {
	a := binance.New(venue.Setup{})
	for _, c := range []struct{ series, frames int }{{1, 0}, {100, 0}, {101, 1}, {350, 3}, {500, 4}, {1024, 4}} {
		var list []market.Series
		for n := range c.series {
			i, err := a.Instrument(fmt.Sprintf("X%d/USDT", n))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, market.Series{Instrument: i, Interval: market.MustInterval([]string{"1m", "1mo", "1w", "10s"}[n%4])})
		}
		s, err := a.Connect(list)
		if err != nil || len(s.Hello) != c.frames || len(s.URL) > 4000 {
			t.Fatalf("%d series: %d frames, an address of %d bytes, %v", c.series, len(s.Hello), len(s.URL), err)
		}
		_, rest, _ := strings.Cut(s.URL, "wss://data-stream.binance.vision/stream?streams=")
		names := strings.Split(rest, "/")
		for n, h := range s.Hello {
			var f struct {
				Method string   `json:"method"`
				Params []string `json:"params"`
				ID     int      `json:"id"`
			}
			if err := json.Unmarshal(h, &f); err != nil || f.Method != "SUBSCRIBE" || f.ID != n+1 {
				t.Errorf("%s", h)
			}
			names = append(names, f.Params...)
		}
		for n, name := range names {
			if want := fmt.Sprintf("x%d", n) + []string{"usdt@kline_1m", "usdt@kline_1M", "usdt@kline_1w", "usdt@trade"}[n%4]; name != want {
				t.Fatalf("stream %d is %q, want %q", n, name, want)
			}
		}
		if len(names) != c.series {
			t.Errorf("%d streams of %d", len(names), c.series)
		}
	}
}

func TestDelivers(t *testing.T) {
	a := binance.New(venue.Setup{})
	for _, c := range []struct {
		interval string
		want     venue.Delivery
	}{{"1s", venue.Bars}, {"3m", venue.Bars}, {"60m", venue.Bars}, {"1d", venue.Bars}, {"1w", venue.Bars}, {"1mo", venue.Bars}, {"5s", venue.Trades}, {"10m", venue.Trades}, {"3h", venue.Trades}} {
		if got, err := a.Delivers(market.MustInterval(c.interval)); got != c.want || err != nil {
			t.Errorf("%s: %v, %v", c.interval, got, err)
		}
	}
	if _, err := a.Delivers(market.Interval{}); !errors.Is(err, venue.ErrSymbol) {
		t.Errorf("no interval: %v", err)
	}
}

// Binance names months 1M and minutes 1m.
func TestMonths(t *testing.T) {
	a := binance.New(venue.Setup{})
	i, err := a.Instrument("BTCUSDT")
	if err != nil {
		t.Fatal(err)
	}
	month := market.MustInterval("1mo")
	start := market.TimeOf(time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC))
	r, ok := a.Ask(market.Series{Instrument: i, Interval: month}, start, month.End(start), "")
	if want := "https://data-api.binance.vision/api/v3/klines?endTime=1709251199999&interval=1M&limit=1000&startTime=1706745600000&symbol=BTCUSDT"; !ok || r.URL != want || r.Weight != 2 {
		t.Errorf("%+v", r)
	}
	var b venue.Batch
	if err := a.Decode([]byte(strings.NewReplacer(`"i":"1m"`, `"i":"1M"`, "1672515780000", "1706745600000").Replace(wire[0])), &b); err != nil || len(b.Bars) != 1 || b.Bars[0].Bar.Start != start || b.Bars[0].Bar.End != month.End(start) {
		t.Errorf("%+v, %v", b.Bars, err)
	}
	if err := a.Decode([]byte(strings.Replace(wire[0], `"i":"1m"`, `"i":"3d"`, 1)), &b); err == nil {
		t.Error("bars of three days are taken")
	}
}

func TestInstrument(t *testing.T) {
	a := binance.New(venue.Setup{})
	for _, c := range []struct{ written, symbol, currency string }{{"BTCUSDT", "BTCUSDT", "USDT"}, {"BTC/USDT", "BTCUSDT", "USDT"}, {"btcusdt", "BTCUSDT", "USDT"}, {"eth-btc", "ETHBTC", "BTC"}, {"1000SATSTRY", "1000SATSTRY", "TRY"}, {"BTC/XYZ", "BTCXYZ", "XYZ"}, {"BTCXYZ", "BTCXYZ", ""}, {"BTC", "", ""}, {"BTC USDT", "", ""}, {"", "", ""}, {"BTC/US/DT", "", ""}, {"ÄÖUSDT", "", ""}} {
		i, err := a.Instrument(c.written)
		if i.Symbol != c.symbol || i.Currency != c.currency || (err != nil) != (c.symbol == "") || err != nil && !errors.Is(err, venue.ErrSymbol) {
			t.Errorf("%q: %+v, %v", c.written, i, err)
		}
	}
}

// wire are the messages of Binance's documentation.
var wire = []string{
	`{"stream":"bnbbtc@kline_1m","data":{"e":"kline","E":1672515782136,"s":"BNBBTC","k":{"t":1672515780000,"T":1672515839999,"s":"BNBBTC","i":"1m","f":100,"L":200,"o":"0.0010","c":"0.0020","h":"0.0025","l":"0.0015","v":"1000","n":100,"x":false,"q":"1.0","V":"500","Q":"0.5","B":"0"}}}`,
	`{"stream":"bnbbtc@trade","data":{"e":"trade","E":1672515782136,"s":"BNBBTC","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true,"M":true}}`,
	`{"result":null,"id":1}`, `{"code":2,"msg":"Invalid request"}`, `{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1672515782136}}`,
}

const klines = `[[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11",1499644799999,"2434.19",308,"1756.87","28.46","0"]]`

func TestDecode(t *testing.T) {
	a := binance.New(venue.Setup{})
	var b venue.Batch
	for _, w := range wire {
		if err := a.Decode([]byte(w), &b); err != nil {
			t.Fatal(err)
		}
	}
	start := market.Time(1672515780000000)
	want := market.Bar{Start: start, End: start + 60_000_000, Open: 0.001, High: 0.0025, Low: 0.0015, Close: 0.002, Volume: 1000, Trades: 100}
	if len(b.Bars) != 1 || b.Bars[0].Bar != want || b.Bars[0].Closed || b.Bars[0].Symbol != "BNBBTC" {
		t.Errorf("bars %+v", b.Bars)
	}
	if len(b.Trades) != 1 || b.Trades[0].ID != 12345 || b.Trades[0].Tick != (market.Tick{Time: 1672515782136000, Price: 0.001, Size: 100, Seq: 12345}) {
		t.Errorf("trades %+v", b.Trades)
	}
	// A bar that is closed, and one in which nobody traded.
	b = venue.Batch{}
	for _, w := range []string{strings.Replace(wire[0], `"x":false`, `"x":true`, 1), strings.NewReplacer(`"n":100`, `"n":0`, `"v":"1000"`, `"v":"0"`, `"x":false`, `"x":true`).Replace(wire[0])} {
		if err := a.Decode([]byte(w), &b); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.Bars) != 1 || b.Bars[0].Bar != want || !b.Bars[0].Closed {
		t.Errorf("bars %+v", b.Bars)
	}
}

func TestDecodeOthers(t *testing.T) {
	a := binance.New(venue.Setup{})
	var b venue.Batch
	for _, w := range append(wire, `{"error":{"code":2,"msg":"Invalid request: unknown method"},"id":3}`, `{"stream":"x@novelty","data":{"e":"novelty","E":1672515782136}}`, `{}`) {
		if err := a.Decode([]byte(w), &b); err != nil {
			t.Fatal(err)
		}
	}
	if b.Sent != 1672515782136000 || len(b.Refused) != 2 || b.Refused[1] != "Invalid request: unknown method (2)" || b.Leave == "" || b.Unknown != 2 {
		t.Errorf("%+v", b)
	}
}

func TestRead(t *testing.T) {
	a := binance.New(venue.Setup{})
	i, err := a.Instrument("eth/btc")
	if err != nil || i.Symbol != "ETHBTC" || i.Currency != "BTC" {
		t.Fatal(i, err)
	}
	p, err := a.Read(market.Series{Instrument: i, Interval: market.Day}, []byte(klines))
	start := market.Time(1499040000000000)
	if want := (market.Bar{Start: start, End: market.Day.End(start), Open: 0.0163479, High: 0.8, Low: 0.015758, Close: 0.015771, Volume: 148976.11, Trades: 308}); err != nil || len(p.Bars) != 1 || p.Bars[0] != want {
		t.Errorf("%+v, %v", p, err)
	}
	venuetest.Refused(t, a, "XX/USDT", market.Minute, `{"code":-1121,"msg":"Invalid symbol."}`, "Invalid symbol", true)
	venuetest.Refused(t, a, "BTCUSDT", market.Minute, `{"code":-1003,"msg":"Too many requests."}`, "Too many requests", false)
	if _, err := a.Instrument("BTC USDT!"); err == nil {
		t.Error("a symbol with a blank is taken")
	}
}

func FuzzDecode(f *testing.F) { venuetest.FuzzDecode(f, binance.New(venue.Setup{}), wire...) }

func FuzzRead(f *testing.F) {
	venuetest.FuzzRead(f, binance.New(venue.Setup{}), "BTCUSDT", market.Minute, klines, `{"code":-1121,"msg":"Invalid symbol."}`)
}

// BenchmarkDecode is one message to what it says.
func BenchmarkDecode(b *testing.B) {
	a := binance.New(venue.Setup{})
	for k, name := range []string{"bar", "trade"} {
		b.Run(name, func(b *testing.B) {
			var out venue.Batch
			b.ReportAllocs()
			for b.Loop() {
				out.Trades, out.Bars = out.Trades[:0], out.Bars[:0]
				if err := a.Decode([]byte(wire[k]), &out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
