package market_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/foretick/foretick/market"
)

// day is a bar of the i-th day with every price near c.
func day(i int, c, volume float64) market.Bar {
	start := market.Time(i) * 86_400_000_000
	return market.Bar{Start: start, End: start + 86_400_000_000, Open: c, High: c + 1, Low: c - 1, Close: c, Volume: volume}
}

func ex(i int) market.Time { return market.Time(i) * 86_400_000_000 }

func split(i int, ratio float64) market.Action {
	return market.Action{Ex: ex(i), Kind: market.Split, Ratio: ratio}
}

func dividend(i int, amount float64) market.Action {
	return market.Action{Ex: ex(i), Kind: market.Dividend, Amount: amount}
}

// The values were computed by hand from the rule.
func TestAdjust(t *testing.T) {
	bars := []market.Bar{day(0, 400, 10), day(1, 404, 20), day(2, 101, 80), day(3, 100, 90), day(4, 99, 100)}
	for _, c := range []struct {
		name    string
		mode    market.Adjustment
		actions []market.Action
		closes  []float64
		volumes []float64
	}{
		{"none is as traded", market.Raw, []market.Action{split(2, 4), dividend(4, 2)}, []float64{400, 404, 101, 100, 99}, []float64{10, 20, 80, 90, 100}},
		{"4:1 before day 2", market.SplitAdjusted, []market.Action{split(2, 4)}, []float64{100, 101, 101, 100, 99}, []float64{40, 80, 80, 90, 100}},
		{"split only leaves dividends out", market.SplitAdjusted, []market.Action{split(2, 4), dividend(4, 2)}, []float64{100, 101, 101, 100, 99}, []float64{40, 80, 80, 90, 100}},
		// 1 - 2/100 = 0.98
		{"a dividend of 2 at a close of 100", market.ReturnAdjusted, []market.Action{dividend(4, 2)}, []float64{392, 395.92, 98.98, 98, 99}, []float64{10, 20, 80, 90, 100}},
		{"both, in any order", market.ReturnAdjusted, []market.Action{dividend(4, 2), split(2, 4)}, []float64{98, 98.98, 98.98, 98, 99}, []float64{40, 80, 80, 90, 100}},
		// 1 a new share is 4 an old one: 1/4 x (1 - 4/404) x 404 = 100
		{"both on one day", market.ReturnAdjusted, []market.Action{split(2, 4), dividend(2, 1)}, []float64{400.0 / 4 * 400 / 404, 100, 101, 100, 99}, []float64{40, 80, 80, 90, 100}},
		{"1:2 makes earlier prices higher", market.SplitAdjusted, []market.Action{split(4, 0.5)}, []float64{800, 808, 202, 200, 99}, []float64{5, 10, 40, 45, 100}},
		{"during a day: the bar is the first after it", market.SplitAdjusted, []market.Action{{Ex: ex(2) + 50_000_000_000, Kind: market.Split, Ratio: 4}}, []float64{100, 101, 101, 100, 99}, []float64{40, 80, 80, 90, 100}},
		{"before all and after all", market.ReturnAdjusted, []market.Action{split(0, 4), dividend(-3, 1), split(5, 2), dividend(9, 1e6)}, []float64{400, 404, 101, 100, 99}, []float64{10, 20, 80, 90, 100}},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept := slices.Clone(bars)
			got, err := market.Adjust(bars, c.actions, c.mode)
			if err != nil {
				t.Fatal(err)
			}
			for i, b := range got {
				if math.Abs(b.Close-c.closes[i]) > 1e-12*c.closes[i] || b.Volume != c.volumes[i] {
					t.Errorf("day %d: close %v, volume %v; want %v, %v", i, b.Close, b.Volume, c.closes[i], c.volumes[i])
				}
				if f := b.Close / bars[i].Close; math.Abs(b.High-f*bars[i].High) > 1e-9 || math.Abs(b.Low-f*bars[i].Low) > 1e-9 || math.Abs(b.Open-f*bars[i].Open) > 1e-9 {
					t.Errorf("day %d: %+v", i, b)
				}
			}
			if d := cmp.Diff(kept, bars); d != "" {
				t.Errorf("the bars were changed:\n%s", d)
			}
		})
	}
	for name, c := range map[string]struct {
		mode market.Adjustment
		a    market.Action
	}{
		"a mode that is none":               {"both", split(2, 4)},
		"an action that is none":            {market.SplitAdjusted, market.Action{Ex: ex(2), Kind: "merger"}},
		"a dividend of more than the price": {market.ReturnAdjusted, dividend(4, 100)},
	} {
		if got, err := market.Adjust(bars, []market.Action{c.a}, c.mode); err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestAdjustLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 40).Draw(t, "bars")
		bars := make([]market.Bar, n)
		for i := range bars {
			bars[i] = day(i, rapid.Float64Range(50, 200).Draw(t, "close"), rapid.Float64Range(0, 1e6).Draw(t, "volume"))
		}
		var actions []market.Action
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(-2, n+2), 0, 6, rapid.ID).Draw(t, "ex") {
			if rapid.Bool().Draw(t, "split") {
				actions = append(actions, split(i, rapid.SampledFrom([]float64{0.1, 0.5, 1.5, 2, 7, 20}).Draw(t, "ratio")))
			} else {
				actions = append(actions, dividend(i, rapid.Float64Range(0.01, 40).Draw(t, "amount")))
			}
		}
		same := func(a, b float64) bool { return math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b)) }
		must := func(b []market.Bar, err error) []market.Bar {
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		for _, mode := range []market.Adjustment{market.Raw, market.SplitAdjusted, market.ReturnAdjusted} {
			if d := cmp.Diff(bars, must(market.Adjust(bars, nil, mode))); d != "" {
				t.Fatalf("%s without actions:\n%s", mode, d)
			}
			got := must(market.Adjust(bars, actions, mode))
			if got[n-1] != bars[n-1] {
				t.Fatalf("%s changed the newest bar", mode)
			}
			for i := 1; i < n; i++ {
				want := bars[i].Close / bars[i-1].Close // the return of a holder of one share of day i-1
				for _, a := range actions {
					switch {
					case a.Ex != bars[i].Start || mode == market.Raw:
					case a.Kind == market.Split:
						want *= a.Ratio
					case mode == market.ReturnAdjusted:
						want *= bars[i-1].Close / (bars[i-1].Close - a.Amount)
					}
				}
				if r := got[i].Close / got[i-1].Close; !same(r, want) {
					t.Fatalf("%s: day %d changes by %v, want %v", mode, i, r, want)
				}
				if mode != market.ReturnAdjusted && !same(got[i].Close*got[i].Volume, bars[i].Close*bars[i].Volume) {
					t.Fatalf("%s: day %d: turnover changed", mode, i)
				}
			}
		}
		// One after the other, the newest first, is as all at once.
		whole := must(market.Adjust(bars, actions, market.SplitAdjusted))
		parts := bars
		for _, a := range actions {
			parts = must(market.Adjust(parts, []market.Action{a}, market.SplitAdjusted))
		}
		for i := range whole {
			if !same(whole[i].Close, parts[i].Close) || !same(whole[i].Volume, parts[i].Volume) {
				t.Fatalf("day %d: %v at once, %v one by one", i, whole[i], parts[i])
			}
		}
	})
}

func TestRatioText(t *testing.T) {
	for ratio, want := range map[float64]string{7: "7:1", 0.1: "1:10", 1.5: "3:2", 20: "20:1", 1: "1:1", 1.0 / 3: "1:3", 1.05: "21:20", math.Pi: "3.141592653589793:1"} {
		if got := market.RatioText(ratio); got != want {
			t.Errorf("%v: %s, want %s", ratio, got, want)
		}
	}
}

func TestExplains(t *testing.T) {
	before, b := day(8, 645, 1), day(11, 92, 1) // over a weekend
	for _, c := range []struct {
		name   string
		a      market.Action
		before market.Bar
		want   bool
	}{
		{"that day", split(11, 7), before, true},
		{"as the session opens", market.Action{Ex: ex(11) + 48_600_000_000, Kind: market.Split, Ratio: 7}, before, true},
		{"on the Saturday", split(9, 7), before, true},
		{"the day after", split(12, 7), before, false},
		{"long before", split(7, 7), before, false},
		{"another ratio that is nearer than none", split(11, 5), before, true},
		{"the other way", split(11, 1.0/7), before, false},
		{"a dividend", dividend(11, 7), before, false},
		{"prices that were rescaled", split(11, 7), day(8, 92.5, 1), false},
		{"1:1 is no split", split(11, 1), before, false},
	} {
		if got := c.a.Explains(&c.before, &b); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
