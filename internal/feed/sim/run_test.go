package sim_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/feedtest"
	"github.com/foretick/foretick/internal/feed/sim"
	"github.com/foretick/foretick/market"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func source(t testing.TB, opt sim.Options) *sim.Source {
	t.Helper()
	if opt.Now == nil {
		opt.Now = time.Now
	}
	src, err := sim.New(opt)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// relative returns the data with times counted from the start second.
func relative(all []feed.Message, start market.Time) (ticks []market.Tick, bars []market.Bar) {
	for _, m := range all {
		for _, tick := range m.Ticks {
			tick.Time -= start
			ticks = append(ticks, tick)
		}
		for _, b := range m.Bars {
			b.Start -= start
			b.End -= start
			bars = append(bars, b)
		}
	}
	return ticks, bars
}

// The same seed gives the same market, whenever it is started.
func TestSeed(t *testing.T) {
	for _, mode := range []sim.Mode{sim.Realistic, sim.Classic} {
		run := func(seed uint64, after time.Duration) (ticks []market.Tick, bars []market.Bar) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(after)
				start := market.Second.Floor(market.TimeOf(time.Now()))
				// Runs end at the same time within their second.
				d := 30*time.Second + 500*time.Millisecond - after%time.Second
				ticks, bars = relative(feedtest.Record(t, source(t, sim.Options{Mode: mode, Seed: seed}), feedtest.Nothing, d, -1), start)
			})
			return ticks, bars
		}
		ticks, bars := run(1, 0)
		again, barsAgain := run(1, 12345*time.Hour+678*time.Millisecond)
		if d := cmp.Diff(ticks, again) + cmp.Diff(bars, barsAgain); d != "" {
			t.Errorf("%s: the same seed, other prices:\n%s", mode, d)
		}
		other, otherBars := run(2, 0)
		if cmp.Equal(ticks, other) && cmp.Equal(bars, otherBars) {
			t.Errorf("%s: two seeds, the same prices", mode)
		}
		if len(ticks)+len(bars) < 600 {
			t.Errorf("%s: %d ticks and %d bars", mode, len(ticks), len(bars))
		}
	}
}

func TestHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := market.TimeOf(time.Now())
		all := feedtest.Record(t, source(t, sim.Options{Seed: 1, History: 300}), feedtest.Nothing, 5*time.Second, -1)
		seconds := map[market.Time]bool{}
		live := 0
		for _, m := range all {
			for _, tick := range m.Ticks {
				switch {
				case m.Backfill != (tick.Time < start):
					t.Fatalf("a tick of %s, backfill %t, started %s", tick.Time, m.Backfill, start)
				case m.Backfill:
					seconds[market.Second.Floor(tick.Time)] = true
				default:
					live++
				}
			}
		}
		if len(seconds) < 290 || len(seconds) > 300 || seconds[start-301_000_000] {
			t.Errorf("history has %d seconds, want about 300", len(seconds))
		}
		if live < 10 {
			t.Errorf("%d live ticks in 5 seconds", live)
		}
		if m := all[0]; m.State != feed.Running || !strings.Contains(m.Detail, "seed 1") {
			t.Errorf("the first message is %+v", m)
		}
	})
}

// A run on stored data goes on from its last close, with other numbers than at the
// beginning, and the same ones each time.
func TestResume(t *testing.T) {
	run := func(mode sim.Mode) (ticks []market.Tick, bars []market.Bar) {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(300 * time.Millisecond)
			now := market.TimeOf(time.Now())
			stored := market.Second.Floor(now) - 3_000_000
			src := source(t, sim.Options{Mode: mode, Seed: 1, LastClose: func(id market.SeriesID) (float64, bool) {
				return 555.55, id == "sim:AMZN@1s"
			}})
			all := feedtest.Record(t, src, func(market.SeriesID) (market.Time, bool) { return stored, true }, 20*time.Second, -1)
			for _, m := range all {
				if m.Backfill {
					t.Error("history was sent although bars are stored")
				}
			}
			ticks, bars = relative(all, market.Second.Floor(now))
		})
		return ticks, bars
	}
	ticks, _ := run(sim.Realistic)
	again, _ := run(sim.Realistic)
	if d := cmp.Diff(ticks, again); d != "" {
		t.Errorf("two runs from the same state differ:\n%s", d)
	}
	if p := ticks[0].Price; p < 553 || p > 558 {
		t.Errorf("the first price is %v, stored was 555.55", p)
	}
	if ticks[0].Time < 1_000_000 {
		t.Errorf("the first tick came in the second that had begun: %s", ticks[0].Time)
	}
	if _, bars := run(sim.Classic); bars[0].Open != 555.55 {
		t.Errorf("the first open is %v, stored was 555.55", bars[0].Open)
	}
}

// Ticks come when it is their time, within one wake-up.
func TestOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, ended := make(chan feed.Message), make(chan error, 1)
		src := source(t, sim.Options{Seed: 1, Count: 3})
		go func() { ended <- src.Run(ctx, feedtest.Nothing, out) }()
		for {
			select {
			case m := <-out:
				for _, tick := range m.Ticks {
					if late := market.TimeOf(time.Now()).Sub(tick.Time); !m.Backfill && (late < 0 || late > 50*time.Millisecond) {
						t.Fatalf("a tick came %s after its time", late)
					}
				}
			case err := <-ended:
				if err != nil {
					t.Fatal(err)
				}
				return
			}
		}
	})
}

// watchJump runs a source, moves its clock by jump after 10 s, and returns the
// messages of the next 10 s and those after.
func watchJump(t *testing.T, mode sim.Mode, jump, then time.Duration) (before, after []feed.Message, at market.Time) {
	synctest.Test(t, func(t *testing.T) {
		var moved atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(moved.Load())) }
		src := source(t, sim.Options{Mode: mode, Seed: 1, Now: now, History: -1})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second+then)
		defer cancel()
		out, ended := make(chan feed.Message), make(chan error, 1)
		go func() { ended <- src.Run(ctx, feedtest.Nothing, out) }()
		alarm := time.After(10*time.Second + 20*time.Millisecond)
		for {
			select {
			case m := <-out:
				if at == 0 {
					before = append(before, m)
				} else {
					after = append(after, m)
				}
			case <-alarm:
				at = market.TimeOf(now())
				moved.Store(int64(jump))
			case <-ended:
				return
			}
		}
	})
	return before, after, at
}

func states(all []feed.Message) (out []feed.State) {
	for _, m := range all {
		if m.State != "" {
			out = append(out, m.State)
		}
	}
	return out
}

func TestClockJumpsAhead(t *testing.T) {
	for _, mode := range []sim.Mode{sim.Realistic, sim.Classic} {
		before, after, at := watchJump(t, mode, time.Hour, 10*time.Second)
		if d := cmp.Diff([]feed.State{feed.Stalled, feed.Running}, states(after)); d != "" {
			t.Errorf("%s: states (-want +got):\n%s", mode, d)
		}
		if !strings.Contains(after[0].Detail, "1h0m") {
			t.Errorf("%s: the detail is %q", mode, after[0].Detail)
		}
		ticks, bars := relative(after, 0)
		for _, tick := range ticks {
			if tick.Time < at.Add(time.Hour) {
				t.Fatalf("%s: a tick of %s, from before the jump to %s", mode, tick.Time, at.Add(time.Hour))
			}
		}
		if len(ticks)+len(bars) < 5 {
			t.Errorf("%s: %d ticks and %d bars after the jump", mode, len(ticks), len(bars))
		}
		if mode == sim.Classic {
			_, old := relative(before, 0)
			if got, want := bars[0].Open, old[len(old)-1].Close; got != want {
				t.Errorf("after the jump the walk opens at %v, it closed at %v", got, want)
			}
		}
	}
}

func TestClockGoesBack(t *testing.T) {
	for name, c := range map[string]struct {
		jump time.Duration
		want []feed.State
	}{
		"a little": {-500 * time.Millisecond, nil},
		"a minute": {-time.Minute, []feed.State{feed.Stalled, feed.Running}},
	} {
		t.Run(name, func(t *testing.T) {
			before, after, _ := watchJump(t, sim.Realistic, c.jump, 70*time.Second)
			if d := cmp.Diff(c.want, states(after)); d != "" {
				t.Errorf("states (-want +got):\n%s", d)
			}
			old, _ := relative(before, 0)
			ticks, _ := relative(after, 0)
			newest := old[len(old)-1].Time
			for _, tick := range ticks {
				if tick.Time < newest {
					t.Fatalf("a tick of %s after one of %s", tick.Time, newest)
				}
				newest = tick.Time
			}
			if len(ticks) < 30 {
				t.Errorf("%d ticks after the clock was back", len(ticks))
			}
		})
	}
}

// A receiver that takes nothing for a while loses that while, and is told.
func TestSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		out, ended := make(chan feed.Message), make(chan error, 1)
		src := source(t, sim.Options{Seed: 1, History: -1})
		go func() { ended <- src.Run(ctx, feedtest.Nothing, out) }()
		<-out
		time.Sleep(time.Minute)
		var got []feed.State
		for range 20 {
			m := <-out
			if m.State != "" {
				got = append(got, m.State)
			}
		}
		if d := cmp.Diff([]feed.State{feed.Stalled, feed.Running}, got); d != "" {
			t.Errorf("states (-want +got):\n%s", d)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestNew(t *testing.T) {
	info := source(t, sim.Options{}).Info()
	want := market.Series{
		Instrument: market.Instrument{Symbol: "AMZN", Venue: "sim", Class: market.Equity, Currency: "USD", PriceScale: 2, Calendar: "24x7", Simulated: true},
		Interval:   market.Second,
	}
	if d := cmp.Diff([]market.Series{want}, info.Series, cmp.Comparer(func(a, b market.Interval) bool { return a == b })); d != "" || info.Replay {
		t.Errorf("Info (-want +got):\n%s", d)
	}
	many := source(t, sim.Options{Symbols: []string{"AMZN"}, Count: 1000}).Info()
	if len(many.Series) != 1000 || many.Series[999].Instrument.Symbol != "SIM1000" || many.Series[1].Instrument.Symbol != "SIM0002" {
		t.Errorf("%d series, the last is %s", len(many.Series), many.Series[len(many.Series)-1].ID())
	}
	for name, c := range map[string]struct {
		opt  sim.Options
		want string
	}{
		"no clock":  {sim.Options{}, "a clock"},
		"mode":      {sim.Options{Now: time.Now, Mode: "odd"}, `mode "odd"`},
		"symbol":    {sim.Options{Now: time.Now, Symbols: []string{"A B"}}, "symbol"},
		"twice":     {sim.Options{Now: time.Now, Symbols: []string{"A", "A"}}, "twice"},
		"too many":  {sim.Options{Now: time.Now, Count: 1 << 30}, "more than"},
		"invented":  {sim.Options{Now: time.Now, Symbols: []string{"SIM0002"}, Count: 2}, ""},
		"collision": {sim.Options{Now: time.Now, Symbols: []string{"SIM0002"}, Count: 3}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := sim.New(c.opt); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// One second of a thousand instruments.
func BenchmarkThousand(b *testing.B) {
	b.ReportAllocs()
	src := source(b, sim.Options{Seed: 1, Count: 1000, History: 10 * b.N})
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	out := make(chan feed.Message, 64)
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, feedtest.Nothing, out) }()
	n := 0
	for m := range out {
		n += len(m.Ticks)
		if m.State == "" && !m.Backfill {
			break
		}
	}
	cancel()
	<-ended
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "ticks/s")
}
