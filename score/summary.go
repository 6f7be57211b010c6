package score

import (
	"time"

	"github.com/foretick/foretick/market"
)

// WindowName names a stretch of past targets.
type WindowName string

// The windows of the accuracy table, shortest first. They reach back from the
// newest target: WindowHour holds the targets that start in (asOf - 1 h, asOf].
const (
	WindowLast   WindowName = "last"    // the newest score
	WindowLast10 WindowName = "last_10" // the 10 newest scores
	WindowHour   WindowName = "last_hour"
	Window6Hours WindowName = "last_6_hours"
	WindowDay    WindowName = "last_day" // 24 hours
	WindowAll    WindowName = "all"
)

// windows lists the windows with what bounds them: a number of scores or a length
// of time; neither bounds WindowAll.
var windows = [...]struct {
	name  WindowName
	count int
	reach time.Duration
}{
	{WindowLast, 1, 0},
	{WindowLast10, 10, 0},
	{WindowHour, 0, time.Hour},
	{Window6Hours, 0, 6 * time.Hour},
	{WindowDay, 0, 24 * time.Hour},
	{WindowAll, 0, 0},
}

// WindowSummary is the row of the accuracy table for one window.
type WindowSummary struct {
	Window WindowName
	Summary
}

// Stats describes a set of numbers. All are NaN when the set is empty.
type Stats struct {
	Mean, Median, Min, Max float64
}

// Summary is how the forecasts of one model at one horizon have done over a set of
// targets. A value that is not defined is NaN: everything but the counts when N is
// 0, and what the fields say.
//
// With y the actual price, p the predicted one, l the close at the cutoff and e =
// y - p:
type Summary struct {
	N    int // scores
	Late int // of which forecast after their target had opened

	Error         Stats // e, in price units
	PercentError  Stats // e/p x 100; scores with p = 0 are left out
	AbsoluteError Stats // |e|

	MAE  float64 // mean |e|
	RMSE float64 // root of the mean of e²
	// MAPE is the mean of |e/p| x 100: percent of the prediction, as the original
	// accuracy table has it. Textbooks divide by the actual price.
	MAPE float64
	// MASE is the mean of |e| / Scale, the mean absolute scaled error of Hyndman &
	// Koehler (2006), "Another look at measures of forecast accuracy",
	// International Journal of Forecasting 22(4), with the yardstick of each score
	// taken at its own cutoff. Below 1 is better than the usual one-bar change.
	// Scores without a Scale are left out.
	MASE float64
	// DirectionHitRate is the share of directional calls that were right: y on the
	// same side of l as p. A forecast of no change (p = l, as naive's always is)
	// makes no call and is not counted; where it makes one, an outcome of no change
	// is a miss. NaN when there was no call.
	DirectionHitRate float64
	Coverage90       float64 // share of y inside the 90 % interval, ends included
	Width90          float64 // mean width of the 90 % interval, in price units
	CRPS             float64 // mean CRPS in 100 x log return, over the scores that have one
	// Skill is 1 - (sum of CRPS) / (sum of naive's CRPS), over the scores where
	// both are known: 0 for naive itself, above 0 where the model was better. It
	// says how much, not whether chance alone could have done it: see Verdict.
	Skill float64
	Naive NaiveSummary

	// MedianApproximate is true when the medians come from a sketch and may be off
	// by 1 % (of their own value); see Accumulator.
	MedianApproximate bool
}

// NaiveSummary is how the forecast "no change" did on the same targets.
type NaiveSummary struct {
	MAE, RMSE float64 // of y - l, over all scores
	CRPS      float64 // mean over the scores where the model's and naive's are both known
}

// Windows sums up scores over each window that ends at asOf, the start of the
// newest target: last, last_10, last_hour, last_6_hours, last_day and all, always
// in that order. The scores are of one model at one horizon. They may be in any
// order: what counts is the time of the target, not of arrival. Of several scores
// of one target the last in scores stands (a revision). Targets after asOf are left
// out. No window but the last holds more than the newest 86,400 scores, a day of one
// a second. It reads scores and changes nothing.
func Windows(scores []Score, asOf market.Time) []WindowSummary {
	return windowsOf(NewAccumulator(), scores, asOf)
}

// windowsOf is Windows with the sizes of a, which is empty.
func windowsOf(a *Accumulator, scores []Score, asOf market.Time) []WindowSummary {
	for _, i := range byTarget(scores) {
		if s := &scores[i]; s.Target <= asOf {
			a.put(s) // without evict: everything is summed up from the rows themselves
		}
	}
	return a.summarise(asOf)
}
