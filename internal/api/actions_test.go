package api

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// traded commits n bars of the slashed series and returns them.
func (w *world) traded(n int) []market.Bar {
	w.t.Helper()
	recs := storetest.Bars(slashed, 0, n)
	_, _, err := w.store.CommitBars(context.Background(), recs)
	must(w.t, err)
	bars := make([]market.Bar, n)
	for i := range recs {
		bars[i] = recs[i].Bar
	}
	return bars
}

// items is a list that comes as one page.
func items[T any](w *world, path string) []T {
	w.t.Helper()
	return get200[struct{ Items []T }](w, path).Items
}

func TestActions(t *testing.T) {
	w := newWorld(t)
	if got := items[Action](w, of(slashed, "/actions")); len(got) != 0 {
		t.Errorf("of none: %v", got)
	}
	day := market.Time(86_400e6)
	list := []market.Action{
		{Ex: 10 * day, Kind: market.Split, Ratio: 7, Source: "yahoo"},
		{Ex: 20 * day, Kind: market.Dividend, Amount: 0.82, Source: "a.csv"},
		{Ex: 30 * day, Kind: market.Split, Ratio: 0.1, Source: "a.csv"},
	}
	_, err := w.store.PutActions(t.Context(), "sim:BTC/USD", 1, list...)
	must(t, err)
	want := []Action{{list[2], "split 1:10"}, {list[1], "dividend 0.82"}, {list[0], "split 7:1"}}
	if d := cmp.Diff(want, items[Action](w, of(slashed, "/actions"))); d != "" {
		t.Error(d)
	}
	if got := items[Action](w, of(amzn, "/actions")); len(got) != 0 {
		t.Errorf("of another instrument: %v", got)
	}
}

func TestWarnings(t *testing.T) {
	w := newWorld(t)
	var want []store.Warning
	for i := range 3 {
		b := storetest.Bar(amzn, i, 0)
		x := store.Warning{Series: amzn, At: 5, Bar: b.Span(), Close: 700, Open: 100, Ratio: 7, Voided: 15, Announced: i == 1, Reason: fmt.Sprint("reason ", i)}
		must(t, store.PutWarnings(t.Context(), w.store, x))
		want = append([]store.Warning{x}, want...)
	}
	if d := cmp.Diff(want, items[store.Warning](w, of(amzn, "/warnings"))); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(want[:2], items[store.Warning](w, of(amzn, "/warnings?limit=2"))); d != "" {
		t.Error(d)
	}
	if got := items[store.Warning](w, of(slashed, "/warnings")); len(got) != 0 {
		t.Errorf("of another series: %v", got)
	}
}

// Whatever is asked for, in whatever pages, a bar is what it is in the whole series
// adjusted; what is stored stays as it was.
func TestAdjustedBars(t *testing.T) {
	testdata.SkipRaced(t, "answers one at a time")
	w := newWorld(t)
	bars := w.traded(120)
	rapid.Check(t, func(t *rapid.T) {
		// Actions cannot be taken back: those drawn stand in for those of the round before.
		var drawn []market.Action
		for _, at := range []int{1, 30, 31, 77, 119, 125} {
			ex := bars[0].Start + market.Time(at)*(bars[1].Start-bars[0].Start)
			a := market.Action{Ex: ex, Kind: market.Split, Ratio: rapid.SampledFrom([]float64{1, 2, 0.1, 20}).Draw(t, "ratio"), Source: "test"}
			d := market.Action{Ex: ex, Kind: market.Dividend, Amount: rapid.Float64Range(1e-6, 1e-3).Draw(t, "amount"), Source: "test"}
			drawn = append(drawn, a, d)
		}
		if _, err := w.store.PutActions(context.Background(), "sim:BTC/USD", 1, drawn...); err != nil {
			t.Fatal(err)
		}
		actions, err := w.store.Actions(context.Background(), "sim:BTC/USD")
		if err != nil {
			t.Fatal(err)
		}
		for name, mode := range map[string]market.Adjustment{"none": market.Raw, "splits": market.SplitAdjusted, "all": market.ReturnAdjusted} {
			want, err := market.Adjust(bars, actions, mode)
			if err != nil {
				t.Fatal(err)
			}
			for _, order := range []string{"asc", "desc"} {
				got := walk[market.Bar](w, of(slashed, fmt.Sprintf("/bars?order=%s&limit=%d&adjusted=%s", order, rapid.IntRange(25, 130).Draw(t, "limit"), name)))
				if len(got) != len(want) {
					t.Fatalf("%d bars, want %d", len(got), len(want))
				}
				for i := range got {
					b := want[i]
					if order == "desc" {
						b = want[len(want)-1-i]
					}
					if math.Abs(got[i].Close/b.Close-1) > 1e-12 || math.Abs(got[i].Open/b.Open-1) > 1e-12 || math.Abs(got[i].Volume-b.Volume) > 1e-9*b.Volume || got[i].Start != b.Start {
						t.Fatalf("%s %s: bar %d is %+v, want %+v", name, order, i, got[i], b)
					}
				}
			}
		}
	})
	if got := walk[market.Bar](w, of(slashed, "/bars?order=asc&limit=500")); !cmp.Equal(got, bars) {
		t.Error("what is stored has changed")
	}
}

// A dividend that cannot be one says what to do.
func TestAdjustedBarsRefused(t *testing.T) {
	w := newWorld(t)
	bars := w.traded(10)
	_, err := w.store.PutActions(t.Context(), "sim:BTC/USD", 1, market.Action{Ex: bars[5].Start, Kind: market.Dividend, Amount: 1e9})
	must(t, err)
	wantProblem(t, w.do("GET", of(slashed, "/bars?adjusted=all"), ""), 422, "is not smaller than the close before it")
	wantProblem(t, w.do("GET", of(slashed, "/bars?adjusted=some"), ""), 422, "")
}
