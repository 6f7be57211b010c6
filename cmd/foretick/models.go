package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/registry"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

type modelsCmd struct {
	List   modelsListCmd   `cmd:"" help:"List the stored model versions."`
	Show   modelsShowCmd   `cmd:"" help:"Show a version: what it is, what it has seen, how it learnt."`
	Import modelsImportCmd `cmd:"" help:"Store a model that was trained elsewhere."`
	Export modelsExportCmd `cmd:"" help:"Write a version as a safetensors file."`
	Delete modelsDeleteCmd `cmd:"" help:"Delete a version."`
}

type modelsListCmd struct {
	app.Place
	JSON bool `help:"Print JSON."`
}

func (c *modelsListCmd) Run(t *terminal) error {
	r, closed, err := app.ReadRegistry(t.ctx, c.Place)
	if err != nil {
		return err
	}
	defer closed()
	var versions []*registry.Version
	if r != nil {
		versions = r.Versions()
	}
	if c.JSON {
		list := make([]versionRow, len(versions))
		for i, v := range versions {
			list[i] = newVersionRow(v)
		}
		return json.NewEncoder(t.stdout).Encode(list)
	}
	if len(versions) == 0 {
		_, err := fmt.Fprintf(t.stdout, "No model is stored in %s. foretick train makes one, foretick models import brings one.\n", c.Place)
		return err
	}
	w := tabwriter.NewWriter(t.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "MODEL\tVERSION\tKIND\tNETWORK\tINTERVAL\tFORECASTS FROM\tCREATED\tSOURCE")
	for _, v := range versions {
		row := newVersionRow(v)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", row.Name, row.ID, row.Kind, row.Network, dash(row.Interval), dash(row.Since), v.Created.Std().Format(time.DateTime), row.Source)
	}
	return w.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// versionRow is a version as commands print it.
type versionRow struct {
	Name     string `json:"name"`
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Network  string `json:"network"`
	Interval string `json:"interval,omitempty"`
	Since    string `json:"since,omitempty"`
	Created  string `json:"created"`
	Source   string `json:"source"`
}

func newVersionRow(v *registry.Version) versionRow {
	row := versionRow{Name: v.Name, ID: v.ID, Kind: registry.Kind(v.Artifact), Created: v.Created.String(), Source: v.Source}
	switch a := v.Artifact.(type) {
	case *neural.PriceModel:
		row.Network = a.Shape().String()
	case *neural.Trained:
		row.Network = networks(a)
		row.Interval, row.Since = a.About().Interval, a.About().Since.Std().Format(time.DateOnly)
	}
	return row
}

// networks says what answers together.
func networks(v *neural.Trained) string {
	if v.Members() == 1 {
		return v.Shape().String()
	}
	return fmt.Sprintf("%d networks of %v", v.Members(), v.Shape())
}

// versionArg names a version.
type versionArg struct {
	Name    string `arg:"" help:"Name of the model."`
	Version string `arg:"" optional:"" help:"ID of the version. Default: the newest."`
}

// find explains a version that there is not.
func (a *versionArg) find(r *registry.Registry, dir string) (*registry.Version, error) {
	if r == nil {
		return nil, fmt.Errorf("no model is stored in %s", dir)
	}
	v, err := r.Version(a.Name, a.Version)
	if errors.Is(err, store.ErrNotFound) && a.Version == "" {
		return nil, fmt.Errorf("there is no model %q in %s; foretick models list shows those there are", a.Name, dir)
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("there is no version %q of a model %q in %s; foretick models list shows those there are", a.Version, a.Name, dir)
	}
	return v, err
}

type modelsShowCmd struct {
	versionArg
	app.Place
}

func (c *modelsShowCmd) Run(t *terminal) error {
	r, closed, err := app.ReadRegistry(t.ctx, c.Place)
	if err != nil {
		return err
	}
	defer closed()
	v, err := c.find(r, c.Place.String())
	if err != nil {
		return err
	}
	b, err := v.Artifact.Describe()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "%s %s, %s, %s\n%s\n", v.Name, v.ID, v.Source, v.Created, out.Bytes())
	return err
}

type modelsExportCmd struct {
	versionArg
	app.Place
	Out string `default:"" help:"File to write. Default: NAME-VERSION.safetensors; - is standard output."`
}

func (c *modelsExportCmd) Run(t *terminal) error {
	r, closed, err := app.ReadRegistry(t.ctx, c.Place)
	if err != nil {
		return err
	}
	defer closed()
	v, err := c.find(r, c.Place.String())
	if err != nil {
		return err
	}
	b, err := r.File(t.ctx, v.Name, v.ID)
	if err != nil {
		return err
	}
	if c.Out == "-" {
		_, err := t.stdout.Write(b)
		return err
	}
	if c.Out == "" {
		c.Out = v.Name + "-" + v.ID + ".safetensors"
	}
	if err := writeOut(t, c.Out, func(w io.Writer) error { _, err := w.Write(b); return err }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "%s: %s %s, %d bytes\n", c.Out, v.Name, v.ID, len(b))
	return err
}

type modelsDeleteCmd struct {
	Name    string `arg:"" help:"Name of the model."`
	Version string `arg:"" help:"ID of the version."`
	app.Place
}

func (c *modelsDeleteCmd) Run(t *terminal) (err error) {
	v, err := c.find(t)
	if err != nil {
		return err
	}
	r, closed, err := app.WriteRegistry(t.ctx, c.Place)
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("%w: Foretick runs on this folder; stop it, or send it DELETE /v1/versions/%s/%s", err, v.Name, v.ID)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closed()) }()
	if err := r.Delete(t.ctx, v.Name, v.ID); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "%s %s is deleted\n", v.Name, v.ID)
	return err
}

// find looks beside a running Foretick, and creates nothing where there is nothing.
func (c *modelsDeleteCmd) find(t *terminal) (*registry.Version, error) {
	r, closed, err := app.ReadRegistry(t.ctx, c.Place)
	if err != nil {
		return nil, err
	}
	defer closed()
	return (&versionArg{c.Name, c.Version}).find(r, c.Place.String())
}

// locked says what to do when Foretick runs on the folder.
func locked(err error) error {
	if errors.Is(err, store.ErrLocked) {
		return fmt.Errorf("%w: Foretick runs on this folder; stop it, or pass --host http://localhost:8080 to hand the model to it", err)
	}
	return err
}

type modelsImportCmd struct {
	Name        string `default:"" help:"Name of the model: lower-case letters, digits and hyphens."`
	Pth         string `type:"existingfile" help:"Weights: a PyTorch state_dict of one LSTM or GRU and a linear head, as torch.save(model.state_dict(), path) writes it."`
	Safetensors string `type:"existingfile" help:"Weights as safetensors, instead of --pth."`
	Hyper       string `type:"existingfile" help:"The original's JSON of hyper-parameters. They must agree with the weights."`
	XScaler     string `name:"x-scaler" type:"existingfile" help:"scikit-learn StandardScaler of the prices: the .pkl, or JSON {\"mean\": [...], \"scale\": [...]}."`
	YScaler     string `name:"y-scaler" type:"existingfile" help:"The same of the answer."`
	File        string `type:"existingfile" help:"A version that foretick models export wrote, instead of all of these."`
	app.Place
	Host string `placeholder:"URL" help:"Hand the model to the Foretick that runs there instead; FORETICK_API_KEY is its key, if it wants one."`
	Key  string `env:"FORETICK_API_KEY" hidden:""`
}

// check reports flags that do not go together.
func (c *modelsImportCmd) check() error {
	parts := []struct{ flag, value string }{{"--pth", c.Pth}, {"--safetensors", c.Safetensors}, {"--hyper", c.Hyper}, {"--x-scaler", c.XScaler}, {"--y-scaler", c.YScaler}}
	if c.File != "" {
		for _, p := range parts {
			if p.value != "" {
				return usage("--file holds a whole version; leave out %s", p.flag)
			}
		}
		return nil
	}
	switch {
	case c.Pth == "" && c.Safetensors == "":
		return usage("give the weights: --pth or --safetensors, or --file for a version that foretick models export wrote")
	case c.Pth != "" && c.Safetensors != "":
		return usage("--pth and --safetensors are both weights; give one of them")
	case c.XScaler == "":
		return usage("--x-scaler is missing: the scaler of the prices, without which the network reads nonsense")
	case c.YScaler == "":
		return usage("--y-scaler is missing: the scaler of the answer, without which the answer is no price")
	case c.Name == "":
		return usage("--name is missing: what shall the model be called?")
	}
	return nil
}

func (c *modelsImportCmd) Run(t *terminal) (err error) {
	if err := c.check(); err != nil {
		return err
	}
	name, a, source, err := app.ImportModel(app.ImportFiles{Version: c.File, Torch: c.Pth, Safetensors: c.Safetensors, Hyper: c.Hyper, X: c.XScaler, Y: c.YScaler})
	if err != nil {
		return err
	}
	if c.Name != "" {
		name = c.Name
	}
	if c.Host != "" {
		return c.send(t, name, a, source)
	}
	if _, err := app.NamedVersions(t.ctx, c.Place, name, registry.Kind(a)); err != nil {
		return badName(err)
	}
	r, closed, err := app.WriteRegistry(t.ctx, c.Place)
	if err != nil {
		return locked(err)
	}
	defer func() { err = errors.Join(err, closed()) }()
	v, _, err := r.Put(t.ctx, name, a, source)
	if err != nil {
		return badName(app.InWords(err))
	}
	return c.say(t, v.Name, v.ID, v.Artifact)
}

// badName makes a name that cannot be taken wrong usage.
func badName(err error) error {
	if errors.Is(err, registry.ErrName) {
		return usage("--name %s", strings.TrimPrefix(err.Error(), "the name "))
	}
	return err
}

func (c *modelsImportCmd) say(t *terminal, name, id string, a neural.Artifact) error {
	what, next := "", ""
	switch m := a.(type) {
	case *neural.PriceModel:
		what = fmt.Sprintf("%v, reads %s", m.Shape(), count(m.Lookback(), "price"))
		next = "foretick predict --model " + name + " asks it"
	case *neural.Trained:
		about := m.About()
		what = fmt.Sprintf("%s, forecasts %s bars from %s on", networks(m), about.Interval, about.Since.Std().Format(time.DateOnly))
		next = "foretick backtest --models " + name + " walks it"
	}
	_, err := fmt.Fprintf(t.stdout, "%s %s is stored: %s. It joins the default race; %s.\n", name, id, what, next)
	return err
}

// send hands the model to a service that runs.
func (c *modelsImportCmd) send(t *terminal, name string, a neural.Artifact, source string) error {
	body, err := registry.Write(&registry.Version{Name: name, ID: a.ID(), Created: market.TimeOf(time.Now()), Source: source, Artifact: a})
	if err != nil {
		return err
	}
	if _, err := (remote{c.Host, c.Key}).post(t.ctx, "/v1/versions", "application/octet-stream", body); err != nil {
		return err
	}
	return c.say(t, name, a.ID(), a)
}
