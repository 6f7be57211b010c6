package api

import (
	"fmt"
	"slices"
	"testing"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// walk puts the pages of a list together. path ends in a query.
func walk[T any](w *world, path string) (all []T) {
	w.t.Helper()
	type page struct {
		Items []T
		Next  string `json:"next_cursor"`
	}
	for cursor := ""; ; {
		p := get200[page](w, path+"&cursor="+cursor)
		all = append(all, p.Items...)
		if cursor = p.Next; cursor == "" {
			return all
		}
	}
}

// settled is what the forecasts of a chain are, by what the chain alone says.
func settled(list []ledger.Sealed, entries []*ledger.Entry) (all []Forecast) {
	closes, gone := map[market.Time]float64{}, map[market.Time]bool{}
	for _, e := range entries {
		if e.Outcome != nil {
			closes[e.Outcome.Bar.Start] = e.Outcome.Close // the newest revision comes last
		}
		if e.Void != nil {
			for _, t := range e.Void.Targets {
				gone[t] = true
			}
		}
	}
	for i, e := range entries {
		if e.Issue == nil {
			continue
		}
		for k := range e.Issue.Forecasts {
			f := newForecast(list[i], e, &e.Issue.Forecasts[k])
			if c, ok := closes[f.Target.Start]; ok {
				miss := c - f.Point
				hit := f.Lower90 <= c && c <= f.Upper90
				f.Status, f.Actual, f.Error, f.PercentError, f.Hit = "scored", number(c), number(miss), number(miss/f.Point*100), &hit
			} else if gone[f.Target.Start] {
				f.Status = "void"
			}
			all = append(all, f)
		}
	}
	return all
}

// Every forecast of the chain is listed once, with the outcome that the chain holds
// for its target, whatever was absent, lost or revised between.
func TestForecastsMeetTheirOutcomes(t *testing.T) {
	testdata.SkipRaced(t, "answers one at a time")
	w := newTracked(t, newWorld(t)).past(trackedBars)
	all := settled(w.entries())
	count := map[string]int{}
	for _, f := range all {
		count[f.Status]++
	}
	if count["open"] != 3*(5+4+3+2+1) || count["void"] < 15 || count["scored"] < 3000 {
		t.Fatalf("the walk gives %v", count)
	}
	for _, c := range []struct {
		name, query string
		keep        func(*Forecast) bool
	}{
		{"all", "limit=37", func(*Forecast) bool { return true }},
		{"one page", "limit=2000", func(*Forecast) bool { return true }},
		{"a model", "limit=50&model=drift", func(f *Forecast) bool { return f.Model == "drift" }},
		{"a horizon", "limit=60&horizon=3", func(f *Forecast) bool { return f.Horizon == 3 }},
		{"a stretch", "limit=7&from=" + w.bars[110].End.String() + "&to=" + w.bars[180].End.String(), func(f *Forecast) bool {
			return f.Cutoff >= w.bars[110].End && f.Cutoff < w.bars[180].End
		}},
	} {
		for _, order := range []string{"asc", "desc"} {
			t.Run(c.name+" "+order, func(t *testing.T) {
				var want []Forecast
				for i := range all {
					if c.keep(&all[i]) {
						want = append(want, all[i])
					}
				}
				if order == "desc" { // cutoffs turn round, the forecasts of one do not
					slices.SortStableFunc(want, func(a, b Forecast) int { return int(b.Cutoff - a.Cutoff) })
				}
				got := walk[Forecast](w.world, of(amzn, "/forecasts?order="+order+"&"+c.query))
				if len(got) != len(want) {
					t.Fatalf("%d forecasts, want %d", len(got), len(want))
				}
				for i := range want {
					if g, w := text(t, got[i]), text(t, want[i]); g != w {
						t.Fatalf("forecast %d is\n%s, want\n%s", i, g, w)
					}
				}
			})
		}
	}
}

func TestTrackedAccuracy(t *testing.T) {
	w := newTracked(t, newWorld(t)).past(absentAfter)
	for _, upTo := range []int{lostAfter + 5, revisedAfter, revisedAfter + 1, trackedBars} {
		w.past(upTo - len(w.bars))
		for h := 1; h <= 5; h++ {
			wantAccuracy(t, w.world, h)
		}
	}
}

func TestTrackedScores(t *testing.T) {
	w := newTracked(t, newWorld(t)).past(trackedBars)
	for _, q := range []store.ScoreQuery{{}, {Model: "ewma"}, {Horizon: 4}, {Model: "naive", Horizon: 1}, {Model: "drift", From: w.bars[100].Start, To: w.bars[190].Start}} {
		path := fmt.Sprintf("/scores?limit=100&model=%s&horizon=%d", q.Model, q.Horizon)
		if q.From != 0 {
			path += "&from=" + q.From.String() + "&to=" + q.To.String()
		}
		var want []ScoreRow
		must(t, w.store.EachScore(t.Context(), amzn, q, func(s *score.Score) bool { want = append(want, newScoreRow(s)); return true }))
		if got := walk[ScoreRow](w.world, of(amzn, path+"&order=asc")); text(t, got) != text(t, want) {
			t.Errorf("%s: %d rows, want %d", path, len(got), len(want))
		}
		slices.Reverse(want)
		if got := walk[ScoreRow](w.world, of(amzn, path+"&order=desc")); text(t, got) != text(t, want) {
			t.Errorf("%s newest first: %d rows, want %d", path, len(got), len(want))
		}
	}
}

// The revised bar is listed once, as revised, and what the track lost is a gap.
func TestTrackedBarsAndGaps(t *testing.T) {
	w := newTracked(t, newWorld(t)).past(trackedBars)
	want, err := w.store.Bars(t.Context(), amzn, store.Range{Limit: 1000})
	must(t, err)
	if len(want) != trackedBars-1 || !slices.ContainsFunc(want, func(b market.Bar) bool { return b.Revision == 1 }) {
		t.Fatalf("%d bars are stored", len(want))
	}
	if got := walk[market.Bar](w.world, of(amzn, "/bars?order=asc&limit=41")); !slices.Equal(got, want) {
		t.Errorf("%d bars, want %d", len(got), len(want))
	}
	slices.Reverse(want)
	if got := walk[market.Bar](w.world, of(amzn, "/bars?order=desc&limit=41")); !slices.Equal(got, want) {
		t.Errorf("%d bars newest first, want %d", len(got), len(want))
	}
	gaps := get200[struct{ Items []GapInfo }](w.world, of(amzn, "/gaps")).Items
	if len(gaps) != 1 || gaps[0].From != w.bars[lostAfter-1].End || gaps[0].To != w.bars[lostAfter].Start || gaps[0].Bars != 10 {
		t.Errorf("gaps %+v", gaps)
	}
}
