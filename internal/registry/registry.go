// Package registry keeps model versions: what was trained or imported, as immutable
// artifacts in the store.
//
// A model has a name, under which it races, and versions. A version of networks that were
// trained is used from the cutoff on that it says (neural.About.Since), so several stand
// side by side and each cutoff finds its own. Of an imported price model, which does not
// say what it has seen, the version imported last is the one that races.
//
// A version is stored as a safetensors file: the weights, and in its metadata the
// description of the artifact, the name, when it was made, and where it comes from. The
// file that [Registry.File] returns can be opened by any reader of that format, and
// imported into another Foretick.
package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/modelfile"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// Errors, wrapped with details.
var (
	// ErrName says that a model cannot be called so.
	ErrName = errors.New("registry: bad name")
	// ErrFile says that bytes are not a version that File returned.
	ErrFile = errors.New("registry: not a model version")
)

// documentKind is the kind of the documents that hold versions, named NAME/ID.
const documentKind = "version"

// Version is one version of a model.
type Version struct {
	Name     string
	ID       string
	Created  market.Time // when it was trained or imported
	Source   string      // in words: the file or the series that it comes from
	Size     int         // bytes
	Artifact neural.Artifact
}

// Registry is the versions of a store. It is safe for concurrent use.
type Registry struct {
	cfg Config

	mu    sync.Mutex
	list  []*Version
	grown map[string]*neural.Versions // what the models in the race choose from, by name
}

// Config says what a registry works with. Only Log and Reserved may be nil.
type Config struct {
	Store store.DocumentStore
	Now   func() time.Time
	Log   *slog.Logger
	// Reserved are the names that no stored model may have: those of the catalog.
	Reserved []string
}

// Open reads all versions of the store. One that is damaged is left out, and logged.
func Open(ctx context.Context, cfg Config) (*Registry, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Registry{cfg: cfg, grown: map[string]*neural.Versions{}}
	docs, err := cfg.Store.Documents(ctx, documentKind)
	if err != nil {
		return nil, fmt.Errorf("registry: %w", err)
	}
	for _, d := range docs {
		doc, err := cfg.Store.Document(ctx, documentKind, d.Name)
		if err != nil {
			return nil, fmt.Errorf("registry: version %s: %w", d.Name, err)
		}
		v, err := Read(doc.Body)
		if err == nil && document(v) != d.Name {
			err = fmt.Errorf("%w: it holds %s", ErrFile, document(v))
		}
		if err != nil {
			cfg.Log.Error("a model version cannot be read and is left out", "version", d.Name, "err", err)
			continue
		}
		r.take(v)
	}
	return r, nil
}

// document is the name under which a version is stored.
func document(v *Version) string { return v.Name + "/" + v.ID }

// take adds v to what is in memory.
func (r *Registry) take(v *Version) {
	r.list = append(r.list, v)
	slices.SortStableFunc(r.list, func(a, b *Version) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(b.Created, a.Created), strings.Compare(a.ID, b.ID))
	})
	if t, ok := v.Artifact.(*neural.Trained); ok {
		if r.grown[v.Name] == nil {
			r.grown[v.Name] = &neural.Versions{}
		}
		r.grown[v.Name].Add(t)
	}
}

var names = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// CheckName reports a name that a stored model cannot have. The error wraps ErrName.
func (r *Registry) CheckName(name string) error {
	switch {
	case len(name) > 32 || !names.MatchString(name):
		return fmt.Errorf("%w %.40q: write lower-case letters, digits and single hyphens, a letter first, at most 32", ErrName, name)
	case name == "default" || name == "all" || slices.Contains(r.cfg.Reserved, name):
		return fmt.Errorf("%w %q: it belongs to Foretick itself; choose another", ErrName, name)
	}
	return nil
}

// Put stores an artifact as a version of a model and reports whether the name is new. A
// version that is there already is returned as it is. The error wraps ErrName when the
// name cannot be taken or belongs to a model of another kind, else it is the store's.
func (r *Registry) Put(ctx context.Context, name string, a neural.Artifact, source string) (v *Version, first bool, err error) {
	if err := r.CheckName(name); err != nil {
		return nil, false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	first = true
	created := market.TimeOf(r.cfg.Now())
	for _, o := range r.list {
		if o.Name != name {
			continue
		}
		if Kind(o.Artifact) != Kind(a) {
			return nil, false, fmt.Errorf("%w %q: its versions are of kind %s, this one is of kind %s; choose another name, or delete them first", ErrName, name, Kind(o.Artifact), Kind(a))
		}
		if o.ID == a.ID() {
			return o, false, nil
		}
		first = false
		created = max(created, o.Created+1) // the version that is put last is the newest, whatever the clock does
	}
	v = &Version{Name: name, ID: a.ID(), Created: created, Source: source, Artifact: a}
	body, err := Write(v)
	if err != nil {
		return nil, false, err
	}
	if err := r.cfg.Store.PutDocuments(ctx, store.Document{Kind: documentKind, Name: document(v), At: v.Created, Body: body}); err != nil {
		return nil, false, fmt.Errorf("registry: version %s: %w", document(v), err)
	}
	v.Size = len(body)
	r.take(v)
	return v, first, nil
}

// Versions lists all versions by name, those made last first.
func (r *Registry) Versions() []*Version {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// Version finds one version; an empty id means the one made last. The error wraps
// store.ErrNotFound.
func (r *Registry) Version(name, id string) (*Version, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.find(name, id)
}

func (r *Registry) find(name, id string) (*Version, error) {
	for _, v := range r.list {
		if v.Name == name && (id == "" || v.ID == id) {
			return v, nil
		}
	}
	return nil, fmt.Errorf("model version %.40q %.40q: %w", name, id, store.ErrNotFound)
}

// File returns a version as it is stored, a safetensors file.
func (r *Registry) File(ctx context.Context, name, id string) ([]byte, error) {
	v, err := r.Version(name, id)
	if err != nil {
		return nil, err
	}
	d, err := r.cfg.Store.Document(ctx, documentKind, document(v))
	if err != nil {
		return nil, fmt.Errorf("registry: version %s: %w", document(v), err)
	}
	return d.Body, nil
}

// Delete removes a version from the store. A race that uses it goes on with it until
// Foretick is started again. The error wraps store.ErrNotFound when there is none.
func (r *Registry) Delete(ctx context.Context, name, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, err := r.find(name, id)
	if err != nil {
		return err
	}
	if err := r.cfg.Store.DeleteDocument(ctx, documentKind, document(v)); err != nil {
		return fmt.Errorf("registry: version %s: %w", document(v), err)
	}
	r.list = slices.DeleteFunc(r.list, func(o *Version) bool { return o == v })
	return nil
}

// Model is a stored model as it races.
type Model struct {
	Name    string
	Kind    string
	Price   *neural.PriceModel // of kind price
	Newest  *Version
	forward func() forecast.Forecaster
}

// Forecaster returns a new forecaster. One of trained networks learns of versions that are
// put later.
func (m Model) Forecaster() forecast.Forecaster { return m.forward() }

// Models lists the stored models by name.
func (r *Registry) Models() []Model {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []Model
	for _, v := range r.list {
		if n := len(list); n > 0 && list[n-1].Name == v.Name {
			continue // the first of a name was made last
		}
		m := Model{Name: v.Name, Kind: Kind(v.Artifact), Newest: v}
		switch a := v.Artifact.(type) {
		case *neural.PriceModel:
			m.Price = a
			m.forward = func() forecast.Forecaster { return neural.NewPriceForecaster(v.Name, a) }
		case *neural.Trained:
			versions := r.grown[v.Name]
			m.forward = func() forecast.Forecaster { return neural.New(v.Name, versions) }
		}
		list = append(list, m)
	}
	return list
}

// Kinds of models.
const (
	KindPrice        = "price"        // a *neural.PriceModel
	KindDistribution = "distribution" // a *neural.Trained
)

// Kind says what an artifact is.
func Kind(a neural.Artifact) string {
	if _, ok := a.(*neural.PriceModel); ok {
		return KindPrice
	}
	return KindDistribution
}

// Keys of the metadata of a version's file.
const (
	keyModel   = "foretick.model"
	keyName    = "foretick.name"
	keyCreated = "foretick.created"
	keySource  = "foretick.source"
)

// Write encodes a version as File returns it; Size does not count.
func Write(v *Version) ([]byte, error) {
	description, err := v.Artifact.Describe()
	if err != nil {
		return nil, err
	}
	tensors := modelfile.Tensors{}
	for name, t := range v.Artifact.Tensors() {
		tensors[name] = modelfile.Tensor(t)
	}
	return modelfile.WriteSafetensors(tensors, map[string]string{
		"format": "pt", keyModel: string(description), keyName: v.Name, keyCreated: v.Created.String(), keySource: v.Source})
}

// Read decodes what File returned. The error wraps ErrFile.
func Read(file []byte) (*Version, error) {
	raw, meta, err := modelfile.ReadSafetensors(file)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrFile, strings.TrimPrefix(err.Error(), modelfile.ErrFormat.Error()+": "))
	}
	if meta[keyModel] == "" {
		return nil, fmt.Errorf("%w: its metadata does not say what model the weights are of", ErrFile)
	}
	tensors := map[string]neural.Tensor{}
	for name, t := range raw {
		tensors[name] = neural.Tensor(t)
	}
	v := &Version{Name: meta[keyName], Source: meta[keySource], Size: len(file)}
	if v.Created, err = market.ParseTime(meta[keyCreated]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	if v.Artifact, err = neural.Load([]byte(meta[keyModel]), tensors); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	v.ID = v.Artifact.ID()
	return v, nil
}
