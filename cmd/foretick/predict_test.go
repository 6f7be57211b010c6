package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foretick/foretick/internal/testdata"
)

// importNetwork are the arguments that bring in a price network, the files of a folder.
func importNetwork(name, dir string) []string {
	return []string{"models", "import", "--name", name, "--pth", filepath.Join(dir, "lstm_model.pth"), "--hyper", filepath.Join(dir, "lstm_model_hyper_param.json"),
		"--x-scaler", filepath.Join(dir, "X_scaler.pkl"), "--y-scaler", filepath.Join(dir, "y_scaler.pkl")}
}

// command runs foretick to its end and returns what it printed.
func command(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("foretick %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// A service whose model is an imported network answers the original's questions as PyTorch
// 1.13.1 did, over HTTP: golden.json is of that program, the answer is rounded to 5 decimals.
func TestNetworkAnswersOverHTTP(t *testing.T) {
	for _, dir := range testdata.Networks(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) { answersOverHTTP(t, dir) })
	}
}

func answersOverHTTP(t *testing.T, dir string) {
	data := filepath.Join(t.TempDir(), "data")
	command(t, append(importNetwork("original", dir), "--data", data)...)
	p := start(t, "--data", data, "--predict-model", "original")
	b, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Prices []float64
			Result float64
		}
	}
	if err := json.Unmarshal(b, &golden); err != nil || len(golden.Cases) < 100 {
		t.Fatalf("%d cases, %v", len(golden.Cases), err)
	}
	for i, c := range golden.Cases {
		body, err := json.Marshal(map[string]any{"prices": c.Prices})
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.Post(p.url+"/predict_next_price", "application/json", strings.NewReader(string(body)))
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Result float64 }
		err = json.NewDecoder(r.Body).Decode(&got)
		r.Body.Close()
		if err != nil || r.StatusCode != 200 || math.Abs(got.Result-c.Result) > 1e-5*math.Abs(c.Result)+5e-6 {
			t.Errorf("case %d, %v: %s, %v, %v, want %v", i, c.Prices, r.Status, got.Result, err, c.Result)
		}
	}
}

// The original's files are the version that they have always been, and it answers its own
// example as it did.
func TestOriginal(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	out := command(t, append(importNetwork("original", filepath.Join(testdata.Shared(t), "golden")), "--data", data)...)
	if want := "original 6c693fa55817b39f is stored: lstm 10 x 10, 1 input, reads 7 prices"; !strings.HasPrefix(out, want) {
		t.Errorf("import says %q, want %q", out, want)
	}
	out = command(t, "predict", "--data", data, "--model", "original", "--prices", "120,121.4,126.9,128.0,127.8,129.1,130.1")
	if want := "119.99356 ▼  7.77 % below the last price 130.1\n"; out != want {
		t.Errorf("predict says %q, want %q", out, want)
	}
}

// A model that is handed to a running service answers there, and races, from then on.
func TestImportIntoRunningService(t *testing.T) {
	p := start(t, "--data", filepath.Join(t.TempDir(), "data"))
	const prices = "120,121.4,126.9,128.0,127.8,129.1,130.1"
	if out := command(t, append(importNetwork("original", testdata.Network(t, "")), "--host", p.url)...); !strings.Contains(out, "original") {
		t.Errorf("it says %q", out)
	}
	for model, want := range map[string]string{"original": "85.0688", "ewma": "130.10000", "": "130.10000"} {
		args := []string{"predict", "--prices", prices, "--host", p.url}
		if model != "" {
			args = append(args, "--model", model)
		}
		if out := command(t, args...); !strings.HasPrefix(out, want) {
			t.Errorf("model %q answers %q, want %s", model, out, want)
		}
	}
	var models struct {
		Items []struct{ Name, Description string }
	}
	p.get("/v1/models", &models)
	if text := fmt.Sprint(models.Items); !strings.Contains(text, "original") || !strings.Contains(text, "leans on the oldest price") {
		t.Errorf("the race is %v", models.Items)
	}
	p.watch(t.Context(), "", func(e event) bool { return !strings.Contains(e.data, `"original"`) }) // until it has forecast
}
