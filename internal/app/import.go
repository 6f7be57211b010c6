package app

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
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
	if f.Version != "" {
		v, err := importVersion(f.Version)
		if err != nil {
			return "", nil, "", fmt.Errorf("%w: %w", ErrImport, InWords(err))
		}
		return v.Name, v.Artifact, v.Source, nil
	}
	m, err := importPrice(&f)
	if err != nil {
		return "", nil, "", fmt.Errorf("%w: %w", ErrImport, InWords(err))
	}
	return "", m, "imported from " + base(cmp.Or(f.Torch, f.Safetensors)), nil
}

// importVersion reads a version that was exported.
func importVersion(path string) (*registry.Version, error) {
	b, err := readBounded("the version (--file)", path)
	if err != nil {
		return nil, err
	}
	v, err := registry.Read(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// importPrice reads weights and scalers.
func importPrice(f *ImportFiles) (*neural.PriceModel, error) {
	net, err := importNetwork(f)
	if err != nil {
		return nil, err
	}
	var x, y neural.Standard
	for _, s := range []struct {
		what, path string
		to         *neural.Standard
	}{{"the scaler of the prices (--x-scaler)", f.X, &x}, {"the scaler of the answer (--y-scaler)", f.Y, &y}} {
		b, err := readBounded(s.what, s.path)
		if err != nil {
			return nil, err
		}
		scaler, err := modelfile.ReadScaler(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.path, err)
		}
		*s.to = neural.Standard(scaler)
	}
	if len(y.Mean) > 1 && len(x.Mean) == 1 {
		return nil, fmt.Errorf("--x-scaler has one column and --y-scaler %d: are they swapped?", len(y.Mean))
	}
	return neural.NewPriceModel(net, x, y)
}

// importNetwork reads weights, and the hyper-parameters that they must agree with.
func importNetwork(f *ImportFiles) (*neural.Network, error) {
	path := cmp.Or(f.Torch, f.Safetensors)
	weights, err := readBounded("the file of weights (--pth or --safetensors)", path)
	if err != nil {
		return nil, err
	}
	var tensors modelfile.Tensors
	if f.Torch != "" {
		tensors, err = modelfile.ReadTorch(weights)
	} else {
		tensors, _, err = modelfile.ReadSafetensors(weights)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	shape, named, err := recognise(tensors)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if f.Hyper != "" {
		b, err := readBounded("the hyper-parameters (--hyper)", f.Hyper)
		if err != nil {
			return nil, err
		}
		h, err := modelfile.ReadHyper(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Hyper, err)
		}
		if h.Input != shape.Inputs || h.Hidden != shape.Units || h.Layers != shape.Layers {
			return nil, fmt.Errorf("%s says input_size %d, hidden_size %d, num_stacked_layers %d; of the weights in %s they are %d, %d and %d: the files are not of one model",
				f.Hyper, h.Input, h.Hidden, h.Layers, path, shape.Inputs, shape.Units, shape.Layers)
		}
	}
	net, err := neural.FromTensors(shape, named)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return net, nil
}

// InWords is err without the names of packages, which are no help to who reads it.
func InWords(err error) error {
	if err == nil {
		return nil
	}
	return plain{err}
}

type plain struct{ error }

var packages = strings.NewReplacer(modelfile.ErrFormat.Error()+": ", "", registry.ErrFile.Error()+": ", "", registry.ErrName.Error(), "the name",
	neural.ErrArtifact.Error()+": ", "", neural.ErrShape.Error()+": ", "", neural.ErrSamples.Error(), "there is nothing to learn from")

func (p plain) Error() string { return packages.Replace(p.error.Error()) }
func (p plain) Unwrap() error { return p.error }

func base(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }

// readBounded reads a file of a model. It says what is not one whatever it should hold.
func readBounded(what, path string) ([]byte, error) {
	if path == "" {
		return nil, fmt.Errorf("%s is missing", what)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if info.Size() > maxImport {
		return nil, fmt.Errorf("%s: %s has %d bytes; at most %d MiB are read", what, path, info.Size(), maxImport>>20)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	head := bytes.ToLower(bytes.TrimLeft(b[:min(len(b), 200)], " \t\r\n"))
	switch {
	case len(head) == 0:
		return nil, fmt.Errorf("%s: %s is empty", what, path)
	case bytes.HasPrefix(head, []byte("<!doctype")), bytes.HasPrefix(head, []byte("<html")):
		return nil, fmt.Errorf("%s: %s is a web page; its address leads to a page about the file, not to the file", what, path)
	case bytes.HasPrefix(head, []byte("version https://git-lfs")):
		return nil, fmt.Errorf("%s: %s only names a file that Git LFS keeps; git lfs pull fetches it", what, path)
	}
	return b, nil
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
