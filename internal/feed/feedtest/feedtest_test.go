package feedtest_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/feedtest"
	"github.com/foretick/foretick/market"
)

// metronome is a source of one tick a second that keeps every obligation, but for
// the one named by fault.
type metronome struct {
	fault string
	now   func() time.Time
	runs  int
}

var series = market.Series{
	Instrument: market.Instrument{Symbol: "M", Venue: "test", Calendar: "24x7"},
	Interval:   market.Second,
}

func (m *metronome) Info() feed.Info {
	info := feed.Info{Name: "metronome", Series: []market.Series{series}}
	switch {
	case m.fault == "info changes" && m.runs > 0:
		info.Name = "other"
	case m.fault == "series twice":
		info.Series = append(info.Series, series)
	case m.fault == "no such calendar":
		info.Calendars = map[string]market.Calendar{"test:X": market.Always}
	case m.fault == "other calendar":
		info.Calendars = map[string]market.Calendar{"test:M": market.Recorded(market.Second, nil)}
	}
	return info
}

func (m *metronome) Run(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error {
	m.runs++
	send := func(msg feed.Message) bool {
		if m.fault == "blocks" {
			out <- msg
			return true
		}
		select {
		case out <- msg:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if m.fault == "lingers" {
		go func() { <-make(chan int) }()
	}
	stop := context.Cause
	if m.fault != "returns the error" {
		stop = func(context.Context) error { return nil }
	}
	send(feed.Message{State: feed.Running})
	stored, _ := resume(series.ID())
	if m.fault == "ignores resume" {
		stored = 0
	}
	reused := make([]market.Tick, 1)
	for n := 0; ; n++ {
		wait := time.NewTimer(time.Second)
		select {
		case <-wait.C:
		case <-ctx.Done():
			if m.fault == "slow to end" {
				<-wait.C
			}
			if m.fault == "closes" {
				close(out)
			}
			return stop(ctx)
		}
		tick := market.Tick{Time: market.TimeOf(m.now()), Price: float64(1 + n%7)}
		msg := feed.Message{Instrument: "test:M"}
		switch m.fault {
		case "bad tick":
			tick.Price = 0
		case "future":
			tick.Time += 1_000_000
		case "back in time":
			tick.Time -= market.Time(n%2) * 5_000_000
		case "unknown instrument":
			msg.Instrument = "test:X"
		case "late backfill":
			msg.Backfill = n > 3
		case "clock of no replay":
			msg.Clock = tick.Time
		case "fails":
			return errors.New("out of order")
		case "unknown state":
			msg.State = "fine"
		case "reject without reason":
			msg.Rejects = []feed.Reject{{Source: "metronome"}}
		case "says nothing":
			if !send(feed.Message{}) {
				return nil
			}
		}
		msg.Ticks = []market.Tick{tick}
		if m.fault == "reuses" {
			reused[0] = tick
			msg.Ticks = reused
		}
		if m.fault == "sends nothing" || tick.Time < market.Second.End(stored) {
			continue
		}
		if !send(msg) {
			return stop(ctx)
		}
	}
}

const faultEnv = "FORETICK_FEEDTEST_FAULT"

// TestExercise runs the suite over the metronome, with the fault that the
// environment names: none unless TestFaults started it.
func TestExercise(t *testing.T) {
	feedtest.Exercise(t, func(_ testing.TB, now func() time.Time) feed.Source {
		return &metronome{fault: os.Getenv(faultEnv), now: now}
	})
}

// TestFaults shows that the suite finds each fault, by running it in a process of its
// own, where it may fail.
func TestFaults(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for fault, want := range map[string]string{
		"info changes":          "after a run it is",
		"series twice":          "is there twice",
		"no such calendar":      "which is no instrument of the source",
		"other calendar":        `names the calendar "24x7" and has "recorded"`,
		"blocks":                "did not return at once",
		"lingers":               "deadlock: main bubble goroutine has exited but blocked goroutines remain",
		"returns the error":     "Run returned context canceled after its context was done",
		"slow to end":           "did not return at once",
		"closes":                "closed the channel",
		"ignores resume":        "were stored already",
		"bad tick":              "price 0 is not positive",
		"future":                "a tick of",
		"back in time":          "comes after one of",
		"unknown instrument":    `data of "test:X"`,
		"late backfill":         "backfill after live data",
		"clock of no replay":    "a source that is no replay sent the clock",
		"fails":                 "Run returned out of order",
		"unknown state":         `unknown state "fine"`,
		"reject without reason": "a reject without source or reason",
		"says nothing":          "a message that says nothing",
		"reuses":                "messages changed after they were sent",
		"sends nothing":         "the source sent no data",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestExercise$")
			cmd.Env = append(os.Environ(), faultEnv+"="+fault)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), want) {
				t.Errorf("the suite ended with %v, want %q in\n%.3000s", err, want, out)
			}
		})
	}
}
