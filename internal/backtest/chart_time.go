package backtest

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/market"
)

// path is skill as a walk goes on.
type path struct {
	at          []float64 // time in microseconds, or the share of the walk
	all, recent []float64
	from, to    string // what the ends of the axis are called
}

// pathOf is the path of one result.
func pathOf(r *Result) (p path) {
	for _, c := range r.detail().Curve {
		p.at = append(p.at, float64(c.At))
		p.all, p.recent = append(p.all, float64(c.Skill)), append(p.recent, float64(c.Recent))
	}
	if n := len(p.at); n > 0 {
		p.from, p.to = day(market.Time(p.at[0])), day(market.Time(p.at[n-1]))
	}
	return p
}

// every keeps each nth dot from the end backwards.
func (p path) every(n int) path {
	q := path{from: p.from, to: p.to}
	for i := (len(p.at) - 1) % n; i < len(p.at); i += n {
		q.at, q.all, q.recent = append(q.at, p.at[i]), append(q.all, p.all[i]), append(q.recent, p.recent[i])
	}
	return q
}

// pathOver is the median over results, at the same share of each walk.
func pathOver(results []*Result) path {
	const steps = 60
	p := path{from: "start of each walk", to: "end"}
	for k := 1; k <= steps; k++ {
		var all, recent []float64
		for _, r := range results {
			curve := r.detail().Curve
			if len(curve) == 0 {
				continue
			}
			dot := curve[(k*len(curve)+steps-1)/steps-1]
			if finite(float64(dot.Skill)) && finite(float64(dot.Recent)) {
				all, recent = append(all, float64(dot.Skill)), append(recent, float64(dot.Recent))
			}
		}
		if len(all) > 0 {
			p.at = append(p.at, float64(k)/steps)
			p.all, p.recent = append(p.all, median(all)), append(p.recent, median(recent))
		}
	}
	return p
}

func median(v []float64) float64 {
	slices.Sort(v)
	return forecast.Quantile7(v, 0.5)
}

// span is a scale of skill that shows paths without their first and wildest dots, and 0.
func span(paths []path) (low, high float64) {
	var v []float64
	for _, p := range paths {
		for i := len(p.all) / 10; i < len(p.all); i++ {
			for _, s := range [...]float64{p.all[i], p.recent[i]} {
				if finite(s) {
					v = append(v, s)
				}
			}
		}
	}
	if len(v) == 0 {
		return -0.01, 0.01
	}
	slices.Sort(v)
	low, high = min(forecast.Quantile7(v, 0.02), -0.002), max(forecast.Quantile7(v, 0.98), 0.002)
	pad := 0.08 * (high - low)
	return low - pad, high + pad
}

// skill draws a path on a scale.
func (v *view) skill(model string, p path, low, high float64) template.HTML {
	if len(p.at) == 0 {
		return ""
	}
	if v.Many && len(p.at) > dots/2 {
		p = p.every(2)
	}
	const left, right, top, bottom = 36.0, 232.0, 8.0, 108.0
	end := p.all[len(p.all)-1]
	d := v.draw(240, 126, "Skill of "+model+" over time", fmt.Sprintf("At the end %s over all origins and %s over the newest tenth of them. From %s to %s.",
		signedPercent(end), signedPercent(p.recent[len(p.recent)-1]), p.from, p.to))
	x := scale{p.at[0], p.at[len(p.at)-1], left, right}
	y := scale{low, high, bottom, top}
	ticks := y.ticks(4)
	for _, t := range ticks {
		d.path("grid", segment(left, y.at(t), right, y.at(t)))
		d.text("e", left-5, y.at(t)+4, signed(100*t, max(decimals(ticks)-2, 0)))
	}
	d.path("rule", segment(left, y.at(0), right, y.at(0)))
	var all, recent []point
	for i := range p.at {
		all = append(all, point{x.at(p.at[i]), y.at(p.all[i])})
		recent = append(recent, point{x.at(p.at[i]), y.at(p.recent[i])})
	}
	d.path("faint", line(recent))
	d.path("curve", line(all))
	if last := all[len(all)-1]; finite(last.y) {
		d.path("mark", circle(last.x, last.y, 2.6))
	}
	d.text("s", left, 123, p.from)
	d.text("e", right, 123, p.to)
	return d.html()
}

// fan draws forecasts, each from its own cutoff, and what came.
func (v *view) fan(title string, bars []FanBar) template.HTML {
	low, high := math.Inf(1), math.Inf(-1)
	inside, known := 0, 0
	for i := range bars {
		b := &bars[i]
		for _, q := range append(b.Quantiles[:], b.Actual) {
			if finite(float64(q)) {
				low, high = min(low, float64(q)), max(high, float64(q))
			}
		}
		if b.known() {
			known++
			if b.hit() {
				inside++
			}
		}
	}
	if !(high > low) {
		return ""
	}
	const left, top, bottom = 48.0, 8.0, 168.0
	width := 360.0
	if v.Many {
		width = 280
	}
	right := width - 8
	pad := 0.04 * (high - low)
	y := scale{low - pad, high + pad, bottom, top}
	from, to := moment(bars[0].At), moment(bars[len(bars)-1].At)
	d := v.draw(width, 186, title, fmt.Sprintf("%d targets from %s to %s; %d of %d closes lay inside the 90 %% interval.", len(bars), from, to, inside, known))
	ticks := y.ticks(4)
	for _, t := range ticks {
		d.path("grid", segment(left, y.at(t), right, y.at(t)))
		d.text("e", left-5, y.at(t)+4, axisPrice(t, decimals(ticks)))
	}
	step := (right - left) / float64(len(bars))
	var wide, narrow, middle, hits, misses string
	var closes []point
	for i := range bars {
		b := &bars[i]
		x := left + step*(float64(i)+0.5)
		q := [5]float64{}
		for k := range q {
			q[k] = y.at(float64(b.Quantiles[k]))
		}
		closes = append(closes, point{x, y.at(float64(b.Actual))})
		if !b.known() {
			continue
		}
		w := step/2 - 0.5
		wide += box(x-w, q[0], x+w, q[4])
		narrow += box(x-w, q[1], x+w, q[3])
		middle += segment(x-w, q[2], x+w, q[2])
		if c := closes[i]; b.hit() {
			hits += circle(c.x, c.y, 2.4)
		} else {
			misses += cross(c.x, c.y, 3.6)
		}
	}
	d.path("wide", wide)
	d.path("narrow", narrow)
	d.path("middle", middle)
	d.path("closes", line(closes))
	d.path("dot", hits)
	d.path("miss", misses)
	d.text("s", left, 182, from)
	d.text("e", right, 182, to)
	return d.html()
}

func (b *FanBar) known() bool { return finite(float64(b.Actual)) && allFinite(b.Quantiles[:]) }

func (b *FanBar) hit() bool { return b.Quantiles[0] <= b.Actual && b.Actual <= b.Quantiles[4] }

// day writes a date, moment a time where it is not midnight.
func day(t market.Time) string { return t.Std().Format(time.DateOnly) }

func moment(t market.Time) string {
	if s := t.Std(); s.Hour() != 0 || s.Minute() != 0 || s.Second() != 0 {
		if s.Second() != 0 {
			return s.Format("2006-01-02 15:04:05 UTC")
		}
		return s.Format("2006-01-02 15:04 UTC")
	}
	return day(t)
}
