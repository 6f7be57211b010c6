package ingest_test

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/ingest"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

// memory is a store in memory that keeps the rules of store.BarWriter strictly.
type memory struct {
	mu      sync.Mutex
	series  map[market.SeriesID]store.SeriesRecord
	bars    map[market.SeriesID][]market.Bar // newest revisions by start
	log     []store.BarRecord
	rejects []feed.Reject
	ticks   []store.Ticks
	actions []store.ActionRecord // of one instrument
	commits int
	// fail, when not nil, is asked before each call; what it returns is the result.
	fail func(op string) error
	hang atomic.Pointer[chan struct{}] // CommitBars waits until it is closed
}

func newMemory() *memory {
	return &memory{series: map[market.SeriesID]store.SeriesRecord{}, bars: map[market.SeriesID][]market.Bar{}}
}

func (s *memory) enter(ctx context.Context, op string) error {
	s.mu.Lock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if s.fail != nil {
		return s.fail(op)
	}
	return nil
}

func (s *memory) Epoch() string { return "e" }

func (s *memory) PutSeries(ctx context.Context, r store.SeriesRecord) error {
	defer s.mu.Unlock()
	if err := s.enter(ctx, "put"); err != nil {
		return err
	}
	s.series[r.ID()] = r
	return nil
}

func (s *memory) Series(context.Context) ([]store.SeriesRecord, error) { panic("not used") }

func (s *memory) CommitTicks(ctx context.Context, ticks []store.Ticks, recs []store.BarRecord) (kept int, last uint64, err error) {
	kept, last, err = s.CommitBars(ctx, recs)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		for _, t := range ticks {
			s.ticks = append(s.ticks, store.Ticks{Series: t.Series, Ticks: slices.Clone(t.Ticks)})
		}
	}
	return kept, last, err
}

func (s *memory) DeleteTicks(context.Context, market.SeriesID, market.Time, int) (int, error) {
	panic("not used")
}

func (s *memory) CommitBars(ctx context.Context, recs []store.BarRecord) (kept int, last uint64, err error) {
	if gate := s.hang.Load(); gate != nil {
		<-*gate
	}
	defer s.mu.Unlock()
	if err := s.enter(ctx, "commit"); err != nil {
		return 0, 0, err
	}
	s.commits++
	for _, r := range recs {
		if _, ok := s.series[r.Series]; !ok {
			return 0, 0, store.ErrNotFound
		}
		all := s.bars[r.Series]
		i, found := slices.BinarySearchFunc(all, r.Start, func(b market.Bar, t market.Time) int { return int(b.Start - t) })
		switch {
		case found && all[i] == r.Bar:
			continue
		case found && r.Revision <= all[i].Revision:
			return 0, 0, fmt.Errorf("%s %s: revision %d is stored, %d came", r.Series, r.Start, all[i].Revision, r.Revision)
		case found:
			all[i] = r.Bar
		case r.Revision != 0:
			return 0, 0, fmt.Errorf("%s %s: revision %d of a bar that is not stored", r.Series, r.Start, r.Revision)
		default:
			all = slices.Insert(all, i, r.Bar)
		}
		s.bars[r.Series] = all
		r.Seq = uint64(len(s.log) + 1)
		s.log = append(s.log, r)
		kept, last = kept+1, r.Seq
	}
	return kept, last, nil
}

func (s *memory) Bars(ctx context.Context, id market.SeriesID, r store.Range) ([]market.Bar, error) {
	defer s.mu.Unlock()
	if err := s.enter(ctx, "read"); err != nil {
		return nil, err
	}
	all := s.bars[id]
	lo, hi := 0, len(all)
	if r.From != 0 {
		lo, _ = slices.BinarySearchFunc(all, r.From, func(b market.Bar, t market.Time) int { return int(b.Start - t) })
	}
	if r.To != 0 {
		hi, _ = slices.BinarySearchFunc(all, r.To, func(b market.Bar, t market.Time) int { return int(b.Start - t) })
	}
	out := slices.Clone(all[lo:max(lo, hi)])
	if r.Newest {
		slices.Reverse(out)
	}
	if r.Limit == 0 {
		r.Limit = 1000
	}
	return out[:min(r.Limit, len(out))], nil
}

func (s *memory) BarLog(context.Context, market.SeriesID, uint64, int) ([]store.BarRecord, error) {
	panic("not used")
}

func (s *memory) Quarantine(ctx context.Context, _ time.Time, r []feed.Reject) error {
	defer s.mu.Unlock()
	if err := s.enter(ctx, "quarantine"); err != nil {
		return err
	}
	s.rejects = append(s.rejects, r...)
	return nil
}

func (s *memory) PutActions(ctx context.Context, instrument string, at market.Time, actions ...market.Action) (kept int, err error) {
	defer s.mu.Unlock()
	if err := s.enter(ctx, "actions"); err != nil {
		return 0, err
	}
	for _, a := range store.NewActions(s.actions, actions) {
		kept++
		s.actions = append(s.actions, store.ActionRecord{Num: uint64(len(s.actions) + 1), Instrument: instrument, Action: a, At: at, After: uint64(len(s.log))})
	}
	return kept, nil
}

func (s *memory) Quarantined(context.Context, uint64, int) ([]store.QuarantineRecord, error) {
	panic("not used")
}
func (s *memory) QuarantineCount(context.Context) (int, error) { panic("not used") }

func (s *memory) setFail(f func(op string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

// of returns the log of one series.
func (s *memory) of(id market.SeriesID) (out []store.BarRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.log {
		if r.Series == id {
			r.Seq = 0
			out = append(out, r)
		}
	}
	return out
}

func (s *memory) quarantined() []feed.Reject {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.rejects)
}

// notices is a bus that checks that what is told was stored before.
type notices struct {
	t     testing.TB
	store *memory
	mu    sync.Mutex
	got   []bus.Notice
}

func (n *notices) Publish(x bus.Notice) {
	n.store.mu.Lock()
	stored := uint64(len(n.store.log))
	n.store.mu.Unlock()
	if x.Seq > stored {
		n.t.Errorf("notice %+v came before it was stored (%d)", x, stored)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.got = append(n.got, x)
}

func (n *notices) Subscribe(int) bus.Subscription { panic("not used") }

func (n *notices) count(kind string) (k int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, x := range n.got {
		if x.Kind == kind {
			k++
		}
	}
	return k
}

// script is a source that runs a function.
type script struct {
	info feed.Info
	run  func(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error
}

func (s *script) Info() feed.Info { return s.info }
func (s *script) Run(ctx context.Context, resume feed.Resume, out chan<- feed.Message) error {
	return s.run(ctx, resume, out)
}

// send sends messages and reports whether ctx is still good.
func send(ctx context.Context, out chan<- feed.Message, msgs ...feed.Message) bool {
	for _, m := range msgs {
		select {
		case out <- m:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// plays returns a source that sends msgs and ends.
func plays(info feed.Info, msgs ...feed.Message) *script {
	return &script{info, func(ctx context.Context, _ feed.Resume, out chan<- feed.Message) error {
		send(ctx, out, msgs...)
		return nil
	}}
}

// stays returns a source that sends msgs and waits for ctx.
func stays(info feed.Info, msgs ...feed.Message) *script {
	return &script{info, func(ctx context.Context, _ feed.Resume, out chan<- feed.Message) error {
		send(ctx, out, msgs...)
		<-ctx.Done()
		return nil
	}}
}

const (
	key    = "test:AMZN"
	minute = market.SeriesID("test:AMZN@1m")
	five   = market.SeriesID("test:AMZN@5m")
)

var amzn = market.Instrument{Symbol: "AMZN", Venue: "test", Class: market.Equity, Currency: "USD", PriceScale: 2}

func live() feed.Info {
	return feed.Info{Name: "test", Series: []market.Series{{Instrument: amzn, Interval: market.Minute}}}
}

func replay() feed.Info {
	i := live()
	i.Replay = true
	return i
}

// rig is an ingest with its surroundings.
type rig struct {
	*ingest.Ingest
	store   *memory
	bus     *notices
	metrics *prometheus.Registry
}

func newRig(t testing.TB, s *memory, change func(*ingest.Config), sources ...feed.Source) *rig {
	t.Helper()
	r := &rig{store: s, bus: &notices{t: t, store: s}, metrics: prometheus.NewRegistry()}
	cfg := ingest.Config{
		Sources: sources, Store: s, Bus: r.bus, Rollups: []market.Interval{market.FiveMin},
		Grace: 50 * time.Millisecond, Now: time.Now, Metrics: r.metrics, Rand: func() float64 { return 1 },
	}
	if change != nil {
		change(&cfg)
	}
	in, err := ingest.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.Ingest = in
	return r
}

// runs runs in and expects no error.
func (r *rig) runs(t testing.TB, ctx context.Context) {
	t.Helper()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// start runs r in the background; the function returned stops it.
func (r *rig) start(t testing.TB) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func (r *rig) value(t testing.TB, name string) (sum float64) {
	t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

// m0 is the start of the minute bars of tests: the epoch of synctest's clock.
var m0 = market.TimeOf(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC))

func at(minutes float64) market.Time { return m0 + market.Time(math.Round(minutes*60e6)) }

func bar(minutes int, price float64) market.Bar {
	return market.Bar{Start: at(float64(minutes)), End: at(float64(minutes) + 1), Open: price, High: price + 1, Low: price - 1, Close: price, Volume: 10, Trades: 3}
}

// flat is a bar of one price over any stretch.
func flat(from, to float64) market.Bar {
	return market.Bar{Start: at(from), End: at(to), Open: 9, High: 9, Low: 9, Close: 9}
}

func tick(minutes, price float64) market.Tick {
	return market.Tick{Time: at(minutes), Price: price, Size: 1}
}

func bars(b ...market.Bar) feed.Message { return feed.Message{Instrument: key, Bars: b} }

func ticks(t ...market.Tick) feed.Message { return feed.Message{Instrument: key, Ticks: t} }

func clock(minutes float64) feed.Message { return feed.Message{Clock: at(minutes)} }

// starts lists the records as minute, revision and marks, to compare and to read.
func starts(recs []store.BarRecord) []string {
	out := []string{}
	for _, r := range recs {
		s := fmt.Sprint(r.Start.Sub(m0).Minutes())
		if r.Revision > 0 {
			s += fmt.Sprint(" r", r.Revision)
		}
		if r.Backfill {
			s += " backfill"
		}
		if r.AfterGap {
			s += " gap"
		}
		out = append(out, s)
	}
	return out
}
