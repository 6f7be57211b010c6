package app_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// realFiles are recordings of every kind that replay knows.
var realFiles = []string{
	"intraday/AMZN_1min_201902.csv",
	"daily/KO.csv",
	"close_only/WTI.csv",
	"ticks/XRPETH_trades_2019.csv.gz",
}

func read(t *testing.T, name string) *csv.File {
	t.Helper()
	files, err := app.ReadFiles(t.Context(), []string{filepath.Join(testdata.Shared(t), "data", name)}, app.FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := files[0]
	const most = 600 // bars: enough to fill every model's window, quick enough for the race detector
	f.Bars = f.Bars[max(0, len(f.Bars)-most):]
	return f
}

// run is what came out of a series.
type run struct {
	chain  []ledger.Sealed
	scores []score.Score
}

func drive(t *testing.T, f *csv.File, rollups ...market.Interval) map[market.SeriesID]*run {
	t.Helper()
	out := map[market.SeriesID]*run{}
	_, err := app.Drive(t.Context(), f, rollups, 5, models(t, f), func(id market.SeriesID, r track.Result) error {
		if out[id] == nil {
			out[id] = &run{}
		}
		out[id].chain = append(out[id].chain, r.Entries...)
		out[id].scores = append(out[id].scores, r.Scores...)
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// race are the models that f is walked with: all on bars of a day, which every model can
// forecast, the default ones on others.
func race(f *csv.File) string {
	if f.Kind == csv.Bars && f.Series.Interval == market.Day {
		return "all"
	}
	return "default"
}

func models(t *testing.T, f *csv.File) []catalog.Model {
	t.Helper()
	list, err := app.SelectModels([]string{race(f)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// serve replays f through the whole program at the given speed and reads back what
// it stored.
func serve(t *testing.T, f *csv.File, speed string) map[market.SeriesID]*run {
	t.Helper()
	return serveAt(t, f, speed, app.Place{Data: filepath.Join(t.TempDir(), "data")})
}

// serveAt is serve with everything kept in a place.
func serveAt(t *testing.T, f *csv.File, speed string, at app.Place) map[market.SeriesID]*run {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "recording.csv")
	if f.Kind == csv.Ticks {
		path = filepath.Join(testdata.Shared(t), "data", "ticks", f.Name)
	} else {
		writeBars(t, path, f.Bars)
	}
	cfg := app.Config{Addr: "127.0.0.1:0", Data: at.Data, Store: at.Store, Feed: "replay", File: []string{path}, Speed: speed,
		Instrument: []string{f.Series.Instrument.Symbol}, Interval: f.Series.Interval.String(), Rollup: []string{"5m"}, Models: []string{race(f)}, Horizons: 5, Log: "error"}
	if f.Series.Interval.Duration() > time.Minute {
		cfg.Rollup = nil
	}
	if len(f.Actions) > 0 {
		cfg.Actions = []string{filepath.Join(dir, "actions.csv")}
		writeActions(t, cfg.Actions[0], f.Actions)
	}
	finish(t, cfg)
	return storedAt(t, at)
}

// finish runs the program until what it replays has ended, and stops it.
func finish(t *testing.T, cfg app.Config) {
	t.Helper()
	finishLogged(t, cfg, slog.New(slog.DiscardHandler))
}

func finishLogged(t *testing.T, cfg app.Config, log *slog.Logger) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	a, err := app.New(ctx, cfg, app.Deps{Now: time.Now, Log: log, Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	for a.Feeds()[0].State != feed.Finished {
		select {
		case err := <-done:
			t.Fatalf("serve ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if err := a.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
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

func writeBars(t *testing.T, path string, bars []market.Bar) {
	t.Helper()
	f := create(t, path)
	if err := csv.Write(f, bars); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// Law 3: the in-process driver, replay at full speed and replay paced by the clock
// give the same ledger and scores to the last bit.
func TestOneEngine(t *testing.T) {
	for _, name := range realFiles {
		t.Run(filepath.Base(name), func(t *testing.T) {
			f := read(t, name)
			var rollups []market.Interval
			if f.Series.Interval == market.Minute {
				rollups = []market.Interval{market.FiveMin}
			}
			want := drive(t, f, rollups...)
			for id, r := range want {
				if len(r.chain) < 200 || len(r.scores) < 200 {
					t.Fatalf("%s: only %d entries and %d scores", id, len(r.chain), len(r.scores))
				}
			}
			for _, speed := range []string{"max", pace(f)} {
				same(t, speed, serve(t, f, speed), want)
			}
		})
	}
}

// TestOneEngineAcrossSplits is the same where shares were split, without a word and
// announced. What is known changes what is forecast; the way it comes does not.
func TestOneEngineAcrossSplits(t *testing.T) {
	f := read(t, "daily/AAPL_unadjusted.csv")
	f.Bars = f.Bars[300:] // split 4:1 on 31 August 2020
	ex, err := market.ParseTime("2020-08-31")
	if err != nil {
		t.Fatal(err)
	}
	silent := drive(t, f)
	same(t, "unannounced", serve(t, f, "max"), silent)
	f.Actions = []market.Action{
		{Ex: ex, Kind: market.Split, Ratio: 4, Source: "actions.csv"},
		{Ex: ex, Kind: market.Dividend, Amount: 0.2, Source: "actions.csv"},
	}
	announced := drive(t, f)
	dir := t.TempDir()
	same(t, "announced", serveAt(t, f, "max", app.Place{Data: dir}), announced)
	id := f.Series.ID()
	if a, b := voids(t, announced[id]), voids(t, silent[id]); a != "split 4:1" || b != "looks like an unannounced split 4:1" {
		t.Errorf("announced: %q, unannounced: %q", a, b)
	}
	st, err := app.Place{Data: dir}.OpenReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	kept, err := st.Actions(t.Context(), f.Series.Instrument.Key())
	if err != nil || !slices.Equal(kept, []market.Action{f.Actions[1], f.Actions[0]}) {
		t.Errorf("kept %v, %v", kept, err)
	}
	list, err := store.Warnings(t.Context(), st, id, 10)
	if err != nil || len(list) != 1 || !list[0].Announced || list[0].Bar.Start != ex || list[0].Close != 499.23 || list[0].Voided == 0 {
		t.Errorf("warnings %+v, %v", list, err)
	}
	if in, err := app.BacktestSeries(t.Context(), st, id); err != nil || !slices.Equal(in.Splits, kept) {
		t.Errorf("a backtest knows of %v, %v", in.Splits, err)
	}
}

// voids are the reasons for which forecasts are void, each once.
func voids(t *testing.T, r *run) string {
	t.Helper()
	var list []string
	for _, s := range r.chain {
		e, err := ledger.Decode(s.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if e.Void != nil {
			list = append(list, string(e.Void.Reason))
		}
	}
	return strings.Join(slices.Compact(list), "; ")
}

func writeActions(t *testing.T, path string, list []market.Action) {
	t.Helper()
	text := "ex,kind,value\n"
	for _, a := range list {
		text += fmt.Sprintf("%s,%s,%v\n", a.Ex, a.Kind, max(a.Ratio, a.Amount))
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// PostgreSQL keeps what SQLite keeps: the same ledger and scores to the last bit.
func TestOneEngineOnPostgres(t *testing.T) {
	name := realFiles[0]
	f := read(t, name)
	same(t, "postgres", serveAt(t, f, "max", app.Place{Data: t.TempDir(), Store: pgtest.Open(t)}), serve(t, f, "max"))
}

func TestMain(m *testing.M) { pgtest.Main(m) }

// pace is a speed at which f takes about a second.
func pace(f *csv.File) string {
	var span time.Duration
	if n := len(f.Bars); n > 0 {
		span = f.Bars[n-1].End.Sub(f.Bars[0].Start)
	} else {
		span = f.Ticks[len(f.Ticks)-1].Time.Sub(f.Ticks[0].Time)
	}
	return formatFloat(span.Seconds())
}

func same(t *testing.T, how string, got, want map[market.SeriesID]*run) {
	t.Helper()
	if g, w := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)); !slices.Equal(g, w) {
		t.Fatalf("%s: series %v, want %v", how, g, w)
	}
	for id, w := range want {
		g := got[id]
		for i := range min(len(g.chain), len(w.chain)) {
			if g.chain[i].Hash != w.chain[i].Hash {
				t.Fatalf("%s: %s entry %d differs:\n%s\n%s", how, id, i+1, show(t, g.chain[i]), show(t, w.chain[i]))
			}
		}
		if len(g.chain) != len(w.chain) || len(g.scores) != len(w.scores) {
			t.Fatalf("%s: %s has %d entries and %d scores, want %d and %d", how, id, len(g.chain), len(g.scores), len(w.chain), len(w.scores))
		}
		if g, w := byTarget(g.scores), byTarget(w.scores); !slices.EqualFunc(g, w, sameScore) {
			t.Fatalf("%s: %s scores differ", how, id)
		}
	}
}

func byTarget(s []score.Score) []score.Score {
	return slices.SortedFunc(slices.Values(s), func(a, b score.Score) int {
		return slices.Compare([]string{a.Target.String(), a.Cutoff.String(), a.Model}, []string{b.Target.String(), b.Cutoff.String(), b.Model})
	})
}

func sameScore(a, b score.Score) bool {
	for _, p := range [][2]*float64{{&a.CRPS, &b.CRPS}, {&a.NaiveCRPS, &b.NaiveCRPS}} {
		if math.Float64bits(*p[0]) != math.Float64bits(*p[1]) {
			return false
		}
		*p[0], *p[1] = 0, 0
	}
	return a == b
}

func show(t *testing.T, s ledger.Sealed) string {
	t.Helper()
	b, err := ledger.AppendJSON(nil, s)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Law 4: whatever happens after a cutoff, the forecasts made at it stay the same.
func TestNoLookAhead(t *testing.T) {
	for _, name := range []string{"daily/KO.csv", "intraday/AMZN_1min_201902.csv"} {
		t.Run(filepath.Base(name), func(t *testing.T) { noLookAhead(t, read(t, name)) })
	}
}

func noLookAhead(t *testing.T, f *csv.File) {
	f.Bars = f.Bars[:600]
	want := drive(t, f)[f.Series.ID()].chain
	for _, cut := range []int{1, 30, 251, 400, 599} {
		g := *f
		g.Bars = slices.Clone(f.Bars)
		for i := cut; i < len(g.Bars); i++ {
			b := &g.Bars[i]
			b.Open, b.High, b.Low, b.Close, b.Volume = 3*b.Open, 5*b.High, b.Low/7, 2*b.Close, b.Volume+1e6
		}
		got := drive(t, &g)[g.Series.ID()].chain
		made := map[string]int{}
		for i := range got {
			e, err := ledger.Decode(want[i].Bytes)
			if err != nil {
				t.Fatal(err)
			}
			if e.At > f.Bars[cut-1].End {
				break
			}
			if got[i].Hash != want[i].Hash {
				t.Fatalf("bars changed from %s on changed entry %d:\n%s\n%s", f.Bars[cut].Start, i+1, show(t, got[i]), show(t, want[i]))
			}
			if e.Issue != nil {
				for _, f := range e.Issue.Forecasts {
					made[f.Model]++
				}
			}
		}
		for _, m := range models(t, f) {
			if name := m.New().Name(); cut > 400 && made[name] == 0 {
				t.Errorf("%s made no forecast before bar %d: nothing was tested", name, cut)
			}
		}
		if got[len(got)-1].Hash == want[len(want)-1].Hash {
			t.Error("the change reached no later entry: nothing was tested")
		}
	}
}

// Law 1 over real bars: the chain verifies, and a forecast precedes its outcome.
// Law 5: every score has the naive forecast's beside it wherever naive forecast.
func TestChainOfRealBars(t *testing.T) {
	r := drive(t, read(t, "daily/KO.csv"))
	for id, r := range r {
		var v ledger.Verifier
		for _, s := range r.chain {
			if err := v.Add(s); err != nil {
				t.Fatalf("%s: %v", id, err)
			}
		}
		if v.Forecasts() < 5_000 {
			t.Errorf("%s: %d forecasts", id, v.Forecasts())
		}
		for _, s := range r.scores {
			if math.IsNaN(s.NaiveCRPS) {
				t.Fatalf("score without naive beside it: %+v", s)
			}
		}
	}
}
