package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/foretick/foretick/internal/bus"
	"github.com/foretick/foretick/internal/feed"
	"github.com/foretick/foretick/internal/store"
	"github.com/foretick/foretick/market"
)

const (
	// queue is the number of messages that may wait. It bridges one commit (a few
	// milliseconds) at some ten thousand messages a second, so that a live feed is
	// not held up; a longer queue would only hide a store that is too slow.
	queue = 64
	// batchBars bounds the bars of one commit, and so its duration and memory.
	batchBars = 4096
	// batchTicks and batchRejects bound the ticks and the refused inputs taken before a
	// commit, batchMessages the messages, for the same reason.
	batchTicks    = 1 << 16
	batchRejects  = 4096
	batchMessages = 1024
	// longestWait bounds a wait by timer, so that a clock that was set is noticed.
	longestWait = time.Second
)

// pipeline is one source with all that belongs to it. Everything but health is owned
// by the goroutine of loop.
type pipeline struct {
	cfg     *Config
	src     feed.Source
	info    feed.Info
	log     *slog.Logger
	metrics sourceMetrics
	live    bool
	bases   []*base
	byKey   map[string]*base
	health  health

	in     chan feed.Message
	ended  chan ended
	closed chan struct{} // closed when loop has returned

	// The batch that is not committed yet.
	recs     []store.BarRecord
	of       []*series     // of each of recs
	kept     []store.Ticks // the ticks of its bars, where they are kept
	told     []told
	rejects  []feed.Reject
	ticks    int
	changed  bool   // the source's state is new
	finished bool   // the source has said that no more comes
	detail   string // and how
	failed   error  // why something received could not be taken

	next        market.Time // no bar becomes final by timer before it
	lastEvent   uint64
	wasRunning  bool
	interrupted bool

	bars    []market.Bar     // scratch
	refused []market.Refused // scratch
}

func newPipeline(cfg *Config, src feed.Source, m *metrics) (*pipeline, error) {
	info := src.Info()
	p := &pipeline{
		cfg: cfg, src: src, info: info, live: !info.Replay,
		log: cfg.Log.With("source", info.Name), metrics: m.source(info.Name),
		byKey: map[string]*base{},
		in:    make(chan feed.Message, queue), ended: make(chan ended), closed: make(chan struct{}),
		next: market.MaxTime,
	}
	p.metrics.up.Set(1)
	h := feed.Health{Name: info.Name, Note: info.Note, Replay: info.Replay, State: feed.Connecting, Since: market.TimeOf(cfg.Now())}
	for _, s := range info.Series {
		if p.byKey[s.Instrument.Key()] != nil {
			return nil, fmt.Errorf("ingest: source %s delivers %s at two intervals", info.Name, s.Instrument.Key())
		}
		b, err := newBase(cfg, info, s, m)
		if err != nil {
			return nil, fmt.Errorf("ingest: source %s: %w", info.Name, err)
		}
		p.bases = append(p.bases, b)
		p.byKey[s.Instrument.Key()] = b
		h.Series = append(h.Series, b.id)
		h.Simulated = h.Simulated || s.Instrument.Simulated
	}
	p.health.h, p.health.last = h, map[market.SeriesID]market.Time{}
	return p, nil
}

// run primes the pipeline from the store and runs source and loop. hard is the
// context of the store: it outlives ctx.
func (p *pipeline) run(ctx, hard context.Context) (err error) {
	defer p.caught(&err)
	// Before the source runs nothing has been received, so ctx ends the wait.
	if err := p.prime(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	g, running := errgroup.WithContext(ctx) // a loop that fails ends the source
	g.Go(func() (err error) {
		defer p.caught(&err)
		p.supervise(running)
		return nil
	})
	g.Go(func() (err error) {
		defer close(p.closed)
		defer p.caught(&err)
		return p.loop(ctx, hard)
	})
	return g.Wait()
}

// caught makes an error of a panic, so that the other pipelines end in good order and nothing
// that they have received is lost.
func (p *pipeline) caught(err *error) {
	if r := recover(); r != nil {
		p.log.Error("ingest panicked", "panic", r, "stack", string(debug.Stack()))
		*err = fmt.Errorf("ingest: %s panicked: %v", p.info.Name, r)
	}
}

// loop takes messages until the source has finished or, after ctx is done, the
// channel is closed and empty.
func (p *pipeline) loop(ctx, hard context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		var due <-chan time.Time
		if wait, ok := p.wait(); ok {
			timer.Reset(wait)
			due = timer.C
		}
		var end *ended
		open := true
		select {
		case m, ok := <-p.in:
			if open = ok; ok {
				p.takeParts(ctx, hard, m)
				open = p.drain(ctx, hard)
			}
		case e := <-p.ended:
			end = &e
			for len(p.in) > 0 {
				open = p.drain(ctx, hard)
				if err := p.flush(ctx, hard); err != nil {
					return err
				}
			}
			p.sourceEnded(hard, end)
		case <-due:
		}
		if p.live {
			now := market.TimeOf(p.cfg.Now())
			if len(p.in) == 0 || now > p.next.Add(slow) {
				p.advance(hard, now)
			}
		}
		if err := p.flush(ctx, hard); err != nil {
			return err
		}
		if p.finished && p.health.snapshot().State != feed.Finished && len(p.in) == 0 {
			p.showState(feed.Finished, p.detail)
			if err := p.flush(ctx, hard); err != nil { // tells that the state has changed
				return err
			}
		}
		if end != nil {
			close(end.done)
		}
		if !open || end != nil && end.state == feed.Finished {
			return nil
		}
	}
}

// drain takes what waits in the channel, up to a batch. It returns false when the
// channel is closed and empty.
func (p *pipeline) drain(ctx, hard context.Context) bool {
	for n := 0; n < batchMessages && !p.full() && p.failed == nil; n++ {
		select {
		case m, ok := <-p.in:
			if !ok {
				return false
			}
			p.takeParts(ctx, hard, m)
		default:
			return true
		}
	}
	return true
}

// full reports whether the batch is large enough to be committed.
func (p *pipeline) full() bool {
	return len(p.recs) >= batchBars || p.ticks >= batchTicks || len(p.told) >= batchBars || len(p.rejects) >= batchRejects
}

// takeParts takes a message in parts that are no larger than a batch, and commits what has come
// together between two of them: a source may send years at once. Why that failed is in p.failed.
func (p *pipeline) takeParts(ctx, hard context.Context, m feed.Message) {
	for len(m.Bars) > batchBars || len(m.Ticks) > batchTicks || len(m.Rejects) > batchRejects {
		part := m
		// What is said of the whole is said at its end.
		part.Lost, part.Link, part.Clock = nil, nil, 0
		if m.State != feed.Running && m.State != feed.Connecting {
			part.State, part.Detail = "", ""
		} else {
			m.State = ""
		}
		part.Rejects, m.Rejects = cut(m.Rejects, batchRejects)
		m.Actions = nil
		if len(m.Rejects) > 0 {
			part.Actions, m.Actions = nil, part.Actions // they come after rejects and before data
			part.Bars, part.Ticks = nil, nil
		} else {
			part.Bars, m.Bars = cut(m.Bars, batchBars)
			part.Ticks, m.Ticks = cut(m.Ticks, batchTicks)
		}
		p.take(hard, &part)
		if p.failed = p.flush(ctx, hard); p.failed != nil {
			return
		}
	}
	p.take(hard, &m)
}

func cut[T any](list []T, n int) (first, rest []T) {
	n = min(n, len(list))
	return list[:n:n], list[n:]
}

// wait is how long to wait until a bar becomes final by timer.
func (p *pipeline) wait() (time.Duration, bool) {
	if !p.live || p.next == market.MaxTime {
		return 0, false
	}
	return min(max(0, p.next.Sub(market.TimeOf(p.cfg.Now()))), longestWait), true
}

// take handles one message.
func (p *pipeline) take(ctx context.Context, m *feed.Message) {
	now := p.cfg.Now()
	data := len(m.Ticks) > 0 || len(m.Bars) > 0
	p.health.update(func(h *feed.Health) {
		// That a connection is tried or lost is not something that came.
		if data || len(m.Rejects) > 0 || m.Clock != 0 || m.Link != nil && (h.Link == nil || m.Link.Frames > h.Link.Frames) {
			h.LastData = market.TimeOf(now)
			p.metrics.lastFrame.Set(float64(now.UnixMicro()) / 1e6)
		}
		if !p.live {
			h.Clock = max(h.Clock, m.Clock)
		}
		h.Ticks += uint64(len(m.Ticks))
	})
	p.metrics.ticks.Add(float64(len(m.Ticks)))

	before := m.State == feed.Running || m.State == feed.Connecting
	switch {
	case before:
		p.setState(m.State, m.Detail)
	case data && !p.wasRunning, data && p.interrupted:
		p.setState(feed.Running, "")
	}
	for _, r := range m.Rejects {
		if r.Instrument == "" {
			r.Instrument = m.Instrument
		}
		p.reject(r)
	}
	if len(m.Actions) > 0 {
		p.takeActions(m)
	}
	if data {
		p.takeData(ctx, m, market.TimeOf(now))
	}
	if m.Link != nil {
		p.takeLink(m.Link)
	}
	for _, sp := range m.Lost {
		p.log.Warn("the venue has no data any more", "instrument", m.Instrument, "from", sp.Start, "to", sp.End, "why", m.Detail)
		p.metrics.lost.Inc()
		p.changed = true
	}
	if m.Clock != 0 && !p.live {
		p.advance(ctx, m.Clock)
	}
	if m.State != "" && !before {
		p.setState(m.State, m.Detail)
	}
}

// takeLink notes the condition of the connection.
func (p *pipeline) takeLink(l *feed.Link) {
	var before *feed.Link
	p.health.update(func(h *feed.Health) {
		before = h.Link
		if was := h.Link; was == nil || was.Reconnects != l.Reconnects || was.GapsOpen != l.GapsOpen || was.GapsHealed != l.GapsHealed || was.GapsLost != l.GapsLost || was.Healing != l.Healing {
			p.changed = true
		}
		h.Link = l
	})
	p.metrics.connected(before, l)
}

func (p *pipeline) takeData(ctx context.Context, m *feed.Message, now market.Time) {
	b := p.byKey[m.Instrument]
	if b == nil {
		why := fmt.Sprintf("the source did not announce the instrument %q", m.Instrument)
		for i := range m.Bars {
			p.reject(feed.Reject{Instrument: m.Instrument, Raw: rawBar(&m.Bars[i]), Reason: why})
		}
		for i := range m.Ticks {
			p.reject(feed.Reject{Instrument: m.Instrument, Raw: rawTick(&m.Ticks[i]), Reason: why})
		}
		return
	}
	if len(m.Bars) > 0 {
		p.takeBars(ctx, b, m, now)
	}
	if len(m.Ticks) > 0 {
		p.takeTicks(ctx, b, m, now)
	}
	p.next = min(p.next, b.due(p.live))
}

// advance makes final by time what is due at now: the wall clock of a live source,
// the data's clock of a replay.
func (p *pipeline) advance(ctx context.Context, now market.Time) {
	if now < p.next {
		return
	}
	p.next = market.MaxTime
	for _, b := range p.bases {
		t := now
		if p.live {
			t = b.clock(now)
		}
		p.advanceBase(ctx, b, t)
		p.next = min(p.next, b.due(p.live))
	}
}

// setState records the source's condition. After an interruption of a live source
// the next hole is a gap.
func (p *pipeline) setState(s feed.State, detail string) {
	if s == feed.Finished {
		p.finished, p.detail = true, detail // to be shown when all it sent is stored
		return
	}
	p.showState(s, detail)
}

func (p *pipeline) showState(s feed.State, detail string) {
	now := market.TimeOf(p.cfg.Now())
	p.health.update(func(h *feed.Health) {
		if h.State != s {
			h.Since = now
			p.changed = true
		}
		p.changed = p.changed || h.Detail != detail
		h.State, h.Detail = s, detail
	})
	if s == feed.Stalled || s == feed.Failed {
		p.metrics.up.Set(0)
	} else {
		p.metrics.up.Set(1)
	}
	switch s {
	case feed.Running:
		for _, b := range p.bases {
			b.arrived = now // backfill may come first
		}
		if p.interrupted && p.live {
			p.expectGaps()
		}
		p.wasRunning, p.interrupted = true, false
	case feed.Connecting, feed.Stalled, feed.Failed:
		p.interrupted = p.wasRunning
	}
}

// sourceEnded acts on the return of the source; everything that it sent was taken.
func (p *pipeline) sourceEnded(ctx context.Context, e *ended) {
	for _, b := range p.bases {
		switch {
		case e.state == feed.Finished:
			// No more of the open bar can come.
			p.advanceBuilder(ctx, b, market.MaxTime)
		case !p.live:
			// The source resumes after the last stored bar.
			b.builder.Discard()
		default:
			b.resent = true
		}
	}
	if e.state == feed.Finished && p.finished {
		return // the source said so itself, with details
	}
	p.setState(e.state, e.detail)
}

// reject adds r to the batch.
func (p *pipeline) reject(r feed.Reject) {
	const longest = 500
	if r.Source == "" {
		r.Source = p.info.Name
	}
	if len(r.Raw) > longest {
		r.Raw = r.Raw[:longest]
	}
	p.rejects = append(p.rejects, r)
}

func (p *pipeline) notify(kind, key string) {
	p.cfg.Bus.Publish(p.notice(kind, key))
}

func (p *pipeline) notice(kind, key string) bus.Notice {
	return bus.Notice{Epoch: p.cfg.Store.Epoch(), Seq: p.lastEvent, Kind: kind, Key: key}
}

func rawBar(b *market.Bar) string {
	return fmt.Sprintf("%s,%v,%v,%v,%v,%v", b.Start, b.Open, b.High, b.Low, b.Close, b.Volume)
}

func rawTick(t *market.Tick) string {
	return fmt.Sprintf("%s,%v,%v", t.Time, t.Price, t.Size)
}
