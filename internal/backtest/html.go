package backtest

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

//go:embed report.html.tmpl
var pageText string

//go:embed report.css
var pageStyle string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"significant": func(n Number) string { return significant(float64(n)) },
	"share":       func(n Number) string { return fixed(100*float64(n), 1) },
	"change":      func(n Number) string { return signed(100*float64(n), 1) },
	"skill":       func(n Number) string { return signed(100*float64(n), 2) },
	"ratio":       func(n Number) string { return fixed(float64(n), 4) },
	"chance":      func(n Number) string { return chance(float64(n)) },
	"evidence":    func(n Number) string { return evidence(float64(n)) },
	"count":       count, "moment": moment, "ending": ending, "ahead": ahead, "aheads": aheads, "verdict": verdictOf,
	"regimes": func() []string { return regimes[:] },
	"add":     func(a, b int) int { return a + b },
	"label":   func(v *view, w *Walked) string { return v.label(w) },
}).Parse(pageText))

// HTML writes the report as one page that stands on its own: no script, no other file,
// no host that it asks. It shows in light and dark, on a phone and on paper, and the
// same report is the same bytes. An error is one of w.
func (r *Report) HTML(w io.Writer) error {
	if err := page.Execute(w, newView(r)); err != nil {
		return fmt.Errorf("backtest: write the page: %w", err)
	}
	return nil
}

// view is a report put into the order of the page.
type view struct {
	Style    template.CSS
	Report   *Report
	Title    string
	Lead     string    // the model whose forecasts are drawn
	Models   []string  // of which there are results
	Walked   []*Walked // with results
	Skipped  []*Walked
	Made     []*Walked // simulated ones among Walked
	Bars     int
	From, To string
	Summary  []summary
	Overall  []overall // by horizon; empty with a single series
	Series   []section
	Silent   []silence
	Many     bool // series are closed, and of each only the lead model is drawn

	labels   map[string]string // short names of series
	drawings int
}

// group is what the models did on one series at one horizon.
type group struct {
	walked  *Walked
	label   string
	horizon int
	results []*Result
	naive   *Result
}

func (g *group) find(model string) *Result {
	for _, r := range g.results {
		if r.Model == model {
			return r
		}
	}
	return nil
}

// best returns the lowest CRPS among the models that were judged wherever naive was; nil
// when there is none.
func (g *group) best() (best *Result) {
	for _, r := range g.results {
		if finite(float64(r.CRPS)) && (g.naive == nil || r.N == g.naive.N) && (best == nil || r.CRPS < best.CRPS) {
			best = r
		}
	}
	return best
}

var noDetail Detail

func (r *Result) detail() *Detail {
	if r.Detail == nil {
		return &noDetail
	}
	return r.Detail
}

// silence is a model that did not forecast everywhere.
type silence struct {
	Label, Model, Reason string
	Horizon, Count, N    int
}

// many is the number of series above which the page goes easy on each.
const many = 6

func newView(r *Report) *view {
	v := &view{Style: template.CSS(pageStyle), Report: r}
	groups := v.groups(r)
	for i := range r.Series {
		if w := &r.Series[i]; w.Skipped != "" {
			v.Skipped = append(v.Skipped, w)
		}
	}
	v.Many = len(v.Walked) > many
	v.span()
	v.Title = "Backtest of " + plural(len(v.Walked), "series", "series")
	if len(v.Walked) == 1 {
		v.Title = "Backtest of " + string(v.Walked[0].Series)
	}
	v.Lead = leadOf(r)
	for _, h := range horizons(groups) {
		at := slices.DeleteFunc(slices.Clone(groups), func(g *group) bool { return g.horizon != h })
		pooled := slices.DeleteFunc(slices.Clone(r.Pooled), func(p Pooled) bool { return p.Horizon != h })
		v.Summary = append(v.Summary, v.summarise(h, at, pooled))
		if len(v.Walked) > 1 {
			v.Overall = append(v.Overall, v.overall(h, at, pooled))
		}
	}
	for i, w := range v.Walked {
		s := section{ID: fmt.Sprintf("s%d", i+1), Label: v.label(w), Walked: w, Open: !v.Many}
		if !strings.Contains(string(w.Series), s.Label) {
			s.Short = w.File
		}
		for _, g := range groups {
			if g.walked == w {
				s.Horizons = append(s.Horizons, v.lap(g))
				if s.Short != "" {
					s.Short += "; "
				}
				s.Short += g.short()
			}
		}
		v.Series = append(v.Series, s)
	}
	return v
}

// groups sorts results into series and horizons, in their order.
func (v *view) groups(r *Report) (list []*group) {
	key := func(id market.SeriesID, file string) string { return string(id) + "\x00" + file }
	walked := map[string]*Walked{}
	for i := range r.Series {
		w := &r.Series[i]
		walked[key(w.Series, w.File)] = w
	}
	place, seen := map[string]*group{}, map[*Walked]bool{}
	for i := range r.Results {
		x := &r.Results[i]
		if !slices.Contains(v.Models, x.Model) {
			v.Models = append(v.Models, x.Model)
		}
		k := key(x.Series, x.File)
		if walked[k] == nil {
			walked[k] = &Walked{Series: x.Series, File: x.File}
		}
		if w := walked[k]; !seen[w] {
			seen[w] = true
			v.Walked = append(v.Walked, w)
		}
		id := fmt.Sprintf("%s\x00%d", k, x.Horizon)
		g := place[id]
		if g == nil {
			g = &group{walked: walked[k], horizon: x.Horizon}
			place[id] = g
			list = append(list, g)
		}
		g.results = append(g.results, x)
		if x.Model == score.Naive {
			g.naive = x
		}
	}
	v.name()
	for _, g := range list {
		g.label = v.label(g.walked)
		for _, x := range g.results {
			if x.Abstained > 0 {
				v.Silent = append(v.Silent, silence{g.label, x.Model, cmp.Or(x.detail().Reason, "no reason was kept"), x.Horizon, x.Abstained, x.N})
			}
		}
	}
	return list
}

// name gives series short names: without venue and interval where all share them, with
// their file where they would be the same.
func (v *view) name() {
	v.labels = map[string]string{}
	cut := func(s market.SeriesID) (head, symbol, tail string) {
		a, b := strings.Index(string(s), ":")+1, strings.LastIndex(string(s), "@")
		if b <= a {
			return "", string(s), ""
		}
		return string(s[:a]), string(s[a:b]), string(s[b:])
	}
	same, times, files := true, map[string]int{}, map[string]int{}
	for _, w := range v.Walked {
		h0, _, t0 := cut(v.Walked[0].Series)
		h, symbol, t := cut(w.Series)
		same = same && h == h0 && t == t0
		times[symbol]++
		times[string(w.Series)]++
		files[strings.TrimSuffix(filepath.Base(w.File), filepath.Ext(w.File))]++
	}
	for _, w := range v.Walked {
		label := string(w.Series)
		if _, symbol, _ := cut(w.Series); same && len(v.Walked) > 1 {
			label = symbol
		}
		if times[label] > 1 && w.File != "" {
			label = strings.TrimSuffix(filepath.Base(w.File), filepath.Ext(w.File))
			if files[label] > 1 {
				label = string(w.Series) + " (" + w.File + ")"
			}
		}
		v.labels[string(w.Series)+"\x00"+w.File] = label
	}
}

func (v *view) label(w *Walked) string { return v.labels[string(w.Series)+"\x00"+w.File] }

// span sums up what was walked.
func (v *view) span() {
	var from, to market.Time
	for _, w := range v.Walked {
		v.Bars += w.Bars
		if w.Simulated {
			v.Made = append(v.Made, w)
		}
		if w.Bars == 0 {
			continue
		}
		if from == 0 || w.From < from {
			from = w.From
		}
		to = max(to, w.To)
	}
	if to != 0 {
		v.From, v.To = moment(from), ending(to)
	}
}

// ending writes the end of a half-open stretch: its last day where it ends at midnight.
func ending(t market.Time) string {
	if s := moment(t); len(s) > len("2006-01-02") {
		return s
	}
	return day(t - 1)
}

// leadOf is the model whose forecasts the report has kept, else the best at the shortest
// horizon.
func leadOf(r *Report) string {
	for i := range r.Results {
		if len(r.Results[i].detail().Best) > 0 {
			return r.Results[i].Model
		}
	}
	best, ratio := "", math.Inf(1)
	for _, p := range r.Pooled {
		if p.Model != score.Naive && p.Horizon == r.Pooled[0].Horizon && float64(p.CRPSRatio) < ratio {
			best, ratio = p.Model, float64(p.CRPSRatio)
		}
	}
	return best
}

func horizons(groups []*group) (list []int) {
	for _, g := range groups {
		list = append(list, g.horizon)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// worded is a verdict in words behind a sign.
type worded struct{ Sign, Words, Class string }

func verdictOf(model string, c score.Code) worded {
	switch {
	case model == score.Naive:
		return worded{"", "the yardstick", "muted"}
	case c == score.BetterThanNaive:
		return worded{"▲", "better than naive", "good"}
	case c == score.WorseThanNaive:
		return worded{"▼", "worse than naive", "bad"}
	case c == score.NoSkill:
		return worded{"=", "no skill shown", ""}
	}
	return worded{"…", "not judged yet", "muted"}
}

func ahead(h int) string { return plural(h, "bar ahead", "bars ahead") }

// aheads joins horizons: "1, 5 and 20 bars ahead".
func aheads(list []int) string {
	var b strings.Builder
	for i, h := range list {
		switch {
		case i > 0 && i == len(list)-1:
			b.WriteString(" and ")
		case i > 0:
			b.WriteString(", ")
		}
		b.WriteString(count(h))
	}
	if len(list) == 1 {
		return ahead(list[0])
	}
	return b.String() + " bars ahead"
}
