package catalog_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/catalog"
)

// constructor is what makes a model of the table: a function of a package of forecast/, or one
// of the catalog itself.
type constructor struct {
	dir, name string
}

// constructors reads the functions that the entries of Models call, from their source.
func constructors(t *testing.T, source any) (list []constructor) {
	file, err := parser.ParseFile(token.NewFileSet(), "models.go", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	folders := map[string]string{}
	for _, i := range file.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		if _, below, ok := strings.Cut(path, "/foretick/forecast/"); ok {
			folders[filepath.Base(path)] = filepath.Join("..", "..", "forecast", below)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		field, ok := n.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		if key, ok := field.Key.(*ast.Ident); !ok || key.Name != "New" {
			return true
		}
		ast.Inspect(field.Value, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.Ident:
				list = append(list, constructor{".", f.Name})
			case *ast.SelectorExpr:
				list = append(list, constructor{folders[f.X.(*ast.Ident).Name], f.Sel.Name})
			}
			return false
		})
		return false
	})
	return list
}

// tried reports whether a test in file calls the suite, and the constructor of that name.
func tried(t *testing.T, file string, source any, name string) bool {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range parsed.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(f.Name.Name, "Test") {
			continue
		}
		suite, made := false, false
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.Ident:
				made = made || f.Name == name
			case *ast.SelectorExpr:
				pkg, _ := f.X.(*ast.Ident)
				suite = suite || pkg != nil && pkg.Name == "forecasttest" && f.Sel.Name == "Exercise"
				made = made || f.Sel.Name == name
			}
			return true
		})
		if suite && made {
			return true
		}
	}
	return false
}

// Every model of the table is tried by the suite, in a test of its own package.
func TestEveryModelIsTried(t *testing.T) {
	list := constructors(t, nil)
	if len(list) != len(catalog.Models) {
		t.Fatalf("found what makes %d of %d models: %v", len(list), len(catalog.Models), list)
	}
	for i, c := range list {
		name := catalog.Models[i].New().Name()
		files, err := filepath.Glob(filepath.Join(c.dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range files {
			found = found || tried(t, f, nil, c.name)
		}
		if !found {
			t.Errorf("no test of %s calls forecasttest.Exercise for %s, which %s makes", c.dir, name, c.name)
		}
	}
}

// A call that is missing is missed: one of another function, in another test, or in none.
func TestTriedIsStrict(t *testing.T) {
	const head = "package x\nimport \"forecasttest\"\n"
	for source, want := range map[string]bool{
		"func TestIt(t *testing.T) { forecasttest.Exercise(t, forecasttest.Case{Model: New()}) }":                   true,
		"func TestIt(t *testing.T) { m := x.New(); t.Run(``, func(t *testing.T) { forecasttest.Exercise(t, m) }) }": true,
		"func TestIt(t *testing.T) { forecasttest.Exercise(t, forecasttest.Case{Model: NewOther()}) }":              false,
		"func TestIt(t *testing.T) { New() }\nfunc TestOther(t *testing.T) { forecasttest.Exercise(t, m) }":         false,
		"func helper(t *testing.T) { forecasttest.Exercise(t, forecasttest.Case{Model: New()}) }":                   false,
		"func TestIt(t *testing.T) { venuetest.Exercise(t, New()) }":                                                false,
	} {
		if got := tried(t, "x_test.go", head+source, "New"); got != want {
			t.Errorf("%s\nis a call of the suite for New: %t, want %t", source, got, want)
		}
	}
	models := `package catalog
import ("github.com/foretick/foretick/forecast/ar"; "github.com/foretick/foretick/forecast/naive")
var Models = []Model{
	{New: func() forecast.Forecaster { return naive.New() }, Default: true},
	{New: func() forecast.Forecaster { return ar.NewOther() }},
	{New: func() forecast.Forecaster { return NewAuto(nil) }},
}`
	want := []constructor{{filepath.Join("..", "..", "forecast", "naive"), "New"}, {filepath.Join("..", "..", "forecast", "ar"), "NewOther"}, {".", "NewAuto"}}
	got := constructors(t, models)
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("read %v, want %v", got, want)
		}
	}
}
