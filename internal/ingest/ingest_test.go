package ingest_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/ingest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// What a recording makes, as the log of the base series and of its roll-up.
func TestReplay(t *testing.T) {
	backfill := func(m feed.Message) feed.Message {
		m.Backfill = true
		return m
	}
	tests := []struct {
		name    string
		msgs    []feed.Message
		minutes []string
		fives   []string
		rejects []string // parts of the reasons
	}{
		{
			name:    "bars are taken as they are, and rolled up when they reach the end",
			msgs:    []feed.Message{bars(bar(0, 10), bar(1, 11)), bars(bar(4, 12))},
			minutes: []string{"0", "1", "4"}, fives: []string{"0"},
		},
		{
			name:    "ticks become bars when a later one comes",
			msgs:    []feed.Message{ticks(tick(0.1, 10), tick(0.9, 11), tick(1.5, 12)), ticks(tick(7, 13))},
			minutes: []string{"0", "1", "7"}, fives: []string{"0"}, // 7: the recording ended
		},
		{
			name:    "the clock of the data closes bars",
			msgs:    []feed.Message{ticks(tick(0.1, 10)), clock(1), clock(5)},
			minutes: []string{"0"}, fives: []string{"0"},
		},
		{
			name:    "the clock does not close a coarser bar whose last bar it announces",
			msgs:    []feed.Message{bars(bar(0, 10)), clock(5), bars(bar(4, 10)), bars(bar(8, 10)), clock(10.1)},
			minutes: []string{"0", "4", "8"}, fives: []string{"0", "5"},
		},
		{
			name:    "equal bars are skipped, others are revisions",
			msgs:    []feed.Message{bars(bar(0, 10), bar(0, 10), bar(1, 10), bar(0, 12), bar(0, 12), bar(4, 10), bar(4, 11), bar(0, 10))},
			minutes: []string{"0", "1", "0 r1", "4", "4 r1", "0 r2"}, fives: []string{"0", "0 r1", "0 r2"},
		},
		{
			name:    "late ticks are revisions",
			msgs:    []feed.Message{ticks(tick(4.5, 10), tick(5.5, 11), tick(4.9, 12), tick(6, 1))},
			minutes: []string{"4", "4 r1", "5", "6"}, fives: []string{"0", "0 r1"},
		},
		{
			name: "unfit bars go to quarantine and harm nobody",
			msgs: []feed.Message{bars(
				bar(0, 10), bar(2, 10),
				market.Bar{Start: at(2.5), End: at(3.5), Open: 1, High: 1, Low: 1, Close: 1},
				bar(1, 10),
				market.Bar{Start: at(3), End: at(4), Open: 1, High: 1, Low: 2, Close: 1},
				market.Bar{Start: at(3), End: at(4), Open: math.NaN(), High: 1, Low: 1, Close: 1},
				market.Bar{Start: at(3), End: at(5), Open: 1, High: 1, Low: 1, Close: 1},
				bar(3, 10),
			)},
			minutes: []string{"0", "2", "3"},
			rejects: []string{"overlaps", "not after the last", "below low", "NaN", "later than a bar of 1m can"},
		},
		{
			name: "a revision that overlaps the next bar is unfit",
			msgs: []feed.Message{bars(
				flat(0, 0.5), flat(1, 2),
				flat(0, 1), // a revision that fits
				flat(3, 3.5), flat(3.5, 4),
				flat(3, 4), // this one does not
			)},
			minutes: []string{"0", "1", "0 r1", "3", "3.5"},
			rejects: []string{"overlaps the one after"},
		},
		{
			name: "a coarser bar that cannot be is unfit, its base bars are kept",
			msgs: []feed.Message{bars(
				market.Bar{Start: at(0), End: at(1), Open: 9, High: 9, Low: 9, Close: 9, Volume: math.MaxFloat64},
				market.Bar{Start: at(4), End: at(5), Open: 9, High: 9, Low: 9, Close: 9, Volume: math.MaxFloat64},
			)},
			minutes: []string{"0", "4"}, rejects: []string{"test:AMZN@5m: market: volume +Inf"},
		},
		{
			name:    "bad ticks go to quarantine and harm nobody",
			msgs:    []feed.Message{ticks(tick(0, 10), tick(0.1, math.NaN()), tick(0.2, -1), tick(0.3, 12), tick(30, 1), tick(31, 1), tick(1, 1)), clock(32)},
			minutes: []string{"0", "30", "31"}, fives: []string{"0"},
			rejects: []string{"NaN", "not positive", "too late"},
		},
		{
			name:    "a late tick of an absent bar makes it",
			msgs:    []feed.Message{ticks(tick(0, 10), tick(8, 12), tick(9, 1), tick(3, 1))},
			minutes: []string{"0", "8", "3", "9"}, fives: []string{"0", "0 r1", "5"},
		},
		{
			name:    "unknown instruments go to quarantine",
			msgs:    []feed.Message{{Instrument: "x:Y", Ticks: []market.Tick{tick(0, 1)}, Bars: []market.Bar{bar(0, 7)}}},
			rejects: []string{"did not announce", "did not announce"},
		},
		{
			name:    "the source's own rejects are kept",
			msgs:    []feed.Message{{Rejects: []feed.Reject{{Source: "f.csv", Line: 3, Raw: "x", Reason: "no number"}}}},
			rejects: []string{"no number"},
		},
		{
			name:    "backfill is marked, also where a live bar ends it",
			msgs:    []feed.Message{backfill(bars(bar(0, 10), bar(3, 10), bar(5, 10))), bars(bar(10, 11)), bars(bar(15, 7))},
			minutes: []string{"0 backfill", "3 backfill", "5 backfill", "10", "15"}, fives: []string{"0 backfill", "5 backfill", "10"},
		},
		{
			name:    "the last bar of backfilled ticks is history",
			msgs:    []feed.Message{backfill(ticks(tick(0, 1), tick(1, 1))), ticks(tick(2, 1), tick(3, 1)), clock(4)},
			minutes: []string{"0 backfill", "1 backfill", "2", "3"},
		},
		{
			name:    "a bar begun by backfill and ended live is live",
			msgs:    []feed.Message{backfill(ticks(tick(0, 1), tick(1, 1))), ticks(tick(1.5, 1), tick(3, 1)), clock(4)},
			minutes: []string{"0 backfill", "1", "3"},
		},
		{
			name:    "ticks of a bar that was delivered whole are refused",
			msgs:    []feed.Message{ticks(tick(0, 1)), bars(bar(0, 10)), ticks(tick(0.5, 99), tick(1, 1)), clock(2)},
			minutes: []string{"0", "1"}, rejects: []string{"delivered whole"},
		},
		{
			name:    "holes in a recording are no gaps",
			msgs:    []feed.Message{{State: feed.Running}, bars(bar(0, 10)), {State: feed.Stalled}, {State: feed.Running}, bars(bar(50, 10))},
			minutes: []string{"0", "50"}, fives: []string{"0"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, newMemory(), nil, plays(replay(), tt.msgs...))
			r.runs(t, t.Context())
			if d := cmp.Diff(append([]string{}, tt.minutes...), starts(r.store.of(minute))); d != "" {
				t.Errorf("1m (-want +got):\n%s", d)
			}
			if d := cmp.Diff(append([]string{}, tt.fives...), starts(r.store.of(five))); d != "" {
				t.Errorf("5m (-want +got):\n%s", d)
			}
			rejects := r.store.quarantined()
			if len(rejects) != len(tt.rejects) {
				t.Fatalf("rejects %+v, want %q", rejects, tt.rejects)
			}
			for i, x := range rejects {
				if !strings.Contains(x.Reason, tt.rejects[i]) || x.Source == "" || x.Raw == "" {
					t.Errorf("reject %+v, want %q", x, tt.rejects[i])
				}
			}
			h := r.Health()[0]
			if h.State != feed.Finished || h.Rejected != uint64(len(rejects)) || h.Bars+h.Revised != uint64(len(r.store.log)) {
				t.Errorf("health %+v", h)
			}
			if got := r.value(t, "foretick_bars_total"); got != float64(len(r.store.log)) {
				t.Errorf("foretick_bars_total is %v, stored %d", got, len(r.store.log))
			}
			if got := r.value(t, "foretick_feed_rejected_total"); got != float64(len(rejects)) {
				t.Errorf("foretick_feed_rejected_total is %v", got)
			}
		})
	}
}

func TestSeriesAreRegistered(t *testing.T) {
	r := newRig(t, newMemory(), func(c *ingest.Config) {
		c.Rollups = []market.Interval{market.Second, market.Minute, market.FiveMin, market.FiveMin, market.Hour}
	}, plays(replay()))
	r.runs(t, t.Context())
	if len(r.store.series) != 3 {
		t.Fatalf("registered %v", r.store.series)
	}
	m, f := r.store.series[minute], r.store.series[five]
	if !m.Base || m.Mode != ledger.Replay || m.Source != "test" || f.Base || f.Mode != ledger.Replay {
		t.Errorf("1m %+v, 5m %+v", m, f)
	}
}

func TestNewRefuses(t *testing.T) {
	twice := live()
	twice.Series = append(twice.Series, market.Series{Instrument: amzn, Interval: market.Hour})
	bad := live()
	bad.Series = []market.Series{{Instrument: amzn}}
	twenty := live()
	twenty.Series = []market.Series{{Instrument: amzn, Interval: market.MustInterval("20m")}}
	tests := []struct {
		name    string
		sources []feed.Source
		rollup  string
		want    string
	}{
		{"an instrument at two intervals", []feed.Source{plays(twice)}, "1d", "two intervals"},
		{"a series of two sources", []feed.Source{plays(live()), plays(live())}, "1d", "twice"},
		{"an invalid series", []feed.Source{plays(bad)}, "1d", "needs an interval"},
		{"intervals that do not nest", []feed.Source{plays(twenty)}, "30m", "cannot be rolled up"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newMemory()
			_, err := ingest.New(ingest.Config{Sources: tt.sources, Store: s, Bus: &notices{t: t, store: s}, Now: m0.Std().Local, Rollups: []market.Interval{market.MustInterval(tt.rollup)}})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// The driver's hook is called after each commit, and nothing is taken while it runs.
func TestAfterCommit(t *testing.T) {
	var in *rig
	calls := 0
	in = newRig(t, newMemory(), func(c *ingest.Config) {
		c.AfterCommit = func(_ context.Context, last uint64) error {
			calls++
			if stored := uint64(len(in.store.log)); last != stored || last == 0 {
				t.Errorf("last event %d, stored %d", last, stored)
			}
			return nil
		}
	}, plays(replay(), bars(bar(0, 7)), bars(bar(1, 7)), clock(60)))
	in.runs(t, t.Context())
	if calls == 0 || calls != in.store.commits {
		t.Errorf("%d calls, %d commits", calls, in.store.commits)
	}

	broken := newRig(t, newMemory(), func(c *ingest.Config) {
		c.AfterCommit = func(context.Context, uint64) error { return context.DeadlineExceeded }
	}, stays(replay(), bars(bar(0, 7))))
	if err := broken.Run(t.Context()); err == nil {
		t.Error("an error of the hook does not end Run")
	}
}
