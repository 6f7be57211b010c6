package onnx

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// graph is what Foretick has to know of an .onnx file before it lets the runtime have it.
type graph struct {
	name    string // metadata foretick.name, "" when there is none
	inputs  []port // that a caller has to fill
	outputs []port
}

// port is an input or output of a graph.
type port struct {
	name  string
	float bool    // a tensor of float32
	kind  string  // in words
	dims  []int64 // -1: dynamic
	rank  bool    // dims are known
}

// String names the port and what it takes.
func (p port) String() string {
	if !p.rank {
		return fmt.Sprintf("%.40q, %s of no stated shape", p.name, p.kind)
	}
	var dims []string
	for _, d := range p.dims {
		if d < 0 {
			dims = append(dims, "dynamic")
		} else {
			dims = append(dims, fmt.Sprint(d))
		}
	}
	return fmt.Sprintf("%.40q, %s of shape [%s]", p.name, p.kind, strings.Join(dims, ", "))
}

// The numbers of fields, in the order of onnx.proto3 (IR version 12).
const (
	modelGraph, modelMetadata, modelFunctions       = 7, 14, 25
	entryKey, entryValue                            = 1, 2
	graphNode, graphInitializer                     = 1, 5
	graphInput, graphOutput, graphSparse            = 11, 12, 15
	functionNode                                    = 7
	nodeOperator, nodeAttribute                     = 4, 5
	attributeTensor, attributeGraph                 = 5, 6
	attributeTensors, attributeGraphs               = 10, 11
	attributeSparse, attributeSparses               = 22, 23
	sparseValues, sparseIndices                     = 1, 2
	tensorName, tensorExternal, tensorLocation      = 8, 13, 14
	portName, portType, typeTensor                  = 1, 2, 1
	tensorElement, tensorShape, shapeDim, dimLength = 1, 2, 1, 1
)

// maxDepth bounds how far graphs may lie in graphs, maxPorts how many inputs are listed.
const (
	maxDepth = 32
	maxPorts = 1000
)

// random are the operators whose answer differs from run to run.
var random = []string{"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}

// parse reads the graph in b. The error wraps ErrFile: b is no ONNX model, is cut off, draws
// random numbers or keeps weights in another file.
func parse(b []byte) (*graph, error) {
	var g graph
	var seen int
	err := fields(b, func(num protowire.Number, _ uint64, v []byte) error {
		switch num {
		case modelGraph:
			seen++
			return g.top(v)
		case modelMetadata:
			var key, value string
			err := fields(v, func(num protowire.Number, _ uint64, v []byte) error {
				switch num {
				case entryKey:
					key = string(v)
				case entryValue:
					value = string(v)
				}
				return nil
			})
			if key == "foretick.name" {
				g.name = value
			}
			return err
		case modelFunctions:
			return fields(v, func(num protowire.Number, _ uint64, v []byte) error {
				if num == functionNode {
					return node(v, 0)
				}
				return nil
			})
		}
		return nil
	})
	if err == nil && seen != 1 {
		err = fmt.Errorf("%w: it is not an ONNX model, or it is cut off: it holds %d graphs", ErrFile, seen)
	}
	if err != nil {
		return nil, err
	}
	return &g, nil
}

// top reads the model's own graph.
func (g *graph) top(b []byte) error {
	var constants []string
	err := fields(b, func(num protowire.Number, _ uint64, v []byte) error {
		var list *[]port
		switch num {
		case graphInitializer:
			name, err := tensor(v)
			constants = append(constants, name)
			return err
		case graphInput:
			list = &g.inputs
		case graphOutput:
			list = &g.outputs
		default:
			return inner(num, v, 0)
		}
		if len(*list) == maxPorts {
			return fmt.Errorf("%w: it has more than %d inputs or outputs", ErrFile, maxPorts)
		}
		p, err := readPort(v)
		*list = append(*list, p)
		return err
	})
	// Files of old list their weights among the inputs.
	g.inputs = slices.DeleteFunc(g.inputs, func(p port) bool { return slices.Contains(constants, p.name) })
	return err
}

// inner looks at one field of a graph that lies depth graphs deep.
func inner(num protowire.Number, v []byte, depth int) (err error) {
	switch num {
	case graphNode:
		err = node(v, depth)
	case graphInitializer:
		_, err = tensor(v)
	case graphSparse:
		err = sparse(v)
	}
	return err
}

// node looks at an operator and the tensors and graphs in its attributes.
func node(b []byte, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: graphs lie more than %d deep in graphs", ErrFile, maxDepth)
	}
	return fields(b, func(num protowire.Number, _ uint64, v []byte) error {
		switch {
		case num == nodeOperator && slices.Contains(random, string(v)):
			return fmt.Errorf("%w: its operator %s draws random numbers; the same window must give the same answer", ErrFile, v)
		case num != nodeAttribute:
			return nil
		}
		return fields(v, func(num protowire.Number, _ uint64, v []byte) error {
			switch num {
			case attributeTensor, attributeTensors:
				_, err := tensor(v)
				return err
			case attributeSparse, attributeSparses:
				return sparse(v)
			case attributeGraph, attributeGraphs:
				return fields(v, func(num protowire.Number, _ uint64, v []byte) error { return inner(num, v, depth+1) })
			}
			return nil
		})
	})
}

func sparse(b []byte) error {
	return fields(b, func(num protowire.Number, _ uint64, v []byte) error {
		if num == sparseValues || num == sparseIndices {
			_, err := tensor(v)
			return err
		}
		return nil
	})
}

// tensor returns the name of a constant, which must lie in the file.
func tensor(b []byte) (name string, err error) {
	err = fields(b, func(num protowire.Number, n uint64, v []byte) error {
		switch {
		case num == tensorName:
			name = string(v)
		case num == tensorExternal, num == tensorLocation && n != 0:
			return fmt.Errorf("%w: weights lie in another file (external data); save the model as one file", ErrFile)
		}
		return nil
	})
	return name, err
}

// elements are the names of the types of a tensor's elements, by their number.
var elements = [...]string{"undefined", "float32", "uint8", "int8", "uint16", "int16", "int32", "int64", "string", "bool", "float16", "float64", "uint32", "uint64", "complex64", "complex128", "bfloat16"}

// readPort reads a ValueInfoProto.
func readPort(b []byte) (p port, err error) {
	p.kind = "not a tensor"
	err = fields(b, func(num protowire.Number, _ uint64, v []byte) error {
		switch num {
		case portName:
			p.name = string(v)
		case portType:
			return fields(v, func(num protowire.Number, _ uint64, v []byte) error {
				if num != typeTensor {
					return nil
				}
				p.kind = elements[0]
				return fields(v, p.tensor)
			})
		}
		return nil
	})
	return p, err
}

// tensor reads a field of TypeProto.Tensor.
func (p *port) tensor(num protowire.Number, n uint64, v []byte) error {
	switch num {
	case tensorElement:
		p.float = n == 1
		p.kind = fmt.Sprintf("type %d", n)
		if n < uint64(len(elements)) {
			p.kind = elements[n]
		}
	case tensorShape:
		p.rank = true
		return fields(v, func(num protowire.Number, _ uint64, v []byte) error {
			if num != shapeDim {
				return nil
			}
			length := int64(-1)
			err := fields(v, func(num protowire.Number, n uint64, _ []byte) error {
				if num == dimLength && n <= math.MaxInt64 {
					length = int64(n)
				}
				return nil
			})
			if len(p.dims) == 8 {
				return fmt.Errorf("%w: %.40q has more than 8 dimensions", ErrFile, p.name)
			}
			p.dims = append(p.dims, length)
			return err
		})
	}
	return nil
}

// fields calls f for each field of a message: n is the value of a number, v the bytes of
// what has a length. The error is the first of f, or wraps ErrFile where b is no message.
func fields(b []byte, f func(num protowire.Number, n uint64, v []byte) error) error {
	for len(b) > 0 {
		num, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return broken()
		}
		b = b[size:]
		var n uint64
		var v []byte
		switch kind {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			v, size = protowire.ConsumeBytes(b)
		default:
			size = protowire.ConsumeFieldValue(num, kind, b)
		}
		if size < 0 {
			return broken()
		}
		b = b[size:]
		if err := f(num, n, v); err != nil {
			return err
		}
	}
	return nil
}

func broken() error {
	return fmt.Errorf("%w: it is not an ONNX model, or it is cut off", ErrFile)
}
