package app_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/catalog"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
	"github.com/foretick/foretick/track"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// Recordings of every kind that replay knows: the repository's own, and real ones of the kind.
const (
	days    = "daily/STOCK.csv"
	minutes = "intraday/STOCK_1m.csv"
	closes  = "close_only/OIL.csv"
	trades  = "ticks/COIN.csv"

	realDays    = "daily/KO.csv"
	realMinutes = "intraday/AMZN_1min_201902.csv"
	realCloses  = "close_only/WTI.csv"
	realTrades  = "ticks/XRPETH_trades_2019.csv.gz"
)

// recording is a recorded file, cut to its newest bars, or ticks.
type recording struct {
	*csv.File
	walk func() (map[market.SeriesID]*run, error)
}

// run is what came out of a series.
type run struct {
	chain  []ledger.Sealed
	scores []score.Score
}

// enough is a number of bars that fills every model's window, and a smaller one where the race
// detector watches.
func enough() int {
	if testdata.Race {
		return 300
	}
	return many
}

const many = 600

// stretch is the newest n bars, or twice as many ticks, of a file.
type stretch struct {
	path string
	n    int
}

// opened are the recordings that were read.
var opened struct {
	sync.Mutex
	recordings map[stretch]*recording
}

// read is the newest bars of a recording of the repository's own. Tests share it and must not
// change it.
func read(t *testing.T, name string) *recording {
	t.Helper()
	return open(t, stretch{testdata.Market(t, name), enough()})
}

// readMany is read for what needs as many bars with the race detector as without.
func readMany(t *testing.T, name string) *recording {
	t.Helper()
	return open(t, stretch{testdata.Market(t, name), many})
}

// real is the same of real data, nil where there is none.
func real(t *testing.T, name string) *recording {
	t.Helper()
	if !testdata.Wide(t) || testdata.Race {
		return nil
	}
	return open(t, stretch{testdata.Real(t, name), enough()})
}

func open(t *testing.T, s stretch) *recording {
	t.Helper()
	opened.Lock()
	defer opened.Unlock()
	if r := opened.recordings[s]; r != nil {
		return r
	}
	files, err := app.ReadFiles(context.Background(), []string{s.path}, app.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := files[0]
	f.Bars = f.Bars[max(0, len(f.Bars)-s.n):]
	f.Ticks = f.Ticks[max(0, len(f.Ticks)-2*s.n):]
	r := of(f)
	if opened.recordings == nil {
		opened.recordings = map[stretch]*recording{}
	}
	opened.recordings[s] = r
	return r
}

func of(f *csv.File) *recording {
	return &recording{f, sync.OnceValues(func() (map[market.SeriesID]*run, error) { return walk(f) })}
}

// walked is what comes of driving the recording through tracks in memory. It is driven once
// for all tests.
func (r *recording) walked(t *testing.T) map[market.SeriesID]*run {
	t.Helper()
	out, err := r.walk()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// with is the recording with other bars.
func (r *recording) with(bars []market.Bar) *recording {
	f := *r.File
	f.Bars = bars
	return of(&f)
}

func walk(f *csv.File) (map[market.SeriesID]*run, error) {
	models, err := app.SelectModels([]string{race(f)}, nil)
	if err != nil {
		return nil, err
	}
	return drive(f, 5, rollups(f), models)
}

func drive(f *csv.File, horizons int, coarser []market.Interval, models []catalog.Model) (map[market.SeriesID]*run, error) {
	out := map[market.SeriesID]*run{}
	_, err := app.Drive(context.Background(), f, coarser, horizons, models, func(id market.SeriesID, r track.Result) error {
		if out[id] == nil {
			out[id] = &run{}
		}
		out[id].chain = append(out[id].chain, r.Entries...)
		out[id].scores = append(out[id].scores, r.Scores...)
		return nil
	}, nil)
	return out, err
}

// race are the models that f is walked with: all on bars of a day, which every model can
// forecast, the default ones on others.
func race(f *csv.File) string {
	if f.Kind == csv.Bars && f.Series.Interval == market.Day && !testdata.Race {
		return "all"
	}
	return "default"
}

// rollups are the coarser bars that are forecast too.
func rollups(f *csv.File) []market.Interval {
	if f.Series.Interval == market.Minute {
		return []market.Interval{market.FiveMin}
	}
	return nil
}

// settings are those of a program that replays r at a speed and keeps what comes of it at a
// place.
func settings(t *testing.T, r *recording, speed string, at app.Place) app.Config {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "recording.csv")
	if r.Kind == csv.Ticks {
		writeTicks(t, path, r.Ticks)
	} else {
		writeBars(t, path, r.Bars)
	}
	cfg := app.Config{Addr: "127.0.0.1:0", Data: at.Data, Store: at.Store, Feed: "replay", File: []string{path}, Speed: speed,
		Instrument: []string{r.Series.Instrument.Symbol}, Interval: r.Series.Interval.String(), Models: []string{race(r.File)}, Horizons: 5, Log: "error"}
	for _, i := range rollups(r.File) {
		cfg.Rollup = append(cfg.Rollup, i.String())
	}
	if len(r.Actions) > 0 {
		cfg.Actions = []string{filepath.Join(dir, "actions.csv")}
		writeActions(t, cfg.Actions[0], r.Actions)
	}
	return cfg
}

// serve replays r through the whole program and reads back what it stored.
func serve(t *testing.T, r *recording, speed string) map[market.SeriesID]*run {
	t.Helper()
	return serveAt(t, r, speed, app.Place{Data: filepath.Join(t.TempDir(), "data")})
}

// serveAt is serve with everything kept at a place.
func serveAt(t *testing.T, r *recording, speed string, at app.Place) map[market.SeriesID]*run {
	t.Helper()
	finish(t, settings(t, r, speed, at))
	return storedAt(t, at)
}

// finish runs the program until what it replays has ended, and stops it.
func finish(t *testing.T, cfg app.Config) {
	t.Helper()
	finishLogged(t, cfg, slog.New(slog.DiscardHandler))
}

func finishLogged(t *testing.T, cfg app.Config, log *slog.Logger) {
	t.Helper()
	_, stop := replayed(t, cfg, log)
	stop()
}

// replayed runs the program until what it replays has ended. It goes on serving until stop is
// called.
func replayed(t *testing.T, cfg app.Config, log *slog.Logger) (a *app.App, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	a, err := app.New(ctx, cfg, app.Deps{Now: time.Now, Log: log, Stderr: io.Discard})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	for a.Feeds()[0].State != feed.Finished {
		select {
		case err := <-done:
			done <- err
			t.Fatalf("serve ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := a.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	return a, stop
}

func stored(t *testing.T, dir string) map[market.SeriesID]*run {
	t.Helper()
	return storedAt(t, app.Place{Data: dir})
}

func storedAt(t *testing.T, at app.Place) map[market.SeriesID]*run {
	t.Helper()
	st, err := at.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	all, err := st.Series(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[market.SeriesID]*run{}
	for _, s := range all {
		r := &run{}
		for from := uint64(1); ; {
			page, err := st.Entries(t.Context(), s.ID(), store.EntryQuery{From: from})
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			r.chain = append(r.chain, page...)
			from = page[len(page)-1].Seq + 1
		}
		if err := st.EachScore(t.Context(), s.ID(), store.ScoreQuery{}, func(s *score.Score) bool { r.scores = append(r.scores, *s); return true }); err != nil {
			t.Fatal(err)
		}
		out[s.ID()] = r
	}
	return out
}

// same compares ledgers and scores to the last bit.
func same(t *testing.T, how string, got, want map[market.SeriesID]*run) {
	t.Helper()
	if g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(g, w) {
		t.Fatalf("%s: series %v, want %v", how, g, w)
	}
	for id, w := range want {
		g := got[id]
		for i := range min(len(g.chain), len(w.chain)) {
			if g.chain[i].Hash != w.chain[i].Hash {
				t.Fatalf("%s: %s entry %d differs:\n%s\n%s", how, id, i+1, show(g.chain[i]), show(w.chain[i]))
			}
		}
		if len(g.chain) != len(w.chain) {
			t.Fatalf("%s: %s has %d entries, want %d", how, id, len(g.chain), len(w.chain))
		}
		sameScores(t, how, g.scores, w.scores)
	}
}

func sameScores(t *testing.T, how string, got, want []score.Score) {
	t.Helper()
	g, w := byTarget(got), byTarget(want)
	if len(g) != len(w) {
		t.Fatalf("%s: %d scores, want %d", how, len(g), len(w))
	}
	for i := range w {
		if !sameScore(g[i], w[i]) {
			t.Fatalf("%s: scores differ:\n%+v\n%+v", how, g[i], w[i])
		}
	}
}

func byTarget(s []score.Score) []score.Score {
	return slices.SortedFunc(slices.Values(s), func(a, b score.Score) int {
		return slices.Compare([]string{a.Target.String(), a.Cutoff.String(), a.Model}, []string{b.Target.String(), b.Cutoff.String(), b.Model})
	})
}

func sameScore(a, b score.Score) bool {
	for _, p := range [][2]*float64{{&a.CRPS, &b.CRPS}, {&a.NaiveCRPS, &b.NaiveCRPS}, {&a.GainLow, &b.GainLow}, {&a.GainHigh, &b.GainHigh}} {
		if math.Float64bits(*p[0]) != math.Float64bits(*p[1]) {
			return false
		}
		*p[0], *p[1] = 0, 0
	}
	return a == b
}

func show(s ledger.Sealed) string {
	b, err := ledger.AppendJSON(nil, s)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// decoded are the entries of a chain.
func decoded(t *testing.T, chain []ledger.Sealed) []*ledger.Entry {
	t.Helper()
	list := make([]*ledger.Entry, len(chain))
	for i := range chain {
		e, err := ledger.Decode(chain[i].Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list[i] = e
	}
	return list
}
