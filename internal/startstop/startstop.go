// Package startstop holds the suite that everything with a Run(ctx) passes: the parts of a
// running Foretick, and the program as a whole.
//
// A part that does not stop holds up the whole program, one that stops too early loses what it
// was told, and one that leaves a goroutine behind writes to what others have closed. Such
// faults hide in the few lines between two calls of a dependency. So the suite does not stop a
// part at random moments: its dependencies report every call to a [Watch], and the suite ends
// the context, or panics, at exactly one of these calls, again and again on the same
// dependencies, as a process that is restarted would find them. What stands there in the end
// must be what would stand there if nothing had ever been stopped ([Subject.Check]).
//
// What Run promises, and the suite checks:
//
//   - It blocks until its context is done, then returns nil at once, or within Subject.Drain.
//   - A context that is done before is no exception.
//   - No dependency is called after it has returned, and no goroutine is left.
//   - A second Run at the same time is refused with an error, unless the documentation forbids
//     it; one that comes later is refused, or works.
//   - A dependency that panics does not keep it from stopping, nor others from going on with
//     the same dependencies.
//
// Run it with the race detector, too: that is where it has most teeth. A lock that nobody gives
// back is no wait that a bubble can see: such a test ends with go test's time limit, and the
// stacks say where.
package startstop

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// Subject is something with a Run, on dependencies of its own.
type Subject[R any] struct {
	// New makes another one on the same dependencies, as the next process would. The one
	// before has ended.
	New func() R
	// Busy gives r something to do while it runs, and returns when that is done, or ctx is. It
	// is called on a goroutine of its own.
	Busy func(ctx context.Context, r R)
	// Look, unless nil, does what others do with r while it runs, from their goroutines. It
	// must return whether r still runs or not.
	Look func(r R)
	// Check, unless nil, fails the test when the dependencies do not hold what they would if
	// nothing had been stopped. It is called when r has ended, after a Busy that was left in
	// peace.
	Check func()
	// Drain is how long Run may go on when its context is done. 0: not at all.
	Drain time.Duration
	// Ends says that Run may return nil before its context is done, when nothing is left to do.
	Ends bool
	// Alone says that a second Run at the same time is nobody's right, by its documentation. It
	// is not tried.
	Alone bool
}

// Make makes a subject whose dependencies report their calls to w. It is called once for each
// case of the suite, within its bubble.
type Make[R any] func(t *testing.T, w *Watch) Subject[R]

// Exercise runs the suite in bubbles of testing/synctest, where time is fake: waits cost
// nothing, and "at once" means that no time has passed. run is the method, such as
// (*engine.Engine).Run.
func Exercise[R any](t *testing.T, run func(R, context.Context) error, newSubject Make[R]) {
	t.Helper()
	suite(t, run, newSubject, func(t *testing.T, test func(t *testing.T, time clock)) {
		synctest.Test(t, func(t *testing.T) { test(t, bubble{}) })
	})
}

// ExerciseInRealTime runs the suite for what listens on the network, which no bubble holds.
// Nothing waits for time to pass here either; only a fault takes long.
func ExerciseInRealTime[R any](t *testing.T, run func(R, context.Context) error, newSubject Make[R]) {
	t.Helper()
	suite(t, run, newSubject, func(t *testing.T, test func(t *testing.T, time clock)) {
		test(t, realTime{})
	})
}

func suite[R any](t *testing.T, run func(R, context.Context) error, newSubject Make[R], within func(*testing.T, func(*testing.T, clock))) {
	for _, c := range []struct {
		name string
		test func(*exercise[R])
	}{
		{"runs until its context ends", (*exercise[R]).untilCancelled},
		{"cancelled before", (*exercise[R]).cancelledBefore},
		{"cancelled at a call", (*exercise[R]).cancelledAtCalls},
		{"cancelled at a moment", (*exercise[R]).cancelledAtMoments},
		{"twice at once", (*exercise[R]).twice},
		{"a dependency panics", (*exercise[R]).panics},
	} {
		t.Run(c.name, func(t *testing.T) {
			within(t, func(t *testing.T, time clock) {
				w := &Watch{t: t}
				e := &exercise[R]{T: t, run: run, clock: time, watch: w, random: randomOf(t.Name())}
				e.Subject = newSubject(t, w)
				c.test(e)
			})
		})
	}
}
