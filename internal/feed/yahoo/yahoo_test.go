package yahoo_test

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

	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/internal/feed/yahoo"
	"github.com/foretick/foretick/market"
)

// service is Yahoo as those who use it describe it: rows of nothing where nobody traded, days
// stamped with the opening, and a live row at the end.
type service struct {
	venuetest.NoStream
	m      *venuetest.Market
	symbol string
}

var depths = map[string]time.Duration{"1m": 30 * 24 * time.Hour, "5m": 60 * 24 * time.Hour, "1h": 730 * 24 * time.Hour, "1d": 1 << 62}

func (v *service) REST(w http.ResponseWriter, r *http.Request, now market.Time) {
	w.Header().Set("Content-Type", "application/json")
	q := r.URL.Query()
	refuse := func(status int, code, text string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"chart":{"result":null,"error":{"code":%q,"description":%q}}}`, code, text)
	}
	from, err1 := strconv.ParseInt(q.Get("period1"), 10, 64)
	to, err2 := strconv.ParseInt(q.Get("period2"), 10, 64)
	depth, known := depths[q.Get("interval")]
	switch {
	case !strings.HasPrefix(r.UserAgent(), "Mozilla/5.0"):
		http.Error(w, "Too Many Requests", http.StatusTooManyRequests)
		return
	case r.URL.EscapedPath() != "/v8/finance/chart/"+v.symbol:
		refuse(404, "Not Found", "No data found, symbol may be delisted")
		return
	case err1 != nil || err2 != nil || !known || q.Get("includePrePost") != "false":
		refuse(422, "Unprocessable Entity", "Invalid input")
		return
	case q.Get("interval") == "1m" && to-from > 8*24*3600:
		refuse(422, "Unprocessable Entity", "1m data not available: only 8 days worth of 1m granularity data are allowed to be fetched per request.")
		return
	case market.Time(from*1e6) < now.Add(-depth) && depth < 1<<62:
		refuse(422, "Unprocessable Entity", "The requested range must be within the last days.")
		return
	}
	i := market.MustInterval(q.Get("interval"))
	bars := v.m.Bars(i, max(i.Floor(market.Time(from*1e6)), v.m.Begin), max(market.Time(to*1e6), v.m.Begin+1), now)
	times, columns := []int64{}, map[string][]any{}
	put := func(at market.Time, row ...any) {
		times = append(times, int64(at)/1e6)
		for k, name := range []string{"open", "high", "low", "close", "volume"} {
			columns[name] = append(columns[name], row[k])
		}
	}
	for n, b := range bars {
		at := b.Start
		if n > 0 && i != market.Day {
			for quiet := bars[n-1].End; quiet < at; quiet = i.End(quiet) {
				put(quiet, nil, nil, nil, nil, nil)
			}
		}
		switch {
		case i == market.Day:
			at = at.Add(14*time.Hour + 30*time.Minute)
		case b.End > now:
			at = now/1e6*1e6 + 1e6 // the live one
		}
		put(at, b.Open, b.High, b.Low, b.Close, b.Volume)
	}
	result := map[string]any{"meta": map[string]any{"symbol": v.symbol, "gmtoffset": -18000, "exchangeTimezoneName": "America/New_York", "dataGranularity": i.String()},
		"indicators": map[string]any{"quote": []any{columns}}}
	if len(times) > 0 {
		result["timestamp"] = times
	} else {
		result["indicators"] = map[string]any{"quote": []any{map[string]any{}}}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"chart": map[string]any{"result": []any{result}, "error": nil}})
}

func kit(interval string) venuetest.Kit {
	return venuetest.Kit{New: func(s venue.Setup) venue.Adapter { return yahoo.New(s) }, Symbol: "AMZN", Interval: market.MustInterval(interval), Polled: true,
		Speaker: func(m *venuetest.Market) venuetest.Speaker { return &service{m: m, symbol: "AMZN"} }}
}

func TestMinutes(t *testing.T) { venuetest.Exercise(t, kit("1m")) }

// Days come at midnight UTC, and not for the weekend.
func TestDays(t *testing.T) {
	k := kit("1d")
	k.Every, k.Calendar = 30*time.Minute, market.USEquities
	venuetest.Exercise(t, k)
}

func series(t testing.TB, symbol, interval string) market.Series {
	t.Helper()
	i, err := yahoo.New(venue.Setup{}).Instrument(symbol)
	if err != nil {
		t.Fatal(err)
	}
	return market.Series{Instrument: i, Interval: market.MustInterval(interval)}
}

func at(s string) market.Time {
	t, err := market.ParseTime(s)
	if err != nil {
		panic(err)
	}
	return t
}

const (
	days   = `{"chart":{"result":[{"meta":{"currency":"USD","symbol":"GS","exchangeName":"NYQ","instrumentType":"EQUITY","regularMarketTime":1696881602,"gmtoffset":-14400,"timezone":"EDT","exchangeTimezoneName":"America/New_York","regularMarketPrice":312.61,"chartPreviousClose":323.57,"priceHint":2,"currentTradingPeriod":{"pre":{"start":1,"end":2},"regular":{"start":2,"end":3},"post":{"start":3,"end":4}},"dataGranularity":"1d","validRanges":["1d","5d"]},"timestamp":[1696253400],"indicators":{"quote":[{"open":[322.03],"high":[323.58],"low":[317.10],"close":[318.5],"volume":[1303800]}],"adjclose":[{"adjclose":[315.1]}]}}],"error":null}}`
	events = `{"chart":{"result":[{"meta":{"gmtoffset":-14400,"exchangeTimezoneName":"America/New_York","dataGranularity":"1d"},"timestamp":[1654522200,1654608600],"events":{"splits":{"1654522200":{"date":1654522200,"numerator":20,"denominator":1,"splitRatio":"20:1"}},"dividends":{"1654608600":{"amount":0.24,"date":1654608600}}},"indicators":{"quote":[{"open":[125.25,null],"high":[128.99,null],"low":[123.81,null],"close":[124.79,null],"volume":[135269000,null]}]}}],"error":null}}`
	holes  = `{"chart":{"result":[{"meta":{"gmtoffset":-14400},"timestamp":[1696253400,1696253460,1696253520,1696253580,1696253607],"indicators":{"quote":[{"open":[1,null,1,2,2],"high":[1.5,null,2,2,2],"low":[0.5,null,1,2,2],"close":[1,null,null,2,2],"volume":[10,null,5,0,3]}]}}],"error":null}}`
	none   = `{"chart":{"result":[{"meta":{"gmtoffset":-14400,"dataGranularity":"1m"},"indicators":{"quote":[{}]}}],"error":null}}`
	gone   = `{"chart":{"result":null,"error":{"code":"Not Found","description":"No data found, symbol may be delisted"}}}`
	fault  = `{"chart":{"result":null,"error":{"code":"internal-error","description":"No data"}}}`
	uneven = `{"chart":{"result":[{"meta":{},"timestamp":[1,2],"indicators":{"quote":[{"open":[1]}]}}],"error":null}}`
	london = `{"chart":{"result":[{"meta":{"exchangeTimezoneName":"Europe/London"}}],"error":null}}`
	coarse = `{"chart":{"result":[{"meta":{"dataGranularity":"1wk"}}],"error":null}}`
	summer = `{"chart":{"result":[{"meta":{"gmtoffset":0,"exchangeTimezoneName":"Europe/London","dataGranularity":"1d"},"timestamp":[1719961200,1704153600],"indicators":{"quote":[{"open":[1.1,1.1],"high":[1.1,1.2],"low":[1.1,1.0],"close":[1.1,1.15],"volume":[0,0]}]}}],"error":null}}`
)

func TestRead(t *testing.T) {
	a := yahoo.New(venue.Setup{})
	page, err := a.Read(series(t, "GS", "1d"), []byte(days))
	want := []market.Bar{{Start: at("2023-10-02"), End: at("2023-10-03"), Open: 322.03, High: 323.58, Low: 317.1, Close: 318.5, Volume: 1303800}}
	if err != nil || !slices.Equal(page.Bars, want) || len(page.Actions) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	page, err = a.Read(series(t, "AMZN", "1d"), []byte(events))
	acts := []market.Action{{Ex: at("2022-06-06"), Kind: market.Split, Ratio: 20, Source: "yahoo"}, {Ex: at("2022-06-07"), Kind: market.Dividend, Amount: 0.24, Source: "yahoo"}}
	if err != nil || len(page.Bars) != 1 || page.Bars[0].Start != at("2022-06-06") || !slices.Equal(page.Actions, acts) {
		t.Errorf("%+v, %v", page, err)
	}
	// A row of nothing, one with a null, one that nobody traded, and the live one.
	page, err = a.Read(series(t, "GS", "1m"), []byte(holes))
	want = []market.Bar{{Start: at("2023-10-02T13:30:00Z"), End: at("2023-10-02T13:31:00Z"), Open: 1, High: 1.5, Low: 0.5, Close: 1, Volume: 10}}
	if err != nil || !slices.Equal(page.Bars, want) || len(page.Rejects) != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	if page, err = a.Read(series(t, "GS", "1m"), []byte(none)); err != nil || len(page.Bars) != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	// Days of currencies begin at midnight in London: at 23:00 UTC in summer.
	page, err = a.Read(series(t, "EURUSD=X", "1d"), []byte(summer))
	if err != nil || len(page.Bars) != 2 || page.Bars[0].Start != at("2024-07-03") || page.Bars[1].Start != at("2024-01-02") {
		t.Errorf("%+v, %v", page, err)
	}
}

func TestRefusals(t *testing.T) {
	a := yahoo.New(venue.Setup{})
	for name, c := range map[string]struct {
		body  string
		final bool
	}{"unknown symbol": {gone, true}, "fault": {fault, false}, "columns of different length": {uneven, false}, "another exchange": {london, true},
		"other bars": {coarse, false}, "nothing": {`{}`, false}, "no chart": {`{"chart":{"result":[],"error":null}}`, false}} {
		t.Run(name, func(t *testing.T) {
			if _, err := a.Read(series(t, "AMZN", "1d"), []byte(c.body)); err == nil || errors.Is(err, venue.ErrFinal) != c.final {
				t.Errorf("%v", err)
			}
		})
	}
	for body, want := range map[string]bool{gone: true, fault: true, days: false, `Too Many Requests`: false, `{"code":1,"msg":"refused"}`: false} {
		if got := a.Answers(404, []byte(body)); got != want {
			t.Errorf("%.50s: %t", body, got)
		}
	}
}

func TestInstruments(t *testing.T) {
	a := yahoo.New(venue.Setup{})
	for symbol, want := range map[string]string{
		"amzn": "AMZN equity USD us-equities", "BRK-B": "BRK-B equity USD us-equities", "^GSPC": "^GSPC index USD us-equities", "EURUSD=X": "EURUSD=X fx USD fx-week",
		"JPY=X": "JPY=X fx JPY fx-week", "BTC-USD": "BTC-USD crypto USD 24x7", "VOD.L": "", "ES=F": "", "": "", "BTC/USD": "", "../AMZN": "",
	} {
		i, err := a.Instrument(symbol)
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
	if err := a.Check(series(t, "AMZN", "1h")); !errors.Is(err, venue.ErrSymbol) {
		t.Errorf("hours of stocks: %v", err)
	}
	if err := a.Check(series(t, "BTC-USD", "1h")); err != nil {
		t.Error(err)
	}
	if _, err := a.Delivers(market.Second); !errors.Is(err, venue.ErrSymbol) {
		t.Errorf("seconds: %v", err)
	}
	r, _ := a.Ask(series(t, "^GSPC", "1d"), at("2024-01-01"), at("2024-01-03"), "")
	if r.URL != "https://query1.finance.yahoo.com/v8/finance/chart/%5EGSPC?events=div%2Csplits&includePrePost=false&interval=1d&period1=1704067200&period2=1704240000" {
		t.Error(r.URL)
	}
	if !a.About().Optional || !strings.Contains(a.About().Caution, "adjusted") {
		t.Errorf("%+v", a.About())
	}
}

// An unknown symbol is said once and not asked for again, whatever the status.
func TestUnknown(t *testing.T) {
	for _, status := range []int{200, 404} {
		deed := venuetest.Misdeed{REST: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(gone))
			return true
		}}
		venuetest.Watch(t, kit("1m"), deed, time.Hour, func(t *testing.T, w *venuetest.Watched) {
			if !errors.Is(w.Err, venue.ErrFinal) || !strings.Contains(w.Err.Error(), "delisted") || w.Requests != 1 {
				t.Errorf("%v after %d requests", w.Err, w.Requests)
			}
		})
	}
}

// While the market is closed hardly anybody asks, and nothing goes wrong.
func TestNight(t *testing.T) {
	k := kit("1m")
	k.Begin = time.Date(2000, 1, 7, 20, 50, 0, 0, time.UTC) // Friday, ten minutes before the close
	k.Calendar, k.Every = market.USEquities, 20*time.Second
	venuetest.Watch(t, k, venuetest.Misdeed{}, 66*time.Hour, func(t *testing.T, w *venuetest.Watched) {
		last := at("2000-01-07T20:59:00Z")
		if _, ok := w.Bars[last]; !ok || w.Err != nil || w.Requests > 60 || len(w.Rejects) > 0 {
			t.Errorf("%d requests, %d rejects, %v, last bar there: %t, %q", w.Requests, len(w.Rejects), w.Err, ok, w.States)
		}
		if _, ok := w.Bars[at("2000-01-10T14:30:00Z")]; !ok {
			t.Error("Monday's first bar did not come")
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{days, events, holes, none, gone, fault, uneven, london, coarse, summer, `{}`, `null`} {
		f.Add([]byte(s))
	}
	a := yahoo.New(venue.Setup{})
	list := []market.Series{series(f, "AMZN", "1d"), series(f, "BTC-USD", "1m")}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, s := range list {
			page, _ := a.Read(s, b)
			for _, x := range page.Bars {
				if s.Interval.Floor(x.Start) != x.Start || x.End != s.Interval.End(x.Start) {
					t.Errorf("%+v is off the grid", x)
				}
			}
		}
		a.Answers(404, b)
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := yahoo.New(venue.Setup{}).Decode(b, &venue.Batch{}); err == nil {
			t.Error("a frame of a venue that does not stream is taken")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	a, s := yahoo.New(venue.Setup{}), series(b, "AMZN", "1m")
	for _, n := range []int{4, 2730} {
		b.Run(fmt.Sprint(n, " rows"), func(b *testing.B) {
			var times, prices []string
			for i := range n {
				times, prices = append(times, fmt.Sprint(1696253400+60*i)), append(prices, "322.0299987792969")
			}
			p := strings.Join(prices, ",")
			body := fmt.Appendf(nil, `{"chart":{"result":[{"meta":{"gmtoffset":-14400},"timestamp":[%s],"indicators":{"quote":[{"open":[%s],"high":[%s],"low":[%s],"close":[%s],"volume":[%s]}]}}],"error":null}}`, strings.Join(times, ","), p, p, p, p, p)
			b.ReportAllocs()
			for b.Loop() {
				if page, err := a.Read(s, body); err != nil || len(page.Bars) != n {
					b.Fatal(len(page.Bars), err)
				}
			}
		})
	}
}
