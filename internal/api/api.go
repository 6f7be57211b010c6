// Package api is Foretick's HTTP face: REST under /v1 with OpenAPI 3.1, server-sent
// events, the original demo's contracts, health, metrics, and the dashboard's files.
//
// Everything is read from the store, so nothing can be seen before it is committed.
// The stream hub keeps the number of the last event it sent; a notice on the bus
// only makes it look for more.
package api

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/tracing"
	"github.com/foretick/foretick/market"
)

// Store is what the API reads of a store.
type Store interface {
	Series(ctx context.Context) ([]store.SeriesRecord, error)
	store.BarReader
	store.ChartReader
	store.LedgerReader
	store.ScoreReader
	store.EventReader
	store.Clock
	store.DocumentStore
	// Actions is store.ActionStore's.
	Actions(ctx context.Context, instrument string) ([]market.Action, error)
	// ActionLog is store.ActionStore's.
	ActionLog(ctx context.Context, after uint64, limit int) ([]store.ActionRecord, error)
	Quarantined(ctx context.Context, before uint64, limit int) ([]store.QuarantineRecord, error)
	QuarantineCount(ctx context.Context) (int, error)
}

// Model is a model as the API lists it.
type Model struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Champion    bool   `json:"champion" doc:"Whether its forecasts lead the page."`
}

// Config says what the server works with. PredictURL, Keys and Dist may be empty;
// everything else but Log must be set.
type Config struct {
	Store      Store
	Recent     store.Recent // the newest events in memory; nil: read them from Store
	Bus        bus.Bus
	Feeds      func() []feed.Health
	Models     func() []Model  // in the race; others may join
	Default    market.SeriesID // the series of /stock_data and of the page's first view
	Horizons   int
	AllModels  func() []Model // that backtests can walk; nil: those in the race
	Backtests  Backtests
	Versions   Versions
	Trainings  Trainings
	Predictors func() []Predictor // that answer the original's contract; the first is the default
	PredictURL string             // service that answers POST /predict instead
	Keys       *Keys              // nil: no key is needed
	// Public is true when addresses other than loopback are served without keys. When
	// it is false and there are no keys, only loopback Host headers are answered.
	Public bool
	// Profiling lets programs of this machine take profiles where there are no keys. A key
	// of the role admin may always.
	Profiling bool
	// ReadOnly is true beside the server that writes: what changes something, and the lists of
	// jobs and versions, which that one keeps in memory, are refused with 503, so that a proxy
	// asks the next server.
	ReadOnly  bool
	Ready     func() (bool, string)
	Now       func() time.Time
	Log       *slog.Logger
	Metrics   *prometheus.Registry
	Tracer    *tracing.Tracer // nil: tracing is off
	Dist      fs.FS           // the built page; nil when it is not built
	Version   string
	MaxStream int // streams at once; 0 means 10,000
}

// maxBody bounds a request's body.
const maxBody = 1 << 20

// Server is the HTTP face. Create it with New; Run must run while Handler serves.
type Server struct {
	cfg     Config
	mux     *http.ServeMux
	doc     huma.API
	hub     *hub
	boards  *boards
	metrics *metrics
	started market.Time
	handler http.Handler

	predictLimit time.Duration

	idPrefix string        // of request ids; differs from start to start
	requests atomic.Uint64 // that were given an id

	listed atomic.Pointer[[]store.SeriesRecord] // the series, when they were asked for last
}

var arraysAreNeverNull = sync.OnceFunc(func() { huma.DefaultArrayNullable = false })

// New returns a server. It fails when metrics are registered already or a file of
// the page cannot be read.
func New(cfg Config) (*Server, error) {
	arraysAreNeverNull()
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Models == nil {
		cfg.Models = func() []Model { return []Model{} } // a list is never null
	}
	if cfg.AllModels == nil {
		cfg.AllModels = cfg.Models
	}
	if cfg.MaxStream == 0 {
		cfg.MaxStream = 10_000
	}
	m, err := newMetrics(cfg.Metrics, cfg.Version)
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux(), metrics: m, predictLimit: predictLimit, started: market.TimeOf(cfg.Now()), idPrefix: rand.Text()[:8] + "-"}
	s.boards = newBoards(cfg.Store)
	s.hub = newHub(s)

	hc := huma.DefaultConfig("Foretick", "1")
	hc.Info.Description = description
	hc.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	hc.DocsPath, hc.SchemasPath, hc.CreateHooks = "", "", nil
	hc.RejectUnknownQueryParameters = true
	hc.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "A key of FORETICK_API_KEYS. Not needed when the server has none."},
	}
	hc.Servers = []*huma.Server{{URL: "/"}}
	hc.Transformers = append(hc.Transformers, s.tell)
	s.doc = humago.New(s.mux, hc)
	s.routes()
	if err := s.page(); err != nil {
		return nil, err
	}
	s.handler = s.middleware()
	return s, nil
}

const description = `Foretick forecasts the next prices of a market, seals every forecast before its outcome is known, and judges it when the outcome arrives.

Times are RFC 3339 in UTC. A value that is not known is null. Lists are paged by the opaque next_cursor. Errors are RFC 9457 problem details. Series IDs such as sim:AMZN@1s are percent-encoded in paths. Nothing here is investment advice.`

// Handler serves everything.
func (s *Server) Handler() http.Handler { return s.handler }

// HTTPServer returns an http.Server with limits fit for strangers: time to send
// headers, size of headers, idle time. Streams set a deadline for each write.
func (s *Server) HTTPServer() *http.Server {
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}

// OpenAPI returns the OpenAPI 3.1 document.
func (s *Server) OpenAPI() *huma.OpenAPI { return s.doc.OpenAPI() }

// Run feeds the streams until ctx is done; then it ends every stream and returns
// nil. A second call is refused.
func (s *Server) Run(ctx context.Context) error { return s.hub.run(ctx) }

// routes registers every operation.
func (s *Server) routes() {
	s.statusRoutes()
	s.seriesRoutes()
	s.forecastRoutes()
	s.scoreRoutes()
	s.backtestRoutes()
	s.versionRoutes()
	s.ledgerRoutes()
	s.feedRoutes()
	s.streamRoute()
	s.originalRoutes()
	s.healthRoutes()
	s.profileRoutes()
}

// get describes a GET operation.
func get(id, path, tag, summary, text string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{tag}, Summary: summary, Description: text,
		Security: []map[string][]string{{"key": {}}, {}}, Errors: []int{http.StatusUnauthorized, http.StatusNotFound, http.StatusInternalServerError}}
}

// failure turns an error of the store into an HTTP error: the one place that does.
func failure(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return huma.NewError(http.StatusServiceUnavailable, "the request took too long or was given up")
	default:
		return &internalError{err}
	}
}

// internalError is logged where it becomes a response, which says nothing of it.
type internalError struct{ err error }

func (e *internalError) Error() string {
	return "the server could not read its store; its log says why"
}
func (e *internalError) Unwrap() error { return e.err }
func (e *internalError) GetStatus() int {
	return http.StatusInternalServerError
}

// ContentType makes its answer a problem document.
func (e *internalError) ContentType(string) string { return "application/problem+json" }
