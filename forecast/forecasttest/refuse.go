package forecasttest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/foretick/foretick/forecast"
)

// Refusal is a window, and what Fit says of it.
type Refusal struct {
	Name   string
	Window forecast.Window
	Error  error // that is wrapped; nil: it can be fitted
}

// With is m with some options changed.
func With[M forecast.Forecaster](m M, change func(*M)) M {
	change(&m)
	return m
}

// refuses asks for a fit where there cannot be one: on a bar less than can be fitted, on a
// price that does not move or was not positive of late, and on what the case adds. The error
// says who refuses.
func refuses(t *testing.T, c *Case) {
	walk := Walk(3, c.Least+200)
	list := append(slices.Clone(c.Refuses),
		Refusal{"a bar too few", window(walk[:c.Least-1]), forecast.ErrTooShort},
		Refusal{"just enough bars", window(walk[:c.Least]), nil})
	if _, ok := c.Model.(forecast.Follower); !ok { // a state has other ways: see badBars
		still, oil := slices.Clone(walk), slices.Clone(walk)
		for i := range still {
			b := &still[i]
			b.Open, b.High, b.Low, b.Close = 50, 50, 50, 50
		}
		oil[len(oil)-10].Close = -37.63
		list = append(list,
			Refusal{"a price that does not move", window(still), forecast.ErrDegenerate},
			Refusal{"a price below zero", window(oil), forecast.ErrDegenerate})
	}
	for _, r := range list {
		t.Run(r.Name, func(t *testing.T) {
			_, err := c.Model.Fit(context.Background(), r.Window)
			if !errors.Is(err, r.Error) {
				t.Fatalf("got %v, want %v", err, r.Error)
			}
			if err != nil && !strings.HasPrefix(err.Error(), c.speaker()+": ") {
				t.Errorf("%q does not say who refused", err)
			}
		})
	}
}

func (c *Case) speaker() string {
	if c.Speaker != "" {
		return c.Speaker
	}
	return c.Model.Name()
}

// options checks that programmers are told of their mistakes.
func options(t *testing.T, c *Case) {
	panics := func(t *testing.T, f func()) {
		defer func() {
			if recover() == nil {
				t.Error("it was accepted")
			}
		}()
		f()
	}
	w := window(c.Series[0][:enough])
	for name, m := range c.OutOfRange {
		t.Run(name, func(t *testing.T) { panics(t, func() { _, _ = m.Fit(context.Background(), w) }) })
	}
	t.Run("horizon 0", func(t *testing.T) {
		fitted := mustFit(t, c.Model, w)
		panics(t, func() { _, _ = fitted.Predict(w, 0) })
	})
}

// cancelled cancels Fit at ever later looks at the context, until it comes to its end.
func cancelled(t *testing.T, c *Case) {
	w := window(c.Series[0][:enough])
	for looks := int64(0); ; looks = 2*looks + 1 {
		fitted, err := c.Model.Fit(cancelAfter(looks), w)
		switch {
		case err == nil && looks == 0:
			t.Fatal("a cancelled fit is carried out")
		case err == nil:
			return
		case !errors.Is(err, context.Canceled) || fitted != nil:
			t.Fatalf("cancelled at look %d: %v, %v, want %v", looks+1, fitted, err, context.Canceled)
		}
	}
}

// cancelAfter returns a context that is cancelled as soon as it has been looked at that often.
func cancelAfter(looks int64) context.Context {
	c := &countdown{Context: context.Background()}
	c.left.Store(looks)
	return c
}

type countdown struct {
	context.Context
	left atomic.Int64
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}
