package backtest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/market"
)

func upTo(n int) (list []int) {
	for h := range n {
		list = append(list, h+1)
	}
	return list
}

// What can be walked and what cannot lie next to each other, and what cannot is refused in words that
// say what would do.
func TestSpecLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		spec backtest.Spec
		want string // the message; empty: it can be walked
	}{
		{"defaults", backtest.Spec{}, ""},
		{"least burn-in", backtest.Spec{BurnIn: 30}, ""},
		{"below it", backtest.Spec{BurnIn: 29}, "burn-in of 29 bars: choose 30 to 1,000,000"},
		{"negative burn-in", backtest.Spec{BurnIn: -1}, "burn-in of -1 bars: choose 30 to 1,000,000"},
		{"longest burn-in", backtest.Spec{BurnIn: 1_000_000}, ""},
		{"beyond it", backtest.Spec{BurnIn: 1_000_001}, "burn-in of 1000001 bars: choose 30 to 1,000,000"},
		{"at every bar", backtest.Spec{Refit: 1}, ""},
		{"negative refit", backtest.Spec{Refit: -1}, "refit every -1 bars: choose 1 to 1,000,000"},
		{"rarest refit", backtest.Spec{Refit: 1_000_000}, ""},
		{"rarer", backtest.Spec{Refit: 1_000_001}, "refit every 1000001 bars: choose 1 to 1,000,000"},
		{"furthest horizon", backtest.Spec{Horizons: []int{100}}, ""},
		{"further", backtest.Spec{Horizons: []int{101}}, "horizons [101]: choose up to 20, each 1 to 100 bars"},
		{"now", backtest.Spec{Horizons: []int{5, 0}}, "horizons [0 5]: choose up to 20, each 1 to 100 bars"},
		{"the past", backtest.Spec{Horizons: []int{-3}}, "horizons [-3]: choose up to 20, each 1 to 100 bars"},
		{"twenty horizons", backtest.Spec{Horizons: upTo(20)}, ""},
		{"the same one twice", backtest.Spec{Horizons: append(upTo(20), 7)}, ""},
		{"twenty-one", backtest.Spec{Horizons: upTo(21)}, fmt.Sprintf("horizons %v: choose up to 20, each 1 to 100 bars", upTo(21))},
		{"nothing to judge", backtest.Spec{BurnIn: 200, Horizons: []int{1, 7}, Last: 207}, "the last 207 bars leave nothing to judge after a burn-in of 200"},
		{"one origin", backtest.Spec{BurnIn: 200, Horizons: []int{1, 7}, Last: 208}, ""},
		{"negative last", backtest.Spec{Last: -1}, "the last -1 bars leave nothing to judge after a burn-in of 500"},
		{"from", backtest.Spec{From: 1}, ""},
		{"to", backtest.Spec{To: 1}, ""},
		{"from to", backtest.Spec{From: 1, To: 2}, ""},
		{"at once", backtest.Spec{From: 2, To: 2}, "the end lies before the start"},
		{"backwards", backtest.Spec{From: 3, To: 2}, "the end lies before the start"},
	} {
		t.Run(c.name, func(t *testing.T) {
			spec := c.spec
			spec.Horizons = slices.Clone(spec.Horizons)
			err := spec.Finish()
			if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && got != c.want {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			// Run says the same.
			if _, err := backtest.Run(t.Context(), c.spec, nil, options(1)); c.want != "" && (err == nil || err.Error() != "backtest: "+c.want) || c.want == "" && !errors.Is(err, backtest.ErrNothing) {
				t.Errorf("Run gives %v", err)
			}
		})
	}
}

// A spec that is finished is walked as it says: its horizons ascend, each once, and finishing it
// again changes nothing.
func TestFinishedSpec(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := backtest.Spec{
			BurnIn: rapid.SampledFrom([]int{0, 29, 30, 500, 1_000_001}).Draw(t, "burn-in"), Refit: rapid.IntRange(-1, 3).Draw(t, "refit"),
			Horizons: rapid.SliceOfN(rapid.IntRange(-1, 102), 0, 25).Draw(t, "horizons"), Last: rapid.IntRange(-1, 700).Draw(t, "last"),
			From: market.Time(rapid.IntRange(0, 3).Draw(t, "from")), To: market.Time(rapid.IntRange(0, 3).Draw(t, "to")),
		}
		asked := slices.Clone(s.Horizons)
		if s.Finish() != nil {
			return
		}
		for i, h := range s.Horizons {
			if h < 1 || h > 100 || i > 0 && h <= s.Horizons[i-1] || len(asked) > 0 && !slices.Contains(asked, h) {
				t.Fatalf("horizons %v of %v", s.Horizons, asked)
			}
		}
		if s.BurnIn < 30 || s.Refit < 1 || s.Last != 0 && s.Last <= s.BurnIn+s.Horizons[len(s.Horizons)-1] || s.To != 0 && s.To <= s.From {
			t.Fatalf("%+v was let through", s)
		}
		again := s
		again.Horizons = slices.Clone(s.Horizons)
		if err := again.Finish(); err != nil || fmt.Sprint(again) != fmt.Sprint(s) {
			t.Fatalf("finished again it is %+v (%v), it was %+v", again, err, s)
		}
	})
}

// What is walked is what the spec selects, whatever bars there are.
func TestSpecSelects(t *testing.T) {
	all := forecasttest.Walk(3, 400)
	rapid.Check(t, func(t *rapid.T) {
		edge := func(name string) market.Time {
			i := rapid.IntRange(-1, len(all)).Draw(t, name)
			if i < 0 {
				return 0
			}
			off := market.Time(rapid.SampledFrom([]int{-1, 0, 1}).Draw(t, name+" off"))
			if i == len(all) {
				return all[i-1].End + off
			}
			return all[i].Start + off
		}
		spec := backtest.Spec{BurnIn: 30, Horizons: []int{1}, From: edge("from"), To: edge("to"), Last: rapid.SampledFrom([]int{0, 0, 131, 200, 399, 400, 5000}).Draw(t, "last")}
		var want []market.Bar
		for _, b := range all {
			if b.Start >= spec.From && (spec.To == 0 || b.Start < spec.To) {
				want = append(want, b)
			}
		}
		if spec.Last > 0 && len(want) > spec.Last {
			want = want[len(want)-spec.Last:]
		}
		in := backtest.Input{Series: market.Series{Instrument: market.Instrument{Symbol: "W", Venue: "test"}, Interval: market.Day}, Bars: all}
		r, err := backtest.Run(t.Context(), spec, []backtest.Input{in}, options(1))
		switch {
		case spec.To != 0 && spec.To <= spec.From:
			if err == nil || !strings.Contains(err.Error(), "before the start") {
				t.Fatalf("got %v", err)
			}
		case len(want) < 30+1+100:
			if !errors.Is(err, backtest.ErrNothing) || !strings.Contains(err.Error(), fmt.Sprintf(" %d bars leave %d origins", len(want), max(0, len(want)-31))) {
				t.Fatalf("%d bars: %v", len(want), err)
			}
		case err != nil:
			t.Fatal(err)
		default:
			s := r.Series[0]
			if s.Bars != len(want) || s.From != want[0].Start || s.To != want[len(want)-1].End || r.Results[0].N+r.Results[0].Abstained < len(want)-31 {
				t.Fatalf("walked %+v, want %d bars from %s to %s", s, len(want), want[0].Start, want[len(want)-1].End)
			}
		}
	})
}
