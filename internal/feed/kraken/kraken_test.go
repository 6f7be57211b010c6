package kraken_test

import (
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed/kraken"
	"github.com/foretick/foretick/internal/feed/kraken/krakentest"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/market"
)

func kit(interval string) venuetest.Kit {
	return venuetest.Kit{New: func(s venue.Setup) venue.Adapter { return kraken.New(s) }, Symbol: "BTC/USD", Interval: market.MustInterval(interval),
		Speaker: krakentest.New}
}

func TestBars(t *testing.T) { venuetest.Exercise(t, kit("1m")) }

func TestTrades(t *testing.T) {
	k := kit("10s")
	k.NoHistory = true
	venuetest.Exercise(t, k)
}

func TestStartStopRecording(t *testing.T) { venuetest.StartStopRecording(t, kit("1m")) }

// wire are the messages of Kraken's documentation.
var wire = []string{
	`{"method":"subscribe","result":{"channel":"ohlc","symbol":"BTC/USD","snapshot":true},"success":true,"time_in":"2023-10-04T16:25:01.000000Z","time_out":"2023-10-04T16:25:01.100000Z","req_id":1}`,
	`{"channel":"ohlc","type":"update","data":[{"symbol":"BTC/USD","interval":1,"interval_begin":"2023-10-04T16:25:00.000000000Z","open":106038.2,"high":106044.3,"low":106038.1,"close":106040.1,"volume":30.9,"vwap":106039.6,"trades":12}]}`,
	`{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"buy","price":105944.20,"qty":0.00027625,"ord_type":"limit","trade_id":10218208,"timestamp":"2023-10-06T17:35:55.440295Z"}]}`,
	`{"channel":"heartbeat"}`, `{"method":"pong","req_id":42,"time_in":"2023-10-04T16:25:01Z","time_out":"2023-10-04T16:25:01Z"}`,
	`{"channel":"status","type":"update","data":[{"system":"online"}]}`,
	`{"error":"Currency pair not supported ABC","method":"subscribe","success":false,"symbol":"ABC","time_in":"2023-10-04T16:25:01Z","time_out":"2023-10-04T16:25:01Z"}`,
}

const rows = `{"error":[],"result":{"XXBTZUSD":[[1762777020,"106038.2","106039.2","106037.2","106038.7","106038.2","1.50000000",3],[1762777080,"106038.2","106038.2","106038.2","106038.2","0.0","0.00000000",0]],"last":1762820160}}`

func TestDecode(t *testing.T) {
	a := kraken.New(venue.Setup{})
	var b venue.Batch
	for _, w := range wire {
		if err := a.Decode([]byte(w), &b); err != nil {
			t.Fatal(err)
		}
	}
	start := market.TimeOf(time.Date(2023, 10, 4, 16, 25, 0, 0, time.UTC))
	want := market.Bar{Start: start, End: start + 60_000_000, Open: 106038.2, High: 106044.3, Low: 106038.1, Close: 106040.1, Volume: 30.9, Trades: 12}
	if len(b.Bars) != 1 || b.Bars[0].Bar != want || b.Bars[0].Closed {
		t.Errorf("bars %+v", b.Bars)
	}
	if len(b.Trades) != 1 || b.Trades[0].ID != 10218208 || b.Trades[0].Tick.Price != 105944.2 || b.Trades[0].Tick.Size != 0.00027625 || b.Trades[0].Past {
		t.Errorf("trades %+v", b.Trades)
	}
	if len(b.Subscribed) != 1 || len(b.Refused) != 1 || b.Refused[0] != "ABC: Currency pair not supported ABC" || b.Unknown != 0 || b.Sent == 0 {
		t.Errorf("%+v", b)
	}
}

func TestRead(t *testing.T) {
	a := kraken.New(venue.Setup{})
	i, err := a.Instrument("xbt/usd")
	if err != nil || i.Symbol != "BTC/USD" || i.Currency != "USD" {
		t.Fatal(i, err)
	}
	p, err := a.Read(market.Series{Instrument: i, Interval: market.Minute}, []byte(rows))
	start := market.Time(1762777020000000)
	if want := (market.Bar{Start: start, End: start + 60_000_000, Open: 106038.2, High: 106039.2, Low: 106037.2, Close: 106038.7, Volume: 1.5, Trades: 3}); err != nil || len(p.Bars) != 1 || p.Bars[0] != want {
		t.Errorf("%+v, %v", p, err)
	}
	venuetest.Refused(t, a, "BTC/USD", market.Minute, `{"error":["EQuery:Unknown asset pair"]}`, "Unknown asset pair", true)
	venuetest.Refused(t, a, "BTC/USD", market.Minute, `{"error":["EAPI:Rate limit exceeded"]}`, "Rate limit exceeded", false)
}

func FuzzDecode(f *testing.F) { venuetest.FuzzDecode(f, kraken.New(venue.Setup{}), wire...) }

func FuzzRead(f *testing.F) {
	venuetest.FuzzRead(f, kraken.New(venue.Setup{}), "BTC/USD", market.Minute, rows, `{"error":["EAPI:Rate limit exceeded"]}`)
}
