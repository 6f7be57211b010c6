package modelfile

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/testdata"
)

// read returns a file.
func read(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden is a file of the repository's own price network.
func golden(t testing.TB, name string) []byte {
	t.Helper()
	return read(t, testdata.Network(t, name))
}

// numbers flattens nested lists of JSON and returns their shape.
func numbers(v any) (shape []int, flat []float64) {
	list, ok := v.([]any)
	if !ok {
		return []int{}, []float64{v.(float64)}
	}
	shape = []int{len(list)}
	for i, x := range list {
		inner, some := numbers(x)
		if i == 0 {
			shape = append(shape, inner...)
		}
		flat = append(flat, some...)
	}
	return shape, flat
}

// The files of price networks hold what PyTorch and scikit-learn read from them: model.json.
func TestNetworks(t *testing.T) {
	for _, dir := range testdata.Networks(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) { network(t, dir) })
	}
}

func network(t *testing.T, dir string) {
	var want struct {
		Hyper   Hyper                           `json:"hyper_parameters"`
		Weights map[string]any                  `json:"state_dict"`
		X       struct{ Mean, Scale []float64 } `json:"x_scaler"`
		Y       struct{ Mean, Scale []float64 } `json:"y_scaler"`
	}
	if err := json.Unmarshal(read(t, dir, "model.json"), &want); err != nil {
		t.Fatal(err)
	}
	h, err := ReadHyper(read(t, dir, "lstm_model_hyper_param.json"))
	if err != nil || h != want.Hyper || h != (Hyper{1, 10, 10}) {
		t.Errorf("hyper-parameters %+v, %v", h, err)
	}
	for name, s := range map[string]struct{ Mean, Scale []float64 }{"X_scaler.pkl": want.X, "y_scaler.pkl": want.Y} {
		got, err := ReadScaler(read(t, dir, name))
		if err != nil || !reflect.DeepEqual(got, Scaler(s)) {
			t.Errorf("%s: %v, %v, want %v", name, got, err, s)
		}
	}
	got, err := ReadTorch(read(t, dir, "lstm_model.pth"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want.Weights) || len(got) != 42 {
		t.Errorf("%d tensors, want %d", len(got), len(want.Weights))
	}
	for name, v := range want.Weights {
		shape, flat := numbers(v)
		x := got[name]
		if !reflect.DeepEqual(x.Shape, shape) {
			t.Errorf("%s has the shape %v, want %v", name, x.Shape, shape)
		}
		for i, w := range flat {
			if x.Data[i] != float32(w) {
				t.Fatalf("%s: number %d is %v, want %v", name, i, x.Data[i], w)
			}
		}
	}
}

// expected is what testdata/make.py says that its files hold.
func expected(t testing.TB, into any, suffix string) {
	t.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(read(t, "testdata", "expected.json"), &all); err != nil {
		t.Fatal(err)
	}
	for name := range all {
		if !strings.HasSuffix(name, suffix) {
			delete(all, name)
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatal(err)
	}
}

// Every type of number, every layout and every kind of dictionary that torch.save writes.
func TestReadTorch(t *testing.T) {
	var want map[string]Tensors
	expected(t, &want, ".pth")
	if len(want) != 4 {
		t.Fatalf("%d files", len(want))
	}
	for file, tensors := range want {
		got, err := ReadTorch(read(t, "testdata", file))
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		same(t, file, got, tensors)
	}
}

func same(t *testing.T, what string, got, want Tensors) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d tensors, want %d", what, len(got), len(want))
	}
	for name, w := range want {
		g := got[name]
		if len(g.Shape) != len(w.Shape) || len(g.Data) != len(w.Data) {
			t.Errorf("%s: %s is %v, want %v", what, name, g, w)
			continue
		}
		for i := range w.Shape {
			if g.Shape[i] != w.Shape[i] {
				t.Errorf("%s: %s has the shape %v, want %v", what, name, g.Shape, w.Shape)
			}
		}
		for i := range w.Data {
			if g.Data[i] != w.Data[i] {
				t.Fatalf("%s: number %d of %s is %v, want %v", what, i, name, g.Data[i], w.Data[i])
			}
		}
	}
}

// Plain pickles and joblib's, of every protocol, with and without mean and scale.
func TestReadScaler(t *testing.T) {
	var want map[string]Scaler
	expected(t, &want, ".pkl")
	if len(want) != 11 {
		t.Fatalf("%d files", len(want))
	}
	for file, s := range want {
		got, err := ReadScaler(read(t, "testdata", file))
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("%s: %v, %v, want %v", file, got, err, s)
		}
	}
	got, err := ReadScaler([]byte(" {\"mean\": [1, -2], \"scale\": [0.5, -4]}\n"))
	if err != nil || !reflect.DeepEqual(got, Scaler{[]float64{1, -2}, []float64{0.5, -4}}) {
		t.Errorf("JSON: %v, %v", got, err)
	}
}
