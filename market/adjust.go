package market

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Adjustment says how prices before corporate actions are made comparable with those
// after.
type Adjustment string

// The adjustments of Adjust.
const (
	Raw            Adjustment = "none"  // as traded
	SplitAdjusted  Adjustment = "split" // for splits
	ReturnAdjusted Adjustment = "all"   // for splits and dividends
)

// Adjust returns bars as they would have been traded had each action been in force from
// the beginning; bars after the last action are as traded. bars (oldest first, of one
// instrument) and actions (in any order, one of a kind at a time) are only read.
//
// A bar that ends at or before Action.Ex comes before the action. Its prices are
// multiplied, for a split of r new shares for an old one, by 1/r, and its volume by r;
// for a dividend of D by 1 - D/C, where C is the close of the last bar before it as
// traded, its volume stays. Factors of several actions multiply. That is how Yahoo's
// adjusted close is made, and how CRSP's factors to adjust prices are (cumulated backwards
// from the newest price). Across an ex-dividend day the adjusted close changes by
// C1 / (C - D): the return of who buys more shares for the dividend at the price less it.
// Where a dividend and a split have the same Ex, the dividend is one a new share.
//
// An action whose Ex lies before all bars or after them changes nothing, nor does a
// dividend before which no close is positive. It is an error when a dividend is not smaller than the close
// before it, or when an action or mode is not valid.
func Adjust(bars []Bar, actions []Action, mode Adjustment) ([]Bar, error) {
	out := slices.Clone(bars)
	switch mode {
	case Raw:
		return out, nil
	case SplitAdjusted, ReturnAdjusted:
	default:
		return nil, fmt.Errorf("market: adjustment %.20q; choose none, split or all", mode)
	}
	list := slices.Clone(actions)
	// Newest first; of one day the dividend first, for its close is then put in new
	// shares by the split.
	slices.SortStableFunc(list, func(a, b Action) int {
		return cmp.Or(cmp.Compare(b.Ex, a.Ex), cmp.Compare(a.Kind, b.Kind))
	})
	price, volume := 1.0, 1.0
	end := len(bars) // out[end:] is done
	for k := range list {
		a := &list[k]
		if err := a.Validate(); err != nil {
			return nil, err
		}
		first := end
		for first > 0 && bars[first-1].End > a.Ex {
			first--
		}
		scale(out[first:end], price, volume)
		end = first
		if end == 0 || end == len(bars) {
			continue // nothing before it, or nothing yet after it
		}
		if a.Kind == Split {
			price /= a.Ratio
			volume *= a.Ratio
			continue
		}
		if mode == SplitAdjusted {
			continue
		}
		last := bars[end-1].Close
		if !(last > 0) {
			continue
		}
		shares := 1.0
		for j := range list {
			if list[j].Kind == Split && list[j].Ex == a.Ex {
				shares *= list[j].Ratio
			}
		}
		f := 1 - a.Amount*shares/last
		if !(f > 0) {
			return nil, fmt.Errorf("market: a dividend of %v at %s is not smaller than the close before it, %v", a.Amount, a.Ex, last)
		}
		price *= f
	}
	scale(out[:end], price, volume)
	return out, nil
}

func scale(bars []Bar, price, volume float64) {
	if price == 1 && volume == 1 {
		return
	}
	for i := range bars {
		b := &bars[i]
		b.Open *= price
		b.High *= price
		b.Low *= price
		b.Close *= price
		b.Volume *= volume
	}
}

// RatioText writes the ratio of a split as people do: "7:1", "1:10", "3:2"; one that is no
// ratio of numbers to 100 as "1.2345:1".
func RatioText(ratio float64) string {
	for m := 1.0; m <= 100; m++ {
		n := math.Round(ratio * m)
		if n >= 1 && math.Abs(ratio*m-n) < 1e-6*n {
			return fmt.Sprintf("%.0f:%.0f", n, m)
		}
	}
	return strconv.FormatFloat(ratio, 'g', -1, 64) + ":1"
}
