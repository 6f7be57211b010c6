package score

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
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

// The bootstrap of a long record takes minutes: it looks at its context before each repetition.
func TestConfidenceSetIsCancelled(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	losses := [][]float64{make([]float64, 500), make([]float64, 500)}
	for i := range losses[0] {
		losses[0][i], losses[1][i] = rng.Float64(), rng.Float64()
	}
	ctx := &looked{t.Context(), 10, 0}
	if _, err := ConfidenceSet(ctx, losses, 0.1, 10, 1000, rng); !errors.Is(err, context.Canceled) || ctx.looks > 12 {
		t.Errorf("%v after %d looks", err, ctx.looks)
	}
	ctx = &looked{t.Context(), 1 << 30, 0}
	if _, err := ConfidenceSet(ctx, losses, 0.1, 10, 200, rng); err != nil || ctx.looks < 200 {
		t.Errorf("%v after %d looks, want one a repetition", err, ctx.looks)
	}
}
