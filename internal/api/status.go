package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// Status is what the page asks first.
type Status struct {
	Version        string          `json:"version"`
	Epoch          string          `json:"epoch" doc:"Identifies the store: event numbers of two epochs do not compare."`
	Mode           string          `json:"mode" enum:"live,replay"`
	Simulated      bool            `json:"simulated" doc:"Whether any series is simulated."`
	StartedAt      market.Time     `json:"started_at"`
	Now            market.Time     `json:"now" doc:"The server's clock."`
	InsecurePublic bool            `json:"insecure_public" doc:"Whether everyone who can reach the server may use it."`
	Auth           bool            `json:"auth" doc:"Whether a key is needed."`
	DefaultSeries  market.SeriesID `json:"default_series"`
	FeedsOK        bool            `json:"feeds_ok"`
	Ready          bool            `json:"ready"`
	ReadyReason    string          `json:"ready_reason"`
}

func (s *Server) statusRoutes() {
	huma.Register(s.doc, get("get-status", "/v1/status", "service", "The state of the service", ""),
		func(ctx context.Context, _ *struct{}) (*oneOf[Status], error) {
			st, err := s.status(ctx)
			return &oneOf[Status]{st}, err
		})
}

func (s *Server) status(ctx context.Context) (Status, error) {
	out := Status{Version: s.cfg.Version, Epoch: s.cfg.Store.Epoch(), Mode: ledger.Live.String(), StartedAt: s.started, Now: market.TimeOf(s.cfg.Now()),
		InsecurePublic: s.cfg.Public && s.cfg.Keys == nil, Auth: s.cfg.Keys != nil, DefaultSeries: s.cfg.Default, FeedsOK: true}
	out.Ready, out.ReadyReason = s.cfg.Ready()
	all, err := s.cfg.Store.Series(ctx)
	switch was := s.listed.Load(); {
	case err == nil:
		s.listed.Store(&all)
	case was != nil && !out.Ready:
		all = *was // what holds things up is said; that is what is asked for
	default:
		return out, failure(err)
	}
	for _, r := range all {
		out.Simulated = out.Simulated || r.Instrument.Simulated
		if r.ID() == s.cfg.Default {
			out.Mode = r.Mode.String()
		}
	}
	for _, f := range s.cfg.Feeds() {
		out.FeedsOK = out.FeedsOK && (f.State == feed.Running || f.State == feed.Finished)
	}
	return out, nil
}

// Reject is an input in quarantine.
type Reject struct {
	Num        uint64      `json:"num"`
	At         market.Time `json:"at" doc:"When it was met."`
	Source     string      `json:"source" doc:"The feed or the file."`
	Instrument string      `json:"instrument"`
	Line       int         `json:"line" doc:"Line of the file, 0 elsewhere."`
	Raw        string      `json:"raw" doc:"The input, cut to 500 bytes."`
	Reason     string      `json:"reason"`
}

type quarantinePage struct {
	Body struct {
		Items []Reject `json:"items"`
		Next  string   `json:"next_cursor"`
		Total int      `json:"total" doc:"Number of inputs in quarantine."`
	}
}

func (s *Server) feedRoutes() {
	huma.Register(s.doc, get("list-feeds", "/v1/feeds", "service", "The health of the feeds", ""),
		func(context.Context, *struct{}) (*listOf[FeedHealth], error) {
			out := &listOf[FeedHealth]{}
			out.Body.Items = s.feeds()
			return out, nil
		})
	huma.Register(s.doc, get("list-quarantine", "/v1/quarantine", "service", "Inputs that could not be used, newest first", "Nothing is dropped in silence: each is kept with the reason."),
		func(ctx context.Context, in *struct {
			Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"50"`
			Cursor string `query:"cursor" maxLength:"64"`
		}) (*quarantinePage, error) {
			before, _, err := decodeCursor(in.Cursor)
			if err != nil {
				return nil, err
			}
			list, err := s.cfg.Store.Quarantined(ctx, uint64(max(before, 0)), in.Limit+1)
			if err != nil {
				return nil, failure(err)
			}
			rows := make([]Reject, len(list))
			for i, r := range list {
				rows[i] = Reject{r.Num, r.At, r.Source, r.Instrument, r.Line, r.Raw, r.Reason}
			}
			out := &quarantinePage{}
			out.Body.Items, out.Body.Next = next(rows, in.Limit, func(r *Reject) int64 { return int64(r.Num) })
			out.Body.Total, err = s.cfg.Store.QuarantineCount(ctx)
			return out, failure(err)
		})
}

// healthRoutes serves what orchestrators and Prometheus ask for.
func (s *Server) healthRoutes() {
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	s.mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		ready, reason := s.cfg.Ready()
		code := http.StatusOK
		if !ready {
			code = http.StatusServiceUnavailable
		}
		writeJSON(w, code, struct {
			Ready  bool   `json:"ready"`
			Reason string `json:"reason"`
		}{ready, reason})
	})
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.Metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		writeProblem(w, problem{Status: http.StatusInternalServerError, Detail: "the answer could not be written as JSON"})
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_, _ = w.Write(b) // the client has gone: nobody left to tell
}

// FeedHealth is feed.Health with what is not known as null.
type FeedHealth struct {
	feed.Health
	LastData *market.Time `json:"last_data" doc:"When the last message came, by the server's clock."`
	Clock    *market.Time `json:"clock" doc:"Time of the data in a replay."`
}

func (s *Server) feeds() []FeedHealth {
	all := s.cfg.Feeds()
	out := make([]FeedHealth, len(all))
	for i, h := range all {
		out[i] = FeedHealth{Health: h, LastData: known(h.LastData), Clock: known(h.Clock)}
	}
	return out
}

func known(t market.Time) *market.Time {
	if t == 0 {
		return nil
	}
	return &t
}
