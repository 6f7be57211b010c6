package backtest

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"

	"github.com/foretick/foretick/forecast"
)

// compared is the CRPS of models on one series at one horizon against naive's there.
type compared struct {
	label string
	skill []float64 // 1 - CRPS / naive's, by model; NaN: not known
	p     []float64 // of the Diebold-Mariano test; NaN: not known
}

// bounds is a scale for skill: it holds 0 and most of them, and the wildest are put at
// its ends.
func bounds(rows []compared) (low, high float64) {
	var v []float64
	for _, r := range rows {
		for _, c := range r.skill {
			if finite(c) && c != 0 {
				v = append(v, c)
			}
		}
	}
	if len(v) == 0 {
		return -0.01, 0.01
	}
	slices.Sort(v)
	q1, q3 := forecast.Quantile7(v, 0.25), forecast.Quantile7(v, 0.75)
	far := 2.5 * max(q3-q1, 0.004)
	low, high = max(v[0], q1-far), min(v[len(v)-1], q3+far)
	low, high = min(low, -0.002), max(high, 0.002)
	pad := 0.06 * (high - low)
	return low - pad, high + pad
}

// frame draws the axis of skill between top and bottom.
func (d *drawing) frame(x scale, top, bottom float64) {
	ticks := x.ticks(5)
	for _, t := range ticks {
		d.path("grid", segment(x.at(t), top, x.at(t), bottom))
		d.text("m", x.at(t), bottom+13, signed(100*t, max(decimals(ticks)-2, 0)))
	}
	d.path("rule", segment(x.at(0), top-4, x.at(0), bottom))
	d.text("e", x.at(0)-5, top-6, "◀ worse")
	d.text("s", x.at(0)+5, top-6, "better ▶")
	d.text("m", (x.from+x.to)/2, bottom+28, "skill: CRPS below naive’s, %")
}

// edge marks a value that lies beyond the scale.
func (d *drawing) edge(x scale, c, y float64) {
	if side := float64(x.beyond(c)); side != 0 {
		d.path("axis", line([]point{{x.at(c) - 3*side, y - 3}, {x.at(c), y}, {x.at(c) - 3*side, y + 3}}))
	}
}

// strips draws every model's skill on every series, one row a model.
func (v *view) strips(models []string, ratio []float64, rows []compared) template.HTML {
	if len(models) == 0 {
		return ""
	}
	const left, top, row = 84.0, 22.0, 24.0
	bottom := top + row*float64(len(models))
	words := ""
	for m, name := range models {
		words += fmt.Sprintf("%s %s, ", name, signedPercent(1-ratio[m]))
	}
	d := v.draw(360, bottom+32, "Skill of every model, over all series", "Geometric means: "+words+"a stroke for each series.")
	low, high := bounds(rows)
	x := scale{low, high, left, 350}
	d.frame(x, top, bottom)
	for m, name := range models {
		y := top + row*(float64(m)+0.5)
		d.text("e name", left-10, y+4, short(name, 12))
		var strokes string
		for _, r := range rows {
			if c := r.skill[m]; finite(c) {
				strokes += segment(x.at(c), y-7, x.at(c), y+7)
				d.edge(x, c, y)
			}
		}
		d.path("stroke", strokes)
		if c := 1 - ratio[m]; finite(c) {
			d.path("mean", diamond(x.at(c), y, 5))
		}
	}
	return d.html()
}

// ladder draws one model's skill on every series, best first, over those of the others.
func (v *view) ladder(model string, m int, rows []compared) template.HTML {
	rows = bySkill(rows, m)
	if len(rows) == 0 {
		return ""
	}
	const left, top, row = 104.0, 22.0, 16.0
	bottom := top + row*float64(len(rows))
	worse := 0
	for _, r := range rows {
		if r.skill[m] < 0 {
			worse++
		}
	}
	first, last := rows[0], rows[len(rows)-1]
	d := v.draw(360, bottom+32, "Skill of "+model+", series by series", fmt.Sprintf("From %s on %s to %s on %s; worse than naive on %d of %d.",
		signedPercent(first.skill[m]), first.label, signedPercent(last.skill[m]), last.label, worse, len(rows)))
	low, high := bounds(rows)
	x := scale{low, high, left, 312}
	d.frame(x, top, bottom)
	var others, rest string
	for i, r := range rows {
		y := top + row*(float64(i)+0.5)
		for k, c := range r.skill {
			if k != m && finite(c) && x.beyond(c) == 0 {
				others += segment(x.at(c), y-3, x.at(c), y+3)
			}
		}
		rest += segment(x.at(0), y, x.at(r.skill[m]), y)
	}
	d.path("other", others)
	d.path("stem", rest)
	for i, r := range rows {
		c, y := r.skill[m], top+row*(float64(i)+0.5)
		shape, class, name := circle(x.at(c), y, 3.4), "hollow", "e name"
		if c < 0 {
			shape, name = box(x.at(c)-3.2, y-3.2, x.at(c)+3.2, y+3.2), "e name lost"
		}
		if r.p[m] < 0.05 {
			class = "mark"
		}
		d.text(name, left-8, y+4, short(r.label, 16))
		d.path(class, shape)
		d.edge(x, c, y)
		d.text("e", 358, y+4, signed(100*c, 1))
	}
	return d.html()
}

// compare sets each series of a horizon against naive, over the models named.
func compare(groups []*group, models []string) (rows []compared) {
	for _, g := range groups {
		row := compared{label: g.label, skill: make([]float64, len(models)), p: make([]float64, len(models))}
		for m, name := range models {
			row.skill[m], row.p[m] = math.NaN(), math.NaN()
			if r := g.find(name); r != nil && g.naive != nil && g.naive.CRPS > 0 && r.N > 0 {
				row.skill[m], row.p[m] = 1-float64(r.CRPS/g.naive.CRPS), float64(r.DMP)
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// bySkill returns the series on which model m is known, best first.
func bySkill(rows []compared, m int) []compared {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r compared) bool { return !finite(r.skill[m]) })
	slices.SortStableFunc(rows, func(a, b compared) int { return cmp.Compare(b.skill[m], a.skill[m]) })
	return rows
}
