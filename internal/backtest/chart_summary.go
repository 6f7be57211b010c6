package backtest

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"github.com/foretick/foretick/score"
)

// summary is what a horizon showed, for people in a hurry.
type summary struct {
	Horizon int
	Headline
	Tiles []tile
	Says  []template.HTML
}

// Headline is the sentence that a reader takes away.
type Headline struct {
	Sign, Class string
	Text        template.HTML
}

type tile struct{ Label, Value, Note string }

// standing is how a model did at a horizon, over one series or several.
type standing struct {
	model    string
	ratio    float64 // CRPS / naive's
	coverage float64
	n        int
	full     bool    // judged wherever naive was
	point    float64 // mean absolute error / naive's, geometric mean over series
	result   *Result // with a single series
	pooled   *Pooled // with several
}

// standings are those of the models, in their order, and the best of them that was judged
// wherever naive was; nil when there is none.
func (v *view) standings(groups []*group, pooled []Pooled) (list []standing, best *standing) {
	if len(v.Walked) > 1 {
		naive := Pooled{Series: -1}
		for _, p := range pooled {
			if p.Model == score.Naive {
				naive = p
			}
		}
		for i := range pooled {
			p := &pooled[i]
			list = append(list, standing{model: p.Model, ratio: float64(p.CRPSRatio), coverage: float64(p.Coverage90), n: p.N,
				full: p.Series == naive.Series && p.N == naive.N, pooled: p})
		}
	} else if len(groups) > 0 {
		g := groups[0]
		for _, r := range g.results {
			s := standing{model: r.Model, ratio: math.NaN(), coverage: float64(r.Coverage90), n: r.N, result: r}
			if g.naive != nil && g.naive.CRPS > 0 {
				s.ratio, s.full = float64(r.CRPS/g.naive.CRPS), r.N == g.naive.N
			}
			list = append(list, s)
		}
	}
	for i := range list {
		s := &list[i]
		s.point = pointRatio(s.model, groups)
		if s.full && s.n > 0 && finite(s.ratio) && (best == nil || s.ratio < best.ratio) {
			best = s
		}
	}
	return list, best
}

func pointRatio(model string, groups []*group) float64 {
	var logs, n float64
	for _, g := range groups {
		if r := g.find(model); r != nil && g.naive != nil && r.MAE > 0 && g.naive.MAE > 0 {
			if l := math.Log(float64(r.MAE / g.naive.MAE)); finite(l) {
				logs += l
				n++
			}
		}
	}
	return math.Exp(logs / n)
}

// bold is set in bold by say.
type bold string

// say is a sentence: strings put into it are escaped, and only format is trusted.
func say(format string, args ...any) template.HTML {
	safe := make([]any, len(args))
	for i, a := range args {
		switch x := a.(type) {
		case bold:
			safe[i] = "<b>" + escape(string(x)) + "</b>"
		case string:
			safe[i] = escape(x)
		default: // numbers, and what say made
			safe[i] = a
		}
	}
	return template.HTML(fmt.Sprintf(format, safe...))
}

// join puts commas between what say made.
func join(list []template.HTML) template.HTML {
	var b strings.Builder
	for i, s := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(s))
	}
	return template.HTML(b.String())
}

// summarise puts a horizon into words.
func (v *view) summarise(h int, groups []*group, pooled []Pooled) summary {
	s := summary{Horizon: h}
	list, best := v.standings(groups, pooled)
	if best == nil {
		s.Headline = Headline{"…", "muted", say("There is nothing to compare: no model was judged wherever naive was.")}
		return s
	}
	gain := 1 - best.ratio
	if best.model == score.Naive || gain <= 0 {
		s.Headline = Headline{"=", "", say("No skill shown: no model had a lower CRPS than %s.", bold(score.Naive))}
	} else if best.pooled != nil {
		s.Headline = severalHeadline(best, gain)
	} else {
		s.Headline = singleHeadline(best, gain)
	}
	s.Tiles = v.tiles(list, best)
	if best.model != score.Naive {
		s.Says = append(s.Says, evidenceWords(best, groups)...)
	}
	if best.pooled != nil {
		s.Says = append(s.Says, setWords(pooled)...)
	}
	s.Says = append(s.Says, coverageWords(best, h), pointWords(best))
	s.Says = append(s.Says, otherWords(list, best)...)
	return s
}

func severalHeadline(best *standing, gain float64) Headline {
	p := best.pooled
	start := say("%s had the lowest CRPS, %s below naive’s", bold(best.model), percent(gain))
	if p.Discoveries == 0 {
		return Headline{"=", "", say("No skill shown: %s, but on no series does the evidence outlast the correction for their number.", start)}
	}
	class, only := "good", ""
	if 2*p.Discoveries < p.Series {
		class, only = "muted", "only "
	}
	return Headline{"▲", class, say("%s; on %s%d of %d series the evidence that it differs outlasts the correction for their number.", start, only, p.Discoveries, p.Series)}
}

func singleHeadline(best *standing, gain float64) Headline {
	w := verdictOf(best.model, best.result.Verdict)
	luck := "; it is too early to tell whether by luck."
	switch best.result.Verdict {
	case score.BetterThanNaive:
		luck = ", more than luck explains."
	case score.NoSkill:
		luck = ", which luck may explain."
	case score.WorseThanNaive:
		luck = " in the end, but was convincingly above it for a time."
	}
	return Headline{w.Sign, w.Class, say("%s: %s had the lowest CRPS, %s below naive’s%s", upper(w.Words), bold(best.model), percent(gain), luck)}
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (v *view) tiles(list []standing, best *standing) []tile {
	evidenceTile := tile{"Evidence", missing, "naive is what others are compared with"}
	if p := best.pooled; p != nil && best.model != score.Naive {
		evidenceTile = tile{"Evidence", fmt.Sprintf("%d of %d", p.Discoveries, p.Series), "series differ from naive after correction"}
	} else if r := best.result; r != nil && best.model != score.Naive {
		evidenceTile = tile{"Evidence", evidence(float64(r.EValue)), "e-value at the end; a verdict needs 20 at some time"}
	}
	over := "CRPS below naive’s"
	if best.pooled != nil {
		over += ", geometric mean"
	}
	return []tile{
		{"Lowest CRPS", best.model, "of " + plural(len(list), "model", "models")},
		{"Skill", signedPercent(1 - best.ratio), over},
		evidenceTile,
		{"Inside its 90\u00a0% interval", percent(best.coverage), "of " + plural(best.n, "outcome", "outcomes")},
		{"Point error", signedPercent(best.point - 1), "MASE against naive’s"},
	}
}

// evidenceWords say how far luck explains the best model.
func evidenceWords(best *standing, groups []*group) (says []template.HTML) {
	if r := best.result; r != nil {
		says = append(says, say("%s", r.detail().Why))
		if p := float64(r.DMP); finite(p) {
			says = append(says, say("Looked at once, at the end of a walk whose length was set beforehand, the Diebold-Mariano test gives %s.", pValue(p)))
		}
		return says
	}
	p := best.pooled
	var lost []string
	verdicts := map[score.Code]int{}
	for _, g := range groups {
		r := g.find(best.model)
		if r == nil || r.N == 0 || g.naive == nil {
			continue
		}
		verdicts[r.Verdict]++
		if r.CRPS > g.naive.CRPS {
			lost = append(lost, g.label)
		}
	}
	var counts []string
	for _, c := range [...]score.Code{score.BetterThanNaive, score.NoSkill, score.WorseThanNaive, score.NotJudgedYet} {
		if verdicts[c] > 0 {
			counts = append(counts, fmt.Sprintf("%s on %d", verdictOf(best.model, c).Words, verdicts[c]))
		}
	}
	says = append(says, say("Its CRPS was lower than naive’s on %d of %s. Each series for itself, the verdict is: %s.",
		p.Better, plural(p.Series, "series", "series"), listed(counts, len(counts))))
	if len(lost) > 0 {
		says = append(says, say("It lost to naive on %d: %s.", len(lost), listed(lost, 12)))
	} else {
		says = append(says, say("It lost to naive on none."))
	}
	return says
}

// listed joins names, the first of them when there are many.
func listed(names []string, most int) string {
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// setWords name the models that may be the best.
func setWords(pooled []Pooled) []template.HTML {
	var in []template.HTML
	naive := false
	for _, p := range pooled {
		if p.ConfidenceSet {
			in = append(in, say("%s", bold(p.Model)))
			naive = naive || p.Model == score.Naive
		}
	}
	if len(in) == 0 {
		return []template.HTML{say("Which models may be the best was not determined.")}
	}
	s := say("The best of several models flatters itself. Allowing for that, these may be the best (90 %% model confidence set): %s.", join(in))
	if naive {
		s += " Naive is one of them: that nothing beats it is not ruled out."
	}
	return []template.HTML{s}
}

// coverageWords compare the 90 % interval with its promise.
func coverageWords(best *standing, h int) template.HTML {
	c := best.coverage
	if !finite(c) {
		return say("The coverage of its 90 %% interval is not known.")
	}
	off := math.Abs(c - 0.9)
	text := "Of its 90 % intervals " + percent(c) + " held the outcome"
	much := "a little "
	if off > 0.02 {
		much = "clearly "
	}
	switch {
	case off < 0.005:
		text += ", as promised."
	case off <= chance95(0.9, best.n, h):
		text += ", as close to the promise as chance allows."
	case c > 0.9:
		text += ", more than promised: they are " + much + "too wide."
	default:
		text += ", fewer than promised: they are " + much + "too narrow."
	}
	if p := best.pooled; p != nil && finite(float64(p.WorstCoverage90)) {
		text += " On the series where coverage is furthest from 90 % it was " + percent(float64(p.WorstCoverage90)) + "."
	}
	return say("%s", text)
}

// pointWords say what the point forecasts are worth.
func pointWords(best *standing) template.HTML {
	const naive = "naive’s, which says that the price stays where it is"
	if best.model == score.Naive {
		return say("Naive’s point forecast says that the price stays where it is.")
	}
	switch d := best.point - 1; {
	case !finite(d):
		return say("Its point forecasts cannot be compared with naive’s.")
	case math.Abs(d) < 0.005:
		return say("Its point forecasts are about as good as %s: their MASE is %s of naive’s. What a model can know is how far prices may move, not where to.", naive, percent(best.point))
	case d < 0:
		return say("The MASE of its point forecasts is %s below %s; whether by luck was not tested.", percent(-d), naive)
	default:
		return say("Its point forecasts are worse than %s: their MASE is %s above.", naive, percent(d))
	}
}

// otherWords name the other models, the losers as plainly as the rest.
func otherWords(list []standing, best *standing) (says []template.HTML) {
	for _, c := range [...]struct {
		start  string
		choose func(standing) bool
	}{
		{"Below naive’s CRPS, too: ", func(s standing) bool { return s.full && s.ratio < 1 }},
		{"Not below naive’s CRPS: ", func(s standing) bool { return s.full && s.ratio >= 1 }},
		{"Not compared, because not judged wherever naive was: ", func(s standing) bool { return !s.full || !finite(s.ratio) }},
	} {
		var names []template.HTML
		for _, s := range list {
			if s.model == best.model || s.model == score.Naive || !c.choose(s) {
				continue
			}
			names = append(names, say("%s (%s)", bold(s.model), signedPercent(1-s.ratio)))
		}
		if len(names) > 0 {
			says = append(says, say("%s%s.", c.start, join(names)))
		}
	}
	return says
}
