package finnhub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/feedtest"
	"github.com/foretick/foretick/internal/feed/finnhub"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/market"
)

var keys = map[string]string{"FINNHUB_KEY": "hunter2hunter2"}

// exchange is Finnhub as its documentation describes it.
type exchange struct{ m *venuetest.Market }

func (e *exchange) REST(w http.ResponseWriter, r *http.Request, now market.Time) {
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprint(w, `{"error":"You don't have access to this resource."}`)
}

func (e *exchange) Greet(r *http.Request) ([][]byte, error) {
	if r.URL.Query().Get("token") != keys["FINNHUB_KEY"] {
		return nil, errors.New("Invalid API key")
	}
	return nil, nil
}

func (e *exchange) Heard(frame []byte, now market.Time) ([][]byte, bool) {
	var f struct{ Type, Symbol string }
	if json.Unmarshal(frame, &f) != nil || f.Type != "subscribe" || f.Symbol != "AMZN" {
		return [][]byte{[]byte(`{"type":"error","msg":"Invalid symbol"}`)}, false
	}
	return nil, true
}

func (e *exchange) Traded(t venuetest.Trade, now market.Time) [][]byte {
	return [][]byte{fmt.Appendf(nil, `{"type":"trade","data":[{"s":"AMZN","p":%v,"t":%d,"v":%v,"c":null}]}`, t.Price, int64(t.Time)/1000, t.Size)}
}

func (e *exchange) Second(now market.Time) [][]byte {
	if int64(now)/1e6%10 == 0 {
		return [][]byte{[]byte(`{"type":"ping"}`)}
	}
	return nil
}

func TestTrades(t *testing.T) {
	venuetest.Exercise(t, venuetest.Kit{New: func(s venue.Setup) venue.Adapter { return finnhub.New(s) }, Keys: keys, Symbol: "amzn", Interval: market.MustInterval("10s"),
		NoHistory: true, Unnumbered: true, Silent: true, Speaker: func(m *venuetest.Market) venuetest.Speaker { return &exchange{m} }})
}

// wire are the messages of Finnhub's documentation.
var wire = []string{
	`{"type":"trade","data":[{"s":"TSLA","p":122.1,"t":1672348887195,"v":1,"c":["1","8","24","12"]},{"s":"BINANCE:BTCUSDT","p":7296.89,"t":1575526691134,"v":0.011467,"c":null}]}`,
	`{"type":"ping"}`, `{"type":"error","msg":"Invalid symbol"}`,
}

func TestDecode(t *testing.T) {
	a := finnhub.New(venue.Setup{})
	var b venue.Batch
	for _, w := range wire {
		if err := a.Decode([]byte(w), &b); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.Trades) != 2 || b.Trades[0].Symbol != "TSLA" || b.Trades[1].Tick != (market.Tick{Time: 1575526691134000, Price: 7296.89, Size: 0.011467}) || len(b.Refused) != 1 || b.Unknown != 0 || b.Fatal != "" {
		t.Errorf("%+v", b)
	}
	if err := a.Decode([]byte(`{"type":"error","msg":"Invalid API key"}`), &b); err != nil || b.Fatal == "" {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestInstrument(t *testing.T) {
	a := finnhub.New(venue.Setup{})
	for symbol, want := range map[string]string{"amzn": "us-equities", "OANDA:EUR_USD": "fx-week", "binance:btcusdt": "24x7", "BRK.B": "us-equities"} {
		if i, err := a.Instrument(symbol); err != nil || i.Calendar != want || i.Symbol != strings.ToUpper(symbol) {
			t.Errorf("%s: %+v, %v", symbol, i, err)
		}
	}
	for _, symbol := range []string{"", "A B", "BTC/USD", "X:"} {
		if _, err := a.Instrument(symbol); !errors.Is(err, venue.ErrSymbol) {
			t.Errorf("%q: %v", symbol, err)
		}
	}
}

// A market that is closed may be silent: the connection stands.
func TestSilenceWhenClosed(t *testing.T) {
	k := venuetest.Kit{New: func(s venue.Setup) venue.Adapter { return finnhub.New(s) }, Keys: keys, Symbol: "AMZN", Interval: market.Minute, NoHistory: true,
		Begin: time.Date(2000, 1, 8, 12, 0, 0, 0, time.UTC), Speaker: func(m *venuetest.Market) venuetest.Speaker { return &exchange{m} }}
	venuetest.Watch(t, k, venuetest.Misdeed{Stall: true}, 10*time.Minute, func(t *testing.T, w *venuetest.Watched) {
		if w.Link.Reconnects != 0 || w.Err != nil {
			t.Errorf("on a Saturday: %+v, %v", w.Link, w.Err)
		}
	})
}

func TestWithoutKey(t *testing.T) {
	src, err := venue.New(finnhub.New(venue.Setup{}), []market.Series{{Instrument: market.Instrument{Symbol: "AMZN"}, Interval: market.Minute}}, venue.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan feed.Message, 10)
	if err := src.Run(t.Context(), feedtest.Nothing, out); !errors.Is(err, feed.ErrFinal) || !strings.Contains(err.Error(), "set FINNHUB_KEY") {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) { venuetest.FuzzDecode(f, finnhub.New(venue.Setup{}), wire...) }

// BenchmarkDecode is one message to what it says.
func BenchmarkDecode(b *testing.B) {
	a := finnhub.New(venue.Setup{})
	var out venue.Batch
	b.ReportAllocs()
	for b.Loop() {
		out.Trades = out.Trades[:0]
		if err := a.Decode([]byte(wire[0]), &out); err != nil {
			b.Fatal(err)
		}
	}
}
