package forecast_test

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/drift"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/forecasttest"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
)

// measured is what the protocol of the forecasting benchmark reports for one
// series, horizon and method; crps and width90 are in 100 x log return.
type measured struct {
	n                    int
	crps, cov90, width90 float64
	mae                  float64 // of the point, in price units
}

// measure follows the protocol: the last 2,500 bars; from bar 500 on forecast at
// every bar with what had closed by then; score the log return over h bars.
func measure(t *testing.T, f forecast.Forecaster, bars []market.Bar, h int) (m measured) {
	t.Helper()
	bars = bars[max(0, len(bars)-2500):]
	fitted, err := f.Fit(context.Background(), forecast.NewWindow(market.Day, bars[:501]))
	if err != nil {
		t.Fatal(err)
	}
	hits := 0
	for at := 500; at+h < len(bars); at++ {
		p, err := fitted.Predict(forecast.NewWindow(market.Day, bars[:at+1]), h)
		if err != nil {
			t.Fatalf("%s at bar %d, horizon %d: %v", f.Name(), at, h, err)
		}
		last, actual := bars[at].Close, bars[at+h].Close
		point, q := p.Price(last)
		m.mae += math.Abs(actual - point)
		m.crps += score.CRPS(&q, last, actual)
		y := math.Log(actual) - math.Log(last)
		if p.Quantiles[forecast.Q05] <= y && y <= p.Quantiles[forecast.Q95] {
			hits++
		}
		m.width90 += 100 * (p.Quantiles[forecast.Q95] - p.Quantiles[forecast.Q05])
		m.n++
	}
	n := float64(m.n)
	m.crps, m.width90, m.cov90, m.mae = m.crps/n, m.width90/n, float64(hits)/n, m.mae/n
	return m
}

type peerKey struct {
	series, method string
	h              int
}

func readPeers(t *testing.T, path string) map[peerKey]measured {
	t.Helper()
	peers := map[peerKey]measured{}
	for _, r := range testdata.Table(t, path) {
		num := func(column string) float64 { return r.Number(t, column) }
		peers[peerKey{r["series"], r["method"], int(num("h"))}] = measured{
			n: int(num("n")), crps: num("crps"), cov90: num("cov90"), width90: num("width90"),
		}
	}
	return peers
}

// contestants are the models with the names that the benchmark gives them.
var contestants = [...]struct {
	forecast.Forecaster
	peer string // none for drift: its figures are ours alone
}{{naive.New(), "hs250"}, {ewma.New(), "ewma94_n"}, {drift.New(), ""}}

// byModel holds what was measured of each contestant on one series.
type byModel [len(contestants)]measured

// TestPeers repeats the forecasting benchmark's rows hs250 and ewma94_n, which
// testdata/peers.R computed with R 4.2.2 and printed to 6 digits in testdata/peers.csv:
// every CRPS, coverage and width must agree to half a unit in the sixth digit.
func TestPeers(t *testing.T) {
	race(t, "own", "testdata/peers.csv",
		testdata.Market(t, "daily/STOCK.csv"), testdata.Market(t, "daily/INDEX.csv"),
		testdata.Market(t, "daily/FX.csv"), testdata.Market(t, "daily/COIN.csv"),
		testdata.Market(t, "intraday/STOCK_1h.csv"), testdata.Market(t, "intraday/STOCK_1m.csv"),
		testdata.Market(t, "intraday/COIN_1m.csv.gz"))
}

// TestPeersOfRealSeries does it on all 45 daily and 3 intraday series of the benchmark.
// testdata/peers.R gives those rows to the last digit. With -v it prints the tables of
// docs/forecasting.md.
func TestPeersOfRealSeries(t *testing.T) {
	testdata.SkipRaced(t, "a computation in one goroutine")
	dir := testdata.Shared(t)
	daily, err := filepath.Glob(filepath.Join(dir, "data", "daily", "*.csv"))
	if err != nil || len(daily) != 45 {
		t.Fatalf("found %d daily series, want 45 (%v)", len(daily), err)
	}
	race(t, "daily", filepath.Join(dir, "skill", "peers_dev.csv"), daily...)
	race(t, "intraday", filepath.Join(dir, "skill", "intraday_dev.csv"),
		testdata.Real(t, "intraday/AMZN_1min_201902.csv"), testdata.Real(t, "intraday/BTCPERP_1min_202201.csv.gz"),
		testdata.Real(t, "intraday/SPY_1h.csv.gz"))
}

// race compares the contestants with the table of peers on each of files.
func race(t *testing.T, set, table string, files ...string) {
	t.Helper()
	peers := readPeers(t, table)
	results := map[int][]byModel{1: make([]byModel, len(files)), 5: make([]byModel, len(files))}
	t.Run(set, func(t *testing.T) {
		for i, file := range files {
			name, _, _ := strings.Cut(filepath.Base(file), ".csv")
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				bars := forecasttest.ReadBars(t, file)
				for h, all := range results {
					all[i] = compare(t, bars, h, name, peers)
				}
			})
		}
	})
	for _, h := range []int{1, 5} {
		for k, m := range contestants {
			t.Logf("%s, horizon %d, %-5s: %s", set, h, m.Name(), overSeries(results[h], k))
		}
	}
}

// compare measures the contestants on one series against what R gave.
func compare(t *testing.T, bars []market.Bar, h int, series string, peers map[peerKey]measured) (all byModel) {
	for k, m := range contestants {
		got := measure(t, m, bars, h)
		all[k] = got
		if m.peer == "" {
			continue
		}
		want, ok := peers[peerKey{series, m.peer, h}]
		if !ok || got.n != want.n {
			t.Fatalf("horizon %d, %s: %d origins, want %d", h, m.Name(), got.n, want.n)
		}
		agree(t, h, m.Name()+" crps", got.crps, want.crps)
		agree(t, h, m.Name()+" cov90", got.cov90, want.cov90)
		agree(t, h, m.Name()+" width90", got.width90, want.width90)
	}
	return all
}

// agree compares with a number that was printed to 6 significant digits.
func agree(t *testing.T, h int, what string, got, want float64) {
	t.Helper()
	unit := math.Pow(10, math.Floor(math.Log10(want))-5)
	if math.Abs(got-want) > 0.501*unit {
		t.Errorf("horizon %d, %s: got %.9g, the benchmark has %g", h, what, got, want)
	}
}

// overSeries sums up model k against naive: geometric mean of the CRPS ratios,
// series with a lower CRPS, coverage pooled over origins and its worst series, the
// geometric mean of the width ratios and of the ratios of mean absolute errors.
func overSeries(series []byModel, k int) string {
	var crps, width, mae, hits, origins float64
	worst, better := 0.9, 0
	for _, s := range series {
		m, base := s[k], s[0]
		crps += math.Log(m.crps / base.crps)
		width += math.Log(m.width90 / base.width90)
		mae += math.Log(m.mae / base.mae)
		hits += m.cov90 * float64(m.n)
		origins += float64(m.n)
		if math.Abs(m.cov90-0.9) > math.Abs(worst-0.9) {
			worst = m.cov90
		}
		if m.crps < base.crps {
			better++
		}
	}
	n := float64(len(series))
	return fmt.Sprintf("crps ratio %.4f, better on %d of %d, cov90 %.4f (worst %.4f), width ratio %.4f, mae ratio %.4f",
		math.Exp(crps/n), better, len(series), hits/origins, worst, math.Exp(width/n), math.Exp(mae/n))
}
