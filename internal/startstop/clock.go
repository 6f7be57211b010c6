package startstop

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/foretick/foretick/internal/testdata"
)

// clock is how the suite waits.
type clock interface {
	// ended waits for done as long as Run may take to return, and reports whether it came.
	ended(done <-chan struct{}, drain time.Duration) bool
	// done waits for work to be done, and reports whether it was.
	done(work <-chan struct{}) bool
	// pass lets d go by, where that costs nothing.
	pass(d time.Duration)
	// now remembers which goroutines there are. The function returned waits until nothing
	// goes on any more, and fails t when there is a goroutine more than now.
	now() (settle func(t *testing.T))
	// points is how many calls and moments of each kind are tried.
	points() int
	// hangs ends the test: something does not return.
	hangs(t *testing.T, what string)
}

// bubble is the time of testing/synctest. A goroutine that is left when the bubble ends fails
// the test without our help.
type bubble struct{}

func (bubble) ended(done <-chan struct{}, drain time.Duration) bool {
	synctest.Wait()
	select {
	case <-done:
		return true
	default:
	}
	if drain == 0 {
		return false
	}
	limit := time.NewTimer(drain)
	defer limit.Stop()
	select {
	case <-done:
		return true
	case <-limit.C:
		return false
	}
}

func (bubble) pass(d time.Duration) { time.Sleep(d) }

func (b bubble) done(work <-chan struct{}) bool { return b.ended(work, 24*time.Hour) }

func (bubble) now() func(*testing.T) {
	return func(*testing.T) {
		time.Sleep(time.Second) // what is left may only wait for its turn
		synctest.Wait()
	}
}

func (bubble) points() int {
	if testdata.Race {
		return 10
	}
	return 24
}

// hangs panics: what a test says is lost when its bubble cannot end.
func (bubble) hangs(_ *testing.T, what string) { panic(what + "\n" + string(stacks())) }

// realTime is that of the machine.
type realTime struct{}

// patience is how long a loaded machine may take for what is done at once.
const patience = 20 * time.Second

func (realTime) ended(done <-chan struct{}, drain time.Duration) bool {
	limit := time.NewTimer(drain + patience)
	defer limit.Stop()
	select {
	case <-done:
		return true
	case <-limit.C:
		return false
	}
}

func (realTime) pass(time.Duration) {}

func (r realTime) done(work <-chan struct{}) bool { return r.ended(work, 0) }

func (realTime) now() func(*testing.T) {
	before := goleak.IgnoreCurrent()
	return func(t *testing.T) {
		t.Helper()
		goleak.VerifyNone(t, before)
	}
}

func (realTime) points() int {
	if testdata.Race {
		return 4
	}
	return 8
}

func (realTime) hangs(t *testing.T, what string) {
	t.Helper()
	t.Fatalf("%s\n%s", what, stacks())
}

// stacks are those of all goroutines, for whoever has to find out why something hangs.
func stacks() []byte {
	b := make([]byte, 1<<20)
	return b[:runtime.Stack(b, true)]
}
