package startstop

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// exercise is one case of the suite.
type exercise[R any] struct {
	*testing.T
	Subject[R]
	run    func(R, context.Context) error
	clock  clock
	watch  *Watch
	random *rand.Rand
}

// randomOf is the same for the same test, so that what fails once fails again.
func randomOf(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(h.Sum64(), 1))
}

// errFault is what a dependency panics with.
var errFault = errors.New("startstop: a dependency panics")

// trial is one Run.
type trial[R any] struct {
	r      R
	what   string // for people
	cancel context.CancelFunc
	struck chan struct{} // closed when a dependency has panicked
	settle func(*testing.T)

	ended, busy, looked chan struct{} // Run, Busy, Look have returned
	err                 error
	panic               any
}

// begin starts another one. At the n-th call of a dependency (0: never) its context ends, or,
// with strike, the dependency panics.
func (e *exercise[R]) begin(ctx context.Context, what string, n int, strike bool) *trial[R] {
	x := &trial[R]{what: what, ended: make(chan struct{}), busy: make(chan struct{}), looked: make(chan struct{}), struck: make(chan struct{}), settle: e.clock.now()}
	ctx, x.cancel = context.WithCancel(ctx)
	x.r = e.New()
	act := func() { x.cancel() }
	if strike {
		act = func() {
			close(x.struck)
			panic(errFault)
		}
	}
	e.watch.begin(n, act)
	go func() {
		defer close(x.ended)
		defer func() { x.panic = recover() }()
		x.err = e.run(x.r, ctx)
	}()
	go func() {
		defer close(x.busy)
		e.tolerate(func() { e.Busy(ctx, x.r) })
	}()
	go func() {
		defer close(x.looked)
		for range 10 {
			e.look(x.r)
			runtime.Gosched()
		}
	}()
	return x
}

func (e *exercise[R]) look(r R) {
	if e.Look != nil {
		e.tolerate(func() { e.Look(r) })
	}
}

// tolerate calls f, which may meet the panic of a dependency: that is then for f's caller to
// deal with, as an HTTP handler does.
func (e *exercise[R]) tolerate(f func()) {
	defer func() {
		if p := recover(); p != nil && p != errFault {
			panic(p)
		}
	}()
	f()
}

// finish ends x's context and fails the test unless Run, and whoever uses it, returns as it
// should.
func (e *exercise[R]) finish(x *trial[R]) {
	e.Helper()
	x.cancel()
	if !e.clock.ended(x.ended, e.Drain) {
		e.clock.hangs(e.T, fmt.Sprintf("%s: Run did not return in time, %s after the end of its context", x.what, e.Drain))
	}
	if !e.clock.done(x.busy) {
		e.clock.hangs(e.T, x.what+": Busy did not return after the end of its context")
	}
	if !e.clock.done(x.looked) {
		e.clock.hangs(e.T, x.what+": Look did not return")
	}
	e.watch.end()
	x.settle(e.T)
	e.watch.rest()
	struck := false
	select {
	case <-x.struck:
		struck = true
	default:
	}
	switch {
	case x.panic != nil && (!struck || x.panic != errFault):
		e.Errorf("%s: Run panicked: %v", x.what, x.panic)
	case x.err != nil && !(struck && strings.Contains(x.err.Error(), errFault.Error())):
		e.Errorf("%s: Run returned %v", x.what, x.err)
	}
}

// early says what Run returned, if it has.
func (x *trial[R]) early() string {
	select {
	case <-x.ended:
		return fmt.Sprintf(": Run returned %v (panic: %v) while its context was good", x.err, x.panic)
	default:
		return ""
	}
}

// runs fails the test when x has ended by itself.
func (e *exercise[R]) runs(x *trial[R]) {
	e.Helper()
	if early := x.early(); early != "" && !(e.Ends && x.err == nil && x.panic == nil) {
		e.Error(x.what + early)
	}
}

// peace lets another one do its work undisturbed, and returns the number of calls that took.
func (e *exercise[R]) peace(what string) int {
	e.Helper()
	x := e.begin(e.Context(), what, 0, false)
	e.await(x)
	calls := e.watch.number()
	e.clock.pass(time.Minute)
	e.runs(x)
	e.finish(x)
	return calls
}

// await waits until the work is done, or given up because the context has ended.
func (e *exercise[R]) await(x *trial[R]) {
	e.Helper()
	if !e.clock.done(x.busy) {
		e.clock.hangs(e.T, x.what+": the work is not done"+x.early())
	}
}

func (e *exercise[R]) check() {
	e.Helper()
	if e.Check != nil {
		e.Check()
	}
}

func (e *exercise[R]) untilCancelled() {
	e.peace("the first time")
	e.peace("the second time")
	e.check()
}

func (e *exercise[R]) cancelledBefore() {
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	for range 3 {
		e.finish(e.begin(ctx, "cancelled before", 0, false))
	}
	e.peace("afterwards")
	e.check()
}

// draw returns numbers from 1 to most, the first and the last ones among them, in any order.
func (e *exercise[R]) draw(most int) []int {
	seen := map[int]bool{}
	for i := range min(3, most) {
		seen[i+1], seen[most-i] = true, true
	}
	for len(seen) < min(e.clock.points(), most) {
		seen[1+e.random.IntN(most)] = true
	}
	list := slices.Sorted(maps.Keys(seen))
	e.random.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	return list
}

// cancelledAtCalls ends the context at the n-th call of a dependency, for many n.
func (e *exercise[R]) cancelledAtCalls() {
	calls := e.peace("undisturbed")
	if calls == 0 {
		e.Fatal("no dependency was called: nothing is tested")
	}
	for _, n := range e.draw(calls) {
		x := e.begin(e.Context(), fmt.Sprintf("cancelled at call %d of %d", n, calls), n, false)
		e.await(x)
		e.finish(x)
	}
	e.peace("afterwards")
	e.check()
}

// cancelledAtMoments ends the context after a while, and while everybody is at work.
func (e *exercise[R]) cancelledAtMoments() {
	for i := range e.clock.points() {
		x := e.begin(e.Context(), "cancelled at a moment", 0, false)
		if i%2 == 0 {
			e.clock.pass(time.Duration(e.random.Int64N(int64(5 * time.Second))))
		} else {
			for range e.random.IntN(300) {
				runtime.Gosched()
			}
		}
		e.finish(x)
	}
	e.peace("afterwards")
	e.check()
}

// twice starts what runs already, and what has ended.
func (e *exercise[R]) twice() {
	x := e.begin(e.Context(), "the first of two", 0, false)
	e.await(x)
	again := func(ctx context.Context) (err error, ended bool) {
		var second error
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer func() {
				if p := recover(); p != nil {
					e.Errorf("a second Run panicked: %v", p)
				}
			}()
			second = e.run(x.r, ctx)
		}()
		if !e.clock.ended(done, 0) {
			return nil, false
		}
		return second, true
	}
	if e.Alone {
		e.Log("a second Run at the same time is not tried: the documentation forbids it")
	} else if err, ended := again(e.Context()); !ended || err == nil {
		e.clock.hangs(e.T, fmt.Sprintf("a second Run at the same time ended: %t, with %v; it must be refused", ended, err))
	}
	e.clock.pass(time.Second)
	e.runs(x)
	e.finish(x)
	ctx, cancel := context.WithCancel(e.Context())
	cancel()
	if _, ended := again(ctx); !ended {
		e.clock.hangs(e.T, "a later Run, with a context that is done, does not return")
	}
	e.peace("afterwards")
	e.check()
}

// panics lets the n-th call of a dependency panic, for many n.
func (e *exercise[R]) panics() {
	calls := e.peace("undisturbed")
	for _, n := range e.draw(calls) {
		x := e.begin(e.Context(), fmt.Sprintf("a panic at call %d of %d", n, calls), n, true)
		select { // what has failed for good will never do the work
		case <-x.busy:
		case <-x.ended:
		case <-x.struck:
			e.clock.pass(3 * time.Second)
		}
		e.finish(x)
	}
	e.peace("afterwards")
	e.check()
}
