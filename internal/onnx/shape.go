package onnx

import (
	"fmt"
	"strings"

	"github.com/foretick/foretick/forecast"
)

// maxAhead bounds the horizons of a network.
const maxAhead = 1000

const (
	needInput  = "one input of float32 is needed, [1, L], [1, L, 1] or [1, L, 5] with a fixed L from 1 to 1000 bars; only the 1 may be dynamic"
	needOutput = "one output of float32 is needed, [1, 1] or [1, 23], or [1, H, 1] or [1, H, 23] with H from 1 to 1000 bars ahead"
)

// input is the part of the shape that the graph states. The error wraps ErrFile and says
// what was found and what is needed.
func (g *graph) input() (s Shape, err error) {
	if len(g.inputs) != 1 {
		return s, fmt.Errorf("%w: it has %d inputs%s; %s", ErrFile, len(g.inputs), list(g.inputs), needInput)
	}
	p := g.inputs[0]
	s = Shape{Inputs: 1}
	ok := p.float && p.rank && (len(p.dims) == 2 || len(p.dims) == 3) && (p.dims[0] == 1 || p.dims[0] == -1) && p.dims[1] >= 1 && p.dims[1] <= maxBars
	if ok && len(p.dims) == 3 {
		ok = p.dims[2] == 1 || p.dims[2] == 5
		s.Inputs, s.Channels = int(p.dims[2]), true
	}
	if !ok {
		return s, fmt.Errorf("%w: its input is %v; %s", ErrFile, p, needInput)
	}
	s.Bars = int(p.dims[1])
	return s, nil
}

// output checks what the graph states of its output, as far as it does: what the first run
// gives decides.
func (g *graph) output() error {
	if len(g.outputs) != 1 {
		return fmt.Errorf("%w: it has %d outputs%s; %s", ErrFile, len(g.outputs), list(g.outputs), needOutput)
	}
	p := g.outputs[0]
	ok := p.float
	if p.rank {
		fixed := make([]int64, len(p.dims))
		for i, d := range p.dims {
			if fixed[i] = d; d < 0 {
				fixed[i] = 1
			}
		}
		_, err := Shape{}.answers(fixed)
		ok = ok && err == nil
	}
	if !ok {
		return fmt.Errorf("%w: its output is %v; %s", ErrFile, p, needOutput)
	}
	return nil
}

// answers is s with what an output of the given dimensions means. The error wraps ErrFile.
func (s Shape) answers(dims []int64) (Shape, error) {
	n := len(dims)
	ok := (n == 2 || n == 3) && dims[0] == 1 && (dims[n-1] == 1 || dims[n-1] == forecast.Levels) && (n == 2 || dims[1] >= 1 && dims[1] <= maxAhead)
	if !ok {
		return s, fmt.Errorf("%w: its output has the shape %v; %s", ErrFile, dims, needOutput)
	}
	s.Horizons, s.Quantiles = 1, dims[n-1] == forecast.Levels
	if n == 3 {
		s.Horizons = int(dims[1])
	}
	return s, nil
}

// list names ports, at most ten.
func list(ports []port) string {
	var all []string
	for i, p := range ports {
		if i == 10 {
			all = append(all, "...")
			break
		}
		all = append(all, p.String())
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, "; ") + ")"
}
