package backtest

import (
	"html/template"
	"slices"

	"github.com/foretick/foretick/score"
)

// overall is all series together at one horizon.
type overall struct {
	Horizon     int
	Rows        []pooledRow
	Strips      template.HTML
	Ladder      template.HTML
	LadderOf    string
	Calibration []drawn
	Coverage    template.HTML
	Skill       []drawn
	Tallies     []tally
}

type pooledRow struct {
	Pooled
	Best, Fewer bool
}

// tally lists where a model beat naive and where it lost.
type tally struct {
	Model     string
	Won, Lost []won
	Same      int
}

type won struct {
	Label string
	Skill Number
	Sure  bool // dm_p < 0.05
}

// overall draws all series of a horizon together.
func (v *view) overall(h int, groups []*group, pooled []Pooled) overall {
	o := overall{Horizon: h}
	list, best := v.standings(groups, pooled)
	var names []string
	var ratios []float64
	var rows []covered
	var paths []path
	var of []string
	for _, s := range list {
		o.Rows = append(o.Rows, pooledRow{*s.pooled, best != nil && s.ratio == best.ratio && s.full, !s.full})
		rows = append(rows, covered{s.model, s.n, h, s.pooled.Coverage90ByRegime})
		var results []*Result
		for _, g := range groups {
			if r := g.find(s.model); r != nil && r.N > 0 {
				results = append(results, r)
			}
		}
		if svg := v.calibration(calibrationOver(results)); svg != "" {
			o.Calibration = append(o.Calibration, drawn{Name: s.model, SVG: svg})
		}
		if s.model == score.Naive {
			continue
		}
		names, ratios = append(names, s.model), append(ratios, s.ratio)
		if p := pathOver(results); len(p.at) > 0 {
			paths, of = append(paths, p), append(of, s.model)
		}
	}
	o.Coverage = v.coverage(rows)
	against := compare(groups, names)
	o.Strips = v.strips(names, ratios, against)
	o.LadderOf = v.Lead
	for m, name := range names {
		if name == v.Lead {
			o.Ladder = v.ladder(name, m, against)
		}
		o.Tallies = append(o.Tallies, tallyOf(name, m, against))
	}
	low, high := span(paths)
	for i, p := range paths {
		o.Skill = append(o.Skill, drawn{Name: of[i], Note: signedPercent(p.all[len(p.all)-1]), SVG: v.skill(of[i], p, low, high)})
	}
	return o
}

func tallyOf(name string, m int, rows []compared) tally {
	t := tally{Model: name}
	for _, r := range bySkill(rows, m) {
		w := won{r.label, Number(r.skill[m]), r.p[m] < 0.05}
		switch {
		case r.skill[m] > 0:
			t.Won = append(t.Won, w)
		case r.skill[m] < 0:
			t.Lost = append(t.Lost, w)
		default:
			t.Same++
		}
	}
	slices.Reverse(t.Lost) // the worst first
	return t
}
