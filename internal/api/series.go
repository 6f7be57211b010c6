package api

import (
	"context"
	"fmt"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
)

// SeriesPath is the part of every path about one series.
type SeriesPath struct {
	Series string `path:"series" maxLength:"200" doc:"Series ID, percent-encoded." example:"sim:AMZN@1s"`
}

func (p *SeriesPath) id() market.SeriesID { return market.SeriesID(p.Series) }

// SeriesInfo is a series as the API shows it.
type SeriesInfo struct {
	ID              market.SeriesID   `json:"id"`
	Instrument      market.Instrument `json:"instrument"`
	Interval        string            `json:"interval" example:"1s"`
	IntervalSeconds float64           `json:"interval_seconds" doc:"Nominal length; a month counts as 30 days."`
	Mode            string            `json:"mode" enum:"live,replay"`
	Source          string            `json:"source"`
	Base            bool              `json:"base" doc:"False for bars that are rolled up from finer ones."`
	Default         bool              `json:"default" doc:"Whether it is the series of the first view and of /stock_data."`
	Horizons        int               `json:"horizons" doc:"Forecasts are made 1 to this many bars ahead."`
	Models          []Model           `json:"models"`
	FirstBar        *market.Time      `json:"first_bar"`
	LastBar         *market.Bar       `json:"last_bar"`
}

// InstrumentInfo is an instrument with its series.
type InstrumentInfo struct {
	market.Instrument
	Key    string            `json:"key"`
	Series []market.SeriesID `json:"series"`
}

type listOf[T any] struct {
	Body struct {
		Items []T `json:"items"`
	}
}

type pageOf[T any] struct {
	Body struct {
		Items []T    `json:"items"`
		Next  string `json:"next_cursor" doc:"Pass it as cursor to get what follows; empty at the end."`
	}
}

type oneOf[T any] struct{ Body T }

func (s *Server) seriesRoutes() {
	huma.Register(s.doc, get("list-instruments", "/v1/instruments", "market", "What is traded", ""), s.listInstruments)
	huma.Register(s.doc, get("list-series", "/v1/series", "market", "What is forecast: instruments at intervals", ""), s.listSeries)
	huma.Register(s.doc, get("get-series", "/v1/series/{series}", "market", "One series", ""), s.getSeries)
	huma.Register(s.doc, get("list-bars", "/v1/series/{series}/bars", "market", "Bars",
		"The latest revision of each final bar. A bar in which nobody traded is absent. Bars are stored and forecast as they were traded; adjusted makes those before a split or dividend comparable with the newest. "+
			"With max_points the answer is the whole range at the finest interval that has at most that many bars there: the series' own, 1m, 5m, 15m, 1h, 1d, 1w or 1mo; `interval` says which. "+
			"Of a coarser one the bar that from lies in is the first, the newest is as it stands now, and one in which a split falls holds prices of both units. Where retention has deleted bars only coarser ones are left."), s.listBars)
	s.actionRoutes()
}

// record finds a series; an unknown one is a 404.
func (s *Server) record(ctx context.Context, id market.SeriesID) (store.SeriesRecord, error) {
	all, err := s.cfg.Store.Series(ctx)
	if err != nil {
		return store.SeriesRecord{}, failure(err)
	}
	for _, r := range all {
		if r.ID() == id {
			return r, nil
		}
	}
	return store.SeriesRecord{}, huma.Error404NotFound("there is no such series; /v1/series lists them")
}

func (s *Server) info(ctx context.Context, r store.SeriesRecord, m moment) (SeriesInfo, error) {
	out := SeriesInfo{
		ID: r.ID(), Instrument: r.Instrument, Interval: r.Interval.String(), IntervalSeconds: r.Interval.Duration().Seconds(),
		Mode: r.Mode.String(), Source: r.Source, Base: r.Base, Default: r.ID() == s.cfg.Default, Horizons: s.cfg.Horizons, Models: s.cfg.Models(),
	}
	last, err := s.cfg.Store.Bars(ctx, r.ID(), store.Range{Limit: 1, Newest: true, AsOf: m.seq})
	if err != nil {
		return out, failure(err)
	}
	first, err := s.cfg.Store.Bars(ctx, r.ID(), store.Range{Limit: 1, AsOf: m.seq})
	if err != nil {
		return out, failure(err)
	}
	if len(last) > 0 && len(first) > 0 {
		out.LastBar, out.FirstBar = &last[0], &first[0].Start
	}
	return out, nil
}

func (s *Server) listInstruments(ctx context.Context, _ *struct{}) (*listOf[InstrumentInfo], error) {
	all, err := s.cfg.Store.Series(ctx)
	if err != nil {
		return nil, failure(err)
	}
	out := &listOf[InstrumentInfo]{}
	out.Body.Items = []InstrumentInfo{}
	for _, r := range all {
		i := slices.IndexFunc(out.Body.Items, func(x InstrumentInfo) bool { return x.Key == r.Instrument.Key() })
		if i < 0 {
			i = len(out.Body.Items)
			out.Body.Items = append(out.Body.Items, InstrumentInfo{Instrument: r.Instrument, Key: r.Instrument.Key()})
		}
		out.Body.Items[i].Series = append(out.Body.Items[i].Series, r.ID())
	}
	return out, nil
}

func (s *Server) listSeries(ctx context.Context, in *struct{ AsOf }) (*listOf[SeriesInfo], error) {
	m, err := s.moment(ctx, in.AsOf)
	if err != nil {
		return nil, err
	}
	all, err := s.cfg.Store.Series(ctx)
	if err != nil {
		return nil, failure(err)
	}
	out := &listOf[SeriesInfo]{}
	out.Body.Items = []SeriesInfo{}
	for _, r := range all {
		i, err := s.info(ctx, r, m)
		if err != nil {
			return nil, err
		}
		out.Body.Items = append(out.Body.Items, i)
	}
	return out, nil
}

func (s *Server) getSeries(ctx context.Context, in *struct {
	SeriesPath
	AsOf
}) (*oneOf[SeriesInfo], error) {
	r, err := s.record(ctx, in.id())
	if err != nil {
		return nil, err
	}
	m, err := s.moment(ctx, in.AsOf)
	if err != nil {
		return nil, err
	}
	i, err := s.info(ctx, r, m)
	return &oneOf[SeriesInfo]{i}, err
}

// BarPage is a page of bars.
type BarPage struct {
	Series   market.SeriesID `json:"series"`
	Interval string          `json:"interval" doc:"Of the items: the series' own unless max_points was given."`
	Adjusted string          `json:"adjusted" enum:"none,splits,all"`
	Items    []market.Bar    `json:"items"`
	Next     string          `json:"next_cursor"`
}

func (s *Server) listBars(ctx context.Context, in *struct {
	SeriesPath
	TimeRange
	AsOf
	Limit     int    `query:"limit" minimum:"1" maximum:"5000" default:"500"`
	MaxPoints int    `query:"max_points" minimum:"10" maximum:"10000" doc:"Most bars of an answer that is the whole range, at an interval that fits; limit does not count then, and there is no cursor. Only where even 1mo has more there are more."`
	Adjusted  string `query:"adjusted" enum:"none,splits,all" default:"none" doc:"none: as traded. splits: prices before a split of n shares for one divided by n, volumes multiplied. all: prices before dividends lowered by their share of the close before them, too. Only what was announced counts."`
}) (*oneOf[BarPage], error) {
	r, err := s.record(ctx, in.id())
	if err != nil {
		return nil, err
	}
	out := BarPage{Series: in.id(), Interval: r.Interval.String(), Adjusted: in.Adjusted}
	m, err := s.moment(ctx, in.AsOf)
	if err != nil {
		return nil, err
	}
	switch {
	case in.MaxPoints > 0 && m.seq != 0:
		return nil, huma.Error422UnprocessableEntity("max_points answers with what is known now: leave it out, or as_of", &huma.ErrorDetail{Location: "query.max_points", Message: "not with as_of"})
	case in.MaxPoints > 0:
		err = s.chart(ctx, &out, &in.TimeRange, in.MaxPoints)
	default:
		err = s.barPage(ctx, &out, &in.TimeRange, m, in.Limit)
	}
	if err != nil {
		return nil, err
	}
	if in.Adjusted != "none" {
		mode := market.ReturnAdjusted
		if in.Adjusted == "splits" {
			mode = market.SplitAdjusted
		}
		if out.Items, err = s.adjust(ctx, r, out.Items, mode, m); err != nil {
			return nil, err
		}
	}
	return &oneOf[BarPage]{out}, nil
}

// barPage reads a page of bars into out.
func (s *Server) barPage(ctx context.Context, out *BarPage, in *TimeRange, m moment, limit int) error {
	q, err := in.span(limit)
	if err != nil {
		return err
	}
	q.AsOf = m.seq
	bars, err := s.cfg.Store.Bars(ctx, out.Series, q)
	if err != nil {
		return failure(err)
	}
	out.Items, out.Next = next(bars, limit, func(b *market.Bar) int64 { return int64(b.Start) })
	return nil
}

// chart reads a range at the interval that fits into out.
func (s *Server) chart(ctx context.Context, out *BarPage, in *TimeRange, most int) error {
	if in.Cursor != "" {
		return huma.Error422UnprocessableEntity("max_points answers with the whole range: leave the cursor out", &huma.ErrorDetail{Location: "query.cursor", Message: "not with max_points"})
	}
	q, err := in.span(most)
	if err != nil {
		return err
	}
	i, bars, err := s.cfg.Store.Chart(ctx, out.Series, q.From, q.To, most)
	if err != nil {
		return failure(err)
	}
	out.Interval, out.Items = i.String(), append([]market.Bar{}, bars...)
	if q.Newest {
		slices.Reverse(out.Items)
	}
	return nil
}

// decode reads a stored entry; one that does not decode is damage.
func decode(s ledger.Sealed) (*ledger.Entry, error) {
	e, err := ledger.Decode(s.Bytes)
	if err != nil {
		return nil, &internalError{fmt.Errorf("entry %d: %w", s.Seq, err)}
	}
	return e, nil
}
