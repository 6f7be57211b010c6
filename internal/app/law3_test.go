package app_test

import (
	"encoding/hex"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/foretick/foretick/internal/app"
	"github.com/foretick/foretick/internal/backtest"
	"github.com/foretick/foretick/internal/feed/csv"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/postgres/pgtest"
	"github.com/foretick/foretick/internal/testdata"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/track"
)

// TestLaw3OneEngine: the driver in memory, replay at full speed and replay paced by the clock,
// a live venue and a backtest give the same forecasts and scores to the last bit.
func TestLaw3OneEngine(t *testing.T) {
	t.Parallel()
	names := []string{days, minutes, closes, trades}
	if testdata.Race {
		names = []string{minutes}
	}
	for _, name := range names {
		t.Run("replay of "+filepath.Base(name), func(t *testing.T) {
			r := read(t, name)
			for id, r := range r.walked(t) {
				if len(r.chain) < enough()/4 || len(r.scores) < enough()/2 {
					t.Fatalf("%s: only %d entries and %d scores", id, len(r.chain), len(r.scores))
				}
			}
			same(t, "at full speed", serve(t, r, "max"), r.walked(t))
			if name == minutes {
				same(t, "paced", serve(t, r, pace(r.File)), r.walked(t))
			}
		})
	}
	for _, name := range []string{realMinutes, realTrades} {
		if r := real(t, name); r != nil {
			t.Run("replay of real "+filepath.Base(name), func(t *testing.T) { same(t, "real", serve(t, r, "max"), r.walked(t)) })
		}
	}
	t.Run("live", liveIsReplay)
	t.Run("backtest", backtestIsReplay)
	t.Run("across splits", sameAcrossSplits)
}

// PostgreSQL keeps what SQLite keeps: the same ledger and scores to the last bit.
func TestOneEngineOnPostgres(t *testing.T) {
	r := read(t, minutes)
	same(t, "postgres", serveAt(t, r, "max", app.Place{Data: t.TempDir(), Store: pgtest.Open(t)}), r.walked(t))
}

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

// liveIsReplay lets a live venue send the bars of a recording as they end. What differs from a
// replay is the clock of the entries, and nothing else.
func liveIsReplay(t *testing.T) {
	r := read(t, minutes)
	r = r.with(r.Bars[len(r.Bars)-250:])
	data := t.TempDir()
	starts := make([]market.Time, len(r.Bars))
	for i := range r.Bars {
		starts[i] = r.Bars[i].Start
	}
	st := play(t, script{series: r.Series, calendar: market.Recorded(r.Series.Interval, starts), data: data, begin: r.Bars[0].Start, models: []string{race(r.File)}, horizons: 5})
	for _, b := range r.Bars {
		st.bar(b, 50*time.Millisecond)
	}
	st.stop()
	live, replayed := storedAt(t, app.Place{Data: data})[r.Series.ID()], r.walked(t)[r.Series.ID()]
	got, want := decoded(t, live.chain), decoded(t, replayed.chain)
	if len(got) != len(want) {
		t.Fatalf("%d entries live, %d replayed", len(got), len(want))
	}
	for i := range want {
		g, w := *got[i], *want[i]
		if g.Mode != ledger.Live || g.At != w.At.Add(50*time.Millisecond) {
			t.Fatalf("entry %d is %s at %s, replayed at %s", i+1, g.Mode, g.At, w.At)
		}
		g.Mode, g.At, g.Prev = w.Mode, w.At, w.Prev
		if !reflect.DeepEqual(g, w) {
			t.Fatalf("entry %d differs:\n%s\n%s", i+1, show(live.chain[i]), show(replayed.chain[i]))
		}
	}
	sameScores(t, "live", live.scores, replayed.scores)
}

// backtestIsReplay walks a recording, and replays it with the burn-in as history: both seal the
// same chain.
func backtestIsReplay(t *testing.T) {
	r := read(t, closes)
	burnIn := len(r.Bars) / 3
	spec := backtest.Spec{Models: []string{race(r.File)}, BurnIn: burnIn, Horizons: track.UpTo(5)}
	opt, err := app.BacktestOptions(&spec, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	report, err := backtest.Run(t.Context(), spec, app.BacktestFiles([]*csv.File{r.File}), opt)
	if err != nil {
		t.Fatal(err)
	}
	at := app.Place{Data: filepath.Join(t.TempDir(), "data")}
	cfg := settings(t, r, "max", at)
	cfg.Start = r.Bars[burnIn].Start.String()
	finish(t, cfg)
	chain := storedAt(t, at)[r.Series.ID()].chain
	head := chain[len(chain)-1].Hash
	if len(chain) < 200 || report.Series[0].Head != hex.EncodeToString(head[:]) {
		t.Errorf("the replay's chain of %d entries ends with %x, the backtest's with %s", len(chain), head, report.Series[0].Head)
	}
	n := 0
	for _, x := range report.Results {
		n += x.N
	}
	if scores := len(storedAt(t, at)[r.Series.ID()].scores); n != scores {
		t.Errorf("the backtest judged %d forecasts, the replay %d", n, scores)
	}
}

// sameAcrossSplits is the same where shares were split, without a word and announced. What is
// known changes what is forecast; the way it comes does not.
func sameAcrossSplits(t *testing.T) {
	all, err := app.ReadFiles(t.Context(), []string{testdata.Market(t, "daily/SPLIT.csv")}, app.FileOptions{Actions: []string{testdata.Market(t, "daily/SPLIT_actions.csv")}})
	if err != nil {
		t.Fatal(err)
	}
	const split = 610 // the bar after the split that was announced
	f := *all[0]
	actions := f.Actions
	f.Bars, f.Actions = f.Bars[split-100:split+100], nil
	silent := of(&f)
	same(t, "unannounced", serve(t, silent, "max"), silent.walked(t))
	g := f
	g.Actions = actions
	announced := of(&g)
	at := app.Place{Data: t.TempDir()}
	same(t, "announced", serveAt(t, announced, "max", at), announced.walked(t))
	id := f.Series.ID()
	if a, b := voids(t, announced.walked(t)[id]), voids(t, silent.walked(t)[id]); a != "split 4:1" || b != "looks like an unannounced split 4:1" {
		t.Errorf("announced: %q, unannounced: %q", a, b)
	}
	st, err := at.OpenReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	list, err := store.Warnings(t.Context(), st, id, 10)
	if err != nil || len(list) != 1 || !list[0].Announced || list[0].Bar.Start != f.Bars[100].Start || list[0].Close != f.Bars[99].Close || list[0].Voided == 0 {
		t.Errorf("warnings %+v, %v", list, err)
	}
	kept, err := st.Actions(t.Context(), f.Series.Instrument.Key())
	if err != nil || len(kept) != len(actions) {
		t.Errorf("kept %v of %v, %v", kept, actions, err)
	}
	if in, err := app.BacktestSeries(t.Context(), st, id); err != nil || !slices.Equal(in.Splits, kept) {
		t.Errorf("a backtest knows of %v, %v", in.Splits, err)
	}
}

// voids are the reasons for which forecasts are void, each once.
func voids(t *testing.T, r *run) string {
	t.Helper()
	var list []string
	for _, e := range decoded(t, r.chain) {
		if e.Void != nil {
			list = append(list, e.Void.Reason)
		}
	}
	return strings.Join(slices.Compact(list), "; ")
}
