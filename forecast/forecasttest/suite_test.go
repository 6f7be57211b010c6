package forecasttest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
)

// sound is a case of plain that the suite finds nothing wrong with.
func sound() Case {
	return Case{Model: plain{}, Series: [][]market.Bar{Walk(9, 1500)}, Least: fewest + 1, Version: "plain/1 ", Docs: "docs/forecasting.md#naive",
		Others:     map[string]forecast.Forecaster{"fewer returns": plain{most: 100}},
		OutOfRange: map[string]forecast.Forecaster{"no returns": plain{most: -1}}}
}

// of is sound with another model.
func of(m forecast.Forecaster) Case {
	c := sound()
	c.Model = m
	return c
}

// The suite finds nothing wrong with a sound model.
func TestSuitePasses(t *testing.T) {
	t.Run("model", func(t *testing.T) { Exercise(t, sound()) })
	t.Run("state", func(t *testing.T) { Exercise(t, of(following{})) })
}

const inside = "FORETICK_BROKEN_MODELS"

// TestSuiteFinds runs the suite on each broken model in another process, and expects it to
// fail there and to say why. One random path is drawn, so that luck has no part in it.
func TestSuiteFinds(t *testing.T) {
	testdata.SkipRaced(t, "a computation in one goroutine")
	faults := map[string]fault{}
	for name, c := range broken {
		m := plain{spoil: c.spoil}
		faults["a model that "+name] = fault{c.says, func(t *testing.T) { Exercise(t, of(m)) }}
		faults["a state that "+name] = fault{c.says, func(t *testing.T) {
			c := sound()
			c.follows(t, following{plain: m}, c.Series[0])
		}}
	}
	for name, c := range brokenStates {
		faults["a state that "+name] = fault{c.says, func(t *testing.T) { Exercise(t, of(following{wrap: c.wrap})) }}
	}
	for name, b := range brokenCases {
		faults["a model that "+name] = fault{b.says, func(t *testing.T) {
			c := sound()
			b.change(&c)
			Exercise(t, c)
		}}
	}
	if os.Getenv(inside) != "" {
		for name, f := range faults {
			t.Run(name, f.run)
		}
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteFinds$", "-test.v", "-rapid.nofailfile", "-rapid.shrinktime=1ns", "-rapid.checks=1")
	cmd.Env = append(os.Environ(), inside+"=yes", "GOGC=400")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("the suite found nothing wrong")
	}
	told := map[string]string{} // what was told of each
	name := ""
	for line := range strings.Lines(string(out)) {
		if run, ok := strings.CutPrefix(line, "=== RUN   TestSuiteFinds/"); ok {
			name, _, _ = strings.Cut(strings.TrimSpace(run), "/")
		}
		told[name] += line
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			_, name, _ := strings.Cut(t.Name(), "/")
			if !strings.Contains(string(out), "--- FAIL: TestSuiteFinds/"+name+" (") {
				t.Fatalf("the suite found nothing wrong:\n%s", told[name])
			}
			if !slices.ContainsFunc(strings.Split(f.says, "|"), func(s string) bool { return strings.Contains(told[name], s) }) {
				t.Errorf("the suite does not say %q:\n%s", f.says, told[name])
			}
		})
	}
}

// fault is what the suite must say of a broken model, one way or another, when it is run on it.
type fault struct {
	says string
	run  func(t *testing.T)
}

// Random paths reach what is rare, too: a hundred of them come again and again to where the
// price stands, or moves as it has not moved for long.
func TestRandomPathsReach(t *testing.T) {
	path := rapid.Custom(func(t *rapid.T) *tape {
		p := newTape(rapid.Uint64().Draw(t, "seed"))
		for range 320 {
			p.walk(sigma)
		}
		drawStretches(t, p)
		return p
	})
	reached := map[string]int{}
	for seed := range 100 {
		w := window(path.Example(seed).bars)
		for name, so := range map[string]bool{
			"20 flat bars":            vol(w, 0, 20) == 0,
			"volatility tripled":      vol(w, 0, 20) > 3*vol(w, 20, 100),
			"volatility of a third":   vol(w, 0, 20) < vol(w, 20, 100)/3,
			"all bars rise":           count(w, 10, func(r float64) bool { return r > 0 }) == 10,
			"up and down in turn":     turns(w, 5) == 5,
			"the high is the low":     newest(w).High == newest(w).Low && ret(w, 0) != 0,
			"a move after a standing": vol(w, 1, 3) == 0 && ret(w, 0) != 0,
		} {
			if so {
				reached[name]++
			}
		}
	}
	t.Log(reached)
	for _, name := range []string{"20 flat bars", "volatility tripled", "volatility of a third", "all bars rise", "up and down in turn", "the high is the low", "a move after a standing"} {
		if reached[name] < 3 {
			t.Errorf("%s: in %d of 100 paths", name, reached[name])
		}
	}
}
