package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/foretick/foretick/forecast/neural"
	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/registry"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/training"
	"github.com/foretick/foretick/market"
)

// Versions are the stored model versions.
type Versions interface {
	Versions() []*registry.Version
	Version(name, id string) (*registry.Version, error)
	File(ctx context.Context, name, id string) ([]byte, error)
	Delete(ctx context.Context, name, id string) error
	// Import stores a version that File returned, here or elsewhere, and lets it join the
	// race. The error wraps registry.ErrFile or registry.ErrName.
	Import(ctx context.Context, file []byte) (*registry.Version, error)
}

// Trainings runs trainings in the background.
type Trainings interface {
	Submit(ctx context.Context, o training.Plan) (training.Training, error)
	Jobs() []training.Training
	Job(id string) (training.Training, error)
	Delete(ctx context.Context, id string) error
}

// maxVersion bounds the body of importVersions, a version's file, to 16 million weights. The
// command line reads larger ones, up to 256 MiB.
const maxVersion = 64 << 20

// versionLimit is how long a client may take to send a version: 64 MiB on a slow line.
const versionLimit = 5 * time.Minute

// importVersions is the pattern of the one route that takes a body above maxBody.
const importVersions = http.MethodPost + " /v1/versions"

// bounded limits the body of a request that matches pattern, and answers one that announces
// too long a version before it is sent. It reports whether to go on.
func bounded(w http.ResponseWriter, r *http.Request, pattern string) bool {
	limit := int64(maxBody)
	if pattern == importVersions {
		limit = maxVersion + 1 // the route refuses what fills the limit
		if r.ContentLength > maxVersion {
			writeProblem(w, problem{Status: http.StatusRequestEntityTooLarge,
				Detail: fmt.Sprintf("the version is too large: it has %d bytes, at most %d MiB are taken here; stop Foretick and run foretick models import --file, which takes larger ones", r.ContentLength, maxVersion>>20)})
			return false
		}
	}
	r.Body = http.MaxBytesReader(w, r.Body, limit)
	return true
}

// VersionPath is the part of every path about one model version.
type VersionPath struct {
	Name string `path:"name" maxLength:"40"`
	ID   string `path:"id" maxLength:"40"`
}

// VersionInfo is a stored model version as the API lists it.
type VersionInfo struct {
	Name       string       `json:"name" doc:"Model that it belongs to."`
	ID         string       `json:"id"`
	Kind       string       `json:"kind" enum:"price,distribution" doc:"price: it gives the next price and nothing else. distribution: it gives the distribution of returns."`
	About      string       `json:"about" doc:"What it is, in words."`
	Created    market.Time  `json:"created" doc:"When it was trained or imported."`
	Source     string       `json:"source" doc:"Where it comes from, in words."`
	Bytes      int          `json:"bytes"`
	Network    string       `json:"network" example:"lstm 1 x 16, 8 inputs"`
	Members    int          `json:"members" doc:"Networks that answer together."`
	Parameters int          `json:"parameters" doc:"Weights of them all."`
	Lookback   int          `json:"lookback" doc:"Bars or prices that it reads for a forecast."`
	Interval   string       `json:"interval,omitempty" doc:"Of the bars that it was trained on; it forecasts no others."`
	Series     int          `json:"series" doc:"Series that it was trained on."`
	Rows       int          `json:"rows" doc:"Bars that it was trained and validated on."`
	Until      *market.Time `json:"until" doc:"End of the newest bar that it has seen; null when that is not known."`
	Since      *market.Time `json:"since" doc:"It forecasts from this cutoff on, never earlier: what it has seen is not forecast."`
	Loss       *float64     `json:"loss" doc:"Mean negative log likelihood on the validation slice, in units of the volatility of the time."`
}

// VersionDetail is a version with how it was trained.
type VersionDetail struct {
	VersionInfo
	Trained *neural.About `json:"trained" doc:"Series, options, learning curve; null for what was imported."`
}

// TrainingOrder asks for networks to be trained.
type TrainingOrder struct {
	Name       string            `json:"name,omitempty" maxLength:"40" doc:"Model that the version will belong to. Left out: the name of the cell, lstm or gru."`
	Series     []market.SeriesID `json:"series" minItems:"1" maxItems:"1000" doc:"Stored series to learn from, all of one interval."`
	Until      *market.Time      `json:"until,omitempty" doc:"Leave out bars that end later."`
	Cell       string            `json:"cell,omitempty" enum:"lstm,gru" doc:"Left out: lstm."`
	Units      int               `json:"units,omitempty" minimum:"0" maximum:"1024" doc:"Of each layer; 0 or left out: 16."`
	Layers     int               `json:"layers,omitempty" minimum:"0" maximum:"64" doc:"0 or left out: 1."`
	Steps      int               `json:"steps,omitempty" minimum:"0" maximum:"1000" doc:"Bars that the network reads; 0 or left out: 64."`
	Epochs     int               `json:"epochs,omitempty" minimum:"0" maximum:"10000" doc:"At most, a restart; 0 or left out: 200."`
	Restarts   int               `json:"restarts,omitempty" minimum:"0" maximum:"100" doc:"Networks, all of which answer together; 0 or left out: 3."`
	Rate       float64           `json:"rate,omitempty" minimum:"0" maximum:"1" doc:"Learning rate; 0 or left out: 0.002."`
	Validation float64           `json:"validation,omitempty" minimum:"0" maximum:"0.5" doc:"Share of the bars, the newest, that decides when to stop; 0 or left out: 0.15."`
	Seed       uint64            `json:"seed,omitempty" maximum:"9007199254740991" doc:"0 or left out: 1."`
}

// options are the defaults with what was asked for.
func (o *TrainingOrder) options() neural.Options {
	p := neural.Defaults()
	if o.Cell != "" {
		p.Cell = neural.Cell(o.Cell)
	}
	for _, v := range []struct {
		from int
		to   *int
	}{{o.Units, &p.Units}, {o.Layers, &p.Layers}, {o.Steps, &p.Steps}, {o.Epochs, &p.Epochs}, {o.Restarts, &p.Restarts}} {
		if v.from > 0 {
			*v.to = v.from
		}
	}
	p.Warm, p.Ensemble = p.Steps*3/8, p.Restarts
	if o.Rate > 0 {
		p.Rate = o.Rate
	}
	if o.Validation > 0 {
		p.Validation = o.Validation
	}
	if o.Seed > 0 {
		p.Seed = o.Seed
	}
	return p
}

type file struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

func (s *Server) versionRoutes() {
	const tag = "models"
	huma.Register(s.doc, get("list-versions", "/v1/versions", tag, "Stored model versions", "What was trained or imported, by name, newest first."), s.listVersions)
	huma.Register(s.doc, get("get-version", "/v1/versions/{name}/{id}", tag, "One version with its learning curve", ""), s.getVersion)
	weights := get("get-version-file", "/v1/versions/{name}/{id}/file", tag, "The version as a safetensors file", "foretick models import takes it.")
	weights.Responses = map[string]*huma.Response{"200": {Description: "The file.", Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: "string", Format: "binary"}}}}}
	huma.Register(s.doc, weights, s.getVersionFile)
	bring := get("import-version", "/v1/versions", tag, "Import a version", "The body is a version's file, as GET /v1/versions/{name}/{id}/file and foretick models export give it. At most 64 MiB. It joins the race.")
	bring.Method, bring.DefaultStatus = http.MethodPost, http.StatusCreated
	bring.MaxBodyBytes, bring.BodyReadTimeout = maxVersion+1, versionLimit
	bring.Errors = append(bring.Errors, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge)
	huma.Register(s.doc, bring, s.importVersion)
	drop := get("delete-version", "/v1/versions/{name}/{id}", tag, "Delete a version", "A race that uses it goes on with it until Foretick is started again.")
	drop.Method, drop.DefaultStatus = http.MethodDelete, http.StatusNoContent
	huma.Register(s.doc, drop, s.deleteVersion)

	huma.Register(s.doc, get("list-trainings", "/v1/trainings", tag, "Trainings, newest first", ""), s.listTrainings)
	huma.Register(s.doc, get("get-training", "/v1/trainings/{id}", tag, "How far a training has come", ""), s.getTraining)
	order := get("order-training", "/v1/trainings", tag, "Order a training",
		"Networks learn from stored series in the background, one training after another, and go on after a restart. The version joins the race when it is done.")
	order.Method, order.DefaultStatus = http.MethodPost, http.StatusAccepted
	order.Errors = append(order.Errors, http.StatusTooManyRequests)
	huma.Register(s.doc, order, s.orderTraining)
	del := get("delete-training", "/v1/trainings/{id}", tag, "Cancel a training, or forget one that has ended", "The version that came out of it stays.")
	del.Method, del.DefaultStatus = http.MethodDelete, http.StatusNoContent
	huma.Register(s.doc, del, s.deleteTraining)
}

// aboutPrice says what a price model is wherever it is shown.
const aboutPrice = "A price-level model: it gives a price, no distribution. It saturates above the prices that it was trained on and leans on the oldest price of its window. Its width is read off its past errors."

const aboutDistribution = "Networks that learnt the distribution of returns from many bars. It is in the race to be judged like every other: see its verdict."

// info is a version as the API lists it.
func info(v *registry.Version) VersionInfo {
	i := VersionInfo{Name: v.Name, ID: v.ID, Kind: registry.Kind(v.Artifact), Created: v.Created, Source: v.Source, Bytes: v.Size, Members: 1, About: aboutPrice}
	switch a := v.Artifact.(type) {
	case *neural.PriceModel:
		i.Network, i.Parameters, i.Lookback = a.Shape().String(), a.Shape().Parameters(), a.Lookback()
	case *neural.Trained:
		about := a.About()
		i.Network, i.Members, i.Parameters, i.Lookback = a.Shape().String(), a.Members(), a.Members()*a.Shape().Parameters(), about.Options.Steps
		i.Interval, i.Series, i.Rows, i.Until, i.Since, i.Loss, i.About = about.Interval, len(about.Series), about.Rows, &about.Until, &about.Since, &about.Loss, aboutDistribution
	}
	return i
}

func (s *Server) listVersions(context.Context, *struct{}) (*listOf[VersionInfo], error) {
	out := &listOf[VersionInfo]{}
	out.Body.Items = []VersionInfo{}
	for _, v := range s.cfg.Versions.Versions() {
		out.Body.Items = append(out.Body.Items, info(v))
	}
	return out, nil
}

func (s *Server) getVersion(_ context.Context, in *VersionPath) (*oneOf[VersionDetail], error) {
	v, err := s.cfg.Versions.Version(in.Name, in.ID)
	if err != nil {
		return nil, noVersion(err)
	}
	d := VersionDetail{VersionInfo: info(v)}
	if t, ok := v.Artifact.(*neural.Trained); ok {
		about := t.About()
		d.Trained = &about
	}
	return &oneOf[VersionDetail]{d}, nil
}

func (s *Server) getVersionFile(ctx context.Context, in *VersionPath) (*file, error) {
	b, err := s.cfg.Versions.File(ctx, in.Name, in.ID)
	if err != nil {
		return nil, noVersion(err)
	}
	return &file{ContentType: "application/octet-stream", Disposition: fmt.Sprintf("attachment; filename=%q", in.Name+"-"+in.ID+".safetensors"), Body: b}, nil
}

func (s *Server) importVersion(ctx context.Context, in *struct {
	RawBody []byte `contentType:"application/octet-stream"`
}) (*oneOf[VersionInfo], error) {
	v, err := s.cfg.Versions.Import(ctx, in.RawBody)
	switch {
	case errors.Is(err, registry.ErrFile), errors.Is(err, registry.ErrName):
		return nil, huma.Error422UnprocessableEntity(inWords.Replace(err.Error()))
	case err != nil:
		return nil, failure(err)
	}
	return &oneOf[VersionInfo]{info(v)}, nil
}

func (s *Server) deleteVersion(ctx context.Context, in *VersionPath) (*struct{}, error) {
	return nil, noVersion(s.cfg.Versions.Delete(ctx, in.Name, in.ID))
}

func (s *Server) listTrainings(context.Context, *struct{}) (*listOf[training.Training], error) {
	out := &listOf[training.Training]{}
	out.Body.Items = s.cfg.Trainings.Jobs()
	return out, nil
}

func (s *Server) getTraining(_ context.Context, in *BacktestPath) (*oneOf[training.Training], error) {
	j, err := s.cfg.Trainings.Job(in.ID)
	if err != nil {
		return nil, noTraining(err)
	}
	return &oneOf[training.Training]{j}, nil
}

func (s *Server) orderTraining(ctx context.Context, in *struct{ Body TrainingOrder }) (*oneOf[training.Training], error) {
	o := training.Plan{Name: in.Body.Name, Series: in.Body.Series, Options: in.Body.options()}
	if o.Name == "" {
		o.Name = string(o.Options.Cell)
	}
	if in.Body.Until != nil {
		o.Until = *in.Body.Until
	}
	j, err := s.cfg.Trainings.Submit(ctx, o)
	switch {
	case errors.Is(err, training.ErrOrder):
		return nil, huma.Error422UnprocessableEntity(inWords.Replace(err.Error()))
	case errors.Is(err, desk.ErrBusy):
		return nil, huma.Error429TooManyRequests(err.Error())
	case err != nil:
		return nil, failure(err)
	}
	return &oneOf[training.Training]{j}, nil
}

func (s *Server) deleteTraining(ctx context.Context, in *BacktestPath) (*struct{}, error) {
	return nil, noTraining(s.cfg.Trainings.Delete(ctx, in.ID))
}

// inWords takes the names of packages out of errors: what is left says what is wrong.
var inWords = strings.NewReplacer(registry.ErrFile.Error(), "the body is not a model version", registry.ErrName.Error(), "the name",
	neural.ErrArtifact.Error()+": ", "", neural.ErrShape.Error()+": ", "", training.ErrOrder.Error()+": ", "")

// noVersion is failure with a 404 that says where to look.
func noVersion(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return huma.Error404NotFound("there is no such model version; /v1/versions lists them")
	}
	return failure(err)
}

func noTraining(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return huma.Error404NotFound("there is no such training; /v1/trainings lists them")
	}
	return failure(err)
}
