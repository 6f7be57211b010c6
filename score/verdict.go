package score

import (
	"fmt"
	"math"
	"strconv"
)

// Naive is the name of the model that every other is compared with.
const Naive = "naive"

// Code says in one word how a model compares with naive.
type Code string

// The verdicts.
const (
	NotJudgedYet    Code = "not_judged_yet"
	BetterThanNaive Code = "better_than_naive"
	NoSkill         Code = "no_skill"
	WorseThanNaive  Code = "worse_than_naive"
)

// Thresholds of a verdict.
const (
	// Convincing is the evidence that a verdict in either direction needs: the chance
	// of ever reaching it by luck is at most 1/20.
	Convincing = 20
	// Enough is the number of scores after which the absence of evidence is called "no
	// skill shown".
	Enough = 100
)

var texts = map[Code]string{
	NotJudgedYet: "not judged yet", BetterThanNaive: "better than naive", NoSkill: "no skill shown", WorseThanNaive: "worse than naive",
}

// Verdict says in words whether a model has been shown to be better than naive.
type Verdict struct {
	Code     Code     `json:"code" enum:"not_judged_yet,better_than_naive,no_skill,worse_than_naive"`
	Text     string   `json:"text"` // the code in words
	Why      string   `json:"why"`  // a sentence or two
	Evidence Evidence `json:"evidence"`
}

// Judge puts the evidence about a model into words. Once the evidence has reached
// Convincing, it says "better" or "worse than naive", in the direction in which it was
// convincing. That stays: looking longer takes nothing back. Where both directions have
// been convincing, each at its time, the one that has gained more wealth counts and Why
// tells of the other. After Enough scores without such evidence it says "no skill
// shown", and before that nothing.
//
// A model that is never better than naive is called better with a chance of at most
// 1/Convincing, in all time together, and likewise for worse.
func Judge(model string, e Evidence) Verdict {
	v := Verdict{Code: NotJudgedYet, Evidence: e}
	better, worse := e.PeakBetter >= Convincing, e.PeakWorse >= Convincing
	peak, other := e.PeakBetter, "worse"
	switch {
	case model == Naive:
		v.Text = texts[v.Code]
		v.Why = "This is the naive forecast itself, which the others are compared with."
		return v
	case better && (!worse || e.Better >= e.Worse):
		v.Code = BetterThanNaive
	case worse:
		v.Code, peak, other = WorseThanNaive, e.PeakWorse, "better"
	case e.N >= Enough:
		v.Code = NoSkill
	}
	v.Text = texts[v.Code]
	switch v.Code {
	case BetterThanNaive, WorseThanNaive:
		v.Why = fmt.Sprintf("The evidence against luck reached %s to 1 within %s; %d to 1 is needed. It stays valid however often it is looked at.", odds(peak), forecasts(e.N), Convincing)
		if better && worse {
			v.Why += fmt.Sprintf(" At another time it was convincingly %s.", other)
		} else if e.EValue < Convincing {
			v.Why += fmt.Sprintf(" By now it has fallen back to %s to 1.", odds(e.EValue))
		}
	default:
		v.Why = fmt.Sprintf("The evidence that it differs from naive is %s to 1 after %s, and was %s to 1 at its best; %d to 1 is needed.", odds(e.EValue), forecasts(e.N), odds(e.Peak), Convincing)
		if v.Code == NotJudgedYet {
			v.Why += fmt.Sprintf(" Before %d forecasts the lack of evidence says nothing.", Enough)
		}
	}
	return v
}

// forecasts counts them, with commas.
func forecasts(n int) string {
	if n == 1 {
		return "1 forecast"
	}
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s + " forecasts"
}

// odds writes an e-value.
func odds(e float64) string {
	switch {
	case e >= 1e6:
		return fmt.Sprintf("%.0e", e)
	case e >= 10:
		return fmt.Sprintf("%.0f", math.Floor(e)) // 19.9 does not reach 20
	case e < 0.01:
		return "less than 0.01"
	}
	return fmt.Sprintf("%.2g", e)
}
