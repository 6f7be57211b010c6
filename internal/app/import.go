package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/modelfile"
	"github.com/foretick/foretick/internal/registry"
)

// ImportFiles are the files of a model that is imported: either Version alone, a file that
// `foretick models export` wrote, or the weights with both scalers.
type ImportFiles struct {
	Version     string // a version that was exported
	Torch       string // weights: a PyTorch state_dict
	Safetensors string // weights, instead of Torch
	Hyper       string // the original's hyper-parameters, optional: they must agree with the weights
	X, Y        string // scalers of prices and answer
}

// ErrImport says that files do not make a model; it is wrapped with which and why.
var ErrImport = errors.New("the model cannot be imported")

// maxImport bounds a file that is read.
const maxImport = modelfile.MaxSize

// ImportModel reads the files of a model. The errors wrap ErrImport.
func ImportModel(f ImportFiles) (name string, a neural.Artifact, source string, err error) {
	read := func(what, path string) []byte {
		if err != nil {
			return nil
		}
		var b []byte
		if path == "" {
			err = fmt.Errorf("%w: %s is missing", ErrImport, what)
		} else if b, err = readBounded(path); err != nil {
			err = fmt.Errorf("%w: %s: %w", ErrImport, what, err)
		}
		return b
	}
	if f.Version != "" {
		b := read("the version", f.Version)
		if err != nil {
			return "", nil, "", err
		}
		v, err := registry.Read(b)
		if err != nil {
			return "", nil, "", fmt.Errorf("%w: %s: %w", ErrImport, f.Version, err)
		}
		return v.Name, v.Artifact, v.Source, nil
	}
	path := cmp.Or(f.Torch, f.Safetensors)
	weights := read("the file of weights (--pth or --safetensors)", path)
	x, y := read("the scaler of the prices (--x-scaler)", f.X), read("the scaler of the answer (--y-scaler)", f.Y)
	if err != nil {
		return "", nil, "", err
	}
	var tensors modelfile.Tensors
	if f.Torch != "" {
		tensors, err = modelfile.ReadTorch(weights)
	} else {
		tensors, _, err = modelfile.ReadSafetensors(weights)
	}
	if err != nil {
		return "", nil, "", fmt.Errorf("%w: %s: %w", ErrImport, path, err)
	}
	shape, named, err := recognise(tensors)
	if err != nil {
		return "", nil, "", fmt.Errorf("%w: %s: %w", ErrImport, path, err)
	}
	if f.Hyper != "" {
		b := read("the hyper-parameters", f.Hyper)
		if err != nil {
			return "", nil, "", err
		}
		h, err := modelfile.ReadHyper(b)
		if err != nil {
			return "", nil, "", fmt.Errorf("%w: %s: %w", ErrImport, f.Hyper, err)
		}
		if h.Input != shape.Inputs || h.Hidden != shape.Units || h.Layers != shape.Layers {
			return "", nil, "", fmt.Errorf("%w: %s says %d inputs and %d layers of %d units, the weights are those of %v", ErrImport, f.Hyper, h.Input, h.Layers, h.Hidden, shape)
		}
	}
	net, err := neural.FromTensors(shape, named)
	if err != nil {
		return "", nil, "", fmt.Errorf("%w: %s: %w", ErrImport, path, err)
	}
	var scalers [2]neural.Standard
	for i, b := range [][]byte{x, y} {
		s, err := modelfile.ReadScaler(b)
		if err != nil {
			return "", nil, "", fmt.Errorf("%w: %s: %w", ErrImport, []string{f.X, f.Y}[i], err)
		}
		scalers[i] = neural.Standard(s)
	}
	m, err := neural.NewPriceModel(net, scalers[0], scalers[1])
	if err != nil {
		return "", nil, "", fmt.Errorf("%w: %w", ErrImport, err)
	}
	return "", m, "imported from " + base(path), nil
}

func base(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }

func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxImport {
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%d bytes are more than %d", info.Size(), maxImport)}
	}
	return os.ReadFile(path)
}

// recognise finds the network that tensors are of, under whatever names its author gave to
// the recurrent part and the head, and names them as package neural does.
func recognise(tensors modelfile.Tensors) (s neural.Shape, named map[string]neural.Tensor, err error) {
	const first = "weight_ih_l0"
	prefix, found := "", false
	for name := range tensors {
		if p, ok := strings.CutSuffix(name, first); ok {
			if found {
				return s, nil, fmt.Errorf("there are two recurrent networks, %q and %q; one is needed", prefix, p)
			}
			prefix, found = p, true
		}
	}
	if !found {
		return s, nil, fmt.Errorf("there is no tensor whose name ends in %s among %v: it is no torch.nn.LSTM or GRU", first, slices.Sorted(maps.Keys(tensors)))
	}
	named = map[string]neural.Tensor{}
	var head []string
	for name, t := range tensors {
		if rest, ok := strings.CutPrefix(name, prefix); ok && (strings.HasPrefix(rest, "weight_") || strings.HasPrefix(rest, "bias_")) {
			named[rest] = neural.Tensor(t)
			if strings.Contains(rest, "_reverse") || strings.Contains(rest, "_hr_") {
				return s, nil, fmt.Errorf("tensor %q belongs to a bidirectional or projected network; neither is supported", name)
			}
			if strings.HasPrefix(rest, first[:len(first)-1]) {
				s.Layers++
			}
			continue
		}
		head = append(head, name)
	}
	slices.Sort(head)
	if len(head) != 2 || !strings.HasSuffix(head[0], ".bias") || head[1] != strings.TrimSuffix(head[0], "bias")+"weight" {
		return s, nil, fmt.Errorf("beside the recurrent layers there are %v; a linear head, one weight and one bias, is needed", head)
	}
	named["head.bias"], named["head.weight"] = neural.Tensor(tensors[head[0]]), neural.Tensor(tensors[head[1]])
	ih, hh := named[first].Shape, named["weight_hh_l0"].Shape
	if len(ih) != 2 || len(hh) != 2 || hh[1] < 1 || len(tensors[head[0]].Shape) != 1 {
		return s, nil, fmt.Errorf("the weights of layer 0 have the shapes %v and %v", ih, hh)
	}
	s.Inputs, s.Units, s.Outputs = ih[1], hh[1], tensors[head[0]].Shape[0]
	switch hh[0] {
	case 4 * hh[1]:
		s.Cell = neural.LSTM
	case 3 * hh[1]:
		s.Cell = neural.GRU
	default:
		return s, nil, fmt.Errorf("%d rows of weights for %d units: neither an LSTM (4 gates) nor a GRU (3)", hh[0], hh[1])
	}
	return s, named, s.Validate()
}

// versions is the registry as the API sees it.
type versions struct {
	*registry.Registry
	app *App
}

// Import stores a version that was handed over, and lets it join the race.
func (v versions) Import(ctx context.Context, file []byte) (*registry.Version, error) {
	r, err := registry.Read(file)
	if err != nil {
		return nil, err
	}
	kept, _, err := v.Put(ctx, r.Name, r.Artifact, r.Source)
	if err != nil {
		return nil, err
	}
	return kept, v.app.newRace()
}
