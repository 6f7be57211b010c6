// Package foretick_test holds the repository as a whole to its rules: the arrows between
// packages never turn back, and ARCHITECTURE.md and CONTRIBUTING.md say what is there.
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

type goPackage struct {
	ImportPath string
	Imports    []string
}

func TestArrowsNeverTurnBack(t *testing.T) {
	used := map[string]map[string]bool{} // by layer
	for _, p := range packages(t) {
		name, own := strings.CutPrefix(p.ImportPath, module)
		if !own {
			continue
		}
		l := layerOf(name)
		if l == nil {
			t.Errorf("%s is in no layer: add it to the table in layers_test.go", name)
			continue
		}
		if used[l.pkg] == nil {
			used[l.pkg] = map[string]bool{}
		}
		for _, imp := range p.Imports {
			dep, own := strings.CutPrefix(imp, module)
			if !own || dep == name {
				continue
			}
			i := slices.IndexFunc(l.uses, func(u string) bool { return within(dep, u) })
			if i < 0 {
				t.Errorf("%s must not import %s", name, dep)
				continue
			}
			used[l.pkg][l.uses[i]] = true
		}
	}
	for _, l := range layers {
		for _, u := range l.uses {
			if used[l.pkg] != nil && !used[l.pkg][u] {
				t.Errorf("%s imports nothing of %s any more: take it out of the table in layers_test.go", l.pkg, u)
			}
		}
	}
}

// layerOf is the layer of a package, nil when there is none.
func layerOf(name string) *layer {
	i := slices.IndexFunc(layers, func(l layer) bool { return within(name, l.pkg) })
	if i < 0 {
		return nil
	}
	return &layers[i]
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
	// A folder called testdata is not in ./...
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...", "./internal/testdata")
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
