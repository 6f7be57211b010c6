package api

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// Backtests runs backtests in the background.
type Backtests interface {
	Submit(ctx context.Context, o backtest.Order) (backtest.Job, error)
	Jobs() []backtest.Job
	Job(id string) (backtest.Job, error)
	Report(ctx context.Context, id string) (*backtest.Report, error)
	Delete(ctx context.Context, id string) error
}

// BacktestPath is the part of every path about one backtest.
type BacktestPath struct {
	ID string `path:"id" maxLength:"40"`
}

// BacktestOrder asks for a backtest.
type BacktestOrder struct {
	Series   []market.SeriesID `json:"series" minItems:"1" maxItems:"100" doc:"Stored series to walk."`
	Models   []string          `json:"models,omitempty" maxItems:"100" doc:"Models; naive always joins. Left out: the default race. all: every one."`
	BurnIn   int               `json:"burn_in,omitempty" minimum:"0" maximum:"1000000" doc:"Bars that models learn from before the first forecast. 0 or left out: 500."`
	Refit    int               `json:"refit,omitempty" minimum:"0" maximum:"1000000" doc:"Parameters are estimated again every so many bars. 0 or left out: 20."`
	Horizons []int             `json:"horizons,omitempty" maxItems:"20" doc:"Bars ahead. Left out: 1 and 5."`
	Last     int               `json:"last,omitempty" minimum:"0" doc:"Only the newest bars of each series; 0 or left out: all."`
}

type html struct {
	ContentType  string `header:"Content-Type"`
	CacheControl string `header:"Cache-Control"`
	Policy       string `header:"Content-Security-Policy"`
	Body         []byte
}

func (s *Server) backtestRoutes() {
	const tag = "backtests"
	huma.Register(s.doc, get("list-models", "/v1/models", tag, "Models that a backtest can walk",
		"Those in the live race are among them, see /v1/series."), s.listModels)
	huma.Register(s.doc, get("list-backtests", "/v1/backtests", tag, "Backtests, newest first", ""), s.listBacktests)
	huma.Register(s.doc, get("get-backtest", "/v1/backtests/{id}", tag, "How far a backtest has come", ""), s.getBacktest)
	huma.Register(s.doc, get("get-backtest-report", "/v1/backtests/{id}/report", tag, "The figures of a backtest that is done",
		"A figure that is not defined is null."), s.getBacktestReport)
	page := get("get-backtest-page", "/v1/backtests/{id}/report.html", tag, "The report of a backtest as a page", "It stands on its own: save it, send it.")
	page.Responses = map[string]*huma.Response{"200": {Description: "The page.", Content: map[string]*huma.MediaType{"text/html": {Schema: &huma.Schema{Type: "string"}}}}}
	huma.Register(s.doc, page, s.getBacktestPage)
	order := get("order-backtest", "/v1/backtests", tag, "Order a backtest", "It walks stored bars with a rolling origin in the background, one backtest after another.")
	order.Method, order.DefaultStatus = http.MethodPost, http.StatusAccepted
	order.Errors = append(order.Errors, http.StatusTooManyRequests)
	huma.Register(s.doc, order, s.orderBacktest)
	del := get("delete-backtest", "/v1/backtests/{id}", tag, "Cancel a backtest, or forget one that has ended", "")
	del.Method, del.DefaultStatus = http.MethodDelete, http.StatusNoContent
	huma.Register(s.doc, del, s.deleteBacktest)
}

func (s *Server) listModels(context.Context, *struct{}) (*listOf[Model], error) {
	out := &listOf[Model]{}
	out.Body.Items = s.cfg.AllModels()
	return out, nil
}

func (s *Server) listBacktests(context.Context, *struct{}) (*listOf[backtest.Job], error) {
	out := &listOf[backtest.Job]{}
	out.Body.Items = s.cfg.Backtests.Jobs()
	return out, nil
}

func (s *Server) getBacktest(_ context.Context, in *BacktestPath) (*oneOf[backtest.Job], error) {
	j, err := s.cfg.Backtests.Job(in.ID)
	if err != nil {
		return nil, noBacktest(err)
	}
	return &oneOf[backtest.Job]{j}, nil
}

func (s *Server) getBacktestReport(ctx context.Context, in *BacktestPath) (*oneOf[*backtest.Report], error) {
	r, err := s.cfg.Backtests.Report(ctx, in.ID)
	if err != nil {
		return nil, noBacktest(err)
	}
	return &oneOf[*backtest.Report]{r}, nil
}

func (s *Server) getBacktestPage(ctx context.Context, in *BacktestPath) (*html, error) {
	r, err := s.cfg.Backtests.Report(ctx, in.ID)
	if err != nil {
		return nil, noBacktest(err)
	}
	var b bytes.Buffer
	if err := r.HTML(&b); err != nil {
		return nil, failure(err)
	}
	return &html{ContentType: "text/html; charset=utf-8", CacheControl: "private, max-age=3600",
		Policy: "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'", Body: b.Bytes()}, nil
}

func (s *Server) orderBacktest(ctx context.Context, in *struct{ Body BacktestOrder }) (*oneOf[backtest.Job], error) {
	o := &in.Body
	j, err := s.cfg.Backtests.Submit(ctx, backtest.Order{Series: o.Series,
		Spec: backtest.Spec{Models: o.Models, BurnIn: o.BurnIn, Refit: o.Refit, Horizons: o.Horizons, Last: o.Last}})
	switch {
	case errors.Is(err, backtest.ErrOrder):
		return nil, huma.Error422UnprocessableEntity(strings.TrimPrefix(err.Error(), backtest.ErrOrder.Error()+": "))
	case errors.Is(err, desk.ErrBusy):
		return nil, huma.Error429TooManyRequests(err.Error())
	case err != nil:
		return nil, failure(err)
	}
	return &oneOf[backtest.Job]{j}, nil
}

func (s *Server) deleteBacktest(ctx context.Context, in *BacktestPath) (*struct{}, error) {
	return nil, noBacktest(s.cfg.Backtests.Delete(ctx, in.ID))
}

// noBacktest is failure with a 404 that says where to look.
func noBacktest(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return huma.Error404NotFound("there is no such backtest, or it has no report; /v1/backtests lists them")
	}
	return failure(err)
}
