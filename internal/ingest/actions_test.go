package ingest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/ingest"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

func split(minutes, ratio float64) market.Action {
	return market.Action{Ex: at(minutes), Kind: market.Split, Ratio: ratio}
}

// What a split explains is logged after it and what came before it is logged before,
// whether each message is a batch of its own or all of them are one, and whether the
// store fails meanwhile.
func TestActionsAreKeptWhereTheyCame(t *testing.T) {
	first, again := split(2, 7), split(2, 8)
	msgs := []feed.Message{
		{Instrument: key, Bars: []market.Bar{bar(0, 70), bar(1, 71)}},
		{Instrument: key, Actions: []market.Action{first, {Ex: at(2), Kind: market.Dividend, Amount: 0.5, Source: "other"}}},
		{Instrument: key, Bars: []market.Bar{bar(2, 10)}},
		{Instrument: key, Actions: []market.Action{first}},
		{Instrument: key, Bars: []market.Bar{bar(3, 10)}, Actions: []market.Action{again}},
		{Instrument: key, Bars: []market.Bar{bar(4, 10)}},
	}
	record := func(num uint64, a market.Action, source string, after uint64) store.ActionRecord {
		a.Source = source
		return store.ActionRecord{Num: num, Instrument: key, Action: a, At: m0, After: after}
	}
	want := []store.ActionRecord{
		record(1, first, "test", 2), record(2, market.Action{Ex: at(2), Kind: market.Dividend, Amount: 0.5}, "other", 2), record(3, again, "test", 3),
	}
	for name, apart := range map[string]bool{"one batch": false, "a batch each": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, fails := newMemory(), map[string]int{}
				src := &script{replay(), func(ctx context.Context, _ feed.Resume, out chan<- feed.Message) error {
					for _, m := range msgs {
						send(ctx, out, m)
						if apart {
							synctest.Wait()
						}
					}
					return nil
				}}
				r := newRig(t, s, func(c *ingest.Config) { c.Rollups, c.Now = nil, m0.Std().Local }, src)
				s.setFail(func(op string) error {
					if fails[op]++; fails[op] == 1 && op != "put" {
						return errors.New("not now")
					}
					return nil
				})
				r.runs(t, t.Context())
				if d := cmp.Diff(want, s.actions); d != "" {
					t.Error(d)
				}
				if n := len(s.of(minute)); n != 5 {
					t.Errorf("%d bars", n)
				}
				if n := r.value(t, "foretick_feed_actions_total"); n != 3 {
					t.Errorf("%v new actions are counted", n)
				}
			})
		})
	}
}

// An action that cannot be one, or of another instrument, goes to quarantine and takes no
// other with it.
func TestBadActionsAreRejected(t *testing.T) {
	s := newMemory()
	r := newRig(t, s, nil, plays(replay(),
		feed.Message{Instrument: key, Actions: []market.Action{split(2, -1), split(3, 2), {Ex: at(1), Kind: "merger"}}},
		feed.Message{Instrument: "test:OTHER", Actions: []market.Action{split(3, 2)}},
	))
	r.runs(t, t.Context())
	if len(s.actions) != 1 || s.actions[0].Ratio != 2 {
		t.Errorf("kept %+v", s.actions)
	}
	got := s.quarantined()
	if len(got) != 3 || got[0].Raw != "2000-01-01T00:02:00Z,split,-1" || got[0].Source != "test" || got[2].Instrument != "test:OTHER" {
		t.Errorf("rejected %+v", got)
	}
}
