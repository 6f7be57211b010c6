package app_test

import (
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
	"github.com/foretick/foretick/track"
)

// TestLaw5NaiveInTheRace: no score of a model without the naive forecast's beside it, and a verdict
// in words from a test that may be looked at as often as one likes.
func TestLaw5NaiveInTheRace(t *testing.T) {
	t.Parallel()
	t.Run("no race without naive", func(t *testing.T) {
		_, err := track.New(track.Config{Series: coin, Mode: ledger.Live, Models: []forecast.Forecaster{ewma.New()}})
		if err == nil {
			t.Error("a race without naive was accepted")
		}
	})
	t.Run("no forecast and no score without naive's", func(t *testing.T) {
		for id, r := range read(t, minutes).walked(t) {
			naiveBeside(t, string(id), r)
		}
		for id, r := range belowZero(t).walked(t) {
			if n := naiveBeside(t, string(id), r); n == 0 {
				t.Errorf("%s: naive could forecast everywhere: nothing was tested", id)
			}
		}
	})
	t.Run("the API shows none", naiveInTheAPI)
	t.Run("nor does a backtest", naiveInBacktests)
	t.Run("the verdict", verdictOfLuck)
}

// belowZero is a stretch of closes, one of which is below zero, where no log return exists.
func belowZero(t *testing.T) *recording {
	t.Helper()
	f, err := csv.Read(t.Context(), testdata.Market(t, closes), csv.Options{Instrument: market.Instrument{AllowNonPositive: true}})
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(f.Bars, func(b market.Bar) bool { return b.Close <= 0 })
	if at < 0 {
		t.Fatal("no close is below zero")
	}
	return of(f).with(f.Bars[at-100 : at+30])
}

// naiveBeside checks that wherever a model forecast, naive did, and that every score has naive's
// loss of the same target beside it. It returns the number of cutoffs at which nobody forecast.
func naiveBeside(t *testing.T, id string, r *run) (silent int) {
	t.Helper()
	for _, e := range decoded(t, r.chain) {
		if e.Issue == nil {
			continue
		}
		naive := map[int]bool{}
		for _, f := range e.Issue.Forecasts {
			if f.Model == score.Naive {
				naive[f.Horizon] = true
			}
		}
		for _, f := range e.Issue.Forecasts {
			if !naive[f.Horizon] {
				t.Fatalf("%s: at %s %s forecasts %d bars ahead, and naive does not", id, e.Issue.Cutoff, f.Model, f.Horizon)
			}
		}
		if len(e.Issue.Forecasts) == 0 && e.Issue.Last <= 0 {
			silent++
		}
	}
	losses := map[key]float64{}
	for _, s := range r.scores {
		if s.Model == score.Naive {
			losses[key{"", s.Horizon, s.Cutoff, s.Target}] = s.CRPS
		}
	}
	for _, s := range r.scores {
		want, ok := losses[key{"", s.Horizon, s.Cutoff, s.Target}]
		if !ok || math.Float64bits(want) != math.Float64bits(s.NaiveCRPS) {
			t.Fatalf("%s: naive's loss is %v, beside the score stands %+v", id, want, s)
		}
	}
	return silent
}

// naiveInTheAPI asks for the scores of a model and looks through all that is answered.
func naiveInTheAPI(t *testing.T) {
	r := read(t, minutes)
	cfg := settings(t, r.with(r.Bars[len(r.Bars)-250:]), "max", app.Place{Data: t.TempDir()})
	cfg.Models = []string{"ewma"} // naive joins
	a, stop := replayed(t, cfg, slog.New(slog.DiscardHandler))
	defer stop()
	series := a.URL() + "/v1/series/" + url.PathEscape(string(r.Series.ID()))
	for _, path := range []string{"/accuracy?model=ewma", "/accuracy", "/scores?model=ewma&limit=1000"} {
		var body any
		answer(t, series+path, &body)
		if n := scoresIn(t, path, body); n < 6 {
			t.Errorf("%s: only %d scores are shown", path, n)
		}
	}
	var accuracy struct {
		Models []struct {
			Model   string
			Verdict score.Verdict
		}
	}
	answer(t, series+"/accuracy?model=ewma", &accuracy)
	if m := accuracy.Models; len(m) != 2 || m[0].Model != score.Naive {
		t.Fatalf("of ewma alone the API shows %+v", m)
	}
	words := map[score.Code]string{score.NotJudgedYet: "not judged yet", score.BetterThanNaive: "better than naive", score.NoSkill: "no skill shown", score.WorseThanNaive: "worse than naive"}
	for _, m := range accuracy.Models {
		if v := m.Verdict; v.Text == "" || v.Text != words[v.Code] || v.Why == "" {
			t.Errorf("the verdict on %s is %+v", m.Model, v)
		}
	}
	if v := accuracy.Models[1].Verdict; v.Evidence.N < 100 || v.Code == score.NotJudgedYet {
		t.Errorf("after %d forecasts the verdict on ewma is %q", v.Evidence.N, v.Text)
	}
}

// scoresIn counts the figures in an answer that tell how good forecasts were. Beside each must be
// naive's.
func scoresIn(t *testing.T, where string, v any) (n int) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			n += scoresIn(t, where, x)
		}
	case map[string]any:
		for _, figure := range []string{"mae", "rmse", "crps", "skill"} {
			if _, known := v[figure].(float64); !known {
				continue
			}
			n++
			naive, _ := v["naive"].(map[string]any)
			if figure == "skill" {
				figure = "crps"
			}
			_, one := v["naive_"+figure].(float64)
			_, other := naive[figure].(float64)
			if !one && !other {
				t.Errorf("%s: %s without naive's beside it: %v", where, figure, v)
			}
		}
		for name, x := range v {
			if name != "naive" {
				n += scoresIn(t, where, x)
			}
		}
	}
	return n
}

// naiveInBacktests looks for naive's row beside each of a report.
func naiveInBacktests(t *testing.T) {
	r := read(t, minutes)
	spec := backtest.Spec{Models: []string{"ewma"}, BurnIn: 60, Last: 250}
	opt, err := app.BacktestOptions(&spec, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := backtest.Run(t.Context(), spec, app.BacktestFiles([]*csv.File{r.File}), opt)
	if err != nil {
		t.Fatal(err)
	}
	naive, judged := map[string]bool{}, 0
	for _, x := range report.Results {
		naive[fmt.Sprint(x.Series, x.Horizon)] = naive[fmt.Sprint(x.Series, x.Horizon)] || x.Model == score.Naive
	}
	for _, x := range report.Results {
		if x.Model == score.Naive {
			continue
		}
		judged++
		if !naive[fmt.Sprint(x.Series, x.Horizon)] || x.Verdict == "" || x.Detail.Why == "" || math.IsNaN(float64(x.Skill)) {
			t.Errorf("%s at horizon %d without naive or a verdict: %+v", x.Model, x.Horizon, x)
		}
	}
	for _, p := range report.Pooled {
		if !slices.ContainsFunc(report.Pooled, func(q backtest.Pooled) bool { return q.Model == score.Naive && q.Horizon == p.Horizon }) {
			t.Errorf("%s at horizon %d is pooled without naive", p.Model, p.Horizon)
		}
	}
	if judged != 2 { // at horizons 1 and 5
		t.Errorf("%d results of a model, want 2", judged)
	}
}

// verdictOfLuck looks after every score at races between two forecasts that err alike: one is too
// high by as much as the other is too low. By luck one of twenty such models may be called better
// or worse, however often one looks. One that really is better is found.
func verdictOfLuck(t *testing.T) {
	const races, length = 300, 400
	rng := rand.New(rand.NewPCG(5, 5))
	called := func(model, naive forecast.Prediction, spread float64) bool {
		var test score.Test
		_, mine := model.Price(100)
		_, theirs := naive.Price(100)
		for i := range length {
			cutoff := market.Time(i) * 60e6
			target := market.Span{Start: cutoff, End: cutoff + 60e6}
			f := forecast.Forecast{Model: "model", Horizon: 1, Target: target, Quantiles: mine}
			n := forecast.Forecast{Model: score.Naive, Horizon: 1, Target: target, Quantiles: theirs}
			s := score.Of(&f, &n, &score.Basis{Cutoff: cutoff, Last: 100}, score.Outcome{Close: 100 * math.Exp(spread*rng.NormFloat64())})
			test.Add(&s)
			switch score.Judge("model", test.Evidence()).Code {
			case score.BetterThanNaive, score.WorseThanNaive:
				return true
			}
		}
		return false
	}
	normal := func(mean, sd float64) forecast.Prediction {
		return forecast.Prediction{Point: mean, Quantiles: forecast.Normal(mean, sd)}
	}
	const spread = 0.01
	lucky := 0
	for range races {
		if called(normal(0.2*spread, spread), normal(-0.2*spread, spread), spread) {
			lucky++
		}
	}
	// Each direction errs in at most one race of twenty. Of 300, 45 in both together are three
	// standard deviations above that.
	if lucky > 45 {
		t.Errorf("of %d models that are as good as naive, %d were called better or worse", races, lucky)
	}
	if !called(normal(0, spread), normal(0, 3*spread), spread) {
		t.Errorf("a model that is much better than naive was not found within %d forecasts", length)
	}
	t.Logf("%d of %d equal models were called better or worse", lucky, races)
}
