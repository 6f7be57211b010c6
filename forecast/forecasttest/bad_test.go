package forecasttest

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/foretick/foretick/forecast"
)

// broken are models that break one rule each.
var broken = map[string]struct {
	predict func(w forecast.Window, h int) (forecast.Prediction, error)
	says    string // what the suite must complain of
}{
	"lets quantiles cross": {func(w forecast.Window, h int) (forecast.Prediction, error) {
		p := sound(w, h)
		p.Quantiles[3], p.Quantiles[4] = p.Quantiles[4], p.Quantiles[3]
		return p, nil
	}, "quantiles cross"},
	"counts its calls": {func(w forecast.Window, h int) (forecast.Prediction, error) {
		p := sound(w, h)
		p.Point = float64(calls.Add(1))
		return p, nil
	}, "the same window gave"},
	"works in price units": {func(w forecast.Window, h int) (forecast.Prediction, error) {
		p := sound(w, h)
		p.Point = w.Last() * 1e-6
		return p, nil
	}, "prices times 1,000 move the point"},
	"divides by volume": {func(w forecast.Window, h int) (forecast.Prediction, error) {
		p := sound(w, h)
		p.Point = 0 * (1 / w.Bar(w.Len()-1).Volume)
		return p, nil
	}, "the point is not finite"},
	"has an error of its own": {func(w forecast.Window, h int) (forecast.Prediction, error) {
		if w.Last() <= 0 {
			return forecast.Prediction{}, errors.New("no logarithm")
		}
		return sound(w, h), nil
	}, "no logarithm"},
	"answers without data": {func(w forecast.Window, h int) (forecast.Prediction, error) {
		return sound(w, h), nil
	}, "got an answer, want an error"},
	"panics": {func(w forecast.Window, h int) (forecast.Prediction, error) {
		_ = w.Bar(40)
		return sound(w, h), nil
	}, "index out of range"},
}

var calls atomic.Int64

func sound(w forecast.Window, h int) forecast.Prediction {
	return forecast.Prediction{Quantiles: forecast.Normal(0, 0.01*math.Sqrt(float64(h)))}
}

type brokenModel string

func (m brokenModel) Name() string { return string(m) }

func (m brokenModel) Fit(_ context.Context, w forecast.Window) (forecast.Fitted, error) {
	if w.Len() < 2 {
		return nil, forecast.ErrTooShort
	}
	return m, nil
}

func (m brokenModel) Predict(w forecast.Window, h int) (forecast.Prediction, error) {
	if w.Len() < 2 {
		return forecast.Prediction{}, forecast.ErrTooShort
	}
	return broken[string(m)].predict(w, h)
}

const which = "FORETICK_BROKEN_MODEL"

// TestSuiteFinds runs the suite on each broken model in a process of its own and
// expects it to fail, and to say why.
func TestSuiteFinds(t *testing.T) {
	if name := os.Getenv(which); name != "" {
		Exercise(t, brokenModel(name), Walk(9, 1500))
		return
	}
	for name, c := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteFinds$", "-rapid.nofailfile")
			cmd.Env = append(os.Environ(), which+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil {
				t.Fatal("the suite found nothing wrong")
			}
			if !strings.Contains(string(out), c.says) {
				t.Errorf("the suite does not say %q:\n%s", c.says, out)
			}
		})
	}
}
