package onnx

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/onnx/onnxtest"
)

func mean(i, h int) float32 { return 0.1 }

func TestParse(t *testing.T) {
	g, err := parse(onnxtest.Linear("mine", 8, 3, mean).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if g.name != "mine" {
		t.Errorf("the name is %q", g.name)
	}
	s, err := g.input()
	if want := (Shape{Bars: 8, Inputs: 1}); err != nil || s != want {
		t.Errorf("the input is read as %+v, %v, want %+v", s, err, want)
	}
	if err := g.output(); err != nil {
		t.Error(err)
	}
	if got := g.outputs[0].String(); got != `"y", float32 of shape [dynamic, 3, 1]` {
		t.Errorf("the output is called %s", got)
	}
}

// What PyTorch 1.13.1 writes (testdata/lstm.py) is read.
func TestParsePyTorch(t *testing.T) {
	b, err := os.ReadFile("testdata/lstm.onnx")
	if err != nil {
		t.Fatal(err)
	}
	g, err := parse(b)
	if err != nil {
		t.Fatal(err)
	}
	s, err := g.input()
	if want := (Shape{Bars: 8, Inputs: 5, Channels: true}); err != nil || s != want {
		t.Errorf("%+v, %v, want %+v", s, err, want)
	}
	if err := g.output(); err != nil {
		t.Error(err)
	}
}

// What is refused, and the words that say why.
func TestParseRefuses(t *testing.T) {
	linear := onnxtest.Linear("", 4, 2, mean)
	with := func(change func(g *onnxtest.Graph)) []byte {
		g := linear
		g.Inputs, g.Outputs = slices.Clone(g.Inputs), slices.Clone(g.Outputs)
		g.Nodes, g.Weights = slices.Clone(g.Nodes), slices.Clone(g.Weights)
		change(&g)
		return g.Bytes()
	}
	in := func(p ...onnxtest.Port) []byte { return with(func(g *onnxtest.Graph) { g.Inputs = p }) }
	out := func(p ...onnxtest.Port) []byte { return with(func(g *onnxtest.Graph) { g.Outputs = p }) }
	x := func(dims ...int64) onnxtest.Port { return onnxtest.Port{Name: "x", Dims: dims} }
	external := onnxtest.Tensor{Name: "w", Dims: []int64{1}, External: "../../etc/passwd"}
	inside := func(n onnxtest.Node) onnxtest.Node {
		return onnxtest.Node{Op: "If", Attrs: []onnxtest.Attr{{Name: "then_branch", Graph: &onnxtest.Graph{Nodes: []onnxtest.Node{n}}}}}
	}
	deep := onnxtest.Node{Op: "Identity"}
	for range 40 {
		deep = inside(deep)
	}
	cases := []struct {
		name string
		file []byte
		says string
	}{
		{"nothing", nil, "not an ONNX model"},
		{"text", []byte("time,open,high,low,close\n"), "not an ONNX model"},
		{"no graph", []byte{8, 8}, "holds 0 graphs"},
		{"two graphs", append(linear.Bytes(), linear.Bytes()...), "holds 2 graphs"},
		{"weights elsewhere", with(func(g *onnxtest.Graph) { g.Weights[0] = external }), "another file"},
		{"a constant elsewhere", with(func(g *onnxtest.Graph) {
			g.Nodes = append(g.Nodes, onnxtest.Node{Op: "Constant", Attrs: []onnxtest.Attr{{Name: "value", Tensor: &external}}})
		}), "another file"},
		{"weights elsewhere in a branch", with(func(g *onnxtest.Graph) {
			g.Nodes = append(g.Nodes, onnxtest.Node{Op: "If", Attrs: []onnxtest.Attr{{Name: "else_branch", Graph: &onnxtest.Graph{Weights: []onnxtest.Tensor{external}}}}})
		}), "another file"},
		{"random", with(func(g *onnxtest.Graph) { g.Nodes = append(g.Nodes, onnxtest.Node{Op: "RandomNormalLike"}) }), "RandomNormalLike draws random numbers"},
		{"random in a branch", with(func(g *onnxtest.Graph) { g.Nodes = append(g.Nodes, inside(onnxtest.Node{Op: "Bernoulli"})) }), "Bernoulli draws random numbers"},
		{"graphs in graphs", with(func(g *onnxtest.Graph) { g.Nodes = append(g.Nodes, deep) }), "32 deep"},
		{"nine dimensions", in(x(1, 1, 1, 1, 1, 1, 1, 1, 1)), "more than 8 dimensions"},

		{"no input", in(), "it has 0 inputs;"},
		{"two inputs", in(x(1, 4), onnxtest.Port{Name: "z", Dims: []int64{1}}), `it has 2 inputs ("x", float32 of shape [1, 4]; "z", float32 of shape [1])`},
		{"dynamic length", in(x(1, -1)), `"x", float32 of shape [1, dynamic]; one input of float32 is needed`},
		{"dynamic inputs", in(x(1, 4, -1)), "[1, 4, dynamic]"},
		{"batch of two", in(x(2, 4)), "[2, 4]"},
		{"one dimension", in(x(4)), "[4]"},
		{"four dimensions", in(x(1, 4, 1, 1)), "[1, 4, 1, 1]"},
		{"no bars", in(x(1, 0)), "[1, 0]"},
		{"too many bars", in(x(1, 1001)), "[1, 1001]"},
		{"three inputs a bar", in(x(1, 4, 3)), "[1, 4, 3]"},
		{"no shape", in(onnxtest.Port{Name: "x", Bare: true}), "of no stated shape"},
		{"whole numbers", in(onnxtest.Port{Name: "x", Type: onnxtest.Int64, Dims: []int64{1, 4}}), "int64 of shape [1, 4]"},
		{"double precision", in(onnxtest.Port{Name: "x", Type: onnxtest.Float64, Dims: []int64{1, 4}}), "float64"},
		{"unknown type", in(onnxtest.Port{Name: "x", Type: 99, Dims: []int64{1, 4}}), "type 99"},

		{"no output", out(), "it has 0 outputs;"},
		{"two outputs", out(x(1, 1), x(1, 1)), "it has 2 outputs"},
		{"output of whole numbers", out(onnxtest.Port{Name: "y", Type: onnxtest.Int64, Dims: []int64{1, 1}}), "int64 of shape [1, 1]"},
		{"seven quantiles", out(x(1, 7)), "[1, 7]; one output of float32 is needed, [1, 1] or [1, 23]"},
		{"batch of two out", out(x(2, 1)), "[2, 1]"},
		{"too far ahead", out(x(1, 1001, 1)), "[1, 1001, 1]"},
		{"scalar", out(x()), "float32 of shape []"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g, err := parse(c.file)
			if err == nil {
				if _, err = g.input(); err == nil {
					err = g.output()
				}
			}
			if !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want an ErrFile that says %q", err, c.says)
			}
		})
	}
}

// Weights among the inputs, as in files of IR version 3, are no inputs.
func TestWeightsAreNoInputs(t *testing.T) {
	f := onnxtest.Linear("", 4, 2, mean)
	f.Inputs = append(f.Inputs, onnxtest.Port{Name: "w", Dims: []int64{4, 2}})
	g, err := parse(f.Bytes())
	if err != nil || len(g.inputs) != 1 || g.inputs[0].name != "x" {
		t.Errorf("%+v, %v", g, err)
	}
}

func TestNames(t *testing.T) {
	cases := []struct{ path, given, want, says string }{
		{"/models/My_Net.onnx", "", "my-net", ""},
		{"net.v2.onnx", "", "", "rename the file"},
		{"net.v2.onnx", "net-2", "net-2", ""},
		{"2nd.onnx", "", "", "a letter first"},
		{"x.onnx", "Upper", "", `its metadata "foretick.name" gives the model the name "Upper"`},
		{"x.onnx", strings.Repeat("a", 33), "", "at most 32"},
		{"all.onnx", "", "", "several models"},
		{"x.onnx", "default", "", "several models"},
		{".onnx", "", "", "rename"},
	}
	for _, c := range cases {
		got, err := nameOf(c.path, c.given)
		if got != c.want || (err != nil) != (c.says != "") || err != nil && (!errors.Is(err, ErrFile) || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%q, %q: %q, %v", c.path, c.given, got, err)
		}
	}
}

// A file that is cut off anywhere is refused or, between two parts, lacks what follows.
func TestTruncated(t *testing.T) {
	whole := onnxtest.Spread("cut", 4, 2, func(h, k int) float32 { return 1 }).Bytes()
	for n := range whole {
		g, err := parse(whole[:n])
		if err != nil && !errors.Is(err, ErrFile) {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
		if err == nil && g.name != "" {
			t.Errorf("%d of %d bytes hold the name, which is written last", n, len(whole))
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(onnxtest.Linear("mine", 8, 3, mean).Bytes())
	f.Add(onnxtest.Spread("", 4, 2, func(h, k int) float32 { return 1 }).Bytes())
	f.Add([]byte{8, 8, 58, 255, 255, 255, 255, 15})
	b, err := os.ReadFile("testdata/lstm.onnx")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := parse(b)
		if err != nil {
			if !errors.Is(err, ErrFile) {
				t.Error(err)
			}
			return
		}
		if s, err := g.input(); err == nil && (s.Bars < 1 || s.Bars > maxBars || s.Inputs != 1 && s.Inputs != 5) {
			t.Errorf("accepted %+v", s)
		}
		_ = g.output()
	})
}
