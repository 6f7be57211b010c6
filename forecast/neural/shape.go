package neural

import (
	"errors"
	"fmt"
)

// Cell is the kind of the recurrent layers.
type Cell string

// The cells.
const (
	LSTM Cell = "lstm"
	GRU  Cell = "gru"
)

// gates is the number of blocks of units in the sums of a cell.
func (c Cell) gates() int {
	if c == GRU {
		return 3
	}
	return 4
}

// Shape says what a network is made of.
type Shape struct {
	Cell    Cell `json:"cell"`
	Inputs  int  `json:"inputs"` // of a row
	Units   int  `json:"units"`  // of each layer
	Layers  int  `json:"layers"`
	Outputs int  `json:"outputs"` // of the head
}

// Bounds of a Shape: far above what a series can teach, low enough that no file can make
// the program claim more than about 1 GiB.
const (
	maxUnits  = 1024
	maxLayers = 64
	maxWide   = 4096     // inputs and outputs
	maxParams = 64 << 20 // numbers, padding included
)

// ErrShape says that a network cannot be built as asked; it is wrapped with the reason.
var ErrShape = errors.New("neural: bad shape")

// Validate reports a shape that is out of range. The error wraps ErrShape.
func (s Shape) Validate() error {
	if s.Cell != LSTM && s.Cell != GRU {
		return fmt.Errorf("%w: cell %.20q; choose lstm or gru", ErrShape, string(s.Cell))
	}
	for _, r := range []struct {
		what    string
		n, most int
	}{{"inputs", s.Inputs, maxWide}, {"units", s.Units, maxUnits}, {"layers", s.Layers, maxLayers}, {"outputs", s.Outputs, maxWide}} {
		if r.n < 1 || r.n > r.most {
			return fmt.Errorf("%w: %d %s; choose 1 to %d", ErrShape, r.n, r.what, r.most)
		}
	}
	if n := s.layout().size; n > maxParams {
		return fmt.Errorf("%w: %d layers of %d units make %d weights; at most %d are supported", ErrShape, s.Layers, s.Units, n, maxParams)
	}
	return nil
}

// Parameters is the number of weights and biases.
func (s Shape) Parameters() int {
	n, in := 0, s.Inputs
	for range s.Layers {
		n += s.Cell.gates() * s.Units * (in + s.Units + 2)
		in = s.Units
	}
	return n + s.Outputs*(s.Units+1)
}

// String is such as "lstm 2 x 32, 8 inputs".
func (s Shape) String() string {
	inputs := "inputs"
	if s.Inputs == 1 {
		inputs = "input"
	}
	return fmt.Sprintf("%s %d x %d, %d %s", s.Cell, s.Layers, s.Units, s.Inputs, inputs)
}
