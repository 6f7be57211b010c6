package api

import (
	"context"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// Action is a split or dividend.
type Action struct {
	market.Action
	Words string `json:"words" doc:"Such as split 7:1 or dividend 0.82." example:"split 7:1"`
}

func (s *Server) actionRoutes() {
	huma.Register(s.doc, get("list-actions", "/v1/series/{series}/actions", "market", "Splits and dividends of the instrument, newest first",
		"As the venue or a file told them. Where several told otherwise of one, the newest stands."), s.listActions)
	huma.Register(s.doc, get("list-warnings", "/v1/series/{series}/warnings", "market", "Bars before which a share was split, newest first",
		"Where announced is false nobody told of it, and it is known by the price alone: it may be a real move, or data in two units. No forecast is judged across it, no model learns from it, and nothing is rescaled."), s.listWarnings)
}

func (s *Server) listActions(ctx context.Context, in *struct {
	SeriesPath
	AsOf
}) (*listOf[Action], error) {
	r, err := s.record(ctx, in.id())
	if err != nil {
		return nil, err
	}
	m, err := s.moment(ctx, in.AsOf)
	if err != nil {
		return nil, err
	}
	all, err := s.actions(ctx, r.Instrument.Key(), m)
	if err != nil {
		return nil, failure(err)
	}
	out := &listOf[Action]{}
	out.Body.Items = make([]Action, len(all))
	for i, a := range all {
		words := "split " + market.RatioText(a.Ratio)
		if a.Kind == market.Dividend {
			words = "dividend " + strconv.FormatFloat(a.Amount, 'f', -1, 64)
		}
		out.Body.Items[len(all)-1-i] = Action{a, words}
	}
	return out, nil
}

func (s *Server) listWarnings(ctx context.Context, in *struct {
	SeriesPath
	Limit int `query:"limit" minimum:"1" maximum:"200" default:"20"`
}) (*listOf[store.Warning], error) {
	if _, err := s.record(ctx, in.id()); err != nil {
		return nil, err
	}
	list, err := store.Warnings(ctx, s.cfg.Store, in.id(), in.Limit)
	if err != nil {
		return nil, failure(err)
	}
	out := &listOf[store.Warning]{}
	out.Body.Items = list
	return out, nil
}

// adjust returns bars, a page of a series in ascending or descending order, as they are in
// the whole series adjusted. What of the series decides that are, beside the page, the
// newest bar and the bar before each action that is not in the page: they are read.
func (s *Server) adjust(ctx context.Context, r store.SeriesRecord, bars []market.Bar, mode market.Adjustment, m moment) ([]market.Bar, error) {
	actions, err := s.actions(ctx, r.Instrument.Key(), m)
	if err != nil {
		return nil, failure(err)
	}
	if len(bars) == 0 || len(actions) == 0 {
		return bars, nil
	}
	page := slices.Clone(bars)
	falling := page[0].Start > page[len(page)-1].Start
	if falling {
		slices.Reverse(page)
	}
	all := slices.Clone(page)
	// From here on bars are read that end at or before to; 0: the newest.
	read := func(to market.Time) error {
		q := store.Range{Newest: true, Limit: 2, AsOf: m.seq}
		if to != 0 {
			q.To = bound(to)
		}
		list, err := s.cfg.Store.Bars(ctx, r.ID(), q)
		if err != nil {
			return failure(err)
		}
		for _, b := range list {
			if to == 0 || b.End <= to { // the first may still be open then
				if b.Start > all[len(all)-1].Start {
					all = append(all, b)
				}
				return nil
			}
		}
		return nil
	}
	last := page[len(page)-1].End
	for _, a := range actions { // by time
		if a.Ex > last && (a.Kind == market.Split || mode == market.ReturnAdjusted) {
			if err := read(a.Ex); err != nil {
				return nil, err
			}
		}
	}
	if err := read(0); err != nil {
		return nil, err
	}
	done, err := market.Adjust(all, actions, mode)
	if err != nil {
		return nil, huma.Error422UnprocessableEntity("the bars cannot be adjusted: " + err.Error()[len("market: "):] + "; put it right with foretick import --actions, or ask for adjusted=splits")
	}
	done = done[:len(page)]
	if falling {
		slices.Reverse(done)
	}
	return done, nil
}
