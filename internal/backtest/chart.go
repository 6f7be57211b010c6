package backtest

import (
	"html/template"
	"math"
	"strconv"
	"strings"
)

// drawing is an SVG in the making. Its colours are classes of report.css, so that one
// drawing serves light, dark and paper; its width is 360 or less, so that a phone shows
// it at full size.
type drawing struct {
	b strings.Builder
}

// draw begins a drawing of w x h. The title names it and the description says in words
// what it shows, for those who do not see it.
func (v *view) draw(w, h float64, title, desc string) *drawing {
	v.drawings++
	id := "d" + strconv.Itoa(v.drawings)
	d := &drawing{}
	d.put(`<svg viewBox="0 0 `, num(w), ` `, num(h), `" style="max-width:`, num(math.Round(w*1.2)), `px" role="img" aria-labelledby="`, id, `" aria-describedby="`, id, `x"><title id="`, id, `">`,
		escape(title), `</title><desc id="`, id, `x">`, escape(desc), `</desc>`)
	return d
}

// html ends the drawing.
func (d *drawing) html() template.HTML {
	d.put(`</svg>`)
	return template.HTML(d.b.String()) // every text in it went through escape
}

func (d *drawing) put(parts ...string) {
	for _, p := range parts {
		d.b.WriteString(p)
	}
}

func escape(s string) string { return template.HTMLEscapeString(s) }

// path draws p, unless it is empty.
func (d *drawing) path(class, p string) {
	if p != "" {
		d.put(`<path class="`, class, `" d="`, p, `"/>`)
	}
}

// text writes s; class s is anchored at its start, m in its middle, e at its end.
func (d *drawing) text(class string, x, y float64, s string) {
	d.put(`<text class="`, class, `" x="`, num(x), `" y="`, num(y), `">`, escape(s), `</text>`)
}

// num writes a coordinate.
func num(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	s := strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}

// point is a place in a drawing.
type point struct{ x, y float64 }

// line joins points; it breaks where one is not finite.
func line(pts []point) string {
	var b strings.Builder
	command := "M"
	for _, p := range pts {
		if !finite(p.x) || !finite(p.y) {
			command = "M"
			continue
		}
		b.WriteString(command + num(p.x) + " " + num(p.y))
		command = " " // a line to
	}
	return b.String()
}

// segment is a straight line.
func segment(x1, y1, x2, y2 float64) string { return line([]point{{x1, y1}, {x2, y2}}) }

// box is a rectangle between two corners.
func box(x1, y1, x2, y2 float64) string {
	return "M" + num(x1) + " " + num(y1) + "H" + num(x2) + "V" + num(y2) + "H" + num(x1) + "Z"
}

// speck is a dot as large as its line is wide.
func speck(p point) string { return "M" + num(p.x) + " " + num(p.y) + "h0" }

// Marks, of which no two differ by colour alone.

func circle(x, y, r float64) string {
	return "M" + num(x-r) + " " + num(y) + "a" + num(r) + " " + num(r) + " 0 1 0 " + num(2*r) + " 0a" + num(r) + " " + num(r) + " 0 1 0 " + num(-2*r) + " 0Z"
}

func diamond(x, y, r float64) string {
	return line([]point{{x, y - r}, {x + r, y}, {x, y + r}, {x - r, y}}) + "Z"
}

func cross(x, y, r float64) string {
	return segment(x-r, y-r, x+r, y+r) + segment(x-r, y+r, x+r, y-r)
}

// triangle points up when r is positive, down when it is negative.
func triangle(x, y, r float64) string {
	w := math.Abs(r)
	return line([]point{{x, y - r}, {x + w, y + 0.8*r}, {x - w, y + 0.8*r}}) + "Z"
}

// scale maps values to places.
type scale struct{ low, high, from, to float64 }

// at is the place of v; what lies beyond the scale is put at its end.
func (s scale) at(v float64) float64 {
	if !finite(v) {
		return math.NaN()
	}
	if !(s.high > s.low) {
		return (s.from + s.to) / 2
	}
	return s.from + (min(max(v, s.low), s.high)-s.low)/(s.high-s.low)*(s.to-s.from)
}

// beyond says on which side v lies outside: -1, 0 or 1.
func (s scale) beyond(v float64) int {
	switch {
	case v < s.low:
		return -1
	case v > s.high:
		return 1
	}
	return 0
}

// ticks are round values on the scale, about n of them.
func (s scale) ticks(n int) (list []float64) {
	span := s.high - s.low
	if !(span > 0) || math.IsInf(span, 0) {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(span/float64(n))))
	for _, m := range [...]float64{1, 2, 5, 10} {
		if span/(m*step) <= float64(n)+0.5 {
			step *= m
			break
		}
	}
	for k := math.Ceil(s.low/step - 1e-9); k*step <= s.high+1e-9*step && len(list) <= 4*n; k++ {
		list = append(list, k*step)
	}
	return list
}

// decimals are what ticks a step apart need.
func decimals(ticks []float64) int {
	if len(ticks) < 2 {
		return 2
	}
	return int(min(max(math.Ceil(-math.Log10(ticks[1]-ticks[0])-1e-9), 0), 8))
}

// short cuts a name that would not fit beside a plot.
func short(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// chance95 is the distance from share p within which 95 % of counts fall by chance,
// when n outcomes at horizon h count as n/h independent ones.
func chance95(p float64, n, h int) float64 {
	return 1.96 * math.Sqrt(p*(1-p)*float64(max(h, 1))/float64(max(n, 1)))
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
