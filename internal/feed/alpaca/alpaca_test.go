package alpaca_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/alpaca"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/market"
)

var keys = map[string]string{"ALPACA_KEY_ID": "PKTEST", "ALPACA_SECRET_KEY": "hunter2hunter2"}

// exchange is Alpaca as its documentation describes it.
type exchange struct {
	m      *venuetest.Market
	trades bool
	said   market.Time // start of the newest minute that was said
}

func known(h http.Header) bool {
	return h.Get("APCA-API-KEY-ID") == keys["ALPACA_KEY_ID"] && h.Get("APCA-API-SECRET-KEY") == keys["ALPACA_SECRET_KEY"]
}

// pageSize is how many bars a page has here: few, so that there are several.
const pageSize = 25

// REST answers /v2/stocks/bars in pages.
func (e *exchange) REST(w http.ResponseWriter, r *http.Request, now market.Time) {
	q := r.URL.Query()
	from, err := market.ParseTime(q.Get("start"))
	to, err2 := market.ParseTime(q.Get("end"))
	i, err3 := market.ParseInterval(strings.ToLower(strings.NewReplacer("Min", "m", "Hour", "h", "Day", "d").Replace(q.Get("timeframe"))))
	switch {
	case !known(r.Header):
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"message":"forbidden."}`)
		return
	case r.URL.Path != "/v2/stocks/bars" || q.Get("symbols") != "AMZN" || q.Get("adjustment") != "raw" || q.Get("feed") != "iex" || q.Get("sort") != "asc" || err != nil || err2 != nil || err3 != nil:
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"message":"invalid request"}`)
		return
	}
	if t := q.Get("page_token"); t != "" {
		if from, err = market.ParseTime(t); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	rows := []any{}
	var next any
	for _, b := range e.m.Bars(i, from, to+1, now) {
		if b.End > now {
			continue
		}
		if len(rows) == pageSize {
			next = b.Start.String()
			break
		}
		rows = append(rows, map[string]any{"t": b.Start.String(), "o": b.Open, "h": b.High, "l": b.Low, "c": b.Close, "v": b.Volume, "n": b.Trades, "vw": b.Close})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"bars": map[string]any{"AMZN": rows}, "next_page_token": next})
}

func (e *exchange) Greet(r *http.Request) ([][]byte, error) {
	if r.URL.Path != "/v2/iex" || !known(r.Header) {
		return nil, errors.New("auth failed")
	}
	return [][]byte{[]byte(`[{"T":"success","msg":"connected"}]`), []byte(`[{"T":"success","msg":"authenticated"}]`)}, nil
}

func (e *exchange) Heard(frame []byte, now market.Time) ([][]byte, bool) {
	var f struct {
		Action      string
		Trades      []string
		Bars        []string
		UpdatedBars []string
		Statuses    []string
	}
	if json.Unmarshal(frame, &f) != nil || f.Action != "subscribe" || !slices.Equal(f.Bars, f.UpdatedBars) || len(f.Trades)+len(f.Bars) != 1 || len(f.Statuses) != 1 {
		return [][]byte{[]byte(`[{"T":"error","code":400,"msg":"invalid syntax"}]`)}, false
	}
	e.trades, e.said = len(f.Trades) > 0, market.Minute.Floor(now)-60_000_000
	b, _ := json.Marshal([]any{map[string]any{"T": "subscription", "trades": f.Trades, "quotes": []string{}, "bars": f.Bars, "updatedBars": f.UpdatedBars, "statuses": f.Statuses}})
	return [][]byte{b}, true
}

func (e *exchange) Traded(t venuetest.Trade, now market.Time) [][]byte {
	if !e.trades {
		return e.minutes(now)
	}
	return [][]byte{fmt.Appendf(nil, `[{"T":"t","i":%d,"S":"AMZN","x":"V","p":%v,"s":%v,"t":%q,"c":["@","I"],"z":"C"}]`, t.ID, t.Price, t.Size, t.Time.Std().Format(time.RFC3339Nano))}
}

// minutes are the bars of the minutes that have ended.
func (e *exchange) minutes(now market.Time) (out [][]byte) {
	for end := market.Minute.Floor(now); e.said+60_000_000 < end; {
		e.said += 60_000_000
		for _, b := range e.m.Bars(market.Minute, e.said, e.said+1, now) {
			out = append(out, fmt.Appendf(nil, `[{"T":"b","S":"AMZN","o":%v,"h":%v,"l":%v,"c":%v,"v":%v,"n":%d,"vw":%v,"t":%q}]`, b.Open, b.High, b.Low, b.Close, b.Volume, b.Trades, b.Close, b.Start.String()))
		}
	}
	return out
}

func (e *exchange) Second(market.Time) [][]byte { return nil }

func kit(interval string) venuetest.Kit {
	return venuetest.Kit{New: func(s venue.Setup) venue.Adapter { return alpaca.New(s) }, Keys: keys, Symbol: "amzn", Interval: market.MustInterval(interval), Silent: true,
		Speaker: func(m *venuetest.Market) venuetest.Speaker { return &exchange{m: m} }}
}

func TestBars(t *testing.T) { venuetest.Exercise(t, kit("1m")) }

func TestTrades(t *testing.T) {
	venuetest.Exercise(t, kit("2m"))
}

// wire are the messages of Alpaca's documentation.
var wire = []string{
	`[{"T":"success","msg":"connected"}]`,
	`[{"T":"subscription","trades":["AAPL"],"quotes":[],"bars":["*"]}]`,
	`[{"T":"b","S":"SPY","o":388.985,"h":389.13,"l":388.975,"c":389.12,"v":49378,"n":461,"vw":389.062,"t":"2021-02-22T19:15:00Z"}]`,
	`[{"T":"t","i":96921,"S":"AAPL","x":"D","p":126.55,"s":1,"t":"2021-02-22T15:51:44.208Z","c":["@","I"],"z":"C"}]`,
	`[{"T":"error","code":406,"msg":"connection limit exceeded"}]`,
	`[{"T":"s","S":"AAPL","sc":"H","sm":"Trading Halt","rc":"T12","rm":"Trading Halted","t":"2021-02-22T19:15:00Z","z":"C"}]`,
}

const history = `{"bars":{"AAPL":[{"t":"2022-01-03T09:00:00Z","o":178.26,"h":178.26,"l":178.21,"c":178.21,"v":1118,"n":65,"vw":178.235}]},"next_page_token":"QUFQTHxN"}`

func TestDecode(t *testing.T) {
	a := alpaca.New(venue.Setup{})
	var b venue.Batch
	for _, w := range wire {
		if err := a.Decode([]byte(w), &b); err != nil {
			t.Fatal(err)
		}
	}
	start := market.TimeOf(time.Date(2021, 2, 22, 19, 15, 0, 0, time.UTC))
	if want := (market.Bar{Start: start, End: start + 60_000_000, Open: 388.985, High: 389.13, Low: 388.975, Close: 389.12, Volume: 49378, Trades: 461}); len(b.Bars) != 1 || b.Bars[0].Bar != want || !b.Bars[0].Closed || b.Bars[0].Symbol != "SPY" {
		t.Errorf("bars %+v", b.Bars)
	}
	at := market.TimeOf(time.Date(2021, 2, 22, 15, 51, 44, 208e6, time.UTC))
	if len(b.Trades) != 1 || b.Trades[0].ID != 96921 || b.Trades[0].Tick != (market.Tick{Time: at, Price: 126.55, Size: 1}) || b.Trades[0].Symbol != "AAPL" {
		t.Errorf("trades %+v", b.Trades)
	}
	if b.Leave != "connection limit exceeded (406)" || len(b.Refused) != 1 || b.Refused[0] != "AAPL: Trading Halt" || len(b.Rejects) != 0 || b.Unknown != 0 || len(b.Subscribed) != 2 {
		t.Errorf("%+v", b)
	}
	var wrong venue.Batch
	if err := a.Decode([]byte(`[{"T":"error","code":402,"msg":"auth failed"}]`), &wrong); err != nil || wrong.Fatal != "auth failed (402)" {
		t.Errorf("%+v, %v", wrong, err)
	}
}

func TestRead(t *testing.T) {
	a := alpaca.New(venue.Setup{})
	i, err := a.Instrument("brk.b")
	if err != nil || i.Symbol != "BRK.B" || i.Calendar != "us-equities" {
		t.Fatal(i, err)
	}
	i.Symbol = "AAPL"
	p, err := a.Read(market.Series{Instrument: i, Interval: market.Minute}, []byte(history))
	start := market.TimeOf(time.Date(2022, 1, 3, 9, 0, 0, 0, time.UTC))
	if want := (market.Bar{Start: start, End: start + 60_000_000, Open: 178.26, High: 178.26, Low: 178.21, Close: 178.21, Volume: 1118, Trades: 65}); err != nil || len(p.Bars) != 1 || p.Bars[0] != want || p.Cursor != "QUFQTHxN" {
		t.Errorf("%+v, %v", p, err)
	}
	day, err := a.Read(market.Series{Instrument: i, Interval: market.Day}, []byte(`{"bars":{"AAPL":[{"t":"2022-01-03T05:00:00Z","o":1,"h":2,"l":1,"c":2,"v":5,"n":3}]},"next_page_token":null}`))
	if err != nil || len(day.Bars) != 1 || day.Bars[0].Start != market.TimeOf(time.Date(2022, 1, 3, 0, 0, 0, 0, time.UTC)) || day.Cursor != "" {
		t.Errorf("%+v, %v", day, err)
	}
	venuetest.Refused(t, a, "AMZN", market.Minute, `{"message":"too many requests."}`, "too many requests", false)
	for _, s := range []string{"AMZN/USD", "TOOLONGNAME", "", "A B"} {
		if _, err := a.Instrument(s); err == nil {
			t.Errorf("%q is taken for a symbol", s)
		}
	}
}

// Without keys nothing is asked: the words say what to set.
func TestWithoutKeys(t *testing.T) {
	a := alpaca.New(venue.Setup{})
	_, err := a.Connect([]market.Series{{Instrument: market.Instrument{Symbol: "AMZN"}, Interval: market.Minute}})
	if !errors.Is(err, feed.ErrFinal) || !strings.Contains(err.Error(), "set ALPACA_KEY_ID") {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) { venuetest.FuzzDecode(f, alpaca.New(venue.Setup{}), wire...) }

func FuzzRead(f *testing.F) {
	venuetest.FuzzRead(f, alpaca.New(venue.Setup{}), "AAPL", market.Minute, history, `{"message":"forbidden."}`)
}

// BenchmarkDecode is one message to what it says.
func BenchmarkDecode(b *testing.B) {
	a := alpaca.New(venue.Setup{})
	for k, name := range map[int]string{2: "bar", 3: "trade"} {
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
