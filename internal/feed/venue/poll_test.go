package venue

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// world is a polled venue and its markets, without a network: Read is handed the time and the
// question, and answers by what is known then.
type world struct {
	about    About
	calendar string
	back     time.Duration
	atOnce   time.Duration
	// quiet is true for bars in which nobody traded; late is how long after its end a bar is
	// known, 0 for Settle.
	quiet func(symbol string, start market.Time) bool
	late  func(symbol string, start market.Time) time.Duration
	// page changes an answer; an error takes its place.
	page func(symbol string, now market.Time, p *Page) error
}

type asked struct {
	Now      market.Time
	From, To market.Time
}

func (w *world) About() *About { return &w.about }
func (w *world) Instrument(symbol string) (market.Instrument, error) {
	name := w.calendar
	if name == "" || strings.Contains(symbol, "/") {
		name = "24x7"
	}
	return market.Instrument{Symbol: symbol, Venue: "world", Calendar: name}, nil
}
func (*world) Delivers(market.Interval) (Delivery, error)   { return Polled, nil }
func (*world) Connect([]market.Series) (Stream, error)      { return Stream{}, ErrFinal }
func (*world) Decode([]byte, *Batch) error                  { return ErrAnswer }
func (w *world) Keeps(market.Interval) (_, _ time.Duration) { return w.back, w.atOnce }
func (*world) Ask(_ market.Series, from, to market.Time, _ string) (Request, bool) {
	return Request{URL: fmt.Sprint(from, to)}, true
}

// bar is the bar of a symbol that starts at start.
func (w *world) bar(i market.Interval, start market.Time) market.Bar {
	p := 100 + float64(start/1e6%97)
	return market.Bar{Start: start, End: i.End(start), Open: p, High: p + 1, Low: p - 1, Close: p, Volume: 1}
}

// bars are those that start in [from, to) and are known at now.
func (w *world) bars(s market.Series, from, to, now market.Time) (out []market.Bar) {
	l := &line{s: s, cal: calendarOf(s)}
	for at := s.Interval.Floor(from); at < to && at <= now; at = s.Interval.End(at) {
		b := w.bar(s.Interval, at)
		late := w.about.Settle
		if w.late != nil {
			late = w.late(s.Instrument.Symbol, at)
		}
		if at >= from && l.overlaps(b.Span()) && b.End.Add(late) <= now && (w.quiet == nil || !w.quiet(s.Instrument.Symbol, at)) {
			out = append(out, b)
		}
	}
	return out
}

func calendarOf(s market.Series) market.Calendar {
	c, err := market.CalendarByName(s.Instrument.Calendar)
	if err != nil {
		panic(err)
	}
	return c
}

func (w *world) Read(s market.Series, body []byte) (Page, error) {
	var q asked
	if err := json.Unmarshal(body, &q); err != nil {
		return Page{}, err
	}
	p := Page{Bars: w.bars(s, q.From, q.To, q.Now)}
	if w.page != nil {
		if err := w.page(s.Instrument.Symbol, q.Now, &p); err != nil {
			return Page{}, err
		}
	}
	return p, nil
}

// run is what a machine did.
type run struct {
	messages []feed.Message
	at       []market.Time
	asked    []query
	askedAt  []market.Time
	err      error
}

// bars are the bars of an instrument, first revisions and later ones alike.
func (r *run) bars(key string) (out []market.Bar) {
	for _, m := range r.messages {
		if m.Instrument == key {
			out = append(out, m.Bars...)
		}
	}
	return out
}

func (r *run) states() (out []string) {
	for _, m := range r.messages {
		if m.State != "" {
			out = append(out, string(m.State)+": "+m.Detail)
		}
	}
	return out
}

func seriesOf(w *world, names ...string) (out []market.Series) {
	for _, n := range names {
		symbol, interval, _ := strings.Cut(n, "@")
		i, _ := w.Instrument(symbol)
		out = append(out, market.Series{Instrument: i, Interval: market.MustInterval(interval)})
	}
	return out
}

var nobody = func(market.SeriesID) (market.Time, bool) { return 0, false }

// follow lets a machine run over the world from begin for d. Requests take took each, one after
// another.
func (w *world) follow(t fatal, list []market.Series, resume feed.Resume, begin market.Time, depth, d, took time.Duration) *run {
	c := config{series: list, calendars: map[string]market.Calendar{}, depth: depth, grace: 2 * time.Second}
	for _, s := range list {
		c.calendars[s.Instrument.Key()] = calendarOf(s)
	}
	m, err := newMachine(w, c, resume, begin)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{}
	now, end := begin, begin.Add(d)
	var waiting []query
	var ready market.Time // when the request that is under way is answered
	act := func(in Input) {
		in.At = now
		m.act(&in)
		for _, x := range m.out {
			r.messages, r.at = append(r.messages, x), append(r.at, now)
		}
		m.out = nil
		waiting = append(waiting, m.asks...)
		m.asks = m.asks[:0]
	}
	act(Input{Kind: kindOpen})
	for steps := 0; m.finalE == nil; steps++ {
		if steps > 1_000_000 {
			t.Fatal("it does not come to rest")
		}
		if len(waiting) > 0 && ready == 0 {
			r.asked, r.askedAt = append(r.asked, waiting[0]), append(r.askedAt, now)
			ready = now.Add(took)
		}
		next := m.due()
		if ready != 0 {
			next = min(next, ready)
		}
		now = max(next, now+1000)
		if now >= end {
			break
		}
		if ready != 0 && now >= ready {
			q := waiting[0]
			waiting, ready = waiting[1:], 0
			body, _ := json.Marshal(asked{now, q.Span.Start, q.Span.End})
			act(Input{Kind: kindAnswer, Query: &q, Data: body})
			continue
		}
		act(Input{Kind: kindTick})
	}
	r.err = m.finalE
	return r
}

type fatal interface{ Fatal(args ...any) }

func moment(s string) market.Time {
	t, err := market.ParseTime(s)
	if err != nil {
		panic(err)
	}
	return t
}

func free() *world {
	return &world{about: About{Name: "world", Title: "World", Settle: 5 * time.Second, Every: 5 * time.Second, Daily: 780}, calendar: "us-equities"}
}

// However many series of whatever kind share a day's requests, they keep within them, and every
// bar comes.
func TestPollsKeepTheDay(t *testing.T) {
	for name, list := range map[string][]string{
		"a stock":        {"AAPL@1m"},
		"three stocks":   {"AAPL@1m", "AMZN@1m", "GE@1m"},
		"a coin":         {"BTC/USD@1m"},
		"many days":      {"A@1d", "B@1d", "C@1d", "D@1d", "E@1d", "F@1d", "G@1d", "H@1d", "I@1d", "J@1d", "K@1d", "L@1d"},
		"a bit of all":   {"AAPL@1m", "AMZN@5m", "GE@30m", "BTC/USD@1m", "ETH/USD@1h", "A@1d", "B@1d", "C@1d"},
		"twenty minutes": {"A@1m", "B@1m", "C@1m", "D@1m", "E@1m", "F@1m", "G@1m", "H@1m", "I@1m", "J@1m", "K/USD@1m", "L/USD@1m", "M/USD@1m", "N/USD@1m", "O/USD@1m", "P/USD@1m", "Q/USD@1m", "R/USD@1m", "S/USD@1m", "T/USD@1m"},
	} {
		t.Run(name, func(t *testing.T) {
			w := free()
			begin := moment("2024-03-05T00:00:00Z") // a Tuesday
			all := seriesOf(w, list...)
			r := w.follow(t, all, nobody, begin, 2*24*time.Hour, 3*24*time.Hour, time.Second)
			days := map[market.Time]int{}
			for _, at := range r.askedAt {
				days[market.Day.Floor(at)]++
			}
			for day, n := range days {
				if n > 800 {
					t.Errorf("%d requests on %s", n, day)
				}
			}
			for _, s := range all {
				want := w.bars(s, s.Interval.Floor(begin.Add(-2*24*time.Hour)), begin.Add(3*24*time.Hour), begin.Add(2*24*time.Hour+time.Hour))
				if got := r.bars(s.Instrument.Key()); len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
					t.Errorf("%s: %d bars came, want the first %d", s.ID(), len(got), len(want))
				}
			}
			late, n := time.Duration(0), 0
			for k, m := range r.messages {
				for _, b := range m.Bars {
					if !m.Backfill {
						late, n = max(late, r.at[k].Sub(b.End)), n+1
					}
				}
			}
			t.Logf("%d requests a day, %d live bars, at most %s late; %q", len(r.asked)/3, n, late, r.states()[len(r.states())-1])
		})
	}
}

// A stock in which nobody trades before the close is not asked for all night.
func TestQuietNight(t *testing.T) {
	w := free()
	w.about.Daily = 0
	w.quiet = func(_ string, start market.Time) bool {
		return start >= moment("2024-03-08T20:55:00Z") && start < moment("2024-03-11T13:33:00Z")
	}
	begin := moment("2024-03-08T20:50:00Z") // Friday
	r := w.follow(t, seriesOf(w, "X@1m"), nobody, begin, time.Hour, 65*time.Hour+10*time.Minute, 100*time.Millisecond)
	night := 0
	for _, at := range r.askedAt {
		if at > moment("2024-03-08T21:02:00Z") && at < moment("2024-03-11T13:30:00Z") {
			night++
		}
	}
	got := r.bars("world:X")
	if night > 0 || len(got) == 0 || got[len(got)-1].Start < moment("2024-03-11T13:55:00Z") {
		t.Errorf("asked %d times while the market was closed; %d bars, the last %v", night, len(got), got[len(got)-1:])
	}
}

// Bars that are known later than Settle says come soon after they are, before the next has ended.
func TestLateBars(t *testing.T) {
	w := free()
	w.about.Daily = 0
	w.late = func(string, market.Time) time.Duration { return 25 * time.Second }
	begin := moment("2024-03-05T15:00:30Z")
	r := w.follow(t, seriesOf(w, "X@1m"), nobody, begin, time.Hour, time.Hour, 100*time.Millisecond)
	for k, m := range r.messages {
		for _, b := range m.Bars {
			if late := r.at[k].Sub(b.End); !m.Backfill && (late < 25*time.Second || late > 50*time.Second) {
				t.Errorf("the bar that ends at %s came %s later", b.End, late)
			}
		}
	}
	if n := len(r.asked); n > 60*4 {
		t.Errorf("%d requests", n)
	}
}

// What the venue corrects within three bars is sent again, once.
func TestCorrections(t *testing.T) {
	w := free()
	w.about.Daily = 0
	fixed := moment("2024-03-05T15:10:00Z")
	w.page = func(_ string, now market.Time, p *Page) error {
		for i := range p.Bars {
			if p.Bars[i].Start == fixed && now > fixed.Add(150*time.Second) {
				p.Bars[i].Volume = 7
			}
		}
		return nil
	}
	r := w.follow(t, seriesOf(w, "X@1m"), nobody, moment("2024-03-05T15:00:30Z"), time.Hour, time.Hour, 100*time.Millisecond)
	var volumes []float64
	for _, b := range r.bars("world:X") {
		if b.Start == fixed {
			volumes = append(volumes, b.Volume)
		}
	}
	if !slices.Equal(volumes, []float64{1, 7}) {
		t.Errorf("volumes %v", volumes)
	}
}

// A symbol that the venue refuses for good does not end the others; when all are refused, the feed
// ends.
func TestRefusedSymbols(t *testing.T) {
	w := free()
	w.page = func(symbol string, _ market.Time, _ *Page) error {
		if symbol == "BAD" {
			return fmt.Errorf("%w: no such symbol", ErrFinal)
		}
		return nil
	}
	begin := moment("2024-03-05T15:00:30Z")
	r := w.follow(t, seriesOf(w, "BAD@1m", "GOOD@1m"), nobody, begin, time.Hour, time.Hour, 100*time.Millisecond)
	if n := len(r.bars("world:GOOD")); r.err != nil || n < 85 || !strings.Contains(strings.Join(r.states(), "\n"), "running: refused: world:BAD@1m") {
		t.Errorf("%v, %d bars, %q", r.err, n, r.states())
	}
	if n := strings.Count(fmt.Sprint(r.asked), "{0 "); n != 1 {
		t.Errorf("the refused one was asked for %d times", n)
	}
	r = w.follow(t, seriesOf(w, "BAD@1m"), nobody, begin, time.Hour, time.Hour, 100*time.Millisecond)
	if !errors.Is(r.err, ErrFinal) {
		t.Errorf("%v", r.err)
	}
}

// A venue that keeps 30 days and gives 7 at once is asked for a week at a time, and what it does
// not keep is told.
func TestKeeps(t *testing.T) {
	w := free()
	w.about.Daily, w.back, w.atOnce = 0, 30*24*time.Hour, 7*24*time.Hour
	begin := moment("2024-03-05T15:00:30Z")
	r := w.follow(t, seriesOf(w, "X@5m"), nobody, begin, 40*24*time.Hour, time.Hour, 100*time.Millisecond)
	oldest := begin.Add(-30 * 24 * time.Hour)
	for _, q := range r.asked {
		if q.Span.Start < oldest || q.Span.End.Sub(q.Span.Start) > 7*24*time.Hour {
			t.Errorf("asked for %s to %s", q.Span.Start, q.Span.End)
		}
	}
	lost := []market.Span{}
	for _, m := range r.messages {
		lost = append(lost, m.Lost...)
	}
	want := w.bars(seriesOf(w, "X@5m")[0], oldest, begin, begin)
	if got := r.bars("world:X"); len(lost) != 1 || lost[0].End.Sub(oldest) > 10*time.Minute || len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("%d bars, want %d and more; lost %v", len(got), len(want), lost)
	}
}

// Where the venue rescales bars for splits, a split from before the first start is in the prices
// already and not told; one that comes later is told once, and what was rescaled for it is left out.
func TestSplits(t *testing.T) {
	w := free()
	w.about.Daily, w.about.Adjusted = 0, true
	old := market.Action{Ex: moment("2024-03-01"), Kind: market.Split, Ratio: 4}
	fresh := market.Action{Ex: moment("2024-03-07"), Kind: market.Split, Ratio: 20}
	dividend := market.Action{Ex: moment("2024-03-04"), Kind: market.Dividend, Amount: 0.24}
	w.page = func(_ string, now market.Time, p *Page) error {
		p.Actions = []market.Action{old, dividend, {Kind: "merger"}}
		if now > fresh.Ex {
			p.Actions = append(p.Actions, fresh)
			for i := range p.Bars {
				if b := &p.Bars[i]; b.Start < fresh.Ex {
					b.Open, b.High, b.Low, b.Close = b.Open/20, b.High/20, b.Low/20, b.Close/20
				}
			}
		}
		return nil
	}
	begin := moment("2024-03-05T15:00:30Z")
	series := seriesOf(w, "X@1d")
	r := w.follow(t, series, nobody, begin, 20*24*time.Hour, 7*24*time.Hour, 100*time.Millisecond)
	var told []market.Action
	rejects := 0
	for _, m := range r.messages {
		told, rejects = append(told, m.Actions...), rejects+len(m.Rejects)
	}
	if !slices.Equal(told, []market.Action{dividend, fresh}) || rejects != 1 {
		t.Errorf("told %v, %d rejects", told, rejects)
	}
	for _, b := range r.bars("world:X") {
		if b.Open < 50 {
			t.Errorf("a rescaled bar was sent: %+v", b)
		}
	}
	// Down while it happened: the bars between are rescaled, and lost.
	r = w.follow(t, series, func(market.SeriesID) (market.Time, bool) { return moment("2024-03-04"), true }, moment("2024-03-08T15:00:00Z"), time.Hour, 4*24*time.Hour, 100*time.Millisecond)
	var lost []market.Span
	for _, m := range r.messages {
		lost = append(lost, m.Lost...)
	}
	if got := r.bars("world:X"); len(lost) != 1 || lost[0] != (market.Span{Start: moment("2024-03-05"), End: moment("2024-03-07")}) || len(got) == 0 || got[0].Start != moment("2024-03-07") {
		t.Errorf("%v, lost %v", got, lost)
	}
}

// Bars that cannot be used go to quarantine once, however often they come.
func TestUnusable(t *testing.T) {
	w := free()
	w.about.Daily = 0
	day := moment("2024-03-05")
	w.page = func(_ string, _ market.Time, p *Page) error {
		p.Bars = append(p.Bars, market.Bar{Start: day + 1, End: market.Minute.End(day + 1), Open: 1, High: 1, Low: 1, Close: 1}, market.Bar{Start: day, End: market.Minute.End(day), Open: 1, High: 0.5, Low: 1, Close: 1})
		p.Rejects = append(p.Rejects, Refusal{Raw: "x", Reason: "y"})
		slices.Reverse(p.Bars)
		return nil
	}
	r := w.follow(t, seriesOf(w, "X@1m"), nobody, moment("2024-03-05T15:00:30Z"), 24*time.Hour, time.Hour, 100*time.Millisecond)
	rejects := 0
	for _, m := range r.messages {
		rejects += len(m.Rejects)
	}
	if rejects != 3 || len(r.bars("world:X")) < 80 {
		t.Errorf("%d rejects, %d bars", rejects, len(r.bars("world:X")))
	}
}

// A budget that is used up is waited for until the next day of UTC, and said.
func TestLater(t *testing.T) {
	w := free()
	w.page = func(_ string, now market.Time, _ *Page) error {
		if now < moment("2024-03-06") {
			return &Later{Day: true, Err: errors.New("used up")}
		}
		return nil
	}
	r := w.follow(t, seriesOf(w, "X@1m", "Y@1m"), nobody, moment("2024-03-05T15:00:30Z"), time.Hour, 10*time.Hour, 100*time.Millisecond)
	early := 0
	for _, at := range r.askedAt {
		if at < moment("2024-03-06") {
			early++
		}
	}
	if early != 2 || len(r.asked) < 4 || !strings.Contains(strings.Join(r.states(), "\n"), "asked again at 2024-03-06T00:00:10Z") {
		t.Errorf("asked %d times that day, %d in all, %q", early, len(r.asked), r.states())
	}
}

// Whatever is late, quiet, refused or slow: bars come in order, each once, never before it has
// ended, and in the end all that were known.
func TestPolledAnyHow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := free()
		w.about.Daily = rapid.SampledFrom([]int{0, 500, 2000}).Draw(t, "daily")
		latest := rapid.IntRange(1, 50).Draw(t, "latest")
		silent := rapid.IntRange(2, 20).Draw(t, "silent")
		bad := rapid.Uint32Range(0, 2).Draw(t, "bad")
		took := time.Duration(rapid.IntRange(1, 9000).Draw(t, "took")) * time.Millisecond
		w.late = func(_ string, at market.Time) time.Duration {
			return time.Duration(int(at/60e6)*7%latest) * time.Second
		}
		w.quiet = func(_ string, at market.Time) bool { return int(at/60e6)*13%silent == 0 }
		n := 0
		w.page = func(string, market.Time, *Page) error {
			if n++; uint32(n)*2654435761>>16%4 < bad {
				return errors.New("a fault")
			}
			return nil
		}
		begin := moment("2024-03-05T19:00:00Z").Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "begin")) * time.Second)
		series := seriesOf(w, rapid.SampledFrom([]string{"X@1m", "X/USD@1m", "X@5m"}).Draw(t, "series"), "Y/USD@15m")
		r := w.follow(t, series, nobody, begin, 2*time.Hour, 4*time.Hour, took)
		for _, s := range series {
			newest := market.MinTime
			for k, m := range r.messages {
				if m.Instrument != s.Instrument.Key() {
					continue
				}
				for _, b := range m.Bars {
					if b.End > r.at[k] {
						t.Fatalf("%s came at %s", b.End, r.at[k])
					}
					if b != w.bar(s.Interval, b.Start) {
						t.Fatalf("%+v is not what it was", b)
					}
					newest = max(newest, b.Start)
				}
			}
			seen := map[market.Time]int{}
			for _, b := range r.bars(s.Instrument.Key()) {
				seen[b.Start]++
			}
			// Bars that are known after later ones are found within three.
			for _, b := range w.bars(s, s.Interval.Floor(begin.Add(-2*time.Hour)), begin.Add(3*time.Hour), begin.Add(3*time.Hour)) {
				if seen[b.Start] != 1 {
					t.Fatalf("%s: the bar of %s came %d times; newest %s, %q", s.ID(), b.Start, seen[b.Start], newest, r.states())
				}
			}
		}
	})
}
