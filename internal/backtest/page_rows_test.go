package backtest_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/backtest"
)

// grid is a table of a page: its caption and the text of its cells.
type grid struct {
	caption string
	rows    [][]string // of the body
}

// grids reads the tables of a page.
func grids(t *testing.T, page string) (list []grid) {
	t.Helper()
	var text strings.Builder
	body, in := false, 0
	for d := xml.NewDecoder(strings.NewReader(page)); ; {
		x, err := d.Token()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		said := func() string {
			return strings.Join(strings.Fields(strings.ReplaceAll(text.String(), "\u00a0", " ")), " ")
		}
		switch x := x.(type) {
		case xml.StartElement:
			switch x.Name.Local {
			case "table":
				list = append(list, grid{})
				in++
			case "tbody":
				body = true
			case "tr":
				if g := &list[len(list)-1]; body {
					g.rows = append(g.rows, nil)
				}
			case "caption", "th", "td":
				text.Reset()
			case "span", "small":
				text.WriteByte(' ')
			}
		case xml.EndElement:
			g := &grid{}
			if in > 0 {
				g = &list[len(list)-1]
			}
			switch x.Name.Local {
			case "caption":
				g.caption = said()
			case "tbody":
				body = false
			case "th", "td":
				if body {
					last := &g.rows[len(g.rows)-1]
					*last = append(*last, said())
				}
			}
		case xml.CharData:
			text.Write(x)
		}
	}
}

// figure reads a number of the page and says how exact it can be: half a unit of its last digit.
func figure(t *testing.T, s string) (value, within float64) {
	t.Helper()
	if s == "–" {
		return math.NaN(), 0
	}
	s = strings.NewReplacer("−", "-", "+", "", ",", "").Replace(s)
	power := 0
	if mantissa, exponent, ok := strings.Cut(s, " × 10"); ok {
		s = mantissa
		exponent = strings.NewReplacer("⁰", "0", "¹", "1", "²", "2", "³", "3", "⁴", "4", "⁵", "5", "⁶", "6", "⁷", "7", "⁸", "8", "⁹", "9", "⁻", "-").Replace(exponent)
		var err error
		if power, err = strconv.Atoi(exponent); err != nil {
			t.Fatalf("%q is no number: %v", s, err)
		}
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("%q is no number: %v", s, err)
	}
	decimals := 0
	if _, rest, ok := strings.Cut(s, "."); ok {
		decimals = len(rest)
	}
	return v * math.Pow10(power), 0.5000001 * math.Pow10(power-decimals)
}

// cells compares the cells of a row with figures; a nil is not compared.
func cells(t *testing.T, where string, row []string, want ...any) {
	t.Helper()
	if len(row) != len(want) {
		t.Fatalf("%s: %d cells, want %d: %q", where, len(row), len(want), row)
	}
	for i, w := range want {
		switch w := w.(type) {
		case nil:
		case string:
			if !strings.HasPrefix(row[i], w) {
				t.Errorf("%s: cell %d says %q, want %q", where, i+1, row[i], w)
			}
		default:
			v, within := figure(t, row[i])
			f, err := strconv.ParseFloat(fmt.Sprint(w), 64)
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(v-f) <= within) && !(v != v && f != f) {
				t.Errorf("%s: cell %d says %q, the report %v", where, i+1, row[i], w)
			}
		}
	}
}

// The page has a row for each row of the report, with its figures as they are, to the last digit that
// it shows: those of every series, those of all together, those that abstained and those left out.
func TestPageHasEveryRow(t *testing.T) {
	for name, paths := range map[string][]string{
		"one":     {"daily/STOCK.csv"},
		"several": {"daily/STOCK.csv", "daily/FX.csv", "close_only/DUST.csv", "daily/INDEX.csv"},
	} {
		t.Run(name, func(t *testing.T) {
			var in []backtest.Input
			for _, path := range paths {
				in = append(in, own(t, path, ""))
			}
			if len(in) > 1 {
				in[1].Bars = in[1].Bars[:321]
			}
			opt := options(2)
			opt.Forecasters = func(string) []forecast.Forecaster {
				return []forecast.Forecaster{naive.New(), ewma.New(), late{naive.New()}}
			}
			r := run(t, backtest.Spec{Last: 900}, opt, in...)
			tables := map[string]grid{}
			page := render(t, r)
			read(t, page)
			for _, g := range grids(t, page) {
				tables[g.caption] = g
			}
			ahead := map[int]string{1: "1 bar ahead", 5: "5 bars ahead"}
			used := map[string]int{}
			next := func(caption string) []string {
				t.Helper()
				g, i := tables[caption], used[caption]
				if used[caption]++; i >= len(g.rows) {
					t.Fatalf("there is no row %d in %q", i+1, caption)
				}
				return g.rows[i]
			}
			label := func(id string) string {
				if len(in) == 1 {
					return id
				}
				return strings.TrimSuffix(strings.TrimPrefix(id, "file:"), "@1d")
			}
			silent := 0
			for i := range r.Results {
				x := &r.Results[i]
				c := x.Coverage90ByRegime
				cells(t, "series", next(label(string(x.Series))+", "+ahead[x.Horizon]), x.Model, x.N, x.CRPS, 100*x.Skill, 100*x.Coverage90, 100*c[0], 100*c[1], 100*c[2],
					x.Width90, x.Detail.IntervalScore, x.MAE, x.MASE, nil, nil, nil)
				if x.Abstained > 0 {
					silent++
					cells(t, "silent", next("Abstentions, with the first reason that a model gave on the series"), label(string(x.Series)), x.Model, x.Horizon, x.Abstained, x.N, x.Detail.Reason)
				}
			}
			if silent == 0 {
				t.Error("no model abstained: nothing is tested")
			}
			for i := range r.Pooled {
				p := &r.Pooled[i]
				if len(in) == 1 {
					break // the page does not say twice what it says of the one
				}
				c := p.Coverage90ByRegime
				set := map[bool]string{true: "yes", false: "no"}[p.ConfidenceSet]
				better, best, worse, found := any(p.Better), any(p.SignificantlyBest), any(p.SignificantlyWorse), any(p.Discoveries)
				if p.Model == "naive" {
					better, best, worse, found = "–", "–", "–", "–"
				}
				cells(t, "pooled", next("Every model over all series, "+ahead[p.Horizon]), p.Model, p.Series, p.N, p.CRPSRatio, better, best, worse, found,
					100*p.Coverage90, 100*c[0], 100*c[1], 100*c[2], 100*p.WorstCoverage90, set)
			}
			for _, s := range r.Series {
				if s.Skipped != "" {
					cells(t, "left out", next("Series that were not walked"), string(s.Series), s.File, s.Bars, s.Skipped)
				}
			}
			for caption, g := range tables {
				if used[caption] != len(g.rows) {
					t.Errorf("%q has %d rows, the report %d", caption, len(g.rows), used[caption])
				}
			}
		})
	}
}
