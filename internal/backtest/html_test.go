package backtest_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

const dayLong = market.Time(86_400_000_000)

// report is a made-up report: model m's CRPS is gains[m] below that of naive, which
// comes first, on every series, a bit more on each than on the one before.
func report(series, dots int, horizons []int, models []string, gains []float64) *backtest.Report {
	r := &backtest.Report{Protocol: backtest.Protocol{Spec: backtest.Spec{Models: models, BurnIn: 500, Refit: 20, Horizons: horizons},
		Version: "9.9", CRPS: "as ever", Digest: "abc123", Created: market.TimeOf(noon)}}
	for s := range series {
		id := market.SeriesID(fmt.Sprintf("file:S%02d@1d", s))
		r.Series = append(r.Series, backtest.Walked{Series: id, File: fmt.Sprintf("s%02d.csv", s), Bars: 2500, To: 2500 * dayLong, Head: "feed"})
		for _, h := range horizons {
			for m, name := range models {
				gain := gains[m] + 0.001*float64(s)
				if name == score.Naive {
					gain = 0
				}
				x := backtest.Result{Series: id, File: r.Series[s].File, Model: name, Horizon: h, N: 1999, CRPS: backtest.Number(0.9 * (1 - gain)),
					Skill: backtest.Number(gain), Coverage90: 0.901, Width90: 3, Coverage90ByRegime: [3]backtest.Number{0.89, 0.9, 0.93},
					MAE: 1.5, MASE: 0.9, DMP: 0.03, EValue: 25, Verdict: score.BetterThanNaive, Detail: detail(gain, m == len(models)-1 && h == horizons[0], dots)}
				if gain <= 0 {
					x.Verdict, x.EValue, x.DMP = score.NoSkill, 0.7, 0.4
				}
				r.Results = append(r.Results, x)
			}
		}
	}
	for _, h := range horizons {
		for m, name := range models {
			p := backtest.Pooled{Model: name, Horizon: h, Series: series, N: 1999 * series, CRPSRatio: backtest.Number(1 - gains[m]), Coverage90: 0.901,
				Coverage90ByRegime: [3]backtest.Number{0.89, 0.9, 0.93}, WorstCoverage90: 0.87, ConfidenceSet: m == len(models)-1}
			if gains[m] > 0 {
				p.Better, p.SignificantlyBest, p.Discoveries = series, series, series-1
			}
			r.Pooled = append(r.Pooled, p)
		}
	}
	return r
}

func detail(gain float64, lead bool, dots int) *backtest.Detail {
	d := &backtest.Detail{Why: "The evidence is what it is.", IntervalScore: 4}
	for i, p := range forecast.Probabilities {
		d.Reliability = append(d.Reliability, backtest.Number(p+0.01*math.Sin(float64(i))))
	}
	for i := range 20 {
		d.PIT = append(d.PIT, 90+i)
	}
	for i := range dots {
		d.Curve = append(d.Curve, backtest.CurveDot{At: market.Time(i) * 20 * dayLong, Skill: backtest.Number(gain + 0.01*math.Cos(float64(i))), Recent: backtest.Number(gain + 0.03*math.Sin(float64(i)))})
	}
	for i := 0; lead && i < 20; i++ {
		b := backtest.FanBar{At: market.Time(i) * dayLong, Actual: backtest.Number(100 + 5*math.Sin(float64(i)))}
		for k := range b.Quantiles {
			b.Quantiles[k] = backtest.Number(96 + 2*k)
		}
		d.Best, d.Worst = append(d.Best, b), append(d.Worst, b)
	}
	return d
}

var fiveModels = []string{"naive", "ewma", "garch", "rangevol", "auto"}

func sample(series int) *backtest.Report { return large(series, 20) }

func large(series, dots int) *backtest.Report {
	return report(series, dots, []int{1, 5}, fiveModels, []float64{0, -0.02, 0.004, 0.01, 0.02})
}

// small is a report of three models at one horizon.
func small(series int) *backtest.Report {
	return report(series, 20, []int{1}, []string{"naive", "garch", "auto"}, []float64{0, -0.02, 0.02})
}

func render(t testing.TB, r *backtest.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// document is what a page says and holds.
type document struct {
	text     string
	elements map[string]int
}

// outside is what would ask another host or run a program.
var outside = []string{"http:", "https:", "<script", "<link", "<iframe", "<img", "@import", "url(", "javascript:"}

// notNumbers is how figures come out that nobody formatted.
var notNumbers = []string{"NaN", "+Inf", "-Inf", ">Inf", " Inf ", "null", "undefined", "%!"}

// found returns the first of the words that the page holds.
func found(page string, words []string) string {
	for _, w := range words {
		if strings.Contains(page, w) {
			return w
		}
	}
	return ""
}

// read checks what holds for every page and returns what this one says.
func read(t testing.TB, page string) document {
	t.Helper()
	if m := found(page, outside); m != "" {
		t.Errorf("the page holds %q", m)
	}
	if m := found(page, notNumbers); m != "" {
		t.Errorf("the page says %q", m)
	}
	doc := document{elements: map[string]int{}}
	ids, named := map[string]bool{}, map[string]string{}
	var open []string
	var text strings.Builder
	level, hasCaption := 0, true
	words := map[string]int{} // titles and descriptions, in letters
	d := xml.NewDecoder(strings.NewReader(page))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well-formed: %v", err)
		}
		switch x := token.(type) {
		case xml.StartElement:
			name := x.Name.Local
			doc.elements[name]++
			open = append(open, name)
			attrs := map[string]string{}
			for _, a := range x.Attr {
				attrs[a.Name.Local] = a.Value
				if strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("%s has a handler %s", name, a.Name.Local)
				}
			}
			if id := attrs["id"]; id != "" {
				if ids[id] {
					t.Errorf("two elements have the id %q", id)
				}
				ids[id] = true
			}
			for _, a := range []string{"aria-labelledby", "aria-describedby"} {
				if attrs[a] != "" {
					named[attrs[a]] = name
				}
			}
			if href := attrs["href"]; strings.HasPrefix(href, "#") {
				named[href[1:]] = name
			}
			switch {
			case len(name) == 2 && name[0] == 'h' && name[1] >= '1' && name[1] <= '6':
				next := int(name[1] - '0')
				if next > level+1 {
					t.Errorf("h%d follows h%d", next, level)
				}
				level = next
			case name == "table":
				hasCaption = false
			case name == "caption":
				hasCaption = true
			case name == "th" && attrs["scope"] == "":
				t.Error("a th has no scope")
			case name == "svg":
				if attrs["role"] != "img" || attrs["aria-labelledby"] == "" || attrs["aria-describedby"] == "" {
					t.Errorf("a drawing has no name: %v", attrs)
				}
			}
			if name == "tbody" && !hasCaption {
				t.Error("a table has no caption")
			}
		case xml.EndElement:
			open = open[:len(open)-1]
			if x.Name.Local != "b" {
				text.WriteByte('\n')
			}
		case xml.CharData:
			if in := open; len(in) > 0 && in[len(in)-1] != "style" {
				text.Write(x)
				if last := in[len(in)-1]; slices.Contains(in, "svg") && strings.TrimSpace(string(x)) != "" {
					words[last]++
				}
			}
		}
	}
	for id, by := range named {
		if !ids[id] {
			t.Errorf("a %s refers to %q, which is not there", by, id)
		}
	}
	if n := doc.elements["svg"]; words["desc"] != n || words["title"] != n {
		t.Errorf("%d drawings, %v words", n, words)
	}
	doc.text = strings.Join(strings.Fields(strings.ReplaceAll(text.String(), "\u00a0", " ")), " ")
	return doc
}

func (d *document) wants(t testing.TB, list ...string) {
	t.Helper()
	for _, s := range list {
		if !strings.Contains(d.text, s) {
			t.Errorf("the page does not say %q", s)
		}
	}
}

func TestPageNamesEverything(t *testing.T) {
	for _, n := range []int{1, 2, 45} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := large(n, 120)
			page := render(t, r)
			doc := read(t, page)
			doc.wants(t, fiveModels...)
			for _, s := range r.Series {
				doc.wants(t, string(s.Series))
			}
			doc.wants(t, "Nothing here is investment advice", "abc123", "9.9", "2026-03-02 12:00 UTC", "first 500 bars", "every 20 bars", "1 and 5 bars ahead")
			if doc.elements["h1"] != 1 || doc.elements["svg"] < 10 {
				t.Errorf("elements: %v", doc.elements)
			}
			if strings.Contains(doc.text, "Simulated") {
				t.Error("real series are called simulated")
			}
			if render(t, r) != page {
				t.Error("the same report gives two pages")
			}
			if len(page) > 1_500_000 {
				t.Errorf("%d series take %d bytes", n, len(page))
			}
		})
	}
}

// A report that was stored gives the same page.
func TestPageOfAStoredReport(t *testing.T) {
	r := sample(3)
	r.Results[0].DMP, r.Results[0].EValue = backtest.Number(math.NaN()), backtest.Number(math.NaN())
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var stored backtest.Report
	if err := json.Unmarshal(b, &stored); err != nil {
		t.Fatal(err)
	}
	if render(t, r) != render(t, &stored) {
		t.Error("the page changes when the report is stored")
	}
}

func TestPageSays(t *testing.T) {
	none := []float64{0, -0.02, -0.004, -0.01, -0.001}
	for name, c := range map[string]struct {
		report func() *backtest.Report
		want   []string
		never  []string
	}{
		"one series, better": {func() *backtest.Report { return sample(1) },
			[]string{"Backtest of file:S00@1d", "Better than naive: auto had the lowest CRPS, 2.0 % below naive’s, more than luck explains", "The evidence is what it is", "gives p = 0.030", "90.1 % held the outcome, as promised", "about as good as naive’s", "Not below naive’s CRPS: ewma (−2.0 %)"},
			[]string{"All series together", "Left out", "kept silent"}},
		"one series, no skill": {func() *backtest.Report {
			r := sample(1)
			r.Results[4].Verdict = score.NoSkill
			return r
		}, []string{"No skill shown: auto had the lowest CRPS, 2.0 % below naive’s, which luck may explain"}, nil},
		"one series, too early": {func() *backtest.Report {
			r := sample(1)
			r.Results[4].Verdict = score.NotJudgedYet
			return r
		}, []string{"Not judged yet: auto had the lowest CRPS"}, nil},
		"nothing beats naive": {func() *backtest.Report { return report(1, 20, []int{1}, fiveModels, none) },
			[]string{"No skill shown: no model had a lower CRPS than naive", "Not below naive’s CRPS: ewma (−2.0 %), garch (−0.4 %)", "1 bar ahead: naive lowest"}, []string{"may explain"}},
		"several series": {func() *backtest.Report { return sample(3) },
			[]string{"Backtest of 3 series", "auto had the lowest CRPS, 2.0 % below naive’s; on 2 of 3 series the evidence that it differs outlasts", "better than naive on 3", "It lost to naive on none", "(90 % model confidence set): auto", "furthest from 90 % it was 87.0 %", "▼ worse on 3", "S00 −2.00"}, nil},
		"several series, none after correction": {func() *backtest.Report {
			r := sample(3)
			r.Pooled[4].Discoveries = 0
			return r
		}, []string{"No skill shown: auto had the lowest CRPS, 2.0 % below naive’s, but on no series"}, nil},
		"a loss": {func() *backtest.Report {
			r := sample(3)
			r.Results[4].CRPS = 0.95
			return r
		}, []string{"It lost to naive on 1: S00"}, nil},
		"naive may be the best": {func() *backtest.Report {
			r := sample(2)
			r.Pooled[0].ConfidenceSet = true
			return r
		}, []string{"confidence set): naive, auto", "not ruled out"}, nil},
		"intervals too wide": {func() *backtest.Report {
			r := sample(1)
			r.Results[4].Coverage90 = 0.95
			return r
		}, []string{"95.0 % held the outcome, more than promised: they are clearly too wide"}, nil},
		"intervals too narrow": {func() *backtest.Report {
			r := sample(1)
			r.Results[4].Coverage90 = 0.883
			return r
		}, []string{"88.3 % held the outcome, fewer than promised: they are a little too narrow"}, nil},
		"points better": {func() *backtest.Report {
			r := sample(1)
			r.Results[4].MAE = 1.4
			return r
		}, []string{"MASE of its point forecasts is 6.7 % below", "not tested"}, nil},
		"points worse": {func() *backtest.Report {
			r := sample(1)
			r.Results[4].MAE = 1.65
			return r
		}, []string{"worse than naive’s", "10.0 % above"}, nil},
		"all simulated": {func() *backtest.Report {
			r := sample(1)
			r.Series[0].Simulated = true
			return r
		}, []string{"Simulated data", "made up by a program"}, nil},
		"some simulated": {func() *backtest.Report {
			r := sample(8)
			r.Series[1].Simulated = true
			return r
		}, []string{"Simulated data", "not a market: file:S01@1d. The figures over all series include that"}, nil},
		"silence": {func() *backtest.Report {
			r := sample(2)
			r.Results[2].Abstained, r.Results[2].N, r.Results[2].Detail.Reason = 700, 1299, "the window is too short"
			r.Results[2].CRPS = 0.1
			r.Pooled[2].N = 3298
			return r
		}, []string{"Where models kept silent", "700 1,299 the window is too short", "garch (fewer)", "Not compared, because not judged wherever naive was: garch"}, []string{"garch had the lowest"}},
		"skipped": {func() *backtest.Report {
			r := sample(1)
			r.Series = append(r.Series, backtest.Walked{Series: "file:NEW@1d", File: "new.csv", Bars: 90, Skipped: "90 bars are too few"})
			return r
		}, []string{"Left out", "file:NEW@1d", "90 bars are too few"}, nil},
		"a span": {func() *backtest.Report {
			r := sample(1)
			from, to := 3*dayLong, 9*dayLong
			r.Protocol.From, r.Protocol.To, r.Protocol.Last = &from, &to, 2500
			return r
		}, []string{"before 1970-01-04", "at 1970-01-10 or later", "newest 2,500 bars"}, nil},
		"one name in two files": {func() *backtest.Report {
			r := sample(2)
			for i := range r.Results {
				r.Results[i].Series = "file:S00@1d"
			}
			r.Series[1].Series = "file:S00@1d"
			return r
		}, []string{"s00.csv", "s01.csv", "s01 +2.10"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			doc := read(t, render(t, c.report()))
			doc.wants(t, c.want...)
			for _, s := range c.never {
				if strings.Contains(doc.text, s) {
					t.Errorf("the page says %q", s)
				}
			}
		})
	}
}

func TestPageEscapes(t *testing.T) {
	const evil = `</title></svg><script>alert("1")</script>&amp;'`
	for name, change := range map[string]func(r *backtest.Report){
		"series": func(r *backtest.Report) {
			for i := range r.Results {
				r.Results[i].Series = evil
			}
			r.Series[0].Series = evil
		},
		"model": func(r *backtest.Report) {
			for i := range r.Results {
				if r.Results[i].Model == "auto" {
					r.Results[i].Model = evil
				}
			}
			for i := range r.Pooled {
				if r.Pooled[i].Model == "auto" {
					r.Pooled[i].Model = evil
				}
			}
		},
		"texts": func(r *backtest.Report) {
			r.Protocol.Version, r.Protocol.CRPS, r.Protocol.Digest, r.Protocol.Note = evil, evil, evil, evil
			r.Results[2].Abstained, r.Results[2].Detail.Reason, r.Results[2].Detail.Why = 1, evil, evil
			r.Series[0].Head = evil
		},
		"file": func(r *backtest.Report) {
			for i := range r.Results {
				r.Results[i].File = evil
			}
			r.Series[0].File, r.Series[0].Skipped = evil, evil
		},
	} {
		for _, n := range []int{1, 2, 7} {
			t.Run(fmt.Sprintf("%s of %d", name, n), func(t *testing.T) {
				r := small(n)
				change(r)
				doc := read(t, render(t, r))
				if doc.elements["script"] > 0 {
					t.Error("a script got in")
				}
				doc.wants(t, evil)
			})
		}
	}
}

func TestPageOfPoorReports(t *testing.T) {
	nan := backtest.Number(math.NaN())
	for name, r := range map[string]*backtest.Report{
		"empty":         {},
		"only skipped":  {Series: []backtest.Walked{{Series: "file:X@1d", Skipped: "too short"}}},
		"no detail":     {Results: []backtest.Result{{Series: "file:X@1d", Model: "naive", Horizon: 1, N: 5, CRPS: 1}, {Series: "file:X@1d", Model: "m", Horizon: 1, N: 5, CRPS: 2}}},
		"no naive":      {Results: []backtest.Result{{Series: "file:X@1d", Model: "m", Horizon: 1, N: 5, CRPS: 2, Detail: &backtest.Detail{}}}},
		"nothing known": {Results: []backtest.Result{{Series: "file:X@1d", Model: "naive", Horizon: 1, CRPS: nan, Coverage90: nan, Width90: nan, Coverage90ByRegime: [3]backtest.Number{nan, nan, nan}, MAE: nan, MASE: nan, Skill: nan, DMP: nan, EValue: nan, Detail: &backtest.Detail{IntervalScore: nan}}}},
		"other lengths": {Results: []backtest.Result{{Series: "file:X@1d", Model: "naive", Horizon: 1, N: 9, CRPS: 1, Detail: &backtest.Detail{Reliability: []backtest.Number{1, nan}, PIT: []int{0}, Curve: []backtest.CurveDot{{Skill: nan, Recent: nan}}, Best: make([]backtest.FanBar, 1), Worst: []backtest.FanBar{{Actual: nan, Quantiles: [5]backtest.Number{1, 2, 3, 4, nan}}}}}}},
	} {
		t.Run(name, func(t *testing.T) { read(t, render(t, r)) })
	}
}

// Whatever the figures are, the page is one, and says nothing that is not a number.
func TestPageOfAnyReport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Custom(func(t *rapid.T) backtest.Number {
			return backtest.Number(rapid.OneOf(rapid.Float64Range(-2, 2), rapid.Float64(), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, -1e300, 5e-324})).Draw(t, "number"))
		})
		r := small(rapid.SampledFrom([]int{1, 2, 7}).Draw(t, "series"))
		some := func(name string, p *backtest.Number) {
			if rapid.IntRange(0, 3).Draw(t, name) == 0 {
				*p = number.Draw(t, name)
			}
		}
		for i := range r.Results {
			x := &r.Results[i]
			for _, p := range []*backtest.Number{&x.CRPS, &x.Coverage90, &x.Width90, &x.Coverage90ByRegime[1], &x.MAE, &x.Skill, &x.DMP, &x.EValue, &x.Detail.Reliability[3], &x.Detail.Curve[7].Skill, &x.Detail.Curve[19].Recent} {
				some("figure", p)
			}
			if len(x.Detail.Best) > 0 {
				some("close", &x.Detail.Best[3].Actual)
				some("quantile", &x.Detail.Best[4].Quantiles[2])
			}
			x.Model = rapid.SampledFrom([]string{x.Model, "<&\"'>", "a\u00a0b"}).Draw(t, "model")
			x.N = rapid.SampledFrom([]int{x.N, 0, 1}).Draw(t, "n")
		}
		for i := range r.Pooled {
			some("ratio", &r.Pooled[i].CRPSRatio)
			some("coverage", &r.Pooled[i].Coverage90ByRegime[2])
		}
		var b bytes.Buffer
		if err := r.HTML(&b); err != nil {
			t.Fatal(err)
		}
		if m := found(b.String(), notNumbers); m != "" {
			t.Fatalf("the page says %q", m)
		}
		for d := xml.NewDecoder(&b); ; {
			if _, err := d.RawToken(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestPageSaysThatItCannotWrite(t *testing.T) {
	if err := sample(1).HTML(full{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("got %v", err)
	}
}

// full is a writer with no room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
