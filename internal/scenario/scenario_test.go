package scenario_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestScenarios(t *testing.T) {
	testscript.Run(t, params("testdata"))
}

type worldKey struct{}

func params(dir string) testscript.Params {
	p := testscript.Params{Dir: dir, RequireUniqueNames: true, Cmds: map[string]func(*testscript.TestScript, bool, []string){}}
	p.Setup = func(e *testscript.Env) error {
		e.Values[worldKey{}] = &world{}
		return nil
	}
	for name, run := range commands {
		p.Cmds[name] = func(ts *testscript.TestScript, not bool, args []string) {
			w := ts.Value(worldKey{}).(*world)
			w.out, w.file = ts.Stdout(), ts.ReadFile
			err := run(w, args)
			var refusal *refused
			switch {
			case not && errors.As(err, &refusal):
				fmt.Fprintln(ts.Stderr(), err)
			case not && err == nil:
				ts.Fatalf("expected that %s is refused, found that it is accepted", name)
			default:
				ts.Check(err)
			}
		}
	}
	return p
}

// TestScenariosExplainThemselves wants a comment at the top of each: what it is about and
// where its numbers come from.
func TestScenariosExplainThemselves(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d scenarios, %v", len(files), err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		script, _, _ := strings.Cut(string(b), "\n-- ")
		lines := strings.Split(strings.TrimSpace(script), "\n")
		if len(lines) < 5 || !strings.HasPrefix(lines[0], "# ") || !strings.HasPrefix(lines[1], "# ") {
			t.Errorf("%s: no comment of two lines or more at its beginning", f)
		}
		if len(lines) > 60 {
			t.Errorf("%s: %d lines; a scenario is about one thing, in 60 lines or fewer", f, len(lines))
		}
	}
}

// recorder is a testscript.T that remembers how a script failed.
type recorder struct{ log strings.Builder }

var errStopped = errors.New("stopped")

func (r *recorder) Skip(...any)                        { panic(errStopped) }
func (r *recorder) Fatal(a ...any)                     { r.Log(a...); panic(errStopped) }
func (r *recorder) FailNow()                           { panic(errStopped) }
func (r *recorder) Log(a ...any)                       { fmt.Fprintln(&r.log, a...) }
func (r *recorder) Parallel()                          {}
func (r *recorder) Verbose() bool                      { return false }
func (r *recorder) Run(_ string, f func(testscript.T)) { f(r) }

// run runs a script and returns what it logged, ok false when it failed.
func run(t *testing.T, script string) (log string, ok bool) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "case.txtar"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	var r recorder
	func() {
		defer func() {
			switch p := recover(); p {
			case nil:
				ok = true
			case errStopped:
			default:
				panic(p)
			}
		}()
		testscript.RunT(&r, params(dir))
	}()
	return r.log.String(), ok
}

// zigzag is a race that has been going on for a while: naive forecasts from a close of 100,
// and the bar after it closed at 101.
const zigzag = `series test:ZIGZAG@1d horizons=1
models naive
history returns 1% -1% times=20
closes 100
closes 101
`

// TestWrongExpectationsFail plants an error in line 6 of a scenario: it must fail there, and
// say what was expected and what was found.
func TestWrongExpectationsFail(t *testing.T) {
	if log, ok := run(t, zigzag+"expect score naive h1 actual=101 error=1.0 hit=yes\n"); !ok {
		t.Fatal(log)
	}
	for _, c := range []struct{ line, want string }{
		{"expect score naive h1 error=1.5", "expected error=1.5, found error=1, in the score of naive h1 for 2020-02-11"},
		{"expect score naive h1 actual=101 error=1.5 hit=no", "expected error=1.5 hit=no, found error=1 hit=yes"},
		{"expect score naive h1 error=1.0001", "expected error=1.0001, found error=1"},
		{"expect score ewma h1 error=1", "expected a score of ewma h1, found scores of naive h1"},
		{"expect score naive h2", "expected a score of naive h2, found scores of naive h1"},
		{"expect score naive h1 mistake=1", `unknown field "mistake" of score; choose from`},
		{"expect forecast naive h1 point=100.0", "expected point=100.0, found point=101, in the forecast of naive h1 for 2020-02-12"},
		{"expect forecast naive h1 q50=90.5", "expected q50=90.5, found q50=101"},
		{"expect forecast naive h1 late=yes", "expected late=yes, found late=no"},
		{"expect outcome 2020-02-11 close=100", "expected close=100, found close=101, in the outcome of 2020-02-11"},
		{"expect outcome 2020-02-12", "expected an outcome of 2020-02-12, found the outcomes of 2020-02-11"},
		{"expect void 2020-02-11", "expected a void target 2020-02-11, found none"},
		{"expect gap bars=1", "expected a gap, found none"},
		{"expect break", "expected a break, found none"},
		{"expect abstention naive", "expected an abstention of naive, found none"},
		{"expect none score", "expected no score, found 1: naive h1 for 2020-02-11"},
		{"expect none", "expected nothing, found 1 forecast, 1 outcome, 1 score"},
		{"expect summary naive h1 all n=2", "expected n=2, found n=1, in the summary of naive h1"},
		{"expect coverage naive h1 90% held=0", "expected held=0, found held=1"},
		{"expect verdict naive h1 text='better than naive'", "expected text='better than naive', found text='not judged yet'"},
		{"expect miracle", `unknown expectation "miracle"; choose from abstention, break`},
		{"closes", "closes: needs prices"},
		{"closes abc", `closes: "abc" is not a number`},
		{"closes -1", "refused: "},
		{"bar 2020-01-01 1 1 1 1", "comes after 2020-02-11: revise changes a bar that was"},
		{"revise 2021-01-01 5", "no bar of 2021-01-01"},
		{"! closes 100", "expected that closes is refused, found that it is accepted"},
		{"same engine", ""}, // holds
		{"forecast", "unknown command"},
	} {
		t.Run(c.line, func(t *testing.T) {
			log, ok := run(t, zigzag+c.line+"\n")
			if c.want == "" {
				if !ok {
					t.Error(log)
				}
				return
			}
			if ok {
				t.Fatal("it passes")
			}
			if !strings.Contains(log, "case.txtar:6: ") || !strings.Contains(log, c.want) {
				t.Errorf("want line 6 and %q in\n%s", c.want, log)
			}
		})
	}
}

// TestReadme keeps README.md and the language in step: each command and each expectation has a
// row, there are no others, and the examples, read from top to bottom, are a scenario that
// holds.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	documented, explained := map[string]bool{}, map[string]string{}
	var script strings.Builder
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		name, word := strings.CutPrefix(strings.TrimSpace(cells[0]), "`")
		if !strings.HasPrefix(line, "| ") || !word || len(cells) != 3 {
			continue
		}
		name, _, _ = strings.Cut(strings.TrimSuffix(name, "`"), " ")
		example := strings.ReplaceAll(strings.Trim(strings.TrimSpace(cells[2]), "`"), "`<br>`", "\n")
		shown := name
		if kind, _, _ := strings.Cut(strings.TrimPrefix(strings.Trim(strings.TrimSpace(cells[0]), "`"), "expect "), " "); name == "expect" && kind != "WHAT" {
			explained[kind] = cells[1]
			shown = "expect " + kind
		}
		if !slices.ContainsFunc(strings.Split(example, "\n"), func(l string) bool { return strings.HasPrefix(l, shown) || strings.HasPrefix(l, "history "+shown) }) {
			t.Errorf("the example of %s is %q", shown, example)
		}
		documented[name] = true
		fmt.Fprintln(&script, example)
	}
	if got, want := names(documented), names(commands); got != want {
		t.Errorf("README.md has the commands %s; there are %s", got, want)
	}
	if got, want := names(explained), names(expectations); got != want {
		t.Errorf("README.md has the expectations %s; there are %s", got, want)
	}
	for kind, e := range expectations {
		for _, f := range strings.Fields(e.fields) {
			if !strings.HasPrefix(f, "q") && !strings.Contains(explained[kind], "`"+f+"`") {
				t.Errorf("README.md does not say that expect %s knows the field %s", kind, f)
			}
		}
	}
	_, file, _ := strings.Cut(string(b), "```csv\n")
	file, _, _ = strings.Cut(file, "```")
	if log, ok := run(t, script.String()+"-- june.csv --\n"+file); !ok {
		t.Errorf("the examples of README.md do not hold:\n%s", log)
	}
}
