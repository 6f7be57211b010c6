package neural

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foretick/foretick/forecast/neural/kernel"
	"github.com/foretick/foretick/internal/testdata"
)

// drawn is the repository's own price network.
func drawn(t testing.TB) *PriceModel {
	t.Helper()
	return readModel(t, filepath.Dir(testdata.Network(t, "model.json")))
}

// readModel reads weights and scalers as plain JSON from a folder of [testdata.Networks].
func readModel(t testing.TB, dir string) *PriceModel {
	t.Helper()
	var file struct {
		State map[string]json.RawMessage `json:"state_dict"`
		X     Standard                   `json:"x_scaler"`
		Y     Standard                   `json:"y_scaler"`
	}
	read(t, filepath.Join(dir, "model.json"), &file)
	tensors := map[string]Tensor{}
	for name, raw := range file.State {
		var rows [][]float32
		var row []float32
		tensor := Tensor{}
		if json.Unmarshal(raw, &row) == nil {
			tensor.Shape, tensor.Data = []int{len(row)}, row
		} else if err := json.Unmarshal(raw, &rows); err != nil {
			t.Fatal(err)
		} else {
			tensor.Shape = []int{len(rows), len(rows[0])}
			for _, r := range rows {
				tensor.Data = append(tensor.Data, r...)
			}
		}
		tensors[strings.Replace(strings.TrimPrefix(name, "lstm."), "fc.", "head.", 1)] = tensor
	}
	net, err := FromTensors(Shape{Cell: LSTM, Inputs: 1, Units: 10, Layers: 10, Outputs: 1}, tensors)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewPriceModel(net, file.X, file.Y)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func read(t testing.TB, path string, to any) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Networks answer as PyTorch 1.13.1 (Debian) does in float32 on the processor: the
// repository's own in 122 windows, the original in 300. Among them are the original's own
// examples, constant, tiny, huge and alternating prices, and random walks at levels from 1 to
// 5,000.
func TestParity(t *testing.T) {
	t.Parallel()
	for _, dir := range testdata.Networks(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			var golden struct {
				Cases []struct {
					Prices []float64 `json:"prices"`
					Result float64   `json:"result"`
				} `json:"cases"`
			}
			read(t, filepath.Join(dir, "golden.json"), &golden)
			if len(golden.Cases) < 100 {
				t.Fatalf("%d cases, want 100 at least", len(golden.Cases))
			}
			m := readModel(t, dir)
			for _, loops := range kernel.All() {
				m.net.loops = loops
				worst := 0.0
				for i, c := range golden.Cases {
					got, err := m.Predict(c.Prices)
					if err != nil {
						t.Fatalf("case %d: %v", i, err)
					}
					worst = max(worst, math.Abs(got/c.Result-1))
					if math.Abs(got/c.Result-1) > 1e-5 {
						t.Errorf("%s, case %d: %v, PyTorch answers %v", loops.Name, i, got, c.Result)
					}
				}
				t.Logf("%s: worst relative difference %.2g", loops.Name, worst)
			}
		})
	}
}

func TestPriceModelRefuses(t *testing.T) {
	t.Parallel()
	m := drawn(t)
	for name, prices := range map[string][]float64{
		"none": nil, "six": {1, 2, 3, 4, 5, 6}, "many": make([]float64, 100_000),
		"zero": {1, 2, 3, 0, 5, 6, 7}, "negative": {1, 2, 3, 4, 5, 6, -7}, "NaN": {1, math.NaN(), 3, 4, 5, 6, 7},
		"infinite": {1, 2, 3, 4, 5, 6, math.Inf(1)}, "huge": {1e300, 1e300, 1e300, 1e300, 1e300, 1e300, 1e300},
	} {
		if p, err := m.Predict(prices); !errors.Is(err, ErrPrices) {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	if p, err := m.Predict([]float64{1e-300, 1e-300, 1e-300, 1e-300, 1e-300, 1e-300, 1e-300}); err != nil || !(p > 0) {
		t.Errorf("tiny prices: %v, %v", p, err)
	}
	for name, s := range map[string]Standard{"none": {}, "uneven": {make([]float64, 7), make([]float64, 6)}, "zero scale": {make([]float64, 7), make([]float64, 7)}} {
		if _, err := NewPriceModel(m.net, s, m.y); !errors.Is(err, ErrShape) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// BenchmarkOriginal is one answer of a network of the original's shape, 10 layers of 10 units.
func BenchmarkOriginal(b *testing.B) {
	m := drawn(b)
	prices := []float64{120, 121.4, 126.9, 128.0, 127.8, 129.1, 130.1}
	for _, loops := range kernel.All() {
		b.Run(loops.Name, func(b *testing.B) {
			m.net.loops = loops
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Predict(prices); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
