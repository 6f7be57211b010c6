package api

import (
	"context"
	"errors"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// Stats describes errors over a window.
type Stats struct {
	Mean   *float64 `json:"mean"`
	Median *float64 `json:"median"`
	Min    *float64 `json:"min"`
	Max    *float64 `json:"max"`
}

func newStats(s score.Stats) Stats {
	return Stats{number(s.Mean), number(s.Median), number(s.Min), number(s.Max)}
}

// NaiveStats is how "no change" did on the same targets.
type NaiveStats struct {
	MAE  *float64 `json:"mae"`
	RMSE *float64 `json:"rmse"`
	CRPS *float64 `json:"crps"`
}

// Window is how one model did at one horizon over one stretch of targets. What is not
// defined is null.
type Window struct {
	Window           string     `json:"window" enum:"last,last_10,last_hour,last_6_hours,last_day,all"`
	N                int        `json:"n"`
	Error            Stats      `json:"error" doc:"actual - predicted, in price units"`
	PercentError     Stats      `json:"percent_error" doc:"error / predicted x 100"`
	AbsoluteError    Stats      `json:"absolute_error"`
	MAE              *float64   `json:"mae"`
	RMSE             *float64   `json:"rmse"`
	MAPE             *float64   `json:"mape" doc:"mean of |percent error|"`
	MASE             *float64   `json:"mase" doc:"mean of |error| in units of the mean absolute one-bar change before the cutoff"`
	DirectionHitRate *float64   `json:"direction_hit_rate" doc:"0 to 1, among the forecasts that named a direction"`
	Coverage90       *float64   `json:"coverage90" doc:"share of outcomes inside the 90 % interval, 0 to 1"`
	Width90          *float64   `json:"width90" doc:"mean width of the 90 % interval, in price units"`
	CRPS             *float64   `json:"crps" doc:"in 100 x log return; twice the mean pinball loss over 19 levels"`
	Skill            *float64   `json:"skill" doc:"1 - CRPS / naive's CRPS; no verdict"`
	Naive            NaiveStats `json:"naive"`
	Late             int        `json:"late" doc:"forecasts among them that were issued late"`
	MedianApprox     bool       `json:"median_approximate" doc:"whether medians are from a sketch, within 1 %"`
}

func newWindow(w *score.WindowSummary) Window {
	return Window{
		Window: string(w.Window), N: w.N, Error: newStats(w.Error), PercentError: newStats(w.PercentError), AbsoluteError: newStats(w.AbsoluteError),
		MAE: number(w.MAE), RMSE: number(w.RMSE), MAPE: number(w.MAPE), MASE: number(w.MASE), DirectionHitRate: number(w.DirectionHitRate),
		Coverage90: number(w.Coverage90), Width90: number(w.Width90), CRPS: number(w.CRPS), Skill: number(w.Skill),
		Naive: NaiveStats{number(w.Naive.MAE), number(w.Naive.RMSE), number(w.Naive.CRPS)},
		Late:  w.Late, MedianApprox: w.MedianApproximate,
	}
}

// ModelAccuracy is the accuracy table of one model.
type ModelAccuracy struct {
	Model    string        `json:"model"`
	Champion bool          `json:"champion"`
	Windows  []Window      `json:"windows"`
	Verdict  score.Verdict `json:"verdict"`
}

// Accuracy is the accuracy of the models of a series at one horizon.
type Accuracy struct {
	Series  market.SeriesID `json:"series"`
	Horizon int             `json:"horizon"`
	AsOf    *market.Time    `json:"as_of" doc:"Start of the newest target that was judged; windows end there."`
	Models  []ModelAccuracy `json:"models" doc:"naive is always among them."`
}

// ScoreRow is one forecast judged.
type ScoreRow struct {
	Model        string      `json:"model"`
	Version      string      `json:"version"`
	Horizon      int         `json:"horizon"`
	Cutoff       market.Time `json:"cutoff"`
	Target       market.Time `json:"target" doc:"Start of the target bar."`
	Revision     int         `json:"revision" doc:"Revision of the bar that it was judged on."`
	Late         bool        `json:"late"`
	Last         float64     `json:"last"`
	Predicted    float64     `json:"predicted"`
	Actual       float64     `json:"actual"`
	Error        float64     `json:"error"`
	PercentError *float64    `json:"percent_error"`
	Lower90      float64     `json:"lower90"`
	Upper90      float64     `json:"upper90"`
	Hit          bool        `json:"hit"`
	CRPS         *float64    `json:"crps"`
	NaiveCRPS    *float64    `json:"naive_crps"`
}

func newScoreRow(s *score.Score) ScoreRow {
	return ScoreRow{Model: s.Model, Version: s.Version, Horizon: s.Horizon, Cutoff: s.Cutoff, Target: s.Target, Revision: s.Revision, Late: s.Late,
		Last: s.Last, Predicted: s.Predicted, Actual: s.Actual, Error: s.Error(), PercentError: number(s.PercentError()),
		Lower90: s.Lower, Upper90: s.Upper, Hit: s.Hit(), CRPS: number(s.CRPS), NaiveCRPS: number(s.NaiveCRPS)}
}

func (s *Server) scoreRoutes() {
	huma.Register(s.doc, get("get-accuracy", "/v1/series/{series}/accuracy", "scores", "The accuracy table",
		"Windows go by time of target. The naive forecast is always listed too."), s.getAccuracy)
	huma.Register(s.doc, get("get-calibration", "/v1/series/{series}/calibration", "scores", "Do intervals mean what they say",
		"Coverage of every interval, overall, by regime of volatility and by time, over all scores of one model. Coverage is a long-run average: single stretches are off without anything being wrong."), s.getCalibration)
	huma.Register(s.doc, get("list-scores", "/v1/series/{series}/scores", "scores", "Forecasts judged, one by one",
		"from and to select by start of the target. A page holds about limit scores: it never splits those of one target."), s.listScores)
}

func (s *Server) getAccuracy(ctx context.Context, in *struct {
	SeriesPath
	AsOf
	Horizon int    `query:"horizon" minimum:"1" maximum:"1000" default:"1"`
	Model   string `query:"model" maxLength:"100" doc:"Only this model, and naive."`
}) (*oneOf[Accuracy], error) {
	if _, err := s.record(ctx, in.id()); err != nil {
		return nil, err
	}
	if err := s.checkChoice(in.Model, in.Horizon); err != nil {
		return nil, err
	}
	m, err := s.moment(ctx, in.AsOf)
	if err != nil {
		return nil, err
	}
	out := &oneOf[Accuracy]{Accuracy{Series: in.id(), Horizon: in.Horizon, Models: []ModelAccuracy{}}}
	for _, model := range s.cfg.Models() {
		if in.Model != "" && model.Name != in.Model && model.Name != score.Naive {
			continue
		}
		var windows []score.WindowSummary
		var asOf market.Time
		var evidence score.Evidence
		err := s.board(ctx, boardKey{in.id(), model.Name, in.Horizon}, m, func(acc *score.Accumulator) {
			windows, evidence = acc.Windows(), acc.Evidence()
			asOf, _ = acc.AsOf()
		})
		if err != nil {
			return nil, failure(err)
		}
		a := ModelAccuracy{Model: model.Name, Champion: model.Champion, Windows: make([]Window, len(windows))}
		for i := range windows {
			a.Windows[i] = newWindow(&windows[i])
		}
		a.Verdict = score.Judge(model.Name, evidence)
		if asOf != 0 && (out.Body.AsOf == nil || *out.Body.AsOf < asOf) {
			out.Body.AsOf = &asOf
		}
		out.Body.Models = append(out.Body.Models, a)
	}
	return out, nil
}

// Coverage is how often an interval held the outcome. What is not defined is null.
type Coverage struct {
	Level float64  `json:"level" doc:"What was promised, such as 0.9."`
	Share *float64 `json:"share" doc:"What was kept, 0 to 1."`
	Low   *float64 `json:"low" doc:"Lower end of what chance explains (Wilson, 95 %, as if outcomes were independent)."`
	High  *float64 `json:"high"`
}

// CoverageOf is the coverage of the 90 % interval over a part of the outcomes.
type CoverageOf struct {
	Name string `json:"name"`
	N    int    `json:"n"`
	Coverage
}

// Calibration says whether the forecast distributions of one model mean what they say.
type Calibration struct {
	Series        market.SeriesID `json:"series"`
	Model         string          `json:"model"`
	Horizon       int             `json:"horizon"`
	N             int             `json:"n"`
	Levels        []Coverage      `json:"levels" doc:"Coverage of each central interval, widest first."`
	Probabilities []float64       `json:"probabilities" doc:"The levels of reliability."`
	Reliability   []*float64      `json:"reliability" doc:"Share of outcomes at or below the forecast quantile of each probability."`
	PIT           []int           `json:"pit" doc:"Outcomes in each twentieth of the forecast distribution; about equal when it means what it says."`
	Regimes       []CoverageOf    `json:"regimes" doc:"Coverage of the 90 % interval where volatility was low, middle and high by the standard of the bars before."`
	Times         []CoverageOf    `json:"times" doc:"The same by hour of the day (UTC), or by weekday for bars of a day."`
	IntervalScore *float64        `json:"interval_score90" doc:"Mean interval score of the 90 % interval, in 100 x log return; lower is better."`
}

func newCoverage(c score.LevelCoverage) Coverage {
	return Coverage{c.Level, number(c.Share), number(c.Low), number(c.High)}
}

func newCoverages(list []score.GroupCoverage) []CoverageOf {
	out := make([]CoverageOf, len(list))
	for i, g := range list {
		out[i] = CoverageOf{g.Name, g.N, newCoverage(g.LevelCoverage)}
	}
	return out
}

func (s *Server) getCalibration(ctx context.Context, in *struct {
	SeriesPath
	AsOf
	Horizon int    `query:"horizon" minimum:"1" maximum:"1000" default:"1"`
	Model   string `query:"model" maxLength:"100" doc:"Left out: the champion."`
}) (*oneOf[Calibration], error) {
	record, err := s.record(ctx, in.id())
	if err != nil {
		return nil, err
	}
	if err := s.checkChoice(in.Model, in.Horizon); err != nil {
		return nil, err
	}
	for _, model := range s.cfg.Models() {
		if in.Model == "" && model.Champion {
			in.Model = model.Name
		}
	}
	m, err := s.moment(ctx, in.AsOf)
	if err != nil {
		return nil, err
	}
	var c score.Calibration
	daily := record.Interval.Duration() >= market.Day.Duration()
	err = s.board(ctx, boardKey{in.id(), in.Model, in.Horizon}, m, func(acc *score.Accumulator) { c = acc.Calibration(daily) })
	if err != nil {
		return nil, failure(err)
	}
	out := Calibration{Series: in.id(), Model: in.Model, Horizon: in.Horizon, N: c.N, Levels: make([]Coverage, len(c.Levels)), Probabilities: forecast.Probabilities[:],
		Reliability: make([]*float64, len(c.Reliability)), PIT: slices.Clone(c.PIT), Regimes: newCoverages(c.Regimes), Times: newCoverages(c.Times), IntervalScore: number(c.IntervalScore)}
	for i, l := range c.Levels {
		out.Levels[i] = newCoverage(l)
	}
	for i, r := range c.Reliability {
		out.Reliability[i] = number(r)
	}
	return &oneOf[Calibration]{out}, nil
}

// board lets f read the accuracy of a model as of a moment.
func (s *Server) board(ctx context.Context, k boardKey, m moment, f func(*score.Accumulator)) error {
	if m.seq == 0 {
		return s.boards.read(ctx, k, f)
	}
	acc := score.NewAccumulator()
	var failed error
	err := s.eachScore(ctx, k.series, store.ScoreQuery{Model: k.model, Horizon: k.horizon}, m, func(sc *score.Score) bool {
		failed = acc.Add(*sc)
		return failed == nil
	})
	if err = errors.Join(err, failed); err == nil {
		f(acc)
	}
	return err
}

// checkChoice refuses a model or a horizon that nothing is forecast for: an empty list
// would look like one that is yet to fill. An empty model and horizon 0 are all.
func (s *Server) checkChoice(model string, horizon int) error {
	if model != "" && !slices.ContainsFunc(s.cfg.Models(), func(m Model) bool { return m.Name == model }) {
		return huma.Error422UnprocessableEntity("there is no such model; /v1/series lists them", &huma.ErrorDetail{Location: "query.model", Message: "unknown model"})
	}
	if horizon > s.cfg.Horizons {
		return huma.Error422UnprocessableEntity("forecasts are made for fewer bars ahead than that",
			&huma.ErrorDetail{Location: "query.horizon", Message: "above the series' horizons"})
	}
	return nil
}

func (s *Server) listScores(ctx context.Context, in *struct {
	SeriesPath
	TimeRange
	AsOf
	Model   string `query:"model" maxLength:"100"`
	Horizon int    `query:"horizon" minimum:"0" maximum:"1000" doc:"0 or left out: all."`
	Limit   int    `query:"limit" minimum:"1" maximum:"5000" default:"100"`
}) (*pageOf[ScoreRow], error) {
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
	rows, cursor, err := s.scoreRows(ctx, in.id(), store.ScoreQuery{Model: in.Model, Horizon: in.Horizon, From: q.From, To: q.To}, m, q.Newest, in.Limit)
	if err != nil {
		return nil, failure(err)
	}
	out := &pageOf[ScoreRow]{}
	out.Body.Items, out.Body.Next = rows, cursor
	return out, nil
}

// perTarget is how many scores one target has when no model abstained.
func (s *Server) perTarget(q store.ScoreQuery) int {
	models, horizons := len(s.cfg.Models()), s.cfg.Horizons
	if q.Model != "" {
		models = 1
	}
	if q.Horizon != 0 {
		horizons = 1
	}
	return max(1, models*horizons)
}

// scoreRows returns about limit rows: a page never ends inside the rows of one
// target, so that its cursor, a target, splits nothing.
func (s *Server) scoreRows(ctx context.Context, id market.SeriesID, q store.ScoreQuery, m moment, newest bool, limit int) (rows []ScoreRow, cursor string, err error) {
	rows = []ScoreRow{}
	if newest {
		// Scores are read in order of target: find where the newest ones begin.
		targets := max(1, limit/s.perTarget(q))
		bars, err := s.cfg.Store.Bars(ctx, id, store.Range{From: q.From, To: q.To, Limit: targets, Newest: true, AsOf: m.seq})
		if err != nil || len(bars) == 0 {
			return rows, "", err
		}
		q.From = bars[len(bars)-1].Start
		if len(bars) == targets {
			cursor = encodeCursor(int64(q.From))
		}
	}
	err = s.eachScore(ctx, id, q, m, func(sc *score.Score) bool {
		if n := len(rows); !newest && n >= limit && rows[n-1].Target != sc.Target {
			cursor = encodeCursor(int64(rows[n-1].Target))
			return false
		}
		rows = append(rows, newScoreRow(sc))
		return true
	})
	if newest {
		slices.Reverse(rows)
	}
	return rows, cursor, err
}
