package backtest

import (
	"fmt"
	"html/template"
	"math"

	"github.com/foretick/foretick/score"
)

// section is one series.
type section struct {
	ID       string
	Label    string
	Walked   *Walked
	Open     bool
	Short    string // in a line
	Horizons []lap
}

// lap is one series at one horizon.
type lap struct {
	Horizon     int
	Rows        []row
	Why         []row
	Calibration []drawn
	Coverage    template.HTML
	Skill       []drawn
	Best, Worst template.HTML
	Base        Number // CRPS of naive
}

type row struct {
	*Result
	Best  bool
	Fewer bool // origins than naive
}

// drawn is a drawing with its name.
type drawn struct {
	Name, Note string
	SVG        template.HTML
}

// short is the group in a line.
func (g *group) short() string {
	b := g.best()
	if b == nil {
		return ahead(g.horizon) + ": nothing to compare"
	}
	if b.Model == score.Naive {
		return fmt.Sprintf("%s: naive lowest", ahead(g.horizon))
	}
	return fmt.Sprintf("%s: %s %s, %s", ahead(g.horizon), b.Model, signedPercent(float64(b.Skill)), verdictOf(b.Model, b.Verdict).Words)
}

// lap draws one series at one horizon.
func (v *view) lap(g *group) lap {
	l := lap{Horizon: g.horizon, Base: Number(math.NaN())}
	if g.naive != nil {
		l.Base = g.naive.CRPS
	}
	best := g.best()
	var rows []covered
	var paths []path
	var models []string
	for _, r := range g.results {
		x := row{r, best != nil && r.CRPS == best.CRPS && r.N == best.N, g.naive != nil && r.N < g.naive.N}
		l.Rows = append(l.Rows, x)
		if r.N == 0 {
			continue
		}
		rows = append(rows, covered{r.Model, r.N, r.Horizon, r.Coverage90ByRegime})
		if v.Many && r.Model != v.Lead {
			continue
		}
		if r.Model != score.Naive {
			if p := pathOf(r); len(p.at) > 0 {
				paths, models = append(paths, p), append(models, r.Model)
			}
			if r.detail().Why != "" {
				l.Why = append(l.Why, x)
			}
		}
		if svg := v.calibration(calibrationOf(r)); svg != "" {
			l.Calibration = append(l.Calibration, drawn{Name: r.Model, SVG: svg})
		}
	}
	if !v.Many {
		l.Coverage = v.coverage(rows)
	}
	low, high := span(paths)
	for i, p := range paths {
		l.Skill = append(l.Skill, drawn{Name: models[i], Note: signedPercent(p.all[len(p.all)-1]), SVG: v.skill(models[i], p, low, high)})
	}
	if r := g.find(v.Lead); r != nil {
		l.Best = v.fan("Best stretch of "+r.Model+" against naive on "+g.label, r.detail().Best)
		l.Worst = v.fan("Worst stretch of "+r.Model+" against naive on "+g.label, r.detail().Worst)
	}
	return l
}
