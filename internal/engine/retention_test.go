package engine_test

import (
	"testing"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/inputs"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// Retention deletes the bars of a day. The engine is started anew, with a snapshot and
// without, and goes on to the same chain as if nothing had been deleted and nobody had
// stopped; the chain verifies, and so do the digests of its inputs from there on.
func TestRestartAfterRetention(t *testing.T) {
	t.Parallel()
	const day = 86_400
	at := func(i int) market.Time {
		if i >= 60 {
			i += day
		}
		return market.Time(1_700_006_340+i) * 1_000_000 // a minute before midnight
	}
	bar := func(k, i int) market.Bar {
		p := 100 + float64((i*(7+k))%13)
		return market.Bar{Start: at(i), End: at(i) + 1_000_000, Open: p, High: p, Low: p, Close: p}
	}
	bars := 1500
	if testdata.Race {
		bars = 600
	}
	var want [2]ledger.Head
	for k, s := range []market.Series{a, b} {
		tr, err := track.New(track.Config{Series: s, Mode: ledger.Replay, Horizons: track.UpTo(3), Models: models()})
		if err != nil {
			t.Fatal(err)
		}
		for i := range bars {
			if _, err := tr.Advance(t.Context(), track.Input{Bar: bar(k, i)}, 0); err != nil {
				t.Fatal(err)
			}
		}
		want[k] = tr.Head()
	}

	r := newRigOf(t, ledger.Replay)
	feed := func(from, to int) {
		for ; from < to; from += 50 {
			var recs []store.BarRecord
			for i := from; i < min(from+50, to); i++ {
				recs = append(recs, store.BarRecord{Series: a.ID(), Bar: bar(0, i)}, store.BarRecord{Series: b.ID(), Bar: bar(1, i)})
			}
			_, seq, err := r.store.CommitBars(t.Context(), recs)
			if err != nil {
				t.Fatal(err)
			}
			r.bus.Publish(bus.Notice{Seq: seq, Kind: "bar"})
			r.sync(seq)
		}
	}
	remove := func(want int) {
		for _, s := range []market.Series{a, b} {
			n, err := r.store.DeleteBars(t.Context(), s.ID(), market.MaxTime, 1000)
			if err != nil || n != want {
				t.Fatalf("deleted %d bars of %s, %v; want %d", n, s.ID(), err, want)
			}
		}
	}
	feed(0, bars-100)
	remove(60) // while it runs
	feed(bars-100, bars-50)
	r.stop()
	r.start()
	feed(bars-50, bars)
	for k, s := range []market.Series{a, b} {
		if got := r.head(s); got != want[k] {
			t.Errorf("head of %s is %+v, without retention %+v", s.ID(), got, want[k])
		}
		seq, err := r.engine.Consumed(t.Context(), s.ID())
		if _, cursor, _ := r.store.Head(t.Context(), s.ID()); err != nil || seq == 0 || seq > cursor.BarSeq {
			t.Errorf("%s is consumed up to event %d, %v; its track stands at %d", s.ID(), seq, err, cursor.BarSeq)
		}
		rep, err := inputs.Verify(t.Context(), r.store, s.ID(), nil)
		if err != nil || rep.Bars != bars-60 || rep.Unproven < 60 || rep.Cutoffs < bars-100 {
			t.Errorf("inputs of %s: %+v, %v", s.ID(), rep, err)
		}
	}
}
