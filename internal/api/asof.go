package api

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// AsOf selects what was known at a time.
type AsOf struct {
	AsOf string `query:"as_of" maxLength:"64" doc:"The answer as it was known at this time, RFC 3339 or a date: by when this server committed what it is made of. Default: now." example:"2026-01-02T15:04:05Z"`
}

// moment is a time as of which is answered; the zero value is now.
type moment struct {
	at  market.Time
	seq uint64 // the last event committed by then
}

// moment reads the parameter.
func (s *Server) moment(ctx context.Context, in AsOf) (m moment, err error) {
	if in.AsOf == "" {
		return m, nil
	}
	refuse := func(text, short string) (moment, error) {
		return moment{}, huma.Error422UnprocessableEntity(text, &huma.ErrorDetail{Location: "query.as_of", Message: short})
	}
	if m.at, err = market.ParseTime(in.AsOf); err != nil {
		return refuse("as_of is not a time: write RFC 3339 such as 2026-01-02T15:04:05Z, or a date", "not a time")
	}
	if m.at > market.TimeOf(s.cfg.Now()) {
		return refuse("as_of lies in the future by this server's clock: what will be known then is not known yet", "in the future")
	}
	m.seq, err = s.cfg.Store.SeqAt(ctx, m.at)
	var early *store.TooEarly
	switch {
	case errors.As(err, &early) && early.From == 0:
		return refuse("nothing is stored yet, so nothing was known", "too early")
	case errors.As(err, &early):
		return refuse("as_of lies before "+early.From.String()+", the first time of which this server knows what had been stored", "too early")
	}
	return m, failure(err)
}

// actions are the splits and dividends of an instrument that stood at a moment.
func (s *Server) actions(ctx context.Context, instrument string, m moment) ([]market.Action, error) {
	if m.seq == 0 {
		return s.cfg.Store.Actions(ctx, instrument)
	}
	var known []store.ActionRecord
	for num := uint64(0); ; {
		list, err := s.cfg.Store.ActionLog(ctx, num, 1000)
		if err != nil {
			return nil, err
		}
		if len(list) == 0 {
			return store.StandingActions(known, 0), nil
		}
		for _, r := range list {
			if num = r.Num; r.Instrument == instrument && r.At <= m.at {
				known = append(known, r)
			}
		}
	}
}

// eachScore is store.ScoreReader's EachScore as of a moment. A stored score that a revision
// replaced is gone, so those of targets whose outcome changed since are judged again, from what
// the ledger held then.
func (s *Server) eachScore(ctx context.Context, id market.SeriesID, q store.ScoreQuery, m moment, f func(*score.Score) bool) error {
	if m.seq == 0 {
		return s.cfg.Store.EachScore(ctx, id, q, f)
	}
	// No target is newer than the newest bar.
	newest, err := s.cfg.Store.Bars(ctx, id, store.Range{Newest: true, Limit: 1, AsOf: m.seq})
	if err != nil || len(newest) == 0 {
		return err
	}
	if end := bound(newest[0].Start + 1); q.To == 0 || end < q.To {
		q.To = end
	}
	if q.From != 0 && q.From >= q.To {
		return nil
	}
	changed, err := s.changed(ctx, id, q, m)
	if err != nil {
		return err
	}
	var again []score.Score
	for _, target := range changed {
		if again, err = s.judge(ctx, again, id, q, m, target); err != nil {
			return err
		}
	}
	more := true
	until := func(target market.Time) {
		for more && len(again) > 0 && again[0].Target < target {
			more = f(&again[0])
			again = again[1:]
		}
	}
	err = s.cfg.Store.EachScore(ctx, id, q, func(sc *score.Score) bool {
		if until(sc.Target); !more {
			return false
		}
		if _, found := slices.BinarySearch(changed, sc.Target); !found {
			more = f(sc)
		}
		return more
	})
	if err == nil {
		until(market.MaxTime)
	}
	return err
}

// changed are the targets that q selects whose outcome was entered or revised after m, in
// order.
func (s *Server) changed(ctx context.Context, id market.SeriesID, q store.ScoreQuery, m moment) (list []market.Time, err error) {
	last, err := s.cfg.Store.Entries(ctx, id, store.EntryQuery{Times: store.Range{Newest: true, Limit: 1, AsOf: m.seq}})
	if err != nil {
		return nil, err
	}
	next := uint64(1)
	if len(last) > 0 {
		next = last[0].Seq + 1
	}
	for {
		page, err := s.cfg.Store.Entries(ctx, id, store.EntryQuery{From: next, Kinds: []ledger.Kind{ledger.Outcome}, Times: store.Range{From: q.From, To: q.To, Limit: 1000}})
		if err != nil {
			return nil, err
		}
		for _, sealed := range page {
			e, err := decode(sealed)
			if err != nil {
				return nil, err
			}
			list = append(list, e.Outcome.Bar.Start)
			next = sealed.Seq + 1
		}
		if len(page) < 1000 {
			slices.Sort(list)
			return slices.Compact(list), nil
		}
	}
}

// judge appends to list the scores of a target as they were at m, by cutoff.
func (s *Server) judge(ctx context.Context, list []score.Score, id market.SeriesID, q store.ScoreQuery, m moment, target market.Time) ([]score.Score, error) {
	at := store.Range{From: bound(target), To: bound(target + 1), AsOf: m.seq, Limit: 1000}
	outcomes, err := s.cfg.Store.Entries(ctx, id, store.EntryQuery{Kinds: []ledger.Kind{ledger.Outcome}, Times: at})
	if err != nil || len(outcomes) == 0 {
		return list, err
	}
	e, err := decode(outcomes[len(outcomes)-1])
	if err != nil {
		return list, err
	}
	outcome := score.Outcome{Close: e.Outcome.Close, Revision: e.Outcome.Revision}
	issues, err := s.issuesOf(ctx, id, m, target)
	if err != nil || len(issues) == 0 {
		return list, err
	}
	// Forecasts from before a split are void although the bar came.
	voids, err := s.cfg.Store.Entries(ctx, id, store.EntryQuery{From: issues[0].Seq, To: outcomes[0].Seq, Kinds: []ledger.Kind{ledger.Void}, Times: store.Range{Limit: 1000}})
	if err != nil {
		return list, err
	}
	void := uint64(0) // forecasts of entries before it are
	for _, sealed := range voids {
		e, err := decode(sealed)
		if err != nil {
			return list, err
		}
		if slices.Contains(e.Void.Targets, target) {
			void = sealed.Seq
		}
	}
	began := len(list)
	for _, e := range issues {
		if e.Seq < void {
			continue
		}
		i := e.Issue
		basis := score.Basis{Cutoff: i.Cutoff, Last: i.Last, Scale: i.Scale, Volatility: i.Volatility, Regime: i.Regime}
		var naive *forecast.Forecast
		for k := range i.Forecasts {
			f := &i.Forecasts[k]
			if f.Target.Start != target {
				continue
			}
			if f.Model == score.Naive {
				naive = f
			}
			if (q.Model == "" || f.Model == q.Model) && (q.Horizon == 0 || f.Horizon == q.Horizon) {
				list = append(list, score.Of(f, naive, &basis, outcome))
			}
		}
	}
	slices.SortFunc(list[began:], func(a, b score.Score) int { // as stores do
		return cmp.Or(cmp.Compare(a.Cutoff, b.Cutoff), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Horizon, b.Horizon), cmp.Compare(a.Version, b.Version))
	})
	return list, nil
}

// issuesOf are the issue entries up to m that forecast a target, by cutoff.
func (s *Server) issuesOf(ctx context.Context, id market.SeriesID, m moment, target market.Time) (list []*ledger.Entry, err error) {
	const most = 1000 // the furthest horizon
	q := store.EntryQuery{Kinds: []ledger.Kind{ledger.Issue}, Times: store.Range{To: bound(target + 1), Newest: true, Limit: 16, AsOf: m.seq}}
	for read := 0; read < most; read += q.Times.Limit {
		page, err := s.cfg.Store.Entries(ctx, id, q)
		if err != nil {
			return nil, err
		}
		reach := len(page) == q.Times.Limit // earlier ones may go as far as target
		for _, sealed := range page {
			e, err := decode(sealed)
			if err != nil {
				return nil, err
			}
			q.Times.To = bound(e.Issue.Cutoff)
			furthest := market.MinTime
			hits := false
			for k := range e.Issue.Forecasts {
				furthest = max(furthest, e.Issue.Forecasts[k].Target.Start)
				hits = hits || e.Issue.Forecasts[k].Target.Start == target
			}
			if hits {
				list = append(list, e)
			}
			if len(e.Issue.Forecasts) > 0 && furthest < target {
				reach = false
			}
		}
		if !reach {
			break
		}
	}
	slices.SortFunc(list, func(a, b *ledger.Entry) int { return cmp.Compare(a.Seq, b.Seq) })
	return list, nil
}
