package neural

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/foretick/foretick/forecast"
)

// Artifact is a model that can be kept: a *PriceModel or a *Trained. Tensors and what
// Describe returns are all of it.
type Artifact interface {
	// Describe returns everything but the weights as JSON, the same bytes every time.
	Describe() ([]byte, error)
	// Tensors returns a copy of the weights.
	Tensors() map[string]Tensor
	// ID names it after everything that decides its answers.
	ID() string
}

// ErrArtifact says that a description and tensors are not those of an artifact.
var ErrArtifact = errors.New("neural: not a model")

// record is an artifact's description.
type record struct {
	Format string      `json:"format"`
	Shape  Shape       `json:"shape"`
	Price  *prices     `json:"price,omitempty"`
	Dist   *dispersion `json:"distribution,omitempty"`
}

type prices struct {
	X Standard `json:"x"`
	Y Standard `json:"y"`
}

type dispersion struct {
	Members int `json:"members"`
	About
}

// artifactFormat is the first field of a description.
const artifactFormat = "foretick-neural/1"

// maxMembers bounds an ensemble.
const maxMembers = 100

// Describe returns shape and scalings.
func (m *PriceModel) Describe() ([]byte, error) {
	return json.Marshal(record{Format: artifactFormat, Shape: m.net.shape, Price: &prices{m.x, m.y}})
}

// Tensors returns the weights of the network.
func (m *PriceModel) Tensors() map[string]Tensor { return m.net.Tensors() }

// ID names the model after its weights and scalings.
func (m *PriceModel) ID() string { return m.id }

// Describe returns shape, scalings, options, learning curve and the rest of About.
func (v *Trained) Describe() ([]byte, error) {
	return json.Marshal(record{Format: artifactFormat, Shape: v.Shape(), Dist: &dispersion{len(v.members), v.about}})
}

// Tensors returns the weights, those of network N named "N." and then as by
// [Network.Tensors].
func (v *Trained) Tensors() map[string]Tensor {
	all := map[string]Tensor{}
	for i, m := range v.members {
		for name, t := range m.Tensors() {
			all[fmt.Sprintf("%d.%s", i, name)] = t
		}
	}
	return all
}

// Load makes an artifact of what Describe and Tensors returned. The error wraps
// ErrArtifact.
func Load(description []byte, tensors map[string]Tensor) (Artifact, error) {
	var r record
	if err := json.Unmarshal(description, &r); err != nil {
		return nil, fmt.Errorf("%w: its description is no JSON: %w", ErrArtifact, err)
	}
	var a Artifact
	var err error
	switch {
	case r.Format != artifactFormat:
		return nil, fmt.Errorf("%w: its format is %.40q, this program reads %q", ErrArtifact, r.Format, artifactFormat)
	case r.Price != nil && r.Dist == nil:
		var net *Network
		if net, err = FromTensors(r.Shape, tensors); err == nil {
			a, err = NewPriceModel(net, r.Price.X, r.Price.Y)
		}
	case r.Dist != nil && r.Price == nil:
		a, err = load(r.Shape, r.Dist, tensors)
	default:
		return nil, fmt.Errorf("%w: it is neither a price model nor a distribution", ErrArtifact)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrArtifact, err)
	}
	return a, nil
}

// load makes a Trained.
func load(s Shape, d *dispersion, tensors map[string]Tensor) (*Trained, error) {
	if err := d.Options.Validate(); err != nil {
		return nil, err
	}
	if s != d.Options.Shape() {
		return nil, fmt.Errorf("%w: the networks are %v, the options say %v", ErrShape, s, d.Options.Shape())
	}
	if err := d.Standard.validate(numInputs); err != nil {
		return nil, fmt.Errorf("%w: scaling of the inputs: %w", ErrShape, err)
	}
	if d.Members < 1 || d.Members > maxMembers || len(d.Nu) != len(anchors) || len(d.Location) != len(anchors) {
		return nil, fmt.Errorf("%w: %d networks, %d degrees of freedom and %d locations; need 1 to %d, %d and %d",
			ErrShape, d.Members, len(d.Nu), len(d.Location), maxMembers, len(anchors), len(anchors))
	}
	if d.Since < d.Until {
		return nil, fmt.Errorf("%w: it would forecast from %s on, having learnt from bars up to %s", ErrShape, d.Since, d.Until)
	}
	for k := range anchors {
		if nu := d.Nu[k]; !(nu >= leastNu) || nu > 1e6 || !(d.Location[k] >= 0 && d.Location[k] <= 1) {
			return nil, fmt.Errorf("%w: %v degrees of freedom with %v of the location at horizon %d", ErrShape, nu, d.Location[k], anchors[k])
		}
	}
	v := &Trained{about: d.About}
	for i := range d.Members {
		part, prefix := map[string]Tensor{}, fmt.Sprintf("%d.", i)
		for name, t := range tensors {
			if rest, ok := strings.CutPrefix(name, prefix); ok {
				part[rest] = t
			}
		}
		net, err := FromTensors(s, part)
		if err != nil {
			return nil, fmt.Errorf("network %d: %w", i, err)
		}
		v.members = append(v.members, net)
	}
	if n := d.Members * len(v.members[0].Tensors()); n != len(tensors) {
		return nil, fmt.Errorf("%w: %d tensors, %d networks have %d", ErrShape, len(tensors), d.Members, n)
	}
	return v, v.finish()
}

// identity is the beginning of a digest of a description and weights.
func identity(description []byte, tensors map[string]Tensor) string {
	h := sha256.New()
	h.Write(description)
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		b = append(append(b[:0], name...), 0)
		for _, v := range tensors[name].Data {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// The two kinds of artifact.
var (
	_ Artifact = (*PriceModel)(nil)
	_ Artifact = (*Trained)(nil)

	_ forecast.Follower = (*Model)(nil)
)
