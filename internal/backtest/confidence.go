package backtest

import (
	"context"
	"math/rand/v2"

	"github.com/foretick/foretick/score"
)

// confidence marks the models of the model confidence set of each horizon. The losses
// of all series are put one behind another, each series divided by naive's mean, over
// the models that forecast everywhere.
func confidence(ctx context.Context, list []Pooled, walks []*walk) error {
	for from := 0; from < len(list); {
		to := from
		for to < len(list) && list[to].Horizon == list[from].Horizon {
			to++
		}
		var losses [][]float64
		var who []int
		for i := from; i < to; i++ {
			if l := joined(walks, list[i].Model, list[i].Horizon); l != nil {
				losses = append(losses, l)
				who = append(who, i)
			}
		}
		if len(losses) > 1 {
			block := max(10, 2*list[from].Horizon)
			set, err := score.ConfidenceSet(ctx, losses, 0.10, block, 1000, rand.New(rand.NewPCG(1, 2)))
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err == nil {
				for _, k := range set.Members {
					list[who[k]].ConfidenceSet = true
				}
			}
		}
		from = to
	}
	return nil
}

// joined are the losses of a model over all series, nil when it is not judged
// wherever naive is.
func joined(walks []*walk, model string, horizon int) (all []float64) {
	for _, w := range walks {
		if w.losses == nil {
			continue
		}
		mine, naive := w.losses[slot{horizon, model}], w.losses[slot{horizon, score.Naive}]
		if len(mine) != len(naive) {
			return nil
		}
		mean := 0.0
		for _, l := range naive {
			mean += l
		}
		mean /= float64(len(naive))
		for _, l := range mine {
			if l != l || !(mean > 0) {
				return nil
			}
			all = append(all, l/mean)
		}
	}
	return all
}
