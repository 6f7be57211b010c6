package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

func TestStatus(t *testing.T) {
	w := newWorld(t).history(3)
	s := get200[Status](w, "/v1/status")
	want := Status{Version: "v1.2.3", Epoch: w.store.Epoch(), Mode: "live", Simulated: true, StartedAt: w.srv.started, Now: s.Now, DefaultSeries: amzn, FeedsOK: true, Ready: true}
	if s != want || s.Now < s.StartedAt {
		t.Fatalf("status %+v, want %+v", s, want)
	}
	w.mu.Lock()
	w.feeds[0].State, w.ready = feed.Stalled, "feed sim is stalled"
	w.mu.Unlock()
	if s := get200[Status](w, "/v1/status"); s.FeedsOK || s.Ready || s.ReadyReason != "feed sim is stalled" {
		t.Fatalf("status %+v of a stalled feed", s)
	}
	wantReady := w.do("GET", "/readyz", "")
	if wantReady.StatusCode != 503 || string(wantReady.body) != `{"ready":false,"reason":"feed sim is stalled"}` {
		t.Fatalf("readyz %d %s", wantReady.StatusCode, wantReady.body)
	}
	if a := w.do("GET", "/healthz", ""); a.StatusCode != 200 || string(a.body) != `{"status":"ok"}` {
		t.Fatalf("healthz %d %s", a.StatusCode, a.body)
	}
}

func TestSeriesAndInstruments(t *testing.T) {
	w := newWorld(t).history(3)
	list := get200[struct{ Items []SeriesInfo }](w, "/v1/series").Items
	if len(list) != 2 || list[0].ID != amzn || !list[0].Default || list[0].LastBar == nil || list[0].LastBar.Close != storetest.Bar(amzn, 2, 0).Close ||
		*list[0].FirstBar != storetest.Bar(amzn, 0, 0).Start || list[0].IntervalSeconds != 1 || list[0].Horizons != 5 || len(list[0].Models) != 3 {
		t.Fatalf("series %+v", list)
	}
	one := get200[map[string]any](w, of(slashed, ""))
	if one["id"] != string(slashed) || one["last_bar"] != nil || one["first_bar"] != nil || one["default"] != false {
		t.Fatalf("an id with a slash: %v", one)
	}
	ins := get200[struct{ Items []InstrumentInfo }](w, "/v1/instruments").Items
	if len(ins) != 2 || ins[0].Key != "sim:AMZN" || !slices.Equal(ins[0].Series, []market.SeriesID{amzn}) || ins[1].Symbol != "BTC/USD" {
		t.Fatalf("instruments %+v", ins)
	}
}

// Pages put together are the whole, in either order and whatever their size.
func TestBarsPageByPage(t *testing.T) {
	w := newWorld(t).history(60)
	for _, order := range []string{"asc", "desc"} {
		for _, limit := range []int{1, 7, 59, 60, 5000} {
			t.Run(fmt.Sprintf("%s by %d", order, limit), func(t *testing.T) {
				want, err := w.store.Bars(t.Context(), amzn, store.Range{Newest: order == "desc"})
				must(t, err)
				var got []market.Bar
				for cursor := ""; ; {
					p := get200[BarPage](w, of(amzn, fmt.Sprintf("/bars?order=%s&limit=%d&cursor=%s", order, limit, cursor)))
					if len(p.Items) > limit || p.Series != amzn || p.Interval != "1s" {
						t.Fatalf("page of %d items: %+v", len(p.Items), p)
					}
					got = append(got, p.Items...)
					if cursor = p.Next; cursor == "" {
						break
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%d bars, want %d", len(got), len(want))
				}
			})
		}
	}
}

func TestBarsByTime(t *testing.T) {
	w := newWorld(t).history(30)
	at := func(i int) market.Time { return storetest.Bar(amzn, i, 0).Start }
	for _, c := range []struct {
		name, query string
		want        []int
	}{
		{"newest first unless from is given", "limit=2", []int{29, 28}},
		{"oldest first from a time", "limit=2&from=" + at(5).String(), []int{5, 6}},
		{"newest first from a time on request", "limit=2&order=desc&from=" + at(5).String(), []int{29, 28}},
		{"to is not included", "from=" + at(5).String() + "&to=" + at(7).String(), []int{5, 6}},
		{"an absent bar is absent", "from=" + at(19).String() + "&to=" + at(22).String(), []int{19, 21}},
		{"an offset other than UTC", "limit=1&from=" + url.QueryEscape("2024-03-01T15:30:05+01:00"), []int{5}},
		{"from 1970 on", "limit=1&from=1970-01-01", []int{0}},
		{"nothing before 1970", "to=1970-01-01", nil},
		{"nothing from the far end", "from=9999-12-31", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []int
			for _, b := range get200[BarPage](w, of(amzn, "/bars?"+c.query)).Items {
				got = append(got, int(b.Start.Sub(at(0)).Seconds()))
			}
			if !slices.Equal(got, c.want) {
				t.Fatalf("bars %v, want %v", got, c.want)
			}
		})
	}
}

// The first instant of 1970 is a time like any other, though it is stored as 0.
func TestBarsAroundTheEpoch(t *testing.T) {
	w := newWorld(t)
	day := market.Time(24 * 3600 * 1e6)
	rec := storetest.Series("OLD")
	rec.Interval = market.Day
	must(t, w.store.PutSeries(t.Context(), rec))
	var bars []store.BarRecord
	for i := market.Time(-3); i <= 3; i++ {
		b := storetest.Bar(rec.ID(), 1, 0)
		b.Start, b.End = i*day, (i+1)*day
		bars = append(bars, b)
	}
	_, _, err := w.store.CommitBars(t.Context(), bars)
	must(t, err)
	for _, c := range []struct {
		query string
		want  int
	}{{"from=1970-01-01", 4}, {"to=1970-01-01", 3}, {"from=1969-12-31&to=1970-01-01", 1}, {"from=1970-01-01&to=1970-01-02", 1}} {
		if got := len(get200[BarPage](w, of(rec.ID(), "/bars?"+c.query)).Items); got != c.want {
			t.Errorf("%s: %d bars, want %d", c.query, got, c.want)
		}
	}
	for _, order := range []string{"asc", "desc"} {
		n, cursor := 0, ""
		for range 10 {
			p := get200[BarPage](w, of(rec.ID(), "/bars?limit=1&order="+order+"&cursor="+cursor))
			n += len(p.Items)
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if n != 7 || cursor != "" {
			t.Errorf("%s: %d bars in pages of one, want 7", order, n)
		}
	}
}

// A cursor moves inside from and to, whatever it says.
func TestCursorStaysInsideTheRange(t *testing.T) {
	w := newWorld(t).history(30)
	at := func(i int) market.Time { return storetest.Bar(amzn, i, 0).Start }
	for _, q := range []string{"order=desc&to=" + at(5).String() + "&cursor=" + encodeCursor(int64(at(25))), "order=asc&from=" + at(25).String() + "&cursor=" + encodeCursor(int64(at(3)))} {
		if n := len(get200[BarPage](w, of(amzn, "/bars?"+q)).Items); n != 5 {
			t.Errorf("%s: %d bars, want 5", q, n)
		}
	}
}

func TestForecasts(t *testing.T) {
	w := newWorld(t).history(30)
	type page struct {
		Items []map[string]any
		Next  string `json:"next_cursor"`
	}
	p := get200[page](w, of(amzn, "/forecasts?limit=29"))
	if len(p.Items) != 29*15 || p.Next != "" {
		t.Fatalf("%d forecasts, next %q", len(p.Items), p.Next)
	}
	scored := map[pairing]bool{}
	for i := 5; i < 30; i++ {
		if i == absent {
			continue
		}
		for _, s := range storetest.Scores(i, 0, 3, 5) {
			scored[pairing{s.Model, s.Horizon, s.Cutoff, s.Target}] = true
		}
	}
	newest := storetest.Bar(amzn, 29, 0).End
	seen := map[string]int{}
	for _, f := range p.Items {
		span := f["target"].(map[string]any)
		target, err := market.ParseTime(span["start"].(string))
		must(t, err)
		cutoff, err := market.ParseTime(f["cutoff"].(string))
		must(t, err)
		want := "open"
		if scored[pairing{f["model"].(string), int(f["horizon"].(float64)), cutoff, target}] {
			want = "scored"
		} else if target < newest {
			want = "void"
		}
		seen[want]++
		if f["status"] != want || (f["actual"] != nil) != (want == "scored") || (f["hit"] != nil) != (want == "scored") {
			t.Fatalf("forecast %v, want %s", f, want)
		}
	}
	if seen["open"] != 45 || seen["void"] == 0 || seen["scored"] == 0 {
		t.Fatalf("statuses %v", seen)
	}
	if p := get200[page](w, of(amzn, "/forecasts?model=ewma&horizon=2&limit=3")); len(p.Items) != 3 || p.Next == "" || p.Items[0]["model"] != "ewma" || p.Items[0]["horizon"] != 2.0 || p.Items[0]["opened_ms"] != -999.0 {
		t.Fatalf("filtered %+v", p)
	}
	var cutoffs []string
	for cursor := ""; ; {
		p := get200[page](w, of(amzn, "/forecasts?model=naive&horizon=1&limit=4&order=asc&cursor="+cursor))
		for _, f := range p.Items {
			cutoffs = append(cutoffs, f["cutoff"].(string))
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if len(cutoffs) != 29 || !slices.IsSorted(cutoffs) || len(slices.Compact(cutoffs)) != 29 {
		t.Fatalf("cutoffs in pages: %v", cutoffs)
	}
}

func TestLedger(t *testing.T) {
	w := newWorld(t).history(10)
	a := w.do("GET", of(amzn, "/ledger"), "")
	var head struct {
		Seq     uint64
		Hash    string
		Genesis json.RawMessage
	}
	must(t, json.Unmarshal(a.body, &head))
	if head.Seq != w.chain.Head.Seq || head.Hash != w.chain.Head.Hash.String() || a.Header.Get("ETag") != `"`+head.Hash+`"` || head.Genesis == nil {
		t.Fatalf("head %+v, ETag %s", head, a.Header.Get("ETag"))
	}
	for _, tag := range []string{a.Header.Get("ETag"), "W/" + a.Header.Get("ETag"), `"x", ` + a.Header.Get("ETag"), "*"} {
		if b := w.do("GET", of(amzn, "/ledger"), "", "If-None-Match", tag); b.StatusCode != http.StatusNotModified || len(b.body) != 0 || b.Header.Get("ETag") != a.Header.Get("ETag") {
			t.Errorf("If-None-Match %s: %d %s", tag, b.StatusCode, b.body)
		}
	}
	w.history(1)
	if b := w.do("GET", of(amzn, "/ledger"), "", "If-None-Match", a.Header.Get("ETag")); b.StatusCode != 200 {
		t.Errorf("a moved head: %d", b.StatusCode)
	}

	// What is served can be verified with package ledger alone.
	list := get200[struct{ Items []json.RawMessage }](w, of(amzn, "/ledger/entries?limit=1000")).Items
	var v ledger.Verifier
	for i, raw := range list {
		s, err := ledger.ParseJSON(raw)
		must(t, err)
		if err := v.Add(s); err != nil {
			t.Fatalf("entry %d: %v", i+1, err)
		}
	}
	if uint64(len(list)) != w.chain.Head.Seq {
		t.Fatalf("%d entries, head %d", len(list), w.chain.Head.Seq)
	}
	e := w.do("GET", of(amzn, "/ledger/entries/2"), "")
	if e.StatusCode != 200 || string(e.body) != string(list[1])+"\n" && string(e.body) != string(list[1]) || !strings.Contains(e.Header.Get("Cache-Control"), "immutable") {
		t.Fatalf("entry 2: %d %s %.100s", e.StatusCode, e.Header.Get("Cache-Control"), e.body)
	}
	if b := w.do("GET", of(amzn, "/forecasts/2"), ""); b.StatusCode != 200 || string(b.body) != string(e.body) {
		t.Fatalf("the forecast's entry: %d %.100s", b.StatusCode, b.body)
	}
	if n := len(get200[struct{ Items []json.RawMessage }](w, of(amzn, "/ledger/entries?kind=outcome&order=desc&limit=2&from=3")).Items); n != 2 {
		t.Fatalf("%d newest outcomes", n)
	}
	empty := get200[map[string]any](w, of(slashed, "/ledger"))
	if empty["seq"] != 0.0 || empty["genesis"] != nil {
		t.Fatalf("an empty chain: %v", empty)
	}
	if s := string(w.do("GET", of(slashed, "/ledger/entries"), "").body); strings.TrimSpace(s) != `{"items":[]}` {
		t.Fatalf("entries of an empty chain: %s", s)
	}
}

func TestGaps(t *testing.T) {
	w := newWorld(t).history(6)
	from := storetest.Bar(amzn, 5, 0).End
	s := w.chain.Seal(ledger.Entry{At: from + 9e6, Gap: &ledger.GapBody{Span: market.Span{Start: from, End: from + 4e6}, Bars: 4, Missed: 60, Reason: "no data was received"}})
	_, err := w.store.CommitStep(t.Context(), store.Step{Series: amzn, Entries: []ledger.Sealed{s}})
	must(t, err)
	want := GapInfo{s.Seq, from, from + 4e6, 4, 60, "no data was received"}
	if got := get200[struct{ Items []GapInfo }](w, of(amzn, "/gaps")).Items; len(got) != 1 || got[0] != want {
		t.Fatalf("gaps %+v, want %+v", got, want)
	}
}

func TestFeedsAndQuarantine(t *testing.T) {
	w := newWorld(t)
	feeds := get200[struct{ Items []map[string]any }](w, "/v1/feeds").Items
	if len(feeds) != 1 || feeds[0]["state"] != "running" || feeds[0]["last_data"] != nil || feeds[0]["clock"] != nil || feeds[0]["rejected"] != 0.0 {
		t.Fatalf("feeds %v", feeds)
	}
	var rejects []feed.Reject
	for i := range 5 {
		rejects = append(rejects, feed.Reject{Source: "f.csv", Instrument: "sim:AMZN", Line: i + 1, Raw: fmt.Sprint("x,", i), Reason: "no price"})
	}
	must(t, w.store.Quarantine(t.Context(), w.cfg.Now(), rejects))
	type page struct {
		Items []Reject
		Next  string `json:"next_cursor"`
		Total int
	}
	var lines []int
	for cursor := ""; ; {
		p := get200[page](w, "/v1/quarantine?limit=2&cursor="+cursor)
		for _, r := range p.Items {
			lines = append(lines, r.Line)
		}
		if p.Total != 5 {
			t.Fatalf("total %d", p.Total)
		}
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if !slices.Equal(lines, []int{5, 4, 3, 2, 1}) {
		t.Fatalf("lines %v", lines)
	}
}

// Lists are lists, also when there is nothing in them.
func TestListsAreNeverNull(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Models = nil })
	for _, path := range []string{"/v1/series", "/v1/instruments", of(slashed, ""), of(slashed, "/bars"), of(slashed, "/forecasts"), of(slashed, "/scores"),
		of(slashed, "/accuracy"), of(slashed, "/gaps"), of(slashed, "/ledger/entries"), "/v1/quarantine"} {
		a := w.do("GET", path, "")
		for _, list := range []string{"items", "models", "series", "windows"} {
			if strings.Contains(string(a.body), `"`+list+`":null`) || a.StatusCode != 200 {
				t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
			}
		}
	}
}
