package httpfeed_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed/httpfeed"
	"github.com/foretick/foretick/internal/feed/venue"
	"github.com/foretick/foretick/internal/feed/venue/venuetest"
	"github.com/foretick/foretick/market"
)

// service answers with the newest finished candle of a market.
type service struct {
	venuetest.NoStream
	m *venuetest.Market
	i market.Interval
}

func (v *service) REST(w http.ResponseWriter, r *http.Request, now market.Time) {
	if r.Method != http.MethodGet || r.URL.Path != "/stock_data" || r.URL.RawQuery != "" {
		http.NotFound(w, r)
		return
	}
	bars := v.m.Bars(v.i, v.i.Floor(now.Add(-10*v.i.Duration())), v.i.Floor(now), now)
	b := bars[len(bars)-1]
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"timestamp":%q,"open":%v,"high":%v,"low":%v,"close":%v}`, b.Start, b.Open, b.High, b.Low, b.Close)
}

func kit(interval string) venuetest.Kit {
	i := market.MustInterval(interval)
	return venuetest.Kit{New: func(s venue.Setup) venue.Adapter { return httpfeed.New(s) }, Symbol: "AMZN", Interval: i, Polled: true, NoHistory: true, NoVolume: true,
		Speaker: func(m *venuetest.Market) venuetest.Speaker { return &service{m: m, i: i} }}
}

func TestSeconds(t *testing.T) {
	k := kit("1s")
	k.Silent = true // HTTP tells the time in whole seconds, which is too coarse here
	venuetest.Exercise(t, k)
}

func TestMinutes(t *testing.T) { venuetest.Exercise(t, kit("1m")) }

func series(t testing.TB, interval string) market.Series {
	t.Helper()
	i, err := httpfeed.New(venue.Setup{}).Instrument("AMZN")
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

var stamps = map[string]string{
	`"2024-01-02T03:04:05Z"`:             "2024-01-02T03:04:05Z",
	`"2024-01-02T03:04:05.678901+02:00"`: "2024-01-02T01:04:05Z",
	`"2024-01-02 03:04:05"`:              "2024-01-02T03:04:05Z",
	`"2024-01-02T03:04:05.999"`:          "2024-01-02T03:04:05Z",
	`1704164645`:                         "2024-01-02T03:04:05Z",
	`1704164645.25`:                      "2024-01-02T03:04:05Z",
	`1704164645999`:                      "2024-01-02T03:04:05Z",
	`"1704164645000"`:                    "2024-01-02T03:04:05Z",
	`"Tue, 02 Jan 2024 03:04:05 GMT"`:    "2024-01-02T03:04:05Z",
}

func TestStamps(t *testing.T) {
	a := httpfeed.New(venue.Setup{})
	for in, want := range stamps {
		page, err := a.Read(series(t, "1s"), fmt.Appendf(nil, `{"timestamp":%s,"open":1,"high":2,"low":0.5,"close":"1.5"}`, in))
		if err != nil || len(page.Bars) != 1 || page.Bars[0] != (market.Bar{Start: at(want), End: at(want).Add(time.Second), Open: 1, High: 2, Low: 0.5, Close: 1.5}) || !page.Final {
			t.Errorf("%s: %+v, %v; want %s", in, page, err, want)
		}
	}
	page, err := a.Read(series(t, "5m"), []byte(`{"timestamp":"2024-01-02 03:04:05","open":1,"high":1,"low":1,"close":1}`))
	if err != nil || page.Bars[0].Start != at("2024-01-02T03:00:00Z") || page.Oldest != page.Bars[0].Start {
		t.Errorf("%+v, %v", page, err)
	}
	for name, body := range map[string]string{
		"no time": `{"open":1,"high":1,"low":1,"close":1}`, "null": `{"timestamp":null,"open":1,"high":1,"low":1,"close":1}`, "words": `{"timestamp":"now","open":1,"high":1,"low":1,"close":1}`,
		"no close": `{"timestamp":1,"open":1,"high":1,"low":1}`, "error": `{"error":"no bar yet"}`, "far": `{"timestamp":1e300,"open":1,"high":1,"low":1,"close":1}`,
		"list": `[]`, "not a number": `{"timestamp":1,"open":"x","high":1,"low":1,"close":1}`,
	} {
		if _, err := a.Read(series(t, "1s"), []byte(body)); err == nil || errors.Is(err, venue.ErrFinal) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAddress(t *testing.T) {
	for endpoint, want := range map[string]string{
		"":                                  "http://127.0.0.1:5000/stock_data",
		"http://10.0.0.7:5000":              "http://10.0.0.7:5000/stock_data",
		"http://10.0.0.7:5000/":             "http://10.0.0.7:5000/stock_data",
		"https://x.example/demo":            "https://x.example/demo/stock_data",
		"https://x.example/demo/stock_data": "https://x.example/demo/stock_data",
	} {
		r, ok := httpfeed.New(venue.Setup{Endpoint: endpoint}).Ask(series(t, "1s"), 0, 0, "")
		if !ok || r.URL != want {
			t.Errorf("%q: %s, want %s", endpoint, r.URL, want)
		}
	}
	a := httpfeed.New(venue.Setup{})
	for _, bad := range []string{"", "A B", "A@1s", strings.Repeat("A", 60)} {
		if _, err := a.Instrument(bad); !errors.Is(err, venue.ErrSymbol) {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, i := range []string{"1w", "1mo"} {
		if _, err := a.Delivers(market.MustInterval(i)); !errors.Is(err, venue.ErrSymbol) {
			t.Errorf("%s is taken", i)
		}
	}
}

// made answers as the demo does: each answer is a new candle, stamped with the moment of asking by
// clock.
func made(clock func(now time.Time) string) venuetest.Misdeed {
	return venuetest.Misdeed{REST: func(n int, w http.ResponseWriter, _ *http.Request) bool {
		fmt.Fprintf(w, `{"timestamp":%s,"open":%d,"high":%d,"low":%d,"close":%d}`, clock(time.Now()), n+100, n+100, n+100, n+100)
		return true
	}}
}

// A candle that is stamped with the moment of asking is the bar in which that moment lies, once
// that has ended; none is missing, none comes twice.
func TestMadeWhenAsked(t *testing.T) {
	for _, interval := range []string{"1s", "5s", "1m"} {
		k := kit(interval)
		d := k.Interval.Duration()
		venuetest.Watch(t, k, made(func(now time.Time) string { return fmt.Sprintf("%q", now.UTC().Format("2006-01-02 15:04:05.000000")) }), 100*d, func(t *testing.T, w *venuetest.Watched) {
			if w.Err != nil || len(w.Bars) < 98 || len(w.Bars) > 100 || w.Requests > 102 || len(w.Rejects) > 0 {
				t.Errorf("%s: %v, %d bars of %d requests, %d rejects", interval, w.Err, len(w.Bars), w.Requests, len(w.Rejects))
			}
			for n, m := range w.Messages {
				for _, b := range m.Bars {
					if late := w.At[n].Sub(b.End); late < 0 || late > d {
						t.Errorf("%s: the bar that ends at %s came at %s", interval, b.End, w.At[n])
					}
				}
			}
		})
	}
}

// A clock in another zone that does not say so is refused, in words, once a candle; one that says
// so is not.
func TestAnotherZone(t *testing.T) {
	k := kit("1m")
	berlin := time.FixedZone("CET", 3600)
	venuetest.Watch(t, k, made(func(now time.Time) string { return fmt.Sprintf("%q", now.In(berlin).Format("2006-01-02 15:04:05")) }), 10*time.Minute, func(t *testing.T, w *venuetest.Watched) {
		if len(w.Bars) != 0 || len(w.Rejects) == 0 || !strings.Contains(w.Rejects[0].Reason, "time zone") {
			t.Errorf("%d bars, %+v", len(w.Bars), w.Rejects)
		}
	})
	venuetest.Watch(t, k, made(func(now time.Time) string { return fmt.Sprintf("%q", now.In(berlin).Format(time.RFC3339)) }), 10*time.Minute, func(t *testing.T, w *venuetest.Watched) {
		if len(w.Bars) < 8 || len(w.Rejects) != 0 {
			t.Errorf("%d bars, %+v", len(w.Bars), w.Rejects)
		}
	})
}

// A service that has nothing new is asked on; what it made while it could not be asked is lost, and
// that is said.
func TestTrouble(t *testing.T) {
	k := kit("1m")
	frozen := made(func(time.Time) string { return `"2000-01-03T15:50:00Z"` })
	frozen.REST = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		fmt.Fprint(w, `{"timestamp":"2000-01-03T15:50:00Z","open":1,"high":1,"low":1,"close":1}`)
		return true
	}
	venuetest.Watch(t, k, frozen, time.Hour, func(t *testing.T, w *venuetest.Watched) {
		if len(w.Bars) != 1 || w.Err != nil || w.Requests > 60*5 {
			t.Errorf("%d bars, %d requests, %v", len(w.Bars), w.Requests, w.Err)
		}
	})
	for name, answer := range map[string]http.HandlerFunc{
		"500":                  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"a page":               func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") },
		"429 with Retry-After": func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "120"); w.WriteHeader(429) },
		"no bar yet":           func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"error":"no bar yet"}`) },
	} {
		t.Run(name, func(t *testing.T) {
			var since time.Time
			deed := venuetest.Misdeed{REST: func(n int, w http.ResponseWriter, r *http.Request) bool {
				if n == 5 {
					since = time.Now()
				}
				bad := n >= 5 && time.Since(since) < 4*time.Minute
				if bad {
					answer(w, r)
				}
				return bad
			}}
			venuetest.Watch(t, k, deed, 20*time.Minute, func(t *testing.T, w *venuetest.Watched) {
				if w.Err != nil || len(w.Bars) < 14 || len(w.Bars) > 18 || w.Link.GapsLost < 2 || !strings.Contains(w.Link.Lost, "keeps no older bars") {
					t.Errorf("%v, %d bars, %+v, %q", w.Err, len(w.Bars), w.Link, w.States)
				}
				stalled := false
				for _, s := range w.States {
					stalled = stalled || strings.HasPrefix(s, "stalled")
				}
				if !stalled {
					t.Errorf("%q", w.States)
				}
			})
		})
	}
}

func FuzzRead(f *testing.F) {
	for in := range stamps {
		f.Add([]byte(`{"timestamp":` + in + `,"open":1,"high":2,"low":0.5,"close":"1.5"}`))
	}
	f.Add([]byte(`{"timestamp":1e300,"open":1,"high":1,"low":1,"close":1}`))
	a, s := httpfeed.New(venue.Setup{}), series(f, "1m")
	f.Fuzz(func(t *testing.T, b []byte) {
		page, _ := a.Read(s, b)
		for _, x := range page.Bars {
			if s.Interval.Floor(x.Start) != x.Start || x.End != s.Interval.End(x.Start) {
				t.Errorf("%+v is off the grid", x)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := httpfeed.New(venue.Setup{}).Decode(b, &venue.Batch{}); err == nil {
			t.Error("a frame of a venue that does not stream is taken")
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	a, s := httpfeed.New(venue.Setup{}), series(b, "1s")
	body := []byte(`{"timestamp":"2024-01-02T03:04:05Z","open":100.1,"high":100.4,"low":99.9,"close":100.2}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Read(s, body); err != nil {
			b.Fatal(err)
		}
	}
}
