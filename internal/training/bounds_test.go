package training_test

import (
	"context"
	"errors"
	"testing"

	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/market"
)

// looked is a context that is done when it has been looked at so many times.
type looked struct {
	context.Context
	left, looks int
}

func (l *looked) Err() error {
	l.looks++
	if l.looks > l.left {
		return context.Canceled
	}
	return nil
}

// A training looks at its context before each batch and each stretch that it validates on, when
// it reads bars, and when it makes the version; wherever it is stopped, it stands where the epoch
// began, and learns the same afterwards.
func TestStepsAreBounded(t *testing.T) {
	o := small()
	o.Batch, o.Restarts, o.Ensemble, o.Epochs = 2, 1, 1, 2
	s := neural.NewSamples(market.Day)
	if err := s.Add(&looked{t.Context(), 0, 0}, "sim:X@1d", forecasttest.Walk(1, 600), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("reading ended with %v", err)
	}
	s = neural.NewSamples(market.Day)
	if err := s.Add(t.Context(), "sim:X@1d", forecasttest.Walk(1, 600), nil); err != nil {
		t.Fatal(err)
	}
	trainer := func() *neural.Trainer {
		tr, err := neural.NewTrainer(s, o)
		if err != nil {
			t.Fatal(err)
		}
		return tr
	}
	whole := &looked{t.Context(), 1 << 30, 0}
	want, err := trainer().Epoch(whole)
	if err != nil {
		t.Fatal(err)
	}
	if least := 400 / (o.Steps - o.Warm) / o.Batch; whole.looks < least { // of the 600 rows some settle, some validate
		t.Errorf("an epoch looked %d times, want at least once a batch: %d", whole.looks, least)
	}
	tr := trainer()
	for n := range whole.looks {
		ctx := &looked{t.Context(), n, 0}
		if _, err := tr.Epoch(ctx); !errors.Is(err, context.Canceled) || ctx.looks > n+3 {
			t.Errorf("stopped at look %d, it ended with %v after %d", n+1, err, ctx.looks)
		}
	}
	if got, err := tr.Epoch(t.Context()); err != nil || got != want {
		t.Errorf("after it was stopped anywhere, the epoch is %+v (%v), want %+v", got, err, want)
	}
	if _, err := tr.Trained(&looked{t.Context(), 0, 0}, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("making the version ended with %v", err)
	}
}
