// Package foretick_test keeps the arrows between packages from turning back.
package foretick_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/foretick/foretick/"

// layers names, for each package or family, which of Foretick's own packages it may
// import. "x/..." stands for x and everything below it. A new package belongs in
// this table, and in the drawing of ARCHITECTURE.md.
var layers = []struct {
	pkg  string
	uses []string
}{
	{"market", nil},
	{"forecast", []string{"market"}},
	{"forecast/rangevar", []string{"market", "forecast"}}, // what models are made of
	{"forecast/residual", []string{"market", "forecast"}},
	{"forecast/feature", []string{"market", "forecast"}},
	{"forecast/conformal", []string{"market", "forecast"}},
	{"forecast/auto", []string{"market", "forecast", "forecast/conformal"}},
	{"forecast/neural/kernel/...", nil},
	{"forecast/neural", []string{"market", "forecast", "forecast/rangevar", "forecast/residual", "forecast/feature", "forecast/neural/kernel"}},
	{"forecast/...", []string{"market", "forecast", "forecast/rangevar", "forecast/residual", "forecast/feature"}},
	{"score", []string{"market", "forecast"}},
	{"ledger", []string{"market", "forecast"}},
	{"track", []string{"market", "forecast", "score", "ledger"}},

	{"internal/feed", []string{"market"}},
	{"internal/feed/csv", []string{"market", "internal/feed"}},
	{"internal/feed/replay", []string{"market", "internal/feed", "internal/feed/csv"}}, // both read recorded files
	{"internal/feed/venue", []string{"market", "internal/feed"}},                       // what venues have in common
	{"internal/feed/venue/venuetest", []string{"market", "internal/feed", "internal/feed/feedtest", "internal/feed/venue"}},
	{"internal/feed/kraken/krakentest", []string{"market", "internal/feed/venue/venuetest"}},
	{"internal/feed/...", []string{"market", "internal/feed", "internal/feed/venue"}},
	{"internal/bus", nil},
	{"internal/bus/...", []string{"internal/bus"}},
	{"internal/store", []string{"market", "forecast", "score", "ledger", "internal/feed"}},
	{"internal/store/postgres/pgtest", nil},
	{"internal/store/rollup", []string{"market", "internal/store"}}, // both stores keep candles
	{"internal/store/...", []string{"market", "forecast", "score", "ledger", "internal/feed", "internal/store", "internal/store/rollup"}},
	{"internal/tracing", []string{"market"}},
	{"internal/ingest", []string{"market", "internal/feed", "internal/store", "internal/bus", "internal/tracing", "ledger"}},
	{"internal/engine", []string{"market", "forecast", "score", "ledger", "track", "internal/store", "internal/bus", "internal/tracing"}},
	{"internal/disk", nil},
	{"internal/guard", []string{"market", "ledger", "internal/disk", "internal/store"}},
	{"internal/inputs", []string{"market", "ledger", "track", "internal/store"}},
	{"internal/bundle", []string{"market", "ledger", "internal/store"}},
	{"internal/upkeep", []string{"market", "internal/store"}},
	{"internal/modelfile", nil},
	{"internal/desk", []string{"market", "internal/store"}},
	{"internal/registry", []string{"market", "forecast", "forecast/neural", "internal/modelfile", "internal/store"}},
	{"internal/training", []string{"market", "forecast", "forecast/neural", "internal/desk", "internal/store"}},
	{"internal/backtest", []string{"market", "forecast", "score", "ledger", "track", "internal/store", "internal/desk"}},
	{"internal/archive", []string{"market", "forecast", "score", "ledger", "internal/store"}},
	{"internal/api", []string{"market", "forecast", "forecast/neural", "score", "ledger", "internal/feed", "internal/store", "internal/bus", "internal/tracing", "internal/backtest", "internal/desk", "internal/registry", "internal/training"}},
	{"internal/catalog", []string{"market", "forecast/...", "internal/feed/...", "internal/store/...", "internal/bus/..."}},
	{"internal/onnx/...", []string{"market", "forecast", "forecast/residual"}},
	{"web", nil},
	{"internal/app", []string{"market", "forecast/...", "score", "ledger", "track", "internal/...", "web"}},
	{"cmd/foretick", []string{"market", "forecast", "forecast/rangevol", "forecast/neural", "score", "ledger", "track", "internal/...", "web"}},
	{"internal/testdata", nil},
	{"internal/marketgen", []string{"market"}},
	{"deploy/internal/...", nil},
	{"deploy/...", []string{"deploy/internal/..."}},
	{"bench/venue", []string{"market", "internal/feed/venue/venuetest", "internal/feed/kraken/krakentest"}},
	{"bench/...", nil},
	{"tools/...", nil},
}

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestArrowsNeverTurnBack(t *testing.T) {
	for _, p := range packages(t) {
		name, own := strings.CutPrefix(p.ImportPath, module)
		if !own {
			continue
		}
		i := slices.IndexFunc(layers, func(l struct {
			pkg  string
			uses []string
		}) bool {
			return within(name, l.pkg)
		})
		if i < 0 {
			t.Errorf("%s is in no layer: add it to the table in this test and to ARCHITECTURE.md", name)
			continue
		}
		for _, imp := range p.Imports {
			dep, own := strings.CutPrefix(imp, module)
			if own && dep != name && !slices.ContainsFunc(layers[i].uses, func(u string) bool { return within(dep, u) }) {
				t.Errorf("%s must not import %s", name, dep)
			}
		}
	}
}

// TestPublicPackagesArePure keeps files, network, clocks and third parties out of
// the packages that anyone may import.
func TestPublicPackagesArePure(t *testing.T) {
	banned := []string{"os", "net", "net/http", "log", "log/slog", "database/sql", "unsafe", "syscall"}
	for _, p := range packages(t) {
		name, own := strings.CutPrefix(p.ImportPath, module)
		if !own || strings.Contains(name, "internal/") || strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "deploy/") || strings.HasPrefix(name, "tools/") || strings.HasPrefix(name, "bench/") || name == "web" || strings.HasSuffix(name, "test") {
			continue
		}
		for _, imp := range p.Imports {
			if slices.Contains(banned, imp) {
				t.Errorf("%s imports %s: public packages touch nothing outside themselves", name, imp)
			}
			if strings.Contains(imp, ".") && !strings.HasPrefix(imp, module) && !strings.HasPrefix(imp, "gonum.org/") && imp != "golang.org/x/sys/cpu" {
				t.Errorf("%s imports %s: public packages use the standard library, gonum and golang.org/x/sys/cpu only", name, imp)
			}
		}
	}
}

func TestNamesSaySomething(t *testing.T) {
	for _, p := range packages(t) {
		for _, part := range strings.Split(strings.TrimPrefix(p.ImportPath, module), "/") {
			if slices.Contains([]string{"util", "utils", "common", "types", "manager", "helpers"}, part) {
				t.Errorf("package %s: %q says nothing about what is in it", p.ImportPath, part)
			}
		}
	}
}

// within reports whether name is pattern, or below it when it ends in "/...".
func within(name, pattern string) bool {
	base, below := strings.CutSuffix(pattern, "/...")
	return name == base || below && strings.HasPrefix(name, base+"/")
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}
	var all []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
