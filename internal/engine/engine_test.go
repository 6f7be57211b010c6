package engine_test

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/foretick/foretick/forecast"
	"github.com/foretick/foretick/forecast/auto"
	"github.com/foretick/foretick/forecast/drift"
	"github.com/foretick/foretick/forecast/ewma"
	"github.com/foretick/foretick/forecast/garch"
	"github.com/foretick/foretick/forecast/naive"
	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/bus/inproc"
	"github.com/foretick/foretick/internal/engine"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/internal/store/sqlite"
	"github.com/foretick/foretick/ledger"
	"github.com/foretick/foretick/market"
	"github.com/foretick/foretick/score"
	"github.com/foretick/foretick/track"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// flaky is a store whose commits of steps fail while broken is set.
type flaky struct {
	*sqlite.Store
	broken atomic.Bool
	failed atomic.Int64

	forgetful atomic.Bool // keeps no documents
}

func (f *flaky) PutDocuments(ctx context.Context, docs ...store.Document) error {
	if f.forgetful.Load() {
		return store.ErrFull
	}
	return f.Store.PutDocuments(ctx, docs...)
}

func (f *flaky) CommitStep(ctx context.Context, steps ...store.Step) (uint64, error) {
	if f.broken.Load() {
		f.failed.Add(1)
		return 0, store.ErrFull
	}
	return f.Store.CommitStep(ctx, steps...)
}

// rig is an engine on a real store.
type rig struct {
	t       *testing.T
	store   *flaky
	bus     bus.Bus
	engine  *engine.Engine
	metrics *prometheus.Registry
	now     atomic.Int64
	more    atomic.Bool // the race has one model more
	stop    func()
}

// joined are the models that have joined the race.
func (r *rig) joined() []forecast.Forecaster {
	if r.more.Load() {
		return []forecast.Forecaster{drift.New()}
	}
	return nil
}

func newRig(t *testing.T) *rig { return newRigOf(t, ledger.Live) }

// newRigOf returns a rig whose series are of a mode. In a replay the clock does not count, so that
// many bars can be committed at once.
func newRigOf(t *testing.T, mode ledger.Mode) *rig {
	t.Helper()
	s, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: &flaky{Store: s}, bus: inproc.New()}
	t.Cleanup(func() {
		r.stop()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, series := range []market.Series{a, b} {
		if err := s.PutSeries(t.Context(), store.SeriesRecord{Series: series, Mode: mode, Source: "test", Base: true}); err != nil {
			t.Fatal(err)
		}
	}
	r.start()
	return r
}

// models are one that looks at the window only and two with state.
func models() []forecast.Forecaster {
	g := garch.New()
	g.Least = 30
	return []forecast.Forecaster{naive.New(), ewma.New(), g, auto.New(auto.Expert{Model: g, Names: []string{"garch"}, Weights: []float64{1}})}
}

// start starts an engine, as a new process would.
func (r *rig) start() {
	r.t.Helper()
	r.metrics = prometheus.NewRegistry()
	e, err := engine.New(engine.Config{
		Store: r.store, Bus: r.bus, Models: func() []forecast.Forecaster { return append(models(), r.joined()...) }, Horizons: track.UpTo(3),
		Calendars: func(market.Series) market.Calendar { return market.Always }, LateAfter: time.Second,
		Now: func() time.Time { return time.UnixMicro(r.now.Load()) }, Metrics: r.metrics,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.engine = e
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Error(err)
		}
		r.stop = func() {}
	}
}

var (
	a = market.Series{Instrument: market.Instrument{Symbol: "A", Venue: "test"}, Interval: market.Second}
	b = market.Series{Instrument: market.Instrument{Symbol: "B", Venue: "test"}, Interval: market.Second}
)

// feed commits bars from..to-1 of both series, telling the bus when told is true, and
// returns the last event.
func (r *rig) feed(from, to int, told bool) uint64 {
	r.t.Helper()
	var last uint64
	for i := from; i < to; i++ {
		start := market.Time(1_700_000_000+i) * 1_000_000
		r.now.Store(int64(start) + 1_050_000)
		var recs []store.BarRecord
		for k, s := range []market.Series{a, b} {
			recs = append(recs, store.BarRecord{Series: s.ID(), Bar: barOf(k, i)})
		}
		_, seq, err := r.store.CommitBars(r.t.Context(), recs)
		if err != nil {
			r.t.Fatal(err)
		}
		last = seq
		if told {
			r.bus.Publish(bus.Notice{Seq: seq, Kind: "bar"})
			r.sync(seq)
		}
	}
	return last
}

// record commits bars from..to-1 of both series, 64 of each at once, and waits until each lot has
// been stepped.
func (r *rig) record(from, to int) {
	r.t.Helper()
	for ; from < to; from += 64 {
		var recs []store.BarRecord
		for i := from; i < min(from+64, to); i++ {
			recs = append(recs, store.BarRecord{Series: a.ID(), Bar: barOf(0, i)}, store.BarRecord{Series: b.ID(), Bar: barOf(1, i)})
		}
		_, seq, err := r.store.CommitBars(r.t.Context(), recs)
		if err != nil {
			r.t.Fatal(err)
		}
		r.bus.Publish(bus.Notice{Seq: seq, Kind: "bar"})
		r.sync(seq)
	}
}

func (r *rig) sync(seq uint64) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	if err := r.engine.Sync(ctx, seq); err != nil {
		r.t.Fatalf("the engine did not reach event %d: %v (%v)", seq, err, r.engine.Err())
	}
}

func (r *rig) head(s market.Series) ledger.Head {
	r.t.Helper()
	h, _, err := r.store.Head(r.t.Context(), s.ID())
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

// want is the head that a single track reaches over the same bars.
func want(t *testing.T, s market.Series, k, bars int) ledger.Head {
	t.Helper()
	tr, err := track.New(track.Config{Series: s, Mode: ledger.Live, Horizons: track.UpTo(3), Models: models(), LateAfter: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	for i := range bars {
		bar := barOf(k, i)
		if _, err := tr.Advance(t.Context(), track.Input{Bar: bar}, bar.Start+1_050_000); err != nil {
			t.Fatal(err)
		}
	}
	return tr.Head()
}

// barOf is bar i of the k-th series.
func barOf(k, i int) market.Bar {
	start := market.Time(1_700_000_000+i) * 1_000_000
	p := 100 + float64((i*(7+k))%13)
	return market.Bar{Start: start, End: start + 1_000_000, Open: p, High: p, Low: p, Close: p}
}

// digest is that of the bars of a series.
func digest(k, bars int) (h ledger.Hash) {
	for i := range bars {
		bar := barOf(k, i)
		h = ledger.DigestBar(h, &bar)
	}
	return h
}

func TestStepsEveryBarOnce(t *testing.T) {
	r := newRig(t)
	r.feed(0, 60, true)
	for k, s := range []market.Series{a, b} {
		if got, want := r.head(s), want(t, s, k, 60); got != want {
			t.Errorf("%s: head %v, want %v", s.ID(), got, want)
		}
	}
	n, err := testutil.GatherAndCount(r.metrics, "foretick_forecasts_total")
	if err != nil || n == 0 {
		t.Errorf("no forecasts are counted: %v", err)
	}
}

// TestRestartGoesOn stops the engine, commits nothing meanwhile, and starts it again:
// the chain does not show it.
func TestRestartGoesOn(t *testing.T) {
	r := newRig(t)
	for from := 0; from < 90; from += 15 {
		r.feed(from, from+15, true)
		r.stop()
		r.start()
	}
	for k, s := range []market.Series{a, b} {
		if got, want := r.head(s), want(t, s, k, 90); got != want {
			t.Errorf("%s: head %v, want %v", s.ID(), got, want)
		}
		// Nor has a bar been taken twice.
		if _, c, err := r.store.Head(t.Context(), s.ID()); err != nil || c.Inputs != digest(k, 90) {
			t.Errorf("%s: digest %v of the bars, %v; want %v", s.ID(), c.Inputs, err, digest(k, 90))
		}
	}
}

// TestKilledEngineGoesOn is the same when nothing that models have learnt could be kept
// at the end: they learn again from the bars, from the beginning or from the last
// snapshot, and the chain does not show it.
func TestKilledEngineGoesOn(t *testing.T) {
	t.Parallel()
	for _, n := range []int{100, engine.SnapshotEvery + 30} {
		r := newRigOf(t, ledger.Replay)
		r.record(0, n)
		r.store.forgetful.Store(true)
		r.stop()
		docs, err := r.store.Documents(t.Context(), "models")
		if err != nil || len(docs) != 2*(n/engine.SnapshotEvery) {
			t.Errorf("after %d bars there are %d snapshots, %v", n, len(docs), err)
		}
		r.start()
		r.record(n, n+40)
		if got, want := r.head(a), uninterrupted(t, a, 0, n+40); got != want {
			t.Errorf("killed after %d bars: head %v, want %v", n, got, want)
		}
	}
}

// TestModelsJoinAndLeave lets a model join while the engine runs and leave at a restart: it
// forecasts from its next bar on, the others do not notice, and its last forecasts are still
// judged.
func TestModelsJoinAndLeave(t *testing.T) {
	r := newRig(t)
	names := func() map[string]int {
		entries, err := r.store.Entries(t.Context(), a.ID(), store.EntryQuery{Kinds: []ledger.Kind{ledger.Issue}, Times: store.Range{Newest: true, Limit: 1}})
		if err != nil {
			t.Fatal(err)
		}
		e, err := ledger.Decode(entries[0].Bytes)
		if err != nil {
			t.Fatal(err)
		}
		n := map[string]int{}
		for _, f := range e.Issue.Forecasts {
			n[f.Model+" "+f.Version]++
		}
		return n
	}
	r.feed(0, 60, true)
	before := names()
	r.more.Store(true)
	r.engine.Renew()
	r.feed(60, 61, true)
	after := names()
	for name := range before {
		if after[name] != 3 {
			t.Errorf("%s is not there after Renew: %v", name, after)
		}
	}
	if len(after) != len(before)+1 {
		t.Errorf("after Renew there are %v, before %v", after, before)
	}
	r.feed(61, 70, true)
	r.stop()
	r.more.Store(false)
	r.start()
	r.feed(70, 80, true)
	if n := names(); len(n) != 4 {
		t.Errorf("after it has left there are %v", n)
	}
	scores := 0
	if err := r.store.EachScore(t.Context(), a.ID(), store.ScoreQuery{Model: "drift"}, func(*score.Score) bool { scores++; return true }); err != nil {
		t.Fatal(err)
	}
	if scores != 3*10 { // cutoffs of ten bars, up to three ahead, the last of them after it had left
		t.Errorf("%d scores of the model that left, want 30", scores)
	}
}

// TestOtherModels starts with models that a snapshot does not fit: they learn anew from
// the bars, and forecast.
func TestOtherModels(t *testing.T) {
	r := newRig(t)
	r.feed(0, 60, true)
	r.stop()
	if err := r.store.PutDocuments(t.Context(), store.Document{Kind: "models", Name: string(a.ID()), Body: []byte("of quite other models than these")}); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.feed(60, 70, true)
	entries, err := r.store.Entries(t.Context(), a.ID(), store.EntryQuery{Kinds: []ledger.Kind{ledger.Issue}, Times: store.Range{Newest: true, Limit: 1}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := ledger.Decode(entries[0].Bytes)
	if err != nil || len(e.Issue.Forecasts) != 4*3 {
		t.Errorf("%d forecasts, %+v, %v", len(e.Issue.Forecasts), e.Issue.Abstentions, err)
	}
}

// TestBarsWithoutNotice commits bars while nobody tells the engine, as when it was
// killed between the two transactions: the next start steps them.
func TestBarsWithoutNotice(t *testing.T) {
	r := newRig(t)
	r.feed(0, 40, true)
	r.stop()
	last := r.feed(40, 45, false)
	r.start()
	r.sync(last)
	entries, err := r.store.Entries(t.Context(), a.ID(), store.EntryQuery{Kinds: []ledger.Kind{ledger.Issue}})
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 45 {
		t.Errorf("%d of 45 bars were forecast", len(entries))
	}
	// They are stepped at the time of the restart: the horizons whose targets had ended
	// are recorded as missed, never issued.
	e, err := ledger.Decode(entries[40].Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Issue.Forecasts) != 0 || len(e.Issue.Abstentions) == 0 {
		t.Errorf("a bar of 5 s ago: %d forecasts, %d abstentions", len(e.Issue.Forecasts), len(e.Issue.Abstentions))
	}
	var v ledger.Verifier
	all, err := r.store.Entries(t.Context(), a.ID(), store.EntryQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if err := v.Add(s); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStoreFailure lets the commits fail for a while: nothing is lost or doubled, and
// the reason can be asked for.
func TestStoreFailure(t *testing.T) { synctest.Test(t, storeFailure) }

func storeFailure(t *testing.T) {
	r := newRig(t)
	r.feed(0, 30, true)
	r.store.broken.Store(true)
	last := r.feed(30, 32, false)
	r.bus.Publish(bus.Notice{Seq: last})
	time.Sleep(5 * time.Second)                      // of the bubble's clock
	if n := r.store.failed.Load(); n < 5 || n > 15 { // it waits half a second each time
		t.Errorf("it has tried %d times in five seconds", n)
	}
	if err := r.engine.Err(); !errors.Is(err, store.ErrFull) {
		t.Errorf("Err is %v", err)
	}
	r.store.broken.Store(false)
	r.sync(last)
	r.feed(32, 60, true)
	if err := r.engine.Err(); err != nil {
		t.Errorf("Err is %v", err)
	}
	entries, err := r.store.Entries(t.Context(), a.ID(), store.EntryQuery{Kinds: []ledger.Kind{ledger.Issue}})
	if err != nil || len(entries) != 60 {
		t.Errorf("%d of 60 bars were forecast, %v", len(entries), err)
	}
}

// TestRevisionBeforeARestart revises a bar while the engine stands still, after bars that it has
// yet to step: those must be forecast from as they would have been, without the revision.
func TestRevisionBeforeARestart(t *testing.T) {
	basis := func(stopped bool) (list []ledger.IssueBody) {
		r := newRig(t)
		r.feed(0, 60, true)
		if stopped {
			r.stop()
		}
		r.feed(60, 66, !stopped)
		start := market.Time(1_700_000_058) * 1_000_000
		_, seq, err := r.store.CommitBars(t.Context(), []store.BarRecord{{Series: a.ID(), Bar: market.Bar{Start: start, End: start + 1_000_000, Open: 100, High: 150, Low: 100, Close: 150, Revision: 1}}})
		if err != nil {
			t.Fatal(err)
		}
		if stopped {
			r.start()
		} else {
			r.bus.Publish(bus.Notice{Seq: seq, Kind: "bar"})
		}
		r.sync(seq)
		r.feed(66, 70, true)
		entries, err := r.store.Entries(t.Context(), a.ID(), store.EntryQuery{Kinds: []ledger.Kind{ledger.Issue}})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range entries {
			e, err := ledger.Decode(s.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			i := *e.Issue
			i.Forecasts, i.Abstentions = nil, nil // they were made later, so some targets had ended
			list = append(list, i)
		}
		return list
	}
	want, got := basis(false), basis(true)
	if len(want) != 70 || !reflect.DeepEqual(got, want) {
		for i := range want {
			if i >= len(got) || !reflect.DeepEqual(got[i], want[i]) {
				t.Fatalf("at cutoff %d: %+v, want %+v", i, got[i:], want[i])
			}
		}
	}
}
