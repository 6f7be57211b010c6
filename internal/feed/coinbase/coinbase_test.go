package coinbase_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed/coinbase"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/market"
)

// exchange is Coinbase Exchange as its documentation describes it.
type exchange struct {
	m    *venuetest.Market
	last int64 // number of the newest trade
}

// REST answers /products/BTC-USD/candles: newest first, time, low, high, open, close, volume.
func (e *exchange) REST(w http.ResponseWriter, r *http.Request, now market.Time) {
	q := r.URL.Query()
	g, err := strconv.Atoi(q.Get("granularity"))
	from, err2 := market.ParseTime(q.Get("start"))
	to, err3 := market.ParseTime(q.Get("end"))
	refuse := func(code int, text string) {
		w.WriteHeader(code)
		fmt.Fprintf(w, `{"message":%q}`, text)
	}
	switch {
	case r.URL.Path != "/products/BTC-USD/candles":
		refuse(404, "NotFound")
		return
	case err != nil || err2 != nil || err3 != nil || !slices.Contains([]int{60, 300, 900, 3600, 21600, 86400}, g):
		refuse(400, "Unsupported granularity")
		return
	case to.Sub(from) > time.Duration(g)*299*time.Second:
		refuse(400, "granularity too small for the requested time range. Count of aggregations requested exceeds 300")
		return
	}
	i := market.MustInterval(fmt.Sprintf("%ds", g))
	rows := [][]any{}
	for _, b := range e.m.Bars(i, i.Floor(from-1), to+1, now) { // one from before start, as it happens
		rows = append(rows, []any{int64(b.Start) / 1e6, b.Low, b.High, b.Open, b.Close, b.Volume})
	}
	slices.Reverse(rows)
	_ = json.NewEncoder(w).Encode(rows)
}

func (e *exchange) Greet(*http.Request) ([][]byte, error) { return nil, nil }

func (e *exchange) Heard(frame []byte, now market.Time) ([][]byte, bool) {
	var f struct {
		Type     string   `json:"type"`
		Products []string `json:"product_ids"`
		Channels []string `json:"channels"`
	}
	if json.Unmarshal(frame, &f) != nil || f.Type != "subscribe" || !slices.Equal(f.Products, []string{"BTC-USD"}) || !slices.Contains(f.Channels, "matches") || !slices.Contains(f.Channels, "heartbeat") {
		return [][]byte{[]byte(`{"type":"error","message":"Failed to subscribe","reason":"no such product"}`)}, false
	}
	out := [][]byte{[]byte(`{"type":"subscriptions","channels":[{"name":"heartbeat","product_ids":["BTC-USD"]},{"name":"matches","product_ids":["BTC-USD"]}]}`)}
	past := e.m.Between(now.Add(-10*time.Second), now)
	if n := len(past); n > 0 {
		e.last = past[n-1].ID
		out = append(out, match("last_match", past[n-1]))
	}
	return out, true
}

func match(kind string, t venuetest.Trade) []byte {
	return fmt.Appendf(nil, `{"type":%q,"trade_id":%d,"maker_order_id":"a","taker_order_id":"b","side":"sell","size":"%v","price":"%v","product_id":"BTC-USD","sequence":%d,"time":%q}`,
		kind, t.ID, t.Size, t.Price, t.ID*3, t.Time.Std().Format(time.RFC3339Nano))
}

func (e *exchange) Traded(t venuetest.Trade, now market.Time) [][]byte {
	e.last = t.ID
	return [][]byte{match("match", t)}
}

func (e *exchange) Second(now market.Time) [][]byte {
	return [][]byte{fmt.Appendf(nil, `{"type":"heartbeat","sequence":90,"last_trade_id":%d,"product_id":"BTC-USD","time":%q}`, e.last, now.Std().Format(time.RFC3339Nano))}
}

func kit(interval string) venuetest.Kit {
	return venuetest.Kit{New: func(s venue.Setup) venue.Adapter { return coinbase.New(s) }, Symbol: "BTC/USD", Interval: market.MustInterval(interval), Counted: true,
		Speaker: func(m *venuetest.Market) venuetest.Speaker { return &exchange{m: m} }}
}

func TestTrades(t *testing.T) { venuetest.Exercise(t, kit("1m")) }

func TestTradesWithoutHistory(t *testing.T) {
	k := kit("10s")
	k.NoHistory = true
	venuetest.Exercise(t, k)
}

// History of more than one answer comes whole, and in as many requests as it takes.
func TestPages(t *testing.T) {
	k := kit("1m")
	k.Depth, k.Every = 700, 20*time.Second
	var m *venuetest.Market
	k.Speaker = func(of *venuetest.Market) venuetest.Speaker { m = of; return &exchange{m: of} }
	venuetest.Watch(t, k, venuetest.Misdeed{}, 2*time.Minute, func(t *testing.T, w *venuetest.Watched) {
		now := w.At[0]
		for _, want := range m.Bars(market.Minute, now.Add(-699*time.Minute), market.Minute.Floor(now), now) {
			if want.Trades = 0; w.Bars[want.Start] != want {
				t.Fatalf("got %+v, want %+v", w.Bars[want.Start], want)
			}
		}
		// Three pages of history, and the minute that was joined in its middle.
		if w.Requests != 4 || w.Link.GapsLost > 0 || w.Err != nil {
			t.Errorf("%d requests, %+v, %v", w.Requests, w.Link, w.Err)
		}
	})
}

// A product is asked for by itself, so that one that is refused takes no other along, as long as
// messages stay below what Coinbase takes in a second.
func TestConnect(t *testing.T) {
	a := coinbase.New(venue.Setup{})
	for _, c := range []struct{ series, frames int }{{1, 1}, {80, 80}, {81, 41}, {500, 72}} {
		var list []market.Series
		for n := range c.series {
			i, err := a.Instrument(fmt.Sprintf("X%d/USD", n))
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, market.Series{Instrument: i, Interval: market.Minute})
		}
		s, err := a.Connect(list)
		if err != nil || s.URL != "wss://ws-feed.exchange.coinbase.com" || len(s.Hello) != c.frames {
			t.Fatalf("%d series: %d frames to %s, %v", c.series, len(s.Hello), s.URL, err)
		}
		n := 0
		for _, h := range s.Hello {
			var f struct {
				Type     string   `json:"type"`
				Products []string `json:"product_ids"`
				Channels []string `json:"channels"`
			}
			if err := json.Unmarshal(h, &f); err != nil || f.Type != "subscribe" || !slices.Equal(f.Channels, []string{"heartbeat", "matches"}) {
				t.Fatalf("%s", h)
			}
			for _, p := range f.Products {
				if p != fmt.Sprintf("X%d-USD", n) {
					t.Fatalf("product %d is %s", n, p)
				}
				n++
			}
		}
		if n != c.series {
			t.Errorf("%d products of %d", n, c.series)
		}
	}
}

func TestAsk(t *testing.T) {
	a := coinbase.New(venue.Setup{Endpoint: "http://127.0.0.1:9"})
	i, err := a.Instrument("BTC/USD")
	if err != nil {
		t.Fatal(err)
	}
	day := market.TimeOf(time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC))
	const candles = "http://127.0.0.1:9/products/BTC-USD/candles?"
	for _, c := range []struct {
		interval string
		from, to market.Time
		want     string // "" when there are no such bars
	}{
		{"1m", day, day.Add(time.Hour), candles + "end=2024-03-01T01%3A00%3A00Z&granularity=60&start=2024-03-01T00%3A00%3A00Z"},
		{"1m", day, day.Add(24 * time.Hour), candles + "end=2024-03-01T04%3A59%3A00Z&granularity=60&start=2024-03-01T00%3A00%3A00Z"},
		{"6h", day.Add(time.Hour), day.Add(2 * time.Hour), candles + "end=2024-03-01T02%3A00%3A00Z&granularity=21600&start=2024-03-01T00%3A00%3A00Z"},
		{"1d", market.MinTime, 0, candles + "end=1970-01-01T00%3A00%3A00Z&granularity=86400&start=1970-01-01T00%3A00%3A00Z"},
		{"10s", day, day.Add(time.Hour), ""},
		{"30m", day, day.Add(time.Hour), ""},
	} {
		r, ok := a.Ask(market.Series{Instrument: i, Interval: market.MustInterval(c.interval)}, c.from, c.to, "")
		if r.URL != c.want || ok != (c.want != "") {
			t.Errorf("%s: %s %t", c.interval, r.URL, ok)
		}
	}
}

func TestDelivers(t *testing.T) {
	a := coinbase.New(venue.Setup{})
	for _, c := range []struct {
		interval string
		ok       bool
	}{{"1s", true}, {"1m", true}, {"30m", true}, {"1d", true}, {"1w", false}, {"1mo", false}} {
		d, err := a.Delivers(market.MustInterval(c.interval))
		if (err == nil) != c.ok || c.ok && d != venue.Trades || err != nil && !errors.Is(err, venue.ErrSymbol) {
			t.Errorf("%s: %v, %v", c.interval, d, err)
		}
	}
}

func TestInstrument(t *testing.T) {
	a := coinbase.New(venue.Setup{})
	for _, c := range []struct{ written, symbol, currency string }{{"BTC-USD", "BTC-USD", "USD"}, {"BTC/USD", "BTC-USD", "USD"}, {"eth-eur", "ETH-EUR", "EUR"}, {"00-USD", "00-USD", "USD"}, {"BTCUSD", "", ""}, {"BTC-USD-X", "", ""}, {"", "", ""}, {"BTC USD", "", ""}} {
		i, err := a.Instrument(c.written)
		if i.Symbol != c.symbol || i.Currency != c.currency || (err != nil) != (c.symbol == "") || err != nil && !errors.Is(err, venue.ErrSymbol) {
			t.Errorf("%q: %+v, %v", c.written, i, err)
		}
	}
}

// wire are the messages of Coinbase's documentation.
var wire = []string{
	`{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}`,
	`{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"BTC-USD","time":"2014-11-07T08:19:28.464459Z"}`,
	`{"type":"last_match","trade_id":1081862674,"maker_order_id":"..","taker_order_id":"..","side":"sell","size":"0.1","price":"80691.53","product_id":"BTC-USD","sequence":134905859981,"time":"2026-08-25T03:35:57.096368Z"}`,
	`{"type":"match","trade_id":1081862675,"maker_order_id":"..","taker_order_id":"..","side":"sell","size":"0.1","price":"80691.53","product_id":"BTC-USD","sequence":134905860111,"time":"2026-08-25T03:35:57.198335Z"}`,
	`{"type":"ticker","sequence":37475248783,"product_id":"ETH-USD","price":"1285.22"}`,
	`{"type":"error","message":"Failed to subscribe","reason":"X-Y is not a valid product"}`,
}

const candles = `[[1415398828,0.33,4.1,0.4,4.0,2.5],[1415398768,0.32,4.2,0.35,4.2,12.3]]`

func TestDecode(t *testing.T) {
	a := coinbase.New(venue.Setup{})
	var b venue.Batch
	for _, w := range wire {
		if err := a.Decode([]byte(w), &b); err != nil {
			t.Fatal(err)
		}
	}
	at := market.TimeOf(time.Date(2026, 8, 25, 3, 35, 57, 198335000, time.UTC))
	if len(b.Trades) != 2 || !b.Trades[0].Past || b.Trades[1].Past || b.Trades[1].ID != 1081862675 || b.Trades[1].Tick != (market.Tick{Time: at, Price: 80691.53, Size: 0.1, Seq: 1081862675}) {
		t.Errorf("trades %+v", b.Trades)
	}
	if len(b.Newest) != 1 || b.Newest[0].ID != 20 || len(b.Refused) != 1 || b.Refused[0] != "Failed to subscribe: X-Y is not a valid product" || b.Unknown != 1 || len(b.Subscribed) != 1 || b.Sent != at {
		t.Errorf("%+v", b)
	}
}

func TestRead(t *testing.T) {
	a := coinbase.New(venue.Setup{})
	i, err := a.Instrument("eth-eur")
	if err != nil || i.Symbol != "ETH-EUR" || i.Currency != "EUR" {
		t.Fatal(i, err)
	}
	p, err := a.Read(market.Series{Instrument: i, Interval: market.Minute}, []byte(candles))
	start := market.Time(1415398768000000)
	if want := (market.Bar{Start: start, End: market.Minute.End(start), Open: 0.35, High: 4.2, Low: 0.32, Close: 4.2, Volume: 12.3}); err != nil || len(p.Bars) != 2 || p.Bars[0] != want {
		t.Errorf("%+v, %v", p, err)
	}
	venuetest.Refused(t, a, "BTC-USD", market.Minute, `{"message":"NotFound"}`, "NotFound", true)
	venuetest.Refused(t, a, "BTC-USD", market.Minute, `{"message":"Public rate limit exceeded"}`, "rate limit", false)
	if _, err := a.Instrument("BTCUSD"); err == nil {
		t.Error("a symbol without a hyphen is taken")
	}
}

func FuzzDecode(f *testing.F) { venuetest.FuzzDecode(f, coinbase.New(venue.Setup{}), wire...) }

func FuzzRead(f *testing.F) {
	venuetest.FuzzRead(f, coinbase.New(venue.Setup{}), "BTC-USD", market.Minute, candles, `{"message":"NotFound"}`)
}

// BenchmarkDecode is one message to what it says.
func BenchmarkDecode(b *testing.B) {
	a := coinbase.New(venue.Setup{})
	var out venue.Batch
	b.ReportAllocs()
	for b.Loop() {
		out.Trades = out.Trades[:0]
		if err := a.Decode([]byte(wire[3]), &out); err != nil {
			b.Fatal(err)
		}
	}
}
