//go:build onnx

package app_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/onnx/onnxtest"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

func linear(name string) onnxtest.Graph {
	return onnxtest.Linear(name, 4, 2, func(i, h int) float32 { return 0.1 })
}

// bring parses the command line, with the runtime of the tests in the environment, and opens
// what it names.
func bring(t *testing.T, files map[string]onnxtest.Graph, args ...string) *app.BroughtModels {
	t.Helper()
	if os.Getenv("FORETICK_ONNX_RUNTIME") == "" {
		t.Fatal(`these tests need ONNX Runtime: run "make test-onnx", or set FORETICK_ONNX_RUNTIME to what tools/onnxruntime prints`)
	}
	dir := t.TempDir()
	for name, g := range files {
		if err := os.WriteFile(filepath.Join(dir, name), g.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var flags struct{ app.BroughtModels }
	parser, err := kong.New(&flags, kong.DefaultEnvars("FORETICK"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	return &flags.BroughtModels
}

func TestBroughtModels(t *testing.T) {
	crossing := onnxtest.Spread("crossing", 4, 1, func(h, k int) float32 { return float32(-k) })
	b := bring(t, map[string]onnxtest.Graph{"One.onnx": linear(""), "two, with a comma.onnx": crossing}, "--onnx", "One.onnx", "--onnx", "two, with a comma.onnx")
	models, closeAll, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	if len(models) != 2 || models[0].New().Name() != "one" || models[1].New().Name() != "crossing" || !models[0].Default {
		t.Errorf("%+v", models)
	}
	if d := models[1].Description; !strings.Contains(d, "it reads 4 bars of 5 inputs and gives 23 quantiles 1 bar ahead.") {
		t.Errorf("the description is %q", d)
	}
	w := forecast.NewWindow(market.Day, forecasttest.Walk(1, 200))
	for _, m := range models {
		f, err := m.New().Fit(context.Background(), w)
		if err != nil {
			t.Fatal(err)
		}
		p, err := f.Predict(w, 1)
		if err != nil || p.Quantiles.Validate() != nil {
			t.Errorf("%s: %v, %v", m.New().Name(), p, err)
		}
	}
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)
	if err := closeAll(); err != nil {
		t.Error(err)
	}
	if got := log.String(); !strings.Contains(got, "model=crossing answers=1") || strings.Contains(got, "model=one") {
		t.Errorf("the log says %q", got)
	}
}

func TestBroughtModelsRefused(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]onnxtest.Graph
		args  []string
		says  string
	}{
		{"missing", nil, []string{"--onnx", "none.onnx"}, "none.onnx: no such file"},
		{"a name of the catalog", map[string]onnxtest.Graph{"garch.onnx": linear("")}, []string{"--onnx", "garch.onnx"}, `the name "garch" belongs to a model of Foretick`},
		{"the same name twice", map[string]onnxtest.Graph{"a.onnx": linear("net"), "b.onnx": linear("net")}, []string{"--onnx", "a.onnx", "--onnx", "b.onnx"}, `b.onnx: another file gives the name "net" already`},
		{"a network of another kind", map[string]onnxtest.Graph{"a.onnx": {}}, []string{"--onnx", "a.onnx"}, "it has 0 inputs"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := bring(t, c.files, c.args...)
			models, closeAll, err := b.Open()
			if err == nil || !strings.HasPrefix(err.Error(), "--onnx: ") || !strings.Contains(err.Error(), c.says) || models != nil || closeAll != nil {
				t.Errorf("%d models, %v, want an error that says %q", len(models), err, c.says)
			}
		})
	}
}

// Without files nothing is loaded: there need not be a runtime.
func TestNothingBrought(t *testing.T) {
	b := app.BroughtModels{OnnxRuntime: "/nowhere"}
	models, closeAll, err := b.Open()
	if err != nil || len(models) != 0 {
		t.Fatalf("%d models, %v", len(models), err)
	}
	if err := closeAll(); err != nil {
		t.Error(err)
	}
}

// A network that is brought along to serve races on the series that it follows, and its
// forecasts are sealed.
func TestBroughtModelRaces(t *testing.T) {
	b := bring(t, map[string]onnxtest.Graph{"mine.onnx": linear("mine")}, "--onnx", "mine.onnx")
	path := filepath.Join(t.TempDir(), "walk.csv")
	writeBars(t, path, forecasttest.Walk(1, 120))
	cfg := app.Config{Addr: "127.0.0.1:0", Data: t.TempDir(), Feed: "replay", File: []string{path}, Speed: "max", Instrument: []string{"WALK"}, Interval: "1d", Horizons: 2, Log: "error", BroughtModels: *b}
	finish(t, cfg)
	sealed := map[string]int{}
	for _, r := range stored(t, cfg.Data) {
		for _, e := range r.chain {
			d, err := ledger.Decode(e.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if d.Issue != nil {
				for _, f := range d.Issue.Forecasts {
					sealed[f.Model]++
				}
			}
		}
	}
	if sealed["mine"] < 50 || sealed["naive"] < 50 {
		t.Errorf("forecasts are sealed of %v", sealed)
	}
	more, release, err := app.MoreModels(t.Context(), cfg.Place(), *b)
	if err != nil || len(more) != 1 || more[0].New().Name() != "mine" {
		t.Fatalf("%v, %v", more, err)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
}
