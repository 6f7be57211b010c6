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

// Judge puts the evidence about a model into words. It says "better" or "worse than
// naive" once the evidence has ever reached Convincing (which stays: looking longer
// takes nothing back), in the direction that has gained more; "no skill shown" after
// Enough scores without it; and before that nothing.
func Judge(model string, e Evidence) Verdict {
	v := Verdict{Code: NotJudgedYet, Evidence: e}
	switch {
	case model == Naive:
		v.Text = texts[v.Code]
		v.Why = "This is the naive forecast itself, which the others are compared with."
		return v
	case e.Peak >= Convincing && e.Better >= e.Worse:
		v.Code = BetterThanNaive
	case e.Peak >= Convincing:
		v.Code = WorseThanNaive
	case e.N >= Enough:
		v.Code = NoSkill
	}
	v.Text = texts[v.Code]
	scores := fmt.Sprintf("%d scores", e.N)
	if e.N == 1 {
		scores = "1 score"
	}
	switch v.Code {
	case BetterThanNaive, WorseThanNaive:
		v.Why = fmt.Sprintf("The evidence against luck reached %s to 1 over %s; %d to 1 is needed. It stays valid however often it is looked at.", odds(e.Peak), scores, Convincing)
	default:
		v.Why = fmt.Sprintf("The evidence that it differs from naive is %s to 1 after %s, and was %s to 1 at its best; %d to 1 is needed.", odds(e.EValue), scores, odds(e.Peak), Convincing)
		if v.Code == NotJudgedYet {
			v.Why += fmt.Sprintf(" Before %d scores the lack of evidence says nothing.", Enough)
		}
	}
	return v
}

// odds writes an e-value.
func odds(e float64) string {
	switch {
	case e >= 1e6:
		return fmt.Sprintf("%.0e", e)
	case e >= 10:
		return fmt.Sprintf("%.0f", e)
	}
	return fmt.Sprintf("%.2g", e)
}
