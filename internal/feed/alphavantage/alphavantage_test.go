package alphavantage_test

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

	"github.com/foretick/foretick/internal/feed/alphavantage"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/market"
)

const secret = "ABCDEFGH12345678"

// service is Alpha Vantage as its users describe it: everything comes with HTTP 200.
type service struct {
	venuetest.NoStream
	m *venuetest.Market
}

func (v *service) REST(w http.ResponseWriter, r *http.Request, now market.Time) {
	w.Header().Set("Content-Type", "application/json")
	q := r.URL.Query()
	say := func(name, text string) { _ = json.NewEncoder(w).Encode(map[string]string{name: text}) }
	switch {
	case q.Get("apikey") != secret:
		say("Error Message", "the parameter apikey is invalid or missing. Please claim your free API key on (https://www.alphavantage.co/support/#api-key).")
		return
	case r.URL.Path != "/query" || q.Get("function") != "TIME_SERIES_DAILY" || q.Get("symbol") != "IBM":
		say("Error Message", "Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/documentation/) for TIME_SERIES_DAILY.")
		return
	case q.Get("outputsize") != "compact":
		say("Information", "Thank you for using Alpha Vantage! The outputsize=full parameter value is a premium feature.")
		return
	}
	days := map[string]map[string]string{}
	bars := v.m.Bars(market.Day, market.Day.Floor(now.Add(-150*24*time.Hour)), now+1, now)
	for _, b := range bars[max(0, len(bars)-100):] {
		days[b.Start.Std().Format(time.DateOnly)] = map[string]string{"1. open": num(b.Open), "2. high": num(b.High), "3. low": num(b.Low), "4. close": num(b.Close), "5. volume": num(b.Volume)}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"Meta Data": map[string]string{"2. Symbol": "IBM", "5. Time Zone": "US/Eastern"}, "Time Series (Daily)": days})
}

func num(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func kit() venuetest.Kit {
	return venuetest.Kit{New: func(s venue.Setup) venue.Adapter { return alphavantage.New(s) }, Symbol: "IBM", Interval: market.Day, Polled: true,
		Keys:    map[string]string{"ALPHAVANTAGE_KEY": secret},
		Speaker: func(m *venuetest.Market) venuetest.Speaker { return &service{m: m} },
		Every:   30 * time.Minute, Calendar: market.USEquities}
}

func TestDays(t *testing.T) { venuetest.Exercise(t, kit()) }

func adapter() *alphavantage.Adapter {
	return alphavantage.New(venue.Setup{Key: func(string) string { return secret }})
}

func series(t testing.TB) market.Series {
	t.Helper()
	i, err := adapter().Instrument("IBM")
	if err != nil {
		t.Fatal(err)
	}
	return market.Series{Instrument: i, Interval: market.Day}
}

func day(s string) market.Time {
	t, err := market.ParseTime(s)
	if err != nil {
		panic(err)
	}
	return t
}

const (
	two = `{"Meta Data":{"1. Information":"Daily Prices (open, high, low, close) and Volumes","2. Symbol":"IBM","3. Last Refreshed":"2024-11-01","4. Output Size":"Compact","5. Time Zone":"US/Eastern"},
		"Time Series (Daily)":{"2024-11-01":{"1. open":"207.7700","2. high":"208.5100","3. low":"206.1000","4. close":"208.2500","5. volume":"3919345"},
		"2024-10-31":{"1. open":"205.0000","2. high":"207.5000","3. low":"204.0000","4. close":"206.7200","5. volume":"6281050"}}}`
	torn    = `{"Time Series (Daily)":{"2024-11-01":{"1. open":"x"},"soon":{"1. open":"1","2. high":"1","3. low":"1","4. close":"1","5. volume":"1"},"2024-10-31":[]}}`
	perDay  = `{"Information":"We have detected your API key as *** and our standard API rate limit is 25 requests per day. Please subscribe to any of the premium plans at https://www.alphavantage.co/premium/ to instantly remove all daily rate limits."}`
	old     = `{"Note":"Thank you for using Alpha Vantage! Our standard API call frequency is 5 calls per minute and 500 calls per day."}`
	burst   = `{"Information":"Thank you for using Alpha Vantage! Please consider spreading out your free API requests more sparingly (1 request per second)."}`
	premium = `{"Information":"Thank you for using Alpha Vantage! This is a premium endpoint. You may subscribe to any of the premium plans."}`
	demo    = `{"Information":"The **demo** API key is for demo purposes only."}`
	unknown = `{"Error Message":"Invalid API call. Please retry or visit the documentation (https://www.alphavantage.co/documentation/) for TIME_SERIES_DAILY."}`
	other   = `{"Information":"Down for maintenance."}`
)

func TestRead(t *testing.T) {
	page, err := adapter().Read(series(t), []byte(two))
	want := []market.Bar{
		{Start: day("2024-10-31"), End: day("2024-11-01"), Open: 205, High: 207.5, Low: 204, Close: 206.72, Volume: 6281050},
		{Start: day("2024-11-01"), End: day("2024-11-02"), Open: 207.77, High: 208.51, Low: 206.1, Close: 208.25, Volume: 3919345},
	}
	if err != nil || !slices.Equal(page.Bars, want) || page.Oldest != 0 {
		t.Errorf("%+v, %v", page, err)
	}
	page, err = adapter().Read(series(t), []byte(torn))
	if err != nil || len(page.Bars) != 0 || len(page.Rejects) != 3 {
		t.Errorf("%+v, %v; want three rejects", page, err)
	}
	page, err = adapter().Read(series(t), many(100))
	if err != nil || len(page.Bars) != 100 || page.Oldest != day("1970-01-01") {
		t.Errorf("%d days, oldest %s, %v", len(page.Bars), page.Oldest, err)
	}
}

func many(n int) []byte {
	rows := []string{}
	for i := range n {
		rows = append(rows, fmt.Sprintf(`%q:{"1. open":"207.7700","2. high":"208.5100","3. low":"206.1000","4. close":"208.2500","5. volume":"3919345"}`, time.Unix(int64(i)*86400, 0).UTC().Format(time.DateOnly)))
	}
	return []byte(`{"Time Series (Daily)":{` + strings.Join(rows, ",") + `}}`)
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		body              string
		final, later, day bool
	}{
		"the day's requests":  {body: perDay, later: true, day: true},
		"the minute's, once":  {body: old, later: true},
		"one a second":        {body: burst, later: true},
		"not in the plan":     {body: premium, final: true},
		"the key of examples": {body: demo, final: true},
		"unknown symbol":      {body: unknown, final: true},
		"something else":      {body: other},
		"nothing":             {body: `{}`},
		"not an object":       {body: `[]`},
		"a series of nothing": {body: `{"Time Series (Daily)":7}`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := adapter().Read(series(t), []byte(c.body))
			var later *venue.Later
			if err == nil || errors.Is(err, venue.ErrFinal) != c.final || errors.As(err, &later) != c.later || c.later && later.Day != c.day {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestInstruments(t *testing.T) {
	for symbol, want := range map[string]string{"ibm": "IBM", "BRK.B": "BRK-B", "": "", "EUR/USD": "", "TSCO.LON": "", "A B": ""} {
		i, err := adapter().Instrument(symbol)
		if i.Symbol != want || want == "" && !errors.Is(err, venue.ErrSymbol) {
			t.Errorf("%q: %q, %v", symbol, i.Symbol, err)
		}
	}
	if _, err := adapter().Delivers(market.Minute); !errors.Is(err, venue.ErrSymbol) {
		t.Errorf("minutes: %v", err)
	}
	r, ok := adapter().Ask(series(t), 0, 0, "")
	if !ok || r.URL != "https://www.alphavantage.co/query?function=TIME_SERIES_DAILY&outputsize=compact&symbol=IBM" || r.Secret.Get("apikey") != secret {
		t.Errorf("%+v", r)
	}
}

// A month of days takes few requests, and none of them is missing; when the day's requests are
// used up, the next comes after midnight UTC. A quoted key is struck out.
func TestMonth(t *testing.T) {
	quoted := strings.ReplaceAll(perDay, "***", secret)
	deed := venuetest.Misdeed{REST: func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n == 0 {
			_, _ = w.Write([]byte(quoted))
		}
		return n == 0
	}}
	venuetest.Watch(t, kit(), deed, 28*24*time.Hour, func(t *testing.T, w *venuetest.Watched) {
		fresh := 0
		for at := range w.Bars {
			if at >= day("2000-01-04") {
				fresh++
			}
		}
		if w.Err != nil || fresh != 18 || w.Requests > 2*28 {
			t.Errorf("%d days, %d requests, %v", fresh, w.Requests, w.Err)
		}
		said := strings.Join(w.States, "\n")
		if !strings.Contains(said, "25 requests per day") || !strings.Contains(said, "asked again at 2000-01-04T00:00:1") || strings.Contains(said, secret) {
			t.Errorf("%s", said)
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{two, torn, perDay, old, burst, premium, demo, unknown, other, `{}`, `null`} {
		f.Add([]byte(s))
	}
	a, s := adapter(), series(f)
	f.Fuzz(func(t *testing.T, b []byte) { _, _ = a.Read(s, b) })
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := adapter().Decode(b, &venue.Batch{}); err == nil {
			t.Error("a frame of a venue that does not stream is taken")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	a, s, body := adapter(), series(b), many(100)
	b.ReportAllocs()
	for b.Loop() {
		if page, err := a.Read(s, body); err != nil || len(page.Bars) != 100 {
			b.Fatal(len(page.Bars), err)
		}
	}
}
