package score

import "fmt"

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

// Verdict says in words whether a model has been shown to be better than naive.
type Verdict struct {
	Code Code   `json:"code"`
	Text string `json:"text"` // the code in words
	Why  string `json:"why"`  // a sentence or two
}

// Judge compares a model with naive from the n scores it has. Its table is looked
// at all the time, so only a test that stays valid however often it is looked at
// (an anytime-valid test) may speak. This version has none, and so the verdict is
// always NotJudgedYet: it claims nothing.
func Judge(model string, n int) Verdict {
	v := Verdict{Code: NotJudgedYet, Text: "not judged yet"}
	scores := fmt.Sprintf("%d scores", n)
	switch n {
	case 0:
		scores = "No scores"
	case 1:
		scores = "1 score"
	}
	if model == Naive {
		v.Why = scores + " so far. This is the naive forecast itself, which the others are compared with."
		return v
	}
	v.Why = scores + " so far. A verdict needs a test that stays valid however often it is looked at; " +
		"this version does not have one yet, so nothing is claimed about skill."
	return v
}
