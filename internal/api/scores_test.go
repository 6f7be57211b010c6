package api

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// wantAccuracy checks the table against package score over all stored scores.
func wantAccuracy(t *testing.T, w *world, horizon int) {
	t.Helper()
	got := get200[Accuracy](w, of(amzn, fmt.Sprintf("/accuracy?horizon=%d", horizon)))
	if got.Horizon != horizon || len(got.Models) != len(w.cfg.Models()) {
		t.Fatalf("accuracy %+v", got)
	}
	for i, m := range got.Models {
		var all []score.Score
		must(t, w.store.EachScore(t.Context(), amzn, store.ScoreQuery{Model: m.Model, Horizon: horizon}, func(s *score.Score) bool {
			all = append(all, *s)
			return true
		}))
		asOf := all[len(all)-1].Target
		if *got.AsOf != asOf || m.Model != w.cfg.Models()[i].Name || m.Champion != w.cfg.Models()[i].Champion || m.Verdict.Text == "" || m.Verdict.Why == "" || m.Verdict.Evidence.N > len(all) {
			t.Fatalf("as of %v, model %+v", got.AsOf, m)
		}
		var want []Window
		for _, s := range score.Windows(all, asOf) {
			want = append(want, newWindow(&s))
		}
		if g, w := text(t, m.Windows), text(t, want); g != w {
			t.Fatalf("%s at %d:\n%s\nwant\n%s", m.Model, horizon, g, w)
		}
	}
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	must(t, err)
	return string(b)
}

// The table follows what is stored: empty, growing, revised.
func TestAccuracy(t *testing.T) {
	w := newWorld(t).history(3)
	none := get200[Accuracy](w, of(amzn, "/accuracy"))
	if none.AsOf != nil || len(none.Models) != 3 || len(none.Models[0].Windows) != 6 {
		t.Fatalf("without scores: %+v", none)
	}
	for _, win := range none.Models[0].Windows {
		if win.N != 0 || win.MAE != nil || win.Error.Median != nil || win.Naive.CRPS != nil || win.Skill != nil {
			t.Fatalf("an empty window has numbers: %+v", win)
		}
	}
	for range 4 {
		w.history(9)
		for h := 1; h <= 5; h++ {
			wantAccuracy(t, w, h)
		}
	}
	o := w.chain.Outcome(30, 1)
	_, err := w.store.CommitStep(t.Context(), store.Step{Series: amzn, Entries: []ledger.Sealed{o}, Scores: storetest.Scores(30, 1, 3, 5)})
	must(t, err)
	wantAccuracy(t, w, 1)
	wantAccuracy(t, w, 2)
	one := get200[Accuracy](w, of(amzn, "/accuracy?model=drift"))
	if len(one.Models) != 2 || one.Models[0].Model != "naive" || one.Models[1].Model != "drift" {
		t.Fatalf("naive must stand beside: %+v", one.Models)
	}
}

func TestAccuracyAskedByManyAtOnce(t *testing.T) {
	w := newWorld(t).history(30)
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			a := w.do("GET", of(amzn, fmt.Sprintf("/accuracy?horizon=%d", 1+i%3)), "")
			if a.StatusCode != 200 {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
		})
	}
	w.history(5)
	group.Wait()
	wantAccuracy(t, w, 1)
}

func TestBoardsAreBounded(t *testing.T) {
	w := newWorld(t).history(8)
	b := w.srv.boards
	for i := range maxBoards * 2 {
		if err := b.read(t.Context(), boardKey{amzn, fmt.Sprint("m", i), 1}, func(*score.Accumulator) {}); err != nil {
			t.Fatal(err)
		}
	}
	if len(b.byKey) != maxBoards || b.order.Len() != maxBoards {
		t.Fatalf("%d boards", len(b.byKey))
	}
}

func TestScores(t *testing.T) {
	w := newWorld(t).history(40)
	var all []score.Score
	must(t, w.store.EachScore(t.Context(), amzn, store.ScoreQuery{}, func(s *score.Score) bool { all = append(all, *s); return true }))
	type page struct {
		Items []ScoreRow
		Next  string `json:"next_cursor"`
	}
	for _, order := range []string{"asc", "desc"} {
		for _, limit := range []int{1, 40, 5000} {
			t.Run(fmt.Sprintf("%s by %d", order, limit), func(t *testing.T) {
				var got []ScoreRow
				for cursor := ""; ; {
					p := get200[page](w, of(amzn, fmt.Sprintf("/scores?order=%s&limit=%d&cursor=%s", order, limit, cursor)))
					if len(p.Items) > limit+15 { // a page ends with a target, never inside one
						t.Fatalf("%d rows for a limit of %d", len(p.Items), limit)
					}
					got = append(got, p.Items...)
					if cursor = p.Next; cursor == "" {
						break
					}
				}
				want := make([]ScoreRow, len(all))
				for i := range all {
					want[i] = newScoreRow(&all[i])
				}
				if order == "desc" {
					slices.Reverse(want)
				}
				if g, w := text(t, got), text(t, want); g != w {
					t.Fatalf("%d rows, want %d\n%.300s\n%.300s", len(got), len(want), g, w)
				}
			})
		}
	}
	one := get200[page](w, of(amzn, "/scores?model=ewma&horizon=2&limit=3"))
	if len(one.Items) < 3 || one.Items[0].Model != "ewma" || one.Items[0].Horizon != 2 || one.Items[0].NaiveCRPS != nil {
		t.Fatalf("filtered %+v", one.Items)
	}
	if from := storetest.Bar(amzn, 10, 0).Start; get200[page](w, of(amzn, "/scores?limit=1&from="+from.String())).Items[0].Target != from {
		t.Fatal("from is not where it begins")
	}
}

// commitBetween commits a tick in the middle of the reads of a request.
type commitBetween struct {
	Store
	tick func()
}

func (c *commitBetween) EachScore(ctx context.Context, id market.SeriesID, q store.ScoreQuery, f func(*score.Score) bool) error {
	err := c.Store.EachScore(ctx, id, q, f)
	if tick := c.tick; tick != nil {
		c.tick = nil
		tick()
	}
	return err
}

// A forecast that is scored while the answer is put together was open or is scored;
// it was never void.
func TestNoForecastIsVoidInPassing(t *testing.T) {
	c := &commitBetween{}
	w := newWorld(t, func(cfg *Config) { c.Store, cfg.Store = cfg.Store, c })
	w.history(10)
	c.tick = func() { w.tick(true) }
	for _, f := range get200[struct{ Items []Forecast }](w, of(amzn, "/forecasts?limit=1")).Items {
		if f.Status != "open" {
			t.Errorf("the newest forecast, horizon %d, is %s", f.Horizon, f.Status)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if number(v) != nil || string(appendNumber(nil, v)) != "null" {
			t.Errorf("%v is not null", v)
		}
	}
	for _, v := range []float64{0, -0.5, 1e-7, 1e21, 123456.789, math.MaxFloat64, math.SmallestNonzeroFloat64} {
		if got, want := string(appendNumber(nil, v)), text(t, v); normal(got) != normal(want) {
			t.Errorf("%v is written %s, by encoding/json %s", v, got, want)
		}
	}
}

func normal(s string) (v float64) {
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		panic(err)
	}
	return v
}
