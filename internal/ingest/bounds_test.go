package ingest_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/ingest"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// measured is a store that notes how much comes at once.
type measured struct {
	*memory
	bars, ticks []int
}

func (m *measured) CommitBars(ctx context.Context, recs []store.BarRecord) (int, uint64, error) {
	m.bars = append(m.bars, len(recs))
	return m.memory.CommitBars(ctx, recs)
}

func (m *measured) CommitTicks(ctx context.Context, ticks []store.Ticks, recs []store.BarRecord) (int, uint64, error) {
	n := 0
	for _, t := range ticks {
		n += len(t.Ticks)
	}
	m.bars, m.ticks = append(m.bars, len(recs)), append(m.ticks, n)
	return m.memory.CommitTicks(ctx, ticks, recs)
}

// A source may send years at once: they are committed in bounded parts, and are what they would
// have been in many messages.
func TestCommitsAreBounded(t *testing.T) {
	const n = 20_000
	var all []market.Bar
	var trades []market.Tick
	var bad []feed.Reject
	for i := range n {
		all = append(all, bar(i, 10+float64(i%7)))
		for k := range 10 {
			trades = append(trades, tick(float64(i)+float64(k)/10, 10+float64(k)))
		}
		bad = append(bad, feed.Reject{Source: "file", Line: i, Reason: "no number"})
	}
	for _, c := range []struct {
		name  string
		whole feed.Message
		parts func() []feed.Message
	}{
		{"bars", feed.Message{Instrument: key, Bars: all, Clock: at(n), State: feed.Running, Detail: "all of it", Rejects: bad},
			func() (list []feed.Message) {
				list = append(list, feed.Message{State: feed.Running, Detail: "all of it", Rejects: bad[:3]}, feed.Message{Rejects: bad[3:]})
				for b := range slices.Chunk(all, 100) {
					list = append(list, feed.Message{Instrument: key, Bars: b, Clock: b[len(b)-1].End})
				}
				return list
			}},
		{"ticks", feed.Message{Instrument: key, Ticks: trades, Clock: at(n)},
			func() (list []feed.Message) {
				for b := range slices.Chunk(trades, 100) {
					list = append(list, feed.Message{Instrument: key, Ticks: b, Clock: b[len(b)-1].Time})
				}
				return append(list, clock(n))
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run := func(messages []feed.Message) *measured {
				m := &measured{memory: newMemory()}
				r := newRig(t, m.memory, func(cfg *ingest.Config) { cfg.Store, cfg.KeepTicks = m, true }, plays(replay(), messages...))
				r.runs(t, t.Context())
				return m
			}
			got, want := run([]feed.Message{c.whole}), run(c.parts())
			if d := cmp.Diff(want.memory.bars, got.memory.bars); d != "" {
				t.Errorf("the bars differ (-many +one):\n%.2000s", d)
			}
			if len(got.memory.rejects) != len(want.memory.rejects) {
				t.Errorf("%d rejects, want %d", len(got.memory.rejects), len(want.memory.rejects))
			}
			if len(got.bars) < 3 {
				t.Errorf("%d commits", len(got.bars))
			}
			// Bars of five minutes come on top of those of one.
			if most := slices.Max(got.bars); most > 2*4096 {
				t.Errorf("a commit of %d bars", most)
			}
			if most := slices.Max(append(got.ticks, 0)); most > 2*65536 {
				t.Errorf("a commit of %d ticks", most)
			}
		})
	}
}

// A source that sends nothing but refused inputs does not keep ingest from storing them.
func TestFloodOfRejects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newMemory()
		sent := 0
		ctx, cancel := context.WithCancel(t.Context())
		src := &script{live(), func(ctx context.Context, _ feed.Resume, out chan<- feed.Message) error {
			for send(ctx, out, feed.Message{Rejects: []feed.Reject{{Source: "test", Line: sent, Reason: "no"}}}) {
				sent++
			}
			return nil
		}}
		kept := 0
		st.setFail(func(op string) error {
			if op == "quarantine" {
				if kept++; kept == 5 {
					cancel()
				}
			}
			return nil
		})
		newRig(t, st, nil, src).runs(t, ctx)
		if n := len(st.quarantined()); n != sent {
			t.Errorf("%d of %d are kept", n, sent)
		}
	})
}
