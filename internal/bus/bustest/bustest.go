// Package bustest is the specification of package bus as a suite: every adapter
// passes it with one call of [Exercise].
package bustest

import (
	"sync"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/bus"
)

// patience bounds the wait for what must come; nothing is asserted about how long
// it takes.
const patience = 20 * time.Second

// Exercise checks a bus against its contract. open returns a bus without
// subscribers, once for each case.
func Exercise(t *testing.T, open func(t *testing.T) bus.Bus) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, bus.Bus)
	}{
		{"every subscriber gets every notice, in order", everyone},
		{"a notice arrives as it was sent", whole},
		{"publishing without subscribers is harmless", func(t *testing.T, b bus.Bus) { b.Publish(bus.Notice{Seq: 1}) }},
		{"a full subscriber misses notices and nobody waits for it", full},
		{"a buffer of less than one notice holds one", smallest},
		{"close ends C and may be called again", closing},
		{"what was buffered can be read after close", buffered},
		{"a closed subscription gets nothing more, the others do", others},
		{"any number of goroutines may publish, subscribe and close", storm},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, open(t)) })
	}
}

// next waits for one notice.
func next(t *testing.T, s bus.Subscription) bus.Notice {
	t.Helper()
	select {
	case n, ok := <-s.C():
		if !ok {
			t.Fatal("the subscription is closed")
		}
		return n
	case <-time.After(patience):
		t.Fatal("no notice came")
	}
	panic("unreachable")
}

func everyone(t *testing.T, b bus.Bus) {
	const n = 50
	var subs []bus.Subscription
	for range 5 {
		s := b.Subscribe(n)
		defer s.Close()
		subs = append(subs, s)
	}
	for i := range uint64(n) {
		b.Publish(bus.Notice{Epoch: "e", Seq: i, Kind: "bar"})
	}
	for k, s := range subs {
		for i := range uint64(n) {
			if got := next(t, s); got.Seq != i {
				t.Fatalf("subscriber %d got %d, want %d", k, got.Seq, i)
			}
		}
	}
}

func whole(t *testing.T, b bus.Bus) {
	s := b.Subscribe(1)
	defer s.Close()
	want := bus.Notice{Epoch: "6f1c", Seq: 1<<64 - 1, Kind: "step", Key: "sim:BTC/USD é@1s"}
	b.Publish(want)
	if got := next(t, s); got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func full(t *testing.T, b bus.Bus) {
	slow, fast := b.Subscribe(1), b.Subscribe(1000)
	defer slow.Close()
	defer fast.Close()
	for i := range uint64(1000) {
		b.Publish(bus.Notice{Seq: i}) // would wait forever if it waited for slow
	}
	for i := range uint64(1000) {
		if got := next(t, fast); got.Seq != i {
			t.Fatalf("the other subscriber got %d, want %d", got.Seq, i)
		}
	}
	next(t, slow)
	for drained := false; !drained; { // and it goes on once there is room
		select {
		case <-slow.C():
		default:
			drained = true
		}
	}
	b.Publish(bus.Notice{Seq: 5000})
	for next(t, slow).Seq != 5000 {
	}
}

func smallest(t *testing.T, b bus.Bus) {
	for _, n := range []int{1, 0, -5} {
		s := b.Subscribe(n)
		b.Publish(bus.Notice{Seq: 7})
		if got := next(t, s); got.Seq != 7 {
			t.Fatalf("got %+v", got)
		}
		s.Close()
	}
}

func closing(t *testing.T, b bus.Bus) {
	s := b.Subscribe(1)
	waiting := make(chan struct{})
	go func() {
		defer close(waiting)
		for range s.C() {
		}
	}()
	s.Close()
	s.Close()
	<-waiting
	if _, ok := <-s.C(); ok {
		t.Fatal("C is open after Close")
	}
	b.Publish(bus.Notice{Seq: 1})
}

func buffered(t *testing.T, b bus.Bus) {
	s, last := b.Subscribe(3), b.Subscribe(3)
	defer last.Close()
	for i := range uint64(3) {
		b.Publish(bus.Notice{Seq: i})
	}
	for range 3 { // all three were passed on
		next(t, last)
	}
	first := next(t, s)
	s.Close()
	for n := range s.C() {
		if n.Seq <= first.Seq {
			t.Fatalf("got %d after %d", n.Seq, first.Seq)
		}
	}
}

func others(t *testing.T, b bus.Bus) {
	a, c := b.Subscribe(4), b.Subscribe(4)
	defer c.Close()
	a.Close()
	b.Publish(bus.Notice{Seq: 3})
	if got := next(t, c); got.Seq != 3 {
		t.Fatalf("got %+v", got)
	}
	if n, ok := <-a.C(); ok {
		t.Fatalf("a closed subscription got %+v", n)
	}
}

func storm(t *testing.T, b bus.Bus) {
	const publishers, subscribers, each = 4, 16, 200
	var wg sync.WaitGroup
	var subs []bus.Subscription
	for range subscribers {
		s := b.Subscribe(3)
		subs = append(subs, s)
		wg.Go(func() {
			last := map[string]uint64{}
			for n := range s.C() {
				if n.Seq <= last[n.Key] {
					t.Errorf("notice %d of %s after %d", n.Seq, n.Key, last[n.Key])
				}
				last[n.Key] = n.Seq
				if n.Seq == each {
					s.Close()
				}
			}
		})
	}
	var pub sync.WaitGroup
	for p := range publishers {
		pub.Go(func() {
			for i := range uint64(each) {
				b.Publish(bus.Notice{Seq: i + 1, Key: string(rune('a' + p))})
				if i%20 == 0 {
					b.Subscribe(1).Close()
				}
			}
		})
	}
	pub.Wait()
	for _, s := range subs {
		s.Close()
	}
	wg.Wait()
}
