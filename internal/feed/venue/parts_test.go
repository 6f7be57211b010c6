package venue

import (
	"bytes"
	"encoding/json"
	"errors"

	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// Trades that come twice, late or not at all are told apart by their numbers.
func TestNumbers(t *testing.T) {
	var n numbers
	for _, c := range []struct {
		id             int64
		fresh, missing bool
	}{{10, true, false}, {11, true, false}, {11, false, false}, {15, true, true}, {13, true, false}, {13, false, false}, {12, true, false}, {14, true, false}, {9, false, false}, {16, true, false}} {
		if fresh, missing := n.take(c.id, 5, 4); fresh != c.fresh || missing != c.missing {
			t.Errorf("trade %d: new %t, missing before %t", c.id, fresh, missing)
		}
	}
	if len(n.holes) != 0 {
		t.Errorf("holes %v are left", n.holes)
	}
}

// However trades are dropped, repeated and reordered, what is new is told once, and holes are
// what was dropped.
func TestNumbersAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Int64Range(100, 130), 1, 60).Draw(t, "ids")
		var n numbers
		seen := map[int64]bool{}
		for _, id := range ids {
			fresh, _ := n.take(id, 1, 1)
			if want := !seen[id] && (len(seen) == 0 || id >= ids[0]); fresh != want {
				t.Fatalf("trade %d of %v: new is %t", id, ids, fresh)
			}
			seen[id] = true
		}
		open := map[int64]bool{}
		for _, h := range n.holes {
			for id := h.from; id <= h.to; id++ {
				open[id] = true
			}
		}
		for id := ids[0]; id <= n.newest; id++ {
			if open[id] == seen[id] {
				t.Fatalf("trade %d came: %t, is missed: %t", id, seen[id], open[id])
			}
		}
	})
}

func TestHeartbeat(t *testing.T) {
	var n numbers
	n.take(10, 1, 1)
	for i, want := range []bool{false, false, true, false} {
		if got := n.heartbeat([]int64{10, 12, 12, 12}[i]); got != want {
			t.Errorf("heartbeat %d: missing %t", i, got)
		}
	}
}

func TestOffset(t *testing.T) {
	var o offset
	for range 40 {
		for _, d := range []time.Duration{-20, -30, 5000, -25} {
			o.add(d * time.Millisecond)
		}
	}
	if got := o.get(); got < -30*time.Millisecond || got > -20*time.Millisecond {
		t.Errorf("the offset is %s", got)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	for in, want := range map[string]time.Duration{
		"": 30 * time.Second, "7": 7 * time.Second, "0": time.Second, "-3": 30 * time.Second, "soon": 30 * time.Second, "99999999": time.Hour,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second, now.Add(-time.Hour).Format(http.TimeFormat): time.Second,
	} {
		if got := retryAfter(in, now); got != want {
			t.Errorf("Retry-After %q: %s, want %s", in, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for in, want := range map[string]float64{`1.5`: 1.5, `"105944.20"`: 105944.2, `"0.00027625"`: 0.00027625, `-3e2`: -300} {
		var n Number
		if err := json.Unmarshal([]byte(in), &n); err != nil || float64(n) != want {
			t.Errorf("%s is read as %v, %v", in, n, err)
		}
	}
	for _, in := range []string{`"NaN"`, `"Inf"`, `""`, `"1,5"`, `null`, `true`, `"1e999"`, `[]`} {
		var n Number
		if err := json.Unmarshal([]byte(in), &n); err == nil {
			t.Errorf("%s is read as %v", in, n)
		}
	}
}

func TestAddresses(t *testing.T) {
	for endpoint, want := range map[string][2]string{
		"":                       {"https://api.example.com/0/x?a=b", "wss://ws.example.com/v2"},
		"http://127.0.0.1:9000":  {"http://127.0.0.1:9000/0/x?a=b", "ws://127.0.0.1:9000/v2"},
		"https://proxy.internal": {"https://proxy.internal/0/x?a=b", "wss://proxy.internal/v2"},
	} {
		s := Setup{Endpoint: endpoint}
		if rest, stream := s.Addresses("https://api.example.com/0/x?a=b", "wss://ws.example.com/v2"); rest != want[0] || stream != want[1] {
			t.Errorf("%q: %s, %s", endpoint, rest, stream)
		}
	}
}

func TestSecret(t *testing.T) {
	s := Setup{Key: func(n string) string { return map[string]string{"A": "hunter2"}[n] }}
	if v, err := s.Secret("A"); v != "hunter2" || err != nil {
		t.Error(v, err)
	}
	if _, err := s.Secret("B_KEY"); !errors.Is(err, feed.ErrFinal) || !strings.Contains(err.Error(), "set B_KEY, or B_KEY_FILE") {
		t.Error(err)
	}
}

// Addresses in errors have neither query nor user.
func TestPlain(t *testing.T) {
	if got := plain("https://user:hunter2@host.example/path?apikey=hunter2"); got != "host.example/path" {
		t.Error(got)
	}
}

func TestMend(t *testing.T) {
	l := &line{s: market.Series{Interval: market.Minute}}
	m := market.Time(60_000_000)
	l.mend(market.Span{Start: m + 5, End: m + 9})
	l.mend(market.Span{Start: 5 * m, End: 6*m + 1})
	l.mend(market.Span{Start: 2*m + 5, End: 2*m + 6})
	want := []market.Span{{Start: m, End: 3 * m}, {Start: 5 * m, End: 7 * m}}
	if len(l.repairs) != 2 || l.repairs[0] != want[0] || l.repairs[1] != want[1] {
		t.Errorf("%v, want %v", l.repairs, want)
	}
}

// FuzzRecording reads files that are no recordings.
func FuzzRecording(f *testing.F) {
	f.Add([]byte(`{"at":"2024-01-02T03:04:05Z","kind":"begin","config":{"venue":"x","series":["x:A@1m"],"symbols":["A"],"every":["1m"],"stored":{},"history":0,"silence":0,"grace":0}}` + "\n" +
		`{"at":"2024-01-02T03:04:06Z","kind":"open"}` + "\n" + `{"at":"2024-01-02T03:04:07Z","kind":"frame","data":"e30="}`))
	f.Add([]byte(`{"kind":"answer","query":{"Line":-1}}`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadRecording(bytes.NewReader(b), func(string) (Adapter, error) { return nil, errors.New("unknown venue") }, 0, 0, time.Now)
		if err == nil || r != nil || !errors.Is(err, ErrRecording) {
			t.Fatalf("%v, %v", r, err)
		}
	})
}

func TestJudge(t *testing.T) {
	h := newHost(nil, 1, 1, time.Now, func(d time.Duration) time.Duration { return d })
	for _, c := range []struct {
		status int
		kind   string
		body   string
		final  bool
		words  string
	}{
		{200, "application/json", `{"a":1}`, false, ""},
		{200, "application/json", ` [1]`, false, ""},
		{200, "text/html", `<html>`, false, "a page instead of data"},
		{200, "application/json", `<html>`, false, "a page instead of data"},
		{200, "application/json", ``, false, "instead of data"},
		{500, "", "x", false, "answers 500"},
		{403, "", "no", true, "is the key right"},
		{404, "", "no", true, "is the symbol right"},
		{429, "", "no", false, "left alone for 30s"},
		{451, "", "no", true, "not available from where this machine is"},
	} {
		err := h.judge("host/path", &http.Response{StatusCode: c.status, Header: http.Header{"Content-Type": {c.kind}}}, []byte(c.body))
		if (err == nil) != (c.words == "") || err != nil && !strings.Contains(err.Error(), c.words) || errors.Is(err, ErrFinal) != c.final {
			t.Errorf("%d %s %q: %v", c.status, c.kind, c.body, err)
		}
	}
	if h.headroom() != 0 {
		t.Error("there is headroom at a host that refuses for good")
	}
}

// What is missed on and on is repaired bar by bar, not when it has ended for good.
func TestRepairsOfWhatHasEnded(t *testing.T) {
	at := func(s int) market.Time { return market.Time(s) * 1_000_000 }
	l := &line{s: market.Series{Interval: market.Minute}, least: at(60)}
	l.mend(market.Span{Start: at(10), End: at(50)})
	if len(l.repairs) != 0 {
		t.Fatalf("what is stored is to be repaired: %v", l.repairs)
	}
	l.mend(market.Span{Start: at(10), End: at(70)})
	l.mend(market.Span{Start: at(119), End: at(121)})
	if want := (market.Span{Start: at(60), End: at(180)}); len(l.repairs) != 1 || l.repairs[0] != want || l.ripe() != at(120) {
		t.Fatalf("to be repaired: %v, ripe at %s", l.repairs, l.ripe())
	}
	if got, want := l.owed(at(125)), (market.Span{Start: at(60), End: at(120)}); got != want || l.gaps() != 1 || l.ripe() != at(180) {
		t.Errorf("asked for at once is %v, left %v", got, l.repairs)
	}
	if got, want := l.owed(at(181)), (market.Span{Start: at(120), End: at(180)}); got != want || l.gaps() != 0 || l.ripe() != market.MaxTime {
		t.Errorf("asked for then is %v, left %v", got, l.repairs)
	}
}

// A hole that reaches back over the end of a bar is repaired although the connection is lost
// before the bar of its end has ended.
func TestHolesOutliveConnections(t *testing.T) {
	at := func(s int) market.Time { return market.Time(s) * 1_000_000 }
	l := &line{s: market.Series{Interval: market.Minute}}
	for _, x := range []struct {
		id int64
		at market.Time
	}{{1, at(118)}, {5, at(122)}} {
		l.numbers.take(x.id, x.at, l.lastTick)
		l.lastTick = x.at
	}
	l.numbers.heartbeat(7)
	l.abandon(at(181))
	if want := (market.Span{Start: at(60), End: at(240)}); len(l.repairs) != 1 || l.repairs[0] != want || l.numbers.newest != 0 {
		t.Errorf("to be repaired: %v", l.repairs)
	}
}
