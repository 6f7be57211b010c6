package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/ingest"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// timed sends each message at its minute of the test's clock, then waits for ctx.
type timed struct {
	at  float64
	msg feed.Message
}

func plan(info feed.Info, steps ...timed) *script {
	return &script{info, func(ctx context.Context, _ feed.Resume, out chan<- feed.Message) error {
		for _, s := range steps {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(time.Until(at(s.at).Std())):
			}
			if !send(ctx, out, s.msg) {
				return nil
			}
		}
		<-ctx.Done()
		return nil
	}}
}

// seed stores bars as an earlier run would have.
func seed(t *testing.T, s *memory, b ...market.Bar) {
	newRig(t, s, nil, plays(live(), bars(b...))).runs(t, t.Context())
}

func expect(t *testing.T, s *memory, id market.SeriesID, want ...string) {
	t.Helper()
	if d := cmp.Diff(append([]string{}, want...), starts(s.of(id))); d != "" {
		t.Errorf("%s (-want +got):\n%s", id, d)
	}
}

func until(minutes float64) {
	time.Sleep(time.Until(at(minutes).Std())) // synctest's clock
	synctest.Wait()
}

func TestLiveTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newMemory(), nil, plan(live(), timed{0.1, ticks(tick(0.1, 10))}, timed{4.5, ticks(tick(4.5, 11))}))
		stop := r.start(t)
		grace := 0.05 / 60
		until(1 + grace - 1e-4)
		expect(t, r.store, minute)
		until(1 + grace)
		expect(t, r.store, minute, "0")
		until(4.9)
		expect(t, r.store, five)
		until(5 + grace)
		expect(t, r.store, minute, "0", "4")
		expect(t, r.store, five, "0")
		stop()
	})
}

// Where bars are delivered the timer of a roll-up waits for the last of them.
func TestLiveBarsRollUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := 1.0 / 60 // bars come a second after their end
		r := newRig(t, newMemory(), nil, plan(live(),
			timed{1 + late, bars(bar(0, 10))}, timed{5 + late, bars(bar(4, 10))}, timed{8 + late, bars(bar(7, 10))}))
		stop := r.start(t)
		until(5.5)
		expect(t, r.store, five, "0")
		until(10.5)
		expect(t, r.store, five, "0")
		until(11.1) // nobody traded in minutes 8 and 9
		expect(t, r.store, five, "0", "5")
		stop()
	})
}

// A source whose data is behind the clock is not closed by the clock while it sends.
func TestLiveDelayedSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newMemory(), nil, plan(live(),
			timed{15.1, ticks(tick(0.1, 10))}, timed{15.5, ticks(tick(0.5, 10))}, timed{15.9, ticks(tick(0.9, 10))}, timed{16.2, ticks(tick(1.2, 10))}))
		stop := r.start(t)
		until(16.1)
		expect(t, r.store, minute, "0")
		until(17.1)
		expect(t, r.store, minute, "0", "1")
		stop()
	})
}

func TestFutureIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newMemory(), nil, plan(live(),
			timed{0, ticks(tick(0, 10), tick(1e6, 99), tick(0.5, 11))}, timed{1, bars(bar(1e6, 10))}))
		stop := r.start(t)
		until(2)
		stop()
		expect(t, r.store, minute, "0")
		q := r.store.quarantined()
		if len(q) != 2 || !strings.Contains(q[0].Reason, "ahead of this machine's clock") || q[1].Instrument != key {
			t.Errorf("quarantine %+v", q)
		}
	})
}

func TestGapAfterRestart(t *testing.T) {
	tests := []struct {
		name    string
		stored  []market.Bar
		steps   []timed
		minutes []string // new ones
		fives   []string
	}{
		{
			name: "a hole after a restart is a gap, in roll-ups as well", stored: []market.Bar{bar(0, 10), bar(4, 10), bar(6, 10)},
			steps:   []timed{{18, ticks(tick(18, 9))}, {21, ticks(tick(21, 9))}, {29, ticks(tick(29, 9))}},
			minutes: []string{"18 gap", "21", "29"}, fives: []string{"5", "15 gap", "20", "25"},
		},
		{
			name: "no hole, no gap", stored: []market.Bar{bar(0, 10)},
			steps: []timed{{1.5, ticks(tick(1, 9))}, {9, ticks(tick(9, 9))}}, minutes: []string{"1", "9"}, fives: []string{"0", "5"},
		},
		{
			name:    "the first run has no gaps",
			steps:   []timed{{1.5, ticks(tick(1, 9))}, {9, ticks(tick(9, 9))}},
			minutes: []string{"1", "9"}, fives: []string{"0", "5"},
		},
		{
			name: "a hole inside one coarse bar is none there", stored: []market.Bar{bar(0, 10)},
			steps: []timed{{3, ticks(tick(3, 9))}, {5, ticks(tick(5, 9))}}, minutes: []string{"3 gap", "5"}, fives: []string{"0", "5"},
		},
		{
			name: "backfill closes the hole", stored: []market.Bar{bar(0, 10)},
			steps:   []timed{{9, feed.Message{Instrument: key, Bars: []market.Bar{bar(1, 9), bar(3, 9)}, Backfill: true}}, {9.1, ticks(tick(9, 9))}},
			minutes: []string{"1 backfill", "3 backfill", "9"}, fives: []string{"0 backfill", "5"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newMemory()
				if len(tt.stored) > 0 {
					until(tt.steps[0].at - 0.1)
					seed(t, s, tt.stored...)
				}
				m, f := len(s.of(minute)), len(s.of(five))
				r := newRig(t, s, nil, plan(live(), tt.steps...))
				stop := r.start(t)
				until(31)
				stop()
				if d := cmp.Diff(tt.minutes, starts(s.of(minute)[m:])); d != "" {
					t.Errorf("1m (-want +got):\n%s", d)
				}
				if d := cmp.Diff(tt.fives, starts(s.of(five)[f:])); d != "" {
					t.Errorf("5m (-want +got):\n%s", d)
				}
				gaps := uint64(strings.Count(strings.Join(tt.minutes, " "), "gap"))
				if h := r.Health()[0]; h.Gaps != gaps {
					t.Errorf("health counts %d gaps, want %d", h.Gaps, gaps)
				}
			})
		})
	}
}

func TestGapAfterReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, newMemory(), nil, plan(live(),
			timed{0, feed.Message{State: feed.Connecting}}, timed{0, feed.Message{State: feed.Running}},
			timed{0.1, ticks(tick(0.1, 10))},
			timed{3, ticks(tick(3, 10))}, // nobody traded
			timed{3.5, feed.Message{State: feed.Stalled, Detail: "no answer"}},
			timed{12, feed.Message{State: feed.Running}},
			timed{12.1, ticks(tick(12.1, 10))},
			timed{20, ticks(tick(20, 10))},
		))
		stop := r.start(t)
		until(4)
		if h := r.Health()[0]; h.State != feed.Stalled || h.Detail != "no answer" || h.Since != at(3.5) {
			t.Errorf("health %+v", h)
		}
		until(26)
		stop()
		expect(t, r.store, minute, "0", "3", "12 gap", "20")
		expect(t, r.store, five, "0", "10 gap", "20")
		if r.bus.count("feed") < 3 {
			t.Error("states were not told")
		}
	})
}

// A gap that one message tells together with the data around it.
func TestGapWithinOneBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(at(10).Std()))
		r := newRig(t, newMemory(), nil, stays(live(),
			ticks(tick(0, 10), tick(1, 10)), feed.Message{State: feed.Failed}, feed.Message{State: feed.Running}, ticks(tick(8, 10), tick(9.9, 10))))
		stop := r.start(t)
		until(12)
		stop()
		expect(t, r.store, minute, "0", "1", "8 gap", "9")
	})
}

// A store that fails holds the source up, shows in health, and loses nothing.
func TestStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemory()
		sent := 0
		src := &script{live(), func(ctx context.Context, _ feed.Resume, out chan<- feed.Message) error {
			for ; sent < 10_000; sent++ {
				if !send(ctx, out, bars(bar(sent-10_000, 10))) {
					return nil
				}
			}
			<-ctx.Done()
			return nil
		}}
		r := newRig(t, s, nil, src)
		s.setFail(func(op string) error {
			if op == "commit" {
				return fmt.Errorf("write: %w", store.ErrFull)
			}
			return nil
		})
		stop := r.start(t)
		until(1)
		h := r.Health()[0]
		if h.State != feed.Stalled || !strings.Contains(h.Detail, "disk is full") || h.Since != m0 {
			t.Errorf("health %+v", h)
		}
		if sent == 10_000 {
			t.Error("the source was not held up")
		}
		s.setFail(nil)
		until(2)
		if h := r.Health()[0]; h.State != feed.Running || h.Bars != 12_000 {
			t.Errorf("health %+v", h)
		}
		stop()
		if n := len(s.of(minute)); n != 10_000 {
			t.Errorf("%d of 10,000 bars are stored", n)
		}
	})
}

// A store that does not answer at all, as while somebody else holds a lock, shows in health, too.
func TestStoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemory()
		gate := make(chan struct{})
		s.hang.Store(&gate)
		r := newRig(t, s, nil, stays(live(), bars(bar(-9, 10))))
		stop := r.start(t)
		until(0.03) // 1.8 s
		if h := r.Health()[0]; h.State == feed.Stalled {
			t.Errorf("so soon: health %+v", h)
		}
		until(0.04)
		if h := r.Health()[0]; h.State != feed.Stalled || !strings.Contains(h.Detail, "Storing is behind: the database has not answered") || r.bus.count("feed") == 0 {
			t.Errorf("health %+v, %d notices", h, r.bus.count("feed"))
		}
		close(gate)
		until(0.05)
		if h := r.Health()[0]; h.State != feed.Running || h.Detail != "" {
			t.Errorf("health %+v", h)
		}
		stop()
		expect(t, s, minute, "-9")
	})
}

func TestExplain(t *testing.T) {
	for err, want := range map[error]string{
		store.ErrReadOnly: "cannot be written to", store.ErrLocked: "another process", store.ErrCorrupt: "damaged", errors.New("odd"): "odd",
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newMemory()
			s.setFail(func(string) error { return err })
			r := newRig(t, s, nil, stays(live()))
			stop := r.start(t)
			until(1)
			if h := r.Health()[0]; h.State != feed.Stalled || !strings.Contains(h.Detail, want) {
				t.Errorf("%v: health %+v", err, h)
			}
			stop()
		})
	}
}

// After the end of ctx all that was received is stored, within five seconds.
func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newMemory()
		var broken bool
		s.setFail(func(op string) error {
			if broken && op == "commit" {
				return errors.New("not now")
			}
			return nil
		})
		r := newRig(t, s, nil, stays(live(), bars(bar(-9, 10)), bars(bar(-8, 10)), bars(bar(-7, 10))))
		broken = true
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		until(0.1)
		cancel()
		time.Sleep(time.Second)
		s.setFail(nil)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		expect(t, s, minute, "-9", "-8", "-7")
	})
	synctest.Test(t, func(t *testing.T) {
		s := newMemory()
		s.setFail(func(op string) error {
			if op == "commit" {
				return store.ErrFull
			}
			return nil
		})
		r := newRig(t, s, nil, stays(live(), bars(bar(-9, 10))))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		until(0.1)
		cancel()
		started := time.Now()
		if err := <-done; !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "storing 1 bars") {
			t.Errorf("error %v", err)
		}
		if took := time.Since(started); took > 5*time.Second { // of synctest's clock
			t.Errorf("took %s", took)
		}
	})
}

// A source that fails, or panics, is started again where it ended.
func TestSourceFails(t *testing.T) {
	for _, info := range []feed.Info{live(), replay()} {
		synctest.Test(t, func(t *testing.T) {
			run := 0
			var began []time.Time
			src := &script{info, func(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error {
				run++
				began = append(began, time.Now())
				last, ok := resume(minute)
				switch run {
				case 1:
					if ok {
						t.Error("resumes at", last)
					}
					send(ctx, out, ticks(tick(-9, 10), tick(-8, 11), tick(-7.5, 12)))
					return errors.New("connection lost")
				case 2:
					panic("index out of range")
				}
				if !ok || last != at(-9) {
					t.Error("resumes at", last, ok)
				}
				m := ticks(tick(-8, 11), tick(-7.5, 12), tick(-6, 13)) // what is not stored is sent again
				m.Backfill = true
				send(ctx, out, m, clock(0))
				<-ctx.Done()
				return nil
			}}
			r := newRig(t, newMemory(), nil, src)
			stop := r.start(t)
			until(0.001)
			if h := r.Health()[0]; h.State != feed.Failed || !strings.Contains(h.Detail, "connection lost; trying again in 500ms") {
				t.Errorf("health %+v", h)
			}
			until(0.5)
			stop()
			if len(began) != 3 || began[1].Sub(began[0]) != 500*time.Millisecond || began[2].Sub(began[1]) != time.Second {
				t.Errorf("started at %v", began)
			}
			stored := r.store.of(minute)
			if len(stored) < 2 || stored[0].Trades != 1 || stored[1].Trades != 2 || stored[1].Start != at(-8) || stored[1].Revision != 0 {
				t.Errorf("a tick was lost or counted twice: %+v", stored)
			}
			if n := r.value(t, "foretick_feed_reconnects_total"); n != 2 {
				t.Errorf("reconnects %v", n)
			}
		})
	}
}

// One source that fails does not hold up another.
func TestSourcesAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := live()
		other.Name = "other"
		other.Series = []market.Series{{Instrument: market.Instrument{Symbol: "IBM", Venue: "test"}, Interval: market.Minute}}
		failing := &script{other, func(context.Context, feed.Resume, chan<- feed.Message) error { return errors.New("no") }}
		r := newRig(t, newMemory(), func(c *ingest.Config) { c.Rand = nil }, failing, stays(live(), bars(bar(-1, 10))))
		stop := r.start(t)
		until(3)
		h := r.Health()
		if h[0].State != feed.Failed || h[1].State != feed.Running || h[1].LastData != m0 {
			t.Errorf("health %+v", h)
		}
		expect(t, r.store, minute, "-1")
		stop()
	})
}
