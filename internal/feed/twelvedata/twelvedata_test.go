package twelvedata_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed/twelvedata"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/market"
)

const secret = "0123456789abcdef"

// service is Twelve Data as its documentation describes it: order and zone are what is asked for,
// times are naive, numbers are strings.
type service struct {
	venuetest.NoStream
	m     *venuetest.Market
	wants string // the symbol
}

var lengths = map[string]string{"1min": "1m", "5min": "5m", "15min": "15m", "30min": "30m", "1h": "1h", "4h": "4h", "1day": "1d"}

func (v *service) REST(w http.ResponseWriter, r *http.Request, now market.Time) {
	w.Header().Set("Content-Type", "application/json")
	q := r.URL.Query()
	refuse := func(code int, text string) {
		fmt.Fprintf(w, `{"code":%d,"message":%q,"status":"error"}`, code, text)
	}
	length := lengths[q.Get("interval")]
	zone, from, to := time.UTC, market.MinTime, now+1
	if q.Get("timezone") != "UTC" {
		zone = time.FixedZone("exchange", -5*3600)
	}
	for name, t := range map[string]*market.Time{"start_date": &from, "end_date": &to} {
		if s := q.Get(name); s != "" {
			at, err := time.ParseInLocation("2006-01-02 15:04:05", s, zone)
			if err != nil {
				refuse(400, "Invalid **"+name+"** provided")
				return
			}
			*t = market.TimeOf(at)
		}
	}
	size, err := strconv.Atoi(q.Get("outputsize"))
	switch {
	case q.Get("apikey") != secret:
		refuse(401, "**apikey** parameter is incorrect or not specified.")
		return
	case r.URL.Path != "/time_series" || length == "":
		refuse(404, "The interval is not supported")
		return
	case q.Get("symbol") != v.wants:
		refuse(404, "**symbol** or **figi** parameter is missing or invalid.")
		return
	case err != nil || size < 1 || size > 5000:
		refuse(400, "Invalid **outputsize** provided")
		return
	}
	i := market.MustInterval(length)
	bars := v.m.Bars(i, max(i.Floor(from), v.m.Begin), min(to, now)+1, now)
	if len(bars) == 0 {
		refuse(400, "No data is available on the specified dates. Try setting different start/end dates.")
		return
	}
	bars = bars[:min(len(bars), size)]
	rows := []map[string]string{}
	for _, b := range bars {
		at := b.Start.Std().In(zone).Format("2006-01-02 15:04:05")
		if i == market.Day {
			at = at[:10]
		}
		rows = append(rows, map[string]string{"datetime": at, "open": num(b.Open), "high": num(b.High), "low": num(b.Low), "close": num(b.Close), "volume": num(b.Volume)})
	}
	if q.Get("order") != "asc" {
		slices.Reverse(rows)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"meta": map[string]string{"symbol": v.wants, "interval": q.Get("interval")}, "values": rows, "status": "ok"})
}

func num(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func kit(symbol, interval string) venuetest.Kit {
	return venuetest.Kit{New: func(s venue.Setup) venue.Adapter { return twelvedata.New(s) }, Symbol: symbol, Interval: market.MustInterval(interval), Polled: true,
		Keys:    map[string]string{"TWELVEDATA_KEY": secret},
		Speaker: func(m *venuetest.Market) venuetest.Speaker { return &service{m: m, wants: symbol} }}
}

func TestStocks(t *testing.T) { venuetest.Exercise(t, kit("AAPL", "1m")) }

// The week of currencies ends on Friday evening; hardly anybody asks until Sunday evening, when
// they are there again.
func TestCurrencies(t *testing.T) {
	k := kit("EUR/USD", "5m")
	k.Begin = time.Date(2000, 1, 7, 21, 0, 0, 0, time.UTC)
	k.Every, k.Calendar = 20*time.Second, market.FXWeek
	venuetest.Watch(t, k, venuetest.Misdeed{}, 50*time.Hour, func(t *testing.T, w *venuetest.Watched) {
		for _, s := range []string{"2000-01-07T21:55:00Z", "2000-01-09T22:00:00Z", "2000-01-09T22:50:00Z"} {
			if _, ok := w.Bars[at(s)]; !ok {
				t.Errorf("the bar of %s is missing", s)
			}
		}
		if w.Err != nil || w.Requests > 60 || len(w.Rejects) > 0 {
			t.Errorf("%v, %d requests, %d rejects", w.Err, w.Requests, len(w.Rejects))
		}
	})
}

// Days come at midnight UTC, and not for the weekend.
func TestDays(t *testing.T) {
	k := kit("AAPL", "1d")
	k.Every, k.Calendar = 30*time.Minute, market.USEquities
	venuetest.Exercise(t, k)
}

func series(t testing.TB, symbol, interval string) market.Series {
	t.Helper()
	i, err := adapter().Instrument(symbol)
	if err != nil {
		t.Fatal(err)
	}
	return market.Series{Instrument: i, Interval: market.MustInterval(interval)}
}

func adapter() *twelvedata.Adapter {
	return twelvedata.New(venue.Setup{Key: func(string) string { return secret }})
}

func at(s string) market.Time {
	t, err := market.ParseTime(s)
	if err != nil {
		panic(err)
	}
	return t
}

const (
	minutes = `{"meta":{"symbol":"AAPL","interval":"1min","currency":"USD","exchange_timezone":"America/New_York","exchange":"NASDAQ","mic_code":"XNAS","type":"Common Stock"},"values":[{"datetime":"2020-04-23 19:59:00","open":"275.23","high":"275.25","low":"274.92","close":"275.01","volume":"393317"}],"status":"ok"}`
	perMin  = `{"code":429,"message":"You have run out of API credits for the current minute. 9 API credits were used, with the current limit being 8. Wait for the next minute or consider switching to a higher tier plan at https://twelvedata.com/pricing","status":"error"}`
	perDay  = `{"code":429,"message":"You have run out of API credits for the day. 801 API credits were used, with the current limit being 800. Wait for the next day or consider switching to a higher tier plan at https://twelvedata.com/pricing","status":"error"}`
	noData  = `{"code":400,"message":"No data is available on the specified dates. Try setting different start/end dates.","meta":{"symbol":"AAPL","interval":"1min","exchange":""},"status":"error"}`
	unknown = `{"code":404,"message":"**symbol** or **figi** parameter is missing or invalid. Please provide a valid symbol according to API documentation: https://twelvedata.com/docs#reference-data","status":"error"}`
	badKey  = `{"code":401,"message":"**apikey** parameter is incorrect or not specified. You can get your free API key instantly following this link: https://twelvedata.com/pricing.","status":"error"}`
	noPlan  = `{"code":403,"message":"This symbol is available starting with Pro.","status":"error"}`
	broken  = `{"code":500,"message":"Internal server error","status":"error"}`
	euro    = `{"meta":{"symbol":"EUR/USD","interval":"1day","type":"Physical Currency"},"values":[{"datetime":"2024-03-07","open":"1.08985","high":"1.0949","low":"1.0867","close":"1.0948"},{"datetime":"2024-03-08","open":"x","high":"1","low":"1","close":"1"},{"datetime":"8.3.2024","open":"1","high":"1","low":"1","close":"1"}],"status":"ok"}`
	london  = `{"meta":{"symbol":"VOD","exchange_timezone":"Europe/London"},"values":[],"status":"ok"}`
)

func TestRead(t *testing.T) {
	page, err := adapter().Read(series(t, "AAPL", "1m"), []byte(minutes))
	want := market.Bar{Start: at("2020-04-23T19:59:00Z"), End: at("2020-04-23T20:00:00Z"), Open: 275.23, High: 275.25, Low: 274.92, Close: 275.01, Volume: 393317}
	if err != nil || len(page.Bars) != 1 || page.Bars[0] != want || page.Next != 0 {
		t.Errorf("%+v, %v; want %+v", page, err, want)
	}
	page, err = adapter().Read(series(t, "EUR/USD", "1d"), []byte(euro))
	want = market.Bar{Start: at("2024-03-07"), End: at("2024-03-08"), Open: 1.08985, High: 1.0949, Low: 1.0867, Close: 1.0948}
	if err != nil || len(page.Bars) != 1 || page.Bars[0] != want || len(page.Rejects) != 2 {
		t.Errorf("%+v, %v; want %+v and two rejects", page, err, want)
	}
	page, err = adapter().Read(series(t, "AAPL", "1m"), many(5000))
	if err != nil || len(page.Bars) != 5000 || page.Next != at("1970-01-04T11:20:00Z") {
		t.Errorf("a full page leads on to %s, %v", page.Next, err)
	}
}

// many is an answer of n rows, a minute each, since 1970.
func many(n int) []byte {
	rows := []string{}
	for i := range n {
		rows = append(rows, fmt.Sprintf(`{"datetime":%q,"open":"275.23","high":"275.25","low":"274.92","close":"275.01","volume":"393317"}`, time.Unix(int64(i)*60, 0).UTC().Format("2006-01-02 15:04:05")))
	}
	return []byte(`{"meta":{"symbol":"AAPL"},"values":[` + strings.Join(rows, ",") + `],"status":"ok"}`)
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		body  string
		final bool
		later bool
		day   bool
		none  bool
		says  string
	}{
		"the minute's credits": {body: perMin, later: true, says: "current minute"},
		"the day's credits":    {body: perDay, later: true, day: true, says: "midnight UTC"},
		"nobody traded":        {body: noData, none: true},
		"unknown symbol":       {body: unknown, final: true, says: "symbol"},
		"wrong key":            {body: badKey, final: true, says: "apikey"},
		"not in the plan":      {body: noPlan, final: true, says: "Pro"},
		"fault":                {body: broken, says: "500"},
		"another exchange":     {body: london, final: true, says: "Europe/London"},
		"no status":            {body: `{}`, says: "status"},
		"not an object":        {body: `[]`, says: "unusable"},
	} {
		t.Run(name, func(t *testing.T) {
			page, err := adapter().Read(series(t, "AAPL", "1m"), []byte(c.body))
			if c.none {
				if err != nil || len(page.Bars)+len(page.Rejects) > 0 {
					t.Errorf("%+v, %v", page, err)
				}
				return
			}
			var later *venue.Later
			if err == nil || errors.Is(err, venue.ErrFinal) != c.final || errors.As(err, &later) != c.later || c.later && later.Day != c.day || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Refusals are read whatever their HTTP status, pages of proxies are not.
func TestAnswers(t *testing.T) {
	for body, want := range map[string]bool{perMin: true, perDay: true, noData: true, badKey: true, `{"code":1,"msg":"refused"}`: false, `<html>`: false, ``: false, minutes: false} {
		if got := adapter().Answers(429, []byte(body)); got != want {
			t.Errorf("%.60s: %t", body, got)
		}
	}
}

func TestAsk(t *testing.T) {
	r, ok := adapter().Ask(series(t, "BTC/USD", "1h"), at("2024-01-01"), at("2024-01-02"), "")
	const want = "https://api.twelvedata.com/time_series?end_date=2024-01-01+23%3A59%3A59&interval=1h&order=asc&outputsize=5000&start_date=2024-01-01+00%3A00%3A00&symbol=BTC%2FUSD&timezone=UTC"
	if !ok || r.URL != want || r.Secret.Get("apikey") != secret || strings.Contains(r.URL, secret) {
		t.Errorf("%t, %s", ok, r.URL)
	}
}

func TestInstruments(t *testing.T) {
	for symbol, want := range map[string]string{
		"aapl": "AAPL equity USD us-equities", "BRK.B": "BRK.B equity USD us-equities", "eur/usd": "EUR/USD fx USD fx-week", "USD/JPY": "USD/JPY fx JPY fx-week",
		"XAU/USD": "XAU/USD commodity USD fx-week", "BTC/USD": "BTC/USD crypto USD 24x7", "ETH/EUR": "ETH/EUR crypto EUR 24x7",
		"": "", "BTC/": "", "A B": "", "AAPL:NASDAQ": "", "../x": "", "EUR/USD/X": "",
	} {
		i, err := adapter().Instrument(symbol)
		if want == "" {
			if !errors.Is(err, venue.ErrSymbol) {
				t.Errorf("%q is taken: %v, %v", symbol, i, err)
			}
			continue
		}
		if got := fmt.Sprintf("%s %s %s %s", i.Symbol, i.Class, i.Currency, i.Calendar); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", symbol, got, err, want)
		}
	}
	if err := adapter().Check(series(t, "AAPL", "1h")); !errors.Is(err, venue.ErrSymbol) || !strings.Contains(err.Error(), "--rollup") {
		t.Errorf("hours of stocks: %v", err)
	}
	for _, ok := range []market.Series{series(t, "AAPL", "30m"), series(t, "AAPL", "1d"), series(t, "EUR/USD", "4h"), series(t, "BTC/USD", "1h")} {
		if err := adapter().Check(ok); err != nil {
			t.Errorf("%s: %v", ok.ID(), err)
		}
	}
	if _, err := adapter().Delivers(market.Second); !errors.Is(err, venue.ErrSymbol) {
		t.Errorf("seconds: %v", err)
	}
}

func refusing(n int, body string, status int) venuetest.Misdeed {
	return venuetest.Misdeed{REST: func(i int, w http.ResponseWriter, _ *http.Request) bool {
		if i < n {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
		return i < n
	}}
}

// Credits of the minute are there again after a minute, those of the day at midnight UTC; until
// then nobody asks. HTTP says 200, or 429.
func TestCredits(t *testing.T) {
	for name, c := range map[string]struct {
		body   string
		status int
		d      time.Duration
		after  time.Duration // of the first bar
	}{
		"minute, 200": {perMin, 200, 5 * time.Minute, time.Minute},
		"minute, 429": {perMin, 429, 5 * time.Minute, time.Minute},
		"day, 200":    {perDay, 200, 8*time.Hour + time.Minute, 7*time.Hour + 59*time.Minute},
		"day, 429":    {perDay, 429, 8*time.Hour + time.Minute, 7*time.Hour + 59*time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			k := kit("BTC/USD", "1m")
			k.Every = 7 * time.Second
			venuetest.Watch(t, k, refusing(1, c.body, c.status), c.d, func(t *testing.T, w *venuetest.Watched) {
				if w.Err != nil || len(w.Bars) == 0 || w.Requests > 6 {
					t.Fatalf("%v, %d bars, %d requests, %q", w.Err, len(w.Bars), w.Requests, w.States)
				}
				first := 0
				for len(w.Messages[first].Bars) == 0 {
					first++
				}
				if d := w.At[first].Sub(w.At[0]); d < c.after || d > c.after+2*time.Minute {
					t.Errorf("the first bar came after %s, %q", d, w.States)
				}
				if !slices.ContainsFunc(w.States, func(s string) bool {
					return strings.HasPrefix(s, "stalled: ") && strings.Contains(s, "credits") && strings.Contains(s, "asked again at ")
				}) {
					t.Errorf("it is not said: %q", w.States)
				}
			})
		})
	}
}

func TestWrongKey(t *testing.T) {
	k := kit("AAPL", "1m")
	k.Keys = map[string]string{"TWELVEDATA_KEY": "fedcba9876543210"}
	venuetest.Watch(t, k, venuetest.Misdeed{}, time.Hour, func(t *testing.T, w *venuetest.Watched) {
		if !errors.Is(w.Err, venue.ErrFinal) || strings.Contains(fmt.Sprint(w.Err, w.States, w.Link), "fedcba") || w.Requests != 1 {
			t.Errorf("%v after %d requests", w.Err, w.Requests)
		}
	})
}

// A whole day and night of minutes stays within the day's credits, and says how late bars come.
func TestDay(t *testing.T) {
	k := kit("BTC/USD", "1m")
	k.Every = 9 * time.Second
	venuetest.Watch(t, k, venuetest.Misdeed{}, 24*time.Hour, func(t *testing.T, w *venuetest.Watched) {
		if w.Requests > 800 || w.Requests < 700 || len(w.Bars) < 1430 || w.Err != nil {
			t.Errorf("%d requests for %d bars, %v", w.Requests, len(w.Bars), w.Err)
		}
		if s := w.States[len(w.States)-1]; !strings.Contains(s, "asked for every 1m51s") {
			t.Errorf("%q", w.States)
		}
	})
	venuetest.Watch(t, func() venuetest.Kit {
		k := kit("AAPL", "1m")
		k.Every, k.Calendar = 9*time.Second, market.USEquities
		return k
	}(), venuetest.Misdeed{}, 24*time.Hour, func(t *testing.T, w *venuetest.Watched) {
		if w.Requests > 500 || len(w.Bars) < 380 || w.Err != nil {
			t.Errorf("stocks: %d requests for %d bars, %v", w.Requests, len(w.Bars), w.Err)
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{minutes, perMin, perDay, noData, unknown, badKey, noPlan, broken, euro, london, `{}`, `null`} {
		f.Add([]byte(s))
	}
	a := adapter()
	list := []market.Series{series(f, "AAPL", "1m"), series(f, "EUR/USD", "1d")}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range list {
			_, _ = a.Read(s, b)
			a.Answers(429, b)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"event":"price"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := adapter().Decode(b, &venue.Batch{}); err == nil {
			t.Error("a frame of a venue that does not stream is taken")
		}
	})
}

// The newest rows, as a poll brings them, and a page of history.
func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{4, 5000} {
		b.Run(fmt.Sprint(n, " rows"), func(b *testing.B) {
			body := many(n)
			a, s := adapter(), series(b, "AAPL", "1m")
			b.ReportAllocs()
			for b.Loop() {
				if page, err := a.Read(s, body); err != nil || len(page.Bars) != n {
					b.Fatal(len(page.Bars), err)
				}
			}
		})
	}
}
