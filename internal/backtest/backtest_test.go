package backtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/garch"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// input is one of the repository's own daily series.
func input(t *testing.T, symbol string) backtest.Input {
	t.Helper()
	return inputOf(t, symbol, testdata.Market(t, "daily/"+symbol+".csv"))
}

func inputOf(t *testing.T, symbol, path string) backtest.Input {
	t.Helper()
	bars := forecasttest.ReadBars(t, path)
	starts := make([]market.Time, len(bars))
	for i := range bars {
		starts[i] = bars[i].Start
	}
	return backtest.Input{File: symbol + ".csv", Bars: bars, Calendar: market.Recorded(market.Day, starts),
		Series: market.Series{Instrument: market.Instrument{Symbol: symbol, Venue: "file"}, Interval: market.Day}}
}

func options(jobs int) backtest.Options {
	return backtest.Options{Jobs: jobs, Lead: "ewma", Version: "test", Now: func() time.Time { return noon },
		Forecasters: func(string) []forecast.Forecaster {
			return []forecast.Forecaster{naive.New(), ewma.New(), garch.New()}
		}}
}

func run(t *testing.T, spec backtest.Spec, opt backtest.Options, in ...backtest.Input) *backtest.Report {
	t.Helper()
	r, err := backtest.Run(t.Context(), spec, in, opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The protocol of the forecasting benchmark, as R 4.2.2 computed it: n, CRPS, coverage
// overall and by regime, width and MASE of historical simulation (naive) and of
// RiskMetrics (ewma), rows of the table that forecast/testdata/peers.R made, to half a unit
// in the sixth digit, the last printed.
func TestProtocol(t *testing.T) {
	follow(t, input(t, "STOCK"), "../../forecast/testdata/peers.csv")
}

func TestProtocolOnRealSeries(t *testing.T) {
	follow(t, inputOf(t, "KO", testdata.Real(t, "daily/KO.csv")), filepath.Join(testdata.Shared(t), "skill", "peers_dev.csv"))
}

// follow walks a series as the protocol says and compares with the rows of a table.
func follow(t *testing.T, in backtest.Input, table string) {
	t.Helper()
	r := run(t, backtest.Spec{Last: 2500}, options(1), in)
	find := func(model string, h int) *backtest.Result {
		for i := range r.Results {
			if x := &r.Results[i]; x.Model == model && x.Horizon == h {
				return x
			}
		}
		t.Fatalf("no result of %s at horizon %d", model, h)
		return nil
	}
	peers := map[string]testdata.Row{}
	for _, row := range testdata.Table(t, table) {
		if row["series"] == in.Series.Instrument.Symbol {
			peers[row["method"]+" "+row["h"]] = row
		}
	}
	for _, c := range []struct{ model, peer string }{{"naive", "hs250"}, {"ewma", "ewma94_n"}} {
		for _, h := range []int{1, 5} {
			x, want := find(c.model, h), peers[fmt.Sprint(c.peer, " ", h)]
			if want == nil {
				t.Fatal("no row of the peer")
			}
			if x.N != int(want.Number(t, "n")) {
				t.Errorf("%s h %d: %d origins, want %v", c.model, h, x.N, want.Number(t, "n"))
			}
			for _, f := range []struct {
				name string
				got  backtest.Number
				col  string
			}{{"crps", x.CRPS, "crps"}, {"coverage", x.Coverage90, "cov90"}, {"width", x.Width90, "width90"},
				{"low", x.Coverage90ByRegime[0], "cov90_lo"}, {"middle", x.Coverage90ByRegime[1], "cov90_mid"}, {"high", x.Coverage90ByRegime[2], "cov90_hi"}} {
				want := want.Number(t, f.col)
				if half := 0.501 * math.Pow(10, math.Floor(math.Log10(want))-5); !(math.Abs(float64(f.got)-want) <= half) {
					t.Errorf("%s h %d: %s is %.8g, R has %g", c.model, h, f.name, f.got, want)
				}
			}
			if c.model == "ewma" && !(math.Abs(float64(x.MASE)-want.Number(t, "mase")) <= 2e-5) {
				t.Errorf("h %d: mase is %.8g, R has %g", h, x.MASE, want.Number(t, "mase"))
			}
		}
	}
	// The Diebold-Mariano test of ewma against naive is R's, too.
	if x, want := find("ewma", 1), peers["ewma94_n 1"]; !(math.Abs(float64(x.DMP)-want.Number(t, "p_crps_vs_hs")) <= 1e-5) {
		t.Errorf("dm_p is %v, R has %v", x.DMP, want.Number(t, "p_crps_vs_hs"))
	}
	if x := find("naive", 1); x.Skill != 0 || x.Verdict != score.NotJudgedYet || !math.IsNaN(float64(x.DMP)) {
		t.Errorf("naive: %+v", x)
	}
	if x := find("garch", 1); x.Skill <= 0 || x.EValue <= 0 || x.Verdict == "" || x.Detail.Why == "" || len(x.Detail.Reliability) != forecast.Levels || len(x.Detail.Curve) < 100 {
		t.Errorf("garch: %+v", x)
	}
	if x := find("ewma", 1); len(x.Detail.Best) == 0 || len(x.Detail.Best) != len(x.Detail.Worst) {
		t.Errorf("the lead model has fans of %d and %d bars", len(x.Detail.Best), len(x.Detail.Worst))
	}
}

// The report does not depend on how many series are walked at once.
func TestSameWhateverTheJobs(t *testing.T) {
	var in []backtest.Input
	for _, s := range []string{"FX", "COIN", "STOCK", "INDEX"} {
		in = append(in, input(t, s))
	}
	in[1].Bars = in[1].Bars[:400] // too short
	var want []byte
	for _, jobs := range []int{1, 2, 8} {
		got, err := json.Marshal(run(t, backtest.Spec{Last: 900}, options(jobs), in...))
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%d jobs give another report than 1", jobs)
		}
	}
	var r backtest.Report
	if err := json.Unmarshal(want, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Results) != 3*2*3 || len(r.Pooled) != 2*3 || r.Series[1].Skipped == "" || r.Series[0].Skipped != "" || r.Series[0].Head == "" {
		t.Errorf("%d results, %d pooled, %+v", len(r.Results), len(r.Pooled), r.Series)
	}
	for _, p := range r.Pooled {
		if p.Series != 3 || p.N == 0 || math.IsNaN(float64(p.Coverage90)) {
			t.Errorf("%+v", p)
		}
	}
	again, err := json.Marshal(&r)
	if err != nil || !bytes.Equal(again, want) {
		t.Errorf("the report changes when it is read and written: %v", err)
	}
}

// What cannot be walked is refused with words that say why; a walk can be cancelled.
func TestRefusals(t *testing.T) {
	in := input(t, "FX")
	for name, c := range map[string]struct {
		spec backtest.Spec
		want string
	}{
		"burn-in":       {backtest.Spec{BurnIn: 5}, "burn-in"},
		"last":          {backtest.Spec{Last: 300}, "nothing to judge"},
		"horizon":       {backtest.Spec{Horizons: []int{0}}, "horizons"},
		"refit":         {backtest.Spec{Refit: -1}, "refit"},
		"all are short": {backtest.Spec{BurnIn: 2620}, "origins to judge"},
		"span":          {backtest.Spec{From: 2, To: 1}, "before the start"},
	} {
		if _, err := backtest.Run(t.Context(), c.spec, []backtest.Input{in}, options(1)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	opt := options(1)
	opt.Progress = func(int64, int64) { cancel() }
	if _, err := backtest.Run(ctx, backtest.Spec{}, []backtest.Input{in}, opt); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled walk gives %v", err)
	}
}

func TestSpanAndProgress(t *testing.T) {
	in := input(t, "STOCK")
	var mu sync.Mutex
	var most, of int64
	opt := options(2)
	opt.Progress = func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		most, of = max(most, done), total
	}
	from, to := in.Bars[1000].Start, in.Bars[1700].Start
	r := run(t, backtest.Spec{From: from, To: to, Horizons: []int{3, 1, 3}}, opt, in)
	if s := r.Series[0]; s.Bars != 700 || s.From != from || s.To != in.Bars[1699].End {
		t.Errorf("walked %+v", s)
	}
	if most != 700 || of != 700 {
		t.Errorf("progress ended at %d of %d", most, of)
	}
	if !slices.Equal(r.Protocol.Horizons, []int{1, 3}) || r.Results[0].N != 199 || r.Results[3].N != 197 {
		t.Errorf("%+v, %d and %d origins", r.Protocol, r.Results[0].N, r.Results[3].N)
	}
}

// A page of any report is a page, whatever the figures.
func TestPage(t *testing.T) {
	r := run(t, backtest.Spec{Last: 900}, options(1), input(t, "FX"))
	var b bytes.Buffer
	if err := r.HTML(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"file:FX@1d", "garch", "investment advice", "<html"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// quiet is naive's double that abstains for a while and then errs more where it speaks.
type quiet struct{ naive.Model }

func (quiet) Name() string { return "quiet" }

func (m quiet) Fit(ctx context.Context, w forecast.Window) (forecast.Fitted, error) {
	if w.Len() < 700 {
		return nil, forecast.ErrTooShort
	}
	return m.Model.Fit(ctx, w)
}

// A model that abstains for a while is compared with naive over the bars that it
// forecast, not over others.
func TestPooledOverTheSameBars(t *testing.T) {
	opt := options(1)
	opt.Forecasters = func(string) []forecast.Forecaster { return []forecast.Forecaster{naive.New(), quiet{naive.New()}} }
	r := run(t, backtest.Spec{Last: 1000, Horizons: []int{1}}, opt, input(t, "STOCK"))
	for _, p := range r.Pooled {
		if p.Model == "quiet" && (p.CRPSRatio != 1 || p.Better != 0 || p.SignificantlyWorse != 0 || p.N >= 499) {
			t.Errorf("a model that says what naive says: %+v", p)
		}
	}
}
