package tail_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/internal/store/tail"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
	"github.com/foretick/foretick/track"
)

func open(t *testing.T, n, limit int) *tail.Tail {
	t.Helper()
	s, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return tail.New(s, n, limit)
}

var series = market.Series{Instrument: market.Instrument{Symbol: "AMZN", Venue: "test"}, Interval: market.Second}

// fill commits bars and what a track makes of them, one at a time.
func fill(t *testing.T, s *tail.Tail, bars int) {
	t.Helper()
	ctx := context.Background()
	if err := s.PutSeries(ctx, store.SeriesRecord{Series: series, Mode: ledger.Replay, Source: "test", Base: true}); err != nil {
		t.Fatal(err)
	}
	tr, err := track.New(track.Config{Series: series, Mode: ledger.Replay, Models: []forecast.Forecaster{naive.New()}})
	if err != nil {
		t.Fatal(err)
	}
	for i := range bars {
		at := market.Time(i) * 1_000_000
		p := 100 + float64((i*7)%11)
		b := market.Bar{Start: at, End: at + 1_000_000, Open: p, High: p, Low: p, Close: p}
		_, seq, err := s.CommitBars(ctx, []store.BarRecord{{Series: series.ID(), Bar: b}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := tr.Advance(ctx, track.Input{Bar: b}, b.End)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.CommitStep(ctx, store.Step{Series: series.ID(), Entries: r.Entries, Scores: r.Scores, Cursor: store.Cursor{BarSeq: seq, Inputs: tr.Inputs()}}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSameAsTheStore reads everything from memory and from the database.
func TestSameAsTheStore(t *testing.T) {
	s := open(t, 1000, 1<<20)
	fill(t, s, 60)
	items := s.Items(nil, 0, 1000)
	events, err := s.EventsAfter(t.Context(), 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(items) != len(events) || len(items) < 150 {
		t.Fatalf("%d items, %d events", len(items), len(events))
	}
	scored := 0
	for i, item := range items {
		if diff := cmp.Diff(events[i], item.Event); diff != "" {
			t.Fatal(diff)
		}
		if item.Bar != nil {
			want, err := s.Store.BarLog(t.Context(), series.ID(), item.Seq-1, 1)
			if err != nil || cmp.Diff(want[0], *item.Bar) != "" {
				t.Fatalf("%v %s", err, cmp.Diff(want, item.Bar))
			}
			continue
		}
		want, err := s.Entries(t.Context(), series.ID(), store.EntryQuery{From: uint64(item.Key), To: uint64(item.Key) + 1})
		if err != nil || cmp.Diff(want[0], *item.Entry) != "" {
			t.Fatalf("%v %s", err, cmp.Diff(want, item.Entry))
		}
		if item.Entry.Kind != ledger.Outcome {
			continue
		}
		e, err := ledger.Decode(item.Entry.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		var scores []score.Score
		target := e.Outcome.Bar.Start
		err = s.EachScore(t.Context(), series.ID(), store.ScoreQuery{From: target, To: target + 1}, func(sc *score.Score) bool { scores = append(scores, *sc); return true })
		if diff := cmp.Diff(scores, item.Scores, cmpopts.EquateNaNs()); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
		scored += len(scores)
	}
	if scored < 100 {
		t.Errorf("only %d scores compared", scored)
	}
	got, err := s.BarLog(t.Context(), "", 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Store.BarLog(t.Context(), "", 0, 1000)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
}

// TestForgets reads what memory does not hold any more.
func TestForgets(t *testing.T) {
	for name, s := range map[string]*tail.Tail{"few events": open(t, 16, 1<<20), "few bytes": open(t, 1000, 4000)} {
		t.Run(name, func(t *testing.T) {
			fill(t, s, 60)
			if items := s.Items(nil, 0, 1000); len(items) != 0 {
				t.Errorf("%d items of long ago", len(items))
			}
			var bars []store.BarRecord
			for after := uint64(0); ; {
				page, err := s.BarLog(t.Context(), "", after, 1000)
				if err != nil {
					t.Fatal(err)
				}
				if len(page) == 0 {
					break
				}
				bars = append(bars, page...)
				after = page[len(page)-1].Seq
			}
			if len(bars) != 60 {
				t.Errorf("%d bars, want 60", len(bars))
			}
		})
	}
}

// TestSkippedBarsLeaveAHole commits a bar twice: what memory cannot number is read
// from the store.
func TestSkippedBarsLeaveAHole(t *testing.T) {
	s := open(t, 1000, 1<<20)
	fill(t, s, 3)
	b := store.BarRecord{Series: series.ID(), Bar: market.Bar{Start: 9e6, End: 10e6, Open: 1, High: 1, Low: 1, Close: 1}}
	c := b
	c.Start, c.End = 10e6, 11e6
	if _, _, err := s.CommitBars(t.Context(), []store.BarRecord{b}); err != nil {
		t.Fatal(err)
	}
	kept, last, err := s.CommitBars(t.Context(), []store.BarRecord{b, c})
	if err != nil || kept != 1 {
		t.Fatalf("kept %d, %v", kept, err)
	}
	if items := s.Items(nil, last-1, 10); len(items) != 0 {
		t.Errorf("%+v", items)
	}
	recs, err := s.BarLog(t.Context(), "", last-1, 10)
	if err != nil || len(recs) != 1 || recs[0].Start != c.Start {
		t.Errorf("%+v %v", recs, err)
	}
}
