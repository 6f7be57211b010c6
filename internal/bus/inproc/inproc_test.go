package inproc

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/bus/bustest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestBus(t *testing.T) { bustest.Exercise(t, func(*testing.T) bus.Bus { return New() }) }

func TestFullSubscriberKeepsTheOldest(t *testing.T) {
	b := New()
	sub := b.Subscribe(2)
	defer sub.Close()
	for seq := range uint64(5) {
		b.Publish(bus.Notice{Seq: seq})
	}
	for want := range uint64(2) {
		if n := <-sub.C(); n.Seq != want {
			t.Fatalf("notice %d, want %d", n.Seq, want)
		}
	}
}

func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("subscribers=%d", n), func(b *testing.B) {
			bb := New()
			for range n {
				defer bb.Subscribe(1).Close()
			}
			b.ReportAllocs()
			for b.Loop() {
				bb.Publish(bus.Notice{Seq: 1, Kind: "bar"})
			}
		})
	}
}
