//go:build onnx

package onnx

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/internal/onnx/onnxtest"
)

// library is the ONNX Runtime of these tests.
func library(t testing.TB) string {
	t.Helper()
	path := os.Getenv("FORETICK_ONNX_RUNTIME")
	if path == "" {
		t.Fatal(`these tests need ONNX Runtime: run "make test-onnx", or set FORETICK_ONNX_RUNTIME to what tools/onnxruntime prints`)
	}
	return path
}

func write(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t testing.TB, g onnxtest.Graph) *Model {
	t.Helper()
	m, err := Open(write(t, "net.onnx", g.Bytes()), library(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func recent(i, h int) float32 { return float32(h) / float32(10+i) }

func fan(h, k int) float32 { return float32(math.Sqrt(float64(h))) * float32(k-11) / 5 }

func TestRealConformance(t *testing.T) {
	for name, g := range map[string]onnxtest.Graph{
		"points":    onnxtest.Linear("", 8, 20, recent),
		"quantiles": onnxtest.Spread("", 6, 20, fan),
	} {
		t.Run(name, func(t *testing.T) {
			forecasttest.Exercise(t, conformance(t, open(t, g)))
		})
	}
}

// The file, its name, version and shape; and a point worked out from the bars.
func TestOpen(t *testing.T) {
	g := onnxtest.Linear("", 3, 2, recent)
	path := write(t, "My_Net.onnx", g.Bytes())
	m, err := Open(path, library(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	sum := sha256.Sum256(g.Bytes())
	if m.Name() != "my-net" || m.Sum() != hex.EncodeToString(sum[:]) || m.Shape() != (Shape{Bars: 3, Inputs: 1, Horizons: 2}) {
		t.Errorf("%s, %s, %+v", m.Name(), m.Sum(), m.Shape())
	}
	bars := daily(t, "STOCK")[:200]
	s, w := follow(t, m, bars, 1, 2)
	v, err := s.Encode()
	if err != nil || !strings.HasPrefix(string(v), "onnx/1 file="+m.Sum()+" runtime=1.") {
		t.Errorf("the version is %q, %v", v, err)
	}
	for h := 1; h <= 2; h++ {
		want := 0.0
		for i := range 3 {
			at := len(bars) - 3 + i
			want += float64(recent(i, h)) * math.Log(bars[at].Close/bars[at-1].Close)
		}
		if p, err := s.Predict(w, h); err != nil || math.Abs(p.Point-want) > 1e-7 {
			t.Errorf("horizon %d: %v, %v, want %v", h, p.Point, err, want)
		}
	}
}

// An LSTM that PyTorch 1.13.1 wrote answers as PyTorch did (testdata/lstm.py), to the digits of
// float32, and forecasts.
func TestPyTorch(t *testing.T) {
	m, err := Open("testdata/lstm.onnx", library(t))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if want := (Shape{Bars: 8, Inputs: 5, Channels: true, Horizons: 2, Quantiles: true}); m.Shape() != want || m.Name() != "lstm" {
		t.Errorf("%q, %+v, want %+v", m.Name(), m.Shape(), want)
	}
	b, err := os.ReadFile("testdata/lstm.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ In, Out []float32 }
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	out := make([]float32, len(golden.Out))
	if err := m.net.run(out, golden.In); err != nil {
		t.Fatal(err)
	}
	for i, want := range golden.Out {
		if math.Abs(float64(out[i]-want)) > 2e-6*(1+math.Abs(float64(want))) {
			t.Errorf("output %d is %v, PyTorch gives %v", i, out[i], want)
		}
	}
	s, w := follow(t, m, daily(t, "INDEX")[:300], 1, 2, 5)
	for h, want := range map[int]error{1: nil, 2: nil, 5: forecast.ErrTooShort} {
		p, err := s.Predict(w, h)
		if !errors.Is(err, want) || p.Quantiles.Validate() != nil {
			t.Errorf("horizon %d: %v, %v", h, p, err)
		}
	}
	if m.Sorted() != 0 {
		t.Errorf("%d answers had to be sorted", m.Sorted())
	}
}

// Every shape that the package's comment allows.
func TestShapes(t *testing.T) {
	zeros := func(dims ...int64) onnxtest.Tensor {
		n := int64(1)
		for _, d := range dims {
			n *= d
		}
		return onnxtest.Tensor{Name: "w", Dims: dims, Floats: make([]float32, n)}
	}
	// The output is the mean of the input, times zeros of the output's shape.
	net := func(in onnxtest.Port, rank int, out onnxtest.Port, dims ...int64) onnxtest.Graph {
		in.Name, out.Name = "x", "y"
		axes := []int64{0, 1}
		if rank == 3 {
			axes = append(axes, 2)
		}
		return onnxtest.Graph{Inputs: []onnxtest.Port{in}, Outputs: []onnxtest.Port{out}, Weights: []onnxtest.Tensor{zeros(dims...)},
			Nodes: []onnxtest.Node{
				{Op: "ReduceMean", In: []string{"x"}, Out: []string{"m"}, Attrs: []onnxtest.Attr{{Name: "axes", Ints: axes}, {Name: "keepdims"}}},
				{Op: "Mul", In: []string{"m", "w"}, Out: []string{"y"}}}}
	}
	dims := func(d ...int64) onnxtest.Port { return onnxtest.Port{Dims: d} }
	cases := []struct {
		name  string
		graph onnxtest.Graph
		want  Shape
	}{
		{"a point", net(dims(1, 9), 2, dims(1, 1), 1, 1), Shape{9, 1, false, 1, false}},
		{"quantiles", net(dims(1, 9, 1), 3, dims(1, 23), 1, 23), Shape{9, 1, true, 1, true}},
		{"points", net(dims(1, 9, 5), 3, dims(1, 7, 1), 1, 7, 1), Shape{9, 5, true, 7, false}},
		{"quantiles ahead", net(dims(-1, 1000, 5), 3, dims(1, 3, 23), 1, 3, 23), Shape{1000, 5, true, 3, true}},
		{"an output of dynamic shape", net(dims(1, 9), 2, dims(-1, -1, -1), 1, 4, 23), Shape{9, 1, false, 4, true}},
		{"an output of no stated shape", net(dims(1, 9), 2, onnxtest.Port{Bare: true}, 1, 4, 23), Shape{9, 1, false, 4, true}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if m := open(t, c.graph); m.Shape() != c.want {
				t.Errorf("%+v, want %+v", m.Shape(), c.want)
			}
		})
	}
}

// one is a graph with one operator after another, from x [1, 4] to y.
func one(out onnxtest.Port, weights []onnxtest.Tensor, nodes ...onnxtest.Node) onnxtest.Graph {
	out.Name = "y"
	return onnxtest.Graph{Inputs: []onnxtest.Port{{Name: "x", Dims: []int64{1, 4}}}, Outputs: []onnxtest.Port{out}, Weights: weights, Nodes: nodes}
}

func TestOpenRefuses(t *testing.T) {
	bare := onnxtest.Port{Bare: true}
	good := onnxtest.Linear("", 4, 2, recent)
	badOp := good
	badOp.Nodes = []onnxtest.Node{{Op: "NoSuchOperator", In: []string{"x"}, Out: []string{"y"}}}
	dangling := good
	dangling.Nodes = good.Nodes[1:]
	yes := onnxtest.Tensor{Name: "ratio", Floats: []float32{0.5}}
	cases := []struct {
		name string
		file []byte
		says string
	}{
		{"empty", nil, "not an ONNX model"},
		{"cut off", good.Bytes()[:100], "not an ONNX model"},
		{"noise", []byte(strings.Repeat("\x0a\x02\xff\x01", 50)), "not an ONNX model"},
		{"dynamic length", func() []byte {
			g := good
			g.Inputs = []onnxtest.Port{{Name: "x", Dims: []int64{1, -1}}}
			return g.Bytes()
		}(), "[1, dynamic]"},
		{"unknown operator", badOp.Bytes(), "NoSuchOperator"},
		{"an input that nobody gives", dangling.Bytes(), "product"},
		{"the wrong size within", func() []byte {
			g := good
			g.Weights = []onnxtest.Tensor{{Name: "w", Dims: []int64{3, 2}, Floats: make([]float32, 6)}, good.Weights[1]}
			return g.Bytes()
		}(), "MatMul"},
		{"weights cut off", func() []byte {
			g := good
			g.Weights = []onnxtest.Tensor{{Name: "w", Dims: []int64{4, 2}, Floats: make([]float32, 3)}, good.Weights[1]}
			return g.Bytes()
		}(), "w"},
		{"weights said to be huge", func() []byte {
			g := good
			g.Weights = []onnxtest.Tensor{{Name: "w", Dims: []int64{1 << 40, 1 << 40}, Floats: make([]float32, 3)}, good.Weights[1]}
			return g.Bytes()
		}(), "w"},
		{"an output of another shape than stated", one(bare, nil, onnxtest.Node{Op: "Identity", In: []string{"x"}, Out: []string{"y"}}).Bytes(), "its output has the shape [1 4]; one output of float32 is needed"},
		{"a scalar", one(bare, nil, onnxtest.Node{Op: "ReduceMean", In: []string{"x"}, Out: []string{"y"}, Attrs: []onnxtest.Attr{{Name: "keepdims"}}}).Bytes(), "it does not run"},
		{"dropout that stays on", one(bare, []onnxtest.Tensor{yes, {Name: "hundred", Floats: []float32{100}}, {Name: "w", Dims: []int64{1, 50, 23}, Floats: slices.Repeat([]float32{1}, 50*23)}},
			onnxtest.Node{Op: "ReduceMax", In: []string{"x"}, Out: []string{"most"}, Attrs: []onnxtest.Attr{{Name: "keepdims"}}},
			onnxtest.Node{Op: "Less", In: []string{"most", "hundred"}, Out: []string{"on"}},
			onnxtest.Node{Op: "ReduceMean", In: []string{"x"}, Out: []string{"m"}, Attrs: []onnxtest.Attr{{Name: "axes", Ints: []int64{0, 1}}, {Name: "keepdims"}}},
			onnxtest.Node{Op: "Mul", In: []string{"w", "m"}, Out: []string{"product"}},
			onnxtest.Node{Op: "Dropout", In: []string{"product", "ratio", "on"}, Out: []string{"y"}}).Bytes(), "differently each time"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			m, err := Open(write(t, "net.onnx", c.file), library(t))
			if m != nil || !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want an ErrFile that says %q", err, c.says)
			}
		})
	}
	t.Run("no file", func(t *testing.T) {
		if _, err := Open(filepath.Join(t.TempDir(), "none.onnx"), library(t)); !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	t.Run("a folder", func(t *testing.T) {
		if _, err := Open(t.TempDir(), library(t)); err == nil {
			t.Error("a folder was opened")
		}
	})
}

// A file with bytes changed or missing is opened or refused, and what opens runs or says why
// not. That is ONNX Runtime's own care for the most part.
func TestDamaged(t *testing.T) {
	whole, err := os.ReadFile("testdata/lstm.onnx")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "net.onnx")
	r := rand.New(rand.NewPCG(1, 2))
	opened := 0
	for i := range 20000 {
		b := slices.Clone(whole)
		for range 1 + r.IntN(4) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		if i%4 == 0 {
			b = b[:r.IntN(len(b))]
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Open(path, library(t))
		if err != nil {
			if !errors.Is(err, ErrFile) {
				t.Errorf("file %d: %v", i, err)
			}
			continue
		}
		opened++
		s, w := follow(t, m, forecasttest.Walk(1, 100), 1)
		if p, err := s.Predict(w, 1); err == nil && p.Quantiles.Validate() != nil || err != nil && !errors.Is(err, forecast.ErrDegenerate) {
			t.Errorf("file %d: %v, %v", i, p, err)
		}
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	if opened == 0 || opened == 400 {
		t.Errorf("%d of 400 files were opened", opened)
	}
}

// A network whose output is of another shape for other bars abstains there: it gives each
// positive input, of which the made-up ones that Open asks with hold one.
func TestShapeThatMoves(t *testing.T) {
	g := one(onnxtest.Port{Dims: []int64{1, -1}}, []onnxtest.Tensor{{Name: "zero", Floats: []float32{0}}, {Name: "axes", Dims: []int64{1}, Ints: []int64{0}}},
		onnxtest.Node{Op: "Greater", In: []string{"x", "zero"}, Out: []string{"up"}},
		onnxtest.Node{Op: "Squeeze", In: []string{"up", "axes"}, Out: []string{"which"}},
		onnxtest.Node{Op: "Compress", In: []string{"x", "which"}, Out: []string{"y"}, Attrs: []onnxtest.Attr{{Name: "axis", Int: 1}}})
	m := open(t, g)
	for i, c := range []struct {
		in   []float32
		want error
	}{{[]float32{-1, -2, 3, -4}, nil}, {[]float32{1, -2, 3, 4}, errors.New("shape")}, {[]float32{-1, -2, -3, -4}, errors.New("shape")}} {
		out := make([]float32, 1)
		if err := m.net.run(out, c.in); (err != nil) != (c.want != nil) || err == nil && out[0] != 3 {
			t.Errorf("case %d: %v, %v", i, out, err)
		}
	}
}

// Answers that are no numbers are abstentions.
func TestNotANumber(t *testing.T) {
	g := one(onnxtest.Port{Dims: []int64{1, 1}}, nil,
		onnxtest.Node{Op: "ReduceMean", In: []string{"x"}, Out: []string{"m"}, Attrs: []onnxtest.Attr{{Name: "axes", Ints: []int64{1}}, {Name: "keepdims", Int: 1}}},
		onnxtest.Node{Op: "Abs", In: []string{"m"}, Out: []string{"size"}},
		onnxtest.Node{Op: "Neg", In: []string{"size"}, Out: []string{"negative"}},
		onnxtest.Node{Op: "Log", In: []string{"negative"}, Out: []string{"y"}})
	s, w := follow(t, open(t, g), forecasttest.Walk(1, 100), 1)
	if _, err := s.Predict(w, 1); !errors.Is(err, forecast.ErrDegenerate) || !strings.Contains(err.Error(), "output 0 is NaN") {
		t.Error(err)
	}
}

// Many goroutines share one session and get what one alone gets.
func TestConcurrentRuns(t *testing.T) {
	m := open(t, onnxtest.Spread("", 16, 5, fan))
	in := func(k int) []float32 {
		x := make([]float32, 80)
		for i := range x {
			x[i] = float32((i*k)%17) - 8
		}
		return x
	}
	want := make([][]float32, 20)
	for k := range want {
		want[k] = make([]float32, 5*forecast.Levels)
		if err := m.net.run(want[k], in(k)); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			got := make([]float32, 5*forecast.Levels)
			for k := range 200 {
				if err := m.net.run(got, in(k%20)); err != nil || !slices.Equal(got, want[k%20]) {
					t.Errorf("run %d: %v, %v", k, err, got)
					return
				}
			}
		})
	}
	wg.Wait()
}

// Closing waits for the runs under way; later ones are errors, not crashes.
func TestClose(t *testing.T) {
	m, err := Open(write(t, "net.onnx", onnxtest.Linear("", 4, 2, recent).Bytes()), library(t))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				if err := m.net.run(make([]float32, 2), make([]float32, 4)); err != nil {
					if !errors.Is(err, errClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	for range 2 {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	s, w := follow(t, m, forecasttest.Walk(1, 100), 1)
	if _, err := s.Predict(w, 1); !errors.Is(err, forecast.ErrDegenerate) || !errors.Is(err, errClosed) {
		t.Error(err)
	}
}

const whichLibrary = "FORETICK_TEST_ONNX_LIBRARY"

// What is said of a library that cannot be had, in processes that have loaded none; and of
// a second one.
func TestLibrary(t *testing.T) {
	if which, ok := os.LookupEnv(whichLibrary); ok {
		_, err := load(which)
		if err == nil {
			_, err = load("another.so")
		}
		fmt.Println(err)
		return
	}
	t.Parallel()
	text := write(t, "text.so", []byte("no library"))
	for _, c := range []struct{ name, file, says string }{
		{"missing", filepath.Join(t.TempDir(), "none.so"), "none.so is not ONNX Runtime 1.24 or newer"},
		{"no library", text, "text.so is not ONNX Runtime 1.24 or newer"},
		{"another library", "libc.so.6", "OrtGetApiBase"},
		{"two", library(t), "a process cannot have another from another.so"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestLibrary$")
			cmd.Env = append(os.Environ(), whichLibrary+"="+c.file, "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.says) {
				t.Errorf("%v, want %q:\n%s", err, c.says, out)
			}
		})
	}
}

func BenchmarkRun(b *testing.B) {
	m, err := Open(write(b, "net.onnx", onnxtest.Spread("", 64, 5, fan).Bytes()), library(b))
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	in, out := make([]float32, 64*5), make([]float32, 5*forecast.Levels)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.net.run(out, in); err != nil {
			b.Fatal(err)
		}
	}
}
