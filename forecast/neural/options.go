package neural

import (
	"fmt"
	"runtime"
)

// Options say how a network is trained. Start from [Defaults].
type Options struct {
	Cell   Cell `json:"cell"`
	Units  int  `json:"units"`
	Layers int  `json:"layers"`

	Steps int `json:"steps"` // bars that the network reads for a forecast
	Warm  int `json:"warm"`  // of a training stretch of Steps bars, those whose outputs do not count

	Batch    int     `json:"batch"`    // stretches a step of the optimiser
	Rate     float64 `json:"rate"`     // learning rate at the start
	Decay    float64 `json:"decay"`    // of the weights, a unit of rate
	Clip     float64 `json:"clip"`     // longest gradient
	Epochs   int     `json:"epochs"`   // at most, a restart
	Patience int     `json:"patience"` // epochs without a better validation loss after which a restart ends; half as many halve the rate

	Restarts   int     `json:"restarts"`   // networks trained from different beginnings
	Ensemble   int     `json:"ensemble"`   // best of them that answer together
	Validation float64 `json:"validation"` // share of all rows, the newest, that decides when to stop
	Seed       uint64  `json:"seed"`

	Workers int `json:"-"` // goroutines; 0: one a processor. The result does not depend on it
}

// Defaults are one layer of 16 LSTM units that reads 64 bars, three restarts that answer
// together. Over 45 daily series, larger networks (2 x 32, 1 x 64) had the higher validation
// loss in most years and the same CRPS afterwards: see docs/forecasting.md.
func Defaults() Options {
	return Options{Cell: LSTM, Units: 16, Layers: 1, Steps: 64, Warm: 24, Batch: 64, Rate: 2e-3, Decay: 0.01, Clip: 1,
		Epochs: 200, Patience: 8, Restarts: 3, Ensemble: 3, Validation: 0.15, Seed: 1}
}

// Shape is that of the networks.
func (o *Options) Shape() Shape {
	return Shape{Cell: o.Cell, Inputs: numInputs, Units: o.Units, Layers: o.Layers, Outputs: numOutputs}
}

// Validate reports what is out of range, in words. The error wraps ErrShape.
func (o *Options) Validate() error {
	if err := o.Shape().Validate(); err != nil {
		return err
	}
	for _, r := range []struct {
		what           string
		n, least, most int
	}{{"steps", o.Steps, 2, 1000}, {"warm", o.Warm, 0, o.Steps - 1}, {"batch", o.Batch, 1, 4096}, {"epochs", o.Epochs, 1, 10_000},
		{"patience", o.Patience, 1, 10_000}, {"restarts", o.Restarts, 1, 100}, {"ensemble", o.Ensemble, 1, o.Restarts}, {"workers", o.Workers, 0, 1024}} {
		if r.n < r.least || r.n > r.most {
			return fmt.Errorf("%w: %s %d; choose %d to %d", ErrShape, r.what, r.n, r.least, r.most)
		}
	}
	for _, r := range []struct {
		what           string
		x, least, most float64
	}{{"rate", o.Rate, 1e-8, 1}, {"decay", o.Decay, 0, 10}, {"clip", o.Clip, 1e-6, 1e6}, {"validation", o.Validation, 0.01, 0.5}} {
		if !(r.x >= r.least && r.x <= r.most) {
			return fmt.Errorf("%w: %s %v; choose %v to %v", ErrShape, r.what, r.x, r.least, r.most)
		}
	}
	return nil
}

func (o *Options) workers() int {
	if o.Workers == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return o.Workers
}
