package ingest_test

import (
	"errors"
	"math"
	"testing"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/ingest"
	"github.com/foretick/foretick/market"
)

func keep(c *ingest.Config) { c.KeepTicks = true }

// Ticks that went into bars are kept as they came, those that were refused are in quarantine; and
// building bars from what was kept gives the same bars.
func TestTicksAreKept(t *testing.T) {
	nan := tick(0.2, math.NaN())
	sent := []market.Tick{tick(0, 10), nan, tick(0.5, 11), tick(1.5, 12), tick(0.9, 13), tick(40, 1), nan, tick(5, 7), tick(41.5, 2)}
	r := newRig(t, newMemory(), keep, plays(replay(), ticks(sent[:3]...), ticks(sent[3:]...)))
	r.runs(t, t.Context())
	var got []market.Tick
	for _, x := range r.store.ticks {
		if x.Series != minute {
			t.Errorf("ticks of %s", x.Series)
		}
		got = append(got, x.Ticks...)
	}
	want := []market.Tick{sent[0], sent[2], sent[3], sent[4], sent[5], sent[8]} // tick(5, 7) came too late
	if len(got) != len(want) {
		t.Fatalf("kept %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("tick %d is %v, want %v", i, got[i], want[i])
		}
	}
	if n := len(r.store.quarantined()); n != 3 {
		t.Errorf("%d in quarantine, want 3", n)
	}

	again := newRig(t, newMemory(), nil, plays(replay(), ticks(got...)))
	again.runs(t, t.Context())
	for _, id := range []market.SeriesID{minute, five} {
		if a, b := starts(r.store.of(id)), starts(again.store.of(id)); len(a) != len(b) || len(a) == 0 {
			t.Errorf("%s: %v, and from what was kept %v", id, a, b)
		}
		for i, x := range r.store.of(id) {
			if y := again.store.of(id)[i]; x != y {
				t.Errorf("%s: %v, and from what was kept %v", id, x, y)
			}
		}
	}

	without := newRig(t, newMemory(), nil, plays(replay(), ticks(sent...)))
	without.runs(t, t.Context())
	if len(without.store.ticks) > 0 {
		t.Error("ticks are kept unasked")
	}
}

// A tick is stored before, or in the same commit as, the bar that it is in, also when the store
// fails for a while.
func TestTicksComeFirst(t *testing.T) {
	s := newMemory()
	fails := 0
	s.setFail(func(op string) error {
		if op == "commit" {
			if n := s.volume(); n > float64(s.kept()) {
				t.Errorf("bars hold %v ticks, %d are stored", n, s.kept())
			}
			if fails++; fails%3 == 1 {
				return errors.New("broken")
			}
		}
		return nil
	})
	var msgs []feed.Message
	for i := range 50 {
		msgs = append(msgs, ticks(tick(float64(i)/7, 10), tick(float64(i)/7+0.01, 11)))
	}
	r := newRig(t, s, keep, plays(replay(), msgs...))
	r.runs(t, t.Context())
	if n := s.kept(); n != 100 || s.volume() != 100 {
		t.Errorf("%d ticks are kept, bars hold %v", n, s.volume())
	}
}

// kept is the number of ticks, volume that of those in bars of a minute. The caller holds the lock
// or is alone.
func (s *memory) kept() (n int) {
	for _, x := range s.ticks {
		n += len(x.Ticks)
	}
	return n
}

func (s *memory) volume() (v float64) {
	for _, b := range s.bars[minute] {
		v += b.Volume
	}
	return v
}
