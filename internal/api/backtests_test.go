package api

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/desk"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/storetest"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// withDesk is a world whose server takes orders for backtests; they are worked off
// while the returned function has not been called.
func withDesk(t *testing.T, change ...func(*Config)) (w *world, work func()) {
	t.Helper()
	st := newStore(t)
	d, err := backtest.NewDesk(t.Context(), backtest.DeskConfig{Store: st, Now: time.Now,
		Check: func(_ context.Context, o *backtest.Order) error {
			if o.Series[0] != amzn {
				return fmt.Errorf("%w: there is no series %q", backtest.ErrOrder, o.Series[0])
			}
			return nil
		},
		Prepare: func(context.Context, *backtest.Order) ([]backtest.Input, backtest.Options, error) {
			series := market.Series{Instrument: storetest.Series("AMZN").Instrument, Interval: market.Day} // what Walk gives
			return []backtest.Input{{Series: series, Bars: forecasttest.Walk(1, 800), Calendar: market.Always}},
				backtest.Options{Jobs: 1, Lead: "ewma", Now: time.Now, Forecasters: func(string) []forecast.Forecaster { return []forecast.Forecaster{naive.New(), ewma.New()} }}, nil
		}})
	must(t, err)
	w = newWorldOn(t, st, nil, append(change, func(c *Config) { c.Backtests = d })...)
	return w, func() {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- d.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			must(t, <-done)
		})
	}
}

func TestBacktests(t *testing.T) {
	w, work := withDesk(t)
	a := w.do(http.MethodPost, "/v1/backtests", `{"series":["sim:AMZN@1s"],"horizons":[1,2]}`, "Content-Type", "application/json")
	if a.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	list := get200[struct{ Items []backtest.Job }](w, "/v1/backtests").Items
	if len(list) != 1 || list[0].State != desk.Queued || list[0].Order.BurnIn != 500 {
		t.Fatalf("%+v", list)
	}
	id := list[0].ID
	wantProblem(t, w.do(http.MethodGet, "/v1/backtests/"+id+"/report", ""), http.StatusNotFound, "no report")
	work()
	var j backtest.Job
	for j.State != desk.Done {
		if j = get200[backtest.Job](w, "/v1/backtests/"+id); j.State == desk.Failed {
			t.Fatalf("%+v", j)
		}
	}
	if len(j.Pooled) != 4 || j.Bars != 800 {
		t.Errorf("%+v", j)
	}
	r := get200[backtest.Report](w, "/v1/backtests/"+id+"/report")
	if len(r.Results) != 4 || r.Results[0].Model != "naive" || r.Results[1].N != 299 {
		t.Errorf("%+v", r.Results)
	}
	page := w.do(http.MethodGet, "/v1/backtests/"+id+"/report.html", "")
	if page.StatusCode != http.StatusOK || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || !strings.Contains(page.Header.Get("Content-Security-Policy"), "default-src 'none'") || !strings.Contains(string(page.body), "sim:AMZN@1d") {
		t.Errorf("%d %v %.200s", page.StatusCode, page.Header, page.body)
	}
	if a := w.do(http.MethodDelete, "/v1/backtests/"+id, ""); a.StatusCode != http.StatusNoContent {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	wantProblem(t, w.do(http.MethodDelete, "/v1/backtests/"+id, ""), http.StatusNotFound, "no such backtest")
	if names := get200[struct{ Items []Model }](w, "/v1/models").Items; len(names) != 3 {
		t.Errorf("%+v", names)
	}
}

func TestBacktestsRefused(t *testing.T) {
	w, _ := withDesk(t)
	order := func(body string, headers ...string) answer {
		return w.do(http.MethodPost, "/v1/backtests", body, append(headers, "Content-Type", "application/json")...)
	}
	wantProblem(t, order(`{"series":["sim:NO@1s"]}`), http.StatusUnprocessableEntity, "no series")
	wantProblem(t, order(`{"series":["sim:AMZN@1s"],"burn_in":5}`), http.StatusUnprocessableEntity, "burn-in")
	wantProblem(t, order(`{"series":[]}`), http.StatusUnprocessableEntity, "")
	wantProblem(t, order(`{"series":["sim:AMZN@1s"]}`, "Sec-Fetch-Site", "cross-site"), http.StatusForbidden, "another site")
	for range 16 {
		if a := order(`{"series":["sim:AMZN@1s"]}`); a.StatusCode != http.StatusAccepted {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
	}
	wantProblem(t, order(`{"series":["sim:AMZN@1s"]}`), http.StatusTooManyRequests, "waiting")
}

// A key that may only read orders nothing.
func TestBacktestsNeedAKeyThatWrites(t *testing.T) {
	keys, err := ParseKeys("a:read:0123456789abcdef,b:write:fedcba9876543210")
	must(t, err)
	w, _ := withDesk(t, func(c *Config) { c.Keys = keys })
	body := `{"series":["sim:AMZN@1s"]}`
	wantProblem(t, w.do(http.MethodPost, "/v1/backtests", body, "Content-Type", "application/json", "Authorization", "Bearer 0123456789abcdef"), http.StatusForbidden, "only read")
	if a := w.do(http.MethodPost, "/v1/backtests", body, "Content-Type", "application/json", "Authorization", "Bearer fedcba9876543210"); a.StatusCode != http.StatusAccepted {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

func TestCalibration(t *testing.T) {
	w := newWorld(t).history(40)
	c := get200[Calibration](w, of(amzn, "/calibration?horizon=2&model=drift"))
	if c.Model != "drift" || c.Horizon != 2 || c.N == 0 || len(c.Levels) != forecast.Levels/2 || len(c.PIT) != 20 || len(c.Reliability) != forecast.Levels || len(c.Times) == 0 {
		t.Errorf("%+v", c)
	}
	total := 0
	for _, n := range c.PIT {
		total += n
	}
	if total != c.N {
		t.Errorf("the histogram holds %d of %d", total, c.N)
	}
	if c := get200[Calibration](w, of(amzn, "/calibration")); c.Model != "ewma" || c.Horizon != 1 {
		t.Errorf("without a choice it is that of %s at horizon %d", c.Model, c.Horizon)
	}
	if c := get200[Calibration](w, of(slashed, "/calibration")); c.N != 0 || c.Levels[0].Share != nil || c.IntervalScore != nil {
		t.Errorf("without scores: %+v", c)
	}
	wantProblem(t, w.do(http.MethodGet, of(amzn, "/calibration?model=none"), ""), http.StatusUnprocessableEntity, "no such model")
}

// The verdict is that of the evidence in the scores.
func TestVerdict(t *testing.T) {
	w := newWorld(t).history(60)
	for _, m := range get200[Accuracy](w, of(amzn, "/accuracy?horizon=1")).Models {
		acc := score.NewAccumulator()
		must(t, w.store.EachScore(t.Context(), amzn, store.ScoreQuery{Model: m.Model, Horizon: 1}, func(s *score.Score) bool { must(t, acc.Add(*s)); return true }))
		if want := score.Judge(m.Model, acc.Evidence()); m.Verdict != want {
			t.Errorf("%s: %+v, want %+v", m.Model, m.Verdict, want)
		}
	}
}
