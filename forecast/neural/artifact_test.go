package neural

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/foretick/foretick/market"
)

// kept is what is stored of an artifact.
func kept(t testing.TB, a Artifact) ([]byte, map[string]Tensor) {
	t.Helper()
	b, err := a.Describe()
	if err != nil {
		t.Fatal(err)
	}
	return b, a.Tensors()
}

// What Describe and Tensors return, Load takes, and it is the same version.
func TestLoad(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]Artifact{"price": drawn(t), "distribution": train(t, trainer(t, samplesOf(t, "INDEX"), small()))} {
		b, tensors := kept(t, a)
		again, err := Load(b, tensors)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		c, tensors2 := kept(t, again)
		if again.ID() != a.ID() || string(b) != string(c) || !reflect.DeepEqual(tensors, tensors2) {
			t.Errorf("%s: %s came back as %s", name, a.ID(), again.ID())
		}
		t.Logf("%s: %d bytes of description", name, len(b))
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	a := train(t, trainer(t, samplesOf(t, "INDEX"), small()))
	for name, spoil := range map[string]func(d map[string]any, m map[string]Tensor){
		"format":        func(d map[string]any, _ map[string]Tensor) { d["format"] = "onnx" },
		"neither":       func(d map[string]any, _ map[string]Tensor) { delete(d, "distribution") },
		"both":          func(d map[string]any, _ map[string]Tensor) { d["price"] = map[string]any{} },
		"shape":         func(d map[string]any, _ map[string]Tensor) { d["shape"].(map[string]any)["units"] = 7 },
		"huge":          func(d map[string]any, _ map[string]Tensor) { d["shape"].(map[string]any)["units"] = 1 << 40 },
		"members":       func(d map[string]any, _ map[string]Tensor) { d["distribution"].(map[string]any)["members"] = 1 << 30 },
		"fewer members": func(d map[string]any, _ map[string]Tensor) { d["distribution"].(map[string]any)["members"] = 1 },
		"nu": func(d map[string]any, _ map[string]Tensor) {
			d["distribution"].(map[string]any)["nu"] = []float64{1, 1, 1, 1, 1}
		},
		"location": func(d map[string]any, _ map[string]Tensor) {
			d["distribution"].(map[string]any)["location"] = []float64{}
		},
		"scaling": func(d map[string]any, _ map[string]Tensor) { d["distribution"].(map[string]any)["standard"] = nil },
		"since": func(d map[string]any, _ map[string]Tensor) {
			d["distribution"].(map[string]any)["since"] = "1990-01-01T00:00:00Z"
		},
		"tensor":       func(_ map[string]any, m map[string]Tensor) { delete(m, "1.head.bias") },
		"stray tensor": func(_ map[string]any, m map[string]Tensor) { m["7.head.bias"] = m["1.head.bias"] },
	} {
		b, tensors := kept(t, a)
		var d map[string]any
		if err := json.Unmarshal(b, &d); err != nil {
			t.Fatal(err)
		}
		spoil(d, tensors)
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(b, tensors); !errors.Is(err, ErrArtifact) {
			t.Errorf("%s: %v", name, err)
		} else {
			t.Log(name, err)
		}
	}
}

// FuzzLoad feeds descriptions to Load: it never panics, and what it takes is whole.
func FuzzLoad(f *testing.F) {
	s := NewSamples(market.Day)
	bars := daily(f, "INDEX")
	if err := s.Add(f.Context(), "INDEX", bars[:700], nil); err != nil {
		f.Fatal(err)
	}
	o := small()
	o.Units, o.Epochs, o.Restarts, o.Ensemble = 2, 1, 1, 1
	var seeds []Artifact
	tr := trainer(f, s, o)
	if _, err := tr.Epoch(f.Context()); err != nil {
		f.Fatal(err)
	}
	v, err := tr.Trained(f.Context(), 0)
	if err != nil {
		f.Fatal(err)
	}
	seeds = append(seeds, v, drawn(f))
	tensors := map[string]Tensor{}
	for _, a := range seeds {
		b, m := kept(f, a)
		f.Add(b)
		for name, t := range m {
			tensors[name] = t
		}
	}
	f.Fuzz(func(t *testing.T, description []byte) {
		some := map[string]Tensor{}
		price := strings.Contains(string(description), `"price"`)
		for name, v := range tensors {
			if strings.Contains(name, ".weight_") == !price || strings.HasPrefix(name, "0.") == !price {
				some[name] = v
			}
		}
		a, err := Load(description, some)
		if err != nil {
			if !errors.Is(err, ErrArtifact) {
				t.Fatalf("%v does not wrap ErrArtifact", err)
			}
			return
		}
		if _, err := a.Describe(); err != nil || a.ID() == "" {
			t.Fatalf("what was taken cannot be kept: %v", err)
		}
	})
}
