package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Forecast is a sealed forecast, with its outcome where it has one.
type Forecast struct {
	Entry    uint64      `json:"entry" doc:"Number of the ledger entry that seals it."`
	Hash     string      `json:"hash" doc:"SHA-256 of that entry."`
	Model    string      `json:"model"`
	Version  string      `json:"version"`
	Horizon  int         `json:"horizon"`
	Cutoff   market.Time `json:"cutoff" doc:"End of the last bar it used."`
	IssuedAt market.Time `json:"issued_at"`
	OpenedMS float64     `json:"opened_ms" doc:"Milliseconds from the opening of the target to the issue; negative: before it opened."`
	Late     bool        `json:"late"`
	Target   market.Span `json:"target"`
	Last     float64     `json:"last" doc:"Close at the cutoff."`
	Point    float64     `json:"point"`
	Lower90  float64     `json:"lower90"`
	Lower50  float64     `json:"lower50"`
	Upper50  float64     `json:"upper50"`
	Upper90  float64     `json:"upper90"`
	// Shares are what a combined forecast was made of.
	Shares []forecast.Share `json:"shares,omitempty" doc:"Experts of a combined forecast with their weights, from 0 to 1."`

	Status       string   `json:"status" enum:"open,scored,void"`
	Actual       *float64 `json:"actual"`
	Error        *float64 `json:"error" doc:"actual - point"`
	PercentError *float64 `json:"percent_error" doc:"error / point x 100"`
	Hit          *bool    `json:"hit" doc:"Whether the outcome is inside the 90 % interval."`
}

func newForecast(s ledger.Sealed, e *ledger.Entry, f *forecast.Forecast) Forecast {
	return Forecast{
		Entry: s.Seq, Hash: s.Hash.String(), Model: f.Model, Version: f.Version, Horizon: f.Horizon,
		Cutoff: e.Issue.Cutoff, IssuedAt: e.At, OpenedMS: float64(e.At-f.Target.Start) / 1000, Late: f.Late, Target: f.Target,
		Last: e.Issue.Last, Point: f.Point,
		Lower90: f.Quantiles[forecast.Q05], Lower50: f.Quantiles[forecast.Q25], Upper50: f.Quantiles[forecast.Q75], Upper90: f.Quantiles[forecast.Q95],
		Shares: f.Shares, Status: "open",
	}
}

func (s *Server) forecastRoutes() {
	huma.Register(s.doc, get("list-forecasts", "/v1/series/{series}/forecasts", "forecasts", "Sealed forecasts",
		"With what became of them. from and to select by cutoff; limit counts cutoffs, each with the forecasts of the models and horizons asked for."), s.listForecasts)
	huma.Register(s.doc, get("get-forecast", "/v1/series/{series}/forecasts/{entry}", "forecasts", "The ledger entry of a cutoff",
		"Everything that was sealed at one cutoff, with all 23 quantiles."), s.getForecast)
}

func (s *Server) listForecasts(ctx context.Context, in *struct {
	SeriesPath
	TimeRange
	AsOf
	Model   string `query:"model" maxLength:"100" doc:"Only this model."`
	Horizon int    `query:"horizon" minimum:"0" maximum:"1000" doc:"Only this horizon; 0 or left out: all."`
	Limit   int    `query:"limit" minimum:"1" maximum:"2000" default:"100"`
}) (*pageOf[Forecast], error) {
	if _, err := s.record(ctx, in.id()); err != nil {
		return nil, err
	}
	if err := s.checkChoice(in.Model, in.Horizon); err != nil {
		return nil, err
	}
	q, err := in.span(in.Limit)
	if err != nil {
		return nil, err
	}
	m, err := s.moment(ctx, in.AsOf)
	if err != nil {
		return nil, err
	}
	q.AsOf = m.seq
	entries, err := s.cfg.Store.Entries(ctx, in.id(), store.EntryQuery{Kinds: []ledger.Kind{ledger.Issue}, Times: q})
	if err != nil {
		return nil, failure(err)
	}
	out := &pageOf[Forecast]{}
	var last market.Time
	entries, cursor := next(entries, in.Limit, func(*ledger.Sealed) int64 { return 0 })
	out.Body.Items = []Forecast{}
	for _, sealed := range entries {
		e, err := decode(sealed)
		if err != nil {
			return nil, err
		}
		last = e.Issue.Cutoff
		for i := range e.Issue.Forecasts {
			f := &e.Issue.Forecasts[i]
			if (in.Model == "" || f.Model == in.Model) && (in.Horizon == 0 || f.Horizon == in.Horizon) {
				out.Body.Items = append(out.Body.Items, newForecast(sealed, e, f))
			}
		}
	}
	if cursor != "" {
		out.Body.Next = encodeCursor(int64(last))
	}
	return out, s.settle(ctx, in.id(), m, out.Body.Items)
}

// pairing names a forecast and its score: they meet by target, never by order.
type pairing struct {
	model   string
	horizon int
	cutoff  market.Time
	target  market.Time
}

// settle fills in the outcomes of forecasts as of a moment.
func (s *Server) settle(ctx context.Context, id market.SeriesID, m moment, list []Forecast) error {
	if len(list) == 0 {
		return nil
	}
	index := make(map[pairing]*Forecast, len(list))
	from, to := list[0].Target.Start, list[0].Target.Start
	for i := range list {
		f := &list[i]
		index[pairing{f.Model, f.Horizon, f.Cutoff, f.Target.Start}] = f
		from, to = min(from, f.Target.Start), max(to, f.Target.Start)
	}
	// The newest cutoff is read before the scores: a step that is committed in between
	// then shows as scored, never as void.
	newest, err := s.cfg.Store.Entries(ctx, id, store.EntryQuery{Kinds: []ledger.Kind{ledger.Issue}, Times: store.Range{Limit: 1, Newest: true, AsOf: m.seq}})
	if err != nil {
		return failure(err)
	}
	err = s.eachScore(ctx, id, store.ScoreQuery{From: bound(from), To: bound(to + 1)}, m, func(sc *score.Score) bool {
		f := index[pairing{sc.Model, sc.Horizon, sc.Cutoff, sc.Target}]
		if f == nil {
			return true
		}
		hit := sc.Hit()
		f.Status, f.Actual, f.Error, f.PercentError, f.Hit = "scored", number(sc.Actual), number(sc.Error()), number(sc.PercentError()), &hit
		return true
	})
	if err != nil || len(newest) == 0 {
		return failure(err)
	}
	// What is not scored although a later cutoff has been forecast is void: its target
	// never came.
	e, err := decode(newest[0])
	if err != nil {
		return err
	}
	for i := range list {
		if f := &list[i]; f.Status == "open" && f.Target.Start < e.Issue.Cutoff {
			f.Status = "void"
		}
	}
	return nil
}

// number returns nil, which is written as null, for what is not a number.
func number(v float64) *float64 {
	if v-v != 0 {
		return nil
	}
	return &v
}
