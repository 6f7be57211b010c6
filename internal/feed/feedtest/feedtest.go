// Package feedtest holds the suite that every source of market data passes. It tests
// the obligations that feed.Source states; what a source delivers is for its own tests.
//
// Everything runs in bubbles of testing/synctest: time is fake, waits cost nothing,
// and a goroutine that outlives Run fails the test. Sources that talk to a venue are
// given one within the bubble, over net.Pipe.
package feedtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/market"
)

// Make returns a new source that runs by the clock now. It is called within a
// bubble, several times, and must make the same source each time.
type Make func(t testing.TB, now func() time.Time) feed.Source

const (
	// watch is for how long a source is watched, in its own time.
	watch = 2 * time.Minute
	// most bounds the messages that are looked at.
	most = 20_000
)

// Exercise runs the suite.
func Exercise(t *testing.T, newSource Make) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Make)
	}{
		{"info", info},
		{"messages", messages},
		{"resume", resumed},
		{"resume at the end", resumedAtEnd},
		{"cancelled before", cancelledBefore},
		{"cancelled while sending", cancelledSending},
		{"cancelled while waiting", cancelledWaiting},
		{"run again", again},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.run(t, newSource) })
		})
	}
	t.Run("start and stop", func(t *testing.T) { StartStop(t, newSource) })
}

// Nothing is a feed.Resume of an empty store.
func Nothing(market.SeriesID) (market.Time, bool) { return 0, false }

// Record runs src for at most d of the time of a bubble, or until it ends or has sent
// limit messages, and returns what it sent. It fails the test when Run does not
// return nil or sends after its context is done.
func Record(t testing.TB, src feed.Source, resume feed.Resume, d time.Duration, limit int) []feed.Message {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	out := make(chan feed.Message)
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, resume, out) }()
	var all []feed.Message
	for {
		select {
		case m, open := <-out:
			if !open {
				t.Fatal("Run closed the channel")
			}
			all = append(all, m)
			if len(all) == limit {
				cancel()
			}
		case err := <-ended:
			if err != nil {
				t.Fatalf("Run returned %v", err)
			}
			synctest.Wait()
			select {
			case m, open := <-out:
				t.Fatalf("after Run returned the channel gave %v (open %t)", m, open)
			default:
			}
			return all
		}
	}
}

func info(t *testing.T, newSource Make) {
	src := newSource(t, time.Now)
	before := src.Info()
	if before.Name == "" {
		t.Error("the source has no name")
	}
	if len(before.Series) == 0 {
		t.Error("the source has no series")
	}
	keys, ids := map[string]bool{}, map[market.SeriesID]bool{}
	for _, s := range before.Series {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
		if ids[s.ID()] {
			t.Errorf("series %s is there twice", s.ID())
		}
		ids[s.ID()], keys[s.Instrument.Key()] = true, true
		c := before.Calendars[s.Instrument.Key()]
		if c == nil {
			c = market.Always
		}
		if s.Instrument.Calendar != c.Name() {
			t.Errorf("%s names the calendar %q and has %q", s.ID(), s.Instrument.Calendar, c.Name())
		}
	}
	for key := range before.Calendars {
		if !keys[key] {
			t.Errorf("there is a calendar for %s, which is no instrument of the source", key)
		}
	}
	saved := fmt.Sprintf("%s %v %v %t", before.Name, before.Series, slices.Sorted(maps.Keys(before.Calendars)), before.Replay)
	Record(t, src, Nothing, 5*time.Second, 100)
	after := src.Info()
	if now := fmt.Sprintf("%s %v %v %t", after.Name, after.Series, slices.Sorted(maps.Keys(after.Calendars)), after.Replay); now != saved {
		t.Errorf("Info was\n%s\nand after a run it is\n%s", saved, now)
	}
}

func messages(t *testing.T, newSource Make) {
	src := newSource(t, time.Now)
	ctx, cancel := context.WithTimeout(t.Context(), watch)
	defer cancel()
	out := make(chan feed.Message)
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, Nothing, out) }()
	c := newChecker(src.Info())
	var got, copies []feed.Message
	for running := true; running; {
		select {
		case m := <-out:
			c.check(t, &m)
			got, copies = append(got, m), append(copies, clone(m))
			if len(got) == most {
				cancel()
			}
		case err := <-ended:
			if err != nil {
				t.Fatalf("Run returned %v", err)
			}
			running = false
		}
	}
	if c.data == 0 {
		t.Error("the source sent no data")
	}
	// What was sent belongs to the receiver.
	if d := cmp.Diff(copies, got); d != "" {
		t.Errorf("messages changed after they were sent (-sent +later):\n%s", d)
	}
}

func resumed(t *testing.T, newSource Make) {
	first := Record(t, newSource(t, time.Now), Nothing, watch, most)
	src := newSource(t, time.Now)
	stored := map[market.SeriesID]market.Time{}
	for _, s := range src.Info().Series {
		var starts []market.Time
		for _, m := range first {
			if m.Instrument != s.Instrument.Key() {
				continue
			}
			for _, b := range m.Bars {
				starts = append(starts, b.Start)
			}
			for _, tick := range m.Ticks {
				starts = append(starts, s.Interval.Floor(tick.Time))
			}
		}
		if len(starts) > 0 {
			slices.Sort(starts)
			stored[s.ID()] = starts[len(starts)/2]
		}
	}
	second := Record(t, src, func(id market.SeriesID) (market.Time, bool) { at, ok := stored[id]; return at, ok }, watch, most)
	if n := noOlder(t, src.Info(), stored, second); n == 0 {
		t.Error("the source sent nothing after what was stored")
	}
	if !src.Info().Replay {
		return
	}
	// A replay goes on with exactly what was not stored. Either run may have been cut
	// short.
	want, got := rows(src.Info(), stored, first), rows(src.Info(), nil, second)
	for key, want := range want {
		n := min(len(want), len(got[key]))
		if d := cmp.Diff(want[:n], got[key][:n]); d != "" {
			t.Errorf("%s: a resumed replay does not go on where it was (-want +got):\n%s", key, d)
		}
	}
}

// resumedAtEnd resumes where the newest bar stored is the newest there is, or
// later than anything the clock allows.
func resumedAtEnd(t *testing.T, newSource Make) {
	for _, ahead := range []time.Duration{0, time.Hour} {
		src := newSource(t, time.Now)
		newest := market.TimeOf(time.Now())
		for _, m := range Record(t, newSource(t, time.Now), Nothing, 10*time.Second, most) {
			for _, b := range m.Bars {
				newest = max(newest, b.Start)
			}
			for _, tick := range m.Ticks {
				newest = max(newest, tick.Time)
			}
		}
		stored := map[market.SeriesID]market.Time{}
		for _, s := range src.Info().Series {
			stored[s.ID()] = s.Interval.Floor(newest.Add(ahead))
		}
		got := Record(t, src, func(id market.SeriesID) (market.Time, bool) { return stored[id], true }, watch, most)
		noOlder(t, src.Info(), stored, got)
	}
}

func cancelledBefore(t *testing.T, newSource Make) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := start(ctx, newSource(t, time.Now), make(chan feed.Message))
	mustEnd(t, ended)
}

// cancelledSending stops taking messages and cancels while the source tries to send.
func cancelledSending(t *testing.T, newSource Make) {
	for taken := range 25 {
		ctx, cancel := context.WithCancel(t.Context())
		out := make(chan feed.Message)
		ended := start(ctx, newSource(t, time.Now), out)
		finished := false
		for range taken {
			select {
			case <-out:
			case err := <-ended:
				ended <- err
				finished = true
			case <-time.After(watch): // nothing more comes
			}
			if finished {
				break
			}
		}
		time.Sleep(10 * time.Second) // the source meets a receiver that does not take
		cancel()
		mustEnd(t, ended)
	}
}

// cancelledWaiting cancels at many moments while everything sent is taken.
func cancelledWaiting(t *testing.T, newSource Make) {
	for i := range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		out := make(chan feed.Message)
		ended := start(ctx, newSource(t, time.Now), out)
		alarm := time.After(time.Duration(i) * 333 * time.Millisecond)
		for waiting := true; waiting; {
			select {
			case <-out:
			case <-alarm:
				waiting = false
			}
		}
		cancel()
		mustEnd(t, ended)
	}
}

// again runs one source twice, as happens after a failure.
func again(t *testing.T, newSource Make) {
	src := newSource(t, time.Now)
	for range 2 {
		c := newChecker(src.Info())
		for _, m := range Record(t, src, Nothing, 20*time.Second, 2000) {
			c.check(t, &m)
		}
		if c.data == 0 {
			t.Error("the source sent no data")
		}
	}
}

func start(ctx context.Context, src feed.Source, out chan<- feed.Message) chan error {
	ended := make(chan error, 1)
	go func() { ended <- src.Run(ctx, Nothing, out) }()
	return ended
}

// mustEnd fails unless Run has returned nil without time going on.
func mustEnd(t *testing.T, ended <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("Run returned %v after its context was done", err)
		}
	default:
		t.Fatal("Run did not return at once after its context was done")
	}
}
