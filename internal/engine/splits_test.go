package engine_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// The price of a is cut to a quarter at bar 60 without a word, and to a seventh at bar 80,
// which is told between bars 70 and 71. Later somebody finds out about the first, which
// changes nothing that is.
const (
	silent, loud = 60, 80
	told, late   = 71, 90
	splitBars    = 110
)

func splitBar(i int) market.Bar {
	start := market.Time(1_700_000_000+i) * 1_000_000
	p := func(i int) float64 {
		v := 1000 * math.Exp(0.004*math.Sin(float64(i*i)))
		if i >= silent {
			v /= 4
		}
		if i >= loud {
			v /= 7
		}
		return v
	}
	open, end := p(i), p(i)*(1+0.001*math.Cos(float64(3*i)))
	return market.Bar{Start: start, End: start + 1_000_000, Open: open, High: max(open, end), Low: min(open, end), Close: end}
}

func splitOf(bar int, ratio float64) market.Action {
	return market.Action{Ex: splitBar(bar).Start, Kind: market.Split, Ratio: ratio, Source: "test"}
}

// splitKnown is what was known of splits when bar i was logged.
func splitKnown(i int) (known []market.Action) {
	if i >= late {
		known = append(known, splitOf(silent, 4))
	}
	if i >= told {
		known = append(known, splitOf(loud, 7))
	}
	return known
}

// step commits the bars from..to-1 of a, and the actions where they are told, and waits
// until they are forecast.
func (r *rig) step(from, to int) {
	r.t.Helper()
	for i := from; i < to; i++ {
		b := splitBar(i)
		for at, action := range map[int]market.Action{told: splitOf(loud, 7), late: splitOf(silent, 4)} {
			if i == at {
				if n, err := r.store.PutActions(r.t.Context(), a.Instrument.Key(), b.Start, action, market.Action{Ex: action.Ex, Kind: market.Dividend, Amount: 1}); err != nil || n != 2 {
					r.t.Fatal(n, err)
				}
			}
		}
		r.now.Store(int64(b.Start) + 1_050_000)
		_, seq, err := r.store.CommitBars(r.t.Context(), []store.BarRecord{{Series: a.ID(), Bar: b}})
		if err != nil {
			r.t.Fatal(err)
		}
		r.bus.Publish(bus.Notice{Seq: seq, Kind: "bar"})
		r.sync(seq)
	}
}

// throughSplits is the head of a single track that consumes the same, and its breaks.
func throughSplits(t *testing.T, bars int) (ledger.Head, []track.Break) {
	t.Helper()
	tr, err := track.New(track.Config{Series: a, Mode: ledger.Live, Horizons: track.UpTo(3), Models: models(), LateAfter: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	var breaks []track.Break
	for i := range bars {
		b := splitBar(i)
		res, err := tr.Advance(t.Context(), track.Input{Bar: b, Splits: splitKnown(i)}, b.Start+1_050_000)
		if err != nil {
			t.Fatal(err)
		}
		if res.Break != nil {
			breaks = append(breaks, *res.Break)
		}
	}
	return tr.Head(), breaks
}

// TestSplits stops the engine at any bar around two splits, cleanly and killed: the chain
// is always that of a track which never stopped and was told of splits when the log was.
func TestSplits(t *testing.T) {
	want, breaks := throughSplits(t, splitBars)
	if len(breaks) != 2 || breaks[0].Announced || !breaks[1].Announced {
		t.Fatalf("the test has the breaks %+v", breaks)
	}
	for _, stop := range []int{silent + 1, told, loud} {
		for _, killed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d %v", stop, killed), func(t *testing.T) {
				t.Parallel() // each has a store of its own, and mostly waits for its disk
				r := newRig(t)
				r.step(0, stop)
				r.store.forgetful.Store(killed)
				r.stop()
				r.store.forgetful.Store(false)
				r.start()
				r.step(stop, splitBars)
				if got := r.head(a); got != want {
					t.Errorf("head %v, want %v", got, want)
				}
			})
		}
	}
}

// TestWarnings looks at what is kept of splits for people.
func TestWarnings(t *testing.T) {
	r := newRig(t)
	r.step(0, splitBars)
	got, err := store.Warnings(t.Context(), r.store, a.ID(), 10)
	if err != nil {
		t.Fatal(err)
	}
	_, breaks := throughSplits(t, splitBars)
	warning := func(b track.Break, bar int) store.Warning {
		return store.Warning{Series: a.ID(), At: splitBar(bar).Start + 1_050_000, Bar: b.Bar, Close: splitBar(bar - 1).Close, Open: splitBar(bar).Open,
			Ratio: b.Ratio, Announced: b.Announced, Voided: b.Voided, Reason: b.Reason()}
	}
	want := []store.Warning{warning(breaks[1], loud), warning(breaks[0], silent)}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got[0].Ratio != 7 || got[1].Ratio != 4 || got[1].Voided == 0 || got[1].Reason != "looks like an unannounced split 4:1" {
		t.Errorf("warnings %+v", got)
	}
	if one, err := store.Warnings(t.Context(), r.store, a.ID(), 1); err != nil || len(one) != 1 || one[0].Bar != got[0].Bar {
		t.Errorf("the newest: %+v, %v", one, err)
	}
	if none, err := store.Warnings(t.Context(), r.store, b.ID(), 10); err != nil || len(none) != 0 {
		t.Errorf("of another series: %+v, %v", none, err)
	}
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "foretick_splits_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if v := m.GetCounter().GetValue(); v > 0 {
				counted[m.GetLabel()[1].GetValue()+" "+m.GetLabel()[0].GetValue()] = v
			}
		}
	}
	if d := cmp.Diff(map[string]float64{"test:A@1s announced": 1, "test:A@1s suspected": 1}, counted); d != "" {
		t.Error(d)
	}
}
