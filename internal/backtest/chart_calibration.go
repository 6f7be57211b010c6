package backtest

import (
	"fmt"
	"html/template"
	"math"

	"github.com/foretick/foretick/forecast"
)

// calibrated is what a calibration drawing shows: of one result or of several.
type calibrated struct {
	model       string
	n, horizon  int
	reliability []float64 // empty: not known
	pit         []float64 // counts; empty: not known
}

func calibrationOf(r *Result) calibrated { return calibrationOver([]*Result{r}) }

// calibrationOver pools results of one model at one horizon: shares weighted by origins,
// counts added.
func calibrationOver(results []*Result) (c calibrated) {
	var weight float64
	sum := make([]float64, forecast.Levels)
	for _, r := range results {
		c.model, c.horizon = r.Model, r.Horizon
		d := r.detail()
		if r.N > 0 && len(d.Reliability) == forecast.Levels && allFinite(d.Reliability) {
			c.n += r.N
			weight += float64(r.N)
			for i, v := range d.Reliability {
				sum[i] += float64(v) * float64(r.N)
			}
		}
		if len(d.PIT) > 0 && (c.pit == nil || len(c.pit) == len(d.PIT)) {
			if c.pit == nil {
				c.pit = make([]float64, len(d.PIT))
			}
			for i, k := range d.PIT {
				c.pit[i] += float64(k)
			}
		}
	}
	if weight > 0 {
		for i := range sum {
			sum[i] /= weight
		}
		c.reliability = sum
	}
	return c
}

func allFinite(list []Number) bool {
	for _, v := range list {
		if !finite(float64(v)) {
			return false
		}
	}
	return true
}

// calibration draws, over one axis of probability: the share of outcomes at or below
// each quantile, that share's difference from the probability, and the histogram of the
// probability integral transform.
func (v *view) calibration(c calibrated) template.HTML {
	if c.reliability == nil && c.pit == nil {
		return ""
	}
	const left, right, height = 34.0, 164.0, 344.0
	x := scale{0, 1, left, right}
	d := v.draw(176, height, "Calibration of "+c.model, c.words())
	if c.reliability != nil {
		d.reliability(c, x, !v.Many)
	}
	if c.pit != nil {
		d.pit(c, x)
	}
	for _, p := range [...]float64{0, 0.5, 1} {
		d.text("m", x.at(p), height-17, fmt.Sprint(100*p))
	}
	d.text("m", (left+right)/2, height-4, "probability, %")
	return d.html()
}

// reach is how far the strip of differences goes, in share.
const reach = 0.06

func (d *drawing) reliability(c calibrated, x scale, dots bool) {
	y := scale{0, 1, 148, 18}
	d.text("s", 0, 9, "outcomes up to there, %")
	d.path("grid", segment(x.from, y.at(0.5), x.to, y.at(0.5))+segment(x.at(0.5), y.from, x.at(0.5), y.to))
	d.path("axis", box(x.from, y.from, x.to, y.to))
	d.path("rule", segment(x.from, y.from, x.to, y.to))
	strip := scale{-reach, reach, 226, 182}
	d.text("s", 0, 173, "difference, points")
	var on, diff, low, high []point
	for i, p := range forecast.Probabilities {
		on = append(on, point{x.at(p), y.at(c.reliability[i])})
		diff = append(diff, point{x.at(p), strip.at(c.reliability[i] - p)})
		w := chance95(p, c.n, c.horizon)
		low, high = append(low, point{x.at(p), strip.at(-w)}), append([]point{{x.at(p), strip.at(w)}}, high...)
	}
	d.path("curve", line(on))
	d.path("chance", line(append(low, high...))+"Z")
	d.path("axis", segment(x.from, strip.at(0), x.to, strip.at(0)))
	d.path("curve", line(diff))
	var specks string
	for i := 0; dots && i < len(diff); i++ {
		specks += speck(on[i]) + speck(diff[i])
	}
	d.path("specks", specks)
	for _, p := range [...]float64{0, 0.5, 1} {
		d.text("e", x.from-5, y.at(p)+4, fmt.Sprint(100*p))
	}
	for _, p := range [...]float64{-0.05, 0, 0.05} {
		d.text("e", x.from-5, strip.at(p)+4, signed(100*p, 0))
	}
}

func (d *drawing) pit(c calibrated, x scale) {
	var total, most float64
	for _, k := range c.pit {
		total += k
		most = max(most, k)
	}
	if !(total > 0) {
		return
	}
	even := total / float64(len(c.pit))
	y := scale{0, max(2, math.Ceil(2*most/even)/2) * even, 312, 260}
	d.text("s", 0, 252, "outcomes per twentieth")
	w := chance95(1/float64(len(c.pit)), int(total), c.horizon) * total
	d.path("chance", box(x.from, y.at(even-w), x.to, y.at(even+w)))
	step := 1 / float64(len(c.pit))
	var bars string
	for i, k := range c.pit {
		bars += box(x.at(float64(i)*step)+0.6, y.at(0), x.at(float64(i+1)*step)-0.6, y.at(k))
	}
	d.path("bar", bars)
	d.path("rule", segment(x.from, y.at(even), x.to, y.at(even)))
	d.path("axis", segment(x.from, y.at(0), x.to, y.at(0)))
	d.text("e", x.from-5, y.at(0)+4, "0")
	d.text("e", x.from-5, y.at(even)+4, "even")
}

// words say what the drawing shows.
func (c calibrated) words() string {
	s := fmt.Sprintf("%s outcomes.", count(c.n))
	if c.reliability != nil {
		at, furthest := 0, -1.0
		for i, p := range forecast.Probabilities {
			if d := math.Abs(c.reliability[i] - p); d > furthest {
				at, furthest = i, d
			}
		}
		s += fmt.Sprintf(" Furthest from the diagonal at the %g %% quantile: %s of outcomes lay at or below it.",
			100*forecast.Probabilities[at], percent(c.reliability[at]))
	}
	if n := len(c.pit); n > 0 {
		var total float64
		for _, k := range c.pit {
			total += k
		}
		if total > 0 {
			s += fmt.Sprintf(" The lowest twentieth of the distribution took %s of outcomes, the highest %s; %s each would be even.",
				percent(c.pit[0]/total), percent(c.pit[n-1]/total), percent(1/float64(n)))
		}
	}
	return s
}

// covered is a row of the drawing of coverage.
type covered struct {
	model      string
	n, horizon int
	regimes    [3]Number
}

var regimes = [3]string{"low", "middle", "high"}

// regimeMark is the mark of a regime: pointing down, round, pointing up.
func regimeMark(k int, x, y float64) string {
	switch k {
	case 0:
		return triangle(x, y, -4)
	case 2:
		return triangle(x, y, 4)
	}
	return circle(x, y, 3.4)
}

// coverage draws what share of outcomes lay inside the 90 % interval in calm, ordinary
// and wild times.
func (v *view) coverage(rows []covered) template.HTML {
	low, high, words := 0.85, 0.95, ""
	for _, r := range rows {
		words += r.model
		for k, c := range r.regimes {
			if finite(float64(c)) {
				low, high = min(low, math.Floor(float64(c)*20-1e-9)/20), max(high, math.Ceil(float64(c)*20+1e-9)/20)
			}
			words += fmt.Sprintf(" %s %s,", regimes[k], percent(float64(c)))
		}
		words += " "
	}
	if len(rows) == 0 {
		return ""
	}
	const left, top, row = 84.0, 34.0, 27.0
	bottom := top + row*float64(len(rows))
	x := scale{max(low, 0), min(high, 1), left, 350}
	d := v.draw(360, bottom+32, "Coverage of the 90 % interval by volatility", words)
	d.text("s", left-4, 10, "volatility:")
	at := left + 66
	for k, name := range regimes {
		d.path("mark", regimeMark(k, at, 6))
		d.text("s", at+8, 10, name)
		at += 46 + 16*float64(k)
	}
	for _, t := range x.ticks(5) {
		d.path("grid", segment(x.at(t), top-4, x.at(t), bottom))
		d.text("m", x.at(t), bottom+13, fixed(100*t, 0))
	}
	d.text("m", (left+350)/2, bottom+28, "outcomes inside the interval, %")
	for i, r := range rows {
		y := top + row*(float64(i)+0.5)
		w := chance95(0.9, r.n/3, r.horizon)
		d.path("chance", box(x.at(0.9-w), y-row/2+2, x.at(0.9+w), y+row/2-2))
		d.text("e name", left-10, y+4, short(r.model, 12))
		for k, c := range r.regimes {
			if !finite(float64(c)) {
				continue
			}
			class := "mark"
			if math.Abs(float64(c)-0.9) <= w {
				class = "hollow"
			}
			d.path(class, regimeMark(k, x.at(float64(c)), y+8*float64(k-1)))
		}
	}
	d.path("rule", segment(x.at(0.9), top-6, x.at(0.9), bottom))
	d.text("m", x.at(0.9), top-9, "90")
	return d.html()
}
