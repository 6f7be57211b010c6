package startstop_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/foretick/foretick/"

// sources run with a channel and are exercised by a suite of their own, feedtest, which calls
// this one: for each, the file with that call.
var sources = map[string]string{
	"internal/feed/sim.Source":      "internal/feed/sim/conform_test.go",
	"internal/feed/replay.Source":   "internal/feed/replay/replay_test.go",
	"internal/feed/venue.Source":    "internal/feed/venue/venuetest/suite.go",
	"internal/feed/venue.Recording": "internal/feed/venue/venuetest/suite.go",
}

// TestEverythingIsExercised finds every type under internal/ that has a method Run with a context
// and an error, its own or that of what it embeds, and fails where no test calls this suite with
// it.
func TestEverythingIsExercised(t *testing.T) {
	tree := readTree(t, "internal")
	ran := tree.exercised()
	runs := tree.runners()
	if len(runs) < 10 {
		t.Errorf("only %d types with Run are found: %v", len(runs), runs)
	}
	for _, name := range runs {
		if file, isSource := sources[name]; isSource {
			if f := tree.files[file]; f == nil || !calls(f, "feedtest", "Exercise", "StartStop") {
				t.Errorf("%s: %s does not call feedtest.Exercise", name, file)
			}
			continue
		}
		if !ran[name] {
			short := name[strings.LastIndexByte(name, '/')+1:]
			t.Errorf("%s has Run, and no test calls startstop.Exercise(t, (*%s).Run, ...)", name, short)
		}
	}
	for name := range sources {
		if !slices.Contains(runs, name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// tree is the source under a folder, by path from the root of the module.
type tree struct{ files map[string]*ast.File }

func readTree(t *testing.T, dir string) *tree {
	t.Helper()
	const root = "../.."
	all := &tree{map[string]*ast.File{}}
	set := token.NewFileSet()
	err := filepath.WalkDir(filepath.Join(root, dir), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") {
			return err
		}
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		all.files[filepath.ToSlash(rel)] = f
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// runners are the types with Run in files that are no tests.
func (all *tree) runners() []string {
	found := map[string]bool{}
	embeds := map[string][]string{} // what a struct embeds
	for file, f := range all.files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "Run" && d.Recv != nil && takesContext(d.Type) {
					found[typeName(f, file, d.Recv.List[0].Type)] = true
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					ts, ok := s.(*ast.TypeSpec)
					if !ok {
						continue
					}
					// A Run that an unexported type has by chance is for nobody to call.
					if st, ok := ts.Type.(*ast.StructType); ok && ts.Name.IsExported() {
						for _, field := range st.Fields.List {
							if len(field.Names) == 0 {
								name := path.Dir(file) + "." + ts.Name.Name
								embeds[name] = append(embeds[name], typeName(f, file, field.Type))
							}
						}
					}
				}
			}
		}
	}
	for grown := true; grown; {
		grown = false
		for name, parts := range embeds {
			if !found[name] && slices.ContainsFunc(parts, func(p string) bool { return found[p] }) {
				found[name], grown = true, true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// takesContext reports whether a method is Run(ctx context.Context, ...) error.
func takesContext(f *ast.FuncType) bool {
	if len(f.Params.List) == 0 || f.Results == nil || len(f.Results.List) != 1 {
		return false
	}
	ctx, ok := f.Params.List[0].Type.(*ast.SelectorExpr)
	result, isName := f.Results.List[0].Type.(*ast.Ident)
	return ok && ctx.Sel.Name == "Context" && isName && result.Name == "error"
}

// exercised are the types whose Run is handed to the suite.
func (all *tree) exercised() map[string]bool {
	found := map[string]bool{}
	for file, f := range all.files {
		if !strings.HasSuffix(file, "_test.go") {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isCall(call, "startstop", "Exercise", "ExerciseInRealTime") || len(call.Args) != 3 {
				return true
			}
			if run, ok := call.Args[1].(*ast.SelectorExpr); ok && run.Sel.Name == "Run" {
				found[typeName(f, file, run.X)] = true
			}
			return true
		})
	}
	return found
}

func calls(f *ast.File, pkg string, names ...string) (found bool) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		found = found || ok && isCall(call, pkg, names...)
		return !found
	})
	return found
}

func isCall(call *ast.CallExpr, pkg string, names ...string) bool {
	s, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg && slices.Contains(names, s.Sel.Name)
}

// typeName is the name of a type, after the folder of its package: "internal/desk.Desk".
func typeName(f *ast.File, file string, e ast.Expr) string {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return typeName(f, file, e.X)
	case *ast.StarExpr:
		return typeName(f, file, e.X)
	case *ast.IndexExpr:
		return typeName(f, file, e.X)
	case *ast.IndexListExpr:
		return typeName(f, file, e.X)
	case *ast.Ident:
		return path.Dir(file) + "." + e.Name
	case *ast.SelectorExpr:
		x, ok := e.X.(*ast.Ident)
		if !ok {
			return ""
		}
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err == nil && (i.Name == nil && path.Base(name) == x.Name || i.Name != nil && i.Name.Name == x.Name) {
				return strings.TrimPrefix(name, module) + "." + e.Sel.Name
			}
		}
	}
	return ""
}

// TestBoundsAreTested looks whether the tests that ARCHITECTURE.md names for the bounds of
// background work are there.
func TestBoundsAreTested(t *testing.T) {
	doc, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(doc), "\n## Background work\n")
	if !found {
		t.Fatal("ARCHITECTURE.md has no section on background work")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	have := map[string]bool{}
	for _, dir := range []string{"internal", "score"} {
		for file, f := range readTree(t, dir).files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
					have[fn.Name.Name], have[path.Base(path.Dir(file))+"."+fn.Name.Name] = true, true
				}
			}
		}
	}
	names := regexp.MustCompile("`((?:\\w+\\.)?(?:Test|StartStop)\\w*)`").FindAllStringSubmatch(section, -1)
	if len(names) < 10 {
		t.Errorf("only %d tests are named", len(names))
	}
	for _, n := range names {
		if !have[n[1]] {
			t.Errorf("ARCHITECTURE.md names %s, which is not there", n[1])
		}
	}
}
