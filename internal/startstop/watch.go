package startstop

import (
	"sync"
	"testing"
)

// Watch is told of every call of a dependency. A nil Watch takes no notice.
type Watch struct {
	t testing.TB

	mu    sync.Mutex
	calls int
	at    int // the call at which to act; 0: none
	act   func()
	over  bool // nothing runs: nothing may be called
}

// Call says that a dependency is called, on the goroutine of the caller, before anything is
// done. name is for people.
func (w *Watch) Call(name string) {
	if w == nil {
		return
	}
	if act := w.count(name); act != nil {
		act()
	}
}

func (w *Watch) count(name string) func() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over {
		w.t.Errorf("%s was called after Run had returned", name)
	}
	w.calls++
	if w.calls == w.at {
		return w.act
	}
	return nil
}

// begin counts anew, and acts at call n.
func (w *Watch) begin(n int, act func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.at, w.act, w.over = 0, n, act, false
}

// number is how often dependencies have been called.
func (w *Watch) number() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls
}

// end says that from now on nothing may be called.
func (w *Watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over, w.at = true, 0
}

// rest lets dependencies be called again.
func (w *Watch) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = false
}
