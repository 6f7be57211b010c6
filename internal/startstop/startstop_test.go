package startstop_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/startstop"
)

// shelf is what clerks put things on.
type shelf struct {
	w  *startstop.Watch
	mu sync.Mutex
	n  int
}

func (s *shelf) put() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.w.Call("put")
	s.n++
}

func (s *shelf) number() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

// clerk fills a shelf, and keeps every promise but the one named by fault.
type clerk struct {
	fault string
	shelf *shelf
	want  chan int
	done  chan struct{}
	ran   atomic.Bool
}

func (c *clerk) Run(ctx context.Context) (err error) {
	if !c.ran.CompareAndSwap(false, true) && c.fault != "runs twice" {
		return errors.New("clerk: it runs already")
	}
	stop := ctx.Done()
	switch c.fault {
	case "ends early":
		return nil
	case "is deaf":
		stop = nil
	case "says so":
		defer func() { err = ctx.Err() }()
	case "leaves a goroutine":
		go func() { <-make(chan int) }()
	case "calls afterwards":
		context.AfterFunc(ctx, func() {
			time.Sleep(time.Millisecond)
			c.shelf.put()
		})
	case "is slow":
		defer time.Sleep(time.Second)
	case "falls over":
		defer func() {
			if ctx.Err() != nil {
				panic("stumbled")
			}
		}()
	case "keeps a lock":
		defer func() {
			if p := recover(); p != nil {
				c.shelf.mu.Lock() // never to be unlocked
				panic(p)
			}
		}()
	}
	for {
		select {
		case <-stop:
			return nil
		case n := <-c.want:
			for i := range n {
				if ctx.Err() != nil && stop != nil {
					break
				}
				if c.fault == "loses work" && i == 3 && c.shelf.number() > 30 {
					continue
				}
				c.shelf.put()
			}
			c.done <- struct{}{}
		}
	}
}

const faultEnv = "FORETICK_STARTSTOP_FAULT"

func subject(t *testing.T, w *startstop.Watch) startstop.Subject[*clerk] {
	s := &shelf{w: w}
	return startstop.Subject[*clerk]{
		New: func() *clerk {
			return &clerk{fault: os.Getenv(faultEnv), shelf: s, want: make(chan int), done: make(chan struct{}, 1)}
		},
		Busy: func(ctx context.Context, c *clerk) {
			select {
			case c.want <- 10:
			case <-ctx.Done():
				return
			}
			select {
			case <-c.done:
			case <-ctx.Done():
			}
		},
		Look: func(c *clerk) { c.shelf.number() },
		Check: func() {
			if n := s.number(); n < 10 || n%10 != 0 && os.Getenv(faultEnv) == "loses work" {
				t.Errorf("%d things are on the shelf", n)
			}
		},
	}
}

func TestInBubbles(t *testing.T) { startstop.Exercise(t, (*clerk).Run, subject) }

func TestInRealTime(t *testing.T) {
	if os.Getenv(faultEnv) != "" {
		t.Skip("faults are shown in bubbles, where they take no time")
	}
	startstop.ExerciseInRealTime(t, (*clerk).Run, subject)
}

// A suite is good for nothing that lets a faulty clerk pass.
func TestFaultsAreFound(t *testing.T) {
	if os.Getenv(faultEnv) != "" {
		t.Skip("this is the faulty one")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for fault, want := range map[string]string{
		"ends early":         "while its context was good",
		"is deaf":            "Run did not return in time",
		"is slow":            "Run did not return in time",
		"says so":            "Run returned context canceled",
		"leaves a goroutine": "deadlock: main bubble goroutine has exited but blocked goroutines remain",
		"calls afterwards":   "put was called after Run had returned",
		"runs twice":         "it must be refused",
		"falls over":         "Run panicked: stumbled",
		"keeps a lock":       "sync.Mutex.Lock", // a bubble waits for it until the time of the test is up
		"loses work":         "things are on the shelf",
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			limit := "30s"
			if fault == "keeps a lock" {
				limit = "3s"
			}
			cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestInBubbles$", "-test.timeout="+limit)
			cmd.Env = append(os.Environ(), faultEnv+"="+fault)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), want) {
				t.Errorf("the suite ended with %v, want %q in\n%.5000s", err, want, out)
			}
		})
	}
}
