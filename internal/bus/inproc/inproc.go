// Package inproc passes notices on within one process.
package inproc

import (
	"sync"

	"github.com/foretick/foretick/internal/bus"
)

// Bus is a bus.Bus. The zero value is ready to use. It starts no goroutine: a
// notice is put into the buffers of the subscribers by whoever publishes it.
type Bus struct {
	mu   sync.RWMutex
	subs map[*subscription]struct{}
}

var _ bus.Bus = (*Bus)(nil)

// New returns a bus without subscribers.
func New() *Bus { return new(Bus) }

// Publish tells every subscriber whose buffer has room.
func (b *Bus) Publish(n bus.Notice) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for s := range b.subs {
		select {
		case s.c <- n:
		default: // it reads the store anyway when it comes to the next one
		}
	}
}

// Subscribe returns a subscription with a buffer of n notices, at least 1.
func (b *Bus) Subscribe(n int) bus.Subscription {
	s := &subscription{bus: b, c: make(chan bus.Notice, max(n, 1))}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.subs == nil {
		b.subs = map[*subscription]struct{}{}
	}
	b.subs[s] = struct{}{}
	return s
}

type subscription struct {
	bus *Bus
	c   chan bus.Notice
}

func (s *subscription) C() <-chan bus.Notice { return s.c }

// Close removes the subscription. Publish holds the lock while it sends, so it
// never meets a closed channel.
func (s *subscription) Close() {
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	if _, open := s.bus.subs[s]; open {
		delete(s.bus.subs, s)
		close(s.c)
	}
}
