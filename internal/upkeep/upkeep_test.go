package upkeep

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

func TestParsePolicy(t *testing.T) {
	for _, c := range []struct{ text, want, err string }{
		{"", "bars of all intervals are kept for ever", ""},
		{"1s=30d", "bars of 1s are kept 30 days, others for ever", ""},
		{"1m=2y,60s=30d", "", "twice"},
		{"1m=2w,1s=1d,1h=never", "bars of 1s are kept 1 days, bars of 1m are kept 14 days, others for ever", ""},
		{"1h=100y", "bars of 1h are kept 36500 days, others for ever", ""},
		{"1s", "", "write an interval and an age"},
		{"ticks=7d", "ticks 7 days, others for ever", ""},
		{"ticks=1w,1s=30d", "bars of 1s are kept 30 days, ticks 7 days, others for ever", ""},
		{"ticks=1w,ticks=2w", "", "twice"},
		{"ticks=never", "bars of all intervals are kept for ever", ""},
		{"7x=7d", "", "unknown unit"},
		{"1d=7d", "", "never deleted"},
		{"1s=7", "", "an age is"},
		{"1s=0d", "", "an age is"},
		{"1s=-1d", "", "an age is"},
		{"1s=12h", "", "an age is"},
		{"1s=101y", "", "an age is"},
		{"1s=99999999999999999999d", "", "an age is"},
		{"1s=é", "", "an age is"},
	} {
		var entries []string
		if c.text != "" {
			entries = strings.Split(c.text, ",")
		}
		p, err := ParsePolicy(entries)
		switch {
		case c.err == "" && (err != nil || p.String() != c.want):
			t.Errorf("%q: %v, %v; want %q", c.text, p, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: error %v, want one with %q", c.text, err, c.err)
		}
	}
}

const hour = market.Time(time.Hour / time.Microsecond)

var noon = market.TimeOf(time.Date(2024, 5, 10, 12, 0, 0, 0, time.UTC))

// rig is a store with a series of minutes, one coarser one rolled up from it, and one of
// another source.
type rig struct {
	t        *testing.T
	s        *sqlite.Store
	ids      map[string]market.SeriesID
	consumed uint64
	u        *Upkeep
	metrics  *prometheus.Registry
}

func newRig(t *testing.T, policy string) *rig {
	s, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	r := &rig{t: t, s: s, ids: map[string]market.SeriesID{}, consumed: 1 << 40, metrics: prometheus.NewRegistry()}
	for name, interval := range map[string]string{"A": "1m", "B": "1m", "C": "1h"} {
		symbol := map[string]string{"A": "X", "B": "Y", "C": "X"}[name]
		rec := store.SeriesRecord{Series: market.Series{Instrument: market.Instrument{Symbol: symbol, Venue: "sim"}, Interval: market.MustInterval(interval)},
			Mode: ledger.Live, Source: "sim", Base: name != "C"}
		must(t, s.PutSeries(t.Context(), rec))
		r.ids[name] = rec.ID()
	}
	p, err := ParsePolicy(strings.Split(policy, ","))
	must(t, err)
	r.u, err = New(Config{Store: s, Policy: p, Newest: 3, Now: time.Now, Pause: func(context.Context, time.Duration) {}, Metrics: r.metrics,
		Consumed: func(context.Context, market.SeriesID) (uint64, error) { return r.consumed, nil }})
	must(t, err)
	return r
}

// hours commits a bar at each full hour from..to-1 after noon.
func (r *rig) hours(name string, from, to int) (last uint64) {
	r.t.Helper()
	var recs []store.BarRecord
	for h := from; h < to; h++ {
		b := market.Bar{Start: noon + market.Time(h)*hour, Open: 1, High: 1, Low: 1, Close: 1, Volume: 1}
		b.End = market.Minute.End(b.Start)
		if name == "C" {
			b.End = market.Hour.End(b.Start)
		}
		recs = append(recs, store.BarRecord{Series: r.ids[name], Bar: b})
	}
	_, last, err := r.s.CommitBars(r.t.Context(), recs)
	must(r.t, err)
	return last
}

// kept is the number of bars that are left after a pass, and the beginning of the first.
func (r *rig) kept(name string) (int, market.Time) {
	r.t.Helper()
	must(r.t, r.u.Pass(r.t.Context()))
	bars, err := r.s.Bars(r.t.Context(), r.ids[name], store.Range{Limit: 1 << 20})
	must(r.t, err)
	return len(bars), bars[0].Start
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestOldBarsAreDeleted(t *testing.T) {
	r := newRig(t, "1m=3d")
	r.hours("A", 0, 400)
	r.hours("B", 0, 50)
	r.hours("C", 0, 400)
	n, first := r.kept("A")
	newest := noon + 399*hour
	if want := market.Day.Floor(newest - 72*hour); first != want || n != int((newest-want)/hour)+1 {
		t.Errorf("%d bars from %s, want all from %s", n, first, want)
	}
	if m, _ := r.kept("B"); m != 50 {
		t.Errorf("%d bars are left of a series that is not three days long", m)
	}
	if m, _ := r.kept("C"); m != 400 {
		t.Errorf("%d bars are left of an interval that is kept for ever", m)
	}
	if gone := testutil.ToFloat64(r.u.deleted); gone != float64(400-n) {
		t.Errorf("%v deleted bars were counted, want %d", gone, 400-n)
	}
	i, bars, err := r.s.Chart(t.Context(), r.ids["A"], 0, 0, 2000)
	must(t, err)
	var volume float64
	for _, b := range bars {
		volume += b.Volume
	}
	if i != market.FiveMin || volume != 400 {
		t.Errorf("the chart is of %s with volume %v, want 5m and 400", i, volume)
	}
}

func TestWhatIsNeededIsKept(t *testing.T) {
	for _, c := range []struct {
		name  string
		first int // hour of the first bar that is left
		do    func(*rig)
	}{
		{"the newest", 0, func(r *rig) { r.hours("C", 490, 500); r.u.cfg.Newest = 500 }},
		{"almost the newest", 12, func(r *rig) { r.hours("C", 490, 500); r.u.cfg.Newest = 470 }},
		{"of a coarser bar", 84, func(r *rig) { r.hours("C", 0, 100) }},
		{"of a coarser series without bars", 0, func(r *rig) {}},
		{"not consumed", 180, func(r *rig) { r.hours("C", 490, 500); r.consumed = 200 }},
		{"nothing but age", 444, func(r *rig) { r.hours("C", 490, 500) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, "1m=2d")
			r.hours("A", 0, 500)
			c.do(r)
			if _, first := r.kept("A"); first != noon+market.Time(c.first)*hour {
				t.Errorf("the first bar is of %s, want %s", first, noon+market.Time(c.first)*hour)
			}
		})
	}
}

// A series whose track is far behind is left alone, and a deletion that was cut short is
// taken up again.
func TestLaterIsSoonEnough(t *testing.T) {
	r := newRig(t, "1m=2d")
	r.hours("A", 0, 4200)
	r.hours("C", 4190, 4200)
	r.consumed = 0
	if n, _ := r.kept("A"); n != 4200 {
		t.Fatalf("%d bars are left while 4,200 wait to be forecast", n)
	}
	r.consumed = 1 << 40
	if _, err := r.s.DeleteBars(t.Context(), r.ids["A"], noon+3000*hour, 10); err != nil {
		t.Fatal(err)
	}
	if n, first := r.kept("A"); n >= 100 || first < noon+4100*hour {
		t.Fatalf("%d bars from %s are left", n, first)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	r := newRig(t, "1m=2d")
	r.u.cfg.Pause = pause
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.u.Run(ctx) }()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestOldTicksAreDeleted(t *testing.T) {
	r := newRig(t, "ticks=2d")
	for _, name := range []string{"A", "B"} {
		var list []market.Tick
		for h := range 8000 {
			list = append(list, market.Tick{Time: noon + market.Time(h)*hour/80, Price: 1, Seq: uint64(h + 1)})
		}
		_, _, err := r.s.CommitTicks(t.Context(), []store.Ticks{{Series: r.ids[name], Ticks: list}}, nil)
		must(t, err)
	}
	left := func(name string) (n int, first market.Time) {
		must(t, r.u.Pass(t.Context()))
		must(t, r.s.EachTick(t.Context(), r.ids[name], 0, 0, func(x market.Tick) bool {
			if n++; n == 1 {
				first = x.Time
			}
			return true
		}))
		return n, first
	}
	if n, _ := left("A"); n != 8000 {
		t.Errorf("%d ticks are left of a series without bars", n)
	}
	r.hours("A", 0, 99)
	if n, first := left("A"); first != noon+50*hour || n != 4000 {
		t.Errorf("%d ticks from %s, want 4,000 from two days before the newest bar", n, first)
	}
	if n, _ := left("B"); n != 8000 {
		t.Errorf("%d ticks are left of another series", n)
	}
	if n, _ := r.kept("A"); n != 99 {
		t.Errorf("%d bars are left", n)
	}
}
